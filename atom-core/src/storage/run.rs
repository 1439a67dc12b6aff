//! Runs and their journals.

use std::path::PathBuf;

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Admission, Admitted, ApprovalChange, Lane, LetterId, Page, PageRequest, RunFilter, RunLabels, RunLimits,
    RunTally, WorkerStore, check_idempotency_key,
};
use crate::{CloudEvent, Error, ErrorCode, Offset, Principal, Result, RunId, Scope, WorkerId};

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It is under way; after a crash it goes on when an engine opens the store.
    Running,
    /// It has not begun: it waits for its turn, as its document limits how many runs go on at once.
    Queued,
    /// Somebody paused it: nothing new begins until it is resumed.
    Paused,
    /// It ended with an output.
    Completed,
    /// It ended with an error.
    Faulted,
    /// It was cancelled.
    Cancelled,
}

impl RunStatus {
    /// The stable wire form, e.g. `running`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Queued => "queued",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Faulted => "faulted",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the run has ended.
    #[must_use]
    pub fn has_ended(self) -> bool {
        match self {
            Self::Running | Self::Queued | Self::Paused => false,
            Self::Completed | Self::Faulted | Self::Cancelled => true,
        }
    }
}

/// Which document a run follows. Runs are pinned to the content, not to the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowKey {
    /// The namespace of the workflow.
    pub namespace: String,
    /// The name of the workflow.
    pub name: String,
    /// The version of the workflow.
    pub version: String,
    /// SHA-256 of the document's canonical JSON, in hexadecimal.
    pub hash: String,
}

/// A version of a workflow, with its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkflowVersion {
    /// The version.
    pub version: String,
    /// SHA-256 of the document's canonical JSON, in hexadecimal.
    pub hash: String,
}

impl WorkflowKey {
    /// The version of the workflow.
    #[must_use]
    pub fn version(&self) -> WorkflowVersion {
        WorkflowVersion {
            version: self.version.clone(),
            hash: self.hash.clone(),
        }
    }

    /// The same workflow in another version.
    #[must_use]
    pub fn with_version(&self, to: WorkflowVersion) -> Self {
        Self {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            version: to.version,
            hash: to.hash,
        }
    }
}

/// The step of another run that started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParentStep {
    /// The other run.
    pub run: RunId,
    /// The number of the action within the other run that waits for this one.
    pub action: u64,
}

/// What started a run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunTrigger {
    /// The schedule of its workflow.
    #[schemars(title = "ScheduleRunTrigger")]
    Schedule {
        /// The time that the run was due at; for events, when they had all come.
        #[schemars(with = "String")]
        at: Timestamp,
    },
}

/// A run to create.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// On whose behalf it acts; its scope owns the run.
    pub principal: Principal,
    /// Which document it follows.
    pub workflow: WorkflowKey,
    /// The step that started it, for a run started by a run.
    pub parent: Option<ParentStep>,
    /// Where relative file paths start.
    pub directory: Option<PathBuf>,
    /// Its input as given.
    pub input: Value,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its first journal entry, with sequence 0.
    pub first_entry: JournalEntry,
    /// The run that it repeats, for a run that was made from another.
    pub rerun_of: Option<RunId>,
    /// What started it by itself, for a run that nobody asked for.
    pub trigger: Option<RunTrigger>,
    /// What it can be found by.
    pub labels: RunLabels,
    /// The key under which it is started once: unique among the scope's runs of workflows with this namespace and name.
    pub idempotency_key: Option<String>,
    /// What bounds when it begins. A run with limits is queued until [`RunStore::admit`] lets it begin.
    pub limits: Option<RunLimits>,
    /// Entries that follow the first, copied from the run that it repeats. When there are any, all entries, the first
    /// one too, keep their `event_head`: what the run listens for goes on where the other one was.
    pub copied: Vec<JournalEntry>,
    /// Whether any worker may take it, where engines share the store; else who creates it holds it.
    pub is_offered: bool,
}

/// A run as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// On whose behalf it acts.
    pub principal: Principal,
    /// Which document it follows.
    pub workflow: WorkflowKey,
    /// The version that it was started with, for a run that was moved to another one since.
    pub started_with: Option<WorkflowVersion>,
    /// The step that started it, for a run started by a run.
    pub parent: Option<ParentStep>,
    /// Where relative file paths start.
    pub directory: Option<PathBuf>,
    /// Its input as given.
    pub input: Value,
    /// Its state.
    pub status: RunStatus,
    /// Its output, once completed.
    pub output: Option<Value>,
    /// Its error, once faulted.
    pub error: Option<Value>,
    /// The run that it repeats, for a run that was made from another.
    pub rerun_of: Option<RunId>,
    /// What started it by itself, for a run that nobody asked for.
    pub trigger: Option<RunTrigger>,
    /// What it can be found by.
    pub labels: RunLabels,
    /// The key under which it was started.
    pub idempotency_key: Option<String>,
    /// How it came to begin or waits to, for a run with limits.
    pub admission: Option<Admission>,
    /// The sequence that its journal begins with: 0, unless the run has continued, see [`RunCommit::continues`].
    pub journal_start: u64,
    /// The worker that holds it, where engines share the store; the last one, if it is gone or the run has ended.
    pub worker: Option<WorkerId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the last journal entry was written.
    pub updated_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// One thing that happened to a run. The journal is the run: its state follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its place in the run's journal, without gaps: from 0, unless the run has continued.
    pub sequence: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened, as JSON text that only the workflow machine understands.
    pub payload: String,
    /// The head of the event log when the entry was committed; set by the store, unless the entry is copied from
    /// another run, see [`NewRun::copied`].
    pub event_head: Offset,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEnd {
    /// `Completed`, `Faulted` or `Cancelled`.
    pub status: RunStatus,
    /// The output of a completed run.
    pub output: Option<Value>,
    /// The error of a faulted run.
    pub error: Option<Value>,
    /// When it ended.
    pub at: Timestamp,
    /// From when on it may be removed, where its document says so; the rule of the whole engine when absent, see
    /// [`Expiry`](super::Expiry).
    pub expires_at: Option<Timestamp>,
}

/// Everything that one step of a run writes: all of it or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct RunCommit {
    /// The owner.
    pub scope: Scope,
    /// The run, which must exist and not have ended.
    pub run: RunId,
    /// Entries that follow the journal without a gap.
    pub entries: Vec<JournalEntry>,
    /// Events to append to the owner's log. An event with a known `source` and `id` is not appended again.
    pub events: Vec<CloudEvent>,
    /// What the run asks people from now on, or no longer.
    pub approvals: Vec<ApprovalChange>,
    /// How the run ends, when it does.
    pub end: Option<RunEnd>,
    /// Whether the run is paused from now on; as it was when absent.
    pub is_paused: Option<bool>,
    /// What the end of the run adds to the statistics, of the minute and hour in which it ends.
    pub tally: Option<RunTally>,
    /// The version of its workflow that the run follows from now on; as it was when absent.
    pub migrates_to: Option<WorkflowVersion>,
    /// Whether the journal begins with the last of these entries from now on. Those before it may be there for a while:
    /// [`trim_journals`](super::RetentionStore::trim_journals) removes them.
    pub continues: bool,
    /// The letter of another worker that the step does, which is answered with it.
    pub letter: Option<LetterId>,
}

impl NewRun {
    /// Checks what every store asks of a run to create: its entries have the sequences 0, 1, 2, …, and its labels and its
    /// idempotency key are within their limits, as are the limits themselves.
    ///
    /// # Errors
    /// `invalid_request`, `limit_exceeded`.
    pub fn check(&self) -> Result<()> {
        self.labels.check()?;
        self.limits.as_ref().map_or(Ok(()), RunLimits::check)?;
        self.idempotency_key
            .as_deref()
            .map_or(Ok(()), check_idempotency_key)?;
        let mut entries = std::iter::once(&self.first_entry).chain(&self.copied).zip(0..);
        if entries.all(|(entry, expected)| entry.sequence == expected) {
            return Ok(());
        }
        Err(Error::invalid_request(
            "the first journal entry of a run must have sequence 0, and the others follow it without a gap",
        ))
    }

    /// The entries of the new run, with `head` as the head of the event log for those that are not copied.
    pub fn entries(&self, head: Offset) -> impl Iterator<Item = (&JournalEntry, Offset)> {
        let keeps_heads = !self.copied.is_empty();
        std::iter::once(&self.first_entry)
            .chain(&self.copied)
            .map(move |entry| (entry, if keeps_heads { entry.event_head } else { head }))
    }

    /// The run as it is right after it was created by this worker.
    #[must_use]
    pub fn record(&self, worker: Option<WorkerId>) -> RunRecord {
        let last = self.copied.last().unwrap_or(&self.first_entry);
        RunRecord {
            id: self.id,
            principal: self.principal.clone(),
            workflow: self.workflow.clone(),
            started_with: None,
            parent: self.parent,
            directory: self.directory.clone(),
            input: self.input.clone(),
            status: if self.limits.is_some() {
                RunStatus::Queued
            } else {
                RunStatus::Running
            },
            output: None,
            error: None,
            rerun_of: self.rerun_of,
            trigger: self.trigger,
            labels: self.labels.clone(),
            idempotency_key: self.idempotency_key.clone(),
            admission: self.limits.clone().map(Admission::queued),
            journal_start: 0,
            worker: worker.filter(|_| !self.is_offered),
            created_at: self.created_at,
            updated_at: last.at,
            ended_at: None,
        }
    }

    /// The error of [`RunStore::create`] for an id that is taken.
    #[must_use]
    pub fn already_exists(&self) -> Error {
        Error::new(
            ErrorCode::AlreadyExists,
            format!("a run with the id {} exists already", self.id),
        )
    }

    /// The error of [`RunStore::create`] for an idempotency key that is taken.
    #[must_use]
    pub fn key_taken(&self) -> Error {
        Error::new(
            ErrorCode::AlreadyExists,
            "a run of this workflow with this idempotency key exists already",
        )
    }
}

impl RunCommit {
    /// Checks what every store asks of a commit to a run whose next entry has the sequence `next`.
    ///
    /// # Errors
    /// `conflict` when the run has ended or the entries do not follow its journal, `invalid_request` when the
    /// end is not an end, or a run is counted that does not end.
    pub fn check(&self, next: u64, has_ended: bool) -> Result<()> {
        if has_ended {
            return Err(Error::new(
                ErrorCode::Conflict,
                format!("the run {} has ended", self.run),
            ));
        }
        if self
            .entries
            .iter()
            .zip(next..)
            .any(|(entry, expected)| entry.sequence != expected)
        {
            return Err(Error::new(
                ErrorCode::Conflict,
                format!(
                    "the journal of the run {} goes on with sequence {next}; read it again",
                    self.run
                ),
            ));
        }
        if self.end.as_ref().is_some_and(|end| !end.status.has_ended()) {
            return Err(Error::invalid_request(
                "a run cannot end as 'running', 'queued' or 'paused'",
            ));
        }
        if self.tally.is_some() && self.end.is_none() {
            return Err(Error::invalid_request("a run is counted when it ends"));
        }
        if self.continues && (self.entries.is_empty() || self.end.is_some()) {
            return Err(Error::invalid_request(
                "a run continues with a journal entry, and does not end with it",
            ));
        }
        Ok(())
    }

    /// The error of [`RunStore::commit`] for a run that does not exist.
    #[must_use]
    pub fn unknown_run(&self) -> Error {
        Error::not_found(format!("there is no run {}", self.run))
    }
}

impl RunRecord {
    /// Whether the run was started with the document of this hash, or follows it now.
    #[must_use]
    pub fn is_of(&self, hash: &str) -> bool {
        let started_with = self.started_with.as_ref();
        self.workflow.hash == hash || started_with.is_some_and(|version| version.hash == hash)
    }

    /// The run as lists have it: without its input and output.
    #[must_use]
    pub fn listed(&self) -> Self {
        Self {
            id: self.id,
            principal: self.principal.clone(),
            workflow: self.workflow.clone(),
            started_with: self.started_with.clone(),
            parent: self.parent,
            directory: self.directory.clone(),
            rerun_of: self.rerun_of,
            trigger: self.trigger,
            labels: self.labels.clone(),
            idempotency_key: self.idempotency_key.clone(),
            admission: self.admission.clone(),
            journal_start: self.journal_start,
            worker: self.worker,
            input: Value::Null,
            status: self.status,
            output: None,
            error: self.error.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            ended_at: self.ended_at,
        }
    }

    /// The place of the run in a list, for a page's `next`.
    #[must_use]
    pub fn cursor(&self) -> (Timestamp, RunId) {
        (self.created_at, self.id)
    }
}

/// What a commit wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The head of the event log right after the commit, its own events included.
    pub event_head: Offset,
}

/// Keeps runs and their journals.
#[async_trait]
pub trait RunStore: Send + Sync + std::fmt::Debug {
    /// What engines need that share the store; nothing when one engine has it alone.
    fn workers(&self) -> Option<&dyn WorkerStore> {
        None
    }

    /// Creates a run together with its first journal entry, and those it has from the run that it repeats.
    ///
    /// # Errors
    /// As [`NewRun::check`]; `already_exists` when the scope has a run with this id, or one of a workflow with this
    /// namespace and name with this idempotency key, `conflict` when a newer engine has taken over, `storage_full`,
    /// `storage_failed`.
    async fn create(&self, run: NewRun) -> Result<Committed>;

    /// Writes one step of a run, atomically. Concurrent commits of different runs may share one transaction.
    ///
    /// # Errors
    /// `conflict` when the entries do not follow the journal, the run has ended, another worker holds it, or a newer
    /// engine has taken over; `not_found` when the run does not exist; `invalid_request` as [`RunCommit::check`]; `storage_full`
    /// or `storage_failed`. Nothing is written then.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have written.
    async fn commit(&self, commit: RunCommit) -> Result<Committed>;

    /// Looks at the queue of a lane at a moment: decides, in one step that nothing comes between, which of its queued
    /// runs begin and which are cancelled, by [`RunLimits::judge`]. The queue is in order of priority, then of creation;
    /// paused runs are passed over. A run that waits for a place keeps those behind it in its concurrency lane waiting,
    /// and one that waits for its rate those behind it in its rate lane. Runs of which it says that they begin count as
    /// under way from then on, until they end. A worker that holds one of them, but has not asked, finds a letter.
    ///
    /// # Errors
    /// `conflict` when a newer engine has taken over, `storage_full` or `storage_failed`. Nothing is decided then.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have decided; what was decided stands in the runs' [`RunRecord::admission`].
    async fn admit(&self, lane: &Lane, now: Timestamp) -> Result<Admitted>;

    /// A run, with its input and output.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn run(&self, scope: &Scope, id: RunId) -> Result<Option<RunRecord>>;

    /// The run that was started under an idempotency key, of a workflow with this namespace and name.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn run_with_key(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        key: &str,
    ) -> Result<Option<RunId>>;

    /// How many runs pass a filter.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn count_runs(&self, scope: &Scope, filter: &RunFilter) -> Result<u64>;

    /// Runs, the newest first, without their inputs and outputs: `input` is `null` and `output` is `None`. Those
    /// can be large; [`run`](Self::run) has them.
    ///
    /// # Errors
    /// `invalid_request` for a bad page, `storage_failed`.
    async fn runs(&self, scope: &Scope, filter: &RunFilter, page: &PageRequest) -> Result<Page<RunRecord>>;

    /// Up to `limit` journal entries of a run from sequence `from` on, in order. There may be some from before
    /// [`RunRecord::journal_start`].
    ///
    /// # Errors
    /// `storage_failed`.
    async fn journal(&self, scope: &Scope, id: RunId, from: u64, limit: usize) -> Result<Vec<JournalEntry>>;

    /// Every run of every scope that has not ended, the oldest first, without their inputs as
    /// [`runs`](Self::runs) has it.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn unfinished(&self) -> Result<Vec<RunRecord>>;
}
