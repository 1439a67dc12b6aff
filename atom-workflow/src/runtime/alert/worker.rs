//! The task that evaluates all alert rules.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use atom_core::storage::Resolution;
use atom_core::{CancellationToken, Clock, Error, ErrorCode, Result};
use futures::FutureExt;
use jiff::Timestamp;

use super::evaluate::LONGEST_BY_MINUTE;
use crate::runtime::{Inner, Runtime};

/// How many rules are read at a time.
const BATCH: usize = 64;

/// How often the minutes that no rule looks at any more are forgotten.
const FORGETTING: Duration = Duration::from_secs(60 * 60);

/// The task. It keeps the runtime alive only while it works, not while it waits.
pub(super) struct Worker {
    runtime: Weak<Inner>,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
    interval: Duration,
    /// When minutes were last forgotten.
    forgotten_at: Option<Timestamp>,
}

impl Worker {
    pub(super) fn new(runtime: &Arc<Inner>, interval: Duration) -> Self {
        Self {
            runtime: Arc::downgrade(runtime),
            clock: Arc::clone(&runtime.parts.clock),
            shutdown: runtime.shutdown.clone(),
            interval,
            forgotten_at: None,
        }
    }

    /// Works until the runtime closes.
    pub(super) async fn work(mut self) {
        let shutdown = self.shutdown.clone();
        loop {
            let Some(runtime) = self.runtime.upgrade().map(|inner| Runtime { inner }) else {
                return;
            };
            let pass = AssertUnwindSafe(self.pass(&runtime)).catch_unwind();
            let result = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                result = pass => result.unwrap_or_else(|_| Err(Error::internal("evaluating alert rules panicked"))),
            };
            drop(runtime);
            match result {
                Ok(()) => {}
                Err(error) if is_final(&error) => {
                    tracing::error!(%error, "no alert rule is evaluated any more");
                    return;
                }
                Err(error) => tracing::warn!(%error, "alert rules wait for their store"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.clock.sleep(self.interval) => {}
            }
        }
    }

    /// Evaluates every rule once. What is wrong with one holds up no other.
    async fn pass(&mut self, runtime: &Runtime) -> Result<()> {
        let store = &runtime.inner.parts.store;
        let now = self.clock.now();
        let mut after = None;
        loop {
            let rules = store.all_alerts(after.as_ref(), BATCH).await?;
            let Some(last) = rules.last() else { break };
            after = Some((last.scope.clone(), last.rule.name.clone()));
            for rule in rules {
                let (scope, name) = (rule.scope.clone(), rule.rule.name.clone());
                match runtime.evaluate_alert(rule, now).await {
                    Err(error) if is_final(&error) => return Err(error),
                    Err(error) => {
                        tracing::warn!(%scope, rule = name, %error, "an alert rule was not evaluated")
                    }
                    Ok(()) => {}
                }
            }
        }
        self.forget(runtime, now).await
    }

    /// Forgets the minutes that no rule looks at any more.
    async fn forget(&mut self, runtime: &Runtime, now: Timestamp) -> Result<()> {
        let is_due = self.forgotten_at.is_none_or(|at| {
            let since = Duration::try_from(now.duration_since(at));
            // A clock that was set back must not put it off.
            since.is_err() || since.is_ok_and(|since| since >= FORGETTING)
        });
        if !is_due {
            return Ok(());
        }
        let kept = LONGEST_BY_MINUTE.saturating_add(FORGETTING);
        let before = now.saturating_sub(kept).unwrap_or(Timestamp::MIN);
        let store = &runtime.inner.parts.store;
        let before = Resolution::Minute.number(before);
        while store.drop_statistics(Resolution::Minute, before).await? > 0 {}
        self.forgotten_at = Some(now);
        Ok(())
    }
}

fn is_final(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::Closed | ErrorCode::Conflict)
}
