//! Work that goes on in the background of a runtime, pass after pass, until the runtime closes.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use atom_core::{Error, ErrorCode, Result};
use futures::FutureExt;
use jiff::Timestamp;

use super::Runtime;
use super::patience::Pauses;

/// What a background task does.
pub(super) trait Work: Send + 'static {
    /// Who does it, for messages.
    const NAME: &'static str;

    /// Does everything there is to do.
    fn pass(&mut self, runtime: &Runtime) -> impl Future<Output = Result<()>> + Send;

    /// Waits until there may be something to do again.
    fn wait(&mut self) -> impl Future<Output = ()> + Send;

    /// Notes that a pass failed. It is tried again after a pause, or at the moment that this gives.
    fn failed(&mut self) -> Option<Timestamp> {
        None
    }
}

impl Runtime {
    /// Begins to work in the background. The task keeps the runtime alive only while it works, not while it waits.
    pub(super) fn begin_work<W: Work>(&self, mut work: W) {
        let weak = Arc::downgrade(&self.inner);
        let clock = Arc::clone(&self.inner.parts.clock);
        let shutdown = self.inner.shutdown.clone();
        let passes = async move {
            let mut pauses = Pauses::default();
            while let Some(inner) = weak.upgrade() {
                let runtime = Self { inner };
                let pass = AssertUnwindSafe(work.pass(&runtime)).catch_unwind().await;
                // A lease that is lost is followed by another.
                let is_shared = runtime.workers().is_some();
                drop(runtime);
                match pass.unwrap_or_else(|_| Err(Error::internal("a background task panicked"))) {
                    Ok(()) => {
                        pauses = Pauses::default();
                        work.wait().await;
                    }
                    Err(error) if is_final(&error) && (error.code() == ErrorCode::Closed || !is_shared) => {
                        tracing::error!(worker = W::NAME, %error, "a background task ends");
                        return;
                    }
                    Err(error) => {
                        tracing::warn!(worker = W::NAME, %error, "a background task will try again");
                        let soonest = work.failed();
                        tokio::select! {
                            () = async { clock.wait_until(soonest.unwrap_or(Timestamp::MAX)).await }, if soonest.is_some() => {}
                            () = clock.sleep(pauses.next()) => {}
                        }
                    }
                }
            }
        };
        self.inner.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = passes => {}
            }
        });
    }
}

/// Whether nothing can be done any more: the runtime has closed, or another process has taken its place.
pub(super) fn is_final(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::Closed | ErrorCode::Conflict)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use atom_core::storage::{MemoryStore, MemoryVault};
    use atom_core::testkit::{ManualClock, SequenceRandom};
    use atom_core::{Error, ErrorCode, FunctionRegistry, Result};
    use tokio::sync::mpsc;

    use super::Work;
    use crate::runtime::{Runtime, RuntimeLimits, RuntimeParts, RuntimeSettings};

    /// Fails at first, then panics, then works, then has lost its place.
    struct Scripted {
        passes: mpsc::UnboundedSender<u32>,
        number: u32,
    }

    impl Work for Scripted {
        const NAME: &'static str = "a test";

        async fn pass(&mut self, _: &Runtime) -> Result<()> {
            self.number += 1;
            self.passes.send(self.number).unwrap();
            match self.number {
                1 => Err(Error::new(ErrorCode::StorageFailed, "try again")),
                2 => std::panic::resume_unwind(Box::new("a defect")),
                3 => Ok(()),
                _ => Err(Error::new(ErrorCode::Conflict, "another process took over")),
            }
        }

        async fn wait(&mut self) {}
    }

    #[tokio::test]
    async fn what_fails_is_tried_again_until_nothing_can_be_done() {
        let clock = Arc::new(ManualClock::default());
        let runtime = Runtime::new(RuntimeParts {
            store: Arc::new(MemoryStore::default()),
            vault: Arc::new(MemoryVault::default()),
            functions: Arc::new(FunctionRegistry::default()),
            clock: Arc::clone(&clock) as _,
            random: Arc::new(SequenceRandom::default()),
            limits: RuntimeLimits::default(),
            settings: RuntimeSettings::default(),
        });
        let (passes, mut passed) = mpsc::unbounded_channel();
        runtime.begin_work(Scripted { passes, number: 0 });
        let mut last = 0;
        // The channel closes when the task, and with it the work, has ended.
        let told = async {
            while let Some(number) = passed.recv().await {
                last = number
            }
        };
        let time = async {
            loop {
                clock.advance(Duration::from_millis(50));
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = told => {}
            () = time => {}
        }
        assert_eq!(last, 4);
    }
}
