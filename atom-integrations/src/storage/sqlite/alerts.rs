//! Alert rules.

use async_trait::async_trait;
use atom_core::storage::{AlertRecord, AlertStore, MAX_ALERT_RULES, Page, PageRequest};
use atom_core::{Result, Scope};
use sqlx::Row;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};

use super::SqliteStore;
use super::WriteResult;
use super::rows::{Decoded, integer, json, limit as row_limit, unsigned, value};
use super::writer::Write;

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

#[async_trait]
impl AlertStore for SqliteStore {
    async fn put_alert(&self, alert: &AlertRecord) -> Result<bool> {
        self.database.write(PutAlert(alert.clone())).await
    }

    async fn alert(&self, scope: &Scope, name: &str) -> Result<Option<AlertRecord>> {
        let query = "SELECT alert, revision FROM alerts WHERE tenant = ? AND user = ? AND name = ?";
        let query = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(name);
        Ok(self.alert_records(query).await?.pop())
    }

    async fn alerts(&self, scope: &Scope, page: &PageRequest) -> Result<Page<AlertRecord>> {
        let size = page.size()?;
        let after: Option<String> = page.cursor()?;
        let query = "SELECT alert, revision FROM alerts WHERE tenant = ? AND user = ? AND name > ? \
             ORDER BY name LIMIT ?";
        let query = sqlx::query(query).bind(&scope.tenant).bind(&scope.user);
        // No name is empty. One more than wanted tells whether the list goes on.
        let query = query.bind(after.unwrap_or_default()).bind(row_limit(size + 1));
        Page::cut(self.alert_records(query).await?, size, |alert| {
            alert.rule.name.clone()
        })
    }

    async fn delete_alert(&self, scope: &Scope, name: &str, revision: u64) -> Result<bool> {
        let delete = DeleteAlert {
            scope: scope.clone(),
            name: name.to_owned(),
            revision,
        };
        self.database.write(delete).await
    }

    async fn all_alerts(&self, after: Option<&(Scope, String)>, limit: usize) -> Result<Vec<AlertRecord>> {
        let query = "SELECT alert, revision FROM alerts WHERE (tenant, user, name) > (?, ?, ?) \
             ORDER BY tenant, user, name LIMIT ?";
        // No tenant is empty.
        let (tenant, user, name) = after.map_or(("", "", ""), |(scope, name)| {
            (scope.tenant.as_str(), scope.user.as_str(), name.as_str())
        });
        let query = sqlx::query(query).bind(tenant).bind(user).bind(name);
        self.alert_records(query.bind(row_limit(limit))).await
    }
}

impl SqliteStore {
    async fn alert_records(&self, query: Query<'_>) -> Result<Vec<AlertRecord>> {
        let rows = query.fetch_all(&self.database.readers).await;
        rows.and_then(|rows| rows.iter().map(record).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))
    }
}

/// The revision that counts is that of the row.
fn record(row: &SqliteRow) -> Decoded<AlertRecord> {
    let mut record: AlertRecord = value(row.try_get(0)?)?;
    record.revision = unsigned(row.try_get(1)?)?;
    Ok(record)
}

struct PutAlert(AlertRecord);

#[async_trait]
impl Write for PutAlert {
    type Answer = bool;

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<bool> {
        let Self(alert) = self;
        let AlertRecord { scope, rule, .. } = alert;
        let statement = if alert.revision == 0 {
            "INSERT INTO alerts (revision, alert, tenant, user, name) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        } else {
            "UPDATE alerts SET revision = ?, alert = ? \
             WHERE tenant = ? AND user = ? AND name = ? AND revision = ?"
        };
        let query = sqlx::query(statement)
            .bind(integer(alert.next_revision())?)
            .bind(json(alert)?);
        let query = query.bind(&scope.tenant).bind(&scope.user).bind(&rule.name);
        let query = if alert.revision == 0 {
            query
        } else {
            query.bind(integer(alert.revision)?)
        };
        let is_written = query.execute(&mut *connection).await?.rows_affected() > 0;
        if is_written && alert.revision == 0 {
            let count = sqlx::query("SELECT count(*) FROM alerts WHERE tenant = ? AND user = ?");
            let count = count.bind(&scope.tenant).bind(&scope.user);
            let count: i64 = count.fetch_one(connection).await?.try_get(0)?;
            if count > row_limit(MAX_ALERT_RULES) {
                return Err(AlertRecord::too_many().into());
            }
        }
        Ok(is_written)
    }
}

struct DeleteAlert {
    scope: Scope,
    name: String,
    revision: u64,
}

#[async_trait]
impl Write for DeleteAlert {
    type Answer = bool;

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<bool> {
        let query = "DELETE FROM alerts WHERE tenant = ? AND user = ? AND name = ? AND revision = ?";
        let query = sqlx::query(query).bind(&self.scope.tenant).bind(&self.scope.user);
        let query = query.bind(&self.name).bind(integer(self.revision)?);
        Ok(query.execute(connection).await?.rows_affected() > 0)
    }
}
