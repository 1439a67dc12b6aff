//! Runs that go on with a new journal.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{MemoryStore, MemoryVault, RunRecord, RunStatus, WorkflowVersion};
use atom_core::{CloudEvent, EventLog, Secret};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{HistoryEntry, LifecycleEvents, Rerun, RuntimeLimits, RuntimeSettings};
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Bench, document};

/// Ten entries and a little more are all that a run may have, and it goes on with a new journal after five.
const LIMITS: RuntimeLimits = RuntimeLimits {
    journal_entries: 12,
    continue_after: 5,
    payload_bytes: 1024 * 1024,
    concurrent_calls: 16,
    call_timeout: Duration::from_secs(60),
    concurrent_runs: 16,
    park_after: Duration::from_secs(2),
};

fn bench() -> Bench {
    over(Arc::new(MemoryStore::default()))
}

fn over(store: Arc<MemoryStore>) -> Bench {
    Bench::over(store, Arc::new(MemoryVault::default()), LIMITS)
}

/// Counts up to the input's `to` with a call each, and says in `$context` how often.
const COUNT: &str = "
- ask: { call: echo, with: { n: '${ (.n // 0) + 1 }', to: '${ .to }' }, export: { as: '{ times: (($context.times // 0) + 1) }' } }
- more: { switch: [{ on: { when: '${ .n < .to }', then: ask } }] }
- tell: { set: { n: '${ .n }', times: '${ $context.times }' } }
";

async fn journal(bench: &Bench, run: &RunRecord) -> usize {
    let entries = bench.store.journal(&bench.scope(), run.id, 0, 1_000).await;
    entries.unwrap().len()
}

/// Waits until a run waits for the minute to pass; gives when it has.
async fn until_waiting(bench: &Bench) -> Timestamp {
    let due = bench.clock_now() + Duration::from_secs(60);
    while bench.clock.earliest_deadline() != Some(due) {
        tokio::task::yield_now().await;
    }
    due
}

async fn record(bench: &Bench, run: &RunRecord) -> RunRecord {
    bench.store.run(&bench.scope(), run.id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_loop_of_any_length_needs_a_journal_of_bounded_length() {
    let bench = bench();
    let run = bench.run(COUNT, json!({ "to": 500 })).await;
    assert_eq!(run.error, None);
    assert_eq!(run.output, Some(json!({ "n": 500, "times": 500 })));
    assert_eq!(bench.calls.count("echo"), 500);
    let mut keys = bench.calls.keys();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 500, "each call has a key of its own");
    assert!(journal(&bench, &run).await <= 12);
}

#[tokio::test]
async fn a_run_that_has_continued_goes_on_after_a_restart() {
    let store = Arc::new(MemoryStore::default());
    let first = over(Arc::clone(&store));
    let tasks = "
- ask: { call: echo, with: { n: '${ (.n // 0) + 1 }' } }
- more: { switch: [{ on: { when: '${ .n < 20 }', then: ask } }] }
- pause: { wait: PT1M }
- last: { call: echo, with: { n: '${ .n }', input: '${ $workflow.input.name }', id: '${ $workflow.id }' } }
";
    let run = first.start(tasks, json!({ "name": "Ada" })).await;
    let due = until_waiting(&first).await;
    first.runtime.close(Duration::from_secs(5)).await;
    assert!(record(&first, &run).await.journal_start > 0);

    let second = over(store);
    second.runtime.resume(None).await.unwrap();
    second.clock.set(due);
    let run = second.wait(&run).await;
    let expected = json!({ "n": 20, "input": "Ada", "id": run.id.to_string() });
    assert_eq!(run.output, Some(expected));
    assert_eq!(second.calls.count("echo"), 1, "what was done is not done again");
}

#[tokio::test]
async fn the_history_is_the_same_for_who_followed_it_and_who_comes_later() {
    let bench = bench();
    let run = bench.start(COUNT, json!({ "to": 50 })).await;
    let followed: Vec<HistoryEntry> = bench
        .runtime
        .follow(bench.scope(), run.id, 0)
        .map(|entry| entry.unwrap())
        .collect()
        .await;
    let offsets: Vec<_> = followed.iter().map(|entry| entry.offset).collect();
    assert!(offsets.is_sorted_by(|a, b| a < b), "{offsets:?}");
    let read = bench.runtime.history(&bench.scope(), run.id).await.unwrap();
    let first = read[0].offset;
    assert!(first > 1, "what came before is gone");
    assert!(bench.history(&run).await.contains(&"run_continued".to_owned()));
    let rest: Vec<_> = followed
        .into_iter()
        .filter(|entry| entry.offset >= first)
        .collect();
    assert_eq!(rest, read);
    let after = read[2].offset;
    let page = bench.runtime.history_page(&bench.scope(), run.id, after, 2).await;
    assert_eq!(page.unwrap(), read[3..5]);
    let steps = bench.runtime.steps(&bench.scope(), run.id, 0, 100).await.unwrap();
    assert!(steps.iter().all(|step| step.ended_at.is_some()), "{steps:?}");
}

#[tokio::test]
async fn no_event_is_missed_and_none_is_seen_twice() {
    let store = Arc::new(MemoryStore::default());
    let bench = over(Arc::clone(&store));
    let tasks = "
- hear: { listen: { to: { one: { with: { type: tick } } } }, export: { as: '{ heard: (($context.heard // []) + .) }' } }
- more: { switch: [{ on: { when: '${ ($context.heard | length) < 30 }', then: hear } }] }
- tell: { set: '${ $context.heard }' }
";
    let run = bench.start(tasks, json!({})).await;
    bench.until_listening(&run).await;
    for number in 0..30 {
        let mut event = CloudEvent::new(number.to_string(), "/clock", "tick");
        event.data = Some(json!(number));
        bench.runtime.publish(&bench.scope(), &event).await.unwrap();
    }
    let run = bench.wait(&run).await;
    assert_eq!(run.error, None);
    assert_eq!(run.output, Some((0..30).collect::<Value>()));
    assert!(journal(&bench, &run).await <= 12);
}

#[tokio::test]
async fn what_was_done_before_is_undone_in_the_reverse_order() {
    let bench = bench();
    let tasks = "
- all:
    call: echo
    with: { n: '${ (.n // 0) + 1 }' }
    metadata: { atom: { compensate: [{ undo: { call: echo, with: { undone: '${ .output.n }' } } }] } }
- more: { switch: [{ on: { when: '${ .n < 8 }', then: all } }] }
- fail: { raise: { error: { type: https://example.com/declined, status: 402 } } }
";
    let run = bench.run(tasks, json!({})).await;
    assert_eq!(run.status, RunStatus::Faulted);
    assert!(run.journal_start > 0);
    assert_eq!(bench.calls.count("echo"), 16);
    let history = bench.history(&run).await;
    let undone = history
        .iter()
        .filter(|line| *line == "task_compensated /do/0/all");
    assert_eq!(undone.count(), 8);
}

#[tokio::test]
async fn the_timeout_of_the_whole_run_goes_on() {
    let bench = bench();
    let tasks = "
timeout: { after: PT10S }
do:
  - ask: { call: echo, with: { n: '${ (.n // 0) + 1 }' } }
  - more: { switch: [{ on: { when: '${ .n < 20 }', then: ask } }] }
  - pause: { wait: PT1M }
";
    let run = bench.start(tasks, json!({})).await;
    bench.pass(10).await;
    let error = bench.wait(&run).await.error.unwrap();
    assert!(error["type"].as_str().unwrap().ends_with("timeout"), "{error}");
}

#[tokio::test]
async fn a_run_whose_data_holds_a_secret_keeps_its_journal() {
    let store = Arc::new(MemoryStore::default());
    let bench = over(Arc::clone(&store));
    let secret = Secret::new("swordfish");
    bench
        .vault
        .set(&bench.scope(), "token", &secret, bench.clock_now())
        .await
        .unwrap();
    let tasks = "
use: { secrets: [token] }
do:
  - ask: { call: echo, with: { n: '${ (.n // 0) + 1 }' }, output: { as: '{ n: .n, token: $secrets.token }' } }
  - more: { switch: [{ on: { when: '${ .n < 9 }', then: ask } }] }
  - tell: { set: { n: '${ .n }' } }
";
    let run = bench.run(tasks, json!({})).await;
    assert_eq!(run.output, Some(json!({ "n": 9 })));
    assert_eq!(run.journal_start, 0);
}

#[tokio::test]
async fn a_run_that_failed_after_it_continued_is_repeated_from_where_it_failed() {
    let bench = bench();
    let tasks = "
- ask: { call: echo, with: { n: '${ (.n // 0) + 1 }' } }
- more: { switch: [{ on: { when: '${ .n < 22 }', then: ask } }] }
- try: { call: flaky, with: { failures: 1 } }
- tell: { call: echo, with: { n: '${ .calls }' } }
";
    let run = bench.run(tasks, json!({})).await;
    assert_eq!(run.status, RunStatus::Faulted);
    assert!(run.journal_start > 0);
    let repeat = |from: Option<&str>| Rerun {
        run: run.id,
        from: from.map(str::to_owned),
        id: None,
    };
    let again = bench.runtime.rerun(&bench.ada, repeat(None)).await.unwrap();
    let again = bench.wait(&again).await;
    assert_eq!(again.output, Some(json!({ "n": 2 })));
    assert_eq!(bench.calls.count("echo"), 23);
    let from = bench.runtime.rerun(&bench.ada, repeat(Some("/do/0/ask"))).await;
    assert_eq!(bench.wait(&from.unwrap()).await.status, RunStatus::Completed);
    let calls = bench.calls.count("echo");
    assert!(calls < 23 + 10, "only what its history still has is repeated");
}

#[tokio::test]
async fn a_run_that_has_continued_can_be_recorded_and_moved_to_another_version() {
    let bench = bench();
    let tasks = |last: &str| {
        format!(
            "
- ask: {{ call: echo, with: {{ n: '${{ (.n // 0) + 1 }}' }} }}
- more: {{ switch: [{{ on: {{ when: '${{ .n < 20 }}', then: ask }} }}] }}
- pause: {{ wait: PT1M }}
- last: {{ set: {{ last: {last} }} }}
"
        )
    };
    let run = bench.start(&tasks("one"), json!({})).await;
    until_waiting(&bench).await;
    let recording = bench.runtime.record_run(&bench.scope(), run.id).await.unwrap();
    assert_eq!(recording.replay().unwrap().divergence, None);

    let text = document(&tasks("two"));
    let other = Workflow::parse(&text).unwrap();
    bench.deploy(&text).await;
    let to = WorkflowVersion {
        version: other.document.version.clone(),
        hash: other.hash.clone(),
    };
    let moved = bench.runtime.migrate_run(&bench.scope(), run.id, to, false).await;
    moved.unwrap();
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.wait(&run).await.output, Some(json!({ "last": "two" })));

    let run = bench.start(&tasks("one"), json!({})).await;
    until_waiting(&bench).await;
    let renamed = document(&tasks("two").replace("more", "again"));
    let other = Workflow::parse(&renamed).unwrap();
    bench
        .store
        .put_document(&bench.scope(), &other.hash, &renamed)
        .await
        .unwrap();
    let to = WorkflowVersion {
        version: other.document.version.clone(),
        hash: other.hash.clone(),
    };
    let refused = bench.runtime.migrate_run(&bench.scope(), run.id, to, false).await;
    assert_eq!(refused.unwrap_err().code(), atom_core::ErrorCode::Conflict);
}

#[tokio::test]
async fn a_repetition_of_a_repetition_begins_where_the_first_run_had_continued() {
    let bench = bench();
    let tasks = "
- ask: { call: echo, with: { n: '${ (.n // 0) + 1 }' } }
- more: { switch: [{ on: { when: '${ .n < 20 }', then: ask } }] }
- try: { call: flaky, with: { failures: 2 } }
";
    let mut run = bench.run(tasks, json!({})).await;
    let journal = bench
        .store
        .journal(&bench.scope(), run.id, run.journal_start, 9)
        .await;
    assert_eq!(
        journal.unwrap().len(),
        2,
        "it failed with the first entry after that"
    );
    for status in [RunStatus::Faulted, RunStatus::Completed] {
        let rerun = Rerun {
            run: run.id,
            from: None,
            id: None,
        };
        run = bench.runtime.rerun(&bench.ada, rerun).await.unwrap();
        run = bench.wait(&run).await;
        assert_eq!(run.status, status);
    }
    assert_eq!(run.output, Some(json!({ "calls": 3 })));
    assert_eq!(bench.calls.count("echo"), 20);
}

#[tokio::test]
async fn a_repetition_has_the_whole_time_again() {
    let bench = bench();
    let tasks = "
timeout: { after: PT10S }
do:
  - ask: { call: echo, with: { n: '${ (.n // 0) + 1 }' } }
  - more: { switch: [{ on: { when: '${ .n < 20 }', then: ask } }] }
  - pause: { wait: PT15S }
";
    let run = bench.start(tasks, json!({})).await;
    bench.pass(10).await;
    let run = bench.wait(&run).await;
    assert_eq!(run.error.unwrap()["status"], 408);
    let rerun = Rerun {
        run: run.id,
        from: None,
        id: None,
    };
    let again = bench.runtime.rerun(&bench.ada, rerun).await.unwrap();
    bench.pass(10).await;
    let again = bench.wait(&again).await;
    assert_eq!(again.error.unwrap()["status"], 408);
    assert_eq!(
        again.ended_at.unwrap(),
        again.created_at + Duration::from_secs(10)
    );
}

#[tokio::test]
async fn a_run_whose_data_could_not_be_read_again_keeps_its_journal() {
    let bench = bench();
    let tasks = "
- deep:
    call: echo
    input: { from: '${ { deep: reduce range(125) as $level (0; [.]) } }' }
    with: { n: 0 }
    metadata: { atom: { compensate: [{ undo: { call: echo, with: { undone: true } } }] } }
- ask: { call: echo, with: { n: '${ .n + 1 }' } }
- more: { switch: [{ on: { when: '${ .n < 9 }', then: ask } }] }
";
    let run = bench.run(tasks, json!({})).await;
    assert_eq!(run.error, None);
    assert_eq!(run.journal_start, 0);
}

#[tokio::test]
async fn a_secret_within_a_text_of_json_keeps_the_journal_too() {
    let bench = bench();
    let (secret, now) = (Secret::new("first line\nsecond \"line\""), bench.clock_now());
    bench
        .vault
        .set(&bench.scope(), "key", &secret, now)
        .await
        .unwrap();
    let tasks = "
use: { secrets: [key] }
do:
  - ask: { call: echo, with: { n: '${ (.n // 0) + 1 }' }, output: { as: '{ n: .n, body: ({ key: $secrets.key } | tojson) }' } }
  - more: { switch: [{ on: { when: '${ .n < 9 }', then: ask } }] }
";
    let run = bench.run(tasks, json!({})).await;
    assert_eq!(run.status, RunStatus::Completed);
    assert_eq!(run.journal_start, 0);
}

#[tokio::test]
async fn what_is_told_of_a_run_goes_on_too() {
    let store = Arc::new(MemoryStore::default());
    let open = || {
        let settings = RuntimeSettings {
            lifecycle_events: LifecycleEvents::Workflow,
            ..RuntimeSettings::default()
        };
        let vault = Arc::new(MemoryVault::default());
        Bench::with_settings(Arc::clone(&store) as _, vault, LIMITS, settings)
    };
    let first = open();
    let tasks = "
- hear: { listen: { to: { one: { with: { type: tick } } } }, export: { as: '{ heard: (($context.heard // 0) + 1) }' } }
- more: { switch: [{ on: { when: '${ $context.heard < 30 }', then: hear } }] }
";
    let run = first.start(tasks, json!({})).await;
    first.until_listening(&run).await;
    let scope = first.scope();
    first.runtime.pause_run(&scope, run.id, None).await.unwrap();
    first.runtime.resume_run(&scope, run.id).await.unwrap();
    let mut number = 0;
    while record(&first, &run).await.journal_start == 0 {
        number += 1;
        let tick = CloudEvent::new(number.to_string(), "/clock", "tick");
        first.runtime.signal(&scope, run.id, tick).await.unwrap();
    }
    first.runtime.close(Duration::from_secs(5)).await;

    let second = open();
    second.runtime.pause_run(&scope, run.id, None).await.unwrap();
    let log = store.read(&scope, 0, 100).await.unwrap();
    let told = log
        .iter()
        .filter(|logged| logged.event.kind.ends_with("workflow.suspended.v1"));
    assert_eq!(told.count(), 2, "{log:?}");
}
