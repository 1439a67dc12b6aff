//! Reads YAML 1.2 (and so JSON) into a tree whose nodes know their line and column, within fixed limits.

use std::collections::HashMap;
use std::rc::Rc;

use atom_core::Result;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};

use super::problem::{Path, Position, problem};
use super::scalar;

/// The longest text that is read, in bytes.
pub(super) const MAXIMUM_LENGTH: usize = 4 * 1024 * 1024;
/// How deep lists and objects may nest.
pub(super) const MAXIMUM_DEPTH: usize = 256;
/// How many values a document may hold, those that aliases repeat included.
pub(super) const MAXIMUM_NODES: usize = 200_000;
/// How many bytes of text a document may hold, those that aliases repeat included.
const MAXIMUM_BYTES: usize = 2 * MAXIMUM_LENGTH;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) position: Position,
    size: Size,
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
    height: usize,
}

impl Size {
    fn add(&mut self, child: Self) {
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
                entries.iter().map(|entry| (entry.key.clone(), entry.value.json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// How large the value is.
    pub(super) fn size(&self) -> Size {
        self.size
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
        let (event, span) =
            event.map_err(|error| builder.problem(position(*error.marker()), format!("not YAML: {}", error.info())))?;
        builder.handle(event, position(span.start))?;
    }
    builder.root.take().ok_or_else(|| {
        problem(Position { line: 1, column: 1 }, &Path::default(), "the document is empty; it must be an object")
    })
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}

fn check_text(text: &str) -> Result<()> {
    let start = Position { line: 1, column: 1 };
    if text.len() > MAXIMUM_LENGTH {
        let message = format!("the document has {} bytes; at most {MAXIMUM_LENGTH} are read", text.len());
        return Err(problem(start, &Path::default(), message));
    }
    let is_forbidden = |letter: char| {
        matches!(letter, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    let Some(offset) = text.find(is_forbidden) else { return Ok(()) };
    let (before, after) = text.split_at(offset);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    let code = after.chars().next().map_or(0, u32::from);
    let hint = if code == 0 && offset < 4 { "; save the document as UTF-8" } else { "" };
    let message = format!("the character U+{code:04X} is not allowed in YAML{hint}");
    Err(problem(Position { line, column }, &Path::default(), message))
}

/// A list or object that is not complete yet.
struct Frame {
    content: Content,
    position: Position,
    anchor: usize,
    size: Size,
}

enum Content {
    List(Vec<Rc<Node>>),
    Object { entries: Vec<Entry>, keys: HashMap<String, Position>, pending: Option<(String, Position)> },
}

#[derive(Default)]
struct Builder {
    frames: Vec<Frame>,
    root: Option<Rc<Node>>,
    anchors: HashMap<usize, Rc<Node>>,
    total: Size,
}

impl Builder {
    fn handle(&mut self, event: Event<'_>, position: Position) -> Result<()> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(problem(position, &Path::default(), "a second document begins here; put each in a file of its own"))
            }
            Event::DocumentStart(_) => Ok(()),
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), position),
            Event::Alias(anchor) => self.alias(anchor, position),
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", position)?;
                self.open(Content::List(Vec::new()), anchor, position)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", position)?;
                let content = Content::Object { entries: Vec::new(), keys: HashMap::new(), pending: None };
                self.open(content, anchor, position)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        position: Position,
    ) -> Result<()> {
        let is_plain = style == ScalarStyle::Plain && tag.is_none();
        self.check_tag(tag, "str", position)?;
        let kind = if is_plain {
            scalar::resolve(text).map_err(|message| self.problem(position, message))?
        } else {
            Kind::Text(text.to_owned())
        };
        if self.expects_key() {
            return self.key(text, &kind, is_plain, position);
        }
        let size = Size { nodes: 1, bytes: text.len(), height: 0 };
        self.count(size, position)?;
        self.add(Rc::new(Node { kind, position, size }), anchor);
        Ok(())
    }

    fn key(&mut self, text: &str, kind: &Kind, is_plain: bool, position: Position) -> Result<()> {
        if !matches!(kind, Kind::Text(_)) {
            return Err(self.problem(position, format!("keys must be text; put '{text}' in quotes")));
        }
        if is_plain && text == "<<" {
            let message = "merge keys ('<<') are not part of YAML 1.2; write the keys out or put '<<' in quotes";
            return Err(self.problem(position, message));
        }
        self.count(Size { nodes: 0, bytes: text.len(), height: 0 }, position)?;
        let mut earlier = None;
        if let Some(Frame { content: Content::Object { keys, pending, .. }, size, .. }) = self.frames.last_mut() {
            size.bytes += text.len();
            earlier = keys.insert(text.to_owned(), position);
            *pending = Some((text.to_owned(), position));
        }
        match earlier {
            None => Ok(()),
            Some(first) => Err(problem(
                position,
                &self.parent_path(),
                format!("the key '{text}' stands here again; its first place is line {}", first.line),
            )),
        }
    }

    fn alias(&mut self, anchor: usize, position: Position) -> Result<()> {
        if self.expects_key() {
            return Err(self.problem(position, "an alias cannot be a key; write the key out"));
        }
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(self.problem(position, "the alias stands inside the value that it repeats"));
        };
        self.count(node.size, position)?;
        if self.frames.len() + node.size.height > MAXIMUM_DEPTH {
            return Err(self.too_deep(position));
        }
        self.add(node, 0);
        Ok(())
    }

    fn open(&mut self, content: Content, anchor: usize, position: Position) -> Result<()> {
        if self.expects_key() {
            return Err(self.problem(position, "keys must be text, not lists or objects"));
        }
        if self.frames.len() >= MAXIMUM_DEPTH {
            return Err(self.too_deep(position));
        }
        let size = Size { nodes: 1, bytes: 0, height: 0 };
        self.count(size, position)?;
        self.frames.push(Frame { content, position, anchor, size });
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(Frame { content, position, anchor, size }) = self.frames.pop() else {
            return Err(atom_core::Error::internal("the YAML parser closed a list or object it never opened"));
        };
        let kind = match content {
            Content::List(items) => Kind::List(items),
            Content::Object { entries, .. } => Kind::Object(entries),
        };
        self.add(Rc::new(Node { kind, position, size }), anchor);
        Ok(())
    }

    fn add(&mut self, node: Rc<Node>, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.size.add(node.size);
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Object { entries, pending, .. } => {
                if let Some((key, position)) = pending.take() {
                    entries.push(Entry { key, position, value: node });
                }
            }
        }
    }

    fn expects_key(&self) -> bool {
        self.frames
            .last()
            .is_some_and(|frame| matches!(&frame.content, Content::Object { pending: None, .. }))
    }

    fn count(&mut self, size: Size, position: Position) -> Result<()> {
        self.total.nodes += size.nodes;
        self.total.bytes += size.bytes;
        if self.total.nodes > MAXIMUM_NODES {
            return Err(self.problem(position, format!("the document holds more than {MAXIMUM_NODES} values")));
        }
        if self.total.bytes > MAXIMUM_BYTES {
            let message = format!("the document holds more than {MAXIMUM_BYTES} bytes of text with its aliases");
            return Err(self.problem(position, message));
        }
        Ok(())
    }

    fn check_tag(&self, tag: Option<&Tag>, allowed: &str, position: Position) -> Result<()> {
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == allowed) => {
                Err(self.problem(position, format!("the tag '{tag}' is not supported; remove it")))
            }
            _ => Ok(()),
        }
    }

    fn too_deep(&self, position: Position) -> atom_core::Error {
        // The path of something so deep would fill a page and help nobody.
        let message = format!("lists and objects nest more than {MAXIMUM_DEPTH} deep");
        problem(position, &Path::default(), message)
    }

    fn problem(&self, position: Position, message: impl std::fmt::Display) -> atom_core::Error {
        let path = match self.frames.last() {
            Some(Frame { content: Content::Object { pending: Some((key, _)), .. }, .. }) => {
                self.parent_path().join(key.as_str())
            }
            Some(Frame { content: Content::List(items), .. }) => self.parent_path().join(items.len().to_string()),
            _ => self.parent_path(),
        };
        problem(position, &path, message)
    }

    /// The path of the list or object that is being read.
    fn parent_path(&self) -> Path {
        let enclosing = self.frames.len().saturating_sub(1);
        self.frames.iter().take(enclosing).fold(Path::default(), |path, frame| match &frame.content {
            Content::List(items) => path.join(items.len().to_string()),
            Content::Object { pending: Some((key, _)), .. } => path.join(key.as_str()),
            Content::Object { pending: None, .. } => path,
        })
    }
}
