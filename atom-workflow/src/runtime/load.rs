//! From what is stored to a machine: documents, secrets and journals.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use atom_core::storage::{JournalEntry, RunRecord, Store};
use atom_core::{Error, ErrorCode, Result, RunId, Scope};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use super::redact::Redactor;
use super::{Inner, Runtime};
use crate::definition::{Bundle, Workflow};
use crate::machine::{Event, MACHINE_VERSION, Machine, RunFacts};

/// How many journal entries are read at a time.
const JOURNAL_PAGE: usize = 1000;

/// Entries of a journal with what they stand for.
pub(super) type Page = Vec<(JournalEntry, Event)>;

/// How many parsed documents are kept.
const CACHED_WORKFLOWS: usize = 256;

/// Parsed documents by owner and content.
#[derive(Debug, Default)]
pub(super) struct WorkflowCache {
    workflows: Mutex<HashMap<(Scope, String), Place>>,
}

/// Where a document stands once it is parsed. Many runs may want the same one at once: the first of them parses it.
type Place = Arc<OnceCell<Arc<Workflow>>>;

impl WorkflowCache {
    pub(super) fn insert(&self, scope: &Scope, workflow: Arc<Workflow>) {
        let place = self.place(scope, &workflow.hash);
        // One that is there already is the same: the hash says so.
        drop(place.set(workflow));
    }

    pub(super) fn has(&self, scope: &Scope, hash: &str) -> bool {
        self.place(scope, hash).initialized()
    }

    fn place(&self, scope: &Scope, hash: &str) -> Place {
        let mut workflows = self.workflows.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (scope.clone(), hash.to_owned());
        if workflows.len() >= CACHED_WORKFLOWS && !workflows.contains_key(&key) {
            workflows.clear();
        }
        Arc::clone(workflows.entry(key).or_default())
    }
}

impl Runtime {
    /// The document with this hash.
    ///
    /// # Errors
    /// `not_found` when the owner has none, `invalid_workflow` when this version of the engine cannot read it.
    pub async fn load(&self, scope: &Scope, hash: &str) -> Result<Arc<Workflow>> {
        let parse = async || {
            let text = text_of(self.inner.parts.store.as_ref(), scope, hash).await?;
            Ok(Arc::new(Bundle::read(&text)?.parse()?))
        };
        let place = self.inner.workflows.place(scope, hash);
        place.get_or_try_init(parse).await.cloned()
    }

    /// A machine for a run, before its first event, and what hides its secrets.
    pub(super) async fn machine(&self, record: &RunRecord) -> Result<(Machine, Redactor)> {
        let scope = record.principal.scope();
        let workflow = self.load(&scope, &record.workflow.hash).await?;
        let secrets = self.secrets(&scope, &workflow).await?;
        let redactor = Redactor::new(&secrets);
        let facts = RunFacts::new(scope, record.id, record.input.clone(), record.created_at);
        let facts = facts.with_secrets(secrets);
        Ok((Machine::new(workflow, facts), redactor))
    }

    /// The secrets that a document names, as far as they are set.
    pub(super) async fn secrets(&self, scope: &Scope, workflow: &Workflow) -> Result<Map<String, Value>> {
        let mut secrets = Map::new();
        for name in &workflow.secrets {
            if let Some(secret) = self.inner.parts.vault.get(scope, name).await? {
                secrets.insert(name.clone(), Value::String(secret.expose().to_owned()));
            }
        }
        Ok(secrets)
    }
}

/// The journal of a run, page by page. Each is read while the one before is worked on.
pub(super) struct Journal {
    inner: Arc<Inner>,
    scope: Scope,
    run: RunId,
    next: u64,
    /// All that there is, where that is known.
    only: Option<JournalEntry>,
    /// The page that is being read; dropping it ends the reading.
    ahead: JoinSet<Result<Page>>,
    is_over: bool,
}

impl Journal {
    pub(super) fn new(runtime: &Runtime, record: &RunRecord) -> Self {
        Self {
            inner: Arc::clone(&runtime.inner),
            scope: record.principal.scope(),
            run: record.id,
            next: record.journal_start,
            only: None,
            ahead: JoinSet::new(),
            is_over: false,
        }
    }

    /// The journal of a run that was created just now with one entry, which is not read again.
    pub(super) fn of_one(runtime: &Runtime, record: &RunRecord, only: JournalEntry) -> Self {
        Self {
            only: Some(only),
            ..Self::new(runtime, record)
        }
    }

    /// The next page; `None` at the end.
    ///
    /// # Errors
    /// `storage_failed`, `invalid_data` or `version_mismatch` for a journal that cannot be read.
    pub(super) async fn page(&mut self) -> Result<Option<Page>> {
        if self.is_over {
            return Ok(None);
        }
        if let Some(only) = self.only.take() {
            self.is_over = true;
            return Ok(Some(vec![decode(self.run, only)?]));
        }
        let page = match self.ahead.join_next().await {
            Some(page) => page
                .map_err(|error| Error::internal("reading a journal ended in a panic").with_source(error))?,
            None => self.inner.page(&self.scope, self.run, self.next).await,
        }?;
        self.next += page.len() as u64;
        self.is_over = page.len() < JOURNAL_PAGE;
        if !self.is_over {
            let (inner, scope) = (Arc::clone(&self.inner), self.scope.clone());
            let (run, from) = (self.run, self.next);
            self.ahead
                .spawn(async move { inner.page(&scope, run, from).await });
        }
        Ok(Some(page))
    }
}

impl Inner {
    /// Whether a run was moved to another version since its record was read: with a page of its journal that tells so,
    /// the record and the journal are of different documents.
    pub(super) async fn has_moved(&self, record: &RunRecord, page: &[(JournalEntry, Event)]) -> Result<bool> {
        let is_migration = |(_, event): &(JournalEntry, Event)| matches!(event, Event::Migrated { .. });
        if !page.iter().any(is_migration) {
            return Ok(false);
        }
        let now = self.parts.store.run(&record.principal.scope(), record.id).await?;
        Ok(now.is_some_and(|now| now.workflow != record.workflow))
    }

    /// Checks that a page which was to begin with the sequence `from` fits the record that was read before.
    ///
    /// # Errors
    /// `conflict` when the run was moved to another version, or went on with a new journal, since the record was read.
    pub(super) async fn check_unchanged(
        &self,
        record: &RunRecord,
        from: u64,
        page: &[(JournalEntry, Event)],
    ) -> Result<()> {
        let conflict = |message: &str| Err(Error::new(ErrorCode::Conflict, message));
        if self.has_moved(record, page).await? {
            return conflict("the run was moved to another version meanwhile; try again");
        }
        if self.has_continued(record, from, page).await? {
            return conflict("the run went on with a new journal meanwhile; try again");
        }
        Ok(())
    }

    /// Whether a run has gone on with a new journal since its record was read: then a page that was to begin with the
    /// sequence `from` may lack what was removed.
    pub(super) async fn has_continued(
        &self,
        record: &RunRecord,
        from: u64,
        page: &[(JournalEntry, Event)],
    ) -> Result<bool> {
        if page.first().is_none_or(|(entry, _)| entry.sequence == from) {
            return Ok(false);
        }
        let now = self.parts.store.run(&record.principal.scope(), record.id).await?;
        Ok(now.is_some_and(|now| now.journal_start > from))
    }

    /// A page of a run's journal, decoded.
    pub(super) async fn journal(&self, record: &RunRecord, from: u64) -> Result<Page> {
        self.page(&record.principal.scope(), record.id, from).await
    }

    async fn page(&self, scope: &Scope, run: RunId, from: u64) -> Result<Page> {
        let entries = self.parts.store.journal(scope, run, from, JOURNAL_PAGE).await?;
        entries.into_iter().map(|entry| decode(run, entry)).collect()
    }
}

/// The text of the document with this hash.
///
/// # Errors
/// `not_found` when the owner has none, `storage_failed`.
pub(crate) async fn text_of(store: &dyn Store, scope: &Scope, hash: &str) -> Result<String> {
    let text = store.document(scope, hash).await?;
    text.ok_or_else(|| Error::not_found(format!("there is no document with the hash {hash}")))
}

/// A journal entry with what it stands for.
fn decode(run: RunId, entry: JournalEntry) -> Result<(JournalEntry, Event)> {
    let event = serde_json::from_str(&entry.payload).map_err(|error| {
        Error::new(
            ErrorCode::InvalidData,
            "the run's journal cannot be read; was it written by a newer engine?",
        )
        .with_context("run", run)
        .with_context("sequence", entry.sequence)
        .with_source(error)
    })?;
    if let Event::Started { machine, .. } | Event::Continued { machine, .. } = &event
        && *machine > MACHINE_VERSION
    {
        return Err(Error::new(
            ErrorCode::VersionMismatch,
            "the run was started by a newer engine; upgrade to go on with it",
        )
        .with_context("run", run));
    }
    Ok((entry, event))
}
