//! What the tasks of a run took, told by replaying its journal.

use std::collections::BTreeMap;

use atom_core::{Result, RunId, Scope};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Runtime;
use super::history::{HistoryEntry, Replay};
use crate::machine::{RecordKind, WorkflowError};

/// How an execution of a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It is under way.
    Running,
    /// It ended with an output.
    Completed,
    /// It ended with an error.
    Faulted,
    /// It was stopped before it ended.
    Cancelled,
}

/// One execution of a task: a task in a loop has as many as it was run times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RunStep")]
pub struct Step {
    /// Its number, unique within the run and larger than those of the steps that began before it.
    pub step: u64,
    /// The JSON pointer of the task in the document.
    pub task: String,
    /// How it is.
    pub status: StepStatus,
    /// When it began.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// How long it took, in milliseconds, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How often it was tried: more than once only for a `try` that retried.
    pub attempts: u64,
    /// The error it ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<WorkflowError>,
}

impl Step {
    fn end(&mut self, at: Timestamp, status: StepStatus, error: Option<WorkflowError>) {
        self.status = status;
        self.ended_at = Some(at);
        let length = at.duration_since(self.started_at).as_millis();
        self.duration_ms = Some(u64::try_from(length).unwrap_or(0));
        self.error = error;
    }
}

/// The steps of a history that are wanted: the first `limit` with a number over `after`.
pub(crate) struct Steps {
    after: u64,
    limit: usize,
    steps: BTreeMap<u64, Step>,
}

impl Steps {
    pub(crate) fn new(after: u64, limit: usize) -> Self {
        Self {
            after,
            limit,
            steps: BTreeMap::new(),
        }
    }

    /// The steps in the order in which they began.
    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.steps.into_values().collect()
    }

    pub(crate) fn take_in(&mut self, entry: HistoryEntry) {
        let record = entry.record;
        if let RecordKind::RunCompleted { .. }
        | RecordKind::RunFaulted { .. }
        | RecordKind::RunCancelled { .. }
        | RecordKind::RunCompensating { .. } = record.what
        {
            // What was under way was stopped.
            let running = self
                .steps
                .values_mut()
                .filter(|step| step.status == StepStatus::Running);
            running.for_each(|step| step.end(record.at, StepStatus::Cancelled, None));
        }
        let Some(number) = record.step else { return };
        if matches!(record.what, RecordKind::TaskStarted) {
            if number > self.after && self.steps.len() < self.limit {
                let step = Step {
                    step: number,
                    task: record.task.unwrap_or_default(),
                    status: StepStatus::Running,
                    started_at: record.at,
                    ended_at: None,
                    duration_ms: None,
                    attempts: 1,
                    error: None,
                };
                self.steps.insert(number, step);
            }
            return;
        }
        let Some(step) = self.steps.get_mut(&number) else {
            return;
        };
        match record.what {
            RecordKind::TaskCompleted { .. } => step.end(record.at, StepStatus::Completed, None),
            RecordKind::TaskFaulted { error } => step.end(record.at, StepStatus::Faulted, Some(error)),
            RecordKind::TaskCancelled => step.end(record.at, StepStatus::Cancelled, None),
            RecordKind::TaskRetried { retry, .. } => step.attempts = retry + 1,
            _ => {}
        }
    }
}

impl Runtime {
    /// Up to `limit` steps of a run with a number over `after`, in the order in which they began. It replays the run, so
    /// it takes time with the length of the run's journal.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `storage_failed`.
    pub async fn steps(&self, scope: &Scope, run: RunId, after: u64, limit: usize) -> Result<Vec<Step>> {
        let mut replay = Replay::new(self.clone(), scope, run).await?;
        let mut steps = Steps::new(after, limit);
        while let Some(page) = replay.next().await? {
            page.into_iter().for_each(|entry| steps.take_in(entry));
        }
        Ok(steps.into_steps())
    }
}
