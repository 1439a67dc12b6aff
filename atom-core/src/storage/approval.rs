//! Approvals: what runs ask people, and what those decided.

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Page, PageRequest, WorkflowKey};
use crate::{ApprovalId, Principal, Result, RunId, Scope};

/// The state of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    /// Nobody has decided yet.
    Pending,
    /// Somebody approved, with or without a change of the input.
    Approved,
    /// Somebody rejected.
    Rejected,
    /// The deadline passed before anybody decided.
    Expired,
    /// The run no longer asks: it was cancelled, or it failed or ended elsewhere.
    Withdrawn,
}

impl ApprovalStatus {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Approved,
        Self::Rejected,
        Self::Expired,
        Self::Withdrawn,
    ];

    /// The stable wire form, e.g. `pending`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What somebody decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// The task may run.
    Approve,
    /// The task must not run.
    Reject,
    /// The task may run with another input.
    Edit,
}

/// Somebody's decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What was decided.
    pub decision: DecisionKind,
    /// The user who decided, of the tenant of the run.
    pub by: String,
    /// What they said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The form as they filled it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Value>,
    /// The input that replaces the task's, for `edit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
}

/// What happens when a deadline passes before anybody has decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDeadline {
    /// The task ends in a timeout error.
    #[default]
    Fault,
    /// As if somebody had rejected.
    Reject,
    /// The task runs as if somebody had approved.
    Approve,
}

impl OnDeadline {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Fault, Self::Reject, Self::Approve];

    /// The stable wire form, e.g. `fault`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Reject => "reject",
            Self::Approve => "approve",
        }
    }
}

/// Who may decide. With nobody named it is the owner of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assignees {
    /// Roles, any of which lets a user of the tenant decide. Who has no roles has the role `admin`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Users of the tenant.
    #[serde(default)]
    pub users: Vec<String>,
}

impl Assignees {
    /// Whether nobody is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.users.is_empty()
    }

    /// Whether a principal may decide what a run of `owner` asks these: a user of the owner's tenant who is named or has a role that
    /// is, or the owner where nobody is named.
    #[must_use]
    pub fn include(&self, owner: &Scope, principal: &Principal) -> bool {
        if self.is_empty() {
            return *owner == principal.scope();
        }
        owner.tenant == principal.tenant
            && (self.users.contains(&principal.user)
                || self.roles.iter().any(|role| principal.has_role(role)))
    }
}

/// An approval as stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApprovalRecord {
    /// Its id.
    pub id: ApprovalId,
    /// The owner of the run.
    pub owner: Scope,
    /// The run that waits for it.
    pub run: RunId,
    /// The number of the action within the run that waits for it.
    pub action: u64,
    /// The JSON pointer of the task that waits for it.
    pub task: String,
    /// Which document the run follows.
    pub workflow: WorkflowKey,
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
    pub created_at: Timestamp,
    /// Until when it can be decided.
    pub deadline: Option<Timestamp>,
    /// What happens then.
    pub on_deadline: OnDeadline,
    /// Its state.
    pub status: ApprovalStatus,
    /// The decision, once approved or rejected.
    pub decision: Option<Decision>,
    /// When it was decided, expired or was withdrawn.
    pub closed_at: Option<Timestamp>,
}

impl ApprovalRecord {
    /// Whether this principal may decide it, see [`Assignees::include`].
    #[must_use]
    pub fn may_be_decided_by(&self, principal: &Principal) -> bool {
        self.assignees.include(&self.owner, principal)
    }

    /// Whether this principal may see it: who may decide it, and the owner of the run.
    #[must_use]
    pub fn is_visible_to(&self, principal: &Principal) -> bool {
        self.owner == principal.scope() || self.may_be_decided_by(principal)
    }

    /// The approval as lists have it: without what can be large.
    #[must_use]
    pub fn listed(&self) -> Self {
        Self {
            data: Value::Null,
            input: None,
            form: None,
            decision: self.decision.as_ref().map(|decision| Decision {
                form: None,
                input: None,
                ..decision.clone()
            }),
            ..self.clone()
        }
    }

    /// The place of the approval in a list, for a page's `next`.
    #[must_use]
    pub fn cursor(&self) -> (Timestamp, ApprovalId) {
        (self.created_at, self.id)
    }
}

/// Which approvals a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// Only approvals in this state.
    pub status: Option<ApprovalStatus>,
    /// Only approvals of this run.
    pub run: Option<RunId>,
    /// Only approvals of workflows in this namespace.
    pub namespace: Option<String>,
    /// Only approvals of workflows with this name.
    pub name: Option<String>,
    /// Only approvals that the principal may decide, not those that their runs wait for others to decide.
    pub is_assigned: bool,
}

impl ApprovalFilter {
    /// Whether a list of this principal with this filter shows the approval.
    #[must_use]
    pub fn matches(&self, approval: &ApprovalRecord, principal: &Principal) -> bool {
        let is_allowed = if self.is_assigned {
            approval.may_be_decided_by(principal)
        } else {
            approval.is_visible_to(principal)
        };
        is_allowed
            && self.status.is_none_or(|status| approval.status == status)
            && self.run.is_none_or(|run| approval.run == run)
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| approval.workflow.namespace == *namespace)
            && self
                .name
                .as_ref()
                .is_none_or(|name| approval.workflow.name == *name)
    }
}

/// What a step of a run changes among its approvals.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(clippy::large_enum_variant, reason = "changes are few, and written at once")]
pub enum ApprovalChange {
    /// Asks. An approval that is there already stays as it is.
    Open(Box<ApprovalRecord>),
    /// Ends a pending approval; one that is not pending stays as it is.
    Close {
        /// Which.
        id: ApprovalId,
        /// What it becomes; not `Pending`.
        status: ApprovalStatus,
        /// The decision, when there was one.
        decision: Option<Decision>,
        /// When.
        at: Timestamp,
    },
}

/// Shows approvals to those who may see them. They are written with the steps of runs, see
/// [`RunCommit::approvals`](super::RunCommit::approvals).
///
/// A principal sees the approvals of its own runs, and those of other users of its tenant that it may decide.
#[async_trait]
pub trait ApprovalStore: Send + Sync + std::fmt::Debug {
    /// An approval that the principal may see.
    ///
    /// # Errors
    /// `storage_failed`.
    async fn approval(&self, principal: &Principal, id: ApprovalId) -> Result<Option<ApprovalRecord>>;

    /// The approvals that the principal may see, the newest first, [without what can be
    /// large](ApprovalRecord::listed).
    ///
    /// # Errors
    /// `invalid_request` for a bad page, `storage_failed`.
    async fn approvals(
        &self,
        principal: &Principal,
        filter: &ApprovalFilter,
        page: &PageRequest,
    ) -> Result<Page<ApprovalRecord>>;
}
