//! Starting once, finding again, pausing, and telling what steps took.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{MemoryStore, MemoryVault, PageRequest, RunFilter, RunRecord, RunStatus};
use atom_core::{CloudEvent, ErrorCode, Result};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{Rerun, RuntimeLimits, StartRun, StepStatus};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::crash::{MortalStore, keep_time_moving};
use crate::support::{Bench, document};

fn start_of(text: &str, input: Value) -> StartRun {
    let text = if text.starts_with("document:") {
        text.to_owned()
    } else {
        document(text)
    };
    StartRun::new(Arc::new(Workflow::parse(&text).unwrap()), text, input)
}

async fn start_with_key(bench: &Bench, text: &str, input: Value, key: &str) -> Result<RunRecord> {
    let mut start = start_of(text, input);
    start.idempotency_key = Some(key.to_owned());
    bench.runtime.start(&bench.ada, start).await
}

const ECHO: &str = "- a: { call: echo, with: { n: '${ .n }' } }\n";

#[tokio::test]
async fn a_key_starts_one_run_whatever_became_of_it() {
    let bench = Bench::new();
    let first = start_with_key(&bench, ECHO, json!({ "n": 1 }), "order-1")
        .await
        .unwrap();
    bench.wait(&first).await;
    let again = start_with_key(&bench, ECHO, json!({ "n": 1 }), "order-1")
        .await
        .unwrap();
    assert_eq!((again.id, again.status), (first.id, RunStatus::Completed));
    let other = start_with_key(&bench, ECHO, json!({ "n": 1 }), "order-2")
        .await
        .unwrap();
    assert_ne!(other.id, first.id);
    bench.wait(&other).await;
    assert_eq!(bench.calls.count("echo"), 2);

    for (text, input, words) in [
        (ECHO, json!({ "n": 2 }), "with another input"),
        (
            "- a: { set: { n: 1 } }\n",
            json!({ "n": 1 }),
            "of another document",
        ),
    ] {
        let refused = start_with_key(&bench, text, input, "order-1").await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::AlreadyExists);
        assert!(refused.message().contains(words), "{refused}");
    }
    let mut with_id = start_of(ECHO, json!({ "n": 1 }));
    with_id.idempotency_key = Some("order-1".to_owned());
    with_id.id = Some("0192f0c1-0000-7000-8000-00000000abcd".parse().unwrap());
    let refused = bench.runtime.start(&bench.ada, with_id).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::AlreadyExists);
    // Two at once are one.
    let (left, right) = tokio::join!(
        start_with_key(&bench, ECHO, json!({ "n": 1 }), "order-3"),
        start_with_key(&bench, ECHO, json!({ "n": 1 }), "order-3")
    );
    assert_eq!(left.unwrap().id, right.unwrap().id);
    // Without a key the same input is another run.
    let plain = bench.run(ECHO, json!({ "n": 1 })).await;
    assert_ne!(plain.id, first.id);
}

const KEYED: &str = r#"document:
  dsl: 1.0.3
  namespace: default
  name: keyed
  version: 0.1.0
  tags: { team: billing, priority: 2, nested: { not: shown } }
  metadata:
    atom:
      idempotencyKey: '${ .order }'
      index: { customer: .customer.id, total: '${ .total }', vip: .vip }
do:
  - pay:
      call: flaky
      with: { failures: 1 }
      metadata: { atom: { idempotencyKey: '${ "pay-\(.order)" }' } }
"#;

#[tokio::test]
async fn a_document_names_the_key_and_the_fields_of_its_runs_and_the_key_of_a_call() {
    let bench = Bench::new();
    let input = json!({ "order": 7, "customer": { "id": "c-1" }, "total": 12.0 });
    let mut start = start_of(KEYED, input.clone());
    start.tags.insert("origin".to_owned(), "shop".to_owned());
    let run = bench.runtime.start(&bench.ada, start).await.unwrap();
    let run = bench.wait(&run).await;
    assert_eq!(
        (run.status, run.idempotency_key.as_deref()),
        (RunStatus::Faulted, Some("7"))
    );
    let tags: Vec<_> = run
        .labels
        .tags
        .iter()
        .map(|(name, tag)| (name.as_str(), tag.as_str()))
        .collect();
    assert_eq!(tags, [("origin", "shop"), ("priority", "2"), ("team", "billing")]);
    assert_eq!(
        serde_json::to_value(&run.labels.fields).unwrap(),
        json!({ "customer": "c-1", "total": 12 }),
        "what gives nothing is left out"
    );
    let again = bench
        .runtime
        .start(&bench.ada, start_of(KEYED, input))
        .await
        .unwrap();
    assert_eq!(again.id, run.id);
    // A repetition is a run of its own, found in the same way, and asks with the same key.
    let rerun = Rerun {
        run: run.id,
        from: None,
        id: None,
    };
    let repeated = bench.runtime.rerun(&bench.ada, rerun).await.unwrap();
    let repeated = bench.wait(&repeated).await;
    assert_eq!(repeated.status, RunStatus::Completed);
    assert_eq!(
        (&repeated.labels, &repeated.idempotency_key),
        (&run.labels, &None)
    );
    assert_eq!(bench.calls.keys(), ["pay-7", "pay-7"]);
    let mut filter = RunFilter::default();
    filter.labels.fields.insert("customer".to_owned(), json!("c-1"));
    let found = bench
        .store
        .runs(&bench.scope(), &filter, &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(found.items.len(), 2);

    for (input, words) in [
        (json!({}), "must give a text or a number"),
        (json!({ "order": "" }), "is empty"),
        (
            json!({ "order": 1, "customer": { "id": [1] } }),
            "'customer' must be a text",
        ),
        (json!({ "order": 1, "customer": "c" }), "index.customer"),
        (
            json!({ "order": 1, "customer": { "id": "c".repeat(257) } }),
            "more than 256",
        ),
    ] {
        let refused = bench
            .runtime
            .start(&bench.ada, start_of(KEYED, input))
            .await
            .unwrap_err();
        assert!(
            matches!(
                refused.code(),
                ErrorCode::InvalidRequest | ErrorCode::LimitExceeded
            ),
            "{refused:?}"
        );
        assert!(refused.message().contains(words), "{refused}");
    }
}

#[tokio::test]
async fn a_call_whose_key_is_missing_is_not_made() {
    let bench = Bench::new();
    let keyed = "- a: { call: echo, metadata: { atom: { idempotencyKey: .missing } } }\n";
    let error = bench.error(keyed, json!({})).await;
    assert_eq!(error["status"], 400, "{error}");
    assert_eq!(bench.calls.count("echo"), 0);
}

/// A function `slow` that answers when it is told to.
fn slow(bench: &Bench) -> oneshot::Sender<Value> {
    let (sender, receiver) = oneshot::channel::<Value>();
    let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
    let calls = Arc::clone(&bench.calls);
    let function =
        atom_core::function::TypedFunction::new("slow", "Answers when told to.", move |_: Value, context| {
            calls.note("slow", &context);
            let receiver = receiver.lock().unwrap().take();
            async move {
                match receiver {
                    Some(receiver) => receiver.await.map_err(|_| atom_core::Error::internal("gone")),
                    None => std::future::pending().await,
                }
            }
        });
    bench.functions.register(Arc::new(function)).unwrap();
    sender
}

async fn until_called(bench: &Bench, name: &str, count: u64) {
    while bench.calls.count(name) < count {
        tokio::task::yield_now().await;
    }
}

/// Waits until the run's journal has so many entries.
async fn until_entries(bench: &Bench, run: &RunRecord, count: usize) {
    while bench
        .store
        .journal(&bench.scope(), run.id, 0, 1000)
        .await
        .unwrap()
        .len()
        < count
    {
        tokio::task::yield_now().await;
    }
}

async fn status(bench: &Bench, run: &RunRecord) -> RunStatus {
    bench
        .store
        .run(&bench.scope(), run.id)
        .await
        .unwrap()
        .unwrap()
        .status
}

#[tokio::test]
async fn what_is_under_way_when_a_run_is_paused_is_answered_and_nothing_else_begins() {
    let bench = Bench::new();
    let answer = slow(&bench);
    let tasks = "- a: { call: slow }\n- b: { emit: { event: { with: { type: com.example.b } } } }\n- c: { call: echo, with: { n: '${ .data }' } }\n";
    let run = bench.start(tasks, json!({})).await;
    until_called(&bench, "slow", 1).await;
    let scope = bench.scope();
    let paused = bench
        .runtime
        .pause_run(&scope, run.id, Some("maintenance".to_owned()))
        .await
        .unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    let twice = bench.runtime.pause_run(&scope, run.id, None).await.unwrap();
    assert_eq!(twice.status, RunStatus::Paused);
    answer.send(json!({ "n": 1 })).unwrap();
    until_entries(&bench, &run, 3).await;
    assert_eq!(bench.store.head().await.unwrap(), 0, "nothing is emitted");
    assert_eq!(status(&bench, &run).await, RunStatus::Paused);

    // Another process finds it paused, with the answer, and asks nothing again.
    bench.runtime.close(Duration::from_secs(5)).await;
    let second = Bench::over(
        Arc::clone(&bench.store),
        Arc::clone(&bench.vault),
        RuntimeLimits::default(),
    );
    second.runtime.resume(None).await.unwrap();
    let resumed = second.runtime.resume_run(&scope, run.id).await.unwrap();
    assert_ne!(resumed.status, RunStatus::Paused);
    let ended = second.wait(&run).await;
    assert_eq!(ended.status, RunStatus::Completed);
    assert_eq!(second.store.head().await.unwrap(), 1);
    assert_eq!((second.calls.count("slow"), second.calls.count("echo")), (0, 1));
    assert_eq!(
        second.history(&run).await,
        [
            "run_started",
            "task_started /do/0/a",
            "run_paused",
            "run_resumed",
            "task_completed /do/0/a",
            "task_started /do/1/b",
            "task_completed /do/1/b",
            "task_started /do/2/c",
            "task_completed /do/2/c",
            "run_completed"
        ]
    );
    let late = second.runtime.pause_run(&scope, run.id, None).await.unwrap_err();
    assert_eq!(late.code(), ErrorCode::Conflict);
    assert_eq!(
        second
            .runtime
            .resume_run(&scope, run.id)
            .await
            .unwrap_err()
            .code(),
        ErrorCode::Conflict
    );
}

#[tokio::test]
async fn a_call_that_a_crash_interrupted_is_made_again_only_when_its_paused_run_goes_on() {
    let bench = Bench::new();
    let _answer = slow(&bench);
    let run = bench.start("- a: { call: slow }\n", json!({})).await;
    until_called(&bench, "slow", 1).await;
    bench
        .runtime
        .pause_run(&bench.scope(), run.id, None)
        .await
        .unwrap();
    bench.runtime.close(Duration::from_secs(5)).await;

    let second = Bench::over(
        Arc::clone(&bench.store),
        Arc::clone(&bench.vault),
        RuntimeLimits::default(),
    );
    let answer = slow(&second);
    answer.send(json!("done")).unwrap();
    second.runtime.resume(None).await.unwrap();
    // Pausing it once more is answered by its driver, which has begun nothing before.
    second
        .runtime
        .pause_run(&second.scope(), run.id, None)
        .await
        .unwrap();
    assert_eq!(second.calls.count("slow"), 0);
    second.runtime.resume_run(&second.scope(), run.id).await.unwrap();
    assert_eq!(second.wait(&run).await.output, Some(json!("done")));
    assert_eq!(second.calls.keys(), bench.calls.keys(), "with the same key");
}

#[tokio::test]
async fn time_and_events_wait_while_a_run_is_paused_and_signals_are_kept() {
    let bench = Bench::new();
    let tasks = r#"
- both:
    fork:
      branches:
        - rest: { wait: PT10S }
        - hear: { listen: { to: { one: { with: { type: com.example.go } } } } }
        - told: { listen: { to: { one: { with: { type: com.example.told } } } } }
"#;
    let run = bench.start(tasks, json!({})).await;
    let scope = bench.scope();
    while bench.clock.earliest_deadline().is_none() {
        tokio::task::yield_now().await;
    }
    bench.runtime.pause_run(&scope, run.id, None).await.unwrap();
    bench.clock.set(bench.clock_now() + Duration::from_secs(60));
    let event = |kind: &str| {
        let mut event = CloudEvent::new(kind, "/tests", kind);
        event.data = Some(json!(kind));
        event
    };
    bench
        .runtime
        .publish(&scope, &event("com.example.go"))
        .await
        .unwrap();
    bench
        .runtime
        .signal(&scope, run.id, event("com.example.told"))
        .await
        .unwrap();
    // The signal is the last thing that has happened: neither the timer nor the event was taken in before it.
    let history = bench.history(&run).await;
    assert_eq!(
        history[history.len() - 3..],
        [
            "run_paused".to_owned(),
            "run_signalled".to_owned(),
            "task_received /do/0/both/fork/branches/2/told".to_owned()
        ]
    );
    assert_eq!(status(&bench, &run).await, RunStatus::Paused);
    bench.runtime.resume_run(&scope, run.id).await.unwrap();
    let ended = bench.wait(&run).await;
    assert_eq!(
        ended.output,
        Some(json!([{}, ["com.example.go"], ["com.example.told"]]))
    );
}

#[tokio::test]
async fn a_timeout_that_passed_during_a_pause_takes_effect_when_the_run_goes_on() {
    let bench = Bench::new();
    let run = bench
        .start(
            "timeout: { after: PT1M }\ndo:\n  - a: { call: hang }\n",
            json!({}),
        )
        .await;
    until_called(&bench, "hang", 1).await;
    bench
        .runtime
        .pause_run(&bench.scope(), run.id, None)
        .await
        .unwrap();
    bench.clock.set(bench.clock_now() + Duration::from_secs(61));
    bench.runtime.resume_run(&bench.scope(), run.id).await.unwrap();
    assert_eq!(bench.wait(&run).await.error.unwrap()["status"], 408);
}

#[tokio::test]
async fn a_paused_run_is_cancelled_at_once_and_undone_and_its_repetition_goes_on() {
    let bench = Bench::new();
    let answer = slow(&bench);
    let tasks = "- one: { call: echo, with: { n: 1 } }\n- two: { call: slow }\n- three: { call: echo, with: { n: 3 } }\n";
    let run = bench.start(tasks, json!({})).await;
    until_called(&bench, "slow", 1).await;
    bench
        .runtime
        .pause_run(&bench.scope(), run.id, None)
        .await
        .unwrap();
    answer.send(json!(null)).unwrap();
    until_entries(&bench, &run, 4).await;
    let cancelled = bench.runtime.cancel(&bench.scope(), run.id, None).await.unwrap();
    assert_eq!(cancelled.status, RunStatus::Cancelled);
    let rerun = Rerun {
        run: run.id,
        from: None,
        id: None,
    };
    let repeated = bench.runtime.rerun(&bench.ada, rerun).await.unwrap();
    let repeated = bench.wait(&repeated).await;
    assert_eq!(repeated.output, Some(json!({ "n": 3 })));
    assert_eq!(
        (bench.calls.count("slow"), bench.calls.count("echo")),
        (1, 2),
        "what was answered is kept"
    );

    let saga = r#"
- one: { call: echo, with: { n: 1 }, metadata: { atom: { compensate: [{ undo: { call: echo, with: { n: 0 } } }] } } }
- two: { wait: PT1H }
"#;
    let run = bench.start(saga, json!({})).await;
    until_called(&bench, "echo", 3).await;
    until_entries(&bench, &run, 2).await;
    bench
        .runtime
        .pause_run(&bench.scope(), run.id, None)
        .await
        .unwrap();
    bench.runtime.cancel(&bench.scope(), run.id, None).await.unwrap();
    assert_eq!(bench.wait(&run).await.status, RunStatus::Cancelled);
    assert_eq!(bench.calls.count("echo"), 4);
}

#[tokio::test]
async fn steps_tell_what_each_execution_took() {
    let bench = Bench::new();
    let tasks = r#"
- loop:
    for: { in: '${ [1, 2] }' }
    do: [{ rest: { wait: PT2S } }]
- attempt:
    try: [{ flaky: { call: flaky, with: { failures: 1 } } }]
    catch: { retry: { delay: { seconds: 3 }, limit: { attempt: { count: 2 } } } }
- skipped: { if: 'false', set: { n: 1 } }
- last: { call: hang }
"#;
    let run = bench.start(tasks, json!({})).await;
    for seconds in [2, 2, 3] {
        bench.pass(seconds).await;
    }
    until_called(&bench, "hang", 1).await;
    let scope = bench.scope();
    let seen = async |after, limit| {
        let steps = bench.runtime.steps(&scope, run.id, after, limit).await.unwrap();
        let tell = |step: &atom_workflow::runtime::Step| {
            let name = step.task.rsplit('/').next().unwrap_or_default().to_owned();
            (name, step.status, step.duration_ms, step.attempts)
        };
        (steps.iter().map(tell).collect::<Vec<_>>(), steps)
    };
    use StepStatus::{Cancelled, Completed, Faulted, Running};
    let expect = |last, duration| {
        [
            ("loop", Completed, Some(4000), 1),
            ("rest", Completed, Some(2000), 1),
            ("rest", Completed, Some(2000), 1),
            ("attempt", Completed, Some(3000), 2),
            ("flaky", Faulted, Some(0), 1),
            ("flaky", Completed, Some(0), 1),
            ("last", last, duration, 1),
        ]
        .map(|(name, status, duration, attempts)| (name.to_owned(), status, duration, attempts))
    };
    let (told, steps) = seen(0, 100).await;
    assert_eq!(told, expect(Running, None));
    assert_eq!(steps[4].error.as_ref().map(|error| error.status), Some(503));
    let (page, _) = seen(steps[2].step, 2).await;
    assert_eq!(page, told[3..5]);

    bench.clock.set(bench.clock_now() + Duration::from_secs(5));
    bench.runtime.cancel(&scope, run.id, None).await.unwrap();
    assert_eq!(seen(0, 100).await.0, expect(Cancelled, Some(5000)));
}

#[tokio::test]
async fn a_history_is_read_in_pages() {
    let bench = Bench::new();
    let run = bench
        .run("- a: { call: echo }\n- b: { call: echo }\n", json!({}))
        .await;
    let whole = bench.runtime.history(&bench.scope(), run.id).await.unwrap();
    for size in [1, 2, 5] {
        let mut pages = Vec::new();
        loop {
            let after = pages
                .last()
                .map_or(0, |entry: &atom_workflow::runtime::HistoryEntry| entry.offset);
            let page = bench
                .runtime
                .history_page(&bench.scope(), run.id, after, size)
                .await
                .unwrap();
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= size);
            pages.extend(page);
        }
        assert_eq!(pages, whole);
    }
}

#[tokio::test]
async fn a_crash_at_any_write_of_a_pause_changes_nothing() {
    let tasks =
        "- a: { call: echo, with: { n: 1 } }\n- b: { wait: PT1S }\n- c: { call: echo, with: { n: 2 } }\n";
    for writes in 2.. {
        let memory = Arc::new(MemoryStore::default());
        let mortal = MortalStore::new(Arc::clone(&memory), writes);
        let death = mortal.death.clone();
        let vault = Arc::new(MemoryVault::default());
        let first = Bench::over(mortal, Arc::clone(&vault) as _, RuntimeLimits::default());
        let (scope, run) = (first.scope(), first.start(tasks, json!({})).await);
        let is_alive = tokio::select! {
            biased;
            () = death.cancelled() => false,
            ended = async {
                first.runtime.pause_run(&scope, run.id, None).await?;
                first.runtime.resume_run(&scope, run.id).await?;
                tokio::select! {
                    ended = first.runtime.wait(&scope, run.id) => ended,
                    () = keep_time_moving(&first) => unreachable!("time never ends"),
                }
            } => ended.is_ok(),
        };
        first.runtime.close(Duration::from_secs(5)).await;
        let second = Bench::over(memory, vault, RuntimeLimits::default());
        second.clock.set(first.clock_now());
        second.runtime.resume(None).await.unwrap();
        if status(&second, &run).await == RunStatus::Paused {
            second.runtime.resume_run(&scope, run.id).await.unwrap();
        }
        let ended = tokio::select! {
            ended = second.wait(&run) => ended,
            () = keep_time_moving(&second) => unreachable!("time never ends"),
        };
        assert_eq!(ended.output, Some(json!({ "n": 2 })), "after {writes} writes");
        let mut keys = [first.calls.keys(), second.calls.keys()].concat();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 2, "after {writes} writes");
        if is_alive {
            assert!(writes > 5, "the pause was written");
            return;
        }
    }
}
