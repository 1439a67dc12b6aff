//! Starts runs.

use std::path::PathBuf;

use atom_core::storage::RunRecord;
use atom_core::{Error, ErrorCode, Result, RunId};
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
    /// Its version; the highest when absent or `latest`.
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
    /// Where relative file paths start.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// The id to give to the run, a UUID. Starting again with the same id, document and input gives the first run.
    #[serde(default)]
    pub id: Option<RunId>,
    /// Whether to answer only when the run has ended.
    #[serde(default)]
    pub wait: bool,
    /// How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is
    /// answered as it is.
    #[serde(default)]
    pub wait_timeout_ms: Option<u64>,
}

fn no_input() -> Value {
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
        let scope = context.scope();
        let runtime = &context.parts.runtime;
        let (workflow, text) = match (self.workflow, self.document) {
            (Some(reference), None) => {
                let WorkflowReference {
                    namespace,
                    name,
                    version,
                } = reference;
                let found = workflows::find(&context, &namespace, &name, version.as_deref()).await?;
                (runtime.load(&scope, &found.workflow.hash).await?, found.document)
            }
            (None, Some(document)) => {
                // A document decides which functions are called and which secrets are read.
                context.require(Permission::WorkflowsWrite)?;
                workflows::parse(document).await?
            }
            _ => return Err(Error::invalid_request("give either 'workflow' or 'document'")),
        };
        workflow.check_supported()?;
        // A start that does not fit must not set the run in motion that has its id.
        if let Some(id) = self.id
            && let Some(taken) = context.parts.store.run(&scope, id).await?
        {
            check_same(&taken, &workflow.hash, &self.input)?;
        }
        let hash = workflow.hash.clone();
        let start = StartRun {
            id: self.id,
            workflow,
            text,
            input: self.input.clone(),
            directory: self.directory,
            trigger: None,
        };
        let started = runtime.start(&context.principal, start).await?;
        // Two starts at once with one id: the other one may have come first.
        check_same(&started, &hash, &self.input)?;
        answer(&context, started, self.wait, self.wait_timeout_ms).await
    }
}

/// Refuses an id that another run has.
fn check_same(run: &RunRecord, hash: &str, input: &Value) -> Result<()> {
    let difference = if run.workflow.hash != hash {
        "of another document"
    } else if run.input != *input {
        "with another input"
    } else {
        return Ok(());
    };
    Err(Error::new(
        ErrorCode::AlreadyExists,
        format!("there is a run {} {difference}; choose another id", run.id),
    )
    .with_context("run", run.id))
}
