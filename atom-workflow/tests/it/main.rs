//! Workflows carried out by the machine and the embedded runtime.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends when something is not as it should be"
)]

mod clock;
mod compensate;
mod crash;
mod engine;
mod events;
mod extend;
mod rerun;
mod stuck;
mod support;
mod sweep;
mod tasks;
