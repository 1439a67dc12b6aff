//! Whether a decision answers what was asked.

use atom_core::storage::{Decision, DecisionKind};
use atom_core::{Error, ErrorCode, Result};
use serde_json::json;

use super::approve::{MAX_TEXT_BYTES, check_size, is_approval};
use super::{ActionId, Machine};

impl Machine {
    /// Checks that a decision answers what was asked.
    ///
    /// # Errors
    /// `invalid_request` saying what does not fit, `limit_exceeded` for a decision that is too large, `conflict` when
    /// nothing waits for it.
    pub fn check_decision(&self, action: ActionId, decision: &Decision) -> Result<()> {
        let asking = self.actions.get(&action).filter(|pending| is_approval(pending));
        let frame = asking.and_then(|pending| pending.frame);
        let task = frame.and_then(|frame| self.task(frame));
        let approve = task.and_then(|task| Some((&task.task, task.task.approve.as_ref()?)));
        let Some((task, approve)) = approve else {
            return Err(Error::new(
                ErrorCode::Conflict,
                "the run no longer waits for this approval",
            ));
        };
        if decision
            .comment
            .as_ref()
            .is_some_and(|comment| comment.len() > MAX_TEXT_BYTES)
        {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!("'comment' has more than {MAX_TEXT_BYTES} bytes"),
            ));
        }
        for (field, value) in [("form", &decision.form), ("input", &decision.input)] {
            if let Some(value) = value {
                check_size(value).map_err(|problem| {
                    Error::new(ErrorCode::LimitExceeded, format!("'{field}': {problem}"))
                })?;
            }
        }
        let refused = |field: &str, error: &Error| {
            Error::invalid_request(format!("'{field}' does not fit its schema: {}", error.message()))
        };
        match (&approve.form, &decision.form) {
            (None, None) => {}
            (None, Some(_)) => {
                return Err(Error::invalid_request(
                    "the approval has no form; leave out 'form'",
                ));
            }
            // Nothing has to be filled in to reject.
            (Some(_), None) if decision.decision == DecisionKind::Reject => {}
            (Some(form), filled) => {
                let filled = filled.clone().unwrap_or_else(|| json!({}));
                form.schema
                    .check(&filled)
                    .map_err(|error| refused("form", &error))?;
            }
        }
        match (&decision.input, decision.decision) {
            (None, DecisionKind::Approve | DecisionKind::Reject) => Ok(()),
            (None, DecisionKind::Edit) => Err(Error::invalid_request(
                "'edit' needs 'input': what replaces the task's input",
            )),
            (Some(_), DecisionKind::Approve | DecisionKind::Reject) => {
                Err(Error::invalid_request("'input' belongs to the decision 'edit'"))
            }
            (Some(_), DecisionKind::Edit) if !approve.allow_edit => Err(Error::invalid_request(
                "the input of this task must not be changed; approve or reject",
            )),
            (Some(input), DecisionKind::Edit) => match &task.input.schema {
                Some(schema) => schema.check(input).map_err(|error| refused("input", &error)),
                None => Ok(()),
            },
        }
    }
}
