//! Tokens of OAuth 2.0 (RFC 6749, RFC 7523, RFC 8693) and OpenID Connect: what to ask an authority for.

use std::fmt;

use atom_core::{Error, ErrorCode, Result, Secret};
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderValue};
use schemars::{Schema, json_schema};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use super::client::{Client, METHODS};
use super::parameters::{FORM, Parameters};
use super::{Fields, fields};
use crate::http::request::Request;
use crate::http::target::parse_uri;

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The type of a refresh token (RFC 8693, section 3).
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Where and how to ask for a token.
#[derive(Clone)]
pub(in crate::http) struct Settings {
    authority: Url,
    endpoint: Endpoint,
    grant: Grant,
    client: Client,
    is_json: bool,
    pub(super) issuers: Vec<String>,
    scopes: Vec<String>,
    audiences: Vec<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Settings(***)")
    }
}

#[derive(Clone)]
enum Endpoint {
    /// Below the authority.
    Path(String),
    /// As the authority says.
    Discovered,
}

#[derive(Clone)]
enum Grant {
    ClientCredentials,
    Password {
        username: String,
        password: Zeroizing<String>,
    },
    TokenExchange {
        subject: Token,
        actor: Option<Token>,
    },
    RefreshToken(RefreshToken),
}

/// The refresh token that a document gives.
#[derive(Clone)]
pub(in crate::http) struct RefreshToken {
    pub(super) given: Secret,
    /// The name of the secret that keeps what has replaced it.
    pub(super) name: String,
}

#[derive(Clone)]
struct Token {
    token: Zeroizing<String>,
    kind: String,
}

/// The JSON Schema of a policy; only that of `oauth2` has endpoints of its own.
pub(super) fn schema(has_endpoints: bool) -> Schema {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let token = json!({
        "type": "object", "properties": { "token": text, "type": text }, "required": ["token", "type"],
        "additionalProperties": false
    });
    let mut properties = json!({
        "authority": text,
        "grant": { "enum": ["client_credentials", "password", "refresh_token", TOKEN_EXCHANGE] },
        "client": {
            "type": "object",
            "properties": { "id": text, "secret": text, "assertion": text, "authentication": { "enum": METHODS } },
            "additionalProperties": false
        },
        "request": {
            "type": "object",
            "properties": { "encoding": { "enum": [FORM, "application/json"] } },
            "additionalProperties": false
        },
        "issuers": texts, "scopes": texts, "audiences": texts,
        "username": text, "password": text, "subject": token, "actor": token,
    });
    if has_endpoints {
        properties["endpoints"] = json!({
            "type": "object",
            "properties": { "token": text, "revocation": text, "introspection": text },
            "additionalProperties": false
        });
    }
    json_schema!({
        "type": "object", "properties": properties, "required": ["authority", "grant"], "additionalProperties": false
    })
}

impl Settings {
    /// # Errors
    /// `unsupported` for a grant that needs a person, `invalid_request` when a field is missing or malformed.
    pub(super) fn read(scheme: &str, details: &Value) -> Result<Self> {
        let allowed = [
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
            "endpoints",
        ];
        let is_oauth = scheme == "oauth2";
        let allowed = if is_oauth {
            &allowed[..]
        } else {
            &allowed[..allowed.len() - 1]
        };
        let fields = fields(details, scheme.to_owned(), allowed)?;
        let authority = fields.required("authority")?;
        // Some write the address of the document from which everything else is known.
        let authority = authority.strip_suffix(DISCOVERY).unwrap_or(authority);
        let authority = parse_uri(authority).map_err(|_| {
            fields.malformed("authority", "an absolute http or https URI without credentials")
        })?;
        let endpoint = if is_oauth {
            let endpoints = fields.part("endpoints", &["token", "revocation", "introspection"])?;
            let token = endpoints
                .as_ref()
                .map(|endpoints| endpoints.text("token"))
                .transpose()?
                .flatten();
            Endpoint::Path(token.unwrap_or("/oauth2/token").to_owned())
        } else {
            Endpoint::Discovered
        };
        let encoding = fields.part("request", &["encoding"])?;
        let encoding = encoding
            .as_ref()
            .map(|request| request.text("encoding"))
            .transpose()?
            .flatten();
        let client = Client::read(&fields)?;
        Ok(Self {
            grant: Grant::read(&fields, &authority, &client)?,
            authority,
            endpoint,
            client,
            is_json: match encoding {
                None | Some(FORM) => false,
                Some("application/json") => true,
                Some(_) => return Err(fields.malformed("request.encoding", "a form or JSON")),
            },
            issuers: fields.texts("issuers")?,
            scopes: fields.texts("scopes")?,
            audiences: fields.texts("audiences")?,
        })
    }

    /// The refresh token by which tokens are asked for.
    pub(in crate::http) fn refresh_token(&self) -> Option<&RefreshToken> {
        match &self.grant {
            Grant::RefreshToken(token) => Some(token),
            _ => None,
        }
    }

    /// Where the authority is, for people.
    pub(in crate::http) fn host(&self) -> String {
        self.authority.host_str().unwrap_or_default().to_owned()
    }

    /// The request for the document that says where tokens are given, for an authority that has one.
    pub(in crate::http) fn discovery(&self) -> Result<Option<Request>> {
        match &self.endpoint {
            Endpoint::Path(_) => Ok(None),
            Endpoint::Discovered => {
                let mut request = Request::new(Method::GET, self.below(DISCOVERY)?);
                request
                    .headers
                    .insert(ACCEPT, HeaderValue::from_static("application/json"));
                Ok(Some(request))
            }
        }
    }

    /// Where tokens are given, according to that document (OpenID Connect Discovery 1.0, section 4.3).
    ///
    /// # Errors
    /// `unauthenticated` when the document is another issuer's, `upstream` when it names no token endpoint.
    pub(in crate::http) fn discovered(&self, document: &Value) -> Result<Url> {
        let issuer = document.get("issuer").and_then(Value::as_str).unwrap_or_default();
        let trimmed = |text: &str| text.trim_end_matches('/').to_owned();
        let is_own = trimmed(issuer) == trimmed(self.authority.as_str());
        if !is_own && !self.issuers.iter().any(|known| known == issuer) {
            let message = "the authority describes itself as another issuer; correct 'authority', or list it in 'issuers'";
            return Err(Error::new(ErrorCode::Unauthenticated, message));
        }
        let endpoint = document
            .get("token_endpoint")
            .and_then(Value::as_str)
            .unwrap_or_default();
        parse_uri(endpoint).map_err(|_| {
            Error::new(
                ErrorCode::Upstream,
                "the authority's description names no token endpoint",
            )
        })
    }

    /// Where tokens are given by an authority that is not asked for it.
    pub(in crate::http) fn token_endpoint(&self) -> Result<Url> {
        match &self.endpoint {
            Endpoint::Path(path) => self.below(path),
            Endpoint::Discovered => Err(Error::internal("the token endpoint was not discovered")),
        }
    }

    fn below(&self, path: &str) -> Result<Url> {
        let base = self.authority.as_str().trim_end_matches('/');
        parse_uri(&format!("{base}/{}", path.trim_start_matches('/')))
    }

    /// The request for a token; `refresh` is the refresh token to use instead of the one that the document gives.
    ///
    /// # Errors
    /// `invalid_request` when a credential cannot be written as a request.
    pub(in crate::http) fn token_request(
        &self,
        endpoint: Url,
        refresh: Option<&Secret>,
        now: Timestamp,
    ) -> Result<Request> {
        let mut parameters = Parameters::default();
        let mut add = |name, value: &str| parameters.add(name, value);
        match &self.grant {
            Grant::ClientCredentials => add("grant_type", "client_credentials"),
            Grant::Password { username, password } => {
                add("grant_type", "password");
                add("username", username);
                add("password", password);
            }
            Grant::TokenExchange { subject, actor } => {
                add("grant_type", TOKEN_EXCHANGE);
                add("subject_token", &subject.token);
                add("subject_token_type", &subject.kind);
                if let Some(actor) = actor {
                    add("actor_token", &actor.token);
                    add("actor_token_type", &actor.kind);
                }
            }
            Grant::RefreshToken(token) => {
                add("grant_type", "refresh_token");
                add("refresh_token", refresh.unwrap_or(&token.given).expose());
            }
        }
        if !self.scopes.is_empty() {
            add("scope", &self.scopes.join(" "));
        }
        for audience in &self.audiences {
            add("audience", audience);
        }
        let mut request = Request::new(Method::POST, endpoint);
        request
            .headers
            .insert(ACCEPT, HeaderValue::from_static("application/json"));
        self.client.authenticate(&mut request, &mut parameters, now)?;
        request.set_body(parameters.body(self.is_json))?;
        Ok(request)
    }
}

impl Grant {
    fn read(fields: &Fields<'_>, authority: &Url, client: &Client) -> Result<Self> {
        let token = |name| -> Result<Option<Token>> {
            let Some(token) = fields.part(name, &["token", "type"])? else {
                return Ok(None);
            };
            Ok(Some(Token {
                token: Zeroizing::new(token.required("token")?.to_owned()),
                kind: token.required("type")?.to_owned(),
            }))
        };
        Ok(match fields.required("grant")? {
            "client_credentials" => Self::ClientCredentials,
            "password" => Self::Password {
                username: fields.required("username")?.to_owned(),
                password: Zeroizing::new(fields.required("password")?.to_owned()),
            },
            TOKEN_EXCHANGE => Self::TokenExchange {
                subject: token("subject")?.ok_or_else(|| fields.malformed("subject", "an object"))?,
                actor: token("actor")?,
            },
            "refresh_token" => {
                let subject = token("subject")?.filter(|subject| subject.kind == REFRESH_TOKEN);
                let subject = subject.ok_or_else(|| {
                    let expected =
                        format!("an object with the refresh token as 'token' and the 'type' {REFRESH_TOKEN}");
                    fields.malformed("subject", &expected)
                })?;
                Self::RefreshToken(RefreshToken::new(&subject.token, authority, client))
            }
            _ => {
                let message = "this grant is not supported: only 'client_credentials', 'password', 'refresh_token' and \
                     'urn:ietf:params:oauth:grant-type:token-exchange' give a token without a person";
                return Err(Error::new(ErrorCode::Unsupported, message));
            }
        })
    }
}

impl RefreshToken {
    fn new(given: &str, authority: &Url, client: &Client) -> Self {
        let identity = json!([authority.as_str(), client.id, given]).to_string();
        let digest = Sha256::digest(Zeroizing::new(identity).as_bytes());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            given: Secret::new(given),
            name: format!("oauth2.refresh.{digest}"),
        }
    }
}
