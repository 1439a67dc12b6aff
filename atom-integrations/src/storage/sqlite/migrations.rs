//! The versions of the database, and the way from each to the next.

use std::path::Path;

use atom_core::{Error, ErrorCode, Result};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row};

use super::error::{damaged, storage_error};
use super::rows::Decoded;

/// `Atom` in ASCII: how `PRAGMA application_id` tells our databases from others.
pub(super) const APPLICATION_ID: i32 = 0x4174_6f6d;

/// What leads from one version to the next; the first starts from an empty file. Only ever appended to.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_reruns.sql"),
    include_str!("migrations/0003_templates.sql"),
    include_str!("migrations/0004_schedules.sql"),
    include_str!("migrations/0005_approvals.sql"),
    include_str!("migrations/0006_operating.sql"),
    include_str!("migrations/0007_statistics.sql"),
    include_str!("migrations/0008_versions.sql"),
    include_str!("migrations/0009_blobs.sql"),
    include_str!("migrations/0010_retention.sql"),
    include_str!("migrations/0011_admission.sql"),
    include_str!("migrations/0012_continuations.sql"),
];

/// Refuses another program's database and one of a newer engine.
pub(super) fn check_identity(path: &Path, application: i32, version: i32) -> Result<()> {
    if application != APPLICATION_ID {
        return Err(damaged(path));
    }
    match usize::try_from(version) {
        Ok(1..) if version as usize <= MIGRATIONS.len() => Ok(()),
        Ok(1..) => Err(Error::new(
            ErrorCode::VersionMismatch,
            "the database was written by a newer version of the engine; update the engine",
        )
        .with_context("path", path.display())
        .with_context("database_version", version)
        .with_context("engine_version", MIGRATIONS.len())),
        _ => Err(damaged(path)),
    }
}

/// Brings the database up to date, each step in a transaction of its own.
pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let fail = |error| storage_error(path, error);
    let application = number(connection, "PRAGMA application_id").await.map_err(fail)?;
    let mut version = 0;
    if application == 0 {
        if number(connection, "SELECT count(*) FROM sqlite_schema")
            .await
            .map_err(fail)?
            > 0
        {
            return Err(damaged(path));
        }
    } else {
        version = number(connection, "PRAGMA user_version").await.map_err(fail)?;
        check_identity(path, application, version)?;
    }
    let applied = usize::try_from(version).unwrap_or(0);
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(applied) {
        let script = format!(
            "BEGIN IMMEDIATE;\n{migration}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {};\nCOMMIT;",
            number + 1
        );
        sqlx::raw_sql(AssertSqlSafe(script))
            .execute(&mut *connection)
            .await
            .map_err(fail)?;
    }
    let mode = sqlx::query("PRAGMA journal_mode = WAL")
        .fetch_one(connection)
        .await;
    let mode: String = mode.and_then(|row| row.try_get(0)).map_err(fail)?;
    if mode == "wal" {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::StorageFailed,
        "the file system of the data directory cannot keep a write-ahead log; use a local disk",
    )
    .with_context("path", path.display()))
}

async fn number(connection: &mut SqliteConnection, query: &'static str) -> Decoded<i32> {
    sqlx::query(query).fetch_one(connection).await?.try_get(0)
}
