//! One call from its first request to its answer: redirects, challenges and tokens.

use std::sync::Arc;

use atom_core::{Error, ErrorCode, Result, Scope, Secret};
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, LOCATION};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use url::Url;

use super::authentication::Scheme;
use super::authentication::digest::{self, Credentials};
use super::authentication::memory::Owner;
use super::authentication::oauth::Settings;
use super::authentication::token::{self, AccessToken};
use super::client::{Client, within};
use super::incoming::Incoming;
use super::request::Request;
use super::target;

/// How many redirects are followed.
const MAXIMUM_REDIRECTS: usize = 10;

/// How much of what an authority answers is read, in bytes.
const MAXIMUM_AUTHORITY_BYTES: u64 = 1024 * 1024;

impl Client {
    /// Sends a request on behalf of somebody, authenticates it as it asks, follows its redirects and gives the answer
    /// as soon as its head is there. The caller bounds the time, see [`guard`](Self::guard).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the service may have acted on the request already.
    pub(crate) async fn open(&self, mut request: Request, scope: &Scope) -> Result<Incoming> {
        let Some(policy) = request.policy.take() else {
            return self.exchange(request).await?.checked();
        };
        let owner = (scope.clone(), policy.hash);
        match policy.scheme {
            Scheme::Header(header) => {
                request.headers.insert(AUTHORIZATION, header);
                self.exchange(request).await?.checked()
            }
            Scheme::Digest(credentials) => self.with_digest(request, &credentials, &owner).await,
            Scheme::OAuth(settings) => self.with_token(request, &settings, &owner).await,
        }
    }

    /// Answers the challenge of a service, the one it gave last time at once.
    async fn with_digest(
        &self,
        mut request: Request,
        credentials: &Credentials,
        owner: &Owner,
    ) -> Result<Incoming> {
        let uri = request.uri.clone();
        let origin = uri.origin().ascii_serialization();
        if let Some((demand, count)) = self.demands.next(owner, &origin) {
            let answer = demand.answer(credentials, &request.method, &request.uri, count)?;
            request.headers.insert(AUTHORIZATION, answer);
            request.is_bound = true;
        }
        let reply = self.exchange(request).await?;
        if !reply.refuses_credentials(&uri) {
            return reply.checked();
        }
        let demand = Arc::new(digest::demand(reply.headers())?);
        let mut request = reply.into_request();
        let answer = demand.answer(credentials, &request.method, &request.uri, 1)?;
        self.demands.put(owner, &origin, demand);
        request.headers.insert(AUTHORIZATION, answer);
        request.is_bound = true;
        self.exchange(request).await?.checked()
    }

    /// Sends a token along. One that was kept and is refused is replaced once.
    async fn with_token(&self, mut request: Request, settings: &Settings, owner: &Owner) -> Result<Incoming> {
        let (mut token, is_new) = self.tokens.get(owner, || self.ask(settings, &owner.0)).await?;
        request.headers.insert(AUTHORIZATION, token.header());
        let mut reply = self.exchange(request.clone()).await?;
        if !is_new && reply.refuses_credentials(&request.uri) {
            self.tokens.forget(owner, &token);
            (token, _) = self.tokens.get(owner, || self.ask(settings, &owner.0)).await?;
            request.headers.insert(AUTHORIZATION, token.header());
            reply = self.exchange(request).await?;
        }
        let mut incoming = reply.checked()?;
        incoming.conceal(token.text());
        Ok(incoming)
    }

    /// Asks an authority for a token.
    async fn ask(&self, settings: &Settings, scope: &Scope) -> Result<AccessToken> {
        let Some(refresh_token) = settings.refresh_token() else {
            let (status, body) = self.ask_for_token(settings, None).await?;
            return AccessToken::read(settings, status, &body);
        };
        let grant = self.grants.get(scope, refresh_token)?;
        let turn = grant.turn().await?;
        let (client, settings) = (self.shared()?, settings.clone());
        let refresh = async move {
            let _turn = turn;
            let used = grant.current().await?;
            let asked = client.ask_for_token(&settings, Some(&used));
            let (status, body) = within(client.patience_without_deadline(), asked).await?;
            // Whatever else is wrong with the answer, this must not be lost.
            if let Some(token) = token::replacement(status, &body)
                && token.expose() != used.expose()
            {
                grant.keep(token).await?;
            }
            AccessToken::read(&settings, status, &body)
        };
        self.grants.carry_through(refresh).await
    }

    /// What the token endpoint of an authority answers; `refresh` is the refresh token to use, for that grant.
    async fn ask_for_token(
        &self,
        settings: &Settings,
        refresh: Option<&Secret>,
    ) -> Result<(StatusCode, Vec<u8>)> {
        let endpoint = match settings.discovery()? {
            None => settings.token_endpoint()?,
            Some(request) => {
                let (status, body) = self.ask_authority(settings, request).await?;
                let document: Option<Value> =
                    serde_json::from_slice(&body).ok().filter(|_| status.is_success());
                let document = document.ok_or_else(|| {
                    let message = format!(
                        "the authority answered {status} without a description of itself; check 'authority'"
                    );
                    Error::new(ErrorCode::Upstream, message)
                })?;
                settings.discovered(&document)?
            }
        };
        let request = settings.token_request(endpoint, refresh, Timestamp::now())?;
        self.ask_authority(settings, request).await
    }

    async fn ask_authority(&self, settings: &Settings, request: Request) -> Result<(StatusCode, Vec<u8>)> {
        let at_authority = |error: Error| error.with_context("authority", settings.host());
        let mut reply = self.exchange(request).await.map_err(at_authority)?;
        reply.limit_to(MAXIMUM_AUTHORITY_BYTES);
        let answer = reply.answer().await.map_err(at_authority)?;
        Ok((answer.status, answer.body))
    }

    /// Sends a request and follows redirects where it may.
    async fn exchange(&self, mut request: Request) -> Result<Incoming> {
        for _ in 0..=MAXIMUM_REDIRECTS {
            let target = self.policy.target(&request.uri)?;
            let response = self.hop(&request, target).await?;
            match next_location(&request, &response)? {
                Some(location) => request = request.redirected(response.status(), location),
                None => return Ok(Incoming::new(request, response, self.maximum_response_bytes())),
            }
        }
        let message = format!("the service redirected more than {MAXIMUM_REDIRECTS} times");
        Err(Error::new(ErrorCode::LimitExceeded, message))
    }
}

/// Where a followed redirect leads.
fn next_location(request: &Request, response: &Response) -> Result<Option<Url>> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(location) = response
        .headers()
        .get(LOCATION)
        .filter(|_| is_redirect && request.follows_redirects)
    else {
        return Ok(None);
    };
    let malformed = || {
        Error::new(
            ErrorCode::Upstream,
            "the service redirected to something that is not a URI",
        )
        .with_context("status", response.status().as_u16())
    };
    let location = location.to_str().map_err(|_| malformed())?;
    let location = request.uri.join(location).map_err(|_| malformed())?;
    target::check_uri(&location).map_err(|error| {
        Error::new(
            ErrorCode::PermissionDenied,
            format!("a redirect was not followed: {}", error.message()),
        )
    })?;
    Ok(Some(location))
}
