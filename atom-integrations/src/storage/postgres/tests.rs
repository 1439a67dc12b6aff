//! Which indexes the statements of the store use, with row-level security in force.
#![cfg(unix)]

use std::time::Duration;

use atom_core::storage::{
    Counted, PageRequest, Resolution, RunFilter, RunLabels, RunStatus, RunStore, StatisticsQuery,
    WorkflowName,
};
use atom_core::testkit::fixtures::{new_run, principal, run_id, scope, second};
use serde_json::json;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{Arguments, AssertSqlSafe, Connection, Executor, Row};

use super::testing::TestPostgres;
use super::{PostgresConfig, PostgresStore, admission, selection, statistics};

/// A store, and a connection that sees one tenant and plans as if its tables were large.
async fn open() -> Option<(PostgresStore, PgConnection)> {
    let server = TestPostgres::shared().await.unwrap()?;
    let database: PostgresConfig = server.database();
    let store = PostgresStore::open(&database).await.unwrap();
    let mut connection = server.connect(&database).await.unwrap();
    let settings = "SET atom.tenant = 'acme'; SET enable_seqscan = off; SET enable_bitmapscan = off; \
         SET enable_sort = off; SET enable_incremental_sort = off; SET enable_hashagg = off";
    connection.execute(settings).await.unwrap();
    Some((store, connection))
}

async fn plan(connection: &mut PgConnection, query: &str, arguments: PgArguments) -> Vec<String> {
    let explain = AssertSqlSafe(format!("EXPLAIN (COSTS OFF) {query}"));
    let rows = sqlx::query_with(explain, arguments).fetch_all(connection).await;
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

fn assert_reads(plan: &[String], index: &str, of: &dyn std::fmt::Debug) {
    let is_used = |line: &String| {
        line.contains("Index") && line.contains(&format!("using {index} ")) && !line.contains("Seq Scan")
    };
    assert!(plan.iter().any(is_used), "{of:?}: {plan:#?}");
    let is_slow = |line: &&String| {
        let step = line.trim_start().trim_start_matches("->").trim_start();
        step.starts_with("Sort") || step.starts_with("Seq Scan") || step.starts_with("Incremental")
    };
    assert_eq!(plan.iter().find(is_slow), None, "{of:?}: {plan:#?}");
}

/// What the database knows of tables decides how it looks rows up; by itself it looks at them once a minute.
#[tokio::test]
async fn the_database_looks_at_tables_that_grow() {
    let Some(server) = TestPostgres::shared().await.unwrap() else {
        return;
    };
    let database = server.database();
    let store = PostgresStore::open(&database).await.unwrap();
    let mut connection = server.connect(&database).await.unwrap();
    let mut created = 0;
    for runs in [1, 400] {
        while created < runs {
            created += 1;
            store.create(new_run(&principal(), created)).await.unwrap();
        }
        let seen = "SELECT reltuples FROM pg_class WHERE oid = 'runs'::regclass";
        let looked = async {
            while connection.fetch_one(seen).await.unwrap().get::<f32, _>(0) < runs as f32 / 4.0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), looked)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn every_list_of_runs_is_read_in_its_order_along_an_index() {
    let Some((_store, mut connection)) = open().await else {
        return;
    };
    let text = |text: &str| Some(text.to_owned());
    let labels = RunLabels {
        tags: [("team".to_owned(), "a".to_owned())].into(),
        fields: [("customer".to_owned(), json!(7))].into(),
    };
    for (filter, index) in [
        (RunFilter::default(), "runs_by_age"),
        (RunFilter::in_states([RunStatus::Running]), "runs_running"),
        (RunFilter::in_states([RunStatus::Paused]), "runs_running"),
        (RunFilter::in_states([RunStatus::Queued]), "runs_running"),
        (RunFilter::in_states([RunStatus::Faulted]), "runs_faulted"),
        (
            RunFilter {
                error_type: text("urn:a"),
                ..RunFilter::default()
            },
            "runs_faulted",
        ),
        (
            RunFilter {
                namespace: text("a"),
                name: text("b"),
                version: text("c"),
                ..RunFilter::default()
            },
            "runs_by_workflow",
        ),
        (
            RunFilter {
                parent: Some(run_id(1)),
                ..RunFilter::default()
            },
            "runs_by_parent",
        ),
        (
            RunFilter {
                labels: labels.clone(),
                ..RunFilter::default()
            },
            "run_labels_pkey",
        ),
        (
            RunFilter {
                labels,
                ..RunFilter::in_states([RunStatus::Faulted])
            },
            "run_labels_pkey",
        ),
    ] {
        for after in [None, Some((second(0), run_id(9)))] {
            let mut query =
                selection::list("EXPLAIN (COSTS OFF) SELECT runs.id", &scope(), &filter, after).unwrap();
            let rows = query.build().fetch_all(&mut connection).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            assert_reads(&plan, index, &filter);
        }
    }
}

#[tokio::test]
async fn queues_and_logs_are_read_along_their_indexes() {
    let Some((_store, mut connection)) = open().await else {
        return;
    };
    /// The owner, and then texts, numbers and ids in the order of the statement.
    fn arguments(rest: &str) -> PgArguments {
        let mut arguments = PgArguments::default();
        for kind in "tt".chars().chain(rest.chars()) {
            match kind {
                't' => arguments.add("acme"),
                'n' => arguments.add(7_i64),
                _ => arguments.add(uuid::Uuid::nil()),
            }
            .unwrap();
        }
        arguments
    }
    for (query, rest, index) in [
        (admission::QUEUED_FOR_PLACE, "tttnnin", "runs_queued_for_place"),
        (admission::QUEUED_FOR_RATE, "tttnnin", "runs_queued_for_rate"),
        (admission::UNDER_WAY, "ttt", "runs_under_way"),
        (admission::NEWER, "tttni", "runs_queued_for_place"),
        (admission::BEGUN, "tttn", "runs_by_rate"),
        (admission::SUPERSEDE, "tttn", "runs_under_way"),
        (
            r#"SELECT 1 FROM events WHERE tenant = $1 AND owner = $2 AND "offset" > $3 ORDER BY "offset""#,
            "n",
            "events_by_offset",
        ),
        (
            "SELECT 1 FROM journal WHERE tenant = $1 AND owner = $2 AND run = $3 AND sequence >= $4 ORDER BY sequence",
            "in",
            "journal_pkey",
        ),
        (
            "SELECT 1 FROM workflows WHERE tenant = $1 AND owner = $2 \
             ORDER BY namespace, name, deployed_at, version",
            "",
            "workflows_in_order",
        ),
    ] {
        let plan = plan(&mut connection, query, arguments(rest)).await;
        assert_reads(&plan, index, &query);
    }
    sqlx::query("SET atom.all_tenants = 'on'")
        .execute(&mut connection)
        .await
        .unwrap();
    for (query, index) in [
        (
            "SELECT 1 FROM schedules WHERE wakes_at IS NOT NULL ORDER BY wakes_at LIMIT 9",
            "schedules_by_time",
        ),
        (
            "SELECT 1 FROM schedules WHERE awaits IS NOT NULL",
            "schedules_awaiting",
        ),
        ("SELECT 1 FROM runs WHERE is_removed", "runs_removed"),
        ("SELECT 1 FROM runs WHERE NOT is_trimmed", "runs_to_trim"),
        ("SELECT 1 FROM blob_uses WHERE uses = 0", "blobs_unused"),
        (
            "SELECT 1 FROM runs WHERE expires_at IS NOT NULL AND expires_at <= 9 AND NOT is_removed",
            "runs_expiring",
        ),
        (
            "SELECT 1 FROM runs WHERE expires_at IS NULL AND status = 'completed' AND ended_at <= 9 \
             AND ended_at IS NOT NULL AND NOT is_removed",
            "runs_ended",
        ),
    ] {
        let plan = plan(&mut connection, query, PgArguments::default()).await;
        assert_reads(&plan, index, &query);
    }
}

#[tokio::test]
async fn statistics_are_read_along_their_keys() {
    let Some((_store, mut connection)) = open().await else {
        return;
    };
    // Of many owners with many workflows over some time.
    let fill = "SET atom.all_tenants = 'on'; \
         INSERT INTO statistics SELECT CASE n % 50 WHEN 0 THEN 'acme' ELSE 't' || n % 50 END, 'ada', n % 3 = 0, 'shop', \
         CASE n % 7 WHEN 0 THEN 'pay' ELSE 'w' || n % 7 END, n / 100, '', '', '1', n, 1, 1, 0, 0, 0, 1, 1 \
         FROM generate_series(1, 20000) AS n; \
         INSERT INTO recent_statistics SELECT tenant, owner, hour, namespace, name, bucket, 1, 1, 0, 0, 0, 1, 1 FROM statistics; \
         ANALYZE statistics, recent_statistics; RESET atom.all_tenants";
    connection.execute(fill).await.unwrap();
    let of = WorkflowName {
        namespace: "shop".to_owned(),
        name: "pay".to_owned(),
    };
    let query = StatisticsQuery {
        counted: Counted::Tasks,
        namespace: Some(of.namespace.clone()),
        name: Some(of.name.clone()),
        version: None,
        by_version: false,
        from: 0,
        before: 24,
        hours: 1,
    };
    let since = |of, resolution| statistics::since(&scope(), of, resolution, 0);
    for (query, index, condition) in [
        (
            statistics::select(&scope(), &query, None),
            "statistics_pkey",
            "hour >=",
        ),
        (since(Some(&of), Resolution::Hour), "statistics_pkey", "hour >="),
        (
            since(None, Resolution::Minute),
            "recent_statistics_pkey",
            "minute >=",
        ),
    ] {
        let mut query = query;
        let sql = query.sql().as_str().to_owned();
        let arguments = sqlx::Execute::take_arguments(&mut query.build())
            .unwrap()
            .unwrap();
        let plan = plan(&mut connection, &sql, arguments).await;
        let is_used = |line: &String| line.contains(&format!("using {index} "));
        assert!(plan.iter().any(is_used), "{plan:#?}");
        let is_bounded = |line: &String| line.contains("Index Cond") && line.contains(condition);
        assert!(plan.iter().any(is_bounded), "{plan:#?}");
    }
}

#[tokio::test]
async fn a_list_reads_neither_inputs_nor_outputs() {
    let Some((store, mut connection)) = open().await else {
        return;
    };
    store.create(new_run(&principal(), 1)).await.unwrap();
    let spoilt = sqlx::query("UPDATE runs SET input = 'no JSON', output = 'no JSON'");
    spoilt.execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let page = store
        .runs(&scope(), &RunFilter::default(), &PageRequest::default())
        .await;
    assert_eq!(page.unwrap().items.len(), 1);
    assert_eq!(store.unfinished().await.unwrap().len(), 1);
    let error = store.run(&scope(), run_id(1)).await.unwrap_err();
    assert_eq!(error.code(), atom_core::ErrorCode::InvalidData);
}
