//! Expressions, templates, schemas and durations.

use atom_core::Result;
use jsonschema::Draft;
use serde_json::Value;

use super::cursor::{Cursor, shortened};
use super::{Reader, find, formats};
use crate::definition::DataSchema;
use crate::definition::duration::{CalendarDuration, UNITS};
use crate::definition::types::{DurationSpec, Input, Output, Transform};
use crate::definition::yaml::{Kind, Node};
use crate::expression::{Expression, Template, compile_bare, is_expression};

impl<'t> Reader<'t> {
    /// An expression, with or without `${ }`.
    pub(super) fn expression(&mut self, cursor: &Cursor<'t>) -> Result<Expression> {
        let text = cursor.text()?;
        self.count_expressions(cursor, 1)?;
        // Another language is refused when the document is deployed; until then its programs stand for nothing.
        let text = if self.is_jq { text } else { "." };
        let expression = compile_bare(text).map_err(|error| cursor.error(error.message()))?;
        self.note_variables(cursor, &expression)?;
        Ok(expression)
    }

    /// A structure with expressions in it.
    pub(super) fn template(&mut self, cursor: &Cursor<'t>) -> Result<Template> {
        self.compile_template(cursor, &cursor.json())
    }

    pub(super) fn compile_template(&mut self, cursor: &Cursor<'t>, value: &Value) -> Result<Template> {
        self.count_expressions(
            cursor,
            if self.is_loose {
                texts(value)
            } else {
                expressions(value)
            },
        )?;
        let value = if self.is_jq { value } else { &Value::Null };
        let compile = if self.is_loose {
            Template::compile_loose
        } else {
            Template::compile
        };
        let template = compile(value).map_err(|error| {
            let pointer = error.context().get("path").map_or("", String::as_str);
            descend(cursor.clone(), pointer).error(error.message())
        })?;
        for (pointer, expression) in template.expressions() {
            self.note_variables(&descend(cursor.clone(), &pointer), expression)?;
        }
        Ok(template)
    }

    /// An expression as text, or a structure with expressions in it.
    fn transform(&mut self, cursor: &Cursor<'t>) -> Result<Transform> {
        if cursor.as_text().is_some() {
            self.expression(cursor).map(Transform::Expression)
        } else if cursor.is_object() {
            self.template(cursor).map(Transform::Template)
        } else {
            Err(cursor.unexpected("an expression as text, or an object"))
        }
    }

    pub(super) fn input(&mut self, cursor: &Cursor<'t>) -> Result<Input> {
        let input = cursor.object(&["schema", "from"])?;
        Ok(Input {
            schema: input
                .get("schema")
                .map(|schema| self.schema(&schema))
                .transpose()?
                .flatten(),
            from: input.get("from").map(|from| self.transform(&from)).transpose()?,
        })
    }

    /// An `output` or `export`.
    pub(super) fn output(&mut self, cursor: &Cursor<'t>) -> Result<Output> {
        let output = cursor.object(&["schema", "as"])?;
        Ok(Output {
            schema: output
                .get("schema")
                .map(|schema| self.schema(&schema))
                .transpose()?
                .flatten(),
            r#as: output
                .get("as")
                .map(|transform| self.transform(&transform))
                .transpose()?,
        })
    }

    fn schema(&mut self, cursor: &Cursor<'t>) -> Result<Option<DataSchema>> {
        let schema = cursor.object(&["format", "document", "resource"])?;
        let format = schema.get("format");
        let name = format.as_ref().map_or(Ok("json"), Cursor::text)?;
        let (kind, content) = schema.one_of(&["document", "resource"])?;
        if kind == "resource" {
            self.external_resource(&content)?;
        }
        let draft = match name.split_once(':') {
            None if name == "json" => None,
            Some(("json", version)) if draft(version).is_some() => draft(version),
            _ => {
                let place = format.unwrap_or(schema.cursor);
                self.lacks(&place, format!("schema.format: {}", shortened(name)))?;
                return Ok(None);
            }
        };
        if kind == "resource" {
            return self.external_schema(&content, draft);
        }
        self.schema_document(&content, draft).map(Some)
    }

    /// A JSON Schema; of which version, it says itself unless `draft` does.
    pub(super) fn schema_document(
        &mut self,
        cursor: &Cursor<'t>,
        draft: Option<Draft>,
    ) -> Result<DataSchema> {
        self.count_patterns(cursor, count_patterns(cursor.node))?;
        json_schema(cursor, draft)
    }

    /// A timeout, or the name of one.
    pub(super) fn timeout(&mut self, cursor: &Cursor<'t>) -> Result<DurationSpec> {
        if cursor.as_text().is_some() {
            return find(&self.timeouts, "use.timeouts", cursor).cloned();
        }
        if !cursor.is_object() {
            return Err(cursor.unexpected("an object with 'after', or the name of a timeout as text"));
        }
        let timeout = cursor.object(&["after"])?;
        self.duration(&timeout.require("after")?)
    }

    pub(super) fn duration(&mut self, cursor: &Cursor<'t>) -> Result<DurationSpec> {
        let fixed = |cursor: &Cursor<'t>| {
            CalendarDuration::parse(&cursor.json())
                .map(DurationSpec::Fixed)
                .map_err(|error| cursor.error(error.message()))
        };
        if let Some(text) = cursor.as_text() {
            return if formats::is_runtime_expression(text) {
                self.expression(cursor).map(DurationSpec::Expression)
            } else {
                fixed(cursor)
            };
        }
        if !cursor.is_object() {
            return Err(
                cursor.unexpected("a duration: an object such as {seconds: 30}, or text such as 'PT30S'")
            );
        }
        for (_, amount) in cursor.object(&UNITS.map(|(name, _)| name))?.filled()?.members() {
            if amount.integer()? < 0 {
                return Err(amount.error("expected 0 or more"));
            }
        }
        fixed(cursor)
    }
}

/// The version of JSON Schema that `schema.format` names after `json:`.
fn draft(version: &str) -> Option<Draft> {
    Some(match version {
        "draft-04" => Draft::Draft4,
        "draft-06" => Draft::Draft6,
        "draft-07" => Draft::Draft7,
        "2019-09" => Draft::Draft201909,
        "2020-12" => Draft::Draft202012,
        _ => return None,
    })
}

/// Compiles a JSON Schema.
pub(super) fn json_schema(cursor: &Cursor<'_>, draft: Option<Draft>) -> Result<DataSchema> {
    DataSchema::compile(&cursor.json(), draft).map_err(|error| {
        let pointer = error.context().get("path").map_or("", String::as_str);
        descend(cursor.clone(), pointer).error(error.message())
    })
}

/// How many expressions a structure holds.
pub(super) fn expressions(value: &Value) -> usize {
    match value {
        Value::String(text) => usize::from(is_expression(text)),
        Value::Array(items) => items.iter().map(expressions).sum(),
        Value::Object(fields) => fields.values().map(expressions).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// How many texts a structure holds.
fn texts(value: &Value) -> usize {
    match value {
        Value::String(_) => 1,
        Value::Array(items) => items.iter().map(texts).sum(),
        Value::Object(fields) => fields.values().map(texts).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// How many regular expressions a JSON Schema holds, or a few more.
fn count_patterns(node: &Node) -> usize {
    match &node.kind {
        Kind::List(items) => items.iter().map(|item| count_patterns(item)).sum(),
        Kind::Object(entries) => entries
            .iter()
            .map(|entry| {
                let own = match (entry.key.as_str(), &entry.value.kind) {
                    ("pattern", _) => 1,
                    ("patternProperties", Kind::Object(patterns)) => patterns.len(),
                    _ => 0,
                };
                own + count_patterns(&entry.value)
            })
            .sum(),
        _ => 0,
    }
}

/// The value that a JSON pointer leads to, or the last one on the way that exists.
fn descend<'t>(mut cursor: Cursor<'t>, pointer: &str) -> Cursor<'t> {
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        let next = match &cursor.node.kind {
            Kind::Object(entries) => entries
                .iter()
                .find(|entry| entry.key == name)
                .map(|entry| &entry.value),
            Kind::List(items) => name.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
        let Some(node) = next else { break };
        cursor = Cursor {
            node,
            path: cursor.path.join(name),
        };
    }
    cursor
}

/// Checks a value where there is one.
pub(super) fn optional<'t>(
    value: Option<Cursor<'t>>,
    check: impl FnOnce(&Cursor<'t>) -> Result<()>,
) -> Result<()> {
    value.map_or(Ok(()), |value| check(&value))
}
