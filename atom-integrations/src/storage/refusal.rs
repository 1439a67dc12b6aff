//! Why a change was not made.

use atom_core::Error;

/// The result of making a change.
pub(crate) type WriteResult<T> = std::result::Result<T, Refusal>;

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It breaks a rule.
    Rule(Error),
    /// The database failed.
    Database(sqlx::Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Rule(error)
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}
