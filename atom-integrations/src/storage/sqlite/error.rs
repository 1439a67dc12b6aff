//! What errors of SQLite and of the file system mean to a user.

use std::io;
use std::path::Path;

use atom_core::{Error, ErrorCode};

// Primary result codes, <https://www.sqlite.org/rescode.html>.
const SQLITE_PERM: u32 = 3;
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_CANTOPEN: u32 = 14;
const SQLITE_TOOBIG: u32 = 18;
const SQLITE_NOTADB: u32 = 26;

const FULL: &str = "the disk is full; free some space and try again. Nothing stored before was lost";
const DENIED: &str =
    "the database cannot be written; let the engine's user write to the file and its directory";

/// The error for a failure of SQLite on the database at `path`.
pub(super) fn storage_error(path: &Path, error: sqlx::Error) -> Error {
    let (code, message) = match &error {
        sqlx::Error::PoolClosed => (ErrorCode::Closed, "the store was closed; open it again"),
        sqlx::Error::PoolTimedOut => (
            ErrorCode::Timeout,
            "the store is too busy to read now; try again later",
        ),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => (
            ErrorCode::InvalidData,
            "a row of the database is damaged; restore the data directory from a backup",
        ),
        sqlx::Error::Database(database) => match primary_code(database.as_ref()) {
            Some(SQLITE_FULL) => (ErrorCode::StorageFull, FULL),
            Some(SQLITE_PERM | SQLITE_READONLY | SQLITE_CANTOPEN) => (ErrorCode::PermissionDenied, DENIED),
            Some(SQLITE_CORRUPT | SQLITE_NOTADB) => return damaged(path).with_source(error),
            Some(SQLITE_BUSY | SQLITE_LOCKED) => (
                ErrorCode::Locked,
                "another process is using the database; close it and try again",
            ),
            Some(SQLITE_TOOBIG) => (ErrorCode::LimitExceeded, "a text is too large for the database"),
            _ => (ErrorCode::StorageFailed, "the database failed; see the cause"),
        },
        _ => (
            ErrorCode::StorageFailed,
            "the database cannot be read or written; see the cause",
        ),
    };
    Error::new(code, message)
        .with_context("path", path.display())
        .with_source(error)
}

fn primary_code(error: &dyn sqlx::error::DatabaseError) -> Option<u32> {
    // The low byte of an extended code is the primary one.
    error.code()?.parse::<u32>().ok().map(|extended| extended & 0xff)
}

/// The error for a database that is not ours or damaged.
pub(super) fn damaged(path: &Path) -> Error {
    Error::new(
        ErrorCode::InvalidData,
        "the file is not an Atom database or it is damaged; choose another data directory, or restore it from a backup",
    )
    .with_context("path", path.display())
}

/// The error for a failure of the file system.
pub(crate) fn file_error(path: &Path, error: io::Error) -> Error {
    let (code, message) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (ErrorCode::StorageFull, FULL),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
            ErrorCode::PermissionDenied,
            "the data directory cannot be written; let the engine's user write to it or choose another",
        ),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => (
            ErrorCode::StorageFailed,
            "the data directory is not a directory; choose another",
        ),
        _ => (
            ErrorCode::StorageFailed,
            "the data directory cannot be used; see the cause",
        ),
    };
    Error::new(code, message)
        .with_context("path", path.display())
        .with_source(error)
}
