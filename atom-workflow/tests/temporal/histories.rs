//! Histories of runs as a server has kept them, which every later version must replay alike: runs that are under way on
//! people's servers do. Never edit or remove one, and never record one anew. A change that breaks one needs a guard: the old
//! way for runs that have gone it (`patched`), or a new version of the machine.
//!
//! `cargo test -p atom-workflow --features temporal --test temporal histories::record -- --ignored` records those that are
//! missing, named by the version of the engine; `schedules::record` does so with those of schedules.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use atom_core::storage::DecisionKind;
use atom_core::{CloudEvent, ErrorCode, RunId, Secret};
use atom_workflow::runtime::Decide;
use atom_workflow::temporal::{KEY_NAME, TemporalLimits, replay};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::Bench;
use crate::world::{KEY, World, deploy, limits, operator};

const CHILD: &str = "
document: { dsl: 1.0.3, namespace: default, name: child, version: 1.0.0 }
do:
  - give: { set: { answer: '${ .question * 2 }' } }
";

/// Every kind of command, in one document after the other.
const RECORDED: &[(&str, &str)] = &[
    (
        "calls",
        r#"
- attempt: { try: [{ go: { call: flaky, with: { failures: 1 } } }], catch: { retry: { delay: { milliseconds: 20 }, limit: { attempt: { count: 3 } } } } }
- both: { fork: { branches: [{ a: { call: echo, with: { n: 1 } } }, { b: { do: [{ rest: { wait: { milliseconds: 20 } } }, { c: { call: echo, with: { n: 2 } } }] } }] } }
- race: { fork: { compete: true, branches: [{ slow: { call: hang } }, { fast: { call: echo, with: { won: fast } } }] } }
"#,
    ),
    (
        "undone",
        r#"
- book: { call: echo, with: { booked: flight }, metadata: { atom: { compensate: [{ undo: { call: echo, with: { undone: flight } } }] } } }
- fail: { call: fail, with: { status: 402 } }
"#,
    ),
    (
        "messages",
        r#"
- ask: { set: { asked: true }, metadata: { atom: { approve: { title: 'Go on?' } } } }
- hear: { listen: { to: { one: { with: { type: go } } } } }
- tell: { emit: { event: { with: { type: com.example.told, data: { n: 1 } } } } }
"#,
    ),
    (
        // What the server finds it by changes.
        "shown",
        "- ask: { set: { asked: true }, metadata: { atom: { approve: { title: 'Go on?' } } } }\n- hear: { listen: { to: { one: { with: { type: go } } } } }",
    ),
    (
        "child",
        "- ask: { run: { workflow: { namespace: default, name: child, version: 1.0.0, input: { question: 21 } } } }",
    ),
    (
        "continued",
        r#"
- count: { call: echo, with: { n: '${ (.n // 0) + 1 }' } }
- more: { switch: [{ again: { when: .n < 6, then: count } }, { done: { then: end } }] }
"#,
    ),
    (
        "cancelled",
        r#"
- book: { call: echo, with: { booked: flight }, metadata: { atom: { compensate: [{ undo: { call: echo, with: { undone: flight } } }] } } }
- slow: { call: hang }
"#,
    ),
];

/// What schedules start, which `schedules::record` records.
const ALARMS: [&str; 2] = ["alarm", "again"];

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/temporal/histories")
}

async fn replayed(history: &[u8]) -> atom_core::Result<()> {
    let bench = Bench::new();
    let key = Secret::new(KEY);
    bench
        .vault
        .set(&operator(), KEY_NAME, &key, Timestamp::now())
        .await
        .unwrap();
    replay(
        bench.vault.as_ref(),
        Arc::clone(&bench.store),
        &operator(),
        history,
    )
    .await
}

/// The recordings, by file name.
fn recordings() -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder()).unwrap();
    let mut recordings: Vec<_> = files
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    recordings.sort();
    recordings
}

/// It takes no server.
#[tokio::test(flavor = "multi_thread")]
async fn runs_of_every_version_are_replayed_alike() {
    let recordings = recordings();
    let runs = RECORDED.iter().map(|(name, _)| *name);
    for name in runs.chain(ALARMS) {
        assert!(
            recordings.iter().any(|(file, _)| file.starts_with(name)),
            "{name} is not recorded"
        );
    }
    for (name, history) in recordings {
        replayed(&history)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error} {:?}", error.report()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_would_go_another_way_is_found() {
    let (_, history) = recordings()
        .into_iter()
        .find(|(name, _)| name.starts_with("calls"))
        .unwrap();
    let mut history: Value = serde_json::from_slice(&history).unwrap();
    let events = history["events"].as_array_mut().unwrap();
    let kind = "/attributes/ActivityTaskScheduledEventAttributes/activity_type/name";
    let mut kinds = events.iter_mut().filter_map(|event| event.pointer_mut(kind));
    let call = kinds.find(|kind| **kind == "atom.call");
    *call.unwrap() = json!("atom.find");
    let diverged = replayed(history.to_string().as_bytes()).await;
    assert_eq!(diverged.unwrap_err().code(), ErrorCode::VersionMismatch);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes files"]
async fn record() {
    let limits = TemporalLimits {
        continue_after: 15,
        ..limits()
    };
    let mut world = World::with("recorded", limits).await.expect("it takes a server");
    deploy(&world.bench, &world.ada, &[CHILD]).await;
    for (name, tasks) in RECORDED {
        let file = folder().join(format!("{name}-{}.json", env!("CARGO_PKG_VERSION")));
        if file.exists() {
            continue;
        }
        let run = world.start(tasks, json!({})).await;
        take_part(&world, name, run).await;
        world.wait(run).await;
        let history = world.runtime.history(&world.scope(), run).await.unwrap();
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(file, history).unwrap();
    }
    world.stop().await;
}

/// What others do in a recording.
async fn take_part(world: &World, name: &str, run: RunId) {
    let owner = world.scope();
    match name {
        "messages" | "shown" => {
            let view = world.until(run, |view| !view.approvals.is_empty()).await;
            let decide = Decide {
                approval: view.approvals[0].id,
                decision: DecisionKind::Approve,
                comment: None,
                form: None,
                input: None,
            };
            world.runtime.pause_run(&owner, run, None).await.unwrap();
            world
                .runtime
                .decide(&world.ada, &owner, run, decide)
                .await
                .unwrap();
            world.runtime.resume_run(&owner, run).await.unwrap();
            world.until_event(run, "atom.hear").await;
            let go = CloudEvent::new("1", "https://example.com", "go");
            world.bench.store.append(&owner, &go).await.unwrap();
        }
        "cancelled" => {
            world.until_event(run, "call-").await;
            let slow = world.bench.calls.count("hang") + 1;
            world.until_calls("hang", slow).await;
            world
                .runtime
                .cancel(&owner, run, Some("no time".to_owned()))
                .await
                .unwrap();
        }
        _ => {}
    }
}
