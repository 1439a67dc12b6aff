//! Runs that cannot go on say why, and those that can are not in their way.

use std::sync::Arc;
use std::time::Duration;

use atom_core::function::TypedFunction;
use atom_core::storage::{MemoryStore, MemoryVault, PageRequest, RunRecord, RunStatus};
use atom_core::{CloudEvent, Error, ErrorCode};
use atom_workflow::machine::WaitKind;
use atom_workflow::runtime::{RuntimeLimits, StuckCause};
use serde_json::{Value, json};

use crate::crash::{MortalStore, keep_time_moving};
use crate::support::Bench;

/// A second process over the store of a first one, which was closed or has died.
fn next_process(bench: &Bench, limits: RuntimeLimits) -> Bench {
    let next = Bench::over(Arc::clone(&bench.store), Arc::clone(&bench.vault), limits);
    next.clock.set(bench.clock_now());
    next
}

async fn until_called(bench: &Bench, name: &str, count: u64) {
    while bench.calls.count(name) < count {
        tokio::task::yield_now().await;
    }
}

/// Why a run has not been able to go on for `seconds`.
async fn stuck(bench: &Bench, run: &RunRecord, seconds: u64) -> Vec<StuckCause> {
    let until = bench.clock_now() - Duration::from_secs(seconds);
    let page = bench
        .runtime
        .stuck(&bench.scope(), until, &PageRequest::default())
        .await
        .unwrap();
    let found = page.items.into_iter().find(|(found, _)| found.id == run.id);
    found.map_or_else(Vec::new, |(_, stuck)| {
        stuck.into_iter().map(|stuck| stuck.cause).collect()
    })
}

/// As vercel/workflow#1531: nothing sets a run going again after its process was killed.
#[tokio::test]
async fn a_run_of_a_killed_process_goes_on_in_the_next_one() {
    let bench = Bench::new();
    let run = bench
        .start(
            "- a: { call: echo }\n- b: { wait: PT1H }\n- c: { call: echo }\n",
            json!({}),
        )
        .await;
    until_called(&bench, "echo", 1).await;
    bench.runtime.close(Duration::ZERO).await;
    let next = next_process(&bench, RuntimeLimits::default());
    // Until somebody resumes it, it is reported.
    assert_eq!(stuck(&next, &run, 0).await, [StuckCause::NotResumed]);
    next.runtime.resume(None).await.unwrap();
    assert_eq!(stuck(&next, &run, 0).await, []);
    next.pass(3600).await;
    assert_eq!(next.wait(&run).await.status, RunStatus::Completed);
}

/// As dbos-inc/dbos-transact-py#716: a database that restarts while runs recover leaves them behind.
#[tokio::test]
async fn a_store_that_fails_while_runs_recover_strands_none() {
    let store = MortalStore::new(Arc::new(MemoryStore::default()), i64::MAX);
    let bench = Bench::over(
        Arc::clone(&store) as _,
        Arc::new(MemoryVault::default()),
        RuntimeLimits::default(),
    );
    let run = bench
        .start("- a: { wait: PT1S }\n- b: { call: echo }\n", json!({}))
        .await;
    bench.runtime.close(Duration::from_secs(5)).await;
    let next = next_process(&bench, RuntimeLimits::default());
    store.go_away(i64::MAX);
    next.runtime.resume(None).await.unwrap();
    while stuck(&next, &run, 0).await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(
        stuck(&next, &run, 0).await[..],
        [StuckCause::StoreFailing { .. }]
    ));
    assert_eq!(next.runtime.stuck_count(next.clock_now()), 1);
    store.go_away(0);
    let ended = tokio::select! {
        ended = next.wait(&run) => ended,
        () = keep_time_moving(&next) => unreachable!("time never ends"),
    };
    assert_eq!(ended.status, RunStatus::Completed);
    assert_eq!(next.runtime.stuck_count(next.clock_now()), 0);
}

/// A store that cannot be read for a while costs a run nothing that is under way.
#[tokio::test]
async fn a_log_that_cannot_be_read_for_a_while_repeats_no_call() {
    let store = MortalStore::new(Arc::new(MemoryStore::default()), i64::MAX);
    let bench = Bench::over(
        Arc::clone(&store) as _,
        Arc::new(MemoryVault::default()),
        RuntimeLimits::default(),
    );
    let tasks = r"
- all:
    fork:
      branches:
        - call: { call: hang }
        - hear:
            do:
              - first: { listen: { to: { one: { with: { type: com.example.go } } } } }
              - then: { call: echo }
";
    let run = bench.start(tasks, json!({})).await;
    until_called(&bench, "hang", 1).await;
    store.go_away(3);
    let event = CloudEvent::new("1", "/test", "com.example.go");
    bench.runtime.publish(&bench.scope(), &event).await.unwrap();
    while bench.runtime.stuck_now(&bench.scope(), run.id).is_empty() {
        tokio::task::yield_now().await;
    }
    tokio::select! {
        () = until_called(&bench, "echo", 1) => {}
        () = keep_time_moving(&bench) => unreachable!("time never ends"),
    }
    assert_eq!(bench.calls.count("hang"), 1);
    assert!(bench.runtime.stuck_now(&bench.scope(), run.id).is_empty());
}

/// As dbos-inc/dbos-transact-py#805: a recovered run that cannot go on blocks the others.
#[tokio::test]
async fn a_recovered_run_that_waits_for_its_function_blocks_nobody_and_says_so() {
    let limits = RuntimeLimits {
        concurrent_calls: 1,
        ..RuntimeLimits::default()
    };
    let bench = Bench::over(
        Arc::new(MemoryStore::default()),
        Arc::new(MemoryVault::default()),
        limits,
    );
    let late = || {
        Arc::new(TypedFunction::new("late", "Answers.", |_: Value, _| async {
            Ok(json!(1))
        }))
    };
    let hold = "- a: { wait: PT1S }\n- b: { call: late }\n";
    bench.functions.register(late()).unwrap();
    let run = bench.start(hold, json!({})).await;
    bench.runtime.close(Duration::from_secs(5)).await;

    let next = next_process(&bench, limits);
    next.runtime.resume(None).await.unwrap();
    next.pass(1).await;
    let missing = StuckCause::FunctionMissing {
        function: "late".to_owned(),
        task: "/do/1/b".to_owned(),
    };
    while stuck(&next, &run, 0).await != [missing.clone()] {
        tokio::task::yield_now().await;
    }
    assert_eq!(stuck(&next, &run, 60).await, [], "not for a minute yet");
    next.clock.set(next.clock_now() + Duration::from_secs(61));
    assert_eq!(stuck(&next, &run, 60).await, [missing]);
    assert_eq!(
        next.output("- a: { call: echo, with: { n: 1 } }", json!({}))
            .await,
        json!({ "n": 1 })
    );
    next.functions.register(late()).unwrap();
    assert_eq!(next.wait(&run).await.output, Some(json!(1)));
    assert_eq!(next.runtime.stuck_count(next.clock_now()), 0);
}

#[tokio::test]
async fn a_run_waits_for_an_engine_that_allows_what_it_calls() {
    let bench = Bench::new();
    let allowed = || TypedFunction::new("process", "Answers.", |_: Value, _| async { Ok(json!(1)) });
    bench.functions.register(Arc::new(allowed())).unwrap();
    let run = bench
        .start("- a: { wait: PT1S }\n- b: { call: process }\n", json!({}))
        .await;
    bench.runtime.close(Duration::from_secs(5)).await;

    let next = next_process(&bench, RuntimeLimits::default());
    let off = Error::new(ErrorCode::PermissionDenied, "processes are off");
    next.functions.register(Arc::new(allowed().refused(off))).unwrap();
    next.runtime.resume(None).await.unwrap();
    next.pass(1).await;
    while stuck(&next, &run, 0).await.is_empty() {
        tokio::task::yield_now().await;
    }
    next.runtime.close(Duration::from_secs(5)).await;

    let last = next_process(&next, RuntimeLimits::default());
    last.functions.register(Arc::new(allowed())).unwrap();
    last.runtime.resume(None).await.unwrap();
    assert_eq!(last.wait(&run).await.output, Some(json!(1)));
}

#[tokio::test]
async fn a_run_tells_what_it_waits_for() {
    let bench = Bench::new();
    bench.deploy("document: { dsl: 1.0.3, namespace: default, name: child, version: 1.0.0 }\ndo: [{ a: { wait: PT1H } }]\n").await;
    let tasks = r#"
- all:
    fork:
      branches:
        - call: { call: hang, timeout: { after: PT5S } }
        - rest: { wait: PT9S }
        - hear: { listen: { to: { one: { with: { type: com.example.go } } } } }
        - other: { run: { workflow: { namespace: default, name: child, version: 1.0.0 } } }
"#;
    let run = bench.start(tasks, json!({})).await;
    let child = bench.child_of(&run).await;
    let waits = bench.runtime.waits(&bench.scope(), run.id).await.unwrap();
    let at = |seconds| bench.clock_now() + Duration::from_secs(seconds);
    let expected = [
        ("call", WaitKind::Timeout { at: at(5) }),
        (
            "call",
            WaitKind::Call {
                function: "hang".to_owned(),
            },
        ),
        ("rest", WaitKind::Time { at: at(9) }),
        ("hear", WaitKind::Event),
        ("other", WaitKind::Run { run: child.id }),
    ];
    let told: Vec<_> = waits
        .iter()
        .map(|wait| {
            assert_eq!(wait.since, Some(at(0)));
            (
                wait.task.as_deref().unwrap().rsplit('/').next().unwrap(),
                wait.what.clone(),
            )
        })
        .collect();
    assert_eq!(told, expected);
    // What waits for time, events or answers is not stuck.
    assert_eq!(stuck(&bench, &run, 0).await, []);
    bench.runtime.cancel(&bench.scope(), run.id, None).await.unwrap();
    assert_eq!(bench.runtime.waits(&bench.scope(), run.id).await.unwrap(), []);
}
