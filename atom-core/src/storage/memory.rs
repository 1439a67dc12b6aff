//! A store that forgets everything when it is dropped.

mod admission;
mod alerts;
mod retention;
mod schedules;
mod statistics;
mod workers;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    Admission, Admitted, AlertRecord, ApprovalChange, ApprovalFilter, ApprovalRecord, ApprovalStatus,
    ApprovalStore, Committed, DeployedWorkflow, JournalEntry, Lane, NewRun, Page, PageRequest, RunCommit,
    RunFilter, RunRecord, RunStatus, RunStore, ScheduleRecord, StoredTemplate, Tally, TemplateInfo,
    TemplateStore, WorkerStore, WorkflowStore, held_by_another, rolled_back, select,
};
use statistics::StatisticsKey;
use workers::{Letters, Seat, Workers};

use crate::{
    ApprovalId, CloudEvent, EventLog, LoggedEvent, Offset, Principal, Result, RunId, Scope, WorkerId,
};

/// Keeps everything in memory.
///
/// ```
/// use atom_core::storage::MemoryStore;
/// use atom_core::{CloudEvent, EventLog, Principal};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let store = MemoryStore::default();
/// let scope = Principal::new("acme", "ada")?.scope();
/// let offset = store.append(&scope, &CloudEvent::new("1", "/orders", "com.example.order.placed.v1")).await?;
/// assert_eq!(store.head().await?, offset);
/// # Ok::<(), atom_core::Error>(())
/// # }).unwrap();
/// ```
///
/// Engines that are to share it each get their own from [`join`](Self::join).
#[derive(Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    /// Where it stands among the workers; one engine alone has no place.
    seat: Option<Seat>,
}

#[derive(Debug, Default)]
struct Shared {
    tables: Mutex<Tables>,
    head: watch::Sender<Offset>,
    /// Changes when there may be news for workers.
    news: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Tables {
    documents: BTreeMap<(Scope, String), String>,
    workflows: BTreeMap<(Scope, String, String, String), DeployedWorkflow>,
    templates: BTreeMap<(Scope, String), StoredTemplate>,
    runs: BTreeMap<(Scope, RunId), Run>,
    schedules: BTreeMap<(Scope, String, String), ScheduleRecord>,
    approvals: BTreeMap<(Scope, ApprovalId), ApprovalRecord>,
    /// Runs by their idempotency key.
    started: HashMap<StartKey, RunId>,
    statistics: BTreeMap<StatisticsKey, Tally>,
    alerts: BTreeMap<(Scope, String), AlertRecord>,
    events: BTreeMap<Offset, (Scope, CloudEvent)>,
    /// The offsets of events by source and id.
    known_events: HashMap<(Scope, String, String), Offset>,
    head: Offset,
    /// Up to where the log reached, by time.
    event_ages: BTreeMap<Timestamp, Offset>,
    workers: Workers,
    letters: Letters,
}

/// An owner, the namespace and name of a workflow, and the key under which a run of it was started.
type StartKey = (Scope, String, String, String);

fn start_key(run: &NewRun) -> Option<StartKey> {
    let key = run.idempotency_key.clone()?;
    let workflow = &run.workflow;
    Some((
        run.principal.scope(),
        workflow.namespace.clone(),
        workflow.name.clone(),
        key,
    ))
}

#[derive(Debug)]
struct Run {
    record: RunRecord,
    expires_at: Option<Timestamp>,
    journal: Vec<JournalEntry>,
}

impl Run {
    fn new(run: &NewRun, worker: Option<WorkerId>, event_head: Offset) -> Self {
        let journal: Vec<_> = run
            .entries(event_head)
            .map(|(entry, event_head)| JournalEntry {
                event_head,
                ..entry.clone()
            })
            .collect();
        Self {
            record: run.record(worker),
            expires_at: None,
            journal,
        }
    }

    fn next_sequence(&self) -> u64 {
        self.journal.last().map_or(0, |entry| entry.sequence + 1)
    }

    fn write(&mut self, commit: RunCommit, event_head: Offset) {
        self.journal.extend(
            commit
                .entries
                .into_iter()
                .map(|entry| JournalEntry { event_head, ..entry }),
        );
        if let Some(last) = self.journal.last() {
            self.record.updated_at = last.at;
        }
        if commit.continues {
            self.journal.drain(..self.journal.len().saturating_sub(1));
            self.record.journal_start = self.next_sequence().saturating_sub(1);
        }
        if let Some(is_paused) = commit.is_paused {
            self.record.status = if is_paused {
                RunStatus::Paused
            } else if self.record.admission.as_ref().is_some_and(Admission::is_waiting) {
                RunStatus::Queued
            } else {
                RunStatus::Running
            };
        }
        if let Some(to) = commit.migrates_to {
            let from = self.record.workflow.version();
            self.record.started_with.get_or_insert(from);
            self.record.workflow = self.record.workflow.with_version(to);
        }
        if let Some(end) = commit.end {
            self.record.status = end.status;
            self.record.output = end.output;
            self.record.error = end.error;
            self.record.ended_at = Some(end.at);
            self.expires_at = end.expires_at;
        }
    }
}

impl Tables {
    fn append(&mut self, scope: &Scope, event: &CloudEvent) -> Offset {
        let key = (scope.clone(), event.source.clone(), event.id.clone());
        if let Some(offset) = self.known_events.get(&key) {
            return *offset;
        }
        self.head += 1;
        self.known_events.insert(key, self.head);
        self.events.insert(self.head, (scope.clone(), event.clone()));
        self.head
    }

    fn commit(&mut self, worker: Option<WorkerId>, mut commit: RunCommit) -> Result<Committed> {
        let key = (commit.scope.clone(), commit.run);
        let run = self.runs.get(&key).ok_or_else(|| commit.unknown_run())?;
        if worker.is_some() && run.record.worker != worker {
            return Err(held_by_another(commit.run));
        }
        commit.check(run.next_sequence(), run.record.status.has_ended())?;
        for event in &commit.events {
            self.append(&commit.scope, event);
        }
        for change in std::mem::take(&mut commit.approvals) {
            self.change_approval(&commit.scope, change);
        }
        if let (Some(tally), Some(end)) = (&commit.tally, &commit.end) {
            self.count(&commit.scope, tally, end.at);
        }
        if let Some(letter) = commit.letter {
            self.letters.answer(letter, Ok(()));
        }
        let event_head = self.head;
        if let Some(run) = self.runs.get_mut(&key) {
            run.write(commit, event_head);
        }
        Ok(Committed { event_head })
    }

    fn change_approval(&mut self, scope: &Scope, change: ApprovalChange) {
        match change {
            ApprovalChange::Open(approval) => {
                self.approvals
                    .entry((scope.clone(), approval.id))
                    .or_insert(*approval);
            }
            ApprovalChange::Close {
                id,
                status,
                decision,
                at,
            } => {
                let approval = self.approvals.get_mut(&(scope.clone(), id));
                if let Some(approval) = approval.filter(|known| known.status == ApprovalStatus::Pending) {
                    approval.status = status;
                    approval.decision = decision;
                    approval.closed_at = Some(at);
                }
            }
        }
    }
}

impl MemoryStore {
    fn query<T>(&self, query: impl FnOnce(&Tables) -> T) -> T {
        query(&self.lock())
    }

    /// Runs a change and tells the followers of the head about it.
    fn write<T>(&self, change: impl FnOnce(&mut Tables) -> T) -> T {
        let mut tables = self.lock();
        let result = change(&mut tables);
        let head = tables.head;
        self.shared
            .head
            .send_if_modified(|known| std::mem::replace(known, head) != head);
        result
    }

    /// Runs a change of a worker that holds its lease, or of an engine that has the store alone.
    fn write_held<T>(&self, change: impl FnOnce(&mut Tables, Option<WorkerId>) -> Result<T>) -> Result<T> {
        let worker = self.seat.as_ref().map(Seat::id);
        self.write(|tables| {
            if let Some(worker) = worker {
                tables.workers.check(worker)?;
            }
            change(tables, worker)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // No change panics half way, so what a poisoned lock guards is whole.
        self.shared.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl WorkflowStore for MemoryStore {
    async fn put_document(&self, scope: &Scope, hash: &str, text: &str) -> Result<()> {
        self.write(|tables| {
            tables
                .documents
                .entry((scope.clone(), hash.to_owned()))
                .or_insert_with(|| text.to_owned());
        });
        Ok(())
    }

    async fn document(&self, scope: &Scope, hash: &str) -> Result<Option<String>> {
        Ok(self.query(|tables| tables.documents.get(&(scope.clone(), hash.to_owned())).cloned()))
    }

    async fn deploy(&self, scope: &Scope, workflow: &DeployedWorkflow) -> Result<DeployedWorkflow> {
        self.write(|tables| {
            if !tables
                .documents
                .contains_key(&(scope.clone(), workflow.hash.clone()))
            {
                return Err(workflow.without_document());
            }
            let key = (
                scope.clone(),
                workflow.namespace.clone(),
                workflow.name.clone(),
                workflow.version.clone(),
            );
            let deployed = match tables.workflows.get(&key) {
                Some(first) => first.clone().deployed_again(workflow)?,
                None => workflow.clone(),
            };
            tables.workflows.insert(key, deployed.clone());
            Ok(deployed)
        })
    }

    async fn find(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        version: Option<&str>,
    ) -> Result<Option<DeployedWorkflow>> {
        Ok(self.query(|tables| {
            let is_wanted =
                |workflow: &&DeployedWorkflow| workflow.namespace == namespace && workflow.name == name;
            select(tables.workflows_of(scope).filter(is_wanted).cloned(), version)
        }))
    }

    async fn roll_back(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        version: &str,
        at: Timestamp,
    ) -> Result<Option<Vec<DeployedWorkflow>>> {
        Ok(self.write(|tables| {
            let of_workflow =
                |workflow: &&DeployedWorkflow| workflow.namespace == namespace && workflow.name == name;
            let versions = tables.workflows_of(scope).filter(of_workflow).cloned().collect();
            let versions = rolled_back(versions, version, at)?;
            for workflow in &versions {
                let key = (
                    scope.clone(),
                    workflow.namespace.clone(),
                    workflow.name.clone(),
                    workflow.version.clone(),
                );
                tables.workflows.insert(key, workflow.clone());
            }
            Some(versions)
        }))
    }

    async fn list(&self, scope: &Scope, page: &PageRequest) -> Result<Page<DeployedWorkflow>> {
        let size = page.size()?;
        let after: Option<(String, String, Timestamp, String)> = page.cursor()?;
        let mut items: Vec<_> = self.query(|tables| {
            let is_next =
                |workflow: &&DeployedWorkflow| after.as_ref().is_none_or(|after| workflow.cursor() > *after);
            tables.workflows_of(scope).filter(is_next).cloned().collect()
        });
        items.sort_by_cached_key(DeployedWorkflow::cursor);
        Page::cut(items, size, DeployedWorkflow::cursor)
    }

    async fn delete(&self, scope: &Scope, namespace: &str, name: &str, version: Option<&str>) -> Result<u64> {
        Ok(self.write(|tables| {
            let before = tables.workflows.len();
            tables
                .workflows
                .retain(|(owner, of_namespace, of_name, of_version), _| {
                    owner != scope
                        || of_namespace != namespace
                        || of_name != name
                        || version.is_some_and(|version| version != of_version)
                });
            (before - tables.workflows.len()) as u64
        }))
    }
}

impl Tables {
    fn workflows_of<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a DeployedWorkflow> {
        self.workflows
            .iter()
            .filter(move |((owner, ..), _)| owner == scope)
            .map(|(_, workflow)| workflow)
    }

    fn runs_of<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a RunRecord> {
        self.runs
            .iter()
            .filter(move |((owner, _), _)| owner == scope)
            .map(|(_, run)| &run.record)
    }
}

#[async_trait]
impl TemplateStore for MemoryStore {
    async fn put_template(&self, scope: &Scope, template: &StoredTemplate) -> Result<()> {
        let key = (scope.clone(), template.info.name.clone());
        self.write(|tables| tables.templates.insert(key, template.clone()));
        Ok(())
    }

    async fn template(&self, scope: &Scope, name: &str) -> Result<Option<StoredTemplate>> {
        Ok(self.query(|tables| tables.templates.get(&(scope.clone(), name.to_owned())).cloned()))
    }

    async fn templates(&self, scope: &Scope, page: &PageRequest) -> Result<Page<TemplateInfo>> {
        let size = page.size()?;
        let after: Option<String> = page.cursor()?;
        let items = self.query(|tables| {
            let own = tables.templates.iter().filter(|((owner, _), _)| owner == scope);
            own.map(|(_, template)| template.info.clone())
                .filter(|info| after.as_ref().is_none_or(|after| info.name > *after))
                .take(size + 1)
                .collect()
        });
        Page::cut(items, size, TemplateInfo::cursor)
    }

    async fn delete_template(&self, scope: &Scope, name: &str) -> Result<bool> {
        let key = (scope.clone(), name.to_owned());
        Ok(self.write(|tables| tables.templates.remove(&key).is_some()))
    }
}

#[async_trait]
impl RunStore for MemoryStore {
    fn workers(&self) -> Option<&dyn WorkerStore> {
        self.seat.is_some().then_some(self)
    }

    async fn create(&self, run: NewRun) -> Result<Committed> {
        run.check()?;
        let is_offered = run.is_offered;
        let created = self.write_held(|tables, worker| {
            let key = (run.principal.scope(), run.id);
            if tables.runs.contains_key(&key) {
                return Err(run.already_exists());
            }
            if let Some(start_key) = start_key(&run) {
                if tables.started.contains_key(&start_key) {
                    return Err(run.key_taken());
                }
                tables.started.insert(start_key, run.id);
            }
            tables.count(&key.0, &run.tally(), run.created_at);
            let event_head = tables.head;
            tables.runs.insert(key, Run::new(&run, worker, event_head));
            Ok(Committed { event_head })
        });
        if is_offered {
            self.tell();
        }
        created
    }

    async fn commit(&self, commit: RunCommit) -> Result<Committed> {
        let has_letter = commit.letter.is_some();
        let committed = self.write_held(|tables, worker| tables.commit(worker, commit));
        if has_letter {
            self.tell();
        }
        committed
    }

    async fn admit(&self, lane: &Lane, now: Timestamp) -> Result<Admitted> {
        let admitted = self.write_held(|tables, worker| {
            let admitted = tables.admit(lane, now);
            for run in &admitted.changed {
                tables.tell_holder(worker, &(lane.scope.clone(), *run));
            }
            Ok(admitted)
        });
        self.tell();
        admitted
    }

    async fn run(&self, scope: &Scope, id: RunId) -> Result<Option<RunRecord>> {
        Ok(self.query(|tables| {
            tables
                .runs
                .get(&(scope.clone(), id))
                .map(|run| run.record.clone())
        }))
    }

    async fn run_with_key(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        key: &str,
    ) -> Result<Option<RunId>> {
        let key = (
            scope.clone(),
            namespace.to_owned(),
            name.to_owned(),
            key.to_owned(),
        );
        Ok(self.query(|tables| tables.started.get(&key).copied()))
    }

    async fn count_runs(&self, scope: &Scope, filter: &RunFilter) -> Result<u64> {
        Ok(self.query(|tables| tables.runs_of(scope).filter(|run| filter.matches(run)).count() as u64))
    }

    async fn runs(&self, scope: &Scope, filter: &RunFilter, page: &PageRequest) -> Result<Page<RunRecord>> {
        let size = page.size()?;
        let after: Option<(Timestamp, RunId)> = page.cursor()?;
        let mut items: Vec<_> = self.query(|tables| {
            let is_next =
                |run: &&RunRecord| after.is_none_or(|after| run.cursor() < after) && filter.matches(run);
            let runs = tables.runs_of(scope).filter(is_next);
            runs.map(RunRecord::listed).collect()
        });
        items.sort_by_key(|run| std::cmp::Reverse(run.cursor()));
        Page::cut(items, size, RunRecord::cursor)
    }

    async fn journal(&self, scope: &Scope, id: RunId, from: u64, limit: usize) -> Result<Vec<JournalEntry>> {
        Ok(self.query(|tables| {
            let journal = tables
                .runs
                .get(&(scope.clone(), id))
                .map_or(&[][..], |run| &run.journal);
            journal
                .iter()
                .filter(|entry| entry.sequence >= from)
                .take(limit)
                .cloned()
                .collect()
        }))
    }

    async fn unfinished(&self) -> Result<Vec<RunRecord>> {
        let mut runs: Vec<_> = self.query(|tables| {
            let running = tables.runs.values().filter(|run| !run.record.status.has_ended());
            running.map(|run| run.record.listed()).collect()
        });
        runs.sort_by_key(RunRecord::cursor);
        Ok(runs)
    }
}

#[async_trait]
impl ApprovalStore for MemoryStore {
    async fn approval(&self, principal: &Principal, id: ApprovalId) -> Result<Option<ApprovalRecord>> {
        Ok(self.query(|tables| {
            let mut approvals = tables.approvals.values();
            approvals
                .find(|approval| approval.id == id && approval.is_visible_to(principal))
                .cloned()
        }))
    }

    async fn approvals(
        &self,
        principal: &Principal,
        filter: &ApprovalFilter,
        page: &PageRequest,
    ) -> Result<Page<ApprovalRecord>> {
        let size = page.size()?;
        let after: Option<(Timestamp, ApprovalId)> = page.cursor()?;
        let mut items: Vec<_> = self.query(|tables| {
            let is_next = |approval: &&ApprovalRecord| {
                after.is_none_or(|after| approval.cursor() < after) && filter.matches(approval, principal)
            };
            let wanted = tables.approvals.values().filter(is_next);
            wanted.map(ApprovalRecord::listed).collect()
        });
        items.sort_by_key(|approval| std::cmp::Reverse(approval.cursor()));
        Page::cut(items, size, ApprovalRecord::cursor)
    }
}

#[async_trait]
impl EventLog for MemoryStore {
    async fn append(&self, scope: &Scope, event: &CloudEvent) -> Result<Offset> {
        self.write_held(|tables, _| Ok(tables.append(scope, event)))
    }

    async fn read(&self, scope: &Scope, after: Offset, limit: usize) -> Result<Vec<LoggedEvent>> {
        Ok(self.query(|tables| {
            let Some(first) = after.checked_add(1) else {
                return Vec::new();
            };
            let of_scope = tables
                .events
                .range(first..)
                .filter(|(_, (owner, _))| owner == scope);
            of_scope
                .take(limit)
                .map(|(offset, (_, event))| LoggedEvent {
                    offset: *offset,
                    event: event.clone(),
                })
                .collect()
        }))
    }

    async fn head(&self) -> Result<Offset> {
        Ok(self.query(|tables| tables.head))
    }

    fn watch(&self) -> watch::Receiver<Offset> {
        self.shared.head.subscribe()
    }
}
