//! Carries out the commands of a run.

use std::time::Duration;

use atom_core::{Error, ErrorCode, ErrorReport, RunId, Scope};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use temporalio_common::error::IncomingError;
use temporalio_common::search_attributes::SearchAttributes;
use temporalio_sdk::{
    ActivityExecutionError, ApplicationFailure, ChildWorkflowCancellationType, ChildWorkflowExecutionError,
    ChildWorkflowOptions, ParentClosePolicy, TimerOptions, WorkflowCancellationToken, WorkflowContext,
    WorkflowIdReusePolicy,
};

use super::activities::Activities;
use super::driver::{Driver, options};
use super::interpreter::{Interpreter, now};
use super::listing::{ASKS, LABELS, RUNNING, STATE, WORKFLOW};
use super::message::{Answer, Begin, Call, Find};
use super::workflow_id;
use crate::machine::{ActionId, Command, Event};

/// The longest timer of the server; longer waits take several.
const MAX_TIMER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Driver {
    pub(super) fn begin_action(&mut self, action: ActionId, command: Command) {
        let stop = WorkflowCancellationToken::new();
        let is_timer = matches!(command, Command::Timer { .. });
        let answer: LocalBoxFuture<'static, Event> = match command {
            Command::Timer { at } => timer(self.context.clone(), action, at, stop.clone()).boxed_local(),
            Command::Call {
                function,
                arguments,
                task,
                idempotency_key,
            } => {
                let scope = self.begin.scope();
                let call = Call {
                    principal: self.begin.principal.clone(),
                    run: self.begin.run,
                    directory: self.begin.directory.clone(),
                    task,
                    function,
                    arguments,
                    idempotency_key: idempotency_key.unwrap_or_else(|| {
                        // As the embedded runtime has it.
                        let derived = self.begin.run.derive(&format!("{scope}:call:{action}"));
                        derived.to_string()
                    }),
                };
                let options = self.options(format!("call-{action}"), &stop);
                let context = self.context.clone();
                context.state_mut(|run| run.weigh(&call));
                async move {
                    answered(
                        action,
                        context.execute_activity(Activities::call, call, options).await,
                    )
                }
                .boxed_local()
            }
            Command::StartRun { .. } => self.child(action, command, &stop),
            Command::Subscribe { function, .. } => {
                let message =
                    format!("runs on Temporal do not carry out subscriptions, such as one of '{function}'");
                let error = Error::new(ErrorCode::Unsupported, message);
                std::future::ready(failed(action, &error)).boxed_local()
            }
            // The answers of people and events come by themselves.
            Command::Approve { .. } | Command::Listen => return,
        };
        self.underway.begin(action, stop, is_timer, answer);
    }

    fn child(
        &self,
        action: ActionId,
        command: Command,
        stop: &WorkflowCancellationToken,
    ) -> LocalBoxFuture<'static, Event> {
        let Command::StartRun {
            run,
            namespace,
            name,
            version,
            input,
            is_awaited,
        } = command
        else {
            return std::future::pending().boxed_local();
        };
        if self.context.state(|state| state.redactor().finds_secret(&input)) {
            let error = Error::invalid_request(
                "the input of another run must not hold a secret, because inputs are stored; list the secret in that workflow's 'use.secrets'",
            );
            return std::future::ready(failed(action, &error)).boxed_local();
        }
        let find = Find {
            scope: self.begin.scope(),
            namespace,
            name,
            version,
            input,
        };
        // Once to find the workflow, once to start the run.
        (0..2).for_each(|_| self.context.state_mut(|run| run.weigh(&find)));
        let mut attributes = self.context.search_attributes();
        // What the run itself asks is not what the other does.
        attributes.apply(ASKS.value_unset());
        attributes.apply(LABELS.value_unset());
        attributes.apply(STATE.value_set(RUNNING.to_owned()));
        attributes.apply(WORKFLOW.value_set(format!("{}/{}", find.namespace, find.name)));
        let child = Child {
            context: self.context.clone(),
            attributes,
            parent: self.begin.clone(),
            run,
            action,
            is_awaited,
            stop: stop.clone(),
        };
        child.answer(find).boxed_local()
    }
}

/// A run that a run starts.
struct Child {
    context: WorkflowContext<Interpreter>,
    /// What it is listed by.
    attributes: SearchAttributes,
    parent: Begin,
    run: RunId,
    action: ActionId,
    is_awaited: bool,
    stop: WorkflowCancellationToken,
}

impl Child {
    async fn answer(self, find: Find) -> Event {
        let options = options(&self.parent, format!("find-{}", self.action), &self.stop);
        let (scope, input) = (find.scope.clone(), find.input.clone());
        let hash = match self
            .context
            .execute_activity(Activities::find, find, options)
            .await
        {
            Ok(Answer::Completed(hash)) => hash,
            Ok(Answer::Failed(error)) => {
                return Event::Failed {
                    action: self.action,
                    error,
                };
            }
            Err(error) => return failed(self.action, &lost(&error)),
        };
        let begin = Begin {
            run: self.run,
            hash,
            input,
            created_at: now(self.context.workflow_time()),
            machine: crate::machine::MACHINE_VERSION,
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            continued: None,
            ..self.parent.clone()
        };
        let options = self.options(&scope);
        let started = self
            .context
            .start_child_workflow(Interpreter::run, begin, options)
            .await;
        let started = match started {
            Ok(started) => started,
            Err(error) => {
                let error = Error::new(ErrorCode::Conflict, "the run could not be started")
                    .with_context("run", self.run)
                    .with_context("cause", error);
                return failed(self.action, &error);
            }
        };
        if !self.is_awaited {
            return Event::Completed {
                action: self.action,
                output: Value::Null,
            };
        }
        match started.result().await {
            Ok(output) => Event::Completed {
                action: self.action,
                output,
            },
            Err(error) => failed(self.action, &self.outcome(&error)),
        }
    }

    fn options(&self, scope: &Scope) -> ChildWorkflowOptions {
        // Nobody wants the output of a run that was awaited once the one that awaited it has ended.
        let policy = if self.is_awaited {
            ParentClosePolicy::RequestCancel
        } else {
            ParentClosePolicy::Abandon
        };
        ChildWorkflowOptions::builder()
            .workflow_id(workflow_id(scope, self.run))
            .cancel_type(ChildWorkflowCancellationType::TryCancel)
            .cancellation_token(self.stop.clone())
            .parent_close_policy(policy)
            .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
            .search_attributes(self.attributes.clone())
            .build()
    }

    /// The error of a child that has not completed, as the embedded runtime has it.
    fn outcome(&self, error: &ChildWorkflowExecutionError) -> Error {
        if error.as_cancelled().is_some() {
            return Error::new(ErrorCode::Cancelled, "the run was cancelled").with_context("run", self.run);
        }
        let fault = match error.cause() {
            Some(IncomingError::Application(failure)) => fault(failure),
            _ => Value::Null,
        };
        Error::new(ErrorCode::RunFaulted, "the run ended in an error")
            .with_context("run", self.run)
            .with_context("error", fault)
    }
}

/// The error that a run ended in.
pub(super) fn fault(failure: &ApplicationFailure) -> Value {
    failure.details().ok().flatten().unwrap_or_default()
}

async fn timer(
    context: WorkflowContext<Interpreter>,
    action: ActionId,
    at: Timestamp,
    stop: WorkflowCancellationToken,
) -> Event {
    loop {
        let rest = at.duration_since(now(context.workflow_time()));
        let Ok(rest) = Duration::try_from(rest) else {
            return Event::Fired { action };
        };
        if rest.is_zero() {
            return Event::Fired { action };
        }
        let options = TimerOptions::builder(rest.min(MAX_TIMER));
        context
            .timer(options.cancellation_token(stop.clone()).build())
            .await;
        if stop.is_cancelled() {
            // Nobody waits any more.
            std::future::pending::<()>().await;
        }
    }
}

fn answered(action: ActionId, result: Result<Answer<Value>, ActivityExecutionError>) -> Event {
    match result {
        Ok(Answer::Completed(output)) => Event::Completed { action, output },
        Ok(Answer::Failed(error)) => Event::Failed { action, error },
        Err(error) => failed(action, &lost(&error)),
    }
}

fn failed(action: ActionId, error: &Error) -> Event {
    Event::Failed {
        action,
        error: ErrorReport::from(error),
    }
}

/// The error of an activity that the server gave up: activities are tried again without end, so somebody ended it.
fn lost(error: &ActivityExecutionError) -> Error {
    Error::internal("the server gave up what the run has begun").with_context("cause", error)
}
