//! Repeats runs.

use atom_core::{Result, RunId};
use atom_workflow::runtime::Rerun;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Run, answer};
use crate::api::{Context, Permission, Request};

/// Repeats a run that has ended, in a new run with the same document and input. What the first run was answered before
/// the step that is repeated is taken over and not asked again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RerunRunRequest {
    /// The id of the run to repeat.
    pub id: RunId,
    /// The JSON pointer of the task to begin with, as in the run's history, e.g. `/do/2/pay`. When absent, the step that
    /// the run failed at; a run that completed or was undone is repeated from its start.
    #[serde(default)]
    pub from: Option<String>,
    /// The id to give to the new run, a UUID. Repeating the same run again with the same id gives the first repetition.
    #[serde(default)]
    pub new_id: Option<RunId>,
    /// Whether to answer only when the new run has ended.
    #[serde(default)]
    pub wait: bool,
    /// How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is
    /// answered as it is.
    #[serde(default)]
    pub wait_timeout_ms: Option<u64>,
}

impl Request for RerunRunRequest {
    const NAME: &'static str = "runs.rerun";
    const SUMMARY: &'static str =
        "Repeats a run from the step it failed at, or from any other, in a new run.";
    const PERMISSION: Permission = Permission::RunsWrite;
    type Response = Run;

    async fn handle(self, context: Context) -> Result<Run> {
        let rerun = Rerun {
            run: self.id,
            from: self.from,
            id: self.new_id,
        };
        let started = context
            .embedded(Self::NAME)?
            .rerun(&context.principal, rerun)
            .await?;
        answer(&context, started.into(), self.wait, self.wait_timeout_ms).await
    }
}
