//! Reads Open Workflow 1.0.3 documents, YAML or JSON, into checked and compiled types.

mod types;

pub use types::*;
