//! Runs on a Temporal server.

mod address;
mod schedules;

pub(crate) use address::Address;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use atom_core::storage::{
    ApprovalFilter, ApprovalRecord, Page, PageRequest, RunFilter, RunStatus, ScheduleRecord,
};
use atom_core::{ApprovalId, CloudEvent, Error, ErrorCode, Principal, Result, RunId, Scope};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{Decide, HistoryEntry, Runtime, StartRun, Step};
use atom_workflow::temporal::{
    ListedRun, TemporalConfig, TemporalLimits, TemporalParts, TemporalRuntime, TemporalWorker, ensure_key,
};

use tokio::sync::OnceCell;

use super::{Runner, RunnerParts};
use crate::api::{Run, RunWaits};

/// A connection to the server, and the worker of this engine.
#[derive(Debug)]
pub(super) struct Temporal {
    runtime: TemporalRuntime,
    /// Reads what documents refer to.
    embedded: Runtime,
    /// The worker of this engine, once it has begun to work; nothing when it no longer does.
    worker: OnceCell<Mutex<Option<TemporalWorker>>>,
}

impl Temporal {
    pub(super) async fn open(address: Address, parts: RunnerParts) -> Result<Self> {
        let operator = operator();
        let (store, vault) = (parts.store, parts.vault);
        let (random, now) = (parts.random, parts.clock.now());
        ensure_key(vault.as_ref(), store.as_ref(), &operator, random.as_ref(), now).await?;
        let config = TemporalConfig {
            authority: address.authority()?,
            target: address.target,
            namespace: address.namespace,
            task_queue: address.task_queue,
            operator,
            api_key: address.api_key,
        };
        let parts_of_runs = TemporalParts {
            store,
            vault,
            functions: parts.functions,
            clock: parts.clock,
            random,
            limits: TemporalLimits::default(),
        };
        Ok(Self {
            runtime: TemporalRuntime::connect(Arc::new(parts_of_runs), config).await?,
            embedded: parts.runtime,
            worker: OnceCell::new(),
        })
    }

    /// Stops the worker for good; what it has begun may come to its end for at most `grace`.
    async fn stop(&self, grace: Duration) -> Result<()> {
        let worker = self.worker.get_or_init(async || Mutex::new(None)).await;
        let worker = worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        match worker {
            Some(worker) => worker.stop(grace).await,
            None => Ok(()),
        }
    }
}

/// Whose key seals what the server keeps: nobody who can call operations, as the name holds a control character. All engines
/// of a store are the same operator.
fn operator() -> Scope {
    Scope {
        tenant: "\u{0}".to_owned(),
        user: "temporal".to_owned(),
    }
}

fn shown(run: ListedRun) -> Run {
    Run {
        id: run.id,
        workflow: run.workflow,
        started_with: None,
        status: run.status,
        input: None,
        output: None,
        error: None,
        parent: None,
        rerun_of: None,
        trigger: run.trigger,
        tags: run.labels.tags,
        fields: run.labels.fields,
        idempotency_key: run.idempotency_key,
        admission: None,
        created_at: run.created_at,
        updated_at: run.ended_at.unwrap_or(run.created_at),
        ended_at: run.ended_at,
    }
}

/// The error of what runs on Temporal do not have.
fn unsupported(what: &str) -> Error {
    Error::new(
        ErrorCode::Unsupported,
        format!("{what} is not there for runs on Temporal; open the engine with 'runs' at embedded for it"),
    )
}

#[async_trait]
impl Runner for Temporal {
    fn embedded(&self, operation: &str) -> Result<&Runtime> {
        Err(unsupported(&format!("'{operation}'")))
    }

    fn check(&self, workflow: &Workflow) -> Result<()> {
        TemporalRuntime::check(workflow)
    }

    fn check_schedule(&self, workflow: &Workflow) -> Result<()> {
        TemporalRuntime::check_schedule(workflow)
    }

    async fn schedule(&self, principal: &Principal, namespace: &str, name: &str) -> Result<()> {
        self.set_schedule(principal, namespace, name).await
    }

    async fn pause_schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<ScheduleRecord> {
        self.stop_schedule(scope, namespace, name).await
    }

    async fn resume_schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<ScheduleRecord> {
        self.go_on_with_schedule(scope, namespace, name).await
    }

    async fn start(&self, principal: &Principal, start: StartRun) -> Result<Run> {
        let start = self.embedded.resolve_start(principal, start).await?;
        let id = self.runtime.start(principal, start).await?;
        self.get(&principal.scope(), id).await
    }

    async fn get(&self, scope: &Scope, id: RunId) -> Result<Run> {
        let run = shown(self.runtime.run(scope, id).await?);
        if run.status.has_ended() {
            return self.wait(scope, id).await;
        }
        Ok(Run {
            input: Some(self.runtime.input(scope, id).await?),
            ..run
        })
    }

    async fn wait(&self, scope: &Scope, id: RunId) -> Result<Run> {
        let ended = self.runtime.wait(scope, id).await?;
        Ok(Run {
            status: ended.status,
            input: Some(self.runtime.input(scope, id).await?),
            output: ended.output,
            error: ended.error,
            ..shown(self.runtime.run(scope, id).await?)
        })
    }

    async fn list(&self, scope: &Scope, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>> {
        let listed = self.runtime.runs(scope, filter, page).await?;
        Ok(Page {
            items: listed.items.into_iter().map(shown).collect(),
            next: listed.next,
        })
    }

    async fn count(&self, scope: &Scope, filter: &RunFilter) -> Result<u64> {
        self.runtime.count(scope, filter).await
    }

    async fn waits(&self, scope: &Scope, id: RunId) -> Result<RunWaits> {
        let viewed = self.runtime.view(scope, id).await;
        let status = self.runtime.run(scope, id).await?.status;
        let items = match viewed {
            Ok(view) => view.waits,
            Err(_) if status.has_ended() => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(RunWaits {
            status,
            // Whoever has told what it waits for.
            is_driven: !status.has_ended(),
            items,
            stuck: Vec::new(),
        })
    }

    async fn history(&self, scope: &Scope, id: RunId, after: u64, limit: usize) -> Result<Vec<HistoryEntry>> {
        self.runtime.history_page(scope, id, after, limit).await
    }

    async fn steps(&self, scope: &Scope, id: RunId, after: u64, limit: usize) -> Result<Vec<Step>> {
        self.runtime.steps(scope, id, after, limit).await
    }

    async fn delete(&self, scope: &Scope, id: RunId) -> Result<()> {
        self.runtime.delete(scope, id).await
    }

    async fn cancel(&self, scope: &Scope, id: RunId, reason: Option<String>) -> Result<Run> {
        self.runtime.cancel(scope, id, reason).await?;
        self.get(scope, id).await
    }

    async fn pause(&self, scope: &Scope, id: RunId, reason: Option<String>) -> Result<Run> {
        self.runtime.pause_run(scope, id, reason).await?;
        // A worker has still to take notice.
        let run = self.get(scope, id).await?;
        Ok(match run.status {
            RunStatus::Running => Run {
                status: RunStatus::Paused,
                ..run
            },
            _ => run,
        })
    }

    async fn resume(&self, scope: &Scope, id: RunId) -> Result<Run> {
        self.runtime.resume_run(scope, id).await?;
        let run = self.get(scope, id).await?;
        Ok(match run.status {
            RunStatus::Paused => Run {
                status: RunStatus::Running,
                ..run
            },
            _ => run,
        })
    }

    async fn signal(&self, scope: &Scope, id: RunId, event: CloudEvent) -> Result<()> {
        self.runtime.signal(scope, id, event).await
    }

    async fn approvals(
        &self,
        principal: &Principal,
        filter: &ApprovalFilter,
        page: &PageRequest,
    ) -> Result<Page<ApprovalRecord>> {
        self.runtime.approvals(principal, filter, page).await
    }

    async fn approval(&self, principal: &Principal, id: ApprovalId) -> Result<ApprovalRecord> {
        self.runtime.approval(principal, id).await
    }

    async fn decide(&self, principal: &Principal, decide: Decide) -> Result<ApprovalRecord> {
        self.runtime.decide_approval(principal, decide).await
    }

    async fn go_on(&self, scope: Option<&Scope>) -> Result<Vec<RunId>> {
        if scope.is_some() {
            return Err(unsupported("letting the runs of one owner go on"));
        }
        let begin = async || {
            match self.runtime.follow_schedules().await {
                // Runs go on all the same; whoever opens an engine next tries again.
                Err(error) if error.code() == ErrorCode::Unavailable => {
                    tracing::warn!(%error, "the schedules of the Temporal server could not be compared with the storage");
                }
                followed => followed?,
            }
            let worker = TemporalWorker::start(self.runtime.clone()).await?;
            Ok::<_, Error>(Mutex::new(Some(worker)))
        };
        self.worker.get_or_try_init(begin).await?;
        Ok(Vec::new())
    }

    async fn drain(&self, grace: Duration) -> Result<()> {
        self.stop(grace).await
    }

    async fn close(&self, grace: Duration) -> Result<()> {
        let stopped = self.stop(grace).await;
        self.embedded.close(grace).await;
        stopped
    }
}
