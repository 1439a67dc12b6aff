//! What every store must do.
//!
//! ```
//! use atom_core::storage::MemoryStore;
//! use atom_core::testkit;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! testkit::storage::check_events(&MemoryStore::default()).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

mod admission;
mod alerts;
mod approvals;
mod events;
mod large;
mod retention;
mod runs;
mod schedules;
mod scopes;
mod selection;
mod statistics;
mod templates;
mod texts;
mod workers;
mod workflows;

pub use admission::check_admission;
pub use alerts::check_alerts;
pub use approvals::check_approvals;
pub use events::check_events;
pub use large::check_large_data;
pub use retention::check_retention;
pub use runs::check_runs;
pub use schedules::check_schedules;
pub use scopes::check_scopes;
pub use selection::check_selection;
pub use statistics::check_statistics;
pub use templates::check_templates;
pub use texts::check_texts;
pub use workers::check_workers;
pub use workflows::check_workflows;

use crate::ErrorCode;
use crate::storage::{NewRun, RunRecord, Store};

/// Runs every suite, each on an empty store of its own.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_all<S: Store>(make: impl AsyncFn() -> S) {
    check_workflows(&make().await).await;
    check_templates(&make().await).await;
    check_runs(&make().await).await;
    check_admission(&make().await).await;
    check_approvals(&make().await).await;
    check_selection(&make().await).await;
    check_events(&make().await).await;
    check_large_data(&make().await).await;
    check_texts(&make().await).await;
    check_retention(&make().await).await;
    check_schedules(&make().await).await;
    check_statistics(&make().await).await;
    check_alerts(&make().await).await;
    check_scopes(&make().await).await;
}

/// The code of an error that must be there.
fn code<T: std::fmt::Debug>(result: crate::Result<T>) -> Option<ErrorCode> {
    result.err().map(|error| error.code())
}

/// A run as it is right after the engine of this store has created it.
fn record_of(store: &dyn Store, run: &NewRun) -> RunRecord {
    run.record(store.workers().map(|workers| *workers.identity().borrow()))
}

#[cfg(test)]
mod tests {
    use crate::storage::MemoryStore;

    #[tokio::test]
    async fn the_memory_store_keeps_the_rules() {
        super::check_all(async || MemoryStore::default()).await;
    }

    #[tokio::test]
    async fn the_memory_store_can_be_shared() {
        let first = MemoryStore::default().join();
        let second = first.join();
        super::check_all(async || MemoryStore::default().join()).await;
        super::check_workers(&first, &second, async || first.lose_lease()).await;
    }
}
