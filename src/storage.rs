//! Where engines keep everything.

#[cfg(feature = "postgres")]
mod copy;

#[cfg(feature = "postgres")]
pub use copy::{CopiedTable, StoreCopy, copy};

use std::path::PathBuf;
use std::sync::Arc;

use atom_core::Result;
use atom_core::storage::{MemoryStore, MemoryVault, Store, Vault};
use atom_integrations::storage::SqliteStore;
use atom_integrations::vault::SqliteVault;

use crate::{EngineConfig, Storage, StorageKind};

/// What an engine keeps everything in.
pub(crate) struct OpenStorage {
    pub(crate) kind: StorageKind,
    /// The folder that holds the store.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) held: HeldStore,
}

/// The store again, to be closed.
#[derive(Debug)]
pub(crate) enum HeldStore {
    Memory,
    Sqlite(Arc<SqliteStore>),
    #[cfg(feature = "postgres")]
    Postgres(Arc<atom_integrations::storage::PostgresStore>),
}

impl HeldStore {
    /// Closes the store; memory needs none of it.
    pub(crate) async fn close(&self) -> Result<()> {
        match self {
            Self::Memory => Ok(()),
            Self::Sqlite(store) => store.close().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.close().await,
        }
    }
}

impl OpenStorage {
    /// Opens what a configuration names.
    pub(crate) async fn open(config: &EngineConfig) -> Result<Self> {
        match &config.storage {
            Storage::Memory => Ok(Self {
                kind: StorageKind::Memory,
                folder: None,
                store: Arc::new(MemoryStore::default()),
                vault: Arc::new(MemoryVault::default()),
                held: HeldStore::Memory,
            }),
            Storage::Sqlite => {
                let folder = config.data_folder()?;
                let store = Arc::new(SqliteStore::open(&folder).await?);
                let vault = SqliteVault::open(&store).await?;
                Ok(Self {
                    kind: StorageKind::Sqlite,
                    folder: Some(folder),
                    store: Arc::clone(&store) as Arc<dyn Store>,
                    vault: Arc::new(vault),
                    held: HeldStore::Sqlite(store),
                })
            }
            #[cfg(feature = "postgres")]
            Storage::Postgres(url) => Self::open_postgres(config, url).await,
            #[cfg(not(feature = "postgres"))]
            Storage::Postgres(_) => Err(without_postgres()),
        }
    }

    #[cfg(feature = "postgres")]
    async fn open_postgres(config: &EngineConfig, url: &atom_core::Secret) -> Result<Self> {
        use atom_integrations::storage::{PostgresConfig, PostgresStore};
        use atom_integrations::vault::{PostgresVault, RootKey};

        let database = PostgresConfig::new(url)?;
        let key = RootKey::from_environment()?;
        // Only the key needs a folder.
        let folder = match key {
            Some(_) => PathBuf::new(),
            None => config.data_folder()?,
        };
        let store = Arc::new(PostgresStore::open(&database).await?);
        let vault = match key {
            Some(key) => PostgresVault::open_with(&store, key).await,
            None => PostgresVault::open(&store, &folder).await,
        };
        let vault = match vault {
            Ok(vault) => vault,
            Err(error) => {
                // Otherwise others would take this engine for one of them until its lease has run out.
                store.close().await?;
                return Err(error);
            }
        };
        Ok(Self {
            kind: StorageKind::Postgres,
            folder: None,
            store: Arc::clone(&store) as Arc<dyn Store>,
            vault: Arc::new(vault),
            held: HeldStore::Postgres(store),
        })
    }
}

/// The error of a build that has no PostgreSQL.
#[cfg(not(feature = "postgres"))]
pub(crate) fn without_postgres() -> atom_core::Error {
    atom_core::Error::new(
        atom_core::ErrorCode::Unsupported,
        "this build of the engine has no PostgreSQL; build it with the Cargo feature `postgres`, or choose another 'storage'",
    )
}
