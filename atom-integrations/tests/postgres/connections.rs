//! Connections that are lost, and a server that is stopped.

use std::time::Duration;

use atom_core::storage::{RunStore, WorkflowStore};
use atom_core::testkit::fixtures::{commit, new_run, principal, run_id, scope};
use atom_core::{CloudEvent, ErrorCode, EventLog, Retry};
use atom_integrations::storage::PostgresConfig;
use atom_integrations::storage::postgres_testing::TestPostgres;
use futures::future::join_all;

use super::{number, open, sequences, server};

/// Ends every connection of the store's role to its schema, as an administrator does.
async fn end_connections(server: &TestPostgres, database: &PostgresConfig) -> i64 {
    let query = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
         AND application_name = '{}'",
        database.schema()
    );
    number(server, database, &query).await
}

#[tokio::test]
async fn a_store_goes_on_when_its_connections_were_ended() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let store = open(&database).await;
    store.create(new_run(&principal(), 1)).await.unwrap();
    for sequence in 1..=5 {
        let mut step = commit(&scope(), run_id(1), sequence..sequence + 1);
        step.events = vec![CloudEvent::new(sequence.to_string(), "/x", "x")];
        assert!(end_connections(server, &database).await > 0);
        store.commit(step).await.unwrap();
        assert_eq!(store.head().await.unwrap(), sequence);
        assert!(end_connections(server, &database).await > 0);
        let hash = format!("h{sequence}");
        store.put_document(&scope(), &hash, "text").await.unwrap();
        assert_eq!(sequences(&store, run_id(1)).await.len() as u64, sequence + 1);
    }
}

#[tokio::test]
async fn callers_wait_for_a_connection_only_so_long() {
    let Some(server) = server().await else { return };
    let mut database = server.database();
    database.max_connections = 3;
    database.acquire_timeout = Duration::from_millis(300);
    let store = open(&database).await;
    // Another has the only connection for longer than they wait.
    let mut holder = server.connect(&database).await.unwrap();
    let lock = "BEGIN; LOCK TABLE documents IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut holder).await.unwrap();
    let scope = scope();
    let mut first = store.document(&scope, "h1");
    let second = tokio::select! {
        biased;
        _ = &mut first => panic!("the table is locked"),
        second = store.document(&scope, "h2") => second,
    };
    let error = second.unwrap_err();
    assert_eq!(
        (error.code(), error.retry()),
        (ErrorCode::Unavailable, Retry::Maybe),
        "{error}"
    );
    for limit in ["server", "role", "max_connections"] {
        assert!(error.message().contains(limit), "{error}");
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert_eq!(first.await.unwrap(), None);
    assert_eq!(store.document(&scope, "h2").await.unwrap(), None);
}

#[tokio::test]
async fn a_statement_that_waits_for_a_lock_gives_up() {
    let Some(server) = server().await else { return };
    let mut database = server.database();
    database.lock_timeout = Duration::from_millis(100);
    let store = open(&database).await;
    store.create(new_run(&principal(), 1)).await.unwrap();
    let mut holder = server.connect(&database).await.unwrap();
    let lock = "BEGIN; LOCK TABLE journal IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut holder).await.unwrap();
    let step = commit(&scope(), run_id(1), 1..2);
    let error = store.commit(step.clone()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.retry()),
        (ErrorCode::Locked, Retry::Maybe),
        "{error}"
    );
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    store.commit(step).await.unwrap();
    assert_eq!(sequences(&store, run_id(1)).await, [0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_outlives_a_server_that_crashes_and_comes_back() {
    let Some(server) = TestPostgres::start().await.unwrap() else {
        return;
    };
    let mut database = server.database();
    database.acquire_timeout = Duration::from_secs(2);
    let store = open(&database).await;
    let runs = 8;
    for run in 0..runs {
        store.create(new_run(&principal(), run)).await.unwrap();
    }
    let mut next = 1;
    for _ in 0..3 {
        let steps = |sequence: u64| {
            let commits = (0..runs).map(move |run| {
                let mut step = commit(&scope(), run_id(run), sequence..sequence + 1);
                step.events = vec![CloudEvent::new(format!("{run}.{sequence}"), "/x", "x")];
                step
            });
            join_all(commits.map(|step| store.commit(step)))
        };
        assert!(steps(next).await.iter().all(Result::is_ok));
        let under_way = steps(next + 1);
        let (outcomes, ()) = tokio::join!(under_way, async { server.crash().await.unwrap() });
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert_eq!(
                (error.code(), error.retry()),
                (ErrorCode::Unavailable, Retry::Maybe),
                "{error:?}"
            );
        }
        let error = store.run(&scope(), run_id(1)).await.unwrap_err();
        assert_eq!(
            (error.code(), error.retry()),
            (ErrorCode::Unavailable, Retry::Maybe),
            "{error:?}"
        );
        server.restart().await.unwrap();
        // Whoever was told to try again does so with the same, whether or not it was written.
        for (outcome, again) in outcomes.iter().zip(steps(next + 1).await) {
            if outcome.is_err() {
                again.unwrap();
            }
        }
        let other = commit(&scope(), run_id(1), next + 1..next + 3);
        let error = store.commit(other).await.unwrap_err();
        assert_eq!(
            error.code(),
            ErrorCode::Conflict,
            "what is not the same is refused"
        );
        next += 2;
    }
    for run in 0..runs {
        assert_eq!(
            sequences(&store, run_id(run)).await,
            (0..next).collect::<Vec<_>>()
        );
    }
    let events = store.read(&scope(), 0, usize::MAX).await.unwrap();
    assert_eq!(events.len() as u64, runs * (next - 1), "each once");
}
