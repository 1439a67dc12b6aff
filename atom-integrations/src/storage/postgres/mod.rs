//! A store in a PostgreSQL database, version 15 or later.
//!
//! All tables stand in a schema of their own. The steps of runs go through one task, which commits whatever is waiting at
//! once, mostly in one statement; everything else uses connections of a pool. Every table of users' data has row-level
//! security as a second wall behind the scopes that the statements name: a transaction sees the rows of the tenant it
//! names. Engines share the database: each holds a lease, which `lease.rs` renews, and drives runs of its own, see `workers.rs`.

mod admission;
mod alerts;
mod approvals;
pub mod backup;
mod batch;
mod blobs;
mod config;
pub(super) mod copy;
mod database;
mod error;
mod events;
mod fence;
mod lease;
mod migrations;
mod open;
mod retention;
mod runs;
mod schedules;
mod script;
mod selection;
mod statistics;
mod templates;
#[cfg(all(unix, any(test, feature = "testkit")))]
pub mod testing;
#[cfg(test)]
mod tests;
mod text;
mod values;
mod workers;
mod workflows;
mod writer;

pub(super) use batch::event_key;
pub use config::PostgresConfig;
pub(crate) use database::{Database, Sight, Write};
pub(super) use script::{Columns, Kind};
pub(crate) use text::stored;
pub(crate) use values::{execute, text};

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atom_core::storage::WorkerStore;
use atom_core::{CancellationToken, Error, ErrorCode, Offset, Result, WorkerId};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;

use super::rows;
use lease::Keeper;
use writer::{Writer, WriterHandle};

/// Keeps everything in a schema of a PostgreSQL database.
///
/// What a method reports as written is committed. A store that is dropped without [`close`](Self::close) has lost nothing.
/// A step of a run, or an event, of more than 512 MiB is refused as `limit_exceeded`.
#[derive(Debug)]
pub struct PostgresStore {
    database: Database,
    writer: WriterHandle,
    head: watch::Receiver<Offset>,
    identity: watch::Receiver<WorkerId>,
    news: watch::Receiver<u64>,
    /// Changes when this worker takes or releases runs: what is known of them is looked up again.
    holdings: Arc<AtomicU64>,
    lease: Duration,
    closing: CancellationToken,
    closed: OnceCell<()>,
    /// What only closing takes away: what writes, and what renews the lease.
    tasks: Mutex<Option<(JoinHandle<()>, JoinHandle<()>)>>,
}

impl PostgresStore {
    /// Opens the store of a database: brings its schema up to date, creating it where there is none, and joins the engines
    /// that share it. It runs on the tokio runtime of the caller until it is closed or dropped.
    ///
    /// The role must be an ordinary one, as row-level security does not hold for others, see
    /// [`may_bypass_row_security`](PostgresConfig::may_bypass_row_security). It must own the schema, or be allowed to
    /// create it.
    ///
    /// # Errors
    /// `unavailable` when the database cannot be reached, `unauthenticated` when it refuses the role or its password,
    /// `permission_denied` when the role may not create what is missing or bypasses row-level security,
    /// `version_mismatch` when a newer engine has written the schema, `unsupported` for a PostgreSQL before 15 or a
    /// database that is not encoded in UTF-8, `locked` or `timeout` when another transaction keeps it from that,
    /// `storage_full` or `storage_failed`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves a database that can be opened.
    pub async fn open(config: &PostgresConfig) -> Result<Self> {
        let opened = open::open(config).await?;
        let (publish, head) = watch::channel(opened.head);
        let publish = Arc::new(publish);
        let closing = CancellationToken::new();
        let (keeper, identity, news) = Keeper::new(config, opened.worker, Arc::clone(&publish));
        let database = Database::new(config, identity.clone());
        let holdings = Arc::default();
        let writer = Writer::new(
            config,
            opened.connection,
            database.clone(),
            publish,
            Arc::clone(&holdings),
        );
        let (writer, writing) = writer.start(closing.clone());
        let keeping = tokio::spawn(keeper.run(closing.clone()));
        Ok(Self {
            database,
            writer,
            head,
            identity,
            news,
            holdings,
            lease: config.lease,
            closing,
            closed: OnceCell::new(),
            tasks: Mutex::new(Some((writing, keeping))),
        })
    }

    /// What reads from and writes to the database.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Writes what is queued and closes all connections. Every later call fails as `closed`. Closing again does nothing.
    ///
    /// # Errors
    /// `storage_failed` when the task that writes was interrupted; nothing is lost then.
    ///
    /// # Cancel safety
    /// Dropping the future may leave connections open until the store is dropped.
    pub async fn close(&self) -> Result<()> {
        self.closed.get_or_try_init(|| self.shut_down()).await?;
        Ok(())
    }

    async fn shut_down(&self) -> Result<()> {
        self.closing.cancel();
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((writing, keeping)) = tasks {
            let interrupted =
                |error| Error::new(ErrorCode::StorageFailed, "the writer was interrupted").with_source(error);
            writing.await.map_err(interrupted)?;
            keeping.await.map_err(interrupted)?;
        }
        // Others need not wait until the lease has run out. When they cannot be told they find out.
        if let Err(error) = self.leave().await {
            tracing::debug!(%error, "the lease runs out by itself");
        }
        self.database.close().await;
        Ok(())
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // The writer ends by itself. What nobody waits for any more may still be queued: it is written
        // as long as the lease lasts, which nobody renews any more.
        self.closing.cancel();
    }
}
