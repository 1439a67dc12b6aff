//! Request bodies: a JSON value written as the content type asks.

use std::collections::BTreeSet;

use atom_core::{Error, RandomSource, Result};
use serde_json::{Map, Value};

use super::encoding;
use crate::system::SystemRandom;

/// A request body and its `Content-Type`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Body {
    pub(crate) content_type: String,
    pub(crate) bytes: Vec<u8>,
}

/// Media types that hold JSON: `application/json`, `text/json` and the suffix `+json` of RFC 6839.
pub(crate) fn is_json(essence: &str) -> bool {
    matches!(essence, "application/json" | "text/json") || essence.ends_with("+json")
}

/// The type and subtype of a media type, in lower case and without its parameters.
pub(crate) fn essence(content_type: &str) -> String {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// Writes a value as a body. Without a content type, text is sent as `text/plain` and everything else as
/// JSON. `files` names the members of a `multipart/form-data` body that are sent as files.
///
/// # Errors
/// `invalid_request` when the value has no form in this content type.
pub(crate) fn encode(value: &Value, content_type: Option<&str>, files: &BTreeSet<String>) -> Result<Body> {
    let content_type = match (content_type, value) {
        (Some(content_type), _) => content_type,
        (None, Value::String(_)) => "text/plain; charset=utf-8",
        (None, _) => "application/json",
    };
    let essence = essence(content_type);
    let bytes = match (essence.as_str(), value) {
        (json, value) if is_json(json) => serde_json::to_vec(value)
            .map_err(|error| Error::internal("the body cannot be written as JSON").with_source(error))?,
        ("application/x-www-form-urlencoded", Value::Object(fields)) => {
            encoding::pairs(fields, "body")?.into_bytes()
        }
        ("multipart/form-data", Value::Object(fields)) => return multipart(fields, files),
        ("multipart/form-data", _) => return Err(unfit(&essence, "an object")),
        (_, Value::String(text)) => text.clone().into_bytes(),
        (text, Value::Number(_) | Value::Bool(_)) if text.starts_with("text/") => {
            value.to_string().into_bytes()
        }
        ("application/x-www-form-urlencoded", _) => return Err(unfit(&essence, "an object or a text")),
        _ => return Err(unfit(&essence, "a text")),
    };
    Ok(Body {
        content_type: content_type.to_owned(),
        bytes,
    })
}

fn unfit(essence: &str, expected: &str) -> Error {
    Error::invalid_request(format!("a body of type '{essence}' must be {expected}"))
}

/// RFC 7578, with the escapes of the WHATWG form submission algorithm in names.
fn multipart(fields: &Map<String, Value>, files: &BTreeSet<String>) -> Result<Body> {
    let boundary: String = SystemRandom
        .random_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut bytes = Vec::new();
    for (name, value) in fields {
        let escaped = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        let values = match value {
            Value::Null => continue,
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        for value in values {
            let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{escaped}\"");
            if files.contains(name) {
                head.push_str(&format!(
                    "; filename=\"{escaped}\"\r\nContent-Type: application/octet-stream"
                ));
            } else if value.is_object() || value.is_array() {
                head.push_str("\r\nContent-Type: application/json");
            }
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(b"\r\n\r\n");
            match value {
                Value::String(text) => bytes.extend_from_slice(text.as_bytes()),
                value => bytes.extend_from_slice(value.to_string().as_bytes()),
            }
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(Body {
        content_type: format!("multipart/form-data; boundary={boundary}"),
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(value: &Value, content_type: Option<&str>) -> (String, String) {
        let body = encode(value, content_type, &BTreeSet::new()).unwrap();
        (body.content_type, String::from_utf8(body.bytes).unwrap())
    }

    #[test]
    fn a_body_is_written_as_its_content_type_asks() {
        for (value, given, content_type, expected) in [
            (json!({ "a": 1 }), None, "application/json", r#"{"a":1}"#),
            (json!([1, "b"]), None, "application/json", r#"[1,"b"]"#),
            (json!(7), None, "application/json", "7"),
            (json!("hi"), None, "text/plain; charset=utf-8", "hi"),
            (
                json!("hi"),
                Some("application/json"),
                "application/json",
                r#""hi""#,
            ),
            (
                json!({ "a": 1 }),
                Some("application/vnd.x+json; v=1"),
                "application/vnd.x+json; v=1",
                r#"{"a":1}"#,
            ),
            (json!("<a/>"), Some("application/xml"), "application/xml", "<a/>"),
            (json!(1.5), Some("text/plain"), "text/plain", "1.5"),
            (
                json!({ "a b": "c&d=é", "n": 1, "l": [true, "x"], "none": null }),
                Some("application/x-www-form-urlencoded"),
                "application/x-www-form-urlencoded",
                "a%20b=c%26d%3D%C3%A9&n=1&l=true&l=x",
            ),
            (
                json!("a=1"),
                Some("Application/X-WWW-Form-Urlencoded"),
                "Application/X-WWW-Form-Urlencoded",
                "a=1",
            ),
        ] {
            assert_eq!(
                text(&value, given),
                (content_type.to_owned(), expected.to_owned())
            );
        }
    }

    #[test]
    fn a_value_without_a_form_in_the_content_type_is_refused() {
        for (value, content_type) in [
            (json!({ "a": 1 }), "text/plain"),
            (json!([1]), "application/octet-stream"),
            (json!([1]), "application/x-www-form-urlencoded"),
            (json!({ "a": { "b": 1 } }), "application/x-www-form-urlencoded"),
            (json!("a"), "multipart/form-data"),
        ] {
            let error = encode(&value, Some(content_type), &BTreeSet::new()).unwrap_err();
            assert_eq!(
                error.code(),
                atom_core::ErrorCode::InvalidRequest,
                "{content_type}"
            );
        }
    }

    #[test]
    fn a_multipart_body_has_one_part_a_value() {
        let value = json!({ "title": "Hi", "n\"x": [1, 2], "meta": { "a": 1 }, "none": null, "scan": "abc" });
        let files = BTreeSet::from(["scan".to_owned()]);
        let body = encode(&value, Some("multipart/form-data"), &files).unwrap();
        let boundary = body
            .content_type
            .strip_prefix("multipart/form-data; boundary=")
            .unwrap();
        let expected = "--B\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nHi\r\n\
             --B\r\nContent-Disposition: form-data; name=\"n%22x\"\r\n\r\n1\r\n\
             --B\r\nContent-Disposition: form-data; name=\"n%22x\"\r\n\r\n2\r\n\
             --B\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{\"a\":1}\r\n\
             --B\r\nContent-Disposition: form-data; name=\"scan\"; filename=\"scan\"\r\n\
             Content-Type: application/octet-stream\r\n\r\nabc\r\n--B--\r\n";
        assert_eq!(
            String::from_utf8(body.bytes.clone()).unwrap(),
            expected.replace("--B", &format!("--{boundary}"))
        );
    }
}
