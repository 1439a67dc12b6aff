//! Rows of SQLite, read as those of any database.

use std::borrow::Cow;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::rows::{Decoded, decode_error};
use crate::storage::record::StoredRow;

impl StoredRow for SqliteRow {
    fn optional_text(&self, column: &str) -> Decoded<Option<Cow<'_, str>>> {
        Ok(self.optional_plain(column)?.map(Cow::Borrowed))
    }

    fn optional_plain(&self, column: &str) -> Decoded<Option<&str>> {
        self.try_get(column)
    }

    fn optional_integer(&self, column: &str) -> Decoded<Option<i64>> {
        self.try_get(column)
    }

    fn optional_id(&self, column: &str) -> Decoded<Option<[u8; 16]>> {
        let id: Option<&[u8]> = self.try_get(column)?;
        id.map(|id| id.try_into().map_err(decode_error)).transpose()
    }

    fn flag(&self, column: &str) -> Decoded<bool> {
        self.try_get(column)
    }
}
