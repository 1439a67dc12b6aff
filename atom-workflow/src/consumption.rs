//! Which events are consumed, for tasks that listen and for schedules that wait for events: the event consumption
//! strategy of Open Workflow 1.0.3. Subscriptions keep their messages here, too.
//!
//! Pure: an event, what was consumed before it and what it is compared with decide.

use std::collections::BTreeMap;

use atom_core::{CloudEvent, Error};
use serde_json::{Map, Value};

use crate::definition::{EventFilter, EventStrategy, ReadAs, Until};
use crate::expression::{Variables, truthy};

/// How many events or messages one task, or one run that events start, can consume.
const MAX_CONSUMED: usize = 10_000;

/// How long all of them may be as JSON, in bytes.
const MAX_CONSUMED_BYTES: usize = 16 * 1024 * 1024;

/// How the ids and types of events begin that tell what becomes of runs.
pub(crate) const LIFECYCLE_ID: &str = "lifecycle/";
pub(crate) const LIFECYCLE_TYPE: &str = "io.serverlessworkflow.";

/// Whether an event tells what becomes of a run. Only filters that ask for its type take it: a run or schedule that takes
/// any event would be kept busy by what it leads to itself.
pub(crate) fn is_lifecycle(event: &CloudEvent) -> bool {
    event.id.starts_with(LIFECYCLE_ID)
        && event.kind.starts_with(LIFECYCLE_TYPE)
        && event.source.starts_with("atom:/runs/")
}

/// What is waited for, and what expressions see.
pub(crate) struct Wanted<'a> {
    pub(crate) strategy: &'a EventStrategy,
    /// What of each event is kept.
    pub(crate) read: ReadAs,
    /// What `expect` is computed from.
    pub(crate) input: &'a Value,
    pub(crate) variables: &'a Variables,
}

/// What was consumed so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Consumption {
    /// What is part of the output, as it is read.
    pub(crate) items: Vec<Value>,
    /// How long the items are as JSON, in bytes.
    bytes: usize,
    /// Which filters of `all` have had their event.
    satisfied: Vec<bool>,
    /// The same for the strategy that ends the wait.
    until_satisfied: Vec<bool>,
    /// What the events consumed so far have in common.
    correlated: BTreeMap<String, Value>,
}

/// How an event fits.
struct Match {
    /// The number of the filter that took it.
    filter: usize,
    /// What the events that follow must have in common with it.
    correlated: Vec<(String, Value)>,
}

impl Wanted<'_> {
    /// The events that end the wait.
    fn until(&self) -> Option<&EventStrategy> {
        match self.strategy {
            EventStrategy::Any {
                until: Some(Until::Consumed(until)),
                ..
            } => Some(until),
            _ => None,
        }
    }
}

impl Consumption {
    /// Nothing consumed yet.
    pub(crate) fn new(strategy: &EventStrategy) -> Self {
        let filters = |strategy: &EventStrategy| match strategy {
            EventStrategy::All(filters) => filters.len(),
            _ => 0,
        };
        let until = match strategy {
            EventStrategy::Any {
                until: Some(Until::Consumed(strategy)),
                ..
            } => filters(strategy),
            _ => 0,
        };
        Self {
            satisfied: vec![false; filters(strategy)],
            until_satisfied: vec![false; until],
            ..Self::default()
        }
    }

    /// Whether anything was consumed, be it as a part of the output or not.
    pub(crate) fn has_begun(&self) -> bool {
        !self.items.is_empty() || self.until_satisfied.contains(&true)
    }

    /// Whether an event would be consumed.
    pub(crate) fn accepts(&self, wanted: &Wanted<'_>, event: &CloudEvent) -> bool {
        self.part(wanted, event).is_some() || self.ending(wanted, event).is_some()
    }

    /// Consumes an event that is [accepted](Self::accepts), and tells whether there is nothing more to wait for.
    ///
    /// # Errors
    /// Those of the condition that ends the wait; the event is consumed then.
    pub(crate) fn consume(&mut self, wanted: &Wanted<'_>, event: CloudEvent) -> Result<bool, Error> {
        let (part, ending) = (self.part(wanted, &event), self.ending(wanted, &event));
        let ending = ending.and_then(|matched| Some((wanted.until()?, matched)));
        let mut is_over = false;
        if let Some((until, matched)) = ending {
            self.correlate(matched.correlated);
            is_over = satisfy(until, &mut self.until_satisfied, matched.filter);
        } else if let Some(matched) = part {
            self.correlate(matched.correlated);
            self.keep(read(&event, wanted.read));
            is_over = match wanted.strategy {
                EventStrategy::Any { until: Some(_), .. } => false,
                other => satisfy(other, &mut self.satisfied, matched.filter),
            };
        }
        if let EventStrategy::Any {
            until: Some(Until::Condition(condition)),
            ..
        } = wanted.strategy
        {
            let items = Value::Array(self.items.clone());
            is_over = truthy(&condition.evaluate(&items, wanted.variables)?);
        }
        Ok(is_over)
    }

    /// Keeps an item as a part of the output.
    pub(crate) fn keep(&mut self, item: Value) {
        let bytes = serde_json::to_string(&item).map_or(usize::MAX, |text| text.len());
        self.bytes = self.bytes.saturating_add(bytes);
        self.items.push(item);
    }

    /// What is too much, if more was consumed than may be.
    pub(crate) fn excess(&self, is_over: bool) -> Option<String> {
        if self.bytes > MAX_CONSUMED_BYTES {
            Some(format!("what came is longer than {MAX_CONSUMED_BYTES} bytes"))
        } else if !is_over && self.items.len() >= MAX_CONSUMED {
            Some(format!("{MAX_CONSUMED} events or messages came without an end"))
        } else {
            None
        }
    }

    /// Notes what an event has in common with those that come later.
    fn correlate(&mut self, values: Vec<(String, Value)>) {
        for (name, value) in values {
            self.correlated.entry(name).or_insert(value);
        }
    }

    /// How an event is one of those waited for.
    fn part(&self, wanted: &Wanted<'_>, event: &CloudEvent) -> Option<Match> {
        self.matched(wanted, wanted.strategy, &self.satisfied, event)
    }

    /// How an event is one of those that end the wait.
    fn ending(&self, wanted: &Wanted<'_>, event: &CloudEvent) -> Option<Match> {
        self.matched(wanted, wanted.until()?, &self.until_satisfied, event)
    }

    /// Which filter of a strategy takes an event, if any does.
    fn matched(
        &self,
        wanted: &Wanted<'_>,
        strategy: &EventStrategy,
        satisfied: &[bool],
        event: &CloudEvent,
    ) -> Option<Match> {
        let is_lifecycle = is_lifecycle(event);
        let envelope = envelope(event);
        let find = |filters: &[EventFilter], is_open: &dyn Fn(usize) -> bool| {
            filters.iter().enumerate().find_map(|(index, filter)| {
                let correlated = (is_open(index) && (!is_lifecycle || filter.asks_for_type()))
                    .then(|| self.passes(wanted, filter, &envelope))??;
                Some(Match {
                    filter: index,
                    correlated,
                })
            })
        };
        match strategy {
            EventStrategy::One(filter) => find(std::slice::from_ref(filter), &|_| true),
            EventStrategy::Any { filters, .. } if filters.is_empty() => (!is_lifecycle).then(|| Match {
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
    fn passes(
        &self,
        wanted: &Wanted<'_>,
        filter: &EventFilter,
        envelope: &Value,
    ) -> Option<Vec<(String, Value)>> {
        let fits = filter.attributes.iter().all(|(name, expected)| {
            let actual = envelope.get(name).unwrap_or(&Value::Null);
            expected.fits(actual, wanted.variables)
        });
        if !fits {
            return None;
        }
        let mut correlated = Vec::new();
        for (name, correlation) in &filter.correlations {
            // An event that the expression does not expect is simply not the one waited for, and one without the value has nothing in common with any other.
            let value = correlation.from.evaluate(envelope, wanted.variables).ok()?;
            if value.is_null() {
                return None;
            }
            let expected = match &correlation.expect {
                Some(expect) => Some(expect.evaluate(wanted.input, wanted.variables).ok()?),
                None => self.correlated.get(name).cloned(),
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

/// What is seen of an event.
fn read(event: &CloudEvent, read: ReadAs) -> Value {
    match read {
        ReadAs::Data | ReadAs::Raw => event.data.clone().unwrap_or(Value::Null),
        ReadAs::Envelope => envelope(event),
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
