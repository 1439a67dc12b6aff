//! How many runs there were, how they ended and what they took.
//!
//! A run adds to the statistics when it begins and when it ends, in the commit that says so: what was counted and what
//! happened never differ. The numbers of an hour are added up as they come, so that reading them takes time with the
//! hours that are wanted and not with the runs.

mod durations;

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use durations::Durations;

use super::{NewRun, Page, PageRequest, WorkflowKey};
use crate::{Result, Scope};

/// How many there were, how they ended and what they took: runs of a workflow, or executions of one of its tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// How many runs began. Executions of tasks are counted when their run ends only.
    pub started: u64,
    /// How many ended with an output.
    pub completed: u64,
    /// How many ended with an error.
    pub faulted: u64,
    /// How many were stopped before they ended.
    pub cancelled: u64,
    /// How often a `try` tried again: this one, or those of the run.
    pub retries: u64,
    /// What those took that completed.
    pub durations: Durations,
}

impl Tally {
    /// Adds up.
    pub fn merge(&mut self, other: &Self) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.started, other.started);
        add(&mut self.completed, other.completed);
        add(&mut self.faulted, other.faulted);
        add(&mut self.cancelled, other.cancelled);
        add(&mut self.retries, other.retries);
        self.durations.merge(&other.durations);
    }

    /// How many completed of those that were not stopped, from 0 to 1; nothing when there are none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share of counts")]
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.completed.saturating_add(self.faulted);
        (ended > 0).then(|| self.completed as f64 / ended as f64)
    }
}

/// What a run that ends adds to the statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunTally {
    /// The workflow that it counts for.
    pub workflow: WorkflowKey,
    /// The run itself.
    pub run: Tally,
    /// The executions of its tasks, by the JSON pointer of the task.
    pub tasks: BTreeMap<String, Tally>,
}

impl NewRun {
    /// What a run adds to the statistics when it is created.
    #[must_use]
    pub fn tally(&self) -> RunTally {
        RunTally {
            workflow: self.workflow.clone(),
            run: Tally {
                started: 1,
                ..Tally::default()
            },
            tasks: BTreeMap::new(),
        }
    }
}

/// A namespace and a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkflowName {
    /// The namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The lengths of time by which runs are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// By the minute: runs, not tasks, and for about a day, see [`StatisticsStore::drop_statistics`].
    Minute,
    /// By the hour.
    Hour,
}

impl Resolution {
    /// Its length in seconds.
    #[must_use]
    pub fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }

    /// The number of the minute or hour that holds a moment, counted from 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn number(self, moment: Timestamp) -> i64 {
        moment.as_second().div_euclid(self.seconds())
    }

    /// The number of the first minute or hour that begins at a moment or after it.
    #[must_use]
    pub fn number_after(self, moment: Timestamp) -> i64 {
        let number = self.number(moment);
        number + i64::from(self.start(number) < moment)
    }

    /// Where a minute or hour begins; the end of time when that is before it.
    #[must_use]
    pub fn start(self, number: i64) -> Timestamp {
        let end = if number < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        Timestamp::from_second(number.saturating_mul(self.seconds())).unwrap_or(end)
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// Runs.
    Runs,
    /// Executions of tasks.
    Tasks,
}

/// Which numbers are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatisticsQuery {
    /// What is counted.
    pub counted: Counted,
    /// Of the workflows with this namespace only.
    pub namespace: Option<String>,
    /// Of the workflows with this name only.
    pub name: Option<String>,
    /// Of this version only.
    pub version: Option<String>,
    /// Whether each version has numbers of its own.
    pub by_version: bool,
    /// The first hour, as [`Resolution::number`] counts.
    pub from: i64,
    /// The hour after the last.
    pub before: i64,
    /// How many hours, from 1, share numbers; they begin at multiples of it.
    pub hours: i64,
}

/// What numbers are of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version, when each has numbers of its own.
    pub version: Option<String>,
    /// The JSON pointer of the task, for executions of tasks.
    pub task: Option<String>,
}

impl SeriesKey {
    /// Its place in a list, for a page's `next`.
    #[must_use]
    pub fn cursor(&self) -> (String, String, String, String) {
        (
            self.namespace.clone(),
            self.name.clone(),
            self.version.clone().unwrap_or_default(),
            self.task.clone().unwrap_or_default(),
        )
    }
}

/// Numbers over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What they are of.
    pub key: SeriesKey,
    /// The numbers by the hour at which they begin, in order, without those where nothing happened.
    pub slots: Vec<(i64, Tally)>,
}

/// Keeps statistics. What is counted comes with [`RunStore`](super::RunStore): a run that is created adds its
/// [`tally`](NewRun::tally), one that ends the `tally` of its commit, to the hour, and the run itself to the minute, too.
#[async_trait]
pub trait StatisticsStore: Send + Sync + std::fmt::Debug {
    /// Numbers by the hour, by namespace, name, version and task.
    ///
    /// # Errors
    /// `invalid_request` for a bad page, `storage_failed`.
    async fn statistics(
        &self,
        scope: &Scope,
        query: &StatisticsQuery,
        page: &PageRequest,
    ) -> Result<Page<Series>>;

    /// The runs from a minute or hour on, of one workflow or of all of the scope.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn runs_since(
        &self,
        scope: &Scope,
        workflow: Option<&WorkflowName>,
        resolution: Resolution,
        from: i64,
    ) -> Result<Tally>;

    /// Forgets numbers of every scope of minutes or hours before this one, and tells how many rows are gone. One call
    /// removes at most those of the oldest day, so that nobody waits for long; call it again until it gives 0.
    ///
    /// # Errors
    /// `conflict` when a newer engine has taken over, `storage_full` or `storage_failed`.
    async fn drop_statistics(&self, resolution: Resolution, before: i64) -> Result<u64>;
}
