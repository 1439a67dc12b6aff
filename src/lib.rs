//! Atom: an embeddable engine that runs durable workflows written as YAML, and connectors for local files.
//!
//! [`Engine`] is the whole of it for a Rust program. Every [operation](api) is one typed request; the command
//! line and the host languages offer the same operations as JSON, the latter through the [`bridge`].
//!
//! ```
//! use atom_engine::api::{DeployWorkflowRequest, StartRunRequest};
//! use atom_engine::{Engine, EngineConfig};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "multi_thread", worker_threads = 1)]
//! # async fn main() -> atom_engine::Result<()> {
//! let engine = Engine::open(EngineConfig::in_memory()).await?;
//! let document = r#"
//! document: { dsl: 1.0.3, namespace: default, name: hello, version: 0.1.0 }
//! do:
//!   - greet: { set: { greeting: '${ "Hello " + .name }' } }
//! "#;
//! engine.call(DeployWorkflowRequest::new(document)).await?;
//! let start = StartRunRequest::deployed("default", "hello").with_input(json!({ "name": "Ada" })).and_wait();
//! let run = engine.call(start).await?;
//! assert_eq!(run.output, Some(json!({ "greeting": "Hello Ada" })));
//! engine.close().await?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod api;
pub mod backup;
pub mod bridge;
mod builder;
mod config;
mod engine;
mod runs;
pub mod schema;
pub mod storage;
mod templates;

pub use atom_core::{
    ApprovalId, CloudEvent, Error, ErrorCode, ErrorReport, Function, FunctionContext, FunctionInfo,
    FunctionRegistry, Principal, Result, Retry, RunId, Secret,
};
pub use atom_integrations::http::{HttpConfig, PrivateAddresses};
pub use atom_integrations::process::ProcessConfig;
pub use builder::EngineBuilder;
pub use config::{EngineConfig, FileRoots, RetentionConfig, Runs, Storage, StorageKind};
pub use engine::Engine;
