//! Runs that start by themselves: exactly once for each time and each set of events, whatever happens in between.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{
    MemoryStore, MemoryVault, PageRequest, RunFilter, RunRecord, RunStatus, RunTrigger, ScheduleRecord,
    ScheduleStore, Store,
};
use atom_core::{CloudEvent, ErrorCode, Principal, Secret};
use atom_workflow::runtime::{Rerun, RuntimeLimits};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::crash::MortalStore;
use crate::support::Bench;

/// A document named `job` with this schedule, these settings beside it and these tasks.
fn job(version: &str, schedule: &str, settings: &str, tasks: &str) -> String {
    format!(
        "document: {{ dsl: 1.0.3, namespace: default, name: job, version: {version}, metadata: {{ atom: {{ {settings} }} }} }}\n\
         schedule: {{ {schedule} }}\ndo:\n{tasks}\n"
    )
}

const QUICK: &str = "  - quick: { set: { done: true } }";

/// Several benches over one store are processes, one after the other.
fn process(store: &Arc<MemoryStore>, now: Timestamp) -> Bench {
    let bench = Bench::over(
        Arc::clone(store) as Arc<dyn Store>,
        Arc::new(MemoryVault::default()),
        RuntimeLimits::default(),
    );
    bench.clock.set(now);
    bench.runtime.start_schedules();
    bench
}

async fn die(bench: Bench) -> Timestamp {
    let now = bench.clock_now();
    bench.runtime.close(Duration::from_secs(5)).await;
    now
}

impl Bench {
    async fn schedule(&self, document: &str) -> ScheduleRecord {
        self.deploy(document).await;
        self.runtime
            .schedule(&self.ada, "default", "job")
            .await
            .unwrap()
            .unwrap()
    }

    async fn job(&self) -> ScheduleRecord {
        self.runtime
            .scheduled(&self.scope(), "default", "job")
            .await
            .unwrap()
    }

    /// All runs, the oldest first.
    async fn runs(&self) -> Vec<RunRecord> {
        let page = PageRequest {
            limit: Some(1000),
            ..PageRequest::default()
        };
        let runs = self.store.runs(&self.scope(), &RunFilter::default(), &page).await;
        let mut runs = runs.unwrap().items;
        runs.reverse();
        runs
    }

    /// When the runs were due, in seconds after `since`, once there are as many.
    async fn due(&self, since: Timestamp, count: usize) -> Vec<i64> {
        loop {
            let runs = self.runs().await;
            if runs.len() >= count {
                let mut due: Vec<_> = runs
                    .iter()
                    .map(|run| at(run).duration_since(since).as_secs())
                    .collect();
                due.sort_unstable();
                return due;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the scheduler has nothing to do before this many seconds after `since`.
    async fn idle_until(&self, since: Timestamp, seconds: u64) {
        let wake = since + Duration::from_secs(seconds);
        while self.clock.earliest_deadline() != Some(wake) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the schedule is as wanted.
    async fn until(&self, is_wanted: impl Fn(&ScheduleRecord) -> bool) -> ScheduleRecord {
        loop {
            let schedule = self.job().await;
            if is_wanted(&schedule) {
                return schedule;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn publish(&self, id: &str, kind: &str, data: Value) {
        let mut event = CloudEvent::new(id, "https://example.com", kind);
        event.data = Some(data);
        self.runtime.publish(&self.scope(), &event).await.unwrap();
    }

    /// The inputs of all runs once there are as many, in the order in which they were started.
    async fn inputs(&self, count: usize) -> Vec<Value> {
        loop {
            let runs = self.runs().await;
            if runs.len() >= count {
                let mut inputs = Vec::new();
                for run in runs {
                    let run = self.store.run(&self.scope(), run.id).await.unwrap().unwrap();
                    inputs.push(run.input);
                }
                return inputs;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn at(run: &RunRecord) -> Timestamp {
    let Some(RunTrigger::Schedule { at }) = run.trigger else {
        panic!("{} was not started by a schedule", run.id);
    };
    at
}

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
    assert_eq!(schedule.next_at, Some(since + Duration::from_secs(60)));
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

async fn store_run(bench: &Bench, run: &RunRecord) -> RunRecord {
    bench.store.run(&bench.scope(), run.id).await.unwrap().unwrap()
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
    assert!(bench.job().await.awaits.is_some());
    bench.clock.set(since + Duration::from_secs(5));
    // It ended in an error; that is an end, too.
    bench.idle_until(since, 15).await;
    assert_eq!(bench.job().await.next_at, Some(since + Duration::from_secs(15)));
    bench.clock.set(since + Duration::from_secs(15));
    bench.idle_until(since, 20).await;
    assert_eq!(bench.due(since, 2).await, [0, 15]);

    // The run ends while nobody looks after schedules.
    bench.until(|schedule| schedule.awaits.is_some()).await;
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
        resumed.next_at,
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

#[tokio::test]
async fn each_event_starts_one_run_also_those_that_came_while_nobody_was_there() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
    bench
        .publish("0", "com.example.reading", json!({ "t": 50 }))
        .await;
    let on = "on: { one: { with: { type: 'com\\.example\\..*', data: '${ .t > 38 }' } } }, read: envelope";
    bench.schedule(&job("1.0.0", on, "", QUICK)).await;
    bench
        .publish("1", "com.example.reading", json!({ "t": 37 }))
        .await;
    bench
        .publish("2", "com.example.reading", json!({ "t": 39 }))
        .await;
    bench
        .publish("3", "com.example.reading", json!({ "t": 40 }))
        .await;
    let ids = |inputs: Vec<Value>| -> Vec<String> {
        let mut ids: Vec<_> = inputs
            .iter()
            .map(|input| {
                assert_eq!(input.as_array().unwrap().len(), 1);
                input[0]["id"].as_str().unwrap().to_owned()
            })
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(bench.inputs(2).await), ["2", "3"]);
    let last = bench.store.head().await.unwrap();
    bench.until(|schedule| schedule.seen == Some(last)).await;
    let now = die(bench).await;

    let away = Bench::over(
        Arc::clone(&store) as _,
        Arc::new(MemoryVault::default()),
        RuntimeLimits::default(),
    );
    away.publish("4", "com.example.reading", json!({ "t": 41 })).await;
    away.publish("5", "com.example.reading", json!({ "t": 36 })).await;
    let bench = process(&store, now);
    assert_eq!(ids(bench.inputs(3).await), ["2", "3", "4"]);
    bench
        .publish("4", "com.example.reading", json!({ "t": 41 }))
        .await;
    bench
        .publish("6", "com.example.reading", json!({ "t": 42 }))
        .await;
    assert_eq!(ids(bench.inputs(4).await), ["2", "3", "4", "6"]);
}

#[tokio::test]
async fn each_complete_set_of_events_starts_one_run() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
    let on = "on: { all: [{ with: { type: order }, correlate: { id: { from: .data.id } } }, \
              { with: { type: payment }, correlate: { id: { from: .data.id } } }] }";
    bench.schedule(&job("1.0.0", on, "", QUICK)).await;
    bench.publish("1", "order", json!({ "id": 7 })).await;
    bench.publish("2", "payment", json!({ "id": 8 })).await;
    // Half a set is heard, and the process dies.
    let head = bench.store.head().await.unwrap();
    bench.schedule(&job("1.0.0", on, "", QUICK)).await;
    let now = die(bench).await;
    let bench = process(&store, now);
    bench
        .publish("3", "payment", json!({ "id": 7, "paid": true }))
        .await;
    let whole = json!([{ "id": 7 }, { "id": 7, "paid": true }]);
    assert_eq!(bench.inputs(1).await, [whole]);
    let schedule = bench.until(|schedule| schedule.seen == Some(head + 1)).await;
    assert_eq!(schedule.failure, None);
    bench.publish("4", "payment", json!({ "id": 9 })).await;
    bench.publish("5", "order", json!({ "id": 9 })).await;
    assert_eq!(bench.inputs(2).await[1], json!([{ "id": 9 }, { "id": 9 }]));
}

#[tokio::test]
async fn any_events_are_collected_until_the_end_of_a_set() {
    let bench = process(
        &Arc::new(MemoryStore::default()),
        "2026-01-01T00:00:00Z".parse().unwrap(),
    );
    let on = "on: { any: [{ with: { type: item } }], until: { one: { with: { type: close } } } }";
    bench.schedule(&job("1.0.0", on, "", QUICK)).await;
    for (id, kind) in [
        ("1", "close"),
        ("2", "item"),
        ("3", "other"),
        ("4", "item"),
        ("5", "close"),
        ("6", "item"),
        ("7", "close"),
    ] {
        bench.publish(id, kind, json!(id)).await;
    }
    let mut inputs = bench.inputs(2).await;
    inputs.sort_by_key(ToString::to_string);
    assert_eq!(inputs, [json!(["2", "4"]), json!(["6"])]);

    let bench = process(
        &Arc::new(MemoryStore::default()),
        "2026-01-01T00:00:00Z".parse().unwrap(),
    );
    bench
        .schedule(&job("1.0.0", "on: { any: [], until: 'length > 1' }", "", QUICK))
        .await;
    for id in ["1", "2", "3", "4"] {
        bench.publish(id, "x", json!(id)).await;
    }
    let mut inputs = bench.inputs(2).await;
    inputs.sort_by_key(ToString::to_string);
    assert_eq!(inputs, [json!(["1", "2"]), json!(["3", "4"])]);
}

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
                schedule
                    .failure
                    .as_ref()
                    .is_some_and(|failure| failure.attempts == attempt)
            })
            .await;
        let failure = failed.failure.unwrap();
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
    assert_eq!(bench.job().await.failure, None);
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
            schedule
                .failure
                .as_ref()
                .is_some_and(|failure| failure.attempts > 12)
        };
        let given_up = hurry_until(&bench, async || bench.until(is_given_up).await).await;
        let failure = given_up.failure.clone().unwrap();
        assert_eq!((failure.attempts, failure.retry_at), (13, None), "{schedule}");
        let lasted = failure.failed_at.duration_since(failure.at).as_secs();
        assert!((3600..3 * 3600).contains(&lasted), "{schedule}: {lasted} seconds");
        assert!(
            given_up.next_at.is_none_or(|next| next > failure.failed_at),
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
            bench.clock.set(given_up.next_at.unwrap());
            assert_eq!(bench.due(given_up.next_at.unwrap(), 1).await, [0], "{schedule}");
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

/// A process that dies after so many writes, and one that comes after it; gives when the runs of the timed schedule were due,
/// what the runs of the one with events were given, how many ran one after the other, and whether the first got to the end.
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
        for name in ["timed", "heard", "after"] {
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
        let (timed, heard, after) = (of("timed"), of("heard"), of("after"));
        let due: Vec<_> = timed
            .iter()
            .map(|run| at(run).duration_since(since).as_secs())
            .collect();
        if due.contains(&60) && heard.len() >= 3 && after.len() >= 2 && memory.unfinished_runs().await == 0 {
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

/// Moves time on until something is done.
async fn hurry_until<T>(bench: &Bench, work: impl AsyncFnOnce() -> T) -> T {
    tokio::select! {
        done = work() => done,
        () = hurry(bench) => unreachable!("time never ends"),
    }
}

/// Moves time to whatever is waited for next.
async fn hurry(bench: &Bench) {
    loop {
        bench.clock.parked(1).await;
        if let Some(wake) = bench.clock.earliest_deadline() {
            bench.clock.set(wake.max(bench.clock_now()));
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
