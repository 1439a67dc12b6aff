//! Runs that events start.

use std::sync::Arc;

use atom_core::storage::{MemoryStore, MemoryVault};
use atom_workflow::runtime::RuntimeLimits;
use serde_json::{Value, json};

use super::{QUICK, die, job, process};
use crate::support::Bench;

#[tokio::test]
async fn each_event_starts_one_run_also_those_that_came_while_nobody_was_there() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
    bench
        .publish("0", "com.example.reading", json!({ "t": 50 }))
        .await;
    let on = "on: { one: { with: { type: 'com\\.example\\..*', data: '${ .t > 38 }' } } }, read: envelope";
    bench.schedule(&job("1.0.0", on, "", QUICK)).await;
    bench
        .publish("1", "com.example.reading", json!({ "t": 37 }))
        .await;
    bench
        .publish("2", "com.example.reading", json!({ "t": 39 }))
        .await;
    bench
        .publish("3", "com.example.reading", json!({ "t": 40 }))
        .await;
    let ids = |inputs: Vec<Value>| -> Vec<String> {
        let mut ids: Vec<_> = inputs
            .iter()
            .map(|input| {
                assert_eq!(input.as_array().unwrap().len(), 1);
                input[0]["id"].as_str().unwrap().to_owned()
            })
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(bench.inputs(2).await), ["2", "3"]);
    let last = bench.store.head().await.unwrap();
    bench
        .until(|schedule| schedule.triggers[0].seen == Some(last))
        .await;
    let now = die(bench).await;

    let away = Bench::over(
        Arc::clone(&store) as _,
        Arc::new(MemoryVault::default()),
        RuntimeLimits::default(),
    );
    away.publish("4", "com.example.reading", json!({ "t": 41 })).await;
    away.publish("5", "com.example.reading", json!({ "t": 36 })).await;
    let bench = process(&store, now);
    assert_eq!(ids(bench.inputs(3).await), ["2", "3", "4"]);
    bench
        .publish("4", "com.example.reading", json!({ "t": 41 }))
        .await;
    bench
        .publish("6", "com.example.reading", json!({ "t": 42 }))
        .await;
    assert_eq!(ids(bench.inputs(4).await), ["2", "3", "4", "6"]);
}

#[tokio::test]
async fn each_complete_set_of_events_starts_one_run() {
    let store = Arc::new(MemoryStore::default());
    let bench = process(&store, "2026-01-01T00:00:00Z".parse().unwrap());
    let on = "on: { all: [{ with: { type: order }, correlate: { id: { from: .data.id } } }, \
              { with: { type: payment }, correlate: { id: { from: .data.id } } }] }";
    bench.schedule(&job("1.0.0", on, "", QUICK)).await;
    bench.publish("1", "order", json!({ "id": 7 })).await;
    bench.publish("2", "payment", json!({ "id": 8 })).await;
    // Half a set is heard, and the process dies.
    let head = bench.store.head().await.unwrap();
    bench.schedule(&job("1.0.0", on, "", QUICK)).await;
    let now = die(bench).await;
    let bench = process(&store, now);
    bench
        .publish("3", "payment", json!({ "id": 7, "paid": true }))
        .await;
    let whole = json!([{ "id": 7 }, { "id": 7, "paid": true }]);
    assert_eq!(bench.inputs(1).await, [whole]);
    let schedule = bench
        .until(|schedule| schedule.triggers[0].seen == Some(head + 1))
        .await;
    assert_eq!(schedule.triggers[0].failure, None);
    bench.publish("4", "payment", json!({ "id": 9 })).await;
    bench.publish("5", "order", json!({ "id": 9 })).await;
    assert_eq!(bench.inputs(2).await[1], json!([{ "id": 9 }, { "id": 9 }]));
}

#[tokio::test]
async fn any_events_are_collected_until_the_end_of_a_set() {
    let bench = process(
        &Arc::new(MemoryStore::default()),
        "2026-01-01T00:00:00Z".parse().unwrap(),
    );
    let on = "on: { any: [{ with: { type: item } }], until: { one: { with: { type: close } } } }";
    bench.schedule(&job("1.0.0", on, "", QUICK)).await;
    for (id, kind) in [
        ("1", "close"),
        ("2", "item"),
        ("3", "other"),
        ("4", "item"),
        ("5", "close"),
        ("6", "item"),
        ("7", "close"),
    ] {
        bench.publish(id, kind, json!(id)).await;
    }
    let mut inputs = bench.inputs(2).await;
    inputs.sort_by_key(ToString::to_string);
    assert_eq!(inputs, [json!(["2", "4"]), json!(["6"])]);

    let bench = process(
        &Arc::new(MemoryStore::default()),
        "2026-01-01T00:00:00Z".parse().unwrap(),
    );
    bench
        .schedule(&job("1.0.0", "on: { any: [], until: 'length > 1' }", "", QUICK))
        .await;
    for id in ["1", "2", "3", "4"] {
        bench.publish(id, "x", json!(id)).await;
    }
    let mut inputs = bench.inputs(2).await;
    inputs.sort_by_key(ToString::to_string);
    assert_eq!(inputs, [json!(["1", "2"]), json!(["3", "4"])]);
}

#[tokio::test]
async fn what_is_known_before_there_is_a_run_tells_which_events_start_one() {
    let bench = process(
        &Arc::new(MemoryStore::default()),
        "2026-01-01T00:00:00Z".parse().unwrap(),
    );
    let on = "on: { one: { with: { data: { by: '${ . != $runtime.name }', room: '${ . }' } }, \
              correlate: { room: { from: .data.room, expect: '${ $workflow.definition.document.name }' } } } }";
    bench.schedule(&job("1.0.0", on, "", QUICK)).await;
    for (id, by, room) in [("1", "atom", "job"), ("2", "ada", "hall"), ("3", "ada", "job")] {
        bench
            .publish(id, "enter", json!({ "by": by, "room": room }))
            .await;
    }
    assert_eq!(bench.inputs(1).await, [json!([{ "by": "ada", "room": "job" }])]);
}
