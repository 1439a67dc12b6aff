//! A store in one SQLite file.
//!
//! The data directory holds `atom.db` in write-ahead mode with `synchronous=FULL`, and `atom.lock`, which one
//! engine at a time holds. All writes go through one task, which commits whatever is waiting at once; reads use
//! connections of their own.

mod admission;
mod alerts;
mod approvals;
pub mod backup;
mod batch;
mod blobs;
#[cfg(feature = "postgres")]
pub(super) mod copy;
mod error;
mod events;
mod fence;
mod migrations;
mod open;
mod retention;
mod row;
mod runs;
mod schedules;
mod script;
mod selection;
#[cfg(test)]
mod size_tests;
mod statistics;
mod templates;
#[cfg(test)]
mod tests;
mod workflows;
mod writer;

pub(crate) use super::refusal::WriteResult;
pub(crate) use error::file_error;
pub(crate) use open::{blocking, create_directory, private_file, sync_directory};
pub(crate) use writer::Write;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atom_core::{CancellationToken, Error, ErrorCode, Offset, Result};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqlitePoolOptions};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;

use super::change::Change;
use super::rows;
use error::storage_error;
use writer::{Writer, WriterHandle};

/// How many reads run at the same time; others wait.
const READERS: u32 = 4;

/// Keeps everything in one SQLite file within a data directory that one engine at a time can open.
///
/// What a method reports as written is on disk. A store that is dropped without [`close`](Self::close) has lost
/// nothing; the next one that opens the directory only has a little more to do.
#[derive(Debug)]
pub struct SqliteStore {
    database: Database,
    head: watch::Receiver<Offset>,
    closing: CancellationToken,
    closed: OnceCell<()>,
    /// What only closing takes away.
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    writer: JoinHandle<Option<SqliteConnection>>,
    lock: open::DirectoryLock,
}

/// The two ways to the database, for everything that keeps something in it.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    /// Connections that only read.
    pub(crate) readers: SqlitePool,
    writer: WriterHandle,
    path: Arc<Path>,
}

impl Database {
    /// Makes a change and returns its answer once it is on disk.
    pub(crate) async fn write<W: Write>(&self, write: W) -> Result<W::Answer> {
        self.writer.write(write).await
    }

    /// What a failure of the database means to a user.
    pub(crate) fn error(&self, error: sqlx::Error) -> Error {
        storage_error(&self.path, error)
    }

    /// The file of the database.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    async fn change(&self, change: Change) -> Result<u64> {
        self.writer.change(change).await
    }
}

impl SqliteStore {
    /// Opens the store of a data directory, creating both where there are none. It runs on the tokio runtime of
    /// the caller until it is closed or dropped.
    ///
    /// # Errors
    /// `locked` when another engine has the directory open, `version_mismatch` when a newer engine has written
    /// it, `invalid_data` when `atom.db` is another program's or damaged, `permission_denied`, `storage_full` or
    /// `storage_failed`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves a directory that can be opened.
    pub async fn open(directory: &Path) -> Result<Self> {
        let opened = open::open(directory).await?;
        let path: Arc<Path> = opened.path.into();
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(Duration::from_secs(30))
            .test_before_acquire(false)
            .connect_lazy_with(opened.options.clone().read_only(true));
        let (publish, head) = watch::channel(opened.head);
        let closing = CancellationToken::new();
        let writer = Writer::new(
            opened.connection,
            opened.options,
            Arc::clone(&path),
            opened.epoch,
            publish,
        );
        let (handle, writer) = writer.start(closing.clone());
        Ok(Self {
            database: Database {
                readers,
                writer: handle,
                path,
            },
            head,
            closing,
            closed: OnceCell::new(),
            held: Mutex::new(Some(Held {
                writer,
                lock: opened.lock,
            })),
        })
    }

    /// What reads from and writes to the database.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Writes what is queued, folds the write-ahead log into the database and lets other engines open the
    /// directory. Every later call fails as `closed`. Closing again does nothing.
    ///
    /// # Errors
    /// `storage_failed` when the log could not be folded; nothing is lost then, and the directory is free.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the log to the next engine that opens the directory.
    pub async fn close(&self) -> Result<()> {
        self.closed.get_or_try_init(|| self.shut_down()).await?;
        Ok(())
    }

    async fn shut_down(&self) -> Result<()> {
        self.closing.cancel();
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Held { writer, lock }) = held else {
            return Ok(());
        };
        let connection = writer.await.map_err(|error| {
            Error::new(ErrorCode::StorageFailed, "the writer was interrupted").with_source(error)
        })?;
        self.database.readers.close().await;
        if let Some(connection) = connection {
            // The last connection that closes folds the log.
            connection
                .close()
                .await
                .map_err(|error| self.database.error(error))?;
        }
        drop(lock);
        Ok(())
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The writer ends by itself. What nobody waits for any more may still be queued: the epoch keeps it from
        // writing once another engine has opened the directory.
        self.closing.cancel();
    }
}
