//! Reads requests from JSON, within limits.

use atom_core::{Error, ErrorCode, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The longest request as JSON text, in bytes.
pub const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// How deep objects and arrays of a request may nest.
pub const MAX_REQUEST_DEPTH: usize = 128;

/// Reads the JSON text of a request; an empty text means `{}`.
///
/// # Errors
/// `limit_exceeded` for a text that is too long or nests too deep, before it is parsed; `invalid_request` for a
/// text that is not JSON.
pub(crate) fn parse_request(text: &str) -> Result<Value> {
    check_length(text)?;
    if text_nests_deeper_than(text, MAX_REQUEST_DEPTH) {
        return Err(too_deep());
    }
    if text.trim_ascii().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_str(text)
        .map_err(|error| Error::invalid_request(format!("the request is not JSON: {error}")))
}

/// Checks the length of a request's JSON text.
///
/// # Errors
/// `limit_exceeded`.
pub(crate) fn check_length(text: &str) -> Result<()> {
    if text.len() <= MAX_REQUEST_BYTES {
        return Ok(());
    }
    Err(limit(format!(
        "the request has {} bytes, more than {MAX_REQUEST_BYTES}",
        text.len()
    )))
}

/// Reads a typed request; `null` means `{}`.
///
/// # Errors
/// `invalid_request` naming the field that does not fit, `limit_exceeded` for a value that nests too deep.
pub(super) fn read_request<R: DeserializeOwned>(value: Value) -> Result<R> {
    let value = if value.is_null() {
        Value::Object(Map::new())
    } else {
        value
    };
    if !value.is_object() {
        return Err(Error::invalid_request("the request must be a JSON object"));
    }
    if value_nests_deeper_than(&value, MAX_REQUEST_DEPTH) {
        return Err(too_deep());
    }
    read_value(value, "the request")
}

/// Reads a typed value; `whole` is what errors call the value as a whole.
///
/// # Errors
/// `invalid_request` naming the field that does not fit.
pub(crate) fn read_value<T: DeserializeOwned>(value: Value, whole: &str) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let reason = without_rust_types(&error.into_inner().to_string());
        if path == "." {
            return Error::invalid_request(format!("{whole} does not fit: {reason}"));
        }
        Error::invalid_request(format!("'{path}' does not fit: {reason}")).with_context("field", path)
    })
}

/// The reason why a value does not fit, with what was expected in words: callers know JSON, not the types of Rust.
fn without_rust_types(reason: &str) -> String {
    let Some((found, expected)) = reason.rsplit_once("expected ") else {
        return reason.to_owned();
    };
    let expected = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        name if name.starts_with("struct ") || name.starts_with("internally tagged enum ") => "an object",
        other => other,
    };
    format!("{found}expected {expected}")
}

fn limit(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::LimitExceeded, message)
}

fn too_deep() -> Error {
    limit(format!(
        "the request nests deeper than {MAX_REQUEST_DEPTH} levels"
    ))
}

/// Counts brackets outside of strings: exact for JSON, and harmless for anything else.
fn text_nests_deeper_than(text: &str, limit: usize) -> bool {
    let (mut depth, mut is_in_string, mut is_escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_in_string => is_escaped = true,
            b'"' => is_in_string = !is_in_string,
            _ if is_in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Its own recursion is as deep as the limit.
fn value_nests_deeper_than(value: &Value, limit: usize) -> bool {
    let deeper = |inner: &Value| value_nests_deeper_than(inner, limit.saturating_sub(1));
    match value {
        Value::Array(items) => limit == 0 || items.iter().any(deeper),
        Value::Object(members) => limit == 0 || members.values().any(deeper),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn depth_is_limited_in_text_and_in_values() {
        assert!(parse_request(&nested(127)).is_ok());
        for depth in [129, 200_000] {
            let error = parse_request(&nested(depth)).unwrap_err();
            assert_eq!(error.code(), ErrorCode::LimitExceeded, "{depth}");
        }
        let mut value = Value::Null;
        for _ in 0..MAX_REQUEST_DEPTH {
            value = serde_json::json!({ "x": value });
        }
        assert!(read_request::<Value>(value.clone()).is_ok());
        let error = read_request::<Value>(serde_json::json!({ "x": value })).unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitExceeded);
    }

    #[test]
    fn length_is_limited_before_anything_is_parsed() {
        let error = parse_request(&"[".repeat(MAX_REQUEST_BYTES + 1)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitExceeded);
        assert!(error.message().contains("bytes"), "{error}");
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let text = format!(r#"{{ "x": "{}\"{}" }}"#, "[".repeat(200), "{".repeat(200));
        assert!(parse_request(&text).is_ok());
    }

    #[test]
    fn errors_name_the_field() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Request {
            #[expect(dead_code, reason = "only its absence matters")]
            limits: Vec<u8>,
        }
        for (request, named) in [
            (serde_json::json!({ "limits": [1, "x"] }), "limits[1]"),
            (serde_json::json!({ "limit": [] }), "limit"),
            (serde_json::json!({}), "limits"),
            (serde_json::json!("text"), "object"),
        ] {
            let error = read_request::<Request>(request).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest);
            assert!(error.message().contains(named), "{error}");
        }
    }

    #[test]
    fn errors_say_what_is_expected_in_words() {
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default)]
        struct Request {
            limit: Option<usize>,
            attempts: u32,
            offset: i64,
            share: f64,
            names: Vec<String>,
            labels: std::collections::BTreeMap<String, String>,
            inner: Option<Box<Self>>,
        }
        for (field, given, expected) in [
            ("limit", serde_json::json!("expected u8"), "a whole number from 0"),
            ("limit", serde_json::json!(-1), "a whole number from 0"),
            ("limit", serde_json::json!(1.5), "a whole number from 0"),
            (
                "attempts",
                serde_json::json!(1_u64 << 32),
                "a whole number from 0 to 4294967295",
            ),
            ("offset", serde_json::json!("now"), "a whole number"),
            ("share", serde_json::json!(null), "a number"),
            ("names", serde_json::json!(1), "a list"),
            ("labels", serde_json::json!(1), "an object"),
            ("inner", serde_json::json!(1), "an object"),
        ] {
            let error = read_request::<Request>(serde_json::json!({ field: given })).unwrap_err();
            let (start, end) = (
                format!("'{field}' does not fit: "),
                format!(", expected {expected}"),
            );
            assert!(error.message().starts_with(&start), "{error}");
            assert!(error.message().ends_with(&end), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}\"\\\\:,a0 ]{0,400}") {
            let _ = parse_request(&text);
        }
    }
}
