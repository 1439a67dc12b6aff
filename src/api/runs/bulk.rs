//! Cancels and repeats many runs.

use atom_core::storage::{Page, PageRequest, RunFilter, RunStatus};
use atom_core::{Error, ErrorReport, Result, RunId};
use atom_workflow::runtime::Rerun;
use futures::stream::{self, StreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Run, RunSelection};
use crate::api::{Context, Permission, Request};

/// How many runs are changed at the same time: enough to share commits, few enough to leave room for others.
const AT_ONCE: usize = 16;

/// Cancels many runs, some with each call. Without states in the filter these are all that have not ended.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRunsRequest {
    /// Which runs; all of the owner that have not ended when absent.
    #[serde(default)]
    pub filter: RunSelection,
    /// Why, for their history.
    #[serde(default)]
    pub reason: Option<String>,
    /// Whether only to count the runs and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// The `next` of the call before; absent for the first call.
    #[serde(default)]
    pub after: Option<String>,
    /// How many runs to cancel at most, 1 to 1000; 100 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// Repeats many runs, some with each call. Without states in the filter these are all that faulted. Repeating a run
/// again in this way gives its first repetition.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RerunRunsRequest {
    /// Which runs; all of the owner that faulted when absent.
    #[serde(default)]
    pub filter: RunSelection,
    /// The JSON pointer of the task to begin with, as in `runs.rerun`.
    #[serde(default)]
    pub from: Option<String>,
    /// Whether only to count the runs and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// The `next` of the call before; absent for the first call.
    #[serde(default)]
    pub after: Option<String>,
    /// How many runs to repeat at most, 1 to 1000; 100 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// What became of the runs that one call was to change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedRuns {
    /// How many runs the filter showed when the call began, on this page or another.
    pub matched: u64,
    /// The runs of this call, the newest first; none in a dry run.
    pub items: Vec<ChangedRun>,
    /// What to pass as `after` to go on; absent when there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What became of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedRun {
    /// Its id.
    pub id: RunId,
    /// Its state now; absent when it could not be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
    /// The run that repeats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_id: Option<RunId>,
    /// Why it could not be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
}

impl ChangedRun {
    fn new(id: RunId, changed: Result<(RunStatus, Option<RunId>)>) -> Self {
        let (changed, error) = match changed {
            Ok(changed) => (Some(changed), None),
            Err(error) => (None, Some(error.report())),
        };
        Self {
            id,
            status: changed.map(|(status, _)| status),
            new_id: changed.and_then(|(_, new_id)| new_id),
            error,
        }
    }
}

impl Request for CancelRunsRequest {
    const NAME: &'static str = "runs.cancel_all";
    const SUMMARY: &'static str =
        "Cancels the runs that a filter shows, some with each call, or only counts them.";
    const PERMISSION: Permission = Permission::RunsWrite;
    type Response = ChangedRuns;

    async fn handle(self, context: Context) -> Result<ChangedRuns> {
        let unfinished = [RunStatus::Running, RunStatus::Queued, RunStatus::Paused];
        let filter = filter(self.filter, &unfinished, &unfinished)?;
        let page = PageRequest::new(self.after, self.limit);
        let reason = self.reason;
        let chosen = Chosen::read(&context, &filter, &page, self.dry_run).await?;
        Ok(chosen
            .change(|run| {
                let (context, reason) = (context.clone(), reason.clone());
                async move {
                    let runs = &context.parts.runs;
                    let cancelled = runs.cancel(&context.scope(), run.id, reason).await;
                    ChangedRun::new(run.id, cancelled.map(|run| (run.status, None)))
                }
            })
            .await)
    }
}

impl Request for RerunRunsRequest {
    const NAME: &'static str = "runs.rerun_all";
    const SUMMARY: &'static str =
        "Repeats the runs that a filter shows, some with each call, or only counts them.";
    const PERMISSION: Permission = Permission::RunsWrite;
    type Response = ChangedRuns;

    async fn handle(self, context: Context) -> Result<ChangedRuns> {
        let runtime = context.embedded(Self::NAME)?;
        let ended = [RunStatus::Completed, RunStatus::Faulted, RunStatus::Cancelled];
        let filter = filter(self.filter, &ended, &[RunStatus::Faulted])?;
        let page = PageRequest::new(self.after, self.limit);
        let from = self.from;
        let chosen = Chosen::read(&context, &filter, &page, self.dry_run).await?;
        Ok(chosen
            .change(|run| {
                let rerun = Rerun {
                    run: run.id,
                    from: from.clone(),
                    // The same for every call, so that a call that is made again repeats no run twice.
                    id: Some(run.id.derive("runs.rerun_all")),
                };
                let context = context.clone();
                async move {
                    let repeated = runtime.rerun(&context.principal, rerun).await;
                    ChangedRun::new(run.id, repeated.map(|new| (run.status, Some(new.id))))
                }
            })
            .await)
    }
}

/// The filter of a change that only runs in some states can undergo.
fn filter(selection: RunSelection, allowed: &[RunStatus], default: &[RunStatus]) -> Result<RunFilter> {
    let mut filter = selection.filter()?;
    if let Some(other) = filter.statuses.iter().find(|status| !allowed.contains(status)) {
        let allowed: Vec<_> = allowed.iter().map(|status| status.as_str()).collect();
        return Err(Error::invalid_request(format!(
            "runs that are {} cannot be changed in this way; choose from {}",
            other.as_str(),
            allowed.join(", ")
        )));
    }
    if filter.statuses.is_empty() {
        filter.statuses = default.to_vec();
    }
    Ok(filter)
}

/// The runs of one call.
struct Chosen {
    matched: u64,
    runs: Page<Run>,
}

impl Chosen {
    async fn read(context: &Context, filter: &RunFilter, page: &PageRequest, is_dry: bool) -> Result<Self> {
        let (runs, scope) = (&context.parts.runs, context.scope());
        page.size()?;
        let matched = runs.count(&scope, filter).await?;
        let runs = if is_dry {
            Page {
                items: Vec::new(),
                next: None,
            }
        } else {
            runs.list(&scope, filter, page).await?
        };
        Ok(Self { matched, runs })
    }

    async fn change<Change: Future<Output = ChangedRun>>(
        self,
        change: impl FnMut(Run) -> Change,
    ) -> ChangedRuns {
        let changes = stream::iter(self.runs.items).map(change).buffered(AT_ONCE);
        ChangedRuns {
            matched: self.matched,
            items: changes.collect().await,
            next: self.runs.next,
        }
    }
}
