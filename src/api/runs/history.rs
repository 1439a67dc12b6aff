//! Tells what has happened to runs.

use atom_core::{Result, RunId};
use atom_workflow::runtime::HistoryEntry;
use futures::stream::BoxStream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Context, Permission, Request, StreamRequest};

/// Asks what has happened to a run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetRunHistoryRequest {
    /// Its id.
    pub id: RunId,
}

/// What has happened to a run, the oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunHistory {
    /// What happened.
    pub records: Vec<HistoryEntry>,
}

impl Request for GetRunHistoryRequest {
    const NAME: &'static str = "runs.history";
    const SUMMARY: &'static str = "Tells what has happened to a run, task by task.";
    const PERMISSION: Permission = Permission::RunsRead;
    type Response = RunHistory;

    async fn handle(self, context: Context) -> Result<RunHistory> {
        Ok(RunHistory {
            records: context.parts.runtime.history(&context.scope(), self.id).await?,
        })
    }
}

/// Follows what happens to a run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FollowRunRequest {
    /// Its id.
    pub id: RunId,
    /// The offset of the history after which to begin; the beginning when absent.
    #[serde(default)]
    pub after: u64,
}

impl StreamRequest for FollowRunRequest {
    const NAME: &'static str = "runs.events";
    const SUMMARY: &'static str =
        "Follows what happens to a run, from its beginning or any offset, until it has ended.";
    const PERMISSION: Permission = Permission::RunsRead;
    type Item = HistoryEntry;

    fn handle(self, context: Context) -> Result<BoxStream<'static, Result<HistoryEntry>>> {
        Ok(context.parts.runtime.follow(context.scope(), self.id, self.after))
    }
}
