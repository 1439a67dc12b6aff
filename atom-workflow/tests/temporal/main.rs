//! Runs on a Temporal server, beside the same runs with the embedded runtime.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends when something is not as it should be"
)]

mod alike;
mod histories;
mod killed;
mod lasting;
mod messages;
mod process;
mod schedules;
mod sealed;
mod server;
#[expect(dead_code, reason = "the other tests use the rest")]
#[path = "../it/support.rs"]
mod support;
mod tls;
mod world;
