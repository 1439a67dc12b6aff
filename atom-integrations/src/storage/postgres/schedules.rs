//! Schedules.

use async_trait::async_trait;
use atom_core::storage::{Page, PageRequest, ScheduleRecord, ScheduleStore};
use atom_core::{Offset, Result, Scope};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};

use super::PostgresStore;
use super::database::{Query, Sight, Write};
use super::rows::{Decoded, integer, json, limit as row_limit, nanoseconds, unsigned, value};
use super::text::stored;
use super::values::{execute, uuid_of_run};
use crate::storage::refusal::WriteResult;

#[async_trait]
impl ScheduleStore for PostgresStore {
    async fn put_schedule(&self, schedule: &ScheduleRecord) -> Result<bool> {
        let put = PutSchedule(schedule);
        self.database
            .write(Sight::Tenant(&schedule.principal.tenant), put)
            .await
    }

    async fn schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<Option<ScheduleRecord>> {
        let query = select("WHERE tenant = $1 AND owner = $2 AND namespace = $3 AND name = $4")
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(namespace))
            .bind(stored(name));
        Ok(self.schedule_records(Sight::of(scope), query).await?.pop())
    }

    async fn schedules(&self, scope: &Scope, page: &PageRequest) -> Result<Page<ScheduleRecord>> {
        let size = page.size()?;
        // Before the first of all is what sorts below every namespace.
        let (namespace, name): (String, String) = page.cursor()?.unwrap_or_default();
        let query = select(
            "WHERE tenant = $1 AND owner = $2 AND (namespace, name) > ($3, $4) ORDER BY namespace, name LIMIT $5",
        );
        let query = query.bind(stored(&scope.tenant)).bind(stored(&scope.user));
        // One more than wanted tells whether the list goes on.
        let query = query
            .bind(stored(&namespace))
            .bind(stored(&name))
            .bind(row_limit(size + 1));
        let records = self.schedule_records(Sight::of(scope), query).await?;
        Page::cut(records, size, ScheduleRecord::cursor)
    }

    async fn delete_schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<bool> {
        let delete = DeleteSchedule {
            scope,
            namespace,
            name,
        };
        self.database.write(Sight::of(scope), delete).await
    }

    async fn earliest_schedules(&self, limit: usize) -> Result<Vec<ScheduleRecord>> {
        let query = select("WHERE wakes_at IS NOT NULL ORDER BY wakes_at LIMIT $1");
        self.schedule_records(Sight::All, query.bind(row_limit(limit)))
            .await
    }

    async fn listening_schedules(&self, after: Option<Offset>) -> Result<Vec<ScheduleRecord>> {
        let query = match after {
            None => select("WHERE listens_after IS NOT NULL"),
            // The owners of the new events come first: they are few.
            Some(after) => {
                let query = select(
                    r#"JOIN (SELECT tenant AS of_tenant, owner AS of_owner, max("offset") AS last FROM events
                     WHERE "offset" > $1 GROUP BY tenant, owner) AS latest
                     ON tenant = of_tenant AND owner = of_owner AND last > listens_after WHERE listens_after IS NOT NULL"#,
                );
                query.bind(integer(after)?)
            }
        };
        self.schedule_records(Sight::All, query).await
    }

    async fn awaiting_schedules(&self) -> Result<Vec<ScheduleRecord>> {
        self.schedule_records(Sight::All, select("WHERE awaits IS NOT NULL"))
            .await
    }
}

/// Reads schedules; the revision that counts is that of the row.
fn select<'q>(rest: &str) -> Query<'q> {
    sqlx::query(AssertSqlSafe(format!(
        "SELECT schedule, revision FROM schedules {rest}"
    )))
}

impl PostgresStore {
    async fn schedule_records(&self, sight: Sight<'_>, query: Query<'_>) -> Result<Vec<ScheduleRecord>> {
        let rows = self.database.rows(sight, query).await;
        rows.and_then(|rows| rows.iter().map(record).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))
    }
}

fn record(row: &PgRow) -> Decoded<ScheduleRecord> {
    let mut record: ScheduleRecord = value(row.try_get(0)?)?;
    record.revision = unsigned(row.try_get(1)?)?;
    Ok(record)
}

struct PutSchedule<'a>(&'a ScheduleRecord);

#[async_trait]
impl Write for PutSchedule<'_> {
    type Answer = bool;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<bool> {
        let Self(schedule) = self;
        let workflow = &schedule.workflow;
        let scope = schedule.principal.scope();
        let statement = if schedule.revision == 0 {
            "INSERT INTO schedules (revision, wakes_at, listens_after, awaits, schedule, tenant, owner, namespace, name) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING"
        } else {
            "UPDATE schedules SET revision = $1, wakes_at = $2, listens_after = $3, awaits = $4, schedule = $5 \
             WHERE tenant = $6 AND owner = $7 AND namespace = $8 AND name = $9 AND revision = $10"
        };
        let query = sqlx::query(statement)
            .bind(integer(schedule.next_revision())?)
            .bind(schedule.wakes_at().map(nanoseconds).transpose()?)
            .bind(schedule.listens_after().map(integer).transpose()?)
            .bind(schedule.awaits().map(uuid_of_run))
            .bind(json(schedule)?)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(&workflow.namespace))
            .bind(stored(&workflow.name));
        let query = if schedule.revision == 0 {
            query
        } else {
            query.bind(integer(schedule.revision)?)
        };
        Ok(execute(connection, query).await? > 0)
    }
}

struct DeleteSchedule<'a> {
    scope: &'a Scope,
    namespace: &'a str,
    name: &'a str,
}

#[async_trait]
impl Write for DeleteSchedule<'_> {
    type Answer = bool;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<bool> {
        let query = "DELETE FROM schedules WHERE tenant = $1 AND owner = $2 AND namespace = $3 AND name = $4";
        let query = sqlx::query(query)
            .bind(stored(&self.scope.tenant))
            .bind(stored(&self.scope.user))
            .bind(stored(self.namespace))
            .bind(stored(self.name));
        Ok(execute(connection, query).await? > 0)
    }
}
