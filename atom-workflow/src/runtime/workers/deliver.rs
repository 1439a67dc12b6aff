//! Taking in what others ask of the runs that this worker holds.

use atom_core::storage::{Letter, WorkerStore};
use atom_core::{Error, ErrorCode, Result, WorkerId};
use futures::stream::{self, StreamExt};
use tokio::sync::watch;

use super::{BATCH, INTERVAL};
use crate::machine::Event;
use crate::runtime::background::Work;
use crate::runtime::{Mail, Runtime, ended};

/// What takes letters in for as long as the engine is open.
pub(super) struct Letters {
    news: watch::Receiver<u64>,
    identity: watch::Receiver<WorkerId>,
}

impl Letters {
    pub(super) fn new(runtime: &Runtime) -> Option<Self> {
        let workers = runtime.workers()?;
        Some(Self {
            news: workers.news(),
            identity: workers.identity(),
        })
    }
}

impl Work for Letters {
    const NAME: &'static str = "what takes in what other workers ask";

    async fn pass(&mut self, runtime: &Runtime) -> Result<()> {
        let Some(workers) = runtime.workers() else {
            return Ok(());
        };
        self.news.mark_unchanged();
        loop {
            let letters = workers.letters(BATCH).await?;
            let is_last = letters.len() < BATCH;
            stream::iter(letters)
                .for_each_concurrent(BATCH, |letter| runtime.take_letter(workers, letter))
                .await;
            if is_last {
                return Ok(());
            }
        }
    }

    async fn wait(&mut self) {
        tokio::select! {
            changed = self.news.changed() => {
                // The store is gone when this fails, and with it the runtime.
                if changed.is_err() {
                    std::future::pending().await
                }
            }
            _ = self.identity.changed() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

impl Runtime {
    /// Takes one letter in, and answers it. One that cannot be answered because the lease was lost is given to the next
    /// worker of the run.
    async fn take_letter(&self, workers: &dyn WorkerStore, letter: Letter) {
        let id = letter.id;
        let result = self.do_as_asked(letter).await;
        let is_unanswered = |error: &Error| error.code() == ErrorCode::Closed;
        if result.as_ref().is_err_and(is_unanswered) || self.check_tenure().is_err() {
            return;
        }
        if let Err(error) = workers.answer(id, result.map_err(|error| error.report())).await {
            tracing::warn!(%error, "what another worker has asked was not answered");
        }
    }

    async fn do_as_asked(&self, letter: Letter) -> Result<()> {
        let record = self.record(&letter.scope, letter.run).await?;
        if record.status.has_ended() {
            return Err(ended());
        }
        let Some(event) = letter.event else {
            return self.announce(&letter.scope, letter.run).await;
        };
        let event: Event = serde_json::from_str(&event).map_err(|error| {
            let message = "a worker with another version of the engine asks what this one does not understand; update all";
            Error::new(ErrorCode::VersionMismatch, message).with_source(error)
        })?;
        let (mut mail, answered) = Mail::new(event);
        mail.letter = Some(letter.id);
        self.send_mail(&record, mail, answered).await
    }
}
