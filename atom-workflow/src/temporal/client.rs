//! The connection to the server, and what is asked of runs there.

use std::str::FromStr;
use std::sync::Arc;

use atom_core::storage::{Decision, RunStatus};
use atom_core::{CloudEvent, Error, ErrorCode, Principal, Result, RunId, Scope};
use serde_json::Value;
use temporalio_client::errors::WorkflowGetResultError;
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, QueryRejectCondition, TlsOptions, Url,
    WorkflowCancelOptions, WorkflowExecuteUpdateOptions, WorkflowFetchHistoryOptions,
    WorkflowGetResultOptions, WorkflowHandle, WorkflowQueryOptions, WorkflowSignalOptions,
};
use temporalio_common::error::IncomingError;
use tokio::sync::Semaphore;

use super::action::fault;
use super::codec::Sealer;
use super::failure;
use super::interpreter::{Interpreter, RunView};
use super::message::{Answer, Asked, Decided, Mail};
use super::{TemporalConfig, TemporalParts, workflow_id};
use crate::runtime::{Decide, Runtime};

type Handle = WorkflowHandle<Client, Interpreter>;

/// How many histories are replayed at once to tell what has happened: each may be large.
const REPLAYS: usize = 4;

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
    /// How many histories may be replayed at once.
    pub(super) replays: Arc<Semaphore>,
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
        let tls = (target.scheme() == "https").then(|| {
            let mut tls = TlsOptions::default();
            tls.server_root_ca_cert.clone_from(&config.authority);
            tls
        });
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
            replays: Arc::new(Semaphore::new(REPLAYS)),
        };
        runtime.register_attributes().await?;
        Ok(runtime)
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
