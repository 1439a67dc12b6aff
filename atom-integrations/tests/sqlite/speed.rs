//! How much a commit costs above the bare SQLite commit. Run it with
//! `cargo test -p atom-integrations --test sqlite speed -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use atom_core::storage::RunStore;
use atom_core::testkit::fixtures::{commit, new_run, principal, run_id, scope};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};

use super::open;

const COMMITS: u64 = 1000;
const RUNS: u64 = 64;

async fn bare(directory: &std::path::Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(directory.join("bare.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    let mut connection = options.connect().await.unwrap();
    let table =
        "CREATE TABLE journal (run INTEGER, sequence INTEGER, payload TEXT, PRIMARY KEY (run, sequence))";
    sqlx::query(table).execute(&mut connection).await.unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures instead of checking"]
async fn commits_per_second() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = bare(directory.path()).await;
    let start = Instant::now();
    for sequence in 1..=COMMITS {
        let query = sqlx::query("INSERT INTO journal VALUES (1, ?, ?)").bind(sequence as i64);
        query
            .bind(format!(r#"{{"entry":{sequence}}}"#))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    report("bare INSERT and commit", COMMITS, start);

    let store = Arc::new(open(directory.path()).await);
    for run in 0..=RUNS {
        store.create(new_run(&principal(), run)).await.unwrap();
    }
    let start = Instant::now();
    for sequence in 1..=COMMITS {
        store
            .commit(commit(&scope(), run_id(0), sequence..sequence + 1))
            .await
            .unwrap();
    }
    report("one caller", COMMITS, start);

    let start = Instant::now();
    let tasks = (1..=RUNS).map(|run| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for sequence in 1..=COMMITS / 4 {
                store
                    .commit(commit(&scope(), run_id(run), sequence..sequence + 1))
                    .await
                    .unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    report("64 callers", RUNS * COMMITS / 4, start);
}

#[expect(clippy::print_stdout, reason = "the numbers are the point")]
fn report(what: &str, commits: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what}: {:.0} commits/s, {:.0} µs each",
        commits as f64 / seconds,
        seconds * 1e6 / commits as f64
    );
}
