//! Starts runs, each once.

use atom_core::storage::check_idempotency_key;
use atom_core::{Error, ErrorCode, Principal, Result, RunId, Scope};
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::{WorkflowIdReusePolicy, WorkflowStartOptions};
use temporalio_common::MemoValues;
use temporalio_common::search_attributes::SearchAttributes;

use super::client::TemporalRuntime;
use super::failure;
use super::interpreter::Interpreter;
use super::listing::{LABELS, MEMO, OWNER, RUNNING, STATE, Summary, TENANT, WORKFLOW};
use super::message::Begin;
use super::workflow_id;
use crate::definition::Workflow;
use crate::machine::MACHINE_VERSION;
use crate::runtime::{StartRun, idempotency_key, labels, text_of};

impl TemporalRuntime {
    /// Checks that runs of this document can be carried out on Temporal.
    ///
    /// # Errors
    /// `unsupported` for limits on how many runs go on at once, and subscriptions.
    pub fn check(workflow: &Workflow) -> Result<()> {
        super::carried::check_carried(workflow)
    }

    /// Starts a run, of a document that is in the store or whose resources are in its text as
    /// [`Runtime::resolve`](crate::runtime::Runtime::resolve) gives it. Once this returns, the server has it; it goes on when
    /// there is a worker. With a key, the id of the run follows from that.
    ///
    /// # Errors
    /// `unsupported` for a document with parts that runs on Temporal do not carry out, and for an id beside an idempotency key
    /// from which another one follows, `not_found` for a function, secret or document that is not there, `limit_exceeded` for an input
    /// over the limit, `invalid_request` when the document computes no key or index from the input, `already_exists` when the
    /// id or the key is taken by a run of another document or with another input, `unavailable`, `storage_full`,
    /// `storage_failed`.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have started the run; give an id or a key to be able to tell.
    pub async fn start(&self, principal: &Principal, start: StartRun) -> Result<RunId> {
        principal.validate()?;
        let scope = principal.scope();
        let parts = &self.parts;
        parts.check_start(&scope, &start.workflow, &start.input).await?;
        let key = match &start.idempotency_key {
            Some(key) => Some(key.clone()),
            None => idempotency_key(&start.workflow, &start.input)?,
        };
        let labels = labels(&start)?;
        let now = parts.clock.now();
        let id = match &key {
            Some(key) => self.keyed_run(&scope, &start.workflow, key, start.id)?,
            None => start.id.unwrap_or_else(|| RunId::new(now, parts.random.as_ref())),
        };
        let hash = &start.workflow.hash;
        match &start.text {
            Some(text) => parts.store.put_document(&scope, hash, text).await?,
            None => drop(text_of(parts.store.as_ref(), &scope, hash).await?),
        }
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
        let found_by = self.sealer.labels(&scope, &labels)?;
        let summary = Summary {
            trigger: start.trigger,
            idempotency_key: key,
            tags: labels.tags,
            fields: labels.fields,
            ..Summary::new(&begin, &start.workflow)
        };
        let mut memo = MemoValues::new();
        memo.insert(MEMO, summary.clone());
        let mut attributes = vec![
            OWNER.value_set(self.sealer.owner(&scope)?),
            TENANT.value_set(self.sealer.tenant(&scope.tenant)?),
            STATE.value_set(RUNNING.to_owned()),
            WORKFLOW.value_set(format!(
                "{}/{}",
                summary.workflow.namespace, summary.workflow.name
            )),
        ];
        if !found_by.is_empty() {
            attributes.push(LABELS.value_set(found_by));
        }
        let options = WorkflowStartOptions::new(self.config.task_queue.clone(), workflow_id(&scope, id))
            .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
            .search_attributes(SearchAttributes::new(attributes))
            .memo(memo)
            .build();
        match self.client.start_workflow(Interpreter::run, begin, options).await {
            Ok(_) => Ok(id),
            Err(WorkflowStartError::AlreadyStarted { .. }) => self.start_again(&scope, &summary).await,
            Err(error) => Err(failure::start(error)),
        }
    }

    /// What starting a run once more gives: the run that there is, if it is what was to be started.
    async fn start_again(&self, scope: &Scope, start: &Summary) -> Result<RunId> {
        let (taken, _) = self.described(scope, start.run).await?;
        let has_key = taken.idempotency_key == start.idempotency_key;
        let difference = if taken.workflow.hash != start.workflow.hash {
            "of another document"
        } else if taken.input != start.input {
            "with another input"
        } else if start.idempotency_key.is_some() && !has_key {
            "with another idempotency key"
        } else if start.trigger.is_some() && taken.trigger != start.trigger {
            "that was started otherwise"
        } else {
            return Ok(start.run);
        };
        let (what, instead) = match &taken.idempotency_key {
            Some(_) if has_key => ("idempotency key", "key"),
            _ => ("id", "id"),
        };
        Err(Error::new(
            ErrorCode::AlreadyExists,
            format!("there is a run {difference} that has this {what}; choose another {instead}"),
        )
        .with_context("run", start.run))
    }

    /// The id of the run that is started once under a key: the server keeps ids apart and nothing else. Who does not have the
    /// operator's keys cannot try out whose it is, and which key it was.
    fn keyed_run(
        &self,
        scope: &Scope,
        workflow: &Workflow,
        key: &str,
        chosen: Option<RunId>,
    ) -> Result<RunId> {
        check_idempotency_key(key)?;
        let document = &workflow.document;
        // A namespace and a name hold no space.
        let name = format!("{scope}:once:{} {} {key}", document.namespace, document.name);
        let id = RunId::from_bytes([0; 16]).derive(&self.sealer.once(&name)?);
        match chosen {
            Some(chosen) if chosen != id => Err(Error::new(
                ErrorCode::Unsupported,
                "the id of a run on Temporal follows from its idempotency key; leave 'id' out, or the key",
            )
            .with_context("run", id)),
            _ => Ok(id),
        }
    }
}
