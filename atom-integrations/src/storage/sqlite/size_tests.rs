//! How large the database gets, and that what is removed is gone.

use atom_core::storage::{Expiry, RetentionStore, RunEnd, RunStatus, RunStore};
use atom_core::testkit::fixtures::{commit, entry, new_run, principal, run_id, scope, second};
use atom_core::{CloudEvent, EventLog, Principal};
use serde_json::{Value, json};

use super::SqliteStore;
use super::tests::execute;

const MIB: usize = 1024 * 1024;

/// How large a large input is: hashing takes long in a build for tests.
const LARGE: usize = if cfg!(debug_assertions) { MIB } else { 10 * MIB };

/// How many bytes of the database are in use.
async fn size(store: &SqliteStore) -> i64 {
    let query = "SELECT (page_count - freelist_count) * page_size \
         FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    execute(store, query).await
}

async fn count(store: &SqliteStore, from: &str) -> i64 {
    execute(store, format!("SELECT count(*) FROM {from}")).await
}

/// Every blob that anything refers to is there and counted, and nothing else is.
async fn assert_counted(store: &SqliteStore) {
    let uses = "SELECT tenant, user, hash, uses FROM blob_uses EXCEPT
        SELECT blobs.tenant, blobs.user, blobs.hash, count(of_row) FROM blobs LEFT JOIN (
            SELECT DISTINCT owner.tenant, owner.user, of_row, json_extract(value, '$[1]') AS hash FROM (
                SELECT tenant, user, 'i' || rowid AS of_row, input_parts AS parts FROM runs
                UNION ALL SELECT tenant, user, 'o' || rowid, output_parts FROM runs
                UNION ALL SELECT tenant, user, 'j' || hex(run) || sequence, payload_parts FROM journal
                UNION ALL SELECT tenant, user, 'e' || \"offset\", event_parts FROM events
                UNION ALL SELECT tenant, user, 'b' || hash, parts FROM blobs
            ) AS owner, json_each(parts)
        ) AS used USING (tenant, user, hash) GROUP BY 1, 2, 3";
    assert_eq!(count(store, &format!("({uses})")).await, 0, "uses are counted");
    assert_eq!(count(store, "blobs").await, count(store, "blob_uses").await);
    assert_eq!(count(store, "pragma_foreign_key_check").await, 0);
}

async fn open() -> (tempfile::TempDir, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    (directory, store)
}

/// A run with so many steps, each of which answers with a value and publishes it.
async fn run_of(store: &SqliteStore, owner: &Principal, number: u64, input: &Value, steps: u64) {
    let mut run = new_run(owner, number);
    run.input = input.clone();
    store.create(run).await.unwrap();
    for sequence in 1..=steps {
        let mut step = commit(&owner.scope(), run_id(number), sequence..sequence + 1);
        step.entries[0].payload =
            json!({ "type": "completed", "action": sequence, "output": input }).to_string();
        if sequence == steps {
            let mut event = CloudEvent::new(format!("{number}"), "/size", "x");
            event.data = Some(input.clone());
            step.events = vec![event];
            step.end = Some(RunEnd {
                status: RunStatus::Completed,
                output: Some(input.clone()),
                error: None,
                at: second(number),
                expires_at: None,
            });
        }
        store.commit(step).await.unwrap();
    }
}

#[tokio::test]
async fn a_large_input_that_goes_through_many_steps_is_stored_once() {
    let (_directory, store) = open().await;
    let input = json!({ "file": "0123456789abcdef".repeat(LARGE / 16) });
    let before = size(&store).await;
    run_of(&store, &principal(), 1, &input, 1).await;
    let once = size(&store).await - before;
    run_of(&store, &principal(), 2, &input, 100).await;
    let more = size(&store).await - before - once;
    let large = LARGE as i64;
    assert!(once >= large && once < large + large / 10, "{once}");
    assert!(more < large / 10, "{more} bytes for 100 steps more");
    assert_counted(&store).await;
    let journal = store.journal(&scope(), run_id(2), 100, 1).await.unwrap();
    assert_eq!(
        journal[0].payload,
        json!({ "type": "completed", "action": 100, "output": input }).to_string()
    );
}

#[tokio::test]
async fn small_data_costs_nothing_new() {
    let (_directory, store) = open().await;
    run_of(&store, &principal(), 1, &json!("small"), 20).await;
    assert_eq!(count(&store, "blobs").await, 0);
    let used = "runs WHERE input_parts IS NOT NULL OR output_parts IS NOT NULL";
    assert_eq!(count(&store, used).await, 0);
    assert_eq!(count(&store, "journal WHERE payload_parts IS NOT NULL").await, 0);
    assert_eq!(count(&store, "events WHERE event_parts IS NOT NULL").await, 0);
}

#[tokio::test]
async fn the_database_grows_with_the_steps_of_a_run_and_not_faster() {
    let (_directory, store) = open().await;
    let mut sizes = Vec::new();
    let mut next = 1;
    store.create(new_run(&principal(), 1)).await.unwrap();
    for steps in [0, 1_000, 10_000] {
        while next <= steps {
            // Many entries in a commit, because only the size is measured.
            let mut step = commit(&scope(), run_id(1), next..next + 100);
            for entry in &mut step.entries {
                entry.payload = format!(
                    r#"{{"type":"completed","action":{},"output":"{}"}}"#,
                    entry.sequence,
                    "x".repeat(200)
                );
            }
            store.commit(step).await.unwrap();
            next += 100;
        }
        sizes.push(size(&store).await);
    }
    let (first, later) = (sizes[1] - sizes[0], sizes[2] - sizes[0]);
    assert!(first > 0 && later < first * 11, "{sizes:?}");
    assert!(later / 10_000 < 500, "{} bytes a step", later / 10_000);
}

#[tokio::test]
async fn a_blob_goes_with_the_last_that_refers_to_it() {
    let (_directory, store) = open().await;
    let other = Principal::new("acme", "eve").unwrap();
    let shared = json!([{ "inner": "i".repeat(100_000) }, "o".repeat(50_000), "o".repeat(50_000)]);
    let own = json!("s".repeat(100_000));
    run_of(&store, &principal(), 1, &shared, 3).await;
    run_of(&store, &principal(), 2, &shared, 3).await;
    run_of(&store, &principal(), 3, &own, 3).await;
    run_of(&store, &other, 1, &shared, 3).await;
    assert_counted(&store).await;
    assert_eq!(
        count(&store, "blobs").await,
        5,
        "two of the shared value for each owner, one for the third run"
    );

    store.delete_run(&scope(), run_id(1)).await.unwrap();
    assert_counted(&store).await;
    let second_run = store.run(&scope(), run_id(2)).await.unwrap().unwrap();
    assert_eq!(
        (second_run.input, second_run.output),
        (shared.clone(), Some(shared.clone()))
    );
    for (owner, number) in [(&scope(), 2), (&scope(), 3), (&other.scope(), 1)] {
        store.delete_run(owner, run_id(number)).await.unwrap();
        assert_counted(&store).await;
    }
    let events = store.read(&scope(), 0, 9).await.unwrap();
    assert_eq!(events.len(), 3);
    assert_eq!(events[0].event.data, Some(shared), "events have it still");
    store.note_events(second(9)).await.unwrap();
    let expiry = Expiry {
        events_until: Some(second(9)),
        ..Expiry::new(second(9))
    };
    while store.prune(&expiry, 2).await.unwrap() {
        assert_counted(&store).await;
    }
    assert_eq!(count(&store, "blobs").await, 0);
    // What was collected can come again.
    run_of(&store, &principal(), 3, &own, 3).await;
    assert_eq!(store.run(&scope(), run_id(3)).await.unwrap().unwrap().input, own);
}

#[tokio::test]
async fn a_crash_between_any_two_transactions_of_pruning_loses_nothing_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let large = json!({ "outer": ["a".repeat(100_000)], "filling": vec!["b"; 30_000] });
    for number in 1..=3 {
        run_of(&store, &principal(), number, &large, 40).await;
    }
    let mut kept = new_run(&principal(), 9);
    kept.input = large.clone();
    store.create(kept).await.unwrap();
    drop(store);
    let expiry = Expiry {
        completed_until: Some(second(3)),
        ..Expiry::new(second(99))
    };
    let mut transactions = 0;
    loop {
        // Each time another process goes on.
        let store = SqliteStore::open(directory.path()).await.unwrap();
        let has_more = store.prune(&expiry, 20).await.unwrap();
        assert_counted(&store).await;
        let run = store.run(&scope(), run_id(9)).await.unwrap().unwrap();
        assert_eq!(run.input, large);
        for number in 1..=3 {
            // A run is there as a whole or not at all.
            if store.run(&scope(), run_id(number)).await.unwrap().is_some() {
                let journal = store.journal(&scope(), run_id(number), 0, 99).await.unwrap();
                assert_eq!(journal.len(), 41);
            }
        }
        transactions += 1;
        assert!(transactions < 100);
        if !has_more {
            assert_eq!(count(&store, "runs").await, 1);
            assert_eq!(count(&store, "journal").await, 1);
            break;
        }
    }
    assert!(transactions > 5, "{transactions}");
}

#[tokio::test]
async fn what_is_removed_gives_its_space_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    for number in 1..=20 {
        run_of(
            &store,
            &principal(),
            number,
            &json!(format!("{number}").repeat(MIB)),
            1,
        )
        .await;
    }
    let pages = execute(&store, "SELECT page_count FROM pragma_page_count").await;
    store.note_events(second(99)).await.unwrap();
    let expiry = Expiry {
        completed_until: Some(second(99)),
        events_until: Some(second(99)),
        ..Expiry::new(second(99))
    };
    while store.prune(&expiry, 100).await.unwrap() {}
    let left = execute(&store, "SELECT page_count FROM pragma_page_count").await;
    assert!(left * 4 < pages, "{left} of {pages} pages");
    store.close().await.unwrap();
    let file = std::fs::metadata(directory.path().join("atom.db")).unwrap().len();
    assert!(file < 6 * MIB as u64, "{file}");
}

#[tokio::test]
async fn one_transaction_of_pruning_removes_no_more_than_it_may() {
    let (_directory, store) = open().await;
    let mut run = new_run(&principal(), 1);
    run.copied = (1..500).map(entry).collect();
    store.create(run).await.unwrap();
    let mut last = commit(&scope(), run_id(1), 500..501);
    last.end = Some(RunEnd {
        status: RunStatus::Faulted,
        output: None,
        error: None,
        at: second(1),
        expires_at: Some(second(2)),
    });
    store.commit(last).await.unwrap();
    let mut before = count(&store, "journal").await;
    while store.prune(&Expiry::new(second(3)), 50).await.unwrap() {
        let left = count(&store, "journal").await;
        assert!(before - left <= 50, "{before} to {left}");
        before = left;
    }
    assert_eq!(count(&store, "runs").await, 0);
}
