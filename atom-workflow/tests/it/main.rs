//! Workflows carried out by the machine and the embedded runtime.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends when something is not as it should be"
)]

mod admission;
mod alerts;
mod approve;
mod children;
mod clock;
mod compensate;
mod continuation;
mod crash;
mod diff;
mod dry_run;
mod engine;
mod events;
mod extend;
mod lifecycle;
mod migrate;
mod operating;
mod parking;
mod recording;
mod recovery;
mod rerun;
mod resources;
mod retention;
mod retry;
mod schedules;
mod secrets;
mod statistics;
mod stuck;
mod subscribe;
mod support;
mod sweep;
mod tasks;
mod workers;
