//! The functions over a real loopback connection.

mod content;
mod digest;
mod limits;
mod oauth;
mod openapi;
mod policy;
mod refresh;

use std::sync::Arc;

use atom_core::{Error, Function, FunctionContext, Principal, Result};
use serde_json::{Value, json};

use super::testing::{RecordedRequest, TestResponse, TestServer};
use super::{HttpClient, HttpConfig, PrivateAddresses, functions};

/// A configuration that lets calls reach the loopback server.
pub(super) fn open() -> HttpConfig {
    HttpConfig {
        private_addresses: PrivateAddresses::Allow,
        ..HttpConfig::default()
    }
}

pub(super) fn context() -> FunctionContext {
    FunctionContext::direct(Principal::new("acme", "ada").unwrap(), "key-1")
}

pub(super) fn function(config: HttpConfig, name: &str) -> Arc<dyn Function> {
    functions(&HttpClient::new(config).unwrap())
        .into_iter()
        .find(|function| function.info().name == name)
        .unwrap()
}

pub(super) async fn http(arguments: Value) -> Result<Value> {
    function(open(), "http").call(arguments, context()).await
}

pub(super) async fn failure(arguments: Value) -> Error {
    http(arguments).await.unwrap_err()
}

pub(super) async fn server(
    handler: impl Fn(&RecordedRequest) -> TestResponse + Send + Sync + 'static,
) -> TestServer {
    TestServer::start(handler).await.unwrap()
}

/// A server that answers every request with an empty object.
pub(super) async fn polite() -> TestServer {
    server(|_| TestResponse::json(&json!({}))).await
}
