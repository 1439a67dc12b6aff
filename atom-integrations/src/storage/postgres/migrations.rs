//! The versions of the database, and the way from each to the next.

use atom_core::{Error, ErrorCode, Result};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::error::storage_error;
use super::rows::Decoded;

/// What leads from one version to the next; the first starts from an empty schema. Only ever appended to.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_initial.sql")];

/// `Atom` in ASCII: the first key of the lock under which databases are brought up to date.
const LOCK: i32 = 0x4174_6f6d;

/// Brings a schema up to date, in one transaction that others who want the same wait for.
pub(super) async fn migrate(connection: &mut PgConnection, schema: &str, database: &str) -> Result<()> {
    match try_migrate(connection, schema).await {
        Ok(None) => Ok(()),
        Ok(Some(version)) => Err(Error::new(
            ErrorCode::VersionMismatch,
            "the database was written by a newer version of the engine; update the engine",
        )
        .with_context("database", database)
        .with_context("schema", schema)
        .with_context("database_version", version)
        .with_context("engine_version", MIGRATIONS.len())),
        Err(error) => Err(storage_error(database, error).with_context("schema", schema)),
    }
}

/// Gives the version of a database that is newer than what is known here.
async fn try_migrate(connection: &mut PgConnection, schema: &str) -> Decoded<Option<i32>> {
    let mut transaction = connection.begin().await?;
    // Others may take as long as they need.
    sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .execute(&mut *transaction)
        .await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2))")
        .bind(LOCK)
        .bind(schema)
        .execute(&mut *transaction)
        .await?;
    // Who may not create schemas can be given one.
    let exists = sqlx::query("SELECT to_regnamespace(quote_ident($1)) IS NOT NULL").bind(schema);
    if !exists.fetch_one(&mut *transaction).await?.try_get::<bool, _>(0)? {
        let create = format!("CREATE SCHEMA \"{schema}\"");
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(&mut *transaction)
            .await?;
    }
    let table = "CREATE TABLE migrations \
         (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())";
    let exists = sqlx::query("SELECT to_regclass(quote_ident($1) || '.migrations') IS NOT NULL").bind(schema);
    if !exists.fetch_one(&mut *transaction).await?.try_get::<bool, _>(0)? {
        sqlx::raw_sql(table).execute(&mut *transaction).await?;
    }
    let version = sqlx::query("SELECT coalesce(max(version), 0) FROM migrations");
    let version: i32 = version.fetch_one(&mut *transaction).await?.try_get(0)?;
    let applied = usize::try_from(version).unwrap_or(0);
    if applied > MIGRATIONS.len() {
        return Ok(Some(version));
    }
    for (number, migration) in (1_i32..).zip(MIGRATIONS).skip(applied) {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO migrations (version) VALUES ($1)")
            .bind(number)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(None)
}
