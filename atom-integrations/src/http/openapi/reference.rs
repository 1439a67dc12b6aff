//! References within a document that describes an interface: `$ref` (RFC 6901 in a URI fragment).

use atom_core::{Error, ErrorCode, Result};
use serde_json::Value;

/// How many references may lead to one another before something is found.
const MAXIMUM_REFERENCES: usize = 32;

/// Follows `$ref` until there is none. `name` says what kind of document `root` is.
///
/// # Errors
/// `invalid_data` for references that lead nowhere or in a circle, `unsupported` for those that leave the
/// document.
pub(crate) fn resolve<'d>(name: &str, root: &'d Value, mut value: &'d Value) -> Result<&'d Value> {
    for _ in 0..MAXIMUM_REFERENCES {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
            return Ok(value);
        };
        let shown: String = reference.chars().take(100).collect();
        let Some(fragment) = reference.strip_prefix('#') else {
            let message =
                format!("the reference '{shown}' leaves the document; bundle the parts into one document");
            return Err(Error::new(ErrorCode::Unsupported, message));
        };
        let pointer = percent_encoding::percent_decode_str(fragment).decode_utf8_lossy();
        value = root
            .pointer(&pointer)
            .ok_or_else(|| malformed(name, &format!("'{shown}' leads nowhere")))?;
    }
    Err(malformed(
        name,
        &format!("more than {MAXIMUM_REFERENCES} references lead to one another"),
    ))
}

/// The error of a document that breaks its own format.
pub(crate) fn malformed(name: &str, detail: &str) -> Error {
    Error::new(
        ErrorCode::InvalidData,
        format!("the {name} document cannot be used: {detail}"),
    )
}
