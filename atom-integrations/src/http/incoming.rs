//! A response whose body is still coming.

use atom_core::Result;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, UPGRADE};
use reqwest::{Response, StatusCode};
use url::Url;
use zeroize::Zeroizing;

use super::answer::Answer;
use super::body::essence;
use super::failure;
use super::request::Request;
use super::sensitive::concealed;

/// A response whose body is still coming. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Incoming {
    request: Request,
    response: Response,
    limit: u64,
    length: u64,
    /// A token that the request carried, which the service may repeat.
    token: Option<Zeroizing<String>>,
}

impl Incoming {
    pub(super) fn new(request: Request, response: Response, limit: u64) -> Self {
        Self {
            request,
            response,
            limit,
            length: 0,
            token: None,
        }
    }

    /// The response, provided that it is what the request asked for.
    ///
    /// # Errors
    /// The error that the status stands for.
    pub(super) fn checked(self) -> Result<Self> {
        let status = self.response.status();
        let is_upgrade =
            status == StatusCode::SWITCHING_PROTOCOLS && self.request.headers.contains_key(UPGRADE);
        let is_answer = status.is_success() || (status.is_redirection() && self.request.follows_redirects);
        if is_answer || is_upgrade {
            return Ok(self);
        }
        Err(failure::of_status(status, self.headers(), Timestamp::now()))
    }

    /// Whether the service to which the credentials belong does not take them: by the status, or by that of gRPC,
    /// where it stands in the headers.
    pub(super) fn refuses_credentials(&self, uri: &Url) -> bool {
        let says_so = self.headers().get("grpc-status");
        let is_refused = self.response.status() == StatusCode::UNAUTHORIZED
            || says_so.is_some_and(|status| status == "16");
        is_refused && self.request.uri.origin() == uri.origin()
    }

    /// The request that led here, after redirects.
    pub(super) fn into_request(self) -> Request {
        self.request
    }

    /// Reads no more than this, whatever else is allowed.
    pub(super) fn limit_to(&mut self, bytes: u64) {
        self.limit = self.limit.min(bytes);
    }

    /// Masks a token that the request carried, wherever the service repeats it.
    pub(super) fn conceal(&mut self, token: Zeroizing<String>) {
        self.token = Some(token);
    }

    /// A part of the body as it may be shown.
    pub(crate) fn shown(&self, text: String) -> String {
        match &self.token {
            Some(token) => concealed(&text, token),
            None => text,
        }
    }

    /// The response itself and the token that the request carried, for what is not one body: connections that are
    /// taken over, trailers, and streams without an end. Who takes it bounds what is read, and masks the token.
    #[cfg(any(feature = "asyncapi", feature = "grpc"))]
    pub(crate) fn into_parts(self) -> (Response, Option<Zeroizing<String>>) {
        (self.response, self.token)
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The type and subtype of the body, in lower case; empty when the service does not say.
    pub(crate) fn media_type(&self) -> String {
        let header = self.headers().get(CONTENT_TYPE);
        essence(header.and_then(|value| value.to_str().ok()).unwrap_or_default())
    }

    /// The next bytes of the body, none at its end.
    ///
    /// # Errors
    /// `unavailable` when the connection breaks, `limit_exceeded` when the body becomes too long.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(chunk) = self.response.chunk().await.map_err(failure::of_transport)? else {
            return Ok(None);
        };
        self.length = self
            .length
            .saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if self.length > self.limit {
            let status = self.response.status().as_u16();
            return Err(failure::too_long("the answer", self.limit).with_context("status", status));
        }
        Ok(Some(chunk.into()))
    }

    /// Reads the rest of the body.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    pub(crate) async fn answer(mut self) -> Result<Answer> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        let mut answer = Answer {
            method: self.request.method,
            uri: self.request.uri,
            request_headers: self.request.headers,
            status: self.response.status(),
            headers: std::mem::take(self.response.headers_mut()),
            body,
        };
        if let Some(token) = &self.token {
            answer.conceal(token);
        }
        Ok(answer)
    }
}
