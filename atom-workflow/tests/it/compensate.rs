//! What has completed is undone when a run fails or is cancelled.

use atom_core::storage::RunStatus;
use atom_workflow::definition::Workflow;
use serde_json::json;

use crate::support::{Bench, document};

/// Books two things and then fails; each booking knows how to undo itself.
const TRIP: &str = r#"
- flight:
    call: echo
    with: { booked: flight }
    metadata: { atom: { compensate: [{ cancelFlight: { call: echo, with: { undone: '${ .output.booked }', asked: '${ .input.who }', because: '${ .error.title }' } } }] } }
- keep: { set: { who: '${ $workflow.input.who }' } }
- hotel:
    call: echo
    with: { booked: hotel }
    metadata: { atom: { compensate: [{ cancelHotel: { call: echo, with: { undone: '${ .output.booked }' } } }] } }
- pay: { raise: { error: { type: https://example.com/declined, status: 402, title: Declined } } }
"#;

#[tokio::test]
async fn a_failed_run_undoes_what_has_completed_the_latest_first() {
    let bench = Bench::new();
    let run = bench.run(TRIP, json!({ "who": "Ada" })).await;
    assert_eq!(run.status, RunStatus::Faulted);
    assert_eq!(
        run.error.as_ref().unwrap()["type"],
        "https://example.com/declined"
    );
    let history = bench.history(&run).await;
    let after_failure: Vec<_> = history
        .iter()
        .map(String::as_str)
        .skip_while(|entry| *entry != "run_compensating")
        .collect();
    assert_eq!(
        after_failure,
        [
            "run_compensating",
            "task_compensating /do/2/hotel",
            "task_started /do/2/hotel/metadata/atom/compensate/0/cancelHotel",
            "task_completed /do/2/hotel/metadata/atom/compensate/0/cancelHotel",
            "task_compensated /do/2/hotel",
            "task_compensating /do/0/flight",
            "task_started /do/0/flight/metadata/atom/compensate/0/cancelFlight",
            "task_completed /do/0/flight/metadata/atom/compensate/0/cancelFlight",
            "task_compensated /do/0/flight",
            "run_faulted",
        ]
    );
    let entries = bench.runtime.history(&bench.scope(), run.id).await.unwrap();
    let undone = serde_json::to_value(&entries[entries.len() - 3]).unwrap();
    assert_eq!(
        undone["output"],
        json!({ "undone": "flight", "asked": "Ada", "because": "Declined" })
    );
    assert_eq!(bench.calls.count("echo"), 4);
}

#[tokio::test]
async fn a_cancelled_run_undoes_what_has_completed_and_is_not_cancelled_twice() {
    let bench = Bench::new();
    let tasks = r#"
- book:
    call: echo
    with: { booked: flight }
    metadata: { atom: { compensate: [{ rest: { wait: PT5S } }, { undo: { call: echo, with: { error: '${ .error }' } } }] } }
- slow: { call: hang }
"#;
    let run = bench.start(tasks, json!({})).await;
    while bench.calls.count("hang") == 0 {
        tokio::task::yield_now().await;
    }
    let scope = bench.scope();
    let undoing = bench
        .runtime
        .cancel(&scope, run.id, Some("no time".to_owned()))
        .await
        .unwrap();
    assert_eq!(undoing.status, RunStatus::Running);
    let again = bench.runtime.cancel(&scope, run.id, None).await.unwrap();
    assert_eq!(again.status, RunStatus::Running);
    bench.pass(5).await;
    let run = bench.wait(&run).await;
    assert_eq!(run.status, RunStatus::Cancelled);
    assert_eq!(bench.calls.count("echo"), 2);
    let history = bench.history(&run).await;
    assert_eq!(
        history
            .iter()
            .filter(|entry| *entry == "run_compensating")
            .count(),
        1
    );
    assert_eq!(history.last().unwrap(), "run_cancelled");
}

#[tokio::test]
async fn completed_runs_and_errors_that_were_caught_undo_nothing() {
    let bench = Bench::new();
    let tasks = r#"
- attempt:
    try:
      - book: { call: echo, with: { n: 1 }, metadata: { atom: { compensate: [{ undo: { call: fail } }] } } }
      - break: { call: fail }
    catch: { do: [{ go: { set: { ok: true } } }] }
"#;
    assert_eq!(bench.output(tasks, json!({})).await, json!({ "ok": true }));
    assert_eq!(bench.calls.count("fail"), 1);
}

#[tokio::test]
async fn each_turn_of_a_loop_is_undone_with_its_own_item() {
    let bench = Bench::new();
    let tasks = r#"
- loop:
    for: { each: seat, in: '${ ["1a", "1b"] }' }
    do:
      - book:
          set: { seat: '${ $seat }' }
          metadata: { atom: { compensate: [{ free: { set: { freed: '${ $seat }', at: '${ $index }' } } }] } }
- fail: { call: fail }
"#;
    let run = bench.run(tasks, json!({})).await;
    let entries = bench.runtime.history(&bench.scope(), run.id).await.unwrap();
    let freed: Vec<_> = entries
        .iter()
        .map(|entry| serde_json::to_value(entry).unwrap()["output"].clone())
        .filter(|output| output.get("freed").is_some())
        .collect();
    assert_eq!(
        freed,
        [
            json!({ "freed": "1b", "at": 1 }),
            json!({ "freed": "1a", "at": 0 })
        ]
    );
}

#[tokio::test]
async fn a_compensation_that_fails_is_tried_again() {
    let bench = Bench::new();
    let tasks = r#"
- book:
    set: { n: 1 }
    metadata: { atom: { compensate: [{ undo: { call: flaky, with: { failures: 2 } } }] } }
- fail: { call: fail }
"#;
    let run = bench.start(tasks, json!({})).await;
    bench.pass(1).await;
    bench.pass(2).await;
    let run = bench.wait(&run).await;
    assert_eq!(run.error.as_ref().unwrap()["status"], 502);
    assert_eq!(bench.calls.count("flaky"), 3);
    let history = bench.history(&run).await;
    assert_eq!(
        history
            .iter()
            .filter(|entry| *entry == "task_compensation_faulted /do/0/book")
            .count(),
        2
    );
    assert_eq!(
        history
            .iter()
            .filter(|entry| *entry == "task_compensated /do/0/book")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_compensation_that_never_works_is_given_up_loudly_and_the_others_still_run() {
    let bench = Bench::new();
    let tasks = r#"
- first: { set: { n: 1 }, metadata: { atom: { compensate: [{ undo: { call: echo } }] } } }
- second: { set: { n: 2 }, metadata: { atom: { compensate: [{ undo: { call: fail } }] } } }
- slow: { call: hang }
"#;
    let run = bench.start(tasks, json!({})).await;
    while bench.calls.count("hang") == 0 {
        tokio::task::yield_now().await;
    }
    bench.runtime.cancel(&bench.scope(), run.id, None).await.unwrap();
    for attempt in 0..9 {
        bench.pass(1 << attempt).await;
    }
    let run = bench.wait(&run).await;
    assert_eq!(run.status, RunStatus::Faulted);
    let error = run.error.unwrap();
    assert_eq!(error["type"], "urn:atom:error:compensation");
    let detail = error["detail"].as_str().unwrap();
    assert!(
        detail.contains("/do/1/second") && detail.contains("the run was cancelled"),
        "{detail}"
    );
    assert_eq!((bench.calls.count("fail"), bench.calls.count("echo")), (10, 1));
}

#[tokio::test]
async fn a_compensation_may_end_early_and_an_endless_workflow_is_still_undone() {
    let bench = Bench::new();
    let tasks = r#"
- first:
    set: { n: 1 }
    metadata: { atom: { compensate: [{ enough: { switch: [{ always: { then: end } }] } }, { never: { call: fail } }] } }
- again: { set: { n: 2 }, then: again }
"#;
    let run = bench.run(tasks, json!({})).await;
    assert!(
        run.error.unwrap()["detail"]
            .as_str()
            .unwrap()
            .contains("loop for ever")
    );
    let history = bench.runtime.history(&bench.scope(), run.id).await.unwrap();
    let kinds: Vec<_> = history
        .iter()
        .rev()
        .take(2)
        .map(|entry| serde_json::to_value(entry).unwrap()["type"].clone())
        .collect();
    assert_eq!(kinds, ["run_faulted", "task_compensated"]);
    assert_eq!(bench.calls.count("fail"), 0);
}

#[test]
fn what_undoes_a_task_has_nothing_that_undoes_it() {
    let nested = "- a: { set: { n: 1 }, metadata: { atom: { compensate: [{ b: { set: { n: 2 }, metadata: { atom: { compensate: [] } } } }] } } }\n";
    let error = Workflow::parse(&document(nested)).unwrap_err();
    assert!(error.message().contains("no compensation of its own"), "{error}");
    let called =
        "- a: { set: { n: 1 }, metadata: { atom: { compensate: [{ b: { call: nowhere.known } }] } } }\n";
    let workflow = Workflow::parse(&document(called)).unwrap();
    assert!(workflow.called_functions().contains_key("nowhere.known"));
    workflow.check_supported().unwrap();
}
