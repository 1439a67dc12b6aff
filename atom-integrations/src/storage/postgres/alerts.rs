//! Alert rules.

use async_trait::async_trait;
use atom_core::storage::{AlertRecord, AlertStore, MAX_ALERT_RULES, Page, PageRequest};
use atom_core::{Result, Scope};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::PostgresStore;
use super::database::{Query, Sight, Write};
use super::rows::{Decoded, integer, json, limit as row_limit, unsigned, value};
use super::text::stored;
use super::values::execute;
use crate::storage::refusal::WriteResult;

#[async_trait]
impl AlertStore for PostgresStore {
    async fn put_alert(&self, alert: &AlertRecord) -> Result<bool> {
        self.database
            .write(Sight::of(&alert.scope), PutAlert(alert))
            .await
    }

    async fn alert(&self, scope: &Scope, name: &str) -> Result<Option<AlertRecord>> {
        let query = "SELECT alert, revision FROM alerts WHERE tenant = $1 AND owner = $2 AND name = $3";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(name));
        Ok(self.alert_records(Sight::of(scope), query).await?.pop())
    }

    async fn alerts(&self, scope: &Scope, page: &PageRequest) -> Result<Page<AlertRecord>> {
        let size = page.size()?;
        // No name is empty.
        let after: String = page.cursor()?.unwrap_or_default();
        let query = "SELECT alert, revision FROM alerts WHERE tenant = $1 AND owner = $2 AND name > $3 \
             ORDER BY name LIMIT $4";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user));
        // One more than wanted tells whether the list goes on.
        let query = query.bind(stored(&after)).bind(row_limit(size + 1));
        Page::cut(
            self.alert_records(Sight::of(scope), query).await?,
            size,
            |alert| alert.rule.name.clone(),
        )
    }

    async fn delete_alert(&self, scope: &Scope, name: &str, revision: u64) -> Result<bool> {
        let delete = DeleteAlert {
            scope,
            name,
            revision,
        };
        self.database.write(Sight::of(scope), delete).await
    }

    async fn all_alerts(&self, after: Option<&(Scope, String)>, limit: usize) -> Result<Vec<AlertRecord>> {
        let query = "SELECT alert, revision FROM alerts WHERE (tenant, owner, name) > ($1, $2, $3) \
             ORDER BY tenant, owner, name LIMIT $4";
        // No tenant is empty.
        let (tenant, owner, name) = after.map_or(("", "", ""), |(scope, name)| {
            (scope.tenant.as_str(), scope.user.as_str(), name.as_str())
        });
        let query = sqlx::query(query)
            .bind(stored(tenant))
            .bind(stored(owner))
            .bind(stored(name));
        self.alert_records(Sight::All, query.bind(row_limit(limit))).await
    }
}

impl PostgresStore {
    async fn alert_records(&self, sight: Sight<'_>, query: Query<'_>) -> Result<Vec<AlertRecord>> {
        let rows = self.database.rows(sight, query).await;
        rows.and_then(|rows| rows.iter().map(record).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))
    }
}

/// The revision that counts is that of the row.
fn record(row: &PgRow) -> Decoded<AlertRecord> {
    let mut record: AlertRecord = value(row.try_get(0)?)?;
    record.revision = unsigned(row.try_get(1)?)?;
    Ok(record)
}

struct PutAlert<'a>(&'a AlertRecord);

#[async_trait]
impl Write for PutAlert<'_> {
    type Answer = bool;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<bool> {
        let Self(alert) = self;
        let AlertRecord { scope, rule, .. } = alert;
        let statement = if alert.revision == 0 {
            // Whoever makes rules for an owner at the same time waits, so that they are counted one after the other.
            let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 1))";
            let lock = sqlx::query(lock)
                .bind(stored(&scope.tenant))
                .bind(stored(&scope.user));
            lock.execute(&mut *connection).await?;
            "INSERT INTO alerts (revision, alert, tenant, owner, name) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
        } else {
            "UPDATE alerts SET revision = $1, alert = $2 \
             WHERE tenant = $3 AND owner = $4 AND name = $5 AND revision = $6"
        };
        let query = sqlx::query(statement)
            .bind(integer(alert.next_revision())?)
            .bind(json(alert)?)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(&rule.name));
        let query = if alert.revision == 0 {
            query
        } else {
            query.bind(integer(alert.revision)?)
        };
        let is_written = execute(connection, query).await? > 0;
        if is_written && alert.revision == 0 {
            let count = sqlx::query("SELECT count(*) FROM alerts WHERE tenant = $1 AND owner = $2");
            let count = count.bind(stored(&scope.tenant)).bind(stored(&scope.user));
            let count: i64 = count.fetch_one(connection).await?.try_get(0)?;
            if count > row_limit(MAX_ALERT_RULES) {
                return Err(AlertRecord::too_many().into());
            }
        }
        Ok(is_written)
    }
}

struct DeleteAlert<'a> {
    scope: &'a Scope,
    name: &'a str,
    revision: u64,
}

#[async_trait]
impl Write for DeleteAlert<'_> {
    type Answer = bool;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<bool> {
        let query = "DELETE FROM alerts WHERE tenant = $1 AND owner = $2 AND name = $3 AND revision = $4";
        let query = sqlx::query(query)
            .bind(stored(&self.scope.tenant))
            .bind(stored(&self.scope.user));
        let query = query.bind(stored(self.name)).bind(integer(self.revision)?);
        Ok(execute(connection, query).await? > 0)
    }
}
