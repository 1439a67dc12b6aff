//! Tasks and the projects that hold them.

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Origin;

/// How urgent something is, the most urgent last.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Less than usual.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// More than usual.
    High,
    /// Before everything else.
    Urgent,
}

/// The state of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Nobody has begun.
    #[default]
    Todo,
    /// Somebody works on it.
    InProgress,
    /// It waits for something else.
    Blocked,
    /// It is done.
    Completed,
    /// It was given up.
    Cancelled,
}

/// Something to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// What to do.
    pub title: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The day it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub due_date: Option<Date>,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// Its state.
    #[serde(default)]
    pub status: TaskStatus,
    /// When it was completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub completed_at: Option<Timestamp>,
    /// The project it belongs to, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Who does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// The expected effort in hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_hours: Option<f64>,
    /// The effort so far in hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual_hours: Option<f64>,
    /// The ids of the tasks it waits for.
    #[serde(default)]
    pub dependencies: Vec<String>,
}

impl Task {
    /// A task with an origin and nothing else.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            ..Self::default()
        }
    }
}

/// A group of tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Project {
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// What it is called.
    pub name: String,
    /// The ids of its tasks.
    #[serde(default)]
    pub tasks: Vec<String>,
    /// The share of its tasks that are completed, from 0 to 1.
    #[serde(default)]
    pub progress: f64,
}
