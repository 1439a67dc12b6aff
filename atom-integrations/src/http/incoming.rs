//! A response whose body is still coming.

use atom_core::{Error, ErrorCode, Result};
use jiff::Timestamp;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::answer::Answer;
use super::body::essence;
use super::failure;
use super::request::Request;

/// A response whose body is still coming. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Incoming {
    request: Request,
    response: Response,
    limit: u64,
    length: u64,
}

impl Incoming {
    /// # Errors
    /// The error that the status stands for.
    pub(super) fn new(request: Request, response: Response, limit: u64) -> Result<Self> {
        let status = response.status();
        let is_answer = status.is_success() || (status.is_redirection() && request.follows_redirects);
        if !is_answer {
            return Err(failure::of_status(status, response.headers(), Timestamp::now()));
        }
        Ok(Self {
            request,
            response,
            limit,
            length: 0,
        })
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
            let message = format!(
                "the answer is longer than {} bytes; raise the setting http.maximum_response_bytes",
                self.limit
            );
            let status = self.response.status().as_u16();
            return Err(Error::new(ErrorCode::LimitExceeded, message).with_context("status", status));
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
        Ok(Answer {
            method: self.request.method,
            uri: self.request.uri,
            request_headers: self.request.headers,
            status: self.response.status(),
            headers: std::mem::take(self.response.headers_mut()),
            body,
        })
    }
}
