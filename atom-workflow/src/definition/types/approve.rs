//! What people are asked.

use std::sync::Arc;

use atom_core::storage::OnDeadline;
use serde_json::Value;

use super::DurationSpec;
use crate::definition::DataSchema;
use crate::expression::Template;

/// What a person is asked before a task runs.
#[derive(Clone, Debug)]
pub struct Approve {
    /// Gives what is asked, in a line.
    pub title: Template,
    /// Gives what is asked, at length.
    pub message: Option<Template>,
    /// Gives who may decide: an object with the lists `roles` and `users`. Absent for the owner of the run.
    pub assignees: Option<Template>,
    /// What is to be filled in.
    pub form: Option<Form>,
    /// Gives what the decision is about; the task's input when absent.
    pub data: Option<Template>,
    /// Whether the task's input may be replaced.
    pub allow_edit: bool,
    /// How long there is to decide.
    pub deadline: Option<DurationSpec>,
    /// What happens then.
    pub on_deadline: OnDeadline,
}

/// What a person fills in.
#[derive(Clone, Debug)]
pub struct Form {
    /// Checks it.
    pub schema: DataSchema,
    /// The JSON Schema as written.
    pub source: Arc<Value>,
}
