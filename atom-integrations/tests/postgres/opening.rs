//! Opening databases of every kind.

use atom_core::storage::{
    Claim, PageRequest, RunFilter, RunStore, TemplateStore, WorkerStore, WorkflowStore,
};
use atom_core::testkit::fixtures::{commit, new_run, principal, run_id, scope};
use atom_core::{ErrorCode, EventLog, Retry, Secret};
use atom_integrations::storage::{PostgresConfig, PostgresStore};
use futures::future::join_all;

use super::{lose_lease, number, open, sequences, server};

#[tokio::test]
async fn what_was_written_is_there_when_the_database_is_opened_again() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let store = open(&database).await;
    store.create(new_run(&principal(), 1)).await.unwrap();
    store.commit(commit(&scope(), run_id(1), 1..3)).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    let closed = store.commit(commit(&scope(), run_id(1), 3..4)).await.unwrap_err();
    assert_eq!(closed.code(), ErrorCode::Closed);
    let closed = store.run(&scope(), run_id(1)).await.unwrap_err();
    assert_eq!(closed.code(), ErrorCode::Closed);
    let store = open(&database).await;
    assert_eq!(sequences(&store, run_id(1)).await, [0, 1, 2]);
    // Who closes leaves its runs to others at once.
    assert_eq!(store.claim(&Claim::of_any(10)).await.unwrap().len(), 1);
    store.commit(commit(&scope(), run_id(1), 3..4)).await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_opened_many_times_at_once_is_made_once() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let stores = join_all((0..5).map(|_| PostgresStore::open(&database))).await;
    let stores: Vec<_> = stores.into_iter().map(Result::unwrap).collect();
    let created = join_all(stores.iter().map(|store| store.create(new_run(&principal(), 1)))).await;
    let codes: Vec<_> = created
        .into_iter()
        .map(|created| created.err().map(|error| error.code()))
        .collect();
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 1, "{codes:?}");
    assert!(
        codes
            .iter()
            .flatten()
            .all(|code| *code == ErrorCode::AlreadyExists),
        "{codes:?}"
    );
}

#[tokio::test]
async fn an_engine_whose_lease_was_lost_can_write_nothing() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let old = open(&database).await;
    old.create(new_run(&principal(), 1)).await.unwrap();
    old.put_document(&scope(), "h1", "old").await.unwrap();
    let new = open(&database).await;
    lose_lease(server, &database, &old).await;

    let step = old.commit(commit(&scope(), run_id(1), 1..2)).await;
    let created = old.create(new_run(&principal(), 2)).await;
    let rare = old.put_document(&scope(), "h2", "old").await;
    let removed = old.delete_template(&scope(), "none").await.map(drop);
    let codes = [
        step.map(drop).unwrap_err().code(),
        created.map(drop).unwrap_err().code(),
        rare.unwrap_err().code(),
        removed.unwrap_err().code(),
    ];
    assert_eq!(codes, [ErrorCode::Conflict; 4]);
    assert_eq!(sequences(&old, run_id(1)).await, [0], "it can read still");
    assert_eq!(new.document(&scope(), "h2").await.unwrap(), None);
    assert_eq!(new.claim(&Claim::of_any(10)).await.unwrap().len(), 1);
    new.commit(commit(&scope(), run_id(1), 1..2)).await.unwrap();
    old.close().await.unwrap();
    assert_eq!(sequences(&new, run_id(1)).await, [0, 1]);
}

#[tokio::test]
async fn a_worker_is_not_gone_while_it_writes() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let old = open(&database).await;
    let mut writing = server.connect(&database).await.unwrap();
    old.create(new_run(&principal(), 1)).await.unwrap();
    let begin = "BEGIN; SELECT hold(id) FROM workers; SELECT set_config('atom.tenant', 'acme', true); \
         INSERT INTO documents VALUES ('acme', 'ada', 'h1', 'text')";
    sqlx::raw_sql(begin).execute(&mut writing).await.unwrap();
    let new = open(&database).await;
    // Its lease can be renewed meanwhile, and does run out.
    lose_lease(server, &database, &old).await;
    assert_eq!(new.claim(&Claim::of_any(10)).await.unwrap(), []);
    sqlx::raw_sql("COMMIT").execute(&mut writing).await.unwrap();
    assert!(new.document(&scope(), "h1").await.unwrap().is_some());
    assert_eq!(new.claim(&Claim::of_any(10)).await.unwrap().len(), 1);
    assert!(old.create(new_run(&principal(), 2)).await.is_err());
}

#[tokio::test]
async fn a_role_that_bypasses_row_security_is_refused() {
    let Some(server) = server().await else { return };
    let mut database = server.as_superuser(&server.database());
    let error = PostgresStore::open(&database).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied);
    assert_eq!(error.context()["role"], "postgres", "{error}");
    database.may_bypass_row_security = true;
    open(&database)
        .await
        .create(new_run(&principal(), 1))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_schema_of_a_newer_engine_is_refused_and_left_alone() {
    let Some(server) = server().await else { return };
    let database = server.database();
    open(&database).await.close().await.unwrap();
    server
        .execute(&database, "INSERT INTO migrations (version) VALUES (1000)")
        .await
        .unwrap();
    let error = PostgresStore::open(&database).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::VersionMismatch);
    assert_eq!(error.context()["database_version"], "1000", "{error}");
    assert_eq!(number(server, &database, "SELECT count(*) FROM workers").await, 1);
}

#[tokio::test]
async fn a_role_without_rights_is_told_so() {
    let Some(server) = server().await else { return };
    let database = server.database();
    let schema = format!("CREATE SCHEMA {}", database.schema());
    server
        .execute(&server.as_superuser(&database), &schema)
        .await
        .unwrap();
    let error = PostgresStore::open(&database).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error:?}");
    let cause = error.report().cause;
    let [said] = &cause[..] else { panic!("{cause:?}") };
    assert!(said.starts_with("permission denied for schema"), "{said}");
    assert!(said.ends_with("(SQLSTATE 42501)"), "{said}");
    let grant = format!("GRANT ALL ON SCHEMA {} TO atom", database.schema());
    server
        .execute(&server.as_superuser(&database), &grant)
        .await
        .unwrap();
    open(&database)
        .await
        .create(new_run(&principal(), 1))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    // Nothing listens there, and if something did it were no PostgreSQL.
    let url = "postgres://ada:pass-7@127.0.0.1:9/app?sslmode=disable";
    let config = PostgresConfig::new(&Secret::new(url)).unwrap();
    let error = PostgresStore::open(&config).await.unwrap_err();
    assert_eq!(
        (error.code(), error.retry()),
        (ErrorCode::Unavailable, Retry::Maybe),
        "{error}"
    );
    assert_eq!(error.context()["database"], "127.0.0.1:9/app");
    assert!(!format!("{error:?} {error}").contains("pass-7"));
}

#[tokio::test]
async fn a_password_that_is_refused_is_told_apart() {
    let Some(server) = server().await else { return };
    let url = server.url(&server.database()).replace("user=atom", "user=nobody");
    let config = PostgresConfig::new(&Secret::new(url)).unwrap();
    let error = PostgresStore::open(&config).await.unwrap_err();
    assert_eq!(
        (error.code(), error.retry()),
        (ErrorCode::Unauthenticated, Retry::No),
        "{error}"
    );
}

#[tokio::test]
async fn stores_in_two_schemas_know_nothing_of_each_other() {
    let Some(server) = server().await else { return };
    let (one, other) = (open(&server.database()).await, open(&server.database()).await);
    one.create(new_run(&principal(), 1)).await.unwrap();
    let all = RunFilter::default();
    assert_eq!(
        other
            .runs(&scope(), &all, &PageRequest::default())
            .await
            .unwrap()
            .items,
        []
    );
    assert!(other.unfinished().await.unwrap().is_empty());
    assert_eq!(other.head().await.unwrap(), 0);
    other.create(new_run(&principal(), 1)).await.unwrap();
}
