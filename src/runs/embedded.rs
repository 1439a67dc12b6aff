//! Runs that the engine carries out itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atom_core::storage::{
    ApprovalFilter, ApprovalRecord, Page, PageRequest, RunFilter, ScheduleRecord, Store,
};
use atom_core::{ApprovalId, CloudEvent, Error, Principal, Result, RunId, Scope};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{Decide, HistoryEntry, Runtime, StartRun, Step, unknown_approval};

use super::Runner;
use crate::api::{Run, RunWaits};

/// The embedded runtime.
#[derive(Debug)]
pub(super) struct Embedded {
    runtime: Runtime,
    store: Arc<dyn Store>,
}

impl Embedded {
    pub(super) fn new(runtime: Runtime, store: Arc<dyn Store>) -> Self {
        Self { runtime, store }
    }
}

#[async_trait]
impl Runner for Embedded {
    fn embedded(&self, _operation: &str) -> Result<&Runtime> {
        Ok(&self.runtime)
    }

    fn check(&self, _workflow: &Workflow) -> Result<()> {
        Ok(())
    }

    fn check_schedule(&self, _workflow: &Workflow) -> Result<()> {
        Ok(())
    }

    async fn schedule(&self, principal: &Principal, namespace: &str, name: &str) -> Result<()> {
        self.runtime.schedule(principal, namespace, name).await.map(drop)
    }

    async fn pause_schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<ScheduleRecord> {
        self.runtime.pause_schedule(scope, namespace, name).await
    }

    async fn resume_schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<ScheduleRecord> {
        self.runtime.resume_schedule(scope, namespace, name).await
    }

    async fn start(&self, principal: &Principal, start: StartRun) -> Result<Run> {
        self.runtime.start(principal, start).await.map(Run::from)
    }

    async fn get(&self, scope: &Scope, id: RunId) -> Result<Run> {
        let record = self.store.run(scope, id).await?;
        let record = record.ok_or_else(|| {
            Error::not_found(format!(
                "there is no run {id}; runs.list shows the runs there are"
            ))
        })?;
        Ok(record.into())
    }

    async fn wait(&self, scope: &Scope, id: RunId) -> Result<Run> {
        self.runtime.wait(scope, id).await.map(Run::from)
    }

    async fn list(&self, scope: &Scope, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>> {
        let runs = self.store.runs(scope, filter, page).await?;
        let items = runs.items.into_iter().map(|record| Run {
            input: None,
            output: None,
            ..record.into()
        });
        Ok(Page {
            items: items.collect(),
            next: runs.next,
        })
    }

    async fn count(&self, scope: &Scope, filter: &RunFilter) -> Result<u64> {
        self.store.count_runs(scope, filter).await
    }

    async fn waits(&self, scope: &Scope, id: RunId) -> Result<RunWaits> {
        let items = self.runtime.waits(scope, id).await?;
        let status = self.get(scope, id).await?.status;
        Ok(RunWaits {
            status,
            is_driven: !status.has_ended() && self.runtime.is_driven(scope, id),
            items,
            stuck: self.runtime.stuck_now(scope, id),
        })
    }

    async fn history(&self, scope: &Scope, id: RunId, after: u64, limit: usize) -> Result<Vec<HistoryEntry>> {
        self.runtime.history_page(scope, id, after, limit).await
    }

    async fn steps(&self, scope: &Scope, id: RunId, after: u64, limit: usize) -> Result<Vec<Step>> {
        self.runtime.steps(scope, id, after, limit).await
    }

    async fn delete(&self, scope: &Scope, id: RunId) -> Result<()> {
        self.runtime.delete_run(scope, id).await
    }

    async fn cancel(&self, scope: &Scope, id: RunId, reason: Option<String>) -> Result<Run> {
        self.runtime.cancel(scope, id, reason).await.map(Run::from)
    }

    async fn pause(&self, scope: &Scope, id: RunId, reason: Option<String>) -> Result<Run> {
        self.runtime.pause_run(scope, id, reason).await.map(Run::from)
    }

    async fn resume(&self, scope: &Scope, id: RunId) -> Result<Run> {
        self.runtime.resume_run(scope, id).await.map(Run::from)
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
        self.store.approvals(principal, filter, page).await
    }

    async fn approval(&self, principal: &Principal, id: ApprovalId) -> Result<ApprovalRecord> {
        let found = self.store.approval(principal, id).await?;
        found.ok_or_else(|| unknown_approval(id))
    }

    async fn decide(&self, principal: &Principal, decide: Decide) -> Result<ApprovalRecord> {
        self.runtime.decide(principal, decide).await
    }

    async fn go_on(&self, scope: Option<&Scope>) -> Result<Vec<RunId>> {
        self.runtime.resume(scope).await
    }

    async fn drain(&self, grace: Duration) -> Result<()> {
        self.runtime.drain(grace).await
    }

    async fn close(&self, grace: Duration) -> Result<()> {
        self.runtime.close(grace).await;
        Ok(())
    }
}
