//! What others tell runs: events, signals, decisions, pauses, cancellation.

use std::sync::Arc;

use atom_core::storage::{DecisionKind, RunStatus};
use atom_core::{CloudEvent, ErrorCode, Principal, RunId};
use atom_workflow::machine::{Wait, WaitKind};
use atom_workflow::runtime::{Decide, StartRun};
use atom_workflow::temporal::{Asked, RunView, TemporalConfig, TemporalRuntime};
use serde_json::{Value, json};

use crate::world::{World, completed, start};

fn event(id: &str, kind: &str, data: Value) -> CloudEvent {
    CloudEvent {
        data: Some(data),
        ..CloudEvent::new(id, "https://example.com", kind)
    }
}

/// Waits until a run listens, and until its worker has noted from where on.
async fn until_listening(world: &World, run: RunId) {
    let listens = |view: &RunView| view.waits.iter().any(|wait| wait.what == WaitKind::Event);
    world.until(run, listens).await;
    world.until_event(run, "atom.hear").await;
}

async fn publish(world: &World, events: &[CloudEvent]) {
    for event in events {
        world.bench.store.append(&world.scope(), event).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_hear_the_events_that_they_want_in_order() {
    let Some(mut world) = World::new("events").await else {
        return;
    };
    publish(&world, &[event("0", "a", json!(0))]).await;
    let one = world
        .start(
            "- hear: { listen: { to: { one: { with: { type: 'com\\.example\\..*', data: '${ .t > 38 }' } } } } }",
            json!({}),
        )
        .await;
    let until = world
        .start(
            "- hear: { listen: { to: { any: [{ with: { type: a } }], until: { one: { with: { type: b } } } } } }\n- next: { listen: { to: { one: { with: { type: c } } } }, output: { as: '[$input, .]' } }",
            json!({}),
        )
        .await;
    for run in [one, until] {
        until_listening(&world, run).await;
    }
    publish(
        &world,
        &[
            event("1", "a", json!(1)),
            event("2", "com.example.reading", json!({ "t": 37 })),
            event("3", "a", json!(2)),
            event("4", "com.example.reading", json!({ "t": 39 })),
            event("5", "b", json!(3)),
            event("6", "c", json!(4)),
        ],
    )
    .await;
    assert_eq!(world.wait(one).await, completed(json!([{ "t": 39 }])));
    // What came right after the last event of the first task is heard by the second.
    assert_eq!(world.wait(until).await, completed(json!([[1, 2], [4]])));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_waits_for_its_task_even_without_a_worker() {
    let Some(mut world) = World::idle("signals", crate::world::limits()).await else {
        return;
    };
    let run = world
        .start(
            "- first: { call: echo }\n- hear: { listen: { to: { one: { with: { type: go } } } } }",
            json!({}),
        )
        .await;
    world.signal(run, event("1", "go", json!("now"))).await;
    world.work().await;
    assert_eq!(world.wait(run).await, completed(json!(["now"])));
    // One that its first task takes leads on at once.
    world.stop().await;
    let heard = "- hear: { listen: { to: { one: { with: { type: go } } } } }\n- last: { call: echo, with: { n: '${ .[0] }' } }";
    let before = world.bench.calls.count("echo");
    let eager = world.start(heard, json!({})).await;
    world.signal(eager, event("1", "go", json!(1))).await;
    world.work().await;
    assert_eq!(world.wait(eager).await, completed(json!({ "n": 1 })));
    assert_eq!(world.bench.calls.count("echo"), before + 1);
    let late = world
        .runtime
        .signal(&world.scope(), run, event("2", "go", json!("late")))
        .await;
    assert_eq!(late.unwrap_err().code(), ErrorCode::Conflict);
    let nobody = RunId::from_parts(jiff::Timestamp::UNIX_EPOCH, [7; 10]);
    let unknown = world
        .runtime
        .signal(&world.scope(), nobody, event("3", "go", json!(1)))
        .await;
    assert_eq!(unknown.unwrap_err().code(), ErrorCode::NotFound);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_by_hand_changes_nothing() {
    let Some(mut world) = World::new("by-hand").await else {
        return;
    };
    let run = world
        .start(
            "- hear: { listen: { to: { one: { with: { type: go } } } } }",
            json!({}),
        )
        .await;
    let started = &world.history(run).await[0];
    let id = started["attributes"]["WorkflowExecutionStartedEventAttributes"]["workflow_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let server = crate::server::TestTemporal::shared().await.unwrap();
    for (name, input) in [("atom.mail", r#"{"pause":{"reason":null}}"#), ("nobody", "1")] {
        server.by_hand(&[
            "workflow",
            "signal",
            "--workflow-id",
            &id,
            "--name",
            name,
            "--input",
            input,
        ]);
    }
    world.signal(run, event("1", "go", json!("now"))).await;
    assert_eq!(world.wait(run).await, completed(json!(["now"])));
    world.stop().await;
}

const SEND: &str = r#"
- send:
    call: echo
    with: { sent: '${ .text }', by: '${ $approval.by }', why: '${ $approval.form.why }' }
    metadata:
      atom:
        approve:
          title: '${ "Send to \(.to)?" }'
          assignees: { roles: [editor], users: [bob] }
          form: { type: object, properties: { why: { type: string } }, required: [why], additionalProperties: false }
"#;

fn decide(asked: &Asked, form: Option<Value>) -> Decide {
    Decide {
        approval: asked.id,
        decision: DecisionKind::Approve,
        comment: None,
        form,
        input: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_is_asked_decides_and_only_with_what_fits() {
    let Some(mut world) = World::new("approvals").await else {
        return;
    };
    let run = world.start(SEND, json!({ "to": "Eve", "text": "Hello" })).await;
    let view = world.until(run, |view| !view.approvals.is_empty()).await;
    let asked = &view.approvals[0];
    assert_eq!(asked.title, "Send to Eve?");
    let bob = Principal::new("acme", "bob").unwrap();
    let (runtime, owner) = (&world.runtime, world.scope());
    let because = json!({ "why": "it is right" });
    let stranger = Principal::new("other", "bob").unwrap();
    let colleague = Principal::new("acme", "eve").unwrap();
    let colleague = Principal {
        roles: vec!["reader".to_owned()],
        ..colleague
    };
    assert_eq!(runtime.asked(&colleague, &owner, run).await.unwrap(), []);
    assert_eq!(runtime.asked(&bob, &owner, run).await.unwrap(), view.approvals);
    for (who, form, code) in [
        (&world.ada, Some(because.clone()), ErrorCode::PermissionDenied),
        (&stranger, Some(because.clone()), ErrorCode::NotFound),
        (&colleague, Some(because.clone()), ErrorCode::NotFound),
        (&bob, None, ErrorCode::InvalidRequest),
        (&bob, Some(json!({ "why": 1 })), ErrorCode::InvalidRequest),
    ] {
        let refused = runtime.decide(who, &owner, run, decide(asked, form)).await;
        assert_eq!(refused.unwrap_err().code(), code);
    }
    runtime
        .decide(&bob, &owner, run, decide(asked, Some(because)))
        .await
        .unwrap();
    let output = json!({ "sent": "Hello", "by": "bob", "why": "it is right" });
    assert_eq!(world.wait(run).await, completed(output));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_in_a_paused_run_until_it_is_resumed() {
    let Some(mut world) = World::new("pauses").await else {
        return;
    };
    let run = world
        .start(
            "- rest: { wait: { milliseconds: 300 } }\n- go: { call: echo, with: { n: 1 } }",
            json!({}),
        )
        .await;
    let (runtime, owner) = (world.runtime.clone(), world.scope());
    runtime
        .pause_run(&owner, run, Some("lunch".to_owned()))
        .await
        .unwrap();
    world.until(run, |view| view.is_paused).await;
    // Long past the pause of its task.
    world.until_event(run, "TimerFired").await;
    assert_eq!(world.bench.calls.count("echo"), 0);
    runtime.resume_run(&owner, run).await.unwrap();
    assert_eq!(world.wait(run).await, completed(json!({ "n": 1 })));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_stops_its_call_undoes_what_it_has_done_and_cancels_its_children() {
    let Some(mut world) = World::new("cancelled").await else {
        return;
    };
    let child = "
document: { dsl: 1.0.3, namespace: default, name: child, version: 1.0.0 }
do:
  - book: { call: echo, with: { booked: hotel }, metadata: { atom: { compensate: [{ undo: { call: echo, with: { undone: hotel } } }] } } }
  - slow: { call: hang }
";
    crate::world::deploy(&world.bench, &world.ada, &[child]).await;
    let run = world
        .start(
            r#"
- book: { call: echo, with: { booked: flight }, metadata: { atom: { compensate: [{ rest: { wait: { milliseconds: 50 } } }, { undo: { call: echo, with: { undone: flight } } }] } } }
- both: { fork: { branches: [{ slow: { call: hang } }, { ask: { run: { workflow: { namespace: default, name: child, version: 1.0.0 } } } }] } }
"#,
            json!({}),
        )
        .await;
    let child_of = |view: &RunView| {
        let mut waits = view.waits.iter();
        waits.find_map(|wait| match wait.what {
            WaitKind::Run { run } => Some(run),
            _ => None,
        })
    };
    let child = child_of(&world.until(run, |view| child_of(view).is_some()).await).unwrap();
    let hangs = |wait: &Wait| matches!(&wait.what, WaitKind::Call { function } if function == "hang");
    // A child that was not started yet is unknown.
    crate::world::soon(async || {
        let view = world
            .runtime
            .view(&world.scope(), child)
            .await
            .unwrap_or_default();
        view.waits.iter().any(hangs).then_some(())
    })
    .await;
    let (runtime, owner) = (world.runtime.clone(), world.scope());
    runtime
        .cancel(&owner, run, Some("no time".to_owned()))
        .await
        .unwrap();
    assert_eq!(world.wait(run).await.status, RunStatus::Cancelled);
    // Two bookings, both undone: the one of the child, too.
    world.until_calls("echo", 4).await;
    let listed = world.until_listed(2).await;
    assert!(
        listed.iter().all(|run| run.status == RunStatus::Cancelled),
        "{listed:?}"
    );
    runtime.cancel(&owner, run, None).await.unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_the_same_id_is_the_same_run() {
    let Some(mut world) = World::new("starts").await else {
        return;
    };
    let id = RunId::from_parts(jiff::Timestamp::UNIX_EPOCH, [1; 10]);
    let again = |tasks: &str, input: Value| StartRun {
        id: Some(id),
        ..start(tasks, input)
    };
    let runtime = &world.runtime;
    for _ in 0..2 {
        let started = runtime
            .start(&world.ada, again("- a: { set: { n: 1 } }", json!({})))
            .await;
        assert_eq!(started.unwrap(), id);
    }
    for other in [
        again("- a: { set: { n: 2 } }", json!({})),
        again("- a: { set: { n: 1 } }", json!(1)),
    ] {
        let refused = runtime.start(&world.ada, other).await;
        assert_eq!(refused.unwrap_err().code(), ErrorCode::AlreadyExists);
    }
    // Another owner has ids of their own.
    let eve = Principal::new("acme", "eve").unwrap();
    runtime
        .start(&eve, again("- a: { set: { n: 3 } }", json!({})))
        .await
        .unwrap();
    assert_eq!(
        runtime.wait(&eve.scope(), id).await.unwrap(),
        completed(json!({ "n": 3 }))
    );
    assert_eq!(world.wait(id).await, completed(json!({ "n": 1 })));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_when_connecting() {
    let Some(world) = World::idle("connecting", crate::world::limits()).await else {
        return;
    };
    let parts = &world.parts;
    let config = crate::world::config(world.target.clone(), "connecting");
    let nowhere = TemporalConfig {
        target: "http://127.0.0.1:1".to_owned(),
        ..config.clone()
    };
    let nonsense = TemporalConfig {
        target: "nonsense".to_owned(),
        ..config.clone()
    };
    let nobody = TemporalConfig {
        namespace: "nobody".to_owned(),
        ..config.clone()
    };
    let keyless = TemporalConfig {
        operator: world.scope(),
        ..config
    };
    for (config, code) in [
        (nowhere, ErrorCode::Unavailable),
        (nonsense, ErrorCode::InvalidRequest),
        (nobody, ErrorCode::Unavailable),
        (keyless, ErrorCode::NotFound),
    ] {
        let refused = TemporalRuntime::connect(Arc::clone(parts), config.clone()).await;
        assert_eq!(refused.unwrap_err().code(), code, "{config:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_carried_out_is_refused_at_the_start() {
    let Some(world) = World::idle("refused", crate::world::limits()).await else {
        return;
    };
    for (tasks, code) in [
        ("- a: { call: nobody.home }", ErrorCode::NotFound),
        (
            "use: { secrets: [missing] }\ndo:\n  - a: { set: { n: 1 } }",
            ErrorCode::NotFound,
        ),
        (
            "- a: { call: asyncapi, with: { document: { endpoint: 'https://example.com/api' }, channel: c, subscription: { consume: { amount: 1 } } } }",
            ErrorCode::Unsupported,
        ),
    ] {
        let refused = world.runtime.start(&world.ada, start(tasks, json!({}))).await;
        assert_eq!(refused.unwrap_err().code(), code, "{tasks}");
    }
}
