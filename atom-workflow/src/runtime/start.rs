//! Starting runs.

use std::sync::Arc;

use atom_core::storage::{
    Committed, JournalEntry, NewRun, ParentStep, RunLabels, RunRecord, WorkflowKey, indexed,
};
use atom_core::{Error, ErrorCode, Principal, Result, Retry, RunId, Scope};
use serde_json::Value;

use super::driver::Created;
use super::stuck::RunKey;
use super::{Runtime, StartRun, admission, check_data, driver};
use crate::definition::Workflow;
use crate::expression::Variables;
use crate::machine::key_text;

impl Runtime {
    /// Starts a run. Once this returns, the run is on disk and goes on even after a crash. A run of a document that limits
    /// how many go on at once may wait for its turn, or be cancelled at once, as the document says.
    /// External resources that the document refers to are read first, see [`resolve`](Self::resolve), unless the run
    /// is there already.
    ///
    /// # Errors
    /// `unsupported` for a document with parts this engine does not carry out, `not_found` for a function, secret or
    /// document that is not there, `permission_denied` for a function that a setting forbids, `limit_exceeded` for an
    /// input over the limit, `invalid_request` when the document computes no key, index or
    /// limit from the input,
    /// `already_exists` when the id or the idempotency key is taken by a run of another document or with another
    /// input, what [`resolve`](Self::resolve) says, `closed`, `storage_full`, `storage_failed`.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have started the run; give an id to be able to tell.
    pub async fn start(&self, principal: &Principal, start: StartRun) -> Result<RunRecord> {
        principal.validate()?;
        let mut start = start;
        if start.idempotency_key.is_none() {
            start.idempotency_key = idempotency_key(&start.workflow, &start.input)?;
        }
        if let Some(taken) = self.taken(&principal.scope(), &start).await? {
            if !start.workflow.unresolved.is_empty() {
                self.pin(&taken, &mut start).await?;
            }
            return self.start_again(taken, &start);
        }
        let start = self.resolve_start(principal, start).await?;
        self.check_callable(&start.workflow)?;
        self.start_as(principal, start, None).await
    }

    /// A start with everything that its document refers to, see [`resolve`](Self::resolve). What is in the store has it.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub async fn resolve_start(&self, principal: &Principal, mut start: StartRun) -> Result<StartRun> {
        if let Some(text) = start.text {
            let directory = start.directory.as_deref();
            let resolved = self.resolve(principal, start.workflow, text, directory).await?;
            (start.workflow, start.text) = (resolved.workflow, Some(resolved.text));
        }
        Ok(start)
    }

    /// Takes what was read for a run, when it follows the same document: it is not read again.
    async fn pin(&self, taken: &RunRecord, start: &mut StartRun) -> Result<()> {
        let workflow = self.load(&taken.principal.scope(), &taken.workflow.hash).await?;
        if workflow.source == start.workflow.source {
            start.workflow = workflow;
        }
        Ok(())
    }

    /// Checks that this engine has the functions that a document calls, or another worker that takes its runs.
    pub(super) fn check_callable(&self, workflow: &Workflow) -> Result<()> {
        let checked = self.check_functions(workflow);
        if checked.is_err() && self.has_peer_for(workflow) {
            return Ok(());
        }
        checked
    }

    pub(super) fn check_functions(&self, workflow: &Workflow) -> Result<()> {
        for (name, task) in workflow.called_functions() {
            let function = self.inner.parts.functions.usable(name);
            function.map_err(|error| task.located(error))?;
        }
        Ok(())
    }

    /// The run that has the id or the idempotency key of a start.
    async fn taken(&self, scope: &Scope, start: &StartRun) -> Result<Option<RunRecord>> {
        let store = &self.inner.parts.store;
        if let Some(id) = start.id
            && let Some(taken) = store.run(scope, id).await?
        {
            return Ok(Some(taken));
        }
        let Some(key) = &start.idempotency_key else {
            return Ok(None);
        };
        let document = &start.workflow.document;
        let id = store
            .run_with_key(scope, &document.namespace, &document.name, key)
            .await?;
        match id {
            Some(id) => store.run(scope, id).await,
            None => Ok(None),
        }
    }

    /// What starting a run once more gives: the run that there is, if it is what was to be started.
    fn start_again(&self, taken: RunRecord, start: &StartRun) -> Result<RunRecord> {
        let difference = if !taken.is_of(&start.workflow.hash) {
            "of another document"
        } else if taken.input != start.input {
            "with another input"
        } else if start.id.is_some_and(|id| id != taken.id) {
            "with another id"
        } else if start.idempotency_key.is_some() && taken.idempotency_key != start.idempotency_key {
            "with another idempotency key"
        } else {
            ""
        };
        if !difference.is_empty() {
            let (what, instead) = match &taken.idempotency_key {
                Some(_) if taken.idempotency_key == start.idempotency_key => ("idempotency key", "key"),
                _ => ("id", "id"),
            };
            return Err(Error::new(
                ErrorCode::AlreadyExists,
                format!("there is a run {difference} that has this {what}; choose another {instead}"),
            )
            .with_context("run", taken.id));
        }
        if !taken.status.has_ended() && self.holds(&taken) {
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
        let labels = labels(&start)?;
        let limits = admission::limits(&start.workflow, &start.input)?;
        let payload = driver::encode(&admission::first_event(limits.as_ref()))?;
        let workflow = Arc::clone(&start.workflow);
        let asks = workflow.has_approvals();
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
            trigger: start.trigger,
            labels,
            idempotency_key: start.idempotency_key.clone(),
            limits,
            copied: Vec::new(),
            is_offered: self.is_for_others(&workflow),
        };
        match &start.text {
            None => drop(self.load(&scope, &workflow.hash).await?),
            // What is cached is stored already.
            Some(_) if self.inner.workflows.has(&scope, &workflow.hash) => {}
            Some(text) => {
                parts.store.put_document(&scope, &workflow.hash, text).await?;
                self.inner.workflows.insert(&scope, workflow);
            }
        }
        let starting = Starting::new(self, (scope.clone(), id));
        let (record, entry) = match self.create(run).await {
            // Somebody else has started it at the same time.
            Err(error) if error.code() == ErrorCode::AlreadyExists => {
                let taken = self.taken(&scope, &start).await?.ok_or(error)?;
                return self.start_again(taken, &start);
            }
            created => created?,
        };
        if record.admission.is_some() {
            return self.enter(record, 1, asks).await;
        }
        if !self.holds(&record) {
            return Ok(record);
        }
        let created = entry.map(|only_entry| Created {
            start: starting.number,
            record: record.clone(),
            only_entry,
        });
        let handle = self.drive_after(&record, &mut None, created)?;
        if asks {
            handle.begun(0).await;
        }
        Ok(record)
    }

    /// Creates a run; gives it as it is then, and its journal if that is known to have one entry.
    pub(super) async fn create(&self, run: NewRun) -> Result<(RunRecord, Option<JournalEntry>)> {
        let worker = self.worker_id();
        let record = run.record(worker);
        let only_entry = run.copied.is_empty().then(|| run.first_entry.clone());
        let Committed { event_head } = self.inner.parts.store.create(run).await?;
        if self.worker_id() != worker {
            // It may be that of the worker that this engine is by now. In any case it is there.
            let now = self.record(&record.principal.scope(), record.id).await;
            return Ok((now.unwrap_or(record), None));
        }
        let only_entry = only_entry.map(|entry| JournalEntry { event_head, ..entry });
        Ok((record, only_entry))
    }

    async fn check_start(&self, scope: &Scope, start: &StartRun) -> Result<()> {
        start.workflow.check_supported()?;
        start.workflow.check_resolved()?;
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
        if self.drivers().driven() >= limits.concurrent_runs {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!(
                    "{} runs are under way; wait for some to end",
                    limits.concurrent_runs
                ),
            )
            .with_retry(Retry::Maybe));
        }
        self.check_secrets(scope, workflow).await
    }

    /// Checks that there are the secrets that a document needs.
    pub(super) async fn check_secrets(&self, scope: &Scope, workflow: &Workflow) -> Result<()> {
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

/// A run that is being created: what is written is all there is of it, until somebody drives it.
struct Starting<'a> {
    runtime: &'a Runtime,
    run: RunKey,
    number: u64,
}

impl<'a> Starting<'a> {
    fn new(runtime: &'a Runtime, run: RunKey) -> Self {
        let number = runtime.drivers().begin_start(run.clone());
        Self { runtime, run, number }
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.runtime.drivers().end_start(&self.run, self.number);
    }
}

/// The key under which the document says that a run with this input is started once.
pub(crate) fn idempotency_key(workflow: &Workflow, input: &Value) -> Result<Option<String>> {
    let Some(expression) = &workflow.idempotency_key else {
        return Ok(None);
    };
    let key = expression.evaluate(input, &Variables::new()).and_then(key_text);
    key.map(Some)
        .map_err(|error| unfit(&error, "document.metadata.atom.idempotencyKey"))
}

/// What the run can be found by: the tags of its start and of its document, and what the document computes from its
/// input. A field that gives nothing is left out.
pub(crate) fn labels(start: &StartRun) -> Result<RunLabels> {
    let workflow = &start.workflow;
    let mut labels = RunLabels {
        tags: workflow.document.tags.clone(),
        ..RunLabels::default()
    };
    labels.tags.extend(start.tags.clone());
    for (name, expression) in &workflow.index {
        let value = expression
            .evaluate(&start.input, &Variables::new())
            .map_err(|error| unfit(&error, &format!("document.metadata.atom.index.{name}")))?;
        if !value.is_null() {
            labels.fields.insert(name.clone(), indexed(value));
        }
    }
    labels.check()?;
    Ok(labels)
}

/// The error of an expression over the input of a run that is to be started.
fn unfit(error: &Error, place: &str) -> Error {
    Error::new(
        ErrorCode::InvalidRequest,
        format!("the input does not fit '{place}': {}", error.message()),
    )
}
