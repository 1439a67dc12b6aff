//! What every store must do to remove what nobody wants to keep.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use jiff::Timestamp;
use serde_json::json;

use super::{Store, code};
use crate::storage::{
    ApprovalChange, ApprovalFilter, Expiry, NewRun, PageRequest, ParentStep, RunEnd, RunFilter, RunLabels,
    RunStatus,
};
use crate::testkit::fixtures::{approval, commit, new_run, principal, run_id, scope, second, start};
use crate::{CloudEvent, ErrorCode, Principal, Scope};

/// Checks removing on an empty store.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_retention(store: &dyn Store) {
    deletion(store, &scope()).await;
    expiry(store, &scope()).await;
    events(store, &scope()).await;
    continuations(store, &scope()).await;
}

/// Ends a run at a second after [`start`].
async fn end(
    store: &dyn Store,
    scope: &Scope,
    number: u64,
    status: RunStatus,
    expires_at: Option<Timestamp>,
) {
    let mut last = commit(scope, run_id(number), 1..2);
    last.end = Some(RunEnd {
        status,
        output: None,
        error: None,
        at: second(number),
        expires_at,
    });
    store.commit(last).await.unwrap();
}

/// Prunes until there is no more to remove.
async fn prune(store: &dyn Store, expiry: &Expiry, limit: usize) -> usize {
    let mut calls = 1;
    while store.prune(expiry, limit).await.unwrap() {
        calls += 1;
        assert!(calls < 10_000, "pruning ends");
    }
    calls
}

/// Trims journals until there is no more to remove.
async fn trim(store: &dyn Store, limit: usize) {
    let mut calls = 1;
    while store.trim_journals(limit).await.unwrap() {
        calls += 1;
        assert!(calls < 10_000, "trimming ends");
    }
}

async fn deletion(store: &dyn Store, scope: &Scope) {
    let labelled = || NewRun {
        labels: RunLabels {
            tags: [("team".to_owned(), "a".to_owned())].into(),
            ..RunLabels::default()
        },
        idempotency_key: Some("key".to_owned()),
        ..new_run(&principal(), 1)
    };
    let filter = RunFilter {
        labels: labelled().labels,
        ..RunFilter::default()
    };
    store.create(labelled()).await.unwrap();
    store
        .create(NewRun {
            parent: Some(ParentStep {
                run: run_id(1),
                action: 1,
            }),
            ..new_run(&principal(), 2)
        })
        .await
        .unwrap();
    let mut asks = commit(scope, run_id(1), 1..1);
    asks.approvals = vec![ApprovalChange::Open(Box::new(approval(&principal(), 1, 1)))];
    store.commit(asks).await.unwrap();
    end(store, scope, 2, RunStatus::Completed, None).await;

    let running = store.delete_run(scope, run_id(1)).await;
    assert_eq!(code(running), Some(ErrorCode::Conflict), "it has not ended");
    let child = store.delete_run(scope, run_id(2)).await;
    assert_eq!(code(child), Some(ErrorCode::Conflict), "its parent has not ended");
    assert!(!store.delete_run(scope, run_id(9)).await.unwrap());
    end(store, scope, 1, RunStatus::Completed, None).await;
    let stranger = Principal::new("acme", "eve").unwrap().scope();
    assert!(
        !store.delete_run(&stranger, run_id(1)).await.unwrap(),
        "another's run"
    );

    assert!(store.delete_run(scope, run_id(1)).await.unwrap());
    assert!(!store.delete_run(scope, run_id(1)).await.unwrap(), "it is gone");
    assert_eq!(store.run(scope, run_id(1)).await.unwrap(), None);
    assert_eq!(store.journal(scope, run_id(1), 0, 9).await.unwrap(), []);
    assert_eq!(store.count_runs(scope, &filter).await.unwrap(), 0);
    let approvals = store
        .approvals(&principal(), &ApprovalFilter::default(), &PageRequest::default())
        .await;
    assert_eq!(approvals.unwrap().items, []);
    let key = store.run_with_key(scope, "default", "briefing", "key").await;
    assert_eq!(key.unwrap(), None, "the key is free");
    assert!(
        store.run(scope, run_id(2)).await.unwrap().is_some(),
        "children stay"
    );
    let late = store.commit(commit(scope, run_id(1), 2..3)).await;
    assert_eq!(code(late), Some(ErrorCode::NotFound));
    store.create(labelled()).await.unwrap();
    assert_eq!(
        store.journal(scope, run_id(1), 0, 9).await.unwrap().len(),
        1,
        "anew"
    );
    end(store, scope, 1, RunStatus::Completed, None).await;
    for number in [1, 2] {
        assert!(store.delete_run(scope, run_id(number)).await.unwrap());
    }
}

async fn expiry(store: &dyn Store, scope: &Scope) {
    assert!(!store.has_expiring_runs().await.unwrap());
    let own = Some(second(100));
    for (number, status, expires_at) in [
        (10, RunStatus::Completed, None),
        (11, RunStatus::Faulted, None),
        (12, RunStatus::Cancelled, None),
        (13, RunStatus::Completed, own),
        (14, RunStatus::Faulted, own),
        (15, RunStatus::Running, None),
        (16, RunStatus::Completed, None),
        (20, RunStatus::Completed, None),
    ] {
        let mut run = new_run(&principal(), number);
        if number == 16 {
            run.parent = Some(ParentStep {
                run: run_id(15),
                action: 1,
            });
        }
        store.create(run).await.unwrap();
        if status.has_ended() {
            // Several chunks for one run.
            let entries = commit(scope, run_id(number), 1..30);
            store.commit(entries).await.unwrap();
            let mut last = commit(scope, run_id(number), 30..31);
            last.end = Some(RunEnd {
                status,
                output: Some(json!(number)),
                error: None,
                at: second(number),
                expires_at,
            });
            store.commit(last).await.unwrap();
        }
    }
    assert!(store.has_expiring_runs().await.unwrap());
    let left = async || {
        let all = store
            .runs(scope, &RunFilter::default(), &PageRequest::default())
            .await
            .unwrap();
        let mut numbers: Vec<_> = all
            .items
            .iter()
            .map(|run| run.created_at.duration_since(start()).as_secs())
            .collect();
        numbers.sort_unstable();
        numbers
    };
    prune(store, &Expiry::new(second(99)), 7).await;
    assert_eq!(left().await, [10, 11, 12, 13, 14, 15, 16, 20], "kept for ever");
    let completed = Expiry {
        completed_until: Some(second(19)),
        ..Expiry::new(second(99))
    };
    prune(store, &completed, 7).await;
    assert_eq!(left().await, [11, 12, 13, 14, 15, 16, 20]);
    let all = Expiry {
        completed_until: Some(second(99)),
        failed_until: Some(second(99)),
        ..Expiry::new(second(99))
    };
    prune(store, &all, 7).await;
    assert_eq!(
        left().await,
        [13, 14, 15, 16],
        "their own word counts, and a parent that waits"
    );
    prune(store, &Expiry::new(second(100)), 7).await;
    assert_eq!(left().await, [15, 16]);
    assert!(!store.has_expiring_runs().await.unwrap());
    end(store, scope, 15, RunStatus::Completed, None).await;
    prune(store, &all, 7).await;
    assert_eq!(left().await, [0_i64; 0]);
}

async fn events(store: &dyn Store, scope: &Scope) {
    let append = async |id: &str| {
        let event = CloudEvent::new(id, "/retention", "x");
        store.append(scope, &event).await.unwrap()
    };
    let first = append("1").await;
    append("2").await;
    store.note_events(second(10)).await.unwrap();
    let third = append("3").await;
    store.note_events(second(20)).await.unwrap();
    append("4").await;
    let left = async || {
        let read = store.read(scope, first - 1, 10).await.unwrap();
        read.into_iter().map(|logged| logged.event.id).collect::<Vec<_>>()
    };
    let until = |at| Expiry {
        events_until: Some(at),
        ..Expiry::new(second(100))
    };
    prune(store, &until(second(9)), 1).await;
    assert_eq!(left().await, ["1", "2", "3", "4"]);
    prune(store, &until(second(19)), 1).await;
    assert_eq!(left().await, ["3", "4"]);
    prune(store, &until(second(99)), 1).await;
    assert_eq!(left().await, ["4"], "nobody noted when it came");
    assert!(append("3").await > third, "offsets do not come back");
    assert_eq!(left().await, ["4", "3"], "what is gone can be logged again");
}

/// The journal of a run that continues begins anew, and what came before goes a little at a time.
async fn continuations(store: &dyn Store, scope: &Scope) {
    let run = run_id(70);
    store.create(new_run(&principal(), 70)).await.unwrap();
    store.commit(commit(scope, run, 1..50)).await.unwrap();
    let mut none = commit(scope, run, 50..50);
    none.continues = true;
    assert_eq!(code(store.commit(none).await), Some(ErrorCode::InvalidRequest));

    let mut last = commit(scope, run, 50..52);
    last.continues = true;
    store.commit(last.clone()).await.unwrap();
    let record = store.run(scope, run).await.unwrap().unwrap();
    assert_eq!(record.journal_start, 51);
    let sequences = async |from| {
        let entries = store.journal(scope, run, from, 99).await.unwrap();
        entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>()
    };
    assert_eq!(sequences(51).await, [51]);
    // Its state is known even while what came before is being removed.
    store.trim_journals(10).await.unwrap();
    store.commit(commit(scope, run, 52..53)).await.unwrap();
    trim(store, 10).await;
    assert_eq!(sequences(0).await, [51, 52]);
    assert_eq!(code(store.commit(last).await), Some(ErrorCode::Conflict));
    store.commit(commit(scope, run, 53..54)).await.unwrap();
    let mut again = commit(scope, run, 54..55);
    again.continues = true;
    store.commit(again).await.unwrap();
    trim(store, 10).await;
    assert_eq!(sequences(0).await, [54], "again");
    assert_eq!(store.run(scope, run).await.unwrap().unwrap().journal_start, 54);
}
