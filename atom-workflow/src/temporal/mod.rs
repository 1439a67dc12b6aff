//! Runs on a [Temporal](https://temporal.io) server: the same machine, driven inside one workflow of its own.
//!
//! A [`TemporalRuntime`] starts runs and asks of them what is asked of runs; a [`TemporalWorker`] carries them out, on as many
//! machines as share the store, the vault and the functions. The server keeps their histories, which take the place of
//! journals.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use atom_core::{Principal, Scope};
//! use atom_workflow::definition::Workflow;
//! use atom_workflow::runtime::StartRun;
//! use atom_workflow::temporal::{TemporalConfig, TemporalParts, TemporalRuntime, TemporalWorker};
//! use serde_json::json;
//!
//! # async fn example(parts: TemporalParts, operator: Scope) -> atom_core::Result<()> {
//! let config = TemporalConfig {
//!     target: "http://127.0.0.1:7233".to_owned(),
//!     namespace: "default".to_owned(),
//!     task_queue: "atom".to_owned(),
//!     operator,
//!     api_key: None,
//!     authority: None,
//! };
//! let runtime = TemporalRuntime::connect(Arc::new(parts), config).await?;
//! let worker = TemporalWorker::start(runtime.clone()).await?;
//! let text = "
//! document: { dsl: 1.0.3, namespace: default, name: hello, version: 0.1.0 }
//! do:
//!   - greet: { set: { greeting: '${ \"Hello \" + .name }' } }
//! ";
//! let ada = Principal::new("acme", "ada")?;
//! let start = StartRun::new(Arc::new(Workflow::parse(text)?), text, json!({ "name": "Ada" }));
//! let run = runtime.start(&ada, start).await?;
//! let ended = runtime.wait(&ada.scope(), run).await?;
//! assert_eq!(ended.output, Some(json!({ "greeting": "Hello Ada" })));
//! worker.stop(Duration::from_secs(5)).await
//! # }
//! ```
//!
//! # How it is carried over
//!
//! * A document is pinned by its hash when the run starts. The first activity loads it from the store with its secrets.
//! * A call is an activity, with the idempotency key that the embedded runtime would give it. An error of the function is an
//!   answer; whether to try again is decided by the document. The server repeats a call only when its worker is lost: it is
//!   made at least once.
//! * Waits and timeouts are timers, which the server fires up to a second late. The machine is told the workflow's time and no
//!   other.
//! * Signals, pausing and resuming are Temporal signals; decisions are updates, so that whoever decides learns whether the
//!   decision fits. Cancelling is a Temporal cancellation, after which the run undoes what it has done.
//! * Events that runs emit go to the store's log, and tasks that listen hear from there. Where a task begins to listen is read
//!   just after it began, a moment later than in the embedded runtime. A run that listens for events of any type has all events
//!   of its owner in its history meanwhile.
//! * Runs that runs start are child workflows.
//! * Schedules are Temporal Schedules, which follow the records in the store; see [`TemporalRuntime::follow_schedule`]. Each time
//!   starts a small workflow, which starts the run.
//! * A run that is started once under a key has an id that follows from its owner, its workflow and the key.
//! * What has happened to a run is told by replaying its history where that is asked for, see
//!   [`TemporalRuntime::history_page`].
//! * A long history is begun anew (*continue-as-new*) between two tasks of the workflow's own list, as a long journal is. One
//!   that becomes full all the same ends the run with an error of the type `urn:atom:error:limit`, and what it has done is
//!   undone.
//!
//! # What the server sees
//!
//! Inputs, arguments, answers, errors, documents and secrets are sealed with the operator's keys, which are in the vault (see
//! [`KEY_NAME`]) and which the server has not. What it has altered or made up is refused; that it exchanges one sealed payload
//! for another is not noticed. It sees names of workflows, ids of approvals, which runs are paused, how many activities of
//! which kind a run has, and when, the times of schedules, and which runs of an owner have the same label, but not which. Sealed payloads over 64 KiB stay in the store, among the operator's documents, where they are kept for good. A history
//! holds the secrets of its run, sealed, as they were when it began: a replay needs them. So a run goes on with them until it has
//! ended or goes on with a new history.
//!
//! [`ensure_key`] makes the first key. The first of the keys seals, all of them open, and the last one names owners where runs are listed: put a new one first, and
//! remove an old one when no history and no schedule needs it: a schedule is sealed anew when its next version is deployed.
//!
//! # What is not carried over
//!
//! * Documents that limit how many runs go on at once or that subscribe are refused.
//! * Runs have no record in the store: reruns, migrations, recordings, dry runs, statistics, alerts and retention (the server's
//!   namespace has its own) are not there. Runs that runs start have no tags and indexed fields.
//! * Lifecycle events and events about approvals are not told. Approvals are seen while they are
//!   pending, with [`TemporalRuntime::approvals`].
//! * Schedules that start runs after others, or with events.
//! * A thousand signals wait for tasks that listen; more are dropped, as a Temporal signal cannot be refused.

mod action;
mod activities;
mod approvals;
mod began;
mod carried;
mod client;
mod codec;
mod driver;
mod failure;
mod hearing;
mod interpreter;
mod key;
mod listing;
mod message;
mod replay;
mod schedule;
mod start;
mod told;
mod underway;
mod weight;
mod worker;

pub use client::{Ended, TemporalRuntime};
pub use codec::KEY_NAME;
pub use interpreter::RunView;
pub use key::ensure_key;
pub use listing::ListedRun;
pub use message::Asked;
pub use replay::replay;
pub use worker::TemporalWorker;

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{Store, Vault};
use atom_core::{Clock, FunctionRegistry, RandomSource, RunId, Scope, Secret};

/// What runs on Temporal are made of.
#[derive(Debug)]
pub struct TemporalParts {
    /// Keeps documents, events and large payloads.
    pub store: Arc<dyn Store>,
    /// Keeps secrets, and the operator's keys.
    pub vault: Arc<dyn Vault>,
    /// What workflows can call.
    pub functions: Arc<FunctionRegistry>,
    /// Tells the time to starts and calls; runs have the server's.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub random: Arc<dyn RandomSource>,
    /// Bounds what runs use.
    pub limits: TemporalLimits,
}

/// Bounds on what runs on Temporal use. A run keeps those it began with.
#[derive(Clone, Copy, Debug)]
pub struct TemporalLimits {
    /// The largest input of a run or output of a call, as JSON text, in bytes.
    pub payload_bytes: usize,
    /// How many calls are under way at once in a worker; more wait their turn.
    pub concurrent_calls: usize,
    /// How long one call may take, once its turn has come.
    pub call_timeout: Duration,
    /// After how long without a sign of life of its worker a call is made again elsewhere.
    pub heartbeat: Duration,
    /// After how many events of its history a run goes on with a new one, as soon as it comes to a task of its workflow's own
    /// list.
    pub continue_after: u32,
    /// How many events the history of a run may have. The server's own limit is 51,200.
    pub history_events: u32,
    /// How large the history of a run may be, in bytes, as far as the run can tell. The server's own limit is 50 MiB.
    pub history_bytes: u64,
}

impl Default for TemporalLimits {
    fn default() -> Self {
        Self {
            payload_bytes: 16 * 1024 * 1024,
            concurrent_calls: 256,
            call_timeout: Duration::from_secs(10 * 60),
            heartbeat: Duration::from_secs(30),
            continue_after: 10_000,
            history_events: 45_000,
            history_bytes: 40 * 1024 * 1024,
        }
    }
}

impl TemporalLimits {
    fn pinned(&self) -> message::Limits {
        message::Limits {
            heartbeat_millis: u64::try_from(self.heartbeat.as_millis()).unwrap_or(u64::MAX),
            continue_after: self.continue_after,
            events: self.history_events,
            bytes: self.history_bytes,
        }
    }
}

/// Where the server is.
#[derive(Clone, Debug)]
pub struct TemporalConfig {
    /// Its URL, such as `http://127.0.0.1:7233`; `https` for TLS.
    pub target: String,
    /// The Temporal namespace.
    pub namespace: String,
    /// The task queue that workers of this engine share.
    pub task_queue: String,
    /// Whose secret holds the keys that seal, and whose documents hold large payloads.
    pub operator: Scope,
    /// What to show the server.
    pub api_key: Option<Secret>,
    /// Certificates in PEM of who signs that of the server, instead of those that the system trusts.
    pub authority: Option<Vec<u8>>,
}

/// The id of a run's workflow: runs of different owners may have the same id.
fn workflow_id(owner: &Scope, run: RunId) -> String {
    format!("atom-{}", run.derive(&format!("{owner}:temporal")))
}
