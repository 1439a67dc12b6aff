//! Runs that wait for their turn: how many go on at once, which goes first, and what a crash changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atom_core::function::TypedFunction;
use atom_core::storage::{
    AdmissionState, ApprovalFilter, ApprovalStatus, DecisionKind, MemoryStore, MemoryVault, PageRequest,
    RunFilter, RunRecord, RunStatus, RunStore, Store,
};
use atom_core::{CloudEvent, ErrorCode, Result, RunId};
use atom_workflow::definition::Workflow;
use atom_workflow::machine::WaitKind;
use atom_workflow::runtime::{Decide, Rerun, RuntimeLimits, StartRun};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::crash::{MortalStore, keep_time_moving};
use crate::support::Bench;

/// A document whose runs call `gate` with their input, below these limits.
fn limited(limits: &str) -> String {
    versioned(
        "1.0.0",
        limits,
        "- work: { call: gate, with: { n: '${ .n }', key: '${ .key }' } }\n",
    )
}

fn versioned(version: &str, limits: &str, tasks: &str) -> String {
    format!(
        "document:\n  dsl: 1.0.3\n  namespace: default\n  name: limited\n  version: {version}\n  metadata: {{ atom: {limits} }}\ndo:\n{tasks}"
    )
}

const ONE: &str = "{ concurrency: { key: .key, limit: 1 }, priority: '.priority // 0' }";

/// A bench with a function `gate` that answers when the test opens it.
struct Gated {
    bench: Bench,
    gates: Arc<Gates>,
}

#[derive(Debug, Default)]
struct Gates {
    /// Those that wait, by their `n`.
    closed: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
    /// The order in which they came.
    seen: Mutex<Vec<u64>>,
}

impl Gated {
    fn new() -> Self {
        Self::over(Arc::new(MemoryStore::default()))
    }

    fn over(store: Arc<dyn Store>) -> Self {
        let bench = Bench::over(store, Arc::new(MemoryVault::default()), RuntimeLimits::default());
        let gates = Arc::new(Gates::default());
        let known = Arc::clone(&gates);
        let gate = TypedFunction::new("gate", "Waits to be opened.", move |input: Value, _| {
            let (sender, receiver) = oneshot::channel();
            let n = input["n"].as_u64().unwrap_or_default();
            known.seen.lock().unwrap().push(n);
            known.closed.lock().unwrap().insert(n, sender);
            async move {
                receiver.await.map_err(|_| atom_core::Error::internal("gone"))?;
                Ok(input)
            }
        });
        bench.functions.register(Arc::new(gate)).unwrap();
        Self { bench, gates }
    }

    async fn try_start(&self, document: &str, input: Value) -> Result<RunRecord> {
        let start = StartRun::new(Arc::new(Workflow::parse(document)?), document, input);
        self.bench.runtime.start(&self.bench.ada, start).await
    }

    async fn start(&self, document: &str, input: Value) -> RunRecord {
        self.try_start(document, input).await.unwrap()
    }

    /// Starts runs with the inputs `{ n, key: "a" }`.
    async fn start_all(&self, document: &str, numbers: std::ops::RangeInclusive<u64>) -> Vec<RunRecord> {
        let mut runs = Vec::new();
        for n in numbers {
            runs.push(self.start(document, json!({ "n": n, "key": "a" })).await);
            self.bench.clock.advance(Duration::from_millis(1));
        }
        runs
    }

    async fn until(&self, mut is_so: impl AsyncFnMut() -> bool) {
        for _ in 0..100_000 {
            if is_so().await {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!(
            "it does not come to that; seen: {:?}",
            self.gates.seen.lock().unwrap()
        );
    }

    /// Lets everybody do what they can do by themselves.
    async fn settle(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    async fn until_seen(&self, expected: &[u64]) {
        self.until(async || *self.gates.seen.lock().unwrap() == expected)
            .await;
    }

    fn open(&self, n: u64) {
        let gate = self.gates.closed.lock().unwrap().remove(&n).unwrap();
        gate.send(()).unwrap();
    }

    async fn record(&self, run: RunId) -> RunRecord {
        let record = self.bench.store.run(&self.bench.scope(), run).await;
        record.unwrap().unwrap()
    }

    async fn status(&self, run: &RunRecord) -> RunStatus {
        self.record(run.id).await.status
    }

    async fn until_status(&self, run: &RunRecord, status: RunStatus) {
        self.until(async || self.status(run).await == status).await;
    }

    async fn cancel(&self, run: &RunRecord) -> RunRecord {
        self.bench
            .runtime
            .cancel(&self.bench.scope(), run.id, None)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn queued_runs_begin_in_order_of_priority_and_then_of_creation() {
    let gated = Gated::new();
    let document = limited(ONE);
    let runs = gated.start_all(&document, 1..=3).await;
    assert_eq!(
        runs.iter().map(|run| run.status).collect::<Vec<_>>(),
        [RunStatus::Running, RunStatus::Queued, RunStatus::Queued]
    );
    let important = gated
        .start(&document, json!({ "n": 4, "key": "a", "priority": 5 }))
        .await;
    let other = gated.start(&document, json!({ "n": 5, "key": "b" })).await;
    assert_eq!(
        (important.status, other.status),
        (RunStatus::Queued, RunStatus::Running),
        "another key is another queue"
    );
    gated.until_seen(&[1, 5]).await;
    let (scope, runtime) = (gated.bench.scope(), &gated.bench.runtime);
    let waits = runtime.waits(&scope, runs[1].id).await.unwrap();
    assert_eq!((waits.len(), &waits[0].what), (1, &WaitKind::Turn));
    assert_eq!(waits[0].since, Some(runs[1].created_at));
    gated.bench.clock.advance(Duration::from_secs(3600));
    let stuck = runtime
        .stuck(&scope, gated.bench.clock_now(), &PageRequest::default())
        .await;
    assert!(
        stuck.unwrap().items.is_empty(),
        "who waits for a turn is not stuck"
    );

    let waiting = tokio::spawn({
        let (runtime, scope, run) = (runtime.clone(), scope.clone(), runs[2].id);
        async move { runtime.wait(&scope, run).await.unwrap() }
    });
    for (n, seen) in [(1, 4), (4, 2), (2, 3)] {
        gated.open(n);
        gated
            .until(async || gated.gates.seen.lock().unwrap().last() == Some(&seen))
            .await;
    }
    gated.open(3);
    let ended = waiting.await.unwrap();
    assert_eq!(ended.output, Some(json!({ "n": 3, "key": "a" })));
    assert_eq!(
        gated.bench.history(&runs[2]).await,
        [
            "run_queued",
            "run_started",
            "task_started /do/0/work",
            "task_completed /do/0/work",
            "run_completed"
        ]
    );
}

#[tokio::test]
async fn whoever_follows_a_queued_run_sees_it_begin_and_end() {
    use futures::StreamExt;
    let gated = Gated::new();
    let runs = gated.start_all(&limited(ONE), 1..=2).await;
    let mut followed = gated.bench.runtime.follow(gated.bench.scope(), runs[1].id, 0);
    let first = serde_json::to_value(followed.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(first["type"], "run_queued");
    gated.until_seen(&[1]).await;
    gated.open(1);
    let second = serde_json::to_value(followed.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(second["type"], "run_started");
    gated.until_seen(&[1, 2]).await;
    gated.open(2);
    assert_eq!(followed.count().await, 3);
}

#[tokio::test]
async fn the_newest_is_cancelled_at_once_and_says_why() {
    let gated = Gated::new();
    let document = limited("{ concurrency: { key: .key, limit: 2, onLimit: cancelNewest } }");
    let runs = gated.start_all(&document, 1..=3).await;
    assert_eq!(
        runs.iter().map(|run| run.status).collect::<Vec<_>>(),
        [RunStatus::Running, RunStatus::Running, RunStatus::Cancelled]
    );
    assert_eq!(runs[2].admission.as_ref().unwrap().state, AdmissionState::Refused);
    let history = gated
        .bench
        .runtime
        .history(&gated.bench.scope(), runs[2].id)
        .await
        .unwrap();
    let last = serde_json::to_value(history.last()).unwrap();
    assert_eq!(last["type"], "run_cancelled");
    assert!(
        last["reason"]
            .as_str()
            .unwrap()
            .contains("2 runs of the workflow"),
        "{last}"
    );
    gated.until_seen(&[1, 2]).await;
    gated.open(1);
    gated.until_status(&runs[0], RunStatus::Completed).await;
    assert_eq!(
        gated.start_all(&document, 4..=4).await[0].status,
        RunStatus::Running
    );
}

#[tokio::test]
async fn the_oldest_is_undone_before_the_newest_begins() {
    let gated = Gated::new();
    let document = versioned(
        "1.0.0",
        "{ concurrency: { key: .key, limit: 1, onLimit: cancelOldest } }",
        "- first: { call: echo, with: { n: '${ .n }', key: '${ .key }' }, metadata: { atom: { compensate: [{ undo: { call: gate, with: { n: 99 } } }] } } }
- work: { call: gate, with: { n: '${ $workflow.input.n }' } }\n",
    );
    let first = gated.start_all(&document, 1..=1).await.remove(0);
    gated.until_seen(&[1]).await;
    let second = gated.start_all(&document, 2..=2).await.remove(0);
    assert_eq!(second.status, RunStatus::Queued);
    gated.until_seen(&[1, 99]).await;
    gated.settle().await;
    assert_eq!(
        gated.status(&second).await,
        RunStatus::Queued,
        "a run that is undone keeps its place"
    );
    // One more has the second cancelled, which has not begun.
    let third = gated.start_all(&document, 3..=3).await.remove(0);
    gated.until_status(&second, RunStatus::Cancelled).await;
    assert_eq!(
        gated.bench.history(&second).await,
        ["run_queued", "run_cancelled"]
    );
    gated.open(99);
    gated.until_status(&first, RunStatus::Cancelled).await;
    gated.until_seen(&[1, 99, 3]).await;
    gated.open(3);
    assert_eq!(gated.bench.wait(&third).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn no_more_runs_begin_within_a_time_than_the_rate_says() {
    let gated = Gated::new();
    let document = limited("{ rateLimit: { key: .key, limit: 2, per: PT10S }, priority: .n }");
    let runs = gated.start_all(&document, 1..=5).await;
    gated.until_seen(&[1, 2]).await;
    gated.open(1);
    gated.until_status(&runs[0], RunStatus::Completed).await;
    gated.settle().await;
    assert_eq!(
        gated.status(&runs[4]).await,
        RunStatus::Queued,
        "an end lets nobody begin earlier"
    );
    // Two began a millisecond apart.
    let first = runs[0].created_at + Duration::from_secs(10);
    gated.bench.clock.set(first - Duration::from_millis(1));
    gated.settle().await;
    gated.until_seen(&[1, 2]).await;
    gated.bench.clock.set(first);
    gated.until_seen(&[1, 2, 5]).await;
    gated.bench.clock.advance(Duration::from_millis(1));
    gated.until_seen(&[1, 2, 5, 4]).await;
    gated.bench.clock.advance(Duration::from_secs(20));
    gated.until_seen(&[1, 2, 5, 4, 3]).await;
}

#[tokio::test]
async fn a_queued_run_is_cancelled_and_paused_without_having_begun() {
    let gated = Gated::new();
    let document = limited(ONE);
    let runs = gated.start_all(&document, 1..=4).await;
    gated.until_seen(&[1]).await;
    let (scope, runtime) = (gated.bench.scope(), &gated.bench.runtime);
    assert_eq!(gated.cancel(&runs[1]).await.status, RunStatus::Cancelled);
    assert_eq!(
        gated.bench.history(&runs[1]).await,
        ["run_queued", "run_cancelled"]
    );
    let paused = runtime.pause_run(&scope, runs[2].id, None).await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    gated.open(1);
    gated.until_seen(&[1, 4]).await;
    let resumed = runtime.resume_run(&scope, runs[2].id).await.unwrap();
    assert_eq!(resumed.status, RunStatus::Queued, "it has its turn yet to come");
    // A run that is paused keeps its place.
    runtime.pause_run(&scope, runs[3].id, None).await.unwrap();
    gated.settle().await;
    assert_eq!(gated.status(&runs[2]).await, RunStatus::Queued);
    runtime.resume_run(&scope, runs[3].id).await.unwrap();
    gated.open(4);
    gated.until_seen(&[1, 4, 3]).await;
    // One that is resumed while there is a place begins at once.
    let last = gated.start_all(&document, 5..=5).await.remove(0);
    runtime.pause_run(&scope, last.id, None).await.unwrap();
    gated.open(3);
    gated.bench.wait(&runs[2]).await;
    gated.settle().await;
    assert_eq!(gated.status(&last).await, RunStatus::Paused);
    runtime.resume_run(&scope, last.id).await.unwrap();
    gated.until_seen(&[1, 4, 3, 5]).await;
}

#[tokio::test]
async fn time_and_events_count_from_when_a_run_begins() {
    let gated = Gated::new();
    let document = versioned(
        "1.0.0",
        ONE,
        "- hear: { listen: { to: { one: { with: { type: com.example.told } } } } }
- tell: { set: { at: '${ $workflow.startedAt.iso8601 }', heard: '${ .[0].n }' } }
timeout: { after: PT1M }\n",
    );
    let runs = gated.start_all(&document, 1..=2).await;
    let told = |n: u64| {
        let mut event = CloudEvent::new(n.to_string(), "/test", "com.example.told");
        event.data = Some(json!({ "n": n }));
        event
    };
    let (scope, runtime) = (gated.bench.scope(), &gated.bench.runtime);
    gated.bench.until_listening(&runs[0]).await;
    gated.bench.clock.advance(Duration::from_secs(50));
    runtime.publish(&scope, &told(1)).await.unwrap();
    gated.bench.wait(&runs[0]).await;
    gated.bench.until_listening(&runs[1]).await;
    let begun_at = gated.bench.clock_now();
    gated.bench.clock.advance(Duration::from_secs(50));
    runtime.publish(&scope, &told(2)).await.unwrap();
    let second = gated.bench.wait(&runs[1]).await;
    assert_eq!(
        second.output,
        Some(json!({ "at": begun_at.to_string(), "heard": 2 })),
        "{:?}",
        second.error
    );
    assert_eq!(second.admission.unwrap().begun_at, Some(begun_at));
    // What is sent to the run itself is kept from its creation on.
    let runs = gated.start_all(&document, 3..=4).await;
    runtime.signal(&scope, runs[1].id, told(7)).await.unwrap();
    gated.cancel(&runs[0]).await;
    assert_eq!(gated.bench.wait(&runs[1]).await.output.unwrap()["heard"], 7);
}

#[tokio::test]
async fn every_run_is_judged_by_its_own_document() {
    let gated = Gated::new();
    let work = "- work: { call: gate, with: { n: '${ .n }', key: '${ .key }' } }\n";
    let wide = versioned("1.0.0", "{ concurrency: { key: .key, limit: 3 } }", work);
    let narrow = versioned("2.0.0", "{ concurrency: { key: .key, limit: 1 } }", work);
    gated.start_all(&wide, 1..=2).await;
    assert_eq!(gated.start_all(&narrow, 3..=3).await[0].status, RunStatus::Queued);
    let behind = gated.start_all(&wide, 4..=4).await.remove(0);
    assert_eq!(
        behind.status,
        RunStatus::Queued,
        "nobody overtakes who waits for the same key"
    );
    gated.until_seen(&[1, 2]).await;
    gated.open(1);
    gated.settle().await;
    gated.until_seen(&[1, 2]).await;
    gated.open(2);
    gated.until_seen(&[1, 2, 3, 4]).await;
}

#[tokio::test]
async fn child_runs_and_repetitions_go_through_the_same_door() {
    let gated = Gated::new();
    let document = limited(ONE);
    gated.bench.deploy(&document).await;
    let first = gated.start_all(&document, 1..=1).await.remove(0);
    let parent = "- ask: { run: { workflow: { namespace: default, name: limited, version: 1.0.0, input: { n: 2, key: a } } } }\n";
    let parent = gated.bench.start(parent, json!({})).await;
    let child = gated.bench.child_of(&parent).await;
    gated.until_seen(&[1]).await;
    assert_eq!(gated.status(&child).await, RunStatus::Queued);
    gated.open(1);
    gated.until_seen(&[1, 2]).await;
    gated.bench.wait(&first).await;
    let again = gated
        .bench
        .runtime
        .rerun(&gated.bench.ada, rerun_of(first.id))
        .await
        .unwrap();
    assert_eq!(again.status, RunStatus::Queued);
    gated.open(2);
    let parent = gated.bench.wait(&parent).await;
    assert_eq!(parent.output, Some(json!({ "n": 2, "key": "a" })));
    gated.until_seen(&[1, 2, 1]).await;

    // A child that nobody wants any more leaves the queue.
    let asking = "- ask: { run: { workflow: { namespace: default, name: limited, version: 1.0.0, input: { n: 3, key: a } } } }\n";
    let asking = gated.bench.start(asking, json!({})).await;
    let child = gated.bench.child_of(&asking).await;
    gated.until_status(&child, RunStatus::Queued).await;
    gated.cancel(&asking).await;
    gated.until_status(&child, RunStatus::Cancelled).await;
}

#[tokio::test]
async fn runs_of_schedules_go_through_the_same_door() {
    let gated = Gated::new();
    let (bench, runtime) = (&gated.bench, &gated.bench.runtime);
    let document = limited("{ concurrency: { limit: 1 } }") + "schedule: { every: PT1H }\n";
    bench.deploy(&document).await;
    runtime.schedule(&bench.ada, "default", "limited").await.unwrap();
    let trigger = async || {
        let run = runtime
            .trigger_schedule(&bench.ada, "default", "limited", None)
            .await;
        run.unwrap()
    };
    let (first, second) = (trigger().await, trigger().await);
    assert_eq!(
        (first.status, second.status),
        (RunStatus::Running, RunStatus::Queued)
    );
    gated.cancel(&first).await;
    gated.until_status(&second, RunStatus::Running).await;
    gated.cancel(&second).await;
}

#[tokio::test]
async fn a_repetition_that_waits_does_nothing_and_then_goes_on_where_the_first_one_was() {
    let gated = Gated::new();
    let document = versioned(
        "1.0.0",
        ONE,
        "- done: { call: echo, with: { n: '${ .n }', key: '${ .key }' }, metadata: { atom: { compensate: [{ undo: { call: echo } }] } } }
- ask: { set: { n: '${ $workflow.input.n }' }, metadata: { atom: { approve: { title: Go?, deadline: PT1M } } } }
- end: { call: gate, with: { n: '${ .n }', key: '${ .key }' } }\n",
    );
    let (bench, runtime) = (&gated.bench, &gated.bench.runtime);
    let pending = async || {
        let (filter, page) = (ApprovalFilter::default(), PageRequest::default());
        let approvals = bench.store.approvals(&bench.ada, &filter, &page).await;
        let mut approvals = approvals.unwrap().items;
        approvals.retain(|approval| approval.status == ApprovalStatus::Pending);
        approvals
    };
    let first = gated.start_all(&document, 1..=1).await.remove(0);
    let decide = Decide {
        approval: pending().await[0].id,
        decision: DecisionKind::Approve,
        comment: None,
        form: None,
        input: None,
    };
    runtime.decide(&bench.ada, decide).await.unwrap();
    gated.until_seen(&[1]).await;
    gated.open(1);
    bench.wait(&first).await;

    let holder = gated.start_all(&document, 2..=2).await.remove(0);
    gated.until(async || pending().await.len() == 1).await;
    let mut repetitions = Vec::new();
    for _ in 0..2 {
        let rerun = Rerun {
            run: first.id,
            from: Some("/do/1/ask".to_owned()),
            id: None,
        };
        let repetition = runtime.rerun(&bench.ada, rerun).await.unwrap();
        assert_eq!(repetition.status, RunStatus::Queued);
        repetitions.push(repetition);
    }
    let [queued, cancelled] = &repetitions[..] else {
        panic!()
    };
    gated.settle().await;
    assert_eq!(pending().await.len(), 1, "a run that waits asks nobody");
    assert_eq!(gated.cancel(cancelled).await.status, RunStatus::Cancelled);
    assert_eq!(bench.calls.count("echo"), 2, "and has nothing to undo");
    let history = bench.history(cancelled).await;
    assert_eq!(history[history.len() - 2..], ["run_queued", "run_cancelled"]);

    bench.clock.advance(Duration::from_secs(3));
    gated.cancel(&holder).await;
    gated
        .until(async || pending().await.iter().any(|approval| approval.run == queued.id))
        .await;
    assert_eq!(
        pending().await[0].deadline,
        Some(bench.clock_now() + Duration::from_secs(60)),
        "time starts anew when it begins"
    );
    assert!(bench.history(queued).await.contains(&"run_admitted".to_owned()));
    assert_eq!(
        bench.calls.count("echo"),
        3,
        "the holder was undone, and what is taken over is not done again"
    );
    let again = runtime.rerun(&bench.ada, rerun_of(cancelled.id)).await.unwrap();
    assert_eq!(
        again.status,
        RunStatus::Queued,
        "a run that never began can be repeated"
    );
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.wait(queued).await.status, RunStatus::Faulted);
    gated
        .until(async || pending().await.iter().any(|approval| approval.run == again.id))
        .await;
}

fn rerun_of(run: RunId) -> Rerun {
    Rerun {
        run,
        from: None,
        id: None,
    }
}

#[tokio::test]
async fn an_input_that_gives_no_key_or_priority_starts_nothing() {
    let gated = Gated::new();
    for (limits, input, words) in [
        (ONE, json!({}), "concurrency.key"),
        (ONE, json!({ "key": "" }), "must give a text or a number"),
        (ONE, json!({ "key": "k".repeat(257) }), "more than 256"),
        (ONE, json!({ "key": 1, "priority": "high" }), "whole number"),
        (
            ONE,
            json!({ "key": 1, "priority": 3_000_000_000_u64 }),
            "whole number",
        ),
        (
            "{ rateLimit: { key: .user.id, limit: 1, per: { minutes: 1 } } }",
            json!({ "user": 1 }),
            "rateLimit.key",
        ),
    ] {
        let refused = gated.try_start(&limited(limits), input).await.unwrap_err();
        let codes = [ErrorCode::InvalidRequest, ErrorCode::LimitExceeded];
        assert!(codes.contains(&refused.code()), "{refused:?}");
        assert!(refused.message().contains(words), "{refused}");
    }
    let all = gated
        .bench
        .store
        .count_runs(&gated.bench.scope(), &RunFilter::default())
        .await;
    assert_eq!(all.unwrap(), 0);
}

#[test]
fn a_document_says_where_its_limits_are_wrong() {
    for (limits, path, words) in [
        ("{ priority: 1 }", "priority", "add 'concurrency' or 'rateLimit'"),
        (
            "{ concurrency: { limit: 1 }, priority: 1.5 }",
            "priority",
            "whole number",
        ),
        (
            "{ concurrency: { limit: 1 }, priority: 3000000000 }",
            "priority",
            "expected -2147483648",
        ),
        (
            "{ concurrency: { key: .a } }",
            "concurrency",
            "'limit' is missing",
        ),
        (
            "{ concurrency: { limit: 0 } }",
            "concurrency/limit",
            "expected 1 to 10000",
        ),
        (
            "{ concurrency: { limit: 10001 } }",
            "concurrency/limit",
            "expected 1 to 10000",
        ),
        (
            "{ concurrency: { limit: 1, onLimit: cancel } }",
            "concurrency/onLimit",
            "cancelNewest",
        ),
        (
            "{ concurrency: { limit: 1, keys: .a } }",
            "concurrency",
            "unknown key 'keys'",
        ),
        (
            "{ concurrency: { key: '${ . ', limit: 1 } }",
            "concurrency/key",
            "",
        ),
        ("{ rateLimit: { limit: 1 } }", "rateLimit", "'per' is missing"),
        (
            "{ rateLimit: { limit: 1, per: PT0S } }",
            "rateLimit/per",
            "at least one",
        ),
        (
            "{ rateLimit: { limit: 1, per: '${ .per }' } }",
            "rateLimit/per",
            "duration",
        ),
    ] {
        let error = Workflow::parse(&limited(limits)).unwrap_err();
        let place = format!("/document/metadata/atom/{path}");
        assert!(error.message().contains(&place), "{limits}: {error}");
        assert!(error.message().contains(words), "{limits}: {error}");
    }
    let every = "{ concurrency: { limit: 1 }, rateLimit: { limit: 1, per: { minutes: 5 } }, priority: -3 }";
    assert!(Workflow::parse(&limited(every)).unwrap().unsupported.is_empty());
}

/// Runs four runs with at most one at once and two in ten seconds, in a process that dies after so many writes, and then in
/// another. Tells whether the first one lived.
async fn survive(limits: &str, writes: i64) -> bool {
    let memory = Arc::new(MemoryStore::default());
    let mortal = MortalStore::new(Arc::clone(&memory), writes);
    let death = mortal.death.clone();
    let document = versioned(
        "1.0.0",
        limits,
        "- one: { call: echo, with: { n: '${ .n }', key: '${ .key }' } }\n- two: { wait: PT1S }\n- three: { call: echo, with: { n: 3 } }\n",
    );
    Workflow::parse(&document).unwrap();
    let first = Gated::over(mortal);
    let scope = first.bench.scope();
    let begin = async {
        let mut runs = Vec::new();
        for n in 1..=4 {
            match first.try_start(&document, json!({ "n": n, "key": "a" })).await {
                Ok(run) => runs.push(run),
                Err(_) => std::future::pending().await,
            }
        }
        for run in &runs {
            if first.bench.runtime.wait(&scope, run.id).await.is_err() {
                std::future::pending().await
            }
        }
    };
    let is_alive = tokio::select! {
        biased;
        () = death.cancelled() => false,
        () = begin => true,
        () = keep_time_moving(&first.bench) => unreachable!("time never ends"),
    };
    first.bench.runtime.close(Duration::from_secs(5)).await;

    let second = Gated::over(Arc::clone(&memory) as _);
    second.bench.clock.set(first.bench.clock_now());
    let left: Vec<_> = memory.unfinished().await.unwrap();
    second.bench.runtime.resume(None).await.unwrap();
    for run in left {
        tokio::select! {
            ended = second.bench.runtime.wait(&scope, run.id) => drop(ended.unwrap()),
            () = keep_time_moving(&second.bench) => unreachable!("time never ends"),
        }
    }
    let runs = memory
        .runs(&scope, &RunFilter::default(), &PageRequest::default())
        .await;
    let mut times = Vec::new();
    for run in runs.unwrap().items {
        assert!(run.status.has_ended(), "after {writes} writes");
        let admission = run.admission.unwrap();
        match run.status {
            RunStatus::Completed => assert_eq!(admission.state, AdmissionState::Begun),
            _ => assert_ne!(admission.limits.concurrency.unwrap().on_limit, Default::default()),
        }
        times.extend(admission.begun_at.map(|begun| (begun, run.ended_at.unwrap())));
    }
    times.sort_unstable();
    for pair in times.windows(2) {
        assert!(
            pair[0].1 <= pair[1].0,
            "one at a time after {writes} writes: {times:?}"
        );
    }
    for three in times.windows(3) {
        let apart = three[2].0.duration_since(three[0].0);
        assert!(
            apart.as_secs() >= 10 || !limits.contains("rateLimit"),
            "after {writes} writes: {times:?}"
        );
    }
    is_alive
}

#[tokio::test]
async fn a_crash_at_any_write_loses_no_run_and_lets_none_begin_too_early() {
    for limits in [
        "{ concurrency: { key: .key, limit: 1 }, rateLimit: { limit: 2, per: PT10S }, priority: .n }",
        "{ concurrency: { key: .key, limit: 1, onLimit: cancelNewest } }",
        "{ concurrency: { limit: 1, onLimit: cancelOldest } }",
    ] {
        let mut writes = 1;
        while !survive(limits, writes).await {
            writes += 1;
        }
        assert!(writes > 10, "{limits}: {writes}");
    }
}

/// Something that happens to runs of one workflow.
#[derive(Clone, Copy, Debug)]
enum Step {
    Start { key: u8, priority: i8 },
    End(usize),
    Cancel(usize),
    Pause(usize),
    Resume(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2_u8, -1..2_i8).prop_map(|(key, priority)| Step::Start { key, priority }),
        4 => any::<usize>().prop_map(Step::End),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Pause),
        1 => any::<usize>().prop_map(Step::Resume),
        2 => (0..8_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_interleaving_of_starts_and_ends_exceeds_a_limit(
        steps in prop::collection::vec(step(), 1..40),
        limit in 1..4_u32,
        on_limit in prop::sample::select(vec!["queue", "cancelNewest", "cancelOldest"]),
        rate in prop::option::of(1..4_u32),
    ) {
        let rate_limit = rate.map_or_else(String::new, |rate| format!(", rateLimit: {{ limit: {rate}, per: PT10S }}"));
        let document = limited(&format!(
            "{{ concurrency: {{ key: .key, limit: {limit}, onLimit: {on_limit} }}, priority: .priority{rate_limit} }}"
        ));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(interleave(&document, &steps, limit as usize, rate));
    }
}

async fn interleave(document: &str, steps: &[Step], limit: usize, rate: Option<u32>) {
    let gated = Gated::new();
    let (scope, runtime) = (gated.bench.scope(), gated.bench.runtime.clone());
    let mut runs: Vec<RunRecord> = Vec::new();
    let chosen = |runs: &[RunRecord], index: usize| runs.get(index % runs.len().max(1)).map(|run| run.id);
    for (n, step) in steps.iter().enumerate() {
        match *step {
            Step::Start { key, priority } => {
                let input = json!({ "n": n, "key": key, "priority": priority });
                runs.push(gated.start(document, input).await);
            }
            Step::End(index) => {
                let mut closed = gated.gates.closed.lock().unwrap();
                let n = closed.keys().copied().nth(index % closed.len().max(1));
                // A run that was cancelled no longer waits.
                if let Some(gate) = n.and_then(|n| closed.remove(&n)) {
                    let _ = gate.send(());
                }
            }
            Step::Cancel(index) => {
                if let Some(run) = chosen(&runs, index) {
                    runtime.cancel(&scope, run, None).await.unwrap();
                }
            }
            // What has ended is refused.
            Step::Pause(index) => {
                if let Some(run) = chosen(&runs, index) {
                    drop(runtime.pause_run(&scope, run, None).await);
                }
            }
            Step::Resume(index) => {
                if let Some(run) = chosen(&runs, index) {
                    drop(runtime.resume_run(&scope, run).await);
                }
            }
            Step::Pass(seconds) => gated.bench.clock.advance(Duration::from_secs(seconds)),
        }
        if n % 3 == 0 {
            gated.settle().await;
        }
        check_limits(&gated, limit, rate).await;
    }
    // In the end everybody has had a turn.
    for run in &runs {
        drop(runtime.resume_run(&scope, run.id).await);
    }
    gated
        .until(async || {
            gated.settle().await;
            check_limits(&gated, limit, rate).await;
            let closed = std::mem::take(&mut *gated.gates.closed.lock().unwrap());
            for gate in closed.into_values() {
                // A run that was cancelled no longer waits.
                let _ = gate.send(());
            }
            gated.bench.clock.advance(Duration::from_secs(1));
            gated.bench.store.unfinished().await.unwrap().is_empty()
        })
        .await;
}

async fn check_limits(gated: &Gated, limit: usize, rate: Option<u32>) {
    let page = PageRequest {
        after: None,
        limit: Some(1000),
    };
    let all = gated
        .bench
        .store
        .runs(&gated.bench.scope(), &RunFilter::default(), &page)
        .await;
    let mut under_way: BTreeMap<String, usize> = BTreeMap::new();
    let mut begun = Vec::new();
    for run in all.unwrap().items {
        let admission = run.admission.unwrap();
        begun.extend(admission.begun_at);
        if !run.status.has_ended() && admission.begun_at.is_some() {
            *under_way
                .entry(admission.limits.concurrency.unwrap().key)
                .or_default() += 1;
        }
    }
    assert!(under_way.values().all(|count| *count <= limit), "{under_way:?}");
    begun.sort_unstable();
    if let Some(rate) = rate {
        for window in begun.windows(rate as usize + 1) {
            let apart = window[rate as usize].duration_since(window[0]);
            assert!(apart.as_secs() >= 10, "{begun:?}");
        }
    }
}
