//! What errors of PostgreSQL mean to a user.

use std::fmt;

use atom_core::{Error, ErrorCode, Retry};

use super::fence::lease_lost;

/// The error for a failure of the database with this name.
pub(super) fn storage_error(database: &str, error: sqlx::Error) -> Error {
    if let Some(lost) = lease_lost(&error) {
        return lost;
    }
    let (code, message) = match &error {
        sqlx::Error::PoolClosed => (ErrorCode::Closed, "the store was closed; open it again"),
        sqlx::Error::PoolTimedOut => (
            ErrorCode::Unavailable,
            "no connection to the database came free in time; check that it runs, that the server and the role may have more \
             connections, or allow the store more with 'max_connections' of its URL",
        ),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => (
            ErrorCode::InvalidData,
            "a row of the database is damaged; restore the database from a backup",
        ),
        sqlx::Error::Configuration(_) => (
            ErrorCode::InvalidRequest,
            "the settings of the database connection are wrong; correct its URL",
        ),
        sqlx::Error::Tls(_) => (
            ErrorCode::Unavailable,
            "no secure connection to the database can be made; check 'sslmode' and the certificates of its URL",
        ),
        sqlx::Error::Database(database) => of_code(database.code().as_deref().unwrap_or_default()),
        error if is_lost(error) => (
            ErrorCode::Unavailable,
            "the database cannot be reached; check that it runs and its address",
        ),
        _ => (
            ErrorCode::StorageFailed,
            "the database cannot be read or written; see the cause",
        ),
    };
    let named = Error::new(code, message).with_context("database", database);
    match &error {
        sqlx::Error::Database(said) => {
            let code = said.code().unwrap_or_default().into_owned();
            named.with_source(Said {
                message: said.message().to_owned(),
                code,
            })
        }
        _ => named.with_source(error),
    }
}

/// What the database says, without the line of its own source that the driver shows with it.
#[derive(Debug)]
struct Said {
    message: String,
    code: String,
}

impl fmt::Display for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (SQLSTATE {})", self.message, self.code)
    }
}

impl std::error::Error for Said {}

/// By the SQLSTATE, <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_code(code: &str) -> (ErrorCode, &'static str) {
    match code {
        "40001" | "40P01" => (
            ErrorCode::Unavailable,
            "too many wanted to change the same at once; try again",
        ),
        "42501" => (
            ErrorCode::PermissionDenied,
            "the role may not use the database or its schema; grant it what it needs",
        ),
        "53100" => (
            ErrorCode::StorageFull,
            "the disk of the database is full; free some space and try again. Nothing stored before was lost",
        ),
        "53300" => (
            ErrorCode::Unavailable,
            "the database has no connection left; try again, or raise its max_connections",
        ),
        "55P03" => (
            ErrorCode::Locked,
            "another transaction holds what is to be written; try again",
        ),
        "57014" => (
            ErrorCode::Timeout,
            "the database took longer than 'statement_timeout' allows; try again",
        ),
        "3D000" => (
            ErrorCode::StorageFailed,
            "there is no such database; create it, or correct its name",
        ),
        "25006" => (
            ErrorCode::Unavailable,
            "the database takes no changes, as a standby does; connect to the one that does",
        ),
        code if is_shutdown(code) || code.starts_with("08") => (
            ErrorCode::Unavailable,
            "the database is starting or stopping; try again",
        ),
        code if code.starts_with("53") => (ErrorCode::Unavailable, "the database lacks resources; try again"),
        code if code.starts_with("28") => (
            ErrorCode::Unauthenticated,
            "the database refuses the role or its password; correct them",
        ),
        code if code.starts_with("54") => (
            ErrorCode::LimitExceeded,
            "a name or a text is too large for the database",
        ),
        _ => (ErrorCode::StorageFailed, "the database failed; see the cause"),
    }
}

fn is_shutdown(code: &str) -> bool {
    matches!(code, "57P01" | "57P02" | "57P03")
}

/// Whether the connection was lost in a way that does not tell what became of what was sent.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed
    )
}

/// Whether the database has undone the transaction, and the same may succeed at once: what others were changing can be seen
/// then.
pub(super) fn may_be_repeated(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(&*code, "40001" | "40P01" | "23505") || is_shutdown(&code))
}

/// The error of a change of which nobody knows whether it was made.
pub(super) fn uncertain(database: &str, error: sqlx::Error) -> Error {
    Error::new(
        ErrorCode::Unavailable,
        "the connection to the database was lost before it said whether the change was made",
    )
    .with_retry(Retry::Maybe)
    .with_context("database", database)
    .with_source(error)
}
