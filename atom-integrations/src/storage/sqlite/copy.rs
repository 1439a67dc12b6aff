//! The tables of a data directory, for copies of whole stores.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use atom_core::{Error, Result, Scope};
use futures::StreamExt;
use futures::stream::BoxStream;
use sqlx::sqlite::{SqliteArguments, SqliteAutoVacuum, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Connection, Row as _, TypeInfo, ValueRef};

use super::backup::{absolute, check, no_database, put, taken};
use super::error::{damaged, file_error, storage_error};
use super::open::{DATABASE, DirectoryLock, blocking, check_header, create_directory, lock, private_file};
use super::rows::{Decoded, decode_error};
use super::{blobs, migrations, open};
use crate::storage::blobs::Blobs;
use crate::storage::copy::tables::{Table, in_sqlite};
use crate::storage::copy::{Row, Tables, Value};
use crate::vault::{WrappedKey, first_key_of_sqlite};

const INSERT_VIEWER: &str = "INSERT INTO approval_viewers (tenant, user, id, viewer) VALUES (?, ?, ?, ?)";

/// The tables of a database, in a transaction.
pub(in crate::storage) struct SqliteTables {
    connection: SqliteConnection,
    path: PathBuf,
    /// Held as long as the tables are read.
    _lock: Option<DirectoryLock>,
}

/// A database that is being made, and goes away unless it is put in its place.
pub(in crate::storage) struct Draft {
    directory: PathBuf,
    draft: PathBuf,
    target: PathBuf,
    _lock: DirectoryLock,
}

impl SqliteTables {
    /// Holds a data directory as an engine does, to read from it.
    pub(in crate::storage) async fn hold(directory: &Path) -> Result<Self> {
        let directory = absolute(directory)?;
        let path = directory.join(DATABASE);
        if !path.metadata().is_ok_and(|file| file.len() > 0) {
            return Err(no_database(&path));
        }
        let opened = open::open(&directory).await?;
        let mut tables = Self {
            connection: opened.connection,
            path,
            _lock: Some(opened.lock),
        };
        tables.execute("BEGIN").await?;
        Ok(tables)
    }

    /// Commits what was written, and checks the database, which is one file then.
    pub(in crate::storage) async fn finish(mut self) -> Result<()> {
        self.execute("COMMIT").await?;
        let is_whole = check(&mut self.connection).await;
        let is_whole = is_whole.map_err(|error| storage_error(&self.path, error))?;
        let closed = self.connection.close().await;
        closed.map_err(|error| storage_error(&self.path, error))?;
        if is_whole {
            Ok(())
        } else {
            Err(damaged(&self.path))
        }
    }

    async fn execute(&mut self, statement: &'static str) -> Result<()> {
        let done = sqlx::query(statement).execute(&mut self.connection).await;
        done.map(drop).map_err(|error| storage_error(&self.path, error))
    }

    async fn insert(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) -> Decoded<()> {
        let mut arguments = SqliteArguments::default();
        for value in values {
            match value {
                Value::Integer(integer) => arguments.add(integer),
                Value::Text(text) => arguments.add(text),
                Value::Bytes(bytes) => arguments.add(bytes),
                Value::Null => arguments.add(None::<i64>),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}

impl Draft {
    /// Begins to make a database in a data directory that has none.
    pub(in crate::storage) async fn create(directory: &Path) -> Result<(Self, SqliteTables)> {
        let directory = absolute(directory)?;
        let prepare = move || {
            create_directory(&directory).map_err(|error| file_error(&directory, error))?;
            let lock = lock(&directory)?;
            let (draft, target) = (directory.join("atom.db.new"), directory.join(DATABASE));
            check_header(&target)?;
            if target.exists() {
                return Err(taken(&target));
            }
            let file = private_file()
                .create(true)
                .truncate(true)
                .write(true)
                .open(&draft);
            file.map_err(|error| file_error(&draft, error))?;
            Ok(Self {
                directory,
                draft,
                target,
                _lock: lock,
            })
        };
        let draft = blocking("copying the store", prepare).await?;
        let path = draft.draft.clone();
        // As an engine makes it.
        let options = open::options(&path).auto_vacuum(SqliteAutoVacuum::Incremental);
        let connected = options.connect().await;
        let mut connection = connected.map_err(|error| storage_error(&path, error))?;
        migrations::migrate(&mut connection, &path).await?;
        let mut tables = SqliteTables {
            connection,
            path,
            _lock: None,
        };
        tables.execute("BEGIN IMMEDIATE").await?;
        Ok((draft, tables))
    }

    /// Puts the database in its place.
    pub(in crate::storage) async fn place(self) -> Result<()> {
        let put = move || {
            put(&self.draft, &self.target, &self.directory).map_err(|error| file_error(&self.target, error))
        };
        blocking("copying the store", put).await.map(drop)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        for ending in ["new", "new-wal", "new-shm"] {
            // What is left of it only takes space; it is not there any more when it was put in its place.
            let _ = std::fs::remove_file(self.draft.with_extension(ending));
        }
    }
}

#[async_trait]
impl Tables for SqliteTables {
    fn rows<'c>(&'c mut self, table: &'static Table) -> BoxStream<'c, Decoded<Row>> {
        let columns = table.shared().iter().map(|(name, _)| *name);
        let select = format!(
            "SELECT {} FROM {} ORDER BY {}",
            names(columns),
            table.name,
            names(table.order.iter().copied())
        );
        sqlx::query(AssertSqlSafe(select))
            .fetch(&mut self.connection)
            .map(move |row| {
                let row = row?;
                let values = (0..row.len()).map(|column| value(&row, column));
                let values = values.collect::<Decoded<_>>()?;
                Ok(Row { table, values })
            })
            .boxed()
    }

    async fn write(&mut self, rows: Vec<Row>) -> Decoded<()> {
        let Some(table) = rows.first().map(|row| row.table) else {
            return Ok(());
        };
        let columns = table.shared().iter().map(|(name, _)| *name);
        let sql = insertion(table.name, columns.chain(table.only_in_sqlite.iter().copied()));
        for mut row in rows {
            let event = self.event(&row).await?;
            let own = row.only_in_sqlite(event.as_deref())?;
            let viewers = row.viewer_rows()?;
            let values = std::mem::take(&mut row.values);
            self.insert(&sql, values.into_iter().chain(own)).await?;
            for (approval, viewer) in viewers {
                let row = approval.into_iter().chain([Value::Text(viewer)]);
                self.insert(INSERT_VIEWER, row).await?;
            }
        }
        Ok(())
    }

    async fn blobs(&mut self, owner: &Scope, wanted: Vec<String>) -> Decoded<Blobs> {
        blobs::load(&mut self.connection, owner, wanted).await
    }

    async fn forget_uses(&mut self) -> Decoded<()> {
        sqlx::query("DELETE FROM blob_uses")
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn head(&mut self) -> Decoded<i64> {
        open::head(&mut self.connection).await
    }

    async fn set_head(&mut self, head: i64) -> Decoded<()> {
        sqlx::query("DELETE FROM sqlite_sequence WHERE name = 'events'")
            .execute(&mut self.connection)
            .await?;
        sqlx::query("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)")
            .bind(head)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn key(&mut self) -> Decoded<Option<WrappedKey>> {
        first_key_of_sqlite(&mut self.connection).await
    }

    fn error(&self, error: sqlx::Error) -> Error {
        storage_error(&self.path, error)
    }
}

/// The names of columns, as they stand in a statement.
fn names(columns: impl Iterator<Item = &'static str>) -> String {
    let names: Vec<_> = columns.map(|name| format!("\"{}\"", in_sqlite(name))).collect();
    names.join(", ")
}

fn insertion(table: &str, columns: impl Iterator<Item = &'static str> + Clone) -> String {
    let places = vec!["?"; columns.clone().count()].join(", ");
    format!("INSERT INTO {table} ({}) VALUES ({places})", names(columns))
}

/// A value, which is what it says that it is: tables are strict.
fn value(row: &SqliteRow, column: usize) -> Decoded<Value> {
    let raw = row.try_get_raw(column)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    match raw.type_info().name() {
        "INTEGER" => row.try_get(column).map(Value::Integer),
        "TEXT" => row.try_get(column).map(Value::Text),
        "BLOB" => row.try_get(column).map(Value::Bytes),
        other => Err(decode_error(std::io::Error::other(format!(
            "a column has a value of the type {other}"
        )))),
    }
}
