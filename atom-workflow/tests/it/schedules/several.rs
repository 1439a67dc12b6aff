//! Schedules with several triggers: each starts runs by itself.

use std::sync::Arc;
use std::time::Duration;

use atom_core::Secret;
use atom_core::storage::MemoryStore;
use serde_json::{Value, json};

use super::{QUICK, at, die, job, process, store_run};
use crate::support::Bench;

const ALL: &str = "every: PT10M, cron: '0 * * * *', after: PT25M, on: { one: { with: { type: go } } }";

/// When the runs were due, in minutes after the first hour of the year, and what they were given, once there are as many.
async fn started(bench: &Bench, count: usize) -> Vec<(i64, Value)> {
    bench.inputs(count).await;
    let begin = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut started = Vec::new();
    for run in bench.runs().await {
        let input = store_run(bench, &run).await.input;
        started.push((at(&run).duration_since(begin).as_secs() / 60, input));
    }
    started.sort_by_key(|(minute, input)| (*minute, input.to_string()));
    started
}

#[tokio::test]
async fn each_trigger_starts_runs_across_restarts() {
    let store = Arc::new(MemoryStore::default());
    let begin = "2026-01-01T00:00:00Z".parse().unwrap();
    let bench = process(&store, begin);
    bench.schedule(&job("1.0.0", ALL, "", QUICK)).await;
    let minute = |minute: u64| begin + Duration::from_secs(minute * 60);
    // Every ten minutes, 25 minutes after the end of each run of 'after', and at full hours: also where two come at once.
    let due = [
        (0, 1),
        (10, 2),
        (20, 3),
        (25, 4),
        (30, 5),
        (40, 6),
        (50, 8),
        (60, 10),
    ];
    let next = [10, 20, 25, 30, 40, 50, 60, 70];
    let mut bench = bench;
    for ((now, count), next) in due.into_iter().zip(next) {
        bench.clock.set(minute(now));
        assert_eq!(started(&bench, count).await.len(), count, "at minute {now}");
        bench.idle_until(begin, next * 60).await;
        if now == 30 {
            let now = die(bench).await;
            bench = process(&store, now);
            bench.idle_until(begin, next * 60).await;
        }
    }
    // An event besides leaves the times as they are.
    bench.publish("1", "go", json!({ "n": 1 })).await;
    let all = started(&bench, 11).await;
    let minutes: Vec<_> = all.iter().map(|(minute, _)| *minute).collect();
    assert_eq!(minutes, [0, 10, 20, 25, 30, 40, 50, 50, 60, 60, 60]);
    let with_event = all.iter().filter(|(_, input)| *input == json!([{ "n": 1 }]));
    assert_eq!(with_event.count(), 1);
    bench.idle_until(begin, 70 * 60).await;
    let head = bench.store.head().await.unwrap();
    let schedule = bench
        .until(|schedule| schedule.triggers[3].seen == Some(head) && schedule.awaits().is_none())
        .await;
    let next: Vec<_> = schedule.triggers.iter().map(|trigger| trigger.next_at).collect();
    let next_minutes = [Some(minute(70)), Some(minute(120)), Some(minute(75)), None];
    assert_eq!(next, next_minutes);
}

#[tokio::test]
async fn half_a_set_of_events_is_kept_while_times_come() {
    let store = Arc::new(MemoryStore::default());
    let begin = "2026-01-01T00:00:00Z".parse().unwrap();
    let bench = process(&store, begin);
    let both = "every: PT1M, on: { all: [{ with: { type: a } }, { with: { type: b } }] }";
    bench.schedule(&job("1.0.0", both, "", QUICK)).await;
    bench.publish("1", "a", json!(1)).await;
    bench.idle_until(begin, 60).await;
    bench.clock.set(begin + Duration::from_secs(60));
    bench.idle_until(begin, 120).await;
    bench.publish("2", "b", json!(2)).await;
    assert_eq!(bench.inputs(2).await[1], json!([1, 2]));
    // In a process that begins there, too.
    bench.publish("3", "b", json!(3)).await;
    let now = die(bench).await;
    let bench = process(&store, now);
    bench.idle_until(begin, 120).await;
    bench.clock.set(begin + Duration::from_secs(120));
    bench.idle_until(begin, 180).await;
    bench.publish("4", "a", json!(4)).await;
    assert_eq!(bench.inputs(4).await[3], json!([3, 4]));
}

#[tokio::test]
async fn a_trigger_whose_start_fails_leaves_the_others_as_they_are() {
    let bench = process(
        &Arc::new(MemoryStore::default()),
        "2026-01-01T00:00:00Z".parse().unwrap(),
    );
    let begin = bench.clock_now();
    let both = "every: PT1H, on: { one: { with: { type: go } } }";
    let document = "use: { secrets: [key] }\n".to_owned() + &job("1.0.0", both, "", QUICK);
    bench.schedule(&document).await;
    bench.idle_until(begin, 3600).await;
    bench.publish("1", "go", json!(1)).await;
    let failed = bench
        .until(|schedule| schedule.triggers[1].failure.is_some())
        .await;
    assert_eq!(failed.triggers[0].failure, None);
    assert_eq!(
        failed.triggers[0].next_at,
        Some(begin + Duration::from_secs(3600))
    );
    assert_eq!(failed.wakes_at(), Some(begin + Duration::from_secs(1)));
    let secret = Secret::new("x");
    let scope = bench.scope();
    bench.vault.set(&scope, "key", &secret, begin).await.unwrap();
    bench.clock.set(begin + Duration::from_secs(1));
    assert_eq!(bench.inputs(1).await, [json!([1])]);
    bench.idle_until(begin, 3600).await;
    bench.clock.set(begin + Duration::from_secs(3600));
    assert_eq!(bench.inputs(2).await, [json!([1]), json!({})]);
}

#[tokio::test]
async fn all_triggers_pause_and_one_that_takes_no_events_lets_a_run_start_besides() {
    let bench = process(
        &Arc::new(MemoryStore::default()),
        "2026-01-01T00:00:00Z".parse().unwrap(),
    );
    let begin = bench.clock_now();
    let scope = bench.scope();
    let both = "every: PT1H, on: { one: { with: { type: go } } }";
    bench.schedule(&job("1.0.0", both, "", QUICK)).await;
    let paused = bench
        .runtime
        .pause_schedule(&scope, "default", "job")
        .await
        .unwrap();
    assert_eq!((paused.wakes_at(), paused.listens_after()), (None, None));
    bench.publish("1", "go", json!(1)).await;
    bench.clock.set(begin + Duration::from_secs(5400));
    bench
        .runtime
        .resume_schedule(&scope, "default", "job")
        .await
        .unwrap();
    bench.idle_until(begin, 7200).await;
    bench.publish("2", "go", json!(2)).await;
    assert_eq!(bench.inputs(1).await, [json!([2])]);
    let besides = bench
        .runtime
        .trigger_schedule(&bench.ada, "default", "job", None)
        .await
        .unwrap();
    assert_eq!(bench.wait(&besides).await.input, json!({}));
    // The next version goes on with what it has, and the end of the run that 'after' waits for is not lost.
    let next = "after: PT1H, on: { one: { with: { type: go } } }";
    let next = bench.schedule(&job("2.0.0", next, "", QUICK)).await;
    assert!(next.last_run.is_some());
    assert_eq!(bench.inputs(3).await[2], json!({}));
}
