//! The SQLite store, as its users see it.

use atom_core::testkit;
use std::sync::atomic::{AtomicU32, Ordering};

use atom_integrations::storage::SqliteStore;

#[tokio::test]
async fn it_keeps_the_rules_of_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let count = AtomicU32::new(0);
    testkit::storage::check_all(async || {
        let name = count.fetch_add(1, Ordering::Relaxed).to_string();
        SqliteStore::open(&directory.path().join(name)).await.unwrap()
    })
    .await;
}
