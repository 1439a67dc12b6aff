//! The task that evaluates all alert rules, and forgets the numbers that are too old.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::Resolution;
use atom_core::{Clock, Result};
use jiff::Timestamp;

use super::MINIMUM_STATISTICS;
use super::evaluate::LONGEST_BY_MINUTE;
use crate::runtime::background::{Work, is_final};
use crate::runtime::{Inner, Runtime};

/// How many rules are read at a time.
const BATCH: usize = 64;

/// How often numbers are forgotten.
const FORGETTING: Duration = Duration::from_secs(60 * 60);

/// What evaluates all rules.
pub(super) struct Evaluator {
    clock: Arc<dyn Clock>,
    interval: Duration,
    /// When numbers were last forgotten.
    forgotten_at: Option<Timestamp>,
}

impl Evaluator {
    pub(super) fn new(runtime: &Inner, interval: Duration) -> Self {
        Self {
            clock: Arc::clone(&runtime.parts.clock),
            interval,
            forgotten_at: None,
        }
    }

    /// Forgets the minutes that no rule looks at any more, and the hours that the settings do not keep.
    async fn forget(&mut self, runtime: &Runtime, now: Timestamp) -> Result<()> {
        let is_due = self.forgotten_at.is_none_or(|at| {
            let since = Duration::try_from(now.duration_since(at));
            // A clock that was set back must not put it off.
            since.is_err() || since.is_ok_and(|since| since >= FORGETTING)
        });
        if !is_due {
            return Ok(());
        }
        let parts = &runtime.inner.parts;
        let minutes = LONGEST_BY_MINUTE.saturating_add(FORGETTING);
        let hours = parts.settings.statistics.map(|kept| kept.max(MINIMUM_STATISTICS));
        for (resolution, kept) in [(Resolution::Minute, Some(minutes)), (Resolution::Hour, hours)] {
            // Nothing is older than what reaches back beyond the calendar.
            let Some(before) = kept.and_then(|kept| now.checked_sub(kept).ok()) else {
                continue;
            };
            let before = resolution.number(before);
            while parts.store.drop_statistics(resolution, before).await? > 0 {}
        }
        self.forgotten_at = Some(now);
        Ok(())
    }
}

impl Work for Evaluator {
    const NAME: &'static str = "what evaluates alert rules";

    /// Evaluates every rule once. What is wrong with one holds up no other.
    async fn pass(&mut self, runtime: &Runtime) -> Result<()> {
        if !runtime.leads() {
            return Ok(());
        }
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

    async fn wait(&mut self) {
        self.clock.sleep(self.interval).await;
    }
}
