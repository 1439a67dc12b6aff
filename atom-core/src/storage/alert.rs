//! Rules that tell when runs go wrong.

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Page, PageRequest, WorkflowName, next_revision};
use crate::{CloudEvent, Error, ErrorCode, Result, Scope};

/// How many alert rules an owner can have.
pub const MAX_ALERT_RULES: usize = 100;

/// The longest name of a rule, in characters.
const MAX_RULE_NAME: usize = 64;

/// The shortest and longest window of a rule, in milliseconds: a minute and 30 days.
const WINDOW_MS: std::ops::RangeInclusive<u64> = 60_000..=30 * 24 * 60 * 60 * 1000;

/// The most stuck runs that a rule can ask for.
const MAX_STUCK: u64 = 1_000;

/// A share of runs that are at least as fast as the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Percentile {
    /// Half of them.
    P50,
    /// 95 %.
    P95,
    /// 99 %.
    P99,
}

impl Percentile {
    /// The share, from 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P95 => 0.95,
            Self::P99 => 0.99,
        }
    }
}

/// What a rule watches for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum AlertCondition {
    /// More than a share of the runs that ended within the window failed. Runs that were cancelled do not count.
    #[schemars(title = "FailureRateAlert")]
    FailureRate {
        /// The share, from 0 to 1, that must be exceeded.
        above: f64,
        /// How far back the window reaches, in milliseconds, from a minute to 30 days. One over 24 hours is counted in whole
        /// hours, a shorter one in whole minutes.
        window_ms: u64,
        /// How many runs must have ended within the window before the rule can hold; 1 when absent.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        minimum_runs: u64,
    },
    /// Runs that completed within the window took too long.
    #[schemars(title = "LatencyAlert")]
    Latency {
        /// Which of them is looked at.
        percentile: Percentile,
        /// How long it may take, in milliseconds. Latencies are known to within 5 %.
        above_ms: u64,
        /// How far back the window reaches, as for `failure_rate`.
        window_ms: u64,
        /// How many runs must have completed within the window before the rule can hold; 1 when absent.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        minimum_runs: u64,
    },
    /// Runs cannot go on although they wait for nothing that will come by itself, as `runs.stuck` tells.
    #[schemars(title = "StuckRunsAlert")]
    StuckRuns {
        /// For how long they must have been unable to go on, in milliseconds.
        for_ms: u64,
        /// How many there must be, 1 to 1000; 1 when absent.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        at_least: u64,
    },
    /// No run has started, or completed, for some time.
    #[schemars(title = "SilenceAlert")]
    Silence {
        /// For how long, in milliseconds, from a minute to 30 days, counted as a window of `failure_rate` and from when the
        /// rule was set at the earliest.
        for_ms: u64,
        /// Whether only runs that completed break the silence; any run that starts does when absent.
        #[serde(default, skip_serializing_if = "is_false")]
        successful_only: bool,
    },
}

fn one() -> u64 {
    1
}

fn is_one(count: &u64) -> bool {
    *count == 1
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A rule: what is watched for, and whose runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// Its name, unique among those of its owner: 1 to 64 letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// The namespace of the workflow whose runs count; absent, together with `workflow`, for all runs of the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name of that workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// What is watched for.
    pub condition: AlertCondition,
}

impl AlertRule {
    /// Checks the rule.
    ///
    /// # Errors
    /// `invalid_request` naming what is wrong.
    pub fn check(&self) -> Result<()> {
        let is_named = (1..=MAX_RULE_NAME).contains(&self.name.len())
            && self
                .name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !is_named {
            return Err(Error::invalid_request(format!(
                "the name of a rule must be 1 to {MAX_RULE_NAME} letters, digits, '.', '_' and '-'"
            )));
        }
        if self.namespace.is_some() != self.workflow.is_some() {
            return Err(Error::invalid_request(
                "a rule names both the 'namespace' and the 'workflow', or neither for all runs",
            ));
        }
        let in_window = |field: &str, length: u64| {
            WINDOW_MS.contains(&length).then_some(()).ok_or_else(|| {
                Error::invalid_request(format!(
                    "'{field}' must be from {} (a minute) to {} (30 days)",
                    WINDOW_MS.start(),
                    WINDOW_MS.end()
                ))
            })
        };
        let at_least_one = |count: u64| {
            (count > 0)
                .then_some(())
                .ok_or_else(|| Error::invalid_request("'minimum_runs' must be at least 1"))
        };
        match self.condition {
            AlertCondition::FailureRate {
                above,
                window_ms,
                minimum_runs,
            } => {
                if !(0.0..1.0).contains(&above) {
                    return Err(Error::invalid_request("'above' must be from 0 to below 1"));
                }
                in_window("window_ms", window_ms)?;
                at_least_one(minimum_runs)
            }
            AlertCondition::Latency {
                window_ms,
                minimum_runs,
                ..
            } => {
                in_window("window_ms", window_ms)?;
                at_least_one(minimum_runs)
            }
            AlertCondition::StuckRuns { at_least, .. } if !(1..=MAX_STUCK).contains(&at_least) => Err(
                Error::invalid_request(format!("'at_least' must be from 1 to {MAX_STUCK}")),
            ),
            AlertCondition::StuckRuns { .. } => Ok(()),
            AlertCondition::Silence { for_ms, .. } => in_window("for_ms", for_ms),
        }
    }

    /// The workflow whose runs count; all when absent.
    #[must_use]
    pub fn of(&self) -> Option<WorkflowName> {
        Some(WorkflowName {
            namespace: self.namespace.clone()?,
            name: self.workflow.clone()?,
        })
    }
}

/// The numbers that decided whether a rule holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertReading {
    /// The share of failed runs for `failure_rate`, milliseconds for `latency`, the number of stuck runs, at most 1000, for
    /// `stuck_runs`, and the number of runs for `silence`; absent when no run tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// How many runs it is computed from, for `failure_rate` and `latency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<u64>,
}

/// A rule as stored, and how it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// Whose runs it watches.
    pub scope: Scope,
    /// The rule.
    pub rule: AlertRule,
    /// When it was set as it is.
    pub since: Timestamp,
    /// Since when it holds; absent while it does not.
    #[serde(default)]
    pub raised_at: Option<Timestamp>,
    /// The numbers when it began to hold, or when it ceased to.
    #[serde(default)]
    pub reading: Option<AlertReading>,
    /// The event that tells of its last change and is still to be published.
    #[serde(default)]
    pub unpublished: Option<CloudEvent>,
    /// Changes with every write; 0 for a record that is not stored yet.
    #[serde(default)]
    pub revision: u64,
}

impl AlertRecord {
    /// The revision that the store gives to what it writes for this record: beginning with the time it was set, so that a
    /// rule that was removed and made again is never taken for the one before.
    #[must_use]
    pub fn next_revision(&self) -> u64 {
        next_revision(self.revision, self.since)
    }

    /// The error of [`AlertStore::put_alert`] for an owner who has as many rules as there can be.
    #[must_use]
    pub fn too_many() -> Error {
        Error::new(
            ErrorCode::LimitExceeded,
            format!("there are {MAX_ALERT_RULES} alert rules already; delete some"),
        )
    }
}

/// Keeps alert rules.
#[async_trait]
pub trait AlertStore: Send + Sync + std::fmt::Debug {
    /// Writes a rule whose `revision` is that of the stored one, or 0 when there is none; tells whether it was written. It
    /// has its [`next_revision`](AlertRecord::next_revision) then. One that was changed meanwhile stays as it is.
    ///
    /// # Errors
    /// `limit_exceeded` when a new rule would be one of more than [`MAX_ALERT_RULES`] of its owner, `conflict` when a newer
    /// engine has taken over, `storage_full` or `storage_failed`.
    async fn put_alert(&self, alert: &AlertRecord) -> Result<bool>;

    /// The rule with a name.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn alert(&self, scope: &Scope, name: &str) -> Result<Option<AlertRecord>>;

    /// Rules by name.
    ///
    /// # Errors
    /// `invalid_request` for a bad page, `storage_failed`.
    async fn alerts(&self, scope: &Scope, page: &PageRequest) -> Result<Page<AlertRecord>>;

    /// Removes a rule that has this revision; tells whether there was one.
    ///
    /// # Errors
    /// `conflict` when a newer engine has taken over, `storage_full` or `storage_failed`.
    async fn delete_alert(&self, scope: &Scope, name: &str, revision: u64) -> Result<bool>;

    /// Up to `limit` rules of every scope, by scope and name, that come after this one.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn all_alerts(&self, after: Option<&(Scope, String)>, limit: usize) -> Result<Vec<AlertRecord>>;
}
