//! Schedules through the engine.

use std::sync::Arc;

use atom_core::testkit::ManualClock;
use atom_engine::{Engine, EngineConfig};
use serde_json::{Value, json};

async fn open(config: EngineConfig, clock: &Arc<ManualClock>) -> Engine {
    Engine::builder(config)
        .with_clock(Arc::clone(clock) as _)
        .open()
        .await
        .unwrap()
}

async fn call(engine: &Engine, operation: &str, request: Value) -> Value {
    engine
        .call_json(engine.principal(), operation, request)
        .await
        .unwrap()
}

/// The runs there are, once there are as many and all have ended.
async fn runs(engine: &Engine, count: usize) -> Vec<Value> {
    loop {
        let runs = call(engine, "runs.list", json!({})).await["items"].clone();
        let runs = runs.as_array().unwrap();
        if runs.len() >= count && runs.iter().all(|run| run["status"] != "running") {
            return runs.clone();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_working_day_begins_once_however_long_nobody_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let config = EngineConfig::in_folder(folder.path());
    // A Friday; the clocks are moved on Sunday.
    let clock = Arc::new(ManualClock::new("2026-03-27T06:00:00Z".parse().unwrap()));
    let engine = open(config.clone(), &clock).await;
    let document = include_str!("../../examples/schedule/workflow.yaml");
    call(&engine, "workflows.deploy", json!({ "document": document })).await;
    let key = json!({ "namespace": "examples", "name": "working-day" });
    let schedule = call(&engine, "schedules.get", key.clone()).await;
    assert_eq!(schedule["next_at"], "2026-03-27T07:30:00Z");
    let preview = call(&engine, "schedules.preview", key.clone()).await;
    assert_eq!(
        preview["times"][1]["local"],
        "2026-03-30T08:30:00+02:00[Europe/Berlin]"
    );
    clock.set("2026-03-27T07:30:00Z".parse().unwrap());
    runs(&engine, 1).await;
    engine.close().await.unwrap();

    // Nobody looks from Friday to Wednesday: of three mornings the last one counts.
    clock.set("2026-04-01T12:00:00Z".parse().unwrap());
    let asleep = open(
        EngineConfig {
            resume: false,
            ..config.clone()
        },
        &clock,
    )
    .await;
    assert_eq!(
        call(&asleep, "schedules.get", key.clone()).await["next_at"],
        "2026-03-30T06:30:00Z"
    );
    assert_eq!(
        runs(&asleep, 1).await.len(),
        1,
        "an engine that does not resume starts nothing"
    );
    asleep.close().await.unwrap();
    let engine = open(config, &clock).await;
    let last = runs(&engine, 2).await.remove(0);
    assert_eq!(
        last["trigger"],
        json!({ "type": "schedule", "at": "2026-04-01T06:30:00Z" })
    );
    let events = call(&engine, "events.list", json!({})).await;
    assert_eq!(events["events"].as_array().unwrap().len(), 2);
    engine.close().await.unwrap();
}
