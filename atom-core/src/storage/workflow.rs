//! Deployed workflow documents.

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Page, PageRequest};
use crate::{Result, Scope};

/// A version of a workflow, deployed under its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeployedWorkflow {
    /// The namespace of the workflow.
    pub namespace: String,
    /// The name of the workflow.
    pub name: String,
    /// The semantic version.
    pub version: String,
    /// SHA-256 of the document's canonical JSON, in hexadecimal.
    pub hash: String,
    /// The name people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it does, in Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// When it was deployed.
    #[schemars(with = "String")]
    pub deployed_at: Timestamp,
}

/// Keeps documents by content hash, and names that point to them.
#[async_trait]
pub trait WorkflowStore: Send + Sync + std::fmt::Debug {
    /// Keeps a document's text under its hash; keeping it again changes nothing.
    ///
    /// # Errors
    /// `storage_full` or `storage_failed`.
    async fn put_document(&self, scope: &Scope, hash: &str, text: &str) -> Result<()>;

    /// The text of a document.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn document(&self, scope: &Scope, hash: &str) -> Result<Option<String>>;

    /// Deploys a document that [`put_document`](Self::put_document) has kept. A version is immutable: deploying
    /// the same content again returns the first deployment.
    ///
    /// # Errors
    /// `already_exists` when the version is deployed with other content, `storage_full` or `storage_failed`.
    async fn deploy(&self, scope: &Scope, workflow: &DeployedWorkflow) -> Result<DeployedWorkflow>;

    /// The deployment of a version, or the highest version by semantic versioning (<https://semver.org>, section 11)
    /// when `version` is `None` or `latest`. A pre-release is `latest` only where there is nothing else.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn find(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        version: Option<&str>,
    ) -> Result<Option<DeployedWorkflow>>;

    /// Deployments by namespace, name and deployment time.
    ///
    /// # Errors
    /// `invalid_request` for a bad page, `storage_failed`.
    async fn list(&self, scope: &Scope, page: &PageRequest) -> Result<Page<DeployedWorkflow>>;

    /// Removes a version, or all versions, and tells how many. Documents that runs use are kept.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn delete(&self, scope: &Scope, namespace: &str, name: &str, version: Option<&str>) -> Result<u64>;
}
