//! Keeps an engine from writing once another one has taken the database over.
//!
//! Every transaction that writes calls the function `hold` with the epoch of its engine. It ends the transaction unless that
//! is still the epoch of the database, and otherwise locks the epoch until the transaction has ended: so who takes over
//! waits for what is under way, and nothing of an older engine is written after that.

use atom_core::{Error, ErrorCode};
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::rows::Decoded;

/// The code of the error of `hold`.
const TAKEN_OVER: &str = "AT001";

/// Raises the epoch, which shuts out every engine that held the database before.
pub(super) async fn take_over(connection: &mut PgConnection) -> Decoded<i64> {
    let query = "UPDATE engine SET epoch = epoch + 1 RETURNING epoch";
    sqlx::query(query).fetch_one(connection).await?.try_get(0)
}

/// The call that a statement or transaction of an engine makes.
pub(super) fn hold(epoch: i64) -> String {
    format!("hold({epoch})")
}

/// The error of an engine that another one has shut out, if that is why a statement failed.
pub(super) fn taken_over(error: &sqlx::Error) -> Option<Error> {
    let code = error.as_database_error()?.code()?;
    (code == TAKEN_OVER).then(|| {
        Error::new(
            ErrorCode::Conflict,
            "a newer engine has taken over the database; this one can write nothing any more",
        )
    })
}
