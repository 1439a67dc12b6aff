//! What the host languages link to: operations as JSON text, answered through a queue of messages.
//!
//! A host submits calls and streams, and takes [messages](Message) with [`Bridge::poll`] in a loop of its own.
//! Nothing is ever called back, so no host code runs under a lock or on a thread of the engine: a function of the
//! host is a message too, and its answer a [`Bridge::reply`].
//!
//! ```
//! use atom_engine::bridge::Bridge;
//!
//! let bridge = Bridge::open(r#"{ "storage": "memory" }"#)?;
//! bridge.register_function(r#"{ "name": "greet" }"#)?;
//! let id = bridge.submit("functions.call", "", r#"{ "name": "greet", "arguments": { "name": "Ada" } }"#);
//!
//! 'messages: loop {
//!     for message in bridge.poll(16, 1_000) {
//!         let message: serde_json::Value = serde_json::from_str(&message).unwrap();
//!         match message["type"].as_str() {
//!             Some("host_call") => {
//!                 let greeting = format!("Hello {}!", message["arguments"]["name"].as_str().unwrap());
//!                 let reply = serde_json::json!({ "ok": greeting }).to_string();
//!                 bridge.reply(message["call"].as_u64().unwrap(), &reply);
//!             }
//!             Some("result") if message["id"] == id => {
//!                 assert_eq!(message["ok"]["output"], "Hello Ada!");
//!                 break 'messages;
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! bridge.close(1_000);
//! # Ok::<(), String>(())
//! ```

mod calls;
mod host;
mod message;
mod outbox;
mod refusals;

pub use message::{Answer, HostCallContext, Message};

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use atom_core::{Error, ErrorCode, FunctionInfo, Result};
use tokio::runtime::Runtime;
use tokio_util::context::TokioContext;

use self::calls::{Calls, Numbers, last_message, refusal};
use self::host::HostCalls;
use self::outbox::Outbox;
use self::refusals::Refusals;
use crate::api::read_value;
use crate::{Engine, EngineConfig};

/// How much longer than its grace closing may take: for the store to finish its last write.
const CLOSE_SLACK: Duration = Duration::from_secs(5);

/// An engine with a runtime of its own, for a host language.
///
/// Every method may be called from any thread. None calls host code but the waker, and none panics. In a process
/// that forked after the bridge was opened, everything answers with `forked`; open a new bridge there.
#[derive(Debug)]
pub struct Bridge {
    /// The process that opened the bridge: the threads of the runtime exist only there.
    process: u32,
    numbers: Numbers,
    open: Option<Open>,
    /// What was submitted in a forked child. Only children lock it, so no lock is held at the fork.
    forked: Mutex<Refusals>,
}

/// What must not be touched in a forked child: locks may be held there by threads that do not exist.
#[derive(Debug)]
struct Open {
    calls: Arc<Calls>,
    host: Arc<HostCalls>,
    outbox: Arc<Outbox>,
    runtime: Mutex<Option<Runtime>>,
}

impl Bridge {
    /// Starts a runtime with threads of its own and opens an engine on it. Blocks until the engine is open.
    ///
    /// `config` is the JSON of an [`EngineConfig`]; an empty text means the defaults.
    ///
    /// # Errors
    /// The JSON of an [`ErrorReport`](atom_core::ErrorReport), e.g. `invalid_request` or `locked`.
    pub fn open(config: &str) -> Result<Self, String> {
        Self::start(config).map_err(|error| to_json(&error.with_operation("engine.open")))
    }

    fn start(config: &str) -> Result<Self> {
        let config = EngineConfig::from_json(config)?;
        let host_timeout = Duration::from_millis(config.host_call_timeout_ms);
        let threads = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 4));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("atom-worker")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(ErrorCode::Unavailable, "the engine's threads cannot be started")
                    .with_source(error)
            })?;
        let (sender, opened) = mpsc::channel();
        // Spawned rather than blocked on: the caller may itself be within a runtime.
        runtime.spawn(async move { sender.send(Engine::open(config).await) });
        let opened = opened
            .recv()
            .unwrap_or_else(|_| Err(Error::internal("opening the engine ended in a panic")));
        let engine = match opened {
            Ok(engine) => engine,
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let outbox = Arc::new(Outbox::new(refusal));
        let host = HostCalls::new(
            Arc::clone(&outbox),
            Arc::clone(&engine.parts().clock),
            host_timeout,
        );
        let calls = Calls::new(engine, runtime.handle().clone(), Arc::clone(&outbox));
        Ok(Self {
            process: std::process::id(),
            numbers: Numbers::default(),
            open: Some(Open {
                calls,
                host,
                outbox,
                runtime: Mutex::new(Some(runtime)),
            }),
            forked: Mutex::default(),
        })
    }

    /// Starts an operation and returns the number that its messages carry. Never blocks and never fails: errors
    /// arrive as messages too, as the end of a stream operation and as the result of anything else. At most 10,000
    /// calls and streams can be under way, those included whose last message waits; more get `limit_exceeded`.
    ///
    /// `principal` is the JSON of a [`Principal`](atom_core::Principal), empty for the configured one; `request`
    /// is a JSON object, empty for `{}`.
    pub fn submit(&self, operation: &str, principal: &str, request: &str) -> u64 {
        let id = self.numbers.next(operation);
        match self.open_part() {
            Ok(open) => open.calls.submit(id, operation, principal, request),
            Err(_) => self.forked().add(id),
        }
        id
    }

    /// Ends a call early with `cancelled`, or a stream. A number that is not under way is ignored.
    pub fn cancel(&self, id: u64) {
        if let Ok(open) = self.open_part() {
            open.calls.cancel(id);
        }
    }

    /// Lets a stream wait: after at most 256 further items none comes until [`resume`](Self::resume). For a host
    /// that takes messages faster than its program uses the items. Anything else is ignored.
    pub fn pause(&self, id: u64) {
        if let Ok(open) = self.open_part() {
            open.calls.pause(id, true);
        }
    }

    /// Lets a stream that waits go on.
    pub fn resume(&self, id: u64) {
        if let Ok(open) = self.open_part() {
            open.calls.pause(id, false);
        }
    }

    /// Registers a function of the host; its calls arrive as `host_call` messages.
    ///
    /// `info` is the JSON of a [`FunctionInfo`]; only `name` is needed.
    ///
    /// # Errors
    /// The JSON of an error: `invalid_request`, `already_exists` or `forked`.
    pub fn register_function(&self, info: &str) -> Result<(), String> {
        let register = || {
            let open = self.open_part()?;
            let info = serde_json::from_str(info)
                .map_err(|error| Error::invalid_request(format!("the function is not JSON: {error}")))?;
            let info: FunctionInfo = read_value(info, "the function")?;
            open.calls.engine().functions().register(open.host.function(info))
        };
        register().map_err(|error: Error| to_json(&error.with_operation("functions.register")))
    }

    /// Removes a function and tells whether there was one. Calls under way go on.
    pub fn unregister_function(&self, name: &str) -> bool {
        self.open_part()
            .is_ok_and(|open| open.calls.engine().functions().unregister(name))
    }

    /// Answers a `host_call`: `{"ok": value}`, or `{"err": {"message": …, "code"?: …, "retry"?: …, "context"?: …}}`.
    /// An unknown code means `host_failed`. A call that nobody waits for is ignored.
    pub fn reply(&self, call: u64, reply: &str) {
        if let Ok(open) = self.open_part() {
            open.host.reply(call, reply);
        }
    }

    /// Takes up to `max` messages, waiting up to `timeout_ms` milliseconds for the first. Returns at once when
    /// there are messages, when the bridge is closed and in a forked child. Taking an item of a stream lets the
    /// stream go on: at most 256 items of each wait here.
    pub fn poll(&self, max: usize, timeout_ms: u64) -> Vec<String> {
        match self.open_part() {
            Ok(open) => open.outbox.take(max, Duration::from_millis(timeout_ms)),
            Err(error) => {
                let error = error.with_operation("bridge.submit");
                let tell = |id| last_message(id, Err(error.clone())).to_json();
                self.forked().take(max).into_iter().map(tell).collect()
            }
        }
    }

    /// Takes up to `max` messages without waiting.
    pub fn drain(&self, max: usize) -> Vec<String> {
        self.poll(max, 0)
    }

    /// Sets what is called, from any thread, when messages arrive in an empty queue; at once if there are some
    /// already. It must return quickly; take messages until there are none before waiting for the next call.
    pub fn set_waker(&self, waker: Box<dyn Fn() + Send + Sync>) {
        if let Ok(open) = self.open_part() {
            open.outbox.set_waker(Arc::from(waker));
        }
    }

    /// Closes the engine and blocks until its data folder is free. Waits and streams end at once, other calls get
    /// up to `grace_ms` milliseconds to finish; all end with a message, `closed` for what did not finish. The
    /// message `closed` comes last. Closing again does nothing; so does closing in a forked child.
    pub fn close(&self, grace_ms: u64) {
        let Ok(open) = self.open_part() else { return };
        // Held to the end: whoever closes at the same time returns when the folder is free, too.
        let mut runtime = open.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(runtime) = runtime.take() else { return };
        let grace = Duration::from_millis(grace_ms);
        let calls = Arc::clone(&open.calls);
        let (sender, closed) = mpsc::channel();
        runtime.spawn(async move {
            calls.close(grace).await;
            sender.send(())
        });
        if closed.recv_timeout(grace.saturating_add(CLOSE_SLACK)).is_err() {
            tracing::error!("the engine did not close in time; its folder may still be in use");
        }
        open.calls.abandon();
        open.outbox.close();
        runtime.shutdown_background();
    }

    /// Calls an operation without the queue, for Rust programs.
    ///
    /// # Errors
    /// The JSON of an error.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the call.
    pub async fn call(&self, operation: &str, principal: &str, request: &str) -> Result<String, String> {
        let open = self
            .open_part()
            .map_err(|error| to_json(&error.with_operation(operation)))?;
        let calls = Arc::clone(&open.calls);
        let (operation, principal, request) =
            (operation.to_owned(), principal.to_owned(), request.to_owned());
        let call = async move {
            calls
                .call(&operation, &principal, &request)
                .await
                .map(|answer| answer.to_string())
        };
        // Polled where the caller is, with the engine's runtime at hand: a call that needs no waiting changes no thread.
        TokioContext::new(call, open.calls.handle().clone())
            .await
            .map_err(|error| to_json(&error))
    }

    fn open_part(&self) -> Result<&Open> {
        match &self.open {
            Some(open) if self.process == std::process::id() => Ok(open),
            _ => Err(Error::new(
                ErrorCode::Forked,
                "the process forked after the engine was opened; open a new engine in the child",
            )),
        }
    }

    fn forked(&self) -> std::sync::MutexGuard<'_, Refusals> {
        self.forked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            self.close(0);
        } else if let Some(open) = self.open.take() {
            // Dropping it would wait for threads that exist only in the parent.
            Box::leak(Box::new(open));
        }
    }
}

fn to_json(error: &Error) -> String {
    // A report holds nothing but text, so that it always has a JSON form.
    serde_json::to_string(&error.report()).unwrap_or_else(|_| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_forked_child_everything_answers_and_nothing_blocks() {
        let mut bridge = Bridge::open(r#"{ "storage": "memory" }"#).unwrap();
        bridge.process += 1;
        let id = bridge.submit("engine.info", "", "");
        let messages = bridge.poll(10, u64::MAX);
        assert_eq!(messages.len(), 1);
        let message: serde_json::Value = serde_json::from_str(&messages[0]).unwrap();
        assert_eq!(
            (&message["id"], &message["err"]["code"]),
            (&id.into(), &"forked".into())
        );
        assert!(bridge.poll(10, u64::MAX).is_empty());
        assert!(
            bridge
                .register_function(r#"{ "name": "x" }"#)
                .unwrap_err()
                .contains("forked")
        );
        assert!(!bridge.unregister_function("x"));
        bridge.cancel(id);
        bridge.reply(1, "{}");
        bridge.set_waker(Box::new(|| {}));
        bridge.close(u64::MAX);
        drop(bridge);
    }
}
