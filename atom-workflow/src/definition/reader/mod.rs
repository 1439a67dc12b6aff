//! Checks a document against every rule of the Open Workflow 1.0.3 schema and compiles it.
//!
//! Beyond the schema the reader refuses what could only fail or be ignored later: unknown keys in objects
//! that the schema leaves open by omission, names that lead nowhere, expressions that do not compile.

mod agents;
mod approve;
mod authentication;
mod calls;
mod cursor;
mod data;
mod events;
mod formats;
mod limits;
mod processes;
mod protocols;
mod resources;
mod retention;
mod reuse;
mod schedule;
mod tasks;
mod template;
mod variables;

pub(crate) use cursor::{beginning, shortened};
pub(super) use template::read_template;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use atom_core::Result;
use atom_core::storage::{MAX_LABEL_NAME, MAX_LABELS};
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::cursor::{Cursor, Object};
use self::resources::{Catalog, Origin};
use self::reuse::Function;
use self::variables::Variables;
use super::LimitSpec;
use super::problem::Position;
use super::resource::{ResourceReference, Resources};
use super::types::{
    Document, DurationSpec, Extension, Mentions, Retention, RetryPolicy, UnsupportedFeature, Workflow,
};
use super::yaml::Node;
use crate::expression::{Expression, Template};

/// How deep tasks may nest, through the functions they call too.
const MAXIMUM_TASK_DEPTH: usize = 100;
/// How much may be kept of the tasks of a document, each of which holds those inside it once more.
const MAXIMUM_KEPT_NODES: usize = 2_000_000;
const MAXIMUM_KEPT_BYTES: usize = 64 * 1024 * 1024;
/// How many expressions a document may hold.
const MAXIMUM_EXPRESSIONS: usize = 20_000;
/// How many regular expressions a document may hold: each may take some hundred KiB once compiled.
const MAXIMUM_PATTERNS: usize = 1_000;
/// The keys of a document.
const KEYS: [&str; 8] = [
    "document", "input", "use", "do", "timeout", "output", "schedule", "evaluate",
];

/// Reads a document from its tree, and those of the resources it refers to.
pub(super) fn read<'t>(node: &'t Node, resources: &'t Resources) -> Result<Workflow> {
    let root = Cursor::root(node).object(&KEYS)?;
    let mut reader = Reader {
        is_jq: true,
        resources: Some(resources),
        ..Reader::default()
    };
    let document = reader.document(&root.require("document")?)?;
    // Everything else depends on the language and on the names that may be referred to.
    if let Some(evaluate) = root.get("evaluate") {
        reader.evaluate(&evaluate)?;
    }
    let metadata = reader.document_metadata(&root.require("document")?.any_object()?)?;
    if let Some(reuse) = root.get("use") {
        reader.reuse(&reuse)?;
    }
    let input = root
        .get("input")
        .map(|input| reader.input(&input))
        .transpose()?
        .unwrap_or_default();
    let schedule = reader.schedule(&root)?;
    let tasks = reader.task_list(&root.require("do")?, 0)?;
    let timeout = root
        .get("timeout")
        .map(|timeout| reader.timeout(&timeout))
        .transpose()?;
    let output = root
        .get("output")
        .map(|output| reader.output(&output))
        .transpose()?
        .unwrap_or_default();
    reader.check_variables()?;
    reader
        .unsupported
        .sort_by_key(|feature| (feature.line, feature.column));
    let source = node.json();
    let hash = hash(&source);
    let texts: Vec<_> = std::iter::once(source.to_string())
        .chain(resources.sources().map(|source| source.to_string()))
        .collect();
    let mentions = |variable: &str| texts.iter().any(|text| text.contains(variable));
    Ok(Workflow {
        document,
        input,
        output,
        tasks,
        schedule,
        timeout,
        secrets: reader.secrets,
        extensions: reader.extensions,
        authentications: reader.authentications,
        idempotency_key: metadata.idempotency_key,
        index: metadata.index,
        limits: metadata.limits,
        retention: metadata.retention,
        unsupported: reader.unsupported,
        unresolved: reader.unresolved,
        resources: Vec::new(),
        mentions: Mentions {
            workflow: mentions("$workflow"),
            task: mentions("$task"),
        },
        source: Arc::new(source),
        hash,
    })
}

/// What is written for this engine beside the document.
#[derive(Default)]
struct DocumentMetadata {
    idempotency_key: Option<Expression>,
    index: BTreeMap<String, Expression>,
    limits: Option<LimitSpec>,
    retention: Retention,
}

/// What has been learned about the document so far.
#[derive(Default)]
struct Reader<'t> {
    /// Whether expressions are jq; other languages are not compiled.
    is_jq: bool,
    /// Whether texts outside `${ }` are tried as expressions, too.
    is_loose: bool,
    variables: Variables<'t>,
    secrets: Vec<String>,
    authentications: BTreeMap<String, Template>,
    extensions: Vec<Arc<Extension>>,
    errors: BTreeMap<&'t str, Template>,
    retries: BTreeMap<&'t str, RetryPolicy>,
    timeouts: BTreeMap<&'t str, DurationSpec>,
    functions: BTreeMap<&'t str, Function<'t>>,
    catalogs: BTreeMap<&'t str, Catalog<'t>>,
    resources: Option<&'t Resources>,
    /// The functions that stand elsewhere, by what calls name them with.
    external: BTreeMap<&'t str, Function<'t>>,
    /// Where they are.
    origins: BTreeMap<&'t str, Origin>,
    /// Where the function is that is being read and stands elsewhere.
    origin: Option<Origin>,
    /// Where the document calls the function that is being read and stands elsewhere.
    called_from: Option<Position>,
    unresolved: Vec<ResourceReference>,
    unsupported: Vec<UnsupportedFeature>,
    /// Whether the tasks being read undo another.
    is_compensating: bool,
    /// The depth of the deepest task so far.
    deepest: usize,
    kept_nodes: usize,
    kept_bytes: usize,
    expressions: usize,
    patterns: usize,
}

impl<'t> Reader<'t> {
    fn document(&mut self, cursor: &Cursor<'t>) -> Result<Document> {
        let keys = [
            "dsl",
            "namespace",
            "name",
            "version",
            "title",
            "summary",
            "tags",
            "metadata",
        ];
        let document = cursor.object(&keys)?;
        let dsl = document.require("dsl")?;
        formats::language_version(&dsl)?;
        let text = |key| {
            document
                .get(key)
                .map(|value| value.text().map(str::to_owned))
                .transpose()
        };
        let mut tags = BTreeMap::new();
        if let Some(given) = document.get("tags") {
            for (name, tag) in given.any_object()?.members() {
                let text = match tag.json() {
                    Value::String(text) => text,
                    scalar @ (Value::Number(_) | Value::Bool(_)) => scalar.to_string(),
                    _ => continue,
                };
                tags.insert(name.to_owned(), text);
            }
        }
        Ok(Document {
            dsl: dsl.text()?.to_owned(),
            namespace: formats::label(&document.require("namespace")?)?.to_owned(),
            name: formats::label(&document.require("name")?)?.to_owned(),
            version: formats::semantic_version(&document.require("version")?)?.to_owned(),
            title: text("title")?,
            summary: text("summary")?,
            tags,
        })
    }

    /// Reads what is written for this engine beside the document. What `schedule` adds is read with the schedule.
    fn document_metadata(&mut self, document: &Object<'t>) -> Result<DocumentMetadata> {
        let known = [
            &["idempotencyKey", "index", "retention", "schedule"][..],
            &limits::KEYS,
        ]
        .concat();
        let Some(atom) = self.metadata(document, &known)? else {
            return Ok(DocumentMetadata::default());
        };
        let limits = self.limits(&atom)?;
        let key = atom.get("idempotencyKey").map(|key| self.expression(&key));
        let mut fields = BTreeMap::new();
        if let Some(index) = atom.get("index") {
            let members = index.any_object()?;
            if members.entries.len() > MAX_LABELS {
                return Err(index.error(format!("expected at most {MAX_LABELS} fields")));
            }
            for (name, field) in members.members() {
                if name.is_empty() || name.chars().count() > MAX_LABEL_NAME {
                    let message = format!("expected a name of 1 to {MAX_LABEL_NAME} characters");
                    return Err(field.error(message));
                }
                fields.insert(name.to_owned(), self.expression(&field)?);
            }
        }
        let retention = atom.get("retention");
        let retention = retention
            .map(|retention| self.retention(&retention))
            .transpose()?;
        Ok(DocumentMetadata {
            idempotency_key: key.transpose()?,
            index: fields,
            limits,
            retention: retention.unwrap_or_default(),
        })
    }

    /// Reads `metadata.atom`. Metadata is free, but what is written for this engine and not known to it must not be
    /// passed over.
    fn metadata(&mut self, owner: &Object<'t>, known: &[&str]) -> Result<Option<Object<'t>>> {
        let Some(metadata) = owner.get("metadata") else {
            return Ok(None);
        };
        let Some(atom) = metadata.any_object()?.get("atom") else {
            return Ok(None);
        };
        let atom = atom.any_object()?;
        for (key, value) in atom.members().filter(|(key, _)| !known.contains(key)) {
            self.lacks(&value, format!("metadata.atom.{}", shortened(key)))?;
        }
        Ok(Some(atom))
    }

    fn evaluate(&mut self, cursor: &Cursor<'t>) -> Result<()> {
        let evaluate = cursor.object(&["language", "mode"])?;
        if let Some(language) = evaluate.get("language") {
            let name = language.text()?;
            self.is_jq = name == "jq";
            if !self.is_jq {
                self.lacks(&language, format!("evaluate.language: {}", shortened(name)))?;
            }
        }
        if let Some(mode) = evaluate.get("mode") {
            self.is_loose = mode.choice(&["strict", "loose"])? == "loose";
        }
        Ok(())
    }

    /// Notes a valid part that the engine does not carry out.
    fn lacks(&mut self, cursor: &Cursor<'t>, feature: impl Into<String>) -> Result<()> {
        let position = self.place(cursor);
        let path = cursor.path.to_string();
        self.keep(cursor, 1, path.len())?;
        self.unsupported.push(UnsupportedFeature {
            feature: feature.into(),
            path,
            line: position.line,
            column: position.column,
        });
        Ok(())
    }

    /// Where something stands in the document; for a part of a function that stands elsewhere, where that is called.
    fn place(&self, cursor: &Cursor<'t>) -> Position {
        self.called_from.unwrap_or_else(|| cursor.position())
    }

    /// Counts what is kept more than once: tasks hold those inside them, and paths repeat their beginnings.
    fn keep(&mut self, cursor: &Cursor<'t>, nodes: usize, bytes: usize) -> Result<()> {
        self.kept_nodes += nodes;
        self.kept_bytes += bytes;
        if self.kept_nodes > MAXIMUM_KEPT_NODES || self.kept_bytes > MAXIMUM_KEPT_BYTES {
            return Err(
                cursor.error("so much stands inside other tasks here that the document becomes too large")
            );
        }
        Ok(())
    }

    fn count_expressions(&mut self, cursor: &Cursor<'t>, count: usize) -> Result<()> {
        self.expressions += count;
        if self.expressions > MAXIMUM_EXPRESSIONS {
            return Err(cursor.error(format!(
                "the document holds more than {MAXIMUM_EXPRESSIONS} expressions"
            )));
        }
        Ok(())
    }

    fn count_patterns(&mut self, cursor: &Cursor<'t>, count: usize) -> Result<()> {
        self.patterns += count;
        if self.patterns > MAXIMUM_PATTERNS {
            let message = format!("the document holds more than {MAXIMUM_PATTERNS} regular expressions");
            return Err(cursor.error(message));
        }
        Ok(())
    }
}

/// Finds a reusable part by name.
fn find<'a, T>(parts: &'a BTreeMap<&str, T>, section: &str, cursor: &Cursor<'_>) -> Result<&'a T> {
    let name = cursor.text()?;
    parts
        .get(name)
        .ok_or_else(|| missing(parts.keys().copied(), section, name, cursor))
}

/// The error for a name that leads nowhere.
fn missing<'a>(
    names: impl Iterator<Item = &'a str>,
    section: &str,
    name: &str,
    cursor: &Cursor<'_>,
) -> atom_core::Error {
    let hint = cursor::suggestion(name, names);
    cursor.error(format!(
        "'{}' is not defined in '{section}'{hint}",
        shortened(name)
    ))
}

/// Refuses a `then` that leads nowhere.
fn check_target(target: &str, siblings: &HashSet<&str>, cursor: &Cursor<'_>) -> Result<()> {
    if siblings.contains(target) {
        return Ok(());
    }
    let names = siblings.iter().copied().chain(["continue", "exit", "end"]);
    let mut hint = cursor::suggestion(target, names);
    if hint.is_empty() {
        hint.push_str("; name a task of the same list, or 'continue', 'exit' or 'end'");
    }
    Err(cursor.error(format!(
        "there is no task '{}' in this list to go to{hint}",
        shortened(target)
    )))
}

/// SHA-256 over the canonical JSON of a document: keys sorted, no white space.
pub(super) fn hash(source: &Value) -> String {
    let mut sorted = source.clone();
    sorted.sort_all_objects();
    let digest = Sha256::digest(sorted.to_string().as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
