//! What every store must do to find runs, and to start and pause them once.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Store, code};
use crate::storage::{NewRun, PageRequest, RunEnd, RunFilter, RunLabels, RunStatus, TimeRange};
use crate::testkit::fixtures::{commit, new_run, principal, run_id, scope, second};
use crate::{ErrorCode, Principal, Scope};

/// Checks idempotency keys, pauses and every condition of a list on an empty store.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_selection(store: &dyn Store) {
    let scope = scope();
    keys(store, &scope).await;
    pauses(store, &scope).await;
    conditions(store).await;
}

async fn keys(store: &dyn Store, scope: &Scope) {
    let keyed = |number, name: &str, key: &str| {
        let mut run = new_run(&principal(), number);
        run.workflow.name = name.to_owned();
        run.idempotency_key = Some(key.to_owned());
        run
    };
    let find = async |name: &str, key: &str| store.run_with_key(scope, "default", name, key).await.unwrap();
    assert_eq!(find("order", "ä-1").await, None);
    store.create(keyed(1, "order", "ä-1")).await.unwrap();
    assert_eq!(find("order", "ä-1").await, Some(run_id(1)));
    let stored = store.run(scope, run_id(1)).await.unwrap().unwrap();
    assert_eq!(stored.idempotency_key.as_deref(), Some("ä-1"));

    let mut other = keyed(2, "order", "ä-1");
    other.workflow.version = "2.0.0".to_owned();
    assert_eq!(code(store.create(other).await), Some(ErrorCode::AlreadyExists));
    assert_eq!(store.run(scope, run_id(2)).await.unwrap(), None);
    // Of two at once one comes first, even in one transaction.
    let (left, right) = tokio::join!(
        store.create(keyed(3, "order", "b")),
        store.create(keyed(4, "order", "b"))
    );
    assert_eq!(
        [left, right].into_iter().filter_map(code).collect::<Vec<_>>(),
        [ErrorCode::AlreadyExists]
    );
    // A key belongs to the workflow's name and to its owner.
    store.create(keyed(5, "invoice", "ä-1")).await.unwrap();
    let mut of_bob = keyed(6, "order", "ä-1");
    of_bob.principal = Principal::new("acme", "bob").unwrap();
    let bob = of_bob.principal.scope();
    store.create(of_bob).await.unwrap();
    assert_eq!(find("order", "ä-1").await, Some(run_id(1)));
    assert_eq!(
        store.run_with_key(&bob, "default", "order", "ä-1").await.unwrap(),
        Some(run_id(6))
    );
    assert_eq!(
        store.run_with_key(scope, "other", "order", "ä-1").await.unwrap(),
        None
    );
    // It stays taken when the run has ended.
    let mut last = commit(scope, run_id(1), 1..2);
    last.end = Some(end(RunStatus::Completed, 9, None));
    store.commit(last).await.unwrap();
    assert_eq!(
        code(store.create(keyed(7, "order", "ä-1")).await),
        Some(ErrorCode::AlreadyExists)
    );
    for (key, expected) in [
        (String::new(), ErrorCode::InvalidRequest),
        ("k".repeat(257), ErrorCode::LimitExceeded),
    ] {
        assert_eq!(code(store.create(keyed(8, "order", &key)).await), Some(expected));
    }
}

fn end(status: RunStatus, at: u64, error: Option<Value>) -> RunEnd {
    RunEnd {
        status,
        output: None,
        error,
        at: second(at),
        expires_at: None,
    }
}

async fn pauses(store: &dyn Store, scope: &Scope) {
    let run = run_id(10);
    store.create(new_run(&principal(), 10)).await.unwrap();
    let status = async || store.run(scope, run).await.unwrap().unwrap().status;
    let step = |sequence, is_paused| {
        let mut step = commit(scope, run, sequence..sequence + 1);
        step.is_paused = is_paused;
        step
    };
    for (sequence, is_paused, expected) in [
        (1, Some(true), RunStatus::Paused),
        (2, None, RunStatus::Paused),
        (3, Some(false), RunStatus::Running),
        (4, Some(true), RunStatus::Paused),
    ] {
        store.commit(step(sequence, is_paused)).await.unwrap();
        assert_eq!(status().await, expected, "{sequence}");
        let unfinished = store.unfinished().await.unwrap();
        assert!(
            unfinished
                .iter()
                .any(|other| (other.id, other.status) == (run, expected))
        );
    }
    let mut late = step(6, Some(false));
    assert_eq!(code(store.commit(late.clone()).await), Some(ErrorCode::Conflict));
    assert_eq!(status().await, RunStatus::Paused);
    late.entries[0].sequence = 5;
    late.is_paused = None;
    late.end = Some(end(RunStatus::Cancelled, 19, None));
    store.commit(late).await.unwrap();
    assert_eq!(status().await, RunStatus::Cancelled);
    let mut not_an_end = commit(scope, run_id(5), 1..2);
    not_an_end.end = Some(end(RunStatus::Paused, 19, None));
    assert_eq!(
        code(store.commit(not_an_end).await),
        Some(ErrorCode::InvalidRequest)
    );
}

fn labels(tags: &[(&str, &str)], fields: &[(&str, Value)]) -> RunLabels {
    let tags = tags
        .iter()
        .map(|(name, tag)| ((*name).to_owned(), (*tag).to_owned()));
    let fields = fields
        .iter()
        .map(|(name, field)| ((*name).to_owned(), field.clone()));
    RunLabels {
        tags: tags.collect(),
        fields: fields.collect(),
    }
}

fn labelled(owner: &Principal, number: u64, version: &str, labels: RunLabels) -> NewRun {
    let mut run = new_run(owner, number);
    run.workflow.version = version.to_owned();
    run.labels = labels;
    run
}

async fn conditions(store: &dyn Store) {
    let owner = Principal::new("acme", "finder").unwrap();
    let scope = &owner.scope();
    let north = [("region", "north"), ("team", "a")];
    for run in [
        labelled(
            &owner,
            1,
            "1.0.0",
            labels(&north, &[("customer", json!(7)), ("vip", json!(true))]),
        ),
        labelled(&owner, 2, "1.0.0", labels(&north, &[("customer", json!("7"))])),
        labelled(
            &owner,
            3,
            "2.0.0",
            labels(&[("region", "south")], &[("customer", json!(7))]),
        ),
        labelled(
            &owner,
            4,
            "2.0.0",
            labels(&[("customer", "7")], &[("total", json!(1.5))]),
        ),
        labelled(&owner, 5, "2.0.0", RunLabels::default()),
    ] {
        store.create(run.clone()).await.unwrap();
        let stored = store.run(scope, run.id).await.unwrap().unwrap();
        assert_eq!(stored.labels, run.labels);
    }
    for (number, end) in [
        (
            2,
            end(
                RunStatus::Faulted,
                102,
                Some(json!({ "type": "urn:a", "status": 500 })),
            ),
        ),
        (
            3,
            end(
                RunStatus::Faulted,
                103,
                Some(json!({ "type": "urn:b", "status": 500 })),
            ),
        ),
        (4, end(RunStatus::Completed, 104, None)),
    ] {
        let mut last = commit(scope, run_id(number), 1..2);
        last.end = Some(end);
        store.commit(last).await.unwrap();
    }
    let mut pause = commit(scope, run_id(5), 1..2);
    pause.is_paused = Some(true);
    store.commit(pause).await.unwrap();

    let labelled = |tags: &[(&str, &str)], fields: &[(&str, Value)]| RunFilter {
        labels: labels(tags, fields),
        ..RunFilter::default()
    };
    let between = |from, before| TimeRange {
        from: Some(second(from)),
        before: Some(second(before)),
    };
    use RunStatus::{Cancelled, Completed, Faulted, Paused, Running};
    for (filter, expected) in [
        (RunFilter::default(), &[5, 4, 3, 2, 1][..]),
        (RunFilter::in_states([Running]), &[1]),
        (RunFilter::in_states([Paused]), &[5]),
        (RunFilter::in_states([Paused, Running]), &[5, 1]),
        (RunFilter::in_states([Faulted, Completed]), &[4, 3, 2]),
        (RunFilter::in_states([Paused, Faulted, Cancelled]), &[5, 3, 2]),
        (
            RunFilter {
                version: Some("2.0.0".to_owned()),
                ..RunFilter::default()
            },
            &[5, 4, 3],
        ),
        (
            RunFilter {
                created: between(2, 4),
                ..RunFilter::default()
            },
            &[3, 2],
        ),
        (
            RunFilter {
                ended: between(103, 105),
                ..RunFilter::default()
            },
            &[4, 3],
        ),
        (
            RunFilter {
                ended: TimeRange {
                    from: None,
                    before: Some(second(103)),
                },
                ..RunFilter::default()
            },
            &[2],
        ),
        (
            RunFilter {
                error_type: Some("urn:a".to_owned()),
                ..RunFilter::default()
            },
            &[2],
        ),
        (
            RunFilter {
                error_type: Some("urn:b".to_owned()),
                ..RunFilter::in_states([Faulted, Running])
            },
            &[3],
        ),
        (
            RunFilter {
                error_type: Some("urn:b".to_owned()),
                ..RunFilter::in_states([Running])
            },
            &[],
        ),
        (labelled(&[("region", "north")], &[]), &[2, 1]),
        (labelled(&[("region", "nort%")], &[]), &[]),
        (labelled(&[("region", "north"), ("team", "a")], &[]), &[2, 1]),
        (labelled(&[("region", "south"), ("team", "a")], &[]), &[]),
        // A number is not a text, and a tag is not a field.
        (labelled(&[], &[("customer", json!(7))]), &[3, 1]),
        (labelled(&[], &[("customer", json!("7"))]), &[2]),
        (labelled(&[("customer", "7")], &[]), &[4]),
        (labelled(&[], &[("vip", json!(true))]), &[1]),
        (labelled(&[], &[("vip", json!("true"))]), &[]),
        (labelled(&[], &[("total", json!(1.5))]), &[4]),
        (labelled(&[("region", "north")], &[("customer", json!(7))]), &[1]),
        (
            RunFilter {
                version: Some("2.0.0".to_owned()),
                created: between(0, 4),
                ended: between(0, 200),
                name: Some("briefing".to_owned()),
                namespace: Some("default".to_owned()),
                error_type: Some("urn:b".to_owned()),
                ..labelled(&[("region", "south")], &[("customer", json!(7))])
            },
            &[3],
        ),
    ] {
        check(store, scope, &filter, expected).await;
    }
    let bob = Principal::new("acme", "another finder").unwrap().scope();
    check(store, &bob, &labelled(&[("region", "north")], &[]), &[]).await;
    let mut many = new_run(&owner, 99);
    many.labels.tags = (0..33)
        .map(|n| (n.to_string(), String::new()))
        .collect::<BTreeMap<_, _>>();
    assert_eq!(code(store.create(many).await), Some(ErrorCode::LimitExceeded));
}

/// Checks a list in pages of several sizes, and that counting agrees with it.
async fn check(store: &dyn Store, scope: &Scope, filter: &RunFilter, expected: &[u64]) {
    let expected: Vec<_> = expected.iter().map(|number| run_id(*number)).collect();
    assert_eq!(
        store.count_runs(scope, filter).await.unwrap(),
        expected.len() as u64,
        "{filter:?}"
    );
    for limit in [None, Some(1), Some(2)] {
        let mut seen = Vec::new();
        let mut page = PageRequest { after: None, limit };
        loop {
            let part = store.runs(scope, filter, &page).await.unwrap();
            seen.extend(part.items.into_iter().map(|run| run.id));
            page.after = part.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "{filter:?} in pages of {limit:?}");
    }
}
