//! What a run waits for, as people see it.

use atom_core::{ApprovalId, RunId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::frame::{FrameKind, Purpose};
use super::{ActionId, Command, Machine};

/// One thing that a run waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RunWait")]
pub struct Wait {
    /// The JSON pointer of the task; absent for the turn and the timeout of the run and the pause before another compensation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// When the task began, or the run was queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// What it waits for.
    #[serde(flatten)]
    pub what: WaitKind,
}

/// What a task waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WaitKind {
    /// The answer of a call.
    #[schemars(title = "WaitsForCall")]
    Call {
        /// The function.
        function: String,
    },
    /// A pause to end: its own, or the one before another attempt.
    #[schemars(title = "WaitsForTime")]
    Time {
        /// When it ends.
        #[schemars(with = "String")]
        at: Timestamp,
    },
    /// Nothing: this is when it is stopped if it has not ended, or when nobody has decided.
    #[schemars(title = "TimesOut")]
    Timeout {
        /// When.
        #[schemars(with = "String")]
        at: Timestamp,
    },
    /// Somebody's decision.
    #[schemars(title = "WaitsForDecision")]
    Decision {
        /// The approval.
        approval: ApprovalId,
    },
    /// An event.
    #[schemars(title = "WaitsForEvent")]
    Event,
    /// Messages of a subscription.
    #[schemars(title = "WaitsForMessages")]
    Messages {
        /// The function that brings them.
        function: String,
    },
    /// Its turn to begin: as many runs are under way as may be, or began lately.
    #[schemars(title = "WaitsForTurn")]
    Turn,
    /// Another run.
    #[schemars(title = "WaitsForRun")]
    Run {
        /// The other run.
        run: RunId,
    },
}

impl Machine {
    /// What the run waits for, in the order in which it began to.
    #[must_use]
    pub fn waits(&self) -> Vec<Wait> {
        if let Some(since) = self.queued_since {
            return vec![Wait {
                task: None,
                since: Some(since),
                what: WaitKind::Turn,
            }];
        }
        self.actions
            .keys()
            .filter_map(|action| self.wait(*action))
            .collect()
    }

    /// What the task of an action listens for or subscribes to, as its document has it.
    pub(crate) fn listens_for(&self, action: ActionId) -> Option<&Value> {
        let pending = self.actions.get(&action)?;
        let frame = self.frames.get(&pending.frame?)?;
        match (&pending.command, &frame.kind) {
            (Command::Listen, FrameKind::Task(task)) => task.task.source.get("listen"),
            (Command::Subscribe { .. }, FrameKind::Task(task)) => task.task.source.get("with"),
            _ => None,
        }
    }

    /// What an action waits for.
    #[must_use]
    pub fn wait(&self, action: ActionId) -> Option<Wait> {
        let pending = self.actions.get(&action)?;
        let frame = pending.frame.and_then(|frame| self.frames.get(&frame));
        let task = frame.and_then(|frame| match &frame.kind {
            FrameKind::Task(task) => Some(task),
            FrameKind::List { .. } => None,
        });
        Some(Wait {
            task: task.map(|task| task.task.reference.clone()),
            since: task.map(|task| task.started_at),
            what: match (&pending.command, pending.purpose) {
                (Command::Call { function, .. }, _) => WaitKind::Call {
                    function: function.clone(),
                },
                (Command::Timer { at }, Purpose::Timeout | Purpose::Attempt | Purpose::Deadline) => {
                    WaitKind::Timeout { at: *at }
                }
                (Command::Timer { at }, _) => WaitKind::Time { at: *at },
                (Command::Approve { request }, _) => WaitKind::Decision { approval: request.id },
                (Command::Listen, _) => WaitKind::Event,
                (Command::Subscribe { function, .. }, _) => WaitKind::Messages {
                    function: function.clone(),
                },
                (Command::StartRun { run, .. }, _) => WaitKind::Run { run: *run },
            },
        })
    }
}
