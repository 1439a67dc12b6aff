//! Tests of expressions as a whole.

mod errors;
mod language;
mod limits;
mod properties;

use atom_core::Error;
use serde_json::Value;

use super::{Expression, Variables};

/// The first output of `program`, compiled and run with the interpreter.
fn run(program: &str, input: &Value) -> Result<Value, Error> {
    Expression::compile(program)?.evaluate(input, &Variables::new())
}
