//! The function against real servers and against broken ones.

mod methods;
mod server;
mod stdio;
mod streamable;

use atom_core::{Error, Function, FunctionContext, Principal, Result};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::http::{HttpClient, HttpConfig, PrivateAddresses};
use crate::process::ProcessConfig;

fn context() -> FunctionContext {
    FunctionContext::direct(Principal::new("acme", "ada").unwrap(), "key-1")
}

/// A configuration that lets calls reach loopback servers.
fn open() -> HttpConfig {
    HttpConfig {
        private_addresses: PrivateAddresses::Allow,
        ..HttpConfig::default()
    }
}

fn function(config: HttpConfig) -> Arc<dyn Function> {
    let processes = ProcessConfig {
        mcp: true,
        ..ProcessConfig::default()
    };
    super::function(&HttpClient::new(config).unwrap(), processes)
}

async fn call(arguments: Value) -> Result<Value> {
    function(open()).call(arguments, context()).await
}

async fn failure(arguments: Value) -> Error {
    call(arguments).await.unwrap_err()
}

/// A request to a server that is a shell script.
fn script(script: &str) -> Value {
    json!({
        "method": "tools/call",
        "parameters": { "name": "echo" },
        "transport": { "stdio": { "command": "sh", "arguments": ["-c", script] } }
    })
}

/// The beginning of a script that answers the handshake and reads the request, whose id is 1.
const HANDSHAKE: &str = r#"read hello
echo '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}'
read initialized
read request
"#;
