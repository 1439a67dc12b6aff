//! What a data directory may hold, and who may open it.

use std::path::Path;
use std::process::Command;

use atom_core::storage::{PageRequest, RunFilter, RunStore, WorkflowStore};
use atom_core::testkit::fixtures::{commit, new_run, principal, run_id, scope};
use atom_core::{CloudEvent, ErrorCode, EventLog};
use atom_integrations::storage::SqliteStore;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::{open, sequences};

async fn refusal(directory: &Path) -> atom_core::Error {
    SqliteStore::open(directory).await.unwrap_err()
}

/// Runs statements the way another program would.
async fn execute(file: &Path, sql: &str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn what_was_written_is_there_after_a_drop_and_after_a_close() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    store.create(new_run(&principal(), 1)).await.unwrap();
    let offset = store
        .append(&scope(), &CloudEvent::new("1", "/x", "x"))
        .await
        .unwrap();
    drop(store);
    let store = open(directory.path()).await;
    assert_eq!(store.head().await.unwrap(), offset);
    assert_eq!(*store.watch().borrow(), offset);
    store.commit(commit(&scope(), run_id(1), 1..2)).await.unwrap();
    store.close().await.unwrap();
    assert!(
        !directory.path().join("atom.db-wal").exists(),
        "closing folds the write-ahead log"
    );
    let store = open(directory.path()).await;
    assert_eq!(sequences(&store, run_id(1)).await, [0, 1]);
    assert!(
        store
            .append(&scope(), &CloudEvent::new("2", "/x", "x"))
            .await
            .unwrap()
            > offset
    );
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let (first, second) = tokio::join!(store.close(), store.close());
    first.and(second).unwrap();
    let page = PageRequest::default();
    for error in [
        store.create(new_run(&principal(), 1)).await.unwrap_err(),
        store
            .append(&scope(), &CloudEvent::new("1", "/x", "x"))
            .await
            .unwrap_err(),
        store.put_document(&scope(), "h", "text").await.unwrap_err(),
        store
            .runs(&scope(), &RunFilter::default(), &page)
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.code(), ErrorCode::Closed, "{error}");
    }
}

#[tokio::test]
async fn one_engine_at_a_time_opens_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let error = refusal(directory.path()).await;
    assert_eq!(error.code(), ErrorCode::Locked);
    assert!(error.to_string().contains("atom.lock"), "{error}");
    assert_eq!(child_opens(directory.path()), "locked");
    store.close().await.unwrap();
    assert_eq!(child_opens(directory.path()), "opened");
    open(directory.path()).await;
}

const DIRECTORY: &str = "ATOM_TEST_DIRECTORY";

fn child_opens(directory: &Path) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "opening::child", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory);
    let output = String::from_utf8(child.output().unwrap().stdout).unwrap();
    output
        .lines()
        .find_map(|line| line.strip_prefix("child: "))
        .unwrap_or(&output)
        .to_owned()
}

#[tokio::test]
#[ignore = "runs as the child of another test"]
async fn child() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let opened = SqliteStore::open(Path::new(&directory)).await;
    println!(
        "\nchild: {}",
        opened.map_or_else(|error| error.code().to_string(), |_| "opened".to_owned())
    );
}

#[tokio::test]
async fn an_engine_that_lost_its_place_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    store.create(new_run(&principal(), 1)).await.unwrap();
    execute(
        &directory.path().join("atom.db"),
        "UPDATE engine SET epoch = epoch + 1",
    )
    .await;
    for error in [
        store.commit(commit(&scope(), run_id(1), 1..2)).await.unwrap_err(),
        store.create(new_run(&principal(), 2)).await.unwrap_err(),
        store
            .append(&scope(), &CloudEvent::new("1", "/x", "x"))
            .await
            .unwrap_err(),
        store.put_document(&scope(), "h", "text").await.unwrap_err(),
    ] {
        assert_eq!(error.code(), ErrorCode::Conflict, "{error}");
    }
    drop(store);
    let store = open(directory.path()).await;
    assert_eq!(sequences(&store, run_id(1)).await, [0]);
    assert_eq!(store.head().await.unwrap(), 0);
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).await.close().await.unwrap();
    let file = directory.path().join("atom.db");
    execute(&file, "PRAGMA user_version = 999").await;
    let before = std::fs::read(&file).unwrap();
    let error = refusal(directory.path()).await;
    assert_eq!(error.code(), ErrorCode::VersionMismatch, "{error}");
    assert!(std::fs::read(&file).unwrap() == before);

    // The version may stand in the write-ahead log only.
    execute(&file, "PRAGMA user_version = 1").await;
    let writer = format!("sqlite://{}", file.display());
    let mut writer = SqliteConnection::connect(&writer).await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 999")
        .execute(&mut writer)
        .await
        .unwrap();
    assert_eq!(refusal(directory.path()).await.code(), ErrorCode::VersionMismatch);
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let sqlite = tempfile::tempdir().unwrap();
    let file = sqlite.path().join("sample.db");
    execute(
        &file,
        "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine');",
    )
    .await;
    let foreign = std::fs::read(&file).unwrap();
    execute(&file, "PRAGMA application_id = 7").await;
    let marked = std::fs::read(&file).unwrap();
    for (what, content) in [
        ("another program's", foreign.as_slice()),
        ("another program's, marked", &marked),
        (
            "a text",
            "not a database, but long enough to have a header of one hundred bytes. "
                .repeat(9)
                .as_bytes(),
        ),
        ("a short file", b"short"),
        ("a cut database", &foreign[..50]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("atom.db");
        std::fs::write(&file, content).unwrap();
        let error = refusal(directory.path()).await;
        assert_eq!(error.code(), ErrorCode::InvalidData, "{what}: {error}");
        assert!(error.to_string().contains("atom.db"), "{error}");
        assert!(std::fs::read(&file).unwrap() == content, "{what} was touched");
    }
}

#[tokio::test]
async fn a_creation_that_was_cut_off_is_done_again() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("atom.db"), "").unwrap();
    let store = open(directory.path()).await;
    store.create(new_run(&principal(), 1)).await.unwrap();

    // The first transaction stands in the database, but its rollback journal says that it was not finished.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("atom.db");
    let mut creator = SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", file.display()))
        .await
        .unwrap();
    let unfinished = "PRAGMA cache_size = 1; BEGIN; CREATE TABLE notes (text TEXT); \
         INSERT INTO notes SELECT hex(zeroblob(3000)) FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9)) a, \
         (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9)) b;";
    sqlx::raw_sql(unfinished).execute(&mut creator).await.unwrap();
    let crashed = tempfile::tempdir().unwrap();
    for name in ["atom.db", "atom.db-journal"] {
        std::fs::copy(directory.path().join(name), crashed.path().join(name)).unwrap();
    }
    assert!(std::fs::metadata(crashed.path().join("atom.db")).unwrap().len() > 0);
    let store = open(crashed.path()).await;
    store.create(new_run(&principal(), 1)).await.unwrap();
}

#[tokio::test]
async fn a_damaged_database_is_reported_and_never_a_panic() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    for run in 0..50 {
        store.create(new_run(&principal(), run)).await.unwrap();
    }
    store.close().await.unwrap();
    let file = directory.path().join("atom.db");
    let whole = std::fs::read(&file).unwrap();
    let mut reported = 0;
    for page in 0..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xa5);
        std::fs::write(&file, &damaged).unwrap();
        let outcome = async {
            let store = SqliteStore::open(directory.path()).await?;
            store
                .runs(&scope(), &RunFilter::default(), &PageRequest::default())
                .await?;
            store.unfinished().await?;
            store.close().await
        };
        if let Err(error) = outcome.await {
            assert!(
                matches!(error.code(), ErrorCode::InvalidData | ErrorCode::StorageFailed),
                "page {page}: {error:?}"
            );
            reported += 1;
        }
    }
    assert!(
        reported > 3,
        "the pages of runs and journals are among the damaged"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_what_is_created() {
    use std::os::unix::fs::PermissionsExt;

    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("new/data");
    let store = open(&directory).await;
    store.create(new_run(&principal(), 1)).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_one_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "text").unwrap();
    for directory in [file.clone(), file.join("below")] {
        let error = refusal(&directory).await;
        assert_eq!(error.code(), ErrorCode::StorageFailed, "{error}");
        assert!(error.context()["path"].contains("file"), "{error}");
    }
}
