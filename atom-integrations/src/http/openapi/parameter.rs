//! The parameters that an operation declares.

use atom_core::Result;
use serde_json::Value;

use super::document::{Dialect, Operation, malformed};
use super::style::Style;

/// Where a parameter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
    Cookie,
    /// The whole body (Swagger 2.0).
    Body,
    /// A field of a form (Swagger 2.0).
    Form,
}

/// A parameter that an operation declares.
#[derive(Clone, Debug)]
pub(super) struct Parameter<'d> {
    pub(super) name: &'d str,
    pub(super) place: Place,
    pub(super) is_required: bool,
    pub(super) style: Style,
    pub(super) explode: bool,
    /// Whether the value is written as JSON (`content` of OpenAPI 3).
    pub(super) is_json: bool,
    /// Whether the value is a file (Swagger 2.0).
    pub(super) is_file: bool,
}

/// The parameters of an operation and of its path; the operation's own win.
///
/// # Errors
/// `invalid_data` and `unsupported` for a document that breaks its format or leaves itself.
pub(super) fn declared<'d>(operation: &Operation<'d>) -> Result<Vec<Parameter<'d>>> {
    let mut parameters: Vec<Parameter<'d>> = Vec::new();
    for holder in [operation.item, operation.value] {
        for value in holder
            .get("parameters")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let value = operation.document.resolve(value)?;
            let Some(parameter) = parse(value, operation.document.dialect)? else {
                continue;
            };
            parameters.retain(|known| known.name != parameter.name || known.place != parameter.place);
            parameters.push(parameter);
        }
    }
    Ok(parameters)
}

fn parse(value: &Value, dialect: Dialect) -> Result<Option<Parameter<'_>>> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let is = |key: &str| value.get(key).and_then(Value::as_bool);
    let name = text("name").ok_or_else(|| malformed("a parameter has no name"))?;
    let place = match (text("in"), dialect) {
        (Some("path"), _) => Place::Path,
        (Some("query"), _) => Place::Query,
        (Some("header"), _) => Place::Header,
        (Some("cookie"), Dialect::Three) => Place::Cookie,
        (Some("body"), Dialect::Two) => Place::Body,
        (Some("formData"), Dialect::Two) => Place::Form,
        _ => {
            return Err(malformed(&format!(
                "the parameter '{name}' stands in no known place"
            )));
        }
    };
    // OpenAPI 3 says that such declarations are ignored: the engine sets these headers.
    let is_own = ["accept", "content-type", "authorization"]
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own));
    if place == Place::Header && dialect == Dialect::Three && is_own {
        return Ok(None);
    }
    let (style, explode) = match dialect {
        Dialect::Two => collection(text("collectionFormat"), name)?,
        Dialect::Three => {
            let default = if matches!(place, Place::Query | Place::Cookie) {
                "form"
            } else {
                "simple"
            };
            let style = text("style").unwrap_or(default);
            (Style::parse(style)?, is("explode").unwrap_or(style == "form"))
        }
    };
    Ok(Some(Parameter {
        name,
        place,
        is_required: is("required").unwrap_or(false) || place == Place::Path,
        style,
        explode,
        is_json: dialect == Dialect::Three && value.get("content").is_some(),
        is_file: text("type") == Some("file"),
    }))
}

/// The collection formats of Swagger 2.0.
fn collection(format: Option<&str>, name: &str) -> Result<(Style, bool)> {
    Ok(match format {
        None | Some("csv") => (Style::Form(","), false),
        Some("ssv") => (Style::Form("%20"), false),
        Some("tsv") => (Style::Form("%09"), false),
        Some("pipes") => (Style::Form("%7C"), false),
        Some("multi") => (Style::Form(","), true),
        Some(_) => {
            return Err(malformed(&format!(
                "the collection format of the parameter '{name}' is unknown"
            )));
        }
    })
}
