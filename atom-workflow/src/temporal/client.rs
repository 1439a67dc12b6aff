//! Starting runs on the server, and what is asked of them.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use atom_core::storage::{Decision, RunStatus, RunTrigger};
use atom_core::{CloudEvent, Error, ErrorCode, Principal, Result, RunId, Scope};
use serde_json::Value;
use temporalio_client::errors::WorkflowGetResultError;
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, QueryRejectCondition, TlsOptions, Url,
    WorkflowCancelOptions, WorkflowExecuteUpdateOptions, WorkflowFetchHistoryOptions,
    WorkflowGetResultOptions, WorkflowHandle, WorkflowIdReusePolicy, WorkflowQueryOptions,
    WorkflowSignalOptions, WorkflowStartOptions,
};
use temporalio_common::MemoValues;
use temporalio_common::error::IncomingError;
use temporalio_common::search_attributes::SearchAttributes;

use super::action::fault;
use super::codec::Sealer;
use super::failure;
use super::interpreter::{Interpreter, RunView};
use super::listing::{MEMO, OWNER, RUNNING, STATE, Summary, TENANT, WORKFLOW};
use super::message::{Answer, Asked, Begin, Decided, Mail};
use super::{TemporalConfig, TemporalParts, workflow_id};
use crate::definition::Workflow;
use crate::machine::MACHINE_VERSION;
use crate::runtime::{Decide, Runtime};

type Handle = WorkflowHandle<Client, Interpreter>;

/// A run to start.
#[derive(Clone, Debug)]
pub struct TemporalStart {
    /// The id to give it. Starting a run whose id is taken returns that id, provided that the run follows the same document
    /// and has the same input.
    pub id: Option<RunId>,
    /// The document, parsed.
    pub workflow: Arc<Workflow>,
    /// The document's text, with its resources as [`Runtime::resolve`](crate::runtime::Runtime::resolve) gives it.
    pub text: String,
    /// The input.
    pub input: Value,
    /// Where relative file paths start.
    pub directory: Option<PathBuf>,
    /// What starts it by itself, for a run that nobody asked for.
    pub trigger: Option<RunTrigger>,
}

impl TemporalStart {
    /// A start without a chosen id or directory.
    pub fn new(workflow: Arc<Workflow>, text: impl Into<String>, input: Value) -> Self {
        Self {
            id: None,
            workflow,
            text: text.into(),
            input,
            directory: None,
            trigger: None,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// `Completed`, `Faulted` or `Cancelled`.
    pub status: RunStatus,
    /// The output of a completed run.
    pub output: Option<Value>,
    /// The error of a faulted run.
    pub error: Option<Value>,
}

/// Runs on a Temporal server. Clones share the connection.
#[derive(Clone, Debug)]
pub struct TemporalRuntime {
    pub(super) parts: Arc<TemporalParts>,
    pub(super) config: TemporalConfig,
    pub(super) client: Client,
    pub(super) sealer: Arc<Sealer>,
    /// Keeps the records of schedules; it carries out no runs.
    pub(super) schedules: Runtime,
}

impl TemporalRuntime {
    /// Connects to the server, and registers in its namespace what runs are listed by.
    ///
    /// # Errors
    /// `not_found` for a missing key, `invalid_request` for a target that is no URL, `unavailable` when the server is not
    /// reached, `storage_failed`.
    pub async fn connect(parts: Arc<TemporalParts>, config: TemporalConfig) -> Result<Self> {
        let store = Arc::clone(&parts.store);
        let sealer = Arc::new(Sealer::open(parts.vault.as_ref(), store, &config.operator).await?);
        let target = Url::from_str(&config.target).map_err(|error| {
            Error::invalid_request("the target must be a URL, such as http://127.0.0.1:7233")
                .with_source(error)
        })?;
        let tls = (target.scheme() == "https").then(TlsOptions::default);
        let api_key = config.api_key.as_ref().map(|key| key.expose().to_owned());
        let options = ConnectionOptions::new(target)
            .maybe_tls_options(tls)
            .maybe_api_key(api_key)
            .identity(format!("atom@{}", std::process::id()))
            .build();
        let connection = Connection::connect(options).await.map_err(failure::unreachable)?;
        let options = ClientOptions::new(config.namespace.clone()).data_converter(sealer.data_converter());
        let client = Client::new(connection, options.build()).map_err(failure::unreachable)?;
        let runtime = Self {
            schedules: super::schedule::records(&parts),
            parts,
            config,
            client,
            sealer,
        };
        runtime.register_attributes().await?;
        Ok(runtime)
    }

    /// Checks that runs of this document can be carried out on Temporal.
    ///
    /// # Errors
    /// `unsupported` for limits on how many runs go on at once, a computed idempotency key, and subscriptions.
    pub fn check(workflow: &Workflow) -> Result<()> {
        super::carried::check_carried(workflow)
    }

    /// Starts a run. Once this returns, the server has it; it goes on when there is a worker.
    ///
    /// # Errors
    /// `unsupported` for a document with parts that runs on Temporal do not carry out, `not_found` for a function or secret
    /// that is not there, `limit_exceeded` for an input over the limit, `already_exists` when the id is taken by a run of
    /// another document or with another input, `unavailable`, `storage_full`, `storage_failed`.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have started the run; give an id to be able to tell.
    pub async fn start(&self, principal: &Principal, start: TemporalStart) -> Result<RunId> {
        principal.validate()?;
        let scope = principal.scope();
        let parts = &self.parts;
        parts.check_start(&scope, &start.workflow, &start.input).await?;
        let hash = &start.workflow.hash;
        parts.store.put_document(&scope, hash, &start.text).await?;
        let now = parts.clock.now();
        let id = start.id.unwrap_or_else(|| RunId::new(now, parts.random.as_ref()));
        let begin = Begin {
            machine: MACHINE_VERSION,
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            principal: principal.clone(),
            run: id,
            hash: hash.clone(),
            input: start.input,
            created_at: now,
            directory: start.directory,
            limits: parts.limits.pinned(),
            continued: None,
        };
        let summary = Summary {
            trigger: start.trigger,
            ..Summary::new(&begin, &start.workflow)
        };
        let mut memo = MemoValues::new();
        memo.insert(MEMO, summary.clone());
        let attributes = SearchAttributes::new([
            OWNER.value_set(self.sealer.owner(&scope)?),
            TENANT.value_set(self.sealer.tenant(&scope.tenant)?),
            STATE.value_set(RUNNING.to_owned()),
            WORKFLOW.value_set(format!(
                "{}/{}",
                summary.workflow.namespace, summary.workflow.name
            )),
        ]);
        let options = WorkflowStartOptions::new(self.config.task_queue.clone(), workflow_id(&scope, id))
            .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
            .search_attributes(attributes)
            .memo(memo)
            .build();
        match self.client.start_workflow(Interpreter::run, begin, options).await {
            Ok(_) => Ok(id),
            Err(temporalio_client::errors::WorkflowStartError::AlreadyStarted { .. }) => {
                self.start_again(&scope, &summary).await
            }
            Err(error) => Err(failure::start(error)),
        }
    }

    async fn start_again(&self, scope: &Scope, start: &Summary) -> Result<RunId> {
        let (taken, _) = self.described(scope, start.run).await?;
        if taken.workflow.hash == start.workflow.hash && taken.input == start.input {
            return Ok(start.run);
        }
        Err(Error::new(
            ErrorCode::AlreadyExists,
            "there is a run of another document or with another input that has this id; choose another id",
        )
        .with_context("run", start.run))
    }

    /// Waits until a run has ended.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `unavailable`, `conflict` for one that somebody has terminated at the server.
    ///
    /// # Cancel safety
    /// Dropping the future forgets the wait; the run goes on.
    pub async fn wait(&self, scope: &Scope, run: RunId) -> Result<Ended> {
        let result = self
            .handle(scope, run)
            .get_result(WorkflowGetResultOptions::default())
            .await;
        let (status, output, error) = match result {
            Ok(output) => (RunStatus::Completed, Some(output), None),
            Err(WorkflowGetResultError::Cancelled { .. }) => (RunStatus::Cancelled, None, None),
            Err(WorkflowGetResultError::Failed(failed)) => match *failed {
                IncomingError::Application(failure) => (RunStatus::Faulted, None, Some(fault(&failure))),
                other => return Err(failure::ended_elsewhere(run, other)),
            },
            Err(error) => return Err(failure::result(error, run)),
        };
        Ok(Ended {
            status,
            output,
            error,
        })
    }

    /// Cancels a run: what it waits for is stopped, what it has done is undone, and it ends as cancelled.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `unavailable`.
    pub async fn cancel(&self, scope: &Scope, run: RunId, reason: Option<String>) -> Result<()> {
        let options = WorkflowCancelOptions::builder()
            .reason(reason.unwrap_or_default())
            .build();
        let cancelled = self.handle(scope, run).cancel(options).await;
        match cancelled.map_err(|error| failure::interaction(error, run)) {
            // One that has ended stays as it is.
            Err(error) if error.code() == ErrorCode::NotFound => self.described(scope, run).await.map(drop),
            result => result,
        }
    }

    /// Pauses a run: nothing new begins in it until it is resumed.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `conflict` when it has ended, `unavailable`.
    pub async fn pause_run(&self, scope: &Scope, run: RunId, reason: Option<String>) -> Result<()> {
        self.send(scope, run, Mail::Pause { reason }).await
    }

    /// Lets a paused run go on.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `conflict` when it has ended, `unavailable`.
    pub async fn resume_run(&self, scope: &Scope, run: RunId) -> Result<()> {
        self.send(scope, run, Mail::Resume).await
    }

    /// Sends an event to one run. The server keeps it until a task of the run listens for it; beyond a thousand that none
    /// has listened for, more are dropped.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `conflict` when it has ended, `invalid_request` for a malformed event, `unavailable`.
    pub async fn signal(&self, scope: &Scope, run: RunId, event: CloudEvent) -> Result<()> {
        event.validate()?;
        for data in event.data.iter().chain(event.extensions.values()) {
            super::activities::check_payload("the event", data, self.parts.limits.payload_bytes)?;
        }
        self.send(scope, run, Mail::Signal(Box::new(event))).await
    }

    async fn send(&self, scope: &Scope, run: RunId, mail: Mail) -> Result<()> {
        let options = WorkflowSignalOptions::default();
        let sent = self
            .handle(scope, run)
            .signal(Interpreter::mail, Some(mail), options)
            .await;
        match sent.map_err(|error| failure::interaction(error, run)) {
            // The server says the same of a run that has ended.
            Err(error) if error.code() == ErrorCode::NotFound => {
                self.described(scope, run).await?;
                Err(failure::ended(run))
            }
            result => result,
        }
    }

    /// What can be seen of a run that has not ended. It takes a worker.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `conflict` when it has ended, `unavailable`.
    pub async fn view(&self, scope: &Scope, run: RunId) -> Result<RunView> {
        let options = WorkflowQueryOptions::builder().reject_condition(QueryRejectCondition::NotOpen);
        let viewed = self
            .handle(scope, run)
            .query(Interpreter::view, (), options.build())
            .await;
        viewed.map_err(|error| failure::query(error, run))
    }

    /// What a run of `owner` asks, as far as this principal sees it: the owner, and who may decide. It takes a worker.
    ///
    /// # Errors
    /// `not_found` for an unknown run or one of another tenant, `conflict` when it has ended, `unavailable`.
    pub async fn asked(&self, principal: &Principal, owner: &Scope, run: RunId) -> Result<Vec<Asked>> {
        principal.validate()?;
        if principal.tenant != owner.tenant {
            return Err(failure::unknown(run));
        }
        let mut asked = self.view(owner, run).await?.approvals;
        asked.retain(|asked| *owner == principal.scope() || asked.may_be_decided_by(owner, principal));
        Ok(asked)
    }

    /// Decides on an approval that a run of `owner` waits for, as this principal. It takes a worker.
    ///
    /// # Errors
    /// `not_found` for a run or approval that the principal does not see, `permission_denied` when others are to decide,
    /// `conflict` when it was decided or the run no longer asks, `invalid_request` or `limit_exceeded` for a decision that
    /// does not answer what was asked, `unavailable`.
    pub async fn decide(
        &self,
        principal: &Principal,
        owner: &Scope,
        run: RunId,
        decide: Decide,
    ) -> Result<()> {
        let asked = self.asked(principal, owner, run).await?;
        let asked = asked.into_iter().find(|asked| asked.id == decide.approval);
        let asked = asked.ok_or_else(|| crate::runtime::unknown_approval(decide.approval))?;
        if !asked.may_be_decided_by(owner, principal) {
            return Err(Error::new(
                ErrorCode::PermissionDenied,
                "others are to decide on this approval; its assignees say who",
            ));
        }
        let decided = Decided {
            action: asked.action,
            decision: Decision {
                decision: decide.decision,
                by: principal.user.clone(),
                comment: decide.comment,
                form: decide.form,
                input: decide.input,
            },
        };
        let options = WorkflowExecuteUpdateOptions::default();
        let answer = self
            .handle(owner, run)
            .execute_update(Interpreter::decide, decided, options)
            .await;
        match answer.map_err(|error| failure::update(error, run))? {
            Answer::Completed(()) => Ok(()),
            Answer::Failed(report) => Err(Error::from(report)),
        }
    }

    /// The history of a run as the server keeps it, sealed: for [`replay`](super::replay).
    ///
    /// # Errors
    /// `not_found` for an unknown run, `unavailable`.
    pub async fn history(&self, scope: &Scope, run: RunId) -> Result<Vec<u8>> {
        let history = self
            .handle(scope, run)
            .fetch_history(WorkflowFetchHistoryOptions::default());
        history
            .to_json()
            .await
            .map_err(|error| failure::history(error, run))
    }

    pub(super) fn handle(&self, scope: &Scope, run: RunId) -> Handle {
        self.client.get_workflow_handle(workflow_id(scope, run))
    }
}
