//! Starts that fail, runs besides, and processes that die.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{MemoryStore, MemoryVault, ScheduleRecord};
use atom_core::{CloudEvent, ErrorCode, Secret};
use atom_workflow::runtime::{Rerun, RuntimeLimits};
use serde_json::json;

use super::{QUICK, at, die, hurry_until, job, process, store_run};
use crate::crash::MortalStore;
use crate::support::Bench;

const SECRETIVE: &str = "use: { secrets: [key] }\n";

#[tokio::test]
async fn a_start_that_fails_is_tried_again_and_told() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
    let since = bench.clock_now();
    let document = SECRETIVE.to_owned() + &job("1.0.0", "every: PT1H", "", QUICK);
    bench.schedule(&document).await;
    bench.idle_until(since, 3600).await;
    bench.clock.set(since + Duration::from_secs(3600));
    for (attempt, wait) in [(1, 1), (2, 2), (3, 4)] {
        let failed = bench
            .until(|schedule| {
                schedule.triggers[0]
                    .failure
                    .as_ref()
                    .is_some_and(|failure| failure.attempts == attempt)
            })
            .await;
        let failure = failed.triggers[0].failure.clone().unwrap();
        assert_eq!(
            (failure.error.code, failure.at),
            (ErrorCode::NotFound, since + Duration::from_secs(3600))
        );
        assert_eq!(
            failure.retry_at,
            Some(bench.clock_now() + Duration::from_secs(wait))
        );
        assert_eq!(
            bench.store.read(&bench.scope(), 0, 9).await.unwrap().len(),
            usize::from(attempt == 3)
        );
        if attempt == 3 {
            bench
                .vault
                .set(&bench.scope(), "key", &Secret::new("x"), bench.clock_now())
                .await
                .unwrap();
        }
        bench.clock.set(failure.retry_at.unwrap());
    }
    bench.idle_until(since, 7200).await;
    assert_eq!(bench.due(since, 1).await, [3600]);
    assert_eq!(bench.job().await.triggers[0].failure, None);
    let told = bench
        .store
        .read(&bench.scope(), 0, 9)
        .await
        .unwrap()
        .remove(0)
        .event;
    assert_eq!(
        (told.kind.as_str(), told.source.as_str()),
        ("dev.atom.schedule.failed", "atom:/schedules/default/job")
    );
    assert_eq!(told.data.unwrap()["failure"]["error"]["code"], "not_found");
}

#[tokio::test]
async fn a_start_that_keeps_failing_is_given_up_and_the_next_time_comes() {
    for schedule in ["every: P1D", "after: P1D", "on: { any: [] }"] {
        let bench = process(
            &Arc::new(MemoryStore::default()),
            "2026-01-01T00:00:00Z".parse().unwrap(),
        );
        let document = SECRETIVE.to_owned() + &job("1.0.0", schedule, "", QUICK);
        bench.schedule(&document).await;
        if schedule.starts_with("on") {
            bench.publish("1", "go", json!(1)).await;
        }
        let is_given_up = |schedule: &ScheduleRecord| {
            schedule.triggers[0]
                .failure
                .as_ref()
                .is_some_and(|failure| failure.attempts > 12)
        };
        let given_up = hurry_until(&bench, async || bench.until(is_given_up).await).await;
        let failure = given_up.triggers[0].failure.clone().unwrap();
        assert_eq!((failure.attempts, failure.retry_at), (13, None), "{schedule}");
        let lasted = failure.failed_at.duration_since(failure.at).as_secs();
        assert!((3600..3 * 3600).contains(&lasted), "{schedule}: {lasted} seconds");
        assert!(
            given_up.next_at().is_none_or(|next| next > failure.failed_at),
            "{schedule}"
        );
        bench
            .vault
            .set(&bench.scope(), "key", &Secret::new("x"), bench.clock_now())
            .await
            .unwrap();
        if schedule.starts_with("on") {
            bench.publish("2", "go", json!(2)).await;
            assert_eq!(bench.inputs(1).await, [json!([2])]);
        } else {
            bench.clock.set(given_up.next_at().unwrap());
            assert_eq!(bench.due(given_up.next_at().unwrap(), 1).await, [0], "{schedule}");
        }
    }
}

#[tokio::test]
async fn a_run_can_be_started_besides() {
    let bench = process(
        &Arc::new(MemoryStore::default()),
        "2026-01-01T00:00:00Z".parse().unwrap(),
    );
    let before = bench.schedule(&job("1.0.0", "every: PT1H", "", QUICK)).await;
    let run = bench
        .runtime
        .trigger_schedule(&bench.ada, "default", "job", None)
        .await
        .unwrap();
    let run = bench.wait(&run).await;
    assert_eq!(
        (run.output.clone(), at(&run)),
        (Some(json!({ "done": true })), bench.clock_now())
    );
    assert_eq!(bench.job().await, before);
    let again = bench
        .runtime
        .rerun(
            &bench.ada,
            Rerun {
                run: run.id,
                from: None,
                id: None,
            },
        )
        .await
        .unwrap();
    assert_eq!(again.trigger, None, "somebody asked for it");
    let events = job("2.0.0", "on: { any: [] }", "", QUICK);
    bench.schedule(&events).await;
    let refused = bench
        .runtime
        .trigger_schedule(&bench.ada, "default", "job", None)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn a_runtime_that_nobody_holds_any_more_lets_go_of_its_store() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
    bench.schedule(&job("1.0.0", "every: PT1H", "", QUICK)).await;
    bench.idle_until(bench.clock_now(), 3600).await;
    drop(bench);
    while Arc::strong_count(&store) > 1 {
        tokio::task::yield_now().await;
    }
}

/// Several triggers, which change one record by turns.
const MIXED: &str = "every: PT10S, after: PT20S, on: { one: { with: { type: go } } }";

/// A process that dies after so many writes, and one that comes after it; gives when the runs of the timed schedule were due,
/// which runs those with events have started, how many ran one after the other, and whether the first got to the end.
async fn die_after(writes: i64) -> (Vec<i64>, Vec<String>, usize, bool) {
    let memory = Arc::new(MemoryStore::default());
    let since = "2026-01-01T00:00:00Z".parse().unwrap();
    let prepare = process(&memory, since);
    let named = |name: &str, schedule: &str| {
        job("1.0.0", schedule, "schedule: {}", QUICK).replace("name: job", &format!("name: {name}"))
    };
    for (name, schedule) in [
        ("timed", "every: PT10S"),
        ("heard", "on: { one: { with: { type: go } } }"),
        ("after", "after: PT30S"),
        ("mixed", MIXED),
    ] {
        prepare.deploy(&named(name, schedule)).await;
    }
    die(prepare).await;

    let mortal = MortalStore::new(Arc::clone(&memory), writes);
    let death = mortal.death.clone();
    let first = Bench::over(mortal, Arc::new(MemoryVault::default()), RuntimeLimits::default());
    first.clock.set(since);
    first.runtime.start_schedules();
    let work = async |bench: &Bench| {
        for name in ["timed", "heard", "after", "mixed"] {
            bench.runtime.schedule(&bench.ada, "default", name).await?;
        }
        for id in ["1", "2", "3"] {
            let event = CloudEvent::new(id, "/test", "go");
            bench.runtime.publish(&bench.scope(), &event).await?;
        }
        let end = since + Duration::from_secs(65);
        while bench.clock_now() < end {
            bench.clock.parked(1).await;
            let wake = bench.clock.earliest_deadline().unwrap_or(end).min(end);
            bench.clock.set(wake.max(bench.clock_now()));
            tokio::task::yield_now().await;
        }
        Ok::<_, atom_core::Error>(())
    };
    let alive = tokio::select! {
        done = work(&first) => done.is_ok(),
        () = death.cancelled() => false,
    };
    let now = first.clock_now();
    first.runtime.close(Duration::from_secs(5)).await;

    let second = process(&memory, now);
    second.runtime.resume(None).await.unwrap();
    work(&second).await.unwrap();
    loop {
        let runs = second.runs().await;
        let of = |name: &str| {
            runs.iter()
                .filter(|run| run.workflow.name == name)
                .cloned()
                .collect::<Vec<_>>()
        };
        let (timed, after) = (of("timed"), of("after"));
        let mut heard = of("heard");
        for run in of("mixed") {
            if store_run(&second, &run).await.input.is_array() {
                heard.push(run);
            }
        }
        let due: Vec<_> = timed
            .iter()
            .map(|run| at(run).duration_since(since).as_secs())
            .collect();
        if due.contains(&60) && heard.len() >= 6 && after.len() >= 2 && memory.unfinished_runs().await == 0 {
            let mut inputs = Vec::new();
            for run in heard {
                inputs.push(store_run(&second, &run).await.id.to_string());
            }
            inputs.sort();
            return (due, inputs, after.len(), alive);
        }
        tokio::task::yield_now().await;
    }
}

trait Unfinished {
    async fn unfinished_runs(&self) -> usize;
}

impl Unfinished for MemoryStore {
    async fn unfinished_runs(&self) -> usize {
        use atom_core::storage::RunStore;
        self.unfinished().await.unwrap().len()
    }
}

#[tokio::test]
async fn a_process_that_dies_at_any_write_starts_each_run_once() {
    let (_, heard, after, alive) = die_after(i64::MAX).await;
    assert!(alive);
    let mut writes = 0;
    loop {
        let (mut due, inputs, runs_after, alive) = die_after(writes).await;
        due.sort_unstable();
        // A schedule that did not exist when the process died began later, on a grid of its own.
        let distinct: std::collections::BTreeSet<_> = due.iter().collect();
        assert_eq!(distinct.len(), due.len(), "after {writes} writes: {due:?}");
        assert!(
            due.windows(2).all(|pair| pair[1] - pair[0] == 10),
            "after {writes} writes: {due:?}"
        );
        assert_eq!(inputs, heard, "after {writes} writes");
        assert!(
            runs_after.abs_diff(after) <= 1,
            "after {writes} writes: {runs_after} runs"
        );
        if alive {
            return;
        }
        writes += 1;
    }
}
