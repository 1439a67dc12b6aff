//! The task that drives one run, and alone changes it.
//!
//! `task.rs` is its life, `rebuild.rs` brings it to where the journal ends, `commit.rs` makes a step durable. What comes from
//! others comes in through `mail.rs` and `listen.rs`.

mod commit;
mod continuation;
mod listen;
mod mail;
mod rebuild;
mod task;

pub(super) use commit::{encode, note_store};
pub(super) use listen::EVENT_PAGE;
pub(super) use task::{Created, Known, drive};

use std::collections::{BTreeMap, BTreeSet};

use atom_core::storage::{JournalEntry, LetterId, RunRecord};
use atom_core::{CancellationToken, Offset, Result, Scope};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::action::Delivery;
use super::lifecycle::Lifecycle;
use super::redact::Redactor;
use super::{Progress, Runtime, approve};
use crate::machine::{ActionId, Command, Event, Machine, Transition};
use commit::Change;
use listen::received_offset;

pub(super) struct Driver<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) record: RunRecord,
    pub(super) scope: Scope,
    pub(super) redactor: Redactor,
    /// The calls and child runs under way; each gives the event that answers its action.
    pub(super) actions: JoinSet<Event>,
    /// Stops an action.
    pub(super) stops: BTreeMap<ActionId, CancellationToken>,
    /// Where the messages of subscriptions are handed over.
    pub(super) messages: mpsc::Sender<Box<Delivery>>,
    delivered: mpsc::Receiver<Box<Delivery>>,
    pub(super) machine: Machine,
    pub(super) lifecycle: Option<Lifecycle>,
    progress: &'a watch::Sender<Progress>,
    next_sequence: u64,
    /// The sequence from which on the journal is begun anew as soon as the run can.
    continue_at: u64,
    timers: BTreeSet<(Timestamp, ActionId)>,
    /// What each listening action has seen of the event log.
    listening: BTreeMap<ActionId, Offset>,
    /// The letter of another worker that the next step does.
    letter: Option<LetterId>,
}

impl Driver<'_> {
    pub(super) fn is_queued(&self) -> bool {
        self.machine.is_queued()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.machine.is_paused()
    }

    /// Whether nothing begins in the run for now.
    fn is_held(&self) -> bool {
        self.is_paused() || self.is_queued()
    }

    /// Begins the run, or the repetition of one, as its turn has come.
    pub(super) async fn begin_turn(&mut self) -> Result<()> {
        if self.machine.has_started() {
            self.step(Event::Admitted).await
        } else {
            self.step(Event::started()).await
        }
    }

    /// The present moment, or that of the run's last entry when the clock was set back since.
    fn now(&self) -> Timestamp {
        self.runtime.inner.parts.clock.now().max(self.machine.now())
    }

    /// Takes one event through the machine, and adds what is told of that.
    fn advance(&mut self, event: Event, at: Timestamp) -> Transition {
        let mut transition = self.machine.advance(event, at);
        if let Some(lifecycle) = &mut self.lifecycle {
            let before = self.machine.recorded() - transition.records.len() as u64;
            let told = lifecycle.tell(&self.record, before, &transition.records);
            transition.publish.extend(told);
        }
        transition
    }

    /// Takes one event through the machine, makes it durable, and does what follows from it.
    pub(super) async fn step(&mut self, mut event: Event) -> Result<()> {
        if !self.machine.expects(&event) {
            return Ok(());
        }
        if self.is_full(&event) {
            let limit = self.runtime.inner.parts.limits.journal_entries;
            event = Event::Exhausted { limit };
        }
        self.redact(&mut event);
        let now = self.now();
        let payload = encode(&event)?;
        let received = received_offset(&event);
        let migrates_to = match &event {
            Event::Migrated { to, .. } => Some(to.clone()),
            _ => None,
        };
        self.note_offsets(&event);
        let (was_paused, was_held) = (self.is_paused(), self.is_held());
        let is_admitted = event == Event::Admitted;
        self.ask_for_continuation();
        let mut transition = self.advance(event, now);
        let is_paused = self.is_paused();
        if is_admitted {
            let asked = approve::asked(self.machine.pending());
            transition.approvals = self.unwritten_approvals(asked).await?;
        }
        let entry = JournalEntry {
            sequence: self.next_sequence,
            at: now,
            payload,
            event_head: 0,
        };
        let continuation = self.continuation(&mut transition, received, now)?;
        let change = Change {
            is_paused: (is_paused != was_paused).then_some(is_paused),
            migrates_to,
            continues: continuation.is_some(),
            letter: self.letter.take(),
        };
        let entries: Vec<_> = std::iter::once(entry).chain(continuation).collect();
        let (count, continues) = (entries.len() as u64, change.continues);
        let event_head = self.write(entries, &mut transition, change, now).await?;
        self.next_sequence += count;
        if continues {
            self.record.journal_start = self.next_sequence - 1;
            self.runtime.inner.continued.notify_one();
        }
        self.note_listening(&transition, received.unwrap_or(event_head));
        self.report_progress();
        for action in transition.stop {
            self.stop(action);
        }
        if was_held && !self.is_held() {
            // What was interrupted before the run was held, and has not begun again since, is pending too.
            return self.begin_pending().await;
        }
        for (action, command) in transition.begin {
            self.begin(action, command);
        }
        Ok(())
    }

    /// Whether what is under way comes to its end and nothing new begins.
    fn is_draining(&self) -> bool {
        self.runtime.inner.membership.draining.is_cancelled()
    }

    fn begin(&mut self, action: ActionId, command: Command) {
        match command {
            // It is pending still for whoever goes on with the run.
            Command::Call { .. } | Command::Subscribe { .. } | Command::StartRun { .. }
                if self.is_draining() => {}
            Command::Timer { at } => drop(self.timers.insert((at, action))),
            // Where it starts was noted when its journal entry was written.
            Command::Listen => {}
            // It was written with its journal entry.
            Command::Approve { .. } => {}
            Command::Call { .. } => self.begin_call(action, command),
            Command::Subscribe { .. } => self.begin_subscription(action, command),
            Command::StartRun { .. } => self.begin_child(action, command),
        }
    }

    fn stop(&mut self, action: ActionId) {
        self.timers.retain(|(_, timer)| *timer != action);
        self.listening.remove(&action);
        if let Some(stop) = self.stops.remove(&action) {
            stop.cancel();
        }
    }

    fn report_progress(&self) {
        let entries = self.next_sequence;
        self.progress.send_modify(|progress| progress.entries = entries);
    }
}
