//! Reads YAML 1.2 (and so JSON) into a tree whose nodes know their line and column, within fixed limits.

use std::rc::Rc;

use atom_core::Result;
use saphyr_parser::{Marker, Parser};
use serde_json::{Map, Number, Value};

use super::builder::Builder;
use super::problem::{Path, Position, problem};

/// The longest text that is read, in bytes.
pub(super) const MAXIMUM_LENGTH: usize = 4 * 1024 * 1024;
/// How deep lists and objects may nest.
pub(super) const MAXIMUM_DEPTH: usize = 255;
/// How many values a document may hold, those that aliases repeat included.
pub(super) const MAXIMUM_NODES: usize = 200_000;
/// How long a key may be, in bytes. YAML itself has this limit, in characters, for keys without a `?`.
pub(super) const MAXIMUM_KEY_LENGTH: usize = 1024;
/// How many bytes of text a document may hold, those that aliases repeat included.
pub(super) const MAXIMUM_BYTES: usize = 2 * MAXIMUM_LENGTH;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) position: Position,
    pub(super) size: Size,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    List(Vec<Rc<Node>>),
    Object(Vec<Entry>),
}

/// A member of an object.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) position: Position,
    pub(super) value: Rc<Node>,
}

/// What a value costs once written out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) nodes: usize,
    pub(super) bytes: usize,
    pub(super) height: usize,
}

impl Size {
    pub(super) fn add(&mut self, child: Self) {
        self.nodes += child.nodes;
        self.bytes += child.bytes;
        self.height = self.height.max(child.height + 1);
    }
}

impl Node {
    /// The value as JSON.
    pub(super) fn json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Boolean(value) => Value::Bool(*value),
            Kind::Number(value) => Value::Number(value.clone()),
            Kind::Text(value) => Value::String(value.clone()),
            Kind::List(items) => Value::Array(items.iter().map(|item| item.json()).collect()),
            Kind::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

/// Reads a text that holds one document.
///
/// # Errors
/// `invalid_workflow` with the place, when the text is no YAML, holds what JSON cannot, or passes a limit.
pub(super) fn parse(text: &str) -> Result<Rc<Node>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_text(text)?;
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| builder.refused(&error))?;
        builder.handle(event, position(span.start))?;
    }
    builder.root.take().ok_or_else(|| {
        problem(
            Position { line: 1, column: 1 },
            &Path::default(),
            "the document is empty; it must be an object",
        )
    })
}

pub(super) fn position(marker: Marker) -> Position {
    Position {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

fn check_text(text: &str) -> Result<()> {
    let start = Position { line: 1, column: 1 };
    if text.len() > MAXIMUM_LENGTH {
        let message = format!(
            "the document has {} bytes; at most {MAXIMUM_LENGTH} are read",
            text.len()
        );
        return Err(problem(start, &Path::default(), message));
    }
    let is_forbidden = |letter: char| matches!(letter, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    let Some(offset) = text.find(is_forbidden) else {
        return Ok(());
    };
    let (before, after) = text.split_at(offset);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    let code = after.chars().next().map_or(0, u32::from);
    let hint = if code == 0 && offset < 4 {
        "; save the document as UTF-8"
    } else {
        ""
    };
    let message = format!("the character U+{code:04X} is not allowed in YAML{hint}");
    Err(problem(Position { line, column }, &Path::default(), message))
}
