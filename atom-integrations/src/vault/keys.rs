//! Keys and secrets as they stand in a database, whichever it is.

use std::path::Path;

use atom_core::{Error, ErrorCode, Result, Scope, Secret};

use super::envelope::{self, Identity, Key};
use super::{ROOT_KEY, RootKey};

/// The version that a root key has in what it wraps.
const ROOT_VERSION: u64 = 0;

/// The tenant whose key binds a vault without secrets to its root key. Nobody is this tenant, and its key seals nothing.
pub(super) const NOBODY: &str = "";

/// A tenant's key as stored.
pub(crate) struct WrappedKey {
    pub(super) tenant: String,
    pub(super) version: u64,
    pub(super) wrapped: Vec<u8>,
}

/// A secret as stored.
pub(super) struct StoredSecret {
    pub(super) sealed: Vec<u8>,
    pub(super) version: u64,
    pub(super) is_removed: bool,
}

impl StoredSecret {
    /// The version of the tenant's key that seals it.
    pub(super) fn key_version(&self, name: &str) -> Result<i64> {
        let version = envelope::key_version(&self.sealed).filter(|_| !self.is_removed);
        version
            .and_then(|version| i64::try_from(version).ok())
            .ok_or_else(|| altered(name))
    }

    /// The secret itself.
    pub(super) fn open(&self, root: &RootKey, key: &WrappedKey, scope: &Scope, name: &str) -> Result<Secret> {
        let key = unwrap(root, key)?;
        let version = self.version;
        let text = envelope::open(&key, Identity::Secret { scope, name, version }, &self.sealed)?;
        let text = text.ok_or_else(|| altered(name))?;
        Ok(Secret::new(
            std::str::from_utf8(&text).map_err(|_| altered(name))?,
        ))
    }
}

/// Seals a secret with the key of its tenant: the secret of an owner, a name and a version.
pub(super) fn seal(
    key: &Key,
    key_version: u64,
    (scope, name, version): (&Scope, &str, u64),
    secret: &Secret,
) -> Result<Vec<u8>> {
    let identity = Identity::Secret { scope, name, version };
    envelope::seal(key, key_version, identity, secret.expose().as_bytes())
}

/// The first key of a tenant, and how it is stored.
pub(super) fn new_key(root: &RootKey, tenant: &str) -> Result<(Key, WrappedKey)> {
    let (key, version) = (Key::new(envelope::random()?), 1);
    let identity = Identity::TenantKey { tenant, version };
    let wrapped = envelope::seal(&root.key, ROOT_VERSION, identity, &key[..])?;
    let tenant = tenant.to_owned();
    Ok((
        key,
        WrappedKey {
            tenant,
            version,
            wrapped,
        },
    ))
}

/// The key of a tenant.
pub(super) fn unwrap(root: &RootKey, key: &WrappedKey) -> Result<Key> {
    open(root, key)?.ok_or_else(|| {
        let message = format!(
            "the root key from {} does not open this vault; put the key there that the vault was made with, \
             which every engine that uses it needs",
            root.source
        );
        let error = Error::new(ErrorCode::InvalidData, message);
        if key.tenant == NOBODY {
            error
        } else {
            error.with_context("tenant", &key.tenant)
        }
    })
}

/// The key of a tenant, if this is the root key that wraps it.
fn open(root: &RootKey, key: &WrappedKey) -> Result<Option<Key>> {
    let identity = Identity::TenantKey {
        tenant: &key.tenant,
        version: key.version,
    };
    let opened = envelope::open(&root.key, identity, &key.wrapped)?;
    Ok(opened.and_then(|bytes| Some(Key::new(bytes.as_slice().try_into().ok()?))))
}

/// Refuses to copy the file `root.key` of a directory, if there is one, as that of a vault which it does not open.
pub(crate) fn check_file(directory: &Path, key: Option<&WrappedKey>) -> Result<()> {
    let Some(key) = key else { return Ok(()) };
    let Some(root) = RootKey::from_directory(directory)? else {
        return Ok(());
    };
    if open(&root, key)?.is_some() {
        return Ok(());
    }
    let message = "this root key does not open the vault that is to be copied; name the folder that has the vault's own as \
         'data_dir' (--data-dir), or move this one away if ATOM_ROOT_KEY holds the vault's";
    Err(Error::new(ErrorCode::InvalidData, message).with_context("path", directory.join(ROOT_KEY).display()))
}

/// The error of a record that is not what was stored.
pub(super) fn altered(name: &str) -> Error {
    let message = "the stored secret was altered or put back from an earlier time; set it again";
    Error::new(ErrorCode::InvalidData, message).with_context("name", name)
}
