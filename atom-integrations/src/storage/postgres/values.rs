//! What rows of PostgreSQL have that those of others have not.

use atom_core::{ApprovalId, RunId};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{ColumnIndex, Row};
use uuid::Uuid;

use super::rows::Decoded;
use super::text::original;

pub(super) fn uuid_of_run(id: RunId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

pub(super) fn uuid_of_approval(id: ApprovalId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

pub(super) fn run_id(id: Uuid) -> RunId {
    RunId::from_bytes(id.into_bytes())
}

pub(super) fn approval_id(id: Uuid) -> ApprovalId {
    ApprovalId::from_bytes(id.into_bytes())
}

/// A text that may hold any character.
pub(crate) fn text(row: &PgRow, column: impl ColumnIndex<PgRow>) -> Decoded<String> {
    Ok(original(row.try_get(column)?).into_owned())
}

/// The same where there may be none.
pub(super) fn optional_text(row: &PgRow, column: impl ColumnIndex<PgRow>) -> Decoded<Option<String>> {
    let text: Option<&str> = row.try_get(column)?;
    Ok(text.map(|text| original(text).into_owned()))
}

/// Executes a statement; tells how many rows it changed.
pub(crate) async fn execute(
    connection: &mut PgConnection,
    query: super::database::Query<'_>,
) -> Decoded<u64> {
    Ok(query.execute(connection).await?.rows_affected())
}
