//! Removing what nobody wants to keep any longer.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Error, ErrorCode, Result, RunId, Scope};

/// What may be removed.
///
/// A run is removed with its journal, labels and approvals, and its idempotency key is free again. One that has not ended
/// stays, and so does one that something which goes on may still look at: a child of a run that has not ended, and the run
/// that a schedule waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The present moment: runs go whose [`expires_at`](super::RunEnd::expires_at) has come.
    pub now: Timestamp,
    /// Completed runs that ended until then go, where they do not say for themselves; none when absent.
    pub completed_until: Option<Timestamp>,
    /// The same for faulted and cancelled runs.
    pub failed_until: Option<Timestamp>,
    /// Events go that were in the log by then, as far as [`note_events`](RetentionStore::note_events) tells; none when
    /// absent.
    pub events_until: Option<Timestamp>,
}

impl Expiry {
    /// Nothing but what runs say for themselves.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            completed_until: None,
            failed_until: None,
            events_until: None,
        }
    }
}

/// Removes runs and events of every scope.
#[async_trait]
pub trait RetentionStore: Send + Sync + std::fmt::Debug {
    /// Removes a little of what may be removed, about `limit` rows, in one short transaction, and returns whether there is
    /// more. Call it until there is not: other writes go between. What a crash interrupts is gone on with. A run that is
    /// being removed is there no more for any other method, but its id may be taken until it is gone wholly.
    ///
    /// # Errors
    /// `conflict` when a newer engine has taken over, `storage_full`, `storage_failed`.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have removed something.
    async fn prune(&self, expiry: &Expiry, limit: usize) -> Result<bool>;

    /// Removes a little of what journals hold from before their runs continued, about `limit` entries, in one short
    /// transaction, and returns whether there is more, see [`RunCommit::continues`](super::RunCommit::continues).
    ///
    /// # Errors
    /// As [`prune`](Self::prune).
    ///
    /// # Cancel safety
    /// As [`prune`](Self::prune).
    async fn trim_journals(&self, limit: usize) -> Result<bool>;

    /// Removes one run that has ended. Returns whether there was one.
    ///
    /// # Errors
    /// `conflict` when it has not ended, or something that goes on may still look at it, see [`Expiry`]; as
    /// [`prune`](Self::prune).
    ///
    /// # Cancel safety
    /// As [`prune`](Self::prune).
    async fn delete_run(&self, scope: &Scope, run: RunId) -> Result<bool>;

    /// Whether there is any run that has ended and says for itself when it may be removed.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn has_expiring_runs(&self) -> Result<bool>;

    /// Remembers that what is in the event log by now was there at this time. How often it is called decides how exactly
    /// [`prune`](Self::prune) knows how old events are.
    ///
    /// # Errors
    /// As [`prune`](Self::prune).
    async fn note_events(&self, at: Timestamp) -> Result<()>;
}

/// Why a run cannot be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It has not ended.
    Running,
    /// The run that started it has not ended.
    ByParent,
    /// A schedule has not yet seen its end.
    BySchedule,
}

impl Kept {
    /// The error of [`RetentionStore::delete_run`].
    #[must_use]
    pub fn error(self, run: RunId) -> Error {
        let message = match self {
            Self::Running => "the run has not ended; cancel it, or wait for its end",
            Self::ByParent => "the run that started it has not ended and may still need it; wait for its end",
            Self::BySchedule => "its schedule has not yet seen that it ended; try again",
        };
        Error::new(ErrorCode::Conflict, message).with_context("run", run)
    }
}
