//! External resources: functions and schemas that stand elsewhere, and the form in which a document is kept together
//! with them.
//!
//! Reading a document does no I/O. What it refers to is listed in [`Workflow::unresolved`]; whoever has read that adds it
//! to a [`Bundle`] and reads the document again, until nothing is missing.

use std::collections::BTreeMap;
use std::rc::Rc;

use atom_core::{Error, ErrorCode, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::yaml::{self, Node};
use super::{Workflow, reader};
use crate::expression::Template;

/// How kept texts begin that are bundles. No document does: its `document` must be an object.
const BEGINNING: &str = r#"{"document":""#;

/// What identifies a resource: its URI, and how the document says to authenticate there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ResourceKey {
    uri: String,
    /// The policy as canonical JSON.
    authentication: Option<String>,
}

impl ResourceKey {
    fn new(uri: &str, authentication: Option<&Value>) -> Self {
        let canonical = |policy: &Value| {
            let mut policy = policy.clone();
            policy.sort_all_objects();
            policy.to_string()
        };
        Self {
            uri: uri.to_owned(),
            authentication: authentication.map(canonical),
        }
    }
}

/// A reference to a resource that has not been read yet.
#[derive(Clone, Debug)]
pub struct ResourceReference {
    /// Where the resource is: an absolute `http`, `https` or `file` URI, or one that begins with [`DEFAULT_CATALOG`].
    pub uri: String,
    /// The line that refers to it, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What refers to it, a JSON pointer.
    pub path: String,
    /// The authentication policy as written.
    pub(crate) authentication: Option<Value>,
    /// The policy, to be computed from secrets alone.
    pub(crate) policy: Option<Template>,
}

impl ResourceReference {
    pub(super) fn key(&self) -> ResourceKey {
        ResourceKey::new(&self.uri, self.authentication.as_ref())
    }

    /// Names the resource, and the place that refers to it, in an error.
    #[must_use]
    pub fn located(&self, error: Error) -> Error {
        error
            .with_context("line", self.line)
            .with_context("column", self.column)
            .with_context("path", &self.path)
            .with_context("resource", &self.uri)
    }
}

/// The beginning of the URIs of functions in the engine's own catalog.
pub const DEFAULT_CATALOG: &str = "atom:/catalogs/default/";

/// A resource that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WorkflowResource")]
pub struct Resource {
    /// Where it was.
    pub uri: String,
    /// SHA-256 of its text, in hexadecimal.
    pub hash: String,
    /// How long its text is, in bytes.
    pub bytes: usize,
}

/// A resource with its text, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptResource {
    uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authentication: Option<Value>,
    text: String,
}

impl KeptResource {
    fn key(&self) -> ResourceKey {
        ResourceKey::new(&self.uri, self.authentication.as_ref())
    }
}

/// The text of a document, with the resources that were read for it.
///
/// What is kept under a hash is the [`text`](Self::text) of a bundle: the document itself when it refers to nothing, and
/// else JSON with the document and its resources. So whatever reads it needs nobody else.
///
/// ```
/// use atom_workflow::definition::Bundle;
///
/// let text = "
/// document: {dsl: 1.0.3, namespace: examples, name: greeting, version: 1.0.0}
/// do:
///   - greet: {call: 'https://functions.example.com/greet.yaml'}
/// ";
/// let mut bundle = Bundle::new(text);
/// let missing = bundle.parse()?.unresolved.remove(0);
/// assert_eq!((missing.uri.as_str(), missing.line), ("https://functions.example.com/greet.yaml", 4));
///
/// bundle.add(&missing, "set: {greeting: Hello}");
/// let kept = Bundle::read(&bundle.text()?)?;
/// assert_eq!(kept.document(), text);
/// assert!(kept.parse()?.unresolved.is_empty());
/// # Ok::<(), atom_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    document: String,
    /// In the order of their keys, so that the same resources always give the same text.
    resources: Vec<KeptResource>,
}

impl Bundle {
    /// A document for which nothing was read.
    pub fn new(document: impl Into<String>) -> Self {
        Self {
            document: document.into(),
            resources: Vec::new(),
        }
    }

    /// Reads a text that was kept.
    ///
    /// # Errors
    /// `invalid_data` for a text that begins as a bundle and is none.
    pub fn read(text: &str) -> Result<Self> {
        if !text.starts_with(BEGINNING) {
            return Ok(Self::new(text));
        }
        serde_json::from_str(text).map_err(|error| {
            Error::new(
                ErrorCode::InvalidData,
                "a workflow that is kept with its resources cannot be read; was it written by a newer engine?",
            )
            .with_source(error)
        })
    }

    /// What is kept.
    ///
    /// # Errors
    /// `internal` when it cannot be written as JSON.
    pub fn text(&self) -> Result<String> {
        if self.resources.is_empty() {
            return Ok(self.document.clone());
        }
        serde_json::to_string(self)
            .map_err(|error| Error::internal("a workflow cannot be kept").with_source(error))
    }

    /// The document's text.
    #[must_use]
    pub fn document(&self) -> &str {
        &self.document
    }

    /// How many resources there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.resources.len()
    }

    /// What the resources are.
    #[must_use]
    pub fn resources(&self) -> Vec<Resource> {
        self.resources.iter().map(KeptResource::described).collect()
    }

    /// How long the texts of the resources are together, in bytes.
    #[must_use]
    pub fn resource_bytes(&self) -> usize {
        self.resources.iter().map(|resource| resource.text.len()).sum()
    }

    /// Adds what was read for a reference.
    pub fn add(&mut self, reference: &ResourceReference, text: impl Into<String>) {
        let resource = KeptResource {
            uri: reference.uri.clone(),
            authentication: reference.authentication.clone(),
            text: text.into(),
        };
        let key = resource.key();
        match self.resources.binary_search_by(|kept| kept.key().cmp(&key)) {
            Ok(place) => self.resources[place] = resource,
            Err(place) => self.resources.insert(place, resource),
        }
    }

    /// Reads the document with its resources, as [`Workflow::parse`] does without.
    ///
    /// # Errors
    /// As [`Workflow::parse`]; a problem within a resource stands where the document refers to it, and the context names
    /// the `resource`.
    pub fn parse(&self) -> Result<Workflow> {
        let node = yaml::parse(&self.document)?;
        let resources = Resources::new(&self.resources);
        let mut workflow = reader::read(&node, &resources)?;
        if self.resources.is_empty() {
            return Ok(workflow);
        }
        workflow.hash = self.hash(&workflow.source);
        workflow.resources = self.resources();
        Ok(workflow)
    }

    /// SHA-256 over the canonical JSON of the document and the texts of its resources.
    fn hash(&self, source: &Value) -> String {
        let resources: Vec<_> = self
            .resources
            .iter()
            .map(|resource| json!([resource.uri, resource.authentication, resource.text]))
            .collect();
        reader::hash(&json!({ "document": source, "resources": resources }))
    }
}

impl KeptResource {
    fn described(&self) -> Resource {
        let digest = Sha256::digest(self.text.as_bytes());
        Resource {
            uri: self.uri.clone(),
            hash: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            bytes: self.text.len(),
        }
    }
}

/// The resources of a document, as trees.
#[derive(Default)]
pub(super) struct Resources {
    /// What a text is that is no YAML is told where the document refers to it.
    trees: BTreeMap<ResourceKey, Result<Rc<Node>>>,
}

impl Resources {
    fn new(kept: &[KeptResource]) -> Self {
        let tree = |resource: &KeptResource| (resource.key(), yaml::parse(&resource.text));
        Self {
            trees: kept.iter().map(tree).collect(),
        }
    }

    /// The tree of a resource, if it was read.
    ///
    /// # Errors
    /// `invalid_workflow` when its text is no YAML.
    pub(super) fn get(&self, key: &ResourceKey) -> Result<Option<&Node>> {
        match self.trees.get(key) {
            None => Ok(None),
            Some(Ok(node)) => Ok(Some(node)),
            Some(Err(error)) => Err(error.clone()),
        }
    }

    /// The resources as JSON.
    pub(super) fn sources(&self) -> impl Iterator<Item = Value> {
        let trees = self.trees.values().filter_map(|tree| tree.as_ref().ok());
        trees.map(|tree| tree.json())
    }
}

/// The URI under which a Git host gives the content of a file, for the URI of its page (Open Workflow 1.0.3, "File
/// Structure" of catalogs): GitHub and GitLab show people pages where a machine needs the file itself.
///
/// `root` is given for a catalog, whose URI may be that of the whole repository; its default branch is meant then.
pub(super) fn raw(uri: &str, is_root: bool) -> String {
    let uri = uri.trim_end_matches('/');
    if let Some(path) = uri.strip_prefix("https://github.com/") {
        let parts: Vec<_> = path.splitn(4, '/').collect();
        let base = "https://raw.githubusercontent.com";
        match parts.as_slice() {
            [owner, repository] if is_root => {
                let repository = repository.trim_end_matches(".git");
                return format!("{base}/{owner}/{repository}/HEAD");
            }
            [owner, repository, "tree" | "blob", rest] => {
                return format!("{base}/{owner}/{repository}/{rest}");
            }
            _ => {}
        }
    }
    if let Some(path) = uri.strip_prefix("https://gitlab.com/") {
        for page in ["/-/tree/", "/-/blob/"] {
            if let Some((project, rest)) = path.split_once(page) {
                return format!("https://gitlab.com/{project}/-/raw/{rest}");
            }
        }
        if is_root && !path.contains("/-/") && path.contains('/') {
            let project = path.trim_end_matches(".git");
            return format!("https://gitlab.com/{project}/-/raw/HEAD");
        }
    }
    uri.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_git_hosts_lead_to_the_files_themselves() {
        for (page, is_root, expected) in [
            (
                "https://github.com/acme/catalog/tree/main",
                true,
                "https://raw.githubusercontent.com/acme/catalog/main",
            ),
            (
                "https://github.com/acme/catalog/blob/v1/a/function.yaml",
                false,
                "https://raw.githubusercontent.com/acme/catalog/v1/a/function.yaml",
            ),
            (
                "https://github.com/acme/catalog.git/",
                true,
                "https://raw.githubusercontent.com/acme/catalog/HEAD",
            ),
            (
                "https://github.com/acme/catalog",
                false,
                "https://github.com/acme/catalog",
            ),
            (
                "https://gitlab.com/group/team/catalog/-/tree/main/sub",
                true,
                "https://gitlab.com/group/team/catalog/-/raw/main/sub",
            ),
            (
                "https://gitlab.com/group/catalog",
                true,
                "https://gitlab.com/group/catalog/-/raw/HEAD",
            ),
            (
                "https://example.com/catalog/",
                true,
                "https://example.com/catalog",
            ),
        ] {
            assert_eq!(raw(page, is_root), expected, "{page}");
        }
    }

    #[test]
    fn no_document_reads_as_a_bundle() {
        for text in ["{\"document\":\"a\"", "{\"document\":\"a\", \"do\": []}"] {
            assert!(Workflow::parse(text).is_err());
            assert_eq!(Bundle::read(text).unwrap_err().code(), ErrorCode::InvalidData);
        }
    }
}
