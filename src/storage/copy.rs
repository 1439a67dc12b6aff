//! Copies of whole stores, from one storage to another.

use atom_integrations::storage::{PostgresConfig, StorePlace};

pub use atom_integrations::storage::{CopiedTable, StoreCopy};

use crate::{EngineConfig, Error, Result, Storage};

/// Copies everything that an engine with one configuration keeps to where an engine with another one finds it: in a data folder
/// or a PostgreSQL database that keeps nothing yet, and is made where it is missing. The file `root.key` is copied from one
/// `data_dir` to the other, as secrets stay encrypted with it.
///
/// No engine works on the first one meanwhile: one that has it open keeps it from being copied. What was copied is read again and compared before it counts. Runs that were under way go on when
/// an engine opens the copy; open one of the two only, as runs that go on in both do everything twice.
///
/// ```
/// use atom_engine::api::{GetRunRequest, StartRunRequest};
/// use atom_engine::{Engine, EngineConfig, storage};
///
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 1)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let old = EngineConfig::in_folder(folder.path().join("old"));
/// Engine::open(old.clone()).await?.close().await?;
///
/// let new = EngineConfig::in_folder(folder.path().join("new"));
/// let copied = storage::copy(&old, &new).await?;
/// assert!(copied.has_root_key);
/// Engine::open(new).await?.close().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `not_found` when there is nothing to copy, `already_exists` when the other one keeps something or has another root key, `locked`
/// when an engine has a folder open, `invalid_request` for an engine in memory, `invalid_data` when what was written is not what
/// was read or the root key does not open the vault, and those of opening an engine. The other one keeps nothing then.
///
/// # Cancel safety
/// Dropping the future leaves the other one as it was.
pub async fn copy(from: &EngineConfig, to: &EngineConfig) -> Result<StoreCopy> {
    atom_integrations::storage::copy(&place(from)?, &place(to)?).await
}

fn place(config: &EngineConfig) -> Result<StorePlace> {
    match &config.storage {
        Storage::Sqlite => config.data_folder().map(StorePlace::Directory),
        Storage::Postgres(url) => Ok(StorePlace::Postgres {
            config: Box::new(PostgresConfig::new(url)?),
            // Who has no folder gives the key in the environment.
            key_directory: config.data_folder().ok(),
        }),
        Storage::Memory => Err(Error::invalid_request(
            "an engine in memory keeps nothing; choose another 'storage'",
        )),
    }
}
