//! Templates: documents with a form to fill in.

use std::sync::Arc;

use atom_core::storage::{Page, PageRequest, StoredTemplate, TemplateInfo};
use atom_core::{Error, ErrorCode, Result};
use atom_workflow::definition::{Naming, WorkflowTemplate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Context, Operation, Permission, Request, blocking};
use crate::templates;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::call::<ListTemplatesRequest>(),
    Operation::call::<GetTemplateRequest>(),
    Operation::call::<InstantiateTemplateRequest>(),
    Operation::call::<SaveTemplateRequest>(),
    Operation::call::<DeleteTemplateRequest>(),
];

/// Asks which templates there are.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListTemplatesRequest {
    /// The `next` of the page before; absent for the first page.
    #[serde(default)]
    pub after: Option<String>,
    /// How many templates at most, 1 to 1000; 100 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
}

impl Request for ListTemplatesRequest {
    const NAME: &'static str = "templates.list";
    const SUMMARY: &'static str =
        "Lists the templates that come with the engine and those imported, by name.";
    const PERMISSION: Permission = Permission::WorkflowsRead;
    type Response = Page<TemplateInfo>;

    async fn handle(self, context: Context) -> Result<Page<TemplateInfo>> {
        let page = PageRequest::new(self.after, self.limit);
        let (size, after) = (page.size()?, page.cursor::<String>()?);
        let own = context.parts.store.templates(&context.scope(), &page).await?;
        let has_more = own.next.is_some();
        let mut items = own.items;
        // The page of the store ends before what may follow on its next one.
        let end = items.last().filter(|_| has_more).map(TemplateInfo::cursor);
        let bundled = templates::all()?.iter().map(|template| template.info.clone());
        items.extend(
            bundled
                .filter(|info| after.as_ref().is_none_or(|after| info.name > *after))
                .filter(|info| end.as_ref().is_none_or(|end| info.name < *end)),
        );
        items.sort_by(|left, right| left.name.cmp(&right.name));
        let mut merged = Page::cut(items, size, TemplateInfo::cursor)?;
        if merged.next.is_none() {
            merged.next = own.next;
        }
        Ok(merged)
    }
}

/// Asks for a template.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetTemplateRequest {
    /// Its name.
    pub name: String,
}

/// A template with its form and its whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateDetails {
    /// What lists show of it.
    pub template: TemplateInfo,
    /// The form: a JSON Schema of an object.
    pub parameters: Value,
    /// The whole file: what another engine imports.
    pub text: String,
}

impl Request for GetTemplateRequest {
    const NAME: &'static str = "templates.get";
    const SUMMARY: &'static str = "Gives a template with its form and its whole file.";
    const PERMISSION: Permission = Permission::WorkflowsRead;
    type Response = TemplateDetails;

    async fn handle(self, context: Context) -> Result<TemplateDetails> {
        let stored = find(&context, &self.name).await?;
        let (template, text) = parse(stored.text).await?;
        Ok(TemplateDetails {
            template: stored.info,
            parameters: Value::clone(&template.parameters),
            text,
        })
    }
}

/// Makes a document from a template.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstantiateTemplateRequest {
    /// The template's name.
    pub name: String,
    /// The values of its form; the defaults where absent.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// The namespace to give to the workflow; the template's when absent.
    #[serde(default)]
    pub workflow_namespace: Option<String>,
    /// The name to give to the workflow; the template's when absent.
    #[serde(default)]
    pub workflow_name: Option<String>,
    /// The version to give to the workflow; the template's when absent.
    #[serde(default)]
    pub workflow_version: Option<String>,
}

impl InstantiateTemplateRequest {
    /// A document from this template with these values of its form.
    pub fn new(name: impl Into<String>, parameters: Map<String, Value>) -> Self {
        Self {
            name: name.into(),
            parameters,
            workflow_namespace: None,
            workflow_name: None,
            workflow_version: None,
        }
    }
}

/// A document made from a template, to be deployed or run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstantiatedTemplate {
    /// The document's text, JSON.
    pub document: String,
    /// The secrets that must be set before it can run.
    pub secrets: Vec<String>,
}

impl Request for InstantiateTemplateRequest {
    const NAME: &'static str = "templates.instantiate";
    const SUMMARY: &'static str = "Makes a workflow document from a template and the values of its form.";
    const PERMISSION: Permission = Permission::WorkflowsRead;
    type Response = InstantiatedTemplate;

    async fn handle(self, context: Context) -> Result<InstantiatedTemplate> {
        let stored = find(&context, &self.name).await?;
        let naming = Naming {
            namespace: self.workflow_namespace,
            name: self.workflow_name,
            version: self.workflow_version,
        };
        let (template, _) = parse(stored.text).await?;
        let parameters = Value::Object(self.parameters);
        let (workflow, document) = blocking(move || template.instantiate(&parameters, &naming)).await?;
        Ok(InstantiatedTemplate {
            document,
            secrets: workflow.secrets,
        })
    }
}

/// Keeps a template.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveTemplateRequest {
    /// The whole file, YAML or JSON.
    pub text: String,
}

impl Request for SaveTemplateRequest {
    const NAME: &'static str = "templates.save";
    const SUMMARY: &'static str = "Keeps a template, in place of an earlier one of the same name.";
    const PERMISSION: Permission = Permission::WorkflowsWrite;
    type Response = TemplateInfo;

    async fn handle(self, context: Context) -> Result<TemplateInfo> {
        let (template, text) = parse(self.text).await?;
        if templates::find(&template.name)?.is_some() {
            return Err(Error::new(
                ErrorCode::AlreadyExists,
                format!(
                    "a template '{}' comes with the engine; give yours another name",
                    template.name
                ),
            ));
        }
        let stored = templates::stored(&template, &text, Some(context.parts.clock.now()));
        context
            .parts
            .store
            .put_template(&context.scope(), &stored)
            .await?;
        Ok(stored.info)
    }
}

/// Removes an imported template.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteTemplateRequest {
    /// Its name.
    pub name: String,
}

/// Whether a template was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletedTemplate {
    /// Whether there was one.
    #[serde(rename = "deleted")]
    pub is_deleted: bool,
}

impl Request for DeleteTemplateRequest {
    const NAME: &'static str = "templates.delete";
    const SUMMARY: &'static str = "Removes an imported template; workflows made from it stay.";
    const PERMISSION: Permission = Permission::WorkflowsWrite;
    type Response = DeletedTemplate;

    async fn handle(self, context: Context) -> Result<DeletedTemplate> {
        let is_deleted = context
            .parts
            .store
            .delete_template(&context.scope(), &self.name)
            .await?;
        Ok(DeletedTemplate { is_deleted })
    }
}

async fn find(context: &Context, name: &str) -> Result<StoredTemplate> {
    if let Some(bundled) = templates::find(name)? {
        return Ok(bundled.clone());
    }
    let own = context.parts.store.template(&context.scope(), name).await?;
    own.ok_or_else(|| Error::not_found("there is no such template; templates.list shows those there are"))
}

async fn parse(text: String) -> Result<(Arc<WorkflowTemplate>, String)> {
    blocking(move || Ok((Arc::new(WorkflowTemplate::parse(&text)?), text))).await
}
