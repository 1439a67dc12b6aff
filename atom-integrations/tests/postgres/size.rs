//! That large values are kept once, and that what is removed is gone.

use atom_core::storage::{Expiry, RetentionStore, RunEnd, RunStatus, RunStore};
use atom_core::testkit::fixtures::{commit, entry, new_run, principal, run_id, scope, second};
use atom_core::{CloudEvent, EventLog, Principal};
use atom_integrations::storage::postgres_testing::TestPostgres;
use atom_integrations::storage::{PostgresConfig, PostgresStore};
use serde_json::{Value, json};

use super::{number, open, server};

struct Place {
    server: &'static TestPostgres,
    database: PostgresConfig,
}

impl Place {
    async fn new() -> Option<(Self, PostgresStore)> {
        let server = server().await?;
        let database = server.database();
        let store = open(&database).await;
        Some((Self { server, database }, store))
    }

    async fn count(&self, from: &str) -> i64 {
        number(
            self.server,
            &self.database,
            &format!("SELECT count(*) FROM {from}"),
        )
        .await
    }

    /// Every blob that anything refers to is there and counted, and nothing else is.
    async fn assert_counted(&self) {
        let uses = "SELECT tenant, owner, hash, uses FROM blob_uses EXCEPT
            SELECT blobs.tenant, blobs.owner, blobs.hash, count(of_row) FROM blobs LEFT JOIN (
                SELECT DISTINCT tenant, owner, of_row, part ->> 1 AS hash FROM (
                    SELECT tenant, owner, 'i' || id AS of_row, input_parts AS parts FROM runs
                    UNION ALL SELECT tenant, owner, 'o' || id, output_parts FROM runs
                    UNION ALL SELECT tenant, owner, 'j' || run || sequence, payload_parts FROM journal
                    UNION ALL SELECT tenant, owner, 'e' || \"offset\", event_parts FROM events
                    UNION ALL SELECT tenant, owner, 'b' || hash, parts FROM blobs
                ) AS rows, jsonb_array_elements(parts::jsonb) AS part
            ) AS used USING (tenant, owner, hash) GROUP BY 1, 2, 3";
        assert_eq!(
            self.count(&format!("({uses}) AS wrong")).await,
            0,
            "uses are counted"
        );
        assert_eq!(self.count("blobs").await, self.count("blob_uses").await);
    }
}

/// A run with so many steps, each of which answers with a value and publishes it.
async fn run_of(store: &PostgresStore, owner: &Principal, number: u64, input: &Value, steps: u64) {
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
    let Some((place, store)) = Place::new().await else {
        return;
    };
    // So that it cannot be compressed away.
    let digits = (0..200_000_u64).map(|n| char::from(b'a' + (n * n * 7919 / 13 % 26) as u8));
    let input = json!({ "file": digits.collect::<String>() });
    run_of(&store, &principal(), 1, &input, 30).await;
    assert_eq!(place.count("blobs").await, 1);
    assert_eq!(place.count("journal WHERE length(payload) > 1000").await, 0);
    place.assert_counted().await;
    let journal = store.journal(&scope(), run_id(1), 30, 1).await.unwrap();
    let expected = json!({ "type": "completed", "action": 30, "output": input });
    assert_eq!(journal[0].payload, expected.to_string());
}

#[tokio::test]
async fn a_step_writes_its_journal_only() {
    let Some((place, store)) = Place::new().await else {
        return;
    };
    store.create(new_run(&principal(), 1)).await.unwrap();
    let version = "SELECT xmin::text::bigint FROM runs";
    let before = number(place.server, &place.database, version).await;
    for sequence in 1..=20 {
        store
            .commit(commit(&scope(), run_id(1), sequence..sequence + 1))
            .await
            .unwrap();
    }
    assert_eq!(number(place.server, &place.database, version).await, before);
    assert_eq!(place.count("blobs").await, 0);
    assert_eq!(place.count("journal WHERE payload_parts IS NOT NULL").await, 0);
}

#[tokio::test]
async fn a_blob_goes_with_the_last_that_refers_to_it() {
    let Some((place, store)) = Place::new().await else {
        return;
    };
    let other = Principal::new("acme", "eve").unwrap();
    let shared = json!([{ "inner": "i".repeat(100_000) }, "o".repeat(50_000), "o".repeat(50_000)]);
    let own = json!("s".repeat(100_000));
    run_of(&store, &principal(), 1, &shared, 3).await;
    run_of(&store, &principal(), 2, &shared, 3).await;
    run_of(&store, &principal(), 3, &own, 3).await;
    run_of(&store, &other, 1, &shared, 3).await;
    place.assert_counted().await;
    assert_eq!(
        place.count("blobs").await,
        5,
        "two of the shared value for each owner"
    );

    store.delete_run(&scope(), run_id(1)).await.unwrap();
    place.assert_counted().await;
    let second_run = store.run(&scope(), run_id(2)).await.unwrap().unwrap();
    assert_eq!(
        (second_run.input, second_run.output),
        (shared.clone(), Some(shared.clone()))
    );
    for (owner, number) in [(&scope(), 2), (&scope(), 3), (&other.scope(), 1)] {
        store.delete_run(owner, run_id(number)).await.unwrap();
        place.assert_counted().await;
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
        place.assert_counted().await;
    }
    assert_eq!(place.count("blobs").await, 0);
    // What was collected can come again.
    run_of(&store, &principal(), 3, &own, 3).await;
    assert_eq!(store.run(&scope(), run_id(3)).await.unwrap().unwrap().input, own);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_that_is_written_again_while_it_is_removed_is_not_lost() {
    let Some((place, store)) = Place::new().await else {
        return;
    };
    let store = std::sync::Arc::new(store);
    let large = json!("x".repeat(100_000));
    // In turns it comes and goes, while nothing that refers to it may lose it.
    let pruning = tokio::spawn({
        let store = std::sync::Arc::clone(&store);
        async move {
            loop {
                store.prune(&Expiry::new(second(1000)), 100).await.unwrap();
            }
        }
    });
    for number in 1..=40 {
        run_of(&store, &principal(), number, &large, 1).await;
        let run = store.run(&scope(), run_id(number)).await.unwrap().unwrap();
        assert!(run.input == large && run.output.as_ref() == Some(&large));
        store.delete_run(&scope(), run_id(number)).await.unwrap();
        let until = Expiry {
            events_until: Some(second(number)),
            ..Expiry::new(second(1000))
        };
        store.note_events(second(number)).await.unwrap();
        while store.prune(&until, 100).await.unwrap() {}
    }
    pruning.abort();
    assert!(pruning.await.unwrap_err().is_cancelled());
    place.assert_counted().await;
}

#[tokio::test]
async fn a_crash_between_any_two_transactions_of_pruning_loses_nothing_and_leaves_nothing() {
    let Some((place, store)) = Place::new().await else {
        return;
    };
    let large = json!({ "outer": ["a".repeat(100_000)], "filling": vec!["b"; 30_000] });
    for number in 1..=2 {
        run_of(&store, &principal(), number, &large, 20).await;
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
        let store = open(&place.database).await;
        let has_more = store.prune(&expiry, 10).await.unwrap();
        place.assert_counted().await;
        let run = store.run(&scope(), run_id(9)).await.unwrap().unwrap();
        assert_eq!(run.input, large);
        for number in 1..=2 {
            // A run is there as a whole or not at all.
            if store.run(&scope(), run_id(number)).await.unwrap().is_some() {
                let journal = store.journal(&scope(), run_id(number), 0, 99).await.unwrap();
                assert_eq!(journal.len(), 21);
            }
        }
        transactions += 1;
        assert!(transactions < 100);
        if !has_more {
            assert_eq!(place.count("runs").await, 1);
            assert_eq!(place.count("journal").await, 1);
            break;
        }
    }
    assert!(transactions > 4, "{transactions}");
}

#[tokio::test]
async fn one_transaction_of_pruning_removes_no_more_than_it_may() {
    let Some((place, store)) = Place::new().await else {
        return;
    };
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
    let mut before = place.count("journal").await;
    while store.prune(&Expiry::new(second(3)), 50).await.unwrap() {
        let left = place.count("journal").await;
        assert!(before - left <= 50, "{before} to {left}");
        before = left;
    }
    assert_eq!(place.count("runs").await, 0);
}
