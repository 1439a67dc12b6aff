//! The operations of the connector: what they take, give and do.

use std::sync::Arc;

use atom_core::function::TypedFunction;
use atom_core::model::{Message, MessageStatus, Origin, Thread};
use atom_core::{Error, Function, FunctionContext, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::buffer::Part;
use super::index::Index;
use super::newest::Newest;
use super::parse::{self, CONNECTOR, Head};
use super::source::{Mailbox, RawMessage, Skipped, SkippedMessage, Walk};
use super::threads::{self, Conversation};
use super::time::Period;
use crate::local::FileAccess;
use crate::local::blocking::blocking;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// The longest text of a message in a list, in bytes.
const MAX_LISTED_CONTENT: usize = 64 << 10;

/// Which messages to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListMessagesRequest {
    /// An mbox file or a Maildir folder.
    path: String,
    /// Only messages from this time on: RFC 3339, or a date, which starts at midnight UTC.
    #[serde(default)]
    since: Option<String>,
    /// Only messages before this time: RFC 3339, or a date, which is included as a whole.
    #[serde(default)]
    until: Option<String>,
    /// Only unread messages.
    #[serde(default)]
    unread_only: bool,
    /// Words that must all occur in the subject, the sender or the text, in any case of letters.
    #[serde(default)]
    query: Option<String>,
    /// How many of the newest messages to return: 1 to 1000, otherwise 100.
    #[serde(default)]
    limit: Option<usize>,
    /// Whether to return the text, cut after 64 KiB, besides the preview.
    #[serde(default)]
    include_content: bool,
}

/// The newest messages.
#[derive(Debug, Serialize, JsonSchema)]
struct ListMessagesResponse {
    /// The messages, the newest first.
    messages: Vec<Message>,
    /// How many messages match, whether returned or not.
    total: u64,
    /// The messages that could not be read, at most 100 of them.
    skipped: Vec<SkippedMessage>,
    /// How many messages could not be read.
    skipped_total: u64,
}

/// Which message to read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetMessageRequest {
    /// An mbox file or a Maildir folder.
    path: String,
    /// The message's `id` or `remote_id`.
    id: String,
}

/// One message.
#[derive(Debug, Serialize, JsonSchema)]
struct GetMessageResponse {
    /// The message with its whole text.
    message: Message,
}

/// Which threads to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListThreadsRequest {
    /// An mbox file or a Maildir folder, best one that also holds what was sent.
    path: String,
    /// The mail addresses of the mailbox's owner.
    me: Vec<String>,
    /// Only threads whose last message the owner has not answered.
    #[serde(default)]
    awaiting_reply_only: bool,
    /// Only threads with unread messages.
    #[serde(default)]
    unread_only: bool,
    /// Only threads whose newest message is from this time on: RFC 3339, or a date, which starts at midnight UTC.
    #[serde(default)]
    since: Option<String>,
    /// How many of the newest threads to return: 1 to 1000, otherwise 100.
    #[serde(default)]
    limit: Option<usize>,
}

/// The newest threads.
#[derive(Debug, Serialize, JsonSchema)]
struct ListThreadsResponse {
    /// The threads, that with the newest message first.
    threads: Vec<Thread>,
    /// How many threads match, whether returned or not.
    total: u64,
    /// The messages that could not be read, at most 100 of them.
    skipped: Vec<SkippedMessage>,
    /// How many messages could not be read.
    skipped_total: u64,
}

/// Every operation, with the summary the manifest gives it.
pub(super) fn functions(access: &FileAccess, summary: impl Fn(&str) -> String) -> Vec<Arc<dyn Function>> {
    vec![
        function(
            "mailbox.messages.list",
            access,
            &summary,
            |request: ListMessagesRequest, access, context| list_messages(&request, access, context),
        ),
        function(
            "mailbox.messages.get",
            access,
            &summary,
            |request: GetMessageRequest, access, context| get_message(&request, access, context),
        ),
        function(
            "mailbox.threads.list",
            access,
            &summary,
            |request: ListThreadsRequest, access, context| list_threads(&request, access, context),
        ),
    ]
}

/// A function that reads files on a thread where it may block, until it is done, cancelled or no longer awaited.
fn function<Request, Response>(
    name: &str,
    access: &FileAccess,
    summary: &impl Fn(&str) -> String,
    run: fn(Request, FileAccess, FunctionContext) -> Result<Response>,
) -> Arc<dyn Function>
where
    Request: serde::de::DeserializeOwned + JsonSchema + Send + 'static,
    Response: Serialize + JsonSchema + Send + 'static,
{
    let access = access.clone();
    let handler = move |request: Request, mut context: FunctionContext| {
        let access = access.clone();
        async move {
            let waiting = context.clone();
            blocking(&waiting, move |cancellation| {
                context.cancellation = cancellation.clone();
                run(request, access, context)
            })
            .await
        }
    };
    Arc::new(TypedFunction::new(name, summary(name), handler).read_only())
}

fn list_messages(
    request: &ListMessagesRequest,
    access: FileAccess,
    context: FunctionContext,
) -> Result<ListMessagesResponse> {
    let period = Period::new(request.since.as_deref(), request.until.as_deref())?;
    let mut newest = Newest::new(limit(request.limit)?);
    let words: Vec<_> = request
        .query
        .as_deref()
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_lowercase)
        .collect();
    let mailbox = Mailbox::open(access, &request.path, context)?;
    let mut skipped = Skipped::default();
    // Which messages are wanted is known only after all were seen, so the texts are read in a second pass.
    let is_wanted =
        |head: &Head| period.contains(head.date) && (head.state.is_unread || !request.unread_only);
    let part = if words.is_empty() {
        Part::Headers
    } else {
        Part::Whole
    };
    mailbox.walk(part, &mut skipped, |raw| {
        let locator = raw.locator.clone();
        let head = if words.is_empty() {
            Some(Head::read(raw)?).filter(is_wanted)
        } else {
            let (head, body) = parse::whole(raw)?;
            Some(head)
                .filter(is_wanted)
                .filter(|head| body.has_words(head, &words))
        };
        if let Some(head) = head {
            newest.push((head.date, locator));
        }
        Ok(Walk::Continue)
    })?;
    let total = newest.total();
    let max_content = request.include_content.then_some(MAX_LISTED_CONTENT);
    let mut messages = Vec::new();
    for (_, locator) in newest.into_descending() {
        messages.extend(mailbox.load(&locator, Part::Whole, &mut skipped, |raw| {
            parse::message(raw, max_content)
        })?);
    }
    Ok(ListMessagesResponse {
        messages,
        total,
        skipped: skipped.messages,
        skipped_total: skipped.total,
    })
}

fn get_message(
    request: &GetMessageRequest,
    access: FileAccess,
    context: FunctionContext,
) -> Result<GetMessageResponse> {
    let prefix = format!("{CONNECTOR}:");
    let id = request.id.strip_prefix(&prefix).unwrap_or(&request.id);
    let mailbox = Mailbox::open(access, &request.path, context)?;
    let mut skipped = Skipped::default();
    let mut found = None;
    mailbox.walk(Part::Headers, &mut skipped, |raw| {
        let locator = raw.locator.clone();
        if Head::read(raw)?.id != id {
            return Ok(Walk::Continue);
        }
        found = Some(locator);
        Ok(Walk::Stop)
    })?;
    let missing =
        || Error::not_found("the mailbox has no message with this id").with_context("id", &request.id);
    let locator = found.ok_or_else(missing)?;
    let message = mailbox.load(&locator, Part::Whole, &mut skipped, |raw| {
        parse::message(raw, Some(usize::MAX))
    })?;
    Ok(GetMessageResponse {
        message: message.ok_or_else(missing)?,
    })
}

fn list_threads(
    request: &ListThreadsRequest,
    access: FileAccess,
    context: FunctionContext,
) -> Result<ListThreadsResponse> {
    let period = Period::new(request.since.as_deref(), None)?;
    let mut newest = Newest::new(limit(request.limit)?);
    let mut index = Index::new(&request.me)?;
    let mailbox = Mailbox::open(access, &request.path, context)?;
    let mut skipped = Skipped::default();
    mailbox.walk(Part::Headers, &mut skipped, |raw| {
        let locator = raw.locator.clone();
        let has_room = index.add(Head::read(raw)?, locator);
        Ok(if has_room { Walk::Continue } else { Walk::Stop })
    })?;
    index.check_complete()?;
    let conversations = threads::conversations(&index);
    for (place, conversation) in conversations.iter().enumerate() {
        let is_wanted = (conversation.awaits_reply || !request.awaiting_reply_only)
            && (conversation.unread_count > 0 || !request.unread_only);
        if let Some(time) = conversation
            .newest(&index)
            .filter(|(date, _)| is_wanted && period.contains(*date))
        {
            newest.push((time, place));
        }
    }
    let total = newest.total();
    let mut threads = Vec::new();
    for (_, place) in newest.into_descending() {
        threads.extend(thread(&mailbox, &index, &conversations[place], &mut skipped)?);
    }
    Ok(ListThreadsResponse {
        threads,
        total,
        skipped: skipped.messages,
        skipped_total: skipped.total,
    })
}

/// Fills in what the index does not hold, from the thread's first and last message.
fn thread(
    mailbox: &Mailbox,
    index: &Index,
    conversation: &Conversation,
    skipped: &mut Skipped,
) -> Result<Option<Thread>> {
    let entry = |message: Option<&usize>| message.and_then(|message| index.entries.get(*message));
    let (Some(first), Some(last)) = (
        entry(conversation.messages.first()),
        entry(conversation.messages.last()),
    ) else {
        return Ok(None);
    };
    let Some(head) = mailbox.load(&first.locator, Part::Headers, skipped, Head::read)? else {
        return Ok(None);
    };
    let read = |raw: RawMessage<'_>| parse::message(raw, Some(MAX_LISTED_CONTENT));
    let Some(mut last_message) = mailbox.load(&last.locator, Part::Whole, skipped, read)? else {
        return Ok(None);
    };
    let mut origin = Origin::new(CONNECTOR, head.root_id());
    origin.created_at = first.date;
    origin.updated_at = last.date;
    let mut extra = Map::new();
    if let Some(reason) = conversation.no_reply_reason {
        extra.insert("no_reply_reason".to_owned(), json!(reason));
    }
    if conversation.has_draft {
        extra.insert("has_draft".to_owned(), json!(true));
    }
    if !extra.is_empty() {
        origin.extra = Value::Object(extra);
    }
    last_message.thread_id.clone_from(&origin.id);
    last_message.is_unread = conversation.is_last_unread;
    if conversation.is_last_own && last_message.status == MessageStatus::Received {
        last_message.status = MessageStatus::Sent;
    }
    Ok(Some(Thread {
        origin,
        subject: head.base_subject().to_owned(),
        participants: conversation
            .authors(index)
            .into_iter()
            .filter_map(|person| index.address(person).cloned())
            .collect(),
        message_count: conversation.messages.len(),
        unread_count: conversation.unread_count,
        last_message,
        awaits_reply: conversation.awaits_reply,
    }))
}

fn limit(limit: Option<usize>) -> Result<usize> {
    match limit.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        _ => Err(Error::invalid_request(format!(
            "'limit' must lie between 1 and {MAX_LIMIT}"
        ))),
    }
}
