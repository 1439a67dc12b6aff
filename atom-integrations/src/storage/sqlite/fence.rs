//! Keeps an engine from writing once another one has taken the database over.
//!
//! Every transaction of the writer begins by showing the database's epoch to a trigger of its own connection, which
//! ends the transaction unless the epoch is still that of this engine. So the check needs no answer to wait for: it
//! goes to the database together with what is written.

use atom_core::{Error, ErrorCode};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::rows::Decoded;

/// Begins a transaction that only the engine which holds the database can go on with.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE;INSERT INTO temp.fence SELECT epoch FROM engine;";

/// What the trigger says.
const TAKEN_OVER: &str = "another engine has taken over";

/// Prepares a connection for [`BEGIN`].
pub(super) async fn build(connection: &mut SqliteConnection, epoch: i64) -> Decoded<()> {
    let script = format!(
        "CREATE TEMP VIEW fence AS SELECT 0 AS epoch;
         CREATE TEMP TRIGGER fenced INSTEAD OF INSERT ON fence WHEN NEW.epoch IS NOT {epoch}
         BEGIN SELECT RAISE(ABORT, '{TAKEN_OVER}'); END;"
    );
    sqlx::raw_sql(AssertSqlSafe(script)).execute(connection).await?;
    Ok(())
}

/// The error of an engine that another one has shut out, if that is why a statement failed.
pub(super) fn taken_over(error: &sqlx::Error) -> Option<Error> {
    let is_fenced = error
        .as_database_error()
        .is_some_and(|error| error.message() == TAKEN_OVER);
    is_fenced.then(|| {
        Error::new(
            ErrorCode::Conflict,
            "a newer engine has taken over the data directory; this one can write nothing any more",
        )
    })
}
