//! Repeating a run that has ended, from its start or from one of its tasks.
//!
//! A run is its journal, so a run that repeats another begins with a copy of the other's first entries: what they
//! answer is not asked again, and what comes after them happens anew, in a run of its own.

use std::time::Duration;

use atom_core::storage::{JournalEntry, NewRun, RunRecord, RunStatus};
use atom_core::{Error, ErrorCode, Principal, Result, RunId, Scope};
use jiff::Timestamp;

use super::{Runtime, admission, driver, history};
use crate::machine::{Event, RecordKind, Transition};

/// How many journal entries a run can take over from another.
const MAX_COPIED: usize = 100_000;

/// What to repeat.
#[derive(Clone, Debug)]
pub struct Rerun {
    /// The run to repeat; it must have ended.
    pub run: RunId,
    /// The JSON pointer of the task to repeat, e.g. `/do/2/pay`: everything before it stays as it was. The last time it
    /// began counts. Absent for the step that the run failed at; a run that completed or was undone is repeated from
    /// its start then.
    pub from: Option<String>,
    /// The id to give to the new run. Repeating the same run again with the same id gives the first repetition.
    pub id: Option<RunId>,
}

impl Runtime {
    /// Starts a run that repeats one which has ended, with the same document and input. Time starts anew: pauses and
    /// timeouts that were under way have their whole length again.
    ///
    /// # Errors
    /// `not_found` for an unknown run, a task that it has not begun, or a function or secret that is not there,
    /// `conflict` when the run has not ended, or when what comes before the task was undone or leads to the end of the
    /// run by itself, `already_exists` when the id is taken, `limit_exceeded`, `closed`, `storage_full`,
    /// `storage_failed`.
    ///
    /// # Cancel safety
    /// As [`start`](Self::start).
    pub async fn rerun(&self, principal: &Principal, rerun: Rerun) -> Result<RunRecord> {
        self.check_open()?;
        principal.validate()?;
        let scope = principal.scope();
        let parts = &self.inner.parts;
        if let Some(taken) = self.repetition(&scope, &rerun).await? {
            return Ok(taken);
        }
        let first = self.record(&scope, rerun.run).await?;
        if !first.status.has_ended() {
            return Err(Error::new(
                ErrorCode::Conflict,
                "the run has not ended; cancel it, or wait for its end",
            ));
        }
        let workflow = self.load(&scope, &first.workflow.hash).await?;
        workflow.check_supported()?;
        self.check_callable(&workflow)?;
        self.check_ready(&scope, &workflow).await?;
        let now = parts.clock.now();
        let limits = admission::limits(&workflow, &first.input)?;
        let kept = self.kept(&first, rerun.from.as_deref()).await?;
        let is_begun = begins_within(&kept)?;
        let kept = kept.into_iter();
        // They are older than the run, whatever the clock has shown: so it is known that they are not its own.
        let before = now.saturating_sub(Duration::from_nanos(1)).unwrap_or(now);
        let mut kept = kept.map(|entry| JournalEntry {
            at: entry.at.min(before),
            ..entry
        });
        let (first_entry, copied) = match (kept.next(), kept.len()) {
            (Some(entry), count) if count > 0 || is_begun => {
                let mut copied: Vec<_> = kept.collect();
                if limits.is_some() {
                    copied.push(queued(&entry, &copied, now)?);
                }
                (entry, copied)
            }
            // Nothing that matters is kept: the run begins like any other.
            _ => {
                let entry = JournalEntry {
                    sequence: 0,
                    at: now,
                    payload: driver::encode(&admission::first_event(limits.as_ref()))?,
                    event_head: 0,
                };
                (entry, Vec::new())
            }
        };
        let run = NewRun {
            id: rerun.id.unwrap_or_else(|| RunId::new(now, parts.random.as_ref())),
            principal: principal.clone(),
            workflow: first.workflow,
            parent: None,
            directory: first.directory,
            input: first.input,
            created_at: now,
            first_entry,
            rerun_of: Some(rerun.run),
            trigger: None,
            labels: first.labels,
            // The key stays with the run that was started under it.
            idempotency_key: None,
            limits,
            copied,
            is_offered: self.is_for_others(&workflow),
        };
        let entries = 1 + run.copied.len() as u64;
        let (record, _) = match self.create(run).await {
            // Somebody else has repeated it at the same time.
            Err(error) if error.code() == ErrorCode::AlreadyExists => {
                return self.repetition(&scope, &rerun).await?.ok_or(error);
            }
            created => created?,
        };
        if record.admission.is_some() {
            return self.enter(record, entries, workflow.has_approvals()).await;
        }
        if !self.holds(&record) {
            return Ok(record);
        }
        let handle = self.drive(&record)?;
        if workflow.has_approvals() {
            handle.begun(0).await;
        }
        Ok(record)
    }

    /// The run that has the chosen id, if it repeats the same run.
    async fn repetition(&self, scope: &Scope, rerun: &Rerun) -> Result<Option<RunRecord>> {
        let Some(id) = rerun.id else { return Ok(None) };
        let Some(taken) = self.inner.parts.store.run(scope, id).await? else {
            return Ok(None);
        };
        if taken.rerun_of != Some(rerun.run) {
            return Err(Error::new(
                ErrorCode::AlreadyExists,
                "another run has this id; choose another id",
            )
            .with_context("run", id));
        }
        if !taken.status.has_ended() && self.holds(&taken) {
            self.drive(&taken)?;
        }
        Ok(Some(taken))
    }

    /// The journal entries that the new run takes over.
    async fn kept(&self, run: &RunRecord, from: Option<&str>) -> Result<Vec<JournalEntry>> {
        if from.is_none() && run.status == RunStatus::Completed {
            return Ok(Vec::new());
        }
        let mut machine = self.machine(run).await?.0.with_records();
        let mut entries: Vec<JournalEntry> = Vec::new();
        // How many entries lead to the task, and whether any task before it can be undone.
        let mut reached = None;
        let mut end = Transition::default();
        let mut was_paused = false;
        while !has_failed(&end) && machine.outcome().is_none() {
            let next = run.journal_start + entries.len() as u64;
            let page = self.inner.journal(run, next).await?;
            if page.is_empty() {
                return Err(history::diverged(run.id));
            }
            for (entry, event) in page {
                let sequence = entries.len() as u64;
                if entry.sequence != run.journal_start + sequence || !machine.expects(&event) {
                    return Err(history::diverged(run.id));
                }
                if entries.len() == MAX_COPIED {
                    return Err(Error::new(
                        ErrorCode::LimitExceeded,
                        format!("the run has more than {MAX_COPIED} steps; start it again as a whole"),
                    ));
                }
                let entry = listening_from(entry, &event)?;
                was_paused = machine.is_paused();
                end = machine.advance(event, entry.at);
                entries.push(JournalEntry { sequence, ..entry });
                if from.is_some_and(|from| begins(&end, from)) {
                    reached = Some((entries.len(), machine.has_compensations()));
                }
                if has_failed(&end) {
                    break;
                }
            }
        }
        let was_undone = is_undone(&end);
        let Some(from) = from else {
            // The entry that the run failed at is left out: what it answers is asked again.
            let last = entries.pop();
            if was_undone || !machine.has_started() {
                entries.clear();
            } else if let Some(last) = last
                && was_paused
            {
                // It was cancelled while it was paused. Its repetition goes on.
                entries.push(JournalEntry {
                    payload: driver::encode(&Event::Resumed)?,
                    ..last
                });
            }
            return Ok(entries);
        };
        let (count, has_compensations) = reached.ok_or_else(|| {
            Error::not_found(format!(
                "the run has not begun the task '{from}'; runs.history shows those it has"
            ))
        })?;
        let conflict = |message: String| Err(Error::new(ErrorCode::Conflict, message));
        if count == entries.len() && count > 1 {
            return conflict(format!(
                "what comes before '{from}' leads to the end of the run by itself; choose an earlier task"
            ));
        }
        if was_undone && has_compensations {
            return conflict(format!(
                "tasks that come before '{from}' were undone; choose an earlier task"
            ));
        }
        entries.truncate(count);
        Ok(entries)
    }
}

/// The entry at which a repetition waits for its turn, after what it takes over.
fn queued(first: &JournalEntry, copied: &[JournalEntry], now: Timestamp) -> Result<JournalEntry> {
    let last = copied.last().unwrap_or(first);
    Ok(JournalEntry {
        sequence: last.sequence + 1,
        at: now,
        payload: driver::encode(&Event::Queued)?,
        event_head: last.event_head,
    })
}

/// Whether entries begin in the middle of a run, which had gone on with a new journal.
fn begins_within(entries: &[JournalEntry]) -> Result<bool> {
    let Some(first) = entries.first() else {
        return Ok(false);
    };
    let event: Event = super::recording::decode(&first.payload)?;
    Ok(matches!(event, Event::Continued { .. }))
}

/// The entry with which a run went on with a new journal, so that it tells by itself where in the log of events its tasks
/// listen from: a new run is written when the log has gone on.
fn listening_from(entry: JournalEntry, event: &Event) -> Result<JournalEntry> {
    let Event::Continued {
        machine,
        after: None,
        state,
    } = event
    else {
        return Ok(entry);
    };
    let event = Event::Continued {
        machine: *machine,
        after: Some(entry.event_head),
        state: state.clone(),
    };
    Ok(JournalEntry {
        payload: driver::encode(&event)?,
        ..entry
    })
}

fn begins(transition: &Transition, task: &str) -> bool {
    let mut records = transition.records.iter();
    records.any(|record| record.what == RecordKind::TaskStarted && record.task.as_deref() == Some(task))
}

fn is_undone(transition: &Transition) -> bool {
    let mut records = transition.records.iter();
    records.any(|record| matches!(record.what, RecordKind::RunCompensating { .. }))
}

/// Whether the run failed with this step, or was cancelled, even if it is undone first.
fn has_failed(transition: &Transition) -> bool {
    is_undone(transition) || transition.outcome.is_some()
}
