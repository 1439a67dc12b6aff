//! Runs outlive their workers, and their histories.

use atom_core::CloudEvent;
use atom_workflow::temporal::{TemporalLimits, TemporalRuntime, TemporalWorker};
use serde_json::{Value, json};

use crate::process::Process;
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
    let ada = atom_core::Principal::new("acme", "killed").unwrap();
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
    let target = crate::server::TestTemporal::shared().await.unwrap().target();
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
