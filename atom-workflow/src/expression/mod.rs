//! Runtime expressions of Open Workflow documents: jq programs, evaluated within limits.
//!
//! An expression is compiled once and evaluated many times. Because a run is replayed after a crash, the
//! result is a function of the input and the variables alone: whatever reads a clock, the environment or
//! standard input does not exist here, and every bound is a count, never a time.
//!
//! ```
//! use atom_workflow::expression::{Expression, Template, Variables};
//! use serde_json::json;
//!
//! let variables = Variables::new().set("context", json!({"greeting": "Hello"}));
//! let expression = Expression::compile(r#""\($context.greeting) \(.user.name)""#)?;
//! let output = expression.evaluate(&json!({"user": {"name": "Ada"}}), &variables)?;
//! assert_eq!(output, json!("Hello Ada"));
//!
//! let template = Template::compile(&json!({"to": "${ .user.mail }", "subject": "News"}))?;
//! let output = template.evaluate(&json!({"user": {"mail": "ada@example.com"}}), &variables)?;
//! assert_eq!(output, json!({"to": "ada@example.com", "subject": "News"}));
//! # Ok::<(), atom_core::Error>(())
//! ```

mod access;
mod analysis;
mod limits;
mod natives;
mod number;
mod operators;
mod path;
mod prelude;
mod program;
mod regex;
mod secret;
mod structure;
mod template;
#[cfg(test)]
mod tests;
mod value;
mod variables;

pub use limits::Limits;
pub use program::Expression;
pub(crate) use program::no_secret;
pub use template::{Template, compile_bare, is_expression};
pub use variables::Variables;
pub(crate) use variables::runtime_descriptor;

use serde_json::Value;

/// Whether jq counts `value` as true: everything but `null` and `false`.
///
/// ```
/// # use serde_json::json;
/// use atom_workflow::expression::truthy;
/// assert!(truthy(&json!(0)) && truthy(&json!("")) && !truthy(&json!(null)));
/// ```
#[must_use]
pub fn truthy(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}
