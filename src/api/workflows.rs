//! Workflow documents of the caller.

use std::collections::BTreeMap;
use std::sync::Arc;

use atom_core::storage::{Decision, DeployedWorkflow, Page, PageRequest};
use atom_core::{Error, ErrorCode, ErrorReport, Result, RunId};
use atom_workflow::definition::{Bundle, Resource, UnsupportedFeature, Workflow};
use atom_workflow::runtime::{DryRun, DryRunReport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Context, EventDraft, Operation, Permission, Request, WorkflowReference};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::call::<ValidateWorkflowRequest>(),
    Operation::call::<DryRunWorkflowRequest>(),
    Operation::call::<DeployWorkflowRequest>(),
    Operation::call::<ListWorkflowsRequest>(),
    Operation::call::<GetWorkflowRequest>(),
    Operation::call::<DeleteWorkflowRequest>(),
];

/// Reads a document where its size holds nobody up.
pub(super) async fn parse(text: String) -> Result<(Arc<Workflow>, String)> {
    super::blocking(move || Ok((Arc::new(Workflow::parse(&text)?), text))).await
}

/// The deployed workflow that a request names, or the document that it gives, with its text then.
pub(super) async fn referred(
    context: &Context,
    workflow: Option<WorkflowReference>,
    document: Option<String>,
) -> Result<(Arc<Workflow>, Option<String>)> {
    match (workflow, document) {
        (Some(reference), None) => {
            let WorkflowReference {
                namespace,
                name,
                version,
            } = reference;
            let found = deployed(context, &namespace, &name, version.as_deref()).await?;
            let runtime = &context.parts.runtime;
            Ok((runtime.load(&context.scope(), &found.hash).await?, None))
        }
        (None, Some(document)) => {
            let (workflow, text) = parse(document).await?;
            Ok((workflow, Some(text)))
        }
        _ => Err(Error::invalid_request("give either 'workflow' or 'document'")),
    }
}

/// Reads what a document refers to. Where it does, that takes the permission to deploy it: requests are made that the
/// document decides about.
async fn resolve(
    context: &Context,
    (workflow, text): (Arc<Workflow>, String),
) -> Result<(Arc<Workflow>, String)> {
    if workflow.unresolved.is_empty() {
        return Ok((workflow, text));
    }
    context.require(Permission::WorkflowsWrite)?;
    let runtime = &context.parts.runtime;
    let resolved = runtime.resolve(&context.principal, workflow, text, None).await?;
    Ok((resolved.workflow, resolved.text))
}

/// What a document was deployed with, when this version of it is deployed already: it is not read again.
async fn pinned(context: &Context, workflow: &Workflow) -> Result<Option<(Arc<Workflow>, String)>> {
    if workflow.unresolved.is_empty() {
        return Ok(None);
    }
    let (scope, store) = (context.scope(), &context.parts.store);
    let document = &workflow.document;
    let version = Some(document.version.as_str());
    let found = store
        .find(&scope, &document.namespace, &document.name, version)
        .await?;
    let Some(found) = found else { return Ok(None) };
    let first = context.parts.runtime.load(&scope, &found.hash).await?;
    if first.source != workflow.source {
        return Ok(None);
    }
    let text = store.document(&scope, &found.hash).await?;
    Ok(text.map(|text| (first, text)))
}

/// The error for a workflow that is not deployed.
pub(super) fn not_deployed(namespace: &str, name: &str, version: Option<&str>) -> Error {
    let version = version
        .map(|version| format!(" in version {version}"))
        .unwrap_or_default();
    Error::not_found(format!(
        "no workflow '{namespace}/{name}' is deployed{version}; workflows.list shows what is"
    ))
}

/// Checks a document.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateWorkflowRequest {
    /// The document's text, YAML or JSON.
    pub document: String,
    /// Whether to read the external resources that the document refers to, as deploying it does, and to check them too. Needs
    /// the permission `workflows.write`, too.
    #[serde(default)]
    pub resources: bool,
}

impl ValidateWorkflowRequest {
    /// Checks this text, without reading anything else.
    pub fn new(document: impl Into<String>) -> Self {
        Self {
            document: document.into(),
            resources: false,
        }
    }
}

/// What a check of a document found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowValidation {
    /// Whether the document is well-formed; it can be deployed when, besides, nothing in it is unsupported.
    pub is_valid: bool,
    /// How the document names itself, when it is well-formed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<ValidatedWorkflow>,
    /// What is wrong with it, when it is not; `context` holds `line`, `column` and `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<ErrorReport>,
    /// Its parts that this engine does not carry out.
    pub unsupported: Vec<UnsupportedFeature>,
    /// The external resources that it refers to.
    #[serde(default)]
    pub resources: Vec<ValidatedResource>,
}

/// An external resource that a document refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ValidatedResource {
    /// Where it is.
    pub uri: String,
    /// SHA-256 of its text, in hexadecimal; absent when it was not read, and so not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// How a well-formed document names itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ValidatedWorkflow {
    /// The namespace of the workflow.
    pub namespace: String,
    /// The name of the workflow.
    pub name: String,
    /// The semantic version.
    pub version: String,
    /// SHA-256 of the document's canonical JSON, in hexadecimal; of the document with its external resources when these were
    /// read.
    pub hash: String,
    /// The name people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl From<&Workflow> for ValidatedWorkflow {
    fn from(workflow: &Workflow) -> Self {
        Self {
            namespace: workflow.document.namespace.clone(),
            name: workflow.document.name.clone(),
            version: workflow.document.version.clone(),
            hash: workflow.hash.clone(),
            title: workflow.document.title.clone(),
        }
    }
}

impl Request for ValidateWorkflowRequest {
    const NAME: &'static str = "workflows.validate";
    const SUMMARY: &'static str = "Checks a workflow document without keeping it.";
    const PERMISSION: Permission = Permission::WorkflowsRead;
    type Response = WorkflowValidation;

    async fn handle(self, context: Context) -> Result<WorkflowValidation> {
        let mut parsed = parse(self.document).await;
        if self.resources {
            context.require(Permission::WorkflowsWrite)?;
            if let Ok(document) = parsed {
                parsed = resolve(&context, document).await;
            }
        }
        match parsed {
            Ok((workflow, _)) => Ok(WorkflowValidation {
                is_valid: true,
                workflow: Some(ValidatedWorkflow::from(&*workflow)),
                problem: None,
                unsupported: workflow.unsupported.clone(),
                resources: resources(&workflow),
            }),
            Err(error) if error.code() == ErrorCode::Internal => Err(error),
            Err(error) => Ok(WorkflowValidation {
                is_valid: false,
                workflow: None,
                problem: Some(error.report()),
                unsupported: Vec::new(),
                resources: Vec::new(),
            }),
        }
    }
}

fn resources(workflow: &Workflow) -> Vec<ValidatedResource> {
    let read = workflow.resources.iter().map(|resource| ValidatedResource {
        uri: resource.uri.clone(),
        hash: Some(resource.hash.clone()),
    });
    let unread = workflow.unresolved.iter().map(|reference| ValidatedResource {
        uri: reference.uri.clone(),
        hash: None,
    });
    read.chain(unread).collect()
}

/// Deploys a document under the namespace, name and version it states.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployWorkflowRequest {
    /// The document's text, YAML or JSON.
    pub document: String,
}

impl DeployWorkflowRequest {
    /// Deploys this text.
    pub fn new(document: impl Into<String>) -> Self {
        Self {
            document: document.into(),
        }
    }
}

impl Request for DeployWorkflowRequest {
    const NAME: &'static str = "workflows.deploy";
    const SUMMARY: &'static str =
        "Deploys a workflow document, and sets its schedule; a deployed version never changes.";
    const PERMISSION: Permission = Permission::WorkflowsWrite;
    type Response = DeployedWorkflow;

    async fn handle(self, context: Context) -> Result<DeployedWorkflow> {
        let document = parse(self.document).await?;
        let (workflow, text) = match pinned(&context, &document.0).await? {
            Some(first) => first,
            None => {
                document.0.check_supported()?;
                resolve(&context, document).await?
            }
        };
        workflow.check_supported()?;
        context.parts.runs.check(&workflow)?;
        if !workflow.schedule.is_empty() {
            context.parts.runs.check_schedule(&workflow)?;
            // A schedule starts runs on behalf of who deployed it.
            context.require(Permission::RunsWrite)?;
        }
        let deployment = DeployedWorkflow {
            namespace: workflow.document.namespace.clone(),
            name: workflow.document.name.clone(),
            version: workflow.document.version.clone(),
            hash: workflow.hash.clone(),
            title: workflow.document.title.clone(),
            summary: workflow.document.summary.clone(),
            deployed_at: context.parts.clock.now(),
            withdrawn_at: None,
        };
        let scope = context.scope();
        context
            .parts
            .store
            .put_document(&scope, &deployment.hash, &text)
            .await?;
        let deployed = context.parts.store.deploy(&scope, &deployment).await?;
        let DeployedWorkflow { namespace, name, .. } = &deployed;
        let is_scheduled = context
            .parts
            .store
            .schedule(&scope, namespace, name)
            .await?
            .is_some();
        if is_scheduled || !workflow.schedule.is_empty() {
            let runs = &context.parts.runs;
            runs.schedule(&context.principal, namespace, name).await?;
        }
        Ok(deployed)
    }
}

/// Asks which workflows are deployed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListWorkflowsRequest {
    /// The `next` of the page before; absent for the first page.
    #[serde(default)]
    pub after: Option<String>,
    /// How many workflows at most, 1 to 1000; 100 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
}

impl Request for ListWorkflowsRequest {
    const NAME: &'static str = "workflows.list";
    const SUMMARY: &'static str = "Lists the deployed workflows by namespace, name and time of deployment.";
    const PERMISSION: Permission = Permission::WorkflowsRead;
    type Response = Page<DeployedWorkflow>;

    async fn handle(self, context: Context) -> Result<Page<DeployedWorkflow>> {
        let page = PageRequest::new(self.after, self.limit);
        context.parts.store.list(&context.scope(), &page).await
    }
}

/// Asks for one deployed workflow.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetWorkflowRequest {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version; the latest when absent or `latest`: the highest that is not withdrawn.
    #[serde(default)]
    pub version: Option<String>,
}

/// A deployed workflow with its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowDocument {
    /// The deployment.
    #[serde(flatten)]
    pub workflow: DeployedWorkflow,
    /// The document's text as deployed.
    pub document: String,
    /// The external resources that the document refers to, as they were read when it was deployed.
    pub resources: Vec<Resource>,
}

impl Request for GetWorkflowRequest {
    const NAME: &'static str = "workflows.get";
    const SUMMARY: &'static str = "Gives a deployed workflow with its text.";
    const PERMISSION: Permission = Permission::WorkflowsRead;
    type Response = WorkflowDocument;

    async fn handle(self, context: Context) -> Result<WorkflowDocument> {
        find(&context, &self.namespace, &self.name, self.version.as_deref()).await
    }
}

/// A deployed workflow with its text.
pub(super) async fn find(
    context: &Context,
    namespace: &str,
    name: &str,
    version: Option<&str>,
) -> Result<WorkflowDocument> {
    let (workflow, text) = kept(context, namespace, name, version).await?;
    let bundle = Bundle::read(&text)?;
    Ok(WorkflowDocument {
        workflow,
        document: bundle.document().to_owned(),
        resources: bundle.resources(),
    })
}

async fn deployed(
    context: &Context,
    namespace: &str,
    name: &str,
    version: Option<&str>,
) -> Result<DeployedWorkflow> {
    let found = context
        .parts
        .store
        .find(&context.scope(), namespace, name, version)
        .await?;
    found.ok_or_else(|| not_deployed(namespace, name, version))
}

/// A deployed workflow with what is kept of it.
async fn kept(
    context: &Context,
    namespace: &str,
    name: &str,
    version: Option<&str>,
) -> Result<(DeployedWorkflow, String)> {
    let workflow = deployed(context, namespace, name, version).await?;
    let document = context
        .parts
        .store
        .document(&context.scope(), &workflow.hash)
        .await?;
    let document = document.ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidData,
            "the text of a deployed workflow is missing in the store",
        )
        .with_context("hash", &workflow.hash)
    })?;
    Ok((workflow, document))
}

/// Removes a deployed workflow. Runs that follow it go on; its schedule ends with the last version that has one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteWorkflowRequest {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version; all versions when absent.
    #[serde(default)]
    pub version: Option<String>,
}

/// How many versions of a workflow were removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletedWorkflows {
    /// How many versions were removed.
    pub deleted: u64,
}

impl Request for DeleteWorkflowRequest {
    const NAME: &'static str = "workflows.delete";
    const SUMMARY: &'static str =
        "Removes a version of a workflow, or all of them; runs that follow it go on.";
    const PERMISSION: Permission = Permission::WorkflowsWrite;
    type Response = DeletedWorkflows;

    async fn handle(self, context: Context) -> Result<DeletedWorkflows> {
        let store = &context.parts.store;
        let deleted = store
            .delete(
                &context.scope(),
                &self.namespace,
                &self.name,
                self.version.as_deref(),
            )
            .await?;
        // The version that is the latest now is the one that is scheduled.
        let runs = &context.parts.runs;
        runs.schedule(&context.principal, &self.namespace, &self.name)
            .await?;
        Ok(DeletedWorkflows { deleted })
    }
}

/// Carries a workflow out without any effect, to show what a run of it would do.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DryRunWorkflowRequest {
    /// The deployed workflow; either this or `document`.
    #[serde(default)]
    pub workflow: Option<WorkflowReference>,
    /// The text of the document, YAML or JSON; either this or `workflow`.
    #[serde(default)]
    pub document: Option<String>,
    /// The input; an empty object when absent.
    #[serde(default = "super::runs::no_input")]
    pub input: Value,
    /// What calls and awaited runs answer, by the JSON pointer of their task, e.g. `/do/0/read`: the same each time the
    /// task runs. A call without an answer gives `{"unknown": task}`.
    #[serde(default)]
    pub answers: BTreeMap<String, Value>,
    /// What people decide where a task asks for an approval, by the JSON pointer of the task; approved, by nobody known,
    /// where nothing is given.
    #[serde(default)]
    pub decisions: BTreeMap<String, Decision>,
    /// The events that come, in order, each once a task listens and no call is under way.
    #[serde(default)]
    pub events: Vec<EventDraft>,
}

impl Request for DryRunWorkflowRequest {
    const NAME: &'static str = "workflows.dry_run";
    const SUMMARY: &'static str =
        "Shows what a run of a workflow would do, with given answers and without any effect.";
    const PERMISSION: Permission = Permission::WorkflowsRead;
    type Response = DryRunReport;

    async fn handle(self, context: Context) -> Result<DryRunReport> {
        let workflow = match referred(&context, self.workflow, self.document).await? {
            (workflow, Some(text)) => resolve(&context, (workflow, text)).await?.0,
            (workflow, None) => workflow,
        };
        workflow.check_supported()?;
        let events = self.events.into_iter().map(|draft| draft.complete(&context));
        let at = context.parts.clock.now();
        let dry_run = DryRun {
            workflow,
            input: self.input,
            answers: self.answers,
            decisions: self.decisions,
            events: events.collect::<Result<_>>()?,
            at,
            owner: context.scope(),
            id: RunId::new(at, context.parts.random.as_ref()),
        };
        let report = tokio::task::spawn_blocking(move || dry_run.carry_out()).await;
        report.map_err(|error| Error::internal("the dry run ended in a panic").with_source(error))?
    }
}
