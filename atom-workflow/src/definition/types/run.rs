//! Other workflows and processes that a task runs.

use super::DurationSpec;
use crate::expression::Template;

/// A run of another workflow.
#[derive(Clone, Debug)]
pub struct RunWorkflow {
    /// The namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version, or `latest`.
    pub version: String,
    /// Its input.
    pub input: Template,
    /// Whether to wait for its output.
    pub is_awaited: bool,
    /// What of it becomes the output of the task.
    pub returns: Returned,
}

/// What a task gives of a workflow that it ran to its end (`return`). The specification has the words of processes: the output of
/// a workflow is what one writes to its standard output, its code is 0 and it has written no errors, as one that fails fails the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// The output (`stdout`).
    Output,
    /// What a process writes of errors: the empty text (`stderr`).
    Errors,
    /// The exit code, 0 (`code`).
    Code,
    /// All three (`all`).
    All,
    /// `null` (`none`).
    Nothing,
}

/// A process to run: a shell command, a script or a container.
#[derive(Clone, Debug)]
pub struct RunProcess {
    /// What kind of process it is.
    pub kind: ProcessKind,
    /// What the function is called with, apart from what has a field of its own here.
    pub arguments: Template,
    /// The name of a container.
    pub name: Option<Template>,
    /// How long a container stays after it has ended.
    pub cleanup_after: Option<DurationSpec>,
    /// Whether to wait for its end.
    pub is_awaited: bool,
}

/// A kind of process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessKind {
    /// A command of the system's shell.
    Shell,
    /// A script.
    Script,
    /// A container.
    Container,
}

impl ProcessKind {
    /// The registered function that runs it.
    #[must_use]
    pub fn function(self) -> &'static str {
        match self {
            Self::Shell => "run.shell",
            Self::Script => "run.script",
            Self::Container => "run.container",
        }
    }
}
