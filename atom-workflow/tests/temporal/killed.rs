//! A worker that is killed at any point of a run leaves nothing undone and nothing done twice.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use atom_core::function::TypedFunction;
use atom_core::storage::{DecisionKind, RunStatus};
use atom_core::{CloudEvent, Error, ErrorCode, FunctionRegistry, Principal, RunId};
use atom_workflow::machine::WaitKind;
use atom_workflow::runtime::Decide;
use atom_workflow::temporal::{TemporalLimits, TemporalRuntime, TemporalWorker};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use crate::process::Process;
use crate::support::{Bench, document};
use crate::world::{World, config, deploy, parts, soon};

/// Where a worker in a process of its own finds the server, whose runs it takes, where it notes what it does, and in front
/// of which note it stays.
const TARGET: &str = "ATOM_TEST_KILLED_TARGET";
const OWNER: &str = "ATOM_TEST_KILLED_OWNER";
const NOTES: &str = "ATOM_TEST_KILLED_NOTES";
const STAYS: &str = "ATOM_TEST_KILLED_STAYS";

/// A bit of everything: calls, a wait, an approval, a signal, another run, an error that is caught, and what is undone.
const TASKS: &str = r#"
- first: { call: note, with: { name: first }, metadata: { atom: { compensate: [{ undo: { call: note, with: { name: undo-first } } }] } } }
- rest: { wait: { seconds: 1 } }
- asked: { call: note, with: { name: asked }, metadata: { atom: { approve: { title: 'Go on?', assignees: { users: [bob] } } } } }
- hear: { listen: { to: { one: { with: { type: go } } } } }
- heard: { call: note, with: { name: heard }, metadata: { atom: { compensate: [{ undo: { call: note, with: { name: undo-heard } } }] } } }
- other: { run: { workflow: { namespace: default, name: child, version: 1.0.0 } } }
- attempt: { try: [{ fails: { call: note, with: { name: fails } } }], catch: { do: [{ caught: { call: note, with: { name: caught } } }] } }
- last: { call: note, with: { name: last } }
- end: { raise: { error: { type: https://example.com/end, status: 500, title: End, detail: '${ .name }' } } }
"#;

const CHILD: &str = "
document: { dsl: 1.0.3, namespace: default, name: child, version: 1.0.0 }
do:
  - work: { call: note, with: { name: child } }
";

/// The calls in their order.
const CALLS: [&str; 9] = [
    "first",
    "asked",
    "heard",
    "child",
    "fails",
    "caught",
    "last",
    "undo-heard",
    "undo-first",
];

/// When the worker is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    /// The call has begun and done nothing.
    Begun,
    /// The call has done its work, which nobody knows.
    Done,
    /// The server has the call's answer.
    Answered,
}

/// Notes what it is called for, and how far it is.
fn register(functions: &FunctionRegistry, notes: PathBuf, stays: String) {
    let note = move |arguments: Value, context: atom_core::FunctionContext| {
        let (notes, stays) = (notes.clone(), stays.clone());
        async move {
            let name = arguments["name"].as_str().unwrap_or_default().to_owned();
            for what in ["begun", "done"] {
                write(&notes, &format!("{what} {name} {}", context.idempotency_key));
                if stays == format!("{what} {name}") {
                    std::future::pending::<()>().await;
                }
            }
            if name == "fails" {
                return Err(Error::new(ErrorCode::Upstream, "it broke"));
            }
            Ok(arguments)
        }
    };
    let function = TypedFunction::new("note", "Notes that it was called.", note);
    functions.register(Arc::new(function)).unwrap();
}

fn write(notes: &Path, line: &str) {
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(notes)
        .unwrap();
    // One write, so that those of several processes do not mix.
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// What was noted, each line in its parts: what, which call, which key.
fn read(notes: &Path) -> Vec<[String; 3]> {
    let text = std::fs::read_to_string(notes).unwrap_or_default();
    let parts = text.lines().map(|line| {
        let parts: Vec<_> = line.split(' ').map(str::to_owned).collect();
        parts.try_into().unwrap()
    });
    parts.collect()
}

fn has(notes: &Path, what: &str, name: &str) -> bool {
    read(notes).iter().any(|note| note[0] == what && note[1] == name)
}

/// Not a test: the worker that the test kills.
#[tokio::test(flavor = "multi_thread")]
async fn worker_that_is_killed() {
    let Ok(target) = std::env::var(TARGET) else {
        return;
    };
    let of = |name| std::env::var(name).unwrap();
    let (bench, owner) = (Bench::new(), of(OWNER));
    register(&bench.functions, of(NOTES).into(), of(STAYS));
    let ada = Principal::new("acme", &owner).unwrap();
    deploy(&bench, &ada, &[&document(TASKS), CHILD]).await;
    let parts = parts(&bench, limits()).await;
    let runtime = TemporalRuntime::connect(parts, config(target, &owner)).await;
    let _worker = TemporalWorker::start(runtime.unwrap()).await.unwrap();
    std::future::pending::<()>().await;
}

fn limits() -> TemporalLimits {
    TemporalLimits {
        // Long enough for a busy machine, on which a worker that lives must not seem dead.
        heartbeat: Duration::from_secs(5),
        ..crate::world::limits()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_at_any_step_leaves_nothing_undone_and_nothing_done_twice() {
    let folder = tempfile::tempdir().unwrap();
    let points = CALLS
        .into_iter()
        .flat_map(|name| [When::Begun, When::Done, When::Answered].map(|when| (name, when)));
    let cases = stream::iter(points.enumerate()).map(|(number, (name, when))| {
        let notes = folder.path().join(format!("notes-{number}"));
        async move { survive(number, name, when, &notes).await }
    });
    let failed: String = cases.buffer_unordered(14).collect::<Vec<_>>().await.concat();
    assert!(failed.is_empty(), "{failed}");
}

/// Carries a run out whose worker is killed, and tells what is wrong about it.
async fn survive(number: usize, name: &str, when: When, notes: &Path) -> String {
    let owner = format!("killed-{number}");
    let Some(mut world) = World::idle(&owner, limits()).await else {
        return String::new();
    };
    let stays = match when {
        When::Begun => format!("begun {name}"),
        When::Done => format!("done {name}"),
        When::Answered => String::new(),
    };
    register(&world.bench.functions, notes.to_owned(), String::new());
    deploy(&world.bench, &world.ada, &[CHILD]).await;
    let path = notes.to_str().unwrap();
    let environment = [
        (TARGET, &*world.target),
        (OWNER, &owner),
        (NOTES, path),
        (STAYS, &stays),
    ];
    let process = Process::start("killed::worker_that_is_killed", &environment);
    let run = world.start(TASKS, json!({})).await;
    let killed = async {
        soon(async || {
            let is_there = match when {
                When::Begun => has(notes, "begun", name),
                When::Done => has(notes, "done", name),
                When::Answered => has(notes, "done", name) && is_answered(&world, run, name).await,
            };
            is_there.then_some(())
        })
        .await;
        drop(process);
        TemporalWorker::start(world.runtime.clone()).await.unwrap()
    };
    let ((), worker) = tokio::join!(answer(&world, run, notes), killed);
    world.worker = Some(worker);
    let ended = world.wait(run).await;
    world.stop().await;
    let error = ended.error.unwrap_or_default();
    let mut failed = String::new();
    if (ended.status, &error["title"], &error["detail"])
        != (RunStatus::Faulted, &json!("End"), &json!("last"))
    {
        writeln!(
            failed,
            "{name} {when:?}: ended as {:?} with {error}",
            ended.status
        )
        .unwrap();
    }
    let notes = read(notes);
    for call in CALLS {
        let done = notes.iter().filter(|note| note[0] == "done" && note[1] == call);
        let keys: Vec<_> = done.map(|note| &note[2]).collect();
        // What nobody knows of is done again, under the same key.
        let times = if call == name && when == When::Done { 2 } else { 1 };
        // What followed until the worker was killed may have been under way as well.
        let may_repeat = when == When::Answered && call != name && begins_after(call, name);
        let is_right = keys.len() == times || (may_repeat && keys.len() == 2);
        if !is_right || keys.iter().any(|key| *key != keys[0]) {
            writeln!(failed, "{name} {when:?}: {call} was done with the keys {keys:?}").unwrap();
        }
    }
    failed
}

/// Whether a call comes after another.
fn begins_after(call: &str, other: &str) -> bool {
    let of = |name| CALLS.iter().position(|call| *call == name);
    of(call) > of(other)
}

/// Whether the server has the answer of a call: as many as were made until then, that of the other run apart.
async fn is_answered(world: &World, run: RunId, name: &str) -> bool {
    let history = world.history(run).await;
    if name == "child" {
        return history
            .iter()
            .any(|event| event.to_string().contains("ChildWorkflowExecutionCompleted"));
    }
    let own = CALLS.into_iter().filter(|call| *call != "child");
    let wanted = own.take_while(|call| *call != name).count() + 1;
    let calls = history
        .iter()
        .filter(|event| event.to_string().contains("\"atom.call\""));
    let calls: Vec<_> = calls.map(|event| &event["event_id"]).collect();
    let answered = history.iter().filter(|event| {
        let completed = &event["attributes"]["ActivityTaskCompletedEventAttributes"];
        calls.contains(&&completed["scheduled_event_id"])
    });
    answered.count() >= wanted
}

/// Decides what the run asks, and sends it what it listens for, as soon as some worker lets it be seen.
async fn answer(world: &World, run: RunId, notes: &Path) {
    let (scope, bob) = (world.scope(), Principal::new("acme", "bob").unwrap());
    soon(async || {
        if has(notes, "begun", "asked") {
            return Some(());
        }
        let view = world.runtime.view(&scope, run).await.ok()?;
        let asked = view.approvals.first()?;
        let decide = Decide {
            approval: asked.id,
            decision: DecisionKind::Approve,
            comment: None,
            form: None,
            input: None,
        };
        // A worker that is killed may have taken it without an answer.
        world.runtime.decide(&bob, &scope, run, decide).await.ok()
    })
    .await;
    soon(async || {
        let view = world.runtime.view(&scope, run).await.ok()?;
        view.waits
            .iter()
            .any(|wait| wait.what == WaitKind::Event)
            .then_some(())
    })
    .await;
    world
        .signal(run, CloudEvent::new("1", "https://example.com", "go"))
        .await;
}
