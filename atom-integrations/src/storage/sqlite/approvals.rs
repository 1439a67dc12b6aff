//! Approvals: what runs ask people.

use async_trait::async_trait;
use atom_core::storage::{
    ApprovalFilter, ApprovalRecord, ApprovalStatus, ApprovalStore, Decision, Page, PageRequest,
};
use atom_core::{ApprovalId, Principal, Result, Scope};
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteArguments;

use super::SqliteStore;
use super::rows::{Decoded, integer, json, limit as row_limit, nanoseconds};
use super::script::{Argument, Rows, Table};
use crate::storage::record;
use crate::storage::viewers::{viewers, viewers_of};

pub(super) const APPROVALS: Table = Table(
    "INSERT OR IGNORE INTO approvals (tenant, user, id, run, action, task, namespace, name, version, hash, title, message, \
     assignees, created_at, deadline, on_deadline, form, data, input) VALUES ",
    "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
);
pub(super) const VIEWERS: Table = Table(
    "INSERT OR IGNORE INTO approval_viewers (tenant, viewer, id, user) VALUES ",
    "(?,?,?,?)",
);
pub(super) const CLOSE: &str = "UPDATE approvals SET status = ?, decision = ?, closed_at = ? \
     WHERE tenant = ? AND user = ? AND id = ? AND status = 'pending';";

/// What [`record::approval`] reads, but for what can be large.
const WHOLE: &str = "SELECT form, data, input, decision, ";
/// The same for a list, which shows none of it.
const LISTED: &str = "SELECT NULL AS form, 'null' AS data, NULL AS input, \
     json_remove(decision, '$.form', '$.input') AS decision, ";
const COLUMNS: &str = "tenant, user AS owner, id, run, action, task, namespace, name, version, hash, title, message, assignees, \
     created_at, deadline, on_deadline, status, closed_at FROM approvals";

#[async_trait]
impl ApprovalStore for SqliteStore {
    async fn approval(&self, principal: &Principal, id: ApprovalId) -> Result<Option<ApprovalRecord>> {
        let viewers = viewers_of(principal, false);
        let sql = format!(
            "{WHOLE}{COLUMNS} WHERE tenant = ? AND (user, id) IN \
             (SELECT user, id FROM approval_viewers WHERE tenant = ? AND viewer IN ({}) AND id = ?)",
            places(viewers.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(principal.tenant.clone())
            .bind(principal.tenant.clone());
        for viewer in viewers {
            query = query.bind(viewer);
        }
        let records = self.approval_records(query.bind(id.as_bytes().to_vec())).await?;
        Ok(records.into_iter().next())
    }

    async fn approvals(
        &self,
        principal: &Principal,
        filter: &ApprovalFilter,
        page: &PageRequest,
    ) -> Result<Page<ApprovalRecord>> {
        let size = page.size()?;
        let after: Option<(Timestamp, ApprovalId)> = page.cursor()?;
        let viewers = viewers_of(principal, filter.is_assigned);
        let mut sql = format!(
            "{LISTED}{COLUMNS} WHERE tenant = ? AND (user, id) IN \
             (SELECT user, id FROM approval_viewers WHERE tenant = ? AND viewer IN ({}))",
            places(viewers.len())
        );
        for (condition, is_wanted) in [
            (" AND status = ?", filter.status.is_some()),
            (" AND namespace = ?", filter.namespace.is_some()),
            (" AND name = ?", filter.name.is_some()),
            (" AND run = ?", filter.run.is_some()),
            (" AND (created_at, id) < (?, ?)", after.is_some()),
        ] {
            sql.push_str(if is_wanted { condition } else { "" });
        }
        sql.push_str(" ORDER BY created_at DESC, id DESC LIMIT ?");

        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(principal.tenant.clone())
            .bind(principal.tenant.clone());
        for viewer in viewers {
            query = query.bind(viewer);
        }
        if let Some(status) = filter.status {
            query = query.bind(status.as_str());
        }
        for text in [&filter.namespace, &filter.name].into_iter().flatten() {
            query = query.bind(text.clone());
        }
        if let Some(run) = filter.run {
            query = query.bind(run.as_bytes().to_vec());
        }
        if let Some((created_at, id)) = after {
            query = query.bind(nanoseconds(created_at)?).bind(id.as_bytes().to_vec());
        }
        // One more than wanted tells whether the list goes on.
        Page::cut(
            self.approval_records(query.bind(row_limit(size + 1))).await?,
            size,
            ApprovalRecord::cursor,
        )
    }
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

impl SqliteStore {
    async fn approval_records(&self, query: Query) -> Result<Vec<ApprovalRecord>> {
        let rows = query.fetch_all(&self.database.readers).await;
        rows.and_then(|rows| rows.iter().map(record::approval).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))
    }
}

/// So many places for values of a statement.
fn places(count: usize) -> String {
    vec!["?"; count].join(",")
}

pub(super) fn approval_row(approval: &ApprovalRecord) -> Result<[Argument; 19]> {
    let moment = |moment| nanoseconds(moment).map(Argument::Integer);
    let text = |value: &serde_json::Value| json(value).map(Argument::Text);
    Ok([
        Argument::text(&approval.owner.tenant),
        Argument::text(&approval.owner.user),
        Argument::Bytes(approval.id.as_bytes().to_vec()),
        Argument::id(approval.run),
        Argument::Integer(integer(approval.action)?),
        Argument::text(&approval.task),
        Argument::text(&approval.workflow.namespace),
        Argument::text(&approval.workflow.name),
        Argument::text(&approval.workflow.version),
        Argument::text(&approval.workflow.hash),
        Argument::text(&approval.title),
        Argument::optional(approval.message.as_deref(), |text| Ok(Argument::text(text)))?,
        Argument::Text(json(&approval.assignees)?),
        moment(approval.created_at)?,
        Argument::optional(approval.deadline, moment)?,
        Argument::text(approval.on_deadline.as_str()),
        Argument::optional(approval.form.as_ref(), text)?,
        text(&approval.data)?,
        Argument::optional(approval.input.as_ref(), text)?,
    ])
}

/// A row for each who sees an approval.
pub(super) fn viewer_rows(approval: &ApprovalRecord) -> Rows {
    let owner = &approval.owner;
    let mut rows = Rows::default();
    for viewer in viewers(approval) {
        rows.push([
            Argument::text(&owner.tenant),
            Argument::Text(viewer),
            Argument::Bytes(approval.id.as_bytes().to_vec()),
            Argument::text(&owner.user),
        ]);
    }
    rows
}

pub(super) fn close_row(
    scope: &Scope,
    id: ApprovalId,
    status: ApprovalStatus,
    decision: Option<&Decision>,
    at: Timestamp,
) -> Result<[Argument; 6]> {
    Ok([
        Argument::text(status.as_str()),
        Argument::optional(decision, |decision| json(decision).map(Argument::Text))?,
        Argument::Integer(nanoseconds(at)?),
        Argument::text(&scope.tenant),
        Argument::text(&scope.user),
        Argument::Bytes(id.as_bytes().to_vec()),
    ])
}
