//! Documents whose runs start by themselves.

use std::time::Duration;

use atom_core::Clock;
use atom_core::storage::{RunStatus, RunTrigger};
use atom_engine::api::{GetScheduleRequest, ListRunsRequest, PreviewScheduleRequest, Run};
use atom_integrations::http::testing::TestResponse;
use serde_json::{Value, json};

use super::documents;
use super::stage::{Scene, Stage};

documents! {
    "schedule-cron.yaml" => backup,
    "schedule-event-driven.yaml" => nurse,
    "set-expression.yaml" => set_expression,
    "set.yaml" => set,
}

/// The runs there are, the newest first, once there are as many and all have ended.
async fn ended(scene: &Scene, count: usize) -> Vec<Run> {
    loop {
        let runs = scene.engine.call(ListRunsRequest::default()).await;
        let runs = runs.expect("runs are listed").items;
        if runs.len() >= count && runs.iter().all(|run| run.status.has_ended()) {
            return runs;
        }
        tokio::task::yield_now().await;
    }
}

async fn backup(stage: Stage) {
    let scene = stage
        .with_hosts(&["example.com"], |_| {
            TestResponse::json(&json!({ "backup": "begun" }))
        })
        .await;
    scene.deploy().await;
    let begin = scene.clock.now();
    for day in 1..=3 {
        let preview = PreviewScheduleRequest {
            namespace: Some("examples".to_owned()),
            name: Some("cron-schedule".to_owned()),
            ..PreviewScheduleRequest::default()
        };
        let preview = scene.engine.call(preview).await.expect("its times are known");
        let midnight = preview.times[0].at;
        assert!(midnight.to_string().ends_with("T00:00:00Z"), "{midnight}");
        scene.clock.set(midnight);
        let runs = ended(&scene, day).await;
        assert_eq!(runs[0].trigger, Some(RunTrigger::Schedule { at: midnight }));
        assert_eq!(runs[0].status, RunStatus::Completed, "{:?}", runs[0].error);
        assert_eq!(scene.asked(), vec!["POST example.com/api/v1/backup/start"; day]);
        // What follows is known once it is noted that the run was started.
        let next = midnight + Duration::from_secs(24 * 60 * 60);
        loop {
            let schedule = GetScheduleRequest {
                namespace: "examples".to_owned(),
                name: "cron-schedule".to_owned(),
            };
            let schedule = scene.engine.call(schedule).await.expect("it is scheduled");
            if schedule.next_at == Some(next) {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let passed = scene.clock.now().duration_since(begin);
    assert!(passed.as_hours() >= 48 && passed.as_hours() < 72, "{passed}");
}

async fn nurse(stage: Stage) {
    let scene = stage
        .with_hosts(&["hospital.example.com"], |_| {
            TestResponse::json(&json!({ "notified": true }))
        })
        .await;
    scene.deploy().await;
    // As nothing is said about 'read', the input has the data of the event; the document looks for 'data' within that.
    let patient = json!({ "id": "p1", "name": "Ada", "room": { "number": 7 }, "vitals": { "bpm": 39 } });
    let data = json!({ "data": { "patient": patient, "timestamp": "2026-01-01T00:00:00Z" } });
    let event = |id: &str, heartbeat: &str| {
        let kind = format!("com.example.hospital.events.patients.heartbeat.{heartbeat}");
        json!({ "type": kind, "id": id, "data": data })
    };
    // Who is not sure whether an event was published does it again; that calls nobody again.
    for (id, heartbeat) in [("1", "low"), ("1", "low"), ("2", "high"), ("3", "low")] {
        scene.publish(event(id, heartbeat)).await;
    }
    let runs = ended(&scene, 2).await;
    assert!(
        runs.iter().all(|run| run.status == RunStatus::Completed),
        "{runs:?}"
    );
    assert_eq!(scene.asked(), vec!["POST hospital.example.com/api/v1/notify"; 2]);
    let body = json!({
        "patientId": "p1",
        "patientName": "Ada",
        "roomNumber": 7,
        "vitals": { "heartRate": 39, "timestamp": "2026-01-01T00:00:00Z" },
        "message": "Alert: Patient's heartbeat is critically low. Immediate attention required.",
    });
    assert_eq!(scene.bodies(), vec![body; 2]);
}

/// What a run gives that an event with this data starts.
async fn triggered(stage: Stage, data: Value) -> Option<Value> {
    let scene = stage.alone().await;
    scene.deploy().await;
    let kind = "io.serverlessworkflow.samples.events.trigger.v1";
    scene
        .publish(json!({ "type": kind, "id": "1", "data": data }))
        .await;
    let runs = ended(&scene, 1).await;
    scene.ended(&runs[0]).await.output
}

async fn set(stage: Stage) {
    let output = triggered(stage, json!({ "a": 1 })).await;
    assert_eq!(output, Some(json!({ "startEvent": { "a": 1 } })));
}

async fn set_expression(stage: Stage) {
    let output = triggered(stage, json!({ "a": 1 })).await;
    assert_eq!(output, Some(json!({ "a": 1 })));
}
