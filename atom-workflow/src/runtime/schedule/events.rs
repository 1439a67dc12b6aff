//! Schedules that start runs when events come.
//!
//! What a schedule has consumed of a set of events that is not complete yet is not stored: it follows from the log. Only
//! where the set begins is kept, and a scheduler that starts reads on from there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atom_core::storage::{ScheduleRecord, ScheduledTrigger};
use atom_core::{Error, ErrorCode, LoggedEvent, Offset, Result};
use serde_json::Value;

use super::fire::source;
use super::turn::Turn;
use super::{Key, key};
use crate::consumption::{Consumption, Wanted};
use crate::definition::{EventTrigger, Trigger, Workflow};
use crate::runtime::{Runtime, lifecycle};

/// How many events are read at a time.
const PAGE: usize = 256;

/// How many schedules the scheduler remembers what they have heard; others it reads the log for again.
const REMEMBERED: usize = 10_000;

/// How far the stored offset may lag behind what was read, in events of everybody.
const LAG: Offset = 1_000;

/// What schedules have heard since they last started a run.
#[derive(Debug, Default)]
pub(super) struct Ears(Mutex<HashMap<Key, Ear>>);

/// What one schedule has heard.
#[derive(Clone, Debug)]
struct Ear {
    /// The offset after which this was heard.
    seen: Offset,
    workflow: Arc<Workflow>,
    /// How far the log was read.
    position: Offset,
    consumption: Consumption,
}

impl Ears {
    /// What was heard since an offset; it follows from the log and the document alone.
    fn take(&self, schedule: &ScheduleRecord, seen: Offset) -> Option<Ear> {
        let ear = self.lock().remove(&key(schedule));
        ear.filter(|ear| ear.seen == seen && ear.workflow.hash == schedule.workflow.hash)
    }

    fn keep(&self, schedule: &ScheduleRecord, ear: Ear) {
        let mut ears = self.lock();
        if ears.len() >= REMEMBERED {
            ears.clear();
        }
        ears.insert(key(schedule), ear);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Ear>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of a schedule after an event.
enum Heard {
    /// It goes on.
    Nothing,
    /// All events have come.
    Whole(Value),
    /// They cannot be used, and are let go.
    Lost(Error),
}

impl Runtime {
    /// Lets a trigger hear the events that it has not heard yet.
    pub(super) async fn hear(&self, mut turn: Turn, ears: &Ears) -> Result<()> {
        let scope = turn.schedule.principal.scope();
        let store = &self.inner.parts.store;
        if !self.is_latest(&turn.schedule).await? {
            return self.follow_latest(&turn.schedule).await;
        }
        let Some(seen) = turn.trigger.seen else {
            return Ok(());
        };
        let mut ear = self.ear(&turn.schedule, seen, ears).await?;
        loop {
            let page = store.read(&scope, ear.position, PAGE).await?;
            let is_last = page.len() < PAGE;
            for logged in page {
                let offset = logged.offset;
                let changed = match ear.hear(logged, &source(&turn.schedule)) {
                    Heard::Nothing => continue,
                    Heard::Whole(events) => self.start_with(&turn, events, offset).await?,
                    Heard::Lost(error) => {
                        turn.trigger.seen = Some(offset);
                        self.lose(turn, &error).await?
                    }
                };
                // A start that failed, or somebody else's change, is the business of the next look.
                match changed {
                    Some(changed) => turn = changed,
                    None => return Ok(()),
                }
                ear.seen = offset;
            }
            let mut noted = turn.clone();
            let lag = ear.position.saturating_sub(ear.seen);
            if !ear.consumption.has_begun() && lag >= LAG {
                noted.trigger.seen = Some(ear.position);
            }
            let failure = noted.trigger.failure.as_ref();
            if is_last && failure.is_some_and(|failure| failure.retry_at.is_some()) {
                // The events whose run could not start are not there any more.
                noted.trigger.failure = None;
            }
            if noted != turn {
                match self.put(&noted).await? {
                    Some(changed) => turn = changed,
                    None => return Ok(()),
                }
                ear.seen = turn.trigger.seen.unwrap_or(ear.seen);
            }
            if is_last {
                ears.keep(&turn.schedule, ear);
                return Ok(());
            }
        }
    }

    /// What a schedule has heard, as far as that is remembered.
    async fn ear(&self, schedule: &ScheduleRecord, seen: Offset, ears: &Ears) -> Result<Ear> {
        if let Some(ear) = ears.take(schedule, seen) {
            return Ok(ear);
        }
        let workflow = self
            .load(&schedule.principal.scope(), &schedule.workflow.hash)
            .await?;
        Ok(Ear {
            seen,
            position: seen,
            consumption: wanted(&workflow)
                .map(|on| Consumption::new(&on.on))
                .unwrap_or_default(),
            workflow,
        })
    }

    /// Starts the run of a complete set of events; `None` when it did not start or the schedule was changed.
    async fn start_with(&self, turn: &Turn, events: Value, offset: Offset) -> Result<Option<Turn>> {
        let now = self.inner.parts.clock.now();
        let failure = turn.trigger.failure.as_ref();
        let retry = failure.filter(|failure| failure.retry_at.is_some());
        let at = retry.map_or(now, |failure| failure.at);
        // What the last event completes is one set, whenever it is read.
        let cause = format!("event {offset}");
        let started = self.start_scheduled(turn, &cause, at, events, self).await;
        let mut turn = turn.clone();
        match started {
            Ok(run) => {
                turn.note_start(run, at);
                turn.trigger.seen = Some(offset);
                self.put(&turn).await
            }
            Err(error) => {
                let give_up = |trigger: &mut ScheduledTrigger| trigger.seen = Some(offset);
                self.fail(turn, at, now, error, give_up).await?;
                Ok(None)
            }
        }
    }
}

/// The events that start runs of a workflow.
fn wanted(workflow: &Workflow) -> Option<&EventTrigger> {
    workflow.schedule.iter().find_map(|trigger| match trigger {
        Trigger::Events(events) => Some(events),
        _ => None,
    })
}

impl Ear {
    /// Takes in one event of the log.
    fn hear(&mut self, logged: LoggedEvent, own: &str) -> Heard {
        self.position = logged.offset;
        let Some(EventTrigger { on, read, variables }) = wanted(&self.workflow) else {
            return Heard::Nothing;
        };
        let wanted = Wanted {
            strategy: on,
            read: *read,
            input: &Value::Null,
            variables,
        };
        // A schedule that takes any event must not be kept busy by its own failures, nor by the runs it starts.
        let document = &self.workflow.document;
        let is_own = logged.event.source == own
            || lifecycle::is_of(&logged.event, &document.namespace, &document.name);
        if is_own || !self.consumption.accepts(&wanted, &logged.event) {
            return Heard::Nothing;
        }
        let is_over = match self.consumption.consume(&wanted, logged.event) {
            Ok(is_over) => is_over,
            Err(error) => {
                self.consumption = Consumption::new(on);
                return Heard::Lost(error);
            }
        };
        if let Some(excess) = self.consumption.excess(is_over) {
            self.consumption = Consumption::new(on);
            return Heard::Lost(Error::new(ErrorCode::LimitExceeded, excess));
        }
        if !is_over {
            return Heard::Nothing;
        }
        let events = std::mem::replace(&mut self.consumption, Consumption::new(on)).items;
        if events.is_empty() {
            // The events that end a set came before any event of it.
            return Heard::Nothing;
        }
        Heard::Whole(Value::Array(events))
    }
}
