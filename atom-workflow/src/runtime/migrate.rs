//! Moving a run to another version of its workflow.
//!
//! A run is its journal, and its document is what the journal is replayed with. So a run can follow another document as
//! soon as the whole journal leads to the same with it: whatever was called, published, asked and recorded so far, and
//! whatever the run waits for. From then on the journal is replayed with the new document from its start.

use std::sync::Arc;

use atom_core::storage::{RunRecord, WorkflowVersion};
use atom_core::{Error, ErrorCode, Result, RunId, Scope};

use super::driver::Driver;
use super::load::Journal;
use super::recording::{effects, first_difference};
use super::redact::Redactor;
use super::{Runtime, ended, history};
use crate::definition::Workflow;
use crate::machine::{Event, Machine, Record, Transition};

/// What moving a run to another version came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Migration {
    /// The run as it is now.
    pub run: RunRecord,
    /// The version that it followed before.
    pub from: WorkflowVersion,
    /// The version that it was to be moved to.
    pub to: WorkflowVersion,
}

/// A run on the document that it follows, beside the same run on another one.
struct SideBySide {
    /// What the run does with its own document.
    own: Machine,
    /// What it does with the other one.
    other: Machine,
    redactor: Redactor,
}

impl Runtime {
    /// Moves a run that has not ended to another version of its workflow, from which it goes on as if it had followed that
    /// version from its start. It is refused when the run has already done anything that the other version would
    /// not have done in the same way, at the same place of the document. `is_dry` only checks. A run that follows the
    /// version already stays as it is.
    ///
    /// # Errors
    /// `not_found` for an unknown run or document, or for a function or secret that is not there, `conflict` when the run has
    /// ended or has done something else, `invalid_request` for a document of another workflow, `unsupported` for one that
    /// this engine does not carry out, `permission_denied` for a function that a setting forbids, `closed`, `storage_full`,
    /// `storage_failed`.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have moved the run.
    pub async fn migrate_run(
        &self,
        scope: &Scope,
        run: RunId,
        to: WorkflowVersion,
        is_dry: bool,
    ) -> Result<Migration> {
        let record = self.record(scope, run).await?;
        if record.status.has_ended() {
            return Err(ended());
        }
        let from = record.workflow.version();
        if from.hash != to.hash {
            // A run that nobody drives is not driven only to be refused.
            self.check_migration(&record, &to).await?;
            if !is_dry {
                self.send(
                    scope,
                    run,
                    Event::Migrated {
                        from: from.clone(),
                        to: to.clone(),
                    },
                )
                .await?;
            }
        }
        Ok(Migration {
            run: self.record(scope, run).await?,
            from,
            to,
        })
    }

    /// Replays a run with its own document and with another one; gives the machine of the other one, which makes records,
    /// and what hides its secrets.
    async fn check_migration(&self, record: &RunRecord, to: &WorkflowVersion) -> Result<(Machine, Redactor)> {
        let scope = record.principal.scope();
        let own = self.load(&scope, &record.workflow.hash).await?;
        let other = self.load(&scope, &to.hash).await?;
        self.check_document(record, &own, &other).await?;
        let moved = RunRecord {
            workflow: record.workflow.with_version(to.clone()),
            ..record.clone()
        };
        let (own, _) = self.machine(record).await?;
        let (other, redactor) = self.machine(&moved).await?;
        let mut both = SideBySide {
            own: own.with_records(),
            other: other.with_records(),
            redactor,
        };
        let mut sequence = record.journal_start;
        let mut journal = Journal::new(self, record);
        while let Some(page) = journal.page().await? {
            self.inner.check_unchanged(record, sequence, &page).await?;
            for (entry, event) in page {
                // What an answered call was given is computed, too: it is compared.
                if entry.sequence != sequence || !both.own.expects(&event) {
                    return Err(history::diverged(record.id));
                }
                let is_expected = both.other.expects(&event);
                let own = both.own.advance(event.clone(), entry.at);
                let other = both.other.advance(event, entry.at);
                let difference = if is_expected {
                    both.difference(&own, &other)
                } else {
                    Some(Difference::new(
                        None,
                        "an event that it waits for",
                        "nothing that waits for it",
                    ))
                };
                if let Some(difference) = difference {
                    return Err(difference.refuse(to).with_context("entry", sequence));
                }
                sequence += 1;
            }
        }
        match both.pending_difference() {
            Some(difference) => Err(difference.refuse(to)),
            None => Ok((both.other, both.redactor)),
        }
    }

    /// Whether a run could have been started with another document, and its secrets stay hidden.
    async fn check_document(&self, record: &RunRecord, own: &Workflow, other: &Arc<Workflow>) -> Result<()> {
        let document = &other.document;
        if (&document.namespace, &document.name) != (&record.workflow.namespace, &record.workflow.name) {
            return Err(Error::invalid_request(
                "a run can be moved only to another version of its own workflow",
            ));
        }
        other.check_supported()?;
        self.check_functions(other)?;
        self.check_secrets(&record.principal.scope(), other).await?;
        if let Some(name) = own.secrets.iter().find(|name| !other.secrets.contains(name)) {
            return Err(Error::new(
                ErrorCode::Conflict,
                format!(
                    "the other version does not list the secret '{name}', which the run may have met and which must stay hidden; add it to 'use.secrets'"
                ),
            ));
        }
        Ok(())
    }
}

impl Driver<'_> {
    /// Takes the other document's machine in place of the present one, and gives the event that makes it so: until that is
    /// written, nothing else happens, and a driver that cannot write it is built anew.
    pub(super) async fn migrate(&mut self, to: WorkflowVersion) -> Result<Event> {
        let from = self.record.workflow.version();
        let (machine, redactor) = self.runtime.check_migration(&self.record, &to).await?;
        self.record.workflow = self.record.workflow.with_version(to.clone());
        // Records cost time and memory: they are only made for who reads them.
        self.machine = match &mut self.lifecycle {
            Some(lifecycle) => {
                lifecycle.follow(machine.workflow());
                machine
            }
            None => machine.without_records(),
        };
        self.redactor = redactor;
        Ok(Event::Migrated { from, to })
    }
}

/// Where a run would have gone another way.
struct Difference {
    task: Option<String>,
    /// What the run did.
    expected: String,
    /// What it would have done.
    found: String,
}

impl Difference {
    fn new(task: Option<&str>, expected: &str, found: &str) -> Self {
        Self {
            task: task.map(str::to_owned),
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }

    fn refuse(self, to: &WorkflowVersion) -> Error {
        let Self {
            task,
            expected,
            found,
        } = self;
        let place = task
            .as_ref()
            .map(|task| format!(" at {task}"))
            .unwrap_or_default();
        let message = format!(
            "the run cannot be moved to version {}: so far{place} it has '{expected}', where that version has '{found}'",
            to.version
        );
        let error = Error::new(ErrorCode::Conflict, message)
            .with_context("expected", expected)
            .with_context("found", found);
        match task {
            Some(task) => error.with_context("task", task),
            None => error,
        }
    }
}

impl SideBySide {
    /// The first difference between what both do at one event, without any data: that may hold secrets.
    fn difference(&self, own: &Transition, other: &Transition) -> Option<Difference> {
        if own == other {
            return None;
        }
        let longest = own.records.len().max(other.records.len());
        for place in 0..longest {
            let (own, other) = (own.records.get(place), other.records.get(place));
            if own == other {
                continue;
            }
            let task = own.and_then(|record| record.task.as_deref());
            let (expected, found) = (told(own), told(other));
            let steps = [own, other].map(|record| record.and_then(|record| record.step));
            return Some(if steps[0] != steps[1] && expected == found {
                Difference::new(task, &expected, &format!("{expected} after something else"))
            } else if expected == found {
                Difference::new(task, &expected, &format!("{expected} with other data"))
            } else {
                Difference::new(task, &expected, &found)
            });
        }
        let (expected, found) = (effects(own, &self.redactor), effects(other, &self.redactor));
        Some(
            match first_difference(0, &expected, &found).and_then(|replayed| replayed.divergence) {
                Some(divergence) => Difference::new(None, &divergence.expected, &divergence.found),
                None => {
                    let changed = own
                        .begin
                        .iter()
                        .zip(&other.begin)
                        .find(|(own, other)| own != other);
                    let task = changed
                        .and_then(|((action, _), _)| self.own.wait(*action))
                        .and_then(|wait| wait.task);
                    Difference::new(task.as_deref(), "what it gave away", "other data")
                }
            },
        )
    }

    /// The first difference between what both wait for.
    fn pending_difference(&self) -> Option<Difference> {
        let actions = |machine: &Machine| machine.pending().map(|(action, _)| action).collect::<Vec<_>>();
        if actions(&self.own) != actions(&self.other) || self.own.is_paused() != self.other.is_paused() {
            return Some(Difference::new(
                None,
                "something that it waits for",
                "something else",
            ));
        }
        self.own.pending().find_map(|(action, _)| {
            let (own, other) = (self.own.wait(action), self.other.wait(action));
            let is_same = own == other && self.own.listens_for(action) == self.other.listens_for(action);
            (!is_same).then(|| {
                let task = own.and_then(|wait| wait.task);
                Difference::new(task.as_deref(), "something that it waits for", "something else")
            })
        })
    }
}

/// What a record tells, without data.
fn told(record: Option<&Record>) -> String {
    let Some(record) = record else {
        return "nothing".to_owned();
    };
    let value = serde_json::to_value(&record.what).unwrap_or_default();
    let kind = value["type"].as_str().unwrap_or_default().to_owned();
    match &record.task {
        Some(task) => format!("{kind} of {task}"),
        None => kind,
    }
}
