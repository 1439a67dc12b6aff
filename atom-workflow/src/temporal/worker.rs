//! A worker carries out what runs on the server come to: their steps and their activities.

use std::thread::JoinHandle;
use std::time::Duration;

use atom_core::{Error, ErrorCode, Result};
use temporalio_sdk::runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use tokio::sync::oneshot;

use super::activities::Activities;
use super::client::TemporalRuntime;
use super::failure;
use super::interpreter::Interpreter;
use super::schedule::{Alarm, Attendance};

/// How long activities may take to end when a worker stops.
const GRACE: Duration = Duration::from_secs(5);

/// How many steps of runs a worker takes at once.
const STEPS: usize = 100;

/// How many activities a worker has at once. Most of them only wait: each run that listens has one, and calls wait for their
/// turn.
const ACTIVITIES: usize = 10_000;

/// A worker under way. Dropping it stops it without waiting for its end.
pub struct TemporalWorker {
    stop: Box<dyn Fn() + Send + Sync>,
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
        let (started, is_started) = oneshot::channel();
        let (sender, ended) = oneshot::channel();
        // A worker is bound to its thread.
        let work = move || {
            let _entered = tokio.enter();
            let worker = match worker(&runtime) {
                Ok(worker) => worker,
                Err(error) => {
                    // Nobody waits any more when this fails.
                    let _ = started.send(Err(error));
                    return;
                }
            };
            let (sdk, mut worker) = worker;
            let _ = started.send(Ok(
                Box::new(worker.shutdown_handle()) as Box<dyn Fn() + Send + Sync>
            ));
            let result = tokio.block_on(worker.run()).map_err(failure::unreachable);
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
            ended: Some(ended),
            thread: Some(thread),
        })
    }

    /// Stops the worker: it takes nothing new, and what it has begun goes on elsewhere, or here when it is started again.
    ///
    /// # Errors
    /// What ended it before, if anything did.
    pub async fn stop(mut self) -> Result<()> {
        (self.stop)();
        let Some(ended) = self.ended.take() else {
            return Ok(());
        };
        let result = ended.await.map_err(|_| panicked())?;
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| panicked())?;
        }
        result
    }
}

impl Drop for TemporalWorker {
    fn drop(&mut self) {
        (self.stop)();
    }
}

fn worker(runtime: &TemporalRuntime) -> Result<(Runtime, Worker)> {
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
        .graceful_shutdown_period(GRACE)
        .tuner(tuner)
        .register_activities(Activities::new(runtime.parts.clone()))
        .register_activities(Attendance::new(runtime.clone()))
        .register_workflow::<Interpreter>()
        .map_err(|error| refused(&error))?
        .register_workflow::<Alarm>()
        .map_err(|error| refused(&error))?
        .build();
    let worker = Worker::new(&sdk, runtime.client.clone(), options).map_err(|error| refused(&error))?;
    Ok((sdk, worker))
}

fn panicked() -> Error {
    Error::internal("the Temporal worker ended in a panic")
}
