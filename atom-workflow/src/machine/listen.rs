//! Events: publishing them and waiting for them.

use atom_core::CloudEvent;
use serde_json::{Map, Value};

use super::event::RecordKind;
use super::frame::{FrameId, FrameKind, Listening, Purpose, TaskState};
use super::{ActionId, Command, Machine, WorkflowError};
use crate::definition::{AttributeFilter, EventFilter, EventStrategy, Listen, ReadAs, TaskKind, Until};
use crate::expression::{Variables, truthy};

/// How many signals a run keeps for tasks that do not listen yet.
const MAX_SIGNALS: usize = 1000;

/// How many events one task can consume.
const MAX_CONSUMED: usize = 10_000;

impl Machine {
    /// The listening actions that want an event of the log.
    #[must_use]
    pub fn wants(&self, event: &CloudEvent) -> Vec<ActionId> {
        let listening = self
            .actions
            .iter()
            .filter(|(_, pending)| pending.command == Command::Listen);
        listening
            .filter(|(_, pending)| pending.frame.is_some_and(|frame| self.accepts(frame, event)))
            .map(|(action, _)| *action)
            .collect()
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
        let source = format!("atom:/runs/{}", self.facts.run);
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

    pub(super) fn begin_listening(&mut self, id: FrameId, listen: &Listen) {
        let filters = |strategy: &EventStrategy| match strategy {
            EventStrategy::All(filters) => filters.len(),
            _ => 0,
        };
        let until = match &listen.to {
            EventStrategy::Any {
                until: Some(Until::Consumed(strategy)),
                ..
            } => filters(strategy),
            _ => 0,
        };
        let action = self.begin(Some(id), Purpose::Work, Command::Listen);
        self.set_state(
            id,
            TaskState::Listening(Listening {
                action,
                consumed: Vec::new(),
                satisfied: vec![false; filters(&listen.to)],
                until_satisfied: vec![false; until],
            }),
        );
        if matches!(&listen.to, EventStrategy::All(filters) if filters.is_empty()) {
            return self.finish_listening(id);
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

    fn listening(&self, id: FrameId) -> Option<(&EventStrategy, &Listening, Variables)> {
        let frame = self.frames.get(&id)?;
        let FrameKind::Task(task) = &frame.kind else {
            return None;
        };
        let (TaskKind::Listen(listen), TaskState::Listening(state)) = (&task.task.kind, &task.state) else {
            return None;
        };
        Some((&listen.to, state, self.variables(&frame.variables, task, None)))
    }

    fn accepts(&self, id: FrameId, event: &CloudEvent) -> bool {
        let Some((strategy, state, variables)) = self.listening(id) else {
            return false;
        };
        let until = match strategy {
            EventStrategy::Any {
                until: Some(Until::Consumed(until)),
                ..
            } => Some(until.as_ref()),
            _ => None,
        };
        wanted(strategy, &state.satisfied, event, &variables).is_some()
            || until.is_some_and(|until| wanted(until, &state.until_satisfied, event, &variables).is_some())
    }

    fn consume(&mut self, id: FrameId, event: CloudEvent) {
        let Some((strategy, state, variables)) = self.listening(id) else {
            return;
        };
        let part = wanted(strategy, &state.satisfied, &event, &variables);
        let ending = match strategy {
            EventStrategy::Any {
                until: Some(Until::Consumed(until)),
                ..
            } => wanted(until, &state.until_satisfied, &event, &variables)
                .map(|index| (until.as_ref().clone(), index)),
            _ => None,
        };
        let strategy = strategy.clone();
        let event_type = event.kind.clone();
        let Some(TaskState::Listening(state)) = self.state(id) else {
            return;
        };
        let mut is_over = false;
        if let Some((until, index)) = ending {
            is_over = satisfy(&until, &mut state.until_satisfied, index);
        } else if let Some(index) = part {
            state.consumed.push(event);
            is_over = match &strategy {
                EventStrategy::Any { until: Some(_), .. } => false,
                other => satisfy(other, &mut state.satisfied, index),
            };
        }
        let is_full = state.consumed.len() >= MAX_CONSUMED;
        let reference = self.task(id).map(|task| task.task.reference.clone());
        self.record(reference.as_deref(), || RecordKind::TaskReceived { event_type });
        if let EventStrategy::Any {
            until: Some(Until::Condition(condition)),
            ..
        } = &strategy
        {
            match condition.evaluate(&self.consumed(id), &variables) {
                Ok(value) => is_over = truthy(&value),
                Err(error) => return self.fail_listening(id, WorkflowError::expression(&error)),
            }
        }
        if is_over {
            self.finish_listening(id);
        } else if is_full {
            let detail = format!("the task consumed {MAX_CONSUMED} events without an end");
            self.fail_listening(id, WorkflowError::runtime(detail));
        }
    }

    fn finish_listening(&mut self, id: FrameId) {
        let output = self.consumed(id);
        if let Some(TaskState::Listening(state)) = self.state(id) {
            let action = state.action;
            self.stop_action(action);
        }
        self.finish_work(id, output);
    }

    fn fail_listening(&mut self, id: FrameId, error: WorkflowError) {
        self.work.push_back(super::frame::Work::Fail { frame: id, error });
    }

    /// The events consumed so far, as the task reads them.
    fn consumed(&self, id: FrameId) -> Value {
        let Some(task) = self.task(id) else {
            return Value::Null;
        };
        let (TaskKind::Listen(listen), TaskState::Listening(state)) = (&task.task.kind, &task.state) else {
            return Value::Null;
        };
        let read = |event: &CloudEvent| match listen.read {
            ReadAs::Data | ReadAs::Raw => event.data.clone().unwrap_or(Value::Null),
            ReadAs::Envelope => envelope(event),
        };
        Value::Array(state.consumed.iter().map(read).collect())
    }
}

/// Which filter of a strategy takes an event, if any does.
fn wanted(
    strategy: &EventStrategy,
    satisfied: &[bool],
    event: &CloudEvent,
    variables: &Variables,
) -> Option<usize> {
    match strategy {
        EventStrategy::One(filter) => passes(filter, event, variables).then_some(0),
        EventStrategy::Any { filters, .. } if filters.is_empty() => Some(0),
        EventStrategy::Any { filters, .. } => {
            filters.iter().position(|filter| passes(filter, event, variables))
        }
        EventStrategy::All(filters) => filters.iter().enumerate().position(|(index, filter)| {
            !satisfied.get(index).copied().unwrap_or(true) && passes(filter, event, variables)
        }),
    }
}

/// Notes that a filter had its event; tells whether the strategy has all it waits for.
fn satisfy(strategy: &EventStrategy, satisfied: &mut [bool], index: usize) -> bool {
    match strategy {
        EventStrategy::One(_) | EventStrategy::Any { .. } => true,
        EventStrategy::All(_) => {
            if let Some(filter) = satisfied.get_mut(index) {
                *filter = true;
            }
            satisfied.iter().all(|is_satisfied| *is_satisfied)
        }
    }
}

fn passes(filter: &EventFilter, event: &CloudEvent, variables: &Variables) -> bool {
    let envelope = envelope(event);
    filter.attributes.iter().all(|(name, expected)| {
        let actual = envelope.get(name).unwrap_or(&Value::Null);
        match expected {
            AttributeFilter::Text { text, pattern } => actual.as_str().is_some_and(|actual| {
                actual == text || pattern.as_ref().is_some_and(|pattern| pattern.is_match(actual))
            }),
            AttributeFilter::Value(value) => actual == value,
            // An event of another shape than the expression expects is simply not the one waited for.
            AttributeFilter::Expression(expression) => expression
                .evaluate(actual, variables)
                .is_ok_and(|value| truthy(&value)),
        }
    })
}

fn envelope(event: &CloudEvent) -> Value {
    serde_json::to_value(event).unwrap_or_else(|_| Value::Object(Map::new()))
}
