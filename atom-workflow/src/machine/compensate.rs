//! Compensation: undoing what has completed when a run fails or is cancelled.
//!
//! A task with `metadata.atom.compensate` leaves, once it has completed, a list of tasks that undo it. When the run
//! fails or is cancelled these lists run before it ends, the latest first. A list that fails is tried again, and
//! given up after a bounded number of attempts; the others still run.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::event::RecordKind;
use super::frame::{Frame, FrameKind, List, Purpose, Work};
use super::{Machine, Outcome, WorkflowError};
use crate::definition::Task;
use crate::expression::Variables;

/// How often a compensation is attempted before it is given up.
const MAX_ATTEMPTS: u32 = 10;

/// The pause after the first attempt; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How many completed tasks a run remembers how to undo.
const MAX_COMPENSATIONS: usize = 10_000;

/// What undoes one completed task.
#[derive(Debug)]
pub(super) struct Compensation {
    pub(super) task: Arc<Task>,
    pub(super) input: Arc<Value>,
    pub(super) output: Arc<Value>,
    pub(super) variables: Variables,
}

/// Why a run ends without having completed.
#[derive(Debug)]
pub(super) enum Failure {
    Faulted(WorkflowError),
    Cancelled { reason: Option<String> },
}

/// A run that is being undone.
#[derive(Debug)]
pub(super) struct Undoing {
    failure: Failure,
    /// The compensation under way.
    current: Option<Compensation>,
    /// Its attempt, from 1.
    attempt: u32,
    /// The tasks whose compensation was given up.
    given_up: Vec<String>,
}

impl Machine {
    /// Remembers how to undo a task that has completed.
    pub(super) fn remember(
        &mut self,
        task: &Arc<Task>,
        input: &Arc<Value>,
        output: &Arc<Value>,
        variables: Variables,
    ) -> Result<(), WorkflowError> {
        if task.compensate.is_none() || self.undoing.is_some() {
            return Ok(());
        }
        if self.compensations.len() >= MAX_COMPENSATIONS {
            return Err(WorkflowError::runtime(format!(
                "more than {MAX_COMPENSATIONS} completed tasks have a compensation; split the work into several runs"
            )));
        }
        self.compensations.push(Compensation {
            task: Arc::clone(task),
            input: Arc::clone(input),
            output: Arc::clone(output),
            variables,
        });
        Ok(())
    }

    /// Whether any task has completed that can be undone.
    pub(crate) fn has_compensations(&self) -> bool {
        !self.compensations.is_empty()
    }

    /// Ends a run that did not complete, once what it has done is undone.
    pub(super) fn give_up(&mut self, failure: Failure) {
        self.stop_everything();
        let undoing = Undoing {
            failure,
            current: None,
            attempt: 0,
            given_up: Vec::new(),
        };
        if self.compensations.is_empty() {
            return self.conclude(undoing);
        }
        let error = undoing.failure.error().cloned();
        self.record(None, || RecordKind::RunCompensating { error });
        self.undoing = Some(Box::new(undoing));
        self.begin_compensation();
    }

    /// Begins the next compensation, or the next attempt of the present one; ends the run after the last.
    pub(super) fn begin_compensation(&mut self) {
        let Some(mut undoing) = self.undoing.take() else {
            return;
        };
        let compensation = match undoing.current.take() {
            Some(current) => current,
            None => match self.compensations.pop() {
                Some(next) => {
                    undoing.attempt = 0;
                    next
                }
                None => return self.conclude(*undoing),
            },
        };
        undoing.attempt += 1;
        let input = json!({
            "input": *compensation.input,
            "output": *compensation.output,
            "error": undoing.failure.error(),
        });
        self.record(Some(&compensation.task.reference), || {
            RecordKind::TaskCompensating {
                attempt: undoing.attempt,
            }
        });
        let list = self.number();
        let kind = FrameKind::List {
            list: List::Compensation(Arc::clone(&compensation.task)),
            index: 0,
            slot: 0,
        };
        self.insert(list, Frame::new(None, compensation.variables.clone(), kind));
        self.work.push_back(Work::Run {
            list,
            input: Arc::new(input),
        });
        undoing.current = Some(compensation);
        self.undoing = Some(undoing);
    }

    /// Takes in that the present compensation has ended well.
    pub(super) fn end_compensation(&mut self) {
        self.stop_everything();
        let current = self.undoing.as_mut().and_then(|undoing| undoing.current.take());
        if let Some(current) = current {
            self.record(Some(&current.task.reference), || RecordKind::TaskCompensated);
        }
        self.begin_compensation();
    }

    /// Takes in that the present compensation has failed: it is tried again later, or given up.
    pub(super) fn fail_compensation(&mut self, error: WorkflowError) {
        self.stop_everything();
        let Some(undoing) = &mut self.undoing else { return };
        let Some(current) = &undoing.current else { return };
        let reference = current.task.reference.clone();
        if undoing.attempt < MAX_ATTEMPTS {
            let pause = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(undoing.attempt - 1));
            let next_at = self.after(pause);
            self.record(Some(&reference), || RecordKind::TaskCompensationFaulted {
                error,
                next_at: Some(next_at),
            });
            self.begin(None, Purpose::Compensation, super::Command::Timer { at: next_at });
            return;
        }
        undoing.current = None;
        undoing.given_up.push(reference.clone());
        self.record(Some(&reference), || RecordKind::TaskCompensationFaulted {
            error,
            next_at: None,
        });
        self.begin_compensation();
    }

    fn conclude(&mut self, undoing: Undoing) {
        let outcome = match (undoing.given_up.is_empty(), undoing.failure) {
            (true, Failure::Faulted(error)) => Outcome::Faulted(error),
            (true, Failure::Cancelled { reason }) => {
                self.record(None, || RecordKind::RunCancelled { reason });
                return self.end(Outcome::Cancelled);
            }
            (false, failure) => Outcome::Faulted(failure.without_compensation(&undoing.given_up)),
        };
        if let Outcome::Faulted(error) = &outcome {
            let error = error.clone();
            self.record(None, || RecordKind::RunFaulted { error });
        }
        self.end(outcome);
    }
}

impl Failure {
    fn error(&self) -> Option<&WorkflowError> {
        match self {
            Self::Faulted(error) => Some(error),
            Self::Cancelled { .. } => None,
        }
    }

    /// The error of a run that is left half undone, which its owner must hear of.
    fn without_compensation(&self, given_up: &[String]) -> WorkflowError {
        let because = match self {
            Self::Cancelled { .. } => "the run was cancelled".to_owned(),
            Self::Faulted(error) => {
                let detail = error.detail.as_deref().or(error.title.as_deref());
                format!("the run failed: {}", detail.unwrap_or(&error.kind))
            }
        };
        WorkflowError::compensation(format!(
            "{} of the completed tasks could not be undone, {} first; they were to be undone as {because}",
            given_up.len(),
            given_up.first().map_or("none", String::as_str),
        ))
    }
}
