//! Lifecycle events: what becomes of runs is told once, and only to those who ask for it.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{MemoryStore, MemoryVault, RunRecord, Store};
use atom_core::{CloudEvent, Principal};
use atom_workflow::runtime::{LifecycleEvents, Rerun, RuntimeLimits, RuntimeSettings};
use serde_json::{Value, json};

use crate::crash::{MortalStore, keep_time_moving};
use crate::support::Bench;

fn telling(store: Arc<dyn Store>, lifecycle_events: LifecycleEvents) -> Bench {
    let settings = RuntimeSettings {
        lifecycle_events,
        ..RuntimeSettings::default()
    };
    let vault = Arc::new(MemoryVault::default());
    Bench::with_settings(store, vault, RuntimeLimits::default(), settings)
}

fn bench(lifecycle_events: LifecycleEvents) -> Bench {
    telling(Arc::new(MemoryStore::default()), lifecycle_events)
}

impl Bench {
    async fn log(&self) -> Vec<CloudEvent> {
        let logged = self.store.read(&self.scope(), 0, 1000).await.unwrap();
        logged.into_iter().map(|logged| logged.event).collect()
    }

    /// The lifecycle events so far, as `type task`, without what all types have in common.
    async fn told(&self) -> Vec<String> {
        let log = self.log().await;
        let told = log.iter().filter_map(|event| {
            let kind = event.kind.strip_prefix("io.serverlessworkflow.")?;
            let kind = kind.strip_suffix(".v1").unwrap();
            let task = event.data.as_ref().and_then(|data| data["task"].as_str());
            Some(task.map_or_else(|| kind.to_owned(), |task| format!("{kind} {task}")))
        });
        told.collect()
    }
}

#[tokio::test]
async fn nothing_is_told_unless_the_operator_asks_for_it() {
    let bench = bench(LifecycleEvents::None);
    bench.run("- a: { set: { b: 1 } }", json!({})).await;
    assert_eq!(bench.log().await, []);
}

#[tokio::test]
async fn what_becomes_of_runs_is_told_in_the_words_of_the_specification() {
    let bench = bench(LifecycleEvents::Workflow);
    let run = bench.run("- a: { set: { b: 1 } }", json!({})).await;
    let name = format!("test-{}.default", run.id);
    let log = bench.log().await;
    let data: Vec<_> = log.iter().map(|event| event.data.clone().unwrap()).collect();
    assert_eq!(
        data,
        [
            json!({
                "name": name,
                "definition": { "name": "test", "namespace": "default", "version": "0.1.0" },
                "startedAt": run.created_at,
            }),
            json!({ "name": name, "completedAt": run.ended_at, "output": { "b": 1 } }),
        ]
    );
    assert_eq!(log[0].kind, "io.serverlessworkflow.workflow.started.v1");
    assert_eq!(log[1].kind, "io.serverlessworkflow.workflow.completed.v1");
    for event in &log {
        event.validate().unwrap();
        assert_eq!(event.source, format!("atom:/runs/{}", run.id));
        assert_eq!(event.subject, Some(run.id.to_string()));
    }
    // To its owner alone.
    let eve = Principal::new("other", "ada").unwrap();
    assert_eq!(bench.store.read(&eve.scope(), 0, 10).await.unwrap(), []);

    let run = bench
        .run(
            "- a: { raise: { error: { type: 'https://x.test/e', status: 500 } } }",
            json!({}),
        )
        .await;
    let log = bench.log().await;
    let faulted = log.last().unwrap();
    assert_eq!(faulted.kind, "io.serverlessworkflow.workflow.faulted.v1");
    assert_eq!(faulted.data.as_ref().unwrap()["error"], run.error.unwrap());
}

#[tokio::test]
async fn pauses_waits_and_cancellations_are_told() {
    let bench = bench(LifecycleEvents::All);
    let tasks = "- hear: { listen: { to: { one: { with: { type: go } } } } }\n- sleep: { wait: PT1H }";
    let run = bench.start(tasks, json!({})).await;
    let scope = bench.scope();
    bench.runtime.pause_run(&scope, run.id, None).await.unwrap();
    bench.runtime.resume_run(&scope, run.id).await.unwrap();
    bench
        .runtime
        .signal(&scope, run.id, CloudEvent::new("1", "test", "go"))
        .await
        .unwrap();
    bench.runtime.cancel(&scope, run.id, None).await.unwrap();
    bench.wait(&run).await;
    assert_eq!(
        bench.told().await,
        [
            "workflow.started",
            "task.created /do/0/hear",
            "task.started /do/0/hear",
            "workflow.correlation-started",
            "workflow.suspended",
            "task.suspended /do/0/hear",
            "workflow.resumed",
            "task.resumed /do/0/hear",
            "workflow.correlation-completed",
            "task.completed /do/0/hear",
            "task.created /do/1/sleep",
            "task.started /do/1/sleep",
            "task.cancelled /do/1/sleep",
            "workflow.cancelled",
        ]
    );
}

#[tokio::test]
async fn retries_and_errors_of_tasks_are_told() {
    let bench = bench(LifecycleEvents::All);
    let tasks = "
- attempt:
    try: [{ fail: { raise: { error: { type: 'https://x.test/e', status: 500 } } } }]
    catch: { retry: { limit: { attempt: { count: 1 } } } }
";
    bench.run(tasks, json!({})).await;
    let fail = [
        "task.created /do/0/attempt/try/0/fail",
        "task.started /do/0/attempt/try/0/fail",
        "task.faulted /do/0/attempt/try/0/fail",
    ];
    let mut expected = vec![
        "workflow.started",
        "task.created /do/0/attempt",
        "task.started /do/0/attempt",
    ];
    expected.extend(fail);
    expected.push("task.retried /do/0/attempt");
    expected.extend(fail);
    expected.extend(["task.faulted /do/0/attempt", "workflow.faulted"]);
    assert_eq!(bench.told().await, expected);
}

/// A run that waits, calls and ends.
const WORK: &str = "
- ask: { call: echo, with: { a: 1 } }
- sleep: { wait: PT1S }
- last: { set: { done: true } }
";

async fn finished(bench: &Bench, run: &RunRecord) {
    let scope = run.principal.scope();
    tokio::select! {
        ended = bench.runtime.wait(&scope, run.id) => drop(ended),
        () = keep_time_moving(bench) => {}
    }
}

#[tokio::test]
async fn a_crash_at_any_write_neither_loses_nor_repeats_an_event() {
    let whole = bench(LifecycleEvents::All);
    let run = whole.start(WORK, json!({})).await;
    finished(&whole, &run).await;
    let expected = whole.told().await;
    assert_eq!(expected.len(), 2 + 3 * 3);

    for writes in 2..8 {
        let store = Arc::new(MemoryStore::default());
        let mortal = MortalStore::new(Arc::clone(&store), writes);
        let death = mortal.death.clone();
        let first = telling(mortal, LifecycleEvents::All);
        let run = first.start(WORK, json!({})).await;
        tokio::select! {
            () = death.cancelled() => {}
            () = finished(&first, &run) => {}
        }
        first.runtime.close(Duration::from_secs(5)).await;

        let second = telling(store, LifecycleEvents::All);
        second.clock.set(first.clock_now());
        second.runtime.resume(None).await.unwrap();
        finished(&second, &run).await;
        assert_eq!(second.told().await, expected, "after {writes} writes");
    }
}

#[tokio::test]
async fn a_repetition_tells_that_it_began_and_what_it_does_itself() {
    let bench = bench(LifecycleEvents::All);
    let tasks = "
- ask: { call: echo, with: { a: 1 } }
- again: { call: echo, with: { b: 2 } }
- fail: { call: fail }
";
    let first = bench.run(tasks, json!({})).await;
    let before = bench.told().await.len();
    let rerun = Rerun {
        run: first.id,
        from: Some("/do/1/again".to_owned()),
        id: None,
    };
    let second = bench.runtime.rerun(&bench.ada, rerun).await.unwrap();
    bench.wait(&second).await;
    let told = bench.told().await.split_off(before);
    assert_eq!(told[..2], ["workflow.started", "task.completed /do/1/again"]);
    assert_eq!(told.last().unwrap(), "workflow.faulted");
}

#[tokio::test]
async fn only_those_who_ask_for_them_hear_lifecycle_events() {
    let bench = bench(LifecycleEvents::All);
    // One that takes any event would be kept busy by what it does itself.
    let any = "- hear: { listen: { to: { any: [] } } }";
    let any = bench.start(any, json!({})).await;
    let one = "- hear: { listen: { to: { one: { with: { source: '${ startswith(\"atom:\") }' } } } } }";
    let one = bench.start(one, json!({})).await;
    let asking = "- hear: { listen: { to: { one: { with: { type: io.serverlessworkflow.workflow.completed.v1 } } } } }";
    let asking = bench.start(asking, json!({})).await;
    let quick = bench.run("- a: { set: { b: 1 } }", json!({})).await;
    let heard = bench.wait(&asking).await.output.unwrap();
    assert_eq!(heard[0]["name"], format!("test-{}.default", quick.id));
    assert_eq!(heard[0]["output"], json!({ "b": 1 }));

    let event = CloudEvent::new("1", "atom:/test", "test.done");
    bench.runtime.publish(&bench.scope(), &event).await.unwrap();
    for run in [&any, &one] {
        let output = bench.wait(run).await.output.unwrap();
        assert_eq!(output, json!([Value::Null]), "only the last event was for it");
    }

    // Not even one that asks for it hears what becomes of itself.
    let own =
        "- hear: { listen: { to: { one: { with: { type: io.serverlessworkflow.task.started.v1 } } } } }";
    let own = bench.start(own, json!({})).await;
    bench.run("- other: { set: { b: 1 } }", json!({})).await;
    let heard = bench.wait(&own).await.output.unwrap();
    assert_eq!(heard[0]["task"], "/do/0/other");
}

#[tokio::test]
async fn a_schedule_does_not_hear_the_runs_of_its_own_workflow() {
    let bench = bench(LifecycleEvents::Workflow);
    let document = "
document: { dsl: 1.0.3, namespace: default, name: watch, version: 1.0.0 }
schedule: { on: { one: { with: { type: io.serverlessworkflow.workflow.completed.v1 } } } }
do: [{ a: { set: '${ .[0].name }' } }]
";
    bench.deploy(document).await;
    bench.runtime.start_schedules();
    bench
        .runtime
        .schedule(&bench.ada, "default", "watch")
        .await
        .unwrap();
    let first = bench.run("- a: { set: { b: 1 } }", json!({})).await;
    let second = bench.run("- a: { set: { b: 1 } }", json!({})).await;
    let filter = atom_core::storage::RunFilter {
        name: Some("watch".to_owned()),
        ..Default::default()
    };
    let page = atom_core::storage::PageRequest::default();
    let started = loop {
        let runs = bench.store.runs(&bench.scope(), &filter, &page).await.unwrap();
        if runs.items.len() >= 2 {
            break runs.items;
        }
        tokio::task::yield_now().await;
    };
    let mut outputs = Vec::new();
    for run in &started {
        outputs.extend(bench.wait(run).await.output);
    }
    // What became of these runs is no reason for more.
    bench.run("- last: { set: { b: 1 } }", json!({})).await;
    let count = loop {
        let runs = bench.store.runs(&bench.scope(), &filter, &page).await.unwrap();
        if runs.items.len() > 2 {
            break runs.items.len();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(count, 3);
    for run in [&first, &second] {
        assert!(
            outputs.contains(&json!(format!("test-{}.default", run.id))),
            "{outputs:?}"
        );
    }
}
