//! Places in a document, and errors that name them.

use std::fmt;
use std::rc::Rc;

use atom_core::{Error, ErrorCode};

/// How much of a pointer a message shows, in characters.
const POINTER_LENGTH: usize = 300;

/// A place in the text, both numbers from 1 and counted in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// A JSON pointer that shares its beginning with its siblings.
#[derive(Clone, Debug, Default)]
pub(super) struct Path(Option<Rc<Segment>>);

#[derive(Debug)]
struct Segment {
    parent: Path,
    name: String,
}

impl Path {
    /// The path of a member of the thing at this path.
    pub(super) fn join(&self, name: impl Into<String>) -> Self {
        Self(Some(Rc::new(Segment {
            parent: self.clone(),
            name: name.into(),
        })))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Vec::new();
        let mut path = self;
        while let Some(segment) = &path.0 {
            names.push(segment.name.as_str());
            path = &segment.parent;
        }
        names
            .iter()
            .rev()
            .try_for_each(|name| write!(formatter, "/{}", escaped(name)))
    }
}

/// The error for a document that breaks a rule at a place.
pub(super) fn problem(position: Position, path: &Path, message: impl fmt::Display) -> Error {
    let pointer = path.to_string();
    let text = if pointer.is_empty() {
        format!("{position}: {message}")
    } else {
        format!("{position}: {}: {message}", ending(&pointer))
    };
    Error::new(ErrorCode::InvalidWorkflow, text)
        .with_context("line", position.line)
        .with_context("column", position.column)
        .with_context("path", pointer)
}

/// The end of a pointer that may be long; the context has all of it.
fn ending(pointer: &str) -> String {
    match pointer.char_indices().rev().nth(POINTER_LENGTH) {
        None => pointer.to_owned(),
        Some((start, _)) => format!("…{}", &pointer[start..]),
    }
}

/// The name among `names` that somebody who wrote `written` most likely meant.
pub(super) fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words are never a slip of one of ours, and comparing them would cost time.
    if written.chars().count() > 64 {
        return None;
    }
    let limit = (written.chars().count() / 3).max(1);
    names
        .into_iter()
        .take(1_000)
        .filter(|name| name.len() <= 256)
        .map(|name| (distance(&written.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters must be inserted, removed or replaced to turn one word into the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut diagonal = index;
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
        let mut before = index + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&right) {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            before = replaced.min(*cell + 1).min(before + 1);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Words as a list for people: `'a', 'b' or 'c'`.
pub(super) fn choices(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => format!("'{only}'"),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(|word| format!("'{word}'")).collect();
            format!("{} or '{last}'", first.join(", "))
        }
    }
}

/// A key within a JSON pointer (RFC 6901, section 3).
pub(super) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_a_slip_away_or_absent() {
        let names = ["call", "do", "fork", "exceptWhen"];
        for (written, expected) in [
            ("cal", Some("call")),
            ("Call", Some("call")),
            ("exceptwhen", Some("exceptWhen")),
            ("banana", None),
        ] {
            assert_eq!(nearest(written, names), expected, "{written}");
        }
    }

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(Path::default().join("a/b").join("~").to_string(), "/a~1b/~0");
        assert_eq!(Path::default().to_string(), "");
    }

    #[test]
    fn choices_read_as_a_sentence() {
        assert_eq!(choices(&["a", "b", "c"]), "'a', 'b' or 'c'");
        assert_eq!(choices(&["a"]), "'a'");
    }
}
