//! Which runs a list shows, as SQL.

use atom_core::storage::{RunFilter, RunStatus};
use atom_core::{Result, RunId, Scope};
use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite};

use super::admission::IS_QUEUED;
use super::rows::nanoseconds;
use crate::storage::labels::label_values;

/// The runs of a scope that pass a filter, the newest first, after a place in the list.
///
/// A list with labels is read from the rows of the first of them, which are in the order of the list; any other from
/// the index of runs that fits best.
pub(super) fn query(
    columns: &str,
    scope: &Scope,
    filter: &RunFilter,
    after: Option<(Timestamp, RunId)>,
) -> Result<QueryBuilder<Sqlite>> {
    let mut labels = label_values(&filter.labels)?.into_iter();
    let mut query = QueryBuilder::new(columns);
    let list = match labels.next() {
        None => {
            query.push(" FROM runs WHERE");
            Source("runs", "id")
        }
        Some((kind, name, value)) => {
            // A cross join is carried out in the order in which it is written.
            query.push(
                " FROM run_labels AS label CROSS JOIN runs ON runs.tenant = label.tenant \
                 AND runs.user = label.user AND runs.id = label.run WHERE label.kind = ",
            );
            query
                .push_bind(kind)
                .push(" AND label.name = ")
                .push_bind(name.clone());
            query.push(" AND label.value = ").push_bind(value).push(" AND");
            Source("label", "run")
        }
    };
    let Source(table, id) = list;
    query
        .push(format_args!(" {table}.tenant = "))
        .push_bind(scope.tenant.clone());
    query
        .push(format_args!(" AND {table}.user = "))
        .push_bind(scope.user.clone());
    query.push(" AND is_removed = 0");
    for (kind, name, value) in labels {
        query.push(
            " AND EXISTS (SELECT 1 FROM run_labels AS other WHERE other.tenant = runs.tenant \
             AND other.user = runs.user AND other.created_at = runs.created_at AND other.run = runs.id \
             AND other.kind = ",
        );
        query
            .push_bind(kind)
            .push(" AND other.name = ")
            .push_bind(name.clone());
        query.push(" AND other.value = ").push_bind(value).push(")");
    }
    push_states(&mut query, filter);
    for (column, wanted) in [
        ("namespace", &filter.namespace),
        ("runs.name", &filter.name),
        ("version", &filter.version),
    ] {
        if let Some(wanted) = wanted {
            query
                .push(format_args!(" AND {column} = "))
                .push_bind(wanted.clone());
        }
    }
    if let Some(parent) = filter.parent {
        query
            .push(" AND parent_run = ")
            .push_bind(parent.as_bytes().to_vec());
    }
    if let Some(error_type) = &filter.error_type {
        query
            .push(" AND json_extract(error, '$.type') = ")
            .push_bind(error_type.clone());
    }
    let age = format!("{table}.created_at");
    for (column, operator, limit) in [
        (age.as_str(), ">=", filter.created.from),
        (age.as_str(), "<", filter.created.before),
        ("ended_at", ">=", filter.ended.from),
        ("ended_at", "<", filter.ended.before),
    ] {
        if let Some(limit) = limit {
            query
                .push(format_args!(" AND {column} {operator} "))
                .push_bind(nanoseconds(limit)?);
        }
    }
    if let Some((created_at, run)) = after {
        query
            .push(format_args!(" AND ({age}, {table}.{id}) < ("))
            .push_bind(nanoseconds(created_at)?);
        query.push(", ").push_bind(run.as_bytes().to_vec()).push(")");
    }
    query.push(format_args!(" ORDER BY {age} DESC, {table}.{id} DESC"));
    Ok(query)
}

/// The table that a list is read from, and its column with the run's id.
struct Source(&'static str, &'static str);

/// States are spelled out and not bound: only so the planner sees that an index of some states fits.
fn push_states(query: &mut QueryBuilder<Sqlite>, filter: &RunFilter) {
    use RunStatus::{Faulted, Paused, Queued, Running};

    if filter.error_type.is_some() {
        query.push(" AND status = 'faulted'");
    }
    let mut statuses = filter.statuses.clone();
    if statuses.is_empty() {
        return;
    }
    if statuses
        .iter()
        .all(|status| matches!(status, Running | Queued | Paused))
    {
        query.push(" AND status = 'running'");
    } else if statuses.iter().all(|status| *status == Faulted) {
        statuses.clear();
        query.push(" AND status = 'faulted'");
    }
    for (number, status) in statuses.iter().enumerate() {
        query.push(if number == 0 { " AND (" } else { " OR " });
        match status {
            Running => query.push(format_args!(
                "status = 'running' AND NOT is_paused AND NOT {IS_QUEUED}"
            )),
            Queued => query.push(format_args!(
                "status = 'running' AND NOT is_paused AND {IS_QUEUED}"
            )),
            Paused => query.push("status = 'running' AND is_paused"),
            ended => query.push(format_args!("status = '{}'", ended.as_str())),
        };
    }
    query.push(if statuses.is_empty() { "" } else { ")" });
}
