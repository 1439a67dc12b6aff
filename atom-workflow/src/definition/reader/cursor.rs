//! A place in the tree of a document, with the questions that the reader asks there.

use std::fmt;

use atom_core::{Error, Result};
use serde_json::Value;

use crate::definition::problem::{Path, Position, choices, nearest, problem};
use crate::definition::yaml::{Entry, Kind, Node};

/// A value of the document and where it stands.
#[derive(Clone)]
pub(super) struct Cursor<'t> {
    pub(super) node: &'t Node,
    pub(super) path: Path,
}

impl<'t> Cursor<'t> {
    pub(super) fn root(node: &'t Node) -> Self {
        Self {
            node,
            path: Path::default(),
        }
    }

    pub(super) fn position(&self) -> Position {
        self.node.position
    }

    pub(super) fn json(&self) -> Value {
        self.node.json()
    }

    pub(super) fn error(&self, message: impl fmt::Display) -> Error {
        problem(self.node.position, &self.path, message)
    }

    /// The error for a value of another type than `expected`.
    pub(super) fn unexpected(&self, expected: &str) -> Error {
        let found = match &self.node.kind {
            Kind::Null => "nothing (null)".to_owned(),
            Kind::Boolean(value) => format!("{value}"),
            Kind::Number(value) => format!("the number {value}"),
            Kind::Text(_) => "text".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Object(_) => "an object".to_owned(),
        };
        let is_scalar = matches!(self.node.kind, Kind::Boolean(_) | Kind::Number(_));
        let hint = if is_scalar && (expected.starts_with("text") || expected.starts_with("the text")) {
            "; put it in quotes"
        } else {
            ""
        };
        self.error(format!("expected {expected}, found {found}{hint}"))
    }

    pub(super) fn text(&self) -> Result<&'t str> {
        self.as_text().ok_or_else(|| self.unexpected("text"))
    }

    pub(super) fn as_text(&self) -> Option<&'t str> {
        match &self.node.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text that is not empty.
    pub(super) fn name(&self) -> Result<&'t str> {
        let text = self.text()?;
        if text.is_empty() {
            Err(self.error("expected a name, found an empty text"))
        } else {
            Ok(text)
        }
    }

    pub(super) fn choice(&self, allowed: &[&str]) -> Result<&'t str> {
        let expected = choices(allowed);
        let text = self
            .as_text()
            .ok_or_else(|| self.unexpected(&format!("the text {expected}")))?;
        if allowed.contains(&text) {
            return Ok(text);
        }
        let hint = suggestion(text, allowed.iter().copied());
        Err(self.error(format!("expected {expected}, found '{}'{hint}", shortened(text))))
    }

    pub(super) fn boolean(&self) -> Result<bool> {
        match &self.node.kind {
            Kind::Boolean(value) => Ok(*value),
            _ => Err(self.unexpected("true or false")),
        }
    }

    /// A whole number; `3.0` is one, as in JSON Schema.
    pub(super) fn integer(&self) -> Result<i128> {
        let Kind::Number(number) = &self.node.kind else {
            return Err(self.unexpected("a whole number"));
        };
        let whole = number
            .as_i64()
            .map(i128::from)
            .or_else(|| number.as_u64().map(i128::from));
        // Beyond 2^63 a float names no single whole number any more.
        let float = number
            .as_f64()
            .filter(|float| float.fract() == 0.0 && float.abs() < 9.2e18);
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked just above")]
        whole
            .or(float.map(|float| float as i128))
            .ok_or_else(|| self.unexpected("a whole number"))
    }

    pub(super) fn items(&self) -> Result<Vec<Self>> {
        match &self.node.kind {
            Kind::List(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(index, node)| Self {
                    node,
                    path: self.path.join(index.to_string()),
                })
                .collect()),
            _ => Err(self.unexpected("a list")),
        }
    }

    /// Each item of a list of texts.
    pub(super) fn texts(&self) -> Result<Vec<&'t str>> {
        self.items()?.iter().map(Self::text).collect()
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.node.kind, Kind::List(_))
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self.node.kind, Kind::Object(_))
    }

    /// An object with any keys.
    pub(super) fn any_object(&self) -> Result<Object<'t>> {
        match &self.node.kind {
            Kind::Object(entries) => Ok(Object {
                cursor: self.clone(),
                entries,
            }),
            _ => Err(self.unexpected("an object")),
        }
    }

    /// An object with no keys but these.
    pub(super) fn object(&self, keys: &[&str]) -> Result<Object<'t>> {
        let object = self.any_object()?;
        for entry in object.entries {
            if !keys.contains(&entry.key.as_str()) {
                return Err(object.unknown(entry, keys));
            }
        }
        Ok(object)
    }

    /// An object whose values are texts, and nothing else about them matters.
    pub(super) fn text_object(&self) -> Result<()> {
        self.any_object()?
            .members()
            .try_for_each(|(_, value)| value.text().map(drop))
    }

    /// The one member of an object that has one.
    pub(super) fn single(&self, what: &str) -> Result<Member<'t>> {
        let object = self.any_object()?;
        match object.entries {
            [entry] => Ok(Member {
                name: &entry.key,
                position: entry.position,
                value: Self {
                    node: &entry.value,
                    path: self.path.join(entry.key.as_str()),
                },
            }),
            [] => Err(self.error(format!(
                "expected {what} as one key and its value, found an empty object"
            ))),
            [_, second, ..] => Err(object.key_error(
                second,
                format!(
                    "expected {what} as one key and its value, found a second key '{}'; \
                     is it indented too little, or is a '-' missing?",
                    second.key
                ),
            )),
        }
    }
}

/// A name, its place and its value.
pub(super) struct Member<'t> {
    pub(super) name: &'t str,
    pub(super) position: Position,
    pub(super) value: Cursor<'t>,
}

/// An object of the document.
pub(super) struct Object<'t> {
    pub(super) cursor: Cursor<'t>,
    pub(super) entries: &'t [Entry],
}

impl<'t> Object<'t> {
    pub(super) fn get(&self, key: &str) -> Option<Cursor<'t>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Cursor {
            node: &entry.value,
            path: self.cursor.path.join(key),
        })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    pub(super) fn require(&self, key: &str) -> Result<Cursor<'t>> {
        self.get(key)
            .ok_or_else(|| self.cursor.error(format!("the key '{key}' is missing")))
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&'t str, Cursor<'t>)> + use<'t, '_> {
        self.entries.iter().map(|entry| {
            let value = Cursor {
                node: &entry.value,
                path: self.cursor.path.join(entry.key.as_str()),
            };
            (entry.key.as_str(), value)
        })
    }

    /// The one of these keys that stands here.
    pub(super) fn one_of(&self, keys: &[&'static str]) -> Result<(&'static str, Cursor<'t>)> {
        let mut found = self.entries.iter().filter_map(|entry| {
            keys.iter()
                .find(|key| **key == entry.key)
                .map(|key| (*key, entry))
        });
        match (found.next(), found.next()) {
            (None, _) => Err(self
                .cursor
                .error(format!("one of the keys {} is missing", choices(keys)))),
            (Some((key, entry)), None) => Ok((
                key,
                Cursor {
                    node: &entry.value,
                    path: self.cursor.path.join(key),
                },
            )),
            (Some((first, _)), Some((second, entry))) => Err(self.key_error(
                entry,
                format!("'{first}' and '{second}' exclude each other; keep one"),
            )),
        }
    }

    /// Refuses an empty object.
    pub(super) fn filled(self) -> Result<Self> {
        if self.entries.is_empty() {
            return Err(self
                .cursor
                .error("expected at least one key, found an empty object"));
        }
        Ok(self)
    }

    /// The error for a member, at its key.
    pub(super) fn key_error(&self, entry: &Entry, message: impl fmt::Display) -> Error {
        problem(entry.position, &self.cursor.path, message)
    }

    pub(super) fn unknown(&self, entry: &Entry, keys: &[&str]) -> Error {
        let key = shortened(&entry.key);
        let hint = suggestion(&entry.key, keys.iter().copied().filter(|key| !self.has(key)));
        let hint = if hint.is_empty() {
            format!("; allowed are {}", choices(keys))
        } else {
            hint
        };
        self.key_error(entry, format!("unknown key '{key}'{hint}"))
    }
}

/// A hint at the name that was probably meant, or nothing.
pub(super) fn suggestion<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(written, names).map_or_else(String::new, |name| {
        format!("; did you mean '{}'?", shortened(name))
    })
}

/// The beginning of a name that may be long.
pub(crate) fn shortened(text: &str) -> String {
    beginning(text, 80)
}

/// The beginning of a text that may be long.
pub(crate) fn beginning(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
