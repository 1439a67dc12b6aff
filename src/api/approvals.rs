//! What runs ask people.

use atom_core::storage::{
    ApprovalFilter, ApprovalRecord, ApprovalStatus, Assignees, Decision, DecisionKind, OnDeadline, Page,
    PageRequest, WorkflowKey,
};
use atom_core::{ApprovalId, Principal, Result, RunId};
use atom_workflow::runtime::Decide;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Context, Operation, Permission, Request};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::call::<ListApprovalsRequest>(),
    Operation::call::<GetApprovalRequest>(),
    Operation::call::<DecideApprovalRequest>(),
];

/// What a task of a run asks before it runs. Lists leave out `data`, `input`, `form` and what was filled in, which may be
/// large.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The user whose run asks.
    pub owner: String,
    /// The run that asks.
    pub run: RunId,
    /// The JSON pointer of the task that asks.
    pub task: String,
    /// Which document the run follows.
    pub workflow: WorkflowKey,
    /// What is asked, in a line.
    pub title: String,
    /// What is asked, at length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the decision is about; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// The task's input, where the decision `edit` may replace it; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The JSON Schema of what is to be filled in, where there is something; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Value>,
    /// Who may decide.
    pub assignees: Assignees,
    /// Whether the caller may decide.
    pub is_assigned: bool,
    /// Its state.
    pub status: ApprovalStatus,
    /// When it was asked.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// Until when it can be decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub deadline: Option<Timestamp>,
    /// What happens then; absent without a deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_deadline: Option<OnDeadline>,
    /// The decision, once approved or rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// When it was decided, expired or was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub closed_at: Option<Timestamp>,
}

impl Approval {
    fn new(record: ApprovalRecord, caller: &Principal) -> Self {
        Self {
            is_assigned: record.may_be_decided_by(caller),
            id: record.id,
            owner: record.owner.user,
            run: record.run,
            task: record.task,
            workflow: record.workflow,
            title: record.title,
            message: record.message,
            data: Some(record.data),
            input: record.input,
            form: record.form,
            assignees: record.assignees,
            status: record.status,
            created_at: record.created_at,
            on_deadline: record.deadline.map(|_| record.on_deadline),
            deadline: record.deadline,
            decision: record.decision,
            closed_at: record.closed_at,
        }
    }
}

/// Asks which approvals there are: those of the caller's own runs, and those of other users of the tenant that the caller
/// may decide.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListApprovalsRequest {
    /// Only approvals in this state.
    #[serde(default)]
    pub status: Option<ApprovalStatus>,
    /// Only approvals of this run.
    #[serde(default)]
    pub run: Option<RunId>,
    /// Only approvals of workflows in this namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Only approvals of workflows with this name.
    #[serde(default)]
    pub name: Option<String>,
    /// Only approvals that the caller may decide.
    #[serde(default)]
    pub is_assigned: bool,
    /// The `next` of the page before; absent for the first page.
    #[serde(default)]
    pub after: Option<String>,
    /// How many approvals at most, 1 to 1000; 100 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
}

impl Request for ListApprovalsRequest {
    const NAME: &'static str = "approvals.list";
    const SUMMARY: &'static str =
        "Lists what runs ask the caller or asked others for the caller, the newest first.";
    const PERMISSION: Permission = Permission::ApprovalsRead;
    type Response = Page<Approval>;

    async fn handle(self, context: Context) -> Result<Page<Approval>> {
        let page = PageRequest::new(self.after, self.limit);
        let filter = ApprovalFilter {
            status: self.status,
            run: self.run,
            namespace: self.namespace,
            name: self.name,
            is_assigned: self.is_assigned,
        };
        let runs = &context.parts.runs;
        let listed = runs.approvals(&context.principal, &filter, &page).await?;
        let items = listed.items.into_iter().map(|record| Approval {
            data: None,
            ..Approval::new(record, &context.principal)
        });
        Ok(Page {
            items: items.collect(),
            next: listed.next,
        })
    }
}

/// Asks for one approval.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetApprovalRequest {
    /// Its id.
    pub id: ApprovalId,
}

impl Request for GetApprovalRequest {
    const NAME: &'static str = "approvals.get";
    const SUMMARY: &'static str = "Gives an approval with everything that the decision is about.";
    const PERMISSION: Permission = Permission::ApprovalsRead;
    type Response = Approval;

    async fn handle(self, context: Context) -> Result<Approval> {
        let record = context.parts.runs.approval(&context.principal, self.id).await?;
        Ok(Approval::new(record, &context.principal))
    }
}

/// Decides on an approval. Deciding the same again changes nothing; deciding otherwise, or too late, is a `conflict`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideApprovalRequest {
    /// Its id.
    pub id: ApprovalId,
    /// What is decided.
    pub decision: DecisionKind,
    /// What to say about it.
    #[serde(default)]
    pub comment: Option<String>,
    /// The form as filled in.
    #[serde(default)]
    pub form: Option<Value>,
    /// What replaces the task's input, for `edit`.
    #[serde(default)]
    pub input: Option<Value>,
}

impl DecideApprovalRequest {
    /// A decision without a comment, form or input.
    #[must_use]
    pub fn new(id: ApprovalId, decision: DecisionKind) -> Self {
        Self {
            id,
            decision,
            comment: None,
            form: None,
            input: None,
        }
    }
}

impl Request for DecideApprovalRequest {
    const NAME: &'static str = "approvals.decide";
    const SUMMARY: &'static str =
        "Approves or rejects what a run asks, or approves it with another input, durably.";
    const PERMISSION: Permission = Permission::ApprovalsDecide;
    type Response = Approval;

    async fn handle(self, context: Context) -> Result<Approval> {
        let decide = Decide {
            approval: self.id,
            decision: self.decision,
            comment: self.comment,
            form: self.form,
            input: self.input,
        };
        let decided = context.parts.runs.decide(&context.principal, decide).await?;
        Ok(Approval::new(decided, &context.principal))
    }
}
