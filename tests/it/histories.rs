//! Histories of runs that earlier versions of the engine have made: this one must do the same.
//!
//! `cargo test -p atom-engine --test it histories::record -- --ignored` adds those that are missing, as this version makes
//! them. A file that is there is never written again: when this version does something else, runs that are under way in the
//! data folders of users would be lost.

use std::path::PathBuf;

use atom_engine::api::{
    ExportRunRequest, GetRunRequest, PauseRunRequest, ResumeRunRequest, SignalRunRequest, StartRunRequest,
};
use atom_engine::{Engine, EngineConfig};
use atom_workflow::runtime::Recording;
use serde_json::json;

/// What is recorded: a name, the tasks, and whether the run is paused before it is told to go on.
const RECORDED: [(&str, &str, bool); 4] = [
    (
        "flow",
        r#"
do:
  - render: { call: template.render, with: { template: 'Hello {{ name }}', data: { name: '${ .name }' } } }
  - loop:
      for: { each: n, in: '${ [1, 2, 3] }' }
      do: [{ step: { wait: { milliseconds: 1 } } }]
  - choose:
      switch: [{ yes: { when: 'true', then: both } }, { no: { then: end } }]
  - skipped: { set: { n: 1 } }
  - both:
      fork:
        branches:
          - left: { do: [{ rest: { wait: { milliseconds: 2 } } }, { tell: { emit: { event: { with: { type: com.example.told } } } } }] }
          - right: { call: template.render, with: { template: right, data: {} } }
  - attempt:
      try: [{ broken: { raise: { error: { type: 'https://example.com/broken', status: 500 } } } }]
      catch:
        retry: { delay: { milliseconds: 1 }, backoff: { exponential: {} }, jitter: { from: { milliseconds: 1 }, to: { milliseconds: 5 } }, limit: { attempt: { count: 2 } } }
        do: [{ note: { set: { caught: '${ $error.status }' }, export: { as: '{ caught: .caught }' } } }]
  - last: { set: { context: '${ $context }', name: '${ $workflow.input.name }' } }
"#,
        false,
    ),
    (
        "undone",
        r#"
timeout: { after: PT1H }
do:
  - one:
      call: template.render
      with: { template: one, data: {} }
      metadata: { atom: { compensate: [{ undo: { call: template.render, with: { template: undone, data: {} } } }, { rest: { wait: { milliseconds: 1 } } }] } }
  - two:
      do: [{ inner: { wait: { milliseconds: 1 } } }]
      metadata: { atom: { compensate: [{ tell: { emit: { event: { with: { type: com.example.undone } } } } }] } }
  - three: { raise: { error: { type: 'https://example.com/declined', status: 402 } } }
"#,
        false,
    ),
    (
        "heard",
        r#"
do:
  - hear:
      listen: { to: { one: { with: { type: com.example.go } } } }
      foreach: { do: [{ shape: { set: { n: '${ .n }' } } }] }
  - after: { wait: { milliseconds: 1 } }
"#,
        false,
    ),
    (
        "paused",
        r#"
do:
  - hear: { listen: { to: { any: [{ with: { type: com.example.go } }] } }, timeout: { after: PT1H } }
  - after: { call: template.render, with: { template: after, data: {} } }
"#,
        true,
    ),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/histories")
}

#[test]
fn every_recorded_history_is_replayed_alike() {
    let mut count = 0;
    for file in std::fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        let recording: Recording = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let replayed = recording.replay().unwrap();
        assert_eq!(replayed.divergence, None, "{}", path.display());
        count += 1;
    }
    assert!(count >= RECORDED.len(), "some histories are gone");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes tests/histories/"]
async fn record() {
    let engine = Engine::open(EngineConfig::in_memory()).await.unwrap();
    std::fs::create_dir_all(folder()).unwrap();
    for (name, tasks, is_paused) in RECORDED {
        let path = folder().join(format!("{name}-{}.json", env!("CARGO_PKG_VERSION")));
        if path.exists() {
            continue;
        }
        let head = format!("document: {{ dsl: 1.0.3, namespace: histories, name: {name}, version: 1.0.0 }}");
        let start = StartRunRequest::document(format!("{head}{tasks}")).with_input(json!({ "name": "Ada" }));
        let run = engine.call(start).await.unwrap();
        if is_paused {
            engine
                .call(PauseRunRequest {
                    id: run.id,
                    reason: Some("maintenance".to_owned()),
                })
                .await
                .unwrap();
        }
        if tasks.contains("com.example.go") {
            let signal = SignalRunRequest {
                id: run.id,
                kind: "com.example.go".to_owned(),
                data: Some(json!({ "n": 1 })),
                source: None,
                event_id: Some("1".to_owned()),
            };
            engine.call(signal).await.unwrap();
        }
        if is_paused {
            engine.call(ResumeRunRequest { id: run.id }).await.unwrap();
        }
        engine.call(GetRunRequest::ended(run.id)).await.unwrap();
        let recording = engine.call(ExportRunRequest { id: run.id }).await.unwrap();
        let text = serde_json::to_string_pretty(&recording).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    }
    engine.close().await.unwrap();
}
