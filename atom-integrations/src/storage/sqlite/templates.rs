//! Templates that owners have imported.

use async_trait::async_trait;
use atom_core::storage::{Page, PageRequest, StoredTemplate, TemplateInfo, TemplateStore};
use atom_core::{Result, Scope};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::SqliteStore;
use super::WriteResult;
use super::rows::{Decoded, limit as row_limit, moment, nanoseconds};
use super::writer::Write;

#[async_trait]
impl TemplateStore for SqliteStore {
    async fn put_template(&self, scope: &Scope, template: &StoredTemplate) -> Result<()> {
        self.database
            .write(PutTemplate {
                scope: scope.clone(),
                template: template.clone(),
            })
            .await
    }

    async fn template(&self, scope: &Scope, name: &str) -> Result<Option<StoredTemplate>> {
        let query = "SELECT name, version, title, summary, category, imported_at, text FROM templates \
             WHERE tenant = ? AND user = ? AND name = ?";
        let query = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(name);
        let row = query.fetch_optional(&self.database.readers).await;
        let stored = |row: SqliteRow| {
            Ok(StoredTemplate {
                info: info(&row)?,
                text: row.try_get(6)?,
            })
        };
        row.and_then(|row| row.map(stored).transpose())
            .map_err(|error| self.database.error(error))
    }

    async fn templates(&self, scope: &Scope, page: &PageRequest) -> Result<Page<TemplateInfo>> {
        let size = page.size()?;
        let after: Option<String> = page.cursor()?;
        let query = "SELECT name, version, title, summary, category, imported_at FROM templates \
             WHERE tenant = ? AND user = ? AND name > ? ORDER BY name LIMIT ?";
        let query = sqlx::query(query).bind(&scope.tenant).bind(&scope.user);
        // No name is empty. One more than wanted tells whether the list goes on.
        let rows = query
            .bind(after.unwrap_or_default())
            .bind(row_limit(size + 1))
            .fetch_all(&self.database.readers)
            .await;
        let items = rows
            .and_then(|rows| rows.iter().map(info).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))?;
        Page::cut(items, size, TemplateInfo::cursor)
    }

    async fn delete_template(&self, scope: &Scope, name: &str) -> Result<bool> {
        self.database
            .write(DeleteTemplate {
                scope: scope.clone(),
                name: name.to_owned(),
            })
            .await
    }
}

fn info(row: &SqliteRow) -> Decoded<TemplateInfo> {
    Ok(TemplateInfo {
        name: row.try_get(0)?,
        version: row.try_get(1)?,
        title: row.try_get(2)?,
        summary: row.try_get(3)?,
        category: row.try_get(4)?,
        imported_at: row.try_get::<Option<i64>, _>(5)?.map(moment).transpose()?,
    })
}

struct PutTemplate {
    scope: Scope,
    template: StoredTemplate,
}

#[async_trait]
impl Write for PutTemplate {
    type Answer = ();

    fn bytes(&self) -> usize {
        self.template.text.len()
    }

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<()> {
        let info = &self.template.info;
        let query = "INSERT OR REPLACE INTO templates \
             (tenant, user, name, version, title, summary, category, imported_at, text) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let query = sqlx::query(query)
            .bind(&self.scope.tenant)
            .bind(&self.scope.user)
            .bind(&info.name)
            .bind(&info.version);
        let query = query.bind(&info.title).bind(&info.summary).bind(&info.category);
        query
            .bind(info.imported_at.map(nanoseconds).transpose()?)
            .bind(&self.template.text)
            .execute(connection)
            .await?;
        Ok(())
    }
}

struct DeleteTemplate {
    scope: Scope,
    name: String,
}

#[async_trait]
impl Write for DeleteTemplate {
    type Answer = bool;

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<bool> {
        let query = "DELETE FROM templates WHERE tenant = ? AND user = ? AND name = ?";
        let query = sqlx::query(query).bind(&self.scope.tenant).bind(&self.scope.user);
        Ok(query.bind(&self.name).execute(connection).await?.rows_affected() > 0)
    }
}
