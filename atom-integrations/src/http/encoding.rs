//! Percent-encoding, with only the unreserved characters of RFC 3986 left as they are.

use atom_core::{Error, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Percent-encodes a text so that it is one piece of data in a path, query or form.
pub(crate) fn percent(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Whether a path has a segment that a URL parser would take for a step up, however its dots are written.
pub(crate) fn climbs(path: &str) -> bool {
    path.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// The text of a string, number or boolean.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Writes members as `name=value` pairs: lists repeat the name, `null` is left out.
///
/// # Errors
/// `invalid_request`, naming the member and the `place`, for objects and nested lists.
pub(super) fn pairs(members: &Map<String, Value>, place: &str) -> Result<String> {
    let mut pairs = Vec::new();
    for (name, value) in members {
        let values = match value {
            Value::Null => continue,
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        for value in values {
            let text = scalar(value).ok_or_else(|| {
                let message =
                    format!("'{name}' of the {place} must be a text, number, boolean or a list of these");
                Error::invalid_request(message)
            })?;
            pairs.push(format!("{}={}", percent(name), percent(&text)));
        }
    }
    Ok(pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn encoding_is_undone_by_decoding(text in any::<String>()) {
            let encoded = percent(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
            prop_assert_eq!(percent_encoding::percent_decode_str(&encoded).decode_utf8().unwrap(), text);
        }

        #[test]
        fn pairs_are_read_back_by_any_form_parser(names in proptest::collection::vec(any::<String>(), 0..4), value in any::<String>()) {
            let members: Map<_, _> = names.iter().map(|name| (name.clone(), json!([value, 1]))).collect();
            let text = pairs(&members, "query").unwrap();
            let parsed: Vec<_> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
            let expected: Vec<_> =
                members.keys().flat_map(|name| [(name.clone(), value.clone()), (name.clone(), "1".to_owned())]).collect();
            prop_assert_eq!(parsed, expected);
        }
    }
}
