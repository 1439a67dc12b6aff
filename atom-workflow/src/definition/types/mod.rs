//! The types of an Open Workflow 1.0.3 document, checked and compiled.
//!
//! Names follow the specification's own (<https://open-workflow-specification.org/schemas/1.0.3/workflow.yaml>).
//! Expressions are compiled and references (`use.retries`, `use.errors`, …) resolved when a document is read,
//! so that nothing here can turn out malformed when a run needs it.

mod approve;
mod call;
mod data;
mod error;
mod event;
mod extension;
mod run;
mod schedule;
mod task;
mod workflow;

pub use approve::{Approve, Form};
pub use call::{Call, CallTarget, Consume, Subscribe};
pub use data::{DurationSpec, Input, Output, Transform};
pub use error::{Backoff, Raise, RetryPolicy, Try};
pub use event::{
    AttributeFilter, Correlation, EventFilter, EventStrategy, Listen, ReadAs, SubscriptionIterator, Until,
};
pub use extension::{Extension, ExtensionTarget};
pub use run::{ProcessKind, Returned, RunProcess, RunWorkflow};
pub use schedule::{EventTrigger, Trigger};
pub use task::{FlowDirective, For, Fork, SwitchCase, Task, TaskKind, TaskList};
pub(crate) use workflow::Mentions;
pub use workflow::{Document, MINIMUM_RETENTION, Retention, UnsupportedFeature, Workflow};
