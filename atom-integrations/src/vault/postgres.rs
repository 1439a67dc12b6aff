//! A vault in the database of a [`PostgresStore`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atom_core::storage::{SecretInfo, Vault, validate_secret, validate_secret_name};
use atom_core::{ErrorCode, Result, Scope, Secret};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::RootKey;
use super::envelope::Key;
use super::keys::{NOBODY, StoredSecret, WrappedKey, altered, new_key, seal, unwrap};
use crate::storage::PostgresStore;
use crate::storage::postgres::{Database, Sight, Write, execute, stored, text};
use crate::storage::refusal::WriteResult;
use crate::storage::rows::{Decoded, integer, moment, nanoseconds, unsigned};

/// Keeps secrets encrypted in the database of a store, and works as long as the store is open.
///
/// A secret's version counts how often its name was set; it goes on when a secret was removed in between.
#[derive(Clone, Debug)]
pub struct PostgresVault {
    database: Database,
    root: Arc<RootKey>,
}

impl PostgresVault {
    /// Opens the vault with the root key from the environment variable `ATOM_ROOT_KEY` or else from the file `root.key` in a
    /// directory, which is made, with the directory, for a database whose vault was never opened. From then on every engine that
    /// uses the database needs the same key, so engines on several machines take it from the variable, or are given the file.
    ///
    /// # Errors
    /// `invalid_data` when the key is not the one that the vault was made with or is gone, `permission_denied` when others
    /// than its owner can read the file, `invalid_request` when the key is malformed, and those of the store.
    pub async fn open(store: &PostgresStore, directory: &Path) -> Result<Self> {
        let has_keys = any_key(store.database()).await?.is_some();
        let root = RootKey::of_vault(directory, has_keys).await?;
        Self::open_with(store, root).await
    }

    /// Opens the vault with a root key that the host keeps elsewhere, e.g. in a keychain. The first one to open it binds it to
    /// its key.
    ///
    /// # Errors
    /// `invalid_data` when the key is not the one that the vault was made with, and those of the store.
    pub async fn open_with(store: &PostgresStore, root: RootKey) -> Result<Self> {
        let database = store.database();
        match any_key(database).await? {
            Some(key) => drop(unwrap(&root, &key)?),
            // Otherwise an engine with another key would find out only when it needs a secret of this one.
            None => bind(database, &root).await?,
        }
        Ok(Self {
            database: database.clone(),
            root: Arc::new(root),
        })
    }
}

const FIRST_KEY: &str = "SELECT tenant, version, wrapped FROM tenant_keys ORDER BY tenant, version LIMIT 1";

/// How often it is tried to bind a vault while the lease of this engine is lost, which a new one follows, and the pause between.
const BINDING: (u32, Duration) = (20, Duration::from_millis(250));

async fn bind(database: &Database, root: &RootKey) -> Result<()> {
    for _ in 1..BINDING.0 {
        match database.write(Sight::All, Bind { root }).await {
            Err(error) if error.code() == ErrorCode::Conflict => tokio::time::sleep(BINDING.1).await,
            bound => return bound,
        }
    }
    database.write(Sight::All, Bind { root }).await
}

async fn any_key(database: &Database) -> Result<Option<WrappedKey>> {
    key(database, Sight::All, sqlx::query(FIRST_KEY)).await
}

/// A key that the root key of the vault wraps, if there is one. The connection sees all tenants.
pub(crate) async fn first_key(connection: &mut PgConnection) -> Decoded<Option<WrappedKey>> {
    let row = sqlx::query(FIRST_KEY).fetch_optional(connection).await?;
    row.as_ref().map(wrapped_key).transpose()
}

async fn key(
    database: &Database,
    sight: Sight<'_>,
    query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
) -> Result<Option<WrappedKey>> {
    let row = database.row(sight, query).await;
    row.and_then(|row| row.as_ref().map(wrapped_key).transpose())
        .map_err(|error| database.error(error))
}

fn wrapped_key(row: &PgRow) -> Decoded<WrappedKey> {
    Ok(WrappedKey {
        tenant: text(row, 0)?,
        version: unsigned(row.try_get(1)?)?,
        wrapped: row.try_get(2)?,
    })
}

#[async_trait]
impl Vault for PostgresVault {
    async fn set(&self, scope: &Scope, name: &str, secret: &Secret, now: Timestamp) -> Result<SecretInfo> {
        validate_secret_name(name)?;
        validate_secret(secret)?;
        let set = SetSecret {
            root: &self.root,
            scope,
            name,
            secret,
            now,
        };
        self.database.write(Sight::of(scope), set).await
    }

    async fn get(&self, scope: &Scope, name: &str) -> Result<Option<Secret>> {
        let query = "SELECT s.sealed, v.version, v.is_removed FROM secrets s JOIN secret_versions v \
             USING (tenant, owner, name) WHERE s.tenant = $1 AND s.owner = $2 AND s.name = $3";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(name));
        let row = self.database.row(Sight::of(scope), query).await;
        let decode = |row: PgRow| -> Decoded<StoredSecret> {
            Ok(StoredSecret {
                sealed: row.try_get(0)?,
                version: unsigned(row.try_get(1)?)?,
                is_removed: row.try_get(2)?,
            })
        };
        let secret = row
            .and_then(|row| row.map(decode).transpose())
            .map_err(|error| self.database.error(error))?;
        let Some(secret) = secret else {
            return Ok(None);
        };
        let key_version = secret.key_version(name)?;
        let query = "SELECT tenant, version, wrapped FROM tenant_keys WHERE tenant = $1 AND version = $2";
        let query = sqlx::query(query).bind(stored(&scope.tenant)).bind(key_version);
        let key = key(&self.database, Sight::of(scope), query).await?;
        let key = key.ok_or_else(|| altered(name))?;
        secret.open(&self.root, &key, scope, name).map(Some)
    }

    async fn list(&self, scope: &Scope) -> Result<Vec<SecretInfo>> {
        let query = "SELECT name, v.version, s.updated_at FROM secrets s JOIN secret_versions v \
             USING (tenant, owner, name) WHERE s.tenant = $1 AND s.owner = $2 AND NOT v.is_removed ORDER BY name";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user));
        let rows = self.database.rows(Sight::of(scope), query).await;
        rows.and_then(|rows| rows.iter().map(info).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))
    }

    async fn delete(&self, scope: &Scope, name: &str) -> Result<bool> {
        let delete = DeleteSecret { scope, name };
        self.database.write(Sight::of(scope), delete).await
    }
}

fn info(row: &PgRow) -> Decoded<SecretInfo> {
    Ok(SecretInfo {
        name: text(row, 0)?,
        version: unsigned(row.try_get(1)?)?,
        updated_at: moment(row.try_get(2)?)?,
    })
}

/// Has a vault open with one root key only.
struct Bind<'a> {
    root: &'a RootKey,
}

#[async_trait]
impl Write for Bind<'_> {
    type Answer = ();

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<()> {
        tenant_key(connection, self.root, NOBODY).await.map(drop)
    }
}

/// Seals and keeps a secret, within one transaction with the key and the version that it needs.
struct SetSecret<'a> {
    root: &'a RootKey,
    scope: &'a Scope,
    name: &'a str,
    secret: &'a Secret,
    now: Timestamp,
}

#[async_trait]
impl Write for SetSecret<'_> {
    type Answer = SecretInfo;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<SecretInfo> {
        let Self {
            root,
            scope,
            name,
            secret,
            now,
        } = *self;
        let (key, key_version) = tenant_key(connection, root, &scope.tenant).await?;
        let query = "INSERT INTO secret_versions (tenant, owner, name, version) VALUES ($1, $2, $3, 1) \
             ON CONFLICT (tenant, owner, name) DO UPDATE SET version = secret_versions.version + 1, is_removed = false \
             RETURNING version";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(name));
        let version = unsigned(query.fetch_one(&mut *connection).await?.try_get(0)?)?;
        let sealed = seal(&key, key_version, (scope, name, version), secret)?;
        let query = "INSERT INTO secrets (tenant, owner, name, sealed, updated_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (tenant, owner, name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at";
        let query = sqlx::query(query)
            .bind(stored(&scope.tenant))
            .bind(stored(&scope.user))
            .bind(stored(name))
            .bind(sealed)
            .bind(nanoseconds(now)?);
        execute(connection, query).await?;
        Ok(SecretInfo {
            name: name.to_owned(),
            version,
            updated_at: now,
        })
    }
}

/// The newest key of a tenant, made when there is none.
async fn tenant_key(connection: &mut PgConnection, root: &RootKey, tenant: &str) -> WriteResult<(Key, u64)> {
    if let Some(known) = newest_key(connection, tenant).await? {
        return Ok((unwrap(root, &known)?, known.version));
    }
    let (key, made) = new_key(root, tenant)?;
    let query =
        "INSERT INTO tenant_keys (tenant, version, wrapped) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let query = sqlx::query(query)
        .bind(stored(tenant))
        .bind(integer(made.version)?)
        .bind(made.wrapped);
    if execute(&mut *connection, query).await? > 0 {
        return Ok((key, made.version));
    }
    // Another engine was faster: its key counts.
    let known = newest_key(connection, tenant)
        .await?
        .ok_or(sqlx::Error::RowNotFound)?;
    Ok((unwrap(root, &known)?, known.version))
}

async fn newest_key(connection: &mut PgConnection, tenant: &str) -> WriteResult<Option<WrappedKey>> {
    let query =
        "SELECT tenant, version, wrapped FROM tenant_keys WHERE tenant = $1 ORDER BY version DESC LIMIT 1";
    let row = sqlx::query(query)
        .bind(stored(tenant))
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().map(wrapped_key).transpose()?)
}

struct DeleteSecret<'a> {
    scope: &'a Scope,
    name: &'a str,
}

#[async_trait]
impl Write for DeleteSecret<'_> {
    type Answer = bool;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<bool> {
        let Self { scope, name } = *self;
        let versions =
            "UPDATE secret_versions SET is_removed = true WHERE tenant = $1 AND owner = $2 AND name = $3";
        let secrets = "DELETE FROM secrets WHERE tenant = $1 AND owner = $2 AND name = $3";
        let mut removed = 0;
        // In the order in which setting it locks them.
        for statement in [versions, secrets] {
            let query = sqlx::query(statement)
                .bind(stored(&scope.tenant))
                .bind(stored(&scope.user))
                .bind(stored(name));
            removed = execute(&mut *connection, query).await?;
        }
        Ok(removed > 0)
    }
}
