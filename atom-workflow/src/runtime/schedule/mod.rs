//! Schedules: runs of deployed workflows that start by themselves.
//!
//! The latest version of a deployed workflow is the one that is scheduled. What a schedule has still to do is one record
//! of the store, changed only by whoever has seen its last change. Each time, and each set of events, gives the run it
//! starts its id: a run that was started just before the process died is found instead of started again.
//!
//! One task, begun with [`Runtime::start_schedules`], looks after the schedules of everybody. It sleeps until the
//! earliest time of all, until events come, or until a schedule is changed.
//!
//! Where runs are carried out elsewhere, something else keeps the time and asks for what is due of one schedule
//! (`elsewhere.rs`); the records and the rules are the same.

mod due;
#[cfg(feature = "temporal")]
mod elsewhere;
mod events;
mod fire;
mod turn;
mod worker;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use atom_core::storage::{
    RunRecord, RunTrigger, ScheduleRecord, ScheduleTrigger, ScheduledTrigger, WorkflowKey,
};
use atom_core::{Error, ErrorCode, Offset, Principal, Result, RunId, Scope};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Notify;

use super::{Runtime, StartRun};
use crate::definition::{CalendarDuration, Trigger};
use due::Times;
#[cfg(feature = "temporal")]
pub(crate) use fire::Starter;

/// How often a change is tried that others get in the way of.
const MAX_CHANGES: usize = 100;

/// Owner, namespace and name: what a schedule is known by.
type Key = (Scope, String, String);

fn key(schedule: &ScheduleRecord) -> Key {
    let (namespace, name) = schedule.cursor();
    (schedule.principal.scope(), namespace, name)
}

/// What the scheduler is told.
#[derive(Debug, Default)]
pub(super) struct Bell {
    /// Whether there is a scheduler.
    is_attended: AtomicBool,
    /// The schedules to look at anew. Each stands here once, so they are never more than there are schedules.
    changed: Mutex<BTreeSet<Key>>,
    rung: Notify,
}

impl Bell {
    fn ring(&self, key: Key) {
        if self.is_attended.load(Ordering::Acquire) {
            let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
            changed.insert(key);
            self.rung.notify_one();
        }
    }

    fn take(&self) -> BTreeSet<Key> {
        std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells that a run has ended: its schedule may wait for that.
    pub(super) fn run_ended(&self, run: &RunRecord) {
        if run.trigger.is_some() {
            let WorkflowKey { namespace, name, .. } = &run.workflow;
            self.ring((run.principal.scope(), namespace.clone(), name.clone()));
        }
    }
}

impl Runtime {
    /// Lets schedules start runs from now on, those of everybody, until the runtime closes. Times that came while nobody
    /// did are treated as each schedule says. Doing it again changes nothing. Must be called within a tokio runtime.
    pub fn start_schedules(&self) {
        if !self.inner.bell.is_attended.swap(true, Ordering::AcqRel) {
            self.begin_work(worker::Scheduler::new(&self.inner));
        }
    }

    /// Makes the schedule of a workflow that of its latest version: call it after deploying or deleting a version. Its
    /// runs act on behalf of the principal. When the latest version is the one before, nothing changes.
    ///
    /// # Errors
    /// `closed`, `storage_full`, `storage_failed`, `invalid_workflow` when this engine cannot read the latest version.
    pub async fn schedule(
        &self,
        principal: &Principal,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ScheduleRecord>> {
        self.check_open()?;
        principal.validate()?;
        let scope = principal.scope();
        let store = &self.inner.parts.store;
        for _ in 0..MAX_CHANGES {
            let stored = store.schedule(&scope, namespace, name).await?;
            let latest = store.find(&scope, namespace, name, None).await?;
            let triggers: Vec<_> = match &latest {
                Some(latest) => {
                    let workflow = self.load(&scope, &latest.hash).await?;
                    workflow.schedule.iter().map(Trigger::stored).collect()
                }
                None => Vec::new(),
            };
            let Some(latest) = latest.filter(|_| !triggers.is_empty()) else {
                if stored.is_none() {
                    return Ok(None);
                }
                // Another version may have been deployed meanwhile.
                store.delete_schedule(&scope, namespace, name).await?;
                continue;
            };
            let workflow = WorkflowKey {
                namespace: latest.namespace,
                name: latest.name,
                version: latest.version,
                hash: latest.hash,
            };
            if let Some(stored) = stored.as_ref().filter(|stored| stored.workflow == workflow) {
                return Ok(Some(stored.clone()));
            }
            let schedule = self.activate(principal, workflow, triggers, stored).await?;
            if store.put_schedule(&schedule).await? {
                self.inner.bell.ring(key(&schedule));
                return self.scheduled(&scope, namespace, name).await.map(Some);
            }
        }
        Err(busy())
    }

    /// A schedule that becomes active now, in the place of another.
    async fn activate(
        &self,
        principal: &Principal,
        workflow: WorkflowKey,
        triggers: Vec<ScheduleTrigger>,
        before: Option<ScheduleRecord>,
    ) -> Result<ScheduleRecord> {
        let now = self.inner.parts.clock.now();
        let mut schedule = ScheduleRecord {
            principal: principal.clone(),
            workflow,
            triggers: triggers.into_iter().map(ScheduledTrigger::new).collect(),
            since: now,
            is_paused: before.as_ref().is_some_and(|before| before.is_paused),
            last_at: before.as_ref().and_then(|before| before.last_at),
            last_run: before.as_ref().and_then(|before| before.last_run),
            revision: before.as_ref().map_or(0, |before| before.revision),
        };
        begin(&mut schedule, now, self.inner.parts.store.head().await?)?;
        let is_delayed =
            |scheduled: &&mut ScheduledTrigger| matches!(scheduled.trigger, ScheduleTrigger::After { .. });
        if let Some(after) = schedule.triggers.iter_mut().find(is_delayed) {
            after.awaits = before.as_ref().and_then(ScheduleRecord::awaits);
            after.last_run = before.and_then(|before| before.last_run);
            after.next_at = Some(now).filter(|_| after.awaits.is_none());
        }
        Ok(schedule)
    }

    /// The schedule of a workflow.
    ///
    /// # Errors
    /// `not_found` when it has none, `storage_failed`.
    pub async fn scheduled(&self, scope: &Scope, namespace: &str, name: &str) -> Result<ScheduleRecord> {
        let found = self.inner.parts.store.schedule(scope, namespace, name).await?;
        found.ok_or_else(|| {
            Error::not_found(format!(
                "the workflow '{namespace}/{name}' has no schedule; schedules.list shows those there are"
            ))
        })
    }

    /// Keeps a schedule from starting runs. Those under way go on.
    ///
    /// # Errors
    /// `not_found` when there is none, `storage_full`, `storage_failed`.
    pub async fn pause_schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<ScheduleRecord> {
        self.change_schedule(scope, namespace, name, |schedule, _| {
            schedule.is_paused = true;
            Ok(())
        })
        .await
    }

    /// Lets a paused schedule start runs again. What came while it was paused starts none: neither times nor events.
    ///
    /// # Errors
    /// As [`pause_schedule`](Self::pause_schedule).
    pub async fn resume_schedule(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
    ) -> Result<ScheduleRecord> {
        let now = self.inner.parts.clock.now();
        self.change_schedule(scope, namespace, name, |schedule, head| {
            if std::mem::take(&mut schedule.is_paused) {
                begin(schedule, now, head)?;
            }
            Ok(())
        })
        .await
    }

    async fn change_schedule(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        change: impl Fn(&mut ScheduleRecord, Offset) -> Result<()> + Sync,
    ) -> Result<ScheduleRecord> {
        self.check_open()?;
        for _ in 0..MAX_CHANGES {
            let before = self.scheduled(scope, namespace, name).await?;
            let mut schedule = before.clone();
            change(&mut schedule, self.inner.parts.store.head().await?)?;
            if schedule == before {
                return Ok(before);
            }
            if self.inner.parts.store.put_schedule(&schedule).await? {
                self.inner.bell.ring(key(&schedule));
                return Ok(schedule);
            }
        }
        Err(busy())
    }

    /// Starts a run of a scheduled workflow now, besides those that the schedule starts.
    ///
    /// # Errors
    /// `not_found` when there is no schedule, `invalid_request` when it starts runs with events, and as
    /// [`start`](Self::start).
    ///
    /// # Cancel safety
    /// As [`start`](Self::start).
    pub async fn trigger_schedule(
        &self,
        principal: &Principal,
        namespace: &str,
        name: &str,
        id: Option<RunId>,
    ) -> Result<RunRecord> {
        let start = self.triggered(principal, namespace, name, id).await?;
        self.start(principal, start).await
    }

    /// The run that [`trigger_schedule`](Self::trigger_schedule) starts, for what carries runs out in the place of this runtime.
    ///
    /// # Errors
    /// `not_found` when there is no schedule, `invalid_request` when it starts runs with events, `storage_failed`.
    pub async fn triggered(
        &self,
        principal: &Principal,
        namespace: &str,
        name: &str,
        id: Option<RunId>,
    ) -> Result<StartRun> {
        let scope = principal.scope();
        let schedule = self.scheduled(&scope, namespace, name).await?;
        let mut triggers = schedule.triggers.iter();
        if triggers.all(|scheduled| scheduled.trigger == ScheduleTrigger::Events) {
            return Err(Error::invalid_request(
                "this schedule starts runs with the events that come; publish one with events.publish",
            ));
        }
        let workflow = self.load(&scope, &schedule.workflow.hash).await?;
        let mut start = StartRun::stored(workflow, json!({}));
        start.id = id;
        start.trigger = Some(RunTrigger::Schedule {
            at: self.inner.parts.clock.now(),
        });
        Ok(start)
    }
}

/// Sets what a schedule waits for from now on, in a log that ends at `head`.
fn begin(schedule: &mut ScheduleRecord, now: Timestamp, head: Offset) -> Result<()> {
    for scheduled in &mut schedule.triggers {
        if let Some(times) = Times::of(&scheduled.trigger, schedule.since)? {
            scheduled.next_at = times.next_after(now);
        }
        if scheduled.trigger == ScheduleTrigger::Events {
            scheduled.seen = Some(head);
        }
        scheduled.failure = None;
    }
    Ok(())
}

/// The times of a trigger after a moment, as many as wanted; none for a trigger that has no times of its own.
///
/// # Errors
/// `invalid_request` for a malformed cron expression or an unknown time zone.
pub fn upcoming(
    trigger: &ScheduleTrigger,
    since: Timestamp,
    after: Timestamp,
    count: usize,
) -> Result<Vec<Timestamp>> {
    let Some(times) = Times::of(trigger, since)? else {
        return Ok(Vec::new());
    };
    let next = |time: &Timestamp| times.next_after(*time);
    Ok(std::iter::successors(times.next_after(after), next)
        .take(count)
        .collect())
}

/// A length of time of a trigger.
fn length(months: u32, milliseconds: u64) -> CalendarDuration {
    CalendarDuration::new(months, Duration::from_millis(milliseconds))
}

fn busy() -> Error {
    Error::new(
        ErrorCode::Unavailable,
        "the schedule changes all the time; try again",
    )
}
