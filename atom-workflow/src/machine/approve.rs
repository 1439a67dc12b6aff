//! Approvals: asking a person before a task runs.
//!
//! The question is an action like a call: begun when the task has its input, answered by [`Event::Decided`] or, when the
//! deadline passes first, by a timer, and stopped with whatever stops the task. Only then does the task's own work begin,
//! and with it the task's timeout.
//!
//! [`Event::Decided`]: super::Event::Decided

use std::sync::Arc;

use atom_core::ApprovalId;
use atom_core::principal::is_name;
use atom_core::storage::{ApprovalStatus, Assignees, Decision, DecisionKind, OnDeadline};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::event::RecordKind;
use super::frame::{FrameId, FrameKind, Pending, Purpose, TaskState, Work};
use super::{ActionId, Command, Machine, WorkflowError, data};
use crate::definition::{Approve, Task};
use crate::expression::Variables;

/// How many approvals a run may wait for at once.
const MAX_OPEN: usize = 1000;

/// How long a title may be, in bytes.
const MAX_TITLE_BYTES: usize = 1000;

/// How long a message or a comment may be, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 16 * 1024;

/// How many roles and users may be named together.
const MAX_ASSIGNEES: usize = 100;

/// How large what is shown, filled in or changed may each be, as JSON, in bytes.
const MAX_DATA_BYTES: usize = 1024 * 1024;

/// What a task asks.
#[derive(Clone, PartialEq)]
pub struct ApprovalRequest {
    /// The id of the approval.
    pub id: ApprovalId,
    /// The number of the action that waits for the decision.
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
    pub input: Option<Arc<Value>>,
    /// The JSON Schema of what is to be filled in.
    pub form: Option<Arc<Value>>,
    /// Who may decide.
    pub assignees: Assignees,
    /// When it was asked.
    pub at: Timestamp,
    /// Until when it can be decided.
    pub deadline: Option<Timestamp>,
    /// What happens then.
    pub on_deadline: OnDeadline,
}

/// Without what the decision is about, which may be confidential.
impl std::fmt::Debug for ApprovalRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ApprovalRequest")
            .field("id", &self.id)
            .field("task", &self.task)
            .field("assignees", &self.assignees)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// What one event changed among the approvals of a run.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "changes are few, and written at once")]
pub enum ApprovalChange {
    /// The run asks.
    Opened(Arc<ApprovalRequest>),
    /// The run asks no longer.
    Closed {
        /// What it asked.
        request: Arc<ApprovalRequest>,
        /// How that ended; not `Pending`.
        status: ApprovalStatus,
        /// The decision, when there was one.
        decision: Option<Decision>,
        /// When it ended.
        at: Timestamp,
    },
}

impl Machine {
    /// Asks what a task that has its input wants to know before it runs.
    pub(super) fn ask(&mut self, id: FrameId, approve: &Approve) -> Result<(), WorkflowError> {
        let open = self.actions.values().filter(|pending| is_approval(pending));
        if open.count() >= MAX_OPEN {
            return Err(WorkflowError::runtime(format!(
                "the run waits for {MAX_OPEN} approvals already; ask for fewer at a time"
            )));
        }
        let Some(frame) = self.frames.get(&id) else {
            return Ok(());
        };
        let FrameKind::Task(task) = &frame.kind else {
            return Ok(());
        };
        let variables = self.variables(&frame.variables, task, None);
        let (definition, input) = (Arc::clone(&task.task), Arc::clone(&task.input));
        let length = approve.deadline.as_ref();
        let length = length.map(|length| data::duration(length, self.now, &input, &variables));
        let deadline = length.transpose()?.map(|length| self.after(length));
        // The number that the action is about to get.
        let request =
            Arc::new(self.request(self.next, &definition, approve, &input, &variables, deadline)?);
        self.record(Some(&definition.reference), || RecordKind::TaskAwaitingApproval {
            approval: request.id,
            title: request.title.clone(),
            deadline,
        });
        let change = ApprovalChange::Opened(Arc::clone(&request));
        self.transition.approvals.push(change);
        let approval = self.begin(Some(id), Purpose::Work, Command::Approve { request });
        let deadline = deadline.map(|at| self.begin(Some(id), Purpose::Deadline, Command::Timer { at }));
        self.set_state(id, TaskState::Asking { approval, deadline });
        Ok(())
    }

    fn request(
        &self,
        action: ActionId,
        task: &Task,
        approve: &Approve,
        input: &Arc<Value>,
        variables: &Variables,
        deadline: Option<Timestamp>,
    ) -> Result<ApprovalRequest, WorkflowError> {
        let evaluate = |template: &crate::expression::Template| {
            template
                .evaluate(input, variables)
                .map_err(|error| WorkflowError::expression(&error))
        };
        let title = text("title", evaluate(&approve.title)?, MAX_TITLE_BYTES)?;
        let message = approve.message.as_ref().map(evaluate).transpose()?;
        let message = message.map(|message| text("message", message, MAX_TEXT_BYTES));
        let data = approve.data.as_ref().map(evaluate).transpose()?;
        let data = data.unwrap_or_else(|| input.as_ref().clone());
        check_size(&data).map_err(|problem| {
            let detail = format!("the approval cannot show this: {problem}; choose what to show with 'data'");
            WorkflowError::configuration(detail)
        })?;
        if approve.allow_edit {
            check_size(input).map_err(|problem| {
                let detail = format!("the task's input cannot be offered for a change: {problem}");
                WorkflowError::configuration(detail)
            })?;
        }
        Ok(ApprovalRequest {
            id: ApprovalId::new(&self.facts.owner, self.facts.run, action),
            action,
            task: task.reference.clone(),
            title,
            message: message.transpose()?,
            data,
            input: approve.allow_edit.then(|| Arc::clone(input)),
            form: approve.form.as_ref().map(|form| Arc::clone(&form.source)),
            assignees: match &approve.assignees {
                Some(template) => assignees(evaluate(template)?)?,
                None => Assignees::default(),
            },
            at: self.now,
            deadline,
            on_deadline: approve.on_deadline,
        })
    }

    /// Takes in what somebody decided.
    pub(super) fn decide(&mut self, action: ActionId, decision: Decision) {
        let Some(Pending {
            frame: Some(frame),
            command: Command::Approve { request },
            ..
        }) = self.forget_action(action)
        else {
            return;
        };
        let status = match decision.decision {
            DecisionKind::Approve | DecisionKind::Edit => ApprovalStatus::Approved,
            DecisionKind::Reject => ApprovalStatus::Rejected,
        };
        if let Some(TaskState::Asking {
            deadline: Some(timer),
            ..
        }) = self.state(frame)
        {
            let timer = *timer;
            self.stop_action(timer);
        }
        self.close_approval(request, status, Some(decision.clone()));
        let by = Some(decision.by.as_str());
        match decision.decision {
            DecisionKind::Reject => self.reject(frame, by, decision.comment.as_deref()),
            kind => {
                if let (Some(input), Some(task)) = (decision.input, self.task_mut(frame)) {
                    task.input = Arc::new(input);
                }
                self.grant(frame, kind, by, decision.comment, decision.form);
            }
        }
    }

    /// Takes in that nobody decided in time.
    pub(super) fn expire(&mut self, frame: FrameId) {
        let Some(TaskState::Asking { approval, .. }) = self.state(frame) else {
            return;
        };
        let approval = *approval;
        let Some(Pending {
            command: Command::Approve { request },
            ..
        }) = self.forget_action(approval)
        else {
            return;
        };
        let on_deadline = request.on_deadline;
        self.close_approval(request, ApprovalStatus::Expired, None);
        match on_deadline {
            OnDeadline::Approve => self.grant(frame, DecisionKind::Approve, None, None, None),
            OnDeadline::Reject => self.reject(frame, None, None),
            OnDeadline::Fault => {
                let error = WorkflowError::timeout("nobody decided before the deadline of the approval");
                self.work.push_back(Work::Fail { frame, error });
            }
        }
    }

    /// Notes that a run no longer asks something; what it has only begun to ask was never asked.
    pub(super) fn withdraw(&mut self, request: Arc<ApprovalRequest>) {
        let is_new = |change: &ApprovalChange| matches!(change, ApprovalChange::Opened(opened) if opened.id == request.id);
        match self.transition.approvals.iter().position(is_new) {
            Some(index) => drop(self.transition.approvals.remove(index)),
            None => self.close_approval(request, ApprovalStatus::Withdrawn, None),
        }
    }

    fn close_approval(
        &mut self,
        request: Arc<ApprovalRequest>,
        status: ApprovalStatus,
        decision: Option<Decision>,
    ) {
        let at = self.now;
        self.transition.approvals.push(ApprovalChange::Closed {
            request,
            status,
            decision,
            at,
        });
    }

    /// Lets a task run, with the decision in `$approval`.
    fn grant(
        &mut self,
        id: FrameId,
        decision: DecisionKind,
        by: Option<&str>,
        comment: Option<String>,
        form: Option<Value>,
    ) {
        self.record_decision(id, decision, by, comment.clone());
        let approval = json!({
            "decision": decision,
            "by": by,
            "at": self.now.to_string(),
            "comment": comment,
            "form": form,
        });
        if let Some(frame) = self.frames.get_mut(&id) {
            frame.variables.insert("approval", approval);
        }
        self.set_state(id, TaskState::Busy);
        // A run that is paused takes the decision in and begins the work when it is resumed.
        self.work.push_back(Work::Begin { task: id });
    }

    fn reject(&mut self, id: FrameId, by: Option<&str>, comment: Option<&str>) {
        self.record_decision(id, DecisionKind::Reject, by, comment.map(str::to_owned));
        let error = match (by, comment) {
            (Some(by), Some(comment)) => WorkflowError::rejected(format!("{by} rejected it: {comment}")),
            (Some(by), None) => WorkflowError::rejected(format!("{by} rejected it")),
            (None, _) => WorkflowError::rejected("nobody decided before the deadline of the approval"),
        };
        self.work.push_back(Work::Fail { frame: id, error });
    }

    fn record_decision(
        &mut self,
        id: FrameId,
        decision: DecisionKind,
        by: Option<&str>,
        comment: Option<String>,
    ) {
        let reference = self.task(id).map(|task| task.task.reference.clone());
        self.record(reference.as_deref(), || RecordKind::TaskDecided {
            decision,
            by: by.map(str::to_owned),
            comment,
        });
    }
}

/// Whether an action waits for a decision.
pub(super) fn is_approval(pending: &Pending) -> bool {
    matches!(pending.command, Command::Approve { .. })
}

fn text(field: &str, value: Value, limit: usize) -> Result<String, WorkflowError> {
    match value {
        Value::String(text) if text.len() <= limit => Ok(text),
        Value::String(_) => Err(WorkflowError::configuration(format!(
            "the '{field}' of the approval has more than {limit} bytes"
        ))),
        _ => Err(WorkflowError::configuration(format!(
            "the '{field}' of the approval must be text"
        ))),
    }
}

fn assignees(value: Value) -> Result<Assignees, WorkflowError> {
    let assignees: Assignees = serde_json::from_value(value).map_err(|_| {
        WorkflowError::configuration("the 'assignees' of the approval must be lists of names")
    })?;
    let mut names = assignees.roles.iter().chain(&assignees.users);
    if !names.clone().all(|name| is_name(name)) {
        return Err(WorkflowError::configuration(
            "the 'assignees' of the approval hold a text that cannot be a name",
        ));
    }
    // Whoever wrote the list did not mean the owner of the run.
    if names.next().is_none() {
        return Err(WorkflowError::configuration(
            "the 'assignees' of the approval name nobody",
        ));
    }
    if assignees.roles.len() + assignees.users.len() > MAX_ASSIGNEES {
        return Err(WorkflowError::configuration(format!(
            "the 'assignees' of the approval name more than {MAX_ASSIGNEES}; give them a role in common"
        )));
    }
    Ok(assignees)
}

/// Refuses data that is too large for an approval, or nests too deep to be stored, and says why.
pub(super) fn check_size(value: &Value) -> Result<(), String> {
    data::check_depth(value).map_err(|error| error.detail.unwrap_or_default())?;
    if serde_json::to_string(value).is_ok_and(|text| text.len() <= MAX_DATA_BYTES) {
        return Ok(());
    }
    Err(format!("it has more than {MAX_DATA_BYTES} bytes as JSON"))
}
