//! Runs that start at times.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{MemoryStore, MemoryVault, RunStatus};
use atom_workflow::runtime::RuntimeLimits;
use serde_json::json;

use super::{QUICK, at, die, hurry_until, job, process, store_run};
use crate::support::Bench;

#[tokio::test]
async fn every_interval_starts_a_run_even_while_the_one_before_goes_on() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00.5Z".parse().unwrap());
    let since = bench.clock_now();
    let schedule = bench
        .schedule(&job(
            "1.0.0",
            "every: { minutes: 1 }",
            "",
            "  - long: { wait: { days: 1 } }",
        ))
        .await;
    assert_eq!(schedule.next_at(), Some(since + Duration::from_secs(60)));
    bench.idle_until(since, 60).await;
    assert_eq!(bench.runs().await, [], "the first run comes after one interval");
    for minute in 1..=3 {
        bench.clock.set(since + Duration::from_secs(minute * 60));
        bench.due(since, usize::try_from(minute).unwrap()).await;
        bench.idle_until(since, (minute + 1) * 60).await;
    }
    let runs = bench.runs().await;
    assert_eq!(bench.due(since, 3).await, [60, 120, 180]);
    assert!(
        runs.iter()
            .all(|run| run.status == RunStatus::Running && run.principal == bench.ada)
    );
    let whole = store_run(&bench, &runs[0]).await;
    assert_eq!(whole.input, json!({}));
    let schedule = bench.job().await;
    assert_eq!(
        (schedule.last_at, schedule.last_run),
        (Some(at(&runs[2])), Some(runs[2].id))
    );
}

#[tokio::test]
async fn an_interval_below_a_second_starts_a_run_each_time() {
    let bench = process(
        &Arc::new(MemoryStore::default()),
        "2026-01-01T00:00:00Z".parse().unwrap(),
    );
    let since = bench.clock_now();
    let every = "every: '${ { milliseconds: 250 } }'";
    bench.schedule(&job("1.0.0", every, "", QUICK)).await;
    for count in 1..=3 {
        let due = since + Duration::from_millis(250 * count);
        bench.until(|schedule| schedule.next_at() == Some(due)).await;
        bench.clock.set(due);
        let runs = bench.inputs(usize::try_from(count).unwrap()).await.len();
        assert_eq!(runs, usize::try_from(count).unwrap());
        assert!(bench.runs().await.iter().any(|run| at(run) == due));
    }
}

#[tokio::test]
async fn times_that_nobody_was_there_for_follow_the_policy() {
    for (policy, expected) in [
        ("skip", vec![]),
        ("latest", vec![4 * 3600]),
        ("all", vec![3600, 2 * 3600, 3 * 3600, 4 * 3600]),
    ] {
        let store = Arc::new(MemoryStore::default());
        let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
        let since = bench.clock_now();
        let settings = format!("schedule: {{ missed: {policy} }}");
        bench
            .schedule(&job("1.0.0", "cron: '0 * * * *'", &settings, QUICK))
            .await;
        die(bench).await;

        let bench = process(&store, since + Duration::from_secs(4 * 3600 + 1800));
        bench.idle_until(since, 5 * 3600).await;
        assert_eq!(bench.due(since, expected.len()).await, expected, "{policy}");
        // From then on it goes on as ever.
        bench.clock.set(since + Duration::from_secs(5 * 3600));
        bench.idle_until(since, 6 * 3600).await;
        assert_eq!(
            bench.due(since, expected.len() + 1).await.last(),
            Some(&(5 * 3600))
        );
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_or_far_ahead_starts_nothing_twice() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
    let since = bench.clock_now();
    bench.schedule(&job("1.0.0", "every: PT1H", "", QUICK)).await;
    bench.idle_until(since, 3600).await;
    bench.clock.set(since + Duration::from_secs(3600));
    bench.idle_until(since, 2 * 3600).await;
    bench.clock.set(since);
    let now = die(bench).await;
    let bench = process(&store, now);
    bench.idle_until(since, 2 * 3600).await;
    assert_eq!(bench.due(since, 1).await, [3600]);
    bench.clock.set(since + Duration::from_secs(100 * 3600 + 90));
    bench.idle_until(since, 101 * 3600).await;
    assert_eq!(bench.due(since, 2).await, [3600, 100 * 3600]);
}

#[tokio::test]
async fn a_run_that_comes_after_waits_for_the_end_of_the_one_before() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
    let since = bench.clock_now();
    let document = job(
        "1.0.0",
        "after: { seconds: 10 }",
        "",
        "  - pause: { wait: PT5S }\n  - fail: { raise: { error: { type: https://example.com/e, status: 500 } } }",
    );
    bench.schedule(&document).await;
    // The first one starts at once.
    assert_eq!(bench.due(since, 1).await, [0]);
    bench.idle_until(since, 5).await;
    assert!(bench.job().await.awaits().is_some());
    bench.clock.set(since + Duration::from_secs(5));
    // It ended in an error; that is an end, too.
    bench.idle_until(since, 15).await;
    assert_eq!(bench.job().await.next_at(), Some(since + Duration::from_secs(15)));
    bench.clock.set(since + Duration::from_secs(15));
    bench.idle_until(since, 20).await;
    assert_eq!(bench.due(since, 2).await, [0, 15]);

    // The run ends while nobody looks after schedules.
    bench.until(|schedule| schedule.awaits().is_some()).await;
    let now = die(bench).await;
    let without = Bench::over(
        Arc::clone(&store) as _,
        Arc::new(MemoryVault::default()),
        RuntimeLimits::default(),
    );
    without.clock.set(now);
    let running = without.runtime.resume(None).await.unwrap();
    without.clock.set(since + Duration::from_secs(20));
    without.runtime.wait(&without.scope(), running[0]).await.unwrap();
    die(without).await;
    let bench = process(&store, since + Duration::from_secs(22));
    bench.idle_until(since, 30).await;

    // A clock that was set back: the run that follows is another one.
    bench.clock.set(since);
    for _ in 0..2 {
        let before = bench.runs().await.len();
        hurry_until(&bench, async || bench.due(since, before + 1).await).await;
    }
}
