//! Events: publishing them and waiting for them.

use std::sync::Arc;

use atom_core::CloudEvent;
use serde_json::Value;

use super::event::RecordKind;
use super::frame::{Consuming, FrameId, FrameKind, Purpose, TaskState};
use super::{ActionId, Command, Machine, WorkflowError};
use crate::consumption::{Consumption, Wanted, is_lifecycle};
use crate::definition::{EventStrategy, Listen, Task, TaskKind};
use crate::expression::Variables;

/// How many signals a run keeps for tasks that do not listen yet.
const MAX_SIGNALS: usize = 1000;

impl Machine {
    /// The listening actions that want an event of the log.
    #[must_use]
    pub fn wants(&self, event: &CloudEvent) -> Vec<ActionId> {
        // What becomes of the run itself is nothing that it could wait for without keeping itself busy.
        if is_lifecycle(event) && event.source == self.source() {
            return Vec::new();
        }
        let listening = self
            .actions
            .iter()
            .filter(|(_, pending)| pending.command == Command::Listen);
        listening
            .filter(|(_, pending)| pending.frame.is_some_and(|frame| self.accepts(frame, event)))
            .map(|(action, _)| *action)
            .collect()
    }

    /// The types of the events that the run listens for, as its filters write them; none when it may want any type.
    #[must_use]
    pub fn listened_types(&self) -> Option<Vec<String>> {
        let mut types = Vec::new();
        for pending in self.actions.values() {
            if pending.command == Command::Listen {
                let task = pending.frame.and_then(|frame| self.task(frame))?;
                let TaskKind::Listen(listen) = &task.task.kind else {
                    return None;
                };
                listen.to.types(&mut types)?;
            }
        }
        types.sort_unstable();
        types.dedup();
        Some(types)
    }

    /// Whether the run has room for another signal.
    #[must_use]
    pub fn can_take_signal(&self) -> bool {
        self.signals.len() < MAX_SIGNALS
    }

    /// Makes the event that a task emits. What the document leaves out follows from the run.
    pub(super) fn make_event(&mut self, attributes: Value) -> Result<CloudEvent, WorkflowError> {
        super::data::check_depth(&attributes)?;
        let Value::Object(mut attributes) = attributes else {
            return Err(WorkflowError::configuration(
                "the attributes of an event must be an object",
            ));
        };
        let id = self
            .facts
            .run
            .derive(&format!("event:{}", self.number()))
            .to_string();
        let source = self.source();
        for (name, value) in [("id", id), ("source", source), ("time", self.now.to_string())] {
            attributes.entry(name).or_insert(Value::String(value));
        }
        attributes
            .entry("specversion")
            .or_insert_with(|| Value::from("1.0"));
        let event: CloudEvent = serde_json::from_value(Value::Object(attributes))
            .map_err(|problem| WorkflowError::configuration(format!("the event is malformed: {problem}")))?;
        event
            .validate()
            .map_err(|error| WorkflowError::validation(&error))?;
        Ok(event)
    }

    /// Where the events of the run come from.
    fn source(&self) -> String {
        format!("atom:/runs/{}", self.facts.run)
    }

    pub(super) fn begin_listening(&mut self, id: FrameId, listen: &Listen) {
        let action = self.begin(Some(id), Purpose::Work, Command::Listen);
        self.set_state(
            id,
            TaskState::Consuming(Consuming::new(action, Consumption::new(&listen.to))),
        );
        if matches!(&listen.to, EventStrategy::All(filters) if filters.is_empty()) {
            return self.finish_consuming(id);
        }
        // Signals that came early are offered first, oldest first; what the task does not want stays.
        let mut kept = std::collections::VecDeque::new();
        while let Some(event) = self.signals.pop_front() {
            if self.actions.contains_key(&action) && self.accepts(id, &event) {
                self.consume(id, event);
            } else {
                kept.push_back(event);
            }
        }
        self.signals = kept;
    }

    pub(super) fn receive(&mut self, action: ActionId, event: CloudEvent) {
        let Some(frame) = self.actions.get(&action).and_then(|pending| pending.frame) else {
            return;
        };
        if self.accepts(frame, &event) {
            self.consume(frame, event);
        }
    }

    pub(super) fn signal(&mut self, event: CloudEvent) {
        self.record(None, || RecordKind::RunSignalled {
            event_type: event.kind.clone(),
        });
        match self
            .wants(&event)
            .first()
            .and_then(|action| self.actions.get(action)?.frame)
        {
            Some(frame) => self.consume(frame, event),
            None => self.signals.push_back(event),
        }
    }

    /// What a task listens for.
    fn ear(&self, id: FrameId) -> Option<Ear> {
        let frame = self.frames.get(&id)?;
        let FrameKind::Task(task) = &frame.kind else {
            return None;
        };
        Some(Ear {
            variables: self.variables(&frame.variables, task, None),
            task: Arc::clone(&task.task),
            input: Arc::clone(&task.input),
        })
    }

    fn accepts(&self, id: FrameId, event: &CloudEvent) -> bool {
        let Some(FrameKind::Task(task)) = self.frames.get(&id).map(|frame| &frame.kind) else {
            return false;
        };
        let TaskState::Consuming(state) = &task.state else {
            return false;
        };
        self.ear(id).is_some_and(|ear| {
            ear.wanted()
                .is_some_and(|wanted| state.consumption.accepts(&wanted, event))
        })
    }

    fn consume(&mut self, id: FrameId, event: CloudEvent) {
        let event_type = event.kind.clone();
        let Some(ear) = self.ear(id) else {
            return;
        };
        let (Some(wanted), Some(TaskState::Consuming(state))) = (ear.wanted(), self.state(id)) else {
            return;
        };
        let is_over = state.consumption.consume(&wanted, event);
        let reference = self.task(id).map(|task| task.task.reference.clone());
        self.record_step(reference.as_deref(), Some(id), || RecordKind::TaskReceived {
            event_type,
        });
        match is_over {
            Ok(is_over) => self.consumed(id, is_over),
            Err(error) => self.fail_consuming(id, WorkflowError::expression(&error)),
        }
    }
}

/// What a task listens for, apart from the machine that changes.
struct Ear {
    task: Arc<Task>,
    input: Arc<Value>,
    variables: Variables,
}

impl Ear {
    fn wanted(&self) -> Option<Wanted<'_>> {
        let TaskKind::Listen(listen) = &self.task.kind else {
            return None;
        };
        Some(Wanted {
            strategy: &listen.to,
            read: listen.read,
            input: &self.input,
            variables: &self.variables,
        })
    }
}
