//! One task as a line of text says it, in either format.

use std::collections::BTreeMap;

use atom_core::model::{Priority, TaskStatus};
use jiff::civil::Date;

/// Tags that mark a task as waiting for something else.
const BLOCKED_TAGS: [&str; 3] = ["blocked", "waiting", "waiting-for"];

/// What a line says about a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// The line, counted from 0.
    pub(super) line: usize,
    pub(super) title: String,
    pub(super) due_date: Option<Date>,
    pub(super) priority: Priority,
    pub(super) status: TaskStatus,
    pub(super) project: Option<String>,
    pub(super) tags: Vec<String>,
    /// Facts the model has no field for, e.g. `completed_on`.
    pub(super) extra: BTreeMap<&'static str, String>,
    /// What looks like a date and is none.
    pub(super) misspelt: Vec<String>,
}

impl Entry {
    /// Whether it is still to be done.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.status, TaskStatus::Completed | TaskStatus::Cancelled)
    }

    /// Marks an open task as blocked when a tag says so.
    pub(super) fn with_blocking_tags(mut self) -> Self {
        let is_blocked = |tag: &String| {
            BLOCKED_TAGS
                .iter()
                .any(|blocked| tag.eq_ignore_ascii_case(blocked))
        };
        if self.is_open() && self.tags.iter().any(is_blocked) {
            self.status = TaskStatus::Blocked;
        }
        self
    }
}

/// A new task, as a caller asks for it.
#[derive(Clone, Debug)]
pub(super) struct NewTask {
    pub(super) title: String,
    pub(super) due_date: Option<Date>,
    pub(super) priority: Priority,
    pub(super) project: Option<String>,
    pub(super) tags: Vec<String>,
}

impl NewTask {
    /// Whether an entry says exactly this.
    pub(super) fn is_said_by(&self, entry: &Entry) -> bool {
        self.title == entry.title
            && self.due_date == entry.due_date
            && self.priority == entry.priority
            && self.project == entry.project
            && self.tags == entry.tags
    }
}

/// The words of a title as they are read, with tags among them.
#[derive(Debug, Default)]
pub(super) struct Words<'a> {
    words: Vec<(&'a str, bool)>,
}

impl<'a> Words<'a> {
    /// A word of the title.
    pub(super) fn word(&mut self, word: &'a str) {
        self.words.push((word, false));
    }

    /// A tag, which belongs to the title only when words follow: in `Ask @grace today` it does.
    pub(super) fn tag(&mut self, tag: &'a str) {
        self.words.push((tag, true));
    }

    /// The title. A line of nothing but tags is its own title.
    pub(super) fn title(&self) -> String {
        let end = self
            .words
            .iter()
            .rposition(|(_, is_tag)| !is_tag)
            .map_or(self.words.len(), |at| at + 1);
        let words: Vec<&str> = self.words[..end].iter().map(|(word, _)| *word).collect();
        words.join(" ")
    }
}

/// Adds a tag unless it is there.
pub(super) fn add_tag(tags: &mut Vec<String>, tag: &str) {
    if !tags.iter().any(|present| present == tag) {
        tags.push(tag.to_owned());
    }
}

/// A day written as `2026-03-09`, and nothing else.
pub(super) fn day(text: &str) -> Option<Date> {
    let is_shaped = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if is_shaped { text.parse().ok() } else { None }
}
