//! The log of events.

use async_trait::async_trait;
use atom_core::{CloudEvent, EventLog, LoggedEvent, Offset, Result, Scope};
use sqlx::postgres::PgRow;
use tokio::sync::watch;

use super::PostgresStore;
use super::rows::{Decoded, limit as row_limit, unsigned, value};
use super::text::stored;
use crate::storage::blobs::Blobs;
use crate::storage::change::Change;
use crate::storage::record::{StoredRow, whole};

#[async_trait]
impl EventLog for PostgresStore {
    async fn append(&self, scope: &Scope, event: &CloudEvent) -> Result<Offset> {
        self.writer
            .change(Change::Append(scope.clone(), event.clone()))
            .await
    }

    async fn read(&self, scope: &Scope, after: Offset, limit: usize) -> Result<Vec<LoggedEvent>> {
        let Ok(after) = i64::try_from(after) else {
            return Ok(Vec::new());
        };
        let query = r#"SELECT "offset", event, event_parts FROM events
            WHERE tenant = $1 AND owner = $2 AND "offset" > $3 ORDER BY "offset" LIMIT $4"#;
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(after)
            .bind(row_limit(limit));
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

fn logged_event(row: &PgRow, blobs: &Blobs) -> Decoded<LoggedEvent> {
    Ok(LoggedEvent {
        offset: unsigned(row.integer("offset")?)?,
        event: value(&whole(row, blobs, "event", "event_parts")?.unwrap_or_default())?,
    })
}
