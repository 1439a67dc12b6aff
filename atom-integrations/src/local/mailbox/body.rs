//! Takes the readable text and the list of attachments out of a parsed message.

use atom_core::model::Attachment;
use mail_parser::decoders::html::html_to_text;
use mail_parser::{MessagePart, MimeHeaders, PartType};

use super::parse::Head;

/// The length of a preview, in characters.
const PREVIEW: usize = 200;

/// The largest number of attachments listed for a message.
const MAX_ATTACHMENTS: usize = 1000;

/// The longest name of an attachment kept, in characters.
const MAX_NAME: usize = 998;

/// Messages inside messages beyond this many are not parsed: they would be taken apart recursively.
const MAX_NESTED: u64 = 200;

/// How many bytes may be searched for the boundaries of one message's parts.
const MAX_SEARCHED: u64 = 1 << 32;

/// What a message says.
#[derive(Debug)]
pub(super) enum Body {
    Read {
        text: String,
        attachments: Vec<Attachment>,
    },
    /// It was left out; the message has this size in bytes.
    Oversized(u64),
    /// It has too many parts to be taken apart, or parts too broken.
    Unreadable,
}

impl Body {
    /// Whether every word, in lower case, occurs in the subject, the sender or the text.
    pub(super) fn has_words(&self, head: &Head, words: &[String]) -> bool {
        let text = match self {
            Self::Read { text, .. } => text.to_lowercase(),
            Self::Oversized(_) | Self::Unreadable => String::new(),
        };
        let (name, address) = head
            .from
            .as_ref()
            .map(|from| (from.name.as_deref().unwrap_or_default(), &*from.address))
            .unwrap_or_default();
        let headers = format!("{}\n{name} {address}", head.subject).to_lowercase();
        words
            .iter()
            .all(|word| headers.contains(word) || text.contains(word))
    }
}

/// The text, plain if there is any and else made from the HTML, and what is attached.
pub(super) fn read(mail: &mail_parser::Message<'_>) -> Body {
    let plain = join(mail, &mail.text_body);
    let text = if plain.trim().is_empty() {
        join(mail, &mail.html_body)
    } else {
        plain
    };
    Body::Read {
        text,
        attachments: mail.attachments().take(MAX_ATTACHMENTS).map(attachment).collect(),
    }
}

/// Whether taking the message apart could exhaust the stack or take minutes.
///
/// Messages inside messages are held recursively, and for each multipart the rest of the message is searched
/// for its boundary. What matters are the words that announce them, wherever they stand.
pub(super) fn is_too_complex(bytes: &[u8]) -> bool {
    let (mut nested, mut multiparts) = (0, 0);
    for (position, byte) in bytes.iter().enumerate() {
        let (word, count) = match byte.to_ascii_lowercase() {
            b'r' => ("rfc822", &mut nested),
            b'g' => ("global", &mut nested),
            b'd' => ("digest", &mut nested),
            b'b' => ("boundary", &mut multiparts),
            _ => continue,
        };
        let found = bytes.get(position..position + word.len());
        if found.is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes())) {
            *count += 1;
        }
    }
    nested > MAX_NESTED || multiparts * bytes.len() as u64 > MAX_SEARCHED
}

/// The first characters of a text, on one line.
pub(super) fn preview(text: &str) -> String {
    let mut preview = String::new();
    for word in text.split_whitespace() {
        if !preview.is_empty() {
            preview.push(' ');
        }
        preview.extend(word.chars().take(PREVIEW));
        if preview.len() > 4 * PREVIEW {
            break;
        }
    }
    preview.chars().take(PREVIEW).collect()
}

fn join(mail: &mail_parser::Message<'_>, parts: &[u32]) -> String {
    let mut text = String::new();
    for part in parts.iter().filter_map(|id| mail.parts.get(*id as usize)) {
        let piece = match &part.body {
            PartType::Text(piece) => piece.replace("\r\n", "\n"),
            PartType::Html(html) => html_to_text(&with_line_breaks(html)),
            _ => continue,
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&piece);
    }
    text
}

/// Marks the ends of block elements, at which the parser's own conversion would join two words into one.
fn with_line_breaks(html: &str) -> String {
    const BLOCKS: [&str; 13] = [
        "div",
        "tr",
        "li",
        "ul",
        "ol",
        "table",
        "h1",
        "h2",
        "h3",
        "h4",
        "blockquote",
        "pre",
        "section",
    ];
    let mut marked = String::with_capacity(html.len());
    let mut pieces = html.split("</");
    marked.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let name = piece
            .split(|character: char| !character.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default();
        if BLOCKS.iter().any(|block| name.eq_ignore_ascii_case(block)) {
            marked.push_str("<br>");
        } else if name.eq_ignore_ascii_case("td") || name.eq_ignore_ascii_case("th") {
            marked.push(' ');
        }
        marked.push_str("</");
        marked.push_str(piece);
    }
    marked
}

fn attachment(part: &MessagePart<'_>) -> Attachment {
    let media_type = match (part.content_type(), &part.body) {
        (Some(kind), _) => {
            let subtype = kind.subtype().unwrap_or("octet-stream");
            format!("{}/{subtype}", kind.ctype()).to_ascii_lowercase()
        }
        (None, PartType::Message(_)) => "message/rfc822".to_owned(),
        (None, PartType::Text(_)) => "text/plain".to_owned(),
        (None, _) => "application/octet-stream".to_owned(),
    };
    let name = part
        .attachment_name()
        .map(|name| name.chars().take(MAX_NAME).collect());
    Attachment {
        name,
        media_type,
        size: size(part),
    }
}

/// The decoded size: of text and files as decoded, of an attached message as it stands inside the outer one.
fn size(part: &MessagePart<'_>) -> u64 {
    match &part.body {
        PartType::Message(_) => u64::from(part.offset_end.saturating_sub(part.offset_body)),
        body => body.len() as u64,
    }
}
