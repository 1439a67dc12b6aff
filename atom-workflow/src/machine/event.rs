//! What goes into the machine, what comes out, and what a history shows.

use std::sync::Arc;

use atom_core::storage::{Decision, DecisionKind, WorkflowVersion};
use atom_core::{ApprovalId, CloudEvent, ErrorReport, Offset, RunId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ApprovalChange, ApprovalRequest, Continuation, WorkflowError};

/// Numbers the actions of one run: calls, timers, waits for events and child runs. Stable under replay.
pub type ActionId = u64;

/// Something that happened to a run: the payload of a journal entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The run waits for its turn: the first of a run with limits, or after what a repetition takes over.
    Queued,
    /// The turn of a repetition has come that takes over what another run has done.
    Admitted,
    /// The run began. The first, unless it was queued.
    Started {
        /// The version of the machine that the run began with.
        machine: u32,
        /// The version of the engine that the run began with: what `$runtime.version` shows throughout.
        engine: String,
    },
    /// The run goes on from here with a new journal: the first entry of it.
    Continued {
        /// The version of the machine that wrote it.
        machine: u32,
        /// Where in the log of events tasks begin to listen that the entry leads to; where it was written when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Offset>,
        /// What the run goes on with.
        state: Box<Continuation>,
    },
    /// An action ended well.
    Completed {
        /// The action.
        action: ActionId,
        /// What it gave.
        output: Value,
    },
    /// An action failed.
    Failed {
        /// The action.
        action: ActionId,
        /// Why.
        error: ErrorReport,
    },
    /// A timer went off.
    Fired {
        /// The timer.
        action: ActionId,
    },
    /// Somebody decided on an approval.
    Decided {
        /// The action.
        action: ActionId,
        /// What they decided.
        decision: Decision,
    },
    /// An event of the log that a listening action wants.
    Received {
        /// The action.
        action: ActionId,
        /// The event's place in the log.
        offset: u64,
        /// The event.
        event: CloudEvent,
    },
    /// A message of a subscription that consumes it.
    Message {
        /// The subscribing action.
        action: ActionId,
        /// The message.
        message: Value,
    },
    /// An event sent to this run alone; kept until a task listens for it.
    Signalled {
        /// The event.
        event: CloudEvent,
    },
    /// Somebody paused the run: what its answers lead to waits until it is resumed.
    Paused {
        /// Why, in the caller's words.
        reason: Option<String>,
    },
    /// Somebody resumed the run.
    Resumed,
    /// Somebody moved the run to another version of its workflow. It has done nothing so far that the other version
    /// would not have done, so that the whole journal leads to the same state with either.
    Migrated {
        /// The version that it followed.
        from: WorkflowVersion,
        /// The version that it follows from now on.
        to: WorkflowVersion,
    },
    /// The journal has reached its limit: the run cannot go on.
    Exhausted {
        /// How many entries it may have.
        limit: u64,
    },
    /// Somebody cancelled the run.
    Cancelled {
        /// Why, in the caller's words.
        reason: Option<String>,
    },
}

impl Event {
    /// The first event of a run that begins with this engine.
    #[must_use]
    pub fn started() -> Self {
        Self::Started {
            machine: super::MACHINE_VERSION,
            engine: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Something the driver must do. Commands that [`are pending`](super::Machine::pending) outlive a crash.
#[derive(Clone, PartialEq)]
pub enum Command {
    /// Call a function and report `Completed` or `Failed`.
    Call {
        /// The function's name.
        function: String,
        /// Its arguments.
        arguments: Value,
        /// The JSON pointer of the calling task.
        task: String,
        /// The idempotency key that the document gives it; one that follows from the run and the action when absent.
        idempotency_key: Option<String>,
    },
    /// Subscribe with a function, and report `Message` for each one that
    /// [`is consumed`](super::Machine::accepts_message), then `Completed` or `Failed` when there are no more.
    Subscribe {
        /// The function's name.
        function: String,
        /// Its arguments.
        arguments: Value,
        /// The JSON pointer of the subscribing task.
        task: String,
    },
    /// Report `Fired` at this time or later.
    Timer {
        /// When.
        at: Timestamp,
    },
    /// Offer the events that follow in the owner's log, see [`Machine::wants`](super::Machine::wants).
    Listen,
    /// Ask and report `Decided`; the [`ApprovalChange`] of the same transition says what to write.
    Approve {
        /// What is asked.
        request: Arc<ApprovalRequest>,
    },
    /// Start another workflow and report `Completed` with its output, or `Failed`.
    StartRun {
        /// The id of the run to start.
        run: RunId,
        /// The namespace of the workflow.
        namespace: String,
        /// Its name.
        name: String,
        /// Its version, or `latest`.
        version: String,
        /// Its input.
        input: Value,
        /// Whether to wait for the end of the run; else `Completed` follows its start.
        is_awaited: bool,
    },
}

/// Without arguments and inputs, which may hold secrets.
impl std::fmt::Debug for Command {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Subscribe { function, task, .. } => formatter
                .debug_struct("Subscribe")
                .field("function", function)
                .field("task", task)
                .finish_non_exhaustive(),
            Self::Call { function, task, .. } => formatter
                .debug_struct("Call")
                .field("function", function)
                .field("task", task)
                .finish_non_exhaustive(),
            Self::Timer { at } => formatter.debug_struct("Timer").field("at", at).finish(),
            Self::Listen => formatter.write_str("Listen"),
            Self::Approve { request } => formatter.debug_tuple("Approve").field(request).finish(),
            Self::StartRun {
                run,
                namespace,
                name,
                version,
                ..
            } => formatter
                .debug_struct("StartRun")
                .field("run", run)
                .field("workflow", &format_args!("{namespace}/{name}/{version}"))
                .finish_non_exhaustive(),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With an output.
    Completed(Value),
    /// With an error.
    Faulted(WorkflowError),
    /// Because somebody cancelled it.
    Cancelled,
}

/// What one event led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transition {
    /// Actions to begin, in order. They are pending until their answer comes or they are stopped.
    pub begin: Vec<(ActionId, Command)>,
    /// Actions whose answer is no longer wanted.
    pub stop: Vec<ActionId>,
    /// Events to publish, exactly once, together with the journal entry.
    pub publish: Vec<CloudEvent>,
    /// What changed among the approvals, together with the journal entry.
    pub approvals: Vec<ApprovalChange>,
    /// How the run ended, when it did.
    pub outcome: Option<Outcome>,
    /// What happened, task by task; only filled when the machine keeps records.
    pub records: Vec<Record>,
    /// How the run can go on with a new journal, see [`ask_for_continuation`](super::Machine::ask_for_continuation).
    pub continuation: Option<Box<Continuation>>,
}

/// One line of a run's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "HistoryRecord")]
pub struct Record {
    /// When it happened.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The JSON pointer of the task in the document; absent for the run itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The number of the execution of the task, unique within the run: a task in a loop is executed many times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub what: RecordKind,
}

/// What happened to a task or run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RecordKind {
    /// The run began.
    #[schemars(title = "RunStarted")]
    RunStarted,
    /// The run waits for its turn, as its document limits how many runs go on at once.
    #[schemars(title = "RunQueued")]
    RunQueued,
    /// The turn of the run has come; it goes on where the run that it repeats was.
    #[schemars(title = "RunAdmitted")]
    RunAdmitted,
    /// The run went on with a new journal, as the one it had was long: what came before is no longer part of its history.
    #[schemars(title = "RunContinued")]
    RunContinued,
    /// The run ended with an output.
    #[schemars(title = "RunCompleted")]
    RunCompleted {
        /// The output.
        output: Value,
    },
    /// The run ended with an error.
    #[schemars(title = "RunFaulted")]
    RunFaulted {
        /// The error.
        error: WorkflowError,
    },
    /// The run was cancelled.
    #[schemars(title = "RunCancelled")]
    RunCancelled {
        /// Why, in the caller's words.
        reason: Option<String>,
    },
    /// The run was paused.
    #[schemars(title = "RunPaused")]
    RunPaused {
        /// Why, in the caller's words.
        reason: Option<String>,
    },
    /// The run was resumed.
    #[schemars(title = "RunResumed")]
    RunResumed,
    /// The run was moved to another version of its workflow.
    #[schemars(title = "RunMigrated")]
    RunMigrated {
        /// The version that it followed.
        from: WorkflowVersion,
        /// The version that it follows from then on.
        to: WorkflowVersion,
    },
    /// The run failed, or was cancelled, and what it has done is being undone.
    #[schemars(title = "RunCompensating")]
    RunCompensating {
        /// Why it failed; absent when it was cancelled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<WorkflowError>,
    },
    /// An event was sent to the run.
    #[schemars(title = "RunSignalled")]
    RunSignalled {
        /// The event's type.
        event_type: String,
    },
    /// The task began.
    #[schemars(title = "TaskStarted")]
    TaskStarted,
    /// An extension did not apply to the task, as its condition could not be computed for it.
    #[schemars(title = "TaskExtensionSkipped")]
    TaskExtensionSkipped {
        /// The extension's name.
        extension: String,
        /// Why.
        error: WorkflowError,
    },
    /// The task's `if` was not true.
    #[schemars(title = "TaskSkipped")]
    TaskSkipped,
    /// The task waits for somebody's decision.
    #[schemars(title = "TaskAwaitingApproval")]
    TaskAwaitingApproval {
        /// The id of the approval.
        approval: ApprovalId,
        /// What is asked.
        title: String,
        /// Until when it can be decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        deadline: Option<Timestamp>,
    },
    /// Somebody decided, or the deadline decided for them.
    #[schemars(title = "TaskDecided")]
    TaskDecided {
        /// What was decided.
        decision: DecisionKind,
        /// The user who decided; absent when nobody did before the deadline.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// What they said about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
    },
    /// The task consumed an event.
    #[schemars(title = "TaskReceived")]
    TaskReceived {
        /// The event's type.
        event_type: String,
    },
    /// The task consumed a message.
    #[schemars(title = "TaskConsumed")]
    TaskConsumed,
    /// The task ended with an output.
    #[schemars(title = "TaskCompleted")]
    TaskCompleted {
        /// The output, as passed on.
        output: Value,
    },
    /// The task ended with an error.
    #[schemars(title = "TaskFaulted")]
    TaskFaulted {
        /// The error.
        error: WorkflowError,
    },
    /// The task caught an error and will try again.
    #[schemars(title = "TaskRetried")]
    TaskRetried {
        /// The error that was caught.
        error: WorkflowError,
        /// The number of the retry, from 1.
        retry: u64,
        /// When the next attempt begins.
        #[schemars(with = "String")]
        next_at: Timestamp,
    },
    /// The completed task is being undone.
    #[schemars(title = "TaskCompensating")]
    TaskCompensating {
        /// The number of the attempt, from 1.
        attempt: u32,
    },
    /// The completed task has been undone.
    #[schemars(title = "TaskCompensated")]
    TaskCompensated,
    /// Undoing the completed task failed.
    #[schemars(title = "TaskCompensationFaulted")]
    TaskCompensationFaulted {
        /// The error.
        error: WorkflowError,
        /// When the next attempt begins; absent when there is none any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        next_at: Option<Timestamp>,
    },
    /// The task was stopped before it ended.
    #[schemars(title = "TaskCancelled")]
    TaskCancelled,
}
