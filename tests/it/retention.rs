//! Large data that goes through a run, and runs that are removed, over a whole engine.

use std::sync::Arc;
use std::time::Duration;

use atom_core::function::TypedFunction;
use atom_core::testkit::ManualClock;
use atom_engine::api::{GetRunHistoryRequest, GetRunRequest, StartRunRequest};
use atom_engine::{Engine, EngineConfig, ErrorCode, RetentionConfig};
use serde_json::{Value, json};

const PASS_ON: &str = "
document: { dsl: 1.0.3, namespace: tests, name: pass-on, version: 1.0.0 }
do:
  - all:
      for: { in: '${ [range(20)] }' }
      do:
        - pass: { call: pass, with: { file: '${ .file }', name: '${ .name }' } }
";

async fn open(config: EngineConfig, clock: &Arc<ManualClock>) -> Engine {
    let pass = TypedFunction::new(
        "pass",
        "Gives back its arguments.",
        |given: Value, _| async move { Ok(given) },
    );
    let builder = Engine::builder(config).with_clock(Arc::clone(clock) as _);
    builder.with_function(Arc::new(pass)).open().await.unwrap()
}

#[tokio::test]
async fn what_goes_from_step_to_step_takes_its_space_once_until_its_run_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let config = EngineConfig {
        retention: RetentionConfig {
            completed: Some("PT1H".to_owned()),
            ..RetentionConfig::default()
        },
        ..EngineConfig::in_folder(folder.path())
    };
    let engine = open(config.clone(), &clock).await;
    let input = json!({ "file": "0123456789abcdef".repeat(1024 * 1024 / 16), "name": "a" });
    let start = StartRunRequest::document(PASS_ON)
        .with_input(input.clone())
        .and_wait();
    let run = engine.call(start).await.unwrap();
    assert_eq!(run.output.as_ref(), Some(&input));
    engine.close().await.unwrap();
    let size = std::fs::metadata(folder.path().join("atom.db")).unwrap().len();
    assert!(
        size < 2 * 1024 * 1024,
        "{size} bytes for 1 MiB that 20 steps have passed on"
    );

    // Another process reads the run, and removes it once it has expired.
    let engine = open(config, &clock).await;
    let read = engine.call(GetRunRequest::ended(run.id)).await.unwrap();
    assert!(read == run);
    let history = engine.call(GetRunHistoryRequest::new(run.id)).await.unwrap();
    assert!(!history.records.is_empty());
    clock.parked(1).await;
    clock.advance(Duration::from_secs(60 * 60));
    let gone = loop {
        match engine.call(GetRunRequest::new(run.id)).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(gone.code(), ErrorCode::NotFound);
    engine.close().await.unwrap();
}
