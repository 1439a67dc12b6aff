//! What every store must do with large data.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use serde_json::{Value, json};

use super::Store;
use crate::CloudEvent;
use crate::storage::{RunEnd, RunStatus};
use crate::testkit::fixtures::{commit, new_run, principal, run_id, scope, second};

/// Checks that large inputs, outputs, journal entries and events come back whole, on an empty store.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_large_data(store: &dyn Store) {
    let scope = scope();
    let large = "ä\"\\\u{1f600}".repeat(30_000);
    let values = [
        json!(large),
        json!({ "a": large, "b": [large, { "c": large }], "d": 1 }),
        json!((0..30_000).collect::<Vec<_>>()),
        json!({ "$blob": "sha256:00", "parts": [[0, "00"]], "filling": large }),
        (0..60).fold(
            json!(large),
            |inner, _| json!({ "x": "y".repeat(2_000), "in": [inner] }),
        ),
        Value::Object(
            (0..3_000)
                .map(|n| (format!("{n}{}", "k".repeat(50)), json!(n)))
                .collect(),
        ),
    ];
    for (number, value) in (1..).zip(&values) {
        let mut run = new_run(&principal(), number);
        run.input = value.clone();
        run.first_entry.payload = json!({ "input": value }).to_string();
        store.create(run).await.unwrap();
        let mut last = commit(&scope, run_id(number), 1..4);
        // What is no JSON comes back as well.
        last.entries[0].payload = format!("}}]\"{large}");
        last.entries[1].payload = format!("[[{{\"{}", "[".repeat(200_000));
        let mut event = CloudEvent::new(number.to_string(), "/large", "x");
        event.data = Some(value.clone());
        last.events = vec![event.clone()];
        last.end = Some(RunEnd {
            status: RunStatus::Completed,
            output: Some(value.clone()),
            error: None,
            at: second(9),
            expires_at: None,
        });
        let before = store.head().await.unwrap();
        store.commit(last.clone()).await.unwrap();

        let stored = store.run(&scope, run_id(number)).await.unwrap().unwrap();
        assert!(
            stored.input == *value && stored.output.as_ref() == Some(value),
            "{number}"
        );
        let journal = store.journal(&scope, run_id(number), 0, 9).await.unwrap();
        let payloads: Vec<_> = journal.iter().map(|entry| &entry.payload).collect();
        let first = json!({ "input": value }).to_string();
        assert!(*payloads[0] == first, "{number}");
        assert!(
            payloads[1..]
                .iter()
                .copied()
                .eq(last.entries.iter().map(|entry| &entry.payload)),
            "{number}"
        );
        let read = store.read(&scope, before, 9).await.unwrap();
        assert!(read.len() == 1 && read[0].event == event, "{number}");
    }
}
