//! Schedules: what starts runs of deployed workflows by itself.

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Page, PageRequest, WorkflowKey, next_revision};
use crate::{ErrorReport, Offset, Principal, Result, RunId, Scope};

/// What becomes of times that came while nobody was there to start their runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissedRuns {
    /// No run starts for them.
    Skip,
    /// One run starts, for the last of them.
    #[default]
    Latest,
    /// A run starts for each, for the last 1,000 at most.
    All,
}

/// When a schedule starts runs: `schedule` of a document, Open Workflow 1.0.3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ScheduleTrigger {
    /// In equal intervals.
    #[schemars(title = "EveryTrigger")]
    Every {
        /// The whole months of the interval, as long as the calendar has them in UTC; 0 when absent.
        #[serde(default, skip_serializing_if = "is_zero")]
        months: u32,
        /// The rest of the interval in milliseconds.
        interval_ms: u64,
        /// What becomes of missed times.
        missed: MissedRuns,
    },
    /// At times of the calendar.
    #[schemars(title = "CronTrigger")]
    Cron {
        /// The cron expression, as the document has it.
        expression: String,
        /// The time zone of its times, a name of the IANA database.
        time_zone: String,
        /// What becomes of missed times.
        missed: MissedRuns,
    },
    /// Some time after the end of the run before.
    #[schemars(title = "AfterTrigger")]
    After {
        /// The whole months of the time, as long as the calendar has them in UTC; 0 when absent.
        #[serde(default, skip_serializing_if = "is_zero")]
        months: u32,
        /// The rest of the time in milliseconds.
        delay_ms: u64,
    },
    /// When events come.
    #[schemars(title = "EventsTrigger")]
    Events,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A start that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleFailure {
    /// The time whose run could not start; for events, the time of the first attempt.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// When the last attempt was made.
    #[schemars(with = "String")]
    pub failed_at: Timestamp,
    /// How many attempts there were.
    pub attempts: u32,
    /// When the next one is made; absent when there is none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub retry_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: ErrorReport,
}

/// One of the triggers of a schedule, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledTrigger {
    /// When it starts runs.
    pub trigger: ScheduleTrigger,
    /// The time of its next run, when it is known.
    #[serde(default)]
    pub next_at: Option<Timestamp>,
    /// The run whose end it waits for.
    #[serde(default)]
    pub awaits: Option<RunId>,
    /// The events up to here are done with, for a trigger that starts runs when events come.
    #[serde(default)]
    pub seen: Option<Offset>,
    /// The last run it has started.
    #[serde(default)]
    pub last_run: Option<RunId>,
    /// Its last start that failed, until one succeeds.
    #[serde(default)]
    pub failure: Option<ScheduleFailure>,
}

impl ScheduledTrigger {
    /// A trigger that waits for nothing yet.
    #[must_use]
    pub fn new(trigger: ScheduleTrigger) -> Self {
        Self {
            trigger,
            next_at: None,
            awaits: None,
            seen: None,
            last_run: None,
            failure: None,
        }
    }

    /// When the scheduler must look at it, if time alone decides.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Timestamp> {
        let retry_at = self.failure.as_ref().and_then(|failure| failure.retry_at);
        retry_at.or(self.next_at)
    }

    /// The offset after which it wants events, unless it waits to try a start again.
    #[must_use]
    pub fn listens_after(&self) -> Option<Offset> {
        self.seen.filter(|_| self.wakes_at().is_none())
    }
}

/// The schedule of a deployed workflow, and how far it is. An owner has one for each namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredSchedule")]
pub struct ScheduleRecord {
    /// On whose behalf its runs act: who deployed the workflow.
    pub principal: Principal,
    /// The version whose runs it starts.
    pub workflow: WorkflowKey,
    /// What starts them: one trigger or more, each of another kind.
    pub triggers: Vec<ScheduledTrigger>,
    /// When it became active.
    pub since: Timestamp,
    /// Whether it starts nothing for now.
    pub is_paused: bool,
    /// The time of the last run it has started.
    pub last_at: Option<Timestamp>,
    /// The last run it has started.
    pub last_run: Option<RunId>,
    /// Changes with every write; 0 for a record that is not stored yet.
    pub revision: u64,
}

impl ScheduleRecord {
    /// When the scheduler must look at it, if time alone decides.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Timestamp> {
        let times = self.triggers.iter().filter_map(ScheduledTrigger::wakes_at);
        times.min().filter(|_| !self.is_paused)
    }

    /// The offset after which it wants events, unless it is paused or waits to try a start again.
    #[must_use]
    pub fn listens_after(&self) -> Option<Offset> {
        let offsets = self.triggers.iter().filter_map(ScheduledTrigger::listens_after);
        offsets.min().filter(|_| !self.is_paused)
    }

    /// The run whose end it waits for.
    #[must_use]
    pub fn awaits(&self) -> Option<RunId> {
        self.triggers.iter().find_map(|trigger| trigger.awaits)
    }

    /// The time of its next run, when it is known and the schedule is not paused.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        let times = self.triggers.iter().filter_map(|trigger| trigger.next_at);
        times.min().filter(|_| !self.is_paused)
    }

    /// The revision that the store gives to what it writes for this record: beginning with the time it became active,
    /// so that a schedule that was removed and made again is never taken for the one before.
    #[must_use]
    pub fn next_revision(&self) -> u64 {
        next_revision(self.revision, self.since)
    }

    /// The place of the schedule in a list, for a page's `next`.
    #[must_use]
    pub fn cursor(&self) -> (String, String) {
        (self.workflow.namespace.clone(), self.workflow.name.clone())
    }
}

/// A schedule as it was written: the one trigger of older records stands beside the rest.
#[derive(Deserialize)]
struct StoredSchedule {
    principal: Principal,
    workflow: WorkflowKey,
    #[serde(default)]
    triggers: Vec<ScheduledTrigger>,
    since: Timestamp,
    #[serde(default)]
    is_paused: bool,
    #[serde(default)]
    last_at: Option<Timestamp>,
    #[serde(default)]
    last_run: Option<RunId>,
    #[serde(default)]
    revision: u64,
    #[serde(flatten)]
    only: Option<ScheduledTrigger>,
}

impl TryFrom<StoredSchedule> for ScheduleRecord {
    type Error = &'static str;

    fn try_from(stored: StoredSchedule) -> std::result::Result<Self, Self::Error> {
        let only = stored.only.map(|only| ScheduledTrigger {
            last_run: stored.last_run,
            ..only
        });
        let triggers: Vec<_> = stored.triggers.into_iter().chain(only).collect();
        if triggers.is_empty() {
            return Err("a schedule needs a trigger");
        }
        Ok(Self {
            principal: stored.principal,
            workflow: stored.workflow,
            triggers,
            since: stored.since,
            is_paused: stored.is_paused,
            last_at: stored.last_at,
            last_run: stored.last_run,
            revision: stored.revision,
        })
    }
}

/// Keeps schedules.
#[async_trait]
pub trait ScheduleStore: Send + Sync + std::fmt::Debug {
    /// Writes a schedule whose `revision` is that of the stored one, or 0 when there is none; tells whether it was
    /// written. It has its [`next_revision`](ScheduleRecord::next_revision) then. One that was changed meanwhile stays as
    /// it is.
    ///
    /// # Errors
    /// `conflict` when a newer engine has taken over, `storage_full` or `storage_failed`.
    async fn put_schedule(&self, schedule: &ScheduleRecord) -> Result<bool>;

    /// The schedule of a workflow.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<Option<ScheduleRecord>>;

    /// Schedules by namespace and name.
    ///
    /// # Errors
    /// `invalid_request` for a bad page, `storage_failed`.
    async fn schedules(&self, scope: &Scope, page: &PageRequest) -> Result<Page<ScheduleRecord>>;

    /// Removes the schedule of a workflow; tells whether there was one.
    ///
    /// # Errors
    /// As [`put_schedule`](Self::put_schedule).
    async fn delete_schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<bool>;

    /// Up to `limit` schedules of every scope by [`wakes_at`](ScheduleRecord::wakes_at), the earliest first. The cost
    /// does not grow with the number of schedules.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn earliest_schedules(&self, limit: usize) -> Result<Vec<ScheduleRecord>>;

    /// The schedules of every scope that [`listen`](ScheduleRecord::listens_after); with `after`, only those whose owner's
    /// log has an event after this offset that they have not seen. The cost grows with these events and the schedules of
    /// their owners only.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn listening_schedules(&self, after: Option<Offset>) -> Result<Vec<ScheduleRecord>>;

    /// The schedules of every scope that await the end of a run.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn awaiting_schedules(&self) -> Result<Vec<ScheduleRecord>>;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_with_one_trigger_beside_the_rest_is_read() {
        let run = "0192f0c1-0000-7000-8000-000000000001";
        let mut stored = json!({
            "principal": { "tenant": "t", "user": "ada" },
            "workflow": { "namespace": "n", "name": "w", "version": "1.0.0", "hash": "h" },
            "trigger": { "type": "after", "delay_ms": 1000 },
            "since": "2026-01-01T00:00:00Z",
            "is_paused": true,
            "next_at": "2026-01-01T01:00:00Z",
            "awaits": null,
            "seen": 7,
            "last_at": "2026-01-01T00:30:00Z",
            "last_run": run,
            "failure": null,
            "revision": 3,
        });
        let read: ScheduleRecord = serde_json::from_value(stored.clone()).unwrap();
        let expected = ScheduledTrigger {
            next_at: Some("2026-01-01T01:00:00Z".parse().unwrap()),
            seen: Some(7),
            last_run: Some(run.parse().unwrap()),
            ..ScheduledTrigger::new(ScheduleTrigger::After {
                months: 0,
                delay_ms: 1000,
            })
        };
        assert_eq!(read.triggers, [expected]);
        assert_eq!((read.is_paused, read.revision), (true, 3));
        assert_eq!(read.last_at, Some("2026-01-01T00:30:00Z".parse().unwrap()));
        let again = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<ScheduleRecord>(&again).unwrap(), read);

        stored["trigger"] = json!({ "type": "moonrise" });
        assert!(serde_json::from_value::<ScheduleRecord>(stored).is_err());
    }
}
