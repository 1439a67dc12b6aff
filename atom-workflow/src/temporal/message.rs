//! What the interpreter, its activities and its clients tell each other. All of it is sealed on its way to the server.

use std::path::PathBuf;
use std::time::Duration;

use atom_core::storage::{Assignees, Decision, OnDeadline};
use atom_core::{ApprovalId, CloudEvent, ErrorReport, Offset, Principal, RunId, Scope};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::machine::{ActionId, ApprovalRequest, Event};

/// What a run begins with, or goes on with after its history was begun anew.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Begin {
    /// The version of the machine that the run began with.
    pub(super) machine: u32,
    /// The version of the engine that the run began with.
    pub(super) engine: String,
    pub(super) principal: Principal,
    pub(super) run: RunId,
    /// The hash of the document, which pins it.
    pub(super) hash: String,
    pub(super) input: Value,
    pub(super) created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) directory: Option<PathBuf>,
    pub(super) limits: Limits,
    /// Where the run goes on: an [`Event::Continued`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) continued: Option<Box<Event>>,
}

impl Begin {
    pub(super) fn scope(&self) -> Scope {
        self.principal.scope()
    }

    /// The newest version of the machine that has had to do with the run.
    pub(super) fn newest_machine(&self) -> u32 {
        match self.continued.as_deref() {
            Some(Event::Continued { machine, .. }) => self.machine.max(*machine),
            _ => self.machine,
        }
    }
}

/// Bounds that a run keeps from its start, so that every worker replays it alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// After how long without a sign of life an activity begins again elsewhere, in milliseconds.
    pub(super) heartbeat_millis: u64,
    /// How many events of its history lead a run to begin it anew.
    pub(super) continue_after: u32,
    /// How many events its history may have.
    pub(super) events: u32,
    /// How large its history may be, in bytes.
    pub(super) bytes: u64,
}

impl Limits {
    pub(super) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_millis)
    }
}

/// Which document to load.
#[derive(Serialize, Deserialize)]
pub(crate) struct Load {
    pub(super) scope: Scope,
    pub(super) hash: String,
}

/// What a machine is made of.
#[derive(Serialize, Deserialize)]
pub(crate) struct Loaded {
    pub(super) text: String,
    pub(super) secrets: Map<String, Value>,
}

/// A function to call.
#[derive(Serialize, Deserialize)]
pub(crate) struct Call {
    pub(super) principal: Principal,
    pub(super) run: RunId,
    pub(super) directory: Option<PathBuf>,
    pub(super) task: String,
    pub(super) function: String,
    pub(super) arguments: Value,
    pub(super) idempotency_key: String,
}

/// What somebody or something answered. An error is an answer: whether to try again is the machine's business.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer<T> {
    Completed(T),
    Failed(ErrorReport),
}

/// Events for the owner's log.
#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    pub(super) scope: Scope,
    pub(super) events: Vec<CloudEvent>,
}

/// Events of the owner's log to wait for.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hear {
    pub(super) scope: Scope,
    pub(super) after: Offset,
    /// Their types as filters write them; any when absent.
    pub(super) types: Option<Vec<String>>,
}

/// Events of the log that a run may want.
#[derive(Serialize, Deserialize)]
pub(crate) struct Heard {
    pub(super) events: Vec<(Offset, CloudEvent)>,
    /// Up to where the log was read.
    pub(super) until: Offset,
}

/// A deployed workflow that a run is to be started of.
#[derive(Serialize, Deserialize)]
pub(crate) struct Find {
    pub(super) scope: Scope,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) input: Value,
}

/// What others tell a run.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mail {
    Signal(Box<CloudEvent>),
    Pause { reason: Option<String> },
    Resume,
}

impl From<Mail> for Event {
    fn from(mail: Mail) -> Self {
        match mail {
            Mail::Signal(event) => Self::Signalled { event: *event },
            Mail::Pause { reason } => Self::Paused { reason },
            Mail::Resume => Self::Resumed,
        }
    }
}

/// A decision on an approval.
#[derive(Serialize, Deserialize)]
pub(crate) struct Decided {
    pub(super) action: ActionId,
    pub(super) decision: Decision,
}

/// What a run asks somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The id of the approval.
    pub id: ApprovalId,
    /// The number of the action within the run that waits for it.
    pub action: ActionId,
    /// The JSON pointer of the asking task.
    pub task: String,
    /// What is asked, in a line.
    pub title: String,
    /// What is asked, at length.
    pub message: Option<String>,
    /// What the decision is about.
    pub data: Value,
    /// The task's input, where it may be replaced.
    pub input: Option<Value>,
    /// The JSON Schema of what is to be filled in.
    pub form: Option<Value>,
    /// Who may decide.
    pub assignees: Assignees,
    /// When it was asked.
    pub at: Timestamp,
    /// Until when it can be decided.
    pub deadline: Option<Timestamp>,
    /// What happens then.
    pub on_deadline: OnDeadline,
}

impl From<&ApprovalRequest> for Asked {
    fn from(request: &ApprovalRequest) -> Self {
        Self {
            id: request.id,
            action: request.action,
            task: request.task.clone(),
            title: request.title.clone(),
            message: request.message.clone(),
            data: request.data.clone(),
            input: request.input.as_deref().cloned(),
            form: request.form.as_deref().cloned(),
            assignees: request.assignees.clone(),
            at: request.at,
            deadline: request.deadline,
            on_deadline: request.on_deadline,
        }
    }
}

impl Asked {
    /// Whether this principal may decide it, for a run of `owner`, see [`Assignees::include`].
    #[must_use]
    pub fn may_be_decided_by(&self, owner: &Scope, principal: &Principal) -> bool {
        self.assignees.include(owner, principal)
    }
}
