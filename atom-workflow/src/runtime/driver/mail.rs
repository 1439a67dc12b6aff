//! What others ask of a run.

use atom_core::{Error, ErrorCode, Result};

use super::Driver;
use crate::machine::Event;
use crate::runtime::Mail;

impl Driver<'_> {
    pub(in crate::runtime) async fn take_mail(&mut self, mail: Mail) -> Result<()> {
        if let Err(error) = self.check_mail(&mail.event) {
            // Nobody waits any more when this fails.
            let _ = mail.answer.send(Err(error));
            return Ok(());
        }
        let is_full = self.is_full(&mail.event);
        let event = match *mail.event {
            // Somebody else has asked for the same meanwhile.
            Event::Migrated { to, .. } if to.hash == self.record.workflow.hash => {
                // Nobody waits any more when this fails.
                let _ = mail.answer.send(Ok(()));
                return Ok(());
            }
            Event::Migrated { to, .. } => match Box::pin(self.migrate(to)).await {
                Ok(event) => event,
                Err(error) => {
                    // Nobody waits any more when this fails.
                    let _ = mail.answer.send(Err(error));
                    return Ok(());
                }
            },
            event => event,
        };
        self.letter = mail.letter;
        let result = self.step(event).await;
        // What changes nothing is not written.
        self.letter = None;
        if is_full && result.is_ok() {
            let message = "the journal of the run is full, so that it had to end";
            let full = Error::new(ErrorCode::LimitExceeded, message);
            let _ = mail.answer.send(Err(full));
            return result;
        }
        // Nobody waits any more when this fails.
        let _ = mail.answer.send(result.clone());
        result
    }

    /// Whether the run takes what somebody asks of it.
    fn check_mail(&self, event: &Event) -> Result<()> {
        match event {
            Event::Signalled { event }
                if !self.machine.can_take_signal() && self.machine.wants(event).is_empty() =>
            {
                Err(Error::new(
                    ErrorCode::LimitExceeded,
                    "the run has too many events that no task listened for; wait until it has caught up",
                ))
            }
            Event::Decided { action, decision } => self.machine.check_decision(*action, decision),
            _ => Ok(()),
        }
    }

    /// Whether the journal takes no more. What a run has done is still undone, and cancelling ends it as well.
    pub(super) fn is_full(&self, event: &Event) -> bool {
        self.journal_entries() + 1 >= self.runtime.inner.parts.limits.journal_entries
            && !matches!(event, Event::Exhausted { .. } | Event::Cancelled { .. })
            && !self.machine.is_undoing()
    }
}
