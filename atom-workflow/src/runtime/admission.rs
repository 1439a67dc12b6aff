//! Runs that wait for their turn, because their documents limit how many go on at once.
//!
//! The store decides which of them begin, atomically, and what it has decided is on disk: whoever drives a run reads
//! there whether its turn has come. A queue is looked at when a run joins or leaves it, when one that was under way has
//! ended, when a rate lets the next one begin, and when a driver takes up a queued run after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use atom_core::storage::{
    Admission, AdmissionState, ConcurrencyLimit, Lane, OnLimit, RateLimit, RunLimits, RunRecord,
};
use atom_core::{Error, ErrorCode, Result, Retry, RunId, Scope};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::driver::Driver;
use super::parking::Rest;
use super::patience::Pauses;
use super::{Mail, Runtime, closed};
use crate::definition::{LimitSpec, PrioritySpec, Workflow};
use crate::expression::{Expression, Variables};
use crate::machine::Event;

/// The queues that somebody is about to look at.
#[derive(Debug, Default)]
pub(super) struct Looks {
    inner: Mutex<Planned>,
}

#[derive(Debug, Default)]
struct Planned {
    /// As soon as can be: whoever asks for the same meanwhile needs not look again.
    soon: BTreeSet<Lane>,
    /// When the rate lets the next run begin.
    later: BTreeMap<Lane, Timestamp>,
}

impl Looks {
    fn lock(&self) -> MutexGuard<'_, Planned> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What bounds when a run with this input begins, as its document says.
///
/// # Errors
/// `invalid_request` when the input gives no key or priority, `limit_exceeded` for a key that is too long.
pub(super) fn limits(workflow: &Workflow, input: &Value) -> Result<Option<RunLimits>> {
    let Some(LimitSpec {
        priority,
        concurrency,
        rate_limit,
    }) = &workflow.limits
    else {
        return Ok(None);
    };
    let limits = RunLimits {
        priority: match priority {
            PrioritySpec::Fixed(priority) => *priority,
            PrioritySpec::Expression(expression) => priority_of(expression, input)?,
        },
        concurrency: match concurrency {
            Some(spec) => Some(ConcurrencyLimit {
                key: key(spec.key.as_ref(), input, "concurrency")?,
                limit: spec.limit,
                on_limit: spec.on_limit,
            }),
            None => None,
        },
        rate_limit: match rate_limit {
            Some(spec) => Some(RateLimit {
                key: key(spec.key.as_ref(), input, "rateLimit")?,
                limit: spec.limit,
                per_ms: u64::try_from(spec.per.as_millis()).unwrap_or(u64::MAX),
            }),
            None => None,
        },
    };
    limits.check()?;
    Ok(Some(limits))
}

fn key(expression: Option<&Expression>, input: &Value, setting: &str) -> Result<String> {
    let Some(expression) = expression else {
        return Ok(String::new());
    };
    let place = format!("{setting}.key");
    match expression.evaluate(input, &Variables::new()) {
        Ok(Value::String(key)) if !key.is_empty() => Ok(key),
        Ok(Value::Number(key)) => Ok(key.to_string()),
        Ok(_) => Err(unfit(&place, "it must give a text or a number")),
        Err(error) => Err(unfit(&place, error.message())),
    }
}

fn priority_of(expression: &Expression, input: &Value) -> Result<i32> {
    let priority = expression
        .evaluate(input, &Variables::new())
        .map_err(|error| unfit("priority", error.message()))?;
    let whole = atom_core::storage::indexed(priority).as_i64();
    whole
        .and_then(|priority| i32::try_from(priority).ok())
        .ok_or_else(|| {
            let words = format!("it must give a whole number from {} to {}", i32::MIN, i32::MAX);
            unfit("priority", &words)
        })
}

fn unfit(place: &str, words: &str) -> Error {
    Error::new(
        ErrorCode::InvalidRequest,
        format!("the input does not fit 'document.metadata.atom.{place}': {words}"),
    )
}

/// The first event of a run with these limits.
pub(super) fn first_event(limits: Option<&RunLimits>) -> Event {
    match limits {
        Some(_) => Event::Queued,
        None => Event::started(),
    }
}

/// The lanes of a run that has limits.
fn lanes(run: &RunRecord) -> Vec<Lane> {
    let limits = run.admission.as_ref().map(|admission| &admission.limits);
    limits.map_or_else(Vec::new, |limits| {
        Lane::of(&run.principal.scope(), &run.workflow, limits)
    })
}

/// Why the store has decided that a run is to be cancelled.
fn reason(admission: &Admission) -> String {
    match &admission.limits.concurrency {
        Some(limit) if limit.on_limit == OnLimit::CancelNewest && admission.is_waiting() => format!(
            "{} runs of the workflow with this key are under way, as many as may be",
            limit.limit
        ),
        _ => "a newer run of the workflow with this key takes its place".to_owned(),
    }
}

impl Runtime {
    /// Drives a run that was created just now with limits; its first `entries` journal entries are written. Gives the run
    /// as it is once it was decided whether it begins, waits or is cancelled at once.
    pub(super) async fn enter(&self, run: RunRecord, entries: u64, asks: bool) -> Result<RunRecord> {
        let scope = run.principal.scope();
        // The first lane decides about all limits of the run.
        if let Some(lane) = lanes(&run).first() {
            match self.look(lane).await {
                // The run is on disk, so it is not the caller's matter that it waits for the store.
                Err(error) if error.retry() == Retry::Maybe => self.look_soon(vec![lane.clone()]),
                other => other?,
            }
        }
        let run = self.record(&scope, run.id).await?;
        if run.status.has_ended() {
            return Ok(run);
        }
        if !self.holds(&run) {
            return Ok(run);
        }
        let handle = self.drive(&run)?;
        match run.admission.as_ref().map(|admission| admission.state) {
            Some(AdmissionState::Refused) => return self.wait(&scope, run.id).await,
            Some(AdmissionState::Begun) if asks => handle.begun(entries).await,
            _ => {}
        }
        Ok(run)
    }

    /// Looks at a queue, and tells the drivers of the runs that begin or are cancelled.
    async fn look(&self, lane: &Lane) -> Result<()> {
        loop {
            let now = self.inner.parts.clock.now();
            let admitted = self.inner.parts.store.admit(lane, now).await?;
            for (lane, at) in admitted.later {
                self.look_later(lane, at);
            }
            for run in admitted.changed {
                self.announce(&lane.scope, run).await?;
            }
            if !admitted.has_more {
                return Ok(());
            }
        }
    }

    /// Looks at queues without waiting for it, trying again while the store says that it may help.
    fn look_soon(&self, lanes: Vec<Lane>) {
        let mut planned = self.inner.looks.lock();
        let new: Vec<_> = lanes
            .into_iter()
            .filter(|lane| planned.soon.insert(lane.clone()))
            .collect();
        drop(planned);
        if new.is_empty() {
            return;
        }
        let runtime = self.clone();
        self.inner.tasks.spawn(async move {
            let shutdown = runtime.inner.shutdown.clone();
            let work = async {
                for lane in new {
                    runtime.inner.looks.lock().soon.remove(&lane);
                    runtime.look_until_done(&lane).await;
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = work => {}
            }
        });
    }

    async fn look_until_done(&self, lane: &Lane) {
        let mut pauses = Pauses::default();
        loop {
            match self.look(lane).await {
                Ok(()) => return,
                Err(error) if error.retry() == Retry::Maybe => {
                    tracing::warn!(%error, "queued runs wait for their store");
                    self.inner.parts.clock.sleep(pauses.next()).await;
                }
                Err(error) if error.code() == ErrorCode::Closed => return,
                Err(error) => {
                    tracing::error!(%error, "queued runs do not begin until they are resumed");
                    return;
                }
            }
        }
    }

    /// Looks at a queue when a moment has come.
    fn look_later(&self, lane: Lane, at: Timestamp) {
        let mut planned = self.inner.looks.lock();
        if planned.later.get(&lane).is_some_and(|known| *known <= at) {
            return;
        }
        planned.later.insert(lane.clone(), at);
        drop(planned);
        let runtime = self.clone();
        self.inner.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = runtime.inner.shutdown.cancelled() => return,
                () = runtime.inner.parts.clock.wait_until(at) => {}
            }
            let mut planned = runtime.inner.looks.lock();
            // A look that was planned for an earlier moment since goes first.
            if planned.later.get(&lane) == Some(&at) {
                planned.later.remove(&lane);
                drop(planned);
                runtime.look_soon(vec![lane]);
            }
        });
    }

    /// Tells the driver of a run that the store has decided about it.
    pub(super) async fn announce(&self, scope: &Scope, run: RunId) -> Result<()> {
        let record = self.record(scope, run).await?;
        let Some(admission) = record.admission.as_ref().filter(|_| !record.status.has_ended()) else {
            return Ok(());
        };
        // The store has told who holds it.
        if !self.holds(&record) {
            return Ok(());
        }
        let event = match admission.state {
            AdmissionState::Superseded => Event::Cancelled {
                reason: Some(reason(admission)),
            },
            // The driver reads what was decided; a run that is not queued any more passes it over.
            _ => Event::Admitted,
        };
        let mut mail = Some(Mail::new(event).0);
        let handle = self.drive_after(&record, &mut mail, None)?;
        if let Some(mail) = mail
            && let Err(TrySendError::Full(mail)) = handle.mail.try_send(mail)
        {
            let shutdown = self.inner.shutdown.clone();
            self.inner.tasks.spawn(async move {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    // A driver that is gone has nothing left to be told.
                    _ = handle.mail.send(mail) => {}
                }
            });
        }
        Ok(())
    }

    /// Lets others have the place of a run that has ended.
    pub(super) fn leave(&self, run: &RunRecord) {
        let mut lanes = lanes(run);
        if run
            .admission
            .as_ref()
            .is_some_and(|admission| !admission.is_waiting())
        {
            // An end lets nobody begin earlier whom the rate keeps waiting.
            lanes.retain(|lane| matches!(lane.key, atom_core::storage::LaneKey::Concurrency(_)));
        }
        self.look_soon(lanes);
    }
}

impl Driver<'_> {
    /// Waits until the run's turn has come, and begins it; or until it is cancelled. `false` when it waits without a
    /// driver from now on.
    pub(super) async fn await_turn(&mut self, inbox: &mut mpsc::Receiver<Mail>) -> Result<bool> {
        // Whoever was to look at the queue may have died.
        self.runtime.look_soon(lanes(&self.record));
        let head = self.runtime.inner.parts.store.watch();
        while self.is_queued() {
            // What was asked comes first: a run that is cancelled does not begin.
            if let Ok(mail) = inbox.try_recv() {
                self.take_queued_mail(mail).await?;
                continue;
            }
            let Some(admission) = &self.record.admission else {
                return Err(
                    Error::internal("a run without limits is queued").with_context("run", self.record.id)
                );
            };
            match admission.state {
                AdmissionState::Queued => {
                    let park_after = self.runtime.inner.parts.limits.park_after;
                    tokio::select! {
                        mail = inbox.recv() => self.take_queued_mail(mail.ok_or_else(closed)?).await?,
                        () = tokio::time::sleep(park_after) => {
                            let run = (self.scope.clone(), self.record.id);
                            if self.runtime.park(run, Rest::default(), inbox, &head) {
                                return Ok(false);
                            }
                        }
                    }
                }
                AdmissionState::Begun => self.begin_turn().await?,
                AdmissionState::Refused | AdmissionState::Superseded => self.give_way().await?,
            }
        }
        Ok(true)
    }

    /// Cancels a run whose place another takes, if that was decided and the run does not know yet.
    pub(super) async fn give_way(&mut self) -> Result<()> {
        let unwanted = |admission: &&Admission| {
            matches!(
                admission.state,
                AdmissionState::Refused | AdmissionState::Superseded
            )
        };
        let Some(admission) = self.record.admission.as_ref().filter(unwanted) else {
            return Ok(());
        };
        let reason = Some(reason(admission));
        self.step(Event::Cancelled { reason }).await
    }

    async fn take_queued_mail(&mut self, mail: Mail) -> Result<()> {
        if *mail.event == Event::Admitted {
            let record = self.patiently(|| self.runtime.record(&self.scope, self.record.id));
            self.record = record.await?;
            return Ok(());
        }
        let was_paused = self.is_paused();
        self.take_mail(mail).await?;
        if self.is_paused() != was_paused {
            // Those behind it go first, or it may go now.
            self.runtime.look_soon(lanes(&self.record));
        }
        Ok(())
    }
}
