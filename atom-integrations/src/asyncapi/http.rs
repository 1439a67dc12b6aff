//! Messages over HTTP: published in a request each, received as a stream of events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>) or of lines of JSON.

use std::collections::BTreeSet;

use atom_core::{Error, ErrorCode, FunctionContext, Result, Retry};
use reqwest::header::HeaderValue;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Map, Value};

use super::message::Outbound;
use super::stream::Inbox;
use super::{Target, unsupported};
use crate::http::answer::Output;
use crate::http::body;
use crate::http::events::{EventDecoder, ServerSentEvent};
use crate::http::failure;
use crate::http::request::parse_method;
use crate::http::{Client, Incoming};

/// How long to wait before a stream of events that ended is asked for again, unless it says so, in milliseconds.
const RECONNECTION_TIME: u64 = 1000;

/// Sends a message and gives back the content of the answer.
///
/// # Errors
/// As [`Client::send`], and `invalid_request` for a message that HTTP cannot carry.
pub(super) async fn publish(
    client: &Client,
    target: &Target,
    message: &Outbound,
    context: &FunctionContext,
) -> Result<Value> {
    let mut request = target.request(method(target, Method::POST)?, &message.headers)?;
    if !message.payload.is_null() {
        let content_type = Some(target.channel.outbound_type());
        request.set_body(body::encode(&message.payload, content_type, &BTreeSet::new())?)?;
    }
    let (method, uri) = (request.method.clone(), request.uri.clone());
    let answer = client.send(request, context).await?;
    answer
        .output(Output::Content)
        .map_err(|error| failure::located(error, &method, &uri))
}

/// The method that the operation's binding names, or else the usual one.
fn method(target: &Target, usual: Method) -> Result<Method> {
    let named = target.channel.method.as_deref();
    named.map_or(Ok(usual), parse_method)
}

/// Receives messages until the service ends the stream.
///
/// # Errors
/// What the status stands for, `unsupported` for an answer that is no stream of messages, `unavailable` when the
/// stream broke, `limit_exceeded` for a message that is too long, and those of [`Inbox::receive`].
pub(super) async fn subscribe(
    client: &Client,
    target: &Target,
    inbox: &mut Inbox<'_>,
    context: &FunctionContext,
) -> Result<()> {
    let mut request = target.request(method(target, Method::GET)?, &Map::new())?;
    request.add_header(
        "accept",
        "text/event-stream, application/x-ndjson, application/jsonl",
    )?;
    request.follows_redirects = true;
    if let Some(id) = &inbox.last_event {
        request.headers.insert("last-event-id", id.clone());
    }
    let (method, uri) = (request.method.clone(), request.uri.clone());
    let stream = async {
        let scope = context.principal.scope();
        let incoming = client.guard(context, client.open(request, &scope)).await?;
        read(incoming, client.maximum_response_bytes(), inbox).await
    };
    stream
        .await
        .map_err(|error| failure::located(error, &method, &uri))
}

async fn read(incoming: Incoming, limit: u64, inbox: &mut Inbox<'_>) -> Result<()> {
    let media_type = incoming.media_type();
    let (response, token) = incoming.into_parts();
    inbox.open(token);
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(());
    }
    match media_type.as_str() {
        "text/event-stream" => events(response, limit, inbox).await,
        "application/x-ndjson" | "application/jsonl" | "application/jsonlines" => {
            let mut lines = Lines::new(response, limit);
            while let Some(line) = lines.next().await? {
                if !line.iter().all(u8::is_ascii_whitespace) {
                    inbox.receive(line, true, Map::new()).await?;
                }
            }
            Ok(())
        }
        other => {
            let other: String = other.chars().take(80).collect();
            Err(unsupported(format!(
                "the service answers with '{other}', which is no stream of messages; a subscription over HTTP takes \
                 text/event-stream and application/x-ndjson"
            )))
        }
    }
}

async fn events(mut response: Response, limit: u64, inbox: &mut Inbox<'_>) -> Result<()> {
    let mut decoder = EventDecoder::default();
    while let Some(chunk) = response.chunk().await.map_err(failure::of_transport)? {
        for event in decoder.push(&chunk) {
            check_length(event.data.len(), limit)?;
            if let Some(id) = &event.id {
                inbox.last_event = header_of(id)?;
            }
            inbox
                .receive(event.data.as_bytes(), true, headers(&event))
                .await?;
        }
        check_length(decoder.held(), limit)?;
    }
    // Only the status 204 ends such a stream for good.
    let message = "the service ended its stream of events";
    let ms = decoder.retry().unwrap_or(RECONNECTION_TIME);
    Err(Error::new(ErrorCode::Unavailable, message).with_retry(Retry::After { ms }))
}

/// The header that asks for what comes after the event of this id; none for an empty one, which takes back the last.
fn header_of(id: &str) -> Result<Option<HeaderValue>> {
    if id.is_empty() {
        return Ok(None);
    }
    // Not only ASCII: the standard writes it in UTF-8.
    HeaderValue::from_bytes(id.as_bytes()).map(Some).map_err(|error| {
        let message = "the service gave an event an id that no header can carry";
        Error::new(ErrorCode::InvalidData, message).with_source(error)
    })
}

/// What is known of an event besides its data.
fn headers(event: &ServerSentEvent) -> Map<String, Value> {
    let header = |name: &str, value: &Option<String>| Some((name.to_owned(), Value::from(value.clone()?)));
    [header("event", &event.event), header("id", &event.id)]
        .into_iter()
        .flatten()
        .collect()
}

/// The lines of an answer as they come.
struct Lines {
    response: Response,
    buffer: Vec<u8>,
    /// How much of the buffer has been given away already.
    given: usize,
    limit: u64,
    is_over: bool,
}

impl Lines {
    fn new(response: Response, limit: u64) -> Self {
        Self {
            response,
            buffer: Vec::new(),
            given: 0,
            limit,
            is_over: false,
        }
    }

    /// The next line without its end.
    async fn next(&mut self) -> Result<Option<&[u8]>> {
        let mut searched = self.given;
        let end = loop {
            if let Some(end) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                break searched + end;
            }
            if self.is_over {
                break self.buffer.len();
            }
            // Once for many lines: what is left is less than one.
            self.buffer.drain(..std::mem::take(&mut self.given));
            searched = self.buffer.len();
            check_length(searched, self.limit)?;
            match self.response.chunk().await.map_err(failure::of_transport)? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => self.is_over = true,
            }
        };
        let start = std::mem::replace(&mut self.given, (end + 1).min(self.buffer.len()));
        Ok((start < self.buffer.len()).then(|| {
            let line = &self.buffer[start..end];
            line.strip_suffix(b"\r").unwrap_or(line)
        }))
    }
}

fn check_length(length: usize, limit: u64) -> Result<()> {
    if u64::try_from(length).is_ok_and(|length| length <= limit) {
        return Ok(());
    }
    Err(failure::too_long("a message", limit))
}
