//! Which version is scheduled, for whom, and when nothing is.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{MemoryStore, ScheduleStore};
use atom_core::{ErrorCode, Principal};
use serde_json::json;

use super::{QUICK, job, process};

#[tokio::test]
async fn only_the_latest_version_is_scheduled() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
    let since = bench.clock_now();
    let first = bench.schedule(&job("1.0.0", "every: PT1H", "", QUICK)).await;
    bench.clock.set(since + Duration::from_secs(600));
    let again = bench.schedule(&job("1.0.0", "every: PT1H", "", QUICK)).await;
    assert_eq!(
        (again.since, again.revision),
        (first.since, first.revision),
        "deploying it again changes nothing"
    );
    let older = bench.schedule(&job("0.9.0", "every: PT1S", "", QUICK)).await;
    assert_eq!(older.workflow.version, "1.0.0");
    let next = bench.schedule(&job("2.0.0", "every: PT2H", "", QUICK)).await;
    assert_eq!(
        (next.workflow.version.as_str(), next.since),
        ("2.0.0", bench.clock_now())
    );
    bench.idle_until(since, 600 + 7200).await;
    bench.clock.set(since + Duration::from_secs(600 + 7200));
    bench.idle_until(since, 600 + 2 * 7200).await;
    let runs = bench.runs().await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].workflow.version, "2.0.0");

    // Without the latest version the one before is the latest, and a version without a schedule ends it.
    let delete = async |version| {
        let store = &bench.store;
        store
            .delete(&bench.scope(), "default", "job", version)
            .await
            .unwrap();
        bench
            .runtime
            .schedule(&bench.ada, "default", "job")
            .await
            .unwrap()
    };
    let back = delete(Some("2.0.0")).await.unwrap();
    assert_eq!(
        (back.workflow.version.as_str(), back.since),
        ("1.0.0", bench.clock_now())
    );
    bench
        .deploy(&job("3.0.0", "every: PT1H", "", QUICK).replace("schedule: { every: PT1H }\n", ""))
        .await;
    let none = bench
        .runtime
        .schedule(&bench.ada, "default", "job")
        .await
        .unwrap();
    assert_eq!(none, None);
    delete(None).await;
    assert_eq!(bench.store.earliest_schedules(9).await.unwrap(), []);
}

#[tokio::test]
async fn a_schedule_follows_when_an_earlier_version_is_made_the_latest() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
    let since = bench.clock_now();
    bench.schedule(&job("1.0.0", "every: PT1H", "", QUICK)).await;
    bench.schedule(&job("2.0.0", "every: PT2H", "", QUICK)).await;
    bench.idle_until(since, 7200).await;
    // The process dies before it has told the schedule: the version that is withdrawn starts nothing all the same.
    let roll_back = async |version| {
        let versions = bench
            .store
            .roll_back(&bench.scope(), "default", "job", version, bench.clock_now())
            .await;
        assert!(versions.unwrap().is_some());
    };
    roll_back("1.0.0").await;
    bench.clock.set(since + Duration::from_secs(7200));
    bench.idle_until(since, 3 * 3600).await;
    assert_eq!(bench.runs().await, []);
    let back = bench.job().await;
    assert_eq!(
        (back.workflow.version.as_str(), back.since),
        ("1.0.0", since + Duration::from_secs(7200))
    );
    bench.clock.set(since + Duration::from_secs(3 * 3600));
    bench.idle_until(since, 4 * 3600).await;
    let runs = bench.runs().await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].workflow.version, "1.0.0");
    // And forward again.
    roll_back("2.0.0").await;
    let forward = bench
        .runtime
        .schedule(&bench.ada, "default", "job")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(forward.workflow.version, "2.0.0");
}

#[tokio::test]
async fn a_workflow_that_was_deleted_unnoticed_starts_nothing() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
    let since = bench.clock_now();
    bench.schedule(&job("1.0.0", "every: PT1H", "", QUICK)).await;
    // The process dies before it takes note of the next version, and of the end.
    bench.deploy(&job("2.0.0", "every: PT2H", "", QUICK)).await;
    bench.idle_until(since, 3600).await;
    bench.clock.set(since + Duration::from_secs(3600));
    bench.idle_until(since, 3 * 3600).await;
    assert_eq!(bench.runs().await, []);
    bench
        .store
        .delete(&bench.scope(), "default", "job", None)
        .await
        .unwrap();
    bench.clock.set(since + Duration::from_secs(3 * 3600));
    while store
        .schedule(&bench.scope(), "default", "job")
        .await
        .unwrap()
        .is_some()
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.runs().await, []);
}

#[tokio::test]
async fn what_comes_while_a_schedule_is_paused_starts_nothing() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
    let since = bench.clock_now();
    let scope = bench.scope();
    bench
        .schedule(&job("1.0.0", "every: PT1H", "schedule: { missed: all }", QUICK))
        .await;
    let paused = bench
        .runtime
        .pause_schedule(&scope, "default", "job")
        .await
        .unwrap();
    assert!(paused.is_paused);
    bench.clock.set(since + Duration::from_secs(3 * 3600 + 60));
    // A next version is paused, too.
    let next = bench
        .schedule(&job("2.0.0", "every: PT1H", "schedule: { missed: all }", QUICK))
        .await;
    assert!(next.is_paused);
    bench.clock.set(since + Duration::from_secs(6 * 3600));
    let resumed = bench
        .runtime
        .resume_schedule(&scope, "default", "job")
        .await
        .unwrap();
    assert_eq!(
        resumed.next_at(),
        Some(since + Duration::from_secs(6 * 3600 + 60)),
        "on the grid"
    );
    bench.idle_until(since, 6 * 3600 + 60).await;
    assert_eq!(bench.runs().await, []);
    bench.clock.set(since + Duration::from_secs(6 * 3600 + 60));
    assert_eq!(bench.due(since, 1).await, [6 * 3600 + 60]);
    let missing = bench
        .runtime
        .pause_schedule(&scope, "default", "nothing")
        .await
        .unwrap_err();
    assert_eq!(missing.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn users_have_schedules_of_their_own() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
    let since = bench.clock_now();
    bench
        .schedule(&job("1.0.0", "on: { one: { with: { type: go } } }", "", QUICK))
        .await;
    let mut other = process(&store, since);
    other.ada = Principal {
        tenant: "acme".to_owned(),
        user: "bob".to_owned(),
        roles: vec!["nurse".to_owned()],
    };
    other.schedule(&job("1.0.0", "every: PT1H", "", QUICK)).await;
    other.clock.set(since + Duration::from_secs(3600));
    assert_eq!(other.due(since, 1).await, [3600]);
    assert_eq!(
        other.runs().await[0].principal,
        other.ada,
        "with the roles of who deployed it"
    );
    other.publish("1", "go", json!(1)).await;
    bench.publish("1", "go", json!(2)).await;
    assert_eq!(bench.inputs(1).await, [json!([2])]);
    assert_eq!((bench.runs().await.len(), other.runs().await.len()), (1, 1));
    // The two processes look after everybody's schedules, and still each time starts one run.
    bench.clock.set(since + Duration::from_secs(3600));
    bench.idle_until(since, 7200).await;
    assert_eq!(other.due(since, 1).await, [3600]);
}
