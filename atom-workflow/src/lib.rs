//! Durable workflows: the language, the machine that decides, and the runtime that carries out.
//!
//! * [`definition`] reads Open Workflow 1.0.3 documents into types.
//! * [`expression`] evaluates jq within limits.

#![forbid(unsafe_code)]

pub mod definition;
pub mod expression;
