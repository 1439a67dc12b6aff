//! Leaving without stopping what is under way.

use std::time::Duration;

use atom_core::Result;

use crate::runtime::Runtime;

impl Runtime {
    /// Finishes what has begun and begins nothing new: calls that are under way come to their end, what they answer is
    /// kept, and what follows from it is left to other workers, or to when the store is opened again. Runs that are started
    /// meanwhile are left to others, too. Waits at most `grace`; [`close`](Self::close) then stops what is left.
    ///
    /// # Errors
    /// `storage_failed` when the others could not be told; it drains all the same.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait, nothing else.
    pub async fn drain(&self, grace: Duration) -> Result<()> {
        let membership = &self.inner.membership;
        membership.draining.cancel();
        let told = self.introduce().await;
        let drivers = &membership.tenure().drivers;
        drivers.close();
        if tokio::time::timeout(grace, drivers.wait()).await.is_err() {
            tracing::warn!(
                "some calls have not come to their end in time; they are made again by whoever goes on"
            );
        }
        told
    }

    /// Leaves the runs to others.
    pub(in crate::runtime) async fn leave_workers(&self) {
        if let Some(workers) = self.workers()
            && let Err(error) = workers.leave().await
        {
            tracing::warn!(%error, "the others take over the runs of this engine only once its lease has run out");
        }
    }
}
