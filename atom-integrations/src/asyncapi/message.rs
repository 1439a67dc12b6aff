//! Messages: what the document says about them, what goes out and what comes in.

use std::sync::Arc;

use atom_core::{Error, ErrorCode, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonschema::{Draft, PatternOptions, Validator};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::document::{Document, malformed};
use super::unsupported;
use crate::http::body::{essence, is_json};
use crate::http::encoding::scalar;

/// How often the matching of one pattern of a schema may go back before it counts as not matching.
const BACKTRACK_LIMIT: usize = 10_000;
/// How large one compiled pattern may be, in bytes.
const PATTERN_SIZE: usize = 256 * 1024;
/// Compiling a schema recurses as deep as it nests, and checking with it as deep as the data nests, each time by as many
/// schemas as may lead to one another. Memory is taken only for what of it is used.
const STACK: usize = 32 * 1024 * 1024;

/// A message to publish.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AsyncApiMessage")]
pub(super) struct Outbound {
    /// What it says.
    #[serde(default)]
    pub(super) payload: Value,
    /// Headers by name: texts, numbers or booleans. Over WebSocket they go with the request that opens the
    /// connection, as messages there have none.
    #[serde(default)]
    pub(super) headers: Map<String, Value>,
}

impl Outbound {
    /// The text, number or boolean at a place that a runtime expression of AsyncAPI names.
    pub(super) fn at(&self, location: &str) -> Option<String> {
        scalar(at(location, &self.payload, &self.headers)?)
    }
}

/// `$message.payload#/a/b` or `$message.header#/a`.
fn at<'v>(location: &str, payload: &'v Value, headers: &'v Map<String, Value>) -> Option<&'v Value> {
    let (source, pointer) = location.split_once('#')?;
    match source {
        "$message.payload" => payload.pointer(pointer),
        "$message.header" => {
            let name = pointer.strip_prefix('/')?.replace("~1", "/").replace("~0", "~");
            let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(&name));
            found.map(|(_, value)| value)
        }
        _ => None,
    }
}

/// What the document says about a message.
#[derive(Debug)]
pub(super) struct Message {
    payload: Option<Arc<Validator>>,
    headers: Option<Arc<Validator>>,
    pub(super) content_type: Option<String>,
    correlation: Option<String>,
}

impl Message {
    /// Reads the message at a place of the document.
    ///
    /// # Errors
    /// `unsupported` for a schema in another language than JSON Schema, `invalid_data` for one that is none.
    pub(super) fn new(document: &Document, value: &Value) -> Result<Self> {
        let value = document.resolve(value)?;
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let format = value.get("schemaFormat").and_then(Value::as_str);
        let correlation = value
            .get("correlationId")
            .map(|correlation| document.resolve(correlation));
        Ok(Self {
            payload: value
                .get("payload")
                .map(|schema| validator(document, schema, format))
                .transpose()?,
            headers: value
                .get("headers")
                .map(|schema| validator(document, schema, None))
                .transpose()?,
            content_type: text(value, "contentType"),
            correlation: correlation
                .transpose()?
                .and_then(|correlation| text(correlation, "location")),
        })
    }

    /// Where and how a payload, and headers, do not fit; without their values, which may be confidential.
    pub(super) fn misfit(&self, payload: &Value, headers: Option<&Map<String, Value>>) -> Option<String> {
        let check = |name: &str, validator: Option<&Arc<Validator>>, value: &Value| {
            let problem = stacker::maybe_grow(STACK, STACK, || {
                let problem = validator?.iter_errors(value).next()?;
                Some((problem.instance_path().to_string(), problem.masked().to_string()))
            });
            problem.map(|(place, problem)| format!("{name}{place}: {problem}"))
        };
        check("/payload", self.payload.as_ref(), payload).or_else(|| {
            let headers = Value::Object(headers?.clone());
            check("/headers", self.headers.as_ref(), &headers)
        })
    }

    /// A message as the workflow sees it.
    pub(super) fn shown(&self, payload: Value, headers: Map<String, Value>) -> Value {
        let correlation = self.correlation.as_deref();
        let correlation = correlation.and_then(|location| scalar(at(location, &payload, &headers)?));
        shown(payload, headers, correlation)
    }
}

/// A message as the workflow sees it.
pub(super) fn shown(payload: Value, headers: Map<String, Value>, correlation: Option<String>) -> Value {
    let mut message = json!({ "payload": payload, "headers": headers });
    if let Some(correlation) = correlation {
        message["correlationId"] = Value::String(correlation);
    }
    message
}

/// The payload in bytes that came, as their content type says: JSON, text, or else base64.
///
/// # Errors
/// `invalid_data` for malformed JSON or text.
pub(super) fn payload(bytes: &[u8], content_type: &str, is_text: bool) -> Result<Value> {
    let misread = || {
        Error::new(
            ErrorCode::InvalidData,
            format!("a message is not of the type '{content_type}', which the document gives it"),
        )
    };
    let essence = essence(content_type);
    if is_json(&essence) {
        return serde_json::from_slice(bytes).map_err(|error| misread().with_source(error));
    }
    if is_text || essence.starts_with("text/") {
        let text = std::str::from_utf8(bytes).map_err(|error| misread().with_source(error))?;
        return Ok(Value::String(text.to_owned()));
    }
    Ok(Value::String(STANDARD.encode(bytes)))
}

/// The validator of a schema, whose references may lead anywhere in the document.
fn validator(document: &Document, schema: &Value, format: Option<&str>) -> Result<Arc<Validator>> {
    let resolved = document.resolve(schema)?;
    // A schema of AsyncAPI 3 may be wrapped in an object that names its language.
    let (format, schema) = match (
        resolved.get("schemaFormat").and_then(Value::as_str),
        resolved.get("schema"),
    ) {
        (Some(format), Some(schema)) => (Some(format), schema),
        _ => (format, schema),
    };
    let is_known = |format: &str| {
        let essence = essence(format);
        essence.starts_with("application/vnd.aai.asyncapi") || essence.starts_with("application/schema+")
    };
    if let Some(format) = format.filter(|format| !is_known(format)) {
        let format: String = format.chars().take(80).collect();
        return Err(unsupported(format!(
            "the document describes a message in '{format}', which is not supported; JSON Schema is"
        )));
    }
    let mut whole = document.root.clone();
    if let Some(members) = whole.as_object_mut() {
        members.insert("allOf".to_owned(), json!([schema]));
    }
    atom_core::schema::check(&whole).map_err(|error| {
        let place = error.context().get("path").map_or("", String::as_str);
        let place = place.strip_prefix("/allOf/0").unwrap_or(place);
        malformed(&format!(
            "the schema of a message, at '{place}': {}",
            error.message()
        ))
    })?;
    let build = || {
        jsonschema::options()
            .with_draft(Draft::Draft7)
            .with_pattern_options(
                PatternOptions::fancy_regex()
                    .backtrack_limit(BACKTRACK_LIMIT)
                    .size_limit(PATTERN_SIZE),
            )
            .offline()
            .build(&whole)
            .map_err(|error| {
                let detail: String = error.to_string().chars().take(240).collect();
                malformed(&format!("the schema of a message is none: {detail}"))
            })
    };
    stacker::maybe_grow(STACK, STACK, build).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_their_type_says() {
        for (bytes, content_type, is_text, expected) in [
            (
                br#"{"a":1}"#.as_slice(),
                "application/json",
                false,
                json!({ "a": 1 }),
            ),
            (
                b"1",
                "application/cloudevents+json; charset=utf-8",
                true,
                json!(1),
            ),
            (b"hi", "text/plain", false, json!("hi")),
            (b"<a/>", "application/xml", true, json!("<a/>")),
            (b"\x00\x01", "application/octet-stream", false, json!("AAE=")),
        ] {
            assert_eq!(payload(bytes, content_type, is_text).unwrap(), expected);
        }
        for (bytes, content_type) in [(b"{".as_slice(), "application/json"), (b"\xff", "text/plain")] {
            let error = payload(bytes, content_type, false).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidData);
        }
    }

    #[test]
    fn a_place_in_a_message_is_found() {
        let message = Outbound {
            payload: json!({ "user": { "id": 7 }, "list": [] }),
            headers: [("Room".to_owned(), json!("a/b"))].into_iter().collect(),
        };
        for (location, expected) in [
            ("$message.payload#/user/id", Some("7")),
            ("$message.header#/room", Some("a/b")),
            ("$message.payload#/list", None),
            ("$message.payload#/gone", None),
            ("$message.header#/gone", None),
            ("$other#/x", None),
            ("nothing", None),
        ] {
            assert_eq!(message.at(location).as_deref(), expected, "{location}");
        }
    }
}
