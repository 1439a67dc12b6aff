//! What every store of runs must do.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use serde_json::json;

use super::{Store, code, record_of};
use crate::storage::{JournalEntry, PageRequest, ParentStep, RunEnd, RunFilter, RunStatus, WorkflowVersion};
use crate::testkit::fixtures::{commit, entry, new_run, principal, run_id, scope, second};
use crate::{CloudEvent, ErrorCode, Principal, RunId, Scope};

/// Checks creation, journals, atomic commits and lists on an empty store.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_runs(store: &dyn Store) {
    let scope = scope();
    creation(store, &scope).await;
    journals(store, &scope).await;
    copies(store).await;
    beginnings(store).await;
    refusals(store, &scope).await;
    started_runs(store, &scope).await;
    migrations(store).await;
    ends(store, &scope).await;
    lists(store, &scope).await;
}

async fn creation(store: &dyn Store, scope: &Scope) {
    assert_eq!(store.run(scope, run_id(1)).await.unwrap(), None);
    let mut run = new_run(&principal(), 1);
    run.principal.roles = vec!["editor".to_owned()];
    run.directory = Some("/tmp/ä b".into());
    run.parent = Some(ParentStep {
        run: run_id(99),
        action: 7,
    });
    run.input = json!({ "text": "ä\u{1f600}", "numbers": [1, 2.5, -3], "nothing": null });
    run.created_at = "2026-01-01T00:00:01.123456789Z".parse().unwrap();
    store.create(run.clone()).await.unwrap();
    let stored = store.run(scope, run.id).await.unwrap().unwrap();
    assert_eq!(stored, record_of(store, &run));
    assert_eq!(store.journal(scope, run.id, 0, 10).await.unwrap(), [entry(0)]);

    assert_eq!(
        code(store.create(new_run(&principal(), 1)).await),
        Some(ErrorCode::AlreadyExists)
    );
    assert_eq!(
        store.run(scope, run.id).await.unwrap().unwrap(),
        stored,
        "the first one stays"
    );
    let mut gap = new_run(&principal(), 2);
    gap.first_entry.sequence = 1;
    assert_eq!(code(store.create(gap).await), Some(ErrorCode::InvalidRequest));
    assert_eq!(store.run(scope, run_id(2)).await.unwrap(), None);
    let mut gap = new_run(&principal(), 2);
    gap.copied = vec![entry(1), entry(3)];
    assert_eq!(code(store.create(gap).await), Some(ErrorCode::InvalidRequest));
}

async fn copies(store: &dyn Store) {
    let owner = Principal::new("acme", "copier").unwrap();
    let scope = &owner.scope();
    let mut copy = new_run(&owner, 3);
    copy.rerun_of = Some(run_id(1));
    copy.first_entry.event_head = 3;
    copy.copied = vec![
        JournalEntry {
            event_head: 5,
            ..entry(1)
        },
        entry(2),
    ];
    store.create(copy.clone()).await.unwrap();
    let stored = store.run(scope, copy.id).await.unwrap().unwrap();
    assert_eq!(stored, record_of(store, &copy));
    assert_eq!(stored.updated_at, second(2));
    let journal = store.journal(scope, copy.id, 0, 10).await.unwrap();
    let heads: Vec<_> = journal
        .iter()
        .map(|entry| (entry.sequence, entry.event_head))
        .collect();
    assert_eq!(
        heads,
        [(0, 3), (1, 5), (2, 0)],
        "copied entries keep their place in the log"
    );
    cancelled(store, scope, copy.id, 3).await;
}

/// Ends a run with the next entry of its journal.
async fn cancelled(store: &dyn Store, scope: &Scope, run: RunId, sequence: u64) {
    let mut last = commit(scope, run, sequence..sequence + 1);
    last.end = Some(RunEnd {
        status: RunStatus::Cancelled,
        output: None,
        error: None,
        at: second(9),
        expires_at: None,
    });
    store.commit(last).await.unwrap();
}

/// Who creates a run knows all that is kept of it.
async fn beginnings(store: &dyn Store) {
    let owner = Principal::new("acme", "starter").unwrap();
    let scope = &owner.scope();
    let event = CloudEvent::new("1", "/test", "t");
    let offset = store.append(scope, &event).await.unwrap();
    let run = new_run(&owner, 1);
    let created = store.create(run.clone()).await.unwrap();
    assert_eq!(created.event_head, offset);
    let kept = JournalEntry {
        event_head: created.event_head,
        ..run.first_entry.clone()
    };
    assert_eq!(store.journal(scope, run.id, 0, 10).await.unwrap(), [kept]);
    assert_eq!(
        store.run(scope, run.id).await.unwrap(),
        Some(record_of(store, &run))
    );
    cancelled(store, scope, run.id, 1).await;
}

async fn migrations(store: &dyn Store) {
    let owner = Principal::new("acme", "mover").unwrap();
    let scope = &owner.scope();
    let first = new_run(&owner, 1);
    store.create(first.clone()).await.unwrap();
    store.create(new_run(&owner, 2)).await.unwrap();
    let to = |number: u64| WorkflowVersion {
        version: format!("{number}.0.0"),
        hash: format!("hash {number}"),
    };
    for number in [2, 3] {
        let mut step = commit(scope, first.id, number - 1..number);
        step.migrates_to = Some(to(number));
        store.commit(step).await.unwrap();
        let run = store.run(scope, first.id).await.unwrap().unwrap();
        assert_eq!(run.workflow, first.workflow.with_version(to(number)));
        assert_eq!(
            run.started_with,
            Some(first.workflow.version()),
            "the version that it was started with stays known"
        );
        assert!(run.is_of(&first.workflow.hash) && run.is_of(&to(number).hash) && !run.is_of("other"));
    }
    let mut refused = commit(scope, first.id, 7..8);
    refused.migrates_to = Some(to(4));
    assert_eq!(code(store.commit(refused).await), Some(ErrorCode::Conflict));
    let listed = store
        .runs(scope, &RunFilter::default(), &PageRequest::default())
        .await;
    let listed = listed.unwrap().items;
    let versions: Vec<_> = listed.iter().map(|run| run.workflow.version.as_str()).collect();
    assert_eq!(versions, ["1.0.0", "3.0.0"], "other runs stay as they are");
    assert_eq!(listed[1].started_with, Some(first.workflow.version()));
    assert_eq!(
        store
            .unfinished()
            .await
            .unwrap()
            .iter()
            .filter(|run| run.started_with.is_some())
            .count(),
        1
    );
    for (run, next) in [(first.id, 3), (run_id(2), 1)] {
        cancelled(store, scope, run, next).await;
    }
}

async fn sequences(store: &dyn Store, scope: &Scope, run: RunId, from: u64, limit: usize) -> Vec<u64> {
    store
        .journal(scope, run, from, limit)
        .await
        .unwrap()
        .iter()
        .map(|entry| entry.sequence)
        .collect()
}

async fn journals(store: &dyn Store, scope: &Scope) {
    store.commit(commit(scope, run_id(1), 1..4)).await.unwrap();
    store.commit(commit(scope, run_id(1), 4..5)).await.unwrap();
    let stored = store.journal(scope, run_id(1), 0, 100).await.unwrap();
    assert_eq!(
        stored,
        (0..5).map(entry).collect::<Vec<_>>(),
        "times and payloads are kept exactly"
    );
    assert_eq!(
        store.run(scope, run_id(1)).await.unwrap().unwrap().updated_at,
        second(4)
    );
    for (from, limit, expected) in [
        (0, 2, &[0, 1][..]),
        (2, 2, &[2, 3]),
        (4, 9, &[4]),
        (5, 9, &[]),
        (0, 0, &[]),
        (u64::MAX, usize::MAX, &[]),
    ] {
        assert_eq!(
            sequences(store, scope, run_id(1), from, limit).await,
            expected,
            "{from}, {limit}"
        );
    }
    assert_eq!(store.journal(scope, run_id(404), 0, 9).await.unwrap(), []);
    store.commit(commit(scope, run_id(1), 5..5)).await.unwrap();
    assert_eq!(
        sequences(store, scope, run_id(1), 0, 100).await.len(),
        5,
        "a commit may be empty"
    );
}

/// A commit that would leave traces everywhere if it were not refused as a whole.
fn traces(scope: &Scope, run: RunId, sequences: std::ops::Range<u64>) -> crate::storage::RunCommit {
    let mut step = commit(scope, run, sequences);
    step.events = vec![CloudEvent::new("refused", "/run", "x")];
    step
}

async fn refusals(store: &dyn Store, scope: &Scope) {
    let head = store.head().await.unwrap();
    let watch = store.watch();
    let before = store.run(scope, run_id(1)).await.unwrap();
    let mut inner_gap = traces(scope, run_id(1), 5..8);
    inner_gap.entries.remove(1);
    let mut not_an_end = traces(scope, run_id(1), 5..6);
    not_an_end.end = Some(RunEnd {
        status: RunStatus::Running,
        output: None,
        error: None,
        at: second(6),
        expires_at: None,
    });
    for (what, step, expected) in [
        ("a gap", traces(scope, run_id(1), 6..7), ErrorCode::Conflict),
        ("a gap inside", inner_gap, ErrorCode::Conflict),
        (
            "a sequence written before",
            traces(scope, run_id(1), 4..6),
            ErrorCode::Conflict,
        ),
        (
            "an unknown run",
            traces(scope, run_id(404), 0..1),
            ErrorCode::NotFound,
        ),
        ("no end", not_an_end, ErrorCode::InvalidRequest),
    ] {
        assert_eq!(code(store.commit(step).await), Some(expected), "{what}");
        assert_eq!(store.head().await.unwrap(), head, "{what} appended an event");
        assert_eq!(
            store.read(scope, head, 9).await.unwrap(),
            [],
            "{what} appended an event"
        );
        assert_eq!(
            store.run(scope, run_id(1)).await.unwrap(),
            before,
            "{what} changed the run"
        );
        assert_eq!(
            sequences(store, scope, run_id(1), 0, 99).await,
            [0, 1, 2, 3, 4],
            "{what} wrote entries"
        );
    }
    assert!(!watch.has_changed().unwrap());
}

/// Runs with different beginnings, which the lists look for.
async fn started_runs(store: &dyn Store, scope: &Scope) {
    let mut child = new_run(&principal(), 10);
    child.parent = Some(ParentStep {
        run: run_id(1),
        action: 3,
    });
    let mut step = commit(scope, run_id(1), 5..7);
    step.events = vec![CloudEvent::new("started", "/run", "x")];
    let committed = store.commit(step).await.unwrap();
    for run in [
        child.clone(),
        new_run(&principal(), 11),
        new_run(&principal(), 12),
    ] {
        assert_eq!(store.create(run).await.unwrap(), committed);
    }
    assert_eq!(
        store.run(scope, child.id).await.unwrap(),
        Some(record_of(store, &child))
    );
    let journal = store.journal(scope, child.id, 0, 9).await.unwrap();
    assert_eq!(journal.len(), 1);
    assert_eq!(journal[0].event_head, committed.event_head);
    store.commit(commit(scope, child.id, 1..2)).await.unwrap();
}

async fn ends(store: &dyn Store, scope: &Scope) {
    for (run, end) in [
        (
            10,
            RunEnd {
                status: RunStatus::Completed,
                output: Some(json!(null)),
                error: None,
                at: second(20),
                expires_at: None,
            },
        ),
        (
            11,
            RunEnd {
                status: RunStatus::Faulted,
                output: None,
                error: Some(json!({ "status": 500 })),
                at: second(21),
                expires_at: None,
            },
        ),
        (
            12,
            RunEnd {
                status: RunStatus::Cancelled,
                output: None,
                error: None,
                at: second(22),
                expires_at: None,
            },
        ),
    ] {
        let next = sequences(store, scope, run_id(run), 0, 99).await.len() as u64;
        let mut step = commit(scope, run_id(run), next..next + 1);
        step.end = Some(end.clone());
        store.commit(step).await.unwrap();
        let stored = store.run(scope, run_id(run)).await.unwrap().unwrap();
        let seen = RunEnd {
            status: stored.status,
            output: stored.output,
            error: stored.error,
            at: stored.ended_at.unwrap(),
            expires_at: None,
        };
        assert_eq!(seen, end);
        let head = store.head().await.unwrap();
        let late = store.commit(traces(scope, run_id(run), next + 1..next + 2)).await;
        assert_eq!(code(late), Some(ErrorCode::Conflict), "an ended run stays ended");
        assert_eq!(store.head().await.unwrap(), head);
    }
    let running = store.run(scope, run_id(1)).await.unwrap().unwrap();
    assert_eq!(store.unfinished().await.unwrap(), [running.listed()]);
    assert_ne!(running.input, json!(null), "a list leaves the input out");
}

async fn lists(store: &dyn Store, scope: &Scope) {
    // Two runs of the same moment: the id decides.
    for number in [21, 20] {
        let mut run = new_run(&principal(), number);
        run.created_at = second(30);
        run.workflow.namespace = "reports".to_owned();
        run.workflow.name = "daily".to_owned();
        store.create(run).await.unwrap();
    }
    let of_one = RunFilter {
        parent: Some(run_id(1)),
        ..RunFilter::default()
    };
    for (filter, expected) in [
        (RunFilter::default(), &[21, 20, 12, 11, 10, 1][..]),
        (RunFilter::in_states([RunStatus::Running]), &[21, 20, 1]),
        (RunFilter::in_states([RunStatus::Faulted]), &[11]),
        (
            RunFilter {
                namespace: Some("reports".to_owned()),
                ..RunFilter::default()
            },
            &[21, 20],
        ),
        (
            RunFilter {
                name: Some("daily".to_owned()),
                ..RunFilter::default()
            },
            &[21, 20],
        ),
        (
            RunFilter {
                name: Some("dail%".to_owned()),
                ..RunFilter::default()
            },
            &[],
        ),
        (of_one.clone(), &[10]),
        (
            RunFilter {
                statuses: vec![RunStatus::Cancelled],
                ..of_one
            },
            &[],
        ),
    ] {
        let expected: Vec<_> = expected.iter().map(|number| run_id(*number)).collect();
        for limit in [None, Some(1), Some(2), Some(6)] {
            let mut seen = Vec::new();
            let mut page = PageRequest { after: None, limit };
            loop {
                let part = store.runs(scope, &filter, &page).await.unwrap();
                for listed in part.items {
                    let run = store.run(scope, listed.id).await.unwrap().unwrap();
                    assert_eq!(listed, run.listed(), "a list leaves input and output out");
                    seen.push(listed.id);
                }
                page.after = part.next;
                if page.after.is_none() {
                    break;
                }
            }
            assert_eq!(
                seen, expected,
                "the newest first: {filter:?} in pages of {limit:?}"
            );
        }
    }
    for (after, limit) in [(None, Some(0)), (None, Some(1001)), (Some("nonsense"), None)] {
        let page = PageRequest {
            after: after.map(str::to_owned),
            limit,
        };
        let refused = store.runs(scope, &RunFilter::default(), &page).await;
        assert_eq!(code(refused), Some(ErrorCode::InvalidRequest), "{page:?}");
    }
}
