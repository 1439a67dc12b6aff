//! Approvals: what runs ask people.

use async_trait::async_trait;
use atom_core::storage::{
    ApprovalFilter, ApprovalRecord, ApprovalStatus, ApprovalStore, Decision, Page, PageRequest,
};
use atom_core::{ApprovalId, Principal, Result, Scope};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::{Postgres, QueryBuilder};

use super::PostgresStore;
use super::database::{Query, Sight};
use super::rows::{Decoded, integer, json, limit as row_limit, nanoseconds};
use super::script::{Argument, Columns, Kind, Rows};
use super::text::stored;
use super::values::{uuid_of_approval, uuid_of_run};
use crate::storage::record;
use crate::storage::viewers::{viewers, viewers_of};

pub(super) const APPROVALS: Columns = &[
    ("tenant", Kind::Text),
    ("owner", Kind::Text),
    ("id", Kind::Id),
    ("run", Kind::Id),
    ("action", Kind::Integer),
    ("task", Kind::Text),
    ("namespace", Kind::Text),
    ("name", Kind::Text),
    ("version", Kind::Text),
    ("hash", Kind::Text),
    ("title", Kind::Text),
    ("message", Kind::Text),
    ("assignees", Kind::Text),
    ("created_at", Kind::Integer),
    ("deadline", Kind::Integer),
    ("on_deadline", Kind::Text),
    ("form", Kind::Text),
    ("data", Kind::Text),
    ("input", Kind::Text),
];
pub(super) const VIEWERS: Columns = &[
    ("tenant", Kind::Text),
    ("viewer", Kind::Text),
    ("id", Kind::Id),
    ("owner", Kind::Text),
];
pub(super) const CLOSES: Columns = &[
    ("tenant", Kind::Text),
    ("owner", Kind::Text),
    ("id", Kind::Id),
    ("status", Kind::Text),
    ("decision", Kind::Text),
    ("whole_decision", Kind::Text),
    ("closed_at", Kind::Integer),
];

/// The longest name of a viewer that stands in an index as it is, in bytes.
const LONGEST_VIEWER: usize = 512;

/// What [`record::approval`] reads, but for what can be large.
const WHOLE: &str = "SELECT form, data, input, whole_decision AS decision, ";
/// The same for a list, which shows none of it.
const LISTED: &str = "SELECT NULL::text AS form, 'null' AS data, NULL::text AS input, decision, ";
const COLUMNS: &str = "tenant, owner, id, run, action, task, namespace, name, version, hash, title, message, assignees, \
     created_at, deadline, on_deadline, status, closed_at FROM approvals";

#[async_trait]
impl ApprovalStore for PostgresStore {
    async fn approval(&self, principal: &Principal, id: ApprovalId) -> Result<Option<ApprovalRecord>> {
        let sql = format!(
            "{WHOLE}{COLUMNS} WHERE tenant = $1 AND id = $2 AND (owner, id) IN \
             (SELECT owner, id FROM approval_viewers WHERE tenant = $1 AND viewer = ANY($3) AND id = $2)"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(stored(&principal.tenant))
            .bind(uuid_of_approval(id))
            .bind(viewer_names(viewers_of(principal, false)));
        let records = self.approval_records(principal, query).await?;
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
        let viewers = viewer_names(viewers_of(principal, filter.is_assigned));
        let tenant = stored(&principal.tenant).into_owned();
        let mut query = QueryBuilder::<Postgres>::new(format!("{LISTED}{COLUMNS} WHERE tenant = "));
        query.push_bind(tenant.clone());
        query.push(" AND (owner, id) IN (SELECT owner, id FROM approval_viewers WHERE tenant = ");
        query
            .push_bind(tenant)
            .push(" AND viewer = ANY(")
            .push_bind(viewers)
            .push("))");
        if let Some(status) = filter.status {
            query.push(" AND status = ").push_bind(status.as_str());
        }
        for (condition, text) in [
            (" AND namespace = ", &filter.namespace),
            (" AND name = ", &filter.name),
        ] {
            if let Some(text) = text {
                query.push(condition).push_bind(stored(text).into_owned());
            }
        }
        if let Some(run) = filter.run {
            query.push(" AND run = ").push_bind(uuid_of_run(run));
        }
        if let Some((created_at, id)) = after {
            query
                .push(" AND (created_at, id) < (")
                .push_bind(nanoseconds(created_at)?);
            query.push(", ").push_bind(uuid_of_approval(id)).push(")");
        }
        // One more than wanted tells whether the list goes on.
        query
            .push(" ORDER BY created_at DESC, id DESC LIMIT ")
            .push_bind(row_limit(size + 1));
        Page::cut(
            self.approval_records(principal, query.build()).await?,
            size,
            ApprovalRecord::cursor,
        )
    }
}

impl PostgresStore {
    async fn approval_records(&self, principal: &Principal, query: Query<'_>) -> Result<Vec<ApprovalRecord>> {
        let rows = self.database.rows(Sight::Tenant(&principal.tenant), query).await;
        rows.and_then(|rows| rows.iter().map(record::approval).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))
    }
}

/// The names of viewers as they stand in rows.
pub(super) fn viewer_names(viewers: impl IntoIterator<Item = String>) -> Vec<String> {
    let names = viewers.into_iter().map(|viewer| {
        if viewer.len() <= LONGEST_VIEWER {
            return stored(&viewer).into_owned();
        }
        let hash = Sha256::digest(&viewer);
        std::iter::once("#".to_owned())
            .chain(hash.iter().map(|byte| format!("{byte:02x}")))
            .collect()
    });
    names.collect()
}

pub(super) fn approval_row(approval: &ApprovalRecord) -> Result<[Argument; 19]> {
    let moment = |moment| nanoseconds(moment).map(Argument::Integer);
    let text = |value: &serde_json::Value| json(value).map(Argument::Text);
    Ok([
        Argument::text(&approval.owner.tenant),
        Argument::text(&approval.owner.user),
        Argument::approval(approval.id),
        Argument::run(approval.run),
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
    let mut rows = Rows::new(VIEWERS);
    for viewer in viewer_names(viewers(approval)) {
        rows.push([
            Argument::text(&owner.tenant),
            Argument::Text(viewer),
            Argument::approval(approval.id),
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
) -> Result<[Argument; 7]> {
    let listed = decision.map(|decision| Decision {
        form: None,
        input: None,
        ..decision.clone()
    });
    let text = |decision: &Decision| json(decision).map(Argument::Text);
    Ok([
        Argument::text(&scope.tenant),
        Argument::text(&scope.user),
        Argument::approval(id),
        Argument::text(status.as_str()),
        Argument::optional(listed.as_ref(), text)?,
        Argument::optional(decision, text)?,
        Argument::Integer(nanoseconds(at)?),
    ])
}
