//! Replaying histories: whether this version of the engine does with a recorded run what was done.

use std::sync::Arc;

use atom_core::storage::{Store, Vault};
use atom_core::{Error, ErrorCode, Result, Scope};
use temporalio_client::WorkflowHistory;
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};

use super::codec::Sealer;
use super::interpreter::Interpreter;
use super::schedule::Alarm;

/// Replays a history that [`TemporalRuntime::history`](super::TemporalRuntime::history) gave. No server is needed: the vault
/// has the keys of `operator` it was sealed with, the store what was too large for it.
///
/// # Errors
/// `version_mismatch` when a run would go another way than it did, `invalid_data` for a history that cannot be read,
/// `not_found` for a missing key, what the vault says.
pub async fn replay(
    vault: &dyn Vault,
    store: Arc<dyn Store>,
    operator: &Scope,
    history: &[u8],
) -> Result<()> {
    let sealer = Arc::new(Sealer::open(vault, store, operator).await?);
    let history = WorkflowHistory::from_json(history).map_err(|error| {
        Error::new(ErrorCode::InvalidData, "the text is no history of Temporal").with_source(error)
    })?;
    carry_out(sealer, history, Interpreter::default).await
}

/// Replays a history with interpreters of one's own making.
pub(super) async fn carry_out(
    sealer: Arc<Sealer>,
    history: WorkflowHistory,
    interpreter: impl Fn() -> Interpreter + Send + Sync + 'static,
) -> Result<()> {
    // The SDK's worker is bound to its thread.
    let tokio = tokio::runtime::Handle::current();
    let replayed = tokio::task::spawn_blocking(move || {
        let options = WorkflowReplayerOptions::new()
            .data_converter(sealer.data_converter())
            .register_workflow_with_factory(interpreter)
            .map_err(diverged)?
            .register_workflow::<Alarm>()
            .map_err(diverged)?
            .build();
        let replayer = WorkflowReplayer::new(options).map_err(diverged)?;
        tokio
            .block_on(replayer.replay_workflow(history))
            .map_err(diverged)
    });
    replayed
        .await
        .map_err(|error| Error::internal("a replay ended in a panic").with_source(error))?
}

fn diverged(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorCode::VersionMismatch,
        "the history cannot be replayed with this version of the engine",
    )
    .with_source(error)
}
