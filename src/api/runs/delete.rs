//! Removes runs.

use atom_core::{Result, RunId};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Done;
use crate::api::{Context, Permission, Request};

/// Removes a run that has ended, with its history and approvals. Its id and idempotency key can be used again then. The
/// runs that it started stay.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteRunRequest {
    /// Its id.
    pub id: RunId,
}

impl Request for DeleteRunRequest {
    const NAME: &'static str = "runs.delete";
    const SUMMARY: &'static str = "Removes a run that has ended, with its history and approvals.";
    const PERMISSION: Permission = Permission::RunsWrite;
    type Response = Done;

    async fn handle(self, context: Context) -> Result<Done> {
        context.parts.runs.delete(&context.scope(), self.id).await?;
        Ok(Done {})
    }
}
