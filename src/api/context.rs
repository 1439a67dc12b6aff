//! What the code of an operation works with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{Store, Vault};
use atom_core::{
    CancellationToken, Clock, Error, ErrorCode, FunctionRegistry, Principal, RandomSource, Result, RunId,
    Scope,
};
use atom_workflow::runtime::Runtime;
use jiff::Timestamp;

use super::permission::{Permission, PermissionTable};
use crate::StorageKind;
use crate::runs::Runner;

/// What the code of an operation works with: the engine's parts, and on whose behalf it runs.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) parts: Arc<Parts>,
    pub(crate) principal: Principal,
}

/// What an engine is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) storage: StorageKind,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) functions: Arc<FunctionRegistry>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn RandomSource>,
    /// Looks after documents and events, whatever carries runs out.
    pub(crate) runtime: Runtime,
    pub(crate) runs: Arc<dyn Runner>,
    pub(crate) permissions: PermissionTable,
    /// Cancelled when the engine begins to close: what only waits ends then.
    pub(crate) closing: CancellationToken,
}

impl Context {
    /// On whose behalf the operation runs.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// For an operation that needs a further permission besides its own, depending on the request.
    ///
    /// # Errors
    /// `permission_denied`.
    pub(super) fn require(&self, permission: Permission) -> Result<()> {
        self.parts.permissions.check(&self.principal, permission)
    }

    /// The embedded runtime, for an operation that only runs have which the engine carries out itself.
    ///
    /// # Errors
    /// `unsupported`, naming the operation.
    pub(super) fn embedded(&self, operation: &str) -> Result<&Runtime> {
        self.parts.runs.embedded(operation)
    }

    pub(super) fn scope(&self) -> Scope {
        self.principal.scope()
    }

    /// The moment this many milliseconds from now.
    pub(super) fn deadline(&self, milliseconds: u64) -> Timestamp {
        self.parts
            .clock
            .now()
            .saturating_add(Duration::from_millis(milliseconds))
            .unwrap_or(Timestamp::MAX)
    }

    /// An id that is unique, for events and idempotency keys.
    pub(super) fn fresh_id(&self) -> String {
        RunId::new(self.parts.clock.now(), self.parts.random.as_ref()).to_string()
    }
}

impl Parts {
    /// Waits for something that may never come, but no longer than the engine is open.
    pub(crate) async fn until_closing<T>(&self, wait: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.closing.cancelled() => Err(closed()),
            result = wait => result,
        }
    }
}

/// Does what takes a processor for a while where it holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(
            Error::internal("reading the document ended in a panic; please report this").with_source(error),
        ),
    }
}

/// The error of everything that an engine is asked after it was closed.
pub(crate) fn closed() -> Error {
    Error::new(ErrorCode::Closed, "the engine is closed; open it again to go on")
}
