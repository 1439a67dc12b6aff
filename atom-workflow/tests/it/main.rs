//! Workflows carried out by the machine and the embedded runtime.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends when something is not as it should be"
)]

mod approve;
mod clock;
mod compensate;
mod crash;
mod dry_run;
mod engine;
mod events;
mod extend;
mod lifecycle;
mod operating;
mod parking;
mod recording;
mod recovery;
mod rerun;
mod resources;
mod schedules;
mod stuck;
mod subscribe;
mod support;
mod sweep;
mod tasks;
