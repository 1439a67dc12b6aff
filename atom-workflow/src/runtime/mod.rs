//! The embedded runtime: drives machines, keeps their journals and carries out their commands.
//!
//! Each run that is under way has one task, its driver, which alone changes it; one that only waits has none until what it
//! waits for comes. A step of a run is one
//! atomic commit of the store: the event, what it publishes and how the run ends. Only then is anything done
//! that depends on it. After a crash [`Runtime::resume`] rebuilds every machine from its journal and carries
//! out again what had no answer yet, with the same idempotency keys.
//!
//! ```
//! use std::sync::Arc;
//! use atom_core::storage::{MemoryStore, MemoryVault};
//! use atom_core::testkit::{ManualClock, SequenceRandom};
//! use atom_core::{FunctionRegistry, Principal};
//! use atom_workflow::definition::Workflow;
//! use atom_workflow::runtime::{Runtime, RuntimeLimits, RuntimeParts, RuntimeSettings, StartRun};
//! use serde_json::json;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let runtime = Runtime::new(RuntimeParts {
//!     store: Arc::new(MemoryStore::default()),
//!     vault: Arc::new(MemoryVault::default()),
//!     functions: Arc::new(FunctionRegistry::default()),
//!     clock: Arc::new(ManualClock::default()),
//!     random: Arc::new(SequenceRandom::default()),
//!     limits: RuntimeLimits::default(),
//!     settings: RuntimeSettings::default(),
//! });
//! let text = "
//! document: { dsl: 1.0.3, namespace: default, name: hello, version: 0.1.0 }
//! do:
//!   - greet: { set: { greeting: '${ \"Hello \" + .name }' } }
//! ";
//! let ada = Principal::new("acme", "ada")?;
//! let start = StartRun::new(Arc::new(Workflow::parse(text)?), text, json!({ "name": "Ada" }));
//! let run = runtime.start(&ada, start).await?;
//! let run = runtime.wait(&ada.scope(), run.id).await?;
//! assert_eq!(run.output, Some(json!({ "greeting": "Hello Ada" })));
//! # Ok::<(), atom_core::Error>(()) }).unwrap();
//! ```

mod action;
mod admission;
mod alert;
mod approve;
mod background;
mod child;
mod driver;
mod dry_run;
mod history;
mod lifecycle;
mod load;
mod migrate;
mod parking;
mod patience;
mod recording;
mod redact;
mod rerun;
mod resolve;
mod retention;
mod schedule;
mod start;
mod steps;
mod stuck;
mod tally;
mod workers;

pub use alert::MINIMUM_STATISTICS;
pub use approve::{Decide, unknown_approval};
pub use dry_run::{DryRun, DryRunCall, DryRunReport};
pub use history::HistoryEntry;
pub use lifecycle::LifecycleEvents;
pub use migrate::Migration;
pub use recording::{Divergence, RecordedEntry, Recording, Replayed};
pub use rerun::Rerun;
pub use resolve::Resolved;
pub use retention::RetentionSettings;
pub use schedule::upcoming;
pub use steps::{Step, StepStatus};
pub use stuck::{Stuck, StuckCause};
#[cfg(feature = "temporal")]
pub(crate) use {
    history::told,
    load::text_of,
    parking::may_be,
    redact::Redactor,
    schedule::Starter,
    start::{idempotency_key, labels},
    steps::Steps,
};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atom_core::storage::{LetterId, RunRecord, RunStatus, RunTrigger, Store, Vault};
use atom_core::{
    CancellationToken, Clock, CloudEvent, Error, ErrorCode, FunctionRegistry, Offset, RandomSource, Result,
    RunId, Scope,
};
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

use crate::definition::Workflow;
use crate::machine::{Event, check_depth};
use parking::Drivers;
use stuck::RunKey;

/// How many runs are built from their journals at a time; each holds two pages of its journal meanwhile.
const CONCURRENT_REBUILDS: usize = 64;

/// What a runtime is made of.
#[derive(Debug)]
pub struct RuntimeParts {
    /// Keeps documents, runs and events.
    pub store: Arc<dyn Store>,
    /// Keeps secrets.
    pub vault: Arc<dyn Vault>,
    /// What workflows can call.
    pub functions: Arc<FunctionRegistry>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub random: Arc<dyn RandomSource>,
    /// Bounds what runs use.
    pub limits: RuntimeLimits,
    /// What the operator has chosen.
    pub settings: RuntimeSettings,
}

/// What the operator has chosen.
#[derive(Clone, Debug, Default)]
pub struct RuntimeSettings {
    /// The root of the catalog `default`, an `http`, `https` or `file` URI; there is none when absent.
    pub default_catalog: Option<String>,
    /// What is told of runs by lifecycle events.
    pub lifecycle_events: LifecycleEvents,
    /// How long the hours of statistics are kept, for ever when absent; no shorter than [`MINIMUM_STATISTICS`].
    pub statistics: Option<Duration>,
}

/// Bounds on what runs use.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeLimits {
    /// The largest input of a run or output of a call, as JSON text, in bytes.
    pub payload_bytes: usize,
    /// How many calls are under way at once, over all runs; more wait their turn.
    pub concurrent_calls: usize,
    /// How long one call may take.
    pub call_timeout: Duration,
    /// How many runs may be in memory at once; those that only wait are not.
    pub concurrent_runs: usize,
    /// How long a run may only wait before it leaves memory, measured by the machine's own time, and a tenth of a
    /// millisecond more for each entry of its journal, from which it is built again when what it waits for comes. A run
    /// whose next timer is due within that time stays.
    pub park_after: Duration,
    /// How many entries the journal of a run may have. A run that needs more ends in an error of the type
    /// `urn:atom:error:limit`; only undoing what it has done goes beyond.
    pub journal_entries: u64,
    /// After how many entries a run goes on with a new journal, as soon as it comes to a task of its workflow's own list:
    /// so a run that loops there needs no more room than others, however long it goes on.
    pub continue_after: u64,
}

impl Default for RuntimeLimits {
    fn default() -> Self {
        Self {
            payload_bytes: 16 * 1024 * 1024,
            concurrent_calls: 256,
            call_timeout: Duration::from_secs(10 * 60),
            concurrent_runs: 100_000,
            park_after: Duration::from_secs(2),
            journal_entries: 50_000,
            continue_after: 10_000,
        }
    }
}

/// A run to start.
#[derive(Clone, Debug)]
pub struct StartRun {
    /// The id to give it. Starting a run whose id is taken returns the run that has it, provided that it
    /// follows the same document and has the same input.
    pub id: Option<RunId>,
    /// The document, parsed.
    pub workflow: Arc<Workflow>,
    /// The document's text; absent for a document that is in the store, as [`Runtime::load`] gives it.
    pub text: Option<String>,
    /// The input.
    pub input: Value,
    /// Where relative file paths start.
    pub directory: Option<PathBuf>,
    /// What starts it by itself, for a run that nobody asked for.
    pub trigger: Option<RunTrigger>,
    /// The key under which the run is started once: starting a run of a workflow with the same namespace and name under
    /// a key that is taken returns the run that has it, provided that it follows the same document and has the same
    /// input. When absent, the document may compute one from the input.
    pub idempotency_key: Option<String>,
    /// Words that the run can be found by; those of the document are added.
    pub tags: BTreeMap<String, String>,
}

impl StartRun {
    /// A start without a chosen id, directory, key or tags.
    pub fn new(workflow: Arc<Workflow>, text: impl Into<String>, input: Value) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::stored(workflow, input)
        }
    }

    /// A start of a document that is in the store, without a chosen id, directory, key or tags.
    pub fn stored(workflow: Arc<Workflow>, input: Value) -> Self {
        Self {
            id: None,
            workflow,
            text: None,
            input,
            directory: None,
            trigger: None,
            idempotency_key: None,
            tags: BTreeMap::new(),
        }
    }
}

/// Drives the runs of one store. Clones share it.
#[derive(Clone, Debug)]
pub struct Runtime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    parts: RuntimeParts,
    /// The runs that are under way in this process, driven or parked. Ids may be chosen by callers, so they are unique only
    /// within an owner.
    drivers: Mutex<Drivers>,
    workflows: load::WorkflowCache,
    /// Whether there is a pruner.
    is_pruned: AtomicBool,
    /// Tells the pruner that a run has ended whose document says how long it is kept.
    expiring: Arc<Notify>,
    /// Told when a run has gone on with a new journal.
    continued: Arc<Notify>,
    /// Tells the scheduler of changes.
    bell: Arc<schedule::Bell>,
    /// Whether somebody evaluates alert rules.
    has_alerts: AtomicBool,
    calls: Arc<Semaphore>,
    /// Bounds how many runs are built from their journals at a time.
    rebuilds: Semaphore,
    /// Wakes runs that wait without a driver.
    alarm: parking::Alarm,
    /// The queues that somebody is about to look at.
    looks: admission::Looks,
    /// The runs that cannot go on.
    stuck: stuck::StuckRuns,
    /// Where this engine stands among those that share its store.
    membership: workers::Membership,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The scheduler waits without keeping the runtime alive.
        self.shutdown.cancel();
    }
}

/// How others reach the driver of a run.
#[derive(Clone, Debug)]
struct DriverHandle {
    mail: mpsc::Sender<Mail>,
    progress: watch::Receiver<Progress>,
}

/// How far a driver is.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// How many journal entries are committed.
    entries: u64,
    /// Whether the run has ended.
    has_ended: bool,
    /// Why the driver gave up although the run has not ended.
    stopped: Option<Error>,
}

/// What others ask of a driver. The answer comes once it is durable.
#[derive(Debug)]
struct Mail {
    /// Boxed, because every run keeps room for some.
    event: Box<Event>,
    /// The letter of another worker that asks for it.
    letter: Option<LetterId>,
    answer: oneshot::Sender<Result<()>>,
}

impl Mail {
    fn new(event: Event) -> (Self, oneshot::Receiver<Result<()>>) {
        let (answer, answered) = oneshot::channel();
        let mail = Self {
            event: Box::new(event),
            letter: None,
            answer,
        };
        (mail, answered)
    }
}

impl DriverHandle {
    /// Waits until a run that was just started with so many journal entries has asked what it asks first, so that whoever
    /// knows of the run finds it among the approvals.
    async fn begun(&self, entries: u64) {
        let mut progress = self.progress.clone();
        // A driver that is gone has nothing more to say; whoever waits for the run hears why.
        let _ = progress
            .wait_for(|progress| {
                progress.entries > entries || progress.has_ended || progress.stopped.is_some()
            })
            .await;
    }

    /// Why the driver no longer answers.
    fn gone(&self) -> Error {
        let progress = self.progress.borrow();
        match &progress.stopped {
            Some(error) => error.clone(),
            None if progress.has_ended => ended(),
            None => closed(),
        }
    }
}

impl Runtime {
    /// A runtime that drives nothing yet.
    #[must_use]
    pub fn new(parts: RuntimeParts) -> Self {
        let calls = Arc::new(Semaphore::new(parts.limits.concurrent_calls));
        let shutdown = CancellationToken::new();
        Self {
            inner: Arc::new(Inner {
                parts,
                drivers: Mutex::default(),
                workflows: load::WorkflowCache::default(),
                is_pruned: AtomicBool::new(false),
                expiring: Arc::default(),
                continued: Arc::default(),
                bell: Arc::default(),
                has_alerts: AtomicBool::new(false),
                calls,
                rebuilds: Semaphore::new(CONCURRENT_REBUILDS),
                alarm: parking::Alarm::default(),
                looks: admission::Looks::default(),
                stuck: stuck::StuckRuns::default(),
                membership: workers::Membership::new(&shutdown),
                tasks: TaskTracker::new(),
                shutdown,
            }),
        }
    }

    /// Drives the runs that have not ended and have no driver yet, of one owner or of everybody; returns their
    /// ids. Of a store that engines share, it takes those that nobody holds; of everybody's
    /// those whose functions it has. Once it has [joined the workers](Self::join_workers) it goes on to take those that others
    /// leave behind; when its lease is lost before it has all, it takes them under the next one, and returns none. Call it once
    /// after opening a store. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `storage_failed`, `conflict` when the lease is lost before it has joined the workers. A single run that cannot be rebuilt does not keep the others from resuming.
    pub async fn resume(&self, owner: Option<&Scope>) -> Result<Vec<RunId>> {
        if let Some(workers) = self.workers() {
            return match owner {
                Some(owner) => self.resume_of(workers, owner).await,
                None => self.claim_all(workers).await,
            };
        }
        let mut resumed = Vec::new();
        for run in self.inner.parts.store.unfinished().await? {
            let scope = run.principal.scope();
            if owner.is_some_and(|owner| *owner != scope) || self.drivers().contains(&(scope.clone(), run.id))
            {
                continue;
            }
            self.take_up(&run).await?;
            resumed.push(run.id);
        }
        Ok(resumed)
    }

    /// Drives a run that was interrupted.
    async fn take_up(&self, run: &RunRecord) -> Result<()> {
        // Whoever awaited this run is gone: nobody wants its output.
        let is_orphan = match run.parent {
            Some(parent) => {
                let scope = run.principal.scope();
                let parent = self.inner.parts.store.run(&scope, parent.run).await?;
                parent.is_none_or(|parent| parent.status.has_ended())
            }
            None => false,
        };
        if is_orphan {
            self.cancel_later(run, "the run that started it has ended".to_owned())
                .await
        } else {
            self.drive(run).map(drop)
        }
    }

    /// Waits until a run has ended.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `conflict` when nobody drives it because it was interrupted and not
    /// resumed, `closed` when the runtime closes first, or whatever kept the run from going on.
    ///
    /// # Cancel safety
    /// Dropping the future forgets the wait; the run goes on.
    pub async fn wait(&self, scope: &Scope, run: RunId) -> Result<RunRecord> {
        loop {
            let handle = match self.driver_if_held(scope, run)? {
                Some(handle) => Some(handle),
                None => {
                    let record = self.record(scope, run).await?;
                    if record.status.has_ended() {
                        return Ok(record);
                    }
                    self.driver_if_held(scope, run)?
                }
            };
            let Some(mut handle) = handle else {
                self.wait_elsewhere(scope, run).await?;
                continue;
            };
            let tenure = self.inner.membership.tenure();
            let is_over = |progress: &Progress| progress.has_ended || progress.stopped.is_some();
            let stopped = match handle.progress.wait_for(is_over).await {
                Ok(progress) if progress.has_ended => None,
                Ok(progress) => Some(progress.stopped.clone().unwrap_or_else(closed)),
                Err(_) => Some(closed()),
            };
            match stopped {
                None => return self.record(scope, run).await,
                // Others go on with it, or this engine as another worker.
                Some(error) if self.has_left(&tenure) || self.is_lost_to_others(&error) => {
                    self.wait_elsewhere(scope, run).await?
                }
                Some(error) => return Err(error),
            }
        }
    }

    /// Cancels a run: what it waits for is stopped and it ends as `cancelled`. A run that has ended stays as it is.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `closed`, `storage_full`, `storage_failed`.
    pub async fn cancel(&self, scope: &Scope, run: RunId, reason: Option<String>) -> Result<RunRecord> {
        match self.send(scope, run, Event::Cancelled { reason }).await {
            Err(error) if error.code() == ErrorCode::Conflict => {
                let record = self.record(scope, run).await?;
                if record.status.has_ended() {
                    Ok(record)
                } else {
                    Err(error)
                }
            }
            Err(error) => Err(error),
            Ok(()) => self.record(scope, run).await,
        }
    }

    /// Pauses a run: nothing new begins in it until it is resumed. Calls and child runs that are under way finish, and
    /// what they answer is kept; timers that come due and events that come wait. Pausing a paused run changes nothing.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `conflict` when it has ended or is being undone, `closed`, `storage_full`,
    /// `storage_failed`.
    pub async fn pause_run(&self, scope: &Scope, run: RunId, reason: Option<String>) -> Result<RunRecord> {
        self.send(scope, run, Event::Paused { reason }).await?;
        let record = self.record(scope, run).await?;
        if record.status == RunStatus::Running {
            return Err(Error::new(
                ErrorCode::Conflict,
                "the run is being undone, which cannot be paused",
            ));
        }
        Ok(record)
    }

    /// Lets a paused run go on. A run that is not paused stays as it is.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `conflict` when it has ended, `closed`, `storage_full`, `storage_failed`.
    pub async fn resume_run(&self, scope: &Scope, run: RunId) -> Result<RunRecord> {
        self.send(scope, run, Event::Resumed).await?;
        self.record(scope, run).await
    }

    /// Sends an event to one run. It is kept, durably, until a task of the run listens for it.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `conflict` when it has ended, `limit_exceeded` when it has too many
    /// events that nobody listened for, `invalid_request` for a malformed event.
    pub async fn signal(&self, scope: &Scope, run: RunId, event: CloudEvent) -> Result<()> {
        check_event(&event)?;
        self.send(scope, run, Event::Signalled { event }).await
    }

    /// Appends an event to the owner's log; runs that listen for it receive it.
    ///
    /// # Errors
    /// `invalid_request` for a malformed event, `storage_full`, `storage_failed`.
    pub async fn publish(&self, scope: &Scope, event: &CloudEvent) -> Result<Offset> {
        check_event(event)?;
        self.inner.parts.store.append(scope, event).await
    }

    /// How many runs are under way in this process.
    #[must_use]
    pub fn running(&self) -> usize {
        self.drivers().len()
    }

    /// How many of the runs that are under way only wait, and are not in memory meanwhile.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.drivers().parked()
    }

    /// Stops driving: calls that are under way are cancelled, nothing new begins, and runs stay as they are
    /// on disk. Waits at most `grace` for drivers to finish what they are writing.
    pub async fn close(&self, grace: Duration) {
        self.inner.shutdown.cancel();
        self.inner.tasks.close();
        let is_over = tokio::time::timeout(grace, self.inner.tasks.wait()).await;
        if is_over.is_err() {
            tracing::warn!("some runs did not stop in time; they resume when the store is opened again");
        }
        self.leave_workers().await;
    }

    async fn send(&self, scope: &Scope, run: RunId, event: Event) -> Result<()> {
        let record = self.record(scope, run).await?;
        if record.status.has_ended() {
            return Err(ended());
        }
        let record = match self.workers() {
            Some(workers) if !self.holds(&record) => match self.seize(workers, &record).await? {
                Some(record) => record,
                None => match self.ask(workers, scope, run, &event).await? {
                    Some(record) => record,
                    None => return Ok(()),
                },
            },
            _ => record,
        };
        let (mail, answered) = Mail::new(event);
        self.send_mail(&record, mail, answered).await
    }

    /// Hands mail to the driver of a run that this engine holds, and gives its answer.
    async fn send_mail(
        &self,
        record: &RunRecord,
        mail: Mail,
        answered: oneshot::Receiver<Result<()>>,
    ) -> Result<()> {
        let mut mail = Some(mail);
        let handle = self.drive_after(record, &mut mail, None)?;
        if let Some(mail) = mail
            && handle.mail.send(mail).await.is_err()
        {
            return Err(handle.gone());
        }
        answered.await.unwrap_or_else(|_| Err(handle.gone()))
    }

    async fn record(&self, scope: &Scope, run: RunId) -> Result<RunRecord> {
        let record = self.inner.parts.store.run(scope, run).await?;
        record.ok_or_else(|| {
            Error::not_found(format!(
                "there is no run {run}; runs.list shows the runs there are"
            ))
        })
    }

    /// The driver of a run that is under way in this process. A run that waits without one is woken.
    fn driver(&self, scope: &Scope, run: RunId) -> Result<Option<DriverHandle>> {
        let key = (scope.clone(), run);
        let mut drivers = self.drivers();
        match drivers.get(&key) {
            None if drivers.is_parked(&key) => self.begin_driver(&mut drivers, key, None, None).map(Some),
            driver => Ok(driver),
        }
    }

    /// The same, and none while this engine has lost its lease.
    fn driver_if_held(&self, scope: &Scope, run: RunId) -> Result<Option<DriverHandle>> {
        match self.driver(scope, run) {
            Err(error) if self.is_lost_to_others(&error) => Ok(None),
            driver => driver,
        }
    }

    /// The driver of a run that has not ended; starts one when there is none.
    fn drive(&self, record: &RunRecord) -> Result<DriverHandle> {
        self.drive_after(record, &mut None, None)
    }

    /// Cancels a run without waiting for it.
    async fn cancel_later(&self, run: &RunRecord, reason: String) -> Result<()> {
        let event = Event::Cancelled { reason: Some(reason) };
        if let Some(workers) = self.workers()
            && !self.holds(run)
        {
            let event = driver::encode(&event)?;
            return workers
                .post(&run.principal.scope(), run.id, &event, false)
                .await
                .map(drop);
        }
        let mut mail = Some(Mail::new(event).0);
        let handle = self.drive_after(run, &mut mail, None)?;
        if let Some(mail) = mail {
            // A driver that has ended, or has more mail than it can take, is asked again at the next resume.
            let _ = handle.mail.try_send(mail);
        }
        Ok(())
    }

    /// The driver of a run. One that is started for it takes the mail before it begins anything, so that
    /// cancelling an interrupted run does not first repeat its calls. `created` is the run with its journal when it was created
    /// just now.
    fn drive_after(
        &self,
        record: &RunRecord,
        first: &mut Option<Mail>,
        created: Option<driver::Created>,
    ) -> Result<DriverHandle> {
        let key = (record.principal.scope(), record.id);
        let mut drivers = self.drivers();
        match drivers.get(&key) {
            Some(handle) => Ok(handle),
            None => self.begin_driver(&mut drivers, key, first.take(), created),
        }
    }

    fn begin_driver(
        &self,
        drivers: &mut Drivers,
        key: RunKey,
        first: Option<Mail>,
        created: Option<driver::Created>,
    ) -> Result<DriverHandle> {
        self.check_open()?;
        self.check_tenure()?;
        let (mail, inbox) = mpsc::channel(64);
        if let Some(first) = first {
            mail.try_send(first)
                .map_err(|_| Error::internal("a new driver takes no mail"))?;
        }
        let (progress, watcher) = watch::channel(Progress::default());
        let handle = DriverHandle {
            mail,
            progress: watcher,
        };
        self.inner.stuck.go_on(&key);
        // Somebody else may have driven it since.
        let start = drivers.begin_driving(&key);
        let created = created.filter(|created| start == Some(created.start));
        let seen = drivers.insert(key.clone(), handle.clone());
        let (scope, run) = key;
        let known = driver::Known { created, seen };
        let tenure = self.inner.membership.tenure();
        let driver = driver::drive(
            self.clone(),
            scope,
            run,
            known,
            inbox,
            progress,
            tenure.end.clone(),
        );
        self.inner.tasks.spawn(tenure.drivers.track_future(driver));
        Ok(handle)
    }

    fn drivers(&self) -> MutexGuard<'_, Drivers> {
        self.inner.drivers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_open(&self) -> Result<()> {
        if self.inner.shutdown.is_cancelled() {
            Err(closed())
        } else {
            Ok(())
        }
    }
}

/// Refuses data that could be stored but not read again.
fn check_data(data: &Value) -> Result<()> {
    check_depth(data).map_err(|error| Error::new(ErrorCode::LimitExceeded, error.detail.unwrap_or_default()))
}

fn check_event(event: &CloudEvent) -> Result<()> {
    event.validate()?;
    event
        .data
        .iter()
        .chain(event.extensions.values())
        .try_for_each(check_data)
}

fn closed() -> Error {
    Error::new(ErrorCode::Closed, "the engine is closed; open it again to go on")
}

fn interrupted(run: RunId) -> Error {
    Error::new(
        ErrorCode::Conflict,
        "the run was interrupted and nobody drives it; resume it first",
    )
    .with_context("run", run)
}

fn ended() -> Error {
    Error::new(ErrorCode::Conflict, "the run has ended")
}
