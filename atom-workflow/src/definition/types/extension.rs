//! What runs around tasks.

use super::{TaskKind, TaskList};
use crate::expression::Expression;

/// Tasks that run around other tasks.
#[derive(Clone, Debug)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Which tasks it extends.
    pub extend: ExtensionTarget,
    /// Whether it applies to a task; always when absent.
    pub when: Option<Expression>,
    /// What runs before the task, with the task's input; `then: exit` gives its output in the place of the task's.
    pub before: TaskList,
    /// What runs after the task, with the task's output.
    pub after: TaskList,
}

/// Which tasks an extension extends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtensionTarget {
    /// `all`.
    All,
    /// `composite`: those that do nothing but run others, `do` and `fork`.
    Composite,
    /// `call`.
    Call,
    /// `emit`.
    Emit,
    /// `for`.
    For,
    /// `listen`.
    Listen,
    /// `raise`.
    Raise,
    /// `run`.
    Run,
    /// `set`.
    Set,
    /// `switch`.
    Switch,
    /// `try`.
    Try,
    /// `wait`.
    Wait,
}

impl ExtensionTarget {
    /// Whether tasks of this kind are extended.
    #[must_use]
    pub fn covers(self, kind: &TaskKind) -> bool {
        match self {
            Self::All => true,
            Self::Composite => matches!(kind, TaskKind::Do(_) | TaskKind::Fork(_)),
            Self::Call => matches!(kind, TaskKind::Call(_) | TaskKind::Subscribe(_)),
            Self::Emit => matches!(kind, TaskKind::Emit(_)),
            Self::For => matches!(kind, TaskKind::For(_)),
            Self::Listen => matches!(kind, TaskKind::Listen(_)),
            Self::Raise => matches!(kind, TaskKind::Raise(_)),
            Self::Run => matches!(kind, TaskKind::Run(_) | TaskKind::Process(_)),
            Self::Set => matches!(kind, TaskKind::Set(_)),
            Self::Switch => matches!(kind, TaskKind::Switch(_)),
            Self::Try => matches!(kind, TaskKind::Try(_)),
            Self::Wait => matches!(kind, TaskKind::Wait(_)),
        }
    }
}
