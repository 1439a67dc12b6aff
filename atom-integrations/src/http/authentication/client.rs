//! How a client proves to an authority who it is (RFC 6749, section 2.3; RFC 7523; OpenID Connect Core 1.0, section 9).

use atom_core::{Error, RandomSource, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::header::AUTHORIZATION;
use serde_json::json;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::parameters::Parameters;
use super::{Fields, basic_of, header};
use crate::http::encoding::percent;
use crate::http::request::Request;
use crate::system::SystemRandom;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion that a client signs is good for, in seconds.
const ASSERTION_LIFETIME: i64 = 60;

/// The methods that there are.
pub(super) const METHODS: [&str; 5] = [
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "none",
];

/// A client that an authority knows.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) id: Option<String>,
    secret: Option<Zeroizing<String>>,
    assertion: Option<Zeroizing<String>>,
    method: &'static str,
}

impl Client {
    /// # Errors
    /// `invalid_request` when a field is malformed, or missing for the method.
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self> {
        let Some(client) = fields.part("client", &["id", "secret", "assertion", "authentication"])? else {
            return Ok(Self {
                id: None,
                secret: None,
                assertion: None,
                method: "none",
            });
        };
        let method = client.text("authentication")?.unwrap_or("client_secret_post");
        let method = METHODS.iter().find(|known| **known == method);
        let secret =
            |name| -> Result<_> { Ok(client.text(name)?.map(|text| Zeroizing::new(text.to_owned()))) };
        let read = Self {
            id: client.text("id")?.map(str::to_owned),
            secret: secret("secret")?,
            assertion: secret("assertion")?,
            method: method.ok_or_else(|| client.malformed("authentication", "a method of OpenID Connect"))?,
        };
        let missing = match read.method {
            "private_key_jwt" if read.assertion.is_none() => Some("assertion"),
            "private_key_jwt" | "none" => None,
            _ if read.id.is_none() => Some("id"),
            "client_secret_basic" if read.secret.is_none() => Some("secret"),
            "client_secret_jwt" if read.secret.is_none() && read.assertion.is_none() => Some("secret"),
            _ => None,
        };
        match missing {
            Some(name) => Err(client.malformed(name, &format!("a text, as '{}' needs it", read.method))),
            None => Ok(read),
        }
    }

    /// Adds what proves it to a request for a token.
    ///
    /// # Errors
    /// `invalid_request` when a credential cannot be written as a header.
    pub(super) fn authenticate(
        &self,
        request: &mut Request,
        parameters: &mut Parameters,
        now: Timestamp,
    ) -> Result<()> {
        let (id, secret) = (self.id.as_deref(), self.secret.as_ref());
        match self.method {
            "client_secret_basic" => {
                let (id, secret) = (
                    id.unwrap_or_default(),
                    secret.map_or("", |secret| secret.as_str()),
                );
                let credential = basic_of(&percent(id), &percent(secret));
                request.headers.insert(AUTHORIZATION, header(&credential)?);
            }
            "client_secret_jwt" | "private_key_jwt" => {
                let assertion = match (&self.assertion, secret) {
                    (Some(assertion), _) => assertion.clone(),
                    (None, secret) => {
                        let secret = secret.map_or("", |secret| secret.as_str());
                        signed(id.unwrap_or_default(), secret, request.uri.as_str(), now)?
                    }
                };
                parameters.add("client_assertion_type", ASSERTION_TYPE);
                parameters.add("client_assertion", &assertion);
                if let Some(id) = id {
                    parameters.add("client_id", id);
                }
            }
            method => {
                if let Some(id) = id {
                    parameters.add("client_id", id);
                }
                if let (Some(secret), "client_secret_post") = (secret, method) {
                    parameters.add("client_secret", secret);
                }
            }
        }
        Ok(())
    }
}

/// A JWT by which a client proves that it knows its secret (RFC 7523, section 3).
fn signed(id: &str, secret: &str, audience: &str, now: Timestamp) -> Result<Zeroizing<String>> {
    let unique: String = SystemRandom
        .random_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let claims = json!({
        "iss": id, "sub": id, "aud": audience, "jti": unique,
        "iat": now.as_second(), "exp": now.as_second() + ASSERTION_LIFETIME,
    });
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let head = encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let content = format!("{head}.{}", encode(claims.to_string().as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|error| Error::internal("the assertion cannot be signed").with_source(error))?;
    mac.update(content.as_bytes());
    let signature = encode(&mac.finalize().into_bytes());
    Ok(Zeroizing::new(format!("{content}.{signature}")))
}
