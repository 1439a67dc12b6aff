//! Processes that are killed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use atom_core::storage::{ApprovalChange, ApprovalStore, Claim, RunCommit, RunStore, WorkerStore};
use atom_core::testkit::fixtures::{approval, commit, new_run, principal, run_id, scope};
use atom_core::{CloudEvent, EventLog, Secret};
use atom_integrations::storage::PostgresConfig;
use atom_integrations::storage::postgres_testing::TestPostgres;

use super::{open, sequences, server, take_over};

/// A step that leaves a trace in every table, so that a torn one shows.
fn step(sequence: u64) -> RunCommit {
    let mut step = commit(&scope(), run_id(0), sequence..sequence + 1);
    step.events = vec![CloudEvent::new(sequence.to_string(), "/step", "x")];
    let asked = approval(&principal(), 0, sequence);
    step.approvals = vec![ApprovalChange::Open(Box::new(asked))];
    step
}

/// Checks that a store holds the first so many steps, each of them whole, and returns how many.
async fn whole_steps(server: &TestPostgres, database: &PostgresConfig) -> u64 {
    let store = take_over(server, database).await;
    let written = sequences(&store, run_id(0)).await.len() as u64;
    assert_eq!(
        sequences(&store, run_id(0)).await,
        (0..written).collect::<Vec<_>>()
    );
    let steps = written.saturating_sub(1);
    let events: Vec<_> = store
        .read(&scope(), 0, usize::MAX)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.event.id)
        .collect();
    assert_eq!(
        events,
        (1..=steps)
            .map(|sequence| sequence.to_string())
            .collect::<Vec<_>>()
    );
    assert_eq!(store.head().await.unwrap(), steps);
    for sequence in 1..=steps + 1 {
        let asked = approval(&principal(), 0, sequence);
        let stored = store.approval(&principal(), asked.id).await.unwrap();
        assert_eq!(stored, (sequence <= steps).then_some(asked));
    }
    let runs = store.unfinished().await.unwrap();
    assert_eq!(
        runs.len() as u64,
        written.min(1),
        "a run and its first entry come together"
    );
    if written > 0 {
        store.commit(step(written)).await.unwrap();
    }
    store.close().await.unwrap();
    steps
}

const URL: &str = "ATOM_TEST_DATABASE";

#[tokio::test]
async fn a_killed_process_loses_nothing_it_reported() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let mut reported = 0;
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--ignored", "--nocapture"])
            .env(URL, server.url(&database))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let steps = lines
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("step ")?.parse::<u64>().ok());
        reported = steps.take(round * 13).last().unwrap_or(reported);
        child.kill().unwrap();
        child.wait().unwrap();
        let steps = whole_steps(server, &database).await;
        assert!(
            steps >= reported,
            "{steps} steps are there, {reported} were reported"
        );
        reported = steps + 1;
    }
    assert!(reported > 100);
}

#[tokio::test]
#[ignore = "runs as the child of another test"]
async fn child() {
    let Ok(url) = std::env::var(URL) else {
        return;
    };
    let store = open(&PostgresConfig::new(&Secret::new(url)).unwrap()).await;
    store.claim(&Claim::of_any(10)).await.unwrap();
    let mut next = sequences(&store, run_id(0)).await.len() as u64;
    println!();
    loop {
        if next == 0 {
            store.create(new_run(&principal(), 0)).await.unwrap();
        } else {
            store.commit(step(next)).await.unwrap();
            println!("step {next}");
        }
        next += 1;
    }
}
