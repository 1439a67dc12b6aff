//! The engines that share the storage.

use atom_core::storage::{WorkerRecord, WorkerState};
use atom_core::{Result, WorkerId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Operation, Permission, Request};

pub(super) const OPERATIONS: &[Operation] = &[Operation::call::<ListWorkersRequest>()];

/// Asks which engines share the storage.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListWorkersRequest {}

/// The engines that share the storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerList {
    /// The engines, the oldest first; none where one engine has the storage for itself.
    pub workers: Vec<Worker>,
}

/// An engine that shares the storage with others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Worker {
    /// Its id, for as long as it holds its lease.
    pub id: WorkerId,
    /// The machine and process that it runs in.
    pub name: String,
    /// Whether it holds its runs.
    pub state: WorkerState,
    /// Whether it is the engine that was asked.
    pub is_this: bool,
    /// Whether it takes runs that no engine drives: those of engines that are gone, and those that others have started for it.
    pub takes_runs: bool,
    /// How many runs that have not ended it drives, over all users.
    pub runs: u64,
    /// How many functions it has.
    pub functions: usize,
    /// Since when it is there, by the clock of the storage.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// When it last renewed its lease, by the clock of the storage.
    #[schemars(with = "String")]
    pub renewed_at: Timestamp,
    /// When others take over its runs unless it renews its lease, by the clock of the storage.
    #[schemars(with = "String")]
    pub lease_until: Timestamp,
}

impl Request for ListWorkersRequest {
    const NAME: &'static str = "workers.list";
    const SUMMARY: &'static str = "Lists the engines that share the storage, and how many runs each drives.";
    const PERMISSION: Permission = Permission::EngineRead;
    type Response = WorkerList;

    async fn handle(self, context: Context) -> Result<WorkerList> {
        let runtime = &context.parts.runtime;
        let this = runtime.worker_id();
        let workers = runtime.list_workers().await?;
        let workers = workers.into_iter().map(|worker| shown(worker, this)).collect();
        Ok(WorkerList { workers })
    }
}

fn shown(worker: WorkerRecord, this: Option<WorkerId>) -> Worker {
    Worker {
        id: worker.id,
        is_this: this == Some(worker.id),
        name: worker.info.name,
        state: worker.state,
        takes_runs: worker.info.takes_runs,
        runs: worker.runs,
        functions: worker.info.functions.len(),
        started_at: worker.started_at,
        renewed_at: worker.renewed_at,
        lease_until: worker.lease_until,
    }
}
