//! Runs that wait for their turn.
//!
//! A run with limits begins with [`Event::Queued`](super::Event::Queued), a repetition has it after what it takes over.
//! Until its turn has come nothing begins: no task, no timer, no question. One that is cancelled has done nothing, so
//! there is nothing to undo.

use std::sync::Arc;

use jiff::Timestamp;

use super::event::RecordKind;
use super::{Command, Machine, data};

impl Machine {
    /// Whether the run waits for its turn.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.queued_since.is_some()
    }

    /// Whether the run has begun, or takes over what another one has done.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.next > 1
    }

    pub(super) fn queue(&mut self) {
        self.record(None, || RecordKind::RunQueued);
        self.queued_since.get_or_insert(self.now);
    }

    /// Lets a run begin that takes over what another one has done: time starts anew for what is under way.
    pub(super) fn admit(&mut self) {
        self.record(None, || RecordKind::RunAdmitted);
        let Some(since) = self.queued_since.take() else {
            return;
        };
        let waited = self.now.duration_since(since);
        let later = |at: Timestamp| at.saturating_add(waited).unwrap_or(Timestamp::MAX);
        for pending in self.actions.values_mut() {
            match &mut pending.command {
                Command::Timer { at } => *at = later(*at),
                Command::Approve { request } => {
                    let request = Arc::make_mut(request);
                    request.at = later(request.at);
                    request.deadline = request.deadline.map(later);
                }
                Command::Call { .. }
                | Command::Subscribe { .. }
                | Command::Listen
                | Command::StartRun { .. } => {}
            }
        }
    }

    /// The run starts now, not when it was created.
    pub(super) fn start_from_queue(&mut self) {
        if self.queued_since.take().is_some() {
            self.facts.started_at = self.now;
            let uses_workflow = self.constants.get("workflow").is_some();
            self.constants = data::constants(&self.workflow, &self.facts, uses_workflow);
        }
    }

    /// Forgets what the run would have to undo or withdraw, had it begun.
    pub(super) fn leave_queue(&mut self) {
        if self.queued_since.take().is_some() {
            self.compensations.clear();
            self.actions
                .retain(|_, pending| !matches!(pending.command, Command::Approve { .. }));
        }
    }
}
