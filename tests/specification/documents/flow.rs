//! Documents about the order of tasks, and about waiting.

use std::time::Duration;

use atom_core::storage::RunStatus;
use atom_engine::api::DeployWorkflowRequest;
use atom_integrations::http::testing::TestResponse;
use serde_json::json;

use super::documents;
use super::http::{PETSTORE, pet};
use super::stage::Stage;

documents! {
    "conditional-task.yaml" => conditional_task,
    "do-multiple.yaml" => do_multiple,
    "do-single.yaml" => do_single,
    "for-inline-array.yaml" => for_inline_array,
    "fork.yaml" => fork,
    "run-subflow.yaml" => run_subflow,
    "switch-then-string.yaml" => switch_then_string,
    "wait-duration-inline.yaml" => wait,
    "wait-duration-iso8601.yaml" => wait,
}

async fn conditional_task(stage: Stage) {
    let casino = "superbet-casinos.com";
    let scene = stage
        .with_hosts(&[casino], |_| TestResponse::json(&json!({ "placed": true })))
        .await;
    let run = scene.run(json!({ "customer": { "age": 40 }, "bet": 5 })).await;
    assert_eq!(run.output, Some(json!({ "placed": true })));
    assert_eq!(scene.asked(), ["POST superbet-casinos.com/api/bet/on/football"]);
    // Without '${ }' these are texts.
    assert_eq!(
        scene.bodies(),
        [json!({ "customer": ".customer", "bet": ".bet" })]
    );

    let run = scene.run(json!({ "customer": { "age": 17 } })).await;
    assert_eq!(run.error.expect("the run faults")["title"], "Access Forbidden");
    assert_eq!(scene.asked().len(), 1);
}

async fn do_multiple(stage: Stage) {
    let scene = stage.with_hosts(&[PETSTORE], pet).await;
    let run = scene.run(json!({ "petId": 7 })).await;
    assert_eq!(run.error, None);
    assert_eq!(
        scene.asked(),
        [
            "GET petstore.swagger.io/v2/pet/7",
            "PUT petstore.swagger.io/v2/pet/7"
        ]
    );
    assert_eq!(scene.bodies()[1]["status"], "sold");
}

async fn do_single(stage: Stage) {
    let scene = stage.with_hosts(&[PETSTORE], pet).await;
    let run = scene.run(json!({ "petId": 7 })).await;
    assert_eq!(run.output.expect("the run completes")["id"], 7);
}

async fn for_inline_array(stage: Stage) {
    let run = stage.alone().await.run(json!({})).await;
    let names: Vec<_> = run.output.expect("the run completes")["processed"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|color| color["name"].clone())
        .collect();
    assert_eq!(names, ["red", "green", "blue"]);
}

async fn fork(stage: Stage) {
    let scene = stage
        .with_hosts(&["fake-hospital.com"], |request| {
            // The doctor never comes.
            let answer = TestResponse::json(&json!({ "by": request.target }));
            if request.target.ends_with("/doctor") {
                answer.stalling()
            } else {
                answer
            }
        })
        .await;
    let input = json!({ "patient": { "fullName": "Ada" }, "room": { "number": 3 } });
    let run = scene.run(input).await;
    assert_eq!(run.output, Some(json!({ "by": "/api/v3/alert/nurses" })));
}

async fn run_subflow(stage: Stage) {
    let scene = stage.alone().await;
    let child = "
document: { dsl: 1.0.3, namespace: test, name: register-customer, version: 0.1.0 }
do:
  - register: { set: { registered: '${ .customer.name }' } }
";
    let deploy = DeployWorkflowRequest::new(child);
    scene.engine.call(deploy).await.expect("the workflow is deployed");
    let run = scene.run(json!({ "user": { "name": "Ada" } })).await;
    // Without '${ }' the document gives the text '.user', which has no name.
    assert_eq!(run.status, RunStatus::Faulted);
}

async fn switch_then_string(stage: Stage) {
    let scene = stage.alone().await;
    for (kind, expected) in [
        ("electronic", json!({ "validate": true, "status": "fulfilled" })),
        (
            "physical",
            json!({ "inventory": "clear", "items": 1, "address": "Elmer St" }),
        ),
        (
            "unknown",
            json!({ "log": "warn", "message": "something's wrong" }),
        ),
    ] {
        let run = scene.run(json!({ "orderType": kind })).await;
        assert_eq!(run.output, Some(expected), "{kind}");
    }
}

async fn wait(stage: Stage) {
    let scene = stage.alone().await;
    let run = scene.start(json!({ "kept": 1 })).await;
    scene.clock.parked(1).await;
    scene.clock.advance(Duration::from_secs(30));
    assert_eq!(scene.ended(&run).await.output, Some(json!({ "kept": 1 })));
}
