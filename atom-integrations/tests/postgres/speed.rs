//! How much a commit costs above the bare commit of PostgreSQL. Run it with
//! `cargo test -p atom-integrations --features postgres,testkit --test postgres speed -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use atom_core::CloudEvent;
use atom_core::storage::RunStore;
use atom_core::testkit::fixtures::{commit, new_run, principal, run_id, scope};

use super::{open, server};

const COMMITS: u64 = 300;
const RUNS: u64 = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures instead of checking"]
async fn commits_per_second() {
    let Some(server) = server().await else {
        return;
    };
    let database = server.database();
    let store = Arc::new(open(&database).await);
    let mut connection = server.connect(&database).await.unwrap();
    let table = "CREATE TABLE bare (run bigint, sequence bigint, payload text, PRIMARY KEY (run, sequence))";
    sqlx::query(table).execute(&mut connection).await.unwrap();
    let start = Instant::now();
    for sequence in 1..=COMMITS {
        let query = sqlx::query("INSERT INTO bare VALUES (1, $1, $2)").bind(sequence.cast_signed());
        query
            .bind(format!(r#"{{"entry":{sequence}}}"#))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    report("bare INSERT and commit", COMMITS, start);

    let start = Instant::now();
    for run in 0..=RUNS {
        store.create(new_run(&principal(), run)).await.unwrap();
    }
    report("creation", RUNS + 1, start);
    let start = Instant::now();
    for sequence in 1..=COMMITS {
        let step = commit(&scope(), run_id(0), sequence..sequence + 1);
        store.commit(step).await.unwrap();
    }
    report("one caller", COMMITS, start);

    let start = Instant::now();
    for sequence in COMMITS + 1..=2 * COMMITS {
        let mut step = commit(&scope(), run_id(0), sequence..sequence + 1);
        step.events = vec![CloudEvent::new(sequence.to_string(), "/speed", "x")];
        store.commit(step).await.unwrap();
    }
    report("one caller with an event", COMMITS, start);

    let start = Instant::now();
    let tasks = (1..=RUNS).map(|run| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for sequence in 1..=COMMITS {
                let step = commit(&scope(), run_id(run), sequence..sequence + 1);
                store.commit(step).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    report("64 callers", RUNS * COMMITS, start);

    let start = Instant::now();
    for _ in 0..COMMITS {
        store.run(&scope(), run_id(1)).await.unwrap();
    }
    report("reading a run", COMMITS, start);
}

#[expect(clippy::print_stdout, reason = "the numbers are the point")]
fn report(what: &str, count: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what}: {:.0} a second, {:.0} µs each",
        count as f64 / seconds,
        seconds * 1e6 / count as f64
    );
}
