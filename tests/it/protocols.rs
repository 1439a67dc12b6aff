//! Calls of gRPC and AsyncAPI from documents, against services on this machine.

#![cfg(all(feature = "asyncapi", feature = "grpc"))]

use atom_engine::api::{
    DeployWorkflowRequest, FollowRunRequest, GetRunRequest, StartRunRequest, ValidateWorkflowRequest,
};
use atom_engine::{Engine, EngineConfig, FileRoots, PrivateAddresses};
use atom_integrations::asyncapi::testing::{Script, TestSocket};
use atom_integrations::grpc::testing::{TestReply, TestService};
use futures::StreamExt;
use serde_json::json;
use tempfile::TempDir;

const GREETER: &str = r#"
    syntax = "proto3";
    package GreeterApi;
    service Greeter { rpc SayHello(HelloRequest) returns (HelloReply); }
    message HelloRequest { string name = 1; }
    message HelloReply { string message = 1; }
"#;

/// An engine that finds the `.proto` file in a folder, and the service at the address that the example names.
async fn greeting(service: &TestService) -> (Engine, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("app")).unwrap();
    std::fs::write(folder.path().join("app/greet.proto"), GREETER).unwrap();
    let mut config = EngineConfig::in_memory();
    config.file_roots = FileRoots::Below(vec![folder.path().to_owned()]);
    let base = format!("http://127.0.0.1:{}", service.port());
    config.http.hosts = [("localhost:5011".to_owned(), base)].into();
    (Engine::open(config).await.unwrap(), folder)
}

#[tokio::test]
async fn a_grpc_error_is_caught_by_its_status() {
    let service = TestService::start(GREETER, |call| match call.metadata.get("authorization") {
        Some(token) if token == "Bearer t0ken" => TestReply::status(5, "nobody of that name"),
        _ => TestReply::status(16, ""),
    })
    .await
    .unwrap();
    let (engine, folder) = greeting(&service).await;
    let document = r#"
document: { dsl: 1.0.3, namespace: default, name: greet, version: 0.1.0 }
use: { authentications: { greeter: { bearer: { token: t0ken } } } }
do:
  - refused:
      try:
        - greet: { call: grpc, with: { proto: { endpoint: app/greet.proto }, service: { name: GreeterApi.Greeter, host: localhost, port: 5011 }, method: SayHello } }
      catch: { errors: { with: { status: 401 } }, do: [{ note: { set: { refused: '${ $error.type }' } } }] }
  - greet:
      try:
        - greet: { call: grpc, with: { proto: { endpoint: app/greet.proto }, service: { name: GreeterApi.Greeter, host: localhost, port: 5011, authentication: { use: greeter } }, method: SayHello, arguments: { name: Ada } } }
      catch: { errors: { with: { status: 404 } }, do: [{ note: { set: { refused: '${ .refused }', missing: '${ $error.detail }' } } }] }
"#;
    let start = StartRunRequest {
        directory: Some(folder.path().to_owned()),
        wait: true,
        ..StartRunRequest::document(document)
    };
    let output = engine.call(start).await.unwrap().output.unwrap();
    assert!(
        output["refused"].as_str().unwrap().ends_with("/authentication"),
        "{output}"
    );
    assert!(
        output["missing"]
            .as_str()
            .unwrap()
            .contains("nobody of that name"),
        "{output}"
    );
    engine.close().await.unwrap();
}

#[tokio::test]
async fn a_subscription_goes_on_in_the_next_process_with_what_was_consumed() {
    let say = |text: &str| json!({ "text": text });
    let scripts = [Script::new([say("one"), say("two")]), Script::new([say("three")])];
    let socket = TestSocket::start(scripts).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let description = json!({
        "asyncapi": "3.0.0",
        "servers": { "live": { "host": format!("127.0.0.1:{}", socket.port()), "protocol": "ws" } },
        "channels": { "notes": { "address": "/notes" } },
        "operations": { "hear": { "action": "send", "channel": { "$ref": "#/channels/notes" } } },
    });
    std::fs::write(folder.path().join("asyncapi.json"), description.to_string()).unwrap();
    let document = "
document: { dsl: 1.0.3, namespace: default, name: notified, version: 0.1.0 }
do:
  - hear:
      call: asyncapi
      with:
        document: { endpoint: asyncapi.json }
        operation: hear
        subscription: { consume: { amount: 3 } }
      output: { as: '${ map(.payload.text) }' }
";
    let mut config = EngineConfig::in_folder(folder.path().join("data"));
    config.file_roots = FileRoots::Below(vec![folder.path().to_owned()]);
    config.http.private_addresses = PrivateAddresses::Allow;
    let engine = Engine::open(config.clone()).await.unwrap();
    let start = StartRunRequest {
        directory: Some(folder.path().to_owned()),
        ..StartRunRequest::document(document)
    };
    let run = engine.call(start).await.unwrap();
    let consumed = engine
        .subscribe(FollowRunRequest { id: run.id, after: 0 })
        .filter(|record| {
            let record = serde_json::to_value(record.as_ref().unwrap()).unwrap();
            std::future::ready(record["type"] == "task_consumed")
        });
    assert_eq!(consumed.take(2).count().await, 2);
    engine.close().await.unwrap();
    let engine = Engine::open(config).await.unwrap();
    let ended = engine.call(GetRunRequest::ended(run.id)).await.unwrap();
    assert_eq!(ended.output, Some(json!(["one", "two", "three"])));
    assert_eq!(socket.connections().len(), 2);
    engine.close().await.unwrap();
}

#[tokio::test]
async fn a_protocol_that_is_not_carried_out_is_told_before_anything_runs() {
    let document = "
document: { dsl: 1.0.3, namespace: default, name: queued, version: 0.1.0 }
do:
  - say: { call: asyncapi, with: { document: { endpoint: https://fake.com/a.json }, operation: say, protocol: kafka, message: { payload: {} } } }
";
    let engine = Engine::open(EngineConfig::in_memory()).await.unwrap();
    let checked = engine
        .call(ValidateWorkflowRequest::new(document.to_owned()))
        .await
        .unwrap();
    assert_eq!(checked.unsupported[0].feature, "call: asyncapi over kafka");
    let error = engine
        .call(DeployWorkflowRequest::new(document))
        .await
        .unwrap_err();
    assert_eq!(error.code(), atom_engine::ErrorCode::Unsupported);
    engine.close().await.unwrap();
}
