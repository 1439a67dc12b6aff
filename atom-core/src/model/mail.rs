//! Messages of mail and chat, and the threads they form.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Origin, Priority};

/// A person or list as a message names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Address {
    /// The display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The mail address or handle, as written.
    pub address: String,
}

/// The state of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// It arrived.
    #[default]
    Received,
    /// It was sent by the account's owner.
    Sent,
    /// It was written and not sent.
    Draft,
    /// Sending it failed.
    Failed,
    /// It was archived.
    Archived,
    /// It was moved to the trash.
    Deleted,
}

/// A file attached to a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attachment {
    /// The file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its media type, e.g. `application/pdf`.
    pub media_type: String,
    /// Its decoded size in bytes.
    pub size: u64,
}

/// One message of mail or chat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// The id of the thread it belongs to.
    pub thread_id: String,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Address>,
    /// To whom it is addressed.
    #[serde(default)]
    pub to: Vec<Address>,
    /// Who gets a copy.
    #[serde(default)]
    pub cc: Vec<Address>,
    /// The decoded subject.
    #[serde(default)]
    pub subject: String,
    /// The first characters of the text, on one line.
    #[serde(default)]
    pub preview: String,
    /// The text, decoded; HTML is turned into text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// When it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub timestamp: Option<Timestamp>,
    /// Whether the owner has not read it.
    #[serde(default)]
    pub is_unread: bool,
    /// Whether it answers another message.
    #[serde(default)]
    pub is_reply: bool,
    /// How urgent the sender marked it.
    #[serde(default)]
    pub priority: Priority,
    /// The state of the message.
    #[serde(default)]
    pub status: MessageStatus,
    /// Its attachments.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// Labels or folders.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Messages that answer one another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Thread {
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
    /// The subject of its first message, without `Re:` and the like.
    pub subject: String,
    /// Everybody who wrote in it.
    pub participants: Vec<Address>,
    /// How many messages it has.
    pub message_count: usize,
    /// How many of them are unread.
    pub unread_count: usize,
    /// The newest message.
    pub last_message: Message,
    /// Whether the last word is not the owner's: the newest message was written by somebody else.
    pub awaits_reply: bool,
}
