//! What has ended and expired is removed, and a journal has an end.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{Expiry, MemoryStore, MemoryVault, RunRecord, RunStatus, WorkflowVersion};
use atom_core::{CloudEvent, ErrorCode, RunId};
use atom_workflow::definition::{Retention, Workflow};
use atom_workflow::runtime::{RetentionSettings, RuntimeLimits, StartRun};
use serde_json::json;

use crate::support::{Bench, document};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

fn with_retention(retention: &str, tasks: &str) -> String {
    format!(
        "document: {{ dsl: 1.0.3, namespace: default, name: test, version: 0.1.0, \
         metadata: {{ atom: {{ retention: {retention} }} }} }}\ndo:\n{tasks}"
    )
}

const DONE: &str = "  - done: { set: { a: 1 } }\n";
const FAILED: &str = "  - failed: { raise: { error: { type: 'urn:a', status: 500 } } }\n";

async fn start(bench: &Bench, text: &str) -> RunRecord {
    let start = StartRun::new(Arc::new(Workflow::parse(text).unwrap()), text, json!({}));
    bench.runtime.start(&bench.ada, start).await.unwrap()
}

async fn is_there(bench: &Bench, run: RunId) -> bool {
    bench.store.run(&bench.scope(), run).await.unwrap().is_some()
}

/// Lets time pass, and waits until as many wait for a later time again: the pruner and the timers of runs.
async fn pass(bench: &Bench, waits: usize, length: Duration) {
    bench.clock.parked(waits).await;
    bench.clock.advance(length);
    loop {
        bench.clock.parked(waits).await;
        if bench.clock.earliest_deadline() > Some(bench.clock_now()) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_retention_of_a_document_is_read_or_refused() {
    let read = |retention: &str| {
        Workflow::parse(&with_retention(retention, DONE)).map(|workflow| workflow.retention)
    };
    let both = |length| Retention {
        completed: Some(length),
        failed: Some(length),
    };
    assert_eq!(read("PT2H").unwrap(), both(2 * HOUR));
    assert_eq!(read("{ hours: 2, minutes: 1 }").unwrap(), both(2 * HOUR + MINUTE));
    let divided = read("{ completed: PT1H, failed: { days: 1 } }").unwrap();
    assert_eq!((divided.completed, divided.failed), (Some(HOUR), Some(24 * HOUR)));
    assert_eq!(read("{ failed: PT1H }").unwrap().completed, None);
    for (retention, reason) in [
        ("PT59S", "a minute or more"),
        ("'${ .a }'", "not an expression"),
        ("{ completed: PT1H, hours: 1 }", "unknown key 'hours'"),
        ("{}", "retention"),
        ("7", "expected a duration"),
    ] {
        let error = read(retention).unwrap_err();
        assert!(error.message().contains(reason), "{retention}: {error}");
    }
    assert_eq!(
        Workflow::parse(&document("- done: { set: { a: 1 } }"))
            .unwrap()
            .retention,
        Retention::default()
    );
}

#[tokio::test]
async fn runs_go_when_their_document_or_the_engine_says_so() {
    let bench = Bench::new();
    let own = start(&bench, &with_retention("{ completed: PT1H }", DONE)).await;
    let own_failed = start(&bench, &with_retention("{ completed: PT1H }", FAILED)).await;
    let completed = start(&bench, &document("- done: { set: { a: 1 } }")).await;
    for run in [&own, &own_failed, &completed] {
        bench.wait(run).await;
    }
    let nap = "  - nap: { wait: { days: 30 } }\n";
    let waiting = start(&bench, &with_retention("PT1H", nap)).await;
    bench.runtime.start_retention(RetentionSettings {
        runs: Retention {
            completed: Some(24 * HOUR),
            failed: None,
        },
        events: None,
    });
    pass(&bench, 2, HOUR - MINUTE).await;
    assert!(is_there(&bench, own.id).await);
    pass(&bench, 2, 10 * MINUTE).await;
    assert!(!is_there(&bench, own.id).await, "its document says an hour");
    assert!(is_there(&bench, completed.id).await);
    pass(&bench, 2, 24 * HOUR).await;
    assert!(!is_there(&bench, completed.id).await, "the engine says a day");
    pass(&bench, 2, 100 * HOUR).await;
    assert!(
        is_there(&bench, own_failed.id).await,
        "nobody says anything of failed runs"
    );
    assert!(is_there(&bench, waiting.id).await, "it has not ended");
}

#[tokio::test]
async fn a_child_stays_as_long_as_its_parent_needs_it() {
    let bench = Bench::new();
    let child = with_retention("PT1M", DONE).replace("name: test", "name: child");
    bench.deploy(&child).await;
    let tasks = "- ask: { run: { workflow: { namespace: default, name: child, version: latest } } }\n\
                 - nap: { wait: { hours: 5 } }\n";
    let parent = bench.start(tasks, json!({})).await;
    let id = bench.child_of(&parent).await.id;
    bench.runtime.wait(&bench.scope(), id).await.unwrap();
    bench.runtime.start_retention(RetentionSettings::default());
    let removed = bench.runtime.delete_run(&bench.scope(), id).await.unwrap_err();
    assert_eq!(removed.code(), ErrorCode::Conflict, "{removed}");
    pass(&bench, 2, HOUR).await;
    assert!(is_there(&bench, id).await);
    bench.clock.advance(5 * HOUR);
    bench.wait(&parent).await;
    while is_there(&bench, id).await {
        bench.clock.advance(10 * MINUTE);
        tokio::task::yield_now().await;
    }
    assert!(is_there(&bench, parent.id).await);
}

#[tokio::test]
async fn old_events_go() {
    let bench = Bench::new();
    let publish = async |id: &str| {
        let event = CloudEvent::new(id, "/test", "x");
        bench.runtime.publish(&bench.scope(), &event).await.unwrap();
    };
    publish("1").await;
    bench.runtime.start_retention(RetentionSettings {
        runs: Retention::default(),
        events: Some(HOUR),
    });
    pass(&bench, 1, 30 * MINUTE).await;
    publish("2").await;
    pass(&bench, 1, 31 * MINUTE).await;
    let left = bench.store.read(&bench.scope(), 0, 9).await.unwrap();
    let left: Vec<_> = left.iter().map(|logged| logged.event.id.as_str()).collect();
    assert_eq!(left, ["2"]);
}

#[tokio::test]
async fn a_run_is_deleted_once_it_has_ended() {
    let bench = Bench::new();
    let run = bench.start("- nap: { wait: { hours: 1 } }", json!({})).await;
    let early = bench
        .runtime
        .delete_run(&bench.scope(), run.id)
        .await
        .unwrap_err();
    assert_eq!(early.code(), ErrorCode::Conflict);
    bench.runtime.cancel(&bench.scope(), run.id, None).await.unwrap();
    bench.wait(&run).await;
    bench.runtime.delete_run(&bench.scope(), run.id).await.unwrap();
    let gone = bench.runtime.history(&bench.scope(), run.id).await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::NotFound);
    let again = bench
        .runtime
        .delete_run(&bench.scope(), run.id)
        .await
        .unwrap_err();
    assert_eq!(again.code(), ErrorCode::NotFound);
    assert!(
        !bench
            .store
            .prune(&Expiry::new(bench.clock_now()), 9)
            .await
            .unwrap()
    );
}

fn limited(entries: u64) -> Bench {
    let limits = RuntimeLimits {
        journal_entries: entries,
        ..RuntimeLimits::default()
    };
    Bench::over(
        Arc::new(MemoryStore::default()),
        Arc::new(MemoryVault::default()),
        limits,
    )
}

const LOOP: &str = "- all:
    for: { in: '${ .items }' }
    do:
      - ask: { call: echo, with: { a: 1 } }
";

#[tokio::test]
async fn a_journal_that_is_full_ends_the_run_with_an_error_that_says_what_to_do() {
    let bench = limited(10);
    let enough = bench.run(LOOP, json!({ "items": vec![1; 8] })).await;
    assert_eq!(enough.status, RunStatus::Completed);
    let run = bench.run(LOOP, json!({ "items": vec![1; 99] })).await;
    let error = run.error.clone().unwrap();
    assert_eq!(
        (run.status, error["type"].as_str()),
        (RunStatus::Faulted, Some("urn:atom:error:limit"))
    );
    assert!(
        error["detail"].as_str().unwrap().contains("child runs"),
        "{error}"
    );
    let journal = bench.store.journal(&bench.scope(), run.id, 0, 99).await.unwrap();
    assert_eq!(journal.len(), 10);
    assert_eq!(
        bench.history(&run).await.last().unwrap(),
        "run_faulted",
        "a replay ends in the same way"
    );
}

#[tokio::test]
async fn what_a_run_with_a_full_journal_has_done_is_undone() {
    let bench = limited(5);
    let tasks = format!(
        "- first:\n    call: echo\n    with: {{ a: 1 }}\n    metadata: {{ atom: {{ compensate: [ \
         {{ undo: {{ call: echo, with: {{ undone: 1 }} }} }}, {{ more: {{ call: echo }} }} ] }} }}\n- keep: {{ set: {{ items: {:?} }} }}\n{LOOP}",
        vec![1; 99]
    );
    let run = bench.run(&tasks, json!({})).await;
    assert_eq!(run.error.unwrap()["type"], "urn:atom:error:limit");
    let undone = bench
        .history(&bench.runtime.wait(&bench.scope(), run.id).await.unwrap())
        .await;
    assert!(
        undone.contains(&"task_compensated /do/0/first".to_owned()),
        "{undone:?}"
    );
}

#[tokio::test]
async fn whoever_signals_a_run_with_a_full_journal_is_told() {
    let bench = limited(3);
    let tasks = "- hear: { listen: { to: { all: [{ with: { type: a } }, { with: { type: b } }] } } }";
    let run = bench.start(tasks, json!({})).await;
    let signal = async |id: &str| {
        let event = CloudEvent::new(id, "/test", "c");
        bench.runtime.signal(&bench.scope(), run.id, event).await
    };
    signal("1").await.unwrap();
    assert_eq!(signal("2").await.unwrap_err().code(), ErrorCode::LimitExceeded);
    assert_eq!(
        bench.wait(&run).await.error.unwrap()["type"],
        "urn:atom:error:limit"
    );
}

#[tokio::test]
async fn a_run_that_was_moved_is_kept_as_its_new_version_says() {
    let bench = Bench::new();
    let tasks = "  - rest: { wait: PT1S }\n  - done: { set: { a: 1 } }\n";
    let run = start(&bench, &document(tasks)).await;
    let kept = with_retention("PT1H", tasks).replace("0.1.0", "0.2.0");
    bench.deploy(&kept).await;
    let to = WorkflowVersion {
        version: "0.2.0".to_owned(),
        hash: Workflow::parse(&kept).unwrap().hash,
    };
    let scope = bench.scope();
    bench
        .runtime
        .migrate_run(&scope, run.id, to, false)
        .await
        .unwrap();
    bench.pass(1).await;
    assert_eq!(bench.wait(&run).await.status, RunStatus::Completed);
    bench.runtime.start_retention(RetentionSettings::default());
    // Only who has something to remove waits for a time.
    bench.clock.parked(1).await;
    bench.clock.advance(2 * HOUR);
    while is_there(&bench, run.id).await {
        tokio::task::yield_now().await;
    }
}
