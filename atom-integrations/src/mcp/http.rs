//! The carrier over streamable HTTP
//! (<https://modelcontextprotocol.io/specification/2025-06-18/basic/transports#streamable-http>).

use std::future::pending;
use std::sync::OnceLock;
use std::time::Duration;

use atom_core::{Error, ErrorCode, Result, Scope};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use reqwest::Method;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, RequestId};

use super::channel::{Inbox, Link};
use super::request::HttpServer;
use crate::http::answer::Output;
use crate::http::body::{Body, is_json};
use crate::http::events::EventDecoder;
use crate::http::request::Request;
use crate::http::{Client, Incoming, failure};
use crate::json_rpc::malformed;

const SESSION_ID: &str = "mcp-session-id";
const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// How long a server may take to end a session.
const FAREWELL: Duration = Duration::from_secs(2);

/// A server, and the session with it.
pub(super) struct Server<'c> {
    client: &'c Client,
    /// On whose behalf the server is asked.
    scope: Scope,
    /// A request without message, with all the caller has to say about it.
    template: Request,
    session: OnceLock<String>,
}

impl<'c> Server<'c> {
    /// # Errors
    /// `invalid_request` for an endpoint or header that cannot be used, `unsupported` for an authentication
    /// that is not offered.
    pub(super) fn new(client: &'c Client, server: HttpServer, scope: Scope) -> Result<Self> {
        let (uri, authentication) = server.endpoint.parse()?;
        let mut template = Request::new(Method::POST, uri);
        template.follows_redirects = true;
        template.add_headers(&server.headers.unwrap_or_default())?;
        if let Some(authentication) = authentication {
            template.authenticate(&authentication)?;
        }
        Ok(Self {
            client,
            scope,
            template,
            session: OnceLock::new(),
        })
    }

    /// Carries messages to and fro until one cannot be carried, and gives the reason.
    pub(super) async fn serve(&self, link: Link) -> Error {
        let Link { mut outgoing, inbox } = link;
        let mut exchanges = FuturesUnordered::new();
        loop {
            tokio::select! {
                message = outgoing.recv() => match message {
                    Some(message) => exchanges.push(self.exchange(message, &inbox)),
                    // The session has ended, and the call with it.
                    None => pending().await,
                },
                Some(outcome) = exchanges.next() => if let Err(error) = outcome {
                    return error;
                },
            }
        }
    }

    /// Tells the server that its session is over. One that does not listen forgets it some day.
    pub(super) async fn end(&self) {
        let Some(session) = self.session.get() else { return };
        let mut request = self.template.clone();
        request.method = Method::DELETE;
        if request.add_header(SESSION_ID, session).is_ok() {
            let _ = tokio::time::timeout(FAREWELL, self.client.open(request, &self.scope)).await;
        }
    }

    /// Adds where the call went.
    pub(super) fn located(&self, error: Error) -> Error {
        failure::located(error, &self.template.method, &self.template.uri)
    }

    async fn exchange(&self, message: ClientJsonRpcMessage, inbox: &Inbox) -> Result<()> {
        let asked = match &message {
            JsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        let mut incoming = self
            .client
            .open(self.request(&message, inbox)?, &self.scope)
            .await?;
        if let Some(session) = incoming.headers().get(SESSION_ID).and_then(|id| id.to_str().ok()) {
            self.session.get_or_init(|| session.to_owned());
        }
        let Some(asked) = asked else {
            // Only requests are answered; what a server says to anything else is of no interest.
            return Ok(());
        };
        let media_type = incoming.media_type();
        let is_answered = if media_type == "text/event-stream" {
            events(&mut incoming, inbox, &asked).await?
        } else if is_json(&media_type) {
            let answer = incoming.answer().await?;
            let value = answer.output(Output::Content)?;
            inbox.deliver(value, answer.body.len()).await?.contains(&asked)
        } else {
            return Err(malformed(
                "MCP server",
                "answered neither JSON nor a stream of events",
            ));
        };
        if is_answered {
            return Ok(());
        }
        let message = "the MCP server ended its answer before it held the result";
        Err(Error::new(ErrorCode::Unavailable, message))
    }

    fn request(&self, message: &ClientJsonRpcMessage, inbox: &Inbox) -> Result<Request> {
        let mut request = self.template.clone();
        request.add_header("accept", "application/json, text/event-stream")?;
        if let Some(session) = self.session.get() {
            request.add_header(SESSION_ID, session)?;
        }
        if let Some(version) = inbox.version() {
            request.add_header(PROTOCOL_VERSION, version)?;
        }
        let bytes = serde_json::to_vec(message)
            .map_err(|error| Error::internal("a message cannot be written as JSON").with_source(error))?;
        request.set_body(Body {
            content_type: "application/json".to_owned(),
            bytes,
        })?;
        Ok(request)
    }
}

/// Passes on the events of a stream until one answers what was asked, and tells whether one did.
async fn events(incoming: &mut Incoming, inbox: &Inbox, asked: &RequestId) -> Result<bool> {
    let mut decoder = EventDecoder::default();
    while let Some(chunk) = incoming.chunk().await? {
        for event in decoder.push(&chunk) {
            // Some servers begin with an empty event, from which a broken stream could be taken up again.
            if event.data.trim().is_empty() {
                continue;
            }
            let event = incoming.shown(event.data);
            let value = serde_json::from_str(&event).map_err(|error| {
                malformed("MCP server", "sent an event that is not JSON").with_source(error)
            })?;
            if inbox.deliver(value, event.len()).await?.contains(asked) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
