//! Schedules of an engine whose runs are on a Temporal server.

use std::time::Duration;

use atom_core::storage::RunTrigger;
use atom_engine::api::{
    DeleteWorkflowRequest, DeployWorkflowRequest, GetRunRequest, GetScheduleRequest, ListSchedulesRequest,
    PauseScheduleRequest, PreviewScheduleRequest, ResumeScheduleRequest, RollBackWorkflowRequest, Run,
    Schedule, StartRunRequest, TriggerScheduleRequest,
};
use atom_engine::{Engine, ErrorCode};
use serde_json::json;

use crate::temporal::{open, soon};

/// A document with this schedule.
fn document(version: &str, schedule: &str) -> String {
    format!(
        "document: {{ dsl: 1.0.3, namespace: default, name: job, version: {version} }}\n\
         schedule: {{ {schedule} }}\ndo:\n  - done: {{ set: {{ version: {version} }} }}\n"
    )
}

async fn deploy(engine: &Engine, version: &str, schedule: &str) {
    let document = document(version, schedule);
    engine.call(DeployWorkflowRequest::new(document)).await.unwrap();
}

async fn job(engine: &Engine) -> atom_engine::Result<Schedule> {
    let get = GetScheduleRequest {
        namespace: "default".to_owned(),
        name: "job".to_owned(),
    };
    engine.call(get).await
}

/// The next run that the schedule starts, once it has ended.
async fn next_run(engine: &Engine) -> Run {
    let before = job(engine).await.unwrap().last_run;
    let run = soon(async || {
        let last_run = job(engine).await.unwrap().last_run;
        last_run.filter(|_| last_run != before)
    })
    .await;
    engine.call(GetRunRequest::ended(run)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_starts_runs_until_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = open(folder.path(), "schedules").await else {
        return;
    };
    deploy(&engine, "1.0.0", "every: PT1S").await;
    let schedule = job(&engine).await.unwrap();
    let listed = engine.call(ListSchedulesRequest::default()).await.unwrap().items;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].workflow, schedule.workflow);
    let preview = PreviewScheduleRequest {
        namespace: Some("default".to_owned()),
        name: Some("job".to_owned()),
        after: Some(schedule.since),
        count: Some(1_000),
        ..PreviewScheduleRequest::default()
    };
    let times = engine.call(preview).await.unwrap().times;
    let run = next_run(&engine).await;
    assert_eq!(run.output, Some(json!({ "version": "1.0.0" })));
    assert_eq!(run.input, Some(json!({})));
    let Some(RunTrigger::Schedule { at }) = run.trigger else {
        panic!("{run:?}");
    };
    assert!(times.iter().any(|time| time.at == at), "{at} {times:?}");

    // Another engine goes on with it, and deploying the same again changes nothing.
    engine.close().await.unwrap();
    let engine = open(folder.path(), "schedules").await.unwrap();
    deploy(&engine, "1.0.0", "every: PT1S").await;
    assert_eq!(job(&engine).await.unwrap().since, schedule.since);
    next_run(&engine).await;

    let pause: PauseScheduleRequest =
        serde_json::from_value(json!({ "namespace": "default", "name": "job" })).unwrap();
    assert!(engine.call(pause).await.unwrap().is_paused);
    deploy(&engine, "2.0.0", "every: PT1S").await;
    let paused = job(&engine).await.unwrap();
    assert_eq!(
        (paused.workflow.version.as_str(), paused.is_paused),
        ("2.0.0", true)
    );
    let trigger: TriggerScheduleRequest =
        serde_json::from_value(json!({ "namespace": "default", "name": "job" })).unwrap();
    let triggered = engine.call(trigger).await.unwrap();
    assert!(triggered.trigger.is_some());
    let resume: ResumeScheduleRequest =
        serde_json::from_value(json!({ "namespace": "default", "name": "job" })).unwrap();
    assert!(!engine.call(resume).await.unwrap().is_paused);
    assert_eq!(next_run(&engine).await.workflow.version, "2.0.0");

    let roll_back = RollBackWorkflowRequest {
        namespace: "default".to_owned(),
        name: "job".to_owned(),
        version: "1.0.0".to_owned(),
    };
    engine.call(roll_back).await.unwrap();
    assert_eq!(next_run(&engine).await.workflow.version, "1.0.0");

    let delete = DeleteWorkflowRequest {
        namespace: "default".to_owned(),
        name: "job".to_owned(),
        version: None,
    };
    engine.call(delete).await.unwrap();
    assert_eq!(job(&engine).await.unwrap_err().code(), ErrorCode::NotFound);
    engine.close_within(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_cannot_keep_the_time_of_is_refused_when_it_is_deployed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = open(folder.path(), "unscheduled").await else {
        return;
    };
    for schedule in [
        "after: PT1H",
        "on: { one: { with: { type: go } } }",
        "every: { milliseconds: 500 }",
        "every: PT1H, after: PT1H",
    ] {
        let document = document("1.0.0", schedule);
        let error = engine
            .call(DeployWorkflowRequest::new(&document))
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported, "{schedule}: {error}");
        assert_eq!(job(&engine).await.unwrap_err().code(), ErrorCode::NotFound);
        // Whoever starts it takes no notice of that.
        let run = engine
            .call(StartRunRequest::document(&document).and_wait())
            .await
            .unwrap();
        assert_eq!(
            (run.output, run.trigger),
            (Some(json!({ "version": "1.0.0" })), None)
        );
    }
    engine.close().await.unwrap();
}
