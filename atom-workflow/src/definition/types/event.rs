//! Which events are waited for, and what is done with them.

use serde_json::Value;

use super::{Output, TaskList};
use crate::expression::{Expression, Template, Variables, truthy};

/// A wait for events.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Which events, and how many.
    pub to: EventStrategy,
    /// What of each event becomes the output.
    pub read: ReadAs,
    /// What is done with each event as it comes; the outputs of that become the output then.
    pub foreach: Option<SubscriptionIterator>,
}

/// What is done with each event or message that a task consumes, one after the other.
#[derive(Clone, Debug)]
pub struct SubscriptionIterator {
    /// The variable that holds the event or message, without `$`; `item` by default.
    pub item: String,
    /// The variable that holds its number from 0, without `$`; `index` by default.
    pub at: String,
    /// What runs for it, with the event or message as its input; may be empty.
    pub tasks: TaskList,
    /// What of the tasks' output becomes part of the output.
    pub output: Output,
    /// What it leaves in the context.
    pub export: Option<Output>,
}

/// Which events are waited for.
#[derive(Clone, Debug)]
pub enum EventStrategy {
    /// One event that passes the filter.
    One(EventFilter),
    /// One event for each filter.
    All(Vec<EventFilter>),
    /// An event that passes any of the filters (every event when there are none), once or until a condition holds.
    Any {
        /// The filters.
        filters: Vec<EventFilter>,
        /// When to stop; after the first event when absent.
        until: Option<Until>,
    },
}

impl EventStrategy {
    /// Adds the types that its filters name; nothing is known when one of them may take any type.
    pub(crate) fn types(&self, types: &mut Vec<String>) -> Option<()> {
        let (filters, until) = match self {
            Self::One(filter) => (std::slice::from_ref(filter), None),
            Self::All(filters) => (filters.as_slice(), None),
            Self::Any { filters, .. } if filters.is_empty() => return None,
            Self::Any { filters, until } => (filters.as_slice(), until.as_ref()),
        };
        for filter in filters {
            types.push(filter.named_type()?.to_owned());
        }
        match until {
            Some(Until::Consumed(strategy)) => strategy.types(types),
            Some(Until::Condition(_)) | None => Some(()),
        }
    }
}

/// When to stop collecting events.
#[derive(Clone, Debug)]
pub enum Until {
    /// Once the expression is true of the array of events consumed so far.
    Condition(Expression),
    /// Once these events have come, which are not part of the output.
    Consumed(Box<EventStrategy>),
}

/// Which events are of interest.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Attributes and what they must be.
    pub attributes: Vec<(String, AttributeFilter)>,
    /// Values that the events of a task have in common, by name.
    pub correlations: Vec<(String, Correlation)>,
}

impl EventFilter {
    /// The type that it names. As a pattern it may have dots, and nothing else that stands for other characters.
    fn named_type(&self) -> Option<&str> {
        let is_plain = |character: char| character.is_alphanumeric() || "._-/:".contains(character);
        self.attributes.iter().find_map(|(name, filter)| match filter {
            AttributeFilter::Text { text, .. } if name == "type" && text.chars().all(is_plain) => {
                Some(text.as_str())
            }
            _ => None,
        })
    }

    /// Whether it says which type an event must have.
    pub(crate) fn asks_for_type(&self) -> bool {
        self.attributes.iter().any(|(name, _)| name == "type")
    }
}

/// A value that the events of a task have in common.
#[derive(Clone, Debug)]
pub struct Correlation {
    /// Gives the value from the event.
    pub from: Expression,
    /// What it must be, computed from the task's input; absent for whatever the first event has.
    pub expect: Option<Template>,
}

/// What an attribute of an event must be.
#[derive(Clone, Debug)]
pub enum AttributeFilter {
    /// A text equal to this, or wholly matched by it as a regular expression.
    Text {
        /// The text as written.
        text: String,
        /// The text as a regular expression over the whole value, when it is one.
        pattern: Option<regex::Regex>,
    },
    /// Equal to this value.
    Value(Value),
    /// An expression over the attribute's value (`data` for the data) that must be true.
    Expression(Expression),
    /// A list with as many items, each as this says.
    List(Vec<Self>),
    /// An object with the same members, each as this says.
    Object(Vec<(String, Self)>),
}

impl AttributeFilter {
    /// Whether a value is what it must be.
    pub(crate) fn fits(&self, actual: &Value, variables: &Variables) -> bool {
        match self {
            Self::Text { text, pattern } => actual.as_str().is_some_and(|actual| {
                actual == text || pattern.as_ref().is_some_and(|pattern| pattern.is_match(actual))
            }),
            Self::Value(value) => actual == value,
            // An event of another shape than the expression expects is simply not the one waited for.
            Self::Expression(expression) => expression
                .evaluate(actual, variables)
                .is_ok_and(|value| truthy(&value)),
            Self::List(items) => actual.as_array().is_some_and(|actual| {
                let mut pairs = items.iter().zip(actual);
                actual.len() == items.len() && pairs.all(|(item, actual)| item.fits(actual, variables))
            }),
            Self::Object(members) => actual.as_object().is_some_and(|actual| {
                let fits = |name: &str, member: &Self| {
                    let actual = actual.get(name);
                    actual.is_some_and(|actual| member.fits(actual, variables))
                };
                actual.len() == members.len() && members.iter().all(|(name, member)| fits(name, member))
            }),
        }
    }

    /// Adds the expressions in it.
    pub(crate) fn expressions<'a>(&'a self, found: &mut Vec<&'a Expression>) {
        match self {
            Self::Text { .. } | Self::Value(_) => {}
            Self::Expression(expression) => found.push(expression),
            Self::List(items) => items.iter().for_each(|item| item.expressions(found)),
            Self::Object(members) => members.iter().for_each(|(_, member)| member.expressions(found)),
        }
    }
}

/// What of an event is passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadAs {
    /// Its data.
    #[default]
    Data,
    /// The whole event.
    Envelope,
    /// Its data as it came. The same as `data`: events carry JSON.
    Raw,
}
