//! Which runs may go on at once, and how many may begin within a time.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_LABEL_TEXT, WorkflowKey};
use crate::{Error, ErrorCode, Result, RunId, Scope};

/// The most runs that a limit can let be under way at once, or begin within its time.
pub const MAX_RUNS_OF_LIMIT: u32 = 10_000;

/// The most runs that one look at a queue lets begin or cancels; the next look goes on.
pub const MAX_ADMITTED: usize = 500;

/// What becomes of a run when as many runs are under way as may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    /// It waits for its turn.
    #[default]
    Queue,
    /// It is cancelled.
    CancelNewest,
    /// The oldest one under way is cancelled, and it begins once that one has ended.
    CancelOldest,
}

/// How many runs of a workflow with the same key may be under way at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConcurrencyLimit {
    /// The key, computed from the run's input; empty when the limit is for all runs of the workflow.
    pub key: String,
    /// How many, 1 to 10,000.
    pub limit: u32,
    /// What becomes of a run that is one too many.
    pub on_limit: OnLimit,
}

/// How many runs of a workflow with the same key may begin within a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RateLimit {
    /// The key, computed from the run's input; empty when the limit is for all runs of the workflow.
    pub key: String,
    /// How many, 1 to 10,000.
    pub limit: u32,
    /// The time, in milliseconds.
    pub per_ms: u64,
}

impl RateLimit {
    /// The time within which so many may begin.
    #[must_use]
    pub fn per(&self) -> Duration {
        Duration::from_millis(self.per_ms)
    }

    /// When another run may begin, if as many as may be have begun from this moment on.
    #[must_use]
    pub fn after(&self, earliest: Timestamp) -> Timestamp {
        earliest.saturating_add(self.per()).unwrap_or(Timestamp::MAX)
    }
}

/// What bounds when a run begins, by its own document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunLimits {
    /// Higher goes first among those that wait.
    pub priority: i32,
    /// How many may be under way at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencyLimit>,
    /// How many may begin within a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
}

/// How far a run with limits has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdmissionState {
    /// It waits for its turn.
    Queued,
    /// It never begins and is cancelled: as many are under way as may be.
    Refused,
    /// It has begun.
    Begun,
    /// It had begun and is cancelled in favour of a newer one.
    Superseded,
}

/// How a run with limits came to begin, or waits to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Admission {
    /// What bounds when it begins.
    #[serde(flatten)]
    pub limits: RunLimits,
    /// How far it has come.
    pub state: AdmissionState,
    /// When it was let begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub begun_at: Option<Timestamp>,
}

impl Admission {
    /// That of a run which was created just now.
    #[must_use]
    pub fn queued(limits: RunLimits) -> Self {
        Self {
            limits,
            state: AdmissionState::Queued,
            begun_at: None,
        }
    }

    /// Whether the run has not begun.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.begun_at.is_none()
    }
}

/// Runs that are limited together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// Whose runs.
    pub scope: Scope,
    /// The namespace of their workflow.
    pub namespace: String,
    /// The name of their workflow.
    pub name: String,
    /// What they have in common.
    pub key: LaneKey,
}

/// What the runs of a [`Lane`] have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LaneKey {
    /// The key of their [`ConcurrencyLimit`].
    Concurrency(String),
    /// The key of their [`RateLimit`].
    Rate(String),
}

impl Lane {
    /// The lanes of a run: first the one that decides whether it has a place.
    #[must_use]
    pub fn of(scope: &Scope, workflow: &WorkflowKey, limits: &RunLimits) -> Vec<Self> {
        let keys = limits.lane_keys().map(|key| Self {
            scope: scope.clone(),
            namespace: workflow.namespace.clone(),
            name: workflow.name.clone(),
            key,
        });
        keys.collect()
    }

    /// The lane of the same workflow's runs that have another key.
    #[must_use]
    pub fn beside(&self, key: LaneKey) -> Self {
        Self { key, ..self.clone() }
    }
}

/// What a look at a queue has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// The runs whose [`AdmissionState`] has changed: they begin or are cancelled.
    pub changed: Vec<RunId>,
    /// When to look again, for lanes whose rate does not let more runs begin before.
    pub later: Vec<(Lane, Timestamp)>,
    /// Whether to look again at once, because [`MAX_ADMITTED`] runs have changed.
    pub has_more: bool,
}

/// What a store knows when it judges a queued run, about its lanes at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many runs are under way in its concurrency lane: those that have begun and not ended, paused or being undone
    /// too.
    pub under_way: u32,
    /// How many of those are to be cancelled.
    pub superseded: u32,
    /// How many queued runs of its concurrency lane are newer and would have it cancelled.
    pub newer: u32,
    /// When its rate lets it begin; absent when it does so now.
    pub free_at: Option<Timestamp>,
}

/// What becomes of a queued run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It begins.
    Begin,
    /// It is cancelled without having begun.
    Refuse,
    /// It waits.
    Wait {
        /// For a place: nobody behind it in its concurrency lane goes before it.
        for_place: bool,
        /// Until its rate lets it begin: nobody behind it in its rate lane goes before it.
        until: Option<Timestamp>,
        /// How many of the oldest that are under way, and not superseded yet, are cancelled to make room for it.
        supersede: u32,
    },
}

impl RunLimits {
    /// Checks what every store asks of them: keys of at most 256 characters, limits of 1 to 10,000, and a time that is
    /// not 0.
    ///
    /// # Errors
    /// `invalid_request`, `limit_exceeded`.
    pub fn check(&self) -> Result<()> {
        let concurrency = self.concurrency.as_ref().map(|limit| (&limit.key, limit.limit));
        let rate = self.rate_limit.as_ref().map(|limit| (&limit.key, limit.limit));
        if concurrency.is_none() && rate.is_none() {
            return Err(Error::invalid_request("a run with limits has at least one"));
        }
        for (key, limit) in concurrency.into_iter().chain(rate) {
            if key.chars().nth(MAX_LABEL_TEXT).is_some() {
                return Err(Error::new(
                    ErrorCode::LimitExceeded,
                    format!("the key of a limit has more than {MAX_LABEL_TEXT} characters"),
                ));
            }
            if !(1..=MAX_RUNS_OF_LIMIT).contains(&limit) {
                return Err(Error::invalid_request(format!(
                    "a limit of runs must be from 1 to {MAX_RUNS_OF_LIMIT}"
                )));
            }
        }
        if self.rate_limit.as_ref().is_some_and(|rate| rate.per_ms == 0) {
            return Err(Error::invalid_request("the time of a rate limit must not be 0"));
        }
        Ok(())
    }

    /// What the run has in common with others: first what decides whether it has a place.
    pub fn lane_keys(&self) -> impl Iterator<Item = LaneKey> + use<> {
        let concurrency = self.concurrency.as_ref();
        let rate = self.rate_limit.as_ref();
        [
            concurrency.map(|limit| LaneKey::Concurrency(limit.key.clone())),
            rate.map(|limit| LaneKey::Rate(limit.key.clone())),
        ]
        .into_iter()
        .flatten()
    }

    /// Its place in a queue, before the time of its creation decides: lower goes first. A run that would rather be
    /// cancelled than wait for a place comes before those that wait, so that it is judged when it is created.
    #[must_use]
    pub fn rank(&self) -> i64 {
        let concurrency = self.concurrency.as_ref();
        let waits = concurrency.is_none_or(|limit| limit.on_limit != OnLimit::CancelNewest);
        let front = if waits { 0 } else { 1 << 33 };
        -i64::from(self.priority) - front
    }

    /// What becomes of a queued run with these limits: the rule that every store applies, in the order of a lane's
    /// queue.
    #[must_use]
    pub fn judge(&self, traffic: Traffic) -> Verdict {
        let until = traffic.free_at;
        let Some(concurrency) = &self.concurrency else {
            return match until {
                None => Verdict::Begin,
                until => Verdict::Wait {
                    for_place: false,
                    until,
                    supersede: 0,
                },
            };
        };
        let has_place = traffic.under_way < concurrency.limit;
        match concurrency.on_limit {
            OnLimit::CancelOldest if traffic.newer >= concurrency.limit => Verdict::Refuse,
            OnLimit::CancelNewest if !has_place => Verdict::Refuse,
            _ if has_place && until.is_none() => Verdict::Begin,
            on_limit => {
                // Nobody is cancelled for a run that its rate keeps from beginning.
                let makes_room = on_limit == OnLimit::CancelOldest && !has_place && until.is_none();
                let staying = traffic.under_way.saturating_sub(traffic.superseded);
                // Only the newest stay, those behind it in the queue too.
                let coming = traffic.newer.saturating_add(1);
                let excess = staying.saturating_add(coming).saturating_sub(concurrency.limit);
                Verdict::Wait {
                    for_place: !has_place,
                    until,
                    supersede: if makes_room { excess } else { 0 },
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(limit: u32, on_limit: OnLimit) -> RunLimits {
        RunLimits {
            concurrency: Some(ConcurrencyLimit {
                key: "a".to_owned(),
                limit,
                on_limit,
            }),
            ..RunLimits::default()
        }
    }

    fn wait(for_place: bool, until: Option<Timestamp>, supersede: u32) -> Verdict {
        Verdict::Wait {
            for_place,
            until,
            supersede,
        }
    }

    #[test]
    fn a_run_is_judged_by_its_own_limits() {
        use OnLimit::{CancelNewest, CancelOldest, Queue};
        let later = Some(Timestamp::UNIX_EPOCH);
        for (limit, on_limit, (under_way, superseded, newer, free_at), expected) in [
            (2, Queue, (1, 0, 9, None), Verdict::Begin),
            (2, Queue, (2, 0, 0, None), wait(true, None, 0)),
            (2, Queue, (1, 0, 0, later), wait(false, later, 0)),
            (2, Queue, (2, 0, 0, later), wait(true, later, 0)),
            (2, CancelNewest, (1, 0, 0, None), Verdict::Begin),
            (2, CancelNewest, (1, 0, 0, later), wait(false, later, 0)),
            (2, CancelNewest, (3, 0, 0, later), Verdict::Refuse),
            (2, CancelOldest, (1, 1, 1, None), Verdict::Begin),
            (2, CancelOldest, (2, 0, 0, None), wait(true, None, 1)),
            (2, CancelOldest, (4, 1, 0, None), wait(true, None, 2)),
            (2, CancelOldest, (2, 1, 0, None), wait(true, None, 0)),
            (2, CancelOldest, (2, 1, 1, None), wait(true, None, 1)),
            (2, CancelOldest, (2, 0, 0, later), wait(true, later, 0)),
            (2, CancelOldest, (0, 0, 2, None), Verdict::Refuse),
        ] {
            let traffic = Traffic {
                under_way,
                superseded,
                newer,
                free_at,
            };
            assert_eq!(
                limits(limit, on_limit).judge(traffic),
                expected,
                "{limit} {on_limit:?} {traffic:?}"
            );
        }
        assert_eq!(RunLimits::default().judge(Traffic::default()), Verdict::Begin);
    }

    #[test]
    fn limits_are_bounded() {
        let rate = |limit, per_ms| RunLimits {
            rate_limit: Some(RateLimit {
                key: String::new(),
                limit,
                per_ms,
            }),
            ..RunLimits::default()
        };
        let mut long = limits(1, OnLimit::Queue);
        if let Some(concurrency) = &mut long.concurrency {
            concurrency.key = "ä".repeat(MAX_LABEL_TEXT + 1);
        }
        for (limits, expected) in [
            (RunLimits::default(), Some(ErrorCode::InvalidRequest)),
            (limits(0, OnLimit::Queue), Some(ErrorCode::InvalidRequest)),
            (limits(MAX_RUNS_OF_LIMIT, OnLimit::Queue), None),
            (
                limits(MAX_RUNS_OF_LIMIT + 1, OnLimit::Queue),
                Some(ErrorCode::InvalidRequest),
            ),
            (long, Some(ErrorCode::LimitExceeded)),
            (rate(1, 0), Some(ErrorCode::InvalidRequest)),
            (rate(1, 1), None),
        ] {
            assert_eq!(
                limits.check().err().map(|error| error.code()),
                expected,
                "{limits:?}"
            );
        }
    }
}
