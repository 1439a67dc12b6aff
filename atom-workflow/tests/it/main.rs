//! Workflows carried out by the machine and the embedded runtime.

mod crash;
mod engine;
mod events;
mod support;
mod tasks;
