//! Turns one message (RFC 5322, MIME) into the unified model.

use std::panic::{AssertUnwindSafe, catch_unwind};

use atom_core::model::{Address, Message, Origin, Priority};
use jiff::Timestamp;
use mail_parser::parsers::fields::thread::thread_name;
use mail_parser::{HeaderName, HeaderValue, MessageParser};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::body::{self, Body};
use super::source::{RawMessage, Reason};
use super::state::MessageState;

/// The longest subject, name or address kept, in characters; RFC 5322 allows lines of 998.
const MAX_FIELD: usize = 998;

/// The largest number of addresses kept of one header, and of references of one message.
const MAX_ENTRIES: usize = 100;

/// The name of the connector.
pub(super) const CONNECTOR: &str = "mailbox";

/// Why a message awaits no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Automated {
    /// It came through a mailing list (`List-Id`, RFC 2919).
    MailingList,
    /// It was sent to many (`Precedence: bulk`, `list` or `junk`).
    Bulk,
    /// A program wrote it (`Auto-Submitted`, RFC 3834).
    AutoSubmitted,
    /// Its sender takes no answers.
    NoReplySender,
}

impl Automated {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::MailingList => "mailing_list",
            Self::Bulk => "bulk",
            Self::AutoSubmitted => "auto_submitted",
            Self::NoReplySender => "no_reply_sender",
        }
    }
}

/// What the headers of a message say.
#[derive(Debug)]
pub(super) struct Head {
    /// The Message-ID without `<>`, or a hash of the headers when there is none.
    pub(super) id: String,
    /// The ids of the messages it answers, the oldest first.
    pub(super) references: Vec<String>,
    pub(super) date: Option<Timestamp>,
    pub(super) from: Option<Address>,
    pub(super) to: Vec<Address>,
    pub(super) cc: Vec<Address>,
    pub(super) subject: String,
    pub(super) priority: Priority,
    pub(super) automated: Option<Automated>,
    pub(super) state: MessageState,
}

impl Head {
    /// Reads the headers of a message.
    pub(super) fn read(raw: RawMessage<'_>) -> Result<Self, Reason> {
        guarded(|| {
            let mail = MessageParser::new().parse_headers(raw.buffer.bytes())?;
            Self::of(&mail, raw.state, raw.buffer.bytes())
        })
        .ok_or("it has none of the headers of a message")
    }

    fn of(mail: &mail_parser::Message<'_>, state: Option<MessageState>, bytes: &[u8]) -> Option<Self> {
        const NEEDED: [HeaderName<'_>; 5] = [
            HeaderName::From,
            HeaderName::Date,
            HeaderName::MessageId,
            HeaderName::Subject,
            HeaderName::To,
        ];
        // Text that happens to hold a colon is no message.
        if !mail.headers().iter().any(|header| NEEDED.contains(&header.name)) {
            return None;
        }
        let sender = mail.from().or_else(|| mail.sender());
        let from = sender.and_then(|address| address.iter().find_map(address_of));
        Some(Self {
            id: first_id(mail).unwrap_or_else(|| header_hash(mail, bytes)),
            references: references(mail),
            date: mail
                .date()
                .filter(|date| date.is_valid())
                .and_then(|date| Timestamp::from_second(date.to_timestamp()).ok()),
            automated: automated(mail, from.as_ref()),
            from,
            to: addresses(mail.all_to()),
            cc: addresses(mail.all_cc()),
            subject: shorten(mail.subject().unwrap_or_default()),
            priority: priority(mail),
            state: state.unwrap_or_else(|| MessageState::from_headers(mail)),
        })
    }

    /// The subject without `Re:` and the like (RFC 5256, section 2.1).
    pub(super) fn base_subject(&self) -> &str {
        thread_name(&self.subject).trim()
    }

    /// Whether the message answers another one.
    pub(super) fn is_reply(&self) -> bool {
        !self.references.is_empty() || self.base_subject().len() < self.subject.trim().len()
    }

    /// The id of the message that began the conversation, as far as this message knows.
    pub(super) fn root_id(&self) -> &str {
        self.references.first().unwrap_or(&self.id)
    }
}

/// Reads a whole message. Its text is cut after `max_content` bytes; without it there is only a preview.
pub(super) fn message(raw: RawMessage<'_>, max_content: Option<usize>) -> Result<Message, Reason> {
    let (head, body) = whole(raw)?;
    Ok(build(head, body, max_content))
}

/// Reads a whole message, its text as long as it is.
pub(super) fn whole(raw: RawMessage<'_>) -> Result<(Head, Body), Reason> {
    let buffer = raw.buffer;
    let head = Head::read(raw)?;
    let body = if buffer.is_oversized() {
        Body::Oversized(buffer.size())
    } else if body::is_too_complex(buffer.bytes()) {
        Body::Unreadable
    } else {
        let parse = || {
            MessageParser::new()
                .parse(buffer.bytes())
                .map(|mail| body::read(&mail))
        };
        guarded(parse).unwrap_or(Body::Unreadable)
    };
    Ok((head, body))
}

fn build(head: Head, body: Body, max_content: Option<usize>) -> Message {
    let mut extra = Map::new();
    for (name, is_set) in [
        ("is_flagged", head.state.is_flagged),
        ("is_answered", head.state.is_answered),
        ("is_junk", head.state.is_junk),
    ] {
        if is_set {
            extra.insert(name.to_owned(), Value::Bool(true));
        }
    }
    if let Some(automated) = head.automated {
        extra.insert("automated".to_owned(), json!(automated.as_str()));
    }
    let (mut content, preview, attachments) = match body {
        Body::Read { text, attachments } => {
            let preview = body::preview(&text);
            (Some(text), preview, attachments)
        }
        Body::Oversized(size) => {
            extra.insert("is_body_skipped".to_owned(), Value::Bool(true));
            extra.insert("size".to_owned(), json!(size));
            (None, String::new(), Vec::new())
        }
        Body::Unreadable => {
            extra.insert("is_body_skipped".to_owned(), Value::Bool(true));
            (None, String::new(), Vec::new())
        }
    };
    let max_content = max_content.unwrap_or(0);
    if let Some(text) = content.as_mut().filter(|text| text.len() > max_content) {
        text.truncate(text.floor_char_boundary(max_content));
        text.shrink_to_fit();
        if max_content > 0 {
            extra.insert("is_content_truncated".to_owned(), Value::Bool(true));
        }
    }
    let mut origin = Origin::new(CONNECTOR, head.id.as_str());
    origin.created_at = head.date;
    origin.is_deleted = head.state.is_deleted;
    if !extra.is_empty() {
        origin.extra = Value::Object(extra);
    }
    Message {
        origin,
        thread_id: thread_id(head.root_id()),
        is_reply: head.is_reply(),
        from: head.from,
        to: head.to,
        cc: head.cc,
        subject: head.subject,
        preview,
        content: if max_content == 0 { None } else { content },
        timestamp: head.date,
        is_unread: head.state.is_unread,
        priority: head.priority,
        status: head.state.status(),
        attachments,
        tags: head.state.labels,
    }
}

/// The engine-wide id of a thread, from the id of its first message.
pub(super) fn thread_id(root: &str) -> String {
    format!("{CONNECTOR}:{root}")
}

/// Whether this is the entry in which some servers keep their own data at the start of an mbox.
pub(super) fn is_folder_data(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"FOLDER INTERNAL DATA";
    let start = &bytes[..bytes.len().min(2048)];
    start.windows(MARK.len()).any(|window| window == MARK)
        && start
            .windows(7)
            .any(|window| window.eq_ignore_ascii_case(b"X-IMAP:"))
}

/// Runs the parser. `None` when it finds nothing, or trips over a message, as it does over some broken ones.
fn guarded<T>(parse: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(parse)).ok().flatten()
}

fn ids(value: &HeaderValue<'_>) -> Vec<String> {
    let ids: Vec<_> = match value {
        HeaderValue::Text(id) => vec![id.as_ref()],
        HeaderValue::TextList(ids) => ids.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    };
    // Text without `<>` is no id (some programs write "Message from Ada of Monday").
    ids.into_iter()
        .map(str::trim)
        .filter(|id| !id.is_empty() && id.len() <= MAX_FIELD && !id.contains(char::is_whitespace))
        .map(str::to_owned)
        .collect()
}

fn first_id(mail: &mail_parser::Message<'_>) -> Option<String> {
    ids(mail.header(HeaderName::MessageId)?).into_iter().next()
}

/// The ancestors of a message: `References`, else the first id of `In-Reply-To` (RFC 5322, section 3.6.4).
fn references(mail: &mail_parser::Message<'_>) -> Vec<String> {
    let mut references = ids(mail.references());
    if references.is_empty() {
        references.extend(ids(mail.in_reply_to()).into_iter().next());
    }
    // Of too many, the first names the thread and the last ones tie it to what is near.
    if references.len() > MAX_ENTRIES {
        references.drain(1..=references.len() - MAX_ENTRIES);
    }
    references
}

/// A stable id for a message without one: a hash of its headers, without those that mail programs change.
fn header_hash(mail: &mail_parser::Message<'_>, bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    for header in mail.headers() {
        let name = header.name.as_str().to_ascii_lowercase();
        if name == "status" || name == "content-length" || name == "lines" || name.starts_with("x-") {
            continue;
        }
        hash.update(name.as_bytes());
        let value = bytes
            .get(header.offset_start as usize..header.offset_end as usize)
            .unwrap_or_default();
        hash.update(value.trim_ascii());
        hash.update([0]);
    }
    let hex: String = hash
        .finalize()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256-{hex}")
}

fn automated(mail: &mail_parser::Message<'_>, from: Option<&Address>) -> Option<Automated> {
    let text = |name: HeaderName<'static>| {
        mail.header(name)
            .and_then(HeaderValue::as_text)
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    if mail.header(HeaderName::ListId).is_some() {
        return Some(Automated::MailingList);
    }
    if matches!(text("Precedence".into()).as_str(), "bulk" | "list" | "junk") {
        return Some(Automated::Bulk);
    }
    let submitted = text(HeaderName::AutoSubmitted);
    if !submitted.is_empty() && submitted.split(';').next().map(str::trim) != Some("no") {
        return Some(Automated::AutoSubmitted);
    }
    let local = from?
        .address
        .split('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let letters: String = local.chars().filter(char::is_ascii_alphabetic).collect();
    let is_no_reply = ["noreply", "donotreply", "mailerdaemon"]
        .iter()
        .any(|name| letters.contains(name));
    is_no_reply.then_some(Automated::NoReplySender)
}

fn priority(mail: &mail_parser::Message<'_>) -> Priority {
    let text = |name: &'static str| {
        let value = mail
            .header(name)
            .and_then(HeaderValue::as_text)
            .unwrap_or_default();
        value
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    match (
        text("Importance").as_str(),
        text("X-Priority").as_str(),
        text("Priority").as_str(),
    ) {
        ("high", ..) | (_, "1" | "2", _) | (.., "urgent") => Priority::High,
        ("low", ..) | (_, "4" | "5", _) | (.., "non-urgent") => Priority::Low,
        _ => Priority::Normal,
    }
}

fn addresses<'a>(headers: impl Iterator<Item = &'a mail_parser::Address<'a>>) -> Vec<Address> {
    let mut found = Vec::new();
    for header in headers {
        found.extend(
            header
                .iter()
                .filter_map(address_of)
                .take(MAX_ENTRIES - found.len()),
        );
    }
    found
}

fn address_of(address: &mail_parser::Addr<'_>) -> Option<Address> {
    let name = address.name().map(shorten).filter(|name| !name.is_empty());
    Some(Address {
        name,
        address: shorten(address.address()?.trim()),
    })
}

fn shorten(text: &str) -> String {
    text.trim().chars().take(MAX_FIELD).collect()
}
