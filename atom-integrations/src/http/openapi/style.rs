//! How a parameter's value is written: the styles of OpenAPI 3 and the collection formats of Swagger 2.0.

use atom_core::{Error, Result};
use serde_json::Value;

use super::document::malformed;
use crate::http::encoding::{percent, scalar};

/// How the parts of a value are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `a,b`: paths and headers.
    Simple,
    /// `.a.b`: paths.
    Label,
    /// `;name=a`: paths.
    Matrix,
    /// `name=a,b`, joined by this encoded delimiter; `name=a&name=b` when exploded: queries, forms and cookies.
    Form(&'static str),
    /// `name[key]=a`: queries.
    DeepObject,
}

impl Style {
    /// # Errors
    /// `invalid_data` for a style that the specification does not know.
    pub(super) fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "simple" => Self::Simple,
            "label" => Self::Label,
            "matrix" => Self::Matrix,
            "form" => Self::Form(","),
            "spaceDelimited" => Self::Form("%20"),
            "pipeDelimited" => Self::Form("%7C"),
            "deepObject" => Self::DeepObject,
            other => {
                return Err(malformed(&format!(
                    "the parameter style '{other:.40}' is unknown"
                )));
            }
        })
    }
}

/// A value in parts: one text, a list of texts, or texts by name.
enum Parts {
    One(String),
    List(Vec<String>),
    Members(Vec<(String, String)>),
}

fn parts(name: &str, value: &Value, encode: fn(&str) -> String) -> Result<Parts> {
    let text = |value: &Value| {
        scalar(value).map(|text| encode(&text)).ok_or_else(|| {
            let message = format!(
                "the parameter '{name}' must be a text, number or boolean, or one list or object of these"
            );
            Error::invalid_request(message)
        })
    };
    Ok(match value {
        Value::Array(items) => Parts::List(items.iter().map(text).collect::<Result<_>>()?),
        Value::Object(members) => Parts::Members(
            members
                .iter()
                .map(|(key, value)| Ok((encode(key), text(value)?)))
                .collect::<Result<_>>()?,
        ),
        value => Parts::One(text(value)?),
    })
}

/// Writes a value into a path, percent-encoded.
///
/// # Errors
/// `invalid_request` for a value that cannot stand in a path, `invalid_data` for a style that cannot.
pub(super) fn in_path(name: &str, value: &Value, style: Style, explode: bool) -> Result<String> {
    let parts = parts(name, value, percent)?;
    let written = match (style, parts) {
        (Style::Form(delimiter), Parts::List(items)) => items.join(delimiter),
        (Style::Simple | Style::Form(_), parts) => simple(parts, explode),
        (Style::Label, Parts::One(text)) => format!(".{text}"),
        (Style::Label, Parts::List(items)) => format!(".{}", items.join(if explode { "." } else { "," })),
        (Style::Label, Parts::Members(members)) if explode => format!(".{}", assigned(&members).join(".")),
        (Style::Label, members @ Parts::Members(_)) => format!(".{}", simple(members, false)),
        (Style::Matrix, Parts::List(items)) if explode => items
            .iter()
            .map(|item| format!(";{}={item}", percent(name)))
            .collect(),
        (Style::Matrix, Parts::Members(members)) if explode => format!(";{}", assigned(&members).join(";")),
        (Style::Matrix, parts) => format!(";{}={}", percent(name), simple(parts, false)),
        (Style::DeepObject, _) => {
            return Err(malformed(&format!(
                "the style of the path parameter '{name}' does not fit a path"
            )));
        }
    };
    if written.is_empty() {
        return Err(Error::invalid_request(format!(
            "the path parameter '{name}' must not be empty"
        )));
    }
    Ok(written)
}

/// Writes a value into a header; headers are not encoded.
///
/// # Errors
/// `invalid_request` for a value that cannot stand in a header.
pub(super) fn in_header(name: &str, value: &Value, style: Style, explode: bool) -> Result<String> {
    match (style, parts(name, value, str::to_owned)?) {
        (Style::Form(delimiter), Parts::List(items)) => Ok(items.join(&decoded(delimiter))),
        (_, parts) => Ok(simple(parts, explode)),
    }
}

/// Writes a value as encoded `name=value` pairs of a query or cookie.
///
/// # Errors
/// `invalid_request` for a value that has no such form.
pub(super) fn in_query(name: &str, value: &Value, style: Style, explode: bool) -> Result<Vec<String>> {
    let encoded = percent(name);
    Ok(match (style, parts(name, value, percent)?) {
        (Style::DeepObject, Parts::Members(members)) => members
            .iter()
            .map(|(key, value)| format!("{encoded}%5B{key}%5D={value}"))
            .collect(),
        (_, Parts::One(text)) => vec![format!("{encoded}={text}")],
        (_, Parts::List(items)) if explode => items.iter().map(|item| format!("{encoded}={item}")).collect(),
        (_, Parts::Members(members)) if explode => assigned(&members),
        // An empty list has no delimited form; RFC 6570 leaves it out.
        (_, Parts::List(items)) if items.is_empty() => Vec::new(),
        (Style::Form(delimiter), Parts::List(items)) => vec![format!("{encoded}={}", items.join(delimiter))],
        (_, parts) => vec![format!("{encoded}={}", simple(parts, false))],
    })
}

/// Joins the parts of a value of a form field, without encoding.
///
/// # Errors
/// `invalid_request` for a value that is not a text, number, boolean or list of these.
pub(super) fn in_form(name: &str, value: &Value, delimiter: &str) -> Result<Value> {
    Ok(match parts(name, value, str::to_owned)? {
        Parts::List(items) => Value::String(items.join(&decoded(delimiter))),
        _ => value.clone(),
    })
}

fn decoded(delimiter: &str) -> String {
    percent_encoding::percent_decode_str(delimiter)
        .decode_utf8_lossy()
        .into_owned()
}

fn simple(parts: Parts, explode: bool) -> String {
    match parts {
        Parts::One(text) => text,
        Parts::List(items) => items.join(","),
        Parts::Members(members) if explode => assigned(&members).join(","),
        Parts::Members(members) => {
            let flat: Vec<_> = members
                .into_iter()
                .flat_map(|(key, value)| [key, value])
                .collect();
            flat.join(",")
        }
    }
}

fn assigned(members: &[(String, String)]) -> Vec<String> {
    members
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    // The examples of the OpenAPI specification 3.0.4, section "Style Examples".
    #[test]
    fn values_are_written_as_the_specification_shows() {
        let (one, list) = (json!("blue"), json!(["blue", "black", "brown"]));
        let object = json!({ "R": 100, "G": 200, "B": 150 });
        for (style, explode, value, expected) in [
            ("simple", false, &one, "blue"),
            ("simple", false, &list, "blue,black,brown"),
            ("simple", false, &object, "R,100,G,200,B,150"),
            ("simple", true, &object, "R=100,G=200,B=150"),
            ("label", false, &one, ".blue"),
            ("label", false, &list, ".blue,black,brown"),
            ("label", true, &list, ".blue.black.brown"),
            ("label", false, &object, ".R,100,G,200,B,150"),
            ("label", true, &object, ".R=100.G=200.B=150"),
            ("matrix", false, &one, ";color=blue"),
            ("matrix", false, &list, ";color=blue,black,brown"),
            ("matrix", true, &list, ";color=blue;color=black;color=brown"),
            ("matrix", false, &object, ";color=R,100,G,200,B,150"),
            ("matrix", true, &object, ";R=100;G=200;B=150"),
        ] {
            let written = in_path("color", value, Style::parse(style).unwrap(), explode).unwrap();
            assert_eq!(written, expected, "{style} {explode} {value}");
        }
        for (style, explode, value, expected) in [
            ("form", true, &one, "color=blue"),
            ("form", false, &list, "color=blue,black,brown"),
            ("form", true, &list, "color=blue&color=black&color=brown"),
            ("form", false, &object, "color=R,100,G,200,B,150"),
            ("form", true, &object, "R=100&G=200&B=150"),
            ("spaceDelimited", false, &list, "color=blue%20black%20brown"),
            ("pipeDelimited", false, &list, "color=blue%7Cblack%7Cbrown"),
            (
                "deepObject",
                true,
                &object,
                "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150",
            ),
        ] {
            let written = in_query("color", value, Style::parse(style).unwrap(), explode).unwrap();
            assert_eq!(written.join("&"), expected, "{style} {explode} {value}");
        }
        assert_eq!(
            in_header("color", &object, Style::Simple, true).unwrap(),
            "R=100,G=200,B=150"
        );
        assert!(Style::parse("wavy").is_err());
    }

    #[test]
    fn what_has_no_form_is_refused() {
        for value in [
            json!({ "a": { "b": 1 } }),
            json!([[1]]),
            json!(null),
            json!([null]),
        ] {
            assert!(in_query("q", &value, Style::Form(","), true).is_err(), "{value}");
        }
        for value in [json!(""), json!([]), json!({})] {
            assert!(in_path("p", &value, Style::Simple, false).is_err(), "{value}");
        }
        assert!(in_path("p", &json!({ "a": 1 }), Style::DeepObject, false).is_err());
    }

    proptest! {
        #[test]
        fn a_value_stays_one_piece_of_its_place(text in ".+", other in ".+") {
            let value = json!([text, other]);
            let path = in_path("p", &value, Style::Simple, false).unwrap();
            prop_assert!(!path.contains(['/', '?', '#', '&', ';', ' ']));
            let pieces: Vec<_> = path.split(',').map(decoded).collect();
            prop_assert_eq!(pieces, [text.clone(), other.clone()]);
            let query = in_query("q", &value, Style::Form(","), true).unwrap().join("&");
            let parsed: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).map(|(_, value)| value.into_owned()).collect();
            prop_assert_eq!(parsed, [text, other]);
        }
    }
}
