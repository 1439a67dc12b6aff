//! What a call gives back: the content, the raw bytes or the whole response.

use atom_core::{Error, ErrorCode, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::{Encoding, UTF_8};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::body::{essence, is_json};
use super::sensitive::{MASK, is_sensitive, masked};

/// What a call gives back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HttpOutput")]
pub(crate) enum Output {
    /// The body: JSON as its value, text as text, anything else in base64, `null` when it is empty.
    #[default]
    Content,
    /// The bytes of the body in base64.
    Raw,
    /// An object with `request` (`method`, `uri`, `headers`), `statusCode`, `headers` and `content`. Headers
    /// have lower-case names; secrets in headers and in the query are masked.
    Response,
}

/// A whole response, and the request that it answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) method: Method,
    pub(crate) uri: Url,
    pub(super) request_headers: HeaderMap,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The answer in the form that the caller asked for.
    ///
    /// # Errors
    /// `invalid_data` when the body is not what its headers say.
    pub(crate) fn output(&self, output: Output) -> Result<Value> {
        Ok(match output {
            Output::Raw => Value::String(STANDARD.encode(&self.body)),
            Output::Content => self.content()?,
            Output::Response => json!({
                "request": {
                    "method": self.method.as_str(),
                    "uri": masked(&self.uri),
                    "headers": shown(&self.request_headers),
                },
                "statusCode": self.status.as_u16(),
                "headers": shown(&self.headers),
                "content": self.content()?,
            }),
        })
    }

    /// Masks a token that the request carried and the service repeats.
    pub(super) fn conceal(&mut self, token: &str) {
        let (token, mask) = (token.as_bytes(), MASK.as_bytes());
        let is_there =
            |bytes: &[u8]| !token.is_empty() && bytes.windows(token.len()).any(|part| part == token);
        if is_there(&self.body) {
            let mut masked = Vec::with_capacity(self.body.len());
            let mut rest = self.body.as_slice();
            while let Some(first) = rest.first() {
                match rest.strip_prefix(token) {
                    Some(after) => {
                        masked.extend_from_slice(mask);
                        rest = after;
                    }
                    None => {
                        masked.push(*first);
                        rest = rest.get(1..).unwrap_or_default();
                    }
                }
            }
            self.body = masked;
        }
        for value in self.headers.values_mut() {
            if is_there(value.as_bytes()) {
                *value = HeaderValue::from_static(MASK);
            }
        }
    }

    /// The body as its content type says.
    fn content(&self) -> Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        self.check_encoding()?;
        let content_type = self.content_type();
        let essence = essence(content_type);
        if is_json(&essence) {
            return serde_json::from_str(&self.text()).map_err(|error| {
                Error::new(
                    ErrorCode::InvalidData,
                    "the service answered malformed JSON; use 'output: raw' to see it",
                )
                .with_source(error)
            });
        }
        Ok(Value::String(if is_text(&essence) {
            self.text()
        } else {
            STANDARD.encode(&self.body)
        }))
    }

    /// The body as text, in the charset that the content type names, or UTF-8.
    pub(crate) fn text(&self) -> String {
        let charset = self.content_type().split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("charset")
                .then(|| value.trim().trim_matches('"'))
        });
        let encoding = charset
            .and_then(|charset| Encoding::for_label(charset.as_bytes()))
            .unwrap_or(UTF_8);
        encoding.decode(&self.body).0.into_owned()
    }

    /// # Errors
    /// `invalid_data` when the body is compressed, which was not asked for.
    pub(crate) fn check_encoding(&self) -> Result<()> {
        match self.headers.get(CONTENT_ENCODING) {
            Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
                let message =
                    "the service compressed its answer without being asked; use 'output: raw' and decode it";
                Err(Error::new(ErrorCode::InvalidData, message))
            }
            _ => Ok(()),
        }
    }

    fn content_type(&self) -> &str {
        self.headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

fn is_text(essence: &str) -> bool {
    essence.starts_with("text/")
        || essence.ends_with("+xml")
        || matches!(
            essence,
            "application/xml"
                | "application/yaml"
                | "application/x-ndjson"
                | "application/x-www-form-urlencoded"
        )
}

/// Headers as a JSON object: secrets masked, repeated headers joined by `, `.
fn shown(headers: &HeaderMap) -> Map<String, Value> {
    let join = |name| {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        values.join(", ")
    };
    headers
        .keys()
        .map(|name| {
            let value = if is_sensitive(name.as_str()) {
                MASK.to_owned()
            } else {
                join(name)
            };
            (name.as_str().to_owned(), Value::String(value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(content_type: &str, body: &[u8]) -> Answer {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        }
        Answer {
            method: Method::GET,
            uri: Url::parse("https://x.test").unwrap(),
            request_headers: HeaderMap::new(),
            status: StatusCode::OK,
            headers,
            body: body.to_vec(),
        }
    }

    #[test]
    fn content_is_read_as_its_type_says() {
        for (content_type, body, expected) in [
            (
                "application/json",
                br#"{"a":[1]}"#.as_slice(),
                json!({ "a": [1] }),
            ),
            ("Application/Problem+JSON; charset=utf-8", b"1", json!(1)),
            ("application/json", b"\xef\xbb\xbf1", json!(1)),
            ("text/plain", b"hi", json!("hi")),
            ("text/plain; charset=\"iso-8859-1\"", b"caf\xe9", json!("café")),
            ("text/plain; charset=unheard-of", b"hi", json!("hi")),
            ("application/xml", b"<a/>", json!("<a/>")),
            ("image/png", b"\x89PNG", json!("iVBORw==")),
            ("", b"hi", json!("aGk=")),
            ("application/json", b"", json!(null)),
        ] {
            assert_eq!(
                answer(content_type, body).output(Output::Content).unwrap(),
                expected,
                "{content_type}"
            );
        }
        assert_eq!(
            answer("application/json", b"{}").output(Output::Raw).unwrap(),
            json!("e30=")
        );
    }

    #[test]
    fn content_that_is_not_what_it_says_is_an_error() {
        assert_eq!(
            answer("application/json", b"{")
                .output(Output::Content)
                .unwrap_err()
                .code(),
            ErrorCode::InvalidData
        );
        let mut compressed = answer("application/json", b"\x1f\x8b");
        compressed
            .headers
            .insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        assert_eq!(
            compressed.output(Output::Content).unwrap_err().code(),
            ErrorCode::InvalidData
        );
        assert!(compressed.output(Output::Raw).is_ok());
    }
}
