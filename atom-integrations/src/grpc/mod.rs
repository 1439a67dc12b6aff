//! The function `grpc`, which backs `call: grpc` of the Open Workflow specification 1.0.3: calls a method of a
//! service that a `.proto` file describes (<https://grpc.io>, over HTTP/2).
//!
//! The rules on where a request may go, its deadline and its size are those of [`http`](crate::http). Arguments
//! and results are JSON in the mapping of Protocol Buffers
//! (<https://protobuf.dev/programming-guides/json/>). Unary and server-streaming methods can be called; the
//! latter give an array.

use std::sync::Arc;

use atom_core::function::{FunctionContext, TypedFunction};
use atom_core::{Error, ErrorCode, Function, Result};
use prost_reflect::MethodDescriptor;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::http::HttpClient;
use crate::http::authentication::Authentication;
use crate::http::cache::Cache;
use crate::http::resource::{ExternalResource, Loader, Place};
use crate::http::sensitive::conceal;
use crate::local::FileAccess;
use schema::Schema;

mod exchange;
mod frame;
mod message;
mod schema;
mod status;
#[cfg(any(test, feature = "testkit"))]
pub mod testing;
#[cfg(test)]
mod tests;

/// The port of a service whose call names none; it is also the one that speaks TLS.
const TLS_PORT: u16 = 443;

/// The arguments of `call: grpc`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GrpcRequest {
    /// The `.proto` file that describes the service. What it imports is looked for beside it and in the folders
    /// above.
    proto: ExternalResource,
    /// The service.
    service: Service,
    /// The name of the method.
    method: String,
    /// The fields of the request message.
    #[serde(default)]
    arguments: Option<Map<String, Value>>,
}

/// A service and where it runs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GrpcService")]
struct Service {
    /// Its name with its package, e.g. `helloworld.Greeter`.
    name: String,
    /// The host.
    host: String,
    /// The port; 443 when absent. On port 443 the connection is encrypted. For TLS on another port, name the
    /// host in the setting `http.hosts` with an `https` base URL.
    #[serde(default)]
    port: Option<u16>,
    /// How the call proves who it is.
    #[serde(default)]
    authentication: Option<Authentication>,
}

/// The function `grpc`. Nothing is read or opened before the first call.
#[must_use]
pub fn function(client: &HttpClient, access: FileAccess) -> Arc<dyn Function> {
    let loader = Loader::new(client, access);
    let cache = Arc::new(Cache::default());
    let call = move |arguments: GrpcRequest, context: FunctionContext| {
        call(loader.clone(), Arc::clone(&cache), arguments, context)
    };
    let description =
        "Calls a method of a gRPC service that a .proto file describes, and gives back its answer.";
    Arc::new(TypedFunction::new("grpc", description, call))
}

async fn call(
    loader: Loader,
    cache: Arc<Cache<Schema>>,
    arguments: GrpcRequest,
    context: FunctionContext,
) -> Result<Value> {
    let service = arguments.service;
    let base = base(&service.host, service.port)?;
    let place = Place::of(arguments.proto.endpoint)?;
    let schema = schema::load(&loader, &cache, &place, &context).await?;
    let method = schema.method(&service.name, &arguments.method)?;
    check_kind(&method)?;
    let message = message::encode(&method, arguments.arguments.unwrap_or_default())?;
    let request = exchange::request(
        &base,
        &method,
        &message,
        service.authentication.as_ref(),
        &loader.client,
        &context,
    )?;
    let (answers, token) = exchange::send(&loader.client, request, &method, &context).await?;
    let mut output = message::output(&method, answers, loader.client.maximum_response_bytes())?;
    if let Some(token) = token {
        conceal(&mut output, &token);
    }
    Ok(output)
}

/// Where a service is. The specification has no word on TLS, so the port decides.
fn base(host: &str, port: Option<u16>) -> Result<Url> {
    let port = port.unwrap_or(TLS_PORT);
    let scheme = if port == TLS_PORT { "https" } else { "http" };
    let malformed =
        || Error::invalid_request("'service.host' is not a host; write it like 'api.example.com'");
    let base = Url::parse(&format!("{scheme}://{host}:{port}/")).map_err(|_| malformed())?;
    let is_bare = base.path() == "/" && base.query().is_none() && base.fragment().is_none();
    if is_bare && !host.contains(['@', '/', '\\', ':']) {
        Ok(base)
    } else {
        Err(malformed())
    }
}

fn check_kind(method: &MethodDescriptor) -> Result<()> {
    if method.is_client_streaming() {
        let message = format!(
            "the method '{}' takes a stream of messages, which a call cannot send; unary and server-streaming \
             methods can be called",
            method.name()
        );
        return Err(Error::new(ErrorCode::Unsupported, message));
    }
    Ok(())
}
