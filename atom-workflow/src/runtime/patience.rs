//! Trying again while the store cannot be read or written for the moment, e.g. because the disk is full, and looking again for
//! what no news tells of.

use std::time::Duration;

use atom_core::Result;

use super::Runtime;

/// The pauses between tries, which grow up to a bound.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Default for Pauses {
    /// For a store that fails.
    fn default() -> Self {
        Self {
            next: Duration::from_millis(100),
            longest: Duration::from_secs(10),
        }
    }
}

impl Pauses {
    /// For looking how far a run has come that another worker holds.
    pub(super) fn between_looks() -> Self {
        Self {
            next: Duration::from_millis(10),
            longest: Duration::from_millis(500),
        }
    }

    /// Waits until it is time to look, or the runtime closes.
    ///
    /// # Errors
    /// `closed`.
    pub(super) async fn rest(&mut self, runtime: &Runtime) -> Result<()> {
        tokio::select! {
            () = runtime.inner.shutdown.cancelled() => {}
            () = tokio::time::sleep(self.next()) => {}
        }
        runtime.check_open()
    }

    /// How long to wait before the next try.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }
}
