//! The surfaces that the conformance cases go through: the engine itself and the bridge.

use std::sync::Arc;

use async_trait::async_trait;
use atom_engine::bridge::Bridge;
use atom_engine::{
    Engine, EngineConfig, Error, ErrorCode, Function, FunctionContext, FunctionInfo, Principal, Result,
};
use futures::stream::{BoxStream, StreamExt};
use serde_json::{Value, json};

/// Longer than anything in the cases takes: a case that waits so long has failed.
const LONG_MS: u64 = 60_000;

/// Items of a stream, and the error that ended it.
pub(crate) type Items = (Vec<Value>, Option<Value>);

/// Somewhere to call operations. Errors are reports.
pub(crate) trait Surface {
    /// Calls an operation; no principal means the engine's own.
    fn call(&mut self, principal: Option<&Value>, operation: &str, request: Value) -> Result<Value, Value>;
    /// Opens a stream and gives a number for it.
    fn open(&mut self, principal: Option<&Value>, operation: &str, request: Value) -> u64;
    /// Reads some items and cancels the stream, or all of them.
    fn read(&mut self, stream: u64, take: Option<usize>) -> Items;
    /// Closes the engine and opens it again.
    fn reopen(&mut self);
    /// Closes the engine.
    fn close(&mut self);
}

/// The engine itself, with functions in Rust.
pub(crate) struct RustSurface {
    runtime: tokio::runtime::Runtime,
    config: Value,
    functions: Vec<String>,
    engine: Engine,
    streams: Vec<BoxStream<'static, Result<Value>>>,
}

impl RustSurface {
    pub(crate) fn new(config: Value, functions: Vec<String>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let engine = runtime.block_on(open_engine(&config, &functions));
        Self {
            runtime,
            config,
            functions,
            engine,
            streams: Vec::new(),
        }
    }

    fn principal(&self, principal: Option<&Value>) -> Principal {
        principal.map_or_else(
            || self.engine.principal().clone(),
            |principal| serde_json::from_value(principal.clone()).unwrap(),
        )
    }
}

async fn open_engine(config: &Value, functions: &[String]) -> Engine {
    let mut builder = Engine::builder(EngineConfig::from_json(&config.to_string()).unwrap());
    for name in functions {
        builder = builder.with_function(Arc::new(HostFunction(FunctionInfo::new(name, ""))));
    }
    builder.open().await.unwrap()
}

fn report(error: &Error) -> Value {
    serde_json::to_value(error.report()).unwrap()
}

impl Surface for RustSurface {
    fn call(&mut self, principal: Option<&Value>, operation: &str, request: Value) -> Result<Value, Value> {
        let principal = self.principal(principal);
        let answer = self.engine.call_json(&principal, operation, request);
        self.runtime.block_on(answer).map_err(|error| report(&error))
    }

    fn open(&mut self, principal: Option<&Value>, operation: &str, request: Value) -> u64 {
        let principal = self.principal(principal);
        let _entered = self.runtime.enter();
        self.streams
            .push(self.engine.subscribe_json(&principal, operation, request));
        self.streams.len() as u64 - 1
    }

    fn read(&mut self, stream: u64, take: Option<usize>) -> Items {
        let ended = futures::stream::empty().boxed();
        let stream = std::mem::replace(&mut self.streams[usize::try_from(stream).unwrap()], ended);
        let read = stream.take(take.unwrap_or(usize::MAX)).collect::<Vec<_>>();
        let mut items = Vec::new();
        for item in self.runtime.block_on(read) {
            match item {
                Ok(item) => items.push(item),
                Err(error) => return (items, Some(report(&error))),
            }
        }
        (items, None)
    }

    fn reopen(&mut self) {
        self.close();
        self.engine = self.runtime.block_on(open_engine(&self.config, &self.functions));
    }

    fn close(&mut self) {
        self.runtime.block_on(self.engine.close()).unwrap();
    }
}

/// One of the functions that a host registers.
#[derive(Debug)]
struct HostFunction(FunctionInfo);

#[async_trait]
impl Function for HostFunction {
    fn info(&self) -> &FunctionInfo {
        &self.0
    }

    async fn call(&self, arguments: Value, context: FunctionContext) -> Result<Value> {
        let (tenant, user) = (context.principal.tenant, context.principal.user);
        let task = context.step.map(|step| step.task);
        match self.0.name.as_str() {
            "conformance.echo" => Ok(arguments),
            "conformance.context" => Ok(json!({ "tenant": tenant, "user": user, "task": task })),
            "conformance.fail" => {
                let message = arguments["message"].as_str().unwrap();
                Err(Error::new(ErrorCode::HostFailed, message).with_operation(self.0.name.as_str()))
            }
            "conformance.hang" => std::future::pending().await,
            unknown => panic!("there is no function {unknown}"),
        }
    }
}

/// The bridge, with functions served as messages.
pub(crate) struct BridgeSurface {
    config: Value,
    functions: Vec<String>,
    bridge: Bridge,
    early: Vec<Value>,
}

impl BridgeSurface {
    pub(crate) fn new(config: Value, functions: Vec<String>) -> Self {
        let bridge = open_bridge(&config, &functions);
        Self {
            config,
            functions,
            bridge,
            early: Vec::new(),
        }
    }

    fn submit(&self, principal: Option<&Value>, operation: &str, request: &Value) -> u64 {
        let principal = principal.map(Value::to_string).unwrap_or_default();
        self.bridge.submit(operation, &principal, &request.to_string())
    }

    /// The next message for this id, while calls of functions are served.
    fn next(&mut self, id: u64) -> Value {
        loop {
            if let Some(index) = self.early.iter().position(|message| message["id"] == id) {
                return self.early.remove(index);
            }
            let messages = self.bridge.poll(64, LONG_MS);
            assert!(!messages.is_empty(), "no answer to {id}");
            for message in messages {
                let message: Value = serde_json::from_str(&message).unwrap();
                if message["type"] == "host_call" {
                    self.serve(&message);
                } else {
                    self.early.push(message);
                }
            }
        }
    }

    fn serve(&self, message: &Value) {
        let (arguments, context) = (&message["arguments"], &message["context"]);
        let reply = match message["function"].as_str().unwrap() {
            "conformance.echo" => json!({ "ok": arguments }),
            "conformance.context" => json!({
                "ok": { "tenant": context["tenant"], "user": context["user"], "task": context["task"] }
            }),
            "conformance.fail" => json!({ "err": { "message": arguments["message"] } }),
            "conformance.hang" => return,
            unknown => panic!("there is no function {unknown}"),
        };
        self.bridge
            .reply(message["call"].as_u64().unwrap(), &reply.to_string());
    }
}

fn open_bridge(config: &Value, functions: &[String]) -> Bridge {
    let bridge = Bridge::open(&config.to_string()).unwrap();
    for name in functions {
        let info = json!({ "name": name });
        bridge.register_function(&info.to_string()).unwrap();
    }
    bridge
}

impl Surface for BridgeSurface {
    fn call(&mut self, principal: Option<&Value>, operation: &str, request: Value) -> Result<Value, Value> {
        let id = self.submit(principal, operation, &request);
        let mut message = self.next(id);
        match message.get_mut("err") {
            Some(error) => Err(error.take()),
            None => Ok(message["ok"].take()),
        }
    }

    fn open(&mut self, principal: Option<&Value>, operation: &str, request: Value) -> u64 {
        self.submit(principal, operation, &request)
    }

    fn read(&mut self, stream: u64, take: Option<usize>) -> Items {
        let mut items = Vec::new();
        while take.is_none_or(|take| items.len() < take) {
            let mut message = self.next(stream);
            if message["type"] == "item" {
                items.push(message["item"].take());
            } else {
                return (items, message.get("err").cloned());
            }
        }
        self.bridge.cancel(stream);
        while self.next(stream)["type"] == "item" {}
        (items, None)
    }

    fn reopen(&mut self) {
        self.close();
        self.bridge = open_bridge(&self.config, &self.functions);
    }

    fn close(&mut self) {
        self.bridge.close(5_000);
    }
}
