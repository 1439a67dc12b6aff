//! The authentication policies of a call.
//!
//! Basic and bearer are a header that is known beforehand. Digest needs a challenge of the service, OAuth 2.0 and
//! OpenID Connect a token of an authority: both are dealt with while the request is sent.

use std::borrow::Cow;
use std::fmt;

use atom_core::{Error, ErrorCode, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

mod challenge;
mod client;
pub(super) mod digest;
pub(super) mod memory;
pub(super) mod oauth;
mod parameters;
pub(super) mod refresh;
pub(super) mod token;

use digest::Credentials;
use oauth::Settings;

/// An authentication policy as it is given: an object with one of `basic`, `bearer`, `digest`, `oauth2` and `oidc`. It
/// is read only when it is used, so that no complaint about its form can repeat a secret.
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
        let user = json_schema!({
            "type": "object",
            "properties": { "username": { "type": "string" }, "password": { "type": "string" } },
            "required": ["username", "password"],
            "additionalProperties": false
        });
        let token = json_schema!({
            "type": "object",
            "properties": { "token": { "type": "string" } },
            "required": ["token"],
            "additionalProperties": false
        });
        let scheme = |name: &str, details: &Schema| {
            json_schema!({
                "type": "object",
                "properties": { name: details },
                "required": [name],
                "additionalProperties": false
            })
        };
        json_schema!({
            "description": "How the call proves who it is.",
            "oneOf": [
                scheme("basic", &user),
                scheme("bearer", &token),
                scheme("digest", &user),
                scheme("oauth2", &oauth::schema(true)),
                scheme("oidc", &oauth::schema(false)),
            ]
        })
    }
}

/// A policy that is ready for use.
#[derive(Clone)]
pub(super) struct Policy {
    pub(super) scheme: Scheme,
    /// SHA-256 of the policy: what is learned with one policy is not used with another.
    pub(super) hash: [u8; 32],
}

/// How a policy authenticates.
#[derive(Clone)]
pub(super) enum Scheme {
    /// The value of the `Authorization` header.
    Header(HeaderValue),
    /// RFC 7616.
    Digest(Credentials),
    /// RFC 6749 and OpenID Connect.
    OAuth(Box<Settings>),
}

impl fmt::Debug for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Policy(***)")
    }
}

impl Authentication {
    /// Reads the policy.
    ///
    /// # Errors
    /// `unsupported` for a scheme or grant that is not carried out, `invalid_request` when a field is missing or
    /// malformed.
    pub(super) fn policy(&self) -> Result<Policy> {
        let malformed = || {
            let message = "'authentication' must be an object with one of 'basic', 'bearer', 'digest', 'oauth2' and 'oidc'";
            Error::invalid_request(message)
        };
        let schemes = self.0.as_object().filter(|schemes| schemes.len() == 1);
        let (name, details) = schemes
            .and_then(|schemes| schemes.iter().next())
            .ok_or_else(malformed)?;
        let scheme = match name.as_str() {
            "basic" => Scheme::Header(header(&basic(&fields(
                details,
                "basic",
                &["username", "password"],
            )?)?)?),
            "bearer" => Scheme::Header(bearer(fields(details, "bearer", &["token"])?.required("token")?)?),
            "digest" => {
                let fields = fields(details, "digest", &["username", "password"])?;
                Scheme::Digest(Credentials {
                    username: fields.required("username")?.to_owned(),
                    password: Zeroizing::new(fields.required("password")?.to_owned()),
                })
            }
            "oauth2" | "oidc" => Scheme::OAuth(Box::new(Settings::read(name, details)?)),
            other => {
                let message = format!("the authentication '{other}' is not supported");
                return Err(Error::new(ErrorCode::Unsupported, message));
            }
        };
        let hash = Sha256::digest(self.0.to_string().as_bytes()).into();
        Ok(Policy { scheme, hash })
    }
}

/// The fields of a part of a policy. What is said about them never repeats them.
pub(super) struct Fields<'v> {
    part: Cow<'static, str>,
    fields: &'v Map<String, Value>,
}

/// The fields of a part, with no others than the `allowed` ones.
pub(super) fn fields<'v>(
    details: &'v Value,
    part: impl Into<Cow<'static, str>>,
    allowed: &[&str],
) -> Result<Fields<'v>> {
    let part = part.into();
    let fields = details
        .as_object()
        .filter(|details| details.keys().all(|key| allowed.contains(&key.as_str())));
    match fields {
        Some(fields) => Ok(Fields { part, fields }),
        None => Err(Error::invalid_request(format!(
            "'authentication.{part}' must be an object with no other fields than {}",
            allowed.join(", ")
        ))),
    }
}

impl<'v> Fields<'v> {
    pub(super) fn get(&self, name: &str) -> Option<&'v Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'v str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.malformed(name, "a text")),
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<&'v str> {
        self.text(name)?.ok_or_else(|| self.malformed(name, "a text"))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        let Some(value) = self.get(name) else {
            return Ok(Vec::new());
        };
        let texts: Option<Vec<_>> = value.as_array().and_then(|items| {
            items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect()
        });
        texts.ok_or_else(|| self.malformed(name, "a list of texts"))
    }

    pub(super) fn part(&self, name: &str, allowed: &[&str]) -> Result<Option<Self>> {
        self.get(name)
            .map(|details| fields(details, format!("{}.{name}", self.part), allowed))
            .transpose()
    }

    pub(super) fn malformed(&self, name: &str, expected: &str) -> Error {
        Error::invalid_request(format!(
            "'authentication.{}.{name}' must be {expected}",
            self.part
        ))
    }
}

/// RFC 7617.
fn basic(fields: &Fields<'_>) -> Result<Zeroizing<String>> {
    let (username, password) = (fields.required("username")?, fields.required("password")?);
    if username.contains(':') {
        return Err(Error::invalid_request(
            "the user name of basic authentication cannot hold a ':'",
        ));
    }
    Ok(basic_of(username, password))
}

/// The value of the header that carries a name and a password.
pub(super) fn basic_of(username: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{username}:{password}"));
    Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// RFC 6750.
pub(super) fn bearer(token: &str) -> Result<HeaderValue> {
    header(&Zeroizing::new(format!("Bearer {token}")))
}

pub(super) fn header(text: &str) -> Result<HeaderValue> {
    let mut header = HeaderValue::from_str(text)
        .map_err(|_| Error::invalid_request("the credential has characters that no header can carry"))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_known_credential_becomes_a_header() {
        for (policy, expected) in [
            (
                json!({ "basic": { "username": "Aladdin", "password": "open sesame" } }),
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            ),
            (json!({ "bearer": { "token": "t0ken" } }), "Bearer t0ken"),
        ] {
            let Scheme::Header(header) = Authentication(policy).policy().unwrap().scheme else {
                panic!("not a header");
            };
            assert_eq!(header, expected);
        }
    }

    #[test]
    fn no_complaint_repeats_a_secret() {
        let oauth = |fields: Value| {
            let mut policy = json!({ "authority": "https://a.test", "grant": "client_credentials", "client": { "id": "c" } });
            policy
                .as_object_mut()
                .unwrap()
                .extend(fields.as_object().unwrap().clone());
            json!({ "oauth2": policy })
        };
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
                json!({ "digest": { "password": "hunter2" } }),
                ErrorCode::InvalidRequest,
            ),
            (
                json!({ "certificate": { "key": "hunter2" } }),
                ErrorCode::Unsupported,
            ),
            (
                json!({ "oauth2": { "client": "hunter2" } }),
                ErrorCode::InvalidRequest,
            ),
            (oauth(json!({ "client": ["hunter2"] })), ErrorCode::InvalidRequest),
            (
                oauth(json!({ "client": { "secret": "hunter2" } })),
                ErrorCode::InvalidRequest,
            ),
            (
                oauth(json!({ "authority": "hunter2" })),
                ErrorCode::InvalidRequest,
            ),
            (
                oauth(json!({ "authority": "https://ada:hunter2@a.test" })),
                ErrorCode::InvalidRequest,
            ),
            (oauth(json!({ "grant": "hunter2" })), ErrorCode::Unsupported),
            (oauth(json!({ "scopes": "hunter2" })), ErrorCode::InvalidRequest),
            (
                oauth(json!({ "grant": "password", "password": "hunter2" })),
                ErrorCode::InvalidRequest,
            ),
            (
                oauth(
                    json!({ "client": { "id": "c", "assertion": 7, "secret": "hunter2", "authentication": "private_key_jwt" } }),
                ),
                ErrorCode::InvalidRequest,
            ),
        ] {
            let authentication = Authentication(policy);
            assert!(!format!("{authentication:?}").contains("hunter2"));
            let error = authentication.policy().unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error}");
        }
    }
}
