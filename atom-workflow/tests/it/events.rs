//! Publishing events and waiting for them.

use atom_core::{CloudEvent, ErrorCode, Principal};
use serde_json::{Value, json};

use crate::support::Bench;

fn event(id: &str, kind: &str, data: Value) -> CloudEvent {
    CloudEvent {
        data: Some(data),
        ..CloudEvent::new(id, "https://example.com", kind)
    }
}

/// Publishes once the run waits for events.
async fn publish(bench: &Bench, events: &[CloudEvent]) {
    for event in events {
        bench.runtime.publish(&bench.scope(), event).await.unwrap();
    }
}

#[tokio::test]
async fn emit_publishes_once_and_gives_the_event() {
    let bench = Bench::new();
    let run = bench
        .run(
            "- a: { emit: { event: { with: { type: com.example.a, data: { n: '${ .n }' } } } } }",
            json!({ "n": 1 }),
        )
        .await;
    let logged = bench.store.read(&bench.scope(), 0, 10).await.unwrap();
    assert_eq!(logged.len(), 1);
    let output = run.output.unwrap();
    assert_eq!(serde_json::to_value(&logged[0].event).unwrap(), output);
    assert_eq!(
        (&output["type"], &output["data"]["n"], &output["specversion"]),
        (&json!("com.example.a"), &json!(1), &json!("1.0"))
    );
}

#[tokio::test]
async fn listen_to_one_takes_the_first_that_fits() {
    let bench = Bench::new();
    publish(
        &bench,
        &[event("early", "com.example.reading", json!({ "t": 40 }))],
    )
    .await;
    let run = bench.start("- a: { listen: { to: { one: { with: { type: 'com\\.example\\..*', data: '${ .t > 38 }' } } } } }", json!({})).await;
    bench.until_listening(&run).await;
    publish(
        &bench,
        &[
            event("1", "com.example.reading", json!({ "t": 37 })),
            event("2", "com.other", json!({ "t": 41 })),
            event("3", "com.example.reading", json!({ "t": 39 })),
        ],
    )
    .await;
    assert_eq!(bench.wait(&run).await.output, Some(json!([{ "t": 39 }])));
}

#[tokio::test]
async fn listen_to_all_waits_for_one_of_each_and_any_until_collects() {
    let bench = Bench::new();
    let all = bench.start("- a: { listen: { to: { all: [{ with: { type: a } }, { with: { type: b } }] }, read: envelope } }", json!({})).await;
    let until = bench
        .start(
            "- a: { listen: { to: { any: [{ with: { type: a } }], until: '( . | length ) > 1' } } }",
            json!({}),
        )
        .await;
    let consumed = bench.start("- a: { listen: { to: { any: [{ with: { type: a } }], until: { one: { with: { type: b } } } } } }", json!({})).await;
    for run in [&all, &until, &consumed] {
        bench.until_listening(run).await;
    }
    publish(
        &bench,
        &[
            event("1", "a", json!(1)),
            event("2", "a", json!(2)),
            event("3", "b", json!(3)),
        ],
    )
    .await;
    let envelopes = bench.wait(&all).await.output.unwrap();
    assert_eq!(
        (&envelopes[0]["id"], &envelopes[1]["id"]),
        (&json!("1"), &json!("3"))
    );
    assert_eq!(bench.wait(&until).await.output, Some(json!([1, 2])));
    assert_eq!(bench.wait(&consumed).await.output, Some(json!([1, 2])));
}

#[tokio::test]
async fn a_signal_waits_for_its_task_and_reaches_no_other_run() {
    let bench = Bench::new();
    let workflow = "- first: { call: echo }\n- pause: { wait: PT1S }\n- hear: { listen: { to: { one: { with: { type: go } } } } }";
    let run = bench.start(workflow, json!({})).await;
    let other = bench.start(workflow, json!({})).await;
    bench
        .runtime
        .signal(&bench.scope(), run.id, event("1", "go", json!("now")))
        .await
        .unwrap();
    bench.clock.parked(2).await;
    bench.clock.advance(std::time::Duration::from_secs(1));
    let run = bench.wait(&run).await;
    assert_eq!(run.output, Some(json!(["now"])));
    let late = bench
        .runtime
        .signal(&bench.scope(), run.id, event("2", "go", json!("late")))
        .await
        .unwrap_err();
    assert_eq!(late.code(), ErrorCode::Conflict);
    bench.until_listening(&other).await;
}

#[tokio::test]
async fn events_and_signals_stay_with_their_owner() {
    let bench = Bench::new();
    let run = bench
        .start("- hear: { listen: { to: { any: [] } } }", json!({}))
        .await;
    bench.until_listening(&run).await;
    let eve = Principal::new("acme", "eve").unwrap();
    bench
        .runtime
        .publish(&eve.scope(), &event("1", "go", json!("eve")))
        .await
        .unwrap();
    let refused = bench
        .runtime
        .signal(&eve.scope(), run.id, event("2", "go", json!("eve")))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::NotFound);
    publish(&bench, &[event("3", "go", json!("ada"))]).await;
    assert_eq!(bench.wait(&run).await.output, Some(json!(["ada"])));
}

#[tokio::test]
async fn one_wait_after_another_misses_nothing() {
    let bench = Bench::new();
    let run = bench
        .start(
            "- a: { listen: { to: { one: { with: { type: first } } } } }\n- b: { listen: { to: { one: { with: { type: second } } } } }",
            json!({}),
        )
        .await;
    bench.until_listening(&run).await;
    publish(
        &bench,
        &[event("1", "first", json!(1)), event("2", "second", json!(2))],
    )
    .await;
    assert_eq!(bench.wait(&run).await.output, Some(json!([2])));
}

#[tokio::test]
async fn a_run_full_of_signals_still_takes_the_one_it_waits_for() {
    let bench = Bench::new();
    let run = bench
        .start(
            "- hear: { listen: { to: { one: { with: { type: go } } } } }",
            json!({}),
        )
        .await;
    bench.until_listening(&run).await;
    let signal = |id: usize, kind: &str| {
        let event = event(&id.to_string(), kind, json!(id));
        async { bench.runtime.signal(&bench.scope(), run.id, event).await }
    };
    for id in 0..1000 {
        signal(id, "noise").await.unwrap();
    }
    assert_eq!(
        signal(1000, "noise").await.unwrap_err().code(),
        ErrorCode::LimitExceeded
    );
    signal(1001, "go").await.unwrap();
    assert_eq!(bench.wait(&run).await.output, Some(json!([1001])));
}
