//! Approvals: what a run asks is written with its steps, and what people decide reaches the run.

use std::sync::Arc;

use atom_core::storage::{ApprovalChange as Written, ApprovalRecord, ApprovalStatus, Decision, DecisionKind};
use atom_core::{ApprovalId, CloudEvent, Error, ErrorCode, Principal, Result};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Runtime;
use super::driver::Driver;
use crate::machine::{ActionId, ApprovalChange, ApprovalRequest, Command, Event};

/// What somebody decides.
#[derive(Clone, Debug)]
pub struct Decide {
    /// The approval.
    pub approval: ApprovalId,
    /// What is decided.
    pub decision: DecisionKind,
    /// What to say about it.
    pub comment: Option<String>,
    /// The form as filled in.
    pub form: Option<Value>,
    /// What replaces the task's input, for `edit`.
    pub input: Option<Value>,
}

impl Runtime {
    /// Decides on an approval as this principal. Once this returns, the decision is on disk, and the run goes on even if
    /// it was interrupted. Deciding the same again changes nothing.
    ///
    /// # Errors
    /// `not_found` for an approval that the principal does not see, `permission_denied` when others are to decide,
    /// `conflict` when it was decided otherwise, expired or was withdrawn, `invalid_request` or `limit_exceeded` for a
    /// decision that does not answer what was asked, `closed`, `storage_full`, `storage_failed`.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have decided; decide the same again to be sure.
    pub async fn decide(&self, principal: &Principal, decide: Decide) -> Result<ApprovalRecord> {
        principal.validate()?;
        let asked = self.approval(principal, decide.approval).await?;
        if !asked.may_be_decided_by(principal) {
            return Err(Error::new(
                ErrorCode::PermissionDenied,
                "others are to decide on this approval; approvals.get shows who",
            ));
        }
        let decision = Decision {
            decision: decide.decision,
            by: principal.user.clone(),
            comment: decide.comment,
            form: decide.form,
            input: decide.input,
        };
        if asked.status != ApprovalStatus::Pending {
            return settled(asked, &decision);
        }
        let event = Event::Decided {
            action: asked.action,
            decision: decision.clone(),
        };
        match self.send(&asked.owner, asked.run, event).await {
            // Somebody else was faster, or the deadline.
            Err(error) if error.code() == ErrorCode::Conflict => {
                let now = self.approval(principal, decide.approval).await?;
                if now.status == ApprovalStatus::Pending {
                    return Err(error);
                }
                settled(now, &decision)
            }
            Err(error) => Err(error),
            Ok(()) => self.approval(principal, decide.approval).await,
        }
    }

    async fn approval(&self, principal: &Principal, id: ApprovalId) -> Result<ApprovalRecord> {
        let found = self.inner.parts.store.approval(principal, id).await?;
        found.ok_or_else(|| unknown_approval(id))
    }
}

/// The error for an approval that is not there, or not shown to who asks.
#[must_use]
pub fn unknown_approval(id: ApprovalId) -> Error {
    Error::not_found(format!(
        "there is no approval {id}; approvals.list shows the approvals there are"
    ))
}

/// What deciding once more gives: the approval, if this is how it was decided.
fn settled(approval: ApprovalRecord, decision: &Decision) -> Result<ApprovalRecord> {
    if approval.decision.as_ref() == Some(decision) {
        return Ok(approval);
    }
    let message = match (&approval.decision, approval.status) {
        (Some(first), _) => format!("'{}' has decided otherwise already", first.by),
        (None, ApprovalStatus::Expired) => "nobody decided before the deadline, which has passed".to_owned(),
        (None, _) => "the run no longer asks for this approval".to_owned(),
    };
    Err(Error::new(ErrorCode::Conflict, message).with_context("status", approval.status.as_str()))
}

impl Driver<'_> {
    /// What to write about changes among the approvals, and the events that tell of them.
    pub(super) fn write_approvals(&self, changes: Vec<ApprovalChange>) -> (Vec<Written>, Vec<CloudEvent>) {
        let changes = changes.into_iter().map(|change| match change {
            ApprovalChange::Opened(request) => {
                let event = self.approval_event(&request, "requested", request.at, json!({}));
                (Written::Open(Box::new(self.approval_record(&request))), event)
            }
            ApprovalChange::Closed {
                request,
                status,
                decision,
                at,
            } => {
                let name = match status {
                    ApprovalStatus::Expired => "expired",
                    ApprovalStatus::Withdrawn => "withdrawn",
                    _ => "decided",
                };
                let told = decision.as_ref().map_or_else(
                    || json!({}),
                    |decision| {
                        json!({
                            "decision": decision.decision,
                            "by": decision.by,
                            "comment": decision.comment,
                        })
                    },
                );
                let event = self.approval_event(&request, name, at, told);
                let closed = Written::Close {
                    id: request.id,
                    status,
                    decision,
                    at,
                };
                (closed, event)
            }
        });
        changes.unzip()
    }

    /// What the run asks although no step of its own has written it: a run is created with its first entries, which may
    /// ask already.
    pub(super) async fn unwritten_approvals(
        &self,
        pending: Vec<Arc<ApprovalRequest>>,
    ) -> Result<Vec<ApprovalChange>> {
        let store = &self.runtime.inner.parts.store;
        let mut unwritten = Vec::new();
        for request in pending {
            let written = self
                .patiently(|| store.approval(&self.record.principal, request.id))
                .await?;
            if written.is_none() {
                unwritten.push(ApprovalChange::Opened(request));
            }
        }
        Ok(unwritten)
    }

    fn approval_record(&self, request: &ApprovalRequest) -> ApprovalRecord {
        let mut title = request.title.clone();
        let mut message = request.message.clone();
        let mut data = request.data.clone();
        let mut input = request.input.as_deref().cloned();
        self.redactor.text(&mut title);
        message.iter_mut().for_each(|message| self.redactor.text(message));
        self.redactor.value(&mut data);
        input.iter_mut().for_each(|input| self.redactor.value(input));
        ApprovalRecord {
            id: request.id,
            owner: self.scope.clone(),
            run: self.record.id,
            action: request.action,
            task: request.task.clone(),
            workflow: self.record.workflow.clone(),
            title,
            message,
            data,
            input,
            form: request.form.as_deref().cloned(),
            assignees: request.assignees.clone(),
            created_at: request.at,
            deadline: request.deadline,
            on_deadline: request.on_deadline,
            status: ApprovalStatus::Pending,
            decision: None,
            closed_at: None,
        }
    }

    /// The event that tells the owner what became of an approval: the same one whenever it is made.
    fn approval_event(
        &self,
        request: &ApprovalRequest,
        name: &str,
        at: Timestamp,
        mut told: Value,
    ) -> CloudEvent {
        told["approval"] = json!(request.id);
        told["run"] = json!(self.record.id);
        told["workflow"] = json!(self.record.workflow);
        told["task"] = json!(request.task);
        told["title"] = json!(request.title);
        told["message"] = json!(request.message);
        told["assignees"] = json!(request.assignees);
        told["deadline"] = json!(request.deadline);
        let mut event = CloudEvent::new(
            format!("{}/{name}", request.id),
            format!("atom:/runs/{}", self.record.id),
            format!("io.atom.approval.{name}.v1"),
        );
        event.time = Some(at);
        event.subject = Some(request.id.to_string());
        event.data = Some(told);
        event
    }
}

/// The approvals among what a run waits for.
pub(super) fn asked<'m>(pending: impl Iterator<Item = (ActionId, &'m Command)>) -> Vec<Arc<ApprovalRequest>> {
    let asked = pending.filter_map(|(_, command)| match command {
        Command::Approve { request } => Some(Arc::clone(request)),
        _ => None,
    });
    asked.collect()
}
