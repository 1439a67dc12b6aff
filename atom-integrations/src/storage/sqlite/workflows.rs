//! Documents and the deployments that name them.

use std::collections::HashMap;

use async_trait::async_trait;
use atom_core::storage::{
    DeployedWorkflow, Page, PageRequest, WorkflowStore, is_latest, rolled_back, select,
};
use atom_core::{Result, Scope};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::SqliteStore;
use super::WriteResult;
use super::rows::{Decoded, limit as row_limit, moment, nanoseconds};
use super::writer::Write;

#[async_trait]
impl WorkflowStore for SqliteStore {
    async fn put_document(&self, scope: &Scope, hash: &str, text: &str) -> Result<()> {
        let document = PutDocument {
            scope: scope.clone(),
            hash: hash.to_owned(),
            text: text.to_owned(),
        };
        self.database.write(document).await
    }

    async fn document(&self, scope: &Scope, hash: &str) -> Result<Option<String>> {
        let query = "SELECT text FROM documents WHERE tenant = ? AND user = ? AND hash = ?";
        let query = sqlx::query_scalar(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(hash);
        query
            .fetch_optional(&self.database.readers)
            .await
            .map_err(|error| self.database.error(error))
    }

    async fn deploy(&self, scope: &Scope, workflow: &DeployedWorkflow) -> Result<DeployedWorkflow> {
        self.database
            .write(Deploy {
                scope: scope.clone(),
                workflow: workflow.clone(),
            })
            .await
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
             WHERE tenant = ? AND user = ? AND namespace = ? AND name = ? AND (? IS NULL OR version = ?)";
        let query = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(namespace)
            .bind(name);
        let rows = query
            .bind(version)
            .bind(version)
            .fetch_all(&self.database.readers)
            .await;
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
        self.database
            .write(RollBack {
                scope: scope.clone(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                version: version.to_owned(),
                at,
            })
            .await
    }

    async fn list(&self, scope: &Scope, page: &PageRequest) -> Result<Page<DeployedWorkflow>> {
        let size = page.size()?;
        let after: Option<(String, String, Timestamp, String)> = page.cursor()?;
        // Before the first of all is what sorts below every namespace.
        let (namespace, name, deployed_at, version) =
            after.unwrap_or_else(|| (String::new(), String::new(), Timestamp::UNIX_EPOCH, String::new()));
        let query = "SELECT namespace, name, version, hash, title, summary, deployed_at, withdrawn_at FROM workflows \
             WHERE tenant = ? AND user = ? AND (namespace, name, deployed_at, version) > (?, ?, ?, ?) \
             ORDER BY namespace, name, deployed_at, version LIMIT ?";
        let query = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(namespace)
            .bind(name);
        let query = query.bind(nanoseconds(deployed_at)?).bind(version);
        // One more than wanted tells whether the list goes on.
        let rows = query
            .bind(row_limit(size + 1))
            .fetch_all(&self.database.readers)
            .await;
        let items = rows
            .and_then(|rows| rows.iter().map(deployed).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))?;
        Page::cut(items, size, DeployedWorkflow::cursor)
    }

    async fn delete(&self, scope: &Scope, namespace: &str, name: &str, version: Option<&str>) -> Result<u64> {
        self.database
            .write(Delete {
                scope: scope.clone(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                version: version.map(str::to_owned),
            })
            .await
    }
}

fn deployed(row: &SqliteRow) -> Decoded<DeployedWorkflow> {
    Ok(DeployedWorkflow {
        namespace: row.try_get(0)?,
        name: row.try_get(1)?,
        version: row.try_get(2)?,
        hash: row.try_get(3)?,
        title: row.try_get(4)?,
        summary: row.try_get(5)?,
        deployed_at: moment(row.try_get(6)?)?,
        withdrawn_at: row.try_get::<Option<i64>, _>(7)?.map(moment).transpose()?,
    })
}

struct PutDocument {
    scope: Scope,
    hash: String,
    text: String,
}

#[async_trait]
impl Write for PutDocument {
    type Answer = ();

    fn bytes(&self) -> usize {
        self.text.len()
    }

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<()> {
        let query =
            "INSERT INTO documents (tenant, user, hash, text) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let query = sqlx::query(query).bind(&self.scope.tenant).bind(&self.scope.user);
        query
            .bind(&self.hash)
            .bind(&self.text)
            .execute(connection)
            .await?;
        Ok(())
    }
}

struct Deploy {
    scope: Scope,
    workflow: DeployedWorkflow,
}

#[async_trait]
impl Write for Deploy {
    type Answer = DeployedWorkflow;

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<DeployedWorkflow> {
        let Self { scope, workflow } = self;
        let query = "SELECT 1 FROM documents WHERE tenant = ? AND user = ? AND hash = ?";
        let query = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(&workflow.hash);
        if query.fetch_optional(&mut *connection).await?.is_none() {
            return Err(workflow.without_document().into());
        }
        let query = "SELECT namespace, name, version, hash, title, summary, deployed_at, withdrawn_at FROM workflows \
             WHERE tenant = ? AND user = ? AND namespace = ? AND name = ? AND version = ?";
        let query = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(&workflow.namespace);
        let first = query
            .bind(&workflow.name)
            .bind(&workflow.version)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(first) = first {
            let first = deployed(&first)?;
            let again = first.clone().deployed_again(workflow)?;
            if again != first {
                mark(connection, scope, &again).await?;
            }
            return Ok(again);
        }
        let query = "INSERT INTO workflows (tenant, user, namespace, name, version, hash, title, summary, deployed_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let query = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(&workflow.namespace);
        let query = query
            .bind(&workflow.name)
            .bind(&workflow.version)
            .bind(&workflow.hash);
        let query = query
            .bind(&workflow.title)
            .bind(&workflow.summary)
            .bind(nanoseconds(workflow.deployed_at)?);
        query.execute(connection).await?;
        Ok(workflow.clone())
    }
}

/// Writes since when a version is withdrawn.
async fn mark(
    connection: &mut SqliteConnection,
    scope: &Scope,
    workflow: &DeployedWorkflow,
) -> WriteResult<()> {
    let query = "UPDATE workflows SET withdrawn_at = ? \
         WHERE tenant = ? AND user = ? AND namespace = ? AND name = ? AND version = ?";
    let withdrawn_at = workflow.withdrawn_at.map(nanoseconds).transpose()?;
    let query = sqlx::query(query)
        .bind(withdrawn_at)
        .bind(&scope.tenant)
        .bind(&scope.user);
    let query = query
        .bind(&workflow.namespace)
        .bind(&workflow.name)
        .bind(&workflow.version);
    query.execute(connection).await?;
    Ok(())
}

struct RollBack {
    scope: Scope,
    namespace: String,
    name: String,
    version: String,
    at: Timestamp,
}

#[async_trait]
impl Write for RollBack {
    type Answer = Option<Vec<DeployedWorkflow>>;

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<Self::Answer> {
        let query = "SELECT namespace, name, version, hash, title, summary, deployed_at, withdrawn_at FROM workflows \
             WHERE tenant = ? AND user = ? AND namespace = ? AND name = ?";
        let query = sqlx::query(query)
            .bind(&self.scope.tenant)
            .bind(&self.scope.user)
            .bind(&self.namespace);
        let rows = query.bind(&self.name).fetch_all(&mut *connection).await?;
        let versions = rows.iter().map(deployed).collect::<Decoded<Vec<_>>>()?;
        let before: HashMap<_, _> = versions
            .iter()
            .map(|workflow| (workflow.version.clone(), workflow.withdrawn_at))
            .collect();
        let Some(versions) = rolled_back(versions, &self.version, self.at) else {
            return Ok(None);
        };
        for workflow in &versions {
            if before.get(&workflow.version) != Some(&workflow.withdrawn_at) {
                mark(connection, &self.scope, workflow).await?;
            }
        }
        Ok(Some(versions))
    }
}

struct Delete {
    scope: Scope,
    namespace: String,
    name: String,
    version: Option<String>,
}

#[async_trait]
impl Write for Delete {
    type Answer = u64;

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<u64> {
        let query = "DELETE FROM workflows WHERE tenant = ? AND user = ? AND namespace = ? AND name = ? \
             AND (? IS NULL OR version = ?)";
        let query = sqlx::query(query)
            .bind(&self.scope.tenant)
            .bind(&self.scope.user)
            .bind(&self.namespace);
        let query = query.bind(&self.name).bind(&self.version).bind(&self.version);
        Ok(query.execute(connection).await?.rows_affected())
    }
}
