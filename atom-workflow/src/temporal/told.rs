//! What happened to a run, told by replaying its history.

use std::sync::{Arc, Mutex, PoisonError};

use atom_core::{Error, Result, RunId, Scope};
use temporalio_client::WorkflowFetchHistoryOptions;
use temporalio_common::protos::temporal::api::history::v1::History;

use super::client::TemporalRuntime;
use super::interpreter::Interpreter;
use super::{failure, replay};
use crate::machine::{Machine, Record};
use crate::runtime::{HistoryEntry, Redactor, Step, Steps, told};

/// What a replay has told so far.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<Vec<Result<Vec<HistoryEntry>>>>);

impl Told {
    pub(super) fn tell(&self, machine: &Machine, records: Vec<Record>, redactor: &Redactor) {
        let mut told_so_far = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told_so_far.push(told(machine, records, redactor));
    }

    fn take(&self) -> Result<Vec<HistoryEntry>> {
        let mut told_so_far = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entries: Result<Vec<_>> = told_so_far.drain(..).collect();
        Ok(entries?.concat())
    }
}

impl TemporalRuntime {
    /// Up to `limit` entries of what has happened to a run so far, from the one after `after` on (0 for the beginning), as far
    /// as a worker has taken it in and the run's latest history has it. It replays the whole history.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `version_mismatch` for one of a newer version of the engine, `unavailable`.
    pub async fn history_page(
        &self,
        scope: &Scope,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        let entries = self.told(scope, run).await?.into_iter();
        Ok(entries.filter(|entry| entry.offset > after).take(limit).collect())
    }

    /// Up to `limit` steps of a run with a number over `after`, in the order in which they began, of what
    /// [`history_page`](Self::history_page) tells.
    ///
    /// # Errors
    /// As [`history_page`](Self::history_page).
    pub async fn steps(&self, scope: &Scope, run: RunId, after: u64, limit: usize) -> Result<Vec<Step>> {
        let mut steps = Steps::new(after, limit);
        let entries = self.told(scope, run).await?.into_iter();
        entries.for_each(|entry| steps.take_in(entry));
        Ok(steps.into_steps())
    }

    async fn told(&self, scope: &Scope, run: RunId) -> Result<Vec<HistoryEntry>> {
        let turn = Arc::clone(&self.replays).acquire_owned().await;
        let turn =
            turn.map_err(|error| Error::internal("no histories are replayed any more").with_source(error))?;
        let handle = self.handle(scope, run);
        let history = handle.fetch_history(WorkflowFetchHistoryOptions::default());
        let events = history.into_events().await;
        let events = events.map_err(|error| failure::interaction(error, run))?;
        let told = Arc::new(Told::default());
        let teller = Arc::clone(&told);
        let tell = move || {
            // It ends with the replay, even if nobody waits for that any more.
            let _ = &turn;
            Interpreter::telling(Arc::clone(&teller))
        };
        replay::carry_out(Arc::clone(&self.sealer), History { events }.into(), tell).await?;
        told.take()
    }
}
