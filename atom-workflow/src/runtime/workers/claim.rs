//! Taking runs that nobody holds.

use std::sync::Arc;

use atom_core::storage::{Claim, MAX_PAGE, PageRequest, RunFilter, RunRecord, RunStatus, WorkerStore};
use atom_core::{Result, Retry, RunId, Scope, WorkerId};
use tokio::sync::{Notify, watch};

use super::{BATCH, INTERVAL, key};
use crate::runtime::Runtime;
use crate::runtime::background::Work;

/// How many runs of a tenant are driven however many of others are.
const SHARE: usize = 8;

/// What became of runs that nobody held.
#[derive(Debug, Default)]
struct Claimed {
    /// Those that this engine drives now.
    driven: Vec<RunId>,
    /// The documents of the others, by their hashes.
    refused: Vec<String>,
    /// Whether there were no more.
    is_all: bool,
}

/// What takes runs for as long as the engine is open.
pub(super) struct Claims {
    identity: watch::Receiver<WorkerId>,
    news: watch::Receiver<u64>,
    functions: watch::Receiver<u64>,
    /// The documents that call functions which this engine lacks, by their hashes.
    refused: Vec<String>,
    /// Whether runs may have been taken of which nothing is known here.
    is_uncertain: bool,
    /// Whether the functions have changed since the others were told of them.
    has_changed: bool,
    /// When the others were last looked at.
    looked_at: tokio::time::Instant,
    /// Told when this engine has room for more runs.
    room: Arc<Notify>,
}

impl Claims {
    pub(super) fn new(runtime: &Runtime) -> Option<Self> {
        let workers = runtime.workers()?;
        Some(Self {
            identity: workers.identity(),
            news: workers.news(),
            functions: runtime.inner.parts.functions.watch(),
            refused: Vec::new(),
            is_uncertain: false,
            has_changed: false,
            looked_at: tokio::time::Instant::now(),
            room: Arc::clone(&runtime.inner.membership.room),
        })
    }

    async fn claim(&mut self, runtime: &Runtime, workers: &dyn WorkerStore) -> Result<()> {
        loop {
            let room = runtime.room();
            let wanted = wanted(runtime, room, &self.refused);
            let claimed = runtime.claim(workers, &wanted).await?;
            self.refused.extend(claimed.refused);
            // Beyond what there is room for only a few are taken at a time.
            if claimed.is_all || room == 0 {
                return Ok(());
            }
        }
    }
}

/// What an engine with so much room takes from others. When it has enough to do it leaves runs to those who could begin with
/// them at once, but for the first ones of tenants that it does little for: nobody waits until all runs of another tenant are
/// done.
fn wanted(runtime: &Runtime, room: usize, refused: &[String]) -> Claim {
    let (limit, passed_over) = match room.min(BATCH) {
        0 => (SHARE, runtime.drivers().tenants_with(SHARE)),
        limit => (limit, Vec::new()),
    };
    Claim {
        limit,
        refused: refused.to_vec(),
        passed_over,
    }
}

impl Work for Claims {
    const NAME: &'static str = "what takes runs that nobody holds";

    async fn pass(&mut self, runtime: &Runtime) -> Result<()> {
        let Some(workers) = runtime.workers() else {
            return Ok(());
        };
        self.news.mark_unchanged();
        if self.identity.has_changed().unwrap_or(false) {
            self.identity.mark_unchanged();
            tracing::warn!("this engine has lost its lease on the store; it goes on as a new worker");
            runtime.abandon().await;
            self.has_changed = true;
            // Some may have been taken under the new lease before everything of the old one had ended.
            self.is_uncertain = true;
        }
        if self.functions.has_changed().unwrap_or(false) {
            self.functions.mark_unchanged();
            self.refused.clear();
            self.has_changed = true;
        }
        if self.has_changed {
            runtime.introduce().await?;
            self.has_changed = false;
        } else if self.looked_at.elapsed() > workers.lease() / 4 {
            runtime.learn_peers().await?;
            self.looked_at = tokio::time::Instant::now();
        }
        let is_uncertain = std::mem::replace(&mut self.is_uncertain, true) || runtime.has_strays();
        if is_uncertain && !runtime.inner.membership.draining.is_cancelled() {
            runtime.take_up_held(workers).await?;
        }
        if runtime.takes_runs() {
            self.claim(runtime, workers).await?;
        } else {
            let resumed = runtime.inner.membership.resumed().clone();
            for owner in resumed {
                runtime.claim_of(workers, &owner).await?;
            }
        }
        self.is_uncertain = false;
        Ok(())
    }

    async fn wait(&mut self) {
        let gone = async |changed: std::result::Result<(), watch::error::RecvError>| {
            // The store or the registry is gone, and with it the runtime.
            if changed.is_err() {
                std::future::pending::<()>().await
            }
        };
        tokio::select! {
            changed = self.news.changed() => gone(changed).await,
            () = self.room.notified() => {}
            changed = self.identity.changed() => {
                // The pass looks at it.
                self.identity.mark_changed();
                gone(changed).await
            }
            changed = self.functions.changed() => {
                self.functions.mark_changed();
                gone(changed).await
            }
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

impl Runtime {
    /// Drives the runs of one owner that nobody holds, and from now on those that others leave behind.
    pub(in crate::runtime) async fn resume_of(
        &self,
        workers: &dyn WorkerStore,
        owner: &Scope,
    ) -> Result<Vec<RunId>> {
        let claimed = self.taken_or_later(self.claim_of(workers, owner).await)?;
        self.inner.membership.resumed().insert(owner.clone());
        Ok(claimed)
    }

    /// Drives the runs of one owner that nobody holds.
    async fn claim_of(&self, workers: &dyn WorkerStore, owner: &Scope) -> Result<Vec<RunId>> {
        let store = &self.inner.parts.store;
        let filter = RunFilter::in_states([RunStatus::Running, RunStatus::Queued, RunStatus::Paused]);
        let mut page = PageRequest::new(None, Some(MAX_PAGE));
        let mut claimed = Vec::new();
        loop {
            let unfinished = store.runs(owner, &filter, &page).await?;
            for run in unfinished.items {
                if !self.is_driven(owner, run.id)
                    && !self.is_held_elsewhere(&run)
                    && workers.claim_run(owner, run.id).await?
                    && let Some(run) = store.run(owner, run.id).await?
                {
                    self.take_up(&run).await?;
                    claimed.push(run.id);
                }
            }
            page.after = unfinished.next;
            if page.after.is_none() {
                return Ok(claimed);
            }
        }
    }

    /// Drives the runs of everybody that nobody holds, as far as this engine has their functions.
    pub(in crate::runtime) async fn claim_all(&self, workers: &dyn WorkerStore) -> Result<Vec<RunId>> {
        let mut wanted = Claim::of_any(BATCH);
        let mut driven = Vec::new();
        let claim = async {
            loop {
                let claimed = self.claim(workers, &wanted).await?;
                driven.extend(claimed.driven);
                wanted.refused.extend(claimed.refused);
                if claimed.is_all {
                    return Ok(driven);
                }
            }
        };
        self.taken_or_later(claim.await)
    }

    /// Takes runs that nobody holds, drives those whose functions this engine has, and leaves the others alone.
    async fn claim(&self, workers: &dyn WorkerStore, wanted: &Claim) -> Result<Claimed> {
        let runs = workers.claim(wanted).await?;
        let mut claimed = Claimed {
            is_all: runs.len() < wanted.limit,
            ..Claimed::default()
        };
        let mut unfit = Vec::new();
        for run in runs {
            if self.can_drive(&run).await? {
                self.take_up(&run).await?;
                claimed.driven.push(run.id);
            } else {
                unfit.push(key(&run));
                claimed.refused.push(run.workflow.hash);
            }
        }
        if !unfit.is_empty() {
            workers.release(&unfit).await?;
        }
        Ok(claimed)
    }

    /// How many more runs this engine takes from others: it drives no more of them than it makes calls at once.
    fn room(&self) -> usize {
        let limits = &self.inner.parts.limits;
        let most = limits.concurrent_calls.min(limits.concurrent_runs);
        most.saturating_sub(self.drivers().driven())
    }

    /// Notes that a driver has ended: there may be room for other runs.
    pub(in crate::runtime) fn note_room(&self) {
        // Asking for one run at a time would cost more than driving it.
        if self.workers().is_some() && self.room() >= BATCH {
            self.inner.membership.room.notify_one();
        }
    }

    /// Whether this engine has the functions that a run calls. What is wrong with a document shows when the run goes on.
    async fn can_drive(&self, run: &RunRecord) -> Result<bool> {
        match self.load(&run.principal.scope(), &run.workflow.hash).await {
            Ok(workflow) => Ok(self.check_functions(&workflow).is_ok()),
            Err(error) if error.retry() == Retry::Maybe => Err(error),
            Err(_) => Ok(true),
        }
    }

    /// Drives the runs that this worker holds although nothing here knows of them.
    async fn take_up_held(&self, workers: &dyn WorkerStore) -> Result<()> {
        let mut after = None;
        loop {
            let held = workers.held(after.as_ref(), BATCH).await?;
            for (scope, run) in &held {
                let is_known =
                    self.is_driven(scope, *run) || self.inner.stuck.is_stopped(&(scope.clone(), *run));
                if !is_known && let Some(run) = self.inner.parts.store.run(scope, *run).await? {
                    self.take_up(&run).await?;
                }
            }
            if held.len() < BATCH {
                return Ok(());
            }
            after = held.last().cloned();
        }
    }
}
