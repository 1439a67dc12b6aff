//! Test doubles, fixtures and the behaviour suites that every implementation of a contract must pass.
//!
//! A suite panics at the first rule that an implementation breaks:
//!
//! ```
//! use atom_core::storage::MemoryStore;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! atom_core::testkit::storage::check_all(async || MemoryStore::default()).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

mod clock;
pub mod fixtures;
mod random;
pub mod storage;
pub mod vault;

pub use clock::ManualClock;
pub use random::SequenceRandom;
