//! Runs that are taken out and replayed.

use atom_core::storage::RunStatus;
use atom_core::{CloudEvent, ErrorCode, Secret};
use atom_workflow::runtime::Recording;
use serde_json::json;

use crate::support::Bench;

const WORKFLOW: &str = r#"
use: { secrets: [token] }
do:
  - one: { call: echo, with: { header: '${ "Bearer " + $secrets.token }' } }
  - two: { emit: { event: { with: { type: com.example.two, data: '${ . }' } } } }
  - three:
      fork: { branches: [{ left: { call: echo, with: { n: 5 } } }, { right: { wait: PT2S } }] }
  - four: { listen: { to: { one: { with: { type: com.example.go } } } } }
  - five: { set: { heard: '${ . }', token: '${ $secrets.token }' } }
"#;

async fn recorded(bench: &Bench) -> Recording {
    let secret = Secret::new("tok-secret");
    let now = bench.clock_now();
    bench
        .vault
        .set(&bench.scope(), "token", &secret, now)
        .await
        .unwrap();
    let run = bench.start(WORKFLOW, json!({ "n": 1 })).await;
    bench.pass(2).await;
    let mut event = CloudEvent::new("1", "/tests", "com.example.go");
    event.data = Some(json!("tok-secret"));
    bench.runtime.signal(&bench.scope(), run.id, event).await.unwrap();
    assert_eq!(bench.wait(&run).await.status, RunStatus::Completed);
    bench.runtime.record_run(&bench.scope(), run.id).await.unwrap()
}

#[tokio::test]
async fn a_recording_is_replayed_to_the_same_end_on_another_machine() {
    let bench = Bench::new();
    let recording = recorded(&bench).await;
    let text = serde_json::to_string(&recording).unwrap();
    let read: Recording = serde_json::from_str(&text).unwrap();
    assert_eq!(read, recording);
    let replayed = read.replay().unwrap();
    assert_eq!(
        (replayed.divergence, replayed.entries),
        (None, recording.entries.len())
    );
    // A run that is under way is replayed as far as it has come.
    let running = bench
        .start("- a: { call: echo }\n- b: { wait: PT1H }\n", json!({}))
        .await;
    while bench
        .store
        .journal(&bench.scope(), running.id, 0, 9)
        .await
        .unwrap()
        .len()
        < 2
    {
        tokio::task::yield_now().await;
    }
    let running = bench
        .runtime
        .record_run(&bench.scope(), running.id)
        .await
        .unwrap();
    assert_eq!(
        (running.status, running.replay().unwrap().divergence),
        (RunStatus::Running, None)
    );
}

#[tokio::test]
async fn a_recording_holds_no_secret() {
    let bench = Bench::new();
    let recording = recorded(&bench).await;
    assert!(!serde_json::to_string(&recording).unwrap().contains("tok-secret"));
    assert_eq!(
        recording.output.unwrap(),
        json!({ "heard": ["***"], "token": "***" })
    );
}

#[tokio::test]
async fn the_first_difference_is_named() {
    let bench = Bench::new();
    let recording = recorded(&bench).await;
    let change = |change: fn(&mut Recording)| {
        let mut changed = recording.clone();
        change(&mut changed);
        changed.replay().unwrap().divergence.unwrap()
    };
    let found =
        change(|recording| recording.entries[0].effects[0] = "begin 3: call other at /do/0/one".to_owned());
    assert_eq!(
        (found.entry, found.expected.as_str()),
        (0, "begin 3: call other at /do/0/one")
    );
    assert!(found.found.ends_with("call echo at /do/0/one"), "{found:?}");
    let found = change(|recording| drop(recording.entries[1].effects.pop()));
    assert_eq!((found.entry, found.expected.as_str()), (1, "nothing more"));
    let found = change(|recording| recording.entries.swap(1, 2));
    assert_eq!(
        (found.entry, found.found.as_str()),
        (1, "an event that nothing waits for")
    );
    let found = change(|recording| recording.output = Some(json!(0)));
    assert_eq!(
        (found.entry, found.expected.as_str()),
        (recording.entries.len(), "completed 0")
    );
}

#[tokio::test]
async fn what_cannot_be_replayed_is_refused() {
    let bench = Bench::new();
    let recording = recorded(&bench).await;
    let refused = |change: fn(&mut Recording)| {
        let mut changed = recording.clone();
        change(&mut changed);
        changed.replay().unwrap_err().code()
    };
    assert_eq!(
        refused(|recording| recording.format = 99),
        ErrorCode::VersionMismatch
    );
    assert_eq!(
        refused(|recording| recording.document.push_str("  - six: { set: { n: 1 } }\n")),
        ErrorCode::InvalidData
    );
    assert_eq!(
        refused(|recording| recording.document = "do: [".to_owned()),
        ErrorCode::InvalidWorkflow
    );
    assert_eq!(
        refused(|recording| recording.entries[0].event["machine"] = json!(99)),
        ErrorCode::VersionMismatch
    );
    assert_eq!(
        refused(|recording| recording.entries[1].event = json!({ "type": "unheard" })),
        ErrorCode::InvalidData
    );
    let bob = atom_core::Principal::new("acme", "bob").unwrap().scope();
    let foreign = bench.runtime.record_run(&bob, recording.id).await.unwrap_err();
    assert_eq!(foreign.code(), ErrorCode::NotFound);
}
