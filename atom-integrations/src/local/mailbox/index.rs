//! A compact entry for every message of a mailbox: enough to form threads, without subjects or texts.

use std::collections::HashMap;

use atom_core::model::Address;
use atom_core::{Error, ErrorCode, Result};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::parse::{Automated, Head};
use super::source::Locator;

/// The largest number of messages whose threads are formed at once; an entry takes some hundred bytes.
const MAX_MESSAGES: usize = 2_000_000;

/// The number of recipients of one message that are remembered.
const MAX_RECIPIENTS: usize = 32;

/// A hash that stands for a Message-ID or a subject.
pub(super) type Fingerprint = u128;

/// A number that stands for an address.
pub(super) type Person = u32;

/// What is remembered of a message.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) date: Option<Timestamp>,
    pub(super) locator: Locator,
    pub(super) id: Fingerprint,
    pub(super) references: Box<[Fingerprint]>,
    /// Of the subject without `Re:`, in lower case; `None` when it is empty.
    pub(super) subject: Option<Fingerprint>,
    pub(super) from: Option<Person>,
    pub(super) recipients: Box<[Person]>,
    pub(super) automated: Option<Automated>,
    pub(super) is_reply: bool,
    pub(super) is_unread: bool,
    pub(super) is_answered: bool,
    pub(super) is_draft: bool,
    /// Whether the owner wrote it.
    pub(super) is_own: bool,
}

/// The messages of a mailbox that belong to conversations.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) entries: Vec<Entry>,
    people: HashMap<String, Person>,
    addresses: Vec<Address>,
    own: Vec<String>,
    is_full: bool,
}

impl Index {
    /// An empty index for the owner of these addresses.
    ///
    /// # Errors
    /// `invalid_request` without an address.
    pub(super) fn new(me: &[String]) -> Result<Self> {
        let own: Vec<_> = me.iter().map(|address| address.trim().to_lowercase()).collect();
        if own.is_empty() || own.iter().any(|address| !address.contains('@')) {
            return Err(Error::invalid_request(
                "'me' must hold the mail addresses of the mailbox's owner, such as [\"ada@example.com\"]",
            ));
        }
        Ok(Self {
            own,
            ..Self::default()
        })
    }

    /// Remembers a message, unless it was thrown away or is junk. Returns whether there is room for more.
    pub(super) fn add(&mut self, head: Head, locator: Locator) -> bool {
        if head.state.is_deleted || head.state.is_junk {
            return true;
        }
        if self.entries.len() == MAX_MESSAGES {
            self.is_full = true;
            return false;
        }
        let subject = head.base_subject();
        let subject = (!subject.is_empty()).then(|| fingerprint(&subject.to_lowercase()));
        let is_reply = head.is_reply();
        let is_written_by_owner = head
            .from
            .as_ref()
            .is_some_and(|from| self.own.contains(&from.address.to_lowercase()));
        let is_own = head.state.is_sent || is_written_by_owner;
        let recipients = head
            .to
            .iter()
            .chain(&head.cc)
            .take(MAX_RECIPIENTS)
            .map(|address| self.person(address))
            .collect();
        let from = head.from.as_ref().map(|address| self.person(address));
        self.entries.push(Entry {
            date: head.date,
            locator,
            id: fingerprint(&head.id),
            references: head.references.iter().map(|id| fingerprint(id)).collect(),
            subject,
            from,
            recipients,
            automated: head.automated,
            is_reply,
            is_unread: head.state.is_unread && !is_own,
            is_answered: head.state.is_answered,
            is_draft: head.state.is_draft,
            is_own,
        });
        true
    }

    /// Checks that every message found room.
    ///
    /// # Errors
    /// `limit_exceeded` when there were too many.
    pub(super) fn check_complete(&self) -> Result<()> {
        if self.is_full {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!("the mailbox has more than {MAX_MESSAGES} messages; split it, for example by year"),
            ));
        }
        Ok(())
    }

    /// The address behind a number.
    pub(super) fn address(&self, person: Person) -> Option<&Address> {
        self.addresses.get(person as usize)
    }

    fn person(&mut self, address: &Address) -> Person {
        let next = Person::try_from(self.addresses.len()).unwrap_or(Person::MAX);
        let person = *self.people.entry(address.address.to_lowercase()).or_insert(next);
        match self.addresses.get_mut(person as usize) {
            None => self.addresses.push(address.clone()),
            Some(known) if known.name.is_none() => known.name.clone_from(&address.name),
            Some(_) => {}
        }
        person
    }
}

/// Stands for a text where the text itself would take too much room.
pub(super) fn fingerprint(text: &str) -> Fingerprint {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .take(16)
        .fold(0, |number, byte| number << 8 | Fingerprint::from(*byte))
}
