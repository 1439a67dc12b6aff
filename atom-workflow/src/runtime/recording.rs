//! A run as one document that can be kept elsewhere, and replayed by another version of the machine.

use std::sync::Arc;

use atom_core::storage::{RunStatus, WorkflowKey};
use atom_core::{Error, ErrorCode, Result, RunId, Scope};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::redact::{MASK, Redactor};
use super::{Runtime, history};
use crate::definition::Bundle;
use crate::machine::{Command, Event, MACHINE_VERSION, Machine, Outcome, RunFacts, Transition};

/// The version of the form of a recording.
const FORMAT: u32 = 1;
/// The most journal entries of a recording.
const MAX_ENTRIES: usize = 10_000;
/// The longest recording, in bytes of its journal.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A run with everything that is needed to replay it. It holds no secret: what a run met of one is masked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RunRecording")]
pub struct Recording {
    /// The version of this form.
    pub format: u32,
    /// The version of the engine that made the recording.
    pub engine: String,
    /// The run's id.
    pub id: RunId,
    /// Which document it follows.
    pub workflow: WorkflowKey,
    /// The text of the document; with the external resources it refers to, when it does, as JSON.
    pub document: String,
    /// Its input as given.
    pub input: Value,
    /// When it was created.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// Its state when the recording was made.
    pub status: RunStatus,
    /// Its output, once completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Its error, once faulted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// Its journal.
    pub entries: Vec<RecordedEntry>,
}

/// One entry of a journal, and what it led to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordedEntry {
    /// When it happened.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What happened, as the machine stores it.
    pub event: Value,
    /// What the machine began, stopped and published then.
    pub effects: Vec<String>,
}

/// What a replay came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RunReplay")]
pub struct Replayed {
    /// How many entries of the journal led to what is recorded.
    pub entries: usize,
    /// Where this version of the machine first does something else; absent when it does the same throughout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
}

/// Where a replay leaves the recorded way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RunDivergence")]
pub struct Divergence {
    /// The entry of the journal, from 0; the number of entries for the end of the run.
    pub entry: usize,
    /// What is recorded.
    pub expected: String,
    /// What this version of the machine does.
    pub found: String,
}

impl Runtime {
    /// Records a run, ended or not.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `limit_exceeded` for one whose journal is too long, `conflict` when it is moved to
    /// another version meanwhile, `storage_failed`.
    pub async fn record_run(&self, scope: &Scope, run: RunId) -> Result<Recording> {
        let record = self.record(scope, run).await?;
        let document = self
            .inner
            .parts
            .store
            .document(scope, &record.workflow.hash)
            .await?;
        let document = document.ok_or_else(|| Error::not_found("the document of the run is not there"))?;
        let (mut machine, redactor) = self.machine(&record).await?;
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut next = record.journal_start;
        loop {
            let page = self.inner.journal(&record, next).await?;
            if page.is_empty() {
                break;
            }
            self.inner.check_unchanged(&record, next, &page).await?;
            for (entry, event) in page {
                if entry.sequence != next || !machine.expects(&event) {
                    return Err(history::diverged(run));
                }
                next += 1;
                bytes += entry.payload.len();
                if entries.len() == MAX_ENTRIES || bytes > MAX_BYTES {
                    let message = format!(
                        "the run has more than {MAX_ENTRIES} journal entries or {MAX_BYTES} bytes of them; it is too long to record"
                    );
                    return Err(Error::new(ErrorCode::LimitExceeded, message));
                }
                let effects = effects(&machine.advance(event, entry.at), &redactor);
                let mut event = decode(&entry.payload)?;
                // Answers are masked already; what was sent to the run is not.
                redactor.value(&mut event);
                entries.push(RecordedEntry {
                    at: entry.at,
                    event,
                    effects,
                });
            }
        }
        // Read anew: it may have ended since.
        let mut record = self.record(scope, run).await?;
        redactor.value(&mut record.input);
        Ok(Recording {
            format: FORMAT,
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            id: run,
            workflow: record.workflow,
            document,
            input: record.input,
            created_at: record.created_at,
            status: if machine.outcome().is_some() {
                record.status
            } else {
                RunStatus::Running
            },
            output: record.output.filter(|_| machine.outcome().is_some()),
            error: record.error.filter(|_| machine.outcome().is_some()),
            entries,
        })
    }
}

pub(super) fn decode<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(ErrorCode::InvalidData, "an entry of the journal cannot be read").with_source(error)
    })
}

impl Recording {
    /// Feeds the recorded journal to this version of the machine and tells where it first does something else. Nothing
    /// is called, and secrets are not needed: each has the value `***`, so that a run whose way depends on a secret may
    /// diverge here although nothing has changed.
    ///
    /// # Errors
    /// `invalid_workflow` for a document that this engine cannot read, `version_mismatch` for a recording of a newer
    /// engine, `invalid_data` for a malformed one.
    pub fn replay(&self) -> Result<Replayed> {
        if self.format > FORMAT {
            return Err(newer());
        }
        let workflow = Arc::new(Bundle::read(&self.document)?.parse()?);
        if workflow.hash != self.workflow.hash {
            return Err(Error::new(
                ErrorCode::InvalidData,
                "the document of the recording is not the one that its run followed",
            ));
        }
        let secrets: Map<_, _> = workflow
            .secrets
            .iter()
            .map(|name| (name.clone(), Value::from(MASK)))
            .collect();
        let redactor = Redactor::new(&Map::new());
        // Whose run it was is not recorded, and decides nothing but the ids of approvals, which are not compared.
        let owner = Scope {
            tenant: MASK.to_owned(),
            user: MASK.to_owned(),
        };
        let facts = RunFacts::new(owner, self.id, self.input.clone(), self.created_at).with_secrets(secrets);
        let mut machine = Machine::new(workflow, facts);
        for (number, entry) in self.entries.iter().enumerate() {
            let event: Event = serde_json::from_value(entry.event.clone()).map_err(|error| {
                Error::new(
                    ErrorCode::InvalidData,
                    "an entry of the recording is no event of a run",
                )
                .with_context("entry", number)
                .with_source(error)
            })?;
            if let Event::Started { machine, .. } | Event::Continued { machine, .. } = &event
                && *machine > MACHINE_VERSION
            {
                return Err(newer());
            }
            if !machine.expects(&event) {
                let expected = entry.event["type"].as_str().unwrap_or_default();
                return Ok(diverged(number, expected, "an event that nothing waits for"));
            }
            let found = effects(&machine.advance(event, entry.at), &redactor);
            if let Some(divergence) = first_difference(number, &entry.effects, &found) {
                return Ok(divergence);
            }
        }
        let found = end(machine.outcome())?;
        let recorded = (self.status, self.output.clone(), self.error.clone());
        if !is_same_end(&found, &recorded) {
            let tell = |(status, output, error): &(RunStatus, Option<Value>, Option<Value>)| {
                let data = output.as_ref().or(error.as_ref());
                format!(
                    "{} {}",
                    status.as_str(),
                    data.map_or_else(String::new, Value::to_string)
                )
            };
            return Ok(diverged(self.entries.len(), &tell(&recorded), &tell(&found)));
        }
        Ok(Replayed {
            entries: self.entries.len(),
            divergence: None,
        })
    }
}

type End = (RunStatus, Option<Value>, Option<Value>);

fn end(outcome: Option<&Outcome>) -> Result<End> {
    Ok(match outcome {
        None => (RunStatus::Running, None, None),
        Some(Outcome::Completed(output)) => (RunStatus::Completed, Some(output.clone()), None),
        Some(Outcome::Cancelled) => (RunStatus::Cancelled, None, None),
        Some(Outcome::Faulted(error)) => {
            let error = serde_json::to_value(error)
                .map_err(|error| Error::internal("an error cannot be written as JSON").with_source(error))?;
            (RunStatus::Faulted, None, Some(error))
        }
    })
}

fn is_same_end(found: &End, recorded: &End) -> bool {
    // A run that is paused has not ended either.
    found.0.has_ended() == recorded.0.has_ended() && (!found.0.has_ended() || found == recorded)
}

fn newer() -> Error {
    Error::new(
        ErrorCode::VersionMismatch,
        "the recording was made by a newer engine; upgrade to replay it",
    )
}

fn diverged(entry: usize, expected: &str, found: &str) -> Replayed {
    Replayed {
        entries: entry,
        divergence: Some(Divergence {
            entry,
            expected: expected.to_owned(),
            found: found.to_owned(),
        }),
    }
}

pub(super) fn first_difference(entry: usize, expected: &[String], found: &[String]) -> Option<Replayed> {
    const NOTHING: &str = "nothing more";
    let longest = expected.len().max(found.len());
    (0..longest).find_map(|place| {
        let (expected, found) = (expected.get(place), found.get(place));
        let text = |effect: Option<&String>| effect.map_or(NOTHING, String::as_str).to_owned();
        (expected != found).then(|| diverged(entry, &text(expected), &text(found)))
    })
}

/// What a transition has the driver do, as lines to compare. Data is left out: it may hold a secret, and what a change of
/// it leads to shows in what follows.
pub(super) fn effects(transition: &Transition, redactor: &Redactor) -> Vec<String> {
    let begun = transition.begin.iter().map(|(action, command)| match command {
        Command::Call { function, task, .. } => format!("begin {action}: call {function} at {task}"),
        Command::Subscribe { function, task, .. } => {
            format!("begin {action}: subscribe {function} at {task}")
        }
        Command::Timer { at } => format!("begin {action}: wait until {at}"),
        Command::Approve { request } => format!("begin {action}: ask at {}", request.task),
        Command::Listen => format!("begin {action}: listen"),
        Command::StartRun {
            run,
            namespace,
            name,
            version,
            ..
        } => format!("begin {action}: run {namespace}/{name} {version} as {run}"),
    });
    let stopped = transition.stop.iter().map(|action| format!("stop {action}"));
    let published = transition.publish.iter().map(|event| {
        let mut line = format!("publish {} as {} {}", event.kind, event.source, event.id);
        redactor.text(&mut line);
        line
    });
    begun.chain(stopped).chain(published).collect()
}
