//! The contracts of the Atom engine: errors, principals, models, functions, connectors, events and storage.
//!
//! This crate does no I/O, reads no clock and makes no randomness of its own: those come in through
//! [`Clock`], [`RandomSource`] and the storage traits, each with an in-memory implementation beside it and a
//! behaviour suite in `testkit` (a feature) that every implementation must pass.
//!
//! ```
//! use atom_core::function::{FunctionContext, TypedFunction};
//! use atom_core::{FunctionRegistry, Principal};
//! use std::sync::Arc;
//!
//! let functions = FunctionRegistry::default();
//! functions.register(Arc::new(TypedFunction::new(
//!     "double",
//!     "Doubles a number.",
//!     |number: i64, _context: FunctionContext| async move { Ok(number * 2) },
//! )))?;
//! assert_eq!(functions.list()[0].name, "double");
//! # Ok::<(), atom_core::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod cancel;
pub mod clock;
pub mod connector;
pub mod error;
pub mod event;
pub mod function;
pub mod id;
pub mod model;
pub mod principal;
pub mod schema;
pub mod secret;
pub mod storage;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use cancel::CancellationToken;
pub use clock::Clock;
pub use connector::Connector;
pub use error::{Error, ErrorCode, ErrorReport, Result, Retry};
pub use event::{CloudEvent, EventLog, LoggedEvent, Offset};
pub use function::{Function, FunctionContext, FunctionInfo, FunctionRegistry};
pub use id::{ApprovalId, RandomSource, RunId, WorkerId};
pub use principal::{Principal, Scope};
pub use secret::Secret;
