//! Carries out the calls of a run.

use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use atom_core::function::{MessageSink, StepContext};
use atom_core::{CancellationToken, Error, ErrorCode, FunctionContext, Result};
use futures::FutureExt;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::Runtime;
use super::driver::Driver;
use super::stuck::StuckNote;
use crate::machine::{ActionId, Command, Event};

impl Driver<'_> {
    pub(super) fn begin_call(&mut self, action: ActionId, command: Command) {
        let stuck = self
            .runtime
            .note_missing((self.scope.clone(), self.record.id), &command);
        let Command::Call {
            function,
            arguments,
            task,
            idempotency_key,
        } = command
        else {
            return;
        };
        let runtime = self.runtime.clone();
        let context = self.function_context(action, task, idempotency_key);
        self.actions
            .spawn(async move { answer(action, call(&runtime, &function, arguments, context, stuck).await) });
    }

    pub(super) fn begin_subscription(&mut self, action: ActionId, command: Command) {
        let stuck = self
            .runtime
            .note_missing((self.scope.clone(), self.record.id), &command);
        let Command::Subscribe {
            function,
            arguments,
            task,
        } = command
        else {
            return;
        };
        let runtime = self.runtime.clone();
        let context = self.function_context(action, task, None);
        let sink = RunSink {
            action,
            payload_bytes: runtime.inner.parts.limits.payload_bytes,
            messages: self.messages.clone(),
        };
        self.actions.spawn(async move {
            let result = subscribe(&runtime, &function, arguments, context, &sink, stuck).await;
            answer(action, result.map(|()| Value::Null))
        });
    }

    /// What a function learns of a call, and the token that stops it.
    fn function_context(
        &mut self,
        action: ActionId,
        task: String,
        idempotency_key: Option<String>,
    ) -> FunctionContext {
        let cancellation = CancellationToken::new();
        self.stops.insert(action, cancellation.clone());
        FunctionContext {
            principal: self.record.principal.clone(),
            step: Some(StepContext {
                run: self.record.id,
                task,
            }),
            // Two owners may have runs of the same id, and one account at a service.
            idempotency_key: idempotency_key.unwrap_or_else(|| {
                let derived = self.record.id.derive(&format!("{}:call:{action}", self.scope));
                derived.to_string()
            }),
            directory: self.record.directory.clone(),
            deadline: None,
            cancellation,
        }
    }
}

/// A message on its way to the run, and the word that it has arrived.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) action: ActionId,
    pub(super) message: Value,
    pub(super) is_durable: oneshot::Sender<()>,
}

/// Hands the messages of one subscription to the run, one at a time.
struct RunSink {
    action: ActionId,
    payload_bytes: usize,
    messages: mpsc::Sender<Box<Delivery>>,
}

#[async_trait]
impl MessageSink for RunSink {
    async fn deliver(&self, message: Value) -> Result<()> {
        check_payload("a message", &message, self.payload_bytes)?;
        let (is_durable, wait) = oneshot::channel();
        let delivery = Box::new(Delivery {
            action: self.action,
            message,
            is_durable,
        });
        let gone = || Error::new(ErrorCode::Cancelled, "the messages are no longer wanted");
        self.messages.send(delivery).await.map_err(|_| gone())?;
        wait.await.map_err(|_| gone())
    }
}

/// Checks that data can be stored.
fn check_payload(name: &str, data: &Value, limit: usize) -> Result<()> {
    let size = serde_json::to_string(data).map_or(usize::MAX, |text| text.len());
    if size > limit {
        return Err(Error::new(
            ErrorCode::LimitExceeded,
            format!("{name} has {size} bytes as JSON, more than {limit}"),
        ));
    }
    super::check_data(data)
}

async fn subscribe(
    runtime: &Runtime,
    name: &str,
    arguments: Value,
    context: FunctionContext,
    sink: &RunSink,
    stuck: Option<StuckNote>,
) -> Result<()> {
    let cancellation = context.cancellation.clone();
    let work = async {
        let function = runtime.inner.parts.functions.wait_for(name).await;
        drop(stuck);
        let subscription = async { function.subscribe(arguments, context, sink).await };
        AssertUnwindSafe(subscription)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(Error::internal("the function panicked")))
    };
    let result = tokio::select! {
        result = work => result,
        // The run no longer wants messages. The function's future is dropped with this one.
        () = cancellation.cancelled() => Err(Error::new(ErrorCode::Cancelled, "the messages are no longer wanted")),
    };
    result.map_err(|error| error.with_operation(name))
}

pub(super) fn answer(action: ActionId, result: Result<Value>) -> Event {
    match result {
        Ok(output) => Event::Completed { action, output },
        Err(error) => Event::Failed {
            action,
            error: error.report(),
        },
    }
}

async fn call(
    runtime: &Runtime,
    name: &str,
    arguments: Value,
    mut context: FunctionContext,
    stuck: Option<StuckNote>,
) -> Result<Value> {
    let parts = &runtime.inner.parts;
    let cancellation = context.cancellation.clone();
    let work = async {
        let function = parts.functions.wait_for(name).await;
        drop(stuck);
        let _permit = runtime.inner.calls.acquire().await.map_err(|_| super::closed())?;
        let deadline = parts.clock.now().saturating_add(parts.limits.call_timeout);
        context.deadline = Some(deadline.unwrap_or(jiff::Timestamp::MAX));
        let call = AssertUnwindSafe(async move { function.call(arguments, context).await }).catch_unwind();
        // An answer that is there is taken, however late it is.
        tokio::select! {
            biased;
            result = call => result.unwrap_or_else(|_| Err(Error::internal("the function panicked"))),
            () = parts.clock.sleep(parts.limits.call_timeout) => Err(Error::new(
                ErrorCode::Timeout,
                format!("the call took longer than {} seconds", parts.limits.call_timeout.as_secs()),
            )),
        }
    };
    let result = tokio::select! {
        result = work => result,
        // The run no longer wants the answer. The function's future is dropped with this one.
        () = cancellation.cancelled() => Err(Error::new(ErrorCode::Cancelled, "the call is no longer wanted")),
    };
    cancellation.cancel();
    let output = result.map_err(|error| error.with_operation(name))?;
    check_payload("the result", &output, parts.limits.payload_bytes)
        .map_err(|error| error.with_operation(name))?;
    Ok(output)
}
