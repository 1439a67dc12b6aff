//! Workflow files.

use std::path::Path;

use atom_engine::{Error, ErrorReport};
use atom_workflow::definition::Workflow;

use super::error::CommandError;
use super::json::read_file;

/// A file that holds a well-formed workflow.
pub(super) struct WorkflowFile {
    pub(super) text: String,
    pub(super) workflow: Workflow,
}

impl WorkflowFile {
    pub(super) fn read(path: &Path) -> Result<Self, CommandError> {
        let text = read_file(path)?;
        match Workflow::parse(&text) {
            Ok(workflow) => Ok(Self { text, workflow }),
            Err(error) => Err(invalid(path, &error)),
        }
    }
}

/// The error for a file that holds no workflow this engine carries out.
pub(super) fn invalid(path: &Path, error: &Error) -> CommandError {
    CommandError::Usage(located(path, &error.report()))
}

/// A problem in the form that editors and terminals can jump to: `FILE:line:column: message`.
pub(super) fn located(path: &Path, problem: &ErrorReport) -> String {
    let file = path.display();
    let (Some(line), Some(column)) = (problem.context.get("line"), problem.context.get("column")) else {
        return format!("{file}: {}", problem.message);
    };
    let position = format!("line {line}, column {column}: ");
    let message = problem
        .message
        .strip_prefix(&position)
        .unwrap_or(&problem.message);
    format!("{file}:{line}:{column}: {message}")
}
