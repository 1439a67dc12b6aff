//! Errors: how they are raised, caught and tried again.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{DurationSpec, FlowDirective, TaskList};
use crate::expression::{Expression, Template};

/// Tasks whose errors are handled.
#[derive(Clone, Debug)]
pub struct Try {
    /// What is tried.
    pub tasks: TaskList,
    /// Which errors are handled: fields of the error that must be equal; none for all errors.
    pub errors: BTreeMap<String, Value>,
    /// The variable that holds the error, without `$`; `error` by default.
    pub r#as: String,
    /// Handles only errors for which this is true.
    pub when: Option<Expression>,
    /// Does not handle errors for which this is true.
    pub except_when: Option<Expression>,
    /// Whether and when to try again first.
    pub retry: Option<RetryPolicy>,
    /// What runs when an error is handled.
    pub handler: Option<TaskList>,
    /// Where to go after an error was handled, instead of the task's own directive.
    pub then: Option<FlowDirective>,
}

/// Whether and when to try again.
#[derive(Clone, Debug, Default)]
pub struct RetryPolicy {
    /// Retries only when this is true.
    pub when: Option<Expression>,
    /// Does not retry when this is true.
    pub except_when: Option<Expression>,
    /// The first pause.
    pub delay: Option<DurationSpec>,
    /// How the pause grows.
    pub backoff: Backoff,
    /// How many times to retry at most; without any limit at all the engine's own bound holds.
    pub attempts: Option<u64>,
    /// How long one attempt may take.
    pub attempt_duration: Option<DurationSpec>,
    /// How long all attempts together may take.
    pub duration: Option<DurationSpec>,
    /// A random addition to each pause, between these two.
    pub jitter: Option<(DurationSpec, DurationSpec)>,
}

/// How the pause between tries grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backoff {
    /// Always the same.
    #[default]
    Constant,
    /// The delay times the number of the attempt.
    Linear,
    /// Doubled each time.
    Exponential,
}

/// An error to end in.
#[derive(Clone, Debug)]
pub struct Raise {
    /// Gives the error's fields: `type`, `status` and perhaps `title`, `detail`, `instance`.
    pub error: Template,
}
