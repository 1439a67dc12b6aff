//! What a mailbox says about a message besides its text: read, answered, sent, draft, labels.

use atom_core::model::MessageStatus;
use mail_parser::{HeaderForm, HeaderName, HeaderValue};

/// The largest number of labels kept for a message.
const MAX_LABELS: usize = 100;

/// The state of a message, from its Maildir name and folder or from the headers mail programs keep in an mbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MessageState {
    pub(super) is_unread: bool,
    pub(super) is_answered: bool,
    pub(super) is_flagged: bool,
    pub(super) is_draft: bool,
    pub(super) is_sent: bool,
    pub(super) is_deleted: bool,
    pub(super) is_junk: bool,
    pub(super) is_archived: bool,
    pub(super) labels: Vec<String>,
}

impl MessageState {
    /// The state of a Maildir file, from the flags after `:2,` (<https://cr.yp.to/proto/maildir.html>) and its
    /// folder. What lies in `new/` is unread.
    pub(super) fn from_maildir(file_name: &str, is_new: bool, folder: Option<&str>) -> Self {
        // File systems without ':' in names use ';' or '!' in its place.
        let flags = file_name
            .rsplit_once([':', ';', '!'])
            .and_then(|(_, info)| info.strip_prefix("2,"));
        let has = |flag| flags.is_some_and(|flags| flags.contains(flag));
        let mut state = Self {
            is_unread: is_new || !has('S'),
            is_answered: has('R'),
            is_flagged: has('F'),
            is_draft: has('D'),
            is_deleted: has('T'),
            ..Self::default()
        };
        if let Some(folder) = folder {
            state.add_label(folder);
        }
        state.settled()
    }

    /// The state that headers tell: `X-Gmail-Labels` (Gmail Takeout), `X-Mozilla-Status` (Thunderbird), or
    /// `Status` and `X-Status` (most others). Without any of them a message is unread.
    pub(super) fn from_headers(mail: &mail_parser::Message<'_>) -> Self {
        let mut state = Self::default();
        let gmail = mail.header_as("X-Gmail-Labels", HeaderForm::Text);
        if let Some(HeaderValue::Text(labels)) = gmail.first() {
            for label in split_labels(labels) {
                state.add_label(&label);
            }
            return state.settled();
        }
        let text = |name: &'static str| {
            mail.header(name)
                .and_then(HeaderValue::as_text)
                .unwrap_or_default()
        };
        if let Ok(bits) = u16::from_str_radix(text("X-Mozilla-Status"), 16) {
            state.is_unread = bits & 0x0001 == 0;
            state.is_answered = bits & 0x0002 != 0;
            state.is_flagged = bits & 0x0004 != 0;
            state.is_deleted = bits & 0x0008 != 0;
            return state.settled();
        }
        let extra = text("X-Status");
        state.is_unread = !text("Status").contains('R');
        state.is_answered = extra.contains('A');
        state.is_flagged = extra.contains('F');
        state.is_draft = extra.contains('T');
        state.is_deleted = extra.contains('D');
        let keywords = mail
            .header(HeaderName::Other("X-Keywords".into()))
            .and_then(HeaderValue::as_text);
        for keyword in keywords.unwrap_or_default().split_whitespace() {
            state.add_label(keyword);
        }
        state.settled()
    }

    /// The status in the unified model.
    pub(super) fn status(&self) -> MessageStatus {
        if self.is_deleted {
            MessageStatus::Deleted
        } else if self.is_draft {
            MessageStatus::Draft
        } else if self.is_sent {
            MessageStatus::Sent
        } else if self.is_archived {
            MessageStatus::Archived
        } else {
            MessageStatus::Received
        }
    }

    /// Adds a label or folder and what its name is known to mean.
    fn add_label(&mut self, label: &str) {
        let name = label.rsplit('/').next().unwrap_or(label).to_lowercase();
        match name.as_str() {
            "unread" => return self.is_unread = true,
            // Gmail names the opposite of "Unread" too; it says nothing more.
            "opened" => return,
            "starred" => self.is_flagged = true,
            "sent" | "sent items" | "sent messages" | "sent mail" => self.is_sent = true,
            "draft" | "drafts" => self.is_draft = true,
            "trash" | "bin" | "deleted items" | "deleted messages" => self.is_deleted = true,
            "junk" | "spam" | "junk e-mail" | "junk email" => self.is_junk = true,
            "archive" | "archived" | "all mail" => self.is_archived = true,
            _ => {}
        }
        if self.labels.len() < MAX_LABELS {
            self.labels.push(label.to_owned());
        }
    }

    /// What the owner wrote or threw away does not wait to be read.
    fn settled(mut self) -> Self {
        self.is_unread &= !(self.is_sent || self.is_draft || self.is_deleted);
        self
    }
}

/// Labels separated by commas; a label with a comma stands in quotes.
fn split_labels(text: &str) -> Vec<String> {
    let mut labels = vec![String::new()];
    let mut is_quoted = false;
    for character in text.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => labels.push(String::new()),
            _ => {
                if let Some(label) = labels.last_mut() {
                    label.push(character);
                }
            }
        }
    }
    labels
        .iter()
        .map(|label| label.trim().to_owned())
        .filter(|label| !label.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_headers(headers: &str) -> MessageState {
        let raw = format!("From: a@example.com\n{headers}\n\n");
        MessageState::from_headers(
            &mail_parser::MessageParser::new()
                .parse_headers(raw.as_bytes())
                .unwrap(),
        )
    }

    #[test]
    fn maildir_flags_are_read() {
        let state = |name: &str| MessageState::from_maildir(name, false, None);
        assert!(state("1.M2.host").is_unread);
        assert!(state("1.M2.host:2,").is_unread);
        assert!(!state("1.M2.host:2,S").is_unread);
        assert!(!state("1.M2.host;2,S").is_unread);
        assert!(state("1.M2.host:2,RS").is_answered);
        assert_eq!(state("1.M2.host:2,D").status(), MessageStatus::Draft);
        assert_eq!(state("1.M2.host:2,ST").status(), MessageStatus::Deleted);
        assert!(
            MessageState::from_maildir("1.M2.host:2,S", true, None).is_unread,
            "what is in new/ is unread"
        );
        let sent = MessageState::from_maildir("1.M2.host:2,", false, Some("Sent"));
        assert_eq!((sent.status(), sent.is_unread), (MessageStatus::Sent, false));
    }

    #[test]
    fn mbox_headers_are_read() {
        assert!(of_headers("Subject: x").is_unread);
        assert!(of_headers("Status: O").is_unread);
        assert!(!of_headers("Status: RO").is_unread);
        assert!(of_headers("Status: RO\nX-Status: AF").is_answered);
        assert_eq!(of_headers("X-Status: D").status(), MessageStatus::Deleted);
        assert!(of_headers("X-Mozilla-Status: 0000").is_unread);
        assert!(!of_headers("X-Mozilla-Status: 0003").is_unread);
        assert_eq!(
            of_headers("X-Mozilla-Status: 0009").status(),
            MessageStatus::Deleted
        );
    }

    #[test]
    fn gmail_labels_are_read() {
        let state = of_headers("X-Gmail-Labels: Inbox,Unread,\"Clients, old\",=?UTF-8?Q?B=C3=BCro?=");
        assert!(state.is_unread);
        assert_eq!(state.labels, ["Inbox", "Clients, old", "Büro"]);
        let state = of_headers("X-Gmail-Labels: Sent,Opened");
        assert_eq!((state.is_unread, state.status()), (false, MessageStatus::Sent));
        assert!(of_headers("X-Gmail-Labels: Spam").is_junk);
    }
}
