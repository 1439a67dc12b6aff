//! A workflow as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{DurationSpec, Extension, Input, Output, TaskList, Trigger};
use crate::definition::{LimitSpec, Resource, ResourceReference};
use crate::expression::{Expression, Template};

/// A whole workflow document.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// Names the workflow.
    pub document: Document,
    /// Checks and shapes the input of a run.
    pub input: Input,
    /// Checks and shapes the output of a run.
    pub output: Output,
    /// What a run does.
    pub tasks: TaskList,
    /// What starts runs by itself, each of another kind; empty when nothing does.
    pub schedule: Vec<Trigger>,
    /// How long a run may take.
    pub timeout: Option<DurationSpec>,
    /// The names of the secrets that expressions may read.
    pub secrets: Vec<String>,
    /// What runs around tasks, the outermost first.
    pub extensions: Vec<Arc<Extension>>,
    /// Authentication policies by name, as templates.
    pub authentications: BTreeMap<String, Template>,
    /// `document.metadata.atom.idempotencyKey`: gives the key under which a run is started once, from its input.
    pub idempotency_key: Option<Expression>,
    /// `document.metadata.atom.index`: what runs can be found by, computed from their input.
    pub index: BTreeMap<String, Expression>,
    /// `document.metadata.atom.retention`: how long runs are kept once they have ended.
    pub retention: Retention,
    /// `document.metadata.atom`: how many runs go on at once.
    pub limits: Option<LimitSpec>,
    /// Valid parts of the document that this engine does not carry out; a document with any cannot be deployed.
    pub unsupported: Vec<UnsupportedFeature>,
    /// The resources it refers to that have not been read; a document with any cannot be deployed or run.
    pub unresolved: Vec<ResourceReference>,
    /// The resources it refers to that were read.
    pub resources: Vec<Resource>,
    /// Which of the variables that cost something it may read.
    pub(crate) mentions: Mentions,
    /// The document as JSON: what `$workflow.definition` shows.
    pub source: Arc<Value>,
    /// SHA-256 of the document as canonical JSON (keys sorted, no white space), in hexadecimal; of the document and the texts
    /// of its resources when it refers to any.
    pub hash: String,
}

/// Variables that the text of a document has anywhere, and thus its expressions may read. Computing them costs a copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mentions {
    /// `$workflow`.
    pub(crate) workflow: bool,
    /// `$task`.
    pub(crate) task: bool,
}

/// A valid part of a document that the engine does not carry out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct UnsupportedFeature {
    /// What it is, e.g. `use.catalogs`.
    pub feature: String,
    /// Where it stands, a JSON pointer.
    pub path: String,
    /// The line it stands on, from 1.
    pub line: usize,
    /// The column it starts at, from 1.
    pub column: usize,
}

/// How long runs are kept once they have ended; where it says nothing, as the engine's settings say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Runs that completed.
    pub completed: Option<Duration>,
    /// Runs that faulted or were cancelled.
    pub failed: Option<Duration>,
}

/// The shortest time that runs are kept: whoever waits for one must be able to see its end.
pub const MINIMUM_RETENTION: Duration = Duration::from_secs(60);

/// The section that names a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The version of the language the document is written in, e.g. `1.0.3`.
    pub dsl: String,
    /// The namespace of the workflow.
    pub namespace: String,
    /// The name of the workflow within its namespace.
    pub name: String,
    /// The semantic version of the workflow.
    pub version: String,
    /// The name people read.
    pub title: Option<String>,
    /// What it does, in Markdown.
    pub summary: Option<String>,
    /// Its tags, which its runs have too: those whose values are texts, numbers or booleans, as text.
    pub tags: BTreeMap<String, String>,
}
