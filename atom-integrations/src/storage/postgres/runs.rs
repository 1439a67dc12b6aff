//! Runs and their journals.

use std::collections::BTreeMap;

use async_trait::async_trait;
use atom_core::storage::{
    Admitted, Committed, JournalEntry, Lane, NewRun, Page, PageRequest, ParentStep, RunCommit, RunFilter,
    RunLabels, RunRecord, RunStatus, RunStore, WorkflowKey, WorkflowVersion,
};
use atom_core::{Principal, Result, RunId, Scope};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};

use super::admission::{Admit, admission};
use super::blobs::whole;
use super::database::{Query, Sight};
use super::rows::{Decoded, decode_error, limit as row_limit, moment, unsigned, value};
use super::text::stored;
use super::values::{optional_text, run_id, text, uuid_of_run};
use super::{PostgresStore, selection};
use crate::storage::blobs::Blobs;
use crate::storage::change::Change;

/// What [`record`] reads, but for the two columns that can be large.
const WHOLE: &str = "SELECT input, input_parts, output, output_parts, ";
/// The same for a list, which shows neither.
const LISTED: &str =
    "SELECT 'null' AS input, NULL::text AS input_parts, NULL::text AS output, NULL::text AS output_parts, ";
/// When a run was last written to stands in the last entry of its journal.
const COLUMNS: &str = "runs.tenant, runs.owner, runs.id, roles, namespace, runs.name, version, hash, started_version, \
     started_hash, parent_run, parent_action, directory, rerun_of, started_by, idempotency_key, tags, fields, \
     CASE WHEN status <> 'running' THEN status WHEN is_paused THEN 'paused' \
     WHEN admission IS NOT NULL AND begun_at IS NULL THEN 'queued' ELSE status END AS status, \
     admission, begun_at, is_unwanted, error, runs.created_at, ended_at, journal_start, \
     (SELECT at FROM journal WHERE journal.tenant = runs.tenant AND journal.owner = runs.owner \
      AND journal.run = runs.id ORDER BY sequence DESC LIMIT 1) AS updated_at";

#[async_trait]
impl RunStore for PostgresStore {
    async fn create(&self, run: NewRun) -> Result<Committed> {
        let event_head = self.writer.change(Change::Create(run)).await?;
        Ok(Committed { event_head })
    }

    async fn commit(&self, commit: RunCommit) -> Result<Committed> {
        let event_head = self.writer.change(Change::Commit(commit)).await?;
        Ok(Committed { event_head })
    }

    async fn admit(&self, lane: &Lane, now: Timestamp) -> Result<Admitted> {
        let admit = Admit { lane, now };
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
            .and_then(|(rows, blobs)| rows.first().map(|row| record(row, &blobs)).transpose())
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
        let mut query = selection::list(&format!("{LISTED}{COLUMNS}"), scope, filter, after)?;
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
        let sql = format!("{LISTED}{COLUMNS} FROM runs WHERE status = 'running' ORDER BY created_at, id");
        self.records(Sight::All, sqlx::query(AssertSqlSafe(sql))).await
    }
}

impl PostgresStore {
    async fn records(&self, sight: Sight<'_>, query: Query<'_>) -> Result<Vec<RunRecord>> {
        let rows = self.database.rows(sight, query).await;
        let blobs = Blobs::default();
        rows.and_then(|rows| rows.iter().map(|row| record(row, &blobs)).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))
    }
}

fn record(row: &PgRow, blobs: &Blobs) -> Decoded<RunRecord> {
    let data = |column: &str, parts: &str| {
        let text = whole(row, blobs, column, parts)?;
        text.map(|text| value(&text)).transpose()
    };
    let parent = match (row.try_get("parent_run")?, row.try_get("parent_action")?) {
        (Some(run), Some(action)) => Some(ParentStep {
            run: run_id(run),
            action: unsigned(action)?,
        }),
        _ => None,
    };
    Ok(RunRecord {
        id: run_id(row.try_get("id")?),
        principal: Principal {
            tenant: text(row, "tenant")?,
            user: text(row, "owner")?,
            roles: value(row.try_get("roles")?)?,
        },
        workflow: WorkflowKey {
            namespace: text(row, "namespace")?,
            name: text(row, "name")?,
            version: text(row, "version")?,
            hash: text(row, "hash")?,
        },
        started_with: started_with(row)?,
        parent,
        directory: optional_text(row, "directory")?.map(Into::into),
        rerun_of: row.try_get::<Option<_>, _>("rerun_of")?.map(run_id),
        trigger: optional_json(row, "started_by")?,
        labels: RunLabels {
            tags: labels(row, "tags")?,
            fields: labels(row, "fields")?,
        },
        idempotency_key: optional_text(row, "idempotency_key")?,
        admission: admission(row)?,
        input: data("input", "input_parts")?.unwrap_or_default(),
        status: status(row.try_get("status")?)?,
        output: data("output", "output_parts")?,
        error: optional_json(row, "error")?,
        journal_start: unsigned(row.try_get("journal_start")?)?,
        created_at: moment(row.try_get("created_at")?)?,
        updated_at: moment(row.try_get("updated_at")?)?,
        ended_at: row
            .try_get::<Option<i64>, _>("ended_at")?
            .map(moment)
            .transpose()?,
    })
}

fn optional_json<T: DeserializeOwned>(row: &PgRow, column: &str) -> Decoded<Option<T>> {
    row.try_get::<Option<&str>, _>(column)?.map(value).transpose()
}

fn started_with(row: &PgRow) -> Decoded<Option<WorkflowVersion>> {
    let version = optional_text(row, "started_version")?;
    let hash = optional_text(row, "started_hash")?;
    Ok(version
        .zip(hash)
        .map(|(version, hash)| WorkflowVersion { version, hash }))
}

fn labels<T: DeserializeOwned>(row: &PgRow, column: &str) -> Decoded<BTreeMap<String, T>> {
    Ok(optional_json(row, column)?.unwrap_or_default())
}

fn status(text: &str) -> Decoded<RunStatus> {
    [
        RunStatus::Running,
        RunStatus::Queued,
        RunStatus::Paused,
        RunStatus::Completed,
        RunStatus::Faulted,
        RunStatus::Cancelled,
    ]
    .into_iter()
    .find(|status| status.as_str() == text)
    .ok_or_else(|| decode_error(std::io::Error::other("the status of a run is unknown")))
}

fn journal_entry(row: &PgRow, blobs: &Blobs) -> Decoded<JournalEntry> {
    Ok(JournalEntry {
        sequence: unsigned(row.try_get("sequence")?)?,
        at: moment(row.try_get("at")?)?,
        payload: whole(row, blobs, "payload", "payload_parts")?.unwrap_or_default(),
        event_head: unsigned(row.try_get("event_head")?)?,
    })
}
