//! From the journal of a run to a driver that goes on where it ends.

use std::collections::{BTreeMap, BTreeSet};

use atom_core::storage::{JournalEntry, PageRequest, RunFilter, RunRecord, RunStatus};
use atom_core::{CloudEvent, Error, Result};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::Driver;
use super::commit::Change;
use super::listen::received_offset;
use crate::machine::{Event, Transition};
use crate::runtime::lifecycle::{self, Lifecycle};
use crate::runtime::load::Journal;
use crate::runtime::{Progress, Runtime, approve, history};

impl<'a> Driver<'a> {
    /// Brings a machine to where the journal ends, and writes what its last entry leads to if that is not written yet. What
    /// has no answer begins again only with [`begin_pending`](Self::begin_pending).
    pub(super) async fn rebuild(
        runtime: &'a Runtime,
        record: RunRecord,
        only_entry: Option<JournalEntry>,
        progress: &'a watch::Sender<Progress>,
    ) -> Result<Self> {
        let (mut machine, redactor) = runtime.machine(&record).await?;
        let chosen = runtime.inner.parts.settings.lifecycle_events;
        let lifecycle = Lifecycle::new(chosen, machine.workflow());
        if lifecycle.is_some() {
            machine = machine.with_records();
        }
        // Each subscription waits until its message is taken, so the queue need not hold any.
        let (messages, delivered) = mpsc::channel(1);
        let mut driver = Self {
            runtime,
            scope: record.principal.scope(),
            redactor,
            actions: JoinSet::new(),
            stops: BTreeMap::new(),
            messages,
            delivered,
            machine,
            lifecycle,
            progress,
            next_sequence: record.journal_start,
            continue_at: record.journal_start + runtime.inner.parts.limits.continue_after,
            timers: BTreeSet::new(),
            listening: BTreeMap::new(),
            letter: None,
            record,
        };
        let mut last = Transition::default();
        let mut has_continued = false;
        let mut journal = match only_entry {
            Some(only) => Journal::of_one(runtime, &driver.record, only),
            None => Journal::new(runtime, &driver.record),
        };
        while let Some(page) = journal.page().await? {
            driver.machine.foresee(page.iter().map(|(_, event)| event));
            for (entry, event) in page {
                if entry.sequence != driver.next_sequence || !driver.machine.expects(&event) {
                    return Err(driver.lost());
                }
                driver.next_sequence += 1;
                driver.note_offsets(&event);
                has_continued |= matches!(event, Event::Continued { .. });
                let from = received_offset(&event).unwrap_or(entry.event_head);
                last = driver.advance(event, entry.at);
                driver.note_listening(&last, from);
            }
        }
        driver.machine.foresee(std::iter::empty());
        // A run is created with its first entry before the machine has seen it: what that entry leads to at
        // once, without waiting for anything, is still to be written. Events are not appended twice.
        if driver.next_sequence > 1 || has_continued {
            if driver.machine.outcome().is_some() {
                return Err(driver.lost());
            }
            last = Transition::default();
            last.publish = driver.repetition_started();
        }
        last.approvals = Vec::new();
        // What the entries of a repeated run ask, it has not asked before either.
        if !driver.is_queued() && (driver.next_sequence == 1 || driver.record.rerun_of.is_some()) {
            let asked = approve::asked(driver.machine.pending());
            last.approvals = driver.unwritten_approvals(asked).await?;
        }
        if !(last.publish.is_empty() && last.approvals.is_empty() && last.outcome.is_none()) {
            let at = driver.now();
            driver.write(Vec::new(), &mut last, Change::default(), at).await?;
        }
        driver.report_progress();
        Ok(driver)
    }

    /// The error for a journal that leads elsewhere than it did. Without a secret with which the run has computed, it does.
    fn lost(&self) -> Error {
        let Some(name) = self.machine.missing_secret() else {
            return history::diverged(self.record.id);
        };
        let message = format!(
            "the run has computed with the secret '{name}', which is not set any more; set it with secrets.set and resume the run"
        );
        Error::not_found(message).with_context("run", self.record.id)
    }

    /// The start of a run that repeats another. Its first steps are the other's and not told again, but that it began is;
    /// the log keeps that once.
    fn repetition_started(&self) -> Vec<CloudEvent> {
        // Whatever it does itself comes after this was written.
        let is_new = self.machine.now() <= self.record.created_at;
        if self.record.rerun_of.is_none() || self.lifecycle.is_none() || !is_new {
            return Vec::new();
        }
        lifecycle::started(&self.record)
    }

    /// Begins what has no answer yet, and cancels child runs whose answer is no longer wanted. In a paused or queued run
    /// nothing begins; a call that a crash interrupted neither.
    pub(super) async fn begin_pending(&mut self) -> Result<()> {
        if self.is_held() {
            return Ok(());
        }
        if self.next_sequence > 1 {
            self.cancel_unwanted_children().await?;
        }
        let pending: Vec<_> = self
            .machine
            .pending()
            .map(|(action, command)| (action, command.clone()))
            .collect();
        self.listening
            .retain(|action, _| pending.iter().any(|(pending, _)| pending == action));
        for (action, command) in pending {
            // Mail that came first may have begun some already, and a pause lets what is under way finish.
            if !self.stops.contains_key(&action) {
                self.begin(action, command);
            }
        }
        Ok(())
    }

    /// A process may die between stopping to wait for a child run and cancelling it.
    async fn cancel_unwanted_children(&mut self) -> Result<()> {
        let runtime = self.runtime;
        let filter = RunFilter {
            parent: Some(self.record.id),
            statuses: vec![RunStatus::Running, RunStatus::Queued, RunStatus::Paused],
            ..RunFilter::default()
        };
        let mut page = PageRequest::default();
        loop {
            let store = &runtime.inner.parts.store;
            let children = self.patiently(|| store.runs(&self.scope, &filter, &page)).await?;
            for child in children.items {
                let is_wanted = child
                    .parent
                    .is_some_and(|parent| self.machine.pending().any(|(action, _)| action == parent.action));
                if !is_wanted {
                    let reason = "the run that started it no longer wants it".to_owned();
                    runtime.cancel_later(&child, reason).await?;
                }
            }
            page.after = children.next;
            if page.after.is_none() {
                return Ok(());
            }
        }
    }
}
