//! Engines that share a store: which runs this one drives, and how it takes over those of others.
//!
//! A worker drives the runs that it holds. It takes runs that nobody holds, if it has the functions they call: those of
//! workers that left or died, and those that were offered. What somebody asks here of a run that another worker holds
//! goes there as a letter. An engine that has its store for itself holds every run, and none of this concerns it.

mod ask;
mod claim;
mod deliver;
mod drain;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atom_core::storage::{
    RunRecord, WorkerInfo, WorkerRecord, WorkerState, WorkerStore, is_held_by_others, lease_lost,
};
use atom_core::{CancellationToken, Error, ErrorCode, Result, RunId, Scope, WorkerId};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::Runtime;
use crate::definition::Workflow;
use claim::Claims;
use deliver::Letters;

/// How often is looked for what no news told of.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many runs or letters are taken at a time.
const BATCH: usize = 64;

/// The time for which this engine holds its lease, and what happens in it.
#[derive(Debug)]
pub(super) struct Tenure {
    /// Cancelled when the lease is lost, and when the runtime closes.
    pub(super) end: CancellationToken,
    /// The drivers that have begun in it.
    pub(super) drivers: TaskTracker,
}

impl Tenure {
    fn new(shutdown: &CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            end: shutdown.child_token(),
            drivers: TaskTracker::new(),
        })
    }
}

/// What a runtime knows of its place among the workers.
#[derive(Debug)]
pub(super) struct Membership {
    tenure: Mutex<Arc<Tenure>>,
    /// What the others are told of this engine.
    name: Mutex<String>,
    takes_runs: AtomicBool,
    /// Whose runs it takes even if it takes no others.
    resumed: Mutex<BTreeSet<Scope>>,
    /// Whether it has begun to look after its place.
    is_attended: AtomicBool,
    /// Cancelled when nothing new is to begin.
    pub(super) draining: CancellationToken,
    /// Told when this engine may take more runs.
    room: Arc<Notify>,
    /// Who was there when it was last looked.
    peers: Mutex<Vec<WorkerRecord>>,
}

impl Membership {
    pub(super) fn new(shutdown: &CancellationToken) -> Self {
        Self {
            tenure: Mutex::new(Tenure::new(shutdown)),
            name: Mutex::default(),
            takes_runs: AtomicBool::new(false),
            resumed: Mutex::default(),
            is_attended: AtomicBool::new(false),
            draining: CancellationToken::new(),
            room: Arc::default(),
            peers: Mutex::default(),
        }
    }

    pub(super) fn tenure(&self) -> Arc<Tenure> {
        Arc::clone(&self.tenure.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn resumed(&self) -> MutexGuard<'_, BTreeSet<Scope>> {
        self.resumed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn takes_runs(&self) -> bool {
        self.takes_runs.load(Ordering::Acquire) && !self.draining.is_cancelled()
    }

    fn info(&self, functions: Vec<String>) -> WorkerInfo {
        WorkerInfo {
            name: self.name.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            takes_runs: self.takes_runs(),
            functions,
            is_draining: self.draining.is_cancelled(),
        }
    }
}

impl Runtime {
    /// What engines need that share the store; nothing when this one has it for itself.
    pub(super) fn workers(&self) -> Option<&dyn WorkerStore> {
        self.inner.parts.store.workers()
    }

    /// Takes the engine's place among those that share its store, under a name that people know it by: from now on it takes
    /// in what others ask of its runs and, if it `takes_runs`, takes runs that nobody holds. Does nothing when the
    /// store is its own; doing it again changes nothing. Must be called within a tokio runtime.
    ///
    /// A lease that is lost meanwhile is followed by another.
    ///
    /// # Errors
    /// `storage_failed`.
    pub async fn join_workers(&self, name: String, takes_runs: bool) -> Result<()> {
        let membership = &self.inner.membership;
        if self.workers().is_none() || membership.is_attended.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        *membership.name.lock().unwrap_or_else(PoisonError::into_inner) = name;
        membership.takes_runs.store(takes_runs, Ordering::Release);
        let (claims, letters) = (Claims::new(self), Letters::new(self));
        match self.introduce().await {
            // The next lease comes to those who look after the engine's place.
            Err(error) if !self.is_lost_to_others(&error) => return Err(error),
            _ => {}
        }
        if let (Some(claims), Some(letters)) = (claims, letters) {
            self.begin_work(claims);
            self.begin_work(letters);
        }
        Ok(())
    }

    /// Which of the engines that share the store this one is; nothing when it has the store for itself.
    #[must_use]
    pub fn worker_id(&self) -> Option<WorkerId> {
        self.workers().map(|workers| *workers.identity().borrow())
    }

    /// The engines that share the store, this one among them, the oldest first; none when it has the store for itself.
    ///
    /// # Errors
    /// `storage_failed`.
    pub async fn list_workers(&self) -> Result<Vec<WorkerRecord>> {
        match self.workers() {
            Some(workers) => workers.list().await,
            None => Ok(Vec::new()),
        }
    }

    /// Whether this engine drives a run, or is to.
    pub(super) fn holds(&self, run: &RunRecord) -> bool {
        self.worker_id().is_none_or(|me| run.worker == Some(me))
    }

    /// The runs that were taken; none when the lease was lost meanwhile, as they are taken again under the next one.
    fn taken_or_later(&self, taken: Result<Vec<RunId>>) -> Result<Vec<RunId>> {
        match taken {
            Err(error) if self.is_attended() && self.is_lost_to_others(&error) => Ok(Vec::new()),
            taken => taken,
        }
    }

    /// Whether nobody goes on with a run that has no driver here, unless somebody helps. One whose driver stopped because the
    /// lease was lost waits for whoever takes runs, this engine under its next lease among them.
    pub(super) fn is_given_up(&self, run: &RunRecord) -> bool {
        let is_stopped = || {
            let cause = self.inner.stuck.stopped_by(&key(run));
            cause.is_some_and(|cause| !(is_held_by_others(&cause) && self.is_attended()))
        };
        self.workers().is_none() || (self.holds(run) && is_stopped())
    }

    /// Whether this engine looks after its place, and has another lease when it has lost one.
    fn is_attended(&self) -> bool {
        self.inner.membership.is_attended.load(Ordering::Acquire)
    }

    /// Whether another worker that is there drives a run.
    pub(super) fn is_held_elsewhere(&self, run: &RunRecord) -> bool {
        run.worker.is_some_and(|worker| {
            !self.holds(run)
                && self
                    .peers()
                    .iter()
                    .any(|peer| peer.id == worker && peer.state != WorkerState::Gone)
        })
    }

    /// Who was there when it was last looked.
    fn peers(&self) -> MutexGuard<'_, Vec<WorkerRecord>> {
        let peers = self.inner.membership.peers.lock();
        peers.unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the others about this worker, and learns who they are.
    async fn introduce(&self) -> Result<()> {
        let Some(workers) = self.workers() else {
            return Ok(());
        };
        let functions = self.inner.parts.functions.list();
        let functions = functions.into_iter().map(|function| function.name).collect();
        workers.introduce(&self.inner.membership.info(functions)).await?;
        self.learn_peers().await
    }

    async fn learn_peers(&self) -> Result<()> {
        let peers = self.list_workers().await?;
        *self.peers() = peers;
        Ok(())
    }

    /// Whether another worker takes runs of a document, and has the functions that it calls.
    pub(super) fn has_peer_for(&self, workflow: &Workflow) -> bool {
        let functions = workflow.called_functions();
        let me = self.worker_id();
        self.peers().iter().any(|peer| {
            Some(peer.id) != me
                && peer.takes_runs()
                && functions
                    .keys()
                    .all(|function| peer.info.functions.iter().any(|known| known == function))
        })
    }

    /// Whether a run that is started here is left to other workers: this engine takes no runs, drains, or lacks what the
    /// document calls, and others are there for it.
    pub(super) fn is_for_others(&self, workflow: &Workflow) -> bool {
        let is_able = self.takes_runs() && self.check_functions(workflow).is_ok();
        !is_able
            && (self.has_peer_for(workflow)
                || (self.inner.membership.draining.is_cancelled() && self.workers().is_some()))
    }

    /// Whether this engine sees to what one of those that share a store is enough for.
    pub(super) fn leads(&self) -> bool {
        let Some(me) = self.worker_id() else { return true };
        let peers = self.peers();
        let mut able = peers.iter().filter(|peer| peer.takes_runs());
        able.next().is_none_or(|first| first.id == me)
    }

    /// Whether the runs that were begun in a tenure are others' by now.
    pub(super) fn has_left(&self, tenure: &Tenure) -> bool {
        let is_over = tenure.end.is_cancelled() || self.inner.membership.draining.is_cancelled();
        self.workers().is_some() && is_over && !self.inner.shutdown.is_cancelled()
    }

    /// Whether an error says that a run, or all of them, are others' by now.
    pub(super) fn is_lost_to_others(&self, error: &Error) -> bool {
        self.workers().is_some() && error.code() == ErrorCode::Conflict
    }

    /// Whether this worker seems to hold runs that nothing here knows of: the connection may be lost just when a run is started or
    /// taken.
    fn has_strays(&self) -> bool {
        let me = self.worker_id();
        let held = self
            .peers()
            .iter()
            .find(|peer| Some(peer.id) == me)
            .map(|me| me.runs);
        let known = self.running() + self.inner.stuck.stopped();
        held.is_some_and(|held| held > known as u64)
    }

    /// Whether this engine takes runs that nobody holds.
    pub(super) fn takes_runs(&self) -> bool {
        self.inner.membership.takes_runs()
    }

    /// Lets go of everything that was done under a lease that is lost. What is under way is stopped: whoever holds the
    /// runs now does it again.
    async fn abandon(&self) {
        let before = self.inner.membership.tenure();
        before.end.cancel();
        before.drivers.close();
        before.drivers.wait().await;
        drop(self.drivers().forget());
        self.inner.stuck.forget();
        *self
            .inner
            .membership
            .tenure
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Tenure::new(&self.inner.shutdown);
    }

    /// Refuses to begin while the lease is lost.
    pub(super) fn check_tenure(&self) -> Result<()> {
        if self.inner.membership.tenure().end.is_cancelled() {
            Err(lease_lost())
        } else {
            Ok(())
        }
    }
}

/// The owner and id of a run.
fn key(run: &RunRecord) -> (Scope, RunId) {
    (run.principal.scope(), run.id)
}
