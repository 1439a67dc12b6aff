//! What is under way in a run: a tree of lists and tasks.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::{ActionId, WorkflowError};
use crate::consumption::Consumption;
use crate::definition::{Extension, FlowDirective, Task, TaskKind, Workflow};
use crate::expression::Variables;

pub(super) type FrameId = u64;

/// A list or task that has begun and not ended.
#[derive(Debug)]
pub(super) struct Frame {
    /// The task that holds a list, or the list that holds a task; none for the workflow's own list.
    pub(super) parent: Option<FrameId>,
    /// The lists inside a task, or the task of a list that runs now.
    pub(super) children: BTreeSet<FrameId>,
    /// What a task waits for.
    pub(super) actions: BTreeSet<ActionId>,
    /// The variables of enclosing loops and handlers.
    pub(super) variables: Variables,
    pub(super) kind: FrameKind,
}

impl Frame {
    pub(super) fn new(parent: Option<FrameId>, variables: Variables, kind: FrameKind) -> Self {
        Self {
            parent,
            children: BTreeSet::new(),
            actions: BTreeSet::new(),
            variables,
            kind,
        }
    }
}

#[derive(Debug)]
pub(super) enum FrameKind {
    /// Tasks that run in order.
    List {
        list: List,
        /// The task that runs now.
        index: usize,
        /// Which child of its parent it is, e.g. the number of the branch.
        slot: usize,
    },
    Task(TaskFrame),
}

#[derive(Debug)]
pub(super) struct TaskFrame {
    pub(super) task: Arc<Task>,
    /// The input before `input.from`.
    pub(super) raw_input: Arc<Value>,
    /// The input after it.
    pub(super) input: Arc<Value>,
    pub(super) started_at: Timestamp,
    pub(super) state: TaskState,
    /// The extensions that apply to it and whose `after` has not run yet, the outermost first.
    pub(super) extensions: Vec<Arc<Extension>>,
}

/// What a task that has begun waits for.
#[derive(Debug)]
pub(super) enum TaskState {
    /// One list inside it, or the answer to its one action.
    Busy,
    /// Somebody's decision, before its own work begins.
    Asking {
        approval: ActionId,
        /// The timer that bounds it.
        deadline: Option<ActionId>,
    },
    For {
        items: Vec<Value>,
        index: usize,
    },
    Fork {
        outputs: Vec<Option<Value>>,
        running: usize,
    },
    Try(TryState),
    /// Events or messages.
    Consuming(Consuming),
    /// What an extension runs first; `next` is the number of the extension after it.
    Before {
        next: usize,
    },
    /// What extensions run last.
    After {
        /// What is passed on of the task's output.
        output: Arc<Value>,
        /// What the task gave itself.
        raw: Arc<Value>,
        then: FlowDirective,
    },
}

#[derive(Debug)]
pub(super) struct TryState {
    pub(super) phase: TryPhase,
    /// How often the tasks were tried again.
    pub(super) retries: u64,
    /// The timer that bounds the present attempt.
    pub(super) attempt_timer: Option<ActionId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TryPhase {
    Trying,
    Pausing,
    Handling,
}

/// What a task has consumed of the events or messages that come, and what was done with them.
#[derive(Debug)]
pub(super) struct Consuming {
    /// Brings them.
    pub(super) action: ActionId,
    pub(super) consumption: Consumption,
    /// What was done with the items, for a task with `foreach`.
    pub(super) outputs: Vec<Value>,
    /// Whether an item is being worked on now.
    pub(super) is_iterating: bool,
    /// Whether no more are waited for.
    pub(super) is_over: bool,
}

impl Consuming {
    pub(super) fn new(action: ActionId, consumption: Consumption) -> Self {
        Self {
            action,
            consumption,
            outputs: Vec::new(),
            is_iterating: false,
            is_over: false,
        }
    }
}

/// A list of tasks, kept alive by what it is part of.
#[derive(Clone, Debug)]
pub(super) enum List {
    /// The workflow's own.
    Root(Arc<Workflow>),
    /// The body of a `do`, `for` or `try`.
    Body(Arc<Task>),
    /// What a `catch` does.
    Handler(Arc<Task>),
    /// What a `foreach` does with each event or message.
    Iterator(Arc<Task>),
    /// What undoes a task.
    Compensation(Arc<Task>),
    /// What an extension runs before a task.
    Before(Arc<Extension>),
    /// What an extension runs after a task.
    After(Arc<Extension>),
    /// One branch of a `fork`, or a task of `use.functions`.
    Single(Arc<Task>),
}

impl List {
    pub(super) fn tasks(&self) -> &[Arc<Task>] {
        match self {
            Self::Root(workflow) => &workflow.tasks.tasks,
            Self::Iterator(task) => task.iterator().map_or(&[], |each| &each.tasks.tasks),
            Self::Compensation(task) => task.compensate.as_ref().map_or(&[], |list| &list.tasks),
            Self::Before(extension) => &extension.before.tasks,
            Self::After(extension) => &extension.after.tasks,
            Self::Single(task) => std::slice::from_ref(task),
            Self::Body(task) => match &task.kind {
                TaskKind::Do(list) => &list.tasks,
                TaskKind::For(each) => &each.tasks.tasks,
                TaskKind::Try(attempt) => &attempt.tasks.tasks,
                TaskKind::Call(call) => call.target.task().map_or(&[], std::slice::from_ref),
                _ => &[],
            },
            Self::Handler(task) => match &task.kind {
                TaskKind::Try(attempt) => attempt.handler.as_ref().map_or(&[], |list| &list.tasks),
                _ => &[],
            },
        }
    }
}

/// An action that waits for its answer.
#[derive(Debug)]
pub(super) struct Pending {
    /// The task that began it; none for the workflow's own timers.
    pub(super) frame: Option<FrameId>,
    pub(super) purpose: Purpose,
    pub(super) command: super::Command,
}

/// Why an action was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The task's own work, or what it asks before that.
    Work,
    /// Bounds the time over which messages are consumed.
    Consumption,
    /// Bounds the task, or the workflow.
    Timeout,
    /// Bounds the time there is to decide.
    Deadline,
    /// Bounds one attempt of a `try`.
    Attempt,
    /// The pause before the next attempt of a `try`.
    Retry,
    /// The pause before the next attempt of a compensation.
    Compensation,
}

/// Something to do before the machine waits again.
#[derive(Debug)]
pub(super) enum Work {
    /// Run the task at which the list stands.
    Run { list: FrameId, input: Arc<Value> },
    /// Begin the own work of a task that was approved.
    Begin { task: FrameId },
    /// End a task with its raw output.
    Finish {
        task: FrameId,
        output: Value,
        then: FlowDirective,
    },
    /// End a list or task with an error.
    Fail { frame: FrameId, error: WorkflowError },
}
