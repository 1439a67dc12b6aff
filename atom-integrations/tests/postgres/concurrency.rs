//! Many callers at once.

use std::sync::Arc;

use atom_core::storage::{
    ApprovalChange, ApprovalStatus, ApprovalStore, RunCommit, RunEnd, RunStatus, RunStore, WorkflowStore,
};
use atom_core::testkit::fixtures::{approval, commit, deployed, new_run, principal, run_id, scope, second};
use atom_core::{CloudEvent, ErrorCode, EventLog};
use futures::future::join_all;
use serde_json::json;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::{open, sequences, server, take_over};

fn step(run: u64, sequence: u64) -> RunCommit {
    let mut step = commit(&scope(), run_id(run), sequence..sequence + 1);
    step.events = vec![CloudEvent::new(format!("{run}.{sequence}"), "/step", "x")];
    step
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_of_many_runs_land_without_a_gap() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let store = Arc::new(open(&database).await);
    let tasks = (0..64).map(|run| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store.create(new_run(&principal(), run)).await.unwrap();
            let mut heads = Vec::new();
            for sequence in 1..=20 {
                heads.push(store.commit(step(run, sequence)).await.unwrap().event_head);
            }
            heads
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        let heads = task.await.unwrap();
        assert!(heads.is_sorted_by(|left, right| left < right), "{heads:?}");
    }
    for run in 0..64 {
        assert_eq!(sequences(&store, run_id(run)).await, (0..=20).collect::<Vec<_>>());
    }
    let events = store.read(&scope(), 0, usize::MAX).await.unwrap();
    assert_eq!(events.len(), 64 * 20);
    assert_eq!(store.head().await.unwrap(), 64 * 20, "offsets are not wasted");
    // What is committed is what the writer believes.
    store.close().await.unwrap();
    let store = take_over(server, &database).await;
    assert_eq!(store.head().await.unwrap(), 64 * 20);
    store.commit(step(3, 21)).await.unwrap();
}

#[tokio::test]
async fn a_bad_change_among_good_ones_fails_alone() {
    let Some(server) = server().await else { return };
    let store = open(&server.database()).await;
    for run in 0..30 {
        store.create(new_run(&principal(), run)).await.unwrap();
    }
    store.put_document(&scope(), "h1", "text").await.unwrap();
    store.put_document(&scope(), "h2", "text").await.unwrap();
    store
        .deploy(&scope(), &deployed("briefing", "1.0.0", "h1"))
        .await
        .unwrap();
    // One task sends all of them before the writer runs: they share a transaction.
    let mut bad = step(7, 1);
    bad.entries[0].sequence = 5;
    let commits = (0..30).map(|run| store.commit(if run == 7 { bad.clone() } else { step(run, 1) }));
    let other = deployed("briefing", "1.0.0", "h2");
    let next = deployed("briefing", "2.0.0", "h2");
    let workflows = [&other, &next].map(|workflow| async { store.deploy(&scope(), workflow).await });
    let (commits, workflows) = tokio::join!(join_all(commits), join_all(workflows));
    for (run, outcome) in commits.into_iter().enumerate() {
        assert_eq!(
            outcome.err().map(|error| error.code()),
            (run == 7).then_some(ErrorCode::Conflict),
            "run {run}"
        );
    }
    assert_eq!(
        workflows[0].as_ref().unwrap_err().code(),
        ErrorCode::AlreadyExists
    );
    assert_eq!(workflows[1].as_ref().unwrap(), &next);
    assert_eq!(store.read(&scope(), 0, 99).await.unwrap().len(), 29);
    assert_eq!(sequences(&store, run_id(7)).await, [0]);
    store.commit(step(7, 1)).await.unwrap();
}

#[tokio::test]
async fn a_run_that_begins_and_ends_in_one_transaction_has_done_both() {
    let Some(server) = server().await else { return };
    let store = open(&server.database()).await;
    let asked = approval(&principal(), 1, 1);
    let mut pause = step(1, 1);
    pause.is_paused = Some(true);
    pause.approvals = vec![ApprovalChange::Open(Box::new(asked.clone()))];
    let mut end = step(1, 2);
    end.approvals = vec![ApprovalChange::Close {
        id: asked.id,
        status: ApprovalStatus::Withdrawn,
        decision: None,
        at: second(9),
    }];
    end.end = Some(RunEnd {
        status: RunStatus::Completed,
        output: Some(json!("y".repeat(100_000))),
        error: None,
        at: second(9),
        expires_at: None,
    });
    // One task sends all of them before the writer runs.
    let (created, paused, ended) = tokio::join!(
        store.create(new_run(&principal(), 1)),
        store.commit(pause),
        store.commit(end.clone())
    );
    let heads = [created, paused, ended].map(|done| done.unwrap().event_head);
    assert_eq!(heads, [0, 1, 2]);
    let run = store.run(&scope(), run_id(1)).await.unwrap().unwrap();
    assert_eq!(
        (run.status, run.output),
        (RunStatus::Completed, end.end.unwrap().output)
    );
    let asked = store.approval(&principal(), asked.id).await.unwrap().unwrap();
    assert_eq!(asked.status, ApprovalStatus::Withdrawn);
    let journal = store.journal(&scope(), run_id(1), 0, 9).await.unwrap();
    let heads: Vec<_> = journal.iter().map(|entry| entry.event_head).collect();
    assert_eq!(heads, [0, 1, 2], "each knows the head right after its commit");
}

#[tokio::test]
async fn a_change_that_the_database_refuses_fails_alone() {
    let Some(server) = server().await else { return };
    let store = open(&server.database()).await;
    let mut long = new_run(&principal(), 7);
    // More than an index takes, and nothing that can be made shorter.
    long.workflow.name = (0..5_000_u64)
        .map(|n| char::from_u32((n * n * 7919 % 40_009) as u32 + 0x4e00).unwrap_or('x'))
        .collect();
    let creations = (0..30).map(|run| {
        store.create(if run == 7 {
            long.clone()
        } else {
            new_run(&principal(), run)
        })
    });
    for (run, outcome) in join_all(creations).await.into_iter().enumerate() {
        let expected = (run == 7).then_some(ErrorCode::LimitExceeded);
        assert_eq!(outcome.err().map(|error| error.code()), expected, "run {run}");
    }
    store.create(new_run(&principal(), 7)).await.unwrap();
    assert_eq!(sequences(&store, run_id(7)).await, [0]);
}

#[tokio::test]
async fn two_commits_for_the_same_place_cannot_both_land() {
    let Some(server) = server().await else { return };
    let store = open(&server.database()).await;
    store.create(new_run(&principal(), 1)).await.unwrap();
    let outcomes = join_all((0..10).map(|_| store.commit(step(1, 1)))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(sequences(&store, run_id(1)).await, [0, 1]);
    let creations = join_all((0..10).map(|_| store.create(new_run(&principal(), 2)))).await;
    assert_eq!(creations.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let offsets =
        join_all((0..10).map(|_| async { store.append(&scope(), &CloudEvent::new("1", "/x", "x")).await }));
    let offsets: Vec<_> = offsets.await.into_iter().map(Result::unwrap).collect();
    assert!(offsets.iter().all(|offset| *offset == offsets[0]), "{offsets:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_offset_is_seen_before_a_smaller_one() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let store = open(&database).await;
    // Another writer has drawn an offset and not committed yet.
    let mut other = server.connect(&database).await.unwrap();
    let mut watching = server.connect(&database).await.unwrap();
    let process = sqlx::query("SELECT pg_backend_pid()")
        .fetch_one(&mut other)
        .await
        .unwrap()
        .get(0);
    let unfinished = "BEGIN; SELECT set_config('atom.tenant', 'acme', true); \
         UPDATE event_log SET head = head + 1; \
         INSERT INTO events (\"offset\", tenant, owner, key, event) VALUES (1, 'acme', 'ada', '1', \
         '{\"specversion\":\"1.0\",\"id\":\"other\",\"source\":\"/x\",\"type\":\"x\"}')";
    sqlx::raw_sql(unfinished).execute(&mut other).await.unwrap();
    let (owner, event) = (scope(), CloudEvent::new("own", "/x", "x"));
    let mut appending = store.append(&owner, &event);
    tokio::select! {
        biased;
        early = &mut appending => panic!("{early:?} was drawn before the other was committed"),
        () = async {
            while waiting(&mut watching, process).await == 0 {}
        } => {}
    }
    assert_eq!(store.read(&scope(), 0, 9).await.unwrap(), []);
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    assert_eq!(appending.await.unwrap(), 2);
    let read = store.read(&scope(), 0, 9).await.unwrap();
    let read: Vec<_> = read
        .iter()
        .map(|logged| (logged.offset, logged.event.id.as_str()))
        .collect();
    assert_eq!(read, [(1, "other"), (2, "own")]);
}

/// How many connections wait for the one with this process.
async fn waiting(connection: &mut PgConnection, process: i32) -> i64 {
    let query = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))";
    let query = sqlx::query(query).bind(process);
    query.fetch_one(connection).await.unwrap().get(0)
}
