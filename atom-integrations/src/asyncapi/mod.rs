//! The function `asyncapi`, which backs `call: asyncapi` of the Open Workflow specification 1.0.3: publishes
//! messages to, and subscribes to messages of, services that an AsyncAPI document (2.x or 3.0,
//! <https://www.asyncapi.com/docs/reference/specification/v3.0.0>) describes.
//!
//! Messages go over HTTP and over WebSocket. The rules on where a connection may go, its deadline and the size of
//! what comes are those of [`http`](crate::http). Payloads are checked against the document's schemas.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use atom_core::function::{FunctionContext, FunctionInfo, MessageSink, TypedFunction};
use atom_core::{Error, ErrorCode, Function, Result};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::http::HttpClient;
use crate::http::authentication::Authentication;
use crate::http::cache::Cache;
use crate::http::request::Request;
use crate::http::resource::{ExternalResource, Loader, Place};
use crate::local::FileAccess;
use channel::Channel;
use document::Document;
use message::Outbound;
use patience::{Patience, Pauses};
use server::{Protocol, Server};

mod channel;
mod document;
mod http;
mod message;
mod patience;
mod server;
mod stream;
#[cfg(any(test, feature = "testkit"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod websocket;

/// The arguments of `call: asyncapi`, without the subscription: what is done with messages is the workflow's.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AsyncApiRequest {
    /// The document: AsyncAPI 2.x or 3.0, in JSON or YAML.
    document: ExternalResource,
    /// The channel, in a document of AsyncAPI 2.
    #[serde(default)]
    channel: Option<String>,
    /// The operation: its name, or its `operationId` in a document of AsyncAPI 2.
    #[serde(default)]
    operation: Option<String>,
    /// The server; the first that fits the channel when absent.
    #[serde(default)]
    server: Option<Server>,
    /// The protocol of the server, when none is named.
    #[serde(default)]
    protocol: Option<String>,
    /// The message to publish.
    #[serde(default)]
    message: Option<Outbound>,
    /// How the call proves who it is.
    #[serde(default)]
    authentication: Option<Authentication>,
}

/// The function `asyncapi`. Nothing is read or opened before the first call.
#[must_use]
pub fn function(client: &HttpClient, access: FileAccess) -> Arc<dyn Function> {
    with_pauses(client, access, Pauses::default())
}

fn with_pauses(client: &HttpClient, access: FileAccess, pauses: Pauses) -> Arc<dyn Function> {
    let service = Service {
        loader: Loader::new(client, access),
        cache: Arc::new(Cache::default()),
        pauses,
    };
    let publisher = service.clone();
    let publish = move |arguments: AsyncApiRequest, context: FunctionContext| {
        let publisher = publisher.clone();
        async move { publisher.publish(arguments, &context).await }
    };
    let description = "Publishes a message to a service that an AsyncAPI document describes, or subscribes to its messages.";
    Arc::new(AsyncApi {
        publish: TypedFunction::new("asyncapi", description, publish),
        service,
    })
}

/// The function: calling it publishes.
struct AsyncApi {
    publish: TypedFunction,
    service: Service,
}

impl fmt::Debug for AsyncApi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AsyncApi")
    }
}

#[async_trait]
impl Function for AsyncApi {
    fn info(&self) -> &FunctionInfo {
        self.publish.info()
    }

    async fn call(&self, arguments: Value, context: FunctionContext) -> Result<Value> {
        self.publish.call(arguments, context).await
    }

    async fn subscribe(
        &self,
        arguments: Value,
        context: FunctionContext,
        sink: &dyn MessageSink,
    ) -> Result<()> {
        let arguments = serde_json::from_value(arguments)
            .map_err(|error| Error::invalid_request(format!("the arguments do not fit: {error}")))?;
        self.service.subscribe(arguments, &context, sink).await
    }
}

/// What calls share.
#[derive(Clone)]
struct Service {
    loader: Loader,
    cache: Arc<Cache<Document>>,
    pauses: Pauses,
}

/// What a call needs of the document.
struct Target {
    channel: Channel,
    server: server::Address,
    authentication: Option<Authentication>,
}

impl Target {
    /// A request to the server, with the headers of a message.
    ///
    /// # Errors
    /// As [`Request::add_headers`] and [`Request::authenticate`].
    fn request(&self, method: Method, headers: &Map<String, Value>) -> Result<Request> {
        let mut request = Request::new(method, self.server.uri.clone());
        request.add_headers(headers)?;
        if let Some(authentication) = &self.authentication {
            request.authenticate(authentication)?;
        }
        Ok(request)
    }
}

impl Service {
    async fn publish(&self, arguments: AsyncApiRequest, context: &FunctionContext) -> Result<Value> {
        let (target, message) = self.target(arguments, context).await?;
        let message = message.ok_or_else(|| {
            Error::invalid_request("there is no 'message' to publish; a workflow can also subscribe")
        })?;
        target.channel.check_outbound(&message)?;
        let client = &self.loader.client;
        match target.server.protocol {
            Protocol::Http => http::publish(client, &target, &message, context).await,
            Protocol::WebSocket => websocket::publish(client, &target, &message, context).await,
        }
    }

    /// Brings messages until the service ends the subscription. One that breaks is opened again.
    async fn subscribe(
        &self,
        arguments: AsyncApiRequest,
        context: &FunctionContext,
        sink: &dyn MessageSink,
    ) -> Result<()> {
        let (target, message) = self.target(arguments, context).await?;
        if message.is_some() {
            return Err(Error::invalid_request(
                "a subscription has no 'message'; publish in a call of its own",
            ));
        }
        let client = &self.loader.client;
        let mut inbox = stream::Inbox::new(&target.channel, sink);
        let mut patience = Patience::new(self.pauses);
        loop {
            let result = match target.server.protocol {
                Protocol::Http => http::subscribe(client, &target, &mut inbox, context).await,
                Protocol::WebSocket => websocket::subscribe(client, &target, &mut inbox, context).await,
            };
            let Err(error) = result else { return Ok(()) };
            if inbox.take_has_held() {
                patience.renew();
            }
            match patience.next(&error) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    async fn target(
        &self,
        arguments: AsyncApiRequest,
        context: &FunctionContext,
    ) -> Result<(Target, Option<Outbound>)> {
        let document = self
            .document(Place::of(arguments.document.endpoint)?, context)
            .await?;
        let publishes = arguments.message.is_some();
        let channel = channel(&document, arguments.operation, arguments.channel, publishes).await?;
        let server = server::choose(
            &document,
            &channel,
            arguments.server.as_ref(),
            arguments.protocol.as_deref(),
        )?;
        let server = server.with_path(&channel.address(arguments.message.as_ref())?)?;
        let target = Target {
            channel,
            server,
            authentication: arguments.authentication,
        };
        Ok((target, arguments.message))
    }

    /// Gets a document, or the copy of it that is kept for a few minutes.
    async fn document(&self, place: Place, context: &FunctionContext) -> Result<Arc<Document>> {
        let key = place.key()?;
        if let Some(document) = key.and_then(|key| self.cache.get(key)) {
            return Ok(document);
        }
        let text = self.loader.load(&place, context).await?;
        let bytes = text.len();
        // Large documents take long to read.
        let document = tokio::task::spawn_blocking(move || Document::parse(&text))
            .await
            .map_err(|error| Error::internal("the AsyncAPI document could not be read").with_source(error))?
            .map_err(|error| place.located(error))?;
        let document = Arc::new(document);
        if let Some(key) = key {
            self.cache.put(key, Arc::clone(&document), bytes);
        }
        Ok(document)
    }
}

/// The channel that a call names, by itself or by an operation.
async fn channel(
    document: &Arc<Document>,
    operation: Option<String>,
    channel: Option<String>,
    publishes: bool,
) -> Result<Channel> {
    let document = Arc::clone(document);
    let read = move || match (operation, channel) {
        (Some(operation), None) => Channel::of_operation(&document, &operation),
        (None, Some(channel)) => Channel::of_channel(&document, &channel, publishes),
        _ => Err(Error::invalid_request(
            "the call names a channel or an operation, and not both",
        )),
    };
    // Large schemas take long to compile.
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| Error::internal("the channel could not be read").with_source(error))?
}

/// The error of something that a channel or server lacks for this engine.
fn unsupported(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::Unsupported, message)
}

/// Named members of an object.
fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value
        .and_then(Value::as_object)
        .map(Map::iter)
        .into_iter()
        .flatten()
}
