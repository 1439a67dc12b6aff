//! Which runs there are, and which of them are meant.

use std::collections::BTreeMap;

use atom_core::storage::{Page, PageRequest, RunFilter, RunLabels, RunStatus, TimeRange, indexed};
use atom_core::{Error, Result, RunId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Run;
use crate::api::{Context, Permission, Request};

/// Asks which runs there are: those that meet every condition.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRunsRequest {
    /// Only runs in this state.
    #[serde(default)]
    pub status: Option<RunStatus>,
    /// Only runs in one of these states; not together with `status`.
    #[serde(default)]
    pub statuses: Vec<RunStatus>,
    /// Only runs of workflows in this namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Only runs of workflows with this name.
    #[serde(default)]
    pub name: Option<String>,
    /// Only runs of this version.
    #[serde(default)]
    pub version: Option<String>,
    /// Only runs started by this run.
    #[serde(default)]
    pub parent: Option<RunId>,
    /// Only runs created at this time or later.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub created_from: Option<Timestamp>,
    /// Only runs created before this time.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub created_before: Option<Timestamp>,
    /// Only runs that ended at this time or later.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub ended_from: Option<Timestamp>,
    /// Only runs that ended before this time.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub ended_before: Option<Timestamp>,
    /// Only faulted runs whose error has this type.
    #[serde(default)]
    pub error_type: Option<String>,
    /// Only runs with all these tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Only runs with all these indexed fields: texts, numbers or booleans.
    #[serde(default)]
    pub fields: BTreeMap<String, Value>,
    /// The `next` of the page before; absent for the first page.
    #[serde(default)]
    pub after: Option<String>,
    /// How many runs at most, 1 to 1000; 100 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// Runs that meet every condition, as `runs.list` shows them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSelection {
    /// Only runs in one of these states.
    #[serde(default)]
    pub statuses: Vec<RunStatus>,
    /// Only runs of workflows in this namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Only runs of workflows with this name.
    #[serde(default)]
    pub name: Option<String>,
    /// Only runs of this version.
    #[serde(default)]
    pub version: Option<String>,
    /// Only runs started by this run.
    #[serde(default)]
    pub parent: Option<RunId>,
    /// Only runs created at this time or later.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub created_from: Option<Timestamp>,
    /// Only runs created before this time.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub created_before: Option<Timestamp>,
    /// Only runs that ended at this time or later.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub ended_from: Option<Timestamp>,
    /// Only runs that ended before this time.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub ended_before: Option<Timestamp>,
    /// Only faulted runs whose error has this type.
    #[serde(default)]
    pub error_type: Option<String>,
    /// Only runs with all these tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Only runs with all these indexed fields: texts, numbers or booleans.
    #[serde(default)]
    pub fields: BTreeMap<String, Value>,
}

impl RunSelection {
    pub(super) fn filter(self) -> Result<RunFilter> {
        let fields = self.fields.into_iter();
        let labels = RunLabels {
            tags: self.tags,
            fields: fields.map(|(name, field)| (name, indexed(field))).collect(),
        };
        labels.check()?;
        Ok(RunFilter {
            statuses: self.statuses,
            namespace: self.namespace,
            name: self.name,
            version: self.version,
            parent: self.parent,
            created: TimeRange {
                from: self.created_from,
                before: self.created_before,
            },
            ended: TimeRange {
                from: self.ended_from,
                before: self.ended_before,
            },
            error_type: self.error_type,
            labels,
        })
    }
}

impl Request for ListRunsRequest {
    const NAME: &'static str = "runs.list";
    const SUMMARY: &'static str = "Lists runs without their input and output, the newest first.";
    const PERMISSION: Permission = Permission::RunsRead;
    type Response = Page<Run>;

    async fn handle(self, context: Context) -> Result<Page<Run>> {
        if self.status.is_some() && !self.statuses.is_empty() {
            return Err(Error::invalid_request("give either 'status' or 'statuses'"));
        }
        let page = PageRequest::new(self.after, self.limit);
        let selection = RunSelection {
            statuses: self.status.map_or(self.statuses, |status| vec![status]),
            namespace: self.namespace,
            name: self.name,
            version: self.version,
            parent: self.parent,
            created_from: self.created_from,
            created_before: self.created_before,
            ended_from: self.ended_from,
            ended_before: self.ended_before,
            error_type: self.error_type,
            tags: self.tags,
            fields: self.fields,
        };
        let filter = selection.filter()?;
        context.parts.runs.list(&context.scope(), &filter, &page).await
    }
}
