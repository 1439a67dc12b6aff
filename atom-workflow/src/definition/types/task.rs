//! Tasks, and where they lead.

use std::sync::Arc;

use atom_core::Error;
use serde_json::Value;

use super::{
    Approve, Call, DurationSpec, Input, Listen, Output, Raise, RunProcess, RunWorkflow, Subscribe,
    SubscriptionIterator, Transform, Try,
};
use crate::expression::{Expression, Template};

/// Named tasks in order.
#[derive(Clone, Debug, Default)]
pub struct TaskList {
    /// The tasks.
    pub tasks: Vec<Arc<Task>>,
}

impl TaskList {
    /// Where the task of this name stands.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.name == name)
    }
}

/// One task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name, unique in its list.
    pub name: String,
    /// Its JSON pointer in the document, e.g. `/do/0/readMail`.
    pub reference: String,
    /// The line it stands on, from 1; for a task of a function from elsewhere, that of its call.
    pub line: usize,
    /// The column it starts at, from 1.
    pub column: usize,
    /// `if`: whether to run it at all.
    pub condition: Option<Expression>,
    /// What comes in.
    pub input: Input,
    /// What goes out.
    pub output: Output,
    /// What it leaves in the context; absent to leave the context as it is.
    pub export: Option<Output>,
    /// How long it may take.
    pub timeout: Option<DurationSpec>,
    /// Where to go after it.
    pub then: FlowDirective,
    /// What it does.
    pub kind: TaskKind,
    /// `metadata.atom.approve`: what a person is asked before it runs.
    pub approve: Option<Box<Approve>>,
    /// `metadata.atom.compensate`: what undoes it when the run fails or is cancelled later.
    pub compensate: Option<TaskList>,
    /// `metadata.atom.idempotencyKey`: gives the idempotency key of a call, from the task's input.
    pub idempotency_key: Option<Expression>,
    /// The task as JSON: what `$task.definition` shows.
    pub source: Arc<Value>,
}

impl Task {
    /// Says in an error where the document has the task.
    pub(crate) fn located(&self, error: Error) -> Error {
        error
            .with_context("line", self.line)
            .with_context("column", self.column)
            .with_context("path", &self.reference)
    }

    /// What is done with each event or message, for a task that consumes them one by one.
    #[must_use]
    pub fn iterator(&self) -> Option<&SubscriptionIterator> {
        match &self.kind {
            TaskKind::Listen(listen) => listen.foreach.as_ref(),
            TaskKind::Subscribe(subscribe) => subscribe.foreach.as_ref(),
            _ => None,
        }
    }
}

/// Where to go after a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FlowDirective {
    /// The next task of the list, or the end of the list.
    #[default]
    Continue,
    /// The end of the list.
    Exit,
    /// The end of the workflow.
    End,
    /// A task of the same list, by name; the reader has checked that it is there.
    Task(String),
}

/// What a task does.
#[derive(Clone, Debug)]
pub enum TaskKind {
    /// Runs tasks in order.
    Do(TaskList),
    /// Gives a value.
    Set(Template),
    /// Calls something.
    Call(Call),
    /// Consumes messages: `call: asyncapi` with a `subscription`.
    Subscribe(Box<Subscribe>),
    /// Chooses where to go.
    Switch(Vec<SwitchCase>),
    /// Runs tasks for each item of a collection.
    For(For),
    /// Runs branches side by side.
    Fork(Fork),
    /// Runs tasks and handles their errors.
    Try(Box<Try>),
    /// Ends in an error.
    Raise(Raise),
    /// Pauses.
    Wait(DurationSpec),
    /// Publishes an event: the template gives its attributes.
    Emit(Template),
    /// Waits for events.
    Listen(Listen),
    /// Runs another workflow.
    Run(RunWorkflow),
    /// Runs a process.
    Process(RunProcess),
    /// Something valid that the engine does not carry out; listed in [`Workflow::unsupported`](super::Workflow::unsupported).
    Unsupported,
}

/// One case of a switch.
#[derive(Clone, Debug)]
pub struct SwitchCase {
    /// Its name.
    pub name: String,
    /// When it applies; always when absent.
    pub when: Option<Expression>,
    /// Where it leads.
    pub then: FlowDirective,
}

/// A loop over a collection.
#[derive(Clone, Debug)]
pub struct For {
    /// The variable that holds the item, without `$`; `item` by default.
    pub each: String,
    /// The variable that holds the index, without `$`; `index` by default.
    pub at: String,
    /// Gives the collection: must be an array.
    pub collection: Transform,
    /// Whether to go on, asked before each item.
    pub r#while: Option<Expression>,
    /// What runs for each item.
    pub tasks: TaskList,
}

/// Branches that run side by side.
#[derive(Clone, Debug)]
pub struct Fork {
    /// The branches, each one task.
    pub branches: TaskList,
    /// Whether the first branch to end wins and the others are cancelled.
    pub is_competing: bool,
}
