//! Deployed workflow documents.

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use semver::{BuildMetadata, Version};
use serde::{Deserialize, Serialize};

use super::{Page, PageRequest};
use crate::{Error, ErrorCode, Result, Scope};

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
    /// When a lower version was made the latest in its place; absent for a version that is not withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub withdrawn_at: Option<Timestamp>,
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
    /// the same content again returns the first deployment, which is not withdrawn any more.
    ///
    /// # Errors
    /// `not_found` when the document is not kept, `already_exists` when the version is deployed with other
    /// content, `storage_full` or `storage_failed`.
    async fn deploy(&self, scope: &Scope, workflow: &DeployedWorkflow) -> Result<DeployedWorkflow>;

    /// The deployment of a version, or the highest version by semantic versioning (<https://semver.org>, section 11)
    /// that is not withdrawn when `version` is `None` or `latest`. A pre-release is `latest` only where there is nothing
    /// else.
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

    /// Makes a version the latest: those above it are withdrawn from now on, it and those below it are not any more.
    /// Gives all versions of the workflow as they are then, the highest first, or `None` when this one is not deployed.
    ///
    /// # Errors
    /// `storage_full` or `storage_failed`.
    async fn roll_back(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        version: &str,
        at: Timestamp,
    ) -> Result<Option<Vec<DeployedWorkflow>>>;

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

impl DeployedWorkflow {
    /// The place of the deployment in a list, for a page's `next`.
    #[must_use]
    pub fn cursor(&self) -> (String, String, Timestamp, String) {
        (
            self.namespace.clone(),
            self.name.clone(),
            self.deployed_at,
            self.version.clone(),
        )
    }

    /// What [`WorkflowStore::deploy`] answers when the version is deployed already: the first deployment, restored, when
    /// the content is the same.
    ///
    /// # Errors
    /// `already_exists` when the content differs.
    pub fn deployed_again(self, workflow: &Self) -> Result<Self> {
        if self.hash == workflow.hash {
            return Ok(Self {
                withdrawn_at: None,
                ..self
            });
        }
        Err(Error::new(
            ErrorCode::AlreadyExists,
            format!(
                "version {} of '{}/{}' is deployed with other content; deploy the change as a new version",
                self.version, self.namespace, self.name
            ),
        ))
    }

    /// The error of [`WorkflowStore::deploy`] for a document that is not kept.
    #[must_use]
    pub fn without_document(&self) -> Error {
        Error::not_found("the workflow's document is not kept; keep it before deploying it")
            .with_context("hash", &self.hash)
    }
}

/// Whether a caller of [`WorkflowStore::find`] asks for the highest version.
#[must_use]
pub fn is_latest(version: Option<&str>) -> bool {
    matches!(version, None | Some("latest"))
}

/// The one of several versions of a workflow that is asked for, the rule of [`WorkflowStore::find`]. The latest is the
/// highest that is not withdrawn by the precedence of semantic versioning (<https://semver.org>, section 11), releases
/// before pre-releases. Build metadata has no precedence; among versions that differ in nothing else the text decides. A
/// version that is not semantic is below all others.
#[must_use]
pub fn select(
    versions: impl IntoIterator<Item = DeployedWorkflow>,
    version: Option<&str>,
) -> Option<DeployedWorkflow> {
    let is_wanted = |workflow: &DeployedWorkflow| match version {
        Some(version) if !is_latest(Some(version)) => workflow.version == version,
        _ => workflow.withdrawn_at.is_none(),
    };
    versions
        .into_iter()
        .filter(is_wanted)
        .max_by(|left, right| rank(&left.version).cmp(&rank(&right.version)))
}

/// All versions of a workflow once one of them was made the latest, the highest first: the rule of
/// [`WorkflowStore::roll_back`]. A version that is withdrawn already stays withdrawn since then.
#[must_use]
pub fn rolled_back(
    mut versions: Vec<DeployedWorkflow>,
    version: &str,
    at: Timestamp,
) -> Option<Vec<DeployedWorkflow>> {
    versions.iter().find(|workflow| workflow.version == version)?;
    for workflow in &mut versions {
        let is_above = rank(&workflow.version) > rank(version);
        workflow.withdrawn_at = is_above.then(|| workflow.withdrawn_at.unwrap_or(at));
    }
    versions.sort_by(|left, right| rank(&right.version).cmp(&rank(&left.version)));
    Some(versions)
}

/// The order of versions: not semantic, pre-releases, releases.
fn rank(text: &str) -> (Option<(bool, Version)>, &str) {
    let version = Version::parse(text).ok().map(|mut version| {
        version.build = BuildMetadata::EMPTY;
        (version.pre.is_empty(), version)
    });
    (version, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latest_of(versions: &[&str]) -> Option<String> {
        let deployed = versions.iter().map(|version| DeployedWorkflow {
            namespace: "default".to_owned(),
            name: "briefing".to_owned(),
            version: (*version).to_owned(),
            hash: String::new(),
            title: None,
            summary: None,
            deployed_at: Timestamp::UNIX_EPOCH,
            withdrawn_at: None,
        });
        select(deployed, None).map(|workflow| workflow.version)
    }

    #[test]
    fn the_latest_version_follows_semantic_precedence() {
        for (versions, expected) in [
            (&["1.9.0", "1.10.0", "1.2.0"][..], "1.10.0"),
            (&["1.0.0", "2.0.0-rc.1"], "1.0.0"),
            (&["2.0.0-rc.2", "2.0.0-rc.10", "2.0.0-beta"], "2.0.0-rc.10"),
            (
                &["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta"],
                "1.0.0-alpha.beta",
            ),
            (&["zebra", "0.0.1-a"], "0.0.1-a"),
            (&["1.0.0+5", "1.0.0+10"], "1.0.0+5"),
            (&["zebra", "apple"], "zebra"),
        ] {
            assert_eq!(latest_of(versions).as_deref(), Some(expected), "{versions:?}");
            let reversed: Vec<&str> = versions.iter().rev().copied().collect();
            assert_eq!(latest_of(&reversed).as_deref(), Some(expected), "{reversed:?}");
        }
        assert_eq!(latest_of(&[]), None);
    }
}
