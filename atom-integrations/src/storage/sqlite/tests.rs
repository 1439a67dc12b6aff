use async_trait::async_trait;
use atom_core::storage::{
    Counted, PageRequest, Resolution, RunFilter, RunLabels, RunStatus, RunStore, StatisticsQuery,
    WorkflowName,
};
use atom_core::testkit::fixtures::{commit, new_run, principal, run_id, scope, second};
use atom_core::{CloudEvent, ErrorCode, EventLog};
use futures::future::join_all;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row};

use super::admission;
use super::migrations::{APPLICATION_ID, MIGRATIONS};
use super::{SqliteStore, Write, WriteResult};
use super::{selection, statistics};
use crate::storage::queue::QUEUED_KIB;

/// Runs a statement on the connection of the writer and returns the number it answers.
pub(super) struct Execute(pub(super) String);

#[async_trait]
impl Write for Execute {
    type Answer = i64;

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<i64> {
        Ok(sqlx::query(AssertSqlSafe(self.0.clone()))
            .fetch_one(connection)
            .await?
            .try_get(0)?)
    }
}

pub(super) async fn execute(store: &SqliteStore, sql: impl Into<String>) -> i64 {
    store.database.write(Execute(sql.into())).await.unwrap()
}

fn large_event(number: usize) -> CloudEvent {
    let mut event = CloudEvent::new(number.to_string(), "/full", "x");
    event.data = Some(json!("x".repeat(8000)));
    event
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_the_store_goes_on_when_there_is_space() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    store.create(new_run(&principal(), 1)).await.unwrap();
    let pages = execute(&store, "PRAGMA page_count").await;
    execute(&store, format!("PRAGMA max_page_count = {}", pages + 40)).await;
    let mut appended = 0;
    let full = loop {
        match store.append(&scope(), &large_event(appended)).await {
            Ok(_) => appended += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(full.code(), ErrorCode::StorageFull, "{full}");
    assert!(appended > 5);
    assert_eq!(store.head().await.unwrap(), appended as u64);
    assert_eq!(store.read(&scope(), 0, 999).await.unwrap().len(), appended);
    // Many at once: a transaction that fails as a whole is tried again one by one.
    execute(&store, format!("PRAGMA max_page_count = {}", pages + 40)).await;
    let mut step = commit(&scope(), run_id(1), 1..2);
    step.entries[0].payload = "1".to_owned();
    let large = |number| {
        let store = &store;
        async move { store.append(&scope(), &large_event(number)).await }
    };
    let (small, others) = tokio::join!(store.commit(step), join_all((100..110).map(large)));
    assert!(others.iter().any(Result::is_err));
    assert!(others.iter().flatten().all(|offset| *offset > appended as u64));
    small.unwrap();

    execute(&store, "PRAGMA max_page_count = 1000000").await;
    let offset = store.append(&scope(), &large_event(999)).await.unwrap();
    assert_eq!(store.head().await.unwrap(), offset);
    drop(store);
    let store = SqliteStore::open(directory.path()).await.unwrap();
    assert_eq!(store.head().await.unwrap(), offset);
    assert_eq!(store.journal(&scope(), run_id(1), 0, 9).await.unwrap().len(), 2);
    assert_eq!(
        execute(
            &store,
            "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"
        )
        .await,
        1
    );
    assert_eq!(
        execute(&store, "SELECT count(*) FROM pragma_foreign_key_check").await,
        0
    );
}

#[tokio::test]
async fn a_directory_that_was_closed_is_free_though_a_child_process_shares_its_lock() {
    let directory = tempfile::tempdir().unwrap();
    let shared = |store: &SqliteStore| store.held.lock().unwrap().as_ref().unwrap().lock.file.try_clone();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let _of_first_child = shared(&store).unwrap();
    store.close().await.unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let _of_second_child = shared(&store).unwrap();
    drop(store);
    SqliteStore::open(directory.path()).await.unwrap();
}

#[tokio::test]
async fn a_list_reads_neither_inputs_nor_outputs() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    store.create(new_run(&principal(), 1)).await.unwrap();
    execute(
        &store,
        "UPDATE runs SET input = 'no JSON', output = 'no JSON' RETURNING 1",
    )
    .await;
    let page = store
        .runs(&scope(), &RunFilter::default(), &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(store.unfinished().await.unwrap().len(), 1);
    assert_eq!(
        store.run(&scope(), run_id(1)).await.unwrap_err().code(),
        ErrorCode::InvalidData
    );
}

#[tokio::test]
async fn what_waits_to_be_written_is_bounded_in_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let space = store.database.writer.space();
    // Others wait with so much that 8 KiB more do not fit.
    let others = space.acquire_many(QUEUED_KIB - 4).await.unwrap();
    let (scope, large, small) = (scope(), large_event(1), CloudEvent::new("small", "/full", "x"));
    let mut waiting = store.append(&scope, &large);
    assert!(futures::poll!(&mut waiting).is_pending());
    drop(others);
    waiting.await.unwrap();
    store.append(&scope, &small).await.unwrap();
    let mut huge = CloudEvent::new("huge", "/full", "x");
    huge.data = Some(json!("x".repeat(QUEUED_KIB as usize * 1024 + 1)));
    store.append(&scope, &huge).await.unwrap();
    assert_eq!(
        space.available_permits(),
        QUEUED_KIB as usize,
        "what is written waits no more"
    );
}

#[tokio::test]
async fn the_connections_are_as_safe_as_they_claim() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    assert_eq!(execute(&store, "PRAGMA synchronous").await, 2, "FULL");
    assert_eq!(execute(&store, "PRAGMA foreign_keys").await, 1);
    let write = "INSERT INTO documents (tenant, user, hash, text) VALUES ('a', 'b', 'c', 'd')";
    assert!(
        sqlx::query(write).execute(&store.database.readers).await.is_err(),
        "readers only read"
    );
}

#[tokio::test]
async fn lists_are_read_along_their_indexes() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    for (query, index) in [
        (
            "SELECT * FROM runs WHERE tenant = ? AND user = ? ORDER BY created_at DESC, id DESC",
            "runs_by_age",
        ),
        ("SELECT * FROM runs WHERE status = 'running'", "runs_running"),
        (
            "SELECT * FROM runs WHERE tenant = ? AND user = ? AND parent_run = ?",
            "runs_by_parent",
        ),
        (
            "SELECT * FROM events WHERE tenant = ? AND user = ? AND offset > ? ORDER BY offset",
            "events_by_offset",
        ),
        (
            "SELECT * FROM workflows WHERE tenant = ? AND user = ? ORDER BY namespace, name, deployed_at, version",
            "workflows_in_order",
        ),
        (
            "SELECT * FROM schedules WHERE wakes_at IS NOT NULL ORDER BY wakes_at LIMIT ?",
            "schedules_by_time",
        ),
        (
            "SELECT * FROM schedules WHERE tenant = ? AND user = ? AND listens_after IS NOT NULL",
            "schedules_listening",
        ),
        (
            "SELECT * FROM schedules WHERE awaits IS NOT NULL",
            "schedules_awaiting",
        ),
        (admission::QUEUED_FOR_PLACE, "runs_queued_for_place"),
        (admission::QUEUED_FOR_RATE, "runs_queued_for_rate"),
        (admission::UNDER_WAY, "runs_under_way"),
        (admission::SUPERSEDE, "runs_under_way"),
        (admission::NEWER, "runs_queued_for_place"),
        (admission::BEGUN, "runs_by_rate"),
    ] {
        let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}")));
        let plan = plan.fetch_all(&store.database.readers).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        assert!(plan.iter().any(|line| line.contains(index)), "{query}: {plan:?}");
        assert!(
            !plan.iter().any(|line| line.contains("TEMP B-TREE")),
            "{query}: {plan:?}"
        );
    }
}

#[tokio::test]
async fn every_list_of_runs_is_read_in_its_order_along_an_index() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
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
        (
            RunFilter::in_states([RunStatus::Running, RunStatus::Paused]),
            "runs_running",
        ),
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
            "label USING PRIMARY KEY",
        ),
        (
            RunFilter {
                labels,
                ..RunFilter::in_states([RunStatus::Faulted])
            },
            "label USING PRIMARY KEY",
        ),
    ] {
        for after in [None, Some((second(0), run_id(9)))] {
            let mut query =
                selection::query("EXPLAIN QUERY PLAN SELECT runs.id", &scope(), &filter, after).unwrap();
            let plan = query.build().fetch_all(&store.database.readers).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
            assert!(plan[0].contains(index), "{filter:?}: {plan:?}");
            let is_slow = |line: &String| line.contains("TEMP B-TREE") || line.starts_with("SCAN");
            assert!(!plan.iter().any(is_slow), "{filter:?}: {plan:?}");
        }
    }
}

#[tokio::test]
async fn statistics_are_read_along_their_keys() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    let of = WorkflowName {
        namespace: "shop".to_owned(),
        name: "pay".to_owned(),
    };
    let query = |counted, is_named: bool| StatisticsQuery {
        counted,
        namespace: is_named.then(|| of.namespace.clone()),
        name: is_named.then(|| of.name.clone()),
        version: None,
        by_version: false,
        from: 0,
        before: 24,
        hours: 1,
    };
    let list = |query: StatisticsQuery| statistics::select(&scope(), &query, None);
    let since = |of, resolution| statistics::since(&scope(), of, resolution, 0);
    let runs = "tenant=? AND user=? AND counted=?";
    for (query, key) in [
        (list(query(Counted::Runs, false)), runs.to_owned()),
        (
            list(query(Counted::Tasks, true)),
            format!("{runs} AND namespace=? AND name=? AND hour>?"),
        ),
        (
            since(Some(&of), Resolution::Hour),
            format!("{runs} AND namespace=? AND name=? AND hour>?"),
        ),
        (since(None, Resolution::Hour), runs.to_owned()),
        (
            since(None, Resolution::Minute),
            "tenant=? AND user=? AND minute>?".to_owned(),
        ),
        (
            since(Some(&of), Resolution::Minute),
            "tenant=? AND user=? AND minute>?".to_owned(),
        ),
    ] {
        let plan = sqlx::query(AssertSqlSafe(format!(
            "EXPLAIN QUERY PLAN {}",
            query.sql().as_str()
        )));
        let plan = plan.fetch_all(&store.database.readers).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        assert!(
            plan[0].contains("USING PRIMARY KEY") && plan[0].contains(&key),
            "{plan:?}"
        );
    }
}

/// A database as the first version of the engine left it, with one run that is under way.
async fn first_version(directory: &std::path::Path) {
    let options = SqliteConnectOptions::new()
        .filename(directory.join("atom.db"))
        .create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let run = new_run(&principal(), 1);
    let (owner, id) = (principal().scope(), run.id.to_string().replace('-', ""));
    let script = format!(
        "{}
        INSERT INTO runs (tenant, user, id, roles, namespace, name, version, hash, input, created_at)
            VALUES ('{tenant}', '{user}', x'{id}', '[]', 'default', 'greet', '1.0.0', 'hash', '{{}}', 0);
        INSERT INTO journal VALUES ('{tenant}', '{user}', x'{id}', 0, 0, '{payload}', 0);
        PRAGMA application_id = {APPLICATION_ID};
        PRAGMA user_version = 1;",
        MIGRATIONS[0],
        tenant = owner.tenant,
        user = owner.user,
        payload = run.first_entry.payload,
    );
    sqlx::raw_sql(AssertSqlSafe(script))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date_with_its_runs() {
    let directory = tempfile::tempdir().unwrap();
    first_version(directory.path()).await;
    let store = SqliteStore::open(directory.path()).await.unwrap();
    assert_eq!(
        execute(&store, "PRAGMA user_version").await,
        MIGRATIONS.len() as i64
    );
    let run = store.run(&scope(), run_id(1)).await.unwrap().unwrap();
    assert_eq!(
        (
            run.workflow.name.as_str(),
            run.rerun_of,
            run.idempotency_key,
            run.status
        ),
        ("greet", None, None, RunStatus::Running)
    );
    store.commit(commit(&scope(), run_id(1), 1..2)).await.unwrap();
    assert_eq!(store.journal(&scope(), run_id(1), 0, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_engine_that_was_shut_out_can_write_nothing_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).await.unwrap();
    store.create(new_run(&principal(), 1)).await.unwrap();
    // What another engine does that could open the directory all the same.
    execute(&store, "UPDATE engine SET epoch = epoch + 1 RETURNING epoch").await;

    let step = store.commit(commit(&scope(), run_id(1), 1..2)).await;
    let created = store.create(new_run(&principal(), 2)).await;
    let rare = store.database.write(Execute("SELECT 1".to_owned())).await;
    let codes = [
        step.unwrap_err().code(),
        created.unwrap_err().code(),
        rare.unwrap_err().code(),
    ];
    assert_eq!(codes, [ErrorCode::Conflict; 3]);
    assert_eq!(store.journal(&scope(), run_id(1), 0, 9).await.unwrap().len(), 1);
    store.close().await.unwrap();

    let store = SqliteStore::open(directory.path()).await.unwrap();
    store.commit(commit(&scope(), run_id(1), 1..2)).await.unwrap();
}
