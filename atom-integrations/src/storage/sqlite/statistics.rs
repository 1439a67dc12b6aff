//! Statistics: numbers that only ever grow by what a transaction adds.

use async_trait::async_trait;
use atom_core::storage::{
    Counted, Page, PageRequest, Resolution, Series, SeriesKey, StatisticsQuery, StatisticsStore, Tally,
    WorkflowName,
};
use atom_core::{Result, Scope};
use futures::TryStreamExt;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite};

use super::SqliteStore;
use super::WriteResult;
use super::rows::{Decoded, unsigned};
use super::script::{Argument, Rows, Script, Table};
use super::writer::Write;
use crate::storage::statistics::{Additions, SeriesList, add_row};

/// Adds what a transaction adds.
pub(super) fn write(additions: &Additions, script: &mut Script) {
    let (mut minutes, mut hours) = (Rows::default(), Rows::default());
    for (key, bucket, numbers) in additions.rows() {
        let [tenant, user, namespace, name] =
            [&key.scope.tenant, &key.scope.user, &key.namespace, &key.name].map(|text| Argument::text(text));
        let (number, bucket) = (Argument::Integer(key.number), Argument::Integer(bucket));
        let [started, completed, faulted, cancelled, retries, durations, total] =
            numbers.map(Argument::Integer);
        match key.resolution {
            Resolution::Minute => minutes.push([
                tenant, user, number, namespace, name, bucket, started, completed, faulted, cancelled,
                retries, durations, total,
            ]),
            Resolution::Hour => hours.push([
                tenant,
                user,
                Argument::Integer(i64::from(!key.task.is_empty())),
                namespace,
                name,
                number,
                Argument::text(&key.task),
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
    script.upsert(MINUTES, ADD, minutes);
    script.upsert(HOURS, ADD, hours);
}

const MINUTES: Table = Table(
    "INSERT INTO recent_statistics (tenant, user, minute, namespace, name, bucket, \
     started, completed, faulted, cancelled, retries, durations, total_us) VALUES ",
    "(?,?,?,?,?,?,?,?,?,?,?,?,?)",
);
const HOURS: Table = Table(
    "INSERT INTO statistics (tenant, user, counted, namespace, name, hour, task, version, bucket, \
     started, completed, faulted, cancelled, retries, durations, total_us) VALUES ",
    "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
);
const ADD: &str = " ON CONFLICT DO UPDATE SET started = started + excluded.started, \
     completed = completed + excluded.completed, faulted = faulted + excluded.faulted, \
     cancelled = cancelled + excluded.cancelled, retries = retries + excluded.retries, \
     durations = durations + excluded.durations, total_us = total_us + excluded.total_us";
const SUMS: &str = "bucket, sum(started), sum(completed), sum(faulted), sum(cancelled), sum(retries), \
     sum(durations), sum(total_us)";

/// Adds up what a row of [`SUMS`] has, from a column on.
fn add(tally: &mut Tally, row: &SqliteRow, column: usize) -> Decoded<()> {
    let mut numbers = [0; 7];
    for (place, number) in numbers.iter_mut().enumerate() {
        *number = unsigned(row.try_get(column + 1 + place)?)?;
    }
    add_row(tally, row.try_get(column)?, numbers)
}

#[async_trait]
impl StatisticsStore for SqliteStore {
    async fn statistics(
        &self,
        scope: &Scope,
        query: &StatisticsQuery,
        page: &PageRequest,
    ) -> Result<Page<Series>> {
        let size = page.size()?;
        let after: Option<(String, String, String, String)> = page.cursor()?;
        let mut select = select(scope, query, after);
        let read = async {
            let mut list = SeriesList::new(size);
            let mut found = select.build().fetch(&self.database.readers);
            while let Some(row) = found.try_next().await? {
                let Some(tally) = list.tally(key(&row, query)?, row.try_get(4)?) else {
                    break;
                };
                add(tally, &row, 5)?;
            }
            Ok(list.items())
        };
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
        let rows = query.build().fetch_all(&self.database.readers).await;
        let sum = |rows: Vec<SqliteRow>| {
            let mut sum = Tally::default();
            rows.iter().try_for_each(|row| add(&mut sum, row, 0))?;
            Ok(sum)
        };
        rows.and_then(sum).map_err(|error| self.database.error(error))
    }

    async fn drop_statistics(&self, resolution: Resolution, before: i64) -> Result<u64> {
        self.database.write(DropStatistics { resolution, before }).await
    }
}

/// The runs from a minute or hour on.
pub(super) fn since(
    scope: &Scope,
    workflow: Option<&WorkflowName>,
    resolution: Resolution,
    from: i64,
) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
    query.push(SUMS).push(match resolution {
        Resolution::Minute => " FROM recent_statistics WHERE minute >= ",
        Resolution::Hour => " FROM statistics WHERE counted = 0 AND hour >= ",
    });
    query
        .push_bind(from)
        .push(" AND tenant = ")
        .push_bind(scope.tenant.clone());
    query.push(" AND user = ").push_bind(scope.user.clone());
    if let Some(of) = workflow {
        query.push(" AND namespace = ").push_bind(of.namespace.clone());
        query.push(" AND name = ").push_bind(of.name.clone());
    }
    query.push(" GROUP BY bucket");
    query
}

/// The numbers of a query, in the order of a list.
pub(super) fn select(
    scope: &Scope,
    query: &StatisticsQuery,
    after: Option<(String, String, String, String)>,
) -> QueryBuilder<Sqlite> {
    let version = if query.by_version { "version" } else { "''" };
    let hours = query.hours.max(1);
    // Hours are counted from 1970; before it, division would round the other way.
    let mut select = QueryBuilder::new(format!(
        "SELECT namespace, name, {version} AS of_version, task, hour - ((hour % {hours}) + {hours}) % {hours} AS slot, {SUMS} \
         FROM statistics WHERE tenant = "
    ));
    select.push_bind(scope.tenant.clone());
    select.push(" AND user = ").push_bind(scope.user.clone());
    select
        .push(" AND counted = ")
        .push_bind(i64::from(query.counted == Counted::Tasks));
    for (column, wanted) in [
        ("namespace", &query.namespace),
        ("name", &query.name),
        ("version", &query.version),
    ] {
        if let Some(wanted) = wanted {
            select
                .push(format_args!(" AND {column} = "))
                .push_bind(wanted.clone());
        }
    }
    select.push(" AND hour >= ").push_bind(query.from);
    select.push(" AND hour < ").push_bind(query.before);
    if let Some((namespace, name, of_version, task)) = after {
        select
            .push(format_args!(" AND (namespace, name, {version}, task) > ("))
            .push_bind(namespace);
        for part in [name, of_version, task] {
            select.push(", ").push_bind(part);
        }
        select.push(")");
    }
    select.push(
        " GROUP BY namespace, name, of_version, task, slot, bucket \
         ORDER BY namespace, name, of_version, task, slot",
    );
    select
}

fn key(row: &SqliteRow, query: &StatisticsQuery) -> Decoded<SeriesKey> {
    Ok(SeriesKey {
        namespace: row.try_get(0)?,
        name: row.try_get(1)?,
        version: query.by_version.then(|| row.try_get(2)).transpose()?,
        task: (query.counted == Counted::Tasks)
            .then(|| row.try_get(3))
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

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<u64> {
        // A day at a time.
        let query = match self.resolution {
            Resolution::Minute => {
                "DELETE FROM recent_statistics \
                 WHERE minute < min(?, (SELECT min(minute) FROM recent_statistics) + 1440)"
            }
            Resolution::Hour => {
                "DELETE FROM statistics WHERE hour < min(?, (SELECT min(hour) FROM statistics) + 24)"
            }
        };
        let gone = sqlx::query(query).bind(self.before).execute(connection).await?;
        Ok(gone.rows_affected())
    }
}
