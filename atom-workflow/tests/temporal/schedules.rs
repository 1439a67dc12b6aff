//! Schedules that the server keeps the time of.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use atom_core::storage::{PageRequest, RunFilter, RunTrigger, ScheduleRecord};
use atom_core::{ErrorCode, Offset, Principal, Secret};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{Runtime, RuntimeLimits, RuntimeParts, RuntimeSettings, upcoming};
use atom_workflow::temporal::{ListedRun, TemporalRuntime};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use temporalio_client::tonic::IntoRequest;
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions, UntypedWorkflow, Url};
use temporalio_common::protos::temporal::api::workflowservice::v1::ListScheduleMatchingTimesRequest;

use crate::server::TestTemporal;
use crate::world::{WallClock, World, deploy, limits, soon};

const QUICK: &str = "  - quick: { call: echo, with: { n: 1 } }";

/// A document named `job` with this schedule, these settings beside it and these tasks.
fn job(version: &str, schedule: &str, settings: &str, tasks: &str) -> String {
    format!(
        "document: {{ dsl: 1.0.3, namespace: default, name: job, version: {version}, metadata: {{ atom: {{ {settings} }} }} }}\n\
         schedule: {{ {schedule} }}\n{tasks}\n"
    )
}

fn quick(version: &str, schedule: &str) -> String {
    job(version, schedule, "", &format!("do:\n{QUICK}"))
}

/// An engine's records of schedules, and the server.
struct Scheduled {
    world: World,
    records: Runtime,
    server: &'static TestTemporal,
    queue: String,
}

impl Scheduled {
    /// With a worker, unless it is to be idle.
    async fn new(name: &str, is_idle: bool) -> Option<Self> {
        let server = TestTemporal::shared().await?;
        let mut world = World::idle(name, limits()).await?;
        if !is_idle {
            world.work().await;
        }
        let parts = &world.parts;
        let records = Runtime::new(RuntimeParts {
            store: Arc::clone(&parts.store),
            vault: Arc::clone(&parts.vault),
            functions: Arc::clone(&parts.functions),
            clock: Arc::new(WallClock),
            random: Arc::clone(&parts.random),
            limits: RuntimeLimits::default(),
            settings: RuntimeSettings::default(),
        });
        Some(Self {
            world,
            records,
            server,
            queue: name.to_owned(),
        })
    }

    /// Deploys a document, in the store alone.
    async fn record(&self, document: &str) -> ScheduleRecord {
        deploy(&self.world.bench, &self.world.ada, &[document]).await;
        let scheduled = self.records.schedule(&self.world.ada, "default", "job").await;
        scheduled.unwrap().unwrap()
    }

    async fn follow(&self) {
        let (runtime, scope) = (&self.world.runtime, self.world.scope());
        runtime.follow_schedule(&scope, "default", "job").await.unwrap();
    }

    async fn deploy(&self, document: &str) -> ScheduleRecord {
        let record = self.record(document).await;
        self.follow().await;
        record
    }

    async fn job(&self) -> Option<ScheduleRecord> {
        let (store, scope) = (&self.world.bench.store, self.world.scope());
        store.schedule(&scope, "default", "job").await.unwrap()
    }

    /// The record once it is as wanted.
    async fn until(&self, is_wanted: impl Fn(&ScheduleRecord) -> bool) -> ScheduleRecord {
        soon(async || self.job().await.filter(&is_wanted)).await
    }

    /// The runs, by the times at which they were due, once the server lists as many.
    async fn runs(&self, count: usize) -> Vec<(Timestamp, ListedRun)> {
        soon(async || {
            let (filter, page) = (RunFilter::default(), PageRequest::new(None, Some(1_000)));
            let scope = self.world.scope();
            let runs = self.world.runtime.runs(&scope, &filter, &page).await.unwrap();
            let mut runs: Vec<_> = runs.items.into_iter().map(with_time).collect();
            runs.sort_by_key(|(at, _)| *at);
            (runs.len() >= count).then_some(runs)
        })
        .await
    }

    /// The runs of the first seconds. The server may list a later one before an earlier one.
    async fn first_runs(&self, record: &ScheduleRecord, count: usize) -> Vec<(Timestamp, ListedRun)> {
        let last = record.since + SignedDuration::from_secs(i64::try_from(count).unwrap());
        soon(async || {
            let mut runs = self.runs(count).await;
            runs.retain(|(at, _)| *at <= last);
            (runs.len() >= count).then_some(runs)
        })
        .await
    }

    /// What the server's schedule that follows a record is noted with.
    fn note(&self, record: &ScheduleRecord) -> String {
        format!("since {} on {}", record.since, self.queue)
    }

    /// The server's schedules that follow a record, by what they are listed with.
    fn listed(&self, record: &ScheduleRecord) -> Vec<String> {
        let listed = self
            .server
            .by_hand(&["schedule", "list", "--long", "--output", "json"]);
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let note = self.note(record);
        let listed = listed.as_array().cloned().unwrap_or_default();
        let ours = listed
            .iter()
            .filter(|entry| entry.pointer("/info/notes") == Some(&note.clone().into()));
        ours.map(|entry| entry["scheduleId"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The server's schedule that follows a record, once it is listed.
    async fn id(&self, record: &ScheduleRecord) -> String {
        soon(async || self.listed(record).pop()).await
    }

    fn described(&self, id: &str) -> Value {
        let described =
            self.server
                .by_hand(&["schedule", "describe", "--schedule-id", id, "--output", "json"]);
        serde_json::from_str(&described).unwrap()
    }

    /// How often the server has looked at a schedule.
    fn looked(&self, id: &str) -> u64 {
        let described = self.described(id);
        let count = described.pointer("/info/actionCount").and_then(Value::as_str);
        count.map_or(0, |count| count.parse().unwrap())
    }

    async fn until_looked(&self, id: &str, count: u64) {
        soon(async || (self.looked(id) >= count).then_some(())).await;
    }

    /// A schedule whose run is due now and cannot start, as a secret is missing, and its id.
    async fn failing(&self) -> (ScheduleRecord, String) {
        let tasks = format!("use: {{ secrets: [token] }}\ndo:\n{QUICK}");
        let record = self.deploy(&job("1.0.0", "every: PT1H", "", &tasks)).await;
        let mut due = record.clone();
        due.since = record.since - SignedDuration::from_hours(1);
        due.triggers[0].next_at = Some(record.since);
        assert!(self.world.bench.store.put_schedule(&due).await.unwrap());
        let id = self.id(&record).await;
        self.server
            .by_hand(&["schedule", "trigger", "--schedule-id", &id]);
        (record, id)
    }

    /// A client that is not of the engine.
    async fn client(&self) -> Client {
        let options = ConnectionOptions::new(self.world.target.parse::<Url>().unwrap()).build();
        let connection = Connection::connect(options).await.unwrap();
        Client::new(connection, ClientOptions::new("default").build()).unwrap()
    }

    /// Ends the schedule: others use the server, too.
    async fn end(mut self) {
        let (store, scope) = (&self.world.bench.store, self.world.scope());
        store.delete_schedule(&scope, "default", "job").await.unwrap();
        self.follow().await;
        self.world.stop().await;
    }
}

fn with_time(run: ListedRun) -> (Timestamp, ListedRun) {
    let Some(RunTrigger::Schedule { at }) = run.trigger else {
        panic!("{run:?} has no trigger");
    };
    (at, run)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_time_starts_one_run() {
    let Some(scheduled) = Scheduled::new("schedule-times", false).await else {
        return;
    };
    let record = scheduled.deploy(&quick("1.0.0", "every: PT1S")).await;
    let runs = scheduled.first_runs(&record, 3).await;
    for (place, (at, run)) in runs.iter().enumerate() {
        let count = i64::try_from(place).unwrap() + 1;
        assert_eq!(*at, record.since + SignedDuration::from_secs(count));
        assert_eq!(run.workflow.version, "1.0.0");
        // Up to a second late, as the server counts whole seconds, and what a busy machine takes.
        assert!(run.created_at >= *at, "{run:?}");
    }
    let (first_at, first) = &runs[0];
    let again = scheduled
        .world
        .runtime
        .run(&scheduled.world.scope(), first.id)
        .await;
    assert_eq!(with_time(again.unwrap()).0, *first_at);
    assert_eq!(
        scheduled
            .world
            .runtime
            .input(&scheduled.world.scope(), first.id)
            .await
            .unwrap(),
        serde_json::json!({})
    );
    let noted = scheduled
        .until(|record| record.last_run.is_some_and(|last| last != first.id))
        .await;
    assert!(noted.next_at() > noted.last_at);
    scheduled.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_knows_every_time_of_a_schedule() {
    let Some(scheduled) = Scheduled::new("schedule-known", true).await else {
        return;
    };
    let mut service = scheduled.client().await.connection().workflow_service();
    let zone = |name: &str| format!("schedule: {{ timeZone: {name} }}");
    for (place, (schedule, settings)) in [
        ("every: PT91M", String::new()),
        ("every: P1M", String::new()),
        ("every: P1MT12H", String::new()),
        ("cron: 30 2 * * *", zone("Europe/Berlin")),
        ("cron: '*/20 2,3 * * *'", zone("Europe/Berlin")),
        ("cron: 30 0-23 * * *", zone("Europe/Berlin")),
        ("cron: '*/30 * * * *'", zone("Europe/Berlin")),
        ("cron: '*/30 * * * *'", zone("Australia/Lord_Howe")),
        ("cron: 30 * * * *", zone("America/New_York")),
        ("cron: 0 0 13 * fri", zone("America/New_York")),
        ("cron: 10 2 * * *", zone("Australia/Lord_Howe")),
        ("cron: 0 8-18/2 */3 * mon-fri, every: PT5H", zone("Asia/Kolkata")),
    ]
    .into_iter()
    .enumerate()
    {
        let document = job(
            &format!("1.0.{place}"),
            schedule,
            &settings,
            &format!("do:\n{QUICK}"),
        );
        let record = scheduled.deploy(&document).await;
        let schedule_id = scheduled.id(&record).await;
        let mut count = 0;
        // A year, with all changes of the clock, in parts for which the server gives all times.
        for part in 0..20 {
            let begin = record.since + SignedDuration::from_hours(24 * 20 * part);
            let end = begin + SignedDuration::from_hours(24 * 20);
            let request = ListScheduleMatchingTimesRequest {
                namespace: "default".to_owned(),
                schedule_id: schedule_id.clone(),
                start_time: Some(SystemTime::from(begin).into()),
                end_time: Some(SystemTime::from(end + SignedDuration::from_secs(1)).into()),
            };
            let known = service.list_schedule_matching_times(request.into_request()).await;
            let known = known.unwrap().into_inner().start_time;
            assert!(known.len() < 1_000, "{schedule}");
            let known: BTreeSet<_> = known.iter().map(|at| at.seconds).collect();
            for trigger in &record.triggers {
                let times = upcoming(&trigger.trigger, record.since, begin, 1_000).unwrap();
                for at in times.into_iter().filter(|at| *at <= end) {
                    let second = at.as_second() + i64::from(at.subsec_nanosecond() > 0);
                    assert!(known.contains(&second), "{schedule}: {at}");
                    count += 1;
                }
            }
        }
        assert!(count > 11, "{schedule}: {count}");
    }
    scheduled.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_come_while_nobody_works_are_done_once_somebody_does() {
    let Some(mut scheduled) = Scheduled::new("schedule-idle", true).await else {
        return;
    };
    let record = scheduled.deploy(&quick("1.0.0", "every: PT1S")).await;
    let id = scheduled.id(&record).await;
    // However many there are, the server keeps two.
    let skipped = |described: &Value| {
        described
            .pointer("/info/overlapSkipped")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    soon(async || skipped(&scheduled.described(&id)).filter(|count| count != "0")).await;
    assert_eq!(scheduled.looked(&id), 1);
    scheduled.world.work().await;
    let runs = scheduled.first_runs(&record, 5).await;
    let times: Vec<_> = runs.iter().map(|(at, _)| *at).collect();
    let expected = (1..).map(|count| record.since + SignedDuration::from_secs(count));
    assert_eq!(times, expected.take(times.len()).collect::<Vec<_>>());
    scheduled.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_follows_the_document() {
    for (missed, expected) in [
        ("skip", vec![]),
        ("latest", vec![5]),
        ("all", vec![1, 2, 3, 4, 5]),
    ] {
        let name = format!("schedule-{missed}");
        let Some(mut scheduled) = Scheduled::new(&name, true).await else {
            return;
        };
        let settings = format!("schedule: {{ missed: {missed} }}");
        let document = job("1.0.0", "every: PT1H", &settings, &format!("do:\n{QUICK}"));
        let record = scheduled.record(&document).await;
        // As if nobody had been there for five hours and a half.
        let hour = SignedDuration::from_hours(1);
        let mut missing = record.clone();
        missing.since = record.since - hour * 5 - hour / 2;
        missing.triggers[0].next_at = Some(missing.since + hour);
        assert!(scheduled.world.bench.store.put_schedule(&missing).await.unwrap());
        scheduled.follow().await;
        scheduled.world.work().await;
        let id = scheduled.id(&missing).await;
        scheduled
            .server
            .by_hand(&["schedule", "trigger", "--schedule-id", &id]);
        let done = scheduled
            .until(|record| record.next_at() == Some(missing.since + hour * 6))
            .await;
        let runs = scheduled.runs(expected.len()).await;
        let hours: Vec<_> = runs
            .iter()
            .map(|(at, _)| at.duration_since(missing.since).as_hours())
            .collect();
        assert_eq!(hours, expected, "{missed}");
        assert_eq!(done.last_run, runs.last().map(|(_, run)| run.id));

        // As if the worker had been lost before it was noted: the same runs are found.
        let mut again = done.clone();
        again.triggers[0].next_at = missing.triggers[0].next_at;
        assert!(scheduled.world.bench.store.put_schedule(&again).await.unwrap());
        scheduled
            .server
            .by_hand(&["schedule", "trigger", "--schedule-id", &id]);
        let found = scheduled.until(|record| record.next_at() == done.next_at()).await;
        assert_eq!(found.last_run, done.last_run);
        assert_eq!(scheduled.runs(expected.len()).await.len(), expected.len());
        scheduled.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_follows_the_latest_version_and_a_pause_stays() {
    let Some(scheduled) = Scheduled::new("schedule-versions", false).await else {
        return;
    };
    let (world, runtime) = (&scheduled.world, &scheduled.world.runtime);
    let first = scheduled.deploy(&quick("1.0.0", "every: PT1S")).await;
    let id = scheduled.id(&first).await;
    scheduled.until(|record| record.last_run.is_some()).await;

    // A pause in the store is enough, whatever the server does.
    let paused = scheduled
        .records
        .pause_schedule(&world.scope(), "default", "job")
        .await
        .unwrap();
    scheduled.until_looked(&id, scheduled.looked(&id) + 2).await;
    assert_eq!(scheduled.job().await.unwrap().last_run, paused.last_run);
    runtime.pause_schedule(&paused).await.unwrap();
    assert_eq!(
        scheduled.described(&id).pointer("/schedule/state/paused"),
        Some(&true.into())
    );

    let second = scheduled
        .deploy(&quick("2.0.0", "cron: '* * * * *', every: PT2S"))
        .await;
    assert!(second.since > first.since && second.is_paused);
    let described = scheduled.described(&id);
    assert_eq!(described.pointer("/schedule/state/paused"), Some(&true.into()));
    assert_eq!(
        described.pointer("/schedule/state/notes"),
        Some(&scheduled.note(&second).into())
    );
    assert_eq!(
        described.pointer("/schedule/spec/interval/0/interval"),
        Some(&"2s".into())
    );

    runtime.resume_schedule(&second).await.unwrap();
    let resumed = scheduled
        .records
        .resume_schedule(&world.scope(), "default", "job")
        .await
        .unwrap();
    let is_new = |record: &ScheduleRecord| record.last_run != resumed.last_run;
    let run = scheduled.until(is_new).await.last_run.unwrap();
    assert_eq!(
        runtime.run(&world.scope(), run).await.unwrap().workflow.version,
        "2.0.0"
    );

    // Removed in the store alone: the server's schedule finds out, and goes.
    world
        .bench
        .store
        .delete_schedule(&world.scope(), "default", "job")
        .await
        .unwrap();
    soon(async || scheduled.listed(&resumed).is_empty().then_some(())).await;
    scheduled.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_mends_what_the_server_has_not_heard_of() {
    let Some(scheduled) = Scheduled::new("schedule-mended", true).await else {
        return;
    };
    let runtime = &scheduled.world.runtime;
    // Whoever deployed it died before the server was told.
    let first = scheduled.record(&quick("1.0.0", "every: PT1H")).await;
    runtime.follow_schedules().await.unwrap();
    let id = scheduled.id(&first).await;
    let second = scheduled.record(&quick("2.0.0", "every: PT2H")).await;
    runtime.follow_schedules().await.unwrap();
    let described = scheduled.described(&id);
    assert_eq!(
        described.pointer("/schedule/spec/interval/0/interval"),
        Some(&"7200s".into())
    );
    assert_eq!(scheduled.id(&second).await, id);
    // An operator's pause is nothing to mend.
    scheduled.server.by_hand(&[
        "schedule",
        "toggle",
        "--schedule-id",
        &id,
        "--pause",
        "--reason",
        "by hand",
    ]);
    runtime.follow_schedules().await.unwrap();
    assert_eq!(
        scheduled.described(&id).pointer("/schedule/state/paused"),
        Some(&true.into())
    );

    // What the embedded scheduler alone can do stays in the store, and keeps no other from being mended.
    let other = Principal::new("acme", "schedule-other").unwrap();
    let document = quick("1.0.0", "after: PT1H");
    deploy(&scheduled.world.bench, &other, &[&document]).await;
    scheduled
        .records
        .schedule(&other, "default", "job")
        .await
        .unwrap();
    runtime.follow_schedules().await.unwrap();
    let refused = runtime
        .follow_schedule(&other.scope(), "default", "job")
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Unsupported);
    let refused = TemporalRuntime::check_schedule(&Workflow::parse(&document).unwrap()).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Unsupported);
    scheduled.end().await;
}

/// As in the engine itself: a key means one run, and a schedule one for each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_the_same_at_each_time_lets_one_run_start_and_says_so() {
    let Some(scheduled) = Scheduled::new("schedule-key", false).await else {
        return;
    };
    let tasks = format!("do:\n{QUICK}");
    let document = job("1.0.0", "every: PT1S", "idempotencyKey: '${ \"x\" }'", &tasks);
    let record = scheduled.deploy(&document).await;
    let failing = scheduled
        .until(|record| record.triggers[0].failure.is_some())
        .await;
    let failure = failing.triggers[0].failure.clone().unwrap();
    assert_eq!(failure.error.code, ErrorCode::AlreadyExists, "{failure:?}");
    let runs = scheduled.runs(1).await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].0, record.since + SignedDuration::from_secs(1));
    assert_eq!(failing.last_run, Some(runs[0].1.id));
    scheduled.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_is_noted_told_and_tried_again() {
    let Some(scheduled) = Scheduled::new("schedule-failing", false).await else {
        return;
    };
    let (record, _) = scheduled.failing().await;
    let attempts = |record: &ScheduleRecord| {
        record.triggers[0]
            .failure
            .as_ref()
            .map_or(0, |failure| failure.attempts)
    };
    let failing = scheduled.until(|record| attempts(record) == 3).await;
    let failure = failing.triggers[0].failure.clone().unwrap();
    assert_eq!(
        (failure.at, failure.error.code),
        (record.since, ErrorCode::NotFound)
    );
    assert!(failure.error.message.contains("token"), "{failure:?}");
    let told = scheduled
        .world
        .bench
        .store
        .read(&scheduled.world.scope(), Offset::default(), 10)
        .await
        .unwrap();
    assert_eq!(told[0].event.kind, "dev.atom.schedule.failed");

    let secret = Secret::new("tok-0123456789");
    let vault = &scheduled.world.bench.vault;
    vault
        .set(&scheduled.world.scope(), "token", &secret, Timestamp::now())
        .await
        .unwrap();
    let done = scheduled.until(|record| record.last_run.is_some()).await;
    assert_eq!((done.last_at, attempts(&done)), (Some(record.since), 0));
    // The time, not the attempt, gives the run its id.
    assert_eq!(scheduled.runs(1).await.len(), 1);
    scheduled.end().await;
}

/// Records the histories of alarms that are missing, see `histories.rs`: of one that a time has rung, and of one that rings
/// again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes files"]
async fn record() {
    let scheduled = Scheduled::new("recorded-schedule", false)
        .await
        .expect("it takes a server");
    let (_, id) = scheduled.failing().await;
    let retry_at = |record: &ScheduleRecord| record.triggers[0].failure.as_ref()?.retry_at;
    let failing = scheduled.until(|record| retry_at(record).is_some()).await;
    let again = format!("{id}-again-{}", retry_at(&failing).unwrap());
    let described = scheduled.described(&id);
    let rung = described.pointer("/info/recentActions/0/startWorkflowResult/workflowId");
    let client = scheduled.client().await;
    for (name, alarm) in [("alarm", rung.unwrap().as_str().unwrap()), ("again", &again)] {
        let file = crate::histories::folder().join(format!("{name}-{}.json", env!("CARGO_PKG_VERSION")));
        if file.exists() {
            continue;
        }
        let handle = client.get_workflow_handle::<UntypedWorkflow>(alarm);
        handle.get_result(Default::default()).await.unwrap();
        let history = handle.fetch_history(Default::default()).to_json().await.unwrap();
        std::fs::write(file, history).unwrap();
    }
    scheduled.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_does_not_see_whose_schedule_it_is() {
    let Some(mut scheduled) = Scheduled::new("schedule-sealed", true).await else {
        return;
    };
    scheduled.world.ada = Principal::new("analytical-engines", "lovelace").unwrap();
    let record = scheduled.deploy(&quick("1.0.0", "every: PT1H")).await;
    let described = scheduled.described(&scheduled.id(&record).await);
    let said = crate::sealed::readable(&described);
    for hidden in ["analytical", "lovelace", "quick", "echo"] {
        assert!(!said.contains(hidden), "{hidden}: {said}");
    }
    assert!(said.contains("atom.schedule"), "{said}");
    scheduled.end().await;
}
