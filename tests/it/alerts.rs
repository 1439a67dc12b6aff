//! Statistics and alerts through the engine, over SQLite that is closed and opened again.

use std::sync::Arc;
use std::time::Duration;

use atom_core::Principal;
use atom_core::testkit::ManualClock;
use atom_engine::{Engine, EngineConfig, ErrorCode, RetentionConfig};
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);

async fn open(config: &EngineConfig, clock: &Arc<ManualClock>) -> Engine {
    Engine::builder(config.clone())
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

/// Takes an order, which fails unless it is paid.
const ORDER: &str = "
document: { dsl: 1.0.3, namespace: examples, name: take-order, version: 1.0.0 }
do:
  - check: { if: '${ .paid | not }', raise: { error: { type: https://example.com/unpaid, status: 402 } } }
  - take: { set: { taken: true } }
";

async fn order(engine: &Engine, is_paid: bool) {
    let start = json!({ "document": ORDER, "input": { "paid": is_paid } });
    let run = call(engine, "runs.start", start).await;
    call(engine, "runs.get", json!({ "id": run["id"], "wait": true })).await;
}

/// The events of a type, once there are as many.
async fn events(engine: &Engine, kind: &str, count: usize) -> Vec<Value> {
    loop {
        let found = call(engine, "events.list", json!({ "type": kind })).await["events"].clone();
        let found = found.as_array().unwrap();
        if found.len() >= count {
            return found.iter().map(|logged| logged["event"].clone()).collect();
        }
        let failed = json!({ "name": "orders-fail", "status": "faulted" });
        assert_eq!(call(engine, "runs.list", failed).await["items"], json!([]));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_workflow_is_started_by_the_rule_of_another_once_for_each_alert() {
    let folder = tempfile::tempdir().unwrap();
    let config = EngineConfig::in_folder(folder.path());
    let clock = Arc::new(ManualClock::default());
    let engine = open(&config, &clock).await;
    let rule: Value = serde_json::from_str(include_str!("../../examples/alert/rule.json")).unwrap();
    call(&engine, "alerts.set", rule).await;
    let document = include_str!("../../examples/alert/workflow.yaml");
    call(&engine, "workflows.deploy", json!({ "document": document })).await;
    for number in 0..6 {
        order(&engine, number % 2 == 0).await;
    }
    engine.close().await.unwrap();

    // Another process finds what the first has counted, and the alert is told once however often it is opened.
    for _ in 0..3 {
        let engine = open(&config, &clock).await;
        let told = events(&engine, "com.example.operator.told.v1", 1).await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["data"]["text"], "50 % of 6 orders have failed");
        assert_eq!(events(&engine, "io.atom.alert.raised.v1", 1).await.len(), 1);
        let alert = call(&engine, "alerts.get", json!({ "name": "orders-fail" })).await;
        assert_eq!(alert["raised_at"], told[0]["data"]["since"]);
        engine.close().await.unwrap();
        clock.advance(MINUTE);
    }

    // Long after, nothing has failed any more.
    clock.advance(MINUTE * 30);
    let engine = open(&config, &clock).await;
    assert_eq!(events(&engine, "io.atom.alert.resolved.v1", 1).await.len(), 1);
    let told = call(
        &engine,
        "events.list",
        json!({ "type": "com.example.operator.told.v1" }),
    )
    .await;
    assert_eq!(told["events"].as_array().unwrap().len(), 1);
    engine.close().await.unwrap();
}

#[tokio::test]
async fn statistics_outlive_the_engine_and_are_the_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = EngineConfig::in_folder(folder.path());
    let clock = Arc::new(ManualClock::new("2026-03-09T08:30:00Z".parse().unwrap()));
    let engine = open(&config, &clock).await;
    for is_paid in [true, true, true, false] {
        order(&engine, is_paid).await;
    }
    engine.close().await.unwrap();
    clock.advance(MINUTE * 60);
    let engine = open(&config, &clock).await;
    order(&engine, true).await;
    let found = call(&engine, "analytics.workflows", json!({ "interval": "hour" })).await;
    assert_eq!(
        (&found["from"], &found["before"]),
        (&json!("2026-03-08T09:00:00Z"), &json!("2026-03-09T10:00:00Z"))
    );
    let item = &found["items"][0];
    assert_eq!(
        item["total"],
        json!({
            "started": 5, "completed": 4, "faulted": 1, "cancelled": 0, "success_rate": 0.8, "retries": 0,
            "duration": { "mean_ms": 0.0, "p50_ms": 0.0, "p95_ms": 0.0, "p99_ms": 0.0 }
        })
    );
    let parts: Vec<_> = item["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| (part["from"].as_str().unwrap(), part["started"].as_u64().unwrap()))
        .collect();
    assert_eq!(parts, [("2026-03-09T08:00:00Z", 4), ("2026-03-09T09:00:00Z", 1)]);
    let key = json!({ "namespace": "examples", "name": "take-order" });
    let steps = call(&engine, "analytics.steps", key.clone()).await;
    let steps: Vec<_> = steps["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            (
                step["task"].as_str().unwrap(),
                step["total"]["executions"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(steps, [("/do/0/check", 1), ("/do/1/take", 4)]);

    for (tenant, user) in [("default", "bob"), ("other", "default")] {
        let stranger = Principal::new(tenant, user).unwrap();
        for (operation, request) in [
            ("analytics.workflows", json!({})),
            ("analytics.steps", key.clone()),
        ] {
            let found = engine.call_json(&stranger, operation, request).await.unwrap();
            assert_eq!(found["items"], json!([]), "{operation}");
        }
    }
    engine.close().await.unwrap();
}

#[tokio::test]
async fn an_engine_that_does_not_resume_evaluates_nothing_and_an_interval_has_a_least_length() {
    let folder = tempfile::tempdir().unwrap();
    let config = EngineConfig {
        resume: false,
        ..EngineConfig::in_folder(folder.path())
    };
    let clock = Arc::new(ManualClock::default());
    let engine = open(&config, &clock).await;
    assert_eq!(clock.earliest_deadline(), None);
    engine.start_alerts(MINUTE);
    clock.parked(1).await;
    assert_eq!(
        clock.earliest_deadline(),
        Some(atom_core::Clock::now(&*clock) + MINUTE)
    );
    engine.close().await.unwrap();
    let hectic = EngineConfig {
        alert_interval_ms: 999,
        ..config
    };
    let refused = Engine::open(hectic).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn statistics_go_when_the_configuration_keeps_them_no_longer() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let folder = tempfile::tempdir().unwrap();
    let config = EngineConfig {
        retention: RetentionConfig {
            statistics: "P31D".to_owned(),
            ..RetentionConfig::default()
        },
        ..EngineConfig::in_folder(folder.path())
    };
    let clock = Arc::new(ManualClock::default());
    let engine = open(&config, &clock).await;
    let range = json!({ "from": atom_core::Clock::now(&*clock) });
    order(&engine, true).await;
    let counted = async || {
        let found = call(&engine, "analytics.workflows", range.clone()).await;
        found["items"].as_array().unwrap().len()
    };
    clock.advance(30 * DAY);
    assert_eq!(counted().await, 1);
    clock.parked(1).await;
    clock.advance(2 * DAY);
    while counted().await > 0 {
        tokio::task::yield_now().await;
    }
    engine.close().await.unwrap();

    let forgetful = EngineConfig {
        retention: RetentionConfig {
            statistics: "P30D".to_owned(),
            ..RetentionConfig::default()
        },
        ..config
    };
    let refused = Engine::open(forgetful).await.unwrap_err();
    assert!(refused.message().contains("retention.statistics"), "{refused}");
}
