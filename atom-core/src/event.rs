//! Events, and the log that keeps them.
//!
//! The envelope is CloudEvents 1.0.2 (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>).

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Result, Scope};

/// One event in the CloudEvents 1.0.2 JSON format, with `data` as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CloudEvent {
    /// Identifies the event together with `source`; the log stores such a pair once.
    pub id: String,
    /// Where the event comes from, a URI reference.
    pub source: String,
    /// What kind of event it is, e.g. `com.example.order.placed.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version of the specification, `1.0`.
    #[serde(default = "specversion")]
    pub specversion: String,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub time: Option<Timestamp>,
    /// What it is about, within the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The media type of `data`; `application/json` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// The schema that `data` adheres to, a URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataschema: Option<String>,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Extension attributes.
    #[serde(flatten)]
    pub extensions: Map<String, Value>,
}

fn specversion() -> String {
    "1.0".to_owned()
}

impl CloudEvent {
    /// An event with its required attributes and nothing else.
    pub fn new(id: impl Into<String>, source: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            source: source.into(),
            kind: kind.into(),
            specversion: specversion(),
            time: None,
            subject: None,
            datacontenttype: None,
            dataschema: None,
            data: None,
            extensions: Map::new(),
        }
    }

    /// Checks what CloudEvents requires: non-empty `id`, `source` and `type`, `specversion` 1.0, extension
    /// names of lower-case letters and digits.
    ///
    /// # Errors
    /// `invalid_request` naming the attribute.
    pub fn validate(&self) -> Result<()> {
        for (attribute, value) in [("id", &self.id), ("source", &self.source), ("type", &self.kind)] {
            if value.is_empty() {
                return Err(Error::invalid_request(format!(
                    "the event's '{attribute}' must not be empty"
                )));
            }
        }
        if self.specversion != "1.0" {
            return Err(Error::invalid_request("the event's 'specversion' must be '1.0'"));
        }
        for name in self.extensions.keys() {
            let is_valid = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            if !is_valid {
                return Err(Error::invalid_request(format!(
                    "the event attribute '{name}' is unknown; extension attributes consist of lower-case letters and digits"
                )));
            }
        }
        Ok(())
    }
}

/// The place of an event in its owner's log: 1 for the first, growing, without reuse.
pub type Offset = u64;

/// An event as the log keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoggedEvent {
    /// Its place in the log.
    pub offset: Offset,
    /// The event.
    pub event: CloudEvent,
}

/// An append-only log of events for each scope.
///
/// Offsets grow with every append of any scope; within a scope they may have gaps.
#[async_trait]
pub trait EventLog: Send + Sync + std::fmt::Debug {
    /// Appends an event durably and returns its offset. Appending an event whose `source` and `id` the scope
    /// has already is not an error: it changes nothing and returns the first one's offset.
    ///
    /// # Errors
    /// `storage_full` or `storage_failed`.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have appended; append again with the same id to be sure.
    async fn append(&self, scope: &Scope, event: &CloudEvent) -> Result<Offset>;

    /// Up to `limit` events of the scope after `after` (0 for all), in order of offset.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn read(&self, scope: &Scope, after: Offset, limit: usize) -> Result<Vec<LoggedEvent>>;

    /// The highest offset given out to any scope, 0 when the log is empty.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn head(&self) -> Result<Offset>;

    /// Follows the head: the value changes after every append, whoever made it.
    fn watch(&self) -> tokio::sync::watch::Receiver<Offset>;
}
