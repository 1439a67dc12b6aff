//! Opening a database: whether it will do, and bringing it up to date.

use std::time::Duration;

use atom_core::{Error, ErrorCode, Offset, Result, WorkerId};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Row};

use super::config::PostgresConfig;
use super::error::storage_error;
use super::rows::{Decoded, unsigned};
use super::{lease, migrations};

/// The oldest version of PostgreSQL, as `server_version_num` has it.
const OLDEST: i32 = 150_000;

/// A database that this engine has joined.
#[derive(Debug)]
pub(super) struct Opened {
    /// The connection that writes.
    pub(super) connection: PgConnection,
    /// Which worker this engine is.
    pub(super) worker: WorkerId,
    /// The last offset that was given out.
    pub(super) head: Offset,
}

pub(super) async fn open(config: &PostgresConfig) -> Result<Opened> {
    let database = config.name();
    let fail = |error| storage_error(&database, error);
    config.check()?;
    let connected = connect(&config.writer(), config.acquire_timeout).await;
    let mut connection = connected.map_err(fail)?;
    let server = server(&mut connection).await.map_err(fail)?;
    server
        .check(config)
        .map_err(|error| error.with_context("database", &database))?;
    migrations::migrate(&mut connection, config.schema(), &database).await?;
    let head = head(&mut connection).await.map_err(fail)?;
    // It comes last: who fails to open is no worker.
    let worker = lease::join(&mut connection, config.lease, None)
        .await
        .map_err(fail)?;
    Ok(Opened {
        connection,
        worker,
        head,
    })
}

/// Connects within a time.
pub(super) async fn connect(options: &PgConnectOptions, within: Duration) -> Decoded<PgConnection> {
    let connected = tokio::time::timeout(within, options.connect()).await;
    connected.unwrap_or_else(|late| {
        Err(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            late,
        )))
    })
}

/// The last offset that was given out.
pub(super) async fn head(connection: &mut PgConnection) -> Decoded<Offset> {
    let query = sqlx::query("SELECT head FROM event_log");
    unsigned(query.fetch_one(connection).await?.try_get(0)?)
}

/// What decides whether a server will do.
struct Server {
    version: i32,
    encoding: String,
    role: String,
    bypasses_row_security: bool,
}

async fn server(connection: &mut PgConnection) -> Decoded<Server> {
    let query = "SELECT current_setting('server_version_num')::integer, current_setting('server_encoding'), \
         current_user::text, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
    let row = sqlx::query(query).fetch_one(connection).await?;
    Ok(Server {
        version: row.try_get(0)?,
        encoding: row.try_get(1)?,
        role: row.try_get(2)?,
        bypasses_row_security: row.try_get(3)?,
    })
}

impl Server {
    fn check(&self, config: &PostgresConfig) -> Result<()> {
        if self.version < OLDEST {
            let message = "the database is of a PostgreSQL before 15; update it";
            return Err(
                Error::new(ErrorCode::Unsupported, message).with_context("server_version", self.version)
            );
        }
        if self.encoding != "UTF8" {
            let message = "the database is not encoded in UTF-8; create another with ENCODING 'UTF8'";
            return Err(Error::new(ErrorCode::Unsupported, message).with_context("encoding", &self.encoding));
        }
        if self.bypasses_row_security && !config.may_bypass_row_security {
            let message = "the role bypasses row-level security, which keeps tenants apart; connect as an ordinary role \
                 without SUPERUSER and BYPASSRLS";
            return Err(Error::new(ErrorCode::PermissionDenied, message).with_context("role", &self.role));
        }
        Ok(())
    }
}
