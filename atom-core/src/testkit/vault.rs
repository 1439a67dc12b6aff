//! What every vault must do.
//!
//! ```
//! use atom_core::storage::MemoryVault;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! atom_core::testkit::vault::check(&MemoryVault::default()).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use super::fixtures::{principal, scope, second};
use crate::storage::Vault;
use crate::{ErrorCode, Scope, Secret};

/// Checks keeping, replacing, listing, removing and the separation of scopes on an empty vault.
///
/// # Panics
/// When the vault breaks a rule.
pub async fn check(vault: &dyn Vault) {
    let scope = scope();
    assert_eq!(text(vault, &scope, "api_key").await, None);
    assert_eq!(vault.list(&scope).await.unwrap(), []);
    assert!(!vault.delete(&scope, "api_key").await.unwrap());

    let info = vault
        .set(&scope, "api_key", &Secret::new("one"), second(1))
        .await
        .unwrap();
    assert_eq!(
        (info.name.as_str(), info.version, info.updated_at),
        ("api_key", 1, second(1))
    );
    assert_eq!(text(vault, &scope, "api_key").await.as_deref(), Some("one"));
    let info = vault
        .set(&scope, "api_key", &Secret::new("two ä\u{1f600}"), second(2))
        .await
        .unwrap();
    assert_eq!((info.version, info.updated_at), (2, second(2)));
    assert_eq!(
        text(vault, &scope, "api_key").await.as_deref(),
        Some("two ä\u{1f600}")
    );
    assert_eq!(vault.list(&scope).await.unwrap(), [info]);

    sizes_and_names(vault, &scope).await;
    separation(vault, &scope).await;

    assert!(vault.delete(&scope, "api_key").await.unwrap());
    assert!(!vault.delete(&scope, "api_key").await.unwrap());
    assert_eq!(text(vault, &scope, "api_key").await, None);
    vault
        .set(&scope, "api_key", &Secret::new("three"), second(4))
        .await
        .unwrap();
    assert_eq!(
        text(vault, &scope, "api_key").await.as_deref(),
        Some("three"),
        "a removed name can be used again"
    );
}

async fn text(vault: &dyn Vault, scope: &Scope, name: &str) -> Option<String> {
    vault
        .get(scope, name)
        .await
        .unwrap()
        .map(|secret| secret.expose().to_owned())
}

async fn sizes_and_names(vault: &dyn Vault, scope: &Scope) {
    for (name, length) in [("empty", 0), ("a-large.one", 64 * 1024)] {
        let value = "x".repeat(length);
        vault
            .set(scope, name, &Secret::new(value.as_str()), second(3))
            .await
            .unwrap();
        assert_eq!(text(vault, scope, name).await, Some(value));
    }
    let names: Vec<_> = vault
        .list(scope)
        .await
        .unwrap()
        .into_iter()
        .map(|info| info.name)
        .collect();
    assert_eq!(names, ["a-large.one", "api_key", "empty"], "sorted by name");
    let too_large = vault
        .set(
            scope,
            "api_key",
            &Secret::new("x".repeat(64 * 1024 + 1)),
            second(3),
        )
        .await;
    assert_eq!(too_large.unwrap_err().code(), ErrorCode::InvalidRequest);
    for name in ["", "1st", "with space", "ä", "a/b", &"a".repeat(129)] {
        let refused = vault.set(scope, name, &Secret::new("x"), second(3)).await;
        assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidRequest, "{name:?}");
    }
    assert_eq!(
        vault.list(scope).await.unwrap().len(),
        3,
        "a refused secret leaves no trace"
    );
}

async fn separation(vault: &dyn Vault, scope: &Scope) {
    let before = vault.list(scope).await.unwrap();
    let mut neighbour = principal();
    neighbour.user = "bob".to_owned();
    let mut namesake = principal();
    namesake.tenant = "bell".to_owned();
    for stranger in [neighbour.scope(), namesake.scope()] {
        assert_eq!(text(vault, &stranger, "api_key").await, None);
        assert_eq!(vault.list(&stranger).await.unwrap(), []);
        assert!(!vault.delete(&stranger, "api_key").await.unwrap());
        vault
            .set(&stranger, "api_key", &Secret::new("theirs"), second(3))
            .await
            .unwrap();
        assert_eq!(text(vault, &stranger, "api_key").await.as_deref(), Some("theirs"));
        assert_eq!(
            text(vault, scope, "api_key").await.as_deref(),
            Some("two ä\u{1f600}")
        );
        assert_eq!(vault.list(scope).await.unwrap(), before);
    }
}

#[cfg(test)]
mod tests {
    use crate::storage::MemoryVault;

    #[tokio::test]
    async fn the_memory_vault_keeps_the_rules() {
        super::check(&MemoryVault::default()).await;
    }
}
