//! What comes in, goes out and is computed.

use atom_core::Result;
use serde_json::Value;

use crate::definition::{CalendarDuration, DataSchema};
use crate::expression::{Expression, Template, Variables};

/// A value computed from data: one expression, or a structure with expressions in it.
#[derive(Clone, Debug)]
pub enum Transform {
    /// One expression, with or without `${ }`.
    Expression(Expression),
    /// A structure whose strings may be expressions in `${ }`.
    Template(Template),
}

impl Transform {
    /// Computes the value.
    ///
    /// # Errors
    /// As [`Expression::evaluate`].
    pub fn evaluate(&self, input: &Value, variables: &Variables) -> Result<Value> {
        match self {
            Self::Expression(expression) => expression.evaluate(input, variables),
            Self::Template(template) => template.evaluate(input, variables),
        }
    }
}

/// What comes into a workflow or task: checked first, then transformed.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// What the raw input must look like.
    pub schema: Option<DataSchema>,
    /// What the workflow or task sees of it.
    pub from: Option<Transform>,
}

/// What goes out of a workflow or task, or into the context: transformed first, then checked.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// What the transformed output must look like.
    pub schema: Option<DataSchema>,
    /// What is passed on of the raw output.
    pub r#as: Option<Transform>,
}

/// A length of time, known or computed.
#[derive(Clone, Debug)]
pub enum DurationSpec {
    /// Known.
    Fixed(CalendarDuration),
    /// Computed: an expression that gives an ISO 8601 duration or an object such as `{"seconds": 3}`.
    Expression(Expression),
}
