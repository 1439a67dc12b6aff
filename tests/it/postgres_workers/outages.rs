//! A server that crashes while runs are under way.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use atom_engine::ErrorCode;
use atom_integrations::storage::postgres_testing::TestPostgres;
use atom_integrations::system::SystemClock;
use serde_json::json;

use super::crew::{Crew, document, steps, until};

const RUNS: usize = 20;
const STEPS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_run_ends_when_the_server_crashes_again_and_again_and_stays_away() {
    let Some(server) = TestPostgres::start().await.unwrap() else {
        return;
    };
    let crew = Crew::on(&server, "max_connections=4&lease_ms=2000");
    let workers = [crew.worker().await, crew.worker().await];
    let mut runs = Vec::new();
    for number in 0..RUNS {
        runs.push(workers[number % 2].start(&steps(STEPS)).await);
    }
    // For a moment, and then for longer than the leases last.
    for (crash, absence) in [(1, 0), (2, 0), (3, 2500)] {
        let called = RUNS * STEPS * crash / 5;
        until("calls are made", async || crew.calls.count() > called).await;
        server.crash().await.unwrap();
        tokio::time::sleep(Duration::from_millis(absence)).await;
        server.restart().await.unwrap();
    }
    for run in &runs {
        crew.assert_whole(&workers[0], run, STEPS).await;
    }
    // Of each run, at most what was under way when a lease was lost or a server crashed.
    assert!(
        crew.calls.repeated() <= 3 * RUNS,
        "{} calls were repeated",
        crew.calls.repeated()
    );
    for worker in workers {
        worker.close().await;
    }
}

/// The leases outlast the crashes: so nobody else ever comes to take over what an engine has begun to recover.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_run_is_stranded_when_the_server_crashes_while_an_engine_recovers_its_runs() {
    const RECOVERED: usize = 100;
    let Some(server) = TestPostgres::start().await.unwrap() else {
        return;
    };
    let crew = Crew::on(&server, "max_connections=4&lease_ms=20000");
    let tasks = "- wait: { call: gate }\n- step: { call: step, with: { n: 1 } }\n";
    let first = crew.worker().await;
    let mut runs = Vec::new();
    for _ in 0..RECOVERED {
        runs.push(first.start(&document("gated", tasks)).await);
    }
    until("all have begun", async || crew.calls.count() == RECOVERED).await;
    // One is there when the runs become free, and takes them in the background.
    let second = crew.worker().await;
    let seen = crew.calls.count();
    first.close().await;
    for recovered in [1, 70] {
        until("runs are recovered", async || {
            crew.calls.count() >= seen + recovered
        })
        .await;
        server.crash().await.unwrap();
        server.restart().await.unwrap();
    }
    until("all are recovered", async || {
        let all = crew.calls.all();
        let of_second = all.iter().filter(|call| call.worker == second.number);
        of_second.map(|call| &call.run).collect::<BTreeSet<_>>().len() == RECOVERED
    })
    .await;
    crew.calls.gate.add_permits(RECOVERED * 10);
    for run in &runs {
        let get = json!({ "id": run, "wait": true, "wait_timeout_ms": 30_000 });
        assert_eq!(second.call("runs.get", get).await["status"], "completed");
    }
    second.close().await;
}

/// A program that cannot open its engine tries again. What the one before has taken is free when its lease has run out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_run_is_stranded_when_the_server_crashes_while_an_engine_opens() {
    const RECOVERED: usize = 100;
    let Some(server) = TestPostgres::start().await.unwrap() else {
        return;
    };
    let crew = Crew::on(&server, "max_connections=4&lease_ms=2000");
    let tasks = "- wait: { call: gate }\n- step: { call: step, with: { n: 1 } }\n";
    let first = crew.worker().await;
    let mut runs = Vec::new();
    for _ in 0..RECOVERED {
        runs.push(first.start(&document("gated", tasks)).await);
    }
    until("all have begun", async || crew.calls.count() == RECOVERED).await;
    first.close().await;
    let crash = async {
        until("runs are recovered", async || crew.calls.count() > RECOVERED).await;
        server.crash().await.unwrap();
        server.restart().await.unwrap();
    };
    let open = async {
        loop {
            match crew.open(crew.config(true), Arc::new(SystemClock)).await {
                Ok(worker) => break worker,
                Err(error) => assert_eq!(error.code(), ErrorCode::Unavailable, "{error}"),
            }
        }
    };
    let ((), second) = tokio::join!(crash, open);
    crew.calls.gate.add_permits(RECOVERED * 10);
    for run in &runs {
        let get = json!({ "id": run, "wait": true, "wait_timeout_ms": 30_000 });
        assert_eq!(second.call("runs.get", get).await["status"], "completed");
    }
    second.close().await;
}

/// A run that is recovered gives its place in the queue back when it ends, like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovered_run_does_not_block_its_queue() {
    let Some(crew) = Crew::new("max_connections=4&lease_ms=3000").await else {
        return;
    };
    let limited = "document:
  dsl: 1.0.3
  namespace: tests
  name: limited
  version: 1.0.0
  metadata: { atom: { concurrency: { limit: 1 } } }
do:
  - wait: { call: gate }
";
    let first = crew.worker().await;
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(first.start(limited).await);
    }
    until("the first begins", async || crew.calls.count() == 1).await;
    let second = crew.worker().await;
    first.kill();
    until("it is recovered", async || {
        crew.calls.last_of(&runs[0]) == Some(second.number)
    })
    .await;
    assert_eq!(crew.calls.count(), 2, "the others wait for their turn");
    // The one that recovered it dies as well.
    let third = crew.worker().await;
    second.kill();
    until("it is recovered", async || {
        crew.calls.last_of(&runs[0]) == Some(third.number)
    })
    .await;
    assert_eq!(crew.calls.count(), 3, "the others wait for their turn");
    crew.calls.gate.add_permits(runs.len());
    for run in &runs {
        let get = json!({ "id": run, "wait": true, "wait_timeout_ms": 30_000 });
        assert_eq!(third.call("runs.get", get).await["status"], "completed");
    }
    let order: Vec<_> = crew
        .calls
        .all()
        .into_iter()
        .map(|call| call.run)
        .skip(2)
        .collect();
    assert_eq!(order, runs, "each has its turn once, in the order of the queue");
    third.close().await;
}
