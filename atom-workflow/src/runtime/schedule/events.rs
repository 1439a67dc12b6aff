//! Schedules that start runs when events come.
//!
//! What a schedule has consumed of a set of events that is not complete yet is not stored: it follows from the log. Only
//! where the set begins is kept, and a scheduler that starts reads on from there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atom_core::storage::ScheduleRecord;
use atom_core::{Error, ErrorCode, LoggedEvent, Offset, Result};
use serde_json::Value;

use super::fire::{note_start, source};
use super::{Key, key};
use crate::consumption::{Consumption, Wanted};
use crate::definition::{EventSchedule, Schedule, Workflow};
use crate::expression::Variables;
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
    /// The revision of the schedule that this follows from.
    revision: u64,
    workflow: Arc<Workflow>,
    /// How far the log was read.
    position: Offset,
    consumption: Consumption,
}

impl Ears {
    fn take(&self, schedule: &ScheduleRecord) -> Option<Ear> {
        let ear = self.lock().remove(&key(schedule));
        ear.filter(|ear| ear.revision == schedule.revision)
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
    /// Lets a schedule hear the events that it has not heard yet.
    pub(super) async fn hear(&self, mut schedule: ScheduleRecord, ears: &Ears) -> Result<()> {
        let scope = schedule.principal.scope();
        let store = &self.inner.parts.store;
        if !self.is_latest(&schedule).await? {
            let (namespace, name) = schedule.cursor();
            return self
                .schedule(&schedule.principal.clone(), &namespace, &name)
                .await
                .map(drop);
        }
        let Some(seen) = schedule.seen else { return Ok(()) };
        let Some(mut ear) = self.ear(&schedule, seen, ears).await? else {
            return Ok(());
        };
        loop {
            let page = store.read(&scope, ear.position, PAGE).await?;
            let is_last = page.len() < PAGE;
            for logged in page {
                let offset = logged.offset;
                let heard = ear.hear(logged, &source(&schedule));
                let changed = match heard {
                    Heard::Nothing => continue,
                    Heard::Whole(events) => self.start_with(&schedule, events, offset).await?,
                    Heard::Lost(error) => {
                        schedule.seen = Some(offset);
                        self.lose(schedule, &error).await?
                    }
                };
                // A start that failed, or somebody else's change, is the business of the next look.
                match changed {
                    Some(changed) => schedule = changed,
                    None => return Ok(()),
                }
                ear.revision = schedule.revision;
            }
            let mut noted = schedule.clone();
            let lag = ear.position.saturating_sub(schedule.seen.unwrap_or_default());
            if !ear.consumption.has_begun() && lag >= LAG {
                noted.seen = Some(ear.position);
            }
            if is_last
                && noted
                    .failure
                    .as_ref()
                    .is_some_and(|failure| failure.retry_at.is_some())
            {
                // The events whose run could not start are not there any more.
                noted.failure = None;
            }
            if noted != schedule {
                match self.put(&noted).await? {
                    Some(changed) => schedule = changed,
                    None => return Ok(()),
                }
                ear.revision = schedule.revision;
            }
            if is_last {
                ears.keep(&schedule, ear);
                return Ok(());
            }
        }
    }

    /// What a schedule has heard, as far as that is remembered.
    async fn ear(&self, schedule: &ScheduleRecord, seen: Offset, ears: &Ears) -> Result<Option<Ear>> {
        if let Some(ear) = ears.take(schedule) {
            return Ok(Some(ear));
        }
        let workflow = self
            .load(&schedule.principal.scope(), &schedule.workflow.hash)
            .await?;
        let Some(Schedule::Events(EventSchedule { on, .. })) = &workflow.schedule else {
            return Ok(None);
        };
        Ok(Some(Ear {
            revision: schedule.revision,
            position: seen,
            consumption: Consumption::new(on),
            workflow,
        }))
    }

    /// Starts the run of a complete set of events; `None` when it did not start or the schedule was changed.
    async fn start_with(
        &self,
        schedule: &ScheduleRecord,
        events: Value,
        offset: Offset,
    ) -> Result<Option<ScheduleRecord>> {
        let now = self.inner.parts.clock.now();
        let retry = schedule
            .failure
            .as_ref()
            .filter(|failure| failure.retry_at.is_some());
        let at = retry.map_or(now, |failure| failure.at);
        // What the last event completes is one set, whenever it is read.
        let cause = format!("event {offset}");
        let started = self.start_scheduled(schedule, &cause, at, events).await;
        let mut schedule = schedule.clone();
        match started {
            Ok(run) => {
                note_start(&mut schedule, &run, at);
                schedule.seen = Some(offset);
                self.put(&schedule).await
            }
            Err(error) => {
                let give_up = |schedule: &mut ScheduleRecord| schedule.seen = Some(offset);
                self.fail(schedule, at, now, error, give_up).await?;
                Ok(None)
            }
        }
    }
}

impl Ear {
    /// Takes in one event of the log.
    fn hear(&mut self, logged: LoggedEvent, own: &str) -> Heard {
        self.position = logged.offset;
        let Some(Schedule::Events(EventSchedule { on, read })) = &self.workflow.schedule else {
            return Heard::Nothing;
        };
        let wanted = Wanted {
            strategy: on,
            read: *read,
            input: &Value::Null,
            variables: &Variables::new(),
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
