//! What a token endpoint answers.

use std::fmt;
use std::time::Duration;

use atom_core::{Error, ErrorCode, Result, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use serde_json::Value;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::bearer;
use super::oauth::Settings;

/// How long a token is used that does not tell its lifetime.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(5);
/// The longest that a token is used.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24);
/// How long before its end a token is no longer used, at most: a request takes its time.
const MARGIN: Duration = Duration::from_secs(30);

/// An access token.
pub(in crate::http) struct AccessToken {
    text: Zeroizing<String>,
    header: HeaderValue,
    expires: Instant,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AccessToken(***)")
    }
}

impl AccessToken {
    /// Reads the answer of a token endpoint (RFC 6749, section 5).
    ///
    /// # Errors
    /// `unauthenticated` when the authority refuses, or the token is another issuer's; `unavailable` when it cannot
    /// answer now; `upstream` when it answers something else.
    pub(in crate::http) fn read(settings: &Settings, status: StatusCode, body: &[u8]) -> Result<Self> {
        let answer: Option<Value> = serde_json::from_slice(body).ok();
        let text = |name: &str| answer.as_ref()?.get(name)?.as_str();
        if !status.is_success() {
            return Err(refusal(settings, status, text("error")));
        }
        let unexpected = |message: &str| {
            Error::new(ErrorCode::Upstream, format!("the authority {message}"))
                .with_context("authority", settings.host())
        };
        let token = text("access_token").ok_or_else(|| unexpected("answered without an access token"))?;
        if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err(unexpected("gave a token that is not a bearer token"));
        }
        check_issuer(settings, token, text("id_token"))?;
        let seconds = answer
            .as_ref()
            .and_then(|answer| match answer.get("expires_in")? {
                Value::String(text) => text.parse().ok(),
                value => value.as_f64().filter(|seconds| *seconds >= 0.0),
            });
        let lifetime = seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .unwrap_or(DEFAULT_LIFETIME)
            .min(LONGEST_LIFETIME);
        Ok(Self {
            header: bearer(token)?,
            text: Zeroizing::new(token.to_owned()),
            expires: Instant::now() + lifetime.saturating_sub(MARGIN.min(lifetime / 10)),
        })
    }

    /// The value of the `Authorization` header.
    pub(in crate::http) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    pub(in crate::http) fn text(&self) -> Zeroizing<String> {
        self.text.clone()
    }

    pub(super) fn has_expired(&self) -> bool {
        self.expires <= Instant::now()
    }
}

/// The refresh token that replaces the one which was used, if the answer of a token endpoint holds one.
pub(in crate::http) fn replacement(status: StatusCode, body: &[u8]) -> Option<Secret> {
    let answer: Value = serde_json::from_slice(body)
        .ok()
        .filter(|_| status.is_success())?;
    let token = answer.get("refresh_token")?.as_str()?;
    (!token.is_empty()).then(|| Secret::new(token))
}

/// The error of an authority that gives no token; `code` is what it says itself.
fn refusal(settings: &Settings, status: StatusCode, code: Option<&str>) -> Error {
    let is_code = |code: &&str| {
        code.len() <= 64
            && code
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
    };
    let said = code
        .filter(is_code)
        .map_or_else(String::new, |code| format!(" ({code})"));
    let (error, advice) = match status.as_u16() {
        429 => (ErrorCode::RateLimited, ""),
        408 | 500..=599 => (ErrorCode::Unavailable, ""),
        _ if code == Some("invalid_grant") && settings.refresh_token().is_some() => (
            ErrorCode::Unauthenticated,
            "; the refresh token has expired or was withdrawn: let the person agree again, and set the new token",
        ),
        300..=399 | 404 | 405 | 410 => (ErrorCode::Upstream, "; check 'authority' and 'endpoints'"),
        _ => (
            ErrorCode::Unauthenticated,
            "; check the client and its credentials",
        ),
    };
    Error::new(
        error,
        format!("the authority answered {status}{said} to the request for a token{advice}"),
    )
    .with_context("authority", settings.host())
}

/// Checks that a token is of one of the issuers that are accepted. The token came from the authority itself, so its
/// signature says nothing more (OpenID Connect Core 1.0, section 3.1.3.7).
fn check_issuer(settings: &Settings, access: &str, identity: Option<&str>) -> Result<()> {
    if settings.issuers.is_empty() {
        return Ok(());
    }
    let issuer = issuer(access).or_else(|| issuer(identity?));
    match issuer {
        Some(issuer) if settings.issuers.contains(&issuer) => Ok(()),
        found => {
            let message = match found {
                Some(_) => "the token is of an issuer that 'issuers' does not list",
                None => "the token does not tell its issuer, which 'issuers' asks for",
            };
            Err(Error::new(ErrorCode::Unauthenticated, message).with_context("authority", settings.host()))
        }
    }
}

/// Who issued a token, when it is a JWT.
fn issuer(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}
