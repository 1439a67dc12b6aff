//! Reads a document in YAML 1.2 or JSON into JSON, within fixed limits.

use std::collections::HashMap;

use atom_core::{Error, ErrorCode, Result};
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};

/// How deep lists and objects may nest.
const MAXIMUM_DEPTH: usize = 128;
/// How many values a document may hold, those that aliases repeat included.
const MAXIMUM_VALUES: usize = 1_000_000;
/// How many bytes of text those may hold.
const MAXIMUM_BYTES: usize = 64 * 1024 * 1024;

/// Reads a text that holds one document.
///
/// # Errors
/// `invalid_data` when it is neither JSON nor YAML, or passes a limit.
pub(crate) fn parse(text: &str) -> Result<Value> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        // Most of what YAML 1.2 allows in braces is JSON, and the JSON reader is many times faster.
        if let Ok(value) = serde_json::from_str(text) {
            return Ok(value);
        }
    }
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| {
            let (line, column) = (error.marker().line(), error.marker().col() + 1);
            problem(&format!("line {line}, column {column}: {}", error.info()))
        })?;
        builder.handle(event)?;
    }
    builder.root.ok_or_else(|| problem("it is empty"))
}

/// The version that a document names as that of its format. Without quotes YAML reads `3.0` as a number.
pub(crate) fn version(root: &Value, name: &str) -> Option<String> {
    match root.get(name)? {
        Value::String(version) => Some(version.clone()),
        Value::Number(version) => Some(version.to_string()),
        _ => None,
    }
}

fn problem(detail: &str) -> Error {
    Error::new(
        ErrorCode::InvalidData,
        format!("the document is neither JSON nor YAML that can be read: {detail}"),
    )
}

struct Frame {
    content: Content,
    anchor: usize,
}

enum Content {
    List(Vec<Value>),
    Object {
        members: Map<String, Value>,
        key: Option<String>,
    },
}

#[derive(Default)]
struct Builder {
    frames: Vec<Frame>,
    root: Option<Value>,
    anchors: HashMap<usize, Value>,
    values: usize,
    bytes: usize,
}

impl Builder {
    fn handle(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => Err(problem("it holds more than one document")),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, text.len())?;
                if let Some(Frame {
                    content: Content::Object { key: key @ None, .. },
                    ..
                }) = self.frames.last_mut()
                {
                    *key = Some(text.into_owned());
                    return Ok(());
                }
                self.add(scalar(&text, style, tag.as_deref()), anchor)
            }
            Event::Alias(anchor) => {
                let value = self
                    .anchors
                    .get(&anchor)
                    .ok_or_else(|| problem("an alias stands inside what it repeats"))?
                    .clone();
                self.count_value(&value, self.frames.len())?;
                self.add(value, 0)
            }
            Event::SequenceStart(anchor, _) => self.open(Content::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.open(
                Content::Object {
                    members: Map::new(),
                    key: None,
                },
                anchor,
            ),
            Event::SequenceEnd | Event::MappingEnd => {
                let frame = self
                    .frames
                    .pop()
                    .ok_or_else(|| problem("it closes what it never opened"))?;
                let value = match frame.content {
                    Content::List(items) => Value::Array(items),
                    Content::Object { members, .. } => Value::Object(members),
                };
                self.add(value, frame.anchor)
            }
        }
    }

    fn open(&mut self, content: Content, anchor: usize) -> Result<()> {
        if self.frames.len() >= MAXIMUM_DEPTH {
            return Err(problem(&format!("it nests more than {MAXIMUM_DEPTH} deep")));
        }
        self.count(1, 0)?;
        self.frames.push(Frame { content, anchor });
        Ok(())
    }

    fn add(&mut self, value: Value, anchor: usize) -> Result<()> {
        if anchor != 0 {
            // The copy that aliases are made from counts like one of them.
            self.count_value(&value, self.frames.len())?;
            self.anchors.insert(anchor, value.clone());
        }
        match self.frames.last_mut() {
            None => self.root = Some(value),
            Some(Frame {
                content: Content::List(items),
                ..
            }) => items.push(value),
            Some(Frame {
                content: Content::Object { members, key },
                ..
            }) => match key.take() {
                Some(name) if name == "<<" => merge(members, value)?,
                Some(name) => drop(members.insert(name, value)),
                None => return Err(problem("a key is not a text")),
            },
        }
        Ok(())
    }

    fn count(&mut self, values: usize, bytes: usize) -> Result<()> {
        self.values += values;
        self.bytes += bytes;
        if self.values > MAXIMUM_VALUES || self.bytes > MAXIMUM_BYTES {
            return Err(problem("it is too large once its aliases are written out"));
        }
        Ok(())
    }

    fn count_value(&mut self, value: &Value, depth: usize) -> Result<()> {
        if depth > MAXIMUM_DEPTH {
            return Err(problem(&format!("it nests more than {MAXIMUM_DEPTH} deep")));
        }
        match value {
            Value::String(text) => self.count(1, text.len()),
            Value::Array(items) => {
                self.count(1, 0)?;
                items
                    .iter()
                    .try_for_each(|item| self.count_value(item, depth + 1))
            }
            Value::Object(members) => {
                self.count(1, members.keys().map(String::len).sum())?;
                members
                    .values()
                    .try_for_each(|member| self.count_value(member, depth + 1))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => self.count(1, 0),
        }
    }
}

/// The merge key of YAML 1.1, which many hand-written documents use: members that are there already stay.
fn merge(members: &mut Map<String, Value>, value: Value) -> Result<()> {
    let sources = match value {
        Value::Array(sources) => sources,
        source => vec![source],
    };
    for source in sources {
        let Value::Object(source) = source else {
            return Err(problem("'<<' merges something other than objects"));
        };
        for (name, value) in source {
            members.entry(name).or_insert(value);
        }
    }
    Ok(())
}

/// The core schema of YAML 1.2.2, section 10.3.2. Numbers that do not fit in 64 bits stay text.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let text_value = || Value::String(text.to_owned());
    if style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str") {
        return text_value();
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        // The float parser of the standard library also reads words such as `nan` and `infinity`.
        _ if text.bytes().any(|byte| byte.is_ascii_digit())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) =>
        {
            text.parse::<i64>()
                .map(Number::from)
                .ok()
                .or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
                .map_or_else(text_value, Value::Number)
        }
        _ => text_value(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn yaml_becomes_json() {
        let text = "swagger: '2.0'\nresponses:\n  200: {ok: true, rate: 1.5}\nlist: [a, 1, ~, 1.0.3]\nbase: &b {x: 1, y: 2}\n\
             copy: *b\nmerged:\n  y: 3\n  <<: *b\n";
        let expected = json!({
            "swagger": "2.0",
            "responses": { "200": { "ok": true, "rate": 1.5 } },
            "list": ["a", 1, null, "1.0.3"],
            "base": { "x": 1, "y": 2 },
            "copy": { "x": 1, "y": 2 },
            "merged": { "y": 3, "x": 1 },
        });
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let bomb: String = (1..30).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
            text + &format!("a{level}: &a{level} [*a{0}, *a{0}, *a{0}]\n", level - 1)
        });
        let deep = "[".repeat(200);
        for text in [
            "",
            "a: [",
            "a: 1\n---\nb: 2\n",
            "? [a]\n: 1\n",
            "a: &a [*a]\n",
            "<<: 1\n",
            bomb.as_str(),
            deep.as_str(),
        ] {
            assert_eq!(
                parse(text).unwrap_err().code(),
                ErrorCode::InvalidData,
                "{text:.60}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn json_is_read_as_json(name in "[a-z]{1,8}", text in any::<String>(), number in any::<i32>()) {
            let value = json!({ name: { "text": text, "number": number } });
            prop_assert_eq!(parse(&value.to_string()).unwrap(), value);
        }
    }
}
