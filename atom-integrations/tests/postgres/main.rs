//! The PostgreSQL store, as its users see it.
#![cfg(all(unix, feature = "postgres", feature = "testkit"))]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod speed;

use atom_core::testkit;
use atom_integrations::storage::postgres_testing::TestPostgres;
use atom_integrations::storage::{PostgresConfig, PostgresStore};

async fn open(database: &PostgresConfig) -> PostgresStore {
    PostgresStore::open(database).await.unwrap()
}

macro_rules! suites {
    ($($name:ident: $check:ident,)*) => {$(
        #[tokio::test]
        async fn $name() {
            let Some(server) = TestPostgres::shared().await else { return };
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
    it_removes_what_has_expired: check_retention,
    it_keeps_schedules: check_schedules,
    it_counts: check_statistics,
    it_keeps_alerts: check_alerts,
    it_separates_scopes: check_scopes,
}
