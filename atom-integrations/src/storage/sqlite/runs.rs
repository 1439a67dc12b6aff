//! Runs and their journals.

use async_trait::async_trait;
use atom_core::storage::{
    Admitted, Committed, JournalEntry, Lane, NewRun, Page, PageRequest, RunCommit, RunFilter, RunRecord,
    RunStore,
};
use atom_core::{Result, RunId, Scope};
use jiff::Timestamp;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::SqliteStore;
use super::admission::Admit;
use super::rows::{Decoded, limit as row_limit, moment, run_id, unsigned};
use super::selection;
use crate::storage::blobs::Blobs;
use crate::storage::change::Change;
use crate::storage::record;

/// What [`record::run`] reads, but for the two columns that can be large.
const WHOLE: &str = "SELECT input, input_parts, output, output_parts, ";
/// The same for a list, which shows neither.
const LISTED: &str = "SELECT 'null' AS input, NULL AS input_parts, NULL AS output, NULL AS output_parts, ";
/// When a run was last written to stands in the last entry of its journal.
const COLUMNS: &str = "runs.tenant, runs.user AS owner, runs.id, roles, namespace, runs.name, version, hash, started_version, \
     started_hash, parent_run, \
     parent_action, directory, rerun_of, started_by, idempotency_key, tags, fields, \
     CASE WHEN status <> 'running' THEN status WHEN is_paused THEN 'paused' \
     WHEN admission IS NOT NULL AND begun_at IS NULL THEN 'queued' ELSE status END AS status, \
     admission, begun_at, is_unwanted, error, runs.created_at, \
     ended_at, journal_start, NULL AS worker, \
     (SELECT at FROM journal WHERE journal.tenant = runs.tenant AND journal.user = runs.user \
      AND journal.run = runs.id ORDER BY sequence DESC LIMIT 1) AS updated_at";

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

#[async_trait]
impl RunStore for SqliteStore {
    async fn create(&self, run: NewRun) -> Result<Committed> {
        let event_head = self.database.change(Change::Create(run)).await?;
        Ok(Committed { event_head })
    }

    async fn commit(&self, commit: RunCommit) -> Result<Committed> {
        let event_head = self.database.change(Change::Commit(commit)).await?;
        Ok(Committed { event_head })
    }

    async fn admit(&self, lane: &Lane, now: Timestamp) -> Result<Admitted> {
        let lane = lane.clone();
        self.database.write(Admit { lane, now }).await
    }

    async fn run(&self, scope: &Scope, id: RunId) -> Result<Option<RunRecord>> {
        let sql =
            format!("{WHOLE}{COLUMNS} FROM runs WHERE tenant = ? AND user = ? AND id = ? AND is_removed = 0");
        let query = || {
            sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(&scope.tenant)
                .bind(&scope.user)
                .bind(&id.as_bytes()[..])
        };
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
             WHERE tenant = ? AND user = ? AND namespace = ? AND name = ? AND idempotency_key = ?";
        let query = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(namespace)
            .bind(name);
        let row = query.bind(key).fetch_optional(&self.database.readers).await;
        row.and_then(|row| row.map(|row| run_id(row.try_get(0)?)).transpose())
            .map_err(|error| self.database.error(error))
    }

    async fn count_runs(&self, scope: &Scope, filter: &RunFilter) -> Result<u64> {
        let mut query = selection::query("SELECT count(*)", scope, filter, None)?;
        let row = query.build().fetch_one(&self.database.readers).await;
        row.and_then(|row| unsigned(row.try_get(0)?))
            .map_err(|error| self.database.error(error))
    }

    async fn runs(&self, scope: &Scope, filter: &RunFilter, page: &PageRequest) -> Result<Page<RunRecord>> {
        let size = page.size()?;
        let after: Option<(Timestamp, RunId)> = page.cursor()?;
        let mut query = selection::query(&format!("{LISTED}{COLUMNS}"), scope, filter, after)?;
        // One more than wanted tells whether the list goes on.
        query.push(" LIMIT ").push_bind(row_limit(size + 1));
        Page::cut(self.records(query.build()).await?, size, RunRecord::cursor)
    }

    async fn journal(&self, scope: &Scope, id: RunId, from: u64, limit: usize) -> Result<Vec<JournalEntry>> {
        let Ok(from) = i64::try_from(from) else {
            return Ok(Vec::new());
        };
        let sql = "SELECT sequence, at, payload, payload_parts, event_head FROM journal \
             WHERE tenant = ? AND user = ? AND run = ? AND sequence >= ? ORDER BY sequence LIMIT ?";
        let query = || {
            sqlx::query(sql)
                .bind(&scope.tenant)
                .bind(&scope.user)
                .bind(&id.as_bytes()[..])
                .bind(from)
                .bind(row_limit(limit))
        };
        let found = self
            .database
            .rows_with_blobs(scope, &["payload_parts"], query)
            .await;
        found
            .and_then(|(rows, blobs)| rows.iter().map(|row| journal_entry(row, &blobs)).collect())
            .map_err(|error| self.database.error(error))
    }

    async fn unfinished(&self) -> Result<Vec<RunRecord>> {
        let sql = format!("{LISTED}{COLUMNS} FROM runs WHERE status = 'running' ORDER BY created_at, id");
        self.records(sqlx::query(AssertSqlSafe(sql))).await
    }
}

impl SqliteStore {
    async fn records(&self, query: Query<'_>) -> Result<Vec<RunRecord>> {
        let rows = query.fetch_all(&self.database.readers).await;
        let blobs = Blobs::default();
        rows.and_then(|rows| {
            rows.iter()
                .map(|row| record::run(row, &blobs))
                .collect::<Decoded<_>>()
        })
        .map_err(|error| self.database.error(error))
    }
}

fn journal_entry(row: &SqliteRow, blobs: &Blobs) -> Decoded<JournalEntry> {
    Ok(JournalEntry {
        sequence: unsigned(row.try_get(0)?)?,
        at: moment(row.try_get(1)?)?,
        payload: blobs.join(row.try_get(2)?, row.try_get(3)?)?.into_owned(),
        event_head: unsigned(row.try_get(4)?)?,
    })
}
