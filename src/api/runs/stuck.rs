//! Why runs do not go on.

use atom_core::storage::{Page, PageRequest, RunStatus};
use atom_core::{Result, RunId};
use atom_workflow::machine::Wait;
use atom_workflow::runtime::Stuck;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Run;
use crate::api::{Context, Permission, Request};

/// Asks what a run waits for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRunWaitsRequest {
    /// The run's id.
    pub id: RunId,
}

/// What a run waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunWaits {
    /// The run's state.
    pub status: RunStatus,
    /// Whether this engine drives it: an interrupted run has to be resumed first.
    pub is_driven: bool,
    /// What it waits for, in the order in which it began to; nothing once it has ended.
    pub items: Vec<Wait>,
    /// What keeps it from going on at this moment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stuck: Vec<Stuck>,
}

impl Request for ListRunWaitsRequest {
    const NAME: &'static str = "runs.waits";
    const SUMMARY: &'static str = "Tells what a run waits for, and what keeps it from going on.";
    const PERMISSION: Permission = Permission::RunsRead;
    type Response = RunWaits;

    async fn handle(self, context: Context) -> Result<RunWaits> {
        context.parts.runs.waits(&context.scope(), self.id).await
    }
}

/// Asks which runs cannot go on although they wait for nothing that will come by itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListStuckRunsRequest {
    /// For how long they must have been unable to go on, in milliseconds; a minute when absent.
    #[serde(default)]
    pub older_than_ms: Option<u64>,
    /// The `next` of the page before; absent for the first page.
    #[serde(default)]
    pub after: Option<String>,
    /// How many running runs to look at, 1 to 1000; 100 when absent. A page shows those of them that are stuck, so it can
    /// be empty and still have a `next`.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// A run that cannot go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StuckRun {
    /// The run, without its input and output.
    pub run: Run,
    /// What keeps it from going on.
    pub stuck: Vec<Stuck>,
}

/// How long a run may be unable to go on before it counts as stuck, unless the caller says otherwise.
pub(crate) const PATIENCE_MS: u64 = 60_000;

/// The moment this many milliseconds ago.
pub(crate) fn before(context: &Context, milliseconds: u64) -> Timestamp {
    let now = context.parts.clock.now();
    now.saturating_sub(std::time::Duration::from_millis(milliseconds))
        .unwrap_or(Timestamp::MIN)
}

impl Request for ListStuckRunsRequest {
    const NAME: &'static str = "runs.stuck";
    const SUMMARY: &'static str =
        "Lists runs that cannot go on although they wait for nothing that will come by itself, and why.";
    const PERMISSION: Permission = Permission::RunsRead;
    type Response = Page<StuckRun>;

    async fn handle(self, context: Context) -> Result<Page<StuckRun>> {
        let until = before(&context, self.older_than_ms.unwrap_or(PATIENCE_MS));
        let page = PageRequest::new(self.after, self.limit);
        let runtime = context.embedded(Self::NAME)?;
        let found = runtime.stuck(&context.scope(), until, &page).await?;
        let items = found.items.into_iter().map(|(record, stuck)| StuckRun {
            run: Run {
                input: None,
                output: None,
                ..record.into()
            },
            stuck,
        });
        Ok(Page {
            items: items.collect(),
            next: found.next,
        })
    }
}
