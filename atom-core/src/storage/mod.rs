//! What the engine keeps, and the rules every store must hold.
//!
//! * Every row belongs to a [`Scope`]: a method that takes one never touches another's rows. Five places see more.
//!   [`RunStore::unfinished`], the questions that a scheduler asks of [`ScheduleStore`], [`AlertStore::all_alerts`] and
//!   [`StatisticsStore::drop_statistics`] see all scopes, because an engine serves everybody's runs, schedules and rules.
//!   [`ApprovalStore`] takes a [`Principal`] and shows it approvals that
//!   runs of other users of its tenant ask it to decide, never those of another tenant. [`RetentionStore::prune`] removes
//!   what is old of all scopes and shows nothing.
//! * What a method reports as written is on disk: it survives `kill -9` and a power cut.
//! * An engine that has lost its place to a newer one, or its lease, can write nothing
//!   ([`ErrorCode::Conflict`](crate::ErrorCode)). Where engines share a store, see [`WorkerStore`], each writes the steps of
//!   the runs that it holds and of no others.
//! * A failed write leaves everything stored before as it was.
//! * What a store could not give back exactly it refuses: `limit_exceeded` for JSON nested more than 127 levels deep
//!   or a text of a gigabyte, `invalid_request` for a time outside the years 1678 to 2261. [`MemoryStore`] has no
//!   such limits.
//!
//! [`MemoryStore`] holds these rules within one process; `testkit` has the suites that check them.

mod admission;
mod alert;
mod approval;
mod memory;
mod retention;
mod run;
mod schedule;
mod selection;
mod statistics;
mod template;
mod vault;
mod worker;
mod workflow;

pub use admission::{
    Admission, AdmissionState, Admitted, ConcurrencyLimit, Lane, LaneKey, MAX_ADMITTED, MAX_RUNS_OF_LIMIT,
    OnLimit, RateLimit, RunLimits, Traffic, Verdict,
};
pub use alert::{
    AlertCondition, AlertReading, AlertRecord, AlertRule, AlertStore, MAX_ALERT_RULES, Percentile,
};
pub use approval::{
    ApprovalChange, ApprovalFilter, ApprovalRecord, ApprovalStatus, ApprovalStore, Assignees, Decision,
    DecisionKind, OnDeadline,
};
pub use memory::MemoryStore;
pub use retention::{Expiry, Kept, RetentionStore};
pub use run::{
    Committed, JournalEntry, NewRun, ParentStep, RunCommit, RunEnd, RunRecord, RunStatus, RunStore,
    RunTrigger, WorkflowKey, WorkflowVersion,
};
pub use schedule::{
    MissedRuns, ScheduleFailure, ScheduleRecord, ScheduleStore, ScheduleTrigger, ScheduledTrigger,
};
pub use selection::{
    MAX_LABEL_NAME, MAX_LABEL_TEXT, MAX_LABELS, RunFilter, RunLabels, TimeRange, check_idempotency_key,
    indexed,
};
pub use statistics::{
    Counted, Durations, Resolution, RunTally, Series, SeriesKey, StatisticsQuery, StatisticsStore, Tally,
    WorkflowName,
};
pub use template::{StoredTemplate, TemplateInfo, TemplateStore};
pub use vault::{MemoryVault, SecretInfo, Vault, validate_secret, validate_secret_name};
pub use worker::{
    Claim, Delivery, Letter, LetterId, WorkerInfo, WorkerRecord, WorkerState, WorkerStore, held_by_another,
    is_held_by_others, lease_lost,
};
pub use workflow::{DeployedWorkflow, WorkflowStore, is_latest, rolled_back, select};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::EventLog;

#[cfg(doc)]
use crate::{Principal, Scope};

/// A store of everything: workflows and templates, runs with their journals, approvals, schedules, statistics, alert
/// rules and events.
///
/// They are one trait because a run's commit writes journal entries, emitted events, approvals and child runs together.
pub trait Store:
    WorkflowStore
    + TemplateStore
    + RunStore
    + ApprovalStore
    + ScheduleStore
    + StatisticsStore
    + AlertStore
    + EventLog
    + RetentionStore
{
}

impl<T> Store for T where
    T: WorkflowStore
        + TemplateStore
        + RunStore
        + ApprovalStore
        + ScheduleStore
        + StatisticsStore
        + AlertStore
        + EventLog
        + RetentionStore
{
}

/// The most items one page of a list can hold.
pub const MAX_PAGE: usize = 1000;

/// Which part of a list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PageRequest {
    /// The `next` of the page before; absent for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many items at most, 1 to 1000; 100 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl PageRequest {
    /// Asks for the items after a cursor, the `next` of the page before, and for this many.
    #[must_use]
    pub fn new(after: Option<String>, limit: Option<usize>) -> Self {
        Self { after, limit }
    }

    /// The number of items to return.
    ///
    /// # Errors
    /// `invalid_request` for 0 or more than [`MAX_PAGE`].
    pub fn size(&self) -> crate::Result<usize> {
        match self.limit {
            None => Ok(100),
            Some(size) if (1..=MAX_PAGE).contains(&size) => Ok(size),
            Some(_) => Err(crate::Error::invalid_request(format!(
                "'limit' must be from 1 to {MAX_PAGE}"
            ))),
        }
    }

    /// The cursor that [`Page::cut`] wrote into the `next` of the page before.
    ///
    /// # Errors
    /// `invalid_request` when `after` is no such text.
    pub fn cursor<C: serde::de::DeserializeOwned>(&self) -> crate::Result<Option<C>> {
        let Some(after) = &self.after else { return Ok(None) };
        serde_json::from_str(after).map(Some).map_err(|error| {
            crate::Error::invalid_request("'after' must be the 'next' of an earlier page of the same list")
                .with_source(error)
        })
    }
}

/// The revision that a store gives to what it writes for a record with this one, 0 for a record that is not stored yet:
/// beginning with a time of the record, so that one that was removed and made again is never taken for the one before.
fn next_revision(revision: u64, since: Timestamp) -> u64 {
    if revision > 0 {
        return revision + 1;
    }
    u64::try_from(since.as_nanosecond()).unwrap_or(1).max(1)
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to pass as `after` to get the following page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The first `size` of the items, with the cursor of the last of them as `next` when there are more. A store
    /// that reads one item more than it needs thus learns whether the list goes on.
    ///
    /// # Errors
    /// `internal` when a cursor has no JSON form.
    pub fn cut<C: Serialize>(
        mut items: Vec<T>,
        size: usize,
        cursor: impl Fn(&T) -> C,
    ) -> crate::Result<Self> {
        let has_more = items.len() > size;
        items.truncate(size);
        let next = match items.last() {
            Some(last) if has_more => Some(serde_json::to_string(&cursor(last)).map_err(|error| {
                crate::Error::internal("the cursor of a page cannot be written as JSON").with_source(error)
            })?),
            _ => None,
        };
        Ok(Self { items, next })
    }
}
