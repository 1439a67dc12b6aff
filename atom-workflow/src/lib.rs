//! Durable workflows: the language, the machine that decides, and the runtime that carries out.
//!
//! * [`definition`] reads Open Workflow 1.0.3 documents into types.
//! * [`expression`] evaluates jq within limits.
//! * [`machine`] decides what a run does next, without doing it.
//! * [`runtime`] does it, and keeps the journal.
//! * `temporal` does it on a Temporal server (feature `temporal`).

#![forbid(unsafe_code)]

mod consumption;
pub mod definition;
pub mod expression;
pub mod machine;
pub mod runtime;
#[cfg(feature = "temporal")]
pub mod temporal;
