//! The log of events.

use async_trait::async_trait;
use atom_core::{CloudEvent, EventLog, LoggedEvent, Offset, Result, Scope};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use tokio::sync::watch;

use super::SqliteStore;
use super::rows::{Decoded, limit as row_limit, unsigned, value};
use crate::storage::blobs::Blobs;
use crate::storage::change::Change;

#[async_trait]
impl EventLog for SqliteStore {
    async fn append(&self, scope: &Scope, event: &CloudEvent) -> Result<Offset> {
        self.database
            .change(Change::Append(scope.clone(), event.clone()))
            .await
    }

    async fn read(&self, scope: &Scope, after: Offset, limit: usize) -> Result<Vec<LoggedEvent>> {
        let Ok(after) = i64::try_from(after) else {
            return Ok(Vec::new());
        };
        let sql = r#"SELECT "offset", event, event_parts FROM events WHERE tenant = ? AND user = ? AND "offset" > ?
            ORDER BY "offset" LIMIT ?"#;
        let query = || {
            sqlx::query(sql)
                .bind(&scope.tenant)
                .bind(&scope.user)
                .bind(after)
                .bind(row_limit(limit))
        };
        let found = self
            .database
            .rows_with_blobs(scope, &["event_parts"], query)
            .await;
        found
            .and_then(|(rows, blobs)| rows.iter().map(|row| logged_event(row, &blobs)).collect())
            .map_err(|error| self.database.error(error))
    }

    async fn head(&self) -> Result<Offset> {
        Ok(*self.head.borrow())
    }

    fn watch(&self) -> watch::Receiver<Offset> {
        let mut head = self.head.clone();
        // The one that is kept here has never looked.
        head.mark_unchanged();
        head
    }
}

fn logged_event(row: &SqliteRow, blobs: &Blobs) -> Decoded<LoggedEvent> {
    Ok(LoggedEvent {
        offset: unsigned(row.try_get(0)?)?,
        event: value(&blobs.join(row.try_get(1)?, row.try_get(2)?)?)?,
    })
}
