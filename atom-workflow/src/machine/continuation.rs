//! Going on with a new journal: the state of a run between two tasks of its workflow's own list, written down.
//!
//! A run is its journal, so one that never ends would need ever more of it. Between two tasks of the workflow's own list
//! little is under way: which task comes next, its data, and how to undo what is done. A driver that finds the journal long
//! asks for that with [`Machine::ask_for_continuation`]; once it is written as [`Event::Continued`](super::Event::Continued),
//! the run follows from this entry and those after it, and what came before can be removed. Ids and numbers go on, so nothing
//! else notices: not what the run waits for, not its children, not whoever follows its history.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use atom_core::CloudEvent;
use atom_core::storage::Tally;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::compensate::Compensation;
use super::event::RecordKind;
use super::frame::{Frame, FrameId, FrameKind, List, Pending, Purpose, Work};
use super::{ActionId, Command, Machine, data};
use crate::definition::Task;
use crate::expression::runtime_descriptor;

/// The number of the workflow's own list, the first that a run gives.
const ROOT: FrameId = 1;

/// The state of a run between two tasks of its workflow's own list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Continuation {
    /// The version of the engine that the run began with.
    engine: String,
    /// When the run began, where that is not when it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    /// The time of the run.
    now: Timestamp,
    /// The next number for a list, a task or an action.
    next: u64,
    /// How many records its history has.
    records: u64,
    /// The JSON pointer of the task that comes next.
    task: String,
    /// What is passed on to it.
    data: Value,
    context: Value,
    /// The timer that bounds the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<(ActionId, Timestamp)>,
    /// Events sent to the run that no task has listened for yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    signals: Vec<CloudEvent>,
    /// How to undo what is done, in the order in which it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    compensations: Vec<Done>,
    /// What the executions of tasks have come to so far.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tallies: BTreeMap<String, Tally>,
}

/// A task that has completed and can be undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Done {
    /// Its JSON pointer.
    task: String,
    input: Value,
    output: Value,
    /// The variables around it that are not those of the whole run.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    variables: Map<String, Value>,
}

impl Machine {
    /// Whether [`Transition::continuation`](super::Transition::continuation) is filled from now on, by the next transition
    /// that comes to a task of the workflow's own list.
    pub fn ask_for_continuation(&mut self, is_wanted: bool) {
        self.wants_continuation = is_wanted;
    }

    /// How many records the history of the run has, whether they are kept or not.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.recorded
    }

    /// Takes down how the run goes on with the task at which a list stands, if that is wanted and nothing else is under way.
    pub(super) fn offer_continuation(&mut self, list: FrameId, data: &Arc<Value>) {
        if !self.wants_continuation || self.transition.continuation.is_some() || self.undoing.is_some() {
            return;
        }
        if list == ROOT && self.frames.len() == 1 {
            self.transition.continuation = self.continuation(data).map(Box::new);
        }
    }

    fn continuation(&self, data: &Arc<Value>) -> Option<Continuation> {
        let FrameKind::List { list, index, .. } = &self.frames.get(&ROOT)?.kind else {
            return None;
        };
        let task = list.tasks().get(*index)?;
        let mut timeout = None;
        for (action, pending) in &self.actions {
            let (Purpose::Timeout, None, Command::Timer { at }) =
                (pending.purpose, pending.frame, &pending.command)
            else {
                return None;
            };
            timeout = Some((*action, *at));
        }
        Some(Continuation {
            engine: self.constants.get("runtime")?["version"].as_str()?.to_owned(),
            started_at: (self.facts.started_at != self.created_at).then_some(self.facts.started_at),
            now: self.now,
            next: self.next,
            records: self.recorded,
            task: task.reference.clone(),
            data: data.as_ref().clone(),
            context: self.context.as_ref().clone(),
            timeout,
            signals: self.signals.iter().cloned().collect(),
            compensations: self.compensations.iter().map(|done| self.done(done)).collect(),
            tallies: self.tallies.clone(),
        })
    }

    fn done(&self, compensation: &Compensation) -> Done {
        // Functions from elsewhere have other secrets than the document: none.
        let (variables, constants) = (&compensation.variables, &self.constants);
        let own = variables
            .names()
            .filter(|name| constants.get(name) != variables.get(name));
        let values = own.filter_map(|name| Some((name.to_owned(), variables.get(name)?)));
        Done {
            task: compensation.task.reference.clone(),
            input: compensation.input.as_ref().clone(),
            output: compensation.output.as_ref().clone(),
            variables: values
                .map(|(name, value)| (name, value.as_ref().clone()))
                .collect(),
        }
    }

    /// Whether the document has every task that a continuation names.
    pub(super) fn can_continue_from(&self, state: &Continuation) -> bool {
        let tasks = self.tasks();
        let is_next = |task: &Arc<Task>| task.reference == state.task;
        state.timeout.is_some() == self.workflow.timeout.is_some()
            && self.workflow.tasks.tasks.iter().any(is_next)
            && state.compensations.iter().all(|done| {
                let task = tasks.get(done.task.as_str());
                task.is_some_and(|task| task.compensate.is_some())
            })
    }

    /// Every task by its JSON pointer.
    fn tasks(&self) -> HashMap<&str, &Arc<Task>> {
        let mut tasks = HashMap::new();
        self.workflow.visit(&mut |task| {
            tasks.insert(task.reference.as_str(), task);
        });
        tasks
    }

    /// Goes on from a continuation, if the run has not begun; else it stands where the continuation was taken down already.
    pub(super) fn continue_from(&mut self, state: Continuation) {
        if self.has_started() {
            return;
        }
        // A repetition has begun when it was created, and its time starts anew.
        let is_own = self.is_tallying;
        if let Some(started_at) = state.started_at.filter(|_| is_own) {
            self.facts.started_at = started_at;
            let uses_workflow = self.constants.get("workflow").is_some();
            self.constants = data::constants(&self.workflow, &self.facts, uses_workflow);
        }
        self.constants
            .insert("runtime", runtime_descriptor(&state.engine));
        self.now = self.now.max(state.now);
        self.next = state.next;
        self.recorded = state.records;
        self.context = Arc::new(state.context);
        self.signals = state.signals.into();
        // What a repetition takes over was counted by the run that it repeats.
        if is_own {
            self.tallies = state.tallies;
        }
        let tasks = self.tasks();
        let known = state.compensations.into_iter().filter_map(|done| {
            let task = Arc::clone(tasks.get(done.task.as_str())?);
            let mut variables = self.constants.clone();
            for (name, value) in done.variables {
                variables.insert(name, value);
            }
            Some(Compensation {
                task,
                input: Arc::new(done.input),
                output: Arc::new(done.output),
                variables,
            })
        });
        self.compensations = known.collect();
        if let Some((action, at)) = state.timeout {
            let timeout = self.workflow.timeout.as_ref().filter(|_| !is_own);
            let length =
                timeout.map(|timeout| data::duration(timeout, self.now, &self.facts.input, &self.constants));
            let at = match length {
                Some(Ok(length)) => self.after(length),
                Some(Err(error)) => return self.fault(error),
                None => at,
            };
            let timer = Pending {
                frame: None,
                purpose: Purpose::Timeout,
                command: Command::Timer { at },
            };
            self.actions.insert(action, timer);
        }
        let tasks = &self.workflow.tasks.tasks;
        let kind = FrameKind::List {
            list: List::Root(Arc::clone(&self.workflow)),
            index: tasks
                .iter()
                .position(|task| task.reference == state.task)
                .unwrap_or(tasks.len()),
            slot: 0,
        };
        self.insert(ROOT, Frame::new(None, self.constants.clone(), kind));
        self.work.push_back(Work::Run {
            list: ROOT,
            input: Arc::new(state.data),
        });
    }

    /// Adds that the run has continued to its history, after what the continuation leads to: so the history is the same for
    /// whoever has read it from before.
    pub(super) fn note_continued(&mut self) {
        self.record(None, || RecordKind::RunContinued);
    }
}
