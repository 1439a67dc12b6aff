//! Authentication policies, endpoints and external resources.

use atom_core::Result;

use super::cursor::Cursor;
use super::data::optional;
use super::{Reader, formats, missing};
use crate::expression::is_expression;

const POLICIES: [&str; 5] = ["basic", "bearer", "digest", "oauth2", "oidc"];

const GRANTS: [&str; 5] = [
    "authorization_code",
    "client_credentials",
    "password",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];

/// The type of a refresh token (RFC 8693, section 3).
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";

const CLIENT_AUTHENTICATIONS: [&str; 5] = [
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "none",
];

impl<'t> Reader<'t> {
    /// A URI, an expression, or an object with both a URI and its authentication.
    pub(super) fn endpoint(&mut self, cursor: &Cursor<'t>) -> Result<()> {
        if cursor.as_text().is_some() {
            return formats::uri_or_expression(cursor);
        }
        if !cursor.is_object() {
            return Err(cursor.unexpected("a URI as text, or an object with 'uri'"));
        }
        let endpoint = cursor.object(&["uri", "authentication"])?;
        formats::uri_or_expression(&endpoint.require("uri")?)?;
        optional(endpoint.get("authentication"), |policy| {
            self.authentication(policy)
        })
    }

    pub(super) fn external_resource(&mut self, cursor: &Cursor<'t>) -> Result<()> {
        let resource = cursor.object(&["name", "endpoint"])?;
        optional(resource.get("name"), |name| name.text().map(drop))?;
        self.endpoint(&resource.require("endpoint")?)
    }

    /// An authentication policy, or the name of one.
    pub(super) fn authentication(&mut self, cursor: &Cursor<'t>) -> Result<()> {
        let [basic, bearer, digest, oauth2, oidc] = POLICIES;
        let policy = cursor.object(&["use", basic, bearer, digest, oauth2, oidc])?;
        let (kind, content) = policy.one_of(&["use", basic, bearer, digest, oauth2, oidc])?;
        if kind != "use" {
            return self.policy(kind, &content);
        }
        let name = content.name()?;
        if self.authentications.contains_key(name) {
            return Ok(());
        }
        let names = self.authentications.keys().map(String::as_str);
        Err(missing(names, "use.authentications", name, &content))
    }

    /// An authentication policy of `use.authentications`.
    pub(super) fn authentication_policy(&mut self, cursor: &Cursor<'t>) -> Result<()> {
        let (kind, content) = cursor.object(&POLICIES)?.one_of(&POLICIES)?;
        self.policy(kind, &content)
    }

    fn policy(&mut self, kind: &str, cursor: &Cursor<'t>) -> Result<()> {
        if let Some(secret) = cursor.any_object()?.get("use") {
            cursor.object(&["use"])?;
            let name = secret.name()?;
            if self.secrets.iter().any(|secret| secret == name) {
                return Ok(());
            }
            return Err(missing(
                self.secrets.iter().map(String::as_str),
                "use.secrets",
                name,
                &secret,
            ));
        }
        match kind {
            "bearer" => cursor
                .object(&["token", "use"])?
                .require("token")?
                .text()
                .map(drop),
            "basic" | "digest" => {
                let properties = cursor.object(&["username", "password", "use"])?;
                properties.require("username")?.text()?;
                properties.require("password")?.text().map(drop)
            }
            _ => self.oauth2(cursor, kind),
        }
    }

    fn oauth2(&mut self, cursor: &Cursor<'t>, kind: &str) -> Result<()> {
        let grant = oauth2(cursor, kind == "oauth2")?;
        let name = grant.text()?;
        match name {
            // It begins with a person who agrees in a browser, and the specification has no field for the code.
            "authorization_code" => self.lacks(&grant, format!("authentication: {kind} with the grant {name}")),
            "refresh_token" if !has_refresh_token(cursor)? => self.lacks(
                &grant,
                format!("authentication: {kind} with the grant {name} without a 'subject' of the type {REFRESH_TOKEN}"),
            ),
            _ => Ok(()),
        }
    }
}

/// Whether a policy gives a refresh token. The specification has a field for tokens, `subject`, but none for this one
/// alone.
fn has_refresh_token(policy: &Cursor<'_>) -> Result<bool> {
    let Some(subject) = policy.any_object()?.get("subject") else {
        return Ok(false);
    };
    let kind = subject.any_object()?.require("type")?.text()?;
    Ok(kind == REFRESH_TOKEN || is_expression(kind))
}

/// Checks the properties of a policy and gives its grant.
fn oauth2<'t>(cursor: &Cursor<'t>, has_endpoints: bool) -> Result<Cursor<'t>> {
    let keys = [
        "authority",
        "grant",
        "client",
        "request",
        "issuers",
        "scopes",
        "audiences",
        "username",
        "password",
        "subject",
        "actor",
        "use",
        "endpoints",
    ];
    let keys = if has_endpoints {
        keys.as_slice()
    } else {
        &keys[..keys.len() - 1]
    };
    let properties = cursor.object(keys)?;
    formats::uri(&properties.require("authority")?)?;
    let grant = properties.require("grant")?;
    grant.choice(&GRANTS)?;
    optional(properties.get("endpoints"), |endpoints| {
        let endpoints = endpoints.object(&["token", "revocation", "introspection"])?;
        endpoints
            .members()
            .try_for_each(|(_, endpoint)| formats::uri_template(&endpoint))
    })?;
    optional(properties.get("client"), |client| {
        let client = client.object(&["id", "secret", "assertion", "authentication"])?;
        for key in ["id", "secret", "assertion"] {
            optional(client.get(key), |text| text.text().map(drop))?;
        }
        optional(client.get("authentication"), |method| {
            method.choice(&CLIENT_AUTHENTICATIONS).map(drop)
        })
    })?;
    optional(properties.get("request"), |request| {
        let encodings = ["application/x-www-form-urlencoded", "application/json"];
        let request = request.object(&["encoding"])?;
        optional(request.get("encoding"), |encoding| {
            encoding.choice(&encodings).map(drop)
        })
    })?;
    for key in ["issuers", "scopes", "audiences"] {
        optional(properties.get(key), |texts| texts.texts().map(drop))?;
    }
    for key in ["username", "password"] {
        optional(properties.get(key), |text| text.text().map(drop))?;
    }
    for key in ["subject", "actor"] {
        optional(properties.get(key), |token| {
            let token = token.object(&["token", "type"])?;
            token.require("token")?.text()?;
            token.require("type")?.text().map(drop)
        })?;
    }
    Ok(grant)
}
