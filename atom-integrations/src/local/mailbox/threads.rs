//! Finds which messages form one conversation.
//!
//! Messages belong together when one names the other, or both name a third, in `References` or `In-Reply-To`
//! (RFC 5322, section 3.6.4), whether or not the named message is in the mailbox. This groups like the
//! algorithm of Jamie Zawinski (<https://www.jwz.org/doc/threading.html>), but needs no tree: the groups are
//! the connected parts of the graph, which loops and repeated ids cannot harm. A reply that names nothing
//! joins the newest earlier message with the same subject between the same people.

use std::collections::HashMap;

use jiff::Timestamp;

use super::index::{Entry, Fingerprint, Index, Person};
use super::source::Locator;

/// One conversation, as positions in the index.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conversation {
    /// Its messages without drafts, the oldest first, each once; never empty.
    pub(super) messages: Vec<usize>,
    /// How many of them are unread.
    pub(super) unread_count: usize,
    /// Whether the owner has begun to write in it.
    pub(super) has_draft: bool,
    /// Whether the last message is unread.
    pub(super) is_last_unread: bool,
    /// Whether the owner wrote the last message.
    pub(super) is_last_own: bool,
    /// Whether the last message asks the owner for an answer.
    pub(super) awaits_reply: bool,
    /// Why it does not although somebody else wrote it.
    pub(super) no_reply_reason: Option<&'static str>,
}

impl Conversation {
    /// When its newest message was written, and where that is, which decides between equal times.
    pub(super) fn newest<'a>(&self, index: &'a Index) -> Option<(Option<Timestamp>, &'a Locator)> {
        self.messages
            .last()
            .and_then(|last| index.entries.get(*last))
            .map(|entry| (entry.date, &entry.locator))
    }

    /// Everybody who wrote in it, in the order of their first messages.
    pub(super) fn authors(&self, index: &Index) -> Vec<Person> {
        const MAX_AUTHORS: usize = 100;
        let mut authors = Vec::new();
        for author in self
            .messages
            .iter()
            .filter_map(|message| index.entries.get(*message)?.from)
        {
            if authors.len() < MAX_AUTHORS && !authors.contains(&author) {
                authors.push(author);
            }
        }
        authors
    }
}

/// Groups the messages of the index, in no particular order of conversations.
pub(super) fn conversations(index: &Index) -> Vec<Conversation> {
    let entries = &index.entries;
    let mut groups = Groups::default();
    for entry in entries {
        let own = groups.node(entry.id);
        for reference in &entry.references {
            let other = groups.node(*reference);
            groups.join(own, other);
        }
    }
    // The oldest first; what has no date counts as oldest.
    let mut order: Vec<_> = (0..entries.len()).collect();
    order.sort_by_key(|position| (entries[*position].date, &entries[*position].locator));
    join_by_subject(entries, &order, &mut groups);

    let mut places: HashMap<usize, usize> = HashMap::new();
    let mut members: Vec<Vec<usize>> = Vec::new();
    for position in order {
        let node = groups.node(entries[position].id);
        let root = groups.root(node);
        let place = *places.entry(root).or_insert_with(|| {
            members.push(Vec::new());
            members.len() - 1
        });
        members[place].push(position);
    }
    members
        .iter()
        .filter_map(|members| conversation(entries, members))
        .collect()
}

fn join_by_subject(entries: &[Entry], order: &[usize], groups: &mut Groups) {
    // The newest message so far that a person wrote or got, by subject.
    let mut newest: HashMap<(Fingerprint, Person), usize> = HashMap::new();
    for &position in order {
        let entry = &entries[position];
        let (Some(subject), Some(from)) = (entry.subject, entry.from) else {
            continue;
        };
        if entry.is_reply
            && entry.references.is_empty()
            && let Some(earlier) = newest.get(&(subject, from)).map(|earlier| &entries[*earlier])
            && earlier
                .from
                .is_some_and(|author| author == from || entry.recipients.contains(&author))
        {
            let (own, other) = (groups.node(entry.id), groups.node(earlier.id));
            groups.join(own, other);
        }
        for &person in entry.recipients.iter().chain([&from]) {
            newest.insert((subject, person), position);
        }
    }
}

fn conversation(entries: &[Entry], members: &[usize]) -> Option<Conversation> {
    // The same message may lie in several folders: what any copy tells counts for all.
    let mut copies: HashMap<Fingerprint, Copies> = HashMap::new();
    let mut messages = Vec::new();
    for &position in members {
        let entry = &entries[position];
        if entry.is_draft {
            continue;
        }
        let known = copies.entry(entry.id).or_insert_with(|| {
            messages.push(position);
            Copies {
                is_unread: true,
                is_own: false,
                is_answered: false,
            }
        });
        known.is_unread &= entry.is_unread;
        known.is_own |= entry.is_own;
        known.is_answered |= entry.is_answered;
    }
    let newest = &entries[*messages.last()?];
    let last = copies.get(&newest.id)?;
    let no_reply_reason = match newest.automated {
        _ if last.is_own => None,
        Some(automated) => Some(automated.as_str()),
        None if last.is_answered => Some("answered"),
        None => None,
    };
    Some(Conversation {
        awaits_reply: !last.is_own && no_reply_reason.is_none(),
        is_last_unread: last.is_unread,
        is_last_own: last.is_own,
        no_reply_reason,
        unread_count: copies.values().filter(|copies| copies.is_unread).count(),
        has_draft: members.iter().any(|position| entries[*position].is_draft),
        messages,
    })
}

#[derive(Debug)]
struct Copies {
    is_unread: bool,
    is_own: bool,
    is_answered: bool,
}

/// Groups of ids that can only be joined (a disjoint-set forest, halving paths and joining by size).
#[derive(Debug, Default)]
struct Groups {
    nodes: HashMap<Fingerprint, usize>,
    parents: Vec<usize>,
    sizes: Vec<u32>,
}

impl Groups {
    fn node(&mut self, id: Fingerprint) -> usize {
        *self.nodes.entry(id).or_insert_with(|| {
            self.parents.push(self.parents.len());
            self.sizes.push(1);
            self.parents.len() - 1
        })
    }

    fn root(&mut self, mut node: usize) -> usize {
        while self.parents[node] != node {
            self.parents[node] = self.parents[self.parents[node]];
            node = self.parents[node];
        }
        node
    }

    fn join(&mut self, left: usize, right: usize) {
        let (left, right) = (self.root(left), self.root(right));
        if left != right {
            let (small, large) = if self.sizes[left] < self.sizes[right] {
                (left, right)
            } else {
                (right, left)
            };
            self.parents[small] = large;
            self.sizes[large] += self.sizes[small];
        }
    }
}
