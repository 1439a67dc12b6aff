//! What rows of PostgreSQL have that those of others have not.

use std::borrow::Cow;

use atom_core::{ApprovalId, RunId, WorkerId};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{ColumnIndex, Row};
use uuid::Uuid;

use super::rows::Decoded;
use super::text::original;
use crate::storage::record::StoredRow;

pub(super) fn uuid_of_run(id: RunId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

pub(super) fn uuid_of_approval(id: ApprovalId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

pub(super) fn uuid_of_worker(id: WorkerId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

pub(super) fn worker_id(id: Uuid) -> WorkerId {
    WorkerId::from_bytes(id.into_bytes())
}

pub(super) fn run_id(id: Uuid) -> RunId {
    RunId::from_bytes(id.into_bytes())
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

impl StoredRow for PgRow {
    fn optional_text(&self, column: &str) -> Decoded<Option<Cow<'_, str>>> {
        Ok(self.optional_plain(column)?.map(original))
    }

    fn optional_plain(&self, column: &str) -> Decoded<Option<&str>> {
        self.try_get(column)
    }

    fn optional_integer(&self, column: &str) -> Decoded<Option<i64>> {
        self.try_get(column)
    }

    fn optional_id(&self, column: &str) -> Decoded<Option<[u8; 16]>> {
        Ok(self.try_get::<Option<Uuid>, _>(column)?.map(Uuid::into_bytes))
    }

    fn flag(&self, column: &str) -> Decoded<bool> {
        self.try_get(column)
    }
}

/// Executes a statement; tells how many rows it changed.
pub(crate) async fn execute(
    connection: &mut PgConnection,
    query: super::database::Query<'_>,
) -> Decoded<u64> {
    Ok(query.execute(connection).await?.rows_affected())
}
