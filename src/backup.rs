//! Copies of what an engine keeps, and the way back.
//!
//! ```
//! use atom_engine::{Engine, EngineConfig, backup};
//!
//! # #[tokio::main(flavor = "multi_thread", worker_threads = 1)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let config = EngineConfig::in_folder(folder.path().join("data"));
//! let engine = Engine::open(config.clone()).await?;
//! let copy = folder.path().join("copy");
//! backup::create(&config, &copy, true).await?;
//!
//! let restored = EngineConfig::in_folder(folder.path().join("restored"));
//! backup::restore(&copy, &restored).await?;
//! Engine::open(restored).await?.close().await?;
//! engine.close().await?;
//! # Ok(())
//! # }
//! ```

use std::path::Path;

use atom_integrations::storage::backup;
#[cfg(feature = "postgres")]
use atom_integrations::storage::postgres_backup;

pub use atom_integrations::storage::backup::Backup;

use crate::{EngineConfig, Error, Result, Storage};

/// Copies what an engine with this configuration keeps into a folder, while it may be at work. With `with_root_key` the
/// key that opens its secrets is copied, too, if it lies in the data folder: the copy is as secret as they are. A PostgreSQL
/// database is copied by `pg_dump`, and put back by `pg_restore`, which must be installed.
///
/// # Errors
/// `not_found` when there is nothing to copy, `already_exists` when the folder has a backup, `invalid_request` for an
/// engine in memory, `unsupported` when the tools of PostgreSQL are missing, `invalid_data` when what it keeps is damaged or the root key does not open its vault, `version_mismatch` when a newer engine has written
/// it, `permission_denied`, `storage_full` or `storage_failed`. There is no backup then.
///
/// # Cancel safety
/// Dropping the future leaves a folder that is no backup.
pub async fn create(config: &EngineConfig, folder: &Path, with_root_key: bool) -> Result<Backup> {
    match &config.storage {
        Storage::Sqlite => backup::create(&config.data_folder()?, folder, with_root_key).await,
        Storage::Memory => Err(nothing_kept()),
        #[cfg(feature = "postgres")]
        Storage::Postgres(url) => {
            let key_directory = config.data_folder().ok().filter(|_| with_root_key);
            postgres_backup::create(url, folder, key_directory.as_deref()).await
        }
        #[cfg(not(feature = "postgres"))]
        Storage::Postgres(_) => Err(crate::storage::without_postgres()),
    }
}

/// Puts a backup where an engine with this configuration finds it, and where there is nothing yet. Runs that were under
/// way when the backup was made go on from there: what they have called since is called again.
///
/// # Errors
/// `locked` when an engine is at work there; `already_exists` when one has kept something there; and as [`create`].
///
/// # Cancel safety
/// Dropping the future leaves what an engine finds empty.
pub async fn restore(folder: &Path, config: &EngineConfig) -> Result<Backup> {
    match &config.storage {
        Storage::Sqlite => backup::restore(folder, &config.data_folder()?).await,
        Storage::Memory => Err(nothing_kept()),
        #[cfg(feature = "postgres")]
        Storage::Postgres(url) => {
            let key_directory = config.data_folder().ok();
            postgres_backup::restore(url, folder, key_directory.as_deref()).await
        }
        #[cfg(not(feature = "postgres"))]
        Storage::Postgres(_) => Err(crate::storage::without_postgres()),
    }
}

fn nothing_kept() -> Error {
    Error::invalid_request("an engine in memory keeps nothing; choose another 'storage'")
}
