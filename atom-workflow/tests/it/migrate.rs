//! Moving runs to other versions of their workflow.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{MemoryStore, MemoryVault, RunRecord, RunStatus, Vault, WorkflowVersion};
use atom_core::{CloudEvent, Error, ErrorCode, Result, Secret};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{LifecycleEvents, Migration, Rerun, RuntimeLimits, RuntimeSettings, StartRun};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::crash::MortalStore;
use crate::support::Bench;

/// A document of the workflow `default/move`.
fn version(version: &str, rest: &str) -> String {
    format!("document: {{ dsl: 1.0.3, namespace: default, name: move, version: {version} }}\n{rest}")
}

fn key(text: &str) -> WorkflowVersion {
    let workflow = Workflow::parse(text).unwrap();
    WorkflowVersion {
        version: workflow.document.version.clone(),
        hash: workflow.hash,
    }
}

async fn start(bench: &Bench, text: &str, input: Value) -> RunRecord {
    let start = StartRun::new(Arc::new(Workflow::parse(text).unwrap()), text, input);
    bench.runtime.start(&bench.ada, start).await.unwrap()
}

async fn migrate(bench: &Bench, run: &RunRecord, to: &str) -> Result<Migration> {
    bench.deploy(to).await;
    bench
        .runtime
        .migrate_run(&bench.scope(), run.id, key(to), false)
        .await
}

/// Waits until the run waits for nothing but `what`.
async fn until_waiting(bench: &Bench, run: &RunRecord, what: &str) {
    loop {
        let waits = bench.runtime.waits(&bench.scope(), run.id).await.unwrap();
        let waits = serde_json::to_value(waits).unwrap();
        if waits.as_array().unwrap().iter().any(|wait| wait["type"] == what) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

const FIRST: &str = "do:\n  - pay: { call: echo, with: { n: '${ .n }' } }\n  - rest: { wait: PT1H }\n  - tell: { call: fail }\n";
const SECOND: &str = "do:\n  - pay: { call: echo, with: { n: '${ .n }' } }\n  - rest: { wait: PT1H }\n  - tell: { set: { told: '${ .n }' } }\n  - more: { set: { told: '${ .told }', by: '${ $workflow.definition.document.version }' } }\n";

#[tokio::test]
async fn a_run_goes_on_with_the_version_that_it_is_moved_to() {
    let bench = Bench::new();
    let (first, second) = (version("1.0.0", FIRST), version("2.0.0", SECOND));
    let run = start(&bench, &first, json!({ "n": 7 })).await;
    until_waiting(&bench, &run, "time").await;
    bench.deploy(&second).await;

    let scope = bench.scope();
    let checked = bench
        .runtime
        .migrate_run(&scope, run.id, key(&second), true)
        .await
        .unwrap();
    assert_eq!((checked.from, checked.to), (key(&first), key(&second)));
    assert_eq!(checked.run.workflow, run.workflow, "a check changes nothing");
    assert!(!bench.history(&run).await.contains(&"run_migrated".to_owned()));

    let follower = bench.runtime.clone();
    let mut followed = follower.follow(scope.clone(), run.id, 0);
    assert!(followed.next().await.unwrap().is_ok());
    let moved = migrate(&bench, &run, &second).await.unwrap().run;
    assert_eq!(moved.workflow.version(), key(&second));
    assert_eq!(moved.started_with, Some(key(&first)));
    let again = migrate(&bench, &run, &second).await.unwrap();
    assert_eq!(
        (again.from, again.to),
        (key(&second), key(&second)),
        "once is enough"
    );

    bench.pass(3600).await;
    let ended = bench.wait(&run).await;
    assert_eq!(ended.output, Some(json!({ "told": 7, "by": "2.0.0" })));
    assert_eq!(bench.calls.count("echo"), 1);
    let history = bench.runtime.history(&scope, run.id).await.unwrap();
    let moves: Vec<_> = history
        .iter()
        .map(|entry| serde_json::to_value(entry).unwrap())
        .filter(|entry| entry["type"] == "run_migrated")
        .collect();
    assert_eq!(moves.len(), 1);
    assert_eq!(
        (&moves[0]["from"]["version"], &moves[0]["to"]["version"]),
        (&json!("1.0.0"), &json!("2.0.0"))
    );
    // Whoever followed it meanwhile has missed nothing, although the document changed under the eyes.
    let rest: Vec<_> = followed.collect().await;
    let seen: Vec<_> = rest.into_iter().map(Result::unwrap).collect();
    assert_eq!(seen, history[1..]);
    // It can be recorded, and repeated.
    let recording = bench.runtime.record_run(&scope, run.id).await.unwrap();
    assert_eq!(recording.replay().unwrap().divergence, None);
    let rerun = Rerun {
        run: run.id,
        from: Some("/do/1/rest".to_owned()),
        id: None,
    };
    let repeated = bench.runtime.rerun(&bench.ada, rerun).await.unwrap();
    bench.pass(3600).await;
    assert_eq!(bench.wait(&repeated).await.output, ended.output);
    // Starting it again gives it, whichever of its versions is meant.
    for text in [&first, &second] {
        let mut again = StartRun::new(Arc::new(Workflow::parse(text).unwrap()), text, json!({ "n": 7 }));
        again.id = Some(run.id);
        assert_eq!(bench.runtime.start(&bench.ada, again).await.unwrap().id, run.id);
    }
    let refused = migrate(&bench, &run, &version("3.0.0", SECOND))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (ErrorCode::Conflict, "the run has ended")
    );
}

#[tokio::test]
async fn a_run_that_would_have_gone_another_way_stays_where_it_is() {
    let bench = Bench::new();
    let first = version(
        "1.0.0",
        "timeout: { after: P1D }\ndo:\n  - pay: { call: echo, with: { n: '${ .n }' } }\n  - tell: { emit: { event: { with: { type: com.example.paid, data: { n: 1 } } } } }\n  - keep: { set: { n: 1 } }\n  - hear: { listen: { to: { one: { with: { type: com.example.go } } } }, timeout: { after: PT2H } }\n",
    );
    let run = start(&bench, &first, json!({ "n": 7 })).await;
    until_waiting(&bench, &run, "event").await;
    let before = bench.history(&run).await;
    for (number, (from, to, task, words)) in [
        ("{ n: '${ .n }' }", "{ n: 8 }", Some("/do/0/pay"), "other data"),
        ("call: echo", "call: hang", None, "call hang at /do/0/pay"),
        (
            "  - pay:",
            "  - before: { set: { n: 7 } }\n  - pay:",
            Some("/do/0/pay"),
            "task_started of /do/0/before",
        ),
        (
            "  - keep: { set: { n: 1 } }\n",
            "",
            Some("/do/2/keep"),
            "task_started of /do/2/hear",
        ),
        (
            "keep: { set: { n: 1 } }",
            "keep: { set: { n: 2 } }",
            Some("/do/2/keep"),
            "with other data",
        ),
        (
            "com.example.paid",
            "com.example.unpaid",
            Some("/do/1/tell"),
            "with other data",
        ),
        (
            "data: { n: 1 }",
            "data: { n: 2 }",
            Some("/do/1/tell"),
            "with other data",
        ),
        (
            "com.example.go",
            "com.example.stop",
            Some("/do/3/hear"),
            "something else",
        ),
        ("PT2H", "PT3H", None, "wait until"),
        ("P1D", "P2D", None, "wait until"),
        (
            "timeout: { after: P1D }",
            "",
            Some("/do/0/pay"),
            "after something else",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let other = first.replace(from, to).replace("1.0.0", &format!("2.0.{number}"));
        assert_ne!(
            other,
            first.replace("1.0.0", &format!("2.0.{number}")),
            "{from} is not there"
        );
        for is_dry in [true, false] {
            bench.deploy(&other).await;
            let refused = bench
                .runtime
                .migrate_run(&bench.scope(), run.id, key(&other), is_dry)
                .await;
            let refused = refused.unwrap_err();
            assert_eq!(refused.code(), ErrorCode::Conflict, "{refused}");
            assert!(refused.message().contains(words), "{from} -> {to}: {refused}");
            assert_eq!(
                refused.context().get("task").map(String::as_str),
                task,
                "{refused}"
            );
        }
    }
    assert_eq!(bench.history(&run).await, before);
    let record = bench.store.run(&bench.scope(), run.id).await.unwrap().unwrap();
    assert_eq!(
        (record.workflow, record.started_with),
        (run.workflow.clone(), None)
    );
    // It is driven by its own document still.
    bench
        .runtime
        .signal(
            &bench.scope(),
            run.id,
            CloudEvent::new("1", "/test", "com.example.go"),
        )
        .await
        .unwrap();
    assert_eq!(bench.wait(&run).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn what_a_run_cannot_follow_is_refused() {
    let bench = Bench::new();
    let scope = bench.scope();
    bench
        .vault
        .set(&scope, "token", &Secret::new("token-123"), bench.clock_now())
        .await
        .unwrap();
    let first = version(
        "1.0.0",
        "use: { secrets: [token] }\ndo: [{ rest: { wait: PT1H } }, { end: { set: { n: 1 } } }]\n",
    );
    let run = start(&bench, &first, json!({})).await;
    until_waiting(&bench, &run, "time").await;
    for (rest, code, words) in [
        (
            "use: { secrets: [token] }\ndo: [{ rest: { wait: PT1H } }, { end: { call: absent } }]\n",
            ErrorCode::NotFound,
            "absent",
        ),
        (
            "use: { secrets: [token, other] }\ndo: [{ rest: { wait: PT1H } }]\n",
            ErrorCode::NotFound,
            "'other'",
        ),
        ("do: [{ rest: { wait: PT1H } }]\n", ErrorCode::Conflict, "'token'"),
        (
            "use: { secrets: [token] }\ninput: { schema: { format: avro, document: { type: string } } }\ndo: [{ rest: { wait: PT1H } }]\n",
            ErrorCode::Unsupported,
            "schema.format: avro",
        ),
    ] {
        let refused = migrate(
            &bench,
            &run,
            &version("2.0.0-rc.1", rest)
                .replace("rc.1", &words.replace(|c: char| !c.is_ascii_alphanumeric(), "")),
        )
        .await
        .unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().contains(words), "{refused}");
    }
    let stranger = version("1.0.0", "do: [{ rest: { wait: PT1H } }]\n").replace("name: move", "name: other");
    assert_eq!(
        migrate(&bench, &run, &stranger).await.unwrap_err().code(),
        ErrorCode::InvalidRequest
    );
    let unknown = WorkflowVersion {
        version: "9.0.0".to_owned(),
        hash: "none".to_owned(),
    };
    let refused = bench.runtime.migrate_run(&scope, run.id, unknown, false).await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::NotFound);
    let eve = atom_core::Principal::new("acme", "eve").unwrap().scope();
    let refused = bench.runtime.migrate_run(&eve, run.id, key(&first), false).await;
    assert_eq!(
        refused.unwrap_err().code(),
        ErrorCode::NotFound,
        "a run of somebody else is not there"
    );
}

#[tokio::test]
async fn a_call_under_way_answers_the_version_that_the_run_was_moved_to() {
    let bench = Bench::new();
    let (answer, answered) = tokio::sync::oneshot::channel::<Value>();
    let answered = std::sync::Mutex::new(Some(answered));
    bench
        .functions
        .register(Arc::new(atom_core::function::TypedFunction::new(
            "ask",
            "Answers once.",
            move |_: Value, _| {
                let answered = answered.lock().unwrap().take();
                async move {
                    match answered {
                        Some(answered) => answered.await.map_err(|_| Error::internal("nobody answers")),
                        None => Err(Error::internal("asked twice")),
                    }
                }
            },
        )))
        .unwrap();
    let first = version("1.0.0", "do: [{ ask: { call: ask, output: { as: .old } } }]\n");
    let second = version("1.1.0", "do: [{ ask: { call: ask, output: { as: .new } } }]\n");
    let run = start(&bench, &first, json!({})).await;
    until_waiting(&bench, &run, "call").await;
    // A paused run is moved as well, and goes on when it is resumed.
    bench
        .runtime
        .pause_run(&bench.scope(), run.id, None)
        .await
        .unwrap();
    let moved = migrate(&bench, &run, &second).await.unwrap().run;
    assert_eq!(moved.status, RunStatus::Paused);
    answer.send(json!({ "old": 1, "new": 2 })).unwrap();
    bench.runtime.resume_run(&bench.scope(), run.id).await.unwrap();
    assert_eq!(bench.wait(&run).await.output, Some(json!(2)));
}

#[tokio::test]
async fn what_is_undone_is_undone_as_the_new_version_says() {
    let rest = |undo: &str| {
        format!(
            "do:\n  - pay: {{ call: echo, metadata: {{ atom: {{ compensate: [{{ refund: {{ call: {undo} }} }}] }} }} }}\n  - hear: {{ listen: {{ to: {{ one: {{ with: {{ type: com.example.go }} }} }} }} }}\n  - fail: {{ raise: {{ error: {{ type: https://example.com/declined, status: 402 }} }} }}\n"
        )
    };
    let bench = Bench::new();
    let run = start(&bench, &version("1.0.0", &rest("fail")), json!({})).await;
    until_waiting(&bench, &run, "event").await;
    migrate(
        &bench,
        &run,
        &version("1.0.1", &rest("flaky, with: { failures: 0 }")),
    )
    .await
    .unwrap();
    bench.runtime.cancel(&bench.scope(), run.id, None).await.unwrap();
    assert_eq!(bench.wait(&run).await.status, RunStatus::Cancelled);
    assert_eq!((bench.calls.count("fail"), bench.calls.count("flaky")), (0, 1));

    // A list that has failed is a part of what was done.
    let rest = |last: &str| rest(&format!("echo }} }}, {{ settle: {{ {last}"));
    let run = start(
        &bench,
        &version("2.0.0", &rest("if: '${ false }', call: fail")),
        json!({}),
    )
    .await;
    until_waiting(&bench, &run, "event").await;
    let broken = version("2.0.1", &rest("call: fail"));
    migrate(&bench, &run, &broken).await.unwrap();
    bench.runtime.cancel(&bench.scope(), run.id, None).await.unwrap();
    until_waiting(&bench, &run, "time").await;
    let refused = migrate(&bench, &run, &version("2.0.2", &rest("call: echo")))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict);
}

/// Runs, is moved after `writes` writes or not at all, and runs on in a new process.
async fn die_after(writes: i64) -> (bool, bool, Value, usize) {
    let (first, second) = (version("1.0.0", FIRST), version("2.0.0", SECOND));
    let memory = Arc::new(MemoryStore::default());
    let mortal = MortalStore::new(Arc::clone(&memory), writes);
    let vault = Arc::new(MemoryVault::default());
    let bench = Bench::over(
        mortal,
        Arc::clone(&vault) as Arc<dyn Vault>,
        RuntimeLimits::default(),
    );
    let text = first.clone();
    let begun = StartRun::new(Arc::new(Workflow::parse(&text).unwrap()), text, json!({ "n": 7 }));
    let Ok(run) = bench.runtime.start(&bench.ada, begun).await else {
        return (false, false, Value::Null, 0);
    };
    let scope = bench.scope();
    while bench.runtime.is_driven(&scope, run.id) && bench.clock.earliest_deadline().is_none() {
        tokio::task::yield_now().await;
    }
    let moved = migrate(&bench, &run, &second).await.is_ok();
    let alive = tokio::select! {
        ended = bench.runtime.wait(&scope, run.id) => ended.is_ok(),
        () = keep_hours_moving(&bench) => false,
    };
    bench.runtime.close(Duration::from_secs(5)).await;

    let again = Bench::over(memory, vault, RuntimeLimits::default());
    again.clock.set(bench.clock_now());
    again.runtime.resume(None).await.unwrap();
    let record = again.store.run(&scope, run.id).await.unwrap().unwrap();
    let follows_second = record.workflow.version() == key(&second);
    assert!(follows_second || !moved, "what was answered is durable");
    assert_eq!(follows_second, record.started_with.is_some());
    if !follows_second && !record.status.has_ended() {
        until_waiting(&again, &run, "time").await;
        migrate(&again, &run, &second).await.unwrap();
    }
    let ended = tokio::select! {
        ended = again.runtime.wait(&scope, run.id) => ended.unwrap(),
        () = keep_hours_moving(&again) => unreachable!("time never ends"),
    };
    let mut keys = bench.calls.keys();
    keys.extend(again.calls.keys());
    keys.sort();
    keys.dedup();
    let moves = again
        .history(&run)
        .await
        .into_iter()
        .filter(|line| line == "run_migrated")
        .count();
    assert_eq!(moves, 1, "after {writes} writes");
    (alive, moved, ended.output.unwrap_or_default(), keys.len())
}

async fn keep_hours_moving(bench: &Bench) {
    loop {
        bench.clock.parked(1).await;
        bench.clock.advance(Duration::from_secs(600));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_crash_at_any_write_of_a_migration_leaves_the_run_on_one_version() {
    let mut writes = 1;
    loop {
        let (alive, moved, output, calls) = die_after(writes).await;
        assert_eq!(
            output,
            json!({ "told": 7, "by": "2.0.0" }),
            "after {writes} writes"
        );
        assert_eq!(calls, 1, "after {writes} writes the call had another key");
        if alive && moved {
            assert!(
                writes >= 4,
                "a start, an answer, the migration and the end are written"
            );
            return;
        }
        writes += 1;
        assert!(writes < 20, "it never ends");
    }
}

/// What becomes of a run is told after it was moved as before.
#[tokio::test]
async fn a_run_that_was_moved_goes_on_telling() {
    let settings = RuntimeSettings {
        lifecycle_events: LifecycleEvents::All,
        ..RuntimeSettings::default()
    };
    let bench = Bench::with_settings(
        Arc::new(MemoryStore::default()),
        Arc::new(MemoryVault::default()),
        RuntimeLimits::default(),
        settings,
    );
    let (first, second) = (version("1.0.0", FIRST), version("2.0.0", SECOND));
    let run = start(&bench, &first, json!({ "n": 7 })).await;
    until_waiting(&bench, &run, "time").await;
    migrate(&bench, &run, &second).await.unwrap();
    bench.pass(3600).await;
    bench.wait(&run).await;
    let log = bench.store.read(&bench.scope(), 0, 1000).await.unwrap();
    let told: Vec<_> = log
        .iter()
        .filter_map(|logged| logged.event.kind.strip_prefix("io.serverlessworkflow."))
        .filter(|kind| kind.contains("completed"))
        .collect();
    let expected = [["task.completed.v1"; 4].as_slice(), &["workflow.completed.v1"]].concat();
    assert_eq!(told, expected);
}

/// A run that waits for its turn begins on the version that it was moved to, in this process or the next one.
#[tokio::test]
async fn a_queued_run_begins_on_the_version_that_it_was_moved_to() {
    let limited = |version: &str, tasks: &str| {
        format!(
            "document:\n  dsl: 1.0.3\n  namespace: default\n  name: move\n  version: {version}\n  metadata: {{ atom: {{ concurrency: {{ limit: 1 }} }} }}\n{tasks}"
        )
    };
    let first = limited(
        "1.0.0",
        "do: [{ a: { wait: PT1H } }, { b: { set: { by: first } } }]\n",
    );
    let second = limited(
        "2.0.0",
        "do: [{ a: { call: echo, with: { n: '${ .n }' } } }, { b: { set: { by: second } } }]\n",
    );
    for is_interrupted in [false, true] {
        let bench = Bench::new();
        let ahead = start(&bench, &first, json!({})).await;
        let queued = start(&bench, &first, json!({})).await;
        assert_eq!(queued.status, RunStatus::Queued);
        let moved = migrate(&bench, &queued, &second).await.unwrap().run;
        assert_eq!(
            (moved.status, moved.workflow.version()),
            (RunStatus::Queued, key(&second))
        );
        let bench = if is_interrupted {
            bench.runtime.close(Duration::from_secs(5)).await;
            let (store, vault) = (Arc::clone(&bench.store), Arc::clone(&bench.vault));
            let next = Bench::over(store, vault, RuntimeLimits::default());
            next.clock.set(bench.clock_now());
            next.runtime.resume(None).await.unwrap();
            next
        } else {
            bench
        };
        bench.pass(3600).await;
        assert_eq!(bench.wait(&ahead).await.output, Some(json!({ "by": "first" })));
        assert_eq!(bench.wait(&queued).await.output, Some(json!({ "by": "second" })));
        assert_eq!(bench.calls.count("echo"), 1);
        let recording = bench.runtime.record_run(&bench.scope(), queued.id).await.unwrap();
        assert_eq!(recording.replay().unwrap().divergence, None);
    }
}
