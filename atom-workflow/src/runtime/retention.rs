//! Retention: the one task that removes runs and events which nobody wants to keep any longer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use atom_core::storage::Expiry;
use atom_core::{Clock, Error, Result, RunId, Scope};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::Runtime;
use super::background::Work;
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
                clock: Arc::clone(&self.inner.parts.clock),
                expiring: Arc::clone(&self.inner.expiring),
                continued: Arc::clone(&self.inner.continued),
                settings,
                next: Timestamp::MIN,
            };
            self.begin_work(pruner);
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

/// What removes.
struct Pruner {
    clock: Arc<dyn Clock>,
    expiring: Arc<Notify>,
    continued: Arc<Notify>,
    settings: RetentionSettings,
    /// When to look for what has expired; never while nothing that is there can.
    next: Timestamp,
}

impl Work for Pruner {
    const NAME: &'static str = "what removes what has expired";

    async fn pass(&mut self, runtime: &Runtime) -> Result<()> {
        let (store, now) = (&runtime.inner.parts.store, self.clock.now());
        while store.trim_journals(CHUNK).await? {
            // Others come first.
            tokio::task::yield_now().await;
        }
        if now < self.next {
            return Ok(());
        }
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
            tokio::task::yield_now().await;
        }
        let can_expire = self.settings != RetentionSettings::default() || store.has_expiring_runs().await?;
        let next = can_expire.then(|| now.saturating_add(INTERVAL).ok()).flatten();
        self.next = next.unwrap_or(Timestamp::MAX);
        Ok(())
    }

    async fn wait(&mut self) {
        let can_expire = self.next < Timestamp::MAX;
        tokio::select! {
            () = self.continued.notified() => {}
            () = self.expiring.notified(), if !can_expire => self.next = Timestamp::MIN,
            () = self.clock.wait_until(self.next), if can_expire => {}
        }
    }
}

/// The moment so long before now.
fn before(now: Timestamp, length: Option<Duration>) -> Option<Timestamp> {
    length.and_then(|length| now.checked_sub(length).ok())
}
