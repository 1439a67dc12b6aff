//! Files, and the documents read from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Origin;

/// A file in a folder or drive, without its content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct File {
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// The name without folders.
    pub name: String,
    /// The path from the root of the account, with `/` between folders.
    pub path: String,
    /// The media type, e.g. `text/markdown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The owner's name or address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// The text of a file, note or page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// The title: its first heading, or else its file name.
    pub title: String,
    /// The path from the root of the account, with `/` between folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The media type of the source, e.g. `text/markdown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The text.
    pub content: String,
    /// Labels.
    #[serde(default)]
    pub tags: Vec<String>,
}
