//! Calls and subscriptions.

use std::sync::Arc;

use super::{DurationSpec, SubscriptionIterator, Task};
use crate::expression::{Expression, Template};

/// A call and its arguments.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is called.
    pub target: CallTarget,
    /// `with`: the arguments; an empty object when absent.
    pub arguments: Template,
}

/// What a call reaches.
#[derive(Clone, Debug)]
pub enum CallTarget {
    /// `call: http`.
    Http,
    /// `call: openapi`.
    OpenApi,
    /// `call: a2a`.
    A2a,
    /// `call: mcp`.
    Mcp,
    /// `call: grpc`.
    Grpc,
    /// `call: asyncapi` with a `message` to publish.
    AsyncApi,
    /// A function registered with the engine.
    Function(String),
    /// A task of `use.functions`, run with the arguments as its input.
    Defined(Arc<Task>),
    /// A task of a catalog or at a URI, run with the arguments as its input and without the secrets of the document.
    External(Arc<Task>),
}

impl CallTarget {
    /// The registered function behind it; none for a task of the document.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Http => Some("http"),
            Self::OpenApi => Some("openapi"),
            Self::A2a => Some("a2a"),
            Self::Mcp => Some("mcp"),
            Self::Grpc => Some("grpc"),
            Self::AsyncApi => Some("asyncapi"),
            Self::Function(name) => Some(name),
            Self::Defined(_) | Self::External(_) => None,
        }
    }

    /// The task behind it, for a function that is a task.
    #[must_use]
    pub fn task(&self) -> Option<&Arc<Task>> {
        match self {
            Self::Defined(task) | Self::External(task) => Some(task),
            _ => None,
        }
    }
}

/// A subscription to messages.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// What is subscribed to: `with` without `subscription`.
    pub arguments: Template,
    /// `filter`: which messages are consumed; all when absent.
    pub filter: Option<Expression>,
    /// How many messages are consumed.
    pub consume: Consume,
    /// `consume.for`: how long messages are consumed at most.
    pub length: Option<DurationSpec>,
    /// What is done with each message as it comes; the outputs of that become the output then.
    pub foreach: Option<SubscriptionIterator>,
}

/// How many messages a subscription consumes.
#[derive(Clone, Debug)]
pub enum Consume {
    /// So many.
    Amount(u64),
    /// For as long as the expression is true after a message.
    While(Expression),
    /// Until the expression is true before a message.
    Until(Expression),
}
