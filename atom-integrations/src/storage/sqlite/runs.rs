//! Runs and their journals.

use async_trait::async_trait;
use atom_core::storage::{
    Committed, JournalEntry, NewRun, Page, PageRequest, ParentStep, RunCommit, RunFilter, RunRecord,
    RunStatus, RunStore, WorkflowKey,
};
use atom_core::{Principal, Result, RunId, Scope};
use jiff::Timestamp;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::SqliteStore;
use super::batch::Change;
use super::rows::{Decoded, decode_error, limit as row_limit, moment, nanoseconds, run_id, unsigned, value};

/// What [`record`] reads, but for the two columns that can be large.
const WHOLE: &str = "SELECT input, output, ";
/// The same for a list, which shows neither.
const LISTED: &str = "SELECT 'null' AS input, NULL AS output, ";
/// When a run was last written to stands in the last entry of its journal.
const COLUMNS: &str = "tenant, user, id, roles, namespace, name, version, hash, parent_run, parent_action, \
     directory, rerun_of, started_by, status, error, created_at, ended_at, \
     (SELECT at FROM journal WHERE journal.tenant = runs.tenant AND journal.user = runs.user \
      AND journal.run = runs.id ORDER BY sequence DESC LIMIT 1) AS updated_at FROM runs";

type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

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

    async fn run(&self, scope: &Scope, id: RunId) -> Result<Option<RunRecord>> {
        let sql = format!("{WHOLE}{COLUMNS} WHERE tenant = ? AND user = ? AND id = ?");
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(scope.tenant.clone())
            .bind(scope.user.clone());
        Ok(self.records(query.bind(id.as_bytes().to_vec())).await?.pop())
    }

    async fn runs(&self, scope: &Scope, filter: &RunFilter, page: &PageRequest) -> Result<Page<RunRecord>> {
        let size = page.size()?;
        let after: Option<(Timestamp, RunId)> = page.cursor()?;
        let mut sql = format!("{LISTED}{COLUMNS} WHERE tenant = ? AND user = ?");
        if let Some(status) = filter.status {
            // Spelled out and not bound: only so the planner sees that the index of running runs fits.
            sql.push_str(&format!(" AND status = '{}'", status.as_str()));
        }
        for (condition, is_wanted) in [
            (" AND namespace = ?", filter.namespace.is_some()),
            (" AND name = ?", filter.name.is_some()),
            (" AND parent_run = ?", filter.parent.is_some()),
            (" AND (created_at, id) < (?, ?)", after.is_some()),
        ] {
            sql.push_str(if is_wanted { condition } else { "" });
        }
        sql.push_str(" ORDER BY created_at DESC, id DESC LIMIT ?");

        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(scope.tenant.clone())
            .bind(scope.user.clone());
        for text in [&filter.namespace, &filter.name].into_iter().flatten() {
            query = query.bind(text.clone());
        }
        if let Some(parent) = filter.parent {
            query = query.bind(parent.as_bytes().to_vec());
        }
        if let Some((created_at, id)) = after {
            query = query.bind(nanoseconds(created_at)?).bind(id.as_bytes().to_vec());
        }
        // One more than wanted tells whether the list goes on.
        Page::cut(
            self.records(query.bind(row_limit(size + 1))).await?,
            size,
            RunRecord::cursor,
        )
    }

    async fn journal(&self, scope: &Scope, id: RunId, from: u64, limit: usize) -> Result<Vec<JournalEntry>> {
        let Ok(from) = i64::try_from(from) else {
            return Ok(Vec::new());
        };
        let query = "SELECT sequence, at, payload, event_head FROM journal \
             WHERE tenant = ? AND user = ? AND run = ? AND sequence >= ? ORDER BY sequence LIMIT ?";
        let query = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(&id.as_bytes()[..]);
        let rows = query
            .bind(from)
            .bind(row_limit(limit))
            .fetch_all(&self.database.readers)
            .await;
        rows.and_then(|rows| rows.iter().map(journal_entry).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))
    }

    async fn unfinished(&self) -> Result<Vec<RunRecord>> {
        let sql = format!("{LISTED}{COLUMNS} WHERE status = 'running' ORDER BY created_at, id");
        self.records(sqlx::query(AssertSqlSafe(sql))).await
    }
}

impl SqliteStore {
    async fn records(&self, query: Query) -> Result<Vec<RunRecord>> {
        let rows = query.fetch_all(&self.database.readers).await;
        rows.and_then(|rows| rows.iter().map(record).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))
    }
}

fn record(row: &SqliteRow) -> Decoded<RunRecord> {
    let optional_json = |column: &str| row.try_get::<Option<&str>, _>(column)?.map(value).transpose();
    let parent = match (
        row.try_get::<Option<&[u8]>, _>("parent_run")?,
        row.try_get("parent_action")?,
    ) {
        (Some(run), Some(action)) => Some(ParentStep {
            run: run_id(run)?,
            action: unsigned(action)?,
        }),
        _ => None,
    };
    Ok(RunRecord {
        id: run_id(row.try_get("id")?)?,
        principal: Principal {
            tenant: row.try_get("tenant")?,
            user: row.try_get("user")?,
            roles: value(row.try_get("roles")?)?,
        },
        workflow: WorkflowKey {
            namespace: row.try_get("namespace")?,
            name: row.try_get("name")?,
            version: row.try_get("version")?,
            hash: row.try_get("hash")?,
        },
        parent,
        directory: row.try_get::<Option<String>, _>("directory")?.map(Into::into),
        rerun_of: row
            .try_get::<Option<&[u8]>, _>("rerun_of")?
            .map(run_id)
            .transpose()?,
        trigger: row
            .try_get::<Option<&str>, _>("started_by")?
            .map(value)
            .transpose()?,
        input: value(row.try_get("input")?)?,
        status: status(row.try_get("status")?)?,
        output: optional_json("output")?,
        error: optional_json("error")?,
        created_at: moment(row.try_get("created_at")?)?,
        updated_at: moment(row.try_get("updated_at")?)?,
        ended_at: row
            .try_get::<Option<i64>, _>("ended_at")?
            .map(moment)
            .transpose()?,
    })
}

fn status(text: &str) -> Decoded<RunStatus> {
    [
        RunStatus::Running,
        RunStatus::Completed,
        RunStatus::Faulted,
        RunStatus::Cancelled,
    ]
    .into_iter()
    .find(|status| status.as_str() == text)
    .ok_or_else(|| decode_error(std::io::Error::other("the status of a run is unknown")))
}

fn journal_entry(row: &SqliteRow) -> Decoded<JournalEntry> {
    Ok(JournalEntry {
        sequence: unsigned(row.try_get(0)?)?,
        at: moment(row.try_get(1)?)?,
        payload: row.try_get(2)?,
        event_head: unsigned(row.try_get(3)?)?,
    })
}
