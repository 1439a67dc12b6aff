//! Engines that work side by side on one database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use atom_core::Clock;
use atom_engine::Principal;
use atom_integrations::system::SystemClock;
use futures::future::join_all;
use futures::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::crew::{Crew, Worker, document, steps, until};

/// However few connections there are, everything has its turn, and the lease needs none of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_ends_with_the_fewest_connections() {
    const RUNS: usize = 200;
    let Some(crew) = Crew::new("max_connections=3&lease_ms=3000").await else {
        return;
    };
    let worker = crew.worker().await;
    let id = worker.id().await;
    let ended = AtomicBool::new(false);
    let document = steps(3);
    let runs = async {
        let start = || worker.start(&document);
        let runs = join_all(std::iter::repeat_with(start).take(RUNS)).await;
        join_all(runs.iter().map(|run| crew.assert_whole(&worker, run, 3))).await;
        ended.store(true, Ordering::SeqCst);
    };
    let reads = async || {
        while !ended.load(Ordering::SeqCst) {
            worker.call("runs.list", json!({ "limit": 10 })).await;
            worker.workers().await;
        }
    };
    tokio::join!(runs, reads(), reads());
    assert_eq!(crew.calls.repeated(), 0);
    assert_eq!(worker.id().await, id, "the lease was kept");
    worker.close().await;
}

/// A clock that is wrong.
#[derive(Debug)]
struct Wrong {
    by: SignedDuration,
}

#[async_trait]
impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.by
    }

    async fn wait_until(&self, deadline: Timestamp) {
        SystemClock.wait_until(deadline - self.by).await;
    }

    async fn sleep(&self, length: Duration) {
        SystemClock.sleep(length).await;
    }
}

async fn worker_off_by(crew: &Crew, hours: i64) -> Worker {
    let by = SignedDuration::from_hours(hours);
    crew.worker_with_clock(Arc::new(Wrong { by })).await
}

/// Checks that what happened to a run happened in the order of its history.
async fn assert_in_order(worker: &Worker, run: &str) {
    let times: Vec<Timestamp> = worker
        .history(run)
        .await
        .iter()
        .map(|record| record["at"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_by_hours_do_no_harm() {
    let Some(crew) = Crew::new("max_connections=4&lease_ms=3000").await else {
        return;
    };
    let tasks = "- first: { call: step }
- wait: { wait: { hours: 1 } }
- second: { call: step }
- third: { call: gate }
- fourth: { call: step }
";
    let behind = worker_off_by(&crew, -7).await;
    let run = behind.start(&document("waits", tasks)).await;
    until("it waits", async || crew.calls.count() == 1).await;
    let ahead = worker_off_by(&crew, 5).await;
    // Both renew their leases, by the clock of the database, and nobody takes anything from anybody.
    let renewed_at = async || -> Vec<Value> {
        let workers = behind.workers().await;
        workers
            .iter()
            .map(|worker| worker["renewed_at"].clone())
            .collect()
    };
    let ids = [behind.id().await, ahead.id().await];
    for _ in 0..2 {
        let before = renewed_at().await;
        until("both renew", async || {
            renewed_at()
                .await
                .iter()
                .zip(&before)
                .all(|(now, before)| now != before)
        })
        .await;
    }
    assert_eq!([behind.id().await, ahead.id().await], ids);
    assert_eq!(crew.calls.count(), 1, "it waits where it was started");

    // Who is ahead finds that the time has come.
    behind.kill();
    until("it goes on", async || crew.calls.count() == 3).await;
    assert_eq!(crew.calls.last_of(&run), Some(ahead.number));
    // Who is behind goes on at the time of what there is.
    let behind = worker_off_by(&crew, -7).await;
    ahead.kill();
    until("it is taken over", async || {
        crew.calls.last_of(&run) == Some(behind.number)
    })
    .await;
    crew.calls.gate.add_permits(1);
    until("it ends", async || behind.status(&run).await == "completed").await;
    assert_in_order(&behind, &run).await;
    // What it starts itself has its own time.
    let run = behind.start(&steps(2)).await;
    crew.assert_whole(&behind, &run, 2).await;
    assert_in_order(&behind, &run).await;
    behind.close().await;
}

/// What is asked of a run reaches it wherever it is asked, and is answered once it is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_obey_engines_that_do_not_drive_them() {
    let Some(crew) = Crew::new("max_connections=4&lease_ms=10000").await else {
        return;
    };
    let driving = crew.worker().await;
    for asking in [crew.worker().await, crew.client().await] {
        let gated = document(
            "gated",
            "- one: { call: gate }\n- two: { call: step, with: { n: 2 } }\n",
        );
        let run = driving.start(&gated).await;
        let id = json!({ "id": run });
        until("it begins", async || crew.calls.last_of(&run).is_some()).await;
        assert_eq!(asking.call("runs.pause", id.clone()).await["status"], "paused");
        let called = crew.calls.count();
        crew.calls.gate.add_permits(1);
        until("its call ends", async || crew.calls.gate.available_permits() == 0).await;
        assert_eq!(crew.calls.count(), called, "nothing begins in a paused run");
        assert_ne!(asking.call("runs.resume", id.clone()).await["status"], "paused");
        until("it ends", async || driving.status(&run).await == "completed").await;
        let refused = asking.try_call("runs.pause", id).await.unwrap_err();
        assert_eq!(refused.code(), atom_engine::ErrorCode::Conflict, "{refused}");

        let run = driving.start(&gated).await;
        until("it begins", async || crew.calls.last_of(&run).is_some()).await;
        let cancelled = asking.call("runs.cancel", json!({ "id": run })).await;
        assert_eq!(cancelled["status"], "cancelled");

        let listens = "- hear: { listen: { to: { one: { with: { type: com.example.go } } } } }\n";
        let run = driving.start(&document("listens", listens)).await;
        let signal = json!({ "id": run, "type": "com.example.go", "data": 7 });
        asking.call("runs.signal", signal).await;
        let get = json!({ "id": run, "wait": true, "wait_timeout_ms": 20_000 });
        assert_eq!(asking.call("runs.get", get).await["output"], json!([7]));

        let asks = "- ask: { set: { done: true }, metadata: { atom: { approve: { title: Sure? } } } }\n";
        let run = driving.start(&document("asks", asks)).await;
        let pending = asking.call("approvals.list", json!({ "run": run })).await;
        let approval = &pending["items"][0]["id"];
        let decide = json!({ "id": approval, "decision": "approve" });
        asking.call("approvals.decide", decide).await;
        let get = json!({ "id": run, "wait": true, "wait_timeout_ms": 20_000 });
        assert_eq!(
            asking.call("runs.get", get).await["output"],
            json!({ "done": true })
        );
        assert!(
            crew.calls.all().iter().all(|call| call.worker == driving.number),
            "whoever asks drives nothing"
        );
        asking.close().await;
    }
    driving.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_starts_one_run_at_each_time_however_many_work() {
    let Some(crew) = Crew::new("max_connections=4&lease_ms=3000").await else {
        return;
    };
    let first = crew.worker().await;
    let second = crew.worker().await;
    let scheduled = document("scheduled", "- one: { call: step, with: { n: 1 } }\n")
        .replace("\ndo:", "\nschedule: { every: PT1S }\ndo:");
    first
        .call("workflows.deploy", json!({ "document": scheduled }))
        .await;
    until("two runs", async || crew.calls.count() >= 2).await;
    first.kill();
    let called = crew.calls.count();
    until("two more", async || crew.calls.count() >= called + 2).await;
    let key = json!({ "namespace": "tests", "name": "scheduled" });
    second.call("schedules.pause", key).await;
    let list = second.call("runs.list", json!({})).await;
    let runs = list["items"].as_array().unwrap();
    let times: BTreeSet<_> = runs.iter().map(|run| run["trigger"]["at"].to_string()).collect();
    assert_eq!(times.len(), runs.len(), "{list}");
    for run in runs {
        let run = run["id"].as_str().unwrap();
        until("it ends", async || second.status(run).await == "completed").await;
    }
    let called: BTreeSet<_> = crew.calls.all().into_iter().map(|call| call.run).collect();
    assert_eq!(called.len(), runs.len());
    // Only what was under way where nobody works any more.
    assert!(crew.calls.repeated() <= 1);
    second.close().await;
}

/// The engine that starts the runs takes none itself, so they wait until somebody comes who does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_with_few_runs_does_not_wait_behind_one_with_many() {
    const MANY: usize = 2000;
    /// How many runs are taken at a time, twice: what is taken together begins in any order.
    const FIRST: usize = 128;
    let Some(crew) = Crew::new("max_connections=8&lease_ms=60000").await else {
        return;
    };
    // For as long as its lease lasts it counts as somebody who takes runs.
    let dead = crew.worker().await;
    let client = crew.client().await;
    dead.kill();
    let (many, few) = (
        Principal::new("many", "ada").unwrap(),
        Principal::new("few", "bob").unwrap(),
    );
    let start = json!({ "document": steps(1) });
    let started = stream::iter(0..MANY).map(|_| client.try_call_as(&many, "runs.start", start.clone()));
    let started: Vec<_> = started.buffer_unordered(250).collect().await;
    assert!(started.iter().all(Result::is_ok));
    client.try_call_as(&few, "runs.start", start).await.unwrap();
    let worker = crew.worker().await;
    until("the late one begins", async || {
        crew.calls.all().iter().any(|call| call.tenant == "few")
    })
    .await;
    let calls = crew.calls.all();
    let place = calls.iter().position(|call| call.tenant == "few").unwrap();
    assert!(place < FIRST, "{place} of {MANY} came first");
    worker.close().await;
    client.close().await;
}
