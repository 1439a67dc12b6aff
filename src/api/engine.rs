//! What the engine is, and how it fares.

use atom_core::storage::DeployedWorkflow;
use atom_core::{Error, ErrorReport, Result, Scope};
use atom_workflow::machine::MACHINE_VERSION;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::runs::{PATIENCE_MS, before};
use super::{Context, Operation, Permission, Request, infos};
use crate::StorageKind;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::call::<GetEngineInfoRequest>(),
    Operation::call::<GetEngineHealthRequest>(),
];

/// Asks what the engine is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetEngineInfoRequest {}

/// What the engine is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EngineInfo {
    /// `atom`.
    pub name: String,
    /// The engine's version.
    pub version: String,
    /// The version of the workflow machine; runs of this version and older ones go on.
    pub machine_version: u32,
    /// Where workflows, runs, events and secrets are kept.
    pub storage: StorageKind,
    /// The folder that holds the store, when it is on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<String>,
    /// How many operations there are.
    pub operations: usize,
}

impl Request for GetEngineInfoRequest {
    const NAME: &'static str = "engine.info";
    const SUMMARY: &'static str = "Tells the engine's version and where it keeps its data.";
    const PERMISSION: Permission = Permission::EngineRead;
    type Response = EngineInfo;

    async fn handle(self, context: Context) -> Result<EngineInfo> {
        Ok(EngineInfo {
            name: "atom".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            machine_version: MACHINE_VERSION,
            storage: context.parts.storage,
            data_dir: context
                .parts
                .data_dir
                .as_ref()
                .map(|folder| folder.display().to_string()),
            operations: infos().len(),
        })
    }
}

/// Asks whether the engine works.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetEngineHealthRequest {}

/// Whether the engine works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EngineHealth {
    /// The state of the whole.
    pub status: HealthStatus,
    /// The state of the store.
    pub storage: StorageHealth,
    /// The state of the runs.
    pub runs: RunsHealth,
}

/// Whether something works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It works.
    Ok,
    /// It does not.
    Failing,
}

/// Whether the store works: something was written to it, read again and deleted just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StorageHealth {
    /// Whether writing, reading and deleting worked.
    pub status: HealthStatus,
    /// How long they took together, in milliseconds.
    pub probe_ms: u64,
    /// Why they did not work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
}

/// How the runs are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunsHealth {
    /// How many runs are under way in this process, over all users.
    pub running: usize,
    /// How many runs of this process have not been able to go on for a minute, over all users; `runs.stuck` tells their
    /// owners which and why.
    pub stuck: usize,
}

impl Request for GetEngineHealthRequest {
    const NAME: &'static str = "engine.health";
    const SUMMARY: &'static str =
        "Tells whether the engine works, by writing to its store and reading again.";
    const PERMISSION: Permission = Permission::EngineRead;
    type Response = EngineHealth;

    async fn handle(self, context: Context) -> Result<EngineHealth> {
        let begin = context.parts.clock.now();
        let error = probe(&context).await.err().map(|error| error.report());
        let elapsed = context.parts.clock.now().duration_since(begin).as_millis();
        let status = if error.is_none() {
            HealthStatus::Ok
        } else {
            HealthStatus::Failing
        };
        let storage = StorageHealth {
            status,
            probe_ms: u64::try_from(elapsed).unwrap_or(0),
            error,
        };
        Ok(EngineHealth {
            status,
            storage,
            runs: RunsHealth {
                running: context.parts.runtime.running(),
                stuck: context.parts.runtime.stuck_count(before(&context, PATIENCE_MS)),
            },
        })
    }
}

/// Writes a workflow that no user can see, reads it again and deletes it.
async fn probe(context: &Context) -> Result<()> {
    // No principal can have this name: it holds a control character.
    let scope = Scope {
        tenant: "\u{0}".to_owned(),
        user: "probe".to_owned(),
    };
    let store = &context.parts.store;
    let probe = DeployedWorkflow {
        namespace: "probe".to_owned(),
        name: context.fresh_id(),
        version: "0.0.0".to_owned(),
        hash: "probe".to_owned(),
        title: None,
        summary: None,
        deployed_at: context.parts.clock.now(),
        withdrawn_at: None,
    };
    store.put_document(&scope, &probe.hash, "").await?;
    store.deploy(&scope, &probe).await?;
    let found = store.find(&scope, &probe.namespace, &probe.name, None).await?;
    store.delete(&scope, &probe.namespace, &probe.name, None).await?;
    if found.is_none_or(|found| found.hash != probe.hash) {
        return Err(Error::internal(
            "the store does not give back what was written to it; please report this",
        ));
    }
    Ok(())
}
