//! The life of a driver: from a journal to the end of its run, or to where the run only waits.

use std::panic::AssertUnwindSafe;

use atom_core::storage::{JournalEntry, RunRecord, lease_lost};
use atom_core::{CancellationToken, Error, ErrorCode, Offset, Result, Retry, RunId, Scope};
use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Driver;
use super::commit::note_store;
use crate::definition::Retention;
use crate::machine::Event;
use crate::runtime::patience::Pauses;
use crate::runtime::stuck::StuckNote;
use crate::runtime::{Mail, Progress, Runtime, closed, ended};

/// Drives a run until it has ended, or until `end`: the runtime closes, or has lost its lease on the run.
///
/// A store that cannot be read or written for the moment (a full disk, a busy pool) is an operator's matter: the
/// run is built again from its journal and goes on. Anything else stops the driver, and the run stays as it is.
pub(in crate::runtime) async fn drive(
    runtime: Runtime,
    scope: Scope,
    run: RunId,
    mut known: Known,
    mut inbox: mpsc::Receiver<Mail>,
    progress: watch::Sender<Progress>,
    end: CancellationToken,
) {
    let mut pauses = Pauses::default();
    let mut stuck = None;
    let result: Result<Departure> = loop {
        // Boxed, as are the parts that are seldom under way: a run that waits should hold little memory.
        let attempt = Box::pin(run_to_end(
            &runtime,
            &scope,
            run,
            std::mem::take(&mut known),
            &mut inbox,
            &progress,
            &mut stuck,
        ));
        let attempt = AssertUnwindSafe(attempt).catch_unwind();
        let result = tokio::select! {
            biased;
            () = end.cancelled() => Err(over(&runtime)),
            result = attempt => result.unwrap_or_else(|_| Err(Error::internal("the run's driver panicked"))),
        };
        match result {
            Err(error) if error.retry() == Retry::Maybe => {
                tracing::warn!(%run, %error, "the run waits for its store");
                stuck.get_or_insert_with(|| note_store(&runtime, &scope, run, &error));
                tokio::select! {
                    () = end.cancelled() => break Err(over(&runtime)),
                    () = runtime.inner.parts.clock.sleep(pauses.next()) => {}
                }
            }
            other => break other,
        }
    };
    drop(stuck);
    if matches!(result, Ok(Departure::Parked)) {
        runtime.note_room();
        return;
    }
    if let Err(error) = &result
        && error.code() != ErrorCode::Closed
        && !end.is_cancelled()
    {
        let at = runtime.inner.parts.clock.now();
        runtime.inner.stuck.stop((scope.clone(), run), at, error);
    }
    // Whoever looks the run up from now on reads its state from the store.
    runtime.drivers().remove(&(scope.clone(), run));
    runtime.note_room();
    if matches!(result, Ok(Departure::Left)) {
        runtime.let_go(&scope, run).await;
    }
    match result {
        Ok(Departure::Left) => progress.send_modify(|progress| progress.stopped = Some(closed())),
        Ok(_) => progress.send_modify(|progress| progress.has_ended = true),
        Err(error) => {
            if error.code() == ErrorCode::Closed || end.is_cancelled() {
                // It goes on later, or elsewhere.
            } else if runtime.is_lost_to_others(&error) {
                tracing::warn!(%run, %error, "the run goes on elsewhere, or here anew");
            } else {
                tracing::error!(%run, %error, "the run cannot go on");
            }
            progress.send_modify(|progress| progress.stopped = Some(error));
        }
    }
    inbox.close();
    while let Some(mail) = inbox.recv().await {
        let answer = match &progress.borrow().stopped {
            Some(error) => Err(error.clone()),
            None => Err(ended()),
        };
        // Nobody waits any more when this fails.
        let _ = mail.answer.send(answer);
    }
}

/// Why a driver ends before its run.
fn over(runtime: &Runtime) -> Error {
    if runtime.inner.shutdown.is_cancelled() {
        closed()
    } else {
        lease_lost()
    }
}

/// What is known of a run before it is read from the store.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Known {
    /// The run and its one journal entry, when it was created just now.
    pub(in crate::runtime) created: Option<Created>,
    /// Up to where it has seen the log, when it was parked.
    pub(in crate::runtime) seen: Option<Offset>,
}

/// A run that was created just now.
#[derive(Debug)]
pub(in crate::runtime) struct Created {
    /// The number of its start.
    pub(in crate::runtime) start: u64,
    pub(in crate::runtime) record: RunRecord,
    pub(in crate::runtime) only_entry: JournalEntry,
}

/// Why a driver is no longer needed.
enum Departure {
    /// The run has ended.
    Ended,
    /// The run waits without a driver.
    Parked,
    /// The engine drains, and the run is others' to go on with.
    Left,
}

async fn run_to_end(
    runtime: &Runtime,
    scope: &Scope,
    run: RunId,
    known: Known,
    inbox: &mut mpsc::Receiver<Mail>,
    progress: &watch::Sender<Progress>,
    stuck: &mut Option<StuckNote>,
) -> Result<Departure> {
    let (record, only_entry) = match known.created {
        Some(created) => (created.record, Some(created.only_entry)),
        None => (runtime.record(scope, run).await?, None),
    };
    // It may have ended since the driver was asked for.
    if record.status.has_ended() {
        runtime.inner.bell.run_ended(&record);
        runtime.leave(&record);
        return Ok(Departure::Ended);
    }
    let mut driver = {
        // However many runs are woken at once, few are read from the store at a time.
        let _permit = runtime.inner.rebuilds.acquire().await.map_err(|_| closed())?;
        Box::pin(Driver::rebuild(runtime, record, only_entry, progress)).await?
    };
    *stuck = None;
    // Its journal tells only where it began to listen.
    driver.note_seen(known.seen.unwrap_or_default());
    if driver.is_queued() && !Box::pin(driver.await_turn(inbox)).await? {
        return Ok(Departure::Parked);
    }
    if driver.record.admission.is_some() {
        Box::pin(driver.give_way()).await?;
    }
    // What was asked before anything began comes first: a run that is cancelled repeats no call.
    while let Ok(mail) = inbox.try_recv() {
        driver.take_mail(mail).await?;
    }
    Box::pin(driver.begin_pending()).await?;
    let mut head = runtime.inner.parts.store.watch();
    let mut has_news = !driver.listening.is_empty();
    // Since when the run only waits. News that are none of its business leave that as it is.
    let mut idle = (driver.next_sequence, Instant::now());
    let draining = runtime.inner.membership.draining.clone();
    while driver.machine.outcome().is_none() {
        if draining.is_cancelled() && driver.actions.is_empty() {
            return Ok(Departure::Left);
        }
        if driver.next_sequence != idle.0 || !driver.actions.is_empty() {
            idle = (driver.next_sequence, Instant::now());
        }
        let is_paused = driver.machine.is_paused();
        if has_news && !is_paused {
            has_news = false;
            Box::pin(driver.offer_events()).await?;
            continue;
        }
        // Timers that come due, and events and messages that come while the run is paused wait.
        let alarm = driver.timers.first().map(|(at, _)| *at).filter(|_| !is_paused);
        let clock = &runtime.inner.parts.clock;
        let was_listening = !is_paused && !driver.listening.is_empty();
        let leaves_at = idle.1 + driver.patience();
        tokio::select! {
            Some(answer) = driver.actions.join_next() => {
                // An action that was stopped has no answer; one that panicked answers by itself.
                if let Ok(event) = answer {
                    driver.step(event).await?;
                }
            }
            Some(delivery) = driver.delivered.recv(), if !is_paused => Box::pin(driver.take_message(*delivery)).await?,
            mail = inbox.recv() => {
                let Some(mail) = mail else { return Err(closed()) };
                driver.take_mail(mail).await?;
            }
            () = async { clock.wait_until(alarm.unwrap_or(Timestamp::MAX)).await }, if alarm.is_some() => {
                if let Some((_, action)) = driver.timers.pop_first() {
                    driver.step(Event::Fired { action }).await?;
                }
            }
            () = tokio::time::sleep_until(leaves_at), if driver.actions.is_empty() => {
                let (run, rest) = ((scope.clone(), run), driver.rest());
                if !driver.is_soon(rest.alarm) && runtime.park(run, rest, inbox, &head) {
                    return Ok(Departure::Parked);
                }
                // News are read first; whoever holds on to the driver may take long.
                if !was_listening || !head.has_changed().unwrap_or(false) {
                    idle.1 = Instant::now();
                }
            }
            () = draining.cancelled(), if !draining.is_cancelled() => {}
            changed = head.changed(), if was_listening => {
                changed.map_err(|_| closed())?;
                has_news = true;
            }
        }
        has_news |= !was_listening && !driver.listening.is_empty();
    }
    runtime.inner.bell.run_ended(&driver.record);
    if driver.machine.workflow().retention != Retention::default() {
        runtime.inner.expiring.notify_one();
    }
    runtime.leave(&driver.record);
    Ok(Departure::Ended)
}
