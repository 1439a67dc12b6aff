//! What happened to a run, told by replaying its journal.

use std::sync::Arc;

use atom_core::storage::RunRecord;
use atom_core::{Error, ErrorCode, Result, RunId, Scope};
use futures::stream::{BoxStream, StreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::patience::Pauses;
use super::redact::Redactor;
use super::{Progress, Runtime, closed, interrupted};
use crate::machine::{Machine, Record};

/// One line of a run's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// Its place in the history, from 1: the same every time the history is read. It goes on where a run goes on with a new
    /// journal, so the first that is there may be later.
    pub offset: u64,
    /// What happened.
    #[serde(flatten)]
    pub record: Record,
}

/// Replays a journal, page by page.
pub(super) struct Replay {
    runtime: Runtime,
    record: RunRecord,
    pub(super) machine: Machine,
    redactor: Redactor,
    next_sequence: u64,
}

impl Replay {
    pub(super) async fn new(runtime: Runtime, scope: &Scope, run: RunId) -> Result<Self> {
        let record = runtime.record(scope, run).await?;
        let (machine, redactor) = runtime.machine(&record).await?;
        Ok(Self {
            runtime,
            next_sequence: record.journal_start,
            record,
            machine: machine.with_records(),
            redactor,
        })
    }

    /// What the next page of the journal tells; empty when there is nothing new.
    async fn page(&mut self) -> Result<Vec<HistoryEntry>> {
        let mut entries = Vec::new();
        let inner = Arc::clone(&self.runtime.inner);
        let page = loop {
            let next = self.next_sequence;
            let page = inner.journal(&self.record, next).await?;
            if inner.has_continued(&self.record, next, &page).await? {
                // What was not read yet is gone.
                *self = self.anew().await?;
            } else if inner.has_moved(&self.record, &page).await? {
                self.begin_again().await?;
            }
            // The page is read again when the run has gone on with a new journal since.
            if self.next_sequence == next {
                break page;
            }
        };
        self.machine.foresee(page.iter().map(|(_, event)| event));
        for (entry, event) in page {
            if entry.sequence != self.next_sequence || !self.machine.expects(&event) {
                return Err(diverged(self.record.id));
            }
            self.next_sequence += 1;
            let records = self.machine.advance(event, entry.at).records;
            entries.extend(told(&self.machine, records, &self.redactor)?);
        }
        Ok(entries)
    }

    /// A replay of the run as it is now, from the start of its journal.
    async fn anew(&self) -> Result<Self> {
        let scope = self.record.principal.scope();
        Self::new(self.runtime.clone(), &scope, self.record.id).await
    }

    /// Replays what was read so far with the document that the run was moved to: it leads to the same.
    async fn begin_again(&mut self) -> Result<()> {
        let inner = Arc::clone(&self.runtime.inner);
        let mut replay = self.anew().await?;
        while replay.next_sequence < self.next_sequence {
            let next = replay.next_sequence;
            let page = inner.journal(&replay.record, next).await?;
            if inner.has_continued(&replay.record, next, &page).await? {
                replay = self.anew().await?;
                continue;
            }
            replay.machine.foresee(page.iter().map(|(_, event)| event));
            for (entry, event) in page {
                if replay.next_sequence == self.next_sequence {
                    break;
                }
                if entry.sequence != replay.next_sequence || !replay.machine.expects(&event) {
                    return Err(diverged(self.record.id));
                }
                replay.next_sequence += 1;
                replay.machine.advance(event, entry.at);
            }
        }
        *self = replay;
        Ok(())
    }

    /// What the next page of the journal tells, until there is no more.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<HistoryEntry>>> {
        let before = self.next_sequence;
        let page = self.page().await?;
        Ok((self.next_sequence > before).then_some(page))
    }
}

/// What the latest step of a machine has told, without secrets.
pub(crate) fn told(
    machine: &Machine,
    records: Vec<Record>,
    redactor: &Redactor,
) -> Result<Vec<HistoryEntry>> {
    let unreadable = |error| Error::internal("a history record cannot be converted").with_source(error);
    let first = machine.recorded() + 1 - records.len() as u64;
    let entries = records.into_iter().zip(first..).map(|(record, offset)| {
        let entry = HistoryEntry { offset, record };
        let mut value = serde_json::to_value(entry).map_err(unreadable)?;
        redactor.value(&mut value);
        serde_json::from_value(value).map_err(unreadable)
    });
    entries.collect()
}

impl Runtime {
    /// Everything that has happened to a run so far.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `storage_failed`.
    pub async fn history(&self, scope: &Scope, run: RunId) -> Result<Vec<HistoryEntry>> {
        let mut replay = Replay::new(self.clone(), scope, run).await?;
        let mut history = Vec::new();
        while let Some(page) = replay.next().await? {
            history.extend(page);
        }
        Ok(history)
    }

    /// Up to `limit` entries of what has happened to a run so far, from the one after `after` on (0 for the beginning).
    /// It replays the run up to there.
    ///
    /// # Errors
    /// As [`history`](Self::history).
    pub async fn history_page(
        &self,
        scope: &Scope,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        let mut replay = Replay::new(self.clone(), scope, run).await?;
        let mut history = Vec::new();
        while history.len() < limit
            && let Some(page) = replay.next().await?
        {
            let wanted = page.into_iter().filter(|entry| entry.offset > after);
            history.extend(wanted.take(limit - history.len()));
        }
        Ok(history)
    }

    /// What happens to a run, from the history entry after `after` on (0 for the beginning), until it has ended.
    ///
    /// A reader that lost its place goes on with the offset of the last entry it has seen.
    pub fn follow(&self, scope: Scope, run: RunId, after: u64) -> BoxStream<'static, Result<HistoryEntry>> {
        let runtime = self.clone();
        let pages = futures::stream::try_unfold(None, move |replay: Option<Replay>| {
            let (runtime, scope) = (runtime.clone(), scope.clone());
            async move {
                let mut has_ended = false;
                let mut looks = Pauses::between_looks();
                let mut replay = match replay {
                    Some(replay) => replay,
                    None => Replay::new(runtime, &scope, run).await?,
                };
                loop {
                    // The driver is looked up before the journal is read, so that no entry is missed between.
                    let handle = replay.runtime.driver_if_held(&scope, run)?;
                    let before = replay.next_sequence;
                    let page = replay.page().await?;
                    if replay.next_sequence > before {
                        return Ok(Some((page, Some(replay))));
                    }
                    if replay.machine.outcome().is_some() {
                        return Ok(None);
                    }
                    let handle = match handle {
                        Some(handle) => Some(handle),
                        None => replay.runtime.driver_if_held(&scope, run)?,
                    };
                    let Some(mut handle) = handle else {
                        // The run may have ended since the journal was read: then its end is there to read.
                        let record = replay.runtime.record(&scope, run).await?;
                        match (record.status.has_ended(), has_ended) {
                            (true, false) => has_ended = true,
                            (true, true) => return Err(diverged(run)),
                            (false, _) if replay.runtime.is_given_up(&record) => {
                                return Err(interrupted(run));
                            }
                            // Another engine drives it, or will.
                            (false, _) => looks.rest(&replay.runtime).await?,
                        }
                        continue;
                    };
                    let tenure = replay.runtime.inner.membership.tenure();
                    let sequence = replay.next_sequence;
                    let has_moved = |progress: &Progress| {
                        progress.entries > sequence || progress.has_ended || progress.stopped.is_some()
                    };
                    let stopped = match handle.progress.wait_for(has_moved).await {
                        Ok(progress) if progress.stopped.is_none() || progress.entries > sequence => None,
                        Ok(progress) => Some(progress.stopped.clone().unwrap_or_else(closed)),
                        Err(_) => Some(closed()),
                    };
                    match stopped {
                        None => {}
                        // Others go on with it, or this engine as another worker.
                        Some(error)
                            if replay.runtime.has_left(&tenure)
                                || replay.runtime.is_lost_to_others(&error) =>
                        {
                            looks.rest(&replay.runtime).await?;
                        }
                        Some(error) => return Err(error),
                    }
                }
            }
        });
        pages
            .flat_map(|page: Result<Vec<HistoryEntry>>| match page {
                Ok(entries) => futures::stream::iter(entries.into_iter().map(Ok)).left_stream(),
                Err(error) => futures::stream::once(std::future::ready(Err(error))).right_stream(),
            })
            .filter(move |entry| {
                let is_wanted = entry.as_ref().map_or(true, |entry| entry.offset > after);
                std::future::ready(is_wanted)
            })
            .boxed()
    }
}

/// The error for a run whose journal does not lead where its driver thought.
pub(super) fn diverged(run: RunId) -> Error {
    Error::new(
        ErrorCode::Internal,
        "the run's journal does not lead to a state; please report this",
    )
    .with_context("run", run)
}
