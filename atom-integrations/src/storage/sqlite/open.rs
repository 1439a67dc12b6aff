//! Opening a data directory: who may, what is there, and bringing it up to date.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use atom_core::{Error, ErrorCode, Offset, Result};
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Row};

use super::error::{damaged, file_error, storage_error};
use super::{fence, migrations, rows};

/// The name of the database in a data directory.
pub(super) const DATABASE: &str = "atom.db";

/// A data directory that is held by this engine.
#[derive(Debug)]
pub(super) struct Opened {
    /// The database.
    pub(super) path: PathBuf,
    /// The connection that writes.
    pub(super) connection: SqliteConnection,
    /// How to connect again.
    pub(super) options: SqliteConnectOptions,
    /// The number that tells this engine from those that held the directory before.
    pub(super) epoch: i64,
    /// The last offset that was given out.
    pub(super) head: Offset,
    /// Held locked; the operating system releases it when the process ends in whatever way.
    pub(super) lock: DirectoryLock,
}

pub(super) async fn open(directory: &Path) -> Result<Opened> {
    let directory = std::path::absolute(directory).map_err(|error| file_error(directory, error))?;
    let prepare = move || -> Result<_> {
        create_directory(&directory).map_err(|error| file_error(&directory, error))?;
        let lock = lock(&directory)?;
        let path = directory.join(DATABASE);
        check_header(&path)?;
        create_file(&directory, &path).map_err(|error| file_error(&path, error))?;
        let is_new = path.metadata().is_ok_and(|file| file.len() == 0);
        Ok((path, lock, is_new))
    };
    let (path, lock, is_new) = blocking("opening the store", prepare).await?;

    let options = options(&path);
    let mut creation = options.clone();
    if is_new {
        // So that space which was freed can be given back a little at a time. An existing database does not take it on.
        creation = creation.auto_vacuum(SqliteAutoVacuum::Incremental);
    }
    let mut connection = creation
        .connect()
        .await
        .map_err(|error| storage_error(&path, error))?;
    migrations::migrate(&mut connection, &path).await?;
    let (epoch, head) = take_over(&mut connection)
        .await
        .map_err(|error| storage_error(&path, error))?;
    fence::build(&mut connection, epoch)
        .await
        .map_err(|error| storage_error(&path, error))?;
    Ok(Opened {
        path,
        connection,
        options,
        epoch,
        head,
        lock,
    })
}

/// Does what blocks a thread; `what` it is stands in the error when the process ends meanwhile.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Error::new(ErrorCode::StorageFailed, format!("{what} was interrupted")).with_source(error)
    })?
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        // On macOS `fsync` alone does not reach the disk.
        .pragma("fullfsync", "ON")
        .pragma("checkpoint_fullfsync", "ON")
        // After a burst the write-ahead log shrinks back to this many bytes.
        .pragma("journal_size_limit", "67108864")
        .pragma("trusted_schema", "OFF")
        .busy_timeout(Duration::from_secs(10))
        .statement_cache_capacity(256)
        // A journal is read in pages of so many rows, which should not wait for each other.
        .row_buffer_size(1000)
        .disable_statement_logging()
}

/// Creates the directory for its owner alone. One that is there keeps its permissions.
pub(crate) fn create_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let parents = parents_of_missing(directory);
    builder.create(directory)?;
    parents.into_iter().try_for_each(sync_directory)
}

/// The directories that get a new entry when a directory is created along with those above it.
fn parents_of_missing(directory: &Path) -> Vec<&Path> {
    directory
        .ancestors()
        .take_while(|directory| !directory.is_dir())
        .filter_map(Path::parent)
        .collect()
}

/// Makes what was created in a directory survive a power cut.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(directory)?.sync_all()
    } else {
        Ok(())
    }
}

/// Options for a file that only its owner can read.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The lock of a data directory, which one engine at a time holds.
///
/// A process that was forked off shares it. So it is given back explicitly, which ends it for both, and only by
/// the process that took it: neither does a child keep the directory from others once its parent has closed it,
/// nor does it open it to others while its parent holds it. Only when the parent is killed, a child that lives
/// on keeps the directory locked until it ends.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    pub(super) file: File,
    process: u32,
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        if std::process::id() == self.process {
            // When it fails, closing the file gives the lock back all the same, unless a child shares it.
            let _ = self.file.unlock();
        }
    }
}

pub(super) fn lock(directory: &Path) -> Result<DirectoryLock> {
    let path = directory.join("atom.lock");
    let file = private_file()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.map_err(|error| file_error(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(DirectoryLock {
            file,
            process: std::process::id(),
        }),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            ErrorCode::Locked,
            "another engine has this data directory open; close it, or use another directory",
        )
        .with_context("path", path.display())),
        Err(TryLockError::Error(error)) => Err(file_error(&path, error)),
    }
}

/// Creates an empty database, which SQLite would let everybody read.
fn create_file(directory: &Path, path: &Path) -> io::Result<()> {
    match private_file().create_new(true).write(true).open(path) {
        Ok(file) => {
            file.sync_all()?;
            sync_directory(directory)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

const MAGIC: &[u8] = b"SQLite format 3\0";

/// Refuses, from the first bytes of the file (<https://www.sqlite.org/fileformat2.html#the_database_header>),
/// what SQLite should not even touch.
pub(super) fn check_header(path: &Path) -> Result<()> {
    let mut header = Vec::new();
    match File::open(path).and_then(|file| file.take(100).read_to_end(&mut header)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(file_error(path, error)),
        Ok(0) => return Ok(()),
        Ok(_) => {}
    }
    if !header.starts_with(MAGIC) {
        // Where there is a rollback journal, the very creation was cut off: SQLite undoes that, and then what is
        // left is looked at again.
        let is_cut_off = path.with_extension("db-journal").exists();
        return if is_cut_off { Ok(()) } else { Err(damaged(path)) };
    }
    let number_at = |at: usize| Some(i32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let (Some(version), Some(application)) = (number_at(60), number_at(68)) else {
        return Err(damaged(path));
    };
    // 0 can be a database whose first transaction was cut off; SQLite repairs that, and then it is looked at again.
    if application != 0 {
        migrations::check_identity(path, application, version)?;
    }
    Ok(())
}

/// Raises the epoch, which shuts out an engine that still believes to hold the directory.
async fn take_over(connection: &mut SqliteConnection) -> rows::Decoded<(i64, Offset)> {
    // Not `RETURNING`: whoever takes the row it gives does not see the commit that comes after it fail.
    sqlx::query("UPDATE engine SET epoch = epoch + 1")
        .execute(&mut *connection)
        .await?;
    let epoch = sqlx::query("SELECT epoch FROM engine")
        .fetch_one(&mut *connection)
        .await?;
    let head = head(connection).await?;
    Ok((epoch.try_get(0)?, rows::unsigned(head)?))
}

/// The last offset that was given out.
pub(super) async fn head(connection: &mut SqliteConnection) -> rows::Decoded<i64> {
    let head = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)";
    sqlx::query(head).fetch_one(connection).await?.try_get(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_new_directory_is_made_to_last() {
        let existing = tempfile::tempdir().unwrap();
        let root = existing.path();
        let directory = root.join("a/b/data");
        assert_eq!(
            parents_of_missing(&directory),
            [root.join("a/b"), root.join("a"), root.to_owned()]
        );
        create_directory(&directory).unwrap();
        assert_eq!(parents_of_missing(&directory), [] as [&Path; 0]);
    }
}
