//! A run that goes on with a new journal, over a database.

use std::sync::Arc;
use std::time::Duration;

use atom_core::function::TypedFunction;
use atom_core::storage::{MemoryVault, RunRecord, RunStore};
use atom_core::testkit::{ManualClock, SequenceRandom};
use atom_core::{CloudEvent, FunctionRegistry, Principal};
use atom_integrations::storage::SqliteStore;
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{
    RetentionSettings, Runtime, RuntimeLimits, RuntimeParts, RuntimeSettings, StartRun,
};
use serde_json::{Value, json};

/// A thousand steps, in two halves with an event between them.
const LOOP: &str = "
document: { dsl: 1.0.3, namespace: tests, name: loop, version: 1.0.0 }
do:
  - ask: { call: echo, with: { n: '${ (.n // 0) + 1 }' } }
  - more: { switch: [{ half: { when: '${ .n == 500 }', then: pause } }, { on: { when: '${ .n < 1000 }', then: ask } }, { ended: { then: end } }] }
  - pause: { listen: { to: { one: { with: { type: com.example.go } } } }, output: { as: '{ n: 500 }' } }
  - again: { set: '${ . }', then: ask }
";

fn runtime(store: &Arc<SqliteStore>) -> Runtime {
    let functions = Arc::new(FunctionRegistry::default());
    let echo = TypedFunction::new(
        "echo",
        "Gives back its arguments.",
        |given: Value, _| async move { Ok(given) },
    );
    functions.register(Arc::new(echo)).unwrap();
    let runtime = Runtime::new(RuntimeParts {
        store: Arc::clone(store) as _,
        vault: Arc::new(MemoryVault::default()),
        functions,
        clock: Arc::new(ManualClock::default()),
        random: Arc::new(SequenceRandom::default()),
        limits: RuntimeLimits {
            journal_entries: 100,
            continue_after: 40,
            ..RuntimeLimits::default()
        },
        settings: RuntimeSettings::default(),
    });
    runtime.start_retention(RetentionSettings::default());
    runtime
}

/// Waits until all that is left of the run's journal is what it began anew with.
async fn until_trimmed(store: &SqliteStore, run: &RunRecord) -> u64 {
    let scope = run.principal.scope();
    loop {
        let record = store.run(&scope, run.id).await.unwrap().unwrap();
        let journal = store.journal(&scope, run.id, 0, 1).await.unwrap();
        if record.journal_start > 0 && journal[0].sequence == record.journal_start {
            return record.journal_start;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_long_run_keeps_a_short_journal_and_goes_on_in_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let ada = Principal::new("acme", "ada").unwrap();
    let store = Arc::new(SqliteStore::open(folder.path()).await.unwrap());
    let first = runtime(&store);
    let workflow = Arc::new(Workflow::parse(LOOP).unwrap());
    let start = StartRun::new(workflow, LOOP.to_owned(), json!({}));
    let run = first.start(&ada, start).await.unwrap();
    while first.waits(&ada.scope(), run.id).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    until_trimmed(&store, &run).await;
    first.close(Duration::from_secs(5)).await;
    store.close().await.unwrap();
    drop((first, store));

    let store = Arc::new(SqliteStore::open(folder.path()).await.unwrap());
    let second = runtime(&store);
    let go = CloudEvent::new("1", "/tests", "com.example.go");
    second.signal(&ada.scope(), run.id, go).await.unwrap();
    let ended = second.wait(&ada.scope(), run.id).await.unwrap();
    assert_eq!((ended.error, ended.output), (None, Some(json!({ "n": 1000 }))));
    assert!(until_trimmed(&store, &run).await > 1000);
    let journal = store.journal(&ada.scope(), run.id, 0, 1_000).await.unwrap();
    assert!(journal.len() <= 41, "{}", journal.len());
    let history = second.history(&ada.scope(), run.id).await.unwrap();
    assert!(history.iter().map(|entry| entry.offset).is_sorted());
}
