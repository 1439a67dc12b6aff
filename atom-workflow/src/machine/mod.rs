//! The workflow machine: what happened goes in, what to do comes out.
//!
//! The machine does no I/O and reads no clock: [`Machine::advance`] takes one [`Event`] and returns a
//! [`Transition`]. The same document and the same events always give the same transitions, so that the journal
//! of a run's events *is* the run: after a crash a driver feeds the journal to a new machine, then carries out
//! what is still [`pending`](Machine::pending). Steps without effect (`set`, `switch`, …) are computed anew;
//! calls that have an answer in the journal are not made again.
//!
//! ```
//! use std::sync::Arc;
//! use atom_workflow::definition::Workflow;
//! use atom_workflow::machine::{Command, Event, Machine, Outcome, RunFacts};
//! use serde_json::json;
//!
//! let workflow = Arc::new(Workflow::parse("
//! document: { dsl: 1.0.3, namespace: default, name: greet, version: 0.1.0 }
//! do:
//!   - greet:
//!       call: greetings.make
//!       with: { name: '${ .name }' }
//! ")?);
//! let now = "2026-03-09T08:00:00Z".parse().unwrap();
//! let owner = atom_core::Principal::new("acme", "ada")?.scope();
//! let facts = RunFacts::new(owner, "0192f0c1-0000-7000-8000-000000000001".parse()?, json!({ "name": "Ada" }), now);
//! let mut machine = Machine::new(workflow, facts);
//!
//! let first = machine.advance(Event::started(), now);
//! let (action, Command::Call { function, arguments, .. }) = &first.begin[0] else { panic!() };
//! assert_eq!((function.as_str(), arguments), ("greetings.make", &json!({ "name": "Ada" })));
//!
//! let last = machine.advance(Event::Completed { action: *action, output: json!("Hello Ada!") }, now);
//! assert_eq!(last.outcome, Some(Outcome::Completed(json!("Hello Ada!"))));
//! # Ok::<(), atom_core::Error>(())
//! ```

mod admission;
mod approve;
mod call;
mod compensate;
mod consume;
mod continuation;
mod data;
mod decision;
mod error;
mod event;
mod extend;
mod flow;
mod frame;
mod listen;
mod process;
mod recover;
mod resource;
mod subscribe;
mod tally;
mod task;
mod wait;

pub use approve::{ApprovalChange, ApprovalRequest};
pub(crate) use call::key_text;
pub use continuation::Continuation;
pub(crate) use data::check_depth;
pub use error::WorkflowError;
pub use event::{ActionId, Command, Event, Outcome, Record, RecordKind, Transition};
pub use wait::{Wait, WaitKind};

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use atom_core::storage::Tally;
use atom_core::{CloudEvent, RunId, Scope};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::definition::Workflow;
use crate::expression::{Variables, runtime_descriptor};
use compensate::{Compensation, Failure, Undoing};
use frame::{Frame, FrameId, FrameKind, List, Pending, Purpose, Work};
use tally::TaskEnd;

/// The version of the machine's behaviour, stored with each run.
pub const MACHINE_VERSION: u32 = 1;

/// How many tasks may begin between two events. A workflow that loops without waiting for anything
/// ends in an error rather than holding a thread for ever.
const MAX_STEPS: u32 = 100_000;

/// What the machine is told about its run, apart from events.
#[derive(Clone)]
pub struct RunFacts {
    /// The owner, within whom the run's id is unique.
    pub owner: Scope,
    /// The run's id.
    pub run: RunId,
    /// Its input as given.
    pub input: Arc<Value>,
    /// When it was created.
    pub started_at: Timestamp,
    /// The secrets that the document names, by name.
    pub secrets: Arc<Value>,
}

/// Without the secrets, and the input, which may hold some.
impl std::fmt::Debug for RunFacts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RunFacts")
            .field("run", &self.run)
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}

impl RunFacts {
    /// The facts of a run without secrets.
    #[must_use]
    pub fn new(owner: Scope, run: RunId, input: Value, started_at: Timestamp) -> Self {
        Self {
            owner,
            run,
            input: Arc::new(input),
            started_at,
            secrets: Arc::new(Value::Object(Map::new())),
        }
    }

    /// Adds the secrets that the document names.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Map<String, Value>) -> Self {
        self.secrets = Arc::new(Value::Object(secrets));
        self
    }
}

/// The state of one run, and the rules by which it changes.
#[derive(Debug)]
pub struct Machine {
    workflow: Arc<Workflow>,
    facts: RunFacts,
    /// `$workflow`, `$runtime` and `$secrets`, which never change.
    constants: Variables,
    /// Whether any expression may read `$task`: building it costs a copy of the task.
    uses_task: bool,
    is_recording: bool,
    /// How many records its history has, kept or not.
    recorded: u64,
    /// Whether the driver wants to know how the run can go on with a new journal.
    wants_continuation: bool,
    /// Whether what the answers lead to waits until the run is resumed.
    is_paused: bool,
    /// Since when the run waits for its turn, while it does: nothing begins before.
    queued_since: Option<Timestamp>,
    context: Arc<Value>,
    frames: BTreeMap<FrameId, Frame>,
    actions: BTreeMap<ActionId, Pending>,
    /// Events sent to this run that no task has listened for yet.
    signals: VecDeque<CloudEvent>,
    /// The next number for a frame or action.
    next: u64,
    now: Timestamp,
    work: VecDeque<Work>,
    transition: Transition,
    outcome: Option<Outcome>,
    /// The actions that the events to come answer, as far as they are known.
    answered: HashSet<ActionId>,
    /// How to undo the tasks that have completed, in the order in which they did.
    compensations: Vec<Compensation>,
    /// Set once the run has failed or was cancelled and is being undone.
    undoing: Option<Box<Undoing>>,
    /// What the executions of tasks have come to, by the task's reference.
    tallies: BTreeMap<String, Tally>,
    /// Whether what happens now is this run's own.
    is_tallying: bool,
    /// When the run was created.
    created_at: Timestamp,
}

impl Machine {
    /// A machine that waits for [`Event::Started`].
    #[must_use]
    pub fn new(workflow: Arc<Workflow>, facts: RunFacts) -> Self {
        let constants = data::constants(&workflow, &facts, workflow.mentions.workflow);
        Self {
            uses_task: workflow.mentions.task,
            constants,
            is_recording: false,
            recorded: 0,
            wants_continuation: false,
            is_paused: false,
            queued_since: None,
            context: Arc::new(Value::Object(Map::new())),
            frames: BTreeMap::new(),
            actions: BTreeMap::new(),
            signals: VecDeque::new(),
            next: 1,
            now: facts.started_at,
            work: VecDeque::new(),
            transition: Transition::default(),
            outcome: None,
            answered: HashSet::new(),
            compensations: Vec::new(),
            undoing: None,
            tallies: BTreeMap::new(),
            is_tallying: true,
            created_at: facts.started_at,
            workflow,
            facts,
        }
    }

    /// Fills [`Transition::records`] from now on.
    #[must_use]
    pub fn with_records(mut self) -> Self {
        self.is_recording = true;
        self
    }

    /// Leaves [`Transition::records`] empty from now on.
    #[must_use]
    pub fn without_records(mut self) -> Self {
        self.is_recording = false;
        self
    }

    /// Takes in one event. An event that [`expects`](Self::expects) denies changes nothing.
    ///
    /// `at` is the time of the event, the only time the machine knows.
    pub fn advance(&mut self, event: Event, at: Timestamp) -> Transition {
        if !self.expects(&event) {
            return Transition::default();
        }
        // What is older than the run it has from the run that it repeats, which has counted it.
        self.is_tallying = at >= self.created_at;
        // A clock that was set back must not make time run backwards within a run.
        self.now = self.now.max(at);
        let has_continued = matches!(event, Event::Continued { .. });
        self.take_in(event);
        if !self.is_paused && !self.is_queued() {
            self.work_off();
        }
        if has_continued {
            self.note_continued();
        }
        std::mem::take(&mut self.transition)
    }

    /// Tells the machine the events that it will be given next, for a replay. The arguments of calls that they answer
    /// are not computed again: nobody needs them. Everything else is as without it.
    pub fn foresee<'a>(&mut self, events: impl IntoIterator<Item = &'a Event>) {
        let answered = |event: &Event| match event {
            Event::Completed { action, .. } | Event::Failed { action, .. } => Some(*action),
            _ => None,
        };
        self.answered = events.into_iter().filter_map(answered).collect();
    }

    /// Whether an event would change anything: a late answer to an action that was stopped does not, and
    /// nothing does once the run has ended.
    #[must_use]
    pub fn expects(&self, event: &Event) -> bool {
        match event {
            _ if self.outcome.is_some() => false,
            Event::Started { .. } => !self.has_started(),
            Event::Queued => self.undoing.is_none(),
            Event::Continued { state, .. } => self.has_started() || self.can_continue_from(state),
            _ if !self.has_started() && !self.is_queued() => false,
            Event::Admitted => self.has_started() && self.is_queued(),
            Event::Completed { action, .. } | Event::Failed { action, .. } => {
                self.actions.contains_key(action)
            }
            Event::Decided { action, .. } => self.actions.get(action).is_some_and(approve::is_approval),
            // Time and events wait while the run is paused; what a call or a person has answered is taken in at once.
            Event::Fired { action } | Event::Received { action, .. } | Event::Message { action, .. } => {
                !self.is_paused && !self.is_queued() && self.actions.contains_key(action)
            }
            Event::Signalled { .. } | Event::Migrated { .. } => true,
            Event::Paused { .. } => !self.is_paused && self.undoing.is_none(),
            Event::Resumed => self.is_paused,
            // What is being undone is undone to the end.
            Event::Exhausted { .. } | Event::Cancelled { .. } => self.undoing.is_none(),
        }
    }

    /// The actions that wait for their answer, in the order in which they were begun.
    pub fn pending(&self) -> impl Iterator<Item = (ActionId, &Command)> {
        self.actions
            .iter()
            .map(|(action, pending)| (*action, &pending.command))
    }

    /// Whether the run is paused: nothing begins until it is resumed or cancelled.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether the run has failed or was cancelled and what it has done is being undone.
    #[must_use]
    pub fn is_undoing(&self) -> bool {
        self.undoing.is_some()
    }

    /// The time of the run: that of its latest event, which never goes back.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A secret that the document lists and that is not set.
    pub(crate) fn missing_secret(&self) -> Option<&str> {
        let mut names = self.workflow.secrets.iter().map(String::as_str);
        names.find(|name| self.facts.secrets.get(name).is_none())
    }

    /// What the run follows.
    pub(crate) fn workflow(&self) -> &Workflow {
        &self.workflow
    }

    /// The run's id.
    pub(crate) fn run(&self) -> RunId {
        self.facts.run
    }

    /// How the run ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Started { engine, .. } => self.start(&engine),
            Event::Queued => self.queue(),
            Event::Admitted => self.admit(),
            Event::Continued { state, .. } => self.continue_from(*state),
            Event::Completed { action, output } => match self.take_action(action) {
                // The service has no more messages.
                Some(frame) if self.is_subscription(frame) => self.finish_consuming(frame),
                Some(frame) => self.finish_work(frame, output),
                None => {}
            },
            Event::Failed { action, error } => {
                if let Some(frame) = self.take_action(action) {
                    self.work.push_back(Work::Fail {
                        frame,
                        error: WorkflowError::from_call(&error),
                    });
                }
            }
            Event::Fired { action } => self.fire(action),
            Event::Decided { action, decision } => self.decide(action, decision),
            Event::Received { action, event, .. } => self.receive(action, event),
            Event::Message { action, message } => self.consume_message(action, message),
            Event::Signalled { event } => self.signal(event),
            Event::Paused { reason } => {
                self.record(None, || RecordKind::RunPaused { reason });
                self.is_paused = true;
            }
            Event::Resumed => {
                self.record(None, || RecordKind::RunResumed);
                self.is_paused = false;
            }
            Event::Migrated { from, to } => self.record(None, || RecordKind::RunMigrated { from, to }),
            Event::Exhausted { limit } => {
                self.is_paused = false;
                self.give_up(Failure::Faulted(WorkflowError::exhausted(limit)));
            }
            Event::Cancelled { reason } => {
                self.is_paused = false;
                self.leave_queue();
                self.give_up(Failure::Cancelled { reason });
            }
        }
    }

    fn work_off(&mut self) {
        let mut steps = 0;
        while let Some(work) = self.work.pop_front() {
            steps += u32::from(matches!(work, Work::Run { .. }));
            if steps > MAX_STEPS {
                self.fault(WorkflowError::runtime(format!(
                    "the workflow ran {MAX_STEPS} tasks without waiting for anything; does it loop for ever?"
                )));
                // What the run has done is still undone.
                steps = 0;
                continue;
            }
            match work {
                Work::Run { list, input } => self.run_next(list, input),
                Work::Begin { task } => self.begin_work(task),
                Work::Finish { task, output, then } => self.finish_task(task, output, then),
                Work::Fail { frame, error } => self.fail(frame, error),
            }
        }
    }

    fn start(&mut self, engine: &str) {
        self.start_from_queue();
        self.constants.insert("runtime", runtime_descriptor(engine));
        self.record(None, || RecordKind::RunStarted);
        // The first number is taken even if the input turns out unfit, so that the run counts as started.
        let root = self.number();
        if let Some(timeout) = self.workflow.timeout.clone() {
            match data::duration(&timeout, self.now, &self.facts.input, &self.constants) {
                Ok(length) => self.start_timer(None, Purpose::Timeout, length),
                Err(error) => return self.fault(error.at("/timeout")),
            }
        }
        let workflow = Arc::clone(&self.workflow);
        match data::shape_input(&workflow.input, &self.facts.input, &self.constants) {
            Ok(input) => {
                let list = List::Root(workflow);
                let kind = FrameKind::List {
                    list,
                    index: 0,
                    slot: 0,
                };
                let variables = self.constants.clone();
                self.insert(root, Frame::new(None, variables, kind));
                self.work.push_back(Work::Run { list: root, input });
            }
            Err(error) => self.fault(error.at("/input")),
        }
    }

    /// Ends the run with the output of its last task.
    fn complete(&mut self, output: Value) {
        if self.undoing.is_some() {
            return self.end_compensation();
        }
        self.stop_everything();
        let mut variables = self.constants.clone();
        variables.insert("context", Arc::clone(&self.context));
        match data::shape_output("the output", &self.workflow.output, output, &variables) {
            Ok(output) => {
                self.record(None, || RecordKind::RunCompleted {
                    output: output.clone(),
                });
                self.end(Outcome::Completed(output));
            }
            Err(error) => self.fault(error.at("/output")),
        }
    }

    fn fault(&mut self, error: WorkflowError) {
        if self.undoing.is_some() {
            self.fail_compensation(error);
        } else {
            self.give_up(Failure::Faulted(error));
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.transition.outcome = Some(outcome.clone());
        self.outcome = Some(outcome);
    }

    fn stop_everything(&mut self) {
        self.work.clear();
        for frame in std::mem::take(&mut self.frames).into_values() {
            if let FrameKind::Task(task) = frame.kind {
                self.tally(&task.task, task.started_at, TaskEnd::Cancelled);
            }
        }
        self.transition.begin.clear();
        for (action, pending) in std::mem::take(&mut self.actions) {
            self.transition.stop.push(action);
            if let Command::Approve { request } = pending.command {
                self.withdraw(request);
            }
        }
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn begin(&mut self, frame: Option<FrameId>, purpose: Purpose, command: Command) -> ActionId {
        let action = self.number();
        self.begin_as(action, frame, purpose, command);
        action
    }

    /// Begins an action whose number was taken before.
    fn begin_as(&mut self, action: ActionId, frame: Option<FrameId>, purpose: Purpose, command: Command) {
        self.transition.begin.push((action, command.clone()));
        if let Some(frame) = frame.and_then(|frame| self.frames.get_mut(&frame)) {
            frame.actions.insert(action);
        }
        self.actions.insert(
            action,
            Pending {
                frame,
                purpose,
                command,
            },
        );
    }

    /// What a call passes on. It is not computed when the call has its answer, see [`foresee`](Self::foresee): so `action`
    /// must be the call's own even if computing it fails, or the answer could be that of another call.
    fn passed_on<T: Default>(
        &self,
        action: ActionId,
        compute: impl FnOnce() -> Result<T, WorkflowError>,
    ) -> Result<T, WorkflowError> {
        if self.answered.contains(&action) {
            return Ok(T::default());
        }
        compute()
    }

    fn start_timer(&mut self, frame: Option<FrameId>, purpose: Purpose, length: std::time::Duration) {
        let at = self.after(length);
        self.begin(frame, purpose, Command::Timer { at });
    }

    fn after(&self, length: std::time::Duration) -> Timestamp {
        jiff::SignedDuration::try_from(length)
            .ok()
            .and_then(|length| self.now.checked_add(length).ok())
            .unwrap_or(Timestamp::MAX)
    }

    /// Forgets an action whose answer has come, and gives the task that began it.
    fn take_action(&mut self, action: ActionId) -> Option<FrameId> {
        self.forget_action(action)?.frame
    }

    fn forget_action(&mut self, action: ActionId) -> Option<Pending> {
        let pending = self.actions.remove(&action)?;
        if let Some(frame) = pending.frame.and_then(|frame| self.frames.get_mut(&frame)) {
            frame.actions.remove(&action);
        }
        Some(pending)
    }

    /// Adds a list or task to the tree of what is under way.
    fn insert(&mut self, id: FrameId, frame: Frame) {
        if let Some(parent) = frame.parent.and_then(|parent| self.frames.get_mut(&parent)) {
            parent.children.insert(id);
        }
        self.frames.insert(id, frame);
    }

    /// Forgets an action whose answer is no longer wanted.
    fn stop_action(&mut self, action: ActionId) {
        if let Some(pending) = self.forget_action(action) {
            if let Command::Approve { request } = pending.command {
                self.withdraw(request);
            }
            let begun_now = self
                .transition
                .begin
                .iter()
                .position(|(begun, _)| *begun == action);
            match begun_now {
                Some(index) => drop(self.transition.begin.remove(index)),
                None => self.transition.stop.push(action),
            }
        }
    }

    fn record(&mut self, task: Option<&str>, what: impl FnOnce() -> RecordKind) {
        self.record_step(task, None, what);
    }

    /// Notes what happened in one execution of a task.
    fn record_step(&mut self, task: Option<&str>, step: Option<FrameId>, what: impl FnOnce() -> RecordKind) {
        self.recorded += 1;
        if self.is_recording {
            let record = Record {
                at: self.now,
                task: task.map(str::to_owned),
                step,
                what: what(),
            };
            self.transition.records.push(record);
        }
    }
}
