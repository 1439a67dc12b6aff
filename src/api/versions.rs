//! Versions of the caller's workflows: what differs between them, and which one is the latest.

use atom_core::storage::DeployedWorkflow;
use atom_core::{Error, Result};
use atom_workflow::definition::{Workflow, WorkflowDiff};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::workflows::{ValidatedWorkflow, not_deployed, parse, referred};
use super::{Context, Operation, Permission, Request, WorkflowReference};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::call::<DiffWorkflowsRequest>(),
    Operation::call::<RollBackWorkflowRequest>(),
];

/// Compares a deployed version of a workflow with another one, or with a text.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiffWorkflowsRequest {
    /// The namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The version to compare; the latest when absent or `latest`.
    #[serde(default)]
    pub from: Option<String>,
    /// The version to compare it with; the latest when absent or `latest`. Only without `document`.
    #[serde(default)]
    pub to: Option<String>,
    /// The text to compare it with, YAML or JSON; it need not be deployed.
    #[serde(default)]
    pub document: Option<String>,
}

/// What differs between two documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowComparison {
    /// The document that was compared.
    pub from: ValidatedWorkflow,
    /// The document that it was compared with.
    pub to: ValidatedWorkflow,
    /// What differs.
    #[serde(flatten)]
    pub diff: WorkflowDiff,
}

impl Request for DiffWorkflowsRequest {
    const NAME: &'static str = "workflows.diff";
    const SUMMARY: &'static str =
        "Compares two versions of a workflow, or a version and a text, task by task.";
    const PERMISSION: Permission = Permission::WorkflowsRead;
    type Response = WorkflowComparison;

    async fn handle(self, context: Context) -> Result<WorkflowComparison> {
        let version = |version| WorkflowReference {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            version,
        };
        let (from, _) = referred(&context, Some(version(self.from.clone())), None).await?;
        let to = match (self.to.clone(), self.document) {
            (Some(_), Some(_)) => return Err(Error::invalid_request("give either 'to' or 'document'")),
            (None, Some(document)) => parse(document).await?.0,
            (to, None) => referred(&context, Some(version(to)), None).await?.0,
        };
        super::blocking(move || {
            let name = |workflow: &Workflow| ValidatedWorkflow::from(workflow);
            Ok(WorkflowComparison {
                from: name(&from),
                to: name(&to),
                diff: WorkflowDiff::between(&from, &to)?,
            })
        })
        .await
    }
}

/// Makes a deployed version the latest one, for whoever starts `latest` and for the schedule. Nothing is removed: the
/// versions above it are withdrawn, but can be named, and runs that follow them go on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollBackWorkflowRequest {
    /// The namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The version that is to be the latest. A higher one than the present rolls forward.
    pub version: String,
}

/// The versions of a workflow after one was made the latest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolledBackWorkflow {
    /// The latest version.
    pub latest: DeployedWorkflow,
    /// The versions above it, the highest first.
    pub withdrawn: Vec<DeployedWorkflow>,
}

impl Request for RollBackWorkflowRequest {
    const NAME: &'static str = "workflows.rollback";
    const SUMMARY: &'static str =
        "Makes an earlier version of a workflow the latest, and withdraws those above it.";
    const PERMISSION: Permission = Permission::WorkflowsWrite;
    type Response = RolledBackWorkflow;

    async fn handle(self, context: Context) -> Result<RolledBackWorkflow> {
        let Self {
            namespace,
            name,
            version,
        } = self;
        let reference = WorkflowReference {
            namespace: namespace.clone(),
            name: name.clone(),
            version: Some(version.clone()),
        };
        let (workflow, _) = referred(&context, Some(reference), None).await?;
        context.parts.runs.check(&workflow)?;
        if !workflow.schedule.is_empty() {
            context.parts.runs.check_schedule(&workflow)?;
            // A schedule starts runs on behalf of who rolled back.
            context.require(Permission::RunsWrite)?;
        }
        let version = &workflow.document.version;
        let (scope, now) = (context.scope(), context.parts.clock.now());
        let store = &context.parts.store;
        let versions = store.roll_back(&scope, &namespace, &name, version, now).await?;
        let mut withdrawn = versions.ok_or_else(|| not_deployed(&namespace, &name, Some(version)))?;
        let is_latest = |workflow: &DeployedWorkflow| workflow.withdrawn_at.is_none();
        let latest = withdrawn.iter().find(|workflow| is_latest(workflow)).cloned();
        withdrawn.retain(|workflow| !is_latest(workflow));
        let runs = &context.parts.runs;
        runs.schedule(&context.principal, &namespace, &name).await?;
        let latest = latest.ok_or_else(|| Error::internal("a workflow without a latest version"))?;
        Ok(RolledBackWorkflow { latest, withdrawn })
    }
}
