//! The calls and streams that a host has submitted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atom_core::{CancellationToken, Error, ErrorCode, Principal, Result};
use futures::stream::{BoxStream, StreamExt};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::message::{Answer, Message};
use super::outbox::Outbox;
use crate::Engine;
use crate::api::{Handler, check_length, closed, find, parse_request, read_value};

/// How many calls and streams may be under way at once, those included whose end the host has not taken yet.
const MAX_CALLS: usize = 10_000;

/// How many items of a stream may wait for the host to take them; then the stream waits.
const MAX_WAITING_ITEMS: usize = 256;

/// The calls and streams that a host has submitted.
#[derive(Debug)]
pub(super) struct Calls {
    engine: Engine,
    handle: Handle,
    outbox: Arc<Outbox>,
    slots: Arc<Semaphore>,
    /// Set before what is left is ended: what is submitted later has nothing to run on.
    is_abandoned: AtomicBool,
    /// What is under way. Whoever takes an entry out sends the last message of that call.
    open: Mutex<HashMap<u64, Call>>,
}

#[derive(Debug)]
struct Call {
    cancellation: CancellationToken,
    /// Whether the host has asked a stream to wait.
    is_paused: watch::Sender<bool>,
    slot: OwnedSemaphorePermit,
}

impl Calls {
    pub(super) fn new(engine: Engine, handle: Handle, outbox: Arc<Outbox>) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(MAX_CALLS));
        Arc::new(Self {
            engine,
            handle,
            outbox,
            slots,
            is_abandoned: AtomicBool::new(false),
            open: Mutex::default(),
        })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Begins a call or stream. Every error becomes its last message.
    pub(super) fn submit(self: &Arc<Self>, id: u64, operation: &str, principal: &str, request: &str) {
        let is_stream = is_stream(id);
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            self.outbox.refuse(id);
            return;
        };
        let cancellation = CancellationToken::new();
        let (is_paused, paused) = watch::channel(false);
        self.open().insert(
            id,
            Call {
                cancellation: cancellation.clone(),
                is_paused,
                slot,
            },
        );
        if self.is_abandoned.load(Ordering::SeqCst) {
            self.finish(id, Err(closed().with_operation(operation)));
        } else if let Err(error) = check_length(request) {
            self.finish(id, Err(error.with_operation(operation)));
        } else if is_stream {
            // It begins before this returns, so that whatever the host does next is part of it.
            let items = self.subscribe(operation, principal, request);
            self.handle
                .spawn(Arc::clone(self).forward(id, items, paused, cancellation));
        } else {
            let calls = Arc::clone(self);
            let (operation, principal, request) =
                (operation.to_owned(), principal.to_owned(), request.to_owned());
            self.handle.spawn(async move {
                let result = tokio::select! {
                    biased;
                    () = cancellation.cancelled() => Err(cancelled().with_operation(operation.as_str())),
                    result = calls.call(&operation, &principal, &request) => result,
                };
                calls.finish(id, result);
            });
        }
    }

    pub(super) async fn call(&self, operation: &str, principal: &str, request: &str) -> Result<Value> {
        let principal = self
            .principal(principal)
            .map_err(|error| error.with_operation(operation))?;
        let request = parse_request(request).map_err(|error| error.with_operation(operation))?;
        self.engine.call_json(&principal, operation, request).await
    }

    /// Ends a call or stream early.
    pub(super) fn cancel(&self, id: u64) {
        if let Some(call) = self.open().get(&id) {
            call.cancellation.cancel();
        }
    }

    /// Lets a stream wait, or go on.
    pub(super) fn pause(&self, id: u64, is_paused: bool) {
        if let Some(call) = self.open().get(&id) {
            call.is_paused.send_replace(is_paused);
        }
    }

    /// Closes the engine, and ends whatever is under way then.
    pub(super) async fn close(&self, grace: Duration) {
        if let Err(error) = self.engine.close_within(grace).await {
            tracing::error!(%error, "the store did not close cleanly");
        }
        // What has just ended in the engine gets the chance to say so itself.
        tokio::task::yield_now().await;
    }

    /// Ends whatever is still under way.
    pub(super) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::SeqCst);
        let open: Vec<_> = self.open().keys().copied().collect();
        for id in open {
            self.finish(id, Err(closed()));
        }
    }

    fn principal(&self, text: &str) -> Result<Principal> {
        if text.is_empty() {
            return Ok(self.engine.principal().clone());
        }
        check_length(text)?;
        let principal = serde_json::from_str(text)
            .map_err(|error| Error::invalid_request(format!("the principal is not JSON: {error}")))?;
        let principal: Principal = read_value(principal, "the principal")?;
        principal.validate()?;
        Ok(principal)
    }

    fn subscribe(
        &self,
        operation: &str,
        principal: &str,
        request: &str,
    ) -> Result<BoxStream<'static, Result<Value>>> {
        let with_operation = |error: Error| error.with_operation(operation);
        let principal = self.principal(principal).map_err(with_operation)?;
        let request = parse_request(request).map_err(with_operation)?;
        let _runtime = self.handle.enter();
        Ok(self.engine.subscribe_json(&principal, operation, request))
    }

    async fn forward(
        self: Arc<Self>,
        id: u64,
        items: Result<BoxStream<'static, Result<Value>>>,
        mut paused: watch::Receiver<bool>,
        cancellation: CancellationToken,
    ) {
        let forwarding = async {
            let mut items = items?;
            let credit = Arc::new(Semaphore::new(MAX_WAITING_ITEMS));
            loop {
                let permit = Arc::clone(&credit).acquire_owned().await.map_err(|_| closed())?;
                paused
                    .wait_for(|is_paused| !is_paused)
                    .await
                    .map_err(|_| closed())?;
                let Some(item) = items.next().await else {
                    return Ok(());
                };
                self.outbox
                    .push(&Message::Item { id, item: item? }, Box::new(permit));
            }
        };
        let result = tokio::select! {
            biased;
            () = cancellation.cancelled() => Ok(()),
            result = forwarding => result,
        };
        self.finish(id, result.map(|()| Value::Null));
    }

    fn finish(&self, id: u64, result: Result<Value>) {
        let Some(call) = self.open().remove(&id) else {
            return;
        };
        self.outbox.push(&last_message(id, result), Box::new(call.slot));
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Call>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands out the numbers of calls and streams, each kind in order: even ones for calls, odd ones for streams.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    calls: AtomicU64,
    streams: AtomicU64,
}

impl Numbers {
    /// The number of a new submission of this operation.
    pub(super) fn next(&self, operation: &str) -> u64 {
        if find(operation).is_ok_and(|found| matches!(found.handler, Handler::Stream(_))) {
            self.streams.fetch_add(2, Ordering::Relaxed).wrapping_add(1)
        } else {
            self.calls.fetch_add(2, Ordering::Relaxed).wrapping_add(2)
        }
    }
}

fn is_stream(id: u64) -> bool {
    !id.is_multiple_of(2)
}

/// The only message of what is submitted when too much is under way.
pub(super) fn refusal(id: u64) -> Message {
    let message = format!("{MAX_CALLS} calls are under way; take their results before submitting more");
    let error = Error::new(ErrorCode::LimitExceeded, message);
    last_message(id, Err(error.with_operation("bridge.submit")))
}

pub(super) fn last_message(id: u64, result: Result<Value>) -> Message {
    match (result, is_stream(id)) {
        (Ok(_), true) => Message::End { id, err: None },
        (Ok(value), false) => Message::Result {
            id,
            answer: Answer::Ok(value),
        },
        (Err(error), true) => Message::End {
            id,
            err: Some(error.report()),
        },
        (Err(error), false) => Message::Result {
            id,
            answer: Answer::Err(error.report()),
        },
    }
}

fn cancelled() -> Error {
    Error::new(ErrorCode::Cancelled, "the call was cancelled")
}
