//! Reads Open Workflow 1.0.3 documents, YAML or JSON, into checked and compiled types.
//!
//! ```
//! use atom_workflow::definition::Workflow;
//!
//! let workflow = Workflow::parse(
//!     "
//! document: {dsl: 1.0.3, namespace: examples, name: greeting, version: 1.0.0}
//! do:
//!   - greet:
//!       set:
//!         message: ${ \"Hello \\(.name)\" }
//! ",
//! )?;
//! assert_eq!(workflow.tasks.tasks[0].name, "greet");
//!
//! let error = Workflow::parse("document: {dsl: 1.0.3}\ndo: []").unwrap_err();
//! assert_eq!(error.message(), "line 1, column 11: /document: the key 'namespace' is missing");
//! # Ok::<(), atom_core::Error>(())
//! ```

mod builder;
mod cron;
mod data_schema;
mod diff;
mod duration;
mod graph;
mod inspect;
mod limits;
mod problem;
mod reader;
mod resource;
mod scalar;
mod template;
mod types;
mod yaml;

#[cfg(test)]
mod schema_tests;

pub use cron::Cron;
#[cfg(feature = "temporal")]
pub(crate) use cron::Dates;
pub use data_schema::DataSchema;
pub use diff::{ChangedResource, ChangedTask, MemberChange, MovedTask, TaskPlace, WorkflowDiff};
pub use duration::{CalendarDuration, parse_duration};
pub use graph::graph;
pub use limits::{ConcurrencySpec, LimitSpec, PrioritySpec, RateLimitSpec};
pub(crate) use reader::shortened;
pub use resource::{Bundle, DEFAULT_CATALOG, Resource, ResourceReference};
pub use template::{Naming, WorkflowTemplate};
pub use types::*;

use atom_core::{Error, Result};

impl Workflow {
    /// Reads a document, YAML or JSON, and checks it against the rules of Open Workflow 1.0.3
    /// (<https://open-workflow-specification.org/schemas/1.0.3/workflow.yaml>).
    ///
    /// A text has at most 4 MiB, 200,000 values (those that aliases repeat included) and 255 levels.
    /// What is valid but not carried out by this engine is listed in [`Workflow::unsupported`], and what stands elsewhere in
    /// [`Workflow::unresolved`]: a [`Bundle`] reads a document together with that.
    ///
    /// # Errors
    /// `invalid_workflow` for the first problem; the context holds its `line` and `column`, from 1, and its
    /// `path`, a JSON pointer.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Bundle::new(text).parse()
    }
}
