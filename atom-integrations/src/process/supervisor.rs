//! Owns every process: none outlives its caller's wish, its deadline or the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use atom_core::{CancellationToken, Error, ErrorCode, FunctionContext, Result};
use jiff::Timestamp;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::TaskTracker;

use super::outcome::Outcome;

/// How long a call may take that has no deadline of its own.
const USUAL_PATIENCE: Duration = Duration::from_mins(10);

/// How long a process may take that nobody awaits.
const LONGEST_DETACHED: Duration = Duration::from_hours(24);

/// How many processes that nobody awaits may be under way.
const MAXIMUM_DETACHED: usize = 64;

/// How long closing waits for processes to be gone.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// A process that can be started once and then looked after.
#[async_trait]
pub(super) trait Process: Send {
    /// Starts the process. Returns early, with an error, when it is no longer wanted.
    async fn start(&mut self, stop: &Stop) -> Result<()>;

    /// Waits until it has ended. Once it is to stop, it is ended, with everything it has started, before this
    /// returns.
    async fn finish(self: Box<Self>, stop: &Stop) -> Result<Outcome>;
}

/// Says when a process is to stop.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    token: CancellationToken,
    caller: CancellationToken,
    is_closing: Arc<AtomicBool>,
    is_resumable: bool,
}

impl Stop {
    /// Waits until the process is to stop.
    pub(super) async fn stopped(&self) {
        self.token.cancelled().await;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Whether it stops only because the engine closes, so that the call will be made again: what can outlive the
    /// engine may go on until then.
    pub(super) fn is_postponed(&self) -> bool {
        self.is_resumable && self.is_closing.load(Ordering::SeqCst) && !self.caller.is_cancelled()
    }
}

/// Owns the processes of an engine.
#[derive(Debug)]
pub(super) struct Supervisor {
    tasks: TaskTracker,
    stopped: CancellationToken,
    is_closing: Arc<AtomicBool>,
    detached: Arc<Semaphore>,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self {
            tasks: TaskTracker::new(),
            stopped: CancellationToken::new(),
            is_closing: Arc::default(),
            detached: Arc::new(Semaphore::new(MAXIMUM_DETACHED)),
        }
    }
}

impl Supervisor {
    /// Runs a process to its end and gives how it ended.
    ///
    /// # Errors
    /// The process's own; `timeout`, `cancelled`, `closed`.
    ///
    /// # Cancel safety
    /// Dropping the future ends the process.
    pub(super) async fn run(
        &self,
        mut process: impl Process + 'static,
        context: &FunctionContext,
    ) -> Result<Outcome> {
        let stop = self.stop(context, context.step.is_some());
        self.in_time(stop.clone(), context, |answer| async move {
            let outcome = match process.start(&stop).await {
                Ok(()) => Box::new(process).finish(&stop).await,
                Err(error) => Err(error),
            };
            // Nobody waits any more when this fails.
            let _ = answer.send(outcome);
        })
        .await
    }

    /// Starts a process that nobody awaits. It is ended after a day at the latest, or when the engine closes.
    ///
    /// # Errors
    /// As [`run`](Self::run) while it starts; `limit_exceeded` when too many are under way.
    pub(super) async fn detach(
        &self,
        mut process: impl Process + 'static,
        context: &FunctionContext,
    ) -> Result<()> {
        let permit = Arc::clone(&self.detached).try_acquire_owned().map_err(|_| {
            let message = format!(
                "{MAXIMUM_DETACHED} processes that nobody awaits are under way; wait for some to end, or await them"
            );
            Error::new(ErrorCode::LimitExceeded, message)
        })?;
        let stop = self.stop(context, false);
        let key = context.idempotency_key.clone();
        self.in_time(stop.clone(), context, |answer| async move {
            let started = process.start(&stop).await;
            let has_started = started.is_ok();
            // A caller that has gone meanwhile has asked it to stop, which it is about to notice.
            let _ = answer.send(started);
            if !has_started {
                return;
            }
            let overdue = stop.token.clone();
            let finish = Box::new(process).finish(&stop);
            let watch = async {
                tokio::time::sleep(LONGEST_DETACHED).await;
                overdue.cancel();
                std::future::pending().await
            };
            let ended = tokio::select! {
                ended = finish => ended,
                () = watch => return,
            };
            match ended {
                Ok(outcome) if outcome.code == 0 => {}
                Ok(outcome) => {
                    tracing::warn!(
                        call = key,
                        code = outcome.code,
                        "a process that nobody awaited failed"
                    );
                }
                Err(error) => {
                    tracing::warn!(call = key, code = %error.code(), "a process that nobody awaited failed")
                }
            }
            drop(permit);
        })
        .await
    }

    /// Runs a task of the supervisor's own until it is closed.
    pub(super) fn spawn<Work: Future<Output = ()> + Send + 'static>(
        &self,
        work: impl FnOnce(CancellationToken) -> Work,
    ) {
        self.tasks.spawn(work(self.stopped.child_token()));
    }

    /// Says that the engine is about to close: calls that end from now on will be made again.
    pub(super) fn begin_close(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
    }

    /// Ends what is left and waits until it is gone.
    pub(super) async fn close(&self) {
        self.begin_close();
        self.stopped.cancel();
        self.tasks.close();
        if tokio::time::timeout(CLOSE_PATIENCE, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some processes could not be ended in time");
        }
    }

    fn stop(&self, context: &FunctionContext, is_resumable: bool) -> Stop {
        Stop {
            token: self.stopped.child_token(),
            caller: context.cancellation.clone(),
            is_closing: Arc::clone(&self.is_closing),
            is_resumable,
        }
    }

    /// Runs work in a task of its own and waits for its answer for as long as the caller does.
    async fn in_time<T: Send + 'static, Work: Future<Output = ()> + Send + 'static>(
        &self,
        stop: Stop,
        context: &FunctionContext,
        work: impl FnOnce(oneshot::Sender<Result<T>>) -> Work,
    ) -> Result<T> {
        if self.tasks.is_closed() {
            return Err(closed());
        }
        let patience = context.deadline.map_or(USUAL_PATIENCE, |deadline| {
            // A deadline that has passed is no time at all.
            Duration::try_from(deadline.duration_since(Timestamp::now())).unwrap_or_default()
        });
        let guard = stop.token.clone().drop_guard();
        let (sender, receiver) = oneshot::channel();
        self.tasks.spawn(work(sender));
        let answer = tokio::select! {
            biased;
            answer = receiver => answer.unwrap_or_else(|_| {
                Err(Error::internal("the task that looks after a process ended in a panic; please report this"))
            }),
            () = context.cancellation.cancelled() => {
                Err(Error::new(ErrorCode::Cancelled, "the call was cancelled"))
            }
            () = self.stopped.cancelled() => Err(closed()),
            () = tokio::time::sleep(patience) => {
                let message = format!("the process did not end within {} seconds and was ended", patience.as_secs());
                Err(Error::new(ErrorCode::Timeout, message))
            }
        };
        if answer.is_ok() {
            guard.disarm();
        }
        answer
    }
}

/// The error for a process that stops because the engine closes.
pub(super) fn closed() -> Error {
    Error::new(
        ErrorCode::Closed,
        "the engine was closed while the process was under way",
    )
}

/// The error for a process that is to stop before it has ended by itself.
pub(super) fn unwanted() -> Error {
    Error::new(
        ErrorCode::Cancelled,
        "the process is no longer wanted and was ended",
    )
}
