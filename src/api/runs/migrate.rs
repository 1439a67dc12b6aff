//! Moves runs to other versions of their workflow.

use atom_core::storage::WorkflowVersion;
use atom_core::{Result, RunId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Run;
use crate::api::workflows::find;
use crate::api::{Context, Permission, Request};

/// Moves a run that has not ended to another version of its workflow. It is refused when the run has already done anything
/// that the other version would not have done in the same way, at the same place of the document.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrateRunRequest {
    /// The run's id.
    pub id: RunId,
    /// The deployed version to move it to; the latest when absent or `latest`.
    #[serde(default)]
    pub version: Option<String>,
    /// Whether only to check whether it could be moved.
    #[serde(default)]
    pub dry_run: bool,
}

/// A run that was moved, or could be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MigratedRun {
    /// The run as it is now.
    pub run: Run,
    /// The version that it followed before.
    pub from: WorkflowVersion,
    /// The version that it follows now, or after a dry run could follow.
    pub to: WorkflowVersion,
}

impl Request for MigrateRunRequest {
    const NAME: &'static str = "runs.migrate";
    const SUMMARY: &'static str =
        "Moves a run to another version of its workflow, if that would have done the same so far.";
    const PERMISSION: Permission = Permission::RunsWrite;
    type Response = MigratedRun;

    async fn handle(self, context: Context) -> Result<MigratedRun> {
        let scope = context.scope();
        let runtime = context.embedded(Self::NAME)?;
        let run = context.parts.runs.get(&scope, self.id).await?;
        let workflow = &run.workflow;
        let found = find(
            &context,
            &workflow.namespace,
            &workflow.name,
            self.version.as_deref(),
        )
        .await?;
        let to = WorkflowVersion {
            version: found.workflow.version,
            hash: found.workflow.hash,
        };
        let migration = runtime.migrate_run(&scope, self.id, to, self.dry_run).await?;
        Ok(MigratedRun {
            run: Run::from(migration.run),
            from: migration.from,
            to: migration.to,
        })
    }
}
