//! Runs that a run starts.

use atom_core::storage::{ParentStep, RunRecord, RunStatus};
use atom_core::{CancellationToken, Error, ErrorCode, Principal, Result, Retry};
use serde_json::Value;
use tokio::sync::oneshot;

use super::action::answer;
use super::driver::{Driver, note_store};
use super::patience::Pauses;
use super::stuck::RunKey;
use super::{Runtime, StartRun};
use crate::machine::{ActionId, Command};

impl Driver<'_> {
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
            let tenure = runtime.inner.membership.tenure();
            tokio::select! {
                biased;
                () = tenure.end.cancelled() => {}
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

/// Starts a run and, when it is awaited, follows it to its end. What the child answers is in its record: an error on the
/// way there says nothing about the child, and would be remembered for ever if it became the answer.
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
    let child = (principal.scope(), *id);
    // Boxed: a run can start runs, so the types would be endless.
    let reached = Box::pin(reach_child(runtime, principal, parent, &command, &stop)).await;
    if !is_awaited || (reached.is_err() && !stop.is_cancelled()) {
        return reached.map(|()| Value::Null);
    }
    tokio::select! {
        biased;
        () = stop.cancelled() => {
            cancel_child(runtime, &child).await;
            Err(unwanted())
        }
        record = follow_child(runtime, &child) => outcome(record),
    }
}

/// Starts the child run unless it was started before. While the engine itself is what keeps it from that, the run that
/// starts it waits, and says so.
async fn reach_child(
    runtime: &Runtime,
    principal: &Principal,
    parent: ParentStep,
    command: &Command,
    stop: &CancellationToken,
) -> Result<()> {
    let mut pauses = Pauses::default();
    let mut stuck = None;
    loop {
        // Not dropped half-way: whoever no longer wants the child must know whether there is one.
        match start_child(runtime, principal, parent, command).await {
            Ok(_) => return Ok(()),
            Err(error) if is_answer(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(run = %parent.run, %error, "cannot start another run, will try again");
                stuck.get_or_insert_with(|| note_store(runtime, &principal.scope(), parent.run, &error));
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Err(unwanted()),
            () = runtime.inner.parts.clock.sleep(pauses.next()) => {}
        }
    }
}

/// Whether an error says something about what was to be started, rather than about the engine's present state.
fn is_answer(error: &Error) -> bool {
    error.retry() != Retry::Maybe
        && matches!(
            error.code(),
            ErrorCode::NotFound
                | ErrorCode::AlreadyExists
                | ErrorCode::InvalidRequest
                | ErrorCode::InvalidWorkflow
                | ErrorCode::InvalidExpression
                | ErrorCode::LimitExceeded
                | ErrorCode::PermissionDenied
                | ErrorCode::Unsupported
        )
}

/// Waits for the end of a child. One that the engine has given up is waited for until somebody resumes it.
async fn follow_child(runtime: &Runtime, child: &RunKey) -> RunRecord {
    let mut pauses = Pauses::default();
    let (scope, id) = child;
    loop {
        runtime.inner.stuck.until_driven(child).await;
        let followed = async {
            let record = runtime.record(scope, *id).await?;
            if record.status.has_ended() {
                return Ok(record);
            }
            if runtime.holds(&record) {
                runtime.drive(&record)?;
            }
            runtime.wait(scope, *id).await
        };
        match Box::pin(followed).await {
            Ok(record) => return record,
            Err(error) => {
                tracing::warn!(run = %id, %error, "cannot follow the run that was started, will try again");
                runtime.inner.parts.clock.sleep(pauses.next()).await;
            }
        }
    }
}

/// Cancels a child that nobody waits for any more. One that cannot be cancelled now is when the runs are resumed.
async fn cancel_child(runtime: &Runtime, (scope, id): &RunKey) {
    let mut pauses = Pauses::default();
    loop {
        let reason = "the run that started it no longer wants it".to_owned();
        match Box::pin(runtime.cancel(scope, *id, Some(reason))).await {
            Ok(_) => return,
            // It was not started.
            Err(error) if error.code() == ErrorCode::NotFound => return,
            Err(error) if error.retry() == Retry::Maybe => {
                runtime.inner.parts.clock.sleep(pauses.next()).await;
            }
            Err(error) => {
                tracing::warn!(run = %id, %error, "a run that nobody wants any more was not cancelled");
                return;
            }
        }
    }
}

fn unwanted() -> Error {
    Error::new(ErrorCode::Cancelled, "the run is no longer wanted")
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
    let mut start = StartRun::stored(workflow, input.clone());
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
