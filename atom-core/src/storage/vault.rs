//! Secrets of the users, for expressions (`$secrets`) and connectors.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, Scope, Secret};

/// What may be shown of a secret: everything but its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretInfo {
    /// The name.
    pub name: String,
    /// How many times it was set.
    pub version: u64,
    /// When it was last set.
    #[schemars(with = "String")]
    pub updated_at: Timestamp,
}

/// Keeps secrets.
#[async_trait]
pub trait Vault: Send + Sync + std::fmt::Debug {
    /// Keeps a secret under a name, replacing an earlier one.
    ///
    /// # Errors
    /// `invalid_request` for a bad name or a text over 64 KiB, `storage_full`, `storage_failed`.
    async fn set(&self, scope: &Scope, name: &str, secret: &Secret, now: Timestamp) -> Result<SecretInfo>;

    /// The secret of a name.
    ///
    /// # Errors
    /// `storage_failed`; `invalid_data` when the stored record was altered or its key is gone.
    async fn get(&self, scope: &Scope, name: &str) -> Result<Option<Secret>>;

    /// What secrets there are, sorted by name.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn list(&self, scope: &Scope) -> Result<Vec<SecretInfo>>;

    /// Removes a secret and tells whether there was one.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn delete(&self, scope: &Scope, name: &str) -> Result<bool>;
}

/// Checks a secret's name: 1 to 128 letters, digits, `_`, `-` and `.`, starting with a letter.
///
/// # Errors
/// `invalid_request`.
pub fn validate_secret_name(name: &str) -> Result<()> {
    let is_valid = name.len() <= 128
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if is_valid {
        return Ok(());
    }
    Err(Error::invalid_request(
        "a secret's name must be 1 to 128 letters, digits, '_', '-' and '.', starting with a letter",
    ))
}

/// The largest secret, in bytes.
const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Checks a secret's size: at most 64 KiB.
///
/// # Errors
/// `invalid_request`.
pub fn validate_secret(secret: &Secret) -> Result<()> {
    if secret.expose().len() <= MAX_SECRET_BYTES {
        return Ok(());
    }
    Err(Error::invalid_request("a secret must be at most 64 KiB"))
}

/// A vault that forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryVault {
    secrets: Mutex<BTreeMap<(Scope, String), (Secret, SecretInfo)>>,
}

impl MemoryVault {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Scope, String), (Secret, SecretInfo)>> {
        self.secrets
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Vault for MemoryVault {
    async fn set(&self, scope: &Scope, name: &str, secret: &Secret, now: Timestamp) -> Result<SecretInfo> {
        validate_secret_name(name)?;
        validate_secret(secret)?;
        let key = (scope.clone(), name.to_owned());
        let mut secrets = self.lock();
        let version = secrets.get(&key).map_or(1, |(_, info)| info.version + 1);
        let info = SecretInfo {
            name: name.to_owned(),
            version,
            updated_at: now,
        };
        secrets.insert(key, (secret.clone(), info.clone()));
        Ok(info)
    }

    async fn get(&self, scope: &Scope, name: &str) -> Result<Option<Secret>> {
        let key = (scope.clone(), name.to_owned());
        Ok(self.lock().get(&key).map(|(secret, _)| secret.clone()))
    }

    async fn list(&self, scope: &Scope) -> Result<Vec<SecretInfo>> {
        let secrets = self.lock();
        Ok(secrets
            .iter()
            .filter(|((owner, _), _)| owner == scope)
            .map(|(_, (_, info))| info.clone())
            .collect())
    }

    async fn delete(&self, scope: &Scope, name: &str) -> Result<bool> {
        Ok(self.lock().remove(&(scope.clone(), name.to_owned())).is_some())
    }
}
