//! Messages over WebSocket (RFC 6455): a connection for each message published, one for each subscription.

use std::time::Duration;

use atom_core::{Error, ErrorCode, FunctionContext, Result};
use futures::{SinkExt as _, StreamExt as _};
use reqwest::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use reqwest::{Method, StatusCode, Upgraded};
use serde_json::{Map, Value};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use zeroize::Zeroizing;

use super::Target;
use super::message::Outbound;
use super::stream::Inbox;
use crate::http::Client;
use crate::http::body;
use crate::http::failure;
use crate::http::request::{HttpVersion, Request};

/// After this much silence the service is asked whether it is still there; after as much again it is not.
const SILENCE: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<Upgraded>;

/// Sends a message, and waits until the service has confirmed the end of the connection, and so the message.
///
/// # Errors
/// As [`Client::send`]; `upstream` when the service ends the connection with an error, `invalid_request` for a
/// message that cannot be written.
pub(super) async fn publish(
    client: &Client,
    target: &Target,
    message: &Outbound,
    context: &FunctionContext,
) -> Result<Value> {
    let mut request = request(target, &message.headers)?;
    if !request.headers.contains_key("idempotency-key") {
        request.add_header("idempotency-key", &context.idempotency_key)?;
    }
    let encoded = body::encode(
        &message.payload,
        Some(target.channel.outbound_type()),
        &Default::default(),
    )?;
    let frame = match String::from_utf8(encoded.bytes) {
        Ok(text) => Message::text(text),
        Err(error) => Message::binary(error.into_bytes()),
    };
    let exchange = async {
        let (mut socket, _) = connect(client, request, context).await?;
        socket.send(frame).await.map_err(of_socket)?;
        socket.close(Some(normal())).await.map_err(of_socket)?;
        while let Some(received) = socket.next().await {
            match received {
                Ok(Message::Close(frame)) => check_close(frame.as_ref())?,
                Ok(_) => {}
                Err(error) => return Err(of_socket(error)),
            }
        }
        Ok(Value::Null)
    };
    let exchange = client.guard(context, exchange).await;
    exchange.map_err(|error| failure::located(error, &Method::GET, &target.server.uri))
}

/// Receives messages until the service ends the connection.
///
/// # Errors
/// As [`Client::send`] for the connection, `unavailable` when it breaks or falls silent, `limit_exceeded` for a
/// message that is too long, and those of [`Inbox::receive`].
pub(super) async fn subscribe(
    client: &Client,
    target: &Target,
    inbox: &mut Inbox<'_>,
    context: &FunctionContext,
) -> Result<()> {
    let request = request(target, &Map::new())?;
    let subscription = async {
        let (mut socket, token) = client.guard(context, connect(client, request, context)).await?;
        inbox.open(token);
        receive(&mut socket, inbox).await
    };
    let subscription = subscription.await;
    subscription.map_err(|error| failure::located(error, &Method::GET, &target.server.uri))
}

async fn receive(socket: &mut Socket, inbox: &mut Inbox<'_>) -> Result<()> {
    let mut was_asked = false;
    loop {
        let received = match tokio::time::timeout(SILENCE, socket.next()).await {
            Ok(received) => received,
            Err(_) if was_asked => {
                let message = "the service has fallen silent";
                return Err(Error::new(ErrorCode::Unavailable, message));
            }
            Err(_) => {
                was_asked = true;
                socket
                    .send(Message::Ping(Default::default()))
                    .await
                    .map_err(of_socket)?;
                continue;
            }
        };
        was_asked = false;
        match received {
            Some(Ok(Message::Text(text))) => inbox.receive(text.as_bytes(), true, Map::new()).await?,
            Some(Ok(Message::Binary(bytes))) => inbox.receive(&bytes, false, Map::new()).await?,
            Some(Ok(Message::Close(frame))) => {
                // The library answers the close by itself, on this way out.
                let _ = socket.flush().await;
                return check_close(frame.as_ref());
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(of_socket(error)),
            None => return Err(broken()),
        }
    }
}

fn request(target: &Target, headers: &Map<String, Value>) -> Result<Request> {
    let mut request = target.request(Method::GET, headers)?;
    let is_of_handshake = |name: &&HeaderName| name.as_str().starts_with("sec-websocket-");
    if let Some(name) = request.headers.keys().find(is_of_handshake) {
        let message = format!("the header '{name}' is set by the engine; remove it");
        return Err(Error::invalid_request(message));
    }
    request.version = HttpVersion::One;
    Ok(request)
}

/// The opening handshake (RFC 6455, section 4.1). Gives the access token, too, if the request carried one.
async fn connect(
    client: &Client,
    mut request: Request,
    context: &FunctionContext,
) -> Result<(Socket, Option<Zeroizing<String>>)> {
    let key = generate_key();
    request.add_header("sec-websocket-version", "13")?;
    request.add_header("sec-websocket-key", &key)?;
    request
        .headers
        .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    request
        .headers
        .insert(UPGRADE, HeaderValue::from_static("websocket"));
    let incoming = client.open(request, &context.principal.scope()).await?;
    let (response, token) = incoming.into_parts();
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let message = "the service does not speak WebSocket at this address";
        let status = response.status().as_u16();
        return Err(Error::new(ErrorCode::Upstream, message).with_context("status", status));
    }
    if !accepts(response.headers(), &key) {
        let message = "the service does not open the WebSocket as the standard says";
        return Err(Error::new(ErrorCode::Upstream, message));
    }
    let stream = response.upgrade().await.map_err(failure::of_transport)?;
    let limit = usize::try_from(client.maximum_response_bytes()).unwrap_or(usize::MAX);
    let config = WebSocketConfig::default()
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await;
    Ok((socket, token))
}

fn accepts(headers: &HeaderMap, key: &str) -> bool {
    let says = |name: &str, value: &str| {
        headers
            .get(name)
            .and_then(|found| found.to_str().ok())
            .is_some_and(|found| found.eq_ignore_ascii_case(value))
    };
    says("upgrade", "websocket")
        && headers
            .get("sec-websocket-accept")
            .is_some_and(|accept| accept.as_bytes() == derive_accept_key(key.as_bytes()).as_bytes())
        && !headers.contains_key("sec-websocket-extensions")
}

fn normal() -> CloseFrame {
    CloseFrame {
        code: CloseCode::Normal,
        reason: Default::default(),
    }
}

/// Whether the service ended the connection because all is done. It need not give a code (RFC 6455, section 5.5.1).
///
/// # Errors
/// `upstream` for codes from 3000 on and those that blame the client, which will come again (section 7.4);
/// `unavailable` for others.
fn check_close(frame: Option<&CloseFrame>) -> Result<()> {
    let code = match frame {
        None => return Ok(()),
        Some(frame) if frame.code == CloseCode::Normal => return Ok(()),
        Some(frame) => u16::from(frame.code),
    };
    let is_final = matches!(code, 1002 | 1003 | 1007..=1010) || code >= 3000;
    let kind = if is_final {
        ErrorCode::Upstream
    } else {
        ErrorCode::Unavailable
    };
    let message = format!("the service closed the WebSocket with the code {code}");
    Err(Error::new(kind, message).with_context("close_code", code))
}

fn of_socket(error: SocketError) -> Error {
    match error {
        SocketError::Capacity(_) => Error::new(
            ErrorCode::LimitExceeded,
            "a message is longer than allowed; raise the setting http.maximum_response_bytes",
        )
        .with_source(error),
        // A connection that just ends is counted as a breach of protocol by the library.
        error => broken().with_source(error),
    }
}

fn broken() -> Error {
    Error::new(ErrorCode::Unavailable, "the connection to the service broke")
}
