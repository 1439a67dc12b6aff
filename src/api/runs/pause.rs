//! Pauses runs and lets them go on.

use atom_core::{Result, RunId};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Run;
use crate::api::{Context, Permission, Request};

/// Pauses a run. Calls and child runs that are under way finish, and what they answer is kept; nothing new begins.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRunRequest {
    /// Its id.
    pub id: RunId,
    /// Why, for its history.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Request for PauseRunRequest {
    const NAME: &'static str = "runs.pause";
    const SUMMARY: &'static str =
        "Pauses a run: what is under way finishes, and nothing new begins until it is resumed.";
    const PERMISSION: Permission = Permission::RunsWrite;
    type Response = Run;

    async fn handle(self, context: Context) -> Result<Run> {
        let runs = &context.parts.runs;
        runs.pause(&context.scope(), self.id, self.reason).await
    }
}

/// Lets a paused run go on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeRunRequest {
    /// Its id.
    pub id: RunId,
}

impl Request for ResumeRunRequest {
    const NAME: &'static str = "runs.resume";
    const SUMMARY: &'static str = "Lets a paused run go on; one that is not paused stays as it is.";
    const PERMISSION: Permission = Permission::RunsWrite;
    type Response = Run;

    async fn handle(self, context: Context) -> Result<Run> {
        context.parts.runs.resume(&context.scope(), self.id).await
    }
}
