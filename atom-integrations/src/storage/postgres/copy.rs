//! The tables of a PostgreSQL database, for copies of whole stores.

use async_trait::async_trait;
use atom_core::{Error, ErrorCode, Result, Scope};
use futures::StreamExt;
use futures::stream::BoxStream;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row as _};
use uuid::Uuid;

use super::approvals::viewer_names;
use super::backup::is_there;
use super::config::PostgresConfig;
use super::error::storage_error;
use super::open::{Opened, connect, open};
use super::rows::{Decoded, decode_error};
use super::script::{Argument, Kind, Rows, Script};
use super::values::{optional_text, uuid_of_worker};
use super::{approvals, blobs};
use crate::storage::blobs::Blobs;
use crate::storage::copy::tables::{TABLES, Table};
use crate::storage::copy::{Row, Tables, Value};
use crate::vault::{WrappedKey, first_key_of_postgres};

/// The tables of a database, in a transaction.
pub(in crate::storage) struct PostgresTables {
    connection: PgConnection,
    database: String,
}

impl PostgresTables {
    /// Keeps engines from a database that none is at work on, to read from it.
    pub(in crate::storage) async fn hold(config: &PostgresConfig) -> Result<Self> {
        let mut tables = Self::connect(config).await?;
        let exists = is_there(&mut tables.connection, config.schema()).await;
        if !exists.map_err(|error| tables.error(error))? {
            let message = "the schema of the database has no store to copy; correct the URL";
            return Err(Error::not_found(message)
                .with_context("database", &tables.database)
                .with_context("schema", config.schema()));
        }
        tables.take(config, "SHARE").await?;
        Ok(tables)
    }

    /// Keeps engines from a database that has nothing in it, to write to it; makes what is missing.
    pub(in crate::storage) async fn create(config: &PostgresConfig) -> Result<Self> {
        let mut tables = Self::connect(config).await?;
        tables.take(config, "EXCLUSIVE").await?;
        let used = tables.is_used().await;
        if used.map_err(|error| tables.error(error))? {
            let message = "the schema of the database has a store already, which stays as it is; choose another 'schema' in the URL";
            return Err(Error::new(ErrorCode::AlreadyExists, message)
                .with_context("database", &tables.database)
                .with_context("schema", config.schema()));
        }
        Ok(tables)
    }

    async fn connect(config: &PostgresConfig) -> Result<Self> {
        let database = config.name();
        let options = unhurried(config.connection());
        let connected = connect(&options, config.acquire_timeout).await;
        let connection = connected.map_err(|error| storage_error(&database, error))?;
        Ok(Self { connection, database })
    }

    /// Begins a transaction that locks all tables, so that no engine comes in; refuses while one is at work.
    async fn take(&mut self, config: &PostgresConfig, mode: &str) -> Result<()> {
        // It only makes what is missing.
        let Opened {
            mut connection,
            worker,
            ..
        } = open(config).await?;
        let leave = sqlx::query("DELETE FROM workers WHERE id = $1").bind(uuid_of_worker(worker));
        let left = leave.execute(&mut connection).await;
        left.map_err(|error| self.error(error))?;
        drop(connection);
        let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        // What is read is from after all locks were taken.
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE workers, event_log, {} IN {mode} MODE",
            names.join(", ")
        );
        self.execute(begin).await.map_err(|error| self.error(error))?;
        let at_work = self.at_work().await.map_err(|error| self.error(error))?;
        if at_work == 0 {
            return Ok(());
        }
        let message = "engines are at work on the database; stop them first. The lease of one that died runs out by itself";
        Err(Error::new(ErrorCode::Locked, message)
            .with_context("database", &self.database)
            .with_context("engines", at_work))
    }

    /// How many engines hold a lease.
    async fn at_work(&mut self) -> Decoded<i64> {
        let query = "SELECT count(*) FROM workers WHERE NOT is_gone AND lease_until > clock_timestamp()";
        sqlx::query(query)
            .fetch_one(&mut self.connection)
            .await?
            .try_get(0)
    }

    /// Whether there is more than what an engine leaves that was given nothing.
    async fn is_used(&mut self) -> Decoded<bool> {
        // Of the keys, the one that binds an empty vault to its root key.
        self.execute("DELETE FROM event_ages; DELETE FROM tenant_keys WHERE tenant = ''".to_owned())
            .await?;
        let used = TABLES
            .iter()
            .map(|table| format!("EXISTS (SELECT FROM {})", table.name));
        let query = format!("SELECT {}", used.collect::<Vec<_>>().join(" OR "));
        let row = sqlx::query(AssertSqlSafe(query)).fetch_one(&mut self.connection);
        Ok(row.await?.try_get::<bool, _>(0)? || self.head().await? > 0)
    }

    /// Commits what was written.
    pub(in crate::storage) async fn finish(mut self) -> Result<()> {
        let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        // Otherwise statements would be planned for empty tables, until the database looks by itself.
        let analyze = self.execute(format!("ANALYZE {}", names.join(", "))).await;
        analyze.map_err(|error| self.error(error))?;
        let committed = self.execute("COMMIT".to_owned()).await;
        committed.map_err(|error| self.error(error))?;
        let closed = self.connection.close().await;
        closed.map_err(|error| storage_error(&self.database, error))
    }

    async fn execute(&mut self, statement: String) -> Decoded<()> {
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}

/// A copy takes its time, and sees all tenants.
fn unhurried(options: PgConnectOptions) -> PgConnectOptions {
    options.options([
        ("atom.all_tenants", "on"),
        ("statement_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
    ])
}

#[async_trait]
impl Tables for PostgresTables {
    fn rows<'c>(&'c mut self, table: &'static Table) -> BoxStream<'c, Decoded<Row>> {
        let columns: Vec<_> = table
            .shared()
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        let order: Vec<_> = table.order.iter().map(|name| format!("\"{name}\"")).collect();
        let select = format!(
            "SELECT {} FROM {} ORDER BY {}",
            columns.join(", "),
            table.name,
            order.join(", ")
        );
        sqlx::query(AssertSqlSafe(select))
            .fetch(&mut self.connection)
            .map(move |row| {
                let row = row?;
                let columns = table.shared().iter().enumerate();
                let values = columns.map(|(place, (_, kind))| value(&row, place, *kind));
                let values = values.collect::<Decoded<_>>()?;
                Ok(Row { table, values })
            })
            .boxed()
    }

    async fn write(&mut self, rows: Vec<Row>) -> Decoded<()> {
        let Some(table) = rows.first().map(|row| row.table) else {
            return Ok(());
        };
        let mut written = Rows::new(table.columns);
        let mut viewers = Rows::new(approvals::VIEWERS);
        for row in rows {
            let event = self.event(&row).await?;
            let own = row.only_in_postgres(event.as_deref())?;
            for (approval, viewer) in row.viewer_rows()? {
                let [tenant, owner, id] = approval;
                for viewer in viewer_names([viewer]) {
                    viewers.push([
                        argument(tenant.clone(), Kind::Text)?,
                        Argument::Text(viewer),
                        argument(id.clone(), Kind::Id)?,
                        argument(owner.clone(), Kind::Text)?,
                    ]);
                }
            }
            let values = row.values.into_iter().chain(own).zip(table.columns);
            let arguments = values.map(|(value, (_, kind))| argument(value, *kind));
            written.extend(arguments.collect::<Decoded<Vec<_>>>()?);
        }
        let mut script = Script::default();
        script.insert(table.name, written, "")?;
        script.insert("approval_viewers", viewers, "")?;
        script.run(&mut self.connection, "SELECT 1").await?;
        Ok(())
    }

    async fn blobs(&mut self, owner: &Scope, wanted: Vec<String>) -> Decoded<Blobs> {
        blobs::load(&mut self.connection, owner, wanted).await
    }

    async fn forget_uses(&mut self) -> Decoded<()> {
        self.execute("DELETE FROM blob_uses".to_owned()).await
    }

    async fn head(&mut self) -> Decoded<i64> {
        let head = sqlx::query("SELECT head FROM event_log");
        head.fetch_one(&mut self.connection).await?.try_get(0)
    }

    async fn set_head(&mut self, head: i64) -> Decoded<()> {
        sqlx::query("UPDATE event_log SET head = $1")
            .bind(head)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn key(&mut self) -> Decoded<Option<WrappedKey>> {
        first_key_of_postgres(&mut self.connection).await
    }

    fn error(&self, error: sqlx::Error) -> Error {
        storage_error(&self.database, error)
    }
}

/// A value of a column.
fn value(row: &PgRow, column: usize, kind: Kind) -> Decoded<Value> {
    let value = match kind {
        Kind::Integer => row.try_get::<Option<i64>, _>(column)?.map(Value::Integer),
        Kind::Text => optional_text(row, column)?.map(Value::Text),
        Kind::Id => row
            .try_get::<Option<Uuid>, _>(column)?
            .map(|id| Value::Bytes(id.into_bytes().to_vec())),
        Kind::Boolean => row
            .try_get::<Option<bool>, _>(column)?
            .map(|flag| Value::Integer(i64::from(flag))),
        Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(column)?.map(Value::Bytes),
    };
    Ok(value.unwrap_or(Value::Null))
}

/// A value as a column takes it.
fn argument(value: Value, kind: Kind) -> Decoded<Argument> {
    Ok(match (value, kind) {
        (Value::Null, _) => Argument::Null,
        (Value::Integer(integer), Kind::Boolean) => Argument::Boolean(integer != 0),
        (Value::Integer(integer), _) => Argument::Integer(integer),
        (Value::Text(text), _) => Argument::text(&text),
        (Value::Bytes(bytes), Kind::Id) => Argument::Id(Uuid::from_slice(&bytes).map_err(decode_error)?),
        (Value::Bytes(bytes), _) => Argument::Bytes(bytes),
    })
}
