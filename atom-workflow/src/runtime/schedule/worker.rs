//! The scheduler: the task that looks after all schedules.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};

use atom_core::storage::{ScheduleRecord, ScheduleTrigger};
use atom_core::{CancellationToken, Clock, Error, ErrorCode, Offset, Result};
use futures::FutureExt;
use futures::stream::{self, TryStreamExt};
use jiff::Timestamp;
use tokio::sync::watch;

use super::Bell;
use super::events::Ears;
use super::fire::is_of_the_engine;
use crate::runtime::driver::{FIRST_PAUSE, LONGEST_PAUSE};
use crate::runtime::{Inner, Runtime};

/// How many schedules are read at a time.
const BATCH: usize = 64;

/// How many schedules are looked after at the same time, so that they share commits.
const AT_ONCE: usize = 32;

/// The scheduler. It keeps the runtime alive only while it works, not while it waits.
pub(super) struct Worker {
    runtime: Weak<Inner>,
    bell: Arc<Bell>,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
    head: watch::Receiver<Offset>,
    ears: Ears,
    /// Up to where the schedules that listen were told of events; none before the first time.
    heard: Option<Offset>,
    /// Whether any schedule listens.
    is_listening: bool,
}

impl Worker {
    pub(super) fn new(runtime: &Arc<Inner>) -> Self {
        Self {
            runtime: Arc::downgrade(runtime),
            bell: Arc::clone(&runtime.bell),
            clock: Arc::clone(&runtime.parts.clock),
            shutdown: runtime.shutdown.clone(),
            head: runtime.parts.store.watch(),
            ears: Ears::default(),
            heard: None,
            is_listening: false,
        }
    }

    /// Works until the runtime closes.
    pub(super) async fn work(mut self) {
        let shutdown = self.shutdown.clone();
        let mut pause = FIRST_PAUSE;
        loop {
            let Some(runtime) = self.runtime.upgrade().map(|inner| Runtime { inner }) else {
                return;
            };
            let pass = AssertUnwindSafe(self.pass(&runtime)).catch_unwind();
            let result = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                result = pass => result.unwrap_or_else(|_| Err(Error::internal("the scheduler panicked"))),
            };
            drop(runtime);
            let wake = match result {
                Ok(wake) => {
                    pause = FIRST_PAUSE;
                    wake
                }
                Err(error) if matches!(error.code(), ErrorCode::Closed | ErrorCode::Conflict) => {
                    tracing::error!(%error, "no schedule starts runs any more");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "schedules wait for their store");
                    // What was heard or changed meanwhile is found again.
                    self.heard = None;
                    let wake = self.clock.now().saturating_add(pause).ok();
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    self.sleep_until(wake.unwrap_or(Timestamp::MAX)).await;
                    continue;
                }
            };
            self.wait(wake).await;
        }
    }

    /// Does everything there is to do; gives the next time at which there is something.
    async fn pass(&mut self, runtime: &Runtime) -> Result<Option<Timestamp>> {
        let store = &runtime.inner.parts.store;
        if self.heard.is_none() {
            let awaiting = store.awaiting_schedules().await?;
            stream::iter(awaiting.into_iter().map(Ok))
                .try_for_each_concurrent(AT_ONCE, |schedule| runtime.settle(schedule))
                .await?;
        }
        loop {
            for key in self.bell.take() {
                let ears = &self.ears;
                let (scope, namespace, name) = &key;
                let Some(schedule) = store.schedule(scope, namespace, name).await? else {
                    continue;
                };
                if schedule.awaits.is_some() {
                    runtime.settle(schedule).await?;
                } else if schedule.listens_after().is_some() {
                    self.is_listening = true;
                    attend(runtime, schedule, ears).await?;
                }
            }
            self.listen(runtime).await?;
            let now = self.clock.now();
            let mut waking = store.earliest_schedules(BATCH).await?;
            let later = waking
                .iter()
                .position(|schedule| schedule.wakes_at().is_some_and(|at| at > now));
            let wake = later.and_then(|place| waking.get(place)?.wakes_at());
            waking.truncate(later.unwrap_or(waking.len()));
            if waking.is_empty() {
                return Ok(wake);
            }
            self.attend_all(runtime, waking).await?;
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
                self.attend_all(runtime, listening).await?;
            }
            Some(heard) if self.is_listening && heard < head => {
                let listening = store.listening_schedules(Some(heard)).await?;
                self.attend_all(runtime, listening).await?;
            }
            Some(_) => {}
        }
        self.heard = Some(head);
        Ok(())
    }

    async fn attend_all(&self, runtime: &Runtime, schedules: Vec<ScheduleRecord>) -> Result<()> {
        stream::iter(schedules.into_iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |schedule| attend(runtime, schedule, &self.ears))
            .await
    }

    async fn wait(&mut self, wake: Option<Timestamp>) {
        let bell = Arc::clone(&self.bell);
        let (clock, is_listening) = (Arc::clone(&self.clock), self.is_listening);
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = bell.rung.notified() => {}
            changed = self.head.changed(), if is_listening => {
                // The store is gone when this fails, and with it the runtime.
                if changed.is_err() {
                    self.shutdown.cancelled().await;
                }
            }
            () = async { clock.wait_until(wake.unwrap_or(Timestamp::MAX)).await }, if wake.is_some() => {}
        }
    }

    async fn sleep_until(&self, moment: Timestamp) {
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = self.clock.wait_until(moment) => {}
        }
    }
}

/// Does what is due of one schedule. What is wrong with it is noted with it, so that it holds up no other.
async fn attend(runtime: &Runtime, schedule: ScheduleRecord, ears: &Ears) -> Result<()> {
    let noted = schedule.clone();
    let result = if schedule.trigger == ScheduleTrigger::Events {
        runtime.hear(schedule, ears).await
    } else {
        runtime.fire(schedule).await
    };
    match result {
        Err(error) if !is_of_the_engine(&error) => {
            let now = runtime.inner.parts.clock.now();
            let at = noted.next_at.unwrap_or(now);
            runtime
                .fail(noted, at, now, error, |schedule| schedule.next_at = None)
                .await
        }
        other => other,
    }
}
