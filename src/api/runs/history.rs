//! Tells what has happened to runs.

use atom_core::storage::{MAX_PAGE, PageRequest};
use atom_core::{Result, RunId};
use atom_workflow::runtime::{HistoryEntry, Step};
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
    /// The offset of the history after which to begin: the `next` of the page before; the beginning when absent.
    #[serde(default)]
    pub after: u64,
    /// How many records at most, 1 to 1000; 1000 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
}

impl GetRunHistoryRequest {
    /// The first records.
    #[must_use]
    pub fn new(id: RunId) -> Self {
        Self {
            id,
            after: 0,
            limit: None,
        }
    }
}

/// What has happened to a run, the oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunHistory {
    /// What happened.
    pub records: Vec<HistoryEntry>,
    /// What to pass as `after` for the records that follow; absent when there are none so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

impl Request for GetRunHistoryRequest {
    const NAME: &'static str = "runs.history";
    const SUMMARY: &'static str = "Tells what has happened to a run, task by task.";
    const PERMISSION: Permission = Permission::RunsRead;
    type Response = RunHistory;

    async fn handle(self, context: Context) -> Result<RunHistory> {
        let size = size(self.limit)?;
        let runs = &context.parts.runs;
        // One more than wanted tells whether the history goes on.
        let mut records = runs
            .history(&context.scope(), self.id, self.after, size + 1)
            .await?;
        let has_more = records.len() > size;
        records.truncate(size);
        let last = records.last().map(|record| record.offset);
        Ok(RunHistory {
            next: last.filter(|_| has_more),
            records,
        })
    }
}

/// The size of a page that is the largest unless a smaller one is asked for.
fn size(limit: Option<usize>) -> Result<usize> {
    let page = PageRequest::new(None, Some(limit.unwrap_or(MAX_PAGE)));
    page.size()
}

/// Asks what the tasks of a run took.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRunStepsRequest {
    /// The run's id.
    pub id: RunId,
    /// The number of the step after which to begin: the `next` of the page before; the beginning when absent.
    #[serde(default)]
    pub after: u64,
    /// How many steps at most, 1 to 1000; 1000 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// What the tasks of a run took, in the order in which they began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunSteps {
    /// The executions of tasks.
    pub items: Vec<Step>,
    /// What to pass as `after` for the steps that follow; absent when there are none so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

impl Request for ListRunStepsRequest {
    const NAME: &'static str = "runs.steps";
    const SUMMARY: &'static str =
        "Tells when each execution of a task began and ended, how often it was tried, and how it ended.";
    const PERMISSION: Permission = Permission::RunsRead;
    type Response = RunSteps;

    async fn handle(self, context: Context) -> Result<RunSteps> {
        let size = size(self.limit)?;
        let runs = &context.parts.runs;
        let mut items = runs
            .steps(&context.scope(), self.id, self.after, size + 1)
            .await?;
        let has_more = items.len() > size;
        items.truncate(size);
        let last = items.last().map(|step| step.step);
        Ok(RunSteps {
            next: last.filter(|_| has_more),
            items,
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
        let runtime = context.embedded(Self::NAME)?;
        Ok(runtime.follow(context.scope(), self.id, self.after))
    }
}
