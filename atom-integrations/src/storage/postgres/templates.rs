//! Templates that owners have imported.

use async_trait::async_trait;
use atom_core::storage::{Page, PageRequest, StoredTemplate, TemplateInfo, TemplateStore};
use atom_core::{Result, Scope};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::PostgresStore;
use super::database::{Sight, Write};
use super::rows::{Decoded, limit as row_limit, moment, nanoseconds};
use super::text::stored;
use super::values::{execute, optional_text, text};
use crate::storage::refusal::WriteResult;

#[async_trait]
impl TemplateStore for PostgresStore {
    async fn put_template(&self, scope: &Scope, template: &StoredTemplate) -> Result<()> {
        let put = PutTemplate { scope, template };
        self.database.write(Sight::of(scope), put).await
    }

    async fn template(&self, scope: &Scope, name: &str) -> Result<Option<StoredTemplate>> {
        let query = "SELECT name, version, title, summary, category, imported_at, text FROM templates \
             WHERE tenant = $1 AND owner = $2 AND name = $3";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(name));
        let row = self.database.row(Sight::of(scope), query).await;
        let template = |row: PgRow| {
            Ok(StoredTemplate {
                info: info(&row)?,
                text: text(&row, 6)?,
            })
        };
        row.and_then(|row| row.map(template).transpose())
            .map_err(|error| self.database.error(error))
    }

    async fn templates(&self, scope: &Scope, page: &PageRequest) -> Result<Page<TemplateInfo>> {
        let size = page.size()?;
        // No name is empty.
        let after: String = page.cursor()?.unwrap_or_default();
        let query = "SELECT name, version, title, summary, category, imported_at FROM templates \
             WHERE tenant = $1 AND owner = $2 AND name > $3 ORDER BY name LIMIT $4";
        // One more than wanted tells whether the list goes on.
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(&after))
            .bind(row_limit(size + 1));
        let rows = self.database.rows(Sight::of(scope), query).await;
        let items = rows
            .and_then(|rows| rows.iter().map(info).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))?;
        Page::cut(items, size, TemplateInfo::cursor)
    }

    async fn delete_template(&self, scope: &Scope, name: &str) -> Result<bool> {
        let delete = DeleteTemplate { scope, name };
        self.database.write(Sight::of(scope), delete).await
    }
}

fn info(row: &PgRow) -> Decoded<TemplateInfo> {
    Ok(TemplateInfo {
        name: text(row, 0)?,
        version: text(row, 1)?,
        title: text(row, 2)?,
        summary: optional_text(row, 3)?,
        category: optional_text(row, 4)?,
        imported_at: row.try_get::<Option<i64>, _>(5)?.map(moment).transpose()?,
    })
}

struct PutTemplate<'a> {
    scope: &'a Scope,
    template: &'a StoredTemplate,
}

#[async_trait]
impl Write for PutTemplate<'_> {
    type Answer = ();

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<()> {
        let StoredTemplate { info, text } = self.template;
        let query = "INSERT INTO templates \
             (tenant, owner, name, version, title, summary, category, imported_at, text) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (tenant, owner, name) DO UPDATE SET \
             version = excluded.version, title = excluded.title, summary = excluded.summary, \
             category = excluded.category, imported_at = excluded.imported_at, text = excluded.text";
        let query = sqlx::query(query)
            .bind(stored(&self.scope.tenant))
            .bind(stored(&self.scope.user))
            .bind(stored(&info.name))
            .bind(stored(&info.version))
            .bind(stored(&info.title))
            .bind(info.summary.as_deref().map(stored))
            .bind(info.category.as_deref().map(stored))
            .bind(info.imported_at.map(nanoseconds).transpose()?)
            .bind(stored(text));
        execute(connection, query).await?;
        Ok(())
    }
}

struct DeleteTemplate<'a> {
    scope: &'a Scope,
    name: &'a str,
}

#[async_trait]
impl Write for DeleteTemplate<'_> {
    type Answer = bool;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<bool> {
        let query = "DELETE FROM templates WHERE tenant = $1 AND owner = $2 AND name = $3";
        let query = sqlx::query(query)
            .bind(stored(&self.scope.tenant))
            .bind(stored(&self.scope.user))
            .bind(stored(self.name));
        Ok(execute(connection, query).await? > 0)
    }
}
