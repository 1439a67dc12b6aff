//! Schedules.

use async_trait::async_trait;
use atom_core::storage::{Page, PageRequest, ScheduleRecord, ScheduleStore};
use atom_core::{Offset, Result, Scope};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::SqliteStore;
use super::WriteResult;
use super::rows::{Decoded, integer, json, limit as row_limit, nanoseconds, unsigned, value};
use super::writer::Write;

type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

#[async_trait]
impl ScheduleStore for SqliteStore {
    async fn put_schedule(&self, schedule: &ScheduleRecord) -> Result<bool> {
        self.database.write(PutSchedule(schedule.clone())).await
    }

    async fn schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<Option<ScheduleRecord>> {
        let query = select("WHERE tenant = ? AND user = ? AND namespace = ? AND name = ?")
            .bind(scope.tenant.clone())
            .bind(scope.user.clone());
        let query = query.bind(namespace.to_owned()).bind(name.to_owned());
        Ok(self.schedule_records(query).await?.pop())
    }

    async fn schedules(&self, scope: &Scope, page: &PageRequest) -> Result<Page<ScheduleRecord>> {
        let size = page.size()?;
        let after: Option<(String, String)> = page.cursor()?;
        // Before the first of all is what sorts below every namespace.
        let (namespace, name) = after.unwrap_or_default();
        let query = select(
            "WHERE tenant = ? AND user = ? AND (namespace, name) > (?, ?) ORDER BY namespace, name LIMIT ?",
        );
        let query = query.bind(scope.tenant.clone()).bind(scope.user.clone());
        // One more than wanted tells whether the list goes on.
        let query = query.bind(namespace).bind(name).bind(row_limit(size + 1));
        Page::cut(self.schedule_records(query).await?, size, ScheduleRecord::cursor)
    }

    async fn delete_schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<bool> {
        let delete = DeleteSchedule {
            scope: scope.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.database.write(delete).await
    }

    async fn earliest_schedules(&self, limit: usize) -> Result<Vec<ScheduleRecord>> {
        let query = select("WHERE wakes_at IS NOT NULL ORDER BY wakes_at LIMIT ?");
        self.schedule_records(query.bind(row_limit(limit))).await
    }

    async fn listening_schedules(&self, after: Option<Offset>) -> Result<Vec<ScheduleRecord>> {
        let query = match after {
            None => select("WHERE listens_after IS NOT NULL"),
            // The owners of the new events come first: they are few.
            Some(after) => {
                let query = select(
                    r#"JOIN (SELECT tenant AS of_tenant, user AS of_user, max("offset") AS last FROM events
                     WHERE "offset" > ? GROUP BY tenant, user)
                     ON tenant = of_tenant AND user = of_user AND last > listens_after WHERE listens_after IS NOT NULL"#,
                );
                query.bind(integer(after)?)
            }
        };
        self.schedule_records(query).await
    }

    async fn awaiting_schedules(&self) -> Result<Vec<ScheduleRecord>> {
        self.schedule_records(select("WHERE awaits IS NOT NULL")).await
    }
}

/// Reads schedules; the revision that counts is that of the row.
fn select(rest: impl std::fmt::Display) -> Query {
    sqlx::query(AssertSqlSafe(format!(
        "SELECT schedule, revision FROM schedules {rest}"
    )))
}

impl SqliteStore {
    async fn schedule_records(&self, query: Query) -> Result<Vec<ScheduleRecord>> {
        let rows = query.fetch_all(&self.database.readers).await;
        rows.and_then(|rows| rows.iter().map(record).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))
    }
}

fn record(row: &SqliteRow) -> Decoded<ScheduleRecord> {
    let mut record: ScheduleRecord = value(row.try_get(0)?)?;
    record.revision = unsigned(row.try_get(1)?)?;
    Ok(record)
}

struct PutSchedule(ScheduleRecord);

#[async_trait]
impl Write for PutSchedule {
    type Answer = bool;

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<bool> {
        let Self(schedule) = self;
        let (namespace, name) = schedule.cursor();
        let scope = schedule.principal.scope();
        let statement = if schedule.revision == 0 {
            "INSERT INTO schedules (revision, wakes_at, listens_after, awaits, schedule, tenant, user, namespace, name) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        } else {
            "UPDATE schedules SET revision = ?, wakes_at = ?, listens_after = ?, awaits = ?, schedule = ? \
             WHERE tenant = ? AND user = ? AND namespace = ? AND name = ? AND revision = ?"
        };
        let query = sqlx::query(statement)
            .bind(integer(schedule.next_revision())?)
            .bind(schedule.wakes_at().map(nanoseconds).transpose()?)
            .bind(schedule.listens_after().map(integer).transpose()?)
            .bind(schedule.awaits().map(|run| run.as_bytes().to_vec()))
            .bind(json(schedule)?);
        let query = query
            .bind(scope.tenant)
            .bind(scope.user)
            .bind(namespace)
            .bind(name);
        let query = if schedule.revision == 0 {
            query
        } else {
            query.bind(integer(schedule.revision)?)
        };
        Ok(query.execute(connection).await?.rows_affected() > 0)
    }
}

struct DeleteSchedule {
    scope: Scope,
    namespace: String,
    name: String,
}

#[async_trait]
impl Write for DeleteSchedule {
    type Answer = bool;

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<bool> {
        let query = "DELETE FROM schedules WHERE tenant = ? AND user = ? AND namespace = ? AND name = ?";
        let query = sqlx::query(query).bind(&self.scope.tenant).bind(&self.scope.user);
        let query = query.bind(&self.namespace).bind(&self.name);
        Ok(query.execute(connection).await?.rows_affected() > 0)
    }
}
