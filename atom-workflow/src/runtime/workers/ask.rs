//! Asking something of a run that another worker holds.

use std::time::Duration;

use atom_core::storage::{Delivery, RunRecord, WorkerRecord, WorkerStore};
use atom_core::{Error, ErrorCode, Result, Retry, RunId, Scope};
use tokio::time::Instant;

use crate::machine::Event;
use crate::runtime::driver::encode;
use crate::runtime::patience::Pauses;
use crate::runtime::{Runtime, ended, interrupted};

/// How long a worker may take until it has a letter, and then again until it has answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a run that nobody holds is left to those who are there to take it, before it is cancelled by who asks for that:
/// those who are there may all lack its functions.
const TURN: Duration = Duration::from_secs(5);

/// How often is looked for an answer that no news told of.
const INTERVAL: Duration = Duration::from_millis(250);

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

    /// Asks something of a run through whoever holds it, or will; returns once it is done durably. A run that is to be cancelled
    /// and that nobody takes is given, as this worker's: nobody has been asked then.
    pub(in crate::runtime) async fn ask(
        &self,
        workers: &dyn WorkerStore,
        scope: &Scope,
        run: RunId,
        event: &Event,
    ) -> Result<Option<RunRecord>> {
        let mut news = workers.news();
        let letter = workers.post(scope, run, &encode(event)?, true).await?;
        let posted_at = Instant::now();
        loop {
            news.mark_unchanged();
            let is_late = posted_at.elapsed() > PATIENCE;
            match workers.delivery(letter).await? {
                Delivery::Answered(answer) => return answer.map(|()| None).map_err(Error::from),
                Delivery::Waiting => {
                    let record = self.record(scope, run).await?;
                    let has_ended = record.status.has_ended();
                    let is_left = posted_at.elapsed() > TURN && matches!(event, Event::Cancelled { .. });
                    if is_left
                        && !has_ended
                        && self.can_end(&record).await?
                        && workers.claim_run(scope, run).await?
                    {
                        // Whoever took the letter before has died since.
                        workers.withdraw(letter).await?;
                        return self.record(scope, run).await.map(Some);
                    }
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

    /// Whether this engine can bring a run that is cancelled to its end: undoing what it has done may take functions.
    async fn can_end(&self, run: &RunRecord) -> Result<bool> {
        let workflow = self.load(&run.principal.scope(), &run.workflow.hash).await?;
        Ok(!workflow.has_compensations() || self.check_functions(&workflow).is_ok())
    }

    /// Waits until a run that another worker holds, or nobody yet, has ended or is this engine's.
    ///
    /// # Errors
    /// `conflict` when nobody goes on with it.
    pub(in crate::runtime) async fn wait_elsewhere(&self, scope: &Scope, run: RunId) -> Result<()> {
        let mut looks = Pauses::between_looks();
        self.check_open()?;
        loop {
            let record = self.record(scope, run).await?;
            if record.status.has_ended() || self.is_driven(scope, run) {
                return Ok(());
            }
            if self.is_given_up(&record) {
                return Err(interrupted(run));
            }
            looks.rest(self).await?;
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
