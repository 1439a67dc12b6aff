//! Carries a workflow out without any effect, to show what a run of it would do.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use atom_core::storage::{Decision, DecisionKind, RunStatus};
use atom_core::{CloudEvent, Error, Result, RunId, Scope};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::history::HistoryEntry;
use super::redact::MASK;
use crate::definition::{Workflow, shortened};
use crate::machine::{
    ActionId, ApprovalRequest, Command, Event, Machine, Outcome, RunFacts, Transition, Wait, WaitKind,
    WorkflowError,
};

/// How many answers a dry run gives at most.
const MAX_ANSWERS: usize = 1000;
/// How many records it keeps at most.
const MAX_RECORDS: usize = 10_000;

/// What to carry out, and what the world answers.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// The workflow; it must be supported.
    pub workflow: Arc<Workflow>,
    /// The input.
    pub input: Value,
    /// What calls and awaited runs answer, by the JSON pointer of their task: the same each time the task runs.
    pub answers: BTreeMap<String, Value>,
    /// What people decide, by the JSON pointer of the task that asks: the same each time it does.
    pub decisions: BTreeMap<String, Decision>,
    /// The events that come, in order: each once a task listens and no call is under way.
    pub events: Vec<CloudEvent>,
    /// When it begins.
    pub at: Timestamp,
    /// Whose run it would be.
    pub owner: Scope,
    /// The id that the run would have.
    pub id: RunId,
}

/// What a run would do, as far as that can be known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DryRunReport {
    /// How it would end; `running` when it would wait for an event, or goes on beyond the limits of a dry run.
    pub status: RunStatus,
    /// Whether all of this follows from the given answers and decisions. From the first call without one on it is a guess:
    /// the call is taken to succeed with `{"unknown": task}`, and what people are asked to be approved.
    pub is_certain: bool,
    /// Whether it was stopped because it goes on for too long.
    pub is_cut: bool,
    /// Its output, if it would complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Its error, if it would fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<WorkflowError>,
    /// The calls it would make and the runs it would start, in order.
    pub calls: Vec<DryRunCall>,
    /// The events it would publish.
    pub events: Vec<CloudEvent>,
    /// What it would wait for in the end.
    pub waits: Vec<Wait>,
    /// What would happen, task by task. Time passes as if every call answered at once.
    pub records: Vec<HistoryEntry>,
}

/// A call that would be made, or a run that would be started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DryRunCall {
    /// The JSON pointer of the task.
    pub task: String,
    /// The function that would be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The workflow that would be run, as `namespace/name version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Its arguments or input, with `***` in the place of secrets.
    pub arguments: Value,
    /// Whether an answer was given for it.
    pub is_answered: bool,
    /// Whether it is certain that the call would be made like this: no call before it was without an answer.
    pub is_certain: bool,
}

impl DryRun {
    /// Refuses what is given for tasks that the workflow does not have: it would be passed over.
    fn check_tasks(&self) -> Result<()> {
        let mut references = HashSet::new();
        self.workflow.visit(&mut |task| {
            references.insert(task.reference.as_str());
        });
        let given = self.answers.keys().map(|task| ("answers", task));
        let mut given = given.chain(self.decisions.keys().map(|task| ("decisions", task)));
        match given.find(|(_, task)| !references.contains(task.as_str())) {
            None => Ok(()),
            Some((field, task)) => Err(Error::invalid_request(format!(
                "'{field}' names the task '{}', which the workflow does not have; 'records' of a dry run has the tasks that run",
                shortened(task)
            ))),
        }
    }

    /// Carries it out. It computes all at once, so it belongs on a thread that may block.
    ///
    /// # Errors
    /// `invalid_request` for an answer or decision of a task that is not there, those of [`Machine::check_decision`]
    /// for a decision that does not answer what is asked.
    pub fn carry_out(self) -> Result<DryRunReport> {
        self.check_tasks()?;
        let secrets: Map<_, _> = self
            .workflow
            .secrets
            .iter()
            .map(|name| (name.clone(), Value::from(MASK)))
            .collect();
        let facts = RunFacts::new(self.owner, self.id, self.input, self.at).with_secrets(secrets);
        let mut world = World {
            answers: self.answers,
            decisions: self.decisions,
            events: self.events.into(),
            offset: 0,
            now: self.at,
            report: DryRunReport {
                status: RunStatus::Running,
                is_certain: true,
                is_cut: false,
                output: None,
                error: None,
                calls: Vec::new(),
                events: Vec::new(),
                waits: Vec::new(),
                records: Vec::new(),
            },
        };
        let mut machine = Machine::new(self.workflow, facts).with_records();
        let mut event = Some(Event::started());
        for _ in 0..=MAX_ANSWERS {
            let Some(next) = event.take() else { break };
            world.note(machine.advance(next, world.now));
            if machine.outcome().is_some() || world.report.records.len() > MAX_RECORDS {
                break;
            }
            event = world.answer(&machine)?;
        }
        world.report.is_cut |= event.is_some();
        world.report.waits = machine.waits();
        Ok(world.end(machine.outcome()))
    }
}

/// What stands for everything outside of the run.
struct World {
    answers: BTreeMap<String, Value>,
    decisions: BTreeMap<String, Decision>,
    events: VecDeque<CloudEvent>,
    offset: u64,
    now: Timestamp,
    report: DryRunReport,
}

impl World {
    fn note(&mut self, transition: Transition) {
        let report = &mut self.report;
        report.events.extend(transition.publish);
        for record in transition.records {
            let offset = report.records.len() as u64 + 1;
            report.records.push(HistoryEntry { offset, record });
        }
        report.is_cut = report.records.len() > MAX_RECORDS;
        report.records.truncate(MAX_RECORDS);
    }

    fn end(self, outcome: Option<&Outcome>) -> DryRunReport {
        let mut report = self.report;
        match outcome {
            None => {}
            Some(Outcome::Completed(output)) => {
                report.status = RunStatus::Completed;
                report.output = Some(output.clone());
            }
            Some(Outcome::Faulted(error)) => {
                report.status = RunStatus::Faulted;
                report.error = Some(error.clone());
            }
            Some(Outcome::Cancelled) => report.status = RunStatus::Cancelled,
        }
        report
    }

    /// What happens next, if anything does: calls answer first, then people decide, events come, and then time passes.
    fn answer(&mut self, machine: &Machine) -> Result<Option<Event>> {
        let called = machine.pending().find_map(|(action, command)| match command {
            Command::Call { .. } | Command::StartRun { .. } => Some((action, command.clone())),
            Command::Timer { .. } | Command::Listen | Command::Subscribe { .. } | Command::Approve { .. } => {
                None
            }
        });
        if let Some((action, command)) = called {
            return Ok(Some(self.answer_call(machine, action, command)));
        }
        let asked = machine.pending().find_map(|(action, command)| match command {
            Command::Approve { request } => Some((action, Arc::clone(request))),
            _ => None,
        });
        if let Some((action, request)) = asked {
            return self.decide(machine, action, &request).map(Some);
        }
        let listens = machine.pending().any(|(_, command)| *command == Command::Listen);
        while listens && let Some(event) = self.events.pop_front() {
            self.offset += 1;
            if let Some(action) = machine.wants(&event).first().copied() {
                let offset = self.offset;
                return Ok(Some(Event::Received {
                    action,
                    offset,
                    event,
                }));
            }
        }
        Ok(self.pass_time(machine))
    }

    fn decide(&mut self, machine: &Machine, action: ActionId, request: &ApprovalRequest) -> Result<Event> {
        if let Some(decision) = self.decisions.get(&request.task) {
            machine
                .check_decision(action, decision)
                .map_err(|error| error.with_context("task", &request.task))?;
            let decision = decision.clone();
            return Ok(Event::Decided { action, decision });
        }
        self.report.is_certain = false;
        let decision = Decision {
            decision: DecisionKind::Approve,
            by: "unknown".to_owned(),
            comment: None,
            form: request.form.as_ref().map(|_| json!({ "unknown": request.task })),
            input: None,
        };
        Ok(Event::Decided { action, decision })
    }

    fn answer_call(&mut self, machine: &Machine, action: ActionId, command: Command) -> Event {
        let task = machine
            .wait(action)
            .and_then(|wait| wait.task)
            .unwrap_or_default();
        let answer = self.answers.get(&task).cloned();
        let (function, workflow, arguments, is_awaited) = match command {
            Command::StartRun {
                namespace,
                name,
                version,
                input,
                is_awaited,
                ..
            } => (
                None,
                Some(format!("{namespace}/{name} {version}")),
                input,
                is_awaited,
            ),
            Command::Call {
                function, arguments, ..
            } => (Some(function), None, arguments, true),
            Command::Timer { .. } | Command::Listen | Command::Subscribe { .. } | Command::Approve { .. } => {
                (None, None, Value::Null, false)
            }
        };
        self.report.calls.push(DryRunCall {
            task: task.clone(),
            function,
            workflow,
            arguments,
            is_answered: answer.is_some() || !is_awaited,
            is_certain: self.report.is_certain,
        });
        let output = match answer {
            Some(answer) => answer,
            // Nobody looks at what a run gives that is not waited for.
            None if !is_awaited => Value::Null,
            None => {
                self.report.is_certain = false;
                json!({ "unknown": task })
            }
        };
        Event::Completed { action, output }
    }

    /// Lets time pass until something is due. A run that waits for an event alone waits until its timeout, or for ever:
    /// when the event would come is not known.
    fn pass_time(&mut self, machine: &Machine) -> Option<Event> {
        let waits = || {
            machine
                .pending()
                .filter_map(|(action, _)| Some((action, machine.wait(action)?.what)))
        };
        if !waits().any(|(_, what)| matches!(what, WaitKind::Time { .. })) {
            return None;
        }
        let due = waits().filter_map(|(action, what)| match what {
            WaitKind::Time { at } | WaitKind::Timeout { at } => Some((at, action)),
            WaitKind::Call { .. }
            | WaitKind::Decision { .. }
            | WaitKind::Event
            | WaitKind::Messages { .. }
            | WaitKind::Turn
            | WaitKind::Run { .. } => None,
        });
        let (at, action) = due.min()?;
        // What would have come until then is not known.
        if waits().any(|(_, what)| matches!(what, WaitKind::Messages { .. })) {
            self.report.is_certain = false;
        }
        self.now = self.now.max(at);
        Some(Event::Fired { action })
    }
}
