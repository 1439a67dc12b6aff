//! Events: publishing them and waiting for them.

use std::collections::BTreeMap;

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
                correlated: BTreeMap::new(),
                outputs: Vec::new(),
                is_iterating: false,
                is_over: false,
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

    fn listening(&self, id: FrameId) -> Option<Ear<'_>> {
        let frame = self.frames.get(&id)?;
        let FrameKind::Task(task) = &frame.kind else {
            return None;
        };
        let (TaskKind::Listen(listen), TaskState::Listening(state)) = (&task.task.kind, &task.state) else {
            return None;
        };
        Some(Ear {
            strategy: &listen.to,
            until: match &listen.to {
                EventStrategy::Any {
                    until: Some(Until::Consumed(until)),
                    ..
                } => Some(until),
                _ => None,
            },
            state,
            input: &task.input,
            variables: self.variables(&frame.variables, task, None),
        })
    }

    fn accepts(&self, id: FrameId, event: &CloudEvent) -> bool {
        self.listening(id)
            .is_some_and(|ear| ear.part(event).is_some() || ear.ending(event).is_some())
    }

    fn consume(&mut self, id: FrameId, event: CloudEvent) {
        let Some(ear) = self.listening(id) else {
            return;
        };
        let (part, ending) = (ear.part(&event), ear.ending(&event));
        let ending = ending.and_then(|matched| Some((ear.until?.clone(), matched)));
        let (strategy, variables) = (ear.strategy.clone(), ear.variables);
        let event_type = event.kind.clone();
        let Some(TaskState::Listening(state)) = self.state(id) else {
            return;
        };
        let mut is_over = false;
        let mut is_part = false;
        if let Some((until, matched)) = ending {
            state.correlate(matched.correlated);
            is_over = satisfy(&until, &mut state.until_satisfied, matched.filter);
        } else if let Some(matched) = part {
            is_part = true;
            state.correlate(matched.correlated);
            state.consumed.push(event);
            is_over = match &strategy {
                EventStrategy::Any { until: Some(_), .. } => false,
                other => satisfy(other, &mut state.satisfied, matched.filter),
            };
        }
        let is_full = state.consumed.len() >= MAX_CONSUMED;
        let reference = self.task(id).map(|task| task.task.reference.clone());
        self.record_step(reference.as_deref(), Some(id), || RecordKind::TaskReceived {
            event_type,
        });
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
            return self.fail_listening(id, WorkflowError::runtime(detail));
        }
        if is_part {
            self.begin_listen_iteration(id);
        }
    }

    /// Stops to wait for events; the task ends at once, or when all its events are worked on.
    fn finish_listening(&mut self, id: FrameId) {
        if let Some(TaskState::Listening(state)) = self.state(id) {
            state.is_over = true;
            let action = state.action;
            self.stop_action(action);
        }
        if self.iterator(id).is_some() {
            self.begin_listen_iteration(id);
        } else {
            let output = self.consumed(id);
            self.finish_work(id, output);
        }
    }

    pub(super) fn fail_listening(&mut self, id: FrameId, error: WorkflowError) {
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
        Value::Array(
            state
                .consumed
                .iter()
                .map(|event| read(event, listen.read))
                .collect(),
        )
    }
}

/// What a task sees of an event.
pub(super) fn read(event: &CloudEvent, read: ReadAs) -> Value {
    match read {
        ReadAs::Data | ReadAs::Raw => event.data.clone().unwrap_or(Value::Null),
        ReadAs::Envelope => envelope(event),
    }
}

impl Listening {
    /// Notes what an event has in common with those that come later.
    fn correlate(&mut self, values: Vec<(String, Value)>) {
        for (name, value) in values {
            self.correlated.entry(name).or_insert(value);
        }
    }
}

/// What a task listens for, and what decides whether an event is it.
struct Ear<'a> {
    strategy: &'a EventStrategy,
    /// The events that end the wait.
    until: Option<&'a EventStrategy>,
    state: &'a Listening,
    input: &'a Value,
    variables: Variables,
}

/// How an event fits.
struct Match {
    /// The number of the filter that took it.
    filter: usize,
    /// What the events that follow must have in common with it.
    correlated: Vec<(String, Value)>,
}

impl Ear<'_> {
    /// How an event is one of those waited for.
    fn part(&self, event: &CloudEvent) -> Option<Match> {
        self.wanted(self.strategy, &self.state.satisfied, event)
    }

    /// How an event is one of those that end the wait.
    fn ending(&self, event: &CloudEvent) -> Option<Match> {
        self.wanted(self.until?, &self.state.until_satisfied, event)
    }

    /// Which filter of a strategy takes an event, if any does.
    fn wanted(&self, strategy: &EventStrategy, satisfied: &[bool], event: &CloudEvent) -> Option<Match> {
        let envelope = envelope(event);
        let find = |filters: &[EventFilter], is_open: &dyn Fn(usize) -> bool| {
            filters.iter().enumerate().find_map(|(index, filter)| {
                let correlated = is_open(index).then(|| self.passes(filter, &envelope))??;
                Some(Match {
                    filter: index,
                    correlated,
                })
            })
        };
        match strategy {
            EventStrategy::One(filter) => find(std::slice::from_ref(filter), &|_| true),
            EventStrategy::Any { filters, .. } if filters.is_empty() => Some(Match {
                filter: 0,
                correlated: Vec::new(),
            }),
            EventStrategy::Any { filters, .. } => find(filters, &|_| true),
            EventStrategy::All(filters) => {
                find(filters, &|index| !satisfied.get(index).copied().unwrap_or(true))
            }
        }
    }

    /// What an event that passes a filter has in common with those that follow; `None` when it does not pass.
    fn passes(&self, filter: &EventFilter, envelope: &Value) -> Option<Vec<(String, Value)>> {
        let fits = filter.attributes.iter().all(|(name, expected)| {
            let actual = envelope.get(name).unwrap_or(&Value::Null);
            match expected {
                AttributeFilter::Text { text, pattern } => actual.as_str().is_some_and(|actual| {
                    actual == text || pattern.as_ref().is_some_and(|pattern| pattern.is_match(actual))
                }),
                AttributeFilter::Value(value) => actual == value,
                // An event of another shape than the expression expects is simply not the one waited for.
                AttributeFilter::Expression(expression) => expression
                    .evaluate(actual, &self.variables)
                    .is_ok_and(|value| truthy(&value)),
            }
        });
        if !fits {
            return None;
        }
        let mut correlated = Vec::new();
        for (name, correlation) in &filter.correlations {
            // The same holds here, and an event without the value has nothing in common with any other.
            let value = correlation.from.evaluate(envelope, &self.variables).ok()?;
            if value.is_null() {
                return None;
            }
            let expected = match &correlation.expect {
                Some(expect) => Some(expect.evaluate(self.input, &self.variables).ok()?),
                None => self.state.correlated.get(name).cloned(),
            };
            match expected {
                Some(expected) if expected != value => return None,
                Some(_) => {}
                None => correlated.push((name.clone(), value)),
            }
        }
        Some(correlated)
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

fn envelope(event: &CloudEvent) -> Value {
    serde_json::to_value(event).unwrap_or_else(|_| Value::Object(Map::new()))
}
