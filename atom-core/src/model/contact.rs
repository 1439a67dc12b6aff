//! People and companies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Origin;

/// A person or company one deals with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contact {
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// The full name.
    pub name: String,
    /// Mail addresses, the preferred one first.
    #[serde(default)]
    pub emails: Vec<String>,
    /// Phone numbers, the preferred one first.
    #[serde(default)]
    pub phones: Vec<String>,
    /// The company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// The position in the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}
