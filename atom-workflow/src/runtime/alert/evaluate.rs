//! Whether a rule holds.

use std::time::Duration;

use atom_core::storage::{AlertCondition, AlertReading, AlertRecord, Resolution, Tally, WorkflowName};
use atom_core::{Result, Scope};
use jiff::Timestamp;

use super::Resolved;
use crate::runtime::Runtime;

/// Up to how long a window is counted in minutes.
pub(super) const LONGEST_BY_MINUTE: Duration = Duration::from_secs(24 * 60 * 60);

/// How many stuck runs are looked at for one rule.
const MAX_STUCK: usize = 1_000;

impl Runtime {
    /// Looks whether a rule holds, and tells when that has changed.
    pub(super) async fn evaluate_alert(&self, record: AlertRecord, now: Timestamp) -> Result<()> {
        // What a process that died had still to tell comes first.
        let Some(record) = self.publish_alert(record).await? else {
            return Ok(());
        };
        let (holds, reading) = self.read_alert(&record, now).await?;
        // Whoever changes the rule meanwhile has it looked at again the next time.
        if holds && record.raised_at.is_none() {
            self.raise_alert(record, reading, now).await?;
        } else if !holds && record.raised_at.is_some() {
            self.resolve_alert(record, Some(reading), now, Resolved::Recovered)
                .await?;
        }
        Ok(())
    }

    async fn read_alert(&self, record: &AlertRecord, now: Timestamp) -> Result<(bool, AlertReading)> {
        let (scope, of) = (&record.scope, record.rule.of());
        match record.rule.condition {
            AlertCondition::FailureRate {
                above,
                window_ms,
                minimum_runs,
            } => {
                let tally = self.tally_since(scope, of.as_ref(), now, window_ms).await?;
                let runs = tally.completed + tally.faulted;
                let rate = share(tally.faulted, runs);
                let holds = runs >= minimum_runs && rate.is_some_and(|rate| rate > above);
                Ok((holds, reading(rate, Some(runs))))
            }
            AlertCondition::Latency {
                percentile,
                above_ms,
                window_ms,
                minimum_runs,
            } => {
                let tally = self.tally_since(scope, of.as_ref(), now, window_ms).await?;
                let latency = tally.durations.quantile(percentile.share());
                let holds = tally.completed >= minimum_runs
                    && latency.is_some_and(|latency| latency > Duration::from_millis(above_ms));
                let latency = latency.map(milliseconds);
                Ok((holds, reading(latency, Some(tally.completed))))
            }
            AlertCondition::StuckRuns { for_ms, at_least } => {
                let count = self.count_stuck(scope, of.as_ref(), before(now, for_ms)).await?;
                Ok((count >= at_least, reading(Some(number(count)), None)))
            }
            AlertCondition::Silence {
                for_ms,
                successful_only,
            } => {
                let tally = self.tally_since(scope, of.as_ref(), now, for_ms).await?;
                let runs = if successful_only {
                    tally.completed
                } else {
                    tally.started
                };
                let holds = runs == 0 && record.since <= before(now, for_ms);
                Ok((holds, reading(Some(number(runs)), None)))
            }
        }
    }

    /// What has happened for so long, to the minute or hour.
    async fn tally_since(
        &self,
        scope: &Scope,
        workflow: Option<&WorkflowName>,
        now: Timestamp,
        window_ms: u64,
    ) -> Result<Tally> {
        let resolution = if Duration::from_millis(window_ms) <= LONGEST_BY_MINUTE {
            Resolution::Minute
        } else {
            Resolution::Hour
        };
        let from = resolution.number(before(now, window_ms));
        let store = &self.inner.parts.store;
        store.runs_since(scope, workflow, resolution, from).await
    }

    /// How many runs have been unable to go on since a moment or before, up to [`MAX_STUCK`].
    async fn count_stuck(
        &self,
        scope: &Scope,
        workflow: Option<&WorkflowName>,
        until: Timestamp,
    ) -> Result<u64> {
        let runs = self.inner.stuck.runs(scope, until, MAX_STUCK);
        let Some(of) = workflow else {
            return Ok(runs.len() as u64);
        };
        let mut count = 0;
        for run in runs {
            let record = self.inner.parts.store.run(scope, run).await?;
            let is_counted = record
                .is_some_and(|run| run.workflow.namespace == of.namespace && run.workflow.name == of.name);
            count += u64::from(is_counted);
        }
        Ok(count)
    }
}

fn before(now: Timestamp, milliseconds: u64) -> Timestamp {
    now.saturating_sub(Duration::from_millis(milliseconds))
        .unwrap_or(Timestamp::MIN)
}

fn reading(value: Option<f64>, runs: Option<u64>) -> AlertReading {
    AlertReading { value, runs }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| number(part) / number(whole))
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of any run are exact")]
fn milliseconds(length: Duration) -> f64 {
    length.as_micros() as f64 / 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "a count of runs")]
fn number(count: u64) -> f64 {
    count as f64
}
