//! Builds the tree of a document from the events of the parser, and holds it to its limits.

use std::collections::HashMap;
use std::rc::Rc;

use atom_core::{Error, Result};
use saphyr_parser::{Event, ScalarStyle, ScanError, Tag};

use super::problem::{Path, Position, problem};
use super::scalar;
use super::yaml::{
    Entry, Kind, MAXIMUM_BYTES, MAXIMUM_DEPTH, MAXIMUM_KEY_LENGTH, MAXIMUM_NODES, Node, Size, position,
};

/// A list or object that is not complete yet.
struct Frame {
    content: Content,
    position: Position,
    anchor: usize,
    size: Size,
}

enum Content {
    List(Vec<Rc<Node>>),
    Object {
        entries: Vec<Entry>,
        keys: HashMap<String, Position>,
        pending: Option<(String, Position)>,
    },
}

/// A document in the making.
#[derive(Default)]
pub(super) struct Builder {
    frames: Vec<Frame>,
    pub(super) root: Option<Rc<Node>>,
    anchors: HashMap<usize, Rc<Node>>,
    total: Size,
}

impl Builder {
    pub(super) fn handle(&mut self, event: Event<'_>, position: Position) -> Result<()> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => Err(problem(
                position,
                &Path::default(),
                "a second document begins here; put each in a file of its own",
            )),
            Event::DocumentStart(_) => Ok(()),
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), position)
            }
            Event::Alias(anchor) => self.alias(anchor, position),
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", position)?;
                self.open(Content::List(Vec::new()), anchor, position)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", position)?;
                let content = Content::Object {
                    entries: Vec::new(),
                    keys: HashMap::new(),
                    pending: None,
                };
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
        let size = Size {
            nodes: 1,
            bytes: text.len(),
            height: 0,
        };
        self.count(size, position)?;
        self.add(Rc::new(Node { kind, position, size }), anchor);
        Ok(())
    }

    fn key(&mut self, text: &str, kind: &Kind, is_plain: bool, position: Position) -> Result<()> {
        if !matches!(kind, Kind::Text(_)) {
            return Err(self.problem(position, format!("keys must be text; put '{text}' in quotes")));
        }
        if text.len() > MAXIMUM_KEY_LENGTH {
            return Err(self.problem(position, format!("a key has at most {MAXIMUM_KEY_LENGTH} bytes")));
        }
        if is_plain && text == "<<" {
            let message =
                "merge keys ('<<') are not part of YAML 1.2; write the keys out or put '<<' in quotes";
            return Err(self.problem(position, message));
        }
        self.count(
            Size {
                nodes: 0,
                bytes: text.len(),
                height: 0,
            },
            position,
        )?;
        let mut earlier = None;
        if let Some(Frame {
            content: Content::Object { keys, pending, .. },
            size,
            ..
        }) = self.frames.last_mut()
        {
            size.bytes += text.len();
            earlier = keys.insert(text.to_owned(), position);
            *pending = Some((text.to_owned(), position));
        }
        match earlier {
            None => Ok(()),
            Some(first) => Err(problem(
                position,
                &self.parent_path(),
                format!("the key '{text}' stands here twice, first on line {}", first.line),
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
            return Err(Self::too_deep(position));
        }
        self.add(node, 0);
        Ok(())
    }

    fn open(&mut self, content: Content, anchor: usize, position: Position) -> Result<()> {
        if self.expects_key() {
            return Err(self.problem(position, "keys must be text, not lists or objects"));
        }
        if self.frames.len() >= MAXIMUM_DEPTH {
            return Err(Self::too_deep(position));
        }
        let size = Size {
            nodes: 1,
            bytes: 0,
            height: 0,
        };
        self.count(size, position)?;
        self.frames.push(Frame {
            content,
            position,
            anchor,
            size,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(Frame {
            content,
            position,
            anchor,
            size,
        }) = self.frames.pop()
        else {
            return Err(Error::internal(
                "the YAML parser closed a list or object it never opened",
            ));
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
                    entries.push(Entry {
                        key,
                        position,
                        value: node,
                    });
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
            return Err(self.problem(
                position,
                format!("the document holds more than {MAXIMUM_NODES} values"),
            ));
        }
        if self.total.bytes > MAXIMUM_BYTES {
            let message =
                format!("the document holds more than {MAXIMUM_BYTES} bytes of text with its aliases");
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

    fn too_deep(position: Position) -> Error {
        // The path of something so deep would fill a page and help nobody.
        let message = format!("lists and objects nest more than {MAXIMUM_DEPTH} deep");
        problem(position, &Path::default(), message)
    }

    /// The error for a text that the parser refuses.
    pub(super) fn refused(&self, error: &ScanError) -> Error {
        let position = position(*error.marker());
        match error.info() {
            // The parser looks ahead and so meets its own limit, the same, before ours.
            "recursion limit exceeded" => Self::too_deep(position),
            info => self.problem(position, format!("not YAML: {info}")),
        }
    }

    fn problem(&self, position: Position, message: impl std::fmt::Display) -> Error {
        let path = match self.frames.last() {
            Some(Frame {
                content:
                    Content::Object {
                        pending: Some((key, _)),
                        ..
                    },
                ..
            }) => self.parent_path().join(key.as_str()),
            Some(Frame {
                content: Content::List(items),
                ..
            }) => self.parent_path().join(items.len().to_string()),
            _ => self.parent_path(),
        };
        problem(position, &path, message)
    }

    /// The path of the list or object that is being read.
    fn parent_path(&self) -> Path {
        let enclosing = self.frames.len().saturating_sub(1);
        self.frames
            .iter()
            .take(enclosing)
            .fold(Path::default(), |path, frame| match &frame.content {
                Content::List(items) => path.join(items.len().to_string()),
                Content::Object {
                    pending: Some((key, _)),
                    ..
                } => path.join(key.as_str()),
                Content::Object { pending: None, .. } => path,
            })
    }
}
