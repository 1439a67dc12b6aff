//! Runs that only wait leave memory, and come back for what they wait for.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{ApprovalFilter, DecisionKind, MemoryStore, MemoryVault, RunStatus, Store};
use atom_core::{CloudEvent, Principal};
use atom_workflow::runtime::{Decide, RuntimeLimits};
use serde_json::json;

use crate::crash::MortalStore;
use crate::support::Bench;

/// A process whose runs leave memory as soon as they can.
fn bench() -> Bench {
    over(Arc::new(MemoryStore::default()), Duration::from_millis(1))
}

fn over(store: Arc<dyn Store>, park_after: Duration) -> Bench {
    let limits = RuntimeLimits {
        park_after,
        ..RuntimeLimits::default()
    };
    Bench::over(store, Arc::new(MemoryVault::default()), limits)
}

impl Bench {
    async fn until_parked(&self, count: usize) {
        while self.runtime.parked() != count {
            tokio::task::yield_now().await;
        }
    }

    async fn until_called(&self, count: u64) {
        while self.calls.count("echo") < count {
            tokio::task::yield_now().await;
        }
    }
}

const LISTEN: &str = r"
- hear: { listen: { to: { one: { with: { type: com.example.go } } } } }
- told: { call: echo, with: { heard: '${ .[0] }' } }
";

#[tokio::test]
async fn a_run_comes_back_when_its_time_comes() {
    let bench = bench();
    let tasks = "- rest: { wait: PT1H }\n- after: { call: echo, with: { n: 1 } }";
    let run = bench.start(tasks, json!({})).await;
    bench.until_parked(1).await;
    assert_eq!(bench.runtime.running(), 1);
    assert!(bench.runtime.is_driven(&bench.scope(), run.id));
    let waits = bench.runtime.waits(&bench.scope(), run.id).await.unwrap();
    assert_eq!(waits.len(), 1);
    bench.pass(3600).await;
    bench.until_called(1).await;
    assert_eq!(bench.wait(&run).await.output, Some(json!({ "n": 1 })));
    while bench.runtime.running() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_run_comes_back_for_an_event_it_listens_for() {
    let bench = bench();
    let run = bench.start(LISTEN, json!({})).await;
    bench.until_parked(1).await;
    let publish = async |owner: &Principal, id: &str, kind: &str| {
        let mut event = CloudEvent::new(id, "/test", kind);
        event.data = Some(json!(id));
        bench.runtime.publish(&owner.scope(), &event).await.unwrap();
    };
    let eve = Principal::new("acme", "eve").unwrap();
    publish(&bench.ada, "1", "com.example.other").await;
    publish(&eve, "2", "com.example.go").await;
    publish(&bench.ada, "3", "com.example.go").await;
    bench.until_called(1).await;
    assert_eq!(bench.wait(&run).await.output, Some(json!({ "heard": "3" })));
}

/// What a filter says of a type can be more than the type itself.
#[tokio::test]
async fn filters_that_are_no_plain_types_are_heard_too() {
    for filter in [
        "one: { with: { type: 'com.example.(go|stop)' } }",
        "one: { with: { source: /test } }",
        "any: []",
        "one: { with: { type: '${ startswith(\"com\") }' } }",
        "any: [{ with: { type: never } }, { with: { type: com.example.go } }]",
        "any: [{ with: { type: never } }]\n        until: { one: { with: { type: com.example.go } } }",
    ] {
        let bench = bench();
        let tasks = format!(
            "- hear:\n    listen:\n      to:\n        {filter}\n- told: {{ call: echo, with: {{ n: 1 }} }}"
        );
        let run = bench.start(&tasks, json!({})).await;
        bench.until_parked(1).await;
        let event = CloudEvent::new("1", "/test", "com.example.go");
        bench.runtime.publish(&bench.scope(), &event).await.unwrap();
        bench.until_called(1).await;
        assert_eq!(bench.wait(&run).await.output, Some(json!({ "n": 1 })), "{filter}");
    }
}

#[tokio::test]
async fn what_is_asked_of_a_run_finds_it_where_it_is() {
    let bench = bench();
    let scope = bench.scope();
    let signalled = bench.start(LISTEN, json!({})).await;
    bench.until_parked(1).await;
    let event = CloudEvent::new("1", "/test", "com.example.go");
    bench.runtime.signal(&scope, signalled.id, event).await.unwrap();
    assert_eq!(bench.wait(&signalled).await.status, RunStatus::Completed);

    let cancelled = bench.start("- rest: { wait: PT1H }", json!({})).await;
    bench.until_parked(1).await;
    bench.runtime.cancel(&scope, cancelled.id, None).await.unwrap();
    assert_eq!(bench.wait(&cancelled).await.status, RunStatus::Cancelled);

    let paused = bench.start("- rest: { wait: PT1H }", json!({})).await;
    bench.until_parked(1).await;
    bench.runtime.pause_run(&scope, paused.id, None).await.unwrap();
    bench.until_parked(1).await;
    bench.clock.advance(Duration::from_secs(7200));
    bench.runtime.resume_run(&scope, paused.id).await.unwrap();
    assert_eq!(bench.wait(&paused).await.status, RunStatus::Completed);

    let asking = bench
        .start(
            "- ask: { call: echo, with: { n: 1 }, metadata: { atom: { approve: { title: Sure? } } } }",
            json!({}),
        )
        .await;
    bench.until_parked(1).await;
    let asked = bench
        .store
        .approvals(&bench.ada, &ApprovalFilter::default(), &Default::default())
        .await
        .unwrap();
    let decide = Decide {
        approval: asked.items[0].id,
        decision: DecisionKind::Approve,
        comment: None,
        form: None,
        input: None,
    };
    bench.runtime.decide(&bench.ada, decide).await.unwrap();
    assert_eq!(bench.wait(&asking).await.output, Some(json!({ "n": 1 })));
}

#[tokio::test]
async fn whoever_waits_for_a_run_keeps_it() {
    let bench = bench();
    let run = bench.start("- rest: { wait: PT1H }", json!({})).await;
    bench.until_parked(1).await;
    let ended = tokio::join!(bench.wait(&run), bench.pass(3600)).0;
    assert_eq!(ended.status, RunStatus::Completed);
}

/// A run that is woken for nothing goes on in the log where it was, not where it began to listen.
#[tokio::test]
async fn what_a_run_has_seen_of_the_log_it_does_not_read_again() {
    let store = MortalStore::new(Arc::new(MemoryStore::default()), i64::MAX);
    let bench = over(Arc::clone(&store) as _, Duration::from_millis(1));
    let tasks = "- hear: { listen: { to: { one: { with: { type: com.example.go, source: /wanted } } } } }";
    let run = bench.start(tasks, json!({})).await;
    let mut published = Vec::new();
    for number in 0..5 {
        bench.until_parked(1).await;
        let event = CloudEvent::new(number.to_string(), "/other", "com.example.go");
        let reads = store.log_reads().len();
        published.push(bench.runtime.publish(&bench.scope(), &event).await.unwrap());
        // What wakes the run reads the log, and then the run itself.
        while store.log_reads().len() < reads + 2 {
            tokio::task::yield_now().await;
        }
    }
    bench.until_parked(1).await;
    let event = CloudEvent::new("last", "/wanted", "com.example.go");
    let reads = store.log_reads().len();
    bench.runtime.publish(&bench.scope(), &event).await.unwrap();
    assert_eq!(bench.wait(&run).await.status, RunStatus::Completed);
    let seen = published[published.len() - 1];
    let later = &store.log_reads()[reads..];
    assert!(later.iter().all(|after| *after >= seen), "{later:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_soon_stays() {
    let bench = over(Arc::new(MemoryStore::default()), Duration::from_secs(60));
    let soon = bench.start("- rest: { wait: PT30S }", json!({})).await;
    bench.start("- rest: { wait: PT1H }", json!({})).await;
    // Time that only passes when nothing else happens.
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!((bench.runtime.parked(), bench.runtime.running()), (1, 2));
    bench.pass(30).await;
    assert_eq!(bench.wait(&soon).await.status, RunStatus::Completed);
}

/// Events that come at any moment of leaving and coming back are heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_missed_on_the_way_out_and_in() {
    let bench = bench();
    let tasks = r"
- hear: { listen: { to: { all: [{ with: { type: com.example.a } }, { with: { type: com.example.b } }] } } }
- told: { call: echo }
";
    for round in 0..50_u64 {
        for _ in 0..4 {
            bench.start(tasks, json!({})).await;
        }
        for kind in ["a", "x", "b"] {
            tokio::time::sleep(Duration::from_micros(round * 50)).await;
            let event = CloudEvent::new(format!("{round}-{kind}"), "/test", format!("com.example.{kind}"));
            bench.runtime.publish(&bench.scope(), &event).await.unwrap();
        }
        bench.until_called(4 * (round + 1)).await;
    }
}

#[tokio::test]
async fn closing_wakes_nobody() {
    let bench = bench();
    let run = bench
        .start("- rest: { wait: PT1H }\n- after: { call: echo }", json!({}))
        .await;
    bench.until_parked(1).await;
    bench.runtime.close(Duration::from_secs(5)).await;
    bench.clock.advance(Duration::from_secs(3600));
    let second = Bench::over(
        Arc::clone(&bench.store),
        Arc::clone(&bench.vault),
        RuntimeLimits::default(),
    );
    second.clock.set(bench.clock_now());
    second.runtime.resume(None).await.unwrap();
    assert_eq!(second.wait(&run).await.status, RunStatus::Completed);
    assert_eq!(bench.calls.count("echo"), 0);
}

#[tokio::test]
async fn a_long_run_comes_back_whole() {
    let bench = bench();
    let tasks = r"
- many: { for: { each: n, in: '${ [range(2500)] }' }, do: [{ one: { call: echo, with: { n: '${ $n }' } } }] }
- rest: { wait: PT1H }
- last: { call: echo, with: { last: '${ .n }' } }
";
    let run = bench.start(tasks, json!({})).await;
    bench.until_parked(1).await;
    bench.pass(3600).await;
    bench.until_called(2501).await;
    assert_eq!(bench.wait(&run).await.output, Some(json!({ "last": 2499 })));
}
