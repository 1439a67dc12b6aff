//! The unified models: one shape for the same thing from every service.
//!
//! Every model flattens an [`Origin`], which says where it came from, keeps the service's own id and marks
//! deletion, and holds times in UTC. Fields a service lacks are absent, never invented.
//!
//! ```
//! use atom_core::model::{Origin, Task, TaskStatus};
//!
//! let task = Task { title: "Send the invoice".into(), ..Task::new(Origin::new("task_file", "todo.txt:3")) };
//! assert_eq!(task.status, TaskStatus::Todo);
//! assert_eq!(serde_json::to_value(&task)?["id"], "task_file:todo.txt:3");
//! # Ok::<(), serde_json::Error>(())
//! ```

mod calendar;
mod contact;
mod file;
mod finance;
mod mail;
mod task;

pub use calendar::{Attendee, AttendeeResponse, Conflict, Event, EventStatus, EventTime};
pub use contact::Contact;
pub use file::{Document, File};
pub use finance::{Account, Transaction};
pub use mail::{Address, Attachment, Message, MessageStatus, Thread};
pub use task::{Priority, Project, Task, TaskStatus};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a record came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// Unique within the engine for one account: the connector's name, `:`, and `remote_id`.
    pub id: String,
    /// The connector that read it, e.g. `mailbox`.
    pub connector: String,
    /// The id the service itself uses.
    pub remote_id: String,
    /// A page where a person can see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When the service created it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub created_at: Option<Timestamp>,
    /// When the service last changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub updated_at: Option<Timestamp>,
    /// Whether the service reports it as deleted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_deleted: bool,
    /// What the service says beyond the unified fields.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub extra: Value,
}

fn is_false(value: &bool) -> bool {
    !*value
}

impl Origin {
    /// An origin with its id derived from the connector and the service's id.
    pub fn new(connector: impl Into<String>, remote_id: impl Into<String>) -> Self {
        let (connector, remote_id) = (connector.into(), remote_id.into());
        Self {
            id: format!("{connector}:{remote_id}"),
            connector,
            remote_id,
            ..Self::default()
        }
    }
}
