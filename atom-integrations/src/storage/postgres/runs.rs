//! Runs and their journals.

use async_trait::async_trait;
use atom_core::storage::{
    Admitted, Committed, JournalEntry, Lane, NewRun, Page, PageRequest, RunCommit, RunFilter, RunRecord,
    RunStore, WorkerStore,
};
use atom_core::{Result, RunId, Scope};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};

use super::admission::Admit;
use super::database::{Query, Sight};
use super::rows::{Decoded, limit as row_limit, unsigned};
use super::text::stored;
use super::values::{run_id, uuid_of_run};
use super::{PostgresStore, selection};
use crate::storage::blobs::Blobs;
use crate::storage::change::Change;
use crate::storage::record::{self, StoredRow, whole};

/// What [`record::run`] reads, but for the two columns that can be large.
const WHOLE: &str = "SELECT input, input_parts, output, output_parts, ";
/// The same for a list, which shows neither.
pub(super) const LISTED: &str =
    "'null' AS input, NULL::text AS input_parts, NULL::text AS output, NULL::text AS output_parts, ";
/// When a run was last written to stands in the last entry of its journal.
pub(super) const COLUMNS: &str = "runs.tenant, runs.owner, runs.id, roles, namespace, runs.name, version, hash, started_version, \
     started_hash, parent_run, parent_action, directory, rerun_of, started_by, idempotency_key, tags, fields, \
     CASE WHEN status <> 'running' THEN status WHEN is_paused THEN 'paused' \
     WHEN admission IS NOT NULL AND begun_at IS NULL THEN 'queued' ELSE status END AS status, \
     admission, begun_at, is_unwanted, error, runs.created_at, ended_at, journal_start, runs.worker, \
     (SELECT at FROM journal WHERE journal.tenant = runs.tenant AND journal.owner = runs.owner \
      AND journal.run = runs.id ORDER BY sequence DESC LIMIT 1) AS updated_at";

#[async_trait]
impl RunStore for PostgresStore {
    fn workers(&self) -> Option<&dyn WorkerStore> {
        Some(self)
    }

    async fn create(&self, run: NewRun) -> Result<Committed> {
        let event_head = self.writer.change(Change::Create(run)).await?;
        Ok(Committed { event_head })
    }

    async fn commit(&self, commit: RunCommit) -> Result<Committed> {
        let event_head = self.writer.change(Change::Commit(commit)).await?;
        Ok(Committed { event_head })
    }

    async fn admit(&self, lane: &Lane, now: Timestamp) -> Result<Admitted> {
        let worker = self.database.worker();
        let admit = Admit { lane, now, worker };
        self.database.write(Sight::of(&lane.scope), admit).await
    }

    async fn run(&self, scope: &Scope, id: RunId) -> Result<Option<RunRecord>> {
        let sql = format!(
            "{WHOLE}{COLUMNS} FROM runs WHERE tenant = $1 AND owner = $2 AND id = $3 AND NOT is_removed"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(uuid_of_run(id));
        let columns = ["input_parts", "output_parts"];
        let found = self.database.rows_with_blobs(scope, &columns, query).await;
        found
            .and_then(|(rows, blobs)| rows.first().map(|row| record::run(row, &blobs)).transpose())
            .map_err(|error| self.database.error(error))
    }

    async fn run_with_key(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        key: &str,
    ) -> Result<Option<RunId>> {
        let query = "SELECT id FROM runs \
             WHERE tenant = $1 AND owner = $2 AND namespace = $3 AND name = $4 AND idempotency_key = $5";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(namespace))
            .bind(stored(name))
            .bind(stored(key));
        let row = self.database.row(Sight::of(scope), query).await;
        row.and_then(|row| row.map(|row| row.try_get(0).map(run_id)).transpose())
            .map_err(|error| self.database.error(error))
    }

    async fn count_runs(&self, scope: &Scope, filter: &RunFilter) -> Result<u64> {
        let mut query = selection::query("SELECT count(*)", scope, filter, None)?;
        let row = self.database.row(Sight::of(scope), query.build()).await;
        row.and_then(|row| row.map_or(Ok(0), |row| unsigned(row.try_get(0)?)))
            .map_err(|error| self.database.error(error))
    }

    async fn runs(&self, scope: &Scope, filter: &RunFilter, page: &PageRequest) -> Result<Page<RunRecord>> {
        let size = page.size()?;
        let after: Option<(Timestamp, RunId)> = page.cursor()?;
        let mut query = selection::list(&format!("SELECT {LISTED}{COLUMNS}"), scope, filter, after)?;
        // One more than wanted tells whether the list goes on.
        query.push(" LIMIT ").push_bind(row_limit(size + 1));
        let records = self.records(Sight::of(scope), query.build()).await?;
        Page::cut(records, size, RunRecord::cursor)
    }

    async fn journal(&self, scope: &Scope, id: RunId, from: u64, limit: usize) -> Result<Vec<JournalEntry>> {
        let Ok(from) = i64::try_from(from) else {
            return Ok(Vec::new());
        };
        let query = "SELECT sequence, at, payload, payload_parts, event_head FROM journal \
             WHERE tenant = $1 AND owner = $2 AND run = $3 AND sequence >= $4 ORDER BY sequence LIMIT $5";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(uuid_of_run(id))
            .bind(from)
            .bind(row_limit(limit));
        let found = self
            .database
            .rows_with_blobs(scope, &["payload_parts"], query)
            .await;
        found
            .and_then(|(rows, blobs)| rows.iter().map(|row| journal_entry(row, &blobs)).collect())
            .map_err(|error| self.database.error(error))
    }

    async fn unfinished(&self) -> Result<Vec<RunRecord>> {
        let sql =
            format!("SELECT {LISTED}{COLUMNS} FROM runs WHERE status = 'running' ORDER BY created_at, id");
        self.records(Sight::All, sqlx::query(AssertSqlSafe(sql))).await
    }
}

impl PostgresStore {
    pub(super) async fn records(&self, sight: Sight<'_>, query: Query<'_>) -> Result<Vec<RunRecord>> {
        let rows = self.database.rows(sight, query).await;
        let blobs = Blobs::default();
        rows.and_then(|rows| {
            rows.iter()
                .map(|row| record::run(row, &blobs))
                .collect::<Decoded<_>>()
        })
        .map_err(|error| self.database.error(error))
    }
}

fn journal_entry(row: &PgRow, blobs: &Blobs) -> Decoded<JournalEntry> {
    Ok(JournalEntry {
        sequence: unsigned(row.integer("sequence")?)?,
        at: row.moment("at")?,
        payload: whole(row, blobs, "payload", "payload_parts")?
            .unwrap_or_default()
            .into_owned(),
        event_head: unsigned(row.integer("event_head")?)?,
    })
}
