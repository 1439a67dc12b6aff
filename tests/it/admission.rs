//! Runs that wait for their turn, in an engine that is closed and opened again.

use atom_core::storage::RunStatus;
use atom_engine::api::{
    CancelRunRequest, GetRunRequest, ListRunWaitsRequest, ListRunsRequest, PauseRunRequest, ResumeRunRequest,
    Run, SignalRunRequest, StartRunRequest,
};
use atom_engine::{Engine, EngineConfig, RunId};
use serde_json::json;

const LIMITED: &str = r"
document:
  dsl: 1.0.3
  namespace: default
  name: limited
  version: 0.1.0
  metadata: { atom: { concurrency: { limit: 1 }, priority: .priority } }
do:
  - hear: { listen: { to: { one: { with: { type: com.example.go } } } } }
";

async fn start(engine: &Engine, priority: i32) -> Run {
    let start = StartRunRequest::document(LIMITED).with_input(json!({ "priority": priority }));
    engine.call(start).await.unwrap()
}

async fn signal(engine: &Engine, id: RunId) {
    let signal = SignalRunRequest {
        id,
        kind: "com.example.go".to_owned(),
        data: None,
        source: None,
        event_id: None,
    };
    engine.call(signal).await.unwrap();
}

async fn in_state(engine: &Engine, status: RunStatus) -> Vec<RunId> {
    let list = ListRunsRequest {
        status: Some(status),
        ..ListRunsRequest::default()
    };
    let runs = engine.call(list).await.unwrap().items;
    runs.into_iter().map(|run| run.id).collect()
}

#[tokio::test]
async fn a_queue_outlives_its_engine() {
    let folder = tempfile::tempdir().unwrap();
    let open = async || {
        Engine::open(EngineConfig::in_folder(folder.path()))
            .await
            .unwrap()
    };
    let engine = open().await;
    let mut runs = Vec::new();
    for priority in [0, 1, 2, 3] {
        runs.push(start(&engine, priority).await);
    }
    let [first, low, paused, high] = [0, 1, 2, 3].map(|index| runs[index].id);
    let statuses: Vec<_> = runs.iter().map(|run| run.status).collect();
    let queued = RunStatus::Queued;
    assert_eq!(statuses, [RunStatus::Running, queued, queued, queued]);
    let pause = PauseRunRequest {
        id: paused,
        reason: None,
    };
    assert_eq!(engine.call(pause).await.unwrap().status, RunStatus::Paused);
    engine.close().await.unwrap();

    let engine = open().await;
    assert_eq!(in_state(&engine, RunStatus::Running).await, [first]);
    assert_eq!(in_state(&engine, queued).await, [high, low]);
    let waits = engine.call(ListRunWaitsRequest { id: low }).await.unwrap();
    assert_eq!(serde_json::to_value(&waits.items[0]).unwrap()["type"], "turn");
    // The end of the one under way lets the most important begin.
    signal(&engine, first).await;
    signal(&engine, high).await;
    let ended = engine.call(GetRunRequest::ended(high)).await.unwrap();
    assert_eq!(ended.status, RunStatus::Completed);
    signal(&engine, low).await;
    engine.call(GetRunRequest::ended(low)).await.unwrap();
    assert_eq!(in_state(&engine, RunStatus::Running).await, []);
    engine.close().await.unwrap();

    let engine = open().await;
    engine.call(ResumeRunRequest { id: paused }).await.unwrap();
    signal(&engine, paused).await;
    let ended = engine.call(GetRunRequest::ended(paused)).await.unwrap();
    assert_eq!(ended.status, RunStatus::Completed);
    let next = start(&engine, 0).await;
    assert_eq!(next.status, RunStatus::Running);
    let cancel = CancelRunRequest {
        id: next.id,
        reason: None,
    };
    engine.call(cancel).await.unwrap();
    engine.close().await.unwrap();
}
