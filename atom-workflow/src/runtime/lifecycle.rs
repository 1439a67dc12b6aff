//! Lifecycle events: what becomes of runs and their tasks, told as CloudEvents in the log of the owner (Open Workflow
//! 1.0.3, "Lifecycle Events").
//!
//! They follow from the run's history, so that a replay tells the same under the same ids, and the log keeps each once.

use std::collections::{BTreeMap, BTreeSet};

use atom_core::CloudEvent;
use atom_core::storage::RunRecord;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::consumption::{LIFECYCLE_ID, LIFECYCLE_TYPE, is_lifecycle};
use crate::definition::{TaskKind, Workflow};
use crate::machine::{Record, RecordKind};

/// The largest output that an event carries, as JSON, in bytes.
const MAX_OUTPUT: usize = 64 * 1024;

/// What is told of runs by lifecycle events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleEvents {
    /// Nothing.
    #[default]
    None,
    /// What becomes of runs.
    Workflow,
    /// What becomes of runs and of each of their tasks.
    All,
}

/// The tasks of a document that wait for events.
fn listening(workflow: &Workflow) -> BTreeSet<String> {
    let mut listening = BTreeSet::new();
    workflow.visit(&mut |task| {
        if matches!(task.kind, TaskKind::Listen(_)) {
            listening.insert(task.reference.clone());
        }
    });
    listening
}

/// Tells what becomes of one run.
#[derive(Debug)]
pub(super) struct Lifecycle {
    tells_tasks: bool,
    /// The tasks that wait for events.
    listening: BTreeSet<String>,
    /// The tasks under way, by step.
    open: BTreeMap<u64, String>,
}

impl Lifecycle {
    /// What tells of a run as the operator has chosen; nothing when nothing is to be told.
    pub(super) fn new(chosen: LifecycleEvents, workflow: &Workflow) -> Option<Self> {
        if chosen == LifecycleEvents::None {
            return None;
        }
        Some(Self {
            tells_tasks: chosen == LifecycleEvents::All,
            listening: listening(workflow),
            open: BTreeMap::new(),
        })
    }

    /// Tells of the tasks of another document from now on.
    pub(super) fn follow(&mut self, workflow: &Workflow) {
        self.listening = listening(workflow);
    }

    /// The events that the next records of a history lead to, which has `before` others.
    pub(super) fn tell(&mut self, run: &RunRecord, before: u64, records: &[Record]) -> Vec<CloudEvent> {
        let mut told = Told {
            run,
            offset: before,
            at: Timestamp::UNIX_EPOCH,
            events: Vec::new(),
        };
        for record in records {
            told.offset += 1;
            told.at = record.at;
            self.tell_record(&mut told, record);
        }
        told.events
    }

    fn tell_record(&mut self, told: &mut Told<'_>, record: &Record) {
        match &record.what {
            RecordKind::RunStarted => told.started(),
            RecordKind::RunPaused { .. } => {
                told.workflow("suspended", "suspendedAt", json!({}));
                self.each_open(told, "suspended", "suspendedAt");
            }
            RecordKind::RunResumed => {
                told.workflow("resumed", "resumedAt", json!({}));
                self.each_open(told, "resumed", "resumedAt");
            }
            RecordKind::RunCompleted { output } => {
                self.close(told);
                told.workflow("completed", "completedAt", with_output(output));
            }
            RecordKind::RunFaulted { error } => {
                self.close(told);
                told.workflow("faulted", "faultedAt", json!({ "error": error }));
            }
            RecordKind::RunCancelled { .. } => {
                self.close(told);
                told.workflow("cancelled", "cancelledAt", json!({}));
            }
            // What was under way was stopped.
            RecordKind::RunCompensating { .. }
            | RecordKind::TaskCompensated
            | RecordKind::TaskCompensationFaulted { .. } => self.close(told),
            _ => {
                if let (Some(step), Some(task)) = (record.step, &record.task) {
                    self.tell_task(told, step, task, &record.what);
                }
            }
        }
    }

    fn tell_task(&mut self, told: &mut Told<'_>, step: u64, task: &str, what: &RecordKind) {
        let listens = self.listening.contains(task);
        match what {
            RecordKind::TaskStarted => {
                self.open.insert(step, task.to_owned());
                if self.tells_tasks {
                    told.task("created", step, task, "createdAt", json!({}));
                    told.task("started", step, task, "startedAt", json!({}));
                }
                if listens {
                    told.correlation("started", step, "startedAt");
                }
            }
            RecordKind::TaskCompleted { output } => {
                self.open.remove(&step);
                if listens {
                    told.correlation("completed", step, "completedAt");
                }
                if self.tells_tasks {
                    told.task("completed", step, task, "completedAt", with_output(output));
                }
            }
            RecordKind::TaskFaulted { error } => {
                self.open.remove(&step);
                if self.tells_tasks {
                    told.task("faulted", step, task, "faultedAt", json!({ "error": error }));
                }
            }
            RecordKind::TaskCancelled => {
                self.open.remove(&step);
                if self.tells_tasks {
                    told.task("cancelled", step, task, "cancelledAt", json!({}));
                }
            }
            RecordKind::TaskRetried { .. } if self.tells_tasks => {
                told.task("retried", step, task, "retriedAt", json!({}));
            }
            _ => {}
        }
    }

    fn each_open(&self, told: &mut Told<'_>, name: &str, moment: &str) {
        if self.tells_tasks {
            for (step, task) in &self.open {
                told.task(name, *step, task, moment, json!({}));
            }
        }
    }

    /// Tells that the tasks under way were stopped.
    fn close(&mut self, told: &mut Told<'_>) {
        self.each_open(told, "cancelled", "cancelledAt");
        self.open.clear();
    }
}

/// The event that tells of the start of a run, at the time at which it was created.
pub(super) fn started(run: &RunRecord) -> Vec<CloudEvent> {
    let mut told = Told {
        run,
        offset: 1,
        at: run.created_at,
        events: Vec::new(),
    };
    told.started();
    told.events
}

/// Whether an event tells what becomes of a run of this workflow.
pub(super) fn is_of(event: &CloudEvent, namespace: &str, name: &str) -> bool {
    let Some(run) = event.subject.as_ref().filter(|_| is_lifecycle(event)) else {
        return false;
    };
    let qualified = qualified(namespace, name, run);
    let told = |key| event.data.as_ref().and_then(|data| data.get(key)?.as_str());
    [told("name"), told("workflow")].contains(&Some(&qualified))
}

/// The qualified name of a run, as the specification's examples have it.
fn qualified(namespace: &str, name: &str, run: &str) -> String {
    format!("{name}-{run}.{namespace}")
}

/// Events that are being told.
struct Told<'a> {
    run: &'a RunRecord,
    offset: u64,
    at: Timestamp,
    events: Vec<CloudEvent>,
}

impl Told<'_> {
    fn started(&mut self) {
        let workflow = &self.run.workflow;
        let definition = json!({
            "name": workflow.name,
            "namespace": workflow.namespace,
            "version": workflow.version,
        });
        self.workflow("started", "startedAt", json!({ "definition": definition }));
    }

    fn workflow(&mut self, name: &str, moment: &str, mut data: Value) {
        data["name"] = json!(self.name());
        data[moment] = json!(self.at);
        self.push(&format!("workflow.{name}"), None, data);
    }

    /// One run may wait for several things at once.
    fn correlation(&mut self, name: &str, step: u64, moment: &str) {
        let data = json!({ "name": self.name(), moment: self.at });
        self.push(&format!("workflow.correlation-{name}"), Some(step), data);
    }

    fn task(&mut self, name: &str, step: u64, task: &str, moment: &str, mut data: Value) {
        data["workflow"] = json!(self.name());
        data["task"] = json!(task);
        data[moment] = json!(self.at);
        self.push(&format!("task.{name}"), Some(step), data);
    }

    fn name(&self) -> String {
        let workflow = &self.run.workflow;
        qualified(&workflow.namespace, &workflow.name, &self.run.id.to_string())
    }

    fn push(&mut self, kind: &str, step: Option<u64>, data: Value) {
        let step = step.map_or_else(String::new, |step| format!("/{step}"));
        let mut event = CloudEvent::new(
            format!("{LIFECYCLE_ID}{}/{kind}{step}", self.offset),
            source(self.run),
            format!("{LIFECYCLE_TYPE}{kind}.v1"),
        );
        event.time = Some(self.at);
        event.subject = Some(self.run.id.to_string());
        event.data = Some(data);
        self.events.push(event);
    }
}

fn source(run: &RunRecord) -> String {
    format!("atom:/runs/{}", run.id)
}

fn with_output(output: &Value) -> Value {
    let fits = serde_json::to_string(output).is_ok_and(|text| text.len() <= MAX_OUTPUT);
    if fits {
        json!({ "output": output })
    } else {
        json!({})
    }
}
