//! Runs of workflows.

use std::collections::BTreeMap;
use std::time::Duration;

use atom_core::storage::{
    Admission, ParentStep, RunRecord, RunStatus, RunTrigger, WorkflowKey, WorkflowVersion,
};
use atom_core::{Result, RunId};
use atom_workflow::machine::WorkflowError;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Context, EventDraft, Operation, Permission, Request};

mod bulk;
mod delete;
mod history;
mod list;
mod migrate;
mod pause;
mod recording;
mod rerun;
mod start;
mod stuck;

pub use bulk::{CancelRunsRequest, ChangedRun, ChangedRuns, RerunRunsRequest};
pub use delete::DeleteRunRequest;
pub use history::{FollowRunRequest, GetRunHistoryRequest, ListRunStepsRequest, RunHistory, RunSteps};
pub use list::{ListRunsRequest, RunSelection};
pub use migrate::{MigrateRunRequest, MigratedRun};
pub use pause::{PauseRunRequest, ResumeRunRequest};
pub use recording::{ExportRunRequest, ReplayRunRequest};
pub use rerun::RerunRunRequest;
pub(super) use start::no_input;
pub use start::{StartRunRequest, WorkflowReference};
pub use stuck::{ListRunWaitsRequest, ListStuckRunsRequest, RunWaits, StuckRun};
pub(super) use stuck::{PATIENCE_MS, before};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::call::<StartRunRequest>(),
    Operation::call::<GetRunRequest>(),
    Operation::call::<ListRunsRequest>(),
    Operation::call::<CancelRunRequest>(),
    Operation::call::<CancelRunsRequest>(),
    Operation::call::<DeleteRunRequest>(),
    Operation::call::<PauseRunRequest>(),
    Operation::call::<ResumeRunRequest>(),
    Operation::call::<MigrateRunRequest>(),
    Operation::call::<RerunRunRequest>(),
    Operation::call::<RerunRunsRequest>(),
    Operation::call::<GetRunHistoryRequest>(),
    Operation::call::<ListRunStepsRequest>(),
    Operation::call::<ListRunWaitsRequest>(),
    Operation::call::<ExportRunRequest>(),
    Operation::call::<ReplayRunRequest>(),
    Operation::call::<ListStuckRunsRequest>(),
    Operation::stream::<FollowRunRequest>(),
    Operation::call::<SignalRunRequest>(),
];

/// A run of a workflow. Lists leave out its input and output, which may be large.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Which document it follows.
    pub workflow: WorkflowKey,
    /// The version that it was started with, for a run that was moved to another one since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_with: Option<WorkflowVersion>,
    /// Its state.
    pub status: RunStatus,
    /// Its input as given; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// Its output, once completed; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Its error, once faulted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WorkflowError>")]
    pub error: Option<Value>,
    /// The step that started it, for a run started by a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentStep>,
    /// The run that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun_of: Option<RunId>,
    /// What started it by itself, for a run that nobody asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<RunTrigger>,
    /// The words that were given to it and its document, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What its document computed from its input to find it by, by name: texts, numbers and booleans.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Value>,
    /// The key under which it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// How it came to begin or waits to, for a run whose document limits how many go on at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// When it was created.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// When something last happened to it.
    #[schemars(with = "String")]
    pub updated_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
}

impl From<RunRecord> for Run {
    fn from(record: RunRecord) -> Self {
        Self {
            id: record.id,
            workflow: record.workflow,
            started_with: record.started_with,
            status: record.status,
            input: Some(record.input),
            output: record.output,
            error: record.error,
            parent: record.parent,
            rerun_of: record.rerun_of,
            trigger: record.trigger,
            tags: record.labels.tags,
            fields: record.labels.fields,
            idempotency_key: record.idempotency_key,
            admission: record.admission,
            created_at: record.created_at,
            updated_at: record.updated_at,
            ended_at: record.ended_at,
        }
    }
}

/// The run once it has ended, or as it is when the time is over.
async fn wait(context: &Context, id: RunId, timeout_ms: Option<u64>) -> Result<Run> {
    let (scope, runs) = (context.scope(), &context.parts.runs);
    let end = context.parts.until_closing(runs.wait(&scope, id));
    let Some(timeout) = timeout_ms else {
        return end.await;
    };
    tokio::select! {
        biased;
        ended = end => ended,
        () = context.parts.clock.sleep(Duration::from_millis(timeout)) => runs.get(&scope, id).await,
    }
}

/// The answer about a run that was started: at once, or when it has ended.
async fn answer(context: &Context, started: Run, waits: bool, timeout_ms: Option<u64>) -> Result<Run> {
    if !waits {
        return Ok(started);
    }
    wait(context, started.id, timeout_ms).await
}

/// Asks for one run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetRunRequest {
    /// Its id.
    pub id: RunId,
    /// Whether to answer only when the run has ended.
    #[serde(default)]
    pub wait: bool,
    /// How long to wait, in milliseconds; without an end when absent. A run that has not ended by then is
    /// answered as it is.
    #[serde(default)]
    pub wait_timeout_ms: Option<u64>,
}

impl GetRunRequest {
    /// The run as it is now.
    #[must_use]
    pub fn new(id: RunId) -> Self {
        Self {
            id,
            wait: false,
            wait_timeout_ms: None,
        }
    }

    /// The run once it has ended.
    #[must_use]
    pub fn ended(id: RunId) -> Self {
        Self {
            id,
            wait: true,
            wait_timeout_ms: None,
        }
    }
}

impl Request for GetRunRequest {
    const NAME: &'static str = "runs.get";
    const SUMMARY: &'static str = "Gives a run, and waits for its end when asked to.";
    const PERMISSION: Permission = Permission::RunsRead;
    type Response = Run;

    async fn handle(self, context: Context) -> Result<Run> {
        if self.wait {
            return wait(&context, self.id, self.wait_timeout_ms).await;
        }
        context.parts.runs.get(&context.scope(), self.id).await
    }
}

/// Cancels a run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRunRequest {
    /// Its id.
    pub id: RunId,
    /// Why, for its history.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Request for CancelRunRequest {
    const NAME: &'static str = "runs.cancel";
    const SUMMARY: &'static str =
        "Cancels a run; one that has ended stays as it is, one with compensations is undone first.";
    const PERMISSION: Permission = Permission::RunsWrite;
    type Response = Run;

    async fn handle(self, context: Context) -> Result<Run> {
        let runs = &context.parts.runs;
        runs.cancel(&context.scope(), self.id, self.reason).await
    }
}

/// Sends an event to one run. It is kept until a task of the run listens for it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalRunRequest {
    /// The run's id.
    pub id: RunId,
    /// What kind of event it is, e.g. `com.example.order.placed.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened.
    #[serde(default)]
    pub data: Option<Value>,
    /// Where the event comes from, a URI reference; `/atom` when absent.
    #[serde(default)]
    pub source: Option<String>,
    /// Identifies the event together with `source`; a new id when absent.
    #[serde(default)]
    pub event_id: Option<String>,
}

/// Nothing more to tell: it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {}

impl Request for SignalRunRequest {
    const NAME: &'static str = "runs.signal";
    const SUMMARY: &'static str = "Sends an event to one run, durably.";
    const PERMISSION: Permission = Permission::RunsWrite;
    type Response = Done;

    async fn handle(self, context: Context) -> Result<Done> {
        let draft = EventDraft {
            id: self.event_id,
            source: self.source,
            kind: self.kind,
            data: self.data,
            ..EventDraft::default()
        };
        let event = draft.complete(&context)?;
        let runs = &context.parts.runs;
        runs.signal(&context.scope(), self.id, event).await?;
        Ok(Done {})
    }
}
