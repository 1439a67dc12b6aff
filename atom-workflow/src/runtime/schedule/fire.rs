//! Starting the runs of a schedule.

use std::time::Duration;

use async_trait::async_trait;
use atom_core::storage::{
    MissedRuns, RunTrigger, ScheduleFailure, ScheduleRecord, ScheduleTrigger, ScheduledTrigger,
};
use atom_core::{CloudEvent, Error, ErrorCode, Principal, Result, RunId};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::due::{Due, Times};
use super::turn::Turn;
use super::{key, length};
use crate::runtime::{Runtime, StartRun};

/// How often a start is tried again: after 1, 2, 4, … seconds, for more than an hour in all.
const MAX_RETRIES: u32 = 12;

/// The attempt whose failure is published: whoever starts an engine needs a moment to register functions.
const TELLING_ATTEMPT: u32 = 3;

/// The type of the event that tells of a start that failed.
const FAILED: &str = "dev.atom.schedule.failed";

/// The namespace of the ids of scheduled runs (RFC 9562, section 5.5), made up once.
const RUNS: [u8; 16] = *b"atom schedules 1";

/// Starts the runs of schedules: the runtime itself, or what carries runs out in its place.
#[async_trait]
pub(crate) trait Starter: Send + Sync {
    /// Starts a run, once for each id.
    async fn start_due(&self, principal: &Principal, start: StartRun) -> Result<RunId>;
}

#[async_trait]
impl Starter for Runtime {
    async fn start_due(&self, principal: &Principal, start: StartRun) -> Result<RunId> {
        self.start(principal, start).await.map(|run| run.id)
    }
}

/// Where events about a schedule come from.
pub(super) fn source(schedule: &ScheduleRecord) -> String {
    let (namespace, name) = schedule.cursor();
    format!("atom:/schedules/{namespace}/{name}")
}

impl Runtime {
    /// Does what is due by now of a trigger that time decides about.
    pub(super) async fn fire(&self, mut turn: Turn, now: Timestamp, starter: &dyn Starter) -> Result<()> {
        if !self.is_latest(&turn.schedule).await? {
            return self.follow_latest(&turn.schedule).await;
        }
        let Some(next_at) = turn.trigger.next_at else {
            // There is nothing to try again.
            turn.trigger.failure = None;
            return self.put(&turn).await.map(drop);
        };
        match Times::of(&turn.trigger.trigger, turn.schedule.since) {
            Ok(Some(times)) => self.fire_at(turn, &times, next_at, now, starter).await,
            Ok(None) => self.fire_after(turn, next_at, now, starter).await,
            Err(error) => {
                let give_up = |trigger: &mut ScheduledTrigger| trigger.next_at = None;
                self.fail(turn, next_at, now, error, give_up).await
            }
        }
    }

    /// Starts the runs of the times up to now.
    async fn fire_at(
        &self,
        mut turn: Turn,
        times: &Times,
        next_at: Timestamp,
        now: Timestamp,
        starter: &dyn Starter,
    ) -> Result<()> {
        let failure = turn.trigger.failure.as_ref();
        let due = match failure.filter(|failure| failure.retry_at.is_some()) {
            // A start that failed comes first; what came due meanwhile is looked at afterwards.
            Some(failure) => Due {
                fires: vec![failure.at],
                next: times.next_after(failure.at),
            },
            None => times.due(missed(&turn.trigger.trigger), next_at, now),
        };
        for at in due.fires {
            let cause = turn.cause(&at.to_string());
            match self.start_scheduled(&turn, &cause, at, json!({}), starter).await {
                Ok(run) => turn.note_start(run, at),
                Err(error) => {
                    let give_up = |trigger: &mut ScheduledTrigger| trigger.next_at = times.next_after(at);
                    return self.fail(turn, at, now, error, give_up).await;
                }
            }
        }
        turn.trigger.next_at = due.next;
        // Whoever has changed it meanwhile has the last word; the runs are found by their ids next time.
        self.put(&turn).await.map(drop)
    }

    /// Starts the run that follows the one before.
    async fn fire_after(
        &self,
        mut turn: Turn,
        at: Timestamp,
        now: Timestamp,
        starter: &dyn Starter,
    ) -> Result<()> {
        // A clock that was set back may show the same time again, but each run has one that follows it.
        let cause = match turn.trigger.last_run {
            Some(run) => format!("after {run}"),
            None => format!("first {}", turn.schedule.since),
        };
        match self.start_scheduled(&turn, &cause, at, json!({}), starter).await {
            Ok(run) => {
                turn.note_start(run, at);
                turn.trigger.next_at = None;
                turn.trigger.awaits = Some(run);
                self.put(&turn).await?;
                // It may have ended already, before anybody knew that this is waited for.
                self.inner.bell.ring(key(&turn.schedule));
                Ok(())
            }
            Err(error) => {
                let give_up =
                    |trigger: &mut ScheduledTrigger| trigger.next_at = delayed(&trigger.trigger, now);
                self.fail(turn, at, now, error, give_up).await
            }
        }
    }

    /// Notes when a trigger that waits for the end of a run goes on, if the run has ended; gives the schedule as it is stored
    /// then, or `None` when somebody else has changed it.
    pub(super) async fn settle(&self, schedule: ScheduleRecord) -> Result<Option<ScheduleRecord>> {
        let waiting = Turn::awaiting(schedule.clone());
        let Some((run, mut turn)) = waiting.and_then(|turn| Some((turn.trigger.awaits?, turn))) else {
            return Ok(Some(schedule));
        };
        let store = &self.inner.parts.store;
        let ended_at = match store.run(&schedule.principal.scope(), run).await? {
            Some(run) if !run.status.has_ended() => return Ok(Some(schedule)),
            Some(run) => run.ended_at,
            None => None,
        };
        let ended_at = ended_at.unwrap_or_else(|| self.inner.parts.clock.now());
        turn.trigger.awaits = None;
        turn.trigger.next_at = delayed(&turn.trigger.trigger, ended_at);
        Ok(self.put(&turn).await?.map(|turn| turn.schedule))
    }

    /// Whether a schedule is that of the latest version. A process may have died between deploying and scheduling.
    pub(super) async fn is_latest(&self, schedule: &ScheduleRecord) -> Result<bool> {
        let (namespace, name) = schedule.cursor();
        let store = &self.inner.parts.store;
        let latest = store
            .find(&schedule.principal.scope(), &namespace, &name, None)
            .await?;
        Ok(latest.is_some_and(|latest| {
            latest.hash == schedule.workflow.hash && latest.version == schedule.workflow.version
        }))
    }

    /// Makes a schedule that of the latest version.
    pub(super) async fn follow_latest(&self, schedule: &ScheduleRecord) -> Result<()> {
        let (namespace, name) = schedule.cursor();
        let latest = self.schedule(&schedule.principal, &namespace, &name);
        latest.await.map(drop)
    }

    /// Starts the run for a cause. The same cause always gives the same run.
    pub(super) async fn start_scheduled(
        &self,
        turn: &Turn,
        cause: &str,
        at: Timestamp,
        input: Value,
        starter: &dyn Starter,
    ) -> Result<RunId> {
        let schedule = &turn.schedule;
        let scope = schedule.principal.scope();
        let workflow = self.load(&scope, &schedule.workflow.hash).await?;
        let mut start = StartRun::stored(workflow, input);
        start.id = Some(run_id(schedule, cause));
        start.trigger = Some(RunTrigger::Schedule { at });
        starter.start_due(&schedule.principal, start).await
    }

    /// Notes what is wrong with a trigger, so that it holds up no other; what is wrong with the engine is its business.
    pub(super) async fn note(&self, turn: Turn, now: Timestamp, result: Result<()>) -> Result<()> {
        match result {
            Err(error) if !is_of_the_engine(&error) => {
                let at = turn.trigger.next_at.unwrap_or(now);
                self.fail(turn, at, now, error, |trigger| trigger.next_at = None)
                    .await
            }
            other => other,
        }
    }

    /// Notes that a start has failed, to be tried again later or, after many attempts, not any more.
    pub(super) async fn fail(
        &self,
        mut turn: Turn,
        at: Timestamp,
        now: Timestamp,
        error: Error,
        give_up: impl FnOnce(&mut ScheduledTrigger),
    ) -> Result<()> {
        if is_of_the_engine(&error) {
            return Err(error);
        }
        let trigger = &mut turn.trigger;
        let before = trigger.failure.take();
        let before = before.filter(|failure| failure.retry_at.is_some());
        let attempts = before.map_or(0, |failure| failure.attempts) + 1;
        let has_given_up = attempts > MAX_RETRIES;
        let pause = Duration::from_secs(1 << attempts.saturating_sub(1).min(MAX_RETRIES));
        let failure = ScheduleFailure {
            at,
            failed_at: now,
            attempts,
            retry_at: now.saturating_add(pause).ok().filter(|_| !has_given_up),
            error: error.report(),
        };
        tracing::warn!(schedule = source(&turn.schedule), %at, attempts, %error, "a scheduled run cannot start");
        if has_given_up {
            give_up(trigger);
        } else if trigger.next_at.is_some() {
            trigger.next_at = Some(at);
        }
        trigger.failure = Some(failure.clone());
        if attempts == TELLING_ATTEMPT || has_given_up {
            self.tell(&turn, &failure).await?;
        }
        self.put(&turn).await?;
        if has_given_up {
            // More events may wait behind those that are let go.
            self.inner.bell.ring(key(&turn.schedule));
        }
        Ok(())
    }

    /// Notes that events cannot be used; gives the turn as it is stored then.
    pub(super) async fn lose(&self, mut turn: Turn, error: &Error) -> Result<Option<Turn>> {
        let now = self.inner.parts.clock.now();
        let failure = ScheduleFailure {
            at: now,
            failed_at: now,
            attempts: 1,
            retry_at: None,
            error: error.report(),
        };
        self.tell(&turn, &failure).await?;
        turn.trigger.failure = Some(failure);
        self.put(&turn).await
    }

    /// Writes what became of a turn; gives it as it is stored then, or `None` when somebody else has changed the schedule.
    pub(super) async fn put(&self, turn: &Turn) -> Result<Option<Turn>> {
        let schedule = turn.record();
        let is_written = self.inner.parts.store.put_schedule(&schedule).await?;
        Ok(is_written.then(|| Turn {
            schedule: ScheduleRecord {
                revision: schedule.next_revision(),
                ..schedule
            },
            ..turn.clone()
        }))
    }

    /// Publishes that a start has failed.
    async fn tell(&self, turn: &Turn, failure: &ScheduleFailure) -> Result<()> {
        let schedule = &turn.schedule;
        let cause = turn.cause(&format!("{} failed {}", failure.at, failure.attempts));
        let mut event = CloudEvent::new(run_id(schedule, &cause).to_string(), source(schedule), FAILED);
        event.time = Some(failure.failed_at);
        event.data = Some(json!({
            "namespace": schedule.workflow.namespace,
            "name": schedule.workflow.name,
            "version": schedule.workflow.version,
            "failure": failure,
        }));
        self.publish(&schedule.principal.scope(), &event).await.map(drop)
    }
}

fn missed(trigger: &ScheduleTrigger) -> MissedRuns {
    match trigger {
        ScheduleTrigger::Every { missed, .. } | ScheduleTrigger::Cron { missed, .. } => *missed,
        ScheduleTrigger::After { .. } | ScheduleTrigger::Events => MissedRuns::default(),
    }
}

/// When the run follows that comes some time after a moment.
fn delayed(trigger: &ScheduleTrigger, moment: Timestamp) -> Option<Timestamp> {
    match trigger {
        ScheduleTrigger::After { months, delay_ms } => {
            let length = length(*months, *delay_ms).from(moment);
            moment.checked_add(length).ok()
        }
        _ => None,
    }
}

/// The id of the run that a schedule starts for a cause, as JSON so that no two texts run into each other.
fn run_id(schedule: &ScheduleRecord, cause: &str) -> RunId {
    let scope = schedule.principal.scope();
    let workflow = &schedule.workflow;
    let name = json!([
        scope.tenant,
        scope.user,
        workflow.namespace,
        workflow.name,
        workflow.hash,
        cause
    ]);
    RunId::from_bytes(RUNS).derive(&name.to_string())
}

/// Whether an error is the store's or the closing engine's: it says nothing about the workflow.
fn is_of_the_engine(error: &Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::StorageFailed | ErrorCode::StorageFull | ErrorCode::Closed | ErrorCode::Conflict
    )
}
