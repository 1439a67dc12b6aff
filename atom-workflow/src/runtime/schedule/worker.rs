//! The scheduler: the task that looks after all schedules.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{ScheduleRecord, ScheduleTrigger, WorkerStore};
use atom_core::{Clock, Offset, Result};
use futures::stream::{self, TryStreamExt};
use jiff::Timestamp;
use tokio::sync::watch;

use super::Bell;
use super::events::Ears;
use super::turn::Turn;
use crate::runtime::background::Work;
use crate::runtime::{Inner, Runtime};

/// How many schedules are read at a time.
const BATCH: usize = 64;

/// How many schedules are looked after at the same time, so that they share commits.
const AT_ONCE: usize = 32;

/// What looks after all schedules.
pub(super) struct Scheduler {
    bell: Arc<Bell>,
    clock: Arc<dyn Clock>,
    head: watch::Receiver<Offset>,
    ears: Ears,
    /// Up to where the schedules that listen were told of events; none before the first time.
    heard: Option<Offset>,
    /// Whether any schedule listens.
    is_listening: bool,
    /// The next time at which there is something to do.
    next: Option<Timestamp>,
    /// After what time others may have changed something, where engines share the store.
    others_after: Option<Duration>,
}

impl Scheduler {
    pub(super) fn new(runtime: &Inner) -> Self {
        Self {
            bell: Arc::clone(&runtime.bell),
            clock: Arc::clone(&runtime.parts.clock),
            head: runtime.parts.store.watch(),
            ears: Ears::default(),
            heard: None,
            is_listening: false,
            next: None,
            others_after: runtime.parts.store.workers().map(WorkerStore::lease),
        }
    }

    /// Tells the schedules that listen of new events.
    async fn listen(&mut self, runtime: &Runtime) -> Result<()> {
        let store = &runtime.inner.parts.store;
        let head = *self.head.borrow_and_update();
        match self.heard {
            None => {
                let listening = store.listening_schedules(None).await?;
                self.is_listening = !listening.is_empty();
                self.attend_all(runtime, listening, Turn::listening).await?;
            }
            Some(heard) if self.is_listening && heard < head => {
                let listening = store.listening_schedules(Some(heard)).await?;
                self.attend_all(runtime, listening, Turn::listening).await?;
            }
            Some(_) => {}
        }
        self.heard = Some(head);
        Ok(())
    }

    async fn attend_all(
        &self,
        runtime: &Runtime,
        schedules: Vec<ScheduleRecord>,
        turn: fn(ScheduleRecord) -> Option<Turn>,
    ) -> Result<()> {
        stream::iter(schedules.into_iter().filter_map(turn).map(Ok))
            .try_for_each_concurrent(AT_ONCE, |turn| attend(runtime, turn, &self.ears))
            .await
    }
}

impl Work for Scheduler {
    const NAME: &'static str = "the scheduler";

    async fn pass(&mut self, runtime: &Runtime) -> Result<()> {
        let store = &runtime.inner.parts.store;
        if self.heard.is_none() {
            let awaiting = store.awaiting_schedules().await?;
            stream::iter(awaiting.into_iter().map(Ok))
                .try_for_each_concurrent(AT_ONCE, async |schedule| runtime.settle(schedule).await.map(drop))
                .await?;
        }
        loop {
            for key in self.bell.take() {
                let (scope, namespace, name) = &key;
                let Some(schedule) = store.schedule(scope, namespace, name).await? else {
                    continue;
                };
                let Some(schedule) = runtime.settle(schedule).await? else {
                    continue;
                };
                if schedule.listens_after().is_some() {
                    self.is_listening = true;
                    self.attend_all(runtime, vec![schedule], Turn::listening).await?;
                }
            }
            self.listen(runtime).await?;
            let now = self.clock.now();
            let mut waking = store.earliest_schedules(BATCH).await?;
            let later = waking
                .iter()
                .position(|schedule| schedule.wakes_at().is_some_and(|at| at > now));
            self.next = later.and_then(|place| waking.get(place)?.wakes_at());
            waking.truncate(later.unwrap_or(waking.len()));
            if waking.is_empty() {
                return Ok(());
            }
            self.attend_all(runtime, waking, Turn::waking).await?;
        }
    }

    async fn wait(&mut self) {
        let (clock, next) = (&self.clock, self.next);
        let others_after = self.others_after;
        tokio::select! {
            () = tokio::time::sleep(others_after.unwrap_or_default()), if others_after.is_some() => self.heard = None,
            () = self.bell.rung.notified() => {}
            changed = self.head.changed(), if self.is_listening => {
                // The store is gone when this fails, and with it the runtime.
                if changed.is_err() {
                    std::future::pending().await
                }
            }
            () = async { clock.wait_until(next.unwrap_or(Timestamp::MAX)).await }, if next.is_some() => {}
        }
    }

    fn failed(&mut self) -> Option<Timestamp> {
        // What was heard or changed meanwhile is found again.
        self.heard = None;
        None
    }
}

/// Does what is due of one trigger.
async fn attend(runtime: &Runtime, turn: Turn, ears: &Ears) -> Result<()> {
    let noted = turn.clone();
    let now = runtime.inner.parts.clock.now();
    let result = if turn.trigger.trigger == ScheduleTrigger::Events {
        runtime.hear(turn, ears).await
    } else {
        runtime.fire(turn, now, runtime).await
    };
    runtime.note(noted, now, result).await
}
