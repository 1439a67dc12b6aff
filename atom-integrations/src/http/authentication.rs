//! The authentication policies of a call: basic and bearer.

use std::borrow::Cow;
use std::fmt;

use atom_core::{Error, ErrorCode, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// An authentication policy as it is given: `{"basic": {…}}` or `{"bearer": {…}}`. It is read only when it is
/// used, so that no complaint about its form can repeat a secret.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Authentication(Value);

impl fmt::Debug for Authentication {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authentication(***)")
    }
}

impl JsonSchema for Authentication {
    fn schema_name() -> Cow<'static, str> {
        "HttpAuthentication".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How the call proves who it is.",
            "oneOf": [
                {
                    "type": "object",
                    "properties": { "basic": {
                        "type": "object",
                        "properties": { "username": { "type": "string" }, "password": { "type": "string" } },
                        "required": ["username", "password"],
                        "additionalProperties": false
                    } },
                    "required": ["basic"],
                    "additionalProperties": false
                },
                {
                    "type": "object",
                    "properties": { "bearer": {
                        "type": "object",
                        "properties": { "token": { "type": "string" } },
                        "required": ["token"],
                        "additionalProperties": false
                    } },
                    "required": ["bearer"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

impl Authentication {
    /// The value of the `Authorization` header.
    ///
    /// # Errors
    /// `unsupported` for any other policy, `invalid_request` when a field is missing or malformed.
    pub(super) fn header(&self) -> Result<HeaderValue> {
        let malformed =
            || Error::invalid_request("'authentication' must be an object with one of 'basic' and 'bearer'");
        let schemes = self
            .0
            .as_object()
            .filter(|schemes| schemes.len() == 1)
            .ok_or_else(malformed)?;
        let (scheme, details) = schemes.iter().next().ok_or_else(malformed)?;
        let text = match scheme.as_str() {
            "basic" => basic(fields(details, "basic", &["username", "password"])?)?,
            "bearer" => bearer(fields(details, "bearer", &["token"])?)?,
            other => {
                let message =
                    format!("the authentication '{other}' is not supported; use 'basic' or 'bearer'");
                return Err(Error::new(ErrorCode::Unsupported, message));
            }
        };
        let mut header = HeaderValue::from_str(&text)
            .map_err(|_| Error::invalid_request("the credential has characters that no header can carry"))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

fn fields<'v>(details: &'v Value, scheme: &str, allowed: &[&str]) -> Result<&'v Map<String, Value>> {
    details
        .as_object()
        .filter(|details| details.keys().all(|key| allowed.contains(&key.as_str())))
        .ok_or_else(|| {
            Error::invalid_request(format!(
                "'authentication.{scheme}' must be an object with {}",
                allowed.join(" and ")
            ))
        })
}

fn text<'v>(details: &'v Map<String, Value>, name: &str) -> Result<&'v str> {
    details
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| Error::invalid_request(format!("'{name}' of the authentication must be a text")))
}

/// RFC 7617.
fn basic(details: &Map<String, Value>) -> Result<Zeroizing<String>> {
    let (username, password) = (text(details, "username")?, text(details, "password")?);
    if username.contains(':') {
        return Err(Error::invalid_request(
            "the user name of basic authentication cannot hold a ':'",
        ));
    }
    let pair = Zeroizing::new(format!("{username}:{password}"));
    Ok(Zeroizing::new(format!(
        "Basic {}",
        STANDARD.encode(pair.as_bytes())
    )))
}

/// RFC 6750.
fn bearer(details: &Map<String, Value>) -> Result<Zeroizing<String>> {
    Ok(Zeroizing::new(format!("Bearer {}", text(details, "token")?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_policies_become_a_header() {
        for (policy, expected) in [
            (
                json!({ "basic": { "username": "Aladdin", "password": "open sesame" } }),
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            ),
            (json!({ "bearer": { "token": "t0ken" } }), "Bearer t0ken"),
        ] {
            assert_eq!(Authentication(policy).header().unwrap(), expected);
        }
    }

    #[test]
    fn no_complaint_repeats_a_secret() {
        for (policy, code) in [
            (json!("hunter2"), ErrorCode::InvalidRequest),
            (json!({}), ErrorCode::InvalidRequest),
            (json!({ "basic": "hunter2" }), ErrorCode::InvalidRequest),
            (
                json!({ "basic": { "username": "ada", "pass": "hunter2" } }),
                ErrorCode::InvalidRequest,
            ),
            (
                json!({ "basic": { "username": "a:b", "password": "hunter2" } }),
                ErrorCode::InvalidRequest,
            ),
            (
                json!({ "bearer": { "token": "hunter2\r\nX-Evil: 1" } }),
                ErrorCode::InvalidRequest,
            ),
            (
                json!({ "oauth2": { "client": "hunter2" } }),
                ErrorCode::Unsupported,
            ),
        ] {
            let authentication = Authentication(policy);
            assert!(!format!("{authentication:?}").contains("hunter2"));
            let error = authentication.header().unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error}");
        }
    }
}
