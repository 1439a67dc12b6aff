//! `try`: catching errors, trying again, and what runs in the end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::data::duration;
use super::event::RecordKind;
use super::frame::{FrameId, FrameKind, List, Purpose, TaskState, TryPhase, Work};
use super::{Machine, WorkflowError};
use crate::definition::{Backoff, DurationSpec, RetryPolicy, Task, TaskKind, Try};
use crate::expression::{Expression, Variables, truthy};

/// The most retries of a policy that sets no limit of its own.
const MAX_RETRIES: u64 = 1000;

/// How long the pause between two attempts can grow.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

impl Machine {
    /// Begins the first or next attempt of a `try`.
    pub(super) fn begin_attempt(&mut self, id: FrameId) {
        let Some(frame) = self.frames.get(&id) else { return };
        let FrameKind::Task(task) = &frame.kind else {
            return;
        };
        let (definition, input) = (Arc::clone(&task.task), Arc::clone(&task.input));
        let TaskKind::Try(attempt) = &definition.kind else {
            return;
        };
        let limit = attempt
            .retry
            .as_ref()
            .and_then(|retry| retry.attempt_duration.clone());
        let limit = limit.map(|limit| {
            duration(
                &limit,
                self.now,
                &input,
                &self.variables(&frame.variables, task, None),
            )
        });
        let timer = match limit.transpose() {
            Ok(None) => None,
            Ok(Some(length)) => {
                let at = self.after(length);
                Some(self.begin(Some(id), Purpose::Attempt, super::Command::Timer { at }))
            }
            Err(error) => {
                self.work.push_back(Work::Fail { frame: id, error });
                return;
            }
        };
        if let Some(TaskState::Try(state)) = self.state(id) {
            state.phase = TryPhase::Trying;
            state.attempt_timer = timer;
        }
        self.push_list(id, List::Body(Arc::clone(&definition)), 0, input, None);
    }

    /// Ends a `try` whose tasks or handler have ended well.
    pub(super) fn end_try(&mut self, id: FrameId, task: &Task, output: Value, was_handling: bool) {
        let then = match &task.kind {
            TaskKind::Try(attempt) if was_handling => attempt.then.clone(),
            _ => None,
        };
        self.work.push_back(Work::Finish {
            task: id,
            output,
            then: then.unwrap_or_else(|| task.then.clone()),
        });
    }

    /// Handles an error of the tasks of a `try`, or gives back the error to pass on.
    pub(super) fn handle(&mut self, id: FrameId, error: WorkflowError) -> Result<(), WorkflowError> {
        let Some(frame) = self.frames.get(&id) else {
            return Err(error);
        };
        let FrameKind::Task(task) = &frame.kind else {
            return Err(error);
        };
        let (definition, input, started_at) =
            (Arc::clone(&task.task), Arc::clone(&task.input), task.started_at);
        let (TaskKind::Try(attempt), TaskState::Try(state)) = (&definition.kind, &task.state) else {
            return Err(error);
        };
        let (retries, timer) = (state.retries, state.attempt_timer);
        let mut enclosing = frame.variables.clone();
        let caught =
            serde_json::to_value(&error).map_err(|problem| WorkflowError::runtime(problem.to_string()))?;
        enclosing.insert(&attempt.r#as, caught);
        let variables = self.variables(&enclosing, task, None);
        if !catches(attempt, &error, &input, &variables)? {
            return Err(error);
        }
        if let Some(timer) = timer {
            self.stop_action(timer);
        }
        if let Some(policy) = &attempt.retry
            && let Some(pause) = self.next_pause(id, policy, retries + 1, started_at, &input, &variables)?
        {
            let next_at = self.after(pause);
            if let Some(TaskState::Try(state)) = self.state(id) {
                state.phase = TryPhase::Pausing;
                state.retries += 1;
                state.attempt_timer = None;
            }
            let retry = retries + 1;
            self.tally_retry(&definition);
            self.record_step(Some(&definition.reference), Some(id), || {
                RecordKind::TaskRetried {
                    error,
                    retry,
                    next_at,
                }
            });
            self.begin(Some(id), Purpose::Retry, super::Command::Timer { at: next_at });
            return Ok(());
        }
        if attempt.retry.is_some() && attempt.handler.is_none() {
            // Retrying was the whole of the handling, and it did not help.
            return Err(error);
        }
        if let Some(TaskState::Try(state)) = self.state(id) {
            state.phase = TryPhase::Handling;
            state.attempt_timer = None;
        }
        if attempt.handler.is_some() {
            self.push_list(
                id,
                List::Handler(Arc::clone(&definition)),
                0,
                input,
                Some(enclosing),
            );
        } else {
            self.end_try(id, &definition, input.as_ref().clone(), true);
        }
        Ok(())
    }

    /// How long to wait before retry number `retry` (from 1), or `None` when there is none.
    fn next_pause(
        &self,
        id: FrameId,
        policy: &RetryPolicy,
        retry: u64,
        started_at: jiff::Timestamp,
        input: &Value,
        variables: &Variables,
    ) -> Result<Option<Duration>, WorkflowError> {
        if retry > policy.attempts.unwrap_or(MAX_RETRIES)
            || !holds(policy.when.as_ref(), true, input, variables)?
            || holds(policy.except_when.as_ref(), false, input, variables)?
        {
            return Ok(None);
        }
        let length = |spec: &DurationSpec| duration(spec, self.now, input, variables);
        let delay = policy.delay.as_ref().map(length).transpose()?.unwrap_or_default();
        let factor = match policy.backoff {
            Backoff::Constant => 1,
            Backoff::Linear => u32::try_from(retry).unwrap_or(u32::MAX),
            Backoff::Exponential => u32::try_from(retry - 1)
                .ok()
                .and_then(|doublings| 2u32.checked_pow(doublings))
                .unwrap_or(u32::MAX),
        };
        let mut pause = delay.saturating_mul(factor).min(LONGEST_PAUSE.max(delay));
        if let Some((from, to)) = &policy.jitter {
            let (from, to) = (length(from)?, length(to)?);
            let spread = to.saturating_sub(from).as_nanos();
            let share = u128::from(self.share(id, retry));
            let random = spread.saturating_mul(share) >> 32;
            pause = pause
                .saturating_add(from)
                .saturating_add(Duration::from_nanos(u64::try_from(random).unwrap_or(u64::MAX)));
        }
        if let Some(limit) = &policy.duration {
            let limit = duration(limit, started_at, input, variables)?;
            let spent = Duration::try_from(self.now.duration_since(started_at)).unwrap_or_default();
            if spent.saturating_add(pause) > limit {
                return Ok(None);
            }
        }
        Ok(Some(pause))
    }

    /// A number that is different for each run and retry, and the same in a replay.
    fn share(&self, id: FrameId, retry: u64) -> u32 {
        let digest = Sha256::digest(format!("{}:{id}:{retry}", self.facts.run));
        digest
            .iter()
            .take(4)
            .fold(0, |number, byte| (number << 8) | u32::from(*byte))
    }
}

fn catches(
    attempt: &Try,
    error: &WorkflowError,
    input: &Value,
    variables: &Variables,
) -> Result<bool, WorkflowError> {
    Ok(error.matches(&attempt.errors)
        && holds(attempt.when.as_ref(), true, input, variables)?
        && !holds(attempt.except_when.as_ref(), false, input, variables)?)
}

fn holds(
    condition: Option<&Expression>,
    otherwise: bool,
    input: &Value,
    variables: &Variables,
) -> Result<bool, WorkflowError> {
    let Some(condition) = condition else {
        return Ok(otherwise);
    };
    condition
        .evaluate(input, variables)
        .map(|value| truthy(&value))
        .map_err(|error| WorkflowError::expression(&error))
}
