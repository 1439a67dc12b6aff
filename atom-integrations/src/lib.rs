//! The parts of the Atom engine that touch the outside: files, HTTP, storage, the vault and connectors.
//!
//! Everything here implements a contract of [`atom_core`]; nothing here knows about workflows.
//!
//! ```
//! use atom_core::FunctionRegistry;
//! use atom_integrations::local::{self, FileAccess};
//!
//! let functions = FunctionRegistry::default();
//! for connector in local::connectors(FileAccess::none())? {
//!     connector.register(&functions)?;
//! }
//! assert!(functions.get("mailbox.messages.list").is_ok());
//! # Ok::<(), atom_core::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod a2a;
#[cfg(feature = "asyncapi")]
pub mod asyncapi;
#[cfg(feature = "grpc")]
pub mod grpc;
pub mod http;
mod json_rpc;
pub mod local;
#[cfg(feature = "mcp")]
pub mod mcp;
pub mod process;
pub mod storage;
pub mod system;
pub mod text;
pub mod vault;
