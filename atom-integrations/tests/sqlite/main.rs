//! The SQLite store, as its users see it.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod concurrency;
mod crash;
#[cfg(target_os = "linux")]
mod full;
mod log;
mod opening;
mod speed;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use atom_core::RunId;
use atom_core::storage::RunStore;
use atom_core::testkit::{self, fixtures};
use atom_integrations::storage::SqliteStore;

async fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory).await.unwrap()
}

async fn sequences(store: &SqliteStore, run: RunId) -> Vec<u64> {
    let journal = store
        .journal(&fixtures::scope(), run, 0, usize::MAX)
        .await
        .unwrap();
    journal.iter().map(|entry| entry.sequence).collect()
}

#[tokio::test]
async fn it_keeps_the_rules_of_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let count = AtomicU32::new(0);
    testkit::storage::check_all(async || {
        let name = count.fetch_add(1, Ordering::Relaxed).to_string();
        open(&directory.path().join(name)).await
    })
    .await;
}
