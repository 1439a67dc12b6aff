//! The PostgreSQL store, as its users see it.
#![cfg(all(unix, feature = "postgres", feature = "testkit"))]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod concurrency;
mod connections;
mod crash;
mod opening;
mod row_security;
mod size;
mod speed;
mod vault;

use atom_core::RunId;
use atom_core::storage::{Claim, RunStore, WorkerStore};
use atom_core::testkit::{self, fixtures};
use atom_integrations::storage::postgres_testing::TestPostgres;
use atom_integrations::storage::{PostgresConfig, PostgresStore};
use sqlx::{AssertSqlSafe, Row};

/// The server of all tests, where there can be one.
async fn server() -> Option<&'static TestPostgres> {
    TestPostgres::shared().await.unwrap()
}

async fn open(database: &PostgresConfig) -> PostgresStore {
    PostgresStore::open(database).await.unwrap()
}

async fn sequences(store: &PostgresStore, run: RunId) -> Vec<u64> {
    let journal = store
        .journal(&fixtures::scope(), run, 0, usize::MAX)
        .await
        .unwrap();
    journal.iter().map(|entry| entry.sequence).collect()
}

/// What a query beside the store answers, with a number, about everything in its place.
async fn number(server: &TestPostgres, database: &PostgresConfig, query: &str) -> i64 {
    let mut connection = server.connect(&server.as_superuser(database)).await.unwrap();
    let query = sqlx::query(AssertSqlSafe(query.to_owned()));
    query.fetch_one(&mut connection).await.unwrap().get(0)
}

/// Has the lease of a store's engine run out.
async fn lose_lease(server: &TestPostgres, database: &PostgresConfig, store: &PostgresStore) {
    let worker = *store.identity().borrow();
    let lose = format!("UPDATE workers SET lease_until = clock_timestamp() WHERE id = '{worker}'");
    server.execute(database, &lose).await.unwrap();
}

/// Opens a database after all engines that have shared it are dead, and takes over what they held.
async fn take_over(server: &TestPostgres, database: &PostgresConfig) -> PostgresStore {
    let bury = "UPDATE workers SET lease_until = clock_timestamp()";
    server.execute(database, bury).await.unwrap();
    let store = open(database).await;
    store.claim(&Claim::of_any(1000)).await.unwrap();
    store
}

#[tokio::test]
async fn it_is_shared() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let (first, second) = (open(&database).await, open(&database).await);
    let lose = async || lose_lease(server, &database, &first).await;
    testkit::storage::check_workers(&first, &second, lose).await;
}

macro_rules! suites {
    ($($name:ident: $check:ident,)*) => {$(
        #[tokio::test]
        async fn $name() {
            let Some(server) = server().await else { return };
            testkit::storage::$check(&open(&server.database()).await).await;
        }
    )*};
}

suites! {
    it_keeps_workflows: check_workflows,
    it_keeps_templates: check_templates,
    it_keeps_runs: check_runs,
    it_admits_runs: check_admission,
    it_keeps_approvals: check_approvals,
    it_finds_runs: check_selection,
    it_keeps_events: check_events,
    it_keeps_large_data: check_large_data,
    it_keeps_texts: check_texts,
    it_removes_what_has_expired: check_retention,
    it_keeps_schedules: check_schedules,
    it_counts: check_statistics,
    it_keeps_alerts: check_alerts,
    it_separates_scopes: check_scopes,
}
