//! Runs that cannot go on although they wait for nothing that will come, and why.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atom_core::storage::{Page, PageRequest, RunFilter, RunRecord, RunStatus};
use atom_core::{Error, ErrorReport, Result, RunId, Scope};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::history::Replay;
use super::{Inner, Runtime};
use crate::machine::{Command, Wait};

/// Why a run cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StuckCause {
    /// A task calls a function that nobody has registered, or that the engine's settings forbid.
    #[schemars(title = "FunctionMissing")]
    FunctionMissing {
        /// The function.
        function: String,
        /// The JSON pointer of the task.
        task: String,
    },
    /// The store cannot be read or written; the run tries again and again.
    #[schemars(title = "StoreFailing")]
    StoreFailing {
        /// The latest error.
        error: ErrorReport,
    },
    /// The engine has given the run up until it is resumed.
    #[schemars(title = "DriverStopped")]
    DriverStopped {
        /// Why.
        error: ErrorReport,
    },
    /// The run was interrupted and nobody has resumed it.
    #[schemars(title = "NotResumed")]
    NotResumed,
}

/// Since when a run cannot go on, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stuck {
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// Why.
    #[serde(flatten)]
    pub cause: StuckCause,
}

pub(super) type RunKey = (Scope, RunId);

/// What keeps the runs of this process from going on.
#[derive(Debug, Default)]
pub(super) struct StuckRuns {
    inner: Mutex<Noted>,
    /// Tells that a run which was given up goes on.
    went_on: Notify,
}

#[derive(Debug, Default)]
struct Noted {
    next: u64,
    /// What will be over by itself, or when somebody helps.
    waiting: BTreeMap<(RunKey, u64), Stuck>,
    /// The runs that were given up.
    stopped: HashMap<RunKey, Stuck>,
}

impl Noted {
    /// The runs that have not been able to go on since `until` or before; some more than once.
    fn since(&self, until: Timestamp) -> impl Iterator<Item = &RunKey> {
        let waiting = self.waiting.iter().map(|((run, _), stuck)| (run, stuck));
        let noted = waiting.chain(&self.stopped);
        noted
            .filter(move |(_, stuck)| stuck.since <= until)
            .map(|(run, _)| run)
    }
}

/// Takes a note away when it is dropped.
#[derive(Debug)]
pub(super) struct StuckNote {
    inner: Arc<Inner>,
    key: (RunKey, u64),
}

impl Drop for StuckNote {
    fn drop(&mut self) {
        self.inner.stuck.lock().waiting.remove(&self.key);
    }
}

impl StuckRuns {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a run was given up.
    pub(super) fn stop(&self, run: RunKey, at: Timestamp, error: &Error) {
        let stuck = Stuck {
            since: at,
            cause: StuckCause::DriverStopped {
                error: error.report(),
            },
        };
        self.lock().stopped.insert(run, stuck);
    }

    /// Whether a run was given up.
    pub(super) fn is_stopped(&self, run: &RunKey) -> bool {
        self.lock().stopped.contains_key(run)
    }

    /// The error for which a run was given up.
    pub(super) fn stopped_by(&self, run: &RunKey) -> Option<Error> {
        match &self.lock().stopped.get(run)?.cause {
            StuckCause::DriverStopped { error } => Some(error.clone().into()),
            _ => None,
        }
    }

    /// How many runs were given up.
    pub(super) fn stopped(&self) -> usize {
        self.lock().stopped.len()
    }

    /// Forgets the runs that were given up: others hold them now.
    pub(super) fn forget(&self) {
        self.lock().stopped.clear();
        self.went_on.notify_waiters();
    }

    /// Notes that a run goes on.
    pub(super) fn go_on(&self, run: &RunKey) {
        let was_stopped = self.lock().stopped.remove(run).is_some();
        if was_stopped {
            self.went_on.notify_waiters();
        }
    }

    /// Waits until a run that was given up goes on; not at all when it was not.
    pub(super) async fn until_driven(&self, run: &RunKey) {
        loop {
            let mut went_on = pin!(self.went_on.notified());
            // From here on nothing is missed.
            went_on.as_mut().enable();
            if !self.lock().stopped.contains_key(run) {
                return;
            }
            went_on.await;
        }
    }

    fn of(&self, run: &RunKey) -> Vec<Stuck> {
        let noted = self.lock();
        let of_run = (run.clone(), 0)..=(run.clone(), u64::MAX);
        let waiting = noted.waiting.range(of_run);
        let mut found: Vec<_> = waiting.map(|(_, stuck)| stuck.clone()).collect();
        found.extend(noted.stopped.get(run).cloned());
        found
    }

    fn count(&self, until: Timestamp) -> usize {
        let noted = self.lock();
        noted.since(until).collect::<BTreeSet<_>>().len()
    }

    /// Up to `limit` runs of an owner that have not been able to go on since `until` or before.
    pub(super) fn runs(&self, scope: &Scope, until: Timestamp, limit: usize) -> Vec<RunId> {
        let noted = self.lock();
        let own = noted.since(until).filter(|(owner, _)| owner == scope);
        let own: BTreeSet<_> = own.map(|(_, run)| *run).collect();
        own.into_iter().take(limit).collect()
    }
}

impl Inner {
    /// Notes that a run cannot go on for as long as what this returns lives.
    pub(super) fn note_stuck(self: &Arc<Self>, run: RunKey, cause: StuckCause) -> StuckNote {
        let since = self.parts.clock.now();
        let mut noted = self.stuck.lock();
        let key = (run, noted.next);
        noted.next += 1;
        noted.waiting.insert(key.clone(), Stuck { since, cause });
        drop(noted);
        StuckNote {
            inner: Arc::clone(self),
            key,
        }
    }
}

impl Runtime {
    /// The owner's runs that have not been able to go on since `until` or before, and why, the newest first. What keeps a run
    /// from going on that another worker holds only that one knows. A page is
    /// made of `page.limit` runs that have not ended, so it can hold fewer that are stuck, or none. A run that waits for its
    /// turn, for time, an event, or an answer that has not come within the limit of its call is not stuck, and neither is one
    /// only because it is paused.
    ///
    /// # Errors
    /// `invalid_request` for a bad page, `storage_failed`.
    pub async fn stuck(
        &self,
        scope: &Scope,
        until: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<(RunRecord, Vec<Stuck>)>> {
        let filter = RunFilter::in_states([RunStatus::Running, RunStatus::Queued, RunStatus::Paused]);
        let unfinished = self.inner.parts.store.runs(scope, &filter, page).await?;
        let mut items = Vec::new();
        for run in unfinished.items {
            let key = (scope.clone(), run.id);
            let is_driven = self.drivers().contains(&key);
            let mut stuck = self.inner.stuck.of(&key);
            let is_driven = is_driven || self.is_held_elsewhere(&run);
            if stuck.is_empty() && !is_driven && run.status == RunStatus::Running {
                // It may have ended since it was listed.
                let now = self.record(scope, run.id).await?;
                if now.status == RunStatus::Running {
                    stuck.push(Stuck {
                        since: now.updated_at,
                        cause: StuckCause::NotResumed,
                    });
                }
            }
            stuck.retain(|stuck| stuck.since <= until);
            if !stuck.is_empty() {
                items.push((run, stuck));
            }
        }
        Ok(Page {
            items,
            next: unfinished.next,
        })
    }

    /// How many runs of this process have not been able to go on since `until` or before, over all owners.
    #[must_use]
    pub fn stuck_count(&self, until: Timestamp) -> usize {
        self.inner.stuck.count(until)
    }

    /// What a run waits for; nothing once it has ended. It replays the run, so it takes time with the length of the
    /// run's journal.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `storage_failed`.
    pub async fn waits(&self, scope: &Scope, run: RunId) -> Result<Vec<Wait>> {
        let mut replay = Replay::new(self.clone(), scope, run).await?;
        while replay.next().await?.is_some() {}
        Ok(replay.machine.waits())
    }

    /// What keeps a run from going on at this moment.
    #[must_use]
    pub fn stuck_now(&self, scope: &Scope, run: RunId) -> Vec<Stuck> {
        self.inner.stuck.of(&(scope.clone(), run))
    }

    /// Whether a run is under way in this process.
    #[must_use]
    pub fn is_driven(&self, scope: &Scope, run: RunId) -> bool {
        self.drivers().contains(&(scope.clone(), run))
    }

    /// Notes that a run waits for a function that nobody has registered or that a setting forbids, if it does.
    pub(super) fn note_missing(&self, run: RunKey, command: &Command) -> Option<StuckNote> {
        let (Command::Call { function, task, .. } | Command::Subscribe { function, task, .. }) = command
        else {
            return None;
        };
        if self.inner.parts.functions.usable(function).is_ok() {
            return None;
        }
        let cause = StuckCause::FunctionMissing {
            function: function.clone(),
            task: task.clone(),
        };
        Some(self.inner.note_stuck(run, cause))
    }
}
