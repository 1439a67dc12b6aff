//! Numbers of runs and of executions of tasks, as they are shown.

use std::time::Duration;

use atom_core::storage::{Durations, Tally};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What things took that completed. Each number but the mean is right to within 5 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DurationStatistics {
    /// The mean, in milliseconds.
    pub mean_ms: f64,
    /// What half of them did not exceed, in milliseconds.
    pub p50_ms: f64,
    /// What 95 % of them did not exceed, in milliseconds.
    pub p95_ms: f64,
    /// What 99 % of them did not exceed, in milliseconds.
    pub p99_ms: f64,
}

impl DurationStatistics {
    fn of(durations: &Durations) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of any run are exact")]
        let milliseconds = |duration: Duration| duration.as_micros() as f64 / 1_000.0;
        let quantile = |share| durations.quantile(share).map(milliseconds);
        Some(Self {
            mean_ms: durations.mean().map(milliseconds)?,
            p50_ms: quantile(0.5)?,
            p95_ms: quantile(0.95)?,
            p99_ms: quantile(0.99)?,
        })
    }
}

/// How many runs there were, how they ended and what they took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunStatistics {
    /// How many began.
    pub started: u64,
    /// How many ended with an output.
    pub completed: u64,
    /// How many ended with an error.
    pub faulted: u64,
    /// How many were cancelled.
    pub cancelled: u64,
    /// The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<f64>,
    /// How often their tasks were tried again.
    pub retries: u64,
    /// What those took that completed, from the start to the end of the run; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<DurationStatistics>,
}

impl From<&Tally> for RunStatistics {
    fn from(tally: &Tally) -> Self {
        Self {
            started: tally.started,
            completed: tally.completed,
            faulted: tally.faulted,
            cancelled: tally.cancelled,
            success_rate: tally.success_rate(),
            retries: tally.retries,
            duration: DurationStatistics::of(&tally.durations),
        }
    }
}

/// How often a task was executed, how that ended and what it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepStatistics {
    /// How often the run came to it and carried it out.
    pub executions: u64,
    /// How many executions ended with an output.
    pub completed: u64,
    /// How many ended with an error.
    pub faulted: u64,
    /// How many were stopped before they ended.
    pub cancelled: u64,
    /// The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<f64>,
    /// How often it was tried: more than `executions` only for a `try` that retried.
    pub attempts: u64,
    /// What those executions took that completed; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<DurationStatistics>,
}

impl From<&Tally> for StepStatistics {
    fn from(tally: &Tally) -> Self {
        let executions = tally.completed + tally.faulted + tally.cancelled;
        Self {
            executions,
            completed: tally.completed,
            faulted: tally.faulted,
            cancelled: tally.cancelled,
            success_rate: tally.success_rate(),
            attempts: executions + tally.retries,
            duration: DurationStatistics::of(&tally.durations),
        }
    }
}

/// The runs of one hour or day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunStatisticsPart {
    /// When it begins.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// The numbers.
    #[serde(flatten)]
    pub numbers: RunStatistics,
}

/// The executions of a task in one hour or day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepStatisticsPart {
    /// When it begins.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// The numbers.
    #[serde(flatten)]
    pub numbers: StepStatistics,
}

/// The runs of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowStatistics {
    /// The namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version, when each has numbers of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The numbers of the whole time range.
    pub total: RunStatistics,
    /// The numbers of each hour or day in which there were any, in order; nothing without an `interval`.
    pub parts: Vec<RunStatisticsPart>,
}

/// The executions of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskStatistics {
    /// The JSON pointer of the task in the document.
    pub task: String,
    /// The version of the workflow, when each has numbers of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The numbers of the whole time range.
    pub total: StepStatistics,
    /// The numbers of each hour or day in which there were any, in order; nothing without an `interval`.
    pub parts: Vec<StepStatisticsPart>,
}

/// Numbers, and the time range that they are of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct StatisticsPage<T> {
    /// Where the time range begins: the beginning of an hour, or of a day.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// Where it ends.
    #[schemars(with = "String")]
    pub before: Timestamp,
    /// The numbers.
    pub items: Vec<T>,
    /// What to pass as `after` to get the following page, with the same `from` and `before`; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
