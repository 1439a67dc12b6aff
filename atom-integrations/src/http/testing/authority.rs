//! An authority that gives tokens (RFC 6749, RFC 7523, RFC 8693, OpenID Connect Discovery 1.0), and a service that wants
//! them, for tests. It holds every request against the standards and keeps what does not fit.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{RecordedRequest, TestResponse, TestServer};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What an authority expects and gives.
#[derive(Clone, Debug)]
pub struct AuthorityConfig {
    /// How it is called from outside, when not by its address: the issuer, without a `/` at its end.
    pub issuer: Option<String>,
    /// Where tokens are given, below the issuer.
    pub token_path: String,
    /// The client that is known.
    pub client: (String, String),
    /// How the client must prove itself.
    pub method: String,
    /// What is accepted as `client_assertion` of `private_key_jwt`.
    pub assertion: String,
    /// The user that is known.
    pub user: (String, String),
    /// The refresh token that is good.
    pub refresh_token: String,
    /// Whether a refresh token is good for one use, and replaced with it. Using one again ends the grant (RFC 9700,
    /// section 4.14.2).
    pub replaces_refresh_tokens: bool,
    /// How long tokens are good for, in seconds; absent to leave it out.
    pub expires_in: Option<u64>,
    /// Whether tokens are JWTs that tell their issuer.
    pub has_jwts: bool,
    /// What every request for a token is answered instead.
    pub refusal: Option<(u16, String)>,
}

impl Default for AuthorityConfig {
    fn default() -> Self {
        Self {
            issuer: None,
            token_path: "/oauth2/token".to_owned(),
            client: ("client".to_owned(), "s3cret of c".to_owned()),
            method: "client_secret_post".to_owned(),
            assertion: "ready.made.assertion".to_owned(),
            user: ("ada".to_owned(), "p&ss=w rd".to_owned()),
            refresh_token: "refresh-token-1".to_owned(),
            replaces_refresh_tokens: false,
            expires_in: Some(3600),
            has_jwts: false,
            refusal: None,
        }
    }
}

/// An authority and a service on one loopback server: `/resource` wants a token, everything else is the authority's.
#[derive(Debug)]
pub struct TestAuthority {
    /// The server.
    pub server: TestServer,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    config: AuthorityConfig,
    issuer: String,
    issued: Vec<String>,
    revoked: BTreeSet<String>,
    requests: Vec<BTreeMap<String, Vec<String>>>,
    violations: Vec<String>,
    seen: BTreeSet<String>,
}

impl TestAuthority {
    /// # Errors
    /// When no port can be opened.
    pub async fn start(config: AuthorityConfig) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State {
            issuer: config.issuer.clone().unwrap_or_default(),
            config,
            issued: Vec::new(),
            revoked: BTreeSet::new(),
            requests: Vec::new(),
            violations: Vec::new(),
            seen: BTreeSet::new(),
        }));
        let shared = Arc::clone(&state);
        let server = TestServer::start(move |request| lock(&shared).answer(request)).await?;
        {
            let mut state = lock(&state);
            if state.issuer.is_empty() {
                state.issuer = server.uri("");
            }
        }
        Ok(Self { server, state })
    }

    /// The address of the authority.
    #[must_use]
    pub fn issuer(&self) -> String {
        lock(&self.state).issuer.clone()
    }

    /// The parameters of each request for a token.
    #[must_use]
    pub fn requests(&self) -> Vec<BTreeMap<String, Vec<String>>> {
        lock(&self.state).requests.clone()
    }

    /// The tokens that were given.
    #[must_use]
    pub fn issued(&self) -> Vec<String> {
        lock(&self.state).issued.clone()
    }

    /// What did not fit the standards.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        lock(&self.state).violations.clone()
    }

    /// Makes the service refuse every token that was given so far.
    pub fn revoke_all(&self) {
        let mut state = lock(&self.state);
        state.revoked = state.issued.iter().cloned().collect();
    }

    /// Changes what the authority expects and gives from now on.
    pub fn set(&self, change: impl FnOnce(&mut AuthorityConfig)) {
        change(&mut lock(&self.state).config);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn answer(&mut self, request: &RecordedRequest) -> TestResponse {
        let prefix = self
            .issuer
            .splitn(4, '/')
            .nth(3)
            .map_or_else(String::new, |path| format!("/{path}"));
        let path = request.target.strip_prefix(&prefix).unwrap_or(&request.target);
        if path == "/.well-known/openid-configuration" {
            return TestResponse::json(&json!({
                "issuer": self.issuer,
                "authorization_endpoint": format!("{}/authorize", self.issuer),
                "token_endpoint": format!("{}{}", self.issuer, self.config.token_path),
                "jwks_uri": format!("{}/keys", self.issuer),
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }));
        }
        if path == self.config.token_path {
            let refusal = self.config.refusal.clone();
            return match (self.token(request), refusal) {
                (Ok(_), Some((status, code))) => {
                    TestResponse::json(&json!({ "error": code })).with_status(status)
                }
                (Ok(answer), None) => TestResponse::json(&answer).with_header("Cache-Control", "no-store"),
                (Err((code, violation)), _) => {
                    self.violations.push(violation);
                    let status = if code == "invalid_client" { 401 } else { 400 };
                    TestResponse::json(&json!({ "error": code, "error_description": "see the standard" }))
                        .with_status(status)
                }
            };
        }
        self.resource(request)
    }

    fn resource(&self, request: &RecordedRequest) -> TestResponse {
        let token = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        match token {
            Some(token)
                if self.issued.iter().any(|issued| issued == token) && !self.revoked.contains(token) =>
            {
                TestResponse::json(&json!({ "path": request.target, "echo": token }))
            }
            _ => TestResponse::status(401).with_header("WWW-Authenticate", "Bearer error=\"invalid_token\""),
        }
    }

    fn token(&mut self, request: &RecordedRequest) -> Result<Value, (&'static str, String)> {
        let invalid = |what: String| ("invalid_request", what);
        if request.method != "POST" || request.target.contains('?') {
            return Err(invalid(
                "a token is asked for by POST, without a query (RFC 6749, 3.2)".to_owned(),
            ));
        }
        if !request
            .header("accept")
            .is_some_and(|accept| accept.contains("application/json"))
        {
            return Err(invalid("the answer is JSON".to_owned()));
        }
        let parameters = parameters(request).map_err(invalid)?;
        self.requests.push(parameters.clone());
        for (name, values) in &parameters {
            if values.len() > 1 && !matches!(name.as_str(), "audience" | "resource") {
                return Err(invalid(format!("'{name}' is given twice (RFC 6749, 3.2)")));
            }
            if values.iter().any(String::is_empty) {
                return Err(invalid(format!("'{name}' is empty (RFC 6749, 3.2)")));
            }
        }
        let get = |name: &str| {
            parameters
                .get(name)
                .and_then(|values| values.first())
                .map(String::as_str)
        };
        self.check_client(request, &get)
            .map_err(|what| ("invalid_client", what))?;
        if let Some(scope) = get("scope")
            && scope.split(' ').any(str::is_empty)
        {
            return Err((
                "invalid_scope",
                "scopes are parted by one space (RFC 6749, 3.3)".to_owned(),
            ));
        }
        let mut answer = json!({ "token_type": "Bearer" });
        match get("grant_type") {
            Some("client_credentials") => {}
            Some("password") => {
                let user = (
                    get("username").unwrap_or_default(),
                    get("password").unwrap_or_default(),
                );
                if user != (self.config.user.0.as_str(), self.config.user.1.as_str()) {
                    return Err((
                        "invalid_grant",
                        "the user is not known (RFC 6749, 4.3)".to_owned(),
                    ));
                }
            }
            Some(TOKEN_EXCHANGE) => {
                if get("subject_token").is_none() || get("subject_token_type").is_none() {
                    return Err(invalid("the subject is missing (RFC 8693, 2.1)".to_owned()));
                }
                if get("actor_token").is_some() != get("actor_token_type").is_some() {
                    return Err(invalid(
                        "the actor's token and type go together (RFC 8693, 2.1)".to_owned(),
                    ));
                }
                answer["issued_token_type"] = json!("urn:ietf:params:oauth:token-type:access_token");
            }
            Some("refresh_token") => {
                let token = get("refresh_token")
                    .ok_or_else(|| invalid("no refresh token (RFC 6749, 6)".to_owned()))?;
                if token != self.config.refresh_token {
                    // No token has this name.
                    self.config.refresh_token.clear();
                    return Err((
                        "invalid_grant",
                        format!("the refresh token '{token}' is not good"),
                    ));
                }
                if self.config.replaces_refresh_tokens {
                    self.config.refresh_token = format!("refresh-token-{}", self.requests.len() + 1);
                    answer["refresh_token"] = json!(self.config.refresh_token);
                }
            }
            other => return Err(("unsupported_grant_type", format!("the grant {other:?}"))),
        }
        let number = self.issued.len() + 1;
        let token = if self.config.has_jwts {
            let claims = json!({ "iss": self.issuer, "sub": "client", "n": number }).to_string();
            format!(
                "{}.{}.c2ln",
                URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#),
                URL_SAFE_NO_PAD.encode(claims)
            )
        } else {
            format!("issued-token-{number}")
        };
        self.issued.push(token.clone());
        answer["access_token"] = json!(token);
        if let Some(seconds) = self.config.expires_in {
            answer["expires_in"] = json!(seconds);
        }
        Ok(answer)
    }

    /// RFC 6749, section 2.3, and RFC 7523, section 3.
    fn check_client<'p>(
        &mut self,
        request: &RecordedRequest,
        get: &impl Fn(&str) -> Option<&'p str>,
    ) -> Result<(), String> {
        let basic = request.header("authorization");
        let ways = [
            basic.is_some(),
            get("client_secret").is_some(),
            get("client_assertion").is_some(),
        ];
        if ways.iter().filter(|way| **way).count() > 1 {
            return Err("a client uses one method to authenticate (RFC 6749, 2.3)".to_owned());
        }
        let (id, secret) = self.config.client.clone();
        match self.config.method.as_str() {
            "client_secret_basic" => {
                let decoded = basic
                    .and_then(|value| value.strip_prefix("Basic "))
                    .and_then(|value| STANDARD.decode(value).ok())
                    .and_then(|bytes| String::from_utf8(bytes).ok())
                    .ok_or("no basic credentials")?;
                let (given, password) = decoded.split_once(':').ok_or("no ':' in the credentials")?;
                let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
                (decode(given) == id && decode(password) == secret && !password.contains(' '))
                    .then_some(())
                    .ok_or_else(|| {
                        "the basic credentials are not those of the client, form-encoded".to_owned()
                    })
            }
            "client_secret_post" => (get("client_id") == Some(&id) && get("client_secret") == Some(&secret))
                .then_some(())
                .ok_or_else(|| "the client's id and secret are not in the body".to_owned()),
            "none" => (ways == [false; 3])
                .then_some(())
                .ok_or_else(|| "a public client has no secret".to_owned()),
            method => {
                let assertion = get("client_assertion").ok_or("no assertion")?.to_owned();
                if get("client_assertion_type") != Some(ASSERTION_TYPE) {
                    return Err("the type of the assertion (RFC 7523, 2.2)".to_owned());
                }
                if method == "private_key_jwt" {
                    return (assertion == self.config.assertion)
                        .then_some(())
                        .ok_or_else(|| "another assertion".to_owned());
                }
                self.check_assertion(&assertion, &id, &secret)
            }
        }
    }

    fn check_assertion(&mut self, assertion: &str, id: &str, secret: &str) -> Result<(), String> {
        let (content, signature) = assertion.rsplit_once('.').ok_or("not a JWT")?;
        let (head, claims) = content.split_once('.').ok_or("not a JWT")?;
        let decode = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            serde_json::from_slice::<Value>(&bytes).ok()
        };
        let (head, claims) = (
            decode(head).ok_or("the head")?,
            decode(claims).ok_or("the claims")?,
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|error| error.to_string())?;
        mac.update(content.as_bytes());
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|error| error.to_string())?;
        if head["alg"] != "HS256" || mac.verify_slice(&signature).is_err() {
            return Err("the signature (OpenID Connect Core, 9)".to_owned());
        }
        let endpoint = format!("{}{}", self.issuer, self.config.token_path);
        let now = jiff::Timestamp::now().as_second();
        let is_in_time = claims["exp"]
            .as_i64()
            .is_some_and(|end| end > now && end <= now + 600);
        if claims["iss"] != id || claims["sub"] != id || claims["aud"] != endpoint.as_str() || !is_in_time {
            return Err(format!("the claims (RFC 7523, 3): {claims}"));
        }
        let unique = claims["jti"].as_str().ok_or("no 'jti'")?.to_owned();
        self.seen
            .insert(unique)
            .then_some(())
            .ok_or_else(|| "the assertion was used before".to_owned())
    }
}

/// The parameters of a form, or of a JSON object.
fn parameters(request: &RecordedRequest) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    match request.header("content-type") {
        Some("application/x-www-form-urlencoded") => {
            for pair in request.text().split('&') {
                let (name, value) = pair.split_once('=').ok_or("a pair without '='")?;
                let decode = |text: &str| {
                    let text = text.replace('+', " ");
                    percent_decode_str(&text).decode_utf8_lossy().into_owned()
                };
                parameters.entry(decode(name)).or_default().push(decode(value));
            }
        }
        Some("application/json") => {
            let object: BTreeMap<String, Value> =
                serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
            for (name, value) in object {
                let values = match value {
                    Value::Array(values) => values,
                    value => vec![value],
                };
                for value in values {
                    let value = value.as_str().ok_or("not a text")?.to_owned();
                    parameters.entry(name.clone()).or_default().push(value);
                }
            }
        }
        other => return Err(format!("the content type {other:?}")),
    }
    Ok(parameters)
}
