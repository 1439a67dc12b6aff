//! Runs that runs start: what keeps the engine from reaching them is not their answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use atom_core::storage::{MemoryStore, MemoryVault, PageRequest, RunRecord, RunStatus, SecretInfo, Vault};
use atom_core::{Error, ErrorCode, Result, Scope, Secret};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{RuntimeLimits, StartRun, StuckCause};
use jiff::Timestamp;
use serde_json::json;

use crate::crash::keep_time_moving;
use crate::support::Bench;

const CHILD: &str = "
document: { dsl: 1.0.3, namespace: default, name: child, version: 1.0.0 }
use: { secrets: [key] }
do:
  - rest: { wait: PT1S }
  - give: { set: { answer: 42 } }
";

const PARENT: &str = "- ask: { run: { workflow: { namespace: default, name: child, version: 1.0.0 } } }";

/// A vault that cannot read what it keeps while it is broken.
#[derive(Debug, Default)]
struct BreakableVault {
    inner: MemoryVault,
    is_broken: AtomicBool,
    failures: AtomicU64,
}

#[async_trait]
impl Vault for BreakableVault {
    async fn set(&self, scope: &Scope, name: &str, secret: &Secret, now: Timestamp) -> Result<SecretInfo> {
        self.inner.set(scope, name, secret, now).await
    }
    async fn get(&self, scope: &Scope, name: &str) -> Result<Option<Secret>> {
        if self.is_broken.load(Ordering::SeqCst) {
            self.failures.fetch_add(1, Ordering::SeqCst);
            return Err(Error::new(ErrorCode::InvalidData, "the secret cannot be read"));
        }
        self.inner.get(scope, name).await
    }
    async fn list(&self, scope: &Scope) -> Result<Vec<SecretInfo>> {
        self.inner.list(scope).await
    }
    async fn delete(&self, scope: &Scope, name: &str) -> Result<bool> {
        self.inner.delete(scope, name).await
    }
}

/// The runs that have not been able to go on for `seconds`, and why.
async fn stuck(bench: &Bench, seconds: u64) -> Vec<(RunRecord, StuckCause)> {
    let until = bench.clock_now() - Duration::from_secs(seconds);
    let page = PageRequest::default();
    let stuck = bench.runtime.stuck(&bench.scope(), until, &page).await.unwrap();
    let stuck = stuck.items.into_iter();
    stuck
        .flat_map(|(run, causes)| causes.into_iter().map(move |stuck| (run.clone(), stuck.cause)))
        .collect()
}

async fn until_stuck(bench: &Bench) -> (RunRecord, StuckCause) {
    loop {
        if let Some(stuck) = stuck(bench, 0).await.pop() {
            return stuck;
        }
        tokio::task::yield_now().await;
    }
}

async fn with_child(store: &Arc<MemoryStore>, vault: &Arc<BreakableVault>, limits: RuntimeLimits) -> Bench {
    let bench = Bench::over(Arc::clone(store) as _, Arc::clone(vault) as _, limits);
    let secret = Secret::new("a secret of the child");
    let now = bench.clock_now();
    vault.set(&bench.scope(), "key", &secret, now).await.unwrap();
    bench.deploy(CHILD).await;
    bench
}

#[tokio::test]
async fn a_child_that_was_given_up_is_shown_and_waited_for() {
    let (store, vault) = (Arc::default(), Arc::default());
    let bench = with_child(&store, &vault, RuntimeLimits::default()).await;
    let parent = bench.start(PARENT, json!({})).await;
    let child = bench.child_of(&parent).await;
    bench.runtime.close(Duration::from_secs(5)).await;

    vault.is_broken.store(true, Ordering::SeqCst);
    let next = Bench::over(store, Arc::clone(&vault) as _, RuntimeLimits::default());
    next.clock.set(bench.clock_now());
    next.runtime.resume(None).await.unwrap();
    assert_eq!(until_stuck(&next).await.0.id, child.id);
    let tries = vault.failures.load(Ordering::SeqCst);
    // Nobody drives the child again and again, and it stays stuck since then.
    for _ in 0..100 {
        next.clock.advance(Duration::from_secs(60));
        tokio::task::yield_now().await;
    }
    let [(run, StuckCause::DriverStopped { error })] = &stuck(&next, 3600).await[..] else {
        panic!("only the child cannot go on");
    };
    assert_eq!((run.id, error.code), (child.id, ErrorCode::InvalidData));
    assert_eq!(vault.failures.load(Ordering::SeqCst), tries);

    vault.is_broken.store(false, Ordering::SeqCst);
    next.runtime.resume(None).await.unwrap();
    let ended = tokio::select! {
        ended = next.wait(&parent) => ended,
        () = keep_time_moving(&next) => unreachable!("time never ends"),
    };
    assert_eq!(ended.output, Some(json!({ "answer": 42 })));
    assert!(stuck(&next, 0).await.is_empty());
}

#[tokio::test]
async fn a_child_for_which_there_is_no_room_is_started_later() {
    let limits = RuntimeLimits {
        concurrent_runs: 2,
        ..RuntimeLimits::default()
    };
    let bench = with_child(&Arc::default(), &Arc::default(), limits).await;
    let other = bench.start("- a: { call: hang }", json!({})).await;
    let parent = bench.start(PARENT, json!({})).await;
    let (run, cause) = until_stuck(&bench).await;
    assert_eq!(run.id, parent.id);
    assert!(matches!(cause, StuckCause::StoreFailing { error } if error.code == ErrorCode::LimitExceeded));
    bench
        .runtime
        .cancel(&bench.scope(), other.id, None)
        .await
        .unwrap();
    let ended = tokio::select! {
        ended = bench.wait(&parent) => ended,
        () = keep_time_moving(&bench) => unreachable!("time never ends"),
    };
    assert_eq!(ended.output, Some(json!({ "answer": 42 })));
    assert!(stuck(&bench, 0).await.is_empty());
}

#[tokio::test]
async fn a_child_whose_secret_cannot_be_read_is_started_later() {
    let vault = Arc::default();
    let bench = with_child(&Arc::default(), &vault, RuntimeLimits::default()).await;
    vault.is_broken.store(true, Ordering::SeqCst);
    let parent = bench.start(PARENT, json!({})).await;
    assert_eq!(until_stuck(&bench).await.0.id, parent.id);
    vault.is_broken.store(false, Ordering::SeqCst);
    let ended = tokio::select! {
        ended = bench.wait(&parent) => ended,
        () = keep_time_moving(&bench) => unreachable!("time never ends"),
    };
    assert_eq!(ended.output, Some(json!({ "answer": 42 })));
}

/// What is counted is what is listed, whatever state the run is in.
#[tokio::test]
async fn a_paused_run_that_was_given_up_is_counted_and_listed() {
    let (store, vault) = (Arc::default(), Arc::default());
    let bench = with_child(&store, &vault, RuntimeLimits::default()).await;
    let start = StartRun::new(Arc::new(Workflow::parse(CHILD).unwrap()), CHILD, json!({}));
    let run = bench.runtime.start(&bench.ada, start).await.unwrap();
    bench
        .runtime
        .pause_run(&bench.scope(), run.id, None)
        .await
        .unwrap();
    assert!(stuck(&bench, 0).await.is_empty());
    bench.runtime.close(Duration::from_secs(5)).await;

    vault.is_broken.store(true, Ordering::SeqCst);
    let next = Bench::over(store, vault, RuntimeLimits::default());
    next.clock.set(bench.clock_now());
    assert!(stuck(&next, 0).await.is_empty(), "it waits for who paused it");
    next.runtime.resume(None).await.unwrap();
    assert_eq!(until_stuck(&next).await.0.id, run.id);
    assert_eq!(next.runtime.stuck_count(next.clock_now()), 1);
}

/// What is wrong with what was to be started is the answer, at once.
#[tokio::test]
async fn a_child_that_cannot_be_there_is_an_error_of_its_task() {
    let bench = Bench::new();
    let parent = bench.run(PARENT, json!({})).await;
    assert_eq!(parent.status, RunStatus::Faulted);
}
