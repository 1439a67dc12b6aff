//! What a user of the engine can rely on, checked through its public interface.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admission;
mod agents;
mod alerts;
mod api;
mod bridge;
mod conformance;
mod continuation;
mod cut_log;
mod engine;
mod histories;
#[cfg(all(unix, feature = "postgres"))]
mod postgres_workers;
#[cfg(unix)]
mod processes;
mod protocols;
mod refresh;
mod resources;
mod retention;
mod schedules;
mod schema;
#[cfg(all(unix, feature = "postgres"))]
mod storage_copy;
mod support;
mod templates;
#[cfg(all(unix, feature = "temporal"))]
mod temporal;
#[cfg(all(unix, feature = "temporal"))]
mod temporal_schedules;
