//! Engines that share a store: who they are, which runs each of them holds, and what they ask of each other's runs.
//!
//! Each such engine is a worker. It holds a lease that it renews, and the runs it drives are its own: no other writes a step
//! of them. What others ask of a run is a letter, which its worker takes in together with the step that follows from it.
//! Once a lease has run out, or its worker has left, others take the runs over, and nothing that the worker of
//! before still writes gets in.
//!
//! ```
//! use atom_core::storage::{MemoryStore, RunStore, WorkerStore};
//!
//! let alone = MemoryStore::default();
//! assert!(alone.workers().is_none());
//! let first = alone.join();
//! let second = alone.join();
//! let id = |store: &MemoryStore| store.workers().map(|workers| *workers.identity().borrow());
//! assert_ne!(id(&first), id(&second));
//! ```

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::RunRecord;
use crate::{Error, ErrorCode, ErrorReport, Result, RunId, Scope, WorkerId};

/// What a worker tells the others of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerInfo {
    /// What people know it by, e.g. its machine and process; need not be unique.
    pub name: String,
    /// Whether it takes runs that nobody holds.
    pub takes_runs: bool,
    /// The functions that its runs can call, in order.
    pub functions: Vec<String>,
    /// Whether it finishes what it has begun and leaves.
    pub is_draining: bool,
}

/// Which runs that nobody holds a worker takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// How many at most.
    pub limit: usize,
    /// None of the documents with these hashes.
    pub refused: Vec<String>,
    /// None of these tenants.
    pub passed_over: Vec<String>,
}

impl Claim {
    /// Any runs, up to so many.
    #[must_use]
    pub fn of_any(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }
}

/// Whether a worker holds its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// It renews its lease and drives runs.
    Active,
    /// It finishes what it has begun and leaves.
    Draining,
    /// Its lease has run out, or it has left: others take its runs.
    Gone,
}

impl WorkerState {
    /// The stable wire form, e.g. `active`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Gone => "gone",
        }
    }
}

/// A worker as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRecord {
    /// Its id.
    pub id: WorkerId,
    /// What it tells of itself.
    pub info: WorkerInfo,
    /// Whether it holds its runs.
    pub state: WorkerState,
    /// Since when it is there, by the clock of the store.
    pub started_at: Timestamp,
    /// When it last renewed its lease, by the clock of the store.
    pub renewed_at: Timestamp,
    /// When its lease runs out unless it is renewed, by the clock of the store.
    pub lease_until: Timestamp,
    /// How many runs that have not ended it holds.
    pub runs: u64,
}

impl WorkerRecord {
    /// Whether it takes runs that nobody holds.
    #[must_use]
    pub fn takes_runs(&self) -> bool {
        self.state == WorkerState::Active && self.info.takes_runs
    }
}

/// The number of a letter; later ones are greater.
pub type LetterId = u64;

/// What somebody asks of a run that another worker holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its number.
    pub id: LetterId,
    /// The owner of the run.
    pub scope: Scope,
    /// The run.
    pub run: RunId,
    /// What is asked, as JSON that only the workflow machine understands. When absent the store has decided something
    /// about the run, see [`RunStore::admit`](super::RunStore::admit), which is to be read.
    pub event: Option<String>,
}

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Nobody has taken it yet.
    Waiting,
    /// The worker of the run has it.
    Taken,
    /// It was answered: it is done, or refused with this error.
    Answered(std::result::Result<(), ErrorReport>),
    /// There is no such letter, or not any more.
    Unknown,
}

/// What engines need that share a store. Only workers write steps of the runs they hold; see [`RunRecord::worker`].
#[async_trait]
pub trait WorkerStore: Send + Sync {
    /// The id under which this engine holds runs. It changes when the lease was lost and the engine is a new worker: the
    /// runs that it held under the id before are no longer its own.
    fn identity(&self) -> watch::Receiver<WorkerId>;

    /// How long a lease lasts when it is not renewed. The store renews its own by itself.
    fn lease(&self) -> Duration;

    /// Changes when there may be letters, answers or runs to take. What was missed is found by looking from time to time.
    fn news(&self) -> watch::Receiver<u64>;

    /// Tells the others about this worker.
    ///
    /// # Errors
    /// `conflict` when the lease was lost, `storage_failed`.
    async fn introduce(&self, info: &WorkerInfo) -> Result<()>;

    /// The workers that are there, and those that have left runs behind, the oldest first.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn list(&self) -> Result<Vec<WorkerRecord>>;

    /// Takes runs that nobody holds and that have not ended: of all tenants in turn, of each the most urgent, then the oldest
    /// first. Gives them without their inputs, as [`RunStore::runs`](super::RunStore::runs) does.
    ///
    /// # Errors
    /// `conflict` when the lease was lost, `storage_failed`.
    ///
    /// # Cancel safety
    /// A dropped future may have taken runs; [`held`](Self::held) finds them.
    async fn claim(&self, wanted: &Claim) -> Result<Vec<RunRecord>>;

    /// Takes one run that nobody holds; tells whether this worker holds it then.
    ///
    /// # Errors
    /// `conflict` when the lease was lost, `storage_failed`.
    async fn claim_run(&self, scope: &Scope, run: RunId) -> Result<bool>;

    /// Up to `limit` runs that this worker holds and that have not ended, from after a place, in order of owner and id.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn held(&self, after: Option<&(Scope, RunId)>, limit: usize) -> Result<Vec<(Scope, RunId)>>;

    /// Lets others have runs that this worker holds.
    ///
    /// # Errors
    /// `conflict` when the lease was lost, `storage_failed`.
    async fn release(&self, runs: &[(Scope, RunId)]) -> Result<()>;

    /// Gives up the lease and with it all runs. Nothing can be written after that.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn leave(&self) -> Result<()>;

    /// Asks something of a run that another worker holds, or nobody; see [`Letter::event`]. When nobody waits for the
    /// answer, the letter is removed once it is answered.
    ///
    /// # Errors
    /// `conflict` when the lease was lost, `storage_failed`.
    async fn post(&self, scope: &Scope, run: RunId, event: &str, wants_answer: bool) -> Result<LetterId>;

    /// Takes up to `limit` letters to runs that this worker holds, the oldest first; each is given once.
    ///
    /// # Errors
    /// `conflict` when the lease was lost, `storage_failed`.
    async fn letters(&self, limit: usize) -> Result<Vec<Letter>>;

    /// Answers a letter that was not done with a step of its run, see [`RunCommit::letter`](super::RunCommit::letter).
    ///
    /// # Errors
    /// `conflict` when the lease was lost, `storage_failed`.
    async fn answer(&self, letter: LetterId, answer: std::result::Result<(), ErrorReport>) -> Result<()>;

    /// What became of a letter. An answer is given once.
    ///
    /// # Errors
    /// `conflict` when the lease was lost, `storage_failed`.
    async fn delivery(&self, letter: LetterId) -> Result<Delivery>;

    /// Takes a letter back that nobody has taken yet; tells whether it could.
    ///
    /// # Errors
    /// `conflict` when the lease was lost, `storage_failed`.
    async fn withdraw(&self, letter: LetterId) -> Result<bool>;
}

/// What tells that others may hold what a worker writes.
const LEASE: &str = "lease";

/// The error of a worker that writes after its lease was lost.
#[must_use]
pub fn lease_lost() -> Error {
    Error::new(
        ErrorCode::Conflict,
        "this engine has lost its lease on the store, which others may have taken over; try again once it has a new one",
    )
    .with_context(LEASE, "lost")
}

/// The error of a step of a run that another worker holds.
#[must_use]
pub fn held_by_another(run: RunId) -> Error {
    Error::new(
        ErrorCode::Conflict,
        "another worker holds the run; ask it through the operations of the engine",
    )
    .with_context("run", run)
    .with_context(LEASE, "of another worker")
}

/// Whether an error is one of these two: what was to be written is for others to write.
#[must_use]
pub fn is_held_by_others(error: &Error) -> bool {
    error.code() == ErrorCode::Conflict && error.context().contains_key(LEASE)
}
