//! Refresh tokens (RFC 6749, section 6), which an authority may replace whenever one is used.
//!
//! The document gives the first one. Those that replace it are kept in the vault before anything else is done: an
//! authority takes a token that was replaced for stolen, and ends the grant.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use atom_core::storage::Vault;
use atom_core::{CancellationToken, Error, ErrorCode, Result, Scope, Secret};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use super::oauth::RefreshToken;

/// How many grants are remembered.
const CAPACITY: usize = 1000;

/// The grants that are refreshed, and the refreshes under way.
#[derive(Debug, Default)]
pub(in crate::http) struct Grants {
    vault: OnceLock<Arc<dyn Vault>>,
    grants: Mutex<HashMap<(Scope, String), Arc<Grant>>>,
    refreshes: TaskTracker,
    stopped: CancellationToken,
}

/// What somebody has agreed to.
pub(in crate::http) struct Grant {
    vault: Arc<dyn Vault>,
    scope: Scope,
    token: RefreshToken,
    /// Whoever refreshes: two at once would use one token twice.
    turn: Arc<Semaphore>,
    /// The newest token, as long as it could not be kept.
    unkept: Mutex<Option<Secret>>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Grant(***)")
    }
}

impl Grants {
    /// Keeps replaced tokens in a vault. Only the first vault counts.
    pub(in crate::http) fn keep_in(&self, vault: Arc<dyn Vault>) {
        self.vault.get_or_init(|| vault);
    }

    /// The grant to which a token belongs, whatever was asked for with it.
    ///
    /// # Errors
    /// `unsupported` without a vault.
    pub(in crate::http) fn get(&self, scope: &Scope, token: &RefreshToken) -> Result<Arc<Grant>> {
        let vault = self.vault.get().ok_or_else(|| {
            Error::new(
                ErrorCode::Unsupported,
                "the grant 'refresh_token' needs a vault, which this client was not given",
            )
        })?;
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        if grants.len() >= CAPACITY {
            grants.retain(|_, grant| Arc::strong_count(grant) > 1 || grant.unkept().is_some());
        }
        let grant = grants
            .entry((scope.clone(), token.name.clone()))
            .or_insert_with(|| {
                Arc::new(Grant {
                    vault: Arc::clone(vault),
                    scope: scope.clone(),
                    token: token.clone(),
                    turn: Arc::new(Semaphore::new(1)),
                    unkept: Mutex::default(),
                })
            });
        Ok(Arc::clone(grant))
    }

    /// Carries a refresh through, even if nobody waits for it any more: an answer that was not read would take the grant
    /// with it.
    ///
    /// # Errors
    /// The work's own; `closed`.
    ///
    /// # Cancel safety
    /// The work goes on.
    pub(in crate::http) async fn carry_through<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let stopped = self.stopped.clone();
        let work = async move {
            tokio::select! {
                biased;
                result = work => result,
                () = stopped.cancelled() => Err(Error::new(ErrorCode::Closed, "the engine was closed")),
            }
        };
        self.refreshes
            .spawn(work)
            .await
            .map_err(|error| Error::internal("a refresh ended in a panic").with_source(error))?
    }

    /// Waits for the refreshes under way, and ends those that take longer.
    pub(in crate::http) async fn close(&self, patience: Duration) {
        self.refreshes.close();
        if tokio::time::timeout(patience, self.refreshes.wait())
            .await
            .is_err()
        {
            self.stopped.cancel();
            self.refreshes.wait().await;
        }
    }
}

impl Grant {
    /// Waits until nobody else refreshes.
    ///
    /// # Errors
    /// `closed`.
    pub(in crate::http) async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        turn.map_err(|_| Error::new(ErrorCode::Closed, "the engine was closed"))
    }

    /// The token to use.
    ///
    /// # Errors
    /// Those of the vault.
    pub(in crate::http) async fn current(&self) -> Result<Secret> {
        if let Some(unkept) = self.unkept() {
            self.keep(unkept).await?;
        }
        let kept = self.vault.get(&self.scope, &self.token.name).await?;
        Ok(kept.unwrap_or_else(|| self.token.given.clone()))
    }

    /// Keeps the token to use from now on. One that the vault does not take is tried again with the next use.
    ///
    /// # Errors
    /// Those of the vault.
    pub(in crate::http) async fn keep(&self, token: Secret) -> Result<()> {
        self.set_unkept(Some(token.clone()));
        self.vault
            .set(&self.scope, &self.token.name, &token, Timestamp::now())
            .await?;
        self.set_unkept(None);
        Ok(())
    }

    fn unkept(&self) -> Option<Secret> {
        self.unkept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_unkept(&self, token: Option<Secret>) {
        *self.unkept.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }
}
