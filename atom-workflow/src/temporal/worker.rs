//! A worker carries out what runs on the server come to: their steps and their activities.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use atom_core::{CancellationToken, Error, ErrorCode, Result};
use temporalio_sdk::runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use tokio::sync::oneshot;

use super::activities::{Activities, Leaving};
use super::client::TemporalRuntime;
use super::failure;
use super::interpreter::Interpreter;
use super::schedule::{Alarm, Attendance};

/// How many steps of runs a worker takes at once.
const STEPS: usize = 100;

/// How many activities a worker has at once. Most of them only wait: each run that listens has one, and calls wait for their
/// turn.
const ACTIVITIES: usize = 10_000;

/// How long a runtime that is dropped waits for its worker: much longer than one step of a run takes.
const LAST_STEP: Duration = Duration::from_secs(5);

/// A worker under way. Dropping it stops it without waiting for its end.
pub struct TemporalWorker {
    stop: Box<dyn Fn() + Send + Sync>,
    leaving: Leaving,
    ended: Option<oneshot::Receiver<Result<()>>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for TemporalWorker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TemporalWorker").finish_non_exhaustive()
    }
}

impl TemporalWorker {
    /// Starts a worker on the runtime's task queue. Must be called within a tokio runtime, which carries out the activities;
    /// the steps of runs have a thread of their own.
    ///
    /// # Errors
    /// `unavailable` when the SDK refuses to start one.
    pub async fn start(runtime: TemporalRuntime) -> Result<Self> {
        let tokio = tokio::runtime::Handle::current();
        let leaving = Leaving::default();
        let leaves = leaving.clone();
        let (started, is_started) = oneshot::channel();
        let (sender, ended) = oneshot::channel();
        let lost = CancellationToken::new();
        let (left, has_left) = mpsc::channel::<()>();
        let guard = RuntimeGuard {
            lost: lost.clone(),
            has_left,
        };
        // A worker is bound to its thread.
        let work = move || {
            // The last to go.
            let _left = left;
            let _entered = tokio.enter();
            let worker = match worker(runtime, leaves) {
                Ok(worker) => worker,
                Err(error) => {
                    // Nobody waits any more when this fails.
                    let _ = started.send(Err(error));
                    return;
                }
            };
            let (sdk, mut worker) = worker;
            let end = CancellationToken::new();
            let _ended = end.clone().drop_guard();
            tokio.spawn(guard.until(end));
            let (shutdown, handle) = (worker.shutdown_handle(), tokio.clone());
            let stop = move || {
                // Whoever drops a worker may have left its runtime by then.
                let _entered = handle.enter();
                shutdown();
            };
            let _ = started.send(Ok(Box::new(stop) as Box<dyn Fn() + Send + Sync>));
            let result = tokio.block_on(async {
                tokio::select! {
                    biased;
                    () = lost.cancelled() => Ok(()),
                    result = worker.run() => result.map_err(failure::unreachable),
                }
            });
            if let Err(error) = &result {
                tracing::error!(%error, "the Temporal worker has ended");
            }
            drop((worker, sdk));
            let _ = sender.send(result);
        };
        let thread = std::thread::Builder::new()
            .name("atom-temporal".to_owned())
            .spawn(work);
        let thread = thread.map_err(|error| Error::internal("no thread for a worker").with_source(error))?;
        let stop = is_started.await.map_err(|_| panicked())??;
        Ok(Self {
            stop,
            leaving,
            ended: Some(ended),
            thread: Some(thread),
        })
    }

    /// Stops the worker: it begins nothing new, and calls that are under way come to their end for at most `grace`. What is
    /// left then goes on elsewhere, or here when a worker is started again.
    ///
    /// # Errors
    /// What ended it before, if anything did.
    ///
    /// # Cancel safety
    /// Dropping the future stops what is under way at once, and does not wait for its end.
    pub async fn stop(mut self, grace: Duration) -> Result<()> {
        self.leaving.begin();
        (self.stop)();
        let Some(mut ended) = self.ended.take() else {
            return Ok(());
        };
        let result = match tokio::time::timeout(grace, &mut ended).await {
            Ok(result) => result,
            Err(_) => {
                self.leaving.finish();
                ended.await
            }
        };
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| panicked())?;
        }
        result.map_err(|_| panicked())?
    }
}

impl Drop for TemporalWorker {
    fn drop(&mut self) {
        self.leaving.finish();
        (self.stop)();
    }
}

/// Ends the thread of a worker before the runtime that it works with: without timers it would panic. A runtime that shuts
/// down drops its tasks first, and so what they hold.
struct RuntimeGuard {
    lost: CancellationToken,
    has_left: mpsc::Receiver<()>,
}

impl RuntimeGuard {
    async fn until(self, end: CancellationToken) {
        end.cancelled().await;
    }
}

impl Drop for RuntimeGuard {
    fn drop(&mut self) {
        self.lost.cancel();
        // It ends with an error once the thread has let go of the other end: nothing is ever sent.
        let _ = self.has_left.recv_timeout(LAST_STEP);
    }
}

fn worker(runtime: TemporalRuntime, leaving: Leaving) -> Result<(Runtime, Worker)> {
    let refused = |error: &dyn std::fmt::Display| {
        Error::new(
            ErrorCode::Unavailable,
            format!("a Temporal worker cannot be started: {error}"),
        )
    };
    let sdk = Runtime::from_current_tokio(Default::default()).map_err(|error| refused(&error))?;
    let tuner = TunerHolder::builder()
        .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(STEPS))
        .activity_task_slot_supplier(FixedSizeSlotSupplier::new(ACTIVITIES))
        .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(STEPS))
        .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(STEPS))
        .build();
    let options = WorkerOptions::new(runtime.config.task_queue.clone())
        .tuner(tuner)
        .register_activities(Activities::new(runtime.parts.clone(), leaving.clone()))
        .register_activities(Attendance::new(runtime.clone(), leaving))
        .register_workflow::<Interpreter>()
        .map_err(|error| refused(&error))?
        .register_workflow::<Alarm>()
        .map_err(|error| refused(&error))?
        .build();
    let worker = Worker::new(&sdk, runtime.client, options).map_err(|error| refused(&error))?;
    Ok((sdk, worker))
}

fn panicked() -> Error {
    Error::internal("the Temporal worker ended in a panic")
}
