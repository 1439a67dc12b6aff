//! What a user of the engine can rely on, checked through its public interface.

mod api;
mod bridge;
mod engine;
mod schema;
mod support;
