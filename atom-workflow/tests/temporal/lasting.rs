//! Runs outlive their workers, and their histories.

use std::sync::Arc;
use std::time::Duration;

use atom_core::function::TypedFunction;
use atom_core::storage::DecisionKind;
use atom_core::{CloudEvent, FunctionContext, Principal};
use atom_workflow::runtime::Decide;
use atom_workflow::temporal::{TemporalLimits, TemporalRuntime, TemporalWorker};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::process::Process;
use crate::server::TestTemporal;
use crate::support::document;
use crate::world::{World, completed, config, deploy, limits, parts};

/// Where a worker in a process of its own finds the server.
const TARGET: &str = "ATOM_TEST_TEMPORAL_TARGET";

/// A run that calls, waits, hears and calls again.
const LONG: &str = r#"
- first: { call: echo, with: { n: 1 } }
- rest: { wait: { milliseconds: 500 } }
- hear: { listen: { to: { one: { with: { type: go } } } } }
- last: { call: echo, with: { heard: '${ . }' } }
"#;

/// Not a test: the worker that another test kills.
#[tokio::test(flavor = "multi_thread")]
async fn worker_of_another_process() {
    let Ok(target) = std::env::var(TARGET) else {
        return;
    };
    let bench = crate::support::Bench::new();
    let ada = Principal::new("acme", "killed").unwrap();
    let text = document(LONG);
    deploy(&bench, &ada, &[&text]).await;
    let parts = parts(&bench, limits()).await;
    let runtime = TemporalRuntime::connect(parts, config(target, "killed"))
        .await
        .unwrap();
    let _worker = TemporalWorker::start(runtime).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_with_another_worker_when_its_worker_is_killed() {
    let Some(mut world) = World::idle("killed", limits()).await else {
        return;
    };
    let target = TestTemporal::shared().await.unwrap().target();
    let process = Process::start("lasting::worker_of_another_process", &[(TARGET, &target)]);
    let run = world.start(LONG, json!({})).await;
    // The killed worker has made the first call, waited, and listens.
    world.until_event(run, "atom.hear").await;
    drop(process);
    world.work().await;
    let go = CloudEvent {
        data: Some(json!("now")),
        ..CloudEvent::new("1", "https://example.com", "go")
    };
    world.signal(run, go).await;
    assert_eq!(world.wait(run).await, completed(json!({ "heard": ["now"] })));
    // What the killed one did was not done again.
    assert_eq!(world.bench.calls.count("echo"), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_worker_is_lost_is_made_again_with_the_same_key() {
    let Some(mut world) = World::new("lost").await else {
        return;
    };
    let run = world
        .start(
            "- go: { call: hang }\n- after: { call: echo, with: { n: 1 } }",
            json!({}),
        )
        .await;
    world.until_calls("hang", 1).await;
    world.stop().await;
    world.work().await;
    world.until_calls("hang", 2).await;
    let keys = world.bench.calls.keys();
    assert_eq!(keys[0], keys[1]);
    world.runtime.cancel(&world.scope(), run, None).await.unwrap();
    world.wait(run).await;
    world.stop().await;
}

/// Registers a function `slow`, of which as many calls are answered as the gate lets through.
fn gated(world: &World) -> Arc<Semaphore> {
    let gate = Arc::new(Semaphore::new(0));
    let (gate_of_calls, calls) = (Arc::clone(&gate), Arc::clone(&world.bench.calls));
    let slow = move |_: Value, context: FunctionContext| {
        calls.note("slow", &context);
        let gate = Arc::clone(&gate_of_calls);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(Value::Null)
        }
    };
    let slow = TypedFunction::new("slow", "Answers when it is told to.", slow);
    world.bench.functions.register(Arc::new(slow)).unwrap();
    gate
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_finishes_its_calls_and_begins_nothing() {
    let Some(mut world) = World::idle("drained", limits()).await else {
        return;
    };
    let gate = gated(&world);
    world.work().await;
    let under_way = world
        .start(&format!("- call: {{ call: slow }}\n{AFTER}"), json!({}))
        .await;
    let listens = world
        .start(
            "- hear: { listen: { to: { one: { with: { type: go } } } } }",
            json!({}),
        )
        .await;
    world.until_calls("slow", 1).await;
    world.until_event(listens, "atom.hear").await;
    let worker = world.worker.take().unwrap();
    let stopped = tokio::spawn(worker.stop(Duration::from_secs(60)));
    let next = world.start("- call: { call: slow }", json!({})).await;
    gate.add_permits(1);
    // It does not wait for the run that listens.
    let stopped = tokio::time::timeout(Duration::from_secs(30), stopped).await;
    stopped.expect("the worker is done").unwrap().unwrap();
    assert_eq!(world.bench.calls.count("slow"), 1);
    assert_eq!(world.bench.calls.count("echo"), 0);
    world.work().await;
    assert_eq!(world.wait(under_way).await, completed(json!({ "n": 1 })));
    gate.add_permits(1);
    assert_eq!(world.wait(next).await, completed(Value::Null));
    // What was answered while the first worker left was kept.
    assert_eq!(world.bench.calls.count("slow"), 2);
    let go = CloudEvent {
        data: Some(json!("now")),
        ..CloudEvent::new("1", "https://example.com", "go")
    };
    world.bench.store.append(&world.scope(), &go).await.unwrap();
    assert_eq!(world.wait(listens).await, completed(json!(["now"])));
    world.stop().await;
}

#[test]
fn a_worker_that_nobody_stops_ends_with_the_runtime_it_works_with() {
    for is_dropped in [true, false] {
        let tokio = tokio::runtime::Runtime::new().unwrap();
        let parts = tokio.block_on(async {
            let mut world = World::new(&format!("ended-{is_dropped}")).await?;
            world.start("- go: { call: hang }", json!({})).await;
            world.until_calls("hang", 1).await;
            let worker = world.worker.take();
            let parts = Arc::downgrade(&world.parts);
            Some((parts, worker.filter(|_| !is_dropped)))
        });
        let (parts, worker) = parts.unzip();
        drop(tokio);
        // Nothing of it is left that would go on without its timers.
        assert!(parts.is_none_or(|parts| parts.strong_count() == 0));
        // Late, and without a runtime.
        drop(worker);
    }
}

/// What a run does after each of the waits that a server must not forget.
const AFTER: &str = "- last: { call: echo, with: { n: 1 } }";

#[tokio::test(flavor = "multi_thread")]
async fn runs_go_on_when_the_server_is_killed_and_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut server) = TestTemporal::keeping(folder.path().join("temporal.db")).await else {
        return;
    };
    let limits = TemporalLimits {
        // Longer than the server is away: a call that is under way is not made again.
        heartbeat: Duration::from_secs(60),
        ..limits()
    };
    let mut world = World::at(server.target(), "restarted", limits).await;
    let gate = gated(&world);
    world.work().await;
    let start = async |tasks: &str| world.start(&format!("{tasks}\n{AFTER}"), json!({})).await;
    let calls = start("- call: { call: slow }").await;
    let waits = start("- rest: { wait: { seconds: 3 } }").await;
    let hears = start("- hear: { listen: { to: { one: { with: { type: go } } } } }").await;
    let asks = start(
        "- ask: { set: { a: 1 }, metadata: { atom: { approve: { title: 'Go on?', assignees: { users: [bob] } } } } }",
    )
    .await;
    for (run, event) in [
        (calls, "atom.call"),
        (waits, "TimerStarted"),
        (hears, "atom.hear"),
        (asks, "AtomAsks"),
    ] {
        world.until_event(run, event).await;
    }
    server.kill();
    server.start_again().await;
    let after = start("- now: { set: { a: 1 } }").await;
    gate.add_permits(1);
    let go = CloudEvent::new("1", "https://example.com", "go");
    world.signal(hears, go).await;
    let asked = world
        .until(asks, |view| !view.approvals.is_empty())
        .await
        .approvals;
    let decide = Decide {
        approval: asked[0].id,
        decision: DecisionKind::Approve,
        comment: None,
        form: None,
        input: None,
    };
    let bob = Principal::new("acme", "bob").unwrap();
    world
        .runtime
        .decide(&bob, &world.scope(), asks, decide)
        .await
        .unwrap();
    for run in [calls, waits, hears, asks, after] {
        assert_eq!(world.wait(run).await, completed(json!({ "n": 1 })));
    }
    // Each once.
    assert_eq!(world.bench.calls.count("echo"), 5);
    assert_eq!(world.bench.calls.count("slow"), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_that_listen_leave_room_for_calls() {
    let Some(mut world) = World::new("many").await else {
        return;
    };
    // More than a worker of the SDK takes at once unless it is told to.
    let starts = (0..105).map(|_| {
        world.start(
            "- hear: { listen: { to: { one: { with: { type: go } } } } }",
            json!({}),
        )
    });
    let runs = futures::future::join_all(starts).await;
    for run in &runs {
        world.until_event(*run, "atom.hear").await;
    }
    let called = world
        .start("- go: { call: echo, with: { n: 1 } }", json!({}))
        .await;
    assert_eq!(world.wait(called).await, completed(json!({ "n": 1 })));
    let go = CloudEvent {
        data: Some(json!("now")),
        ..CloudEvent::new("1", "https://example.com", "go")
    };
    world.bench.store.append(&world.scope(), &go).await.unwrap();
    for run in runs {
        assert_eq!(world.wait(run).await, completed(json!(["now"])));
    }
    world.stop().await;
}

/// A loop of the workflow's own list, and something to undo at its end.
const LOOP: &str = r#"
- book: { call: echo, with: { n: '${ .n // 0 }' }, metadata: { atom: { compensate: [{ undo: { call: echo, with: { undone: '${ .output.n }' } } }] } } }
- next: { set: { n: '${ .n + 1 }' } }
- more: { switch: [{ again: { when: .n < 5, then: book } }, { done: { then: hear } }] }
- hear: { listen: { to: { one: { with: { type: go } } } } }
- fail: { raise: { error: { type: https://example.com/late, status: 500, title: Late, detail: '${ .[0] }' } } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_is_begun_anew_and_forgets_nothing() {
    let limits = TemporalLimits {
        continue_after: 15,
        ..limits()
    };
    let Some(mut world) = World::with("continued", limits).await else {
        return;
    };
    let run = world.start(LOOP, json!({})).await;
    let go = CloudEvent {
        data: Some(json!("signalled early")),
        ..CloudEvent::new("1", "https://example.com", "go")
    };
    world.signal(run, go).await;
    let ended = world.wait(run).await;
    let error = ended.error.unwrap();
    assert_eq!(
        (&error["title"], &error["detail"]),
        (&json!("Late"), &json!("signalled early"))
    );
    // Five bookings, and each undone.
    assert_eq!(world.bench.calls.count("echo"), 10);
    let first = &world.history(run).await[0];
    assert!(is_continued(first), "{first}");
    // However many histories it has, it is listed once.
    assert_eq!(world.until_listed(1).await[0].id, run);
    // And all of them are removed with it.
    let server = TestTemporal::shared().await.unwrap();
    let attributes = &first["attributes"]["WorkflowExecutionStartedEventAttributes"];
    let query = format!("WorkflowId = {}", attributes["workflow_id"]);
    let histories = || {
        let listed = server.by_hand(&["workflow", "list", "-o", "json", "--query", &query]);
        serde_json::from_str::<Vec<Value>>(&listed).unwrap().len()
    };
    assert!(histories() > 1);
    world.runtime.delete(&world.scope(), run).await.unwrap();
    crate::world::soon(async || (histories() == 0).then_some(())).await;
    world.stop().await;
}

fn is_continued(started: &Value) -> bool {
    let attributes = &started["attributes"]["WorkflowExecutionStartedEventAttributes"];
    attributes["continued_execution_run_id"]
        .as_str()
        .is_some_and(|id| !id.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_history_ends_the_run_and_what_it_has_done_is_undone() {
    let limits = TemporalLimits {
        history_events: 40,
        ..limits()
    };
    assert!(fills("full", limits).await < 50);
    let limits = TemporalLimits {
        history_bytes: 100_000,
        ..crate::world::limits()
    };
    assert!(fills("large-history", limits).await < 50);
}

/// Runs what does not fit, and tells how much it called.
async fn fills(name: &str, limits: TemporalLimits) -> u64 {
    let Some(mut world) = World::with(name, limits).await else {
        return 0;
    };
    let tasks = r#"
- book: { call: echo, with: { booked: true }, metadata: { atom: { compensate: [{ undo: { call: flaky, with: { failures: 0 } } }] } } }
- loop: { for: { each: n, in: '${ [range(100)] }' }, do: [{ one: { call: echo, with: { n: '${ $n }', text: '${ $workflow.input.text }' } } }] }
"#;
    let run = world.start(tasks, json!({ "text": "a".repeat(5000) })).await;
    let ended = world.wait(run).await;
    assert_eq!(ended.error.unwrap()["type"], "urn:atom:error:limit");
    assert_eq!(world.bench.calls.count("flaky"), 1, "the booking is undone");
    let count = world.bench.calls.count("echo");
    assert!(count > 2, "{count}");
    world.stop().await;
    count
}
