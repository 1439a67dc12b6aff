//! Carries out the actions of a run: calls of functions, and runs of other workflows.

use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use atom_core::function::{MessageSink, StepContext};
use atom_core::storage::{ParentStep, RunRecord, RunStatus};
use atom_core::{CancellationToken, Error, ErrorCode, FunctionContext, Principal, Result, Retry};
use futures::FutureExt;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::driver::Driver;
use super::patience::Pauses;
use super::stuck::StuckNote;
use super::{Runtime, StartRun};
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

    pub(super) fn begin_child(&mut self, action: ActionId, command: Command) {
        if let Command::StartRun { input, .. } = &command
            && self.redactor.finds_secret(input)
        {
            let error = Error::invalid_request(
                "the input of another run must not hold a secret, because inputs are stored; list the secret in that workflow's 'use.secrets'",
            );
            self.actions.spawn(std::future::ready(answer(action, Err(error))));
            return;
        }
        let runtime = self.runtime.clone();
        let principal = self.record.principal.clone();
        let parent = ParentStep {
            run: self.record.id,
            action,
        };
        let stop = CancellationToken::new();
        self.stops.insert(action, stop.clone());
        let tasks = runtime.inner.tasks.clone();
        let (sender, receiver) = oneshot::channel();
        // The child is looked after by a task of its own: it must be cancelled even when the run that
        // started it, and with it this run's actions, has ended.
        tasks.spawn(async move {
            let shutdown = runtime.inner.shutdown.clone();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                result = run_child(&runtime, &principal, parent, command, stop) => {
                    // Nobody waits any more when this fails.
                    let _ = sender.send(result);
                }
            }
        });
        self.actions.spawn(async move {
            match receiver.await {
                Ok(result) => answer(action, result),
                // The runtime closes: no answer, the run resumes later.
                Err(_) => std::future::pending().await,
            }
        });
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

fn answer(action: ActionId, result: Result<Value>) -> Event {
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
        tokio::select! {
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

async fn run_child(
    runtime: &Runtime,
    principal: &Principal,
    parent: ParentStep,
    command: Command,
    stop: CancellationToken,
) -> Result<Value> {
    let Command::StartRun {
        run: id, is_awaited, ..
    } = &command
    else {
        return Err(Error::internal("only a workflow can be started as a run"));
    };
    let (id, is_awaited, scope) = (*id, *is_awaited, principal.scope());
    let mut pauses = Pauses::default();
    loop {
        // Boxed: a run can start runs, so the types would be endless.
        let result = Box::pin(async {
            let record = start_child(runtime, principal, parent, &command).await?;
            if !is_awaited || record.status.has_ended() {
                return Ok(record);
            }
            runtime.drive(&record)?;
            tokio::select! {
                record = runtime.wait(&scope, id) => record,
                () = stop.cancelled() => {
                    let reason = "the run that started it no longer wants it".to_owned();
                    runtime.cancel(&scope, id, Some(reason)).await
                }
            }
        });
        match result.await {
            Ok(_) if !is_awaited => return Ok(Value::Null),
            Ok(record) => return outcome(record),
            // What the child answers is in its record. An error on the way there says nothing about the child,
            // and would be remembered for ever if it became the answer.
            Err(error) if is_of_the_engine(&error) && !stop.is_cancelled() => {
                tracing::warn!(run = %id, %error, "cannot reach the run that was started, will try again");
                runtime.inner.parts.clock.sleep(pauses.next()).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether an error comes from the engine's own store or state, rather than from what was asked.
fn is_of_the_engine(error: &Error) -> bool {
    error.retry() == Retry::Maybe
        || matches!(
            error.code(),
            ErrorCode::StorageFailed | ErrorCode::Closed | ErrorCode::Conflict | ErrorCode::Internal
        )
}

/// The child run, started now or before a crash.
async fn start_child(
    runtime: &Runtime,
    principal: &Principal,
    parent: ParentStep,
    command: &Command,
) -> Result<RunRecord> {
    let Command::StartRun {
        run: id,
        namespace,
        name,
        version,
        input,
        is_awaited,
    } = command
    else {
        return Err(Error::internal("only a workflow can be started as a run"));
    };
    let scope = principal.scope();
    let store = &runtime.inner.parts.store;
    if let Some(record) = store.run(&scope, *id).await? {
        return Ok(record);
    }
    let found = store.find(&scope, namespace, name, Some(version)).await?;
    let found = found.ok_or_else(|| {
        Error::not_found(format!(
            "no workflow {namespace}/{name} {version} is deployed; deploy it first"
        ))
    })?;
    let workflow = runtime.load(&scope, &found.hash).await?;
    let text = store.document(&scope, &found.hash).await?.unwrap_or_default();
    let mut start = StartRun::new(workflow, text, input.clone());
    start.id = Some(*id);
    start.directory = store
        .run(&scope, parent.run)
        .await?
        .and_then(|parent| parent.directory);
    runtime
        .start_as(principal, start, is_awaited.then_some(parent))
        .await
}

fn outcome(record: RunRecord) -> Result<Value> {
    match record.status {
        RunStatus::Completed => Ok(record.output.unwrap_or_default()),
        RunStatus::Cancelled => {
            Err(Error::new(ErrorCode::Cancelled, "the run was cancelled").with_context("run", record.id))
        }
        RunStatus::Faulted | RunStatus::Running | RunStatus::Queued | RunStatus::Paused => {
            let error = record.error.unwrap_or_default();
            Err(Error::new(ErrorCode::RunFaulted, "the run ended in an error")
                .with_context("run", record.id)
                .with_context("error", error))
        }
    }
}
