//! How many runs of a workflow go on at once, as its document says.

use std::time::Duration;

use atom_core::storage::OnLimit;

use crate::expression::Expression;

/// `document.metadata.atom`: how many runs of the workflow go on at once.
#[derive(Clone, Debug)]
pub struct LimitSpec {
    /// Which of those that wait goes first.
    pub priority: PrioritySpec,
    /// How many may be under way at once.
    pub concurrency: Option<ConcurrencySpec>,
    /// How many may begin within a time.
    pub rate_limit: Option<RateLimitSpec>,
}

/// The priority of a run; higher goes first.
#[derive(Clone, Debug)]
pub enum PrioritySpec {
    /// The same for all runs.
    Fixed(i32),
    /// Computed from the run's input.
    Expression(Expression),
}

/// How many runs with the same key may be under way at once.
#[derive(Clone, Debug)]
pub struct ConcurrencySpec {
    /// Gives the key, from the run's input; the limit is for all runs of the workflow when absent.
    pub key: Option<Expression>,
    /// How many.
    pub limit: u32,
    /// What becomes of a run that is one too many.
    pub on_limit: OnLimit,
}

/// How many runs with the same key may begin within a time.
#[derive(Clone, Debug)]
pub struct RateLimitSpec {
    /// Gives the key, from the run's input; the limit is for all runs of the workflow when absent.
    pub key: Option<Expression>,
    /// How many.
    pub limit: u32,
    /// The time, whole milliseconds.
    pub per: Duration,
}
