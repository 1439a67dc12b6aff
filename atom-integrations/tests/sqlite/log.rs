//! A write-ahead log that ends anywhere, or is damaged anywhere: what was committed before is there, nothing else is.
//!
//! <https://www.sqlite.org/fileformat2.html#the_write_ahead_log> is the format of the log.

use std::path::Path;
use std::time::Duration;

use atom_core::storage::{
    Counted, JournalEntry, MemoryStore, NewRun, PageRequest, Resolution, RunCommit, RunEnd, RunRecord,
    RunStatus, RunTally, Series, StatisticsQuery, Store, Tally,
};
use atom_core::testkit::fixtures::{commit, new_run, principal, run_id, scope, second, workflow_key};
use atom_core::{CloudEvent, LoggedEvent, Offset};
use atom_integrations::storage::SqliteStore;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use serde_json::json;

use super::open;

const RUNS: u64 = 4;
const STEPS: u64 = 8;

/// One transaction.
enum Change {
    Create(NewRun),
    Commit(RunCommit),
    Append(CloudEvent),
    Document(String),
}

impl Change {
    async fn make(&self, store: &dyn Store) {
        match self {
            Self::Create(run) => drop(store.create(run.clone()).await.unwrap()),
            Self::Commit(commit) => drop(store.commit(commit.clone()).await.unwrap()),
            Self::Append(event) => drop(store.append(&scope(), event).await.unwrap()),
            Self::Document(text) => store.put_document(&scope(), text, text).await.unwrap(),
        }
    }
}

/// The changes of several runs in turns, which leave a trace in every table.
fn changes() -> Vec<Change> {
    let mut changes: Vec<_> = (0..RUNS)
        .map(|run| Change::Create(new_run(&principal(), run)))
        .collect();
    for sequence in 1..=STEPS {
        changes.push(Change::Document(format!("document {sequence}")));
        for run in 0..RUNS {
            let mut step = commit(&scope(), run_id(run), sequence..sequence + 1);
            // Some steps publish more than one event, some a large one that fills pages of its own.
            step.events = (0..sequence % 3)
                .map(|number| {
                    let mut event = CloudEvent::new(format!("{run}.{sequence}.{number}"), "/step", "x");
                    event.data = Some(json!("x".repeat(3000 * (run as usize % 2))));
                    event
                })
                .collect();
            if sequence == STEPS && run != 0 {
                step.end = Some(RunEnd {
                    status: RunStatus::Completed,
                    output: Some(json!(run)),
                    error: None,
                    at: second(sequence),
                    expires_at: None,
                });
                step.tally = Some(tally(run));
            }
            changes.push(Change::Commit(step));
        }
        changes.push(Change::Append(CloudEvent::new(
            sequence.to_string(),
            "/other",
            "x",
        )));
    }
    changes
}

/// What a run counts for that took a second for each of those before it.
fn tally(run: u64) -> RunTally {
    let mut tally = Tally {
        completed: 1,
        ..Tally::default()
    };
    tally.durations.add(Duration::from_secs(run));
    RunTally {
        workflow: workflow_key(),
        run: tally.clone(),
        tasks: [("/do/0/step".to_owned(), tally)].into(),
    }
}

/// Everything that a store holds.
#[derive(Debug, PartialEq)]
struct State {
    head: Offset,
    events: Vec<LoggedEvent>,
    runs: Vec<(Option<RunRecord>, Vec<JournalEntry>)>,
    documents: Vec<Option<String>>,
    unfinished: Vec<RunRecord>,
    statistics: Vec<Series>,
    recent: Tally,
}

async fn state(store: &dyn Store) -> State {
    let mut runs = Vec::new();
    for run in (0..RUNS).map(run_id) {
        let record = store.run(&scope(), run).await.unwrap();
        runs.push((record, store.journal(&scope(), run, 0, usize::MAX).await.unwrap()));
    }
    let mut documents = Vec::new();
    for sequence in 1..=STEPS {
        let document = store.document(&scope(), &format!("document {sequence}")).await;
        documents.push(document.unwrap());
    }
    let mut statistics = Vec::new();
    for counted in [Counted::Runs, Counted::Tasks] {
        let query = StatisticsQuery {
            counted,
            namespace: None,
            name: None,
            version: None,
            by_version: true,
            from: 0,
            before: i64::MAX,
            hours: 1,
        };
        let page = store.statistics(&scope(), &query, &PageRequest::default()).await;
        statistics.extend(page.unwrap().items);
    }
    let recent = store.runs_since(&scope(), None, Resolution::Minute, 0).await;
    State {
        statistics,
        recent: recent.unwrap(),
        head: store.head().await.unwrap(),
        events: store.read(&scope(), 0, usize::MAX).await.unwrap(),
        runs,
        documents,
        unfinished: store.unfinished().await.unwrap(),
    }
}

/// A database whose changes are all still in its log.
struct Logged {
    database: Vec<u8>,
    log: Vec<u8>,
    /// The state after each of the changes, the first one before them.
    states: Vec<State>,
}

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

impl Logged {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // A first opening creates the tables, so that the log holds changes only.
        open(directory.path()).await.close().await.unwrap();
        let store = open(directory.path()).await;
        let model = MemoryStore::default();
        let mut states = vec![state(&model).await];
        for change in changes() {
            change.make(&store).await;
            change.make(&model).await;
            states.push(state(&model).await);
        }
        let database = std::fs::read(directory.path().join("atom.db")).unwrap();
        let log = std::fs::read(directory.path().join("atom.db-wal")).unwrap();
        let logged = Self {
            database,
            log,
            states,
        };
        // Opening takes the database over, which is the first commit of the log.
        assert_eq!(logged.commits(logged.log.len()), logged.states.len());
        logged
    }

    fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.log[at..at + 4].try_into().unwrap())
    }

    fn frame(&self) -> usize {
        FRAME_HEADER + self.number(8) as usize
    }

    /// Where the frames end.
    fn ends(&self) -> impl Iterator<Item = usize> {
        (HEADER..=self.log.len()).step_by(self.frame())
    }

    /// How many commits are whole when the log is good up to `end`. A frame that ends a commit tells the size of the
    /// database after it, the others 0.
    fn commits(&self, end: usize) -> usize {
        self.ends()
            .skip(1)
            .take_while(|frame_end| *frame_end <= end)
            .filter(|frame_end| self.number(frame_end - self.frame() + 4) > 0)
            .count()
    }

    /// Opens the database with another log, which is the true one up to `good`, checks what is there, and goes on.
    async fn check(&self, log: &[u8], good: usize, goes_on: bool) {
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join("atom.db"), &self.database).unwrap();
        std::fs::write(copy.path().join("atom.db-wal"), log).unwrap();
        let expected = self.commits(good).saturating_sub(1);
        let store = open(copy.path()).await;
        assert_eq!(
            state(&store).await,
            self.states[expected],
            "good up to byte {good}"
        );
        if !goes_on {
            return;
        }
        for change in &changes()[expected..] {
            change.make(&store).await;
        }
        assert_eq!(Some(&state(&store).await), self.states.last());
        close(store, copy.path()).await;
    }
}

/// A store that was closed has the same in its database as it had in its log.
async fn close(store: SqliteStore, directory: &Path) {
    let before = state(&store).await;
    store.close().await.unwrap();
    assert!(!directory.join("atom.db-wal").exists());
    assert_eq!(state(&open(directory).await).await, before);
}

#[tokio::test]
async fn a_log_that_ends_at_any_frame_leaves_what_was_committed_by_then() {
    let logged = Logged::new().await;
    let ends: Vec<_> = logged.ends().collect();
    assert!(ends.len() > 2 * logged.states.len(), "{} frames", ends.len());
    for (number, end) in ends.into_iter().enumerate() {
        // Going on takes longer than looking.
        logged.check(&logged.log[..end], end, number % 5 == 0).await;
    }
}

/// What happens to a log.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// It ends.
    End,
    /// One bit is another.
    Bit(u8),
    /// The disk gives zeros from there on.
    Zeros,
}

#[test]
fn a_log_that_is_damaged_at_any_byte_leaves_what_was_committed_before() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let logged = runtime.block_on(Logged::new());
    let damage = prop_oneof![
        Just(Damage::End),
        (0..8_u8).prop_map(Damage::Bit),
        Just(Damage::Zeros)
    ];
    let config = Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, random);
    let result = runner.run(&(0..logged.log.len(), damage), |(at, damage)| {
        let mut log = logged.log.clone();
        match damage {
            Damage::End => log.truncate(at),
            Damage::Bit(bit) => log[at] ^= 1 << bit,
            Damage::Zeros => log[at..].fill(0),
        }
        // Zeros change nothing where there were zeros before.
        let good = log
            .iter()
            .zip(&logged.log)
            .take_while(|(now, before)| now == before)
            .count();
        // Without its header a log is none.
        runtime.block_on(logged.check(&log, if good < HEADER { 0 } else { good }, good % 3 == 0));
        Ok(())
    });
    result.unwrap();
}
