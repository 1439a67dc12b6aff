//! Starts runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use atom_core::{Error, Result, RunId};
use atom_workflow::runtime::StartRun;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Run, answer};
use crate::api::{Context, Permission, Request, workflows};

/// A deployed workflow by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkflowReference {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version; the latest when absent or `latest`: the highest that is not withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Starts a run of a deployed workflow or of a document. Once it is answered, the run survives a crash.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRunRequest {
    /// The deployed workflow to run; either this or `document`.
    #[serde(default)]
    pub workflow: Option<WorkflowReference>,
    /// The text of the document to run, YAML or JSON; either this or `workflow`. Needs the permission
    /// `workflows.write`, too.
    #[serde(default)]
    pub document: Option<String>,
    /// The input; an empty object when absent.
    #[serde(default = "no_input")]
    pub input: Value,
    /// Where relative file paths start. Without it there are none: a call with a relative path fails.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// The id to give to the run, a UUID. Starting again with the same id, document and input gives the first run.
    #[serde(default)]
    pub id: Option<RunId>,
    /// The key under which to start the run once: starting a run of a workflow with the same namespace and name again with
    /// the same key, document and input gives the first run, whatever became of it. When absent, the document may
    /// compute one with `metadata.atom.idempotencyKey`.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Words to find the run by, beside the tags of its document: at most 32, of 256 characters each.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Whether to answer only when the run has ended.
    #[serde(default)]
    pub wait: bool,
    /// How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is
    /// answered as it is.
    #[serde(default)]
    pub wait_timeout_ms: Option<u64>,
}

pub(in crate::api) fn no_input() -> Value {
    Value::Object(serde_json::Map::new())
}

impl Default for StartRunRequest {
    fn default() -> Self {
        Self {
            workflow: None,
            document: None,
            input: no_input(),
            directory: None,
            id: None,
            idempotency_key: None,
            tags: BTreeMap::new(),
            wait: false,
            wait_timeout_ms: None,
        }
    }
}

impl StartRunRequest {
    /// A run of the highest version of a deployed workflow.
    pub fn deployed(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        let workflow = WorkflowReference {
            namespace: namespace.into(),
            name: name.into(),
            version: None,
        };
        Self {
            workflow: Some(workflow),
            ..Self::default()
        }
    }

    /// A run of this document.
    pub fn document(text: impl Into<String>) -> Self {
        Self {
            document: Some(text.into()),
            ..Self::default()
        }
    }

    /// Sets the input.
    #[must_use]
    pub fn with_input(mut self, input: Value) -> Self {
        self.input = input;
        self
    }

    /// Chooses the run's id.
    #[must_use]
    pub fn with_id(mut self, id: RunId) -> Self {
        self.id = Some(id);
        self
    }

    /// Chooses the key under which the run is started once.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Answers only when the run has ended.
    #[must_use]
    pub fn and_wait(mut self) -> Self {
        self.wait = true;
        self
    }
}

impl Request for StartRunRequest {
    const NAME: &'static str = "runs.start";
    const SUMMARY: &'static str = "Starts a run of a workflow, durably, and waits for its end when asked to.";
    const PERMISSION: Permission = Permission::RunsWrite;
    type Response = Run;

    async fn handle(self, context: Context) -> Result<Run> {
        if self.document.is_some() {
            // A document decides which functions are called and which secrets are read.
            context.require(Permission::WorkflowsWrite)?;
        }
        let (workflow, text) = workflows::referred(&context, self.workflow, self.document).await?;
        workflow.check_supported()?;
        context.parts.runs.check(&workflow)?;
        // Whoever goes on with the run may do so somewhere else.
        let directory = self.directory.map(std::path::absolute).transpose();
        let directory = directory.map_err(|error| {
            Error::invalid_request("'directory' is no path; give that of a folder").with_source(error)
        })?;
        let start = StartRun {
            id: self.id,
            workflow,
            text,
            input: self.input,
            directory,
            trigger: None,
            idempotency_key: self.idempotency_key,
            tags: self.tags,
        };
        let started = context.parts.runs.start(&context.principal, start).await?;
        answer(&context, started, self.wait, self.wait_timeout_ms).await
    }
}
