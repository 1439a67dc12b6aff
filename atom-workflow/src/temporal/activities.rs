//! What runs do outside of themselves: everything of the interpreter that touches the world.
//!
//! Each is repeated until it has an answer: where its worker is lost, and where what it needs (a store, a vault) cannot be
//! reached. So a run waits for what an operator must mend rather than failing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use atom_core::function::StepContext;
use atom_core::{CancellationToken, Error, ErrorCode, Function, FunctionContext};
use futures::FutureExt;
use serde_json::{Map, Value};
use temporalio_common::error::ApplicationFailure;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

use super::TemporalParts;
use super::carried::check_carried;
use super::message::{Answer, Call, Find, Hear, Heard, Load, Loaded, Record};
use crate::definition::{Bundle, Workflow};
use crate::runtime::{may_be, text_of};

/// How many events of the log are read at a time.
const EVENT_PAGE: usize = 256;

/// The longest time between two signs of life.
const MAX_HEARTBEAT: Duration = Duration::from_secs(20);

/// How long the server waits before it gives what a worker has left to the next one.
const HANDOVER: Duration = Duration::from_millis(100);

/// What carries the activities out.
#[derive(Debug)]
pub(crate) struct Activities {
    parts: Arc<TemporalParts>,
    /// The calls that may be under way at once.
    calls: Semaphore,
    leaving: Leaving,
}

impl Activities {
    pub(super) fn new(parts: Arc<TemporalParts>, leaving: Leaving) -> Self {
        Self {
            calls: Semaphore::new(parts.limits.concurrent_calls),
            parts,
            leaving,
        }
    }
}

/// How far a worker has come with leaving.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaving {
    /// Nothing new begins, and what only waits is left to others.
    begun: CancellationToken,
    /// What is under way is left to others as well.
    over: CancellationToken,
}

impl Leaving {
    pub(super) fn begin(&self) {
        self.begun.cancel();
    }

    pub(super) fn finish(&self) {
        self.begun.cancel();
        self.over.cancel();
    }

    /// Cancelled when what is under way is left to others.
    pub(super) fn over(&self) -> &CancellationToken {
        &self.over
    }
}

#[activities]
impl Activities {
    /// The document of a run, and the secrets it names.
    #[activity(name = "atom.load")]
    pub(crate) async fn load(
        self: Arc<Self>,
        context: ActivityContext,
        load: Load,
    ) -> Result<Loaded, ActivityError> {
        alive(&context, &self.leaving.over, self.load_document(load))
            .await?
            .map_err(again)
    }

    /// Calls a function.
    #[activity(name = "atom.call")]
    pub(crate) async fn call(
        self: Arc<Self>,
        context: ActivityContext,
        call: Call,
    ) -> Result<Answer<Value>, ActivityError> {
        let turn = alive(&context, &self.leaving.begun, self.turn(&call.function)).await?;
        let cancellation = CancellationToken::new();
        let work = self.call_function(call, turn, cancellation.clone());
        let result = alive(&context, &self.leaving.over, work).await;
        cancellation.cancel();
        Ok(answer(result?))
    }

    /// Appends events to the log, and tells where it ends then.
    #[activity(name = "atom.record")]
    pub(crate) async fn record(
        self: Arc<Self>,
        context: ActivityContext,
        record: Record,
    ) -> Result<u64, ActivityError> {
        alive(&context, &self.leaving.over, self.append(record))
            .await?
            .map_err(again)
    }

    /// Waits for events of the log.
    #[activity(name = "atom.hear")]
    pub(crate) async fn hear(
        self: Arc<Self>,
        context: ActivityContext,
        hear: Hear,
    ) -> Result<Heard, ActivityError> {
        alive(&context, &self.leaving.begun, self.read_on(hear))
            .await?
            .map_err(again)
    }

    /// The hash of a deployed workflow that a run can be started of.
    #[activity(name = "atom.find")]
    pub(crate) async fn find(
        self: Arc<Self>,
        context: ActivityContext,
        find: Find,
    ) -> Result<Answer<String>, ActivityError> {
        match alive(&context, &self.leaving.over, self.find_workflow(find)).await? {
            Err(error) if !is_answer(&error) => Err(again(error)),
            result => Ok(answer(result)),
        }
    }
}

impl Activities {
    async fn load_document(&self, load: Load) -> atom_core::Result<Loaded> {
        let text = text_of(self.parts.store.as_ref(), &load.scope, &load.hash).await?;
        let workflow = Bundle::read(&text)?.parse()?;
        let mut secrets = Map::new();
        for name in &workflow.secrets {
            // The history keeps what it was: a secret that is gone must come back before the run goes on.
            let secret = self.parts.vault.get(&load.scope, name).await?;
            let secret = secret.ok_or_else(|| missing_secret(name))?;
            secrets.insert(name.clone(), Value::String(secret.expose().to_owned()));
        }
        Ok(Loaded { text, secrets })
    }

    /// Waits until a function is there and its call may begin.
    async fn turn(&self, function: &str) -> Turn<'_> {
        Turn {
            function: self.parts.functions.wait_for(function).await,
            permit: self.calls.acquire().await,
        }
    }

    async fn call_function(
        &self,
        call: Call,
        turn: Turn<'_>,
        cancellation: CancellationToken,
    ) -> atom_core::Result<Value> {
        let limits = &self.parts.limits;
        let Turn { function, permit } = turn;
        let _permit = permit.map_err(|_| Error::internal("no calls are made any more"))?;
        let deadline = self.parts.clock.now().saturating_add(limits.call_timeout);
        let context = FunctionContext {
            principal: call.principal,
            step: Some(StepContext {
                run: call.run,
                task: call.task,
            }),
            idempotency_key: call.idempotency_key,
            directory: call.directory,
            deadline: Some(deadline.unwrap_or(jiff::Timestamp::MAX)),
            cancellation,
        };
        let arguments = call.arguments;
        let work = AssertUnwindSafe(async move { function.call(arguments, context).await }).catch_unwind();
        let result = tokio::select! {
            biased;
            result = work => result.unwrap_or_else(|_| Err(Error::internal("the function panicked"))),
            () = self.parts.clock.sleep(limits.call_timeout) => Err(Error::new(
                ErrorCode::Timeout,
                format!("the call took longer than {} seconds", limits.call_timeout.as_secs()),
            )),
        };
        let output = result.and_then(|output| {
            check_payload("the result", &output, limits.payload_bytes)?;
            Ok(output)
        });
        output.map_err(|error| error.with_operation(call.function))
    }

    async fn append(&self, record: Record) -> atom_core::Result<u64> {
        // Those that are in the log already stay where they are.
        for event in &record.events {
            self.parts.store.append(&record.scope, event).await?;
        }
        self.parts.store.head().await
    }

    async fn read_on(&self, hear: Hear) -> atom_core::Result<Heard> {
        let mut head = self.parts.store.watch();
        let mut until = hear.after;
        loop {
            head.mark_unchanged();
            let page = self.parts.store.read(&hear.scope, until, EVENT_PAGE).await?;
            let is_last = page.len() < EVENT_PAGE;
            if let Some(last) = page.last() {
                until = last.offset;
            }
            let wanted = page.into_iter().filter(|logged| {
                let types = hear.types.as_ref();
                types.is_none_or(|types| types.iter().any(|wanted| may_be(wanted, &logged.event.kind)))
            });
            let events: Vec<_> = wanted.map(|logged| (logged.offset, logged.event)).collect();
            if !events.is_empty() {
                return Ok(Heard { events, until });
            }
            if is_last && head.changed().await.is_err() {
                return Err(Error::new(ErrorCode::Closed, "the store was closed"));
            }
        }
    }

    async fn find_workflow(&self, find: Find) -> atom_core::Result<String> {
        let Find {
            scope,
            namespace,
            name,
            version,
            input,
        } = find;
        let found = self
            .parts
            .store
            .find(&scope, &namespace, &name, Some(&version))
            .await?;
        let found = found.ok_or_else(|| {
            Error::not_found(format!(
                "no workflow {namespace}/{name} {version} is deployed; deploy it first"
            ))
        })?;
        let text = text_of(self.parts.store.as_ref(), &scope, &found.hash).await?;
        let workflow = Bundle::read(&text)?.parse()?;
        self.parts.check_start(&scope, &workflow, &input).await?;
        Ok(found.hash)
    }
}

/// A function whose call may begin.
struct Turn<'activities> {
    function: Arc<dyn Function>,
    permit: Result<SemaphorePermit<'activities>, AcquireError>,
}

impl TemporalParts {
    /// Checks that a run of this document can be started with this input.
    pub(super) async fn check_start(
        &self,
        scope: &atom_core::Scope,
        workflow: &Workflow,
        input: &Value,
    ) -> atom_core::Result<()> {
        workflow.check_supported()?;
        workflow.check_resolved()?;
        check_carried(workflow)?;
        check_payload("the input", input, self.limits.payload_bytes)?;
        for (name, task) in workflow.called_functions() {
            let function = self.functions.usable(name);
            function.map_err(|error| task.located(error))?;
        }
        for name in &workflow.secrets {
            if self.vault.get(scope, name).await?.is_none() {
                return Err(missing_secret(name));
            }
        }
        Ok(())
    }
}

/// Carries something out, while telling the server that it is under way. What the run no longer wants, or is to be left to
/// another worker, is dropped.
pub(super) async fn alive<T>(
    context: &ActivityContext,
    leave: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T, ActivityError> {
    if leave.is_cancelled() {
        return Err(left());
    }
    let timeout = context.info().heartbeat_timeout.unwrap_or(MAX_HEARTBEAT);
    let mut beat = tokio::time::interval((timeout / 3).min(MAX_HEARTBEAT).max(Duration::from_millis(10)));
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return Ok(result),
            () = context.cancelled() => {
                let stopped = ApplicationFailure::new("the activity was stopped");
                return Err(ActivityError::application(stopped));
            }
            () = leave.cancelled() => return Err(left()),
            _ = beat.tick() => context.record_heartbeat(()).await?,
        }
    }
}

/// What makes the server give an activity to another worker, however often that happened before.
fn left() -> ActivityError {
    let left = Error::new(ErrorCode::Closed, "the worker leaves this to another one");
    let left = ApplicationFailure::builder(left).next_retry_delay(HANDOVER);
    ActivityError::application(left.build())
}

/// Checks that data can be kept.
pub(super) fn check_payload(name: &str, data: &Value, limit: usize) -> atom_core::Result<()> {
    let size = serde_json::to_string(data).map_or(usize::MAX, |text| text.len());
    if size > limit {
        return Err(Error::new(
            ErrorCode::LimitExceeded,
            format!("{name} has {size} bytes as JSON, more than {limit}"),
        ));
    }
    crate::machine::check_depth(data)
        .map_err(|error| Error::new(ErrorCode::LimitExceeded, error.detail.unwrap_or_default()))
}

fn missing_secret(name: &str) -> Error {
    Error::not_found(format!(
        "the workflow needs the secret '{name}'; set it with secrets.set"
    ))
}

fn answer<T>(result: atom_core::Result<T>) -> Answer<T> {
    match result {
        Ok(output) => Answer::Completed(output),
        Err(error) => Answer::Failed(error.report()),
    }
}

/// Whether an error says something about what was asked for, rather than about the present state of what was asked.
fn is_answer(error: &Error) -> bool {
    error.retry() != atom_core::Retry::Maybe
        && !matches!(
            error.code(),
            ErrorCode::Internal | ErrorCode::Closed | ErrorCode::StorageFailed | ErrorCode::StorageFull
        )
}

/// What makes the server try again.
pub(super) fn again(error: Error) -> ActivityError {
    tracing::warn!(%error, "an activity will be tried again");
    ActivityError::application(ApplicationFailure::new(error))
}
