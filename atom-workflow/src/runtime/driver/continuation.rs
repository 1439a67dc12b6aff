//! Runs that go on with a new journal, so that one which never ends needs no more room than others.
//!
//! A run is asked for a continuation once its journal is [long](crate::runtime::RuntimeLimits::continue_after). The entry that holds it is
//! written with the one that led there, and the store removes what came before. A run whose data holds a secret does not
//! continue: nothing of a secret is written down.

use atom_core::storage::JournalEntry;
use atom_core::{Offset, Result};
use jiff::Timestamp;

use super::{Driver, encode};
use crate::machine::{Event, MACHINE_VERSION, Transition};

/// The longest continuation, in bytes: one that holds more would take long to write, over and over.
const MAX_BYTES: usize = 4 * 1024 * 1024;

impl Driver<'_> {
    /// How many entries the journal has.
    pub(super) fn journal_entries(&self) -> u64 {
        self.next_sequence - self.record.journal_start
    }

    /// Asks the machine for a continuation when the journal has become long.
    pub(super) fn ask_for_continuation(&mut self) {
        let is_wanted = self.next_sequence >= self.continue_at;
        self.machine.ask_for_continuation(is_wanted);
    }

    /// The entry with which the run goes on with a new journal, if the step that is written at `sequence` led to where it can.
    /// `received` is the event of the log that the step took in.
    pub(super) fn continuation(
        &mut self,
        transition: &mut Transition,
        received: Option<Offset>,
        at: Timestamp,
    ) -> Result<Option<JournalEntry>> {
        let Some(state) = transition.continuation.take() else {
            return Ok(None);
        };
        if transition.outcome.is_some() || self.machine.is_undoing() {
            return Ok(None);
        }
        // Also when it cannot be written: it is not tried at every step.
        let sequence = self.next_sequence + 1;
        self.continue_at = sequence + self.runtime.inner.parts.limits.continue_after;
        let event = Event::Continued {
            machine: MACHINE_VERSION,
            after: received,
            state,
        };
        let payload = encode(&event)?;
        if payload.len() > MAX_BYTES || self.tells_secret(&payload) || !is_readable(&payload, &event) {
            tracing::debug!(run = %self.record.id, "the journal cannot begin anew yet");
            return Ok(None);
        }
        self.machine.advance(event, at);
        Ok(Some(JournalEntry {
            sequence,
            at,
            payload,
            event_head: 0,
        }))
    }

    /// Whether a text of JSON holds a secret, spelled in it or in one of its values.
    fn tells_secret(&self, payload: &str) -> bool {
        let value = serde_json::from_str(payload);
        self.redactor.finds_in_text(payload) || value.is_ok_and(|value| self.redactor.finds_secret(&value))
    }
}

/// Whether an event can be read again as it was written: what came before it will be gone. Data may nest deeper than JSON
/// can be read.
fn is_readable(payload: &str, event: &Event) -> bool {
    serde_json::from_str::<Event>(payload).is_ok_and(|read| read == *event)
}
