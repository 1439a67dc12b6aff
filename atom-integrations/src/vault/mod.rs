//! Secrets, encrypted at rest.
//!
//! A root key wraps a random key for each tenant; a tenant's key seals the secrets of its users, each record
//! under a derived key of its own (AES-256-GCM). The database holds ciphertext only. A record that was altered,
//! moved to another owner or name, or put back after it was replaced does not open. What no vault in one file can
//! tell is an earlier day put back whole: of the file, or of a secret together with its version.
//!
//! ```
//! use atom_core::storage::Vault;
//! use atom_core::{Principal, Secret};
//! use atom_integrations::storage::SqliteStore;
//! use atom_integrations::vault::SqliteVault;
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! let store = SqliteStore::open(directory.path()).await?;
//! let vault = SqliteVault::open(&store).await?;
//! let scope = Principal::new("acme", "ada")?.scope();
//! vault.set(&scope, "api_key", &Secret::new("sk-123"), jiff::Timestamp::now()).await?;
//! assert_eq!(vault.get(&scope, "api_key").await?.unwrap().expose(), "sk-123");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod envelope;
mod keys;
#[cfg(feature = "postgres")]
mod postgres;
mod root_key;
mod sqlite;

pub(crate) use keys::{WrappedKey, check_file};
#[cfg(feature = "postgres")]
pub use postgres::PostgresVault;
#[cfg(feature = "postgres")]
pub(crate) use postgres::first_key as first_key_of_postgres;
pub(crate) use root_key::ROOT_KEY;
pub use root_key::RootKey;
pub use sqlite::SqliteVault;
pub(crate) use sqlite::first_key as first_key_of_sqlite;
