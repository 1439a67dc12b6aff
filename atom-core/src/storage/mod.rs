//! What the engine keeps, and the rules every store must hold.
//!
//! * Every row belongs to a [`Scope`]: a method that takes one never touches another's rows. Only
//!   [`RunStore::unfinished`] sees all scopes, because an engine that starts resumes everybody's runs.
//! * What a method reports as written is on disk: it survives `kill -9` and a power cut.
//! * An engine that has lost its place to a newer one can write nothing ([`ErrorCode::Conflict`](crate::ErrorCode)).
//! * A failed write leaves everything stored before as it was.
//!
//! [`MemoryStore`] holds these rules within one process; `testkit` has the suites that check them.

mod memory;
mod run;
mod vault;
mod workflow;

pub use memory::MemoryStore;
pub use run::{
    Committed, JournalEntry, NewRun, ParentStep, RunCommit, RunEnd, RunFilter, RunRecord, RunStatus, RunStore,
    WorkflowKey,
};
pub use vault::{MemoryVault, SecretInfo, Vault, validate_secret, validate_secret_name};
pub use workflow::{DeployedWorkflow, WorkflowStore};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::EventLog;

#[cfg(doc)]
use crate::Scope;

/// A store of everything: workflows, runs with their journals, and events.
///
/// They are one trait because a run's commit writes journal entries, emitted events and child runs together.
pub trait Store: WorkflowStore + RunStore + EventLog {}

impl<T: WorkflowStore + RunStore + EventLog> Store for T {}

/// The most items one page of a list can hold.
pub const MAX_PAGE: usize = 1000;

/// Which part of a list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PageRequest {
    /// The `next` of the page before; absent for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many items at most, 1 to 1000; 100 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl PageRequest {
    /// The number of items to return.
    ///
    /// # Errors
    /// `invalid_request` for 0 or more than [`MAX_PAGE`].
    pub fn size(&self) -> crate::Result<usize> {
        match self.limit {
            None => Ok(100),
            Some(size) if (1..=MAX_PAGE).contains(&size) => Ok(size),
            Some(_) => Err(crate::Error::invalid_request(format!("'limit' must be from 1 to {MAX_PAGE}"))),
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to pass as `after` to get the following page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
