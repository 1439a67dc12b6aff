//! What has expired, and why a run is kept, whatever database they stand in.

use atom_core::storage::{Expiry, Kept};
use atom_core::{Result, RunId};
use jiff::Timestamp;

use super::refusal::Refusal;
use super::rows::nanoseconds;

/// How many rows one transaction of [`delete_run`](atom_core::storage::RetentionStore::delete_run) removes.
pub(super) const CHUNK: i64 = 200;
/// What removing a run costs beside the rows of its journal, counted in such rows.
pub(super) const COST_OF_RUN: i64 = 8;
/// How many blobs one transaction removes: each can be large.
pub(super) const BLOBS: i64 = 16;

/// An [`Expiry`] in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    now: Option<i64>,
    completed: Option<i64>,
    failed: Option<i64>,
    /// The age of events that may be removed.
    pub(super) events: Option<i64>,
}

impl Limits {
    pub(super) fn new(expiry: &Expiry) -> Result<Self> {
        let moment = |moment: Option<Timestamp>| moment.map(nanoseconds).transpose();
        Ok(Self {
            now: moment(Some(expiry.now))?,
            completed: moment(expiry.completed_until)?,
            failed: moment(expiry.failed_until)?,
            events: moment(expiry.events_until)?,
        })
    }

    /// The runs that may be removed, a condition for each index of them, which ends in a comparison with the moment beside it.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&'static str, i64)> + use<> {
        let conditions = [
            ("expires_at IS NOT NULL AND expires_at <=", self.now),
            (
                "expires_at IS NULL AND status = 'completed' AND ended_at <=",
                self.completed,
            ),
            (
                "expires_at IS NULL AND status = 'faulted' AND ended_at <=",
                self.failed,
            ),
            (
                "expires_at IS NULL AND status = 'cancelled' AND ended_at <=",
                self.failed,
            ),
        ];
        conditions
            .into_iter()
            .filter_map(|(condition, until)| Some((condition, until?)))
    }
}

/// Refuses to remove a run for the first reason that holds: it is under way, the run that started it is, or a schedule
/// waits for it.
pub(super) fn check_kept(run: RunId, holds: [bool; 3]) -> std::result::Result<(), Refusal> {
    let reasons = [Kept::Running, Kept::ByParent, Kept::BySchedule];
    match reasons.into_iter().zip(holds).find(|(_, holds)| *holds) {
        Some((reason, _)) => Err(reason.error(run).into()),
        None => Ok(()),
    }
}
