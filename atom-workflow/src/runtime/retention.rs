//! Retention: the one task that removes runs and events which nobody wants to keep any longer.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use atom_core::storage::Expiry;
use atom_core::{CancellationToken, Clock, Error, ErrorCode, Result, RunId, Scope};
use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::Notify;

use super::{Inner, Runtime};
use crate::definition::Retention;

/// How often is looked for what has expired.
const INTERVAL: Duration = Duration::from_secs(10 * 60);

/// About how many rows are removed in one transaction: few enough for the steps of runs not to wait long.
const CHUNK: usize = 200;

/// How long what has ended is kept; for ever where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Runs whose documents say nothing.
    pub runs: Retention,
    /// Events of the log. Whoever begins to look only later does not see them.
    pub events: Option<Duration>,
}

impl Runtime {
    /// Removes what has expired from now on, within ten minutes, for everybody, until the runtime closes. Doing it again
    /// changes nothing. Must be called within a tokio runtime.
    pub fn start_retention(&self, settings: RetentionSettings) {
        if !self.inner.is_pruned.swap(true, Ordering::AcqRel) {
            let pruner = Pruner {
                runtime: Arc::downgrade(&self.inner),
                clock: Arc::clone(&self.inner.parts.clock),
                shutdown: self.inner.shutdown.clone(),
                expiring: Arc::clone(&self.inner.expiring),
                settings,
            };
            self.inner.tasks.spawn(pruner.work());
        }
    }

    /// Removes a run that has ended, with its journal, labels and approvals. Its id and idempotency key are free again. The
    /// runs that it started stay.
    ///
    /// # Errors
    /// `not_found` for an unknown run; `conflict` when it has not ended, or the run or schedule that started it may still
    /// need it; `closed`, `storage_full`, `storage_failed`.
    ///
    /// # Cancel safety
    /// A dropped future may have removed the run.
    pub async fn delete_run(&self, scope: &Scope, run: RunId) -> Result<()> {
        self.check_open()?;
        if self.inner.parts.store.delete_run(scope, run).await? {
            return Ok(());
        }
        Err(Error::not_found(format!(
            "there is no run {run}; runs.list shows the runs there are"
        )))
    }
}

/// The pruner. It keeps the runtime alive only while it works, not while it waits.
struct Pruner {
    runtime: Weak<Inner>,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
    expiring: Arc<Notify>,
    settings: RetentionSettings,
}

impl Pruner {
    /// Works until the runtime closes.
    async fn work(self) {
        let mut can_expire = true;
        loop {
            let Some(runtime) = self.runtime.upgrade() else {
                return;
            };
            let pass = AssertUnwindSafe(self.pass(&runtime)).catch_unwind();
            let result = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return,
                result = pass => result.unwrap_or_else(|_| Err(Error::internal("the pruner panicked"))),
            };
            drop(runtime);
            match result {
                Ok(found) => can_expire = found,
                Err(error) if matches!(error.code(), ErrorCode::Closed | ErrorCode::Conflict) => {
                    tracing::error!(%error, "nothing that has expired is removed any more");
                    return;
                }
                // What could not be removed now is tried again with the rest.
                Err(error) => tracing::warn!(%error, "what has expired could not be removed"),
            }
            let next = self
                .clock
                .now()
                .saturating_add(INTERVAL)
                .unwrap_or(Timestamp::MAX);
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = self.expiring.notified(), if !can_expire => can_expire = true,
                () = async { self.clock.wait_until(next).await }, if can_expire => {}
            }
        }
    }

    /// Removes everything that has expired, a little at a time; tells whether anything that is there now can expire.
    async fn pass(&self, runtime: &Inner) -> Result<bool> {
        let (store, now) = (&runtime.parts.store, self.clock.now());
        let RetentionSettings { runs, events } = self.settings;
        let expiry = Expiry {
            now,
            completed_until: before(now, runs.completed),
            failed_until: before(now, runs.failed),
            events_until: before(now, events),
        };
        if events.is_some() {
            store.note_events(now).await?;
        }
        while store.prune(&expiry, CHUNK).await? {
            // Others come first.
            tokio::task::yield_now().await;
        }
        Ok(self.settings != RetentionSettings::default() || store.has_expiring_runs().await?)
    }
}

/// The moment so long before now.
fn before(now: Timestamp, length: Option<Duration>) -> Option<Timestamp> {
    length.and_then(|length| now.checked_sub(length).ok())
}
