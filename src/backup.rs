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

pub use atom_integrations::storage::backup::Backup;

use crate::{EngineConfig, Error, Result, Storage};

/// Copies what an engine with this configuration keeps into a folder, while it may be at work. With `with_root_key` the
/// key that opens its secrets is copied, too: the copy is as secret as they are.
///
/// # Errors
/// `not_found` when there is nothing to copy, `already_exists` when the folder has a backup, `invalid_request` for an
/// engine in memory, `invalid_data` when what it keeps is damaged, `version_mismatch` when a newer engine has written
/// it, `permission_denied`, `storage_full` or `storage_failed`. There is no backup then.
///
/// # Cancel safety
/// Dropping the future leaves a folder that is no backup.
pub async fn create(config: &EngineConfig, folder: &Path, with_root_key: bool) -> Result<Backup> {
    check(config)?;
    atom_integrations::storage::backup::create(&config.data_folder()?, folder, with_root_key).await
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
    check(config)?;
    atom_integrations::storage::backup::restore(folder, &config.data_folder()?).await
}

fn check(config: &EngineConfig) -> Result<()> {
    match config.storage {
        Storage::Sqlite => Ok(()),
        Storage::Memory => Err(Error::invalid_request(
            "an engine in memory keeps nothing; choose another 'storage'",
        )),
        Storage::Postgres(_) => Err(Error::invalid_request(
            "a PostgreSQL database is backed up with its own tools, such as pg_dump",
        )),
    }
}
