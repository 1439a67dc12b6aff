//! Statistics: numbers that only ever grow by what a transaction adds.

use async_trait::async_trait;
use atom_core::storage::{
    Counted, Page, PageRequest, Resolution, SeriesKey, StatisticsQuery, StatisticsStore, Tally, WorkflowName,
};
use atom_core::{Result, Scope};
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Postgres, QueryBuilder, Row};

use super::PostgresStore;
use super::database::{Sight, Write, within};
use super::rows::{Decoded, unsigned};
use super::script::{Argument, Columns, Kind, Rows, Script};
use super::text::stored;
use super::values::{execute, text};
use crate::storage::refusal::WriteResult;
use crate::storage::statistics::{Additions, SeriesList, add_row};

const MINUTES: Columns = &[
    ("tenant", Kind::Text),
    ("owner", Kind::Text),
    ("minute", Kind::Integer),
    ("namespace", Kind::Text),
    ("name", Kind::Text),
    ("bucket", Kind::Integer),
    ("started", Kind::Integer),
    ("completed", Kind::Integer),
    ("faulted", Kind::Integer),
    ("cancelled", Kind::Integer),
    ("retries", Kind::Integer),
    ("durations", Kind::Integer),
    ("total_us", Kind::Integer),
];
const HOURS: Columns = &[
    ("tenant", Kind::Text),
    ("owner", Kind::Text),
    ("is_of_tasks", Kind::Boolean),
    ("namespace", Kind::Text),
    ("name", Kind::Text),
    ("hour", Kind::Integer),
    ("task", Kind::Text),
    ("task_key", Kind::Bytes),
    ("version", Kind::Text),
    ("bucket", Kind::Integer),
    ("started", Kind::Integer),
    ("completed", Kind::Integer),
    ("faulted", Kind::Integer),
    ("cancelled", Kind::Integer),
    ("retries", Kind::Integer),
    ("durations", Kind::Integer),
    ("total_us", Kind::Integer),
];
const SUMS: &str = "bucket, sum(started)::bigint, sum(completed)::bigint, sum(faulted)::bigint, \
     sum(cancelled)::bigint, sum(retries)::bigint, sum(durations)::bigint, sum(total_us)::bigint";

/// What becomes of rows of a table, with this key, that are there already.
fn adding(table: &str, key: &str) -> String {
    let sums = [
        "started",
        "completed",
        "faulted",
        "cancelled",
        "retries",
        "durations",
        "total_us",
    ]
    .map(|column| format!("{column} = {table}.{column} + excluded.{column}"));
    format!("ON CONFLICT ({key}) DO UPDATE SET {}", sums.join(", "))
}

/// Adds what a transaction adds.
pub(super) fn write(additions: &Additions, script: &mut Script) -> Decoded<()> {
    let (mut minutes, mut hours) = (Rows::new(MINUTES), Rows::new(HOURS));
    for (key, bucket, numbers) in additions.rows() {
        let [tenant, owner, namespace, name] =
            [&key.scope.tenant, &key.scope.user, &key.namespace, &key.name].map(|text| Argument::text(text));
        let (number, bucket) = (Argument::Integer(key.number), Argument::Integer(bucket));
        let [started, completed, faulted, cancelled, retries, durations, total] =
            numbers.map(Argument::Integer);
        match key.resolution {
            Resolution::Minute => minutes.push([
                tenant, owner, number, namespace, name, bucket, started, completed, faulted, cancelled,
                retries, durations, total,
            ]),
            Resolution::Hour => hours.push([
                tenant,
                owner,
                Argument::Boolean(!key.task.is_empty()),
                namespace,
                name,
                number,
                Argument::text(&key.task),
                Argument::Bytes(Sha256::digest(&key.task).to_vec()),
                Argument::text(&key.version),
                bucket,
                started,
                completed,
                faulted,
                cancelled,
                retries,
                durations,
                total,
            ]),
        }
    }
    let of_minutes = "tenant, owner, minute, namespace, name, bucket";
    let of_hours = "tenant, owner, is_of_tasks, namespace, name, hour, task_key, version, bucket";
    script.insert(
        "recent_statistics",
        minutes,
        &adding("recent_statistics", of_minutes),
    )?;
    script.insert("statistics", hours, &adding("statistics", of_hours))
}

/// Adds up what a row of [`SUMS`] has, from a column on.
fn add(tally: &mut Tally, row: &PgRow, column: usize) -> Decoded<()> {
    let mut numbers = [0; 7];
    for (place, number) in numbers.iter_mut().enumerate() {
        *number = unsigned(row.try_get(column + 1 + place)?)?;
    }
    add_row(tally, row.try_get(column)?, numbers)
}

#[async_trait]
impl StatisticsStore for PostgresStore {
    async fn statistics(
        &self,
        scope: &Scope,
        query: &StatisticsQuery,
        page: &PageRequest,
    ) -> Result<Page<atom_core::storage::Series>> {
        let size = page.size()?;
        let after: Option<(String, String, String, String)> = page.cursor()?;
        let mut select = select(scope, query, after);
        let read = within(self.database.patience(), async {
            let mut list = SeriesList::new(size);
            let mut reader = self.database.read(Sight::of(scope)).await?;
            let mut found = select.build().fetch(&mut *reader);
            while let Some(row) = found.try_next().await? {
                let Some(tally) = list.tally(key(&row, query)?, row.try_get(4)?) else {
                    break;
                };
                add(tally, &row, 5)?;
            }
            Ok(list.items())
        });
        let items = read.await.map_err(|error| self.database.error(error))?;
        Page::cut(items, size, |series| series.key.cursor())
    }

    async fn runs_since(
        &self,
        scope: &Scope,
        workflow: Option<&WorkflowName>,
        resolution: Resolution,
        from: i64,
    ) -> Result<Tally> {
        let mut query = since(scope, workflow, resolution, from);
        let rows = self.database.rows(Sight::of(scope), query.build()).await;
        let sum = |rows: Vec<PgRow>| {
            let mut sum = Tally::default();
            rows.iter().try_for_each(|row| add(&mut sum, row, 0))?;
            Ok(sum)
        };
        rows.and_then(sum).map_err(|error| self.database.error(error))
    }

    async fn drop_statistics(&self, resolution: Resolution, before: i64) -> Result<u64> {
        let drop = DropStatistics { resolution, before };
        self.database.write(Sight::All, drop).await
    }
}

/// The runs from a minute or hour on.
pub(super) fn since(
    scope: &Scope,
    workflow: Option<&WorkflowName>,
    resolution: Resolution,
    from: i64,
) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT ");
    query.push(SUMS).push(match resolution {
        Resolution::Minute => " FROM recent_statistics WHERE minute >= ",
        Resolution::Hour => " FROM statistics WHERE NOT is_of_tasks AND hour >= ",
    });
    query
        .push_bind(from)
        .push(" AND tenant = ")
        .push_bind(stored(&scope.tenant).into_owned());
    query
        .push(" AND owner = ")
        .push_bind(stored(&scope.user).into_owned());
    if let Some(of) = workflow {
        query
            .push(" AND namespace = ")
            .push_bind(stored(&of.namespace).into_owned());
        query
            .push(" AND name = ")
            .push_bind(stored(&of.name).into_owned());
    }
    query.push(" GROUP BY bucket");
    query
}

/// The numbers of a query, in the order of a list.
pub(super) fn select(
    scope: &Scope,
    query: &StatisticsQuery,
    after: Option<(String, String, String, String)>,
) -> QueryBuilder<Postgres> {
    let version = if query.by_version { "version" } else { "''" };
    let hours = query.hours.max(1);
    // Hours are counted from 1970; before it, division would round the other way.
    let mut select = QueryBuilder::new(format!(
        "SELECT namespace, name, {version} COLLATE \"C\" AS of_version, task, \
         hour - ((hour % {hours}) + {hours}) % {hours} AS slot, {SUMS} FROM statistics WHERE tenant = "
    ));
    select.push_bind(stored(&scope.tenant).into_owned());
    select
        .push(" AND owner = ")
        .push_bind(stored(&scope.user).into_owned());
    select.push(match query.counted {
        Counted::Runs => " AND NOT is_of_tasks",
        Counted::Tasks => " AND is_of_tasks",
    });
    for (column, wanted) in [
        ("namespace", &query.namespace),
        ("name", &query.name),
        ("version", &query.version),
    ] {
        if let Some(wanted) = wanted {
            select
                .push(format_args!(" AND {column} = "))
                .push_bind(stored(wanted).into_owned());
        }
    }
    select.push(" AND hour >= ").push_bind(query.from);
    select.push(" AND hour < ").push_bind(query.before);
    if let Some((namespace, name, of_version, task)) = after {
        select
            .push(format_args!(
                " AND (namespace, name, {version} COLLATE \"C\", task) > ("
            ))
            .push_bind(stored(&namespace).into_owned());
        for part in [name, of_version, task] {
            select.push(", ").push_bind(stored(&part).into_owned());
        }
        select.push(")");
    }
    select.push(
        " GROUP BY namespace, name, of_version, task, slot, bucket \
         ORDER BY namespace, name, of_version, task, slot",
    );
    select
}

fn key(row: &PgRow, query: &StatisticsQuery) -> Decoded<SeriesKey> {
    Ok(SeriesKey {
        namespace: text(row, 0)?,
        name: text(row, 1)?,
        version: query.by_version.then(|| text(row, 2)).transpose()?,
        task: (query.counted == Counted::Tasks)
            .then(|| text(row, 3))
            .transpose()?,
    })
}

struct DropStatistics {
    resolution: Resolution,
    before: i64,
}

#[async_trait]
impl Write for DropStatistics {
    type Answer = u64;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<u64> {
        // A day at a time.
        let query = match self.resolution {
            Resolution::Minute => {
                "DELETE FROM recent_statistics \
                 WHERE minute < least($1, (SELECT min(minute) FROM recent_statistics) + 1440)"
            }
            Resolution::Hour => {
                "DELETE FROM statistics WHERE hour < least($1, (SELECT min(hour) FROM statistics) + 24)"
            }
        };
        Ok(execute(connection, sqlx::query(query).bind(self.before)).await?)
    }
}
