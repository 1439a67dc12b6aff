//! What every event log must do.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use serde_json::json;

use crate::testkit::fixtures::{commit, new_run, principal, run_id, scope, second};
use crate::{CloudEvent, Offset, Scope};

use super::Store;

/// Checks appending, reading and following on an empty store.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_events(store: &dyn Store) {
    let scope = scope();
    assert_eq!(store.head().await.unwrap(), 0);
    assert_eq!(store.read(&scope, 0, 10).await.unwrap(), []);
    let mut watch = store.watch();
    assert_eq!(*watch.borrow_and_update(), 0);

    let event = full_event();
    let first = store.append(&scope, &event).await.unwrap();
    assert!(first >= 1);
    assert_eq!(store.head().await.unwrap(), first);
    assert!(watch.has_changed().unwrap(), "followers see an append");
    assert_eq!(*watch.borrow_and_update(), first);
    let stored = store.read(&scope, 0, 10).await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(
        (stored[0].offset, &stored[0].event),
        (first, &event),
        "every attribute is kept"
    );

    idempotence(store, &scope, &event, first).await;
    order(store, &scope).await;
    commits(store, &scope).await;
}

fn full_event() -> CloudEvent {
    let mut event = CloudEvent::new("1", "/orders", "com.example.order.placed.v1");
    event.time = Some(second(1));
    event.subject = Some("order 7".to_owned());
    event.datacontenttype = Some("application/json".to_owned());
    event.dataschema = Some("https://example.com/order.json".to_owned());
    event.data = Some(json!({ "total": 12.5, "lines": [1, null, "ä\u{1f600}"] }));
    event
        .extensions
        .insert("traceparent".to_owned(), json!("00-ab-cd-01"));
    event
}

async fn idempotence(store: &dyn Store, scope: &Scope, event: &CloudEvent, first: Offset) {
    let watch = store.watch();
    let mut changed = event.clone();
    changed.data = Some(json!("something else"));
    assert_eq!(
        store.append(scope, &changed).await.unwrap(),
        first,
        "the first one's offset"
    );
    assert_eq!(store.head().await.unwrap(), first);
    assert!(!watch.has_changed().unwrap(), "nothing was appended");
    assert_eq!(store.read(scope, 0, 10).await.unwrap()[0].event, *event);

    let other_source = store
        .append(scope, &CloudEvent::new("1", "/invoices", "x"))
        .await
        .unwrap();
    assert!(other_source > first, "an id is unique within its source only");
}

async fn order(store: &dyn Store, scope: &Scope) {
    let before = store.head().await.unwrap();
    let mut offsets = Vec::new();
    for number in 0..5 {
        offsets.push(
            store
                .append(scope, &CloudEvent::new(number.to_string(), "/order", "x"))
                .await
                .unwrap(),
        );
    }
    assert!(
        offsets.is_sorted_by(|left, right| left < right),
        "offsets grow: {offsets:?}"
    );
    let read: Vec<_> = store
        .read(scope, before, 100)
        .await
        .unwrap()
        .iter()
        .map(|event| event.offset)
        .collect();
    assert_eq!(read, offsets);
    let read: Vec<_> = store
        .read(scope, offsets[1], 2)
        .await
        .unwrap()
        .iter()
        .map(|event| event.offset)
        .collect();
    assert_eq!(read, offsets[2..4]);
    assert_eq!(store.read(scope, before, 0).await.unwrap(), []);
    assert_eq!(store.read(scope, Offset::MAX, 10).await.unwrap(), []);
    assert_eq!(store.read(scope, offsets[4], usize::MAX).await.unwrap(), []);
}

async fn commits(store: &dyn Store, scope: &Scope) {
    let mut watch = store.watch();
    watch.mark_unchanged();
    let before = store.head().await.unwrap();
    let created = store.create(new_run(&principal(), 1)).await.unwrap();
    assert_eq!(created.event_head, before);

    let mut step = commit(scope, run_id(1), 1..3);
    step.events = vec![
        CloudEvent::new("a", "/run", "x"),
        CloudEvent::new("a", "/run", "known by then"),
        CloudEvent::new("1", "/orders", "known before"),
        CloudEvent::new("b", "/run", "x"),
    ];
    let committed = store.commit(step).await.unwrap();
    let kinds: Vec<_> = store
        .read(scope, before, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|event| (event.event.id, event.event.kind))
        .collect();
    assert_eq!(
        kinds,
        [("a".to_owned(), "x".to_owned()), ("b".to_owned(), "x".to_owned())]
    );
    assert_eq!(store.head().await.unwrap(), committed.event_head);
    assert!(watch.has_changed().unwrap(), "followers see what commits append");
    assert_eq!(*watch.borrow_and_update(), committed.event_head);

    store
        .append(scope, &CloudEvent::new("c", "/run", "x"))
        .await
        .unwrap();
    let later = store.commit(commit(scope, run_id(1), 3..4)).await.unwrap();
    assert!(later.event_head > committed.event_head);
    let heads: Vec<_> = store
        .journal(scope, run_id(1), 0, 10)
        .await
        .unwrap()
        .iter()
        .map(|entry| entry.event_head)
        .collect();
    let expected = [
        created.event_head,
        committed.event_head,
        committed.event_head,
        later.event_head,
    ];
    assert_eq!(heads, expected, "an entry knows the head right after its commit");
}
