//! Takes runs out of the engine, and replays them.

use atom_core::{Result, RunId};
use atom_workflow::runtime::{Recording, Replayed};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::{Context, Permission, Request};

/// Takes a run out as one JSON document, with its workflow's document and its journal. It holds no secret.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportRunRequest {
    /// The run's id.
    pub id: RunId,
}

impl Request for ExportRunRequest {
    const NAME: &'static str = "runs.export";
    const SUMMARY: &'static str =
        "Gives a run with its document and its journal, to be kept or replayed elsewhere.";
    const PERMISSION: Permission = Permission::RunsRead;
    type Response = Recording;

    async fn handle(self, context: Context) -> Result<Recording> {
        let runtime = context.embedded(Self::NAME)?;
        runtime.record_run(&context.scope(), self.id).await
    }
}

/// Replays a run that was exported, without any effect.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRunRequest {
    /// What `runs.export` gave.
    pub recording: Recording,
}

impl Request for ReplayRunRequest {
    const NAME: &'static str = "runs.replay";
    const SUMMARY: &'static str = "Replays an exported run with this version of the engine, and tells where it would do something else.";
    const PERMISSION: Permission = Permission::RunsRead;
    type Response = Replayed;

    async fn handle(self, _context: Context) -> Result<Replayed> {
        // It computes for as long as the run did, all at once.
        let replay = tokio::task::spawn_blocking(move || self.recording.replay());
        replay
            .await
            .map_err(|error| atom_core::Error::internal("the replay ended in a panic").with_source(error))?
    }
}
