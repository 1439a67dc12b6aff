//! Stores that keep what they are given.
//!
//! ```
//! use atom_core::{CloudEvent, EventLog, Principal};
//! use atom_integrations::storage::SqliteStore;
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! let store = SqliteStore::open(directory.path()).await?;
//! let scope = Principal::new("acme", "ada")?.scope();
//! store.append(&scope, &CloudEvent::new("1", "/orders", "com.example.order.placed.v1")).await?;
//! store.close().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admission;
mod blobs;
mod change;
#[cfg(feature = "postgres")]
mod copy;
mod labels;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod queue;
mod record;
pub(crate) mod refusal;
mod retention;
pub(crate) mod rows;
pub(crate) mod sqlite;
mod statistics;
mod viewers;

#[cfg(feature = "postgres")]
pub use copy::{CopiedTable, StoreCopy, StorePlace, copy};
#[cfg(feature = "postgres")]
pub use postgres::backup as postgres_backup;
#[cfg(all(feature = "postgres", unix, any(test, feature = "testkit")))]
pub use postgres::testing as postgres_testing;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresConfig, PostgresStore};
pub use sqlite::{SqliteStore, backup};
