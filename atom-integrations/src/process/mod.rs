//! What the operator may set about processes that workflows start.

mod config;

pub use config::ProcessConfig;
