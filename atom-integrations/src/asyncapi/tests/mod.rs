//! The function over real loopback connections.

mod documents;
mod publish;
mod servers;
mod subscribe;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use atom_core::function::MessageSink;
use atom_core::{Error, ErrorCode, Function, FunctionContext, Principal, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::patience::Pauses;
use super::testing::{Script, TestSocket};
use crate::http::testing::{TestResponse, TestServer};
use crate::http::{HttpClient, HttpConfig, PrivateAddresses};
use crate::local::FileAccess;

/// A folder with documents, and calls that may read them.
struct Bench {
    folder: TempDir,
    config: HttpConfig,
}

impl Bench {
    /// With a document whose servers `web` and `socket` are at this port.
    fn new(port: u16) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            config: HttpConfig {
                private_addresses: PrivateAddresses::Allow,
                ..HttpConfig::default()
            },
        };
        bench.write("two.json", &two(port));
        bench.write("three.json", &three(port));
        bench
    }

    fn write(&self, path: &str, document: &Value) {
        std::fs::write(self.folder.path().join(path), document.to_string()).unwrap();
    }

    fn context(&self) -> FunctionContext {
        let mut context = FunctionContext::direct(Principal::new("acme", "ada").unwrap(), "key-1");
        context.directory = Some(self.folder.path().to_owned());
        context
    }

    fn function(&self) -> Arc<dyn Function> {
        let client = HttpClient::new(self.config.clone()).unwrap();
        let pauses = Pauses {
            shortest: Duration::from_millis(1),
            longest: Duration::from_millis(2),
        };
        super::with_pauses(&client, FileAccess::below([self.folder.path()]).unwrap(), pauses)
    }

    async fn call(&self, arguments: Value) -> Result<Value> {
        self.function().call(arguments, self.context()).await
    }

    async fn failure(&self, arguments: Value) -> Error {
        self.call(arguments).await.unwrap_err()
    }

    /// What comes until so many messages have.
    async fn subscribe(&self, arguments: Value, most: usize) -> (Vec<Value>, Result<()>) {
        let sink = Sink::new(most);
        let result = self.function().subscribe(arguments, self.context(), &sink).await;
        (sink.messages.into_inner().unwrap(), result)
    }
}

/// Takes so many messages and no more.
struct Sink {
    messages: Mutex<Vec<Value>>,
    most: usize,
}

impl Sink {
    fn new(most: usize) -> Self {
        Self {
            messages: Mutex::default(),
            most,
        }
    }
}

#[async_trait]
impl MessageSink for Sink {
    async fn deliver(&self, message: Value) -> Result<()> {
        let mut messages = self.messages.lock().unwrap();
        messages.push(message);
        if messages.len() < self.most {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Cancelled, "enough"))
    }
}

fn pet_schema() -> Value {
    json!({
        "type": "object",
        "properties": { "n": { "type": "integer" }, "user": { "$ref": "#/components/schemas/User" } },
        "required": ["n"],
    })
}

fn user_schema() -> Value {
    json!({ "type": "object", "properties": { "id": { "type": "string" } } })
}

/// A document of AsyncAPI 2.6.
fn two(port: u16) -> Value {
    json!({
        "asyncapi": "2.6.0",
        "info": { "title": "Pets", "version": "1.0.0" },
        "servers": {
            "queue": { "url": "broker.test:9092", "protocol": "kafka" },
            "web": { "url": format!("127.0.0.1:{port}/{{stage}}"), "protocol": "http",
                     "variables": { "stage": { "enum": ["live", "test"], "default": "live" } } },
            "socket": { "url": format!("ws://127.0.0.1:{port}/ws"), "protocol": "ws" },
        },
        "channels": {
            "pets/{room}": {
                "servers": ["web", "socket"],
                "parameters": { "room": { "location": "$message.payload#/user/id", "schema": { "type": "string", "default": "all" } } },
                "publish": { "operationId": "addPet", "message": { "$ref": "#/components/messages/Pet" } },
                "subscribe": { "operationId": "watchPets", "message": { "oneOf": [{ "$ref": "#/components/messages/Pet" }] } },
            },
            "queued": { "servers": ["queue"], "publish": { "operationId": "queue" } },
            "free": { "publish": { "operationId": "say", "bindings": { "http": { "type": "request", "method": "PUT" } } }, "subscribe": { "operationId": "hear" } },
        },
        "components": {
            "messages": { "Pet": {
                "payload": pet_schema(),
                "headers": { "type": "object", "properties": { "tries": { "type": "integer" } } },
                "correlationId": { "location": "$message.payload#/user/id" },
            } },
            "schemas": { "User": user_schema() },
        },
    })
}

/// The same in AsyncAPI 3.0, with a channel that carries two kinds of messages.
fn three(port: u16) -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": { "title": "Pets", "version": "1.0.0" },
        "servers": {
            "web": { "host": format!("127.0.0.1:{port}"), "pathname": "/{stage}", "protocol": "http",
                     "variables": { "stage": { "default": "live" } } },
            "socket": { "host": format!("127.0.0.1:{port}"), "protocol": "ws" },
            "queue": { "host": "broker.test", "protocol": "mqtt" },
        },
        "channels": {
            "pets": {
                "address": "/pets",
                "servers": [{ "$ref": "#/servers/socket" }, { "$ref": "#/servers/web" }, { "$ref": "#/servers/queue" }],
                "messages": {
                    "pet": { "$ref": "#/components/messages/Pet" },
                    "note": { "payload": { "type": "string" } },
                },
            },
        },
        "operations": {
            "addPet": { "action": "receive", "channel": { "$ref": "#/channels/pets" },
                        "messages": [{ "$ref": "#/channels/pets/messages/pet" }] },
            "watchPets": { "action": "send", "channel": { "$ref": "#/channels/pets" },
                           "messages": [{ "$ref": "#/channels/pets/messages/pet" }] },
            "watchAll": { "action": "send", "channel": { "$ref": "#/channels/pets" } },
        },
        "components": {
            "messages": { "Pet": {
                "contentType": "application/json",
                "payload": { "schemaFormat": "application/schema+json;version=draft-07", "schema": pet_schema() },
            } },
            "schemas": { "User": user_schema() },
        },
    })
}

fn publishing(document: &str, operation: &str, payload: Value) -> Value {
    json!({
        "document": { "endpoint": document },
        "operation": operation,
        "message": { "payload": payload },
    })
}

fn hearing(document: &str, operation: &str) -> Value {
    json!({ "document": { "endpoint": document }, "operation": operation })
}

fn with(mut arguments: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    arguments.pointer_mut(parent).unwrap()[name] = value;
    arguments
}

async fn socket(scripts: impl IntoIterator<Item = Script>) -> TestSocket {
    TestSocket::start(scripts).await.unwrap()
}

fn port(server: &TestServer) -> u16 {
    server.uri("").rsplit_once(':').unwrap().1.parse().unwrap()
}

async fn web(answer: impl Fn() -> TestResponse + Send + Sync + 'static) -> TestServer {
    TestServer::start(move |_| answer()).await.unwrap()
}
