//! Templates that an owner has imported.

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Page, PageRequest};
use crate::{Result, Scope};

/// What a list of templates shows of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateInfo {
    /// Its name.
    pub name: String,
    /// Its semantic version.
    pub version: String,
    /// The name people read.
    pub title: String,
    /// What workflows made from it do, in Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Where it stands in a list of templates, e.g. `calendar`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// When it was imported; absent for those that come with the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub imported_at: Option<Timestamp>,
}

/// A template as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTemplate {
    /// What lists show of it.
    pub info: TemplateInfo,
    /// The whole file.
    pub text: String,
}

/// Keeps templates by name.
#[async_trait]
pub trait TemplateStore: Send + Sync + std::fmt::Debug {
    /// Keeps a template in place of an earlier one of the same name.
    ///
    /// # Errors
    /// `storage_full` or `storage_failed`.
    async fn put_template(&self, scope: &Scope, template: &StoredTemplate) -> Result<()>;

    /// A template.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn template(&self, scope: &Scope, name: &str) -> Result<Option<StoredTemplate>>;

    /// Templates by name.
    ///
    /// # Errors
    /// `invalid_request` for a bad page, `storage_failed`.
    async fn templates(&self, scope: &Scope, page: &PageRequest) -> Result<Page<TemplateInfo>>;

    /// Removes a template; tells whether there was one.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn delete_template(&self, scope: &Scope, name: &str) -> Result<bool>;
}

impl TemplateInfo {
    /// The place of the template in a list, for a page's `next`.
    #[must_use]
    pub fn cursor(&self) -> String {
        self.name.clone()
    }
}
