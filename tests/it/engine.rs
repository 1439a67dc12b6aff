//! The life of an engine: opening, closing, permissions, and functions that misbehave.

use std::sync::Arc;
use std::time::Duration;

use atom_core::function::TypedFunction;
use atom_core::testkit::ManualClock;
use atom_engine::api::{
    CallFunctionRequest, DeployWorkflowRequest, FollowRunRequest, GetEngineHealthRequest, GetRunRequest,
    ListRunsRequest, Permission, SetSecretRequest, SignalRunRequest, StartRunRequest, SubscribeEventsRequest,
};
use atom_engine::{Engine, EngineConfig, ErrorCode, FileRoots, Function, FunctionContext, Principal, Secret};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{HELLO, LISTEN, SLEEP};

async fn in_memory() -> Engine {
    Engine::open(EngineConfig::in_memory()).await.unwrap()
}

/// A function that says that it has begun, and ends when it is told to.
fn gate(begun: &Arc<Notify>, end: &Arc<Notify>) -> Arc<dyn Function> {
    let (begun, end) = (Arc::clone(begun), Arc::clone(end));
    Arc::new(TypedFunction::new(
        "gate",
        "Waits.",
        move |_: Value, _: FunctionContext| {
            let (begun, end) = (Arc::clone(&begun), Arc::clone(&end));
            async move {
                begun.notify_one();
                end.notified().await;
                Ok(())
            }
        },
    ))
}

#[tokio::test]
async fn a_rust_program_calls_operations_with_types() {
    let engine = in_memory().await;
    engine.call(DeployWorkflowRequest::new(HELLO)).await.unwrap();
    let start = StartRunRequest::deployed("default", "hello")
        .with_input(json!({ "name": "Ada" }))
        .and_wait();
    let run = engine.call(start).await.unwrap();
    assert_eq!(run.output, Some(json!({ "greeting": "Hello Ada" })));
    let records: Vec<_> = engine
        .subscribe(FollowRunRequest { id: run.id, after: 0 })
        .collect()
        .await;
    assert_eq!(records.len(), 4);
    let bob = Principal::new("default", "bob").unwrap();
    assert!(
        engine
            .call_as(&bob, ListRunsRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let error = engine
        .call_as(&bob, GetRunRequest::new(run.id))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.operation()),
        (ErrorCode::NotFound, Some("runs.get"))
    );
    engine.close().await.unwrap();
}

#[tokio::test]
async fn a_run_goes_on_when_its_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = EngineConfig::in_folder(folder.path());
    let engine = Engine::open(config.clone()).await.unwrap();
    let run = engine.call(StartRunRequest::document(LISTEN)).await.unwrap();
    engine
        .call(SetSecretRequest {
            name: "key".to_owned(),
            value: Secret::new("sk-123"),
        })
        .await
        .unwrap();
    let locked = Engine::open(config.clone()).await.unwrap_err();
    assert_eq!(locked.code(), ErrorCode::Locked);
    engine.close().await.unwrap();

    let engine = Engine::open(config).await.unwrap();
    let signal = json!({ "id": run.id, "type": "com.example.go", "data": 1 });
    engine
        .call(serde_json::from_value::<SignalRunRequest>(signal).unwrap())
        .await
        .unwrap();
    let run = engine.call(GetRunRequest::ended(run.id)).await.unwrap();
    assert_eq!(run.output, Some(json!([1])));
    let secrets = engine
        .call_json(engine.principal(), "secrets.list", json!({}))
        .await
        .unwrap();
    assert_eq!(secrets["secrets"][0]["name"], "key");
    engine.close().await.unwrap();
}

#[tokio::test]
async fn a_closed_engine_says_so() {
    let engine = in_memory().await;
    let run = engine.call(StartRunRequest::document(SLEEP)).await.unwrap();
    let waiting = tokio::spawn({
        let engine = engine.clone();
        async move { engine.call(GetRunRequest::ended(run.id)).await }
    });
    let mut records = engine.subscribe(FollowRunRequest { id: run.id, after: 0 });
    records.next().await.unwrap().unwrap();
    let events = engine.subscribe(SubscribeEventsRequest::default());
    let (first, second) = tokio::join!(engine.close(), engine.close());
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), ErrorCode::Closed);
    for last in [
        events.map(|item| item.map(|_| ())).boxed(),
        records.map(|item| item.map(|_| ())).boxed(),
    ] {
        let items: Vec<_> = last.collect().await;
        assert_eq!(
            items.last().unwrap().as_ref().unwrap_err().code(),
            ErrorCode::Closed
        );
    }
    assert_eq!(
        engine.call(ListRunsRequest::default()).await.unwrap_err().code(),
        ErrorCode::Closed
    );
    let error = engine
        .subscribe(SubscribeEventsRequest::default())
        .next()
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Closed);
}

#[tokio::test]
async fn closing_gives_calls_the_time_it_was_told_to() {
    for (grace, expected) in [
        (Duration::from_secs(60), None),
        (Duration::ZERO, Some(ErrorCode::Closed)),
    ] {
        let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let builder = Engine::builder(EngineConfig::in_memory());
        let engine = builder.with_function(gate(&begun, &end)).open().await.unwrap();
        let call = tokio::spawn({
            let engine = engine.clone();
            async move { engine.call(CallFunctionRequest::new("gate", json!({}))).await }
        });
        begun.notified().await;
        let closing = tokio::spawn({
            let engine = engine.clone();
            async move { engine.close_within(grace).await }
        });
        if expected.is_none() {
            end.notify_one();
        }
        assert_eq!(call.await.unwrap().err().map(|error| error.code()), expected);
        closing.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_panic_stays_where_it_is() {
    let panics = TypedFunction::new("panics", "Panics.", |_: Value, _| async move {
        if true {
            panic!("on purpose");
        }
        Ok(())
    });
    let builder = Engine::builder(EngineConfig::in_memory());
    let engine = builder.with_function(Arc::new(panics)).open().await.unwrap();
    let error = engine
        .call(CallFunctionRequest::new("panics", json!({})))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Internal);
    let document = "
document: { dsl: 1.0.3, namespace: default, name: panics, version: 0.1.0 }
do:
  - panics: { call: panics }
";
    let run = engine
        .call(StartRunRequest::document(document).and_wait())
        .await
        .unwrap();
    assert_eq!(serde_json::to_value(&run).unwrap()["status"], "faulted");
    let start = StartRunRequest::document(HELLO)
        .with_input(json!({ "name": "Ada" }))
        .and_wait();
    assert!(engine.call(start).await.unwrap().output.is_some());
    engine.close().await.unwrap();
}

#[tokio::test]
async fn deadlines_follow_the_engines_clock() {
    let clock = Arc::new(ManualClock::default());
    let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let builder = Engine::builder(EngineConfig::in_memory()).with_clock(Arc::clone(&clock) as _);
    let engine = builder.with_function(gate(&begun, &end)).open().await.unwrap();
    let mut request = CallFunctionRequest::new("gate", json!({}));
    request.timeout_ms = Some(1_000);
    let call = tokio::spawn({
        let engine = engine.clone();
        async move { engine.call(request).await }
    });
    clock.parked(1).await;
    clock.advance(Duration::from_secs(1));
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    assert_eq!(error.context()["function"], "gate");
    engine.close().await.unwrap();
}

#[tokio::test]
async fn roles_decide_what_a_principal_may_do() {
    let mut config = EngineConfig::in_memory();
    config
        .permissions
        .insert("operator".to_owned(), vec![Permission::RunsWrite]);
    let engine = Engine::open(config).await.unwrap();
    let principal = |role: &str| {
        let mut principal = Principal::new("acme", "ada").unwrap();
        principal.roles = vec![role.to_owned()];
        principal
    };
    for operation in Engine::operations() {
        for (role, may) in [
            ("viewer", operation.is_read_only),
            ("admin", true),
            ("operator", operation.permission == Permission::RunsWrite),
            ("stranger", false),
        ] {
            let principal = principal(role);
            // A request that does not fit is noticed only after the permission.
            let request = json!({ "no such field": 1 });
            let error = match engine
                .call_json(&principal, &operation.name, request.clone())
                .await
            {
                Err(error) if error.message().contains("stream") => {
                    let mut items = engine.subscribe_json(&principal, &operation.name, request);
                    items.next().await.unwrap().unwrap_err()
                }
                result => result.unwrap_err(),
            };
            let expected = if may {
                ErrorCode::InvalidRequest
            } else {
                ErrorCode::PermissionDenied
            };
            assert_eq!(error.code(), expected, "{role} {}: {error}", operation.name);
        }
    }
    let nobody = Principal {
        tenant: String::new(),
        user: "ada".to_owned(),
        roles: Vec::new(),
    };
    let error = engine
        .call_as(&nobody, ListRunsRequest::default())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    engine.close().await.unwrap();
}

#[tokio::test]
async fn only_who_may_write_workflows_may_run_a_document() {
    let mut config = EngineConfig::in_memory();
    let roles = [
        ("operator", vec![Permission::RunsWrite]),
        ("author", vec![Permission::RunsWrite, Permission::WorkflowsWrite]),
    ];
    config.permissions = roles
        .map(|(role, permissions)| (role.to_owned(), permissions))
        .into();
    let engine = Engine::open(config).await.unwrap();
    let call = async |role: &str, operation: &str, request: Value| {
        let mut principal = Principal::new("acme", "ada").unwrap();
        principal.roles = vec![role.to_owned()];
        engine.call_json(&principal, operation, request).await
    };
    let input = json!({ "name": "Ada" });
    let document = json!({ "document": HELLO, "input": input });
    let refused = call("operator", "runs.start", document.clone())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::PermissionDenied);
    assert_eq!(refused.context()["permission"], "workflows.write");
    call("author", "runs.start", document).await.unwrap();

    call("author", "workflows.deploy", json!({ "document": HELLO }))
        .await
        .unwrap();
    let workflow = json!({ "namespace": "default", "name": "hello" });
    let start = json!({ "workflow": workflow, "input": input, "wait": true });
    let run = call("operator", "runs.start", start).await.unwrap();
    assert_eq!(run["status"], "completed");
    engine.close().await.unwrap();
}

#[tokio::test]
async fn a_start_that_does_not_fit_leaves_the_run_that_has_its_id_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = EngineConfig {
        resume: false,
        ..EngineConfig::in_folder(folder.path())
    };
    let engine = Engine::open(config.clone()).await.unwrap();
    let run = engine.call(StartRunRequest::document(SLEEP)).await.unwrap();
    engine.close().await.unwrap();

    let engine = Engine::open(config).await.unwrap();
    for start in [
        StartRunRequest::document(SLEEP).with_input(json!(1)),
        StartRunRequest::document(LISTEN),
    ] {
        let error = engine.call(start.with_id(run.id)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::AlreadyExists);
    }
    let running = async || engine.call(GetEngineHealthRequest {}).await.unwrap().runs.running;
    assert_eq!(running().await, 0);
    let again = engine
        .call(StartRunRequest::document(SLEEP).with_id(run.id))
        .await
        .unwrap();
    assert_eq!((again.id, running().await), (run.id, 1));
    engine.close().await.unwrap();
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let config = EngineConfig::in_memory();
    let missing = FileRoots::Below(vec![folder.path().join("missing")]);
    for config in [
        EngineConfig {
            file_roots: missing,
            ..config.clone()
        },
        EngineConfig {
            tenant: String::new(),
            ..config.clone()
        },
        EngineConfig {
            permissions: [("admin".to_owned(), vec![])].into(),
            ..config.clone()
        },
        EngineConfig {
            data_dir: Some("".into()),
            ..EngineConfig::default()
        },
    ] {
        let error = Engine::open(config.clone()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{config:?}");
    }
    assert!(Engine::open(EngineConfig::in_folder(&file)).await.is_err());
    let double = || {
        Arc::new(TypedFunction::new(
            "double",
            "",
            |n: i64, _| async move { Ok(n * 2) },
        ))
    };
    let twice = Engine::builder(config)
        .with_function(double())
        .with_function(double());
    assert_eq!(twice.open().await.unwrap_err().code(), ErrorCode::AlreadyExists);
}

#[tokio::test]
async fn local_connectors_touch_only_the_given_folders() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("note.md"), "# Note").unwrap();
    let arguments = json!({ "path": "." });
    let request =
        json!({ "name": "folder.documents.list", "arguments": arguments, "directory": folder.path() });
    let list = async |engine: Engine| {
        engine
            .call_json(engine.principal(), "functions.call", request.clone())
            .await
    };
    let denied = list(in_memory().await).await.unwrap_err();
    assert_eq!(denied.code(), ErrorCode::PermissionDenied);
    let file_roots = FileRoots::Below(vec![folder.path().to_owned()]);
    let engine = Engine::open(EngineConfig {
        file_roots,
        ..EngineConfig::in_memory()
    })
    .await
    .unwrap();
    let found = list(engine).await.unwrap();
    assert!(found.to_string().contains("note.md"), "{found}");
}

#[cfg(not(feature = "temporal"))]
#[tokio::test]
async fn a_build_without_temporal_says_what_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let config = EngineConfig {
        runs: "temporal://localhost".parse().unwrap(),
        ..EngineConfig::in_folder(folder.path().join("data"))
    };
    let error = Engine::open(config).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(error.message().contains("feature `temporal`"), "{error}");
    assert!(
        !folder.path().join("data/atom.db").exists(),
        "nothing is written before"
    );
}
