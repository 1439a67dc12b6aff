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

fn reading(id: &str, kind: &str, room: &str, value: u64) -> CloudEvent {
    let mut event = event(id, kind, json!({ "value": value }));
    event.extensions.insert("roomid".to_owned(), json!(room));
    event
}

#[tokio::test]
async fn correlated_events_have_a_value_in_common_which_the_first_one_sets() {
    let bench = Bench::new();
    let tasks = r#"
- a:
    listen:
      to:
        all:
          - { with: { type: temperature }, correlate: { room: { from: .roomid } } }
          - { with: { type: humidity }, correlate: { room: { from: .roomid } } }
"#;
    let run = bench.start(tasks, json!({})).await;
    bench.until_listening(&run).await;
    publish(
        &bench,
        &[
            event("0", "temperature", json!({ "value": 99 })),
            reading("1", "temperature", "kitchen", 21),
            reading("2", "humidity", "bath", 80),
            reading("3", "humidity", "kitchen", 40),
        ],
    )
    .await;
    assert_eq!(
        bench.wait(&run).await.output,
        Some(json!([{ "value": 21 }, { "value": 40 }]))
    );
}

#[tokio::test]
async fn what_a_correlation_expects_is_a_constant_or_follows_from_the_input() {
    for (expect, taken) in [("kitchen", 2), ("${ .room }", 3)] {
        let bench = Bench::new();
        let tasks = format!(
            "- a: {{ listen: {{ to: {{ one: {{ with: {{ type: temperature }}, correlate: {{ room: {{ from: .roomid, expect: '{expect}' }} }} }} }} }} }}"
        );
        let run = bench.start(&tasks, json!({ "room": "bath" })).await;
        bench.until_listening(&run).await;
        publish(
            &bench,
            &[
                reading("1", "temperature", "hall", 1),
                reading("2", "temperature", "kitchen", 2),
                reading("3", "temperature", "bath", 3),
            ],
        )
        .await;
        assert_eq!(bench.wait(&run).await.output, Some(json!([{ "value": taken }])));
    }
}

#[tokio::test]
async fn expressions_within_a_filter_are_about_the_value_at_their_place() {
    let filter =
        "{ order: { id: '${ . == $input.order }', kind: x.* }, lines: [1, '${ . > 1 }'], note: null }";
    let fitting = json!({ "order": { "id": 7, "kind": "x.*" }, "lines": [1, 2], "note": null });
    let with = |pointer: &str, value: Value| {
        let mut data = fitting.clone();
        *data.pointer_mut(pointer).unwrap() = value;
        data
    };
    let others = [
        with("/order/id", json!(8)),
        // Inside a structure a text stands for itself.
        with("/order/kind", json!("xy")),
        with("/lines", json!([1])),
        with("/lines/1", json!(1)),
        with("/lines", json!([1, 2, 3])),
        with("/order", json!({ "id": 7 })),
        with("/order", json!({ "id": 7, "kind": "x.*", "more": 1 })),
        with("/order", json!(7)),
        json!({ "order": { "id": 7, "kind": "x.*" }, "lines": [1, 2] }),
    ];
    let bench = Bench::new();
    let tasks = format!("- hear: {{ listen: {{ to: {{ one: {{ with: {{ data: {filter} }} }} }} }} }}");
    let run = bench.start(&tasks, json!({ "order": 7 })).await;
    bench.until_listening(&run).await;
    let events = others.into_iter().chain([fitting.clone()]).enumerate();
    let events: Vec<_> = events
        .map(|(id, data)| event(&id.to_string(), "order", data))
        .collect();
    publish(&bench, &events).await;
    assert_eq!(bench.wait(&run).await.output, Some(json!([fitting])));
}

/// Works slowly on each event, so that others come meanwhile.
const EACH: &str = r#"
- hear:
    listen:
      to: { any: [{ with: { type: order } }], until: { one: { with: { type: closed } } } }
      read: data
    foreach:
      item: order
      at: number
      do:
        - pause: { wait: PT1S }
        - book: { call: echo, with: { order: '${ $order.id }', number: '${ $number }', same: '${ . == $order }' } }
      output: { as: '{ booked: .order, number, same }' }
      export: { as: '$context + { last: $output.booked }' }
- last: { set: { all: '${ . }', last: '${ $context.last }' } }
"#;

async fn send_orders(bench: &Bench) {
    let order = |id: u64| event(&format!("order-{id}"), "order", json!({ "id": id }));
    publish(
        bench,
        &[
            order(1),
            order(2),
            order(3),
            event("end", "closed", json!({})),
            order(4),
        ],
    )
    .await;
}

#[tokio::test]
async fn each_event_is_worked_on_in_turn_even_when_they_come_faster_than_that() {
    let bench = Bench::new();
    let run = bench.start(EACH, json!({})).await;
    bench.until_listening(&run).await;
    send_orders(&bench).await;
    for _ in 0..3 {
        bench.pass(1).await;
    }
    let booked = |id: u64| json!({ "booked": id, "number": id - 1, "same": true });
    assert_eq!(
        bench.wait(&run).await.output,
        Some(json!({ "all": [booked(1), booked(2), booked(3)], "last": 3 }))
    );
    assert_eq!(bench.calls.count("echo"), 3);
}

#[tokio::test]
async fn an_event_that_cannot_be_worked_on_ends_the_task() {
    let bench = Bench::new();
    let tasks = r#"
- try:
    try:
      - hear:
          listen: { to: { any: [], until: 'false' } }
          foreach: { do: [{ work: { if: .bad, call: fail } }] }
    catch: { do: [{ tell: { set: { caught: '${ $error.status }' } } }] }
"#;
    let run = bench.start(tasks, json!({})).await;
    bench.until_listening(&run).await;
    publish(
        &bench,
        &[
            event("1", "a", json!({})),
            event("2", "a", json!({ "bad": true })),
        ],
    )
    .await;
    assert_eq!(bench.wait(&run).await.output, Some(json!({ "caught": 502 })));
}

#[tokio::test]
async fn a_foreach_without_tasks_shapes_the_events() {
    let bench = Bench::new();
    let tasks = "- hear: { listen: { to: { all: [{ with: { type: a } }, { with: { type: b } }] } }, foreach: { output: { as: '.n + $index' } } }";
    let run = bench.start(tasks, json!({})).await;
    bench.until_listening(&run).await;
    publish(
        &bench,
        &[
            event("1", "b", json!({ "n": 10 })),
            event("2", "a", json!({ "n": 20 })),
        ],
    )
    .await;
    assert_eq!(bench.wait(&run).await.output, Some(json!([10, 21])));
}

#[tokio::test]
async fn a_restart_while_events_are_worked_on_loses_none() {
    let bench = Bench::new();
    let run = bench.start(EACH, json!({})).await;
    bench.until_listening(&run).await;
    send_orders(&bench).await;
    bench.pass(1).await;
    while bench.calls.count("echo") < 1 {
        tokio::task::yield_now().await;
    }
    bench.runtime.close(std::time::Duration::from_secs(5)).await;
    let again = Bench::over(
        std::sync::Arc::clone(&bench.store),
        std::sync::Arc::clone(&bench.vault),
        atom_workflow::runtime::RuntimeLimits::default(),
    );
    again.clock.set(bench.clock_now());
    again.runtime.resume(None).await.unwrap();
    let ended = tokio::select! {
        ended = again.wait(&run) => ended,
        () = crate::crash::keep_time_moving(&again) => unreachable!("time never ends"),
    };
    assert_eq!(ended.output.unwrap()["last"], 3);
}
