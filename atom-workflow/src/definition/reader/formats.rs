//! The text formats of the schema: names, versions, URIs, times and pointers.

use std::sync::LazyLock;

use atom_core::{Error, Result};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::cursor::{Cursor, shortened};
use crate::expression::is_expression;

/// A namespace or name: letters, digits and inner hyphens, at most 63.
pub(super) fn label<'t>(cursor: &Cursor<'t>) -> Result<&'t str> {
    let text = cursor.text()?;
    let is_label = (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if is_label {
        return Ok(text);
    }
    Err(cursor.error(format!(
        "'{}' is not a valid name: use 1 to 63 letters, digits and hyphens, with a letter or digit at both ends",
        shortened(text)
    )))
}

/// A semantic version (<https://semver.org>).
pub(super) fn semantic_version<'t>(cursor: &Cursor<'t>) -> Result<&'t str> {
    let text = cursor.text()?;
    if is_semantic_version(text) {
        return Ok(text);
    }
    Err(cursor.error(format!(
        "'{}' is not a semantic version; write for example '1.0.0'",
        shortened(text)
    )))
}

/// Refuses documents in another version of the language.
pub(super) fn language_version(cursor: &Cursor<'_>) -> Result<()> {
    let text = semantic_version(cursor)?;
    let release = text.split_once('+').map_or(text, |(release, _)| release);
    if release
        .strip_prefix("1.0.")
        .is_some_and(|patch| patch.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Ok(());
    }
    Err(cursor.error(format!(
        "the language version '{}' is not supported; versions 1.0.x are",
        shortened(text)
    )))
}

pub(super) fn is_semantic_version(text: &str) -> bool {
    let is_number = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit())
            && !text.is_empty()
            && (text == "0" || !text.starts_with('0'))
    };
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let (rest, build) = text
        .split_once('+')
        .map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, early) = rest
        .split_once('-')
        .map_or((rest, None), |(core, early)| (core, Some(early)));
    core.split('.').count() == 3
        && core.split('.').all(is_number)
        && build.is_none_or(|build| build.split('.').all(is_word))
        && early.is_none_or(|early| {
            early.split('.').all(|word| {
                is_word(word) && (is_number(word) || word.bytes().any(|byte| !byte.is_ascii_digit()))
            })
        })
}

/// Whether a text is an expression where the schema asks for one: on one line.
pub(super) fn is_runtime_expression(text: &str) -> bool {
    is_expression(text) && !text.trim().contains(['\n', '\r', '\u{2028}', '\u{2029}'])
}

/// An expression in `${ }`.
pub(super) fn runtime_expression(cursor: &Cursor<'_>) -> Result<()> {
    let text = cursor.text()?;
    if is_runtime_expression(text) {
        return Ok(());
    }
    Err(cursor.error("expected an expression on one line, such as '${ .value }'"))
}

/// A URI, a URI template or an expression in `${ }`.
pub(super) fn uri_or_expression(cursor: &Cursor<'_>) -> Result<()> {
    if is_runtime_expression(cursor.text()?) {
        Ok(())
    } else {
        uri(cursor)
    }
}

/// A URI or URI template.
pub(super) fn uri(cursor: &Cursor<'_>) -> Result<()> {
    static VALIDATOR: LazyLock<Option<Validator>> = LazyLock::new(|| {
        // As the schema has it: what begins with `${` or a space is neither.
        let pattern = r"^(?!\s*\$\{)(?=\S)(([^:/?#]+):)?(//([^/?#\s]*))?([^?#\s]*)(\?([^#\s]*))?(#(\S*))?$";
        validator(&json!({
            "anyOf": [{"format": "uri-template"}, {"format": "uri-reference"}],
            "pattern": pattern,
        }))
    });
    check(
        &VALIDATOR,
        cursor,
        "is not a URI or URI template",
        "https://example.com/items/{id}",
    )
}

/// A URI template, absolute or relative (RFC 6570).
pub(super) fn uri_template(cursor: &Cursor<'_>) -> Result<()> {
    static VALIDATOR: LazyLock<Option<Validator>> =
        LazyLock::new(|| validator(&json!({"format": "uri-template"})));
    check(&VALIDATOR, cursor, "is not a URI template", "/oauth2/token")
}

/// A point in time or an expression in `${ }`.
pub(super) fn time_or_expression(cursor: &Cursor<'_>) -> Result<()> {
    static VALIDATOR: LazyLock<Option<Validator>> =
        LazyLock::new(|| validator(&json!({"format": "date-time"})));
    if is_runtime_expression(cursor.text()?) {
        return Ok(());
    }
    check(
        &VALIDATOR,
        cursor,
        "is not an RFC 3339 time",
        "2026-01-31T12:00:00Z",
    )
}

/// A JSON pointer or an expression in `${ }`.
pub(super) fn pointer_or_expression(cursor: &Cursor<'_>) -> Result<()> {
    static VALIDATOR: LazyLock<Option<Validator>> =
        LazyLock::new(|| validator(&json!({"format": "json-pointer"})));
    if is_runtime_expression(cursor.text()?) {
        return Ok(());
    }
    check(&VALIDATOR, cursor, "is not a JSON pointer", "/do/0/readMail")
}

/// A host name or address as the schema has it.
pub(super) fn host(cursor: &Cursor<'_>) -> Result<()> {
    let text = cursor.text()?;
    let is_host = (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && !text.starts_with(['-', '.'])
        && !text.ends_with(['-', '.']);
    if is_host {
        Ok(())
    } else {
        Err(cursor.error(format!("'{}' is not a host name", shortened(text))))
    }
}

fn validator(schema: &Value) -> Option<Validator> {
    jsonschema::options()
        .should_validate_formats(true)
        .offline()
        .build(schema)
        .ok()
}

fn check(validator: &Option<Validator>, cursor: &Cursor<'_>, complaint: &str, example: &str) -> Result<()> {
    let text = cursor.text()?;
    let validator = validator
        .as_ref()
        .ok_or_else(|| Error::internal("a built-in format does not compile"))?;
    if validator.is_valid(&Value::String(text.to_owned())) {
        return Ok(());
    }
    Err(cursor.error(format!(
        "'{}' {complaint}; write for example '{example}'",
        shortened(text)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semantic_versions_follow_the_grammar() {
        for text in [
            "1.0.0",
            "0.0.0",
            "1.2.3-alpha.1",
            "1.0.0+build.007",
            "1.0.0-0a.x-y+z",
            "1.0.0--",
        ] {
            assert!(is_semantic_version(text), "{text}");
        }
        for text in [
            "",
            "1",
            "1.0",
            "1.0.0.0",
            "01.0.0",
            "1.0.0-",
            "1.0.0-01",
            "1.0.0+",
            "v1.0.0",
            "1.0.0-a..b",
        ] {
            assert!(!is_semantic_version(text), "{text}");
        }
    }

    #[test]
    fn the_built_in_formats_compile() {
        for format in ["uri-template", "uri-reference", "date-time", "json-pointer"] {
            let validator = validator(&json!({"format": format})).unwrap();
            assert!(!validator.is_valid(&json!("{ :")), "{format} is not checked");
        }
    }
}
