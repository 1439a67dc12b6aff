//! A vault in the database of a [`SqliteStore`].

use std::sync::Arc;

use async_trait::async_trait;
use atom_core::storage::{SecretInfo, Vault, validate_secret, validate_secret_name};
use atom_core::{Result, Scope, Secret};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteExecutor, SqliteRow};

use super::RootKey;
use super::envelope::Key;
use super::keys::{StoredSecret, WrappedKey, altered, new_key, seal, unwrap};
use crate::storage::SqliteStore;
use crate::storage::rows::{Decoded, integer, moment, nanoseconds, unsigned};
use crate::storage::sqlite::{Database, Write, WriteResult};

/// Keeps secrets encrypted in the database of a store, and works as long as the store is open.
///
/// A secret's version counts how often its name was set; it goes on when a secret was removed in between.
#[derive(Clone, Debug)]
pub struct SqliteVault {
    database: Database,
    root: Arc<RootKey>,
}

impl SqliteVault {
    /// Opens the vault with the root key from the environment variable `ATOM_ROOT_KEY` or else from the file
    /// `root.key` in the store's data directory, which is made for a vault without secrets.
    ///
    /// # Errors
    /// `invalid_data` when the key is not the one that the vault was made with or is gone, `permission_denied`
    /// when others than its owner can read the file, `invalid_request` when the key is malformed, and those of
    /// the store.
    pub async fn open(store: &SqliteStore) -> Result<Self> {
        let database = store.database();
        let has_keys = any_key(database).await?.is_some();
        let path = database.path();
        let directory = path.parent().unwrap_or(path);
        let root = RootKey::of_vault(directory, has_keys).await?;
        Self::open_with(store, root).await
    }

    /// Opens the vault with a root key that the host keeps elsewhere, e.g. in a keychain.
    ///
    /// # Errors
    /// `invalid_data` when the key is not the one that the vault was made with, and those of the store.
    pub async fn open_with(store: &SqliteStore, root: RootKey) -> Result<Self> {
        let database = store.database();
        if let Some(key) = any_key(database).await? {
            unwrap(&root, &key)?;
        }
        Ok(Self {
            database: database.clone(),
            root: Arc::new(root),
        })
    }
}

fn wrapped_key(row: &SqliteRow) -> Decoded<WrappedKey> {
    Ok(WrappedKey {
        tenant: row.try_get(0)?,
        version: unsigned(row.try_get(1)?)?,
        wrapped: row.try_get(2)?,
    })
}

async fn any_key(database: &Database) -> Result<Option<WrappedKey>> {
    let key = first_key(&database.readers).await;
    key.map_err(|error| database.error(error))
}

/// A key that the root key of the vault wraps, if there is one.
pub(crate) async fn first_key(executor: impl SqliteExecutor<'_>) -> Decoded<Option<WrappedKey>> {
    let query = sqlx::query("SELECT tenant, version, wrapped FROM tenant_keys LIMIT 1");
    let row = query.fetch_optional(executor).await?;
    row.as_ref().map(wrapped_key).transpose()
}

#[async_trait]
impl Vault for SqliteVault {
    async fn set(&self, scope: &Scope, name: &str, secret: &Secret, now: Timestamp) -> Result<SecretInfo> {
        validate_secret_name(name)?;
        validate_secret(secret)?;
        let (scope, name, secret) = (scope.clone(), name.to_owned(), secret.clone());
        self.database
            .write(SetSecret {
                root: Arc::clone(&self.root),
                scope,
                name,
                secret,
                now,
            })
            .await
    }

    async fn get(&self, scope: &Scope, name: &str) -> Result<Option<Secret>> {
        let query = "SELECT s.sealed, v.version, v.is_removed FROM secrets s JOIN secret_versions v \
             USING (tenant, user, name) WHERE s.tenant = ? AND s.user = ? AND s.name = ?";
        let query = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(name);
        let row = query.fetch_optional(&self.database.readers).await;
        let decode = |row: SqliteRow| -> Decoded<(Vec<u8>, u64, bool)> {
            Ok((row.try_get(0)?, unsigned(row.try_get(1)?)?, row.try_get(2)?))
        };
        let stored = row
            .and_then(|row| row.map(decode).transpose())
            .map_err(|error| self.database.error(error))?;
        let Some((sealed, version, is_removed)) = stored else {
            return Ok(None);
        };
        let stored = StoredSecret {
            sealed,
            version,
            is_removed,
        };
        let key_version = stored.key_version(name)?;

        let query = "SELECT tenant, version, wrapped FROM tenant_keys WHERE tenant = ? AND version = ?";
        let query = sqlx::query(query).bind(&scope.tenant).bind(key_version);
        let row = query.fetch_optional(&self.database.readers).await;
        let key = row.and_then(|row| row.as_ref().map(wrapped_key).transpose());
        let key = key
            .map_err(|error| self.database.error(error))?
            .ok_or_else(|| altered(name))?;
        stored.open(&self.root, &key, scope, name).map(Some)
    }

    async fn list(&self, scope: &Scope) -> Result<Vec<SecretInfo>> {
        let query = "SELECT name, v.version, s.updated_at FROM secrets s JOIN secret_versions v \
             USING (tenant, user, name) WHERE s.tenant = ? AND s.user = ? AND NOT v.is_removed ORDER BY name";
        let rows = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .fetch_all(&self.database.readers)
            .await;
        rows.and_then(|rows| rows.iter().map(info).collect::<Decoded<_>>())
            .map_err(|error| self.database.error(error))
    }

    async fn delete(&self, scope: &Scope, name: &str) -> Result<bool> {
        self.database
            .write(DeleteSecret {
                scope: scope.clone(),
                name: name.to_owned(),
            })
            .await
    }
}

fn info(row: &SqliteRow) -> Decoded<SecretInfo> {
    Ok(SecretInfo {
        name: row.try_get(0)?,
        version: unsigned(row.try_get(1)?)?,
        updated_at: moment(row.try_get(2)?)?,
    })
}

/// Seals and keeps a secret, within one transaction with the key and the version that it needs.
struct SetSecret {
    root: Arc<RootKey>,
    scope: Scope,
    name: String,
    secret: Secret,
    now: Timestamp,
}

#[async_trait]
impl Write for SetSecret {
    type Answer = SecretInfo;

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<SecretInfo> {
        let Self {
            root,
            scope,
            name,
            secret,
            now,
        } = self;
        let (key, key_version) = tenant_key(connection, root, &scope.tenant).await?;
        let query = "INSERT INTO secret_versions (tenant, user, name, version) VALUES (?, ?, ?, 1) \
             ON CONFLICT DO UPDATE SET version = version + 1, is_removed = 0 RETURNING version";
        let query = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(name);
        let version = unsigned(query.fetch_one(&mut *connection).await?.try_get(0)?)?;
        let sealed = seal(&key, key_version, (scope, name, version), secret)?;
        let query = "INSERT INTO secrets (tenant, user, name, sealed, updated_at) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at";
        let query = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(name);
        query
            .bind(sealed)
            .bind(nanoseconds(*now)?)
            .execute(connection)
            .await?;
        Ok(SecretInfo {
            name: name.clone(),
            version,
            updated_at: *now,
        })
    }
}

/// The newest key of a tenant, made when there is none.
async fn tenant_key(
    connection: &mut SqliteConnection,
    root: &RootKey,
    tenant: &str,
) -> WriteResult<(Key, u64)> {
    let query =
        "SELECT tenant, version, wrapped FROM tenant_keys WHERE tenant = ? ORDER BY version DESC LIMIT 1";
    let row = sqlx::query(query)
        .bind(tenant)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = row {
        let key = wrapped_key(&row)?;
        return Ok((unwrap(root, &key)?, key.version));
    }
    let (key, made) = new_key(root, tenant)?;
    let query = sqlx::query("INSERT INTO tenant_keys (tenant, version, wrapped) VALUES (?, ?, ?)");
    query
        .bind(tenant)
        .bind(integer(made.version)?)
        .bind(made.wrapped)
        .execute(connection)
        .await?;
    Ok((key, made.version))
}

struct DeleteSecret {
    scope: Scope,
    name: String,
}

#[async_trait]
impl Write for DeleteSecret {
    type Answer = bool;

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<bool> {
        let Self { scope, name } = self;
        let query = "DELETE FROM secrets WHERE tenant = ? AND user = ? AND name = ?";
        let query = sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(name);
        let has_removed = query.execute(&mut *connection).await?.rows_affected() > 0;
        let query = "UPDATE secret_versions SET is_removed = 1 WHERE tenant = ? AND user = ? AND name = ?";
        sqlx::query(query)
            .bind(&scope.tenant)
            .bind(&scope.user)
            .bind(name)
            .execute(connection)
            .await?;
        Ok(has_removed)
    }
}
