//! Makes what a run does durable.

use atom_core::storage::{JournalEntry, LetterId, RunCommit, RunEnd, RunStatus, WorkflowVersion};
use atom_core::{Error, Offset, Result, Retry, RunId, Scope};
use jiff::Timestamp;

use super::Driver;
use crate::machine::{Event, Outcome, Transition};
use crate::runtime::patience::Pauses;
use crate::runtime::stuck::{StuckCause, StuckNote};
use crate::runtime::{Runtime, tally};

/// What a step changes of the run's record, besides its end.
#[derive(Default)]
pub(super) struct Change {
    pub(super) is_paused: Option<bool>,
    pub(super) migrates_to: Option<WorkflowVersion>,
    /// Whether the journal begins anew with the last entry.
    pub(super) continues: bool,
    /// The letter of another worker that is done with it.
    pub(super) letter: Option<LetterId>,
}

impl Driver<'_> {
    /// Writes journal entries together with what they lead to.
    pub(super) async fn write(
        &self,
        entries: Vec<JournalEntry>,
        transition: &mut Transition,
        change: Change,
        now: Timestamp,
    ) -> Result<Offset> {
        let mut events = std::mem::take(&mut transition.publish);
        let (approvals, told) = self.write_approvals(std::mem::take(&mut transition.approvals));
        events.extend(told);
        events
            .iter_mut()
            .filter_map(|event| event.data.as_mut())
            .for_each(|data| self.redactor.value(data));
        let end = transition.outcome.take();
        let end = end.map(|outcome| self.end(outcome, now)).transpose()?;
        let commit = RunCommit {
            scope: self.scope.clone(),
            run: self.record.id,
            entries,
            events,
            approvals,
            tally: end
                .as_ref()
                .map(|end| tally::of(&self.record, &self.machine, end)),
            end,
            is_paused: change.is_paused,
            migrates_to: change.migrates_to,
            continues: change.continues,
            letter: change.letter,
        };
        let store = &self.runtime.inner.parts.store;
        let committed = self.patiently(|| store.commit(commit.clone())).await?;
        Ok(committed.event_head)
    }

    /// Reads or writes, trying again for as long as the store says that trying again may help: what a call has answered,
    /// or will answer, is not thrown away because the disk is full. Closing ends the wait.
    pub(in crate::runtime) async fn patiently<T, F>(&self, ask: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut pauses = Pauses::default();
        let mut stuck = None;
        loop {
            match ask().await {
                Err(error) if error.retry() == Retry::Maybe => {
                    tracing::warn!(run = %self.record.id, %error, "the run waits for its store, will try again");
                    stuck
                        .get_or_insert_with(|| note_store(self.runtime, &self.scope, self.record.id, &error));
                    self.runtime.inner.parts.clock.sleep(pauses.next()).await;
                }
                result => return result,
            }
        }
    }

    fn end(&self, outcome: Outcome, at: Timestamp) -> Result<RunEnd> {
        let kept = &self.machine.workflow().retention;
        let retention = match outcome {
            Outcome::Completed(_) => kept.completed,
            Outcome::Faulted(_) | Outcome::Cancelled => kept.failed,
        };
        let expires_at = retention.and_then(|length| at.checked_add(length).ok());
        Ok(match outcome {
            Outcome::Completed(mut output) => {
                self.redactor.value(&mut output);
                RunEnd {
                    status: RunStatus::Completed,
                    output: Some(output),
                    error: None,
                    at,
                    expires_at,
                }
            }
            Outcome::Faulted(error) => {
                let mut error = serde_json::to_value(error).map_err(|error| {
                    Error::internal("the run's error cannot be stored").with_source(error)
                })?;
                self.redactor.value(&mut error);
                RunEnd {
                    status: RunStatus::Faulted,
                    output: None,
                    error: Some(error),
                    at,
                    expires_at,
                }
            }
            Outcome::Cancelled => RunEnd {
                status: RunStatus::Cancelled,
                output: None,
                error: None,
                at,
                expires_at,
            },
        })
    }

    pub(super) fn redact(&self, event: &mut Event) {
        match event {
            Event::Completed { output, .. } => self.redactor.value(output),
            Event::Message { message, .. } => self.redactor.value(message),
            Event::Failed { error, .. } => {
                self.redactor.text(&mut error.message);
                error.cause.iter_mut().for_each(|cause| self.redactor.text(cause));
                error
                    .context
                    .values_mut()
                    .for_each(|value| self.redactor.text(value));
            }
            Event::Decided { decision, .. } => {
                decision
                    .comment
                    .iter_mut()
                    .for_each(|text| self.redactor.text(text));
                let data = decision.form.iter_mut().chain(&mut decision.input);
                data.for_each(|data| self.redactor.value(data));
            }
            _ => {}
        }
    }
}

/// Notes that a run waits for its store.
pub(in crate::runtime) fn note_store(
    runtime: &Runtime,
    scope: &Scope,
    run: RunId,
    error: &Error,
) -> StuckNote {
    let cause = StuckCause::StoreFailing {
        error: error.report(),
    };
    runtime.inner.note_stuck((scope.clone(), run), cause)
}

/// The text of a journal entry.
pub(in crate::runtime) fn encode(event: &Event) -> Result<String> {
    serde_json::to_string(event)
        .map_err(|error| Error::internal("an event cannot be stored").with_source(error))
}
