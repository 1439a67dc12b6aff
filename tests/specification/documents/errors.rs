//! Documents that raise, catch and retry.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use atom_core::Clock;
use atom_engine::api::ListEventsRequest;
use atom_integrations::http::testing::TestResponse;
use jiff::Timestamp;
use serde_json::json;

use super::documents;
use super::http::{PETSTORE, pet};
use super::stage::Stage;

documents! {
    "raise-inline.yaml" => raise,
    "raise-reusable.yaml" => raise,
    "try-catch-retry-inline.yaml" => retry,
    "try-catch-retry-reusable.yaml" => retry,
    "try-catch-then-directive.yaml" => catch_and_go_elsewhere,
    "try-catch-then.yaml" => catch_and_go_on,
    "try-catch.yaml" => catch,
}

async fn raise(stage: Stage) {
    let run = stage.alone().await.run(json!({})).await;
    let error = run.error.expect("the run faults");
    assert_eq!(
        error["type"],
        "https://serverlessworkflow.io/errors/not-implemented"
    );
    assert_eq!(error["status"], 500);
    let detail = error["detail"].as_str().unwrap_or_default();
    assert!(
        detail.ends_with("is a work in progress and cannot be run yet"),
        "{detail}"
    );
    assert!(!detail.contains("$workflow"), "{detail}");
}

async fn retry(stage: Stage) {
    let failures = AtomicUsize::new(2);
    let scene = stage.with_hosts(&[PETSTORE], move |request| {
        let fails = failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match fails {
            Ok(_) => TestResponse::status(503),
            Err(_) => pet(request),
        }
    });
    let scene = scene.await;
    let run = scene.start(json!({ "petId": 3 })).await;
    for (retry, pause) in [(1, 3), (2, 6)] {
        let record = scene.recorded(&run, "task_retried", retry).await;
        let next_at: Timestamp = serde_json::from_value(record["next_at"].clone()).expect("a time");
        assert_eq!(next_at, scene.clock.now() + Duration::from_secs(pause));
        scene.clock.set(next_at);
    }
    assert_eq!(
        scene.ended(&run).await.output.expect("the run completes")["id"],
        3
    );
    assert_eq!(scene.asked().len(), 3);
}

async fn catch(stage: Stage) {
    let scene = stage.with_hosts(&[PETSTORE], |_| TestResponse::status(404)).await;
    let run = scene.run(json!({ "petId": 3 })).await;
    assert_eq!(run.error, None);
}

async fn catch_and_go_on(stage: Stage) {
    let scene = stage.with_hosts(&[PETSTORE], |_| TestResponse::status(404)).await;
    let run = scene.run(json!({ "petId": 3 })).await;
    assert_eq!(run.error, None);
    let events = scene
        .engine
        .call(ListEventsRequest::default())
        .await
        .expect("events are listed");
    assert_eq!(
        events.events[0].event.kind,
        "io.swagger.petstore.events.pets.not-found.v1"
    );
    assert_eq!(
        events.events[0].event.data.as_ref().expect("the event has data")["status"],
        404
    );
    assert_eq!(scene.asked().len(), 1);
}

async fn catch_and_go_elsewhere(stage: Stage) {
    let scene = stage
        .with_hosts(&["external-service.example.com"], |_| TestResponse::status(503))
        .await;
    let run = scene.run(json!({})).await;
    assert_eq!(run.output, Some(json!({ "status": "failed" })));
}
