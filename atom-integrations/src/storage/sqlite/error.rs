//! What errors of SQLite and of the file system mean to a user.

use std::io;
use std::path::Path;

use atom_core::{Error, ErrorCode, Retry};

// Primary result codes, <https://www.sqlite.org/rescode.html>.
const SQLITE_PERM: u32 = 3;
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_IOERR: u32 = 10;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_CANTOPEN: u32 = 14;
const SQLITE_TOOBIG: u32 = 18;
const SQLITE_NOTADB: u32 = 26;

// An extended one: the index of the write-ahead log could not be made larger.
const SQLITE_IOERR_SHMSIZE: u32 = 4874;

const FULL: &str = "the disk is full; free some space and try again. Nothing stored before was lost";
const FAILING: &str =
    "the disk failed to read or write, or its quota is used up; check both. Nothing stored before was lost";
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
        sqlx::Error::Database(database) => match codes(database.as_ref()) {
            Some((_, SQLITE_IOERR_SHMSIZE)) => (ErrorCode::StorageFull, FULL),
            // A full disk is told apart, but a used up quota is not.
            Some((SQLITE_IOERR, _)) => {
                return Error::new(ErrorCode::StorageFailed, FAILING)
                    .with_retry(Retry::Maybe)
                    .with_context("path", path.display())
                    .with_source(error);
            }
            Some((SQLITE_FULL, _)) => (ErrorCode::StorageFull, FULL),
            Some((SQLITE_PERM | SQLITE_READONLY | SQLITE_CANTOPEN, _)) => {
                (ErrorCode::PermissionDenied, DENIED)
            }
            Some((SQLITE_CORRUPT | SQLITE_NOTADB, _)) => return damaged(path).with_source(error),
            Some((SQLITE_BUSY | SQLITE_LOCKED, _)) => (
                ErrorCode::Locked,
                "another process is using the database; close it and try again",
            ),
            Some((SQLITE_TOOBIG, _)) => (ErrorCode::LimitExceeded, "a text is too large for the database"),
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

/// The primary and the extended result code.
fn codes(error: &dyn sqlx::error::DatabaseError) -> Option<(u32, u32)> {
    // The low byte of an extended code is the primary one.
    error
        .code()?
        .parse::<u32>()
        .ok()
        .map(|extended| (extended & 0xff, extended))
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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[derive(Debug)]
    struct Failure(u32);

    impl std::fmt::Display for Failure {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(formatter, "code {}", self.0)
        }
    }

    impl std::error::Error for Failure {}

    impl sqlx::error::DatabaseError for Failure {
        fn message(&self) -> &str {
            "failure"
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.to_string().into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> sqlx::error::ErrorKind {
            sqlx::error::ErrorKind::Other
        }
    }

    #[test]
    fn what_may_pass_can_be_tried_again() {
        let database = |code| sqlx::Error::Database(Box::new(Failure(code)));
        for (error, code, retry) in [
            (database(13), ErrorCode::StorageFull, Retry::Maybe),
            (database(4874), ErrorCode::StorageFull, Retry::Maybe),
            // Of a write, a read and a sync.
            (database(778), ErrorCode::StorageFailed, Retry::Maybe),
            (database(266), ErrorCode::StorageFailed, Retry::Maybe),
            (database(1034), ErrorCode::StorageFailed, Retry::Maybe),
            (database(5), ErrorCode::Locked, Retry::Maybe),
            (sqlx::Error::PoolTimedOut, ErrorCode::Timeout, Retry::Maybe),
            (database(1), ErrorCode::StorageFailed, Retry::No),
            (database(11), ErrorCode::InvalidData, Retry::No),
            (sqlx::Error::PoolClosed, ErrorCode::Closed, Retry::No),
        ] {
            let error = storage_error(Path::new("/data/atom.db"), error);
            assert_eq!((error.code(), error.retry()), (code, retry), "{error}");
        }
    }
}
