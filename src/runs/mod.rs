//! What carries runs out: the one place where it makes a difference.
//!
//! Documents, events and secrets are the same with either: the embedded [`Runtime`] looks after them.

mod embedded;
#[cfg(feature = "temporal")]
mod temporal;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atom_core::storage::{ApprovalFilter, ApprovalRecord, Page, PageRequest, RunFilter, ScheduleRecord};
use atom_core::{ApprovalId, CloudEvent, Principal, Result, RunId, Scope};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{Decide, HistoryEntry, Runtime, RuntimeSettings, StartRun, Step};

use crate::api::{Run, RunWaits};
use crate::{EngineConfig, Runs};

/// Carries runs out. Its methods do what the operations of their names say.
#[async_trait]
pub(crate) trait Runner: Send + Sync + std::fmt::Debug {
    /// The embedded runtime, for an operation that runs elsewhere do not have.
    ///
    /// # Errors
    /// `unsupported`, naming the operation.
    fn embedded(&self, operation: &str) -> Result<&Runtime>;

    /// Checks that runs of a document can be carried out, before it is deployed.
    ///
    /// # Errors
    /// `unsupported`.
    fn check(&self, workflow: &Workflow) -> Result<()>;

    /// Checks that the schedule of a document can start its runs, before it is deployed.
    ///
    /// # Errors
    /// `unsupported`.
    fn check_schedule(&self, workflow: &Workflow) -> Result<()>;

    /// Makes the schedule of a workflow that of its latest version.
    async fn schedule(&self, principal: &Principal, namespace: &str, name: &str) -> Result<()>;

    async fn pause_schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<ScheduleRecord>;

    async fn resume_schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<ScheduleRecord>;

    async fn start(&self, principal: &Principal, start: StartRun) -> Result<Run>;

    async fn get(&self, scope: &Scope, id: RunId) -> Result<Run>;

    /// The run once it has ended.
    async fn wait(&self, scope: &Scope, id: RunId) -> Result<Run>;

    /// Runs without their input and output.
    async fn list(&self, scope: &Scope, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>>;

    /// How many runs a filter shows.
    async fn count(&self, scope: &Scope, filter: &RunFilter) -> Result<u64>;

    async fn waits(&self, scope: &Scope, id: RunId) -> Result<RunWaits>;

    /// Up to `limit` records of what has happened to a run, those after the offset `after`.
    async fn history(&self, scope: &Scope, id: RunId, after: u64, limit: usize) -> Result<Vec<HistoryEntry>>;

    /// Up to `limit` steps of a run, those with a number over `after`.
    async fn steps(&self, scope: &Scope, id: RunId, after: u64, limit: usize) -> Result<Vec<Step>>;

    async fn delete(&self, scope: &Scope, id: RunId) -> Result<()>;

    async fn cancel(&self, scope: &Scope, id: RunId, reason: Option<String>) -> Result<Run>;

    async fn pause(&self, scope: &Scope, id: RunId, reason: Option<String>) -> Result<Run>;

    async fn resume(&self, scope: &Scope, id: RunId) -> Result<Run>;

    async fn signal(&self, scope: &Scope, id: RunId, event: CloudEvent) -> Result<()>;

    async fn approvals(
        &self,
        principal: &Principal,
        filter: &ApprovalFilter,
        page: &PageRequest,
    ) -> Result<Page<ApprovalRecord>>;

    async fn approval(&self, principal: &Principal, id: ApprovalId) -> Result<ApprovalRecord>;

    async fn decide(&self, principal: &Principal, decide: Decide) -> Result<ApprovalRecord>;

    /// Lets runs go on that have not ended, those of one owner or all, and returns those that were not under way.
    async fn go_on(&self, scope: Option<&Scope>) -> Result<Vec<RunId>>;

    /// Finishes what runs have begun, for at most so long, and begins nothing new.
    async fn drain(&self, grace: Duration) -> Result<()>;

    /// Stops where runs are.
    async fn close(&self, grace: Duration) -> Result<()>;
}

/// What carries runs out as a configuration says, checked but not connected to anything.
pub(crate) enum Plan {
    Embedded,
    #[cfg(feature = "temporal")]
    Temporal(temporal::Address),
}

impl Plan {
    /// # Errors
    /// `invalid_request` for a URL that does not fit, `unsupported` for one that this build cannot use, and for settings that
    /// runs on Temporal do not have.
    pub(crate) fn new(config: &EngineConfig, settings: &RuntimeSettings) -> Result<Self> {
        match &config.runs {
            Runs::Embedded => Ok(Self::Embedded),
            #[cfg(feature = "temporal")]
            Runs::Temporal(url) => temporal::Address::new(url, settings).map(Self::Temporal),
            #[cfg(not(feature = "temporal"))]
            Runs::Temporal(_) => {
                let _ = settings;
                Err(atom_core::Error::new(
                    atom_core::ErrorCode::Unsupported,
                    "this build of the engine has no Temporal; build it with the Cargo feature `temporal`, or leave 'runs' at embedded",
                ))
            }
        }
    }

    /// Whether the engine itself carries runs out.
    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded)
    }

    /// Connects to where the runs are.
    ///
    /// # Errors
    /// `unavailable` when the server is not reached, `storage_failed`.
    #[cfg_attr(
        not(feature = "temporal"),
        expect(clippy::unused_async, reason = "there is nothing to connect to")
    )]
    pub(crate) async fn open(self, parts: RunnerParts) -> Result<Arc<dyn Runner>> {
        match self {
            Self::Embedded => Ok(Arc::new(embedded::Embedded::new(parts.runtime, parts.store))),
            #[cfg(feature = "temporal")]
            Self::Temporal(address) => Ok(Arc::new(temporal::Temporal::open(address, parts).await?)),
        }
    }
}

/// What runs are made of.
pub(crate) struct RunnerParts {
    pub(crate) runtime: Runtime,
    pub(crate) store: Arc<dyn atom_core::storage::Store>,
    #[cfg(feature = "temporal")]
    pub(crate) vault: Arc<dyn atom_core::storage::Vault>,
    #[cfg(feature = "temporal")]
    pub(crate) functions: Arc<atom_core::FunctionRegistry>,
    #[cfg(feature = "temporal")]
    pub(crate) clock: Arc<dyn atom_core::Clock>,
    #[cfg(feature = "temporal")]
    pub(crate) random: Arc<dyn atom_core::RandomSource>,
}
