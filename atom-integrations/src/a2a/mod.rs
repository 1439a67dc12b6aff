//! The function `a2a`, which backs `call: a2a` of the Open Workflow specification 1.0.3: one request to an agent
//! that speaks the Agent2Agent protocol 0.3 (<https://a2a-protocol.org/v0.3.0/specification/>) as JSON-RPC over
//! HTTP.
//!
//! Requests keep the same rules as those of `call: http`. A message without an id gets the idempotency key of
//! the call as its id, so that an agent knows a repetition.
//!
//! ```
//! use atom_core::{ErrorCode, FunctionContext, Principal};
//! use atom_integrations::a2a;
//! use atom_integrations::http::{HttpClient, HttpConfig};
//! use serde_json::json;
//!
//! let a2a = a2a::function(&HttpClient::new(HttpConfig::default())?);
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let context = FunctionContext::direct(Principal::new("acme", "ada")?, "key");
//! let request = json!({ "server": "http://127.0.0.1/a2a", "method": "tasks/get", "parameters": { "id": "1" } });
//! let error = a2a.call(request, context).await.unwrap_err();
//! assert_eq!(error.code(), ErrorCode::PermissionDenied);
//! # Ok::<(), atom_core::Error>(()) }).unwrap();
//! # Ok::<(), atom_core::Error>(())
//! ```

mod answer;
mod card;
mod message;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use atom_core::function::{FunctionContext, TypedFunction};
use atom_core::{Error, Function, Result};
use reqwest::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::http::body::Body;
use crate::http::call::Endpoint;
use crate::http::request::Request;
use crate::http::resource::ExternalResource;
use crate::http::{Client, HttpClient, failure};

/// The arguments of `call: a2a`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct A2aRequest {
    /// The card of the agent, which says where the agent is. Its credential is the agent's, too, where both
    /// have the same origin.
    #[serde(default, rename = "agentCard")]
    agent_card: Option<ExternalResource>,
    /// Where the agent is; not looked at when there is a card.
    #[serde(default)]
    server: Option<Endpoint>,
    /// What is asked of the agent.
    method: A2aMethod,
    /// The parameters of the method, an object. In `message/send` and `message/stream` the message has the role
    /// `user` and an id unless it says otherwise.
    #[serde(default)]
    parameters: Option<Value>,
}

/// The methods of A2A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum A2aMethod {
    #[serde(rename = "message/send")]
    Send,
    #[serde(rename = "message/stream")]
    Stream,
    #[serde(rename = "tasks/get")]
    GetTask,
    #[serde(rename = "tasks/list")]
    ListTasks,
    #[serde(rename = "tasks/cancel")]
    CancelTask,
    #[serde(rename = "tasks/resubscribe")]
    Resubscribe,
    #[serde(rename = "tasks/pushNotificationConfig/set")]
    SetPushNotification,
    #[serde(rename = "tasks/pushNotificationConfig/get")]
    GetPushNotification,
    #[serde(rename = "tasks/pushNotificationConfig/list")]
    ListPushNotifications,
    #[serde(rename = "tasks/pushNotificationConfig/delete")]
    DeletePushNotification,
    #[serde(rename = "agent/getAuthenticatedExtendedCard")]
    GetExtendedCard,
}

impl A2aMethod {
    /// Whether the answer is a stream of events.
    fn is_streaming(self) -> bool {
        matches!(self, Self::Stream | Self::Resubscribe)
    }

    /// Whether the parameters hold a message.
    fn has_message(self) -> bool {
        matches!(self, Self::Send | Self::Stream)
    }
}

/// The function `a2a`. Its result is that of the method; of `message/stream` and `tasks/resubscribe` an array of
/// all results in their order.
#[must_use]
pub fn function(client: &HttpClient) -> Arc<dyn Function> {
    let client = Arc::clone(&client.client);
    let call = move |arguments: A2aRequest, context: FunctionContext| {
        let client = Arc::clone(&client);
        async move { call(&client, arguments, &context).await }
    };
    let description = "Sends a request to an agent over the Agent2Agent protocol, and gives back the result.";
    Arc::new(TypedFunction::new("a2a", description, call))
}

async fn call(client: &Client, arguments: A2aRequest, context: &FunctionContext) -> Result<Value> {
    let id = context.idempotency_key.as_str();
    let method = arguments.method;
    let parameters = message::parameters(method, arguments.parameters, id)?;
    let (uri, authentication) = match (arguments.agent_card, arguments.server) {
        (Some(card), _) => card::agent(client, card.endpoint, context).await?,
        (None, Some(server)) => server.parse()?,
        (None, None) => {
            return Err(Error::invalid_request(
                "the agent is missing; give its 'agentCard' or its 'server'",
            ));
        }
    };
    let mut request = envelope(uri.clone(), method, parameters, id)?;
    if let Some(authentication) = authentication {
        request.authenticate(&authentication)?;
    }
    let answer = async {
        let incoming = client.open(request, &context.principal.scope()).await?;
        if method.is_streaming() {
            answer::all(incoming, id).await
        } else {
            answer::one(incoming.answer().await?, id)
        }
    };
    client
        .guard(context, answer)
        .await
        .map_err(|error| failure::located(error, &Method::POST, &uri))
}

/// The request of a method (A2A 0.3, section 3.2.1).
fn envelope(uri: Url, method: A2aMethod, parameters: Option<Value>, id: &str) -> Result<Request> {
    let mut call = json!({ "jsonrpc": "2.0", "id": id, "method": method });
    if let Some(parameters) = parameters {
        call["params"] = parameters;
    }
    let mut request = Request::new(Method::POST, uri);
    request.follows_redirects = true;
    let accepted = if method.is_streaming() {
        "text/event-stream, application/json;q=0.9"
    } else {
        "application/json"
    };
    request.add_header("accept", accepted)?;
    request.set_body(Body {
        content_type: "application/json".to_owned(),
        bytes: call.to_string().into_bytes(),
    })?;
    request.set_idempotency_key(id)?;
    Ok(request)
}
