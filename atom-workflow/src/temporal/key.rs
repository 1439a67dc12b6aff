//! Makes the operator's key where there is none.

use atom_core::storage::{Store, Vault};
use atom_core::{Error, RandomSource, Result, RunId, Scope, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::codec::{KEY_BYTES, KEY_NAME};

/// Puts a key of the operator into the vault unless there is one. Whoever does so at the same time, with the same store and
/// vault, comes to the same key.
///
/// # Errors
/// `storage_failed`, `storage_full`.
///
/// # Cancel safety
/// Dropping the future leaves at most a key that nothing uses; doing it again finishes.
pub async fn ensure_key(
    vault: &dyn Vault,
    store: &dyn Store,
    operator: &Scope,
    random: &dyn RandomSource,
    now: Timestamp,
) -> Result<()> {
    if vault.get(operator, KEY_NAME).await?.is_some() {
        return Ok(());
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(&mut key[..])
        .map_err(|error| Error::internal("there is no randomness").with_source(error))?;
    let own = format!("{KEY_NAME}.{}", RunId::new(now, random));
    vault
        .set(operator, &own, &Secret::new(BASE64.encode(&key[..])), now)
        .await?;
    // A vault keeps what was written last, a store of documents what was written first.
    store.put_document(operator, KEY_NAME, &own).await?;
    let first = store
        .document(operator, KEY_NAME)
        .await?
        .unwrap_or_else(|| own.clone());
    let key = vault.get(operator, &first).await?;
    let key = key.ok_or_else(|| {
        Error::not_found(
            "the first key for runs on Temporal is no longer in the vault; restore the vault that belongs to this store",
        )
    })?;
    vault.set(operator, KEY_NAME, &key, now).await?;
    if own != first {
        vault.delete(operator, &own).await?;
    }
    Ok(())
}
