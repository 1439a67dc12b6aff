//! Documents and the deployments that name them.

use std::collections::HashMap;

use async_trait::async_trait;
use atom_core::storage::{
    DeployedWorkflow, Page, PageRequest, WorkflowStore, is_latest, rolled_back, select,
};
use atom_core::{Result, Scope};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::PostgresStore;
use super::database::{Sight, Write};
use super::rows::{Decoded, limit as row_limit, moment, nanoseconds};
use super::text::stored;
use super::values::{execute, optional_text, text};
use crate::storage::refusal::WriteResult;

#[async_trait]
impl WorkflowStore for PostgresStore {
    async fn put_document(&self, scope: &Scope, hash: &str, text: &str) -> Result<()> {
        let document = PutDocument { scope, hash, text };
        self.database.write(Sight::of(scope), document).await
    }

    async fn document(&self, scope: &Scope, hash: &str) -> Result<Option<String>> {
        let query = "SELECT text FROM documents WHERE tenant = $1 AND owner = $2 AND hash = $3";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(hash));
        let row = self.database.row(Sight::of(scope), query).await;
        row.and_then(|row| row.map(|row| text(&row, 0)).transpose())
            .map_err(|error| self.database.error(error))
    }

    async fn deploy(&self, scope: &Scope, workflow: &DeployedWorkflow) -> Result<DeployedWorkflow> {
        let deploy = Deploy { scope, workflow };
        self.database.write(Sight::of(scope), deploy).await
    }

    async fn find(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        version: Option<&str>,
    ) -> Result<Option<DeployedWorkflow>> {
        let version = version.filter(|version| !is_latest(Some(version)));
        let query = "SELECT namespace, name, version, hash, title, summary, deployed_at, withdrawn_at FROM workflows \
             WHERE tenant = $1 AND owner = $2 AND namespace = $3 AND name = $4 AND ($5::text IS NULL OR version = $5)";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(namespace))
            .bind(stored(name))
            .bind(version.map(stored));
        let rows = self.database.rows(Sight::of(scope), query).await;
        let found: Vec<_> = rows
            .and_then(|rows| rows.iter().map(deployed).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))?;
        Ok(select(found, version))
    }

    async fn roll_back(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        version: &str,
        at: Timestamp,
    ) -> Result<Option<Vec<DeployedWorkflow>>> {
        let roll_back = RollBack {
            scope,
            namespace,
            name,
            version,
            at,
        };
        self.database.write(Sight::of(scope), roll_back).await
    }

    async fn list(&self, scope: &Scope, page: &PageRequest) -> Result<Page<DeployedWorkflow>> {
        let size = page.size()?;
        let after: Option<(String, String, Timestamp, String)> = page.cursor()?;
        // Before the first of all is what sorts below every namespace.
        let (namespace, name, deployed_at, version) =
            after.unwrap_or_else(|| (String::new(), String::new(), Timestamp::UNIX_EPOCH, String::new()));
        let query = "SELECT namespace, name, version, hash, title, summary, deployed_at, withdrawn_at FROM workflows \
             WHERE tenant = $1 AND owner = $2 AND (namespace, name, deployed_at, version) > ($3, $4, $5, $6) \
             ORDER BY namespace, name, deployed_at, version LIMIT $7";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(&namespace))
            .bind(stored(&name))
            .bind(nanoseconds(deployed_at)?)
            .bind(stored(&version));
        // One more than wanted tells whether the list goes on.
        let query = query.bind(row_limit(size + 1));
        let rows = self.database.rows(Sight::of(scope), query).await;
        let items = rows
            .and_then(|rows| rows.iter().map(deployed).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))?;
        Page::cut(items, size, DeployedWorkflow::cursor)
    }

    async fn delete(&self, scope: &Scope, namespace: &str, name: &str, version: Option<&str>) -> Result<u64> {
        let delete = Delete {
            scope,
            namespace,
            name,
            version,
        };
        self.database.write(Sight::of(scope), delete).await
    }
}

fn deployed(row: &PgRow) -> Decoded<DeployedWorkflow> {
    Ok(DeployedWorkflow {
        namespace: text(row, 0)?,
        name: text(row, 1)?,
        version: text(row, 2)?,
        hash: text(row, 3)?,
        title: optional_text(row, 4)?,
        summary: optional_text(row, 5)?,
        deployed_at: moment(row.try_get(6)?)?,
        withdrawn_at: row.try_get::<Option<i64>, _>(7)?.map(moment).transpose()?,
    })
}

struct PutDocument<'a> {
    scope: &'a Scope,
    hash: &'a str,
    text: &'a str,
}

#[async_trait]
impl Write for PutDocument<'_> {
    type Answer = ();

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<()> {
        let query = "INSERT INTO documents (tenant, owner, hash, text) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let query = sqlx::query(query)
            .bind(stored(&self.scope.tenant))
            .bind(stored(&self.scope.user))
            .bind(stored(self.hash))
            .bind(stored(self.text));
        execute(connection, query).await?;
        Ok(())
    }
}

struct Deploy<'a> {
    scope: &'a Scope,
    workflow: &'a DeployedWorkflow,
}

#[async_trait]
impl Write for Deploy<'_> {
    type Answer = DeployedWorkflow;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<DeployedWorkflow> {
        let Self { scope, workflow } = self;
        let query = "SELECT 1 FROM documents WHERE tenant = $1 AND owner = $2 AND hash = $3";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(&workflow.hash));
        if query.fetch_optional(&mut *connection).await?.is_none() {
            return Err(workflow.without_document().into());
        }
        let query = "INSERT INTO workflows \
             (tenant, owner, namespace, name, version, hash, title, summary, deployed_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(&workflow.namespace))
            .bind(stored(&workflow.name))
            .bind(stored(&workflow.version))
            .bind(stored(&workflow.hash))
            .bind(workflow.title.as_deref().map(stored))
            .bind(workflow.summary.as_deref().map(stored))
            .bind(nanoseconds(workflow.deployed_at)?);
        if execute(connection, query).await? > 0 {
            return Ok((*workflow).clone());
        }
        // Of two that deploy at once one comes first, and the other finds it here.
        let query = "SELECT namespace, name, version, hash, title, summary, deployed_at, withdrawn_at FROM workflows \
             WHERE tenant = $1 AND owner = $2 AND namespace = $3 AND name = $4 AND version = $5 FOR UPDATE";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(&workflow.namespace))
            .bind(stored(&workflow.name))
            .bind(stored(&workflow.version));
        let first = deployed(&query.fetch_one(&mut *connection).await?)?;
        let again = first.clone().deployed_again(workflow)?;
        if again != first {
            mark(connection, scope, &again).await?;
        }
        Ok(again)
    }
}

/// Writes since when a version is withdrawn.
async fn mark(connection: &mut PgConnection, scope: &Scope, workflow: &DeployedWorkflow) -> WriteResult<()> {
    let query = "UPDATE workflows SET withdrawn_at = $1 \
         WHERE tenant = $2 AND owner = $3 AND namespace = $4 AND name = $5 AND version = $6";
    let query = sqlx::query(query)
        .bind(workflow.withdrawn_at.map(nanoseconds).transpose()?)
        .bind(stored(&scope.tenant))
        .bind(stored(&scope.user))
        .bind(stored(&workflow.namespace))
        .bind(stored(&workflow.name))
        .bind(stored(&workflow.version));
    execute(connection, query).await?;
    Ok(())
}

struct RollBack<'a> {
    scope: &'a Scope,
    namespace: &'a str,
    name: &'a str,
    version: &'a str,
    at: Timestamp,
}

#[async_trait]
impl Write for RollBack<'_> {
    type Answer = Option<Vec<DeployedWorkflow>>;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<Self::Answer> {
        let query = "SELECT namespace, name, version, hash, title, summary, deployed_at, withdrawn_at FROM workflows \
             WHERE tenant = $1 AND owner = $2 AND namespace = $3 AND name = $4 ORDER BY version FOR UPDATE";
        let query = sqlx::query(query)
            .bind(stored(&self.scope.tenant))
            .bind(stored(&self.scope.user))
            .bind(stored(self.namespace))
            .bind(stored(self.name));
        let rows = query.fetch_all(&mut *connection).await?;
        let versions = rows.iter().map(deployed).collect::<Decoded<Vec<_>>>()?;
        let before: HashMap<_, _> = versions
            .iter()
            .map(|workflow| (workflow.version.clone(), workflow.withdrawn_at))
            .collect();
        let Some(versions) = rolled_back(versions, self.version, self.at) else {
            return Ok(None);
        };
        for workflow in &versions {
            if before.get(&workflow.version) != Some(&workflow.withdrawn_at) {
                mark(connection, self.scope, workflow).await?;
            }
        }
        Ok(Some(versions))
    }
}

struct Delete<'a> {
    scope: &'a Scope,
    namespace: &'a str,
    name: &'a str,
    version: Option<&'a str>,
}

#[async_trait]
impl Write for Delete<'_> {
    type Answer = u64;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<u64> {
        let query = "DELETE FROM workflows WHERE tenant = $1 AND owner = $2 AND namespace = $3 AND name = $4 \
             AND ($5::text IS NULL OR version = $5)";
        let query = sqlx::query(query)
            .bind(stored(&self.scope.tenant))
            .bind(stored(&self.scope.user))
            .bind(stored(self.namespace))
            .bind(stored(self.name))
            .bind(self.version.map(stored));
        Ok(execute(connection, query).await?)
    }
}
