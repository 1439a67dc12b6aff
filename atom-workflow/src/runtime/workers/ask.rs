//! Asking something of a run that another worker holds.

use std::time::Duration;

use atom_core::storage::{Delivery, RunRecord, WorkerRecord, WorkerStore};
use atom_core::{Error, ErrorCode, Result, Retry, RunId, Scope};
use tokio::time::Instant;

use crate::machine::Event;
use crate::runtime::driver::encode;
use crate::runtime::{Runtime, ended};

/// How long a worker may take until it has a letter, and then again until it has answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often is looked for an answer that no news told of.
const INTERVAL: Duration = Duration::from_millis(250);

/// The pauses after which is looked whether a run has ended that another worker holds: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

impl Runtime {
    /// Takes a run that nobody holds, so that it can be asked here; not when somebody else is there to take it, whose
    /// business it is. Gives the run if this worker holds it now.
    pub(in crate::runtime) async fn seize(
        &self,
        workers: &dyn WorkerStore,
        run: &RunRecord,
    ) -> Result<Option<RunRecord>> {
        if !self.takes_runs() && workers.list().await?.iter().any(WorkerRecord::takes_runs) {
            return Ok(None);
        }
        let scope = run.principal.scope();
        if !workers.claim_run(&scope, run.id).await? {
            return Ok(None);
        }
        self.record(&scope, run.id).await.map(Some)
    }

    /// Asks something of a run through whoever holds it, or will; returns once it is done durably.
    pub(in crate::runtime) async fn ask(
        &self,
        workers: &dyn WorkerStore,
        scope: &Scope,
        run: RunId,
        event: &Event,
    ) -> Result<()> {
        let mut news = workers.news();
        let letter = workers.post(scope, run, &encode(event)?, true).await?;
        let posted_at = Instant::now();
        loop {
            news.mark_unchanged();
            let is_late = posted_at.elapsed() > PATIENCE;
            match workers.delivery(letter).await? {
                Delivery::Answered(answer) => return answer.map_err(Error::from),
                Delivery::Waiting => {
                    let has_ended = self.record(scope, run).await?.status.has_ended();
                    if (has_ended || is_late) && workers.withdraw(letter).await? {
                        return Err(if has_ended { ended() } else { nobody(run) });
                    }
                }
                Delivery::Taken if posted_at.elapsed() > PATIENCE * 2 => return Err(unanswered(run)),
                Delivery::Unknown => return Err(unanswered(run)),
                Delivery::Taken => {}
            }
            tokio::select! {
                () = self.inner.shutdown.cancelled() => return Err(unanswered(run)),
                // The pause follows when the store is gone.
                _ = news.changed() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Waits until a run that another worker holds, or nobody yet, has ended or is this engine's.
    pub(in crate::runtime) async fn wait_elsewhere(&self, scope: &Scope, run: RunId) -> Result<()> {
        let mut pause = PAUSES.0;
        loop {
            self.check_open()?;
            let record = self.record(scope, run).await?;
            if record.status.has_ended() || self.is_driven(scope, run) {
                return Ok(());
            }
            tokio::select! {
                () = self.inner.shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSES.1),
            }
        }
    }
}

fn nobody(run: RunId) -> Error {
    Error::new(
        ErrorCode::Unavailable,
        "no worker has taken the run in time, so nothing was done; start one that has the functions of the run, and try again",
    )
    .with_context("run", run)
}

fn unanswered(run: RunId) -> Error {
    Error::new(
        ErrorCode::Timeout,
        "the worker that holds the run has not said in time whether it has done it; see what has become of the run",
    )
    .with_context("run", run)
    .with_retry(Retry::Maybe)
}
