//! A clock that is set forward or back while runs wait: nothing fires twice, nothing is lost, and the time of a run
//! never goes back.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{MemoryStore, MemoryVault, RunRecord};
use atom_workflow::runtime::RuntimeLimits;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::crash::keep_time_moving;
use crate::support::Bench;

const FORWARD: SignedDuration = SignedDuration::from_hours(24 * 365);
const BACK: SignedDuration = SignedDuration::from_hours(-3);

/// Waits, tries again, is bounded, and is undone.
const EVERYTHING: &str = r"
- book:
    call: echo
    with: { n: 1 }
    metadata: { atom: { compensate: [{ rest: { wait: PT2S } }, { undo: { call: flaky, with: { failures: 2 } } }] } }
- pause: { wait: PT10S }
- again:
    try: [{ bad: { call: fail } }]
    catch:
      retry: { delay: { seconds: 3 }, limit: { attempt: { count: 2 } } }
      do: [{ go: { set: { on: true } } }]
- bounded:
    try: [{ never: { call: hang, timeout: { after: PT20S } } }]
    catch: { do: [{ late: { call: echo, with: { n: 2 } } }] }
- decline: { raise: { error: { type: 'https://example.com/declined', status: 402 } } }
";

/// What a run that is driven to its end has called and how it ended, and that its time never went back.
async fn ending(bench: &Bench, run: &RunRecord) -> (Value, [u64; 4]) {
    let scope = bench.scope();
    let ended = tokio::select! {
        ended = bench.runtime.wait(&scope, run.id) => ended.unwrap(),
        () = keep_time_moving(bench) => unreachable!("time never ends"),
    };
    let journal = bench.store.journal(&scope, run.id, 0, 1000).await.unwrap();
    assert!(journal.is_sorted_by_key(|entry| entry.at), "{journal:?}");
    let history = bench.runtime.history(&scope, run.id).await.unwrap();
    assert!(history.is_sorted_by_key(|entry| entry.record.at));
    let end = ended.ended_at.unwrap();
    assert!(ended.created_at <= end && ended.updated_at <= end, "{ended:?}");
    let counts = ["echo", "fail", "flaky", "hang"].map(|name| bench.calls.count(name));
    (ended.error.unwrap(), counts)
}

#[tokio::test]
async fn whenever_the_clock_is_set_a_run_does_what_it_would_have_done() {
    let expected = {
        let bench = Bench::new();
        let run = bench.start(EVERYTHING, json!({})).await;
        ending(&bench, &run).await
    };
    assert_eq!(expected.1, [2, 3, 3, 1]);
    assert_eq!(expected.0["status"], 402);
    // The clock is set after so many waits have ended.
    for waits in 0..10 {
        for by in [FORWARD, BACK] {
            let bench = Bench::new();
            let run = bench.start(EVERYTHING, json!({})).await;
            for _ in 0..waits {
                bench.clock.parked(1).await;
                bench.clock.advance(Duration::from_secs(3));
                tokio::task::yield_now().await;
            }
            bench.clock.jump(by);
            let (error, counts) = ending(&bench, &run).await;
            assert_eq!(
                (&error, counts),
                (&expected.0, expected.1),
                "{by} after {waits} waits"
            );
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_set_while_the_process_is_down_changes_nothing_either() {
    for by in [FORWARD, BACK] {
        let (store, vault) = (Arc::new(MemoryStore::default()), Arc::new(MemoryVault::default()));
        let open = || {
            Bench::over(
                Arc::clone(&store) as _,
                Arc::clone(&vault) as _,
                RuntimeLimits::default(),
            )
        };
        let first = open();
        let run = first.start(EVERYTHING, json!({})).await;
        let due = first.clock_now() + Duration::from_secs(10);
        while first.clock.earliest_deadline() != Some(due) {
            tokio::task::yield_now().await;
        }
        first.runtime.close(Duration::from_secs(5)).await;
        let second = open();
        second.clock.set(first.clock_now());
        second.clock.jump(by);
        second.runtime.resume(None).await.unwrap();
        let (error, counts) = ending(&second, &run).await;
        assert_eq!(error["status"], 402);
        assert_eq!(counts, [1, 3, 3, 1], "{by}");
    }
}

#[tokio::test]
async fn a_wait_ends_when_the_clock_shows_its_moment_and_never_again() {
    let bench = Bench::new();
    let text = "- each: { for: { in: '${ [1, 2, 3] }' }, do: [{ pause: { wait: PT1H } }, { tell: { call: echo } }] }";
    let run = bench.start(text, json!({})).await;
    for number in 1..=3 {
        let due = bench.clock_now() + Duration::from_secs(3600);
        while bench.clock.earliest_deadline() != Some(due) {
            tokio::task::yield_now().await;
        }
        // Over the moment and back again: it has been reached once.
        bench.clock.jump(SignedDuration::from_hours(1));
        while bench.calls.count("echo") < number {
            tokio::task::yield_now().await;
        }
    }
    bench.wait(&run).await;
    assert_eq!(bench.calls.count("echo"), 3);
    let run = bench.start("- pause: { wait: PT1H }", json!({})).await;
    bench.clock.parked(1).await;
    bench.clock.jump(BACK);
    bench.clock.advance(Duration::from_secs(3600));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let waiting = bench.store.run(&bench.scope(), run.id).await.unwrap().unwrap();
    assert_eq!(waiting.ended_at, None, "the clock does not show the moment yet");
    bench.clock.jump(-BACK);
    let ended = bench.wait(&run).await;
    assert!(ended.ended_at.unwrap() >= ended.created_at + Duration::from_secs(3600));
}

#[tokio::test]
async fn a_month_is_as_long_as_the_calendar_has_it_where_it_begins() {
    for wait in ["P1M", "${ .length }"] {
        let bench = Bench::new();
        bench.clock.set("2027-01-31T10:00:00Z".parse().unwrap());
        let text = format!("- pause: {{ wait: '{wait}' }}\n- again: {{ wait: '{wait}' }}");
        let run = bench.start(&text, json!({ "length": "P1M" })).await;
        for due in ["2027-02-28T10:00:00Z", "2027-03-28T10:00:00Z"] {
            let due = due.parse().unwrap();
            while bench.clock.earliest_deadline() != Some(due) {
                tokio::task::yield_now().await;
            }
            bench.clock.set(due);
        }
        bench.wait(&run).await;
    }
}

#[tokio::test]
async fn the_bound_of_a_call_is_about_the_time_that_passes() {
    let limits = RuntimeLimits {
        call_timeout: Duration::from_secs(60),
        ..RuntimeLimits::default()
    };
    let bench = Bench::over(
        Arc::new(MemoryStore::default()),
        Arc::new(MemoryVault::default()),
        limits,
    );
    let run = bench.start("- a: { call: hang }", json!({})).await;
    bench.clock.parked(1).await;
    bench.clock.jump(FORWARD);
    bench.clock.jump(BACK);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(bench.runtime.running() == 1, "the call has all of its time");
    bench.clock.advance(Duration::from_secs(60));
    let ended = bench.wait(&run).await;
    assert_eq!(ended.error.unwrap()["status"], 408);
}
