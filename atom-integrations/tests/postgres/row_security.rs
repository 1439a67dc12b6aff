//! The second wall behind the scopes of the store: what the database itself shows and takes.

use atom_core::storage::{ApprovalChange, RunStore, TemplateStore, WorkflowStore};
use atom_core::testkit::fixtures::{approval, commit, deployed, new_run, principal, run_id};
use atom_core::{CloudEvent, Principal};
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::{number, open, server};

/// The tables that have no tenant.
const OF_NOBODY: [&str; 4] = ["event_ages", "event_log", "migrations", "workers"];

async fn tables(connection: &mut PgConnection, condition: &str) -> Vec<String> {
    let query = format!(
        "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
         AND relkind IN ('r', 'p', 'v', 'm', 'f') AND {condition} ORDER BY relname"
    );
    let rows = sqlx::query(AssertSqlSafe(query))
        .fetch_all(connection)
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn count(connection: &mut PgConnection, table: &str) -> i64 {
    let query = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query(query).fetch_one(connection).await.unwrap().get(0)
}

async fn see(connection: &mut PgConnection, tenant: &str) {
    let query = sqlx::query("SELECT set_config('atom.tenant', $1, true)").bind(tenant);
    query.execute(connection).await.unwrap();
}

#[tokio::test]
async fn every_table_of_users_data_is_behind_the_wall() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let _store = open(&database).await;
    let mut connection = server.connect(&database).await.unwrap();
    assert_eq!(
        tables(&mut connection, "NOT relforcerowsecurity").await,
        OF_NOBODY
    );
    assert_eq!(tables(&mut connection, "NOT relrowsecurity").await, OF_NOBODY);
}

#[tokio::test]
async fn a_query_without_the_tenant_or_with_another_sees_and_writes_nothing() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let store = open(&database).await;
    let owners = ["acme", "bell"].map(|tenant| Principal::new(tenant, "ada").unwrap());
    for owner in &owners {
        let scope = owner.scope();
        store.put_document(&scope, "h1", "text").await.unwrap();
        store
            .deploy(&scope, &deployed("briefing", "1.0.0", "h1"))
            .await
            .unwrap();
        let mut run = new_run(owner, 1);
        run.input = json!("x".repeat(100_000));
        run.labels.tags = [("team".to_owned(), "a".to_owned())].into();
        store.create(run).await.unwrap();
        let mut step = commit(&scope, run_id(1), 1..2);
        step.events = vec![CloudEvent::new("1", "/x", "x")];
        step.approvals = vec![ApprovalChange::Open(Box::new(approval(owner, 1, 1)))];
        store.commit(step).await.unwrap();
    }
    let filled = [
        "approval_viewers",
        "approvals",
        "blob_uses",
        "blobs",
        "documents",
        "events",
        "journal",
        "recent_statistics",
        "run_labels",
        "runs",
        "statistics",
        "workflows",
    ];
    let mut connection = server.connect(&database).await.unwrap();
    for table in filled {
        let query = format!("SELECT count(*) FROM {table} WHERE tenant = 'acme'");
        let own = number(server, &database, &query).await;
        assert!(own > 0, "{table}");

        // A statement that names nobody.
        assert_eq!(count(&mut connection, table).await, 0, "{table}");
        for (tenant, expected) in [("acme", own), ("bell", own), ("ACME", 0), ("", 0)] {
            let mut transaction = connection.begin().await.unwrap();
            see(&mut transaction, tenant).await;
            assert_eq!(
                count(&mut transaction, table).await,
                expected,
                "{table} of '{tenant}'"
            );
            let other = if tenant == "acme" { "bell" } else { "acme" };
            let change = format!("UPDATE {table} SET tenant = tenant WHERE tenant = '{other}'");
            let changed = sqlx::query(AssertSqlSafe(change))
                .execute(&mut *transaction)
                .await;
            assert_eq!(changed.unwrap().rows_affected(), 0, "{table}");
            let gone = format!("DELETE FROM {table} WHERE tenant = '{other}'");
            let gone = sqlx::query(AssertSqlSafe(gone)).execute(&mut *transaction).await;
            assert_eq!(gone.unwrap().rows_affected(), 0, "{table}");
            transaction.rollback().await.unwrap();
        }
        // What a transaction named is forgotten with it.
        assert_eq!(count(&mut connection, table).await, 0, "{table}");
    }
    for (named, tenant, is_accepted) in [
        ("acme", "acme", true),
        ("acme", "bell", false),
        ("", "acme", false),
    ] {
        let mut transaction = connection.begin().await.unwrap();
        see(&mut transaction, named).await;
        let insert = format!("INSERT INTO documents VALUES ('{tenant}', 'ada', 'h2', 'text')");
        let inserted = sqlx::query(AssertSqlSafe(insert))
            .execute(&mut *transaction)
            .await;
        assert_eq!(
            inserted.is_ok(),
            is_accepted,
            "'{tenant}' named '{named}': {inserted:?}"
        );
        let moved = "UPDATE documents SET tenant = 'bell' WHERE hash = 'h1'";
        if inserted.is_ok() {
            let moved = sqlx::query(moved).execute(&mut *transaction).await;
            assert!(moved.is_err(), "a row cannot be given to another tenant");
        }
        transaction.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn no_name_of_a_tenant_is_taken_for_sql() {
    let Some(server) = server().await else { return };
    let store = open(&server.database()).await;
    for tenant in [
        "o'hara",
        "\\",
        "'); SELECT set_config('atom.all_tenants', 'on', true); --",
        "ä\u{1f600}",
        "\0",
    ] {
        let mut owner = principal();
        owner.tenant = tenant.to_owned();
        let scope = owner.scope();
        assert_eq!(store.document(&scope, "h1").await.unwrap(), None, "{tenant:?}");
        store.put_document(&scope, "h1", tenant).await.unwrap();
        assert_eq!(
            store.document(&scope, "h1").await.unwrap().as_deref(),
            Some(tenant)
        );
        assert!(!store.delete_template(&scope, "none").await.unwrap());
    }
}
