//! Starting runs.

use std::sync::Arc;

use atom_core::storage::{JournalEntry, NewRun, ParentStep, RunRecord, WorkflowKey};
use atom_core::{Error, ErrorCode, Principal, Result, RunId, Scope};

use super::{Runtime, StartRun, check_data, driver};
use crate::definition::Workflow;
use crate::machine::Event;

impl Runtime {
    /// Starts a run. Once this returns, the run is on disk and goes on even after a crash.
    ///
    /// # Errors
    /// `unsupported` for a document with parts this engine does not carry out, `not_found` for a function or
    /// secret that is not there, `limit_exceeded` for an input over the limit, `already_exists` when the id is
    /// taken by a run of another document, `closed`, `storage_full`, `storage_failed`.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have started the run; give an id to be able to tell.
    pub async fn start(&self, principal: &Principal, start: StartRun) -> Result<RunRecord> {
        principal.validate()?;
        if let Some(id) = start.id
            && let Some(taken) = self.inner.parts.store.run(&principal.scope(), id).await?
        {
            return self.start_again(taken, &start);
        }
        self.check_functions(&start.workflow)?;
        self.start_as(principal, start, None).await
    }

    pub(super) fn check_functions(&self, workflow: &Workflow) -> Result<()> {
        for function in workflow.called_functions() {
            self.inner.parts.functions.get(function)?;
        }
        Ok(())
    }

    /// What starting a run once more gives: the run that has the id, if it follows the same document.
    fn start_again(&self, taken: RunRecord, start: &StartRun) -> Result<RunRecord> {
        if taken.workflow.hash != start.workflow.hash {
            return Err(Error::new(
                ErrorCode::AlreadyExists,
                "a run of another document has this id; choose another id",
            )
            .with_context("run", taken.id));
        }
        if !taken.status.has_ended() {
            self.drive(&taken)?;
        }
        Ok(taken)
    }

    pub(super) async fn start_as(
        &self,
        principal: &Principal,
        start: StartRun,
        parent: Option<ParentStep>,
    ) -> Result<RunRecord> {
        self.check_open()?;
        self.check_start(&principal.scope(), &start).await?;
        let parts = &self.inner.parts;
        let now = parts.clock.now();
        let scope = principal.scope();
        let document = &start.workflow.document;
        let id = start.id.unwrap_or_else(|| RunId::new(now, parts.random.as_ref()));
        let payload = driver::encode(&Event::started())?;
        let workflow = Arc::clone(&start.workflow);
        let run = NewRun {
            id,
            principal: principal.clone(),
            workflow: WorkflowKey {
                namespace: document.namespace.clone(),
                name: document.name.clone(),
                version: document.version.clone(),
                hash: start.workflow.hash.clone(),
            },
            parent,
            directory: start.directory.clone(),
            input: start.input.clone(),
            created_at: now,
            first_entry: JournalEntry {
                sequence: 0,
                at: now,
                payload,
                event_head: 0,
            },
            rerun_of: None,
            copied: Vec::new(),
        };
        // What is cached is stored already.
        if self.inner.workflows.get(&scope, &start.workflow.hash).is_none() {
            parts
                .store
                .put_document(&scope, &workflow.hash, &start.text)
                .await?;
            self.inner.workflows.insert(&scope, workflow);
        }
        match parts.store.create(run).await {
            // Somebody else has started it at the same time.
            Err(error) if error.code() == ErrorCode::AlreadyExists && start.id.is_some() => {
                let taken = parts.store.run(&scope, id).await?.ok_or(error)?;
                return self.start_again(taken, &start);
            }
            other => other?,
        };
        let record = self.record(&scope, id).await?;
        self.drive_after(&record, &mut None, Some(record.clone()))?;
        Ok(record)
    }

    async fn check_start(&self, scope: &Scope, start: &StartRun) -> Result<()> {
        start.workflow.check_supported()?;
        let size = serde_json::to_string(&start.input).map_or(usize::MAX, |text| text.len());
        let limits = &self.inner.parts.limits;
        if size > limits.payload_bytes {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!(
                    "the input has {size} bytes as JSON, more than {}",
                    limits.payload_bytes
                ),
            ));
        }
        check_data(&start.input)?;
        self.check_ready(scope, &start.workflow).await
    }

    /// Checks that there is room for one more run, and that there are the secrets it needs.
    pub(super) async fn check_ready(&self, scope: &Scope, workflow: &Workflow) -> Result<()> {
        let limits = &self.inner.parts.limits;
        if self.drivers().len() >= limits.concurrent_runs {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!(
                    "{} runs are under way; wait for some to end",
                    limits.concurrent_runs
                ),
            ));
        }
        for name in &workflow.secrets {
            if self.inner.parts.vault.get(scope, name).await?.is_none() {
                return Err(Error::not_found(format!(
                    "the workflow needs the secret '{name}'; set it with secrets.set"
                )));
            }
        }
        Ok(())
    }
}
