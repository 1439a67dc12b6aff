//! One call over HTTP/2 (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).

use std::time::Duration;

use atom_core::{Error, ErrorCode, FunctionContext, Result};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use prost_reflect::MethodDescriptor;
use prost_reflect::bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue, TE};
use reqwest::{Body, Method, Response, StatusCode};
use url::Url;
use zeroize::Zeroizing;

use super::{frame, status};
use crate::http::Client;
use crate::http::authentication::Authentication;
use crate::http::body;
use crate::http::failure;
use crate::http::request::{HttpVersion, Request};

/// The request that calls a method.
///
/// # Errors
/// As [`Request::authenticate`], and `limit_exceeded` for a message that is too long.
pub(super) fn request(
    base: &Url,
    method: &MethodDescriptor,
    message: &[u8],
    authentication: Option<&Authentication>,
    client: &Client,
    context: &FunctionContext,
) -> Result<Request> {
    let mut uri = base.clone();
    uri.set_path(&format!(
        "{}/{}",
        method.parent_service().full_name(),
        method.name()
    ));
    let mut request = Request::new(Method::POST, uri);
    request.version = HttpVersion::Two;
    request.set_body(body::Body {
        content_type: "application/grpc".to_owned(),
        bytes: frame::write(message)?,
    })?;
    request.headers.insert(TE, HeaderValue::from_static("trailers"));
    request.set_idempotency_key(&context.idempotency_key)?;
    request.add_header("grpc-accept-encoding", "identity")?;
    request.add_header("grpc-timeout", &timeout(client.patience(context)))?;
    if let Some(authentication) = authentication {
        request.authenticate(authentication)?;
    }
    Ok(request)
}

/// At most eight digits and a unit.
fn timeout(patience: Duration) -> String {
    const MOST: u128 = 99_999_999;
    match patience.as_millis() {
        milliseconds @ 0..=MOST => format!("{milliseconds}m"),
        milliseconds => format!("{}S", (milliseconds / 1000).min(MOST)),
    }
}

/// Sends the request and reads the answer to its end, within the deadline and until the caller cancels. Gives the
/// access token, too, if the request carried one: the answer must not repeat it.
///
/// # Errors
/// What the status stands for, see [`status::check`]; `unavailable` when no whole answer came; `timeout`,
/// `cancelled`, `permission_denied` or `limit_exceeded` by deadline, caller, policy and size.
///
/// # Cancel safety
/// Dropping the future resets the stream; the service may have acted on the request already.
pub(super) async fn send(
    client: &Client,
    request: Request,
    method: &MethodDescriptor,
    context: &FunctionContext,
) -> Result<(Vec<Bytes>, Option<Zeroizing<String>>)> {
    let uri = request.uri.clone();
    let exchange = async {
        let incoming = client.open(request, &context.principal.scope()).await?;
        let (response, token) = incoming.into_parts();
        let messages = read(
            response,
            client.maximum_response_bytes(),
            token.as_deref().map(String::as_str),
        )
        .await?;
        Ok((messages, token))
    };
    client.guard(context, exchange).await.map_err(|error| {
        error
            .with_context("host", uri.host_str().unwrap_or_default())
            .with_context("method", method.full_name())
    })
}

async fn read(response: Response, limit: u64, token: Option<&str>) -> Result<Vec<Bytes>> {
    let headers = response.headers().clone();
    if response.status() != StatusCode::OK {
        return Err(failure::of_status(response.status(), &headers, Timestamp::now()));
    }
    // An answer without messages has its status in the headers.
    if status::is_given(&headers) {
        status::check(&headers, token)?;
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|text| body::essence(text).starts_with("application/grpc")) {
        let message = "the service's answer is not one of gRPC; check the host and port";
        return Err(Error::new(ErrorCode::Upstream, message));
    }
    let mut metadata = headers;
    let mut reader = frame::Reader::new(limit);
    let mut body = Body::from(response);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(failure::of_transport)?;
        match frame.into_data() {
            Ok(data) => reader.push(&data)?,
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    metadata.extend(trailers);
                }
            }
        }
    }
    status::check(&metadata, token)?;
    reader.finish()
}
