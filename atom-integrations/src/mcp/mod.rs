//! The function `mcp`, which backs `call: mcp` of the Open Workflow specification 1.0.3: one request to a server
//! of the Model Context Protocol (<https://modelcontextprotocol.io/specification/2025-06-18>).
//!
//! Each call begins a session, asks and ends it. A server is reached over HTTP, by the same rules as `call:
//! http`, or started as a process, which the operator must allow ([`ProcessConfig::mcp`]). A process gets the
//! environment that the call names and the `PATH`, and is ended with all that it started, whatever happens to the
//! call. The request carries the idempotency key of the call as `atom/idempotencyKey` in its `_meta`.
//!
//! ```
//! use atom_core::{ErrorCode, FunctionContext, Principal};
//! use atom_integrations::http::{HttpClient, HttpConfig};
//! use atom_integrations::mcp;
//! use atom_integrations::process::ProcessConfig;
//! use serde_json::json;
//!
//! let mcp = mcp::function(&HttpClient::new(HttpConfig::default())?, ProcessConfig::default());
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let context = FunctionContext::direct(Principal::new("acme", "ada")?, "key");
//! let request = json!({ "method": "tools/list", "transport": { "stdio": { "command": "npx" } } });
//! let error = mcp.call(request, context).await.unwrap_err();
//! assert_eq!(error.code(), ErrorCode::PermissionDenied);
//! # Ok::<(), atom_core::Error>(()) }).unwrap();
//! # Ok::<(), atom_core::Error>(())
//! ```

mod channel;
mod http;
mod process;
mod request;
mod session;
mod stdio;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::sync::Arc;

use atom_core::function::{FunctionContext, TypedFunction};
use atom_core::{Error, ErrorCode, Function, Result};
use futures::FutureExt;
use futures::future::Either;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::http::{Client, HttpClient};
use crate::process::ProcessConfig;
use request::{McpRequest, Transport};
use session::Session;

/// The function `mcp`. Its result is that of the method, as the server gives it; lists are whole, whatever the
/// pages they come in.
#[must_use]
pub fn function(client: &HttpClient, processes: ProcessConfig) -> Arc<dyn Function> {
    let client = Arc::clone(&client.client);
    let processes = Arc::new(processes);
    let call = move |arguments: McpRequest, context: FunctionContext| {
        let (client, processes) = (Arc::clone(&client), Arc::clone(&processes));
        async move { call(&client, &processes, arguments, context).await }
    };
    let description = "Sends a request to a server of the Model Context Protocol, and gives back the result.";
    Arc::new(TypedFunction::new("mcp", description, call))
}

async fn call(
    client: &Client,
    processes: &ProcessConfig,
    arguments: McpRequest,
    mut context: FunctionContext,
) -> Result<Value> {
    if let Some(timeout) = &arguments.timeout {
        let length = SignedDuration::from_millis(i64::try_from(timeout.milliseconds()).unwrap_or(i64::MAX));
        let end = Timestamp::now().saturating_add(length).unwrap_or(Timestamp::MAX);
        context.deadline = Some(context.deadline.map_or(end, |deadline| deadline.min(end)));
    }
    let transport = arguments.transport.choice()?;
    let session = Session::new(
        arguments.method,
        arguments.parameters,
        arguments.protocol_version,
        arguments.client,
        &context,
    )?;
    let limit = client.maximum_response_bytes();
    let (channel, link) = channel::pair(limit);
    match transport {
        Transport::Http(server) => {
            let server = http::Server::new(client, server, context.principal.scope())?;
            let work = together(session.run(channel), server.serve(link));
            // What is cut off gets no farewell.
            let result = match client.guard(&context, work.map(Ok)).await {
                Ok(result) => {
                    server.end().await;
                    result
                }
                Err(error) => Err(error),
            };
            result.map_err(|error| server.located(error))
        }
        Transport::Stdio(_) if !processes.mcp => Err(Error::new(
            ErrorCode::PermissionDenied,
            "the setting processes.mcp does not let workflows start MCP servers; set it to true, or use 'transport.http'",
        )),
        Transport::Stdio(server) => {
            let mut process =
                process::ServerProcess::start(&server, processes, context.directory.as_deref())?;
            let work = together(session.run(channel), stdio::serve(&mut process, link, limit));
            let result = client.guard(&context, work.map(Ok)).await?;
            process.end().await;
            result.map_err(|error| process.masked(error))
        }
    }
}

/// Runs a session over what carries its messages. Where the carrier fails, that is what went wrong, unless the
/// answer had come before.
async fn together(
    session: impl Future<Output = Result<Value>>,
    carrier: impl Future<Output = Error>,
) -> Result<Value> {
    let session = std::pin::pin!(session);
    let carrier = std::pin::pin!(carrier);
    match futures::future::select(carrier, session).await {
        // The carrier has let go of its end of the channel, so the session ends, too. Unless it was answered before,
        // be it by an error, all it knows is that the carrier is gone.
        Either::Left((failure, session)) => session.await.map_err(|error| match error.code() {
            ErrorCode::Unavailable => failure,
            _ => error,
        }),
        Either::Right((result, _)) => result,
    }
}
