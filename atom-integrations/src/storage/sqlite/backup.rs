//! Copies of a data directory: taken while an engine is at work, and put back where there is none.
//!
//! A backup is a folder with one database file, whole and checked, and the file `root.key` of the vault when the data
//! directory has one: without the key, the secrets in the database are lost. So a backup is as secret as the vault.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use atom_core::{Error, ErrorCode, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};
use zeroize::Zeroizing;

use super::error::{damaged, file_error, storage_error};
use super::open::{DATABASE, blocking, check_header, create_directory, lock, private_file, sync_directory};
use crate::vault::{ROOT_KEY, WrappedKey, check_file, first_key_of_sqlite};

/// The name of the file in a backup of a PostgreSQL database.
pub(in crate::storage) const DUMP: &str = "atom.dump";

/// How long a copy waits for a database that another process keeps to itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// How large the database is, in bytes.
    pub bytes: u64,
    /// Whether the root key of the vault was copied, too: it is not there when the host keeps it elsewhere.
    pub has_root_key: bool,
}

/// Copies what a data directory keeps into a folder, which is made where it is missing. The copy is of one moment; an
/// engine that has the directory open, in this process or another, goes on meanwhile. With `with_root_key` the
/// key of the vault is copied from the data directory, too.
///
/// ```
/// use atom_integrations::storage::{SqliteStore, backup};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let [data, copy, restored] = ["data", "copy", "restored"].map(|name| folder.path().join(name));
/// let store = SqliteStore::open(&data).await?;
/// backup::create(&data, &copy, true).await?;
/// backup::restore(&copy, &restored).await?;
/// SqliteStore::open(&restored).await?.close().await?;
/// store.close().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `not_found` when the directory has no database, `already_exists` when the folder has one, `invalid_data` when the
/// database is damaged or another program's or the root key does not open its vault, `version_mismatch` when a newer engine has written it,
/// `permission_denied`, `storage_full` or `storage_failed`. The folder has no database then.
///
/// # Cancel safety
/// Dropping the future leaves a folder without a database.
pub async fn create(directory: &Path, folder: &Path, with_root_key: bool) -> Result<Backup> {
    let key = if with_root_key {
        KeyCopy::Checked
    } else {
        KeyCopy::None
    };
    copy(directory, folder, key).await
}

/// Puts a backup into a data directory that has no database, and is made where it is missing. Runs that were under way
/// when the backup was made go on from there when an engine opens the directory: what they have called since is
/// called again.
///
/// # Errors
/// `locked` when an engine has the directory open; `already_exists` when it has a database; `invalid_request` when the backup
/// is of a PostgreSQL database; and as [`create`], but for the root key, which is put back without a look at what it opens.
///
/// # Cancel safety
/// Dropping the future leaves a directory without a database.
pub async fn restore(folder: &Path, directory: &Path) -> Result<Backup> {
    let (held, from) = (absolute(directory)?, absolute(folder)?);
    let lock = blocking("restoring the store", move || {
        let dump = from.join(DUMP);
        if dump.exists() && !from.join(DATABASE).exists() {
            let message =
                "this is a backup of a PostgreSQL database; name one to put it into as 'storage' (--storage)";
            return Err(Error::invalid_request(message).with_context("path", dump.display()));
        }
        create_directory(&held).map_err(|error| file_error(&held, error))?;
        lock(&held)
    });
    let lock = lock.await?;
    // A backup is put back as it is: better with a key that opens nothing than not at all.
    let backup = copy(folder, directory, KeyCopy::AsItIs).await?;
    drop(lock);
    Ok(backup)
}

/// What is done with the root key beside a database.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyCopy {
    /// It stays where it is.
    None,
    /// It is copied, if it opens what the database holds.
    Checked,
    /// It is copied, whatever it opens.
    AsItIs,
}

async fn copy(from: &Path, to: &Path, root_key: KeyCopy) -> Result<Backup> {
    let (from, to) = (absolute(from)?, absolute(to)?);
    let (source, target, draft) = (from.join(DATABASE), to.join(DATABASE), to.join("atom.db.new"));
    let prepare = {
        let (source, target, draft, to) = (source.clone(), target.clone(), draft.clone(), to.clone());
        move || {
            check_header(&source)?;
            if !source.metadata().is_ok_and(|file| file.len() > 0) {
                return Err(no_database(&source));
            }
            if target.exists() {
                return Err(taken(&target));
            }
            create_directory(&to).map_err(|error| file_error(&to, error))?;
            // SQLite takes an empty file, and would let everybody read one that it makes.
            let file = private_file()
                .create(true)
                .truncate(true)
                .write(true)
                .open(&draft);
            file.map(drop).map_err(|error| file_error(&draft, error))
        }
    };
    blocking("copying the store", prepare).await?;
    let written = async {
        let key = write(&source, &draft).await?;
        if root_key == KeyCopy::Checked {
            let from = from.clone();
            blocking("copying the store", move || check_file(&from, key.as_ref())).await?;
        }
        Ok(())
    };
    if let Err(error) = written.await {
        // What is left of it only takes space, which may be what was missing.
        let _ = std::fs::remove_file(&draft);
        return Err(error);
    }
    blocking("copying the store", move || {
        let has_root_key = root_key != KeyCopy::None && RootKeyCopy::prepare(&from, &to)?.place()?;
        // The database comes last: where it stands, the backup is whole.
        let bytes = put(&draft, &target, &to).map_err(|error| file_error(&target, error))?;
        Ok(Backup { bytes, has_root_key })
    })
    .await
}

/// Puts a database that was written aside in its place; gives its size in bytes.
pub(in crate::storage) fn put(draft: &Path, target: &Path, directory: &Path) -> io::Result<u64> {
    let file = File::open(draft)?;
    file.sync_all()?;
    std::fs::rename(draft, target)?;
    sync_directory(directory)?;
    Ok(file.metadata()?.len())
}

/// The error of a directory without a database.
pub(super) fn no_database(path: &Path) -> Error {
    let message = "there is no database to copy; choose the folder that has the file atom.db";
    Error::not_found(message).with_context("path", path.display())
}

/// The error of a directory that has a database.
pub(super) fn taken(path: &Path) -> Error {
    let message = "there is a database already, which stays as it is; choose an empty folder";
    Error::new(ErrorCode::AlreadyExists, message).with_context("path", path.display())
}

/// Writes what a database holds at one moment into an empty file, and checks it; gives a key of its vault.
async fn write(source: &Path, draft: &Path) -> Result<Option<WrappedKey>> {
    let text = draft
        .to_str()
        .ok_or_else(|| Error::invalid_request("the path of the folder is not valid UTF-8; choose another"))?;
    let mut connection = connect(source).await?;
    let copied = sqlx::query("VACUUM INTO ?")
        .bind(text)
        .execute(&mut connection)
        .await;
    copied.map_err(|error| storage_error(source, error))?;
    connection
        .close()
        .await
        .map_err(|error| storage_error(source, error))?;
    let mut copy = connect(draft).await?;
    let fail = |error| storage_error(draft, error);
    if !check(&mut copy).await.map_err(fail)? {
        return Err(damaged(source));
    }
    let key = first_key_of_sqlite(&mut copy).await.map_err(fail)?;
    copy.close().await.map_err(fail)?;
    Ok(key)
}

async fn connect(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(PATIENCE);
    let connection = options.disable_statement_logging().connect().await;
    connection.map_err(|error| storage_error(path, error))
}

/// Whether a copy is whole. One file is all of it afterwards: it can be read from where nothing can be written.
pub(super) async fn check(copy: &mut SqliteConnection) -> sqlx::Result<bool> {
    sqlx::query("PRAGMA journal_mode = DELETE")
        .execute(&mut *copy)
        .await?;
    let found = sqlx::query("PRAGMA integrity_check(1)").fetch_one(copy).await?;
    Ok(found.try_get::<String, _>(0)? == "ok")
}

/// The root key of a directory, on its way to another one.
pub(in crate::storage) struct RootKeyCopy {
    key: Option<Zeroizing<Vec<u8>>>,
    target: PathBuf,
    is_there: bool,
}

impl RootKeyCopy {
    /// Reads the root key of a directory, if there is one. Another key that is in the target may be all that opens some
    /// database: it stays, and is an error.
    pub(in crate::storage) fn prepare(from: &Path, to: &Path) -> Result<Self> {
        let target = absolute(to)?.join(ROOT_KEY);
        let key = read_key(&from.join(ROOT_KEY))?;
        let other = if key.is_some() { read_key(&target)? } else { None };
        if other.is_some() && other != key {
            let message = "there is another root key already, which stays as it is; choose an empty folder, which for the key of a \
                 database is that of 'data_dir' (--data-dir)";
            return Err(Error::new(ErrorCode::AlreadyExists, message).with_context("path", target.display()));
        }
        let is_there = other.is_some();
        Ok(Self {
            key,
            target,
            is_there,
        })
    }

    /// Removes the key if it was not there before it was placed: what it opens has not come.
    #[cfg(feature = "postgres")]
    pub(in crate::storage) fn withdraw(self) -> Result<()> {
        // Somebody else may have put another one there meanwhile.
        if self.key.is_none() || self.is_there || read_key(&self.target)? != self.key {
            return Ok(());
        }
        std::fs::remove_file(&self.target).map_err(|error| file_error(&self.target, error))
    }

    /// Writes the key; tells whether there is one.
    pub(in crate::storage) fn place(&self) -> Result<bool> {
        let Some(key) = &self.key else { return Ok(false) };
        let write = || {
            if let Some(directory) = self.target.parent() {
                create_directory(directory)?;
            }
            let mut file = private_file().create_new(true).write(true).open(&self.target)?;
            file.write_all(key)?;
            file.sync_all()
        };
        if !self.is_there {
            write().map_err(|error| file_error(&self.target, error))?;
        }
        Ok(true)
    }
}

/// What the file of a root key holds, if there is one.
fn read_key(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    match std::fs::read(path).map(Zeroizing::new) {
        Ok(key) => Ok(Some(key)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_error(path, error)),
    }
}

pub(in crate::storage) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| file_error(path, error))
}
