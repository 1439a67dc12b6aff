//! Leaving without stopping what is under way.

use std::time::Duration;

use atom_core::{Result, RunId, Scope};

use super::BATCH;
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
        let told = async {
            self.introduce().await?;
            self.let_go_of_parked().await
        };
        let told = told.await;
        let drivers = &membership.tenure().drivers;
        drivers.close();
        if tokio::time::timeout(grace, drivers.wait()).await.is_err() {
            tracing::warn!(
                "some calls have not come to their end in time; they are made again by whoever goes on"
            );
        }
        told
    }

    /// Lets others have the runs that only wait.
    async fn let_go_of_parked(&self) -> Result<()> {
        let Some(workers) = self.workers() else {
            return Ok(());
        };
        let parked = self.drivers().forget();
        for runs in parked.chunks(BATCH) {
            workers.release(runs).await?;
        }
        Ok(())
    }

    /// Lets others have a run whose driver has left it. When that fails they have it once this engine has left.
    pub(in crate::runtime) async fn let_go(&self, scope: &Scope, run: RunId) {
        if let Some(workers) = self.workers()
            && let Err(error) = workers.release(&[(scope.clone(), run)]).await
        {
            tracing::warn!(%run, %error, "a run is left to others only when this engine leaves");
        }
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
