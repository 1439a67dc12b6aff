//! A process that dies between any two writes loses nothing and repeats nothing that was finished.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use atom_core::storage::{
    Admitted, AlertRecord, AlertStore, ApprovalFilter, ApprovalRecord, ApprovalStore, Committed,
    DeployedWorkflow, Expiry, JournalEntry, Lane, MemoryStore, MemoryVault, NewRun, Page, PageRequest,
    Resolution, RetentionStore, RunCommit, RunFilter, RunRecord, RunStore, ScheduleRecord, ScheduleStore,
    Series, StatisticsQuery, StatisticsStore, StoredTemplate, Tally, TemplateInfo, TemplateStore, Vault,
    WorkflowName, WorkflowStore,
};
use atom_core::{
    ApprovalId, CancellationToken, CloudEvent, Error, ErrorCode, EventLog, LoggedEvent, Offset, Principal,
    Result, RunId, Scope, Secret,
};
use atom_workflow::runtime::RuntimeLimits;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::Bench;

/// A store whose process dies: after a number of writes nothing is written any more.
#[derive(Debug)]
pub(crate) struct MortalStore {
    inner: Arc<MemoryStore>,
    writes_left: AtomicI64,
    /// How many more reads of runs, journals and the log find the store away.
    reads_away: AtomicI64,
    /// Whether it is told later than it is done that a run was created, as a database does.
    answers_late: AtomicBool,
    /// After what the log was read, every time.
    log_reads: Mutex<Vec<Offset>>,
    /// Cancelled when the process has died.
    pub(crate) death: CancellationToken,
}

impl MortalStore {
    /// A store over another that dies after so many writes.
    pub(crate) fn new(inner: Arc<MemoryStore>, writes: i64) -> Arc<Self> {
        Arc::new(Self {
            inner,
            writes_left: AtomicI64::new(writes),
            reads_away: AtomicI64::new(0),
            answers_late: AtomicBool::new(false),
            log_reads: Mutex::default(),
            death: CancellationToken::new(),
        })
    }

    /// Has it told from now on only later that a run was created.
    pub(crate) fn answer_late(&self) {
        self.answers_late.store(true, Ordering::SeqCst);
    }

    /// How many writes there have been, of `writes` that there may be.
    pub(crate) fn written(&self, writes: i64) -> i64 {
        writes - self.writes_left.load(Ordering::SeqCst)
    }

    /// Makes the next reads of runs, journals and the log fail, as when a database is away for a while.
    pub(crate) fn go_away(&self, reads: i64) {
        self.reads_away.store(reads, Ordering::SeqCst);
    }

    /// Whether so many reads have found the store away.
    pub(crate) fn is_back(&self) -> bool {
        self.reads_away.load(Ordering::SeqCst) <= 0
    }

    /// After what the log was read so far, every time.
    pub(crate) fn log_reads(&self) -> Vec<Offset> {
        self.log_reads.lock().unwrap().clone()
    }

    fn read(&self) -> Result<()> {
        if self.reads_away.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Unavailable, "the store is away"))
    }

    fn write(&self) -> Result<()> {
        if self.writes_left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        self.death.cancel();
        Err(Error::new(ErrorCode::Closed, "the process is dead"))
    }
}

#[async_trait]
impl WorkflowStore for MortalStore {
    async fn put_document(&self, scope: &Scope, hash: &str, text: &str) -> Result<()> {
        self.inner.put_document(scope, hash, text).await
    }
    async fn document(&self, scope: &Scope, hash: &str) -> Result<Option<String>> {
        self.inner.document(scope, hash).await
    }
    async fn deploy(&self, scope: &Scope, workflow: &DeployedWorkflow) -> Result<DeployedWorkflow> {
        self.inner.deploy(scope, workflow).await
    }
    async fn find(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        version: Option<&str>,
    ) -> Result<Option<DeployedWorkflow>> {
        self.inner.find(scope, namespace, name, version).await
    }
    async fn roll_back(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        version: &str,
        at: jiff::Timestamp,
    ) -> Result<Option<Vec<DeployedWorkflow>>> {
        self.inner.roll_back(scope, namespace, name, version, at).await
    }
    async fn list(&self, scope: &Scope, page: &PageRequest) -> Result<Page<DeployedWorkflow>> {
        self.inner.list(scope, page).await
    }
    async fn delete(&self, scope: &Scope, namespace: &str, name: &str, version: Option<&str>) -> Result<u64> {
        WorkflowStore::delete(&*self.inner, scope, namespace, name, version).await
    }
}

#[async_trait]
impl TemplateStore for MortalStore {
    async fn put_template(&self, scope: &Scope, template: &StoredTemplate) -> Result<()> {
        self.inner.put_template(scope, template).await
    }
    async fn template(&self, scope: &Scope, name: &str) -> Result<Option<StoredTemplate>> {
        self.inner.template(scope, name).await
    }
    async fn templates(&self, scope: &Scope, page: &PageRequest) -> Result<Page<TemplateInfo>> {
        self.inner.templates(scope, page).await
    }
    async fn delete_template(&self, scope: &Scope, name: &str) -> Result<bool> {
        self.inner.delete_template(scope, name).await
    }
}

#[async_trait]
impl RetentionStore for MortalStore {
    async fn prune(&self, expiry: &Expiry, limit: usize) -> Result<bool> {
        self.write()?;
        self.inner.prune(expiry, limit).await
    }
    async fn trim_journals(&self, limit: usize) -> Result<bool> {
        self.inner.trim_journals(limit).await
    }
    async fn delete_run(&self, scope: &Scope, run: RunId) -> Result<bool> {
        self.write()?;
        self.inner.delete_run(scope, run).await
    }
    async fn has_expiring_runs(&self) -> Result<bool> {
        self.inner.has_expiring_runs().await
    }
    async fn note_events(&self, at: Timestamp) -> Result<()> {
        self.write()?;
        self.inner.note_events(at).await
    }
}

#[async_trait]
impl RunStore for MortalStore {
    async fn create(&self, run: NewRun) -> Result<Committed> {
        self.write()?;
        let created = self.inner.create(run).await;
        if self.answers_late.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        created
    }
    async fn commit(&self, commit: RunCommit) -> Result<Committed> {
        self.write()?;
        self.inner.commit(commit).await
    }
    async fn admit(&self, lane: &Lane, now: Timestamp) -> Result<Admitted> {
        self.write()?;
        self.inner.admit(lane, now).await
    }
    async fn run(&self, scope: &Scope, id: RunId) -> Result<Option<RunRecord>> {
        self.read()?;
        self.inner.run(scope, id).await
    }
    async fn run_with_key(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        key: &str,
    ) -> Result<Option<RunId>> {
        self.inner.run_with_key(scope, namespace, name, key).await
    }
    async fn count_runs(&self, scope: &Scope, filter: &RunFilter) -> Result<u64> {
        self.inner.count_runs(scope, filter).await
    }
    async fn runs(&self, scope: &Scope, filter: &RunFilter, page: &PageRequest) -> Result<Page<RunRecord>> {
        self.inner.runs(scope, filter, page).await
    }
    async fn journal(&self, scope: &Scope, id: RunId, from: u64, limit: usize) -> Result<Vec<JournalEntry>> {
        self.read()?;
        self.inner.journal(scope, id, from, limit).await
    }
    async fn unfinished(&self) -> Result<Vec<RunRecord>> {
        self.inner.unfinished().await
    }
}

#[async_trait]
impl ScheduleStore for MortalStore {
    async fn put_schedule(&self, schedule: &ScheduleRecord) -> Result<bool> {
        self.write()?;
        self.inner.put_schedule(schedule).await
    }
    async fn schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<Option<ScheduleRecord>> {
        self.inner.schedule(scope, namespace, name).await
    }
    async fn schedules(&self, scope: &Scope, page: &PageRequest) -> Result<Page<ScheduleRecord>> {
        self.inner.schedules(scope, page).await
    }
    async fn delete_schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<bool> {
        self.write()?;
        self.inner.delete_schedule(scope, namespace, name).await
    }
    async fn earliest_schedules(&self, limit: usize) -> Result<Vec<ScheduleRecord>> {
        self.inner.earliest_schedules(limit).await
    }
    async fn listening_schedules(&self, after: Option<Offset>) -> Result<Vec<ScheduleRecord>> {
        self.inner.listening_schedules(after).await
    }
    async fn awaiting_schedules(&self) -> Result<Vec<ScheduleRecord>> {
        self.inner.awaiting_schedules().await
    }
}

#[async_trait]
impl StatisticsStore for MortalStore {
    async fn statistics(
        &self,
        scope: &Scope,
        query: &StatisticsQuery,
        page: &PageRequest,
    ) -> Result<Page<Series>> {
        self.inner.statistics(scope, query, page).await
    }
    async fn runs_since(
        &self,
        scope: &Scope,
        workflow: Option<&WorkflowName>,
        resolution: Resolution,
        from: i64,
    ) -> Result<Tally> {
        self.inner.runs_since(scope, workflow, resolution, from).await
    }
    async fn drop_statistics(&self, resolution: Resolution, before: i64) -> Result<u64> {
        self.inner.drop_statistics(resolution, before).await
    }
}

#[async_trait]
impl AlertStore for MortalStore {
    async fn put_alert(&self, alert: &AlertRecord) -> Result<bool> {
        self.write()?;
        self.inner.put_alert(alert).await
    }
    async fn alert(&self, scope: &Scope, name: &str) -> Result<Option<AlertRecord>> {
        self.inner.alert(scope, name).await
    }
    async fn alerts(&self, scope: &Scope, page: &PageRequest) -> Result<Page<AlertRecord>> {
        self.inner.alerts(scope, page).await
    }
    async fn delete_alert(&self, scope: &Scope, name: &str, revision: u64) -> Result<bool> {
        self.write()?;
        self.inner.delete_alert(scope, name, revision).await
    }
    async fn all_alerts(&self, after: Option<&(Scope, String)>, limit: usize) -> Result<Vec<AlertRecord>> {
        self.inner.all_alerts(after, limit).await
    }
}

#[async_trait]
impl ApprovalStore for MortalStore {
    async fn approval(&self, principal: &Principal, id: ApprovalId) -> Result<Option<ApprovalRecord>> {
        self.inner.approval(principal, id).await
    }
    async fn approvals(
        &self,
        principal: &Principal,
        filter: &ApprovalFilter,
        page: &PageRequest,
    ) -> Result<Page<ApprovalRecord>> {
        self.inner.approvals(principal, filter, page).await
    }
}

#[async_trait]
impl EventLog for MortalStore {
    async fn append(&self, scope: &Scope, event: &CloudEvent) -> Result<Offset> {
        self.write()?;
        self.inner.append(scope, event).await
    }
    async fn read(&self, scope: &Scope, after: Offset, limit: usize) -> Result<Vec<LoggedEvent>> {
        self.log_reads.lock().unwrap().push(after);
        self.read()?;
        self.inner.read(scope, after, limit).await
    }
    async fn head(&self) -> Result<Offset> {
        self.inner.head().await
    }
    fn watch(&self) -> tokio::sync::watch::Receiver<Offset> {
        self.inner.watch()
    }
}

const WORKFLOW: &str = r#"
- one: { call: echo, with: { n: 1 } }
- two: { emit: { event: { with: { type: com.example.two, data: '${ . }' } } } }
- three:
    for: { in: '${ [10, 20] }' }
    do: [{ step: { call: echo, with: { n: '${ $item }' } } }]
- four:
    try: [{ flaky: { call: flaky, with: { failures: 2 } } }]
    catch: { retry: { delay: { seconds: 1 }, limit: { attempt: { count: 5 } } } }
- five:
    fork: { branches: [{ left: { call: echo, with: { n: 5 } } }, { right: { wait: PT2S } }] }
- six: { run: { workflow: { namespace: default, name: child, version: 1.0.0, input: { n: 6 } } } }
- seven: { set: { n: '${ .n }', context: '${ $context }' } }
"#;

const CHILD: &str = "document: { dsl: 1.0.3, namespace: default, name: child, version: 1.0.0 }\ndo:\n  - a: { call: echo, with: { n: '${ .n }' } }\n";

/// Fails after two tasks that can be undone; undoing one of them fails twice.
const SAGA: &str = r#"
- one:
    call: echo
    with: { n: 1 }
    metadata: { atom: { compensate: [{ undo: { call: echo, with: { undone: 1 } } }, { tell: { emit: { event: { with: { type: com.example.undone } } } } }] } }
- two:
    call: echo
    with: { n: 2 }
    metadata: { atom: { compensate: [{ undo: { call: flaky, with: { failures: 2 } } }, { rest: { wait: PT1S } }] } }
- three: { raise: { error: { type: https://example.com/declined, status: 402 } } }
"#;

/// Runs until the store dies after `writes` writes, then again in a new process; gives the output or error, each
/// call's idempotency key, the number of events, and whether the first process got to the end.
async fn die_after(workflow: &str, limits: RuntimeLimits, writes: i64) -> (Value, Vec<String>, usize, bool) {
    let memory = Arc::new(MemoryStore::default());
    let mortal = MortalStore::new(Arc::clone(&memory), writes);
    let death = mortal.death.clone();
    let vault = Arc::new(MemoryVault::default());
    let first = Bench::over(mortal, Arc::clone(&vault) as _, limits);
    first.deploy(CHILD).await;
    let Ok(run) = first.try_start(workflow, json!({})).await else {
        return (Value::Null, Vec::new(), 0, false);
    };
    let scope = first.scope();
    let alive = tokio::select! {
        ended = first.runtime.wait(&scope, run.id) => ended.is_ok(),
        () = death.cancelled() => false,
        () = keep_time_moving(&first) => false,
    };
    first.runtime.close(Duration::from_secs(5)).await;

    let second = Bench::over(Arc::clone(&memory) as _, vault, limits);
    second.clock.set(first.clock_now());
    second.runtime.resume(None).await.unwrap();
    let ended = tokio::select! {
        ended = second.runtime.wait(&scope, run.id) => ended.unwrap(),
        () = keep_time_moving(&second) => unreachable!("time never ends"),
    };
    let mut keys = first.calls.keys();
    keys.extend(second.calls.keys());
    let events = memory.read(&second.scope(), 0, 100).await.unwrap().len();
    crate::statistics::agree_with_histories(&second.runtime, &memory, &scope).await;
    assert!(
        memory.unfinished().await.unwrap().is_empty(),
        "after {writes} writes"
    );
    (
        ended.output.or(ended.error).unwrap_or(Value::Null),
        keys,
        events,
        alive,
    )
}

pub(crate) async fn keep_time_moving(bench: &Bench) {
    loop {
        bench.clock.parked(1).await;
        bench.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_crash_after_any_write_changes_nothing() {
    let output = survive(WORKFLOW).await;
    assert_eq!(output["n"], 6);
}

#[tokio::test]
async fn a_crash_while_a_run_is_undone_changes_nothing() {
    let error = survive(SAGA).await;
    assert_eq!(error["status"], 402);
}

/// Lets a workflow that publishes one event die after each of its writes; gives what it ends with every time. That its
/// journal begins anew wherever it can changes nothing, either.
async fn survive(workflow: &str) -> Value {
    let limits = RuntimeLimits::default();
    let expected = survive_with(workflow, limits).await;
    let continuing = RuntimeLimits {
        continue_after: 1,
        ..limits
    };
    assert_eq!(survive_with(workflow, continuing).await, expected);
    expected
}

async fn survive_with(workflow: &str, limits: RuntimeLimits) -> Value {
    let (expected, keys, events, alive) = die_after(workflow, limits, i64::MAX).await;
    assert!(alive);
    assert_eq!(events, 1);
    let calls_without_crash = keys.len();
    let mut writes = 1;
    loop {
        let (output, mut keys, events, alive) = die_after(workflow, limits, writes).await;
        assert_eq!((&output, events), (&expected, 1), "after {writes} writes");
        let calls = keys.len();
        keys.sort();
        keys.dedup();
        // Only calls that were under way when the process died are made again: at most one in each branch.
        assert!(
            calls - keys.len() <= 2,
            "after {writes} writes {} calls were repeated",
            calls - keys.len()
        );
        assert!(calls <= calls_without_crash + 4, "after {writes} writes");
        if alive {
            return expected;
        }
        writes += 1;
    }
}

/// Some arguments cannot be computed, which is handled before more is called.
const FAILING_ARGUMENTS: &str = r#"
- one: { call: echo, with: { n: 1 } }
- two:
    try: [{ bad: { call: echo, with: { n: '${ "text" * {} }' } } }]
    catch: {}
- three:
    fork:
      branches:
        - left: { try: [{ bad: { call: echo, with: { n: '${ error("no") }' } } }], catch: { do: [{ mend: { call: echo, with: { n: 3 } } }] } }
        - right: { do: [{ pause: { wait: PT1S } }, { work: { call: echo, with: { n: 4 } } }] }
- four: { emit: { event: { with: { type: com.example.four, data: '${ . }' } } }, output: { as: '{ n: 6 }' } }
- five: { try: [{ bad: { run: { workflow: { namespace: default, name: child, version: 1.0.0, input: { n: '${ error("no") }' } } } } }], catch: {} }
- six: { run: { workflow: { namespace: default, name: child, version: 1.0.0, input: { n: 6 } } } }
"#;

#[tokio::test]
async fn a_crash_after_arguments_that_could_not_be_computed_changes_nothing() {
    let output = survive(FAILING_ARGUMENTS).await;
    assert_eq!(output["n"], 6);
}

#[tokio::test]
async fn what_answered_calls_were_given_is_not_computed_again() {
    let store = Arc::new(MemoryStore::default());
    let vault = Arc::new(MemoryVault::default());
    let open = || {
        Bench::over(
            Arc::clone(&store) as _,
            Arc::clone(&vault) as _,
            RuntimeLimits::default(),
        )
    };
    let first = open();
    let scope = first.scope();
    let now = first.clock_now();
    vault
        .set(&scope, "token", &Secret::new("once"), now)
        .await
        .unwrap();
    let workflow = r#"
use: { secrets: [token] }
do:
  - a: { call: echo, with: { length: '${ $secrets.token | if . == "once" then length else error("it is gone") end }' } }
  - pause: { wait: PT1S }
  - b: { set: { length: '${ .length }' } }
"#;
    let run = first.start(workflow, json!({})).await;
    let due = now + Duration::from_secs(1);
    while first.clock.earliest_deadline() != Some(due) {
        tokio::task::yield_now().await;
    }
    first.runtime.close(Duration::from_secs(5)).await;
    vault.delete(&scope, "token").await.unwrap();
    let second = open();
    second.runtime.resume(None).await.unwrap();
    second.clock.set(due);
    assert_eq!(second.wait(&run).await.output, Some(json!({ "length": 4 })));
    let history = second.history(&run).await;
    assert!(
        history.contains(&"task_completed /do/0/a".to_owned()),
        "{history:?}"
    );
}
