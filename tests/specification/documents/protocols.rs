//! Documents that call services over gRPC and AsyncAPI.

use atom_core::storage::RunStatus;
use atom_engine::api::{CancelRunRequest, ListEventsRequest};
use atom_integrations::asyncapi::testing::{Script, TestSocket};
use atom_integrations::grpc::testing::{TestReply, TestService};
use atom_integrations::http::testing::{RecordedRequest, TestResponse};
use serde_json::{Value, json};

use super::documents;
use super::stage::{Scene, Stage};

documents! {
    "call-asyncapi-publish.yaml" => publish,
    "call-asyncapi-subscribe-consume-amount.yaml" => five_messages,
    "call-asyncapi-subscribe-consume-forever-foreach.yaml" => forever,
    "call-asyncapi-subscribe-consume-until.yaml" => five_messages,
    "call-asyncapi-subscribe-consume-while.yaml" => five_messages,
    "call-grpc.yaml" => greet,
}

const GREETER: &str = r#"
    syntax = "proto3";
    package GreeterApi;
    service Greeter { rpc SayHello(HelloRequest) returns (HelloReply); }
    message HelloRequest { string name = 1; }
    message HelloReply { string message = 1; }
"#;

async fn greet(stage: Stage) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::create_dir(folder.path().join("app")).expect("a folder can be made");
    std::fs::write(folder.path().join("app/greet.proto"), GREETER).expect("the file can be written");
    let service = TestService::start(GREETER, |call| {
        let name = call.message["name"].as_str().unwrap_or_default();
        TestReply::message(json!({ "message": format!("Hello {name}!") }))
    });
    let service = service.await.expect("a loopback port is free");
    let stage = stage.with_host("localhost:5011", format!("http://127.0.0.1:{}", service.port()));
    let scene = stage.with_folder(folder.path()).alone().await;
    let run = scene
        .run(json!({ "user": { "preferredDisplayName": "Ada" } }))
        .await;
    assert_eq!(run.output, Some(json!({ "message": "Hello Ada!" })));
    assert_eq!(service.calls()[0].method, "GreeterApi.Greeter/SayHello");
}

/// The document that the examples call: one of them names a channel, so it is of AsyncAPI 2, where operations have
/// ids as well.
fn description() -> Value {
    let name = json!({ "type": "object", "properties": { "firstName": { "type": "string" } } });
    let notification = json!({
        "payload": { "type": "object", "properties": { "text": { "type": "string" }, "from": name } },
        "correlationId": { "location": "$message.payload#/to" },
    });
    let query = json!({ "payload": { "type": "object", "properties": { "petId": { "type": "integer" } } } });
    json!({
        "asyncapi": "2.6.0",
        "servers": {
            "live": { "url": "wss://fake.com:8443", "protocol": "wss" },
            "staging": { "url": "https://fake.com/staging", "protocol": "https" },
        },
        "channels": {
            "/notifications": { "subscribe": { "operationId": "getNotifications", "message": notification } },
            "/pets": { "publish": { "operationId": "findPetsByStatus", "message": query } },
        },
    })
}

fn answer(request: &RecordedRequest) -> TestResponse {
    match request.target.as_str() {
        "/docs/asyncapi.json" => TestResponse::json(&description()),
        "/staging/pets" => TestResponse::json(&json!({ "accepted": true })),
        _ => TestResponse::status(404),
    }
}

async fn publish(stage: Stage) {
    let scene = stage.with_hosts(&["fake.com"], answer).await;
    let run = scene.run(json!({ "pet": { "id": 7 }, "token": "t0ken" })).await;
    assert_eq!(run.output, Some(json!({ "accepted": true })));
    assert_eq!(
        scene.asked(),
        ["GET fake.com/docs/asyncapi.json", "POST fake.com/staging/pets"]
    );
    assert_eq!(scene.bodies()[1], json!({ "petId": 7 }));
    assert_eq!(
        scene.headers("authorization"),
        [None, Some("Bearer t0ken".to_owned())]
    );
}

/// So many messages that pass the examples' filter, which compares with a context that they leave empty, and one
/// before each that does not.
async fn notified(stage: Stage, count: u64) -> (Scene, TestSocket) {
    let other = |n| json!({ "text": format!("other {n}"), "to": "bob", "from": { "firstName": "Bob" } });
    let messages = (1..=count).flat_map(|n| [other(n), json!({ "text": format!("message {n}") })]);
    let socket = TestSocket::start([Script::new(messages)])
        .await
        .expect("a loopback port is free");
    let stage = stage.with_host("fake.com:8443", format!("http://127.0.0.1:{}", socket.port()));
    (stage.with_hosts(&["fake.com"], answer).await, socket)
}

async fn five_messages(stage: Stage) {
    let (scene, socket) = notified(stage, 7).await;
    let run = scene.run(json!({})).await;
    let expected: Vec<_> = (1..=5)
        .map(|n| json!({ "payload": { "text": format!("message {n}") }, "headers": {} }))
        .collect();
    assert_eq!(run.output, Some(Value::Array(expected)));
    assert_eq!(socket.connections()[0].target, "/notifications");
}

async fn forever(stage: Stage) {
    let (scene, _socket) = notified(stage, 3).await;
    let run = scene.start(json!({})).await;
    scene.recorded(&run, "task_completed", 3).await;
    let events = scene
        .engine
        .call(ListEventsRequest::default())
        .await
        .expect("events are listed");
    for (logged, n) in events.events.iter().zip(1..=3) {
        assert_eq!(
            logged.event.kind,
            "io.serverlessworkflow.samples.asyncapi.message.consumed.v1"
        );
        let data = logged.event.data.as_ref().expect("the event has data");
        assert_eq!(data["message"]["payload"]["text"], format!("message {n}"));
    }
    let cancel = CancelRunRequest {
        id: run.id,
        reason: None,
    };
    let cancelled = scene.engine.call(cancel).await.expect("the run is cancelled");
    assert_eq!(cancelled.status, RunStatus::Cancelled);
}
