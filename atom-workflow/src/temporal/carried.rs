//! What of the language runs on Temporal do not carry out.

use atom_core::{Error, ErrorCode, Result};

use crate::definition::{TaskKind, Workflow};

/// Checks that a run of this document can be carried out on Temporal.
///
/// # Errors
/// `unsupported` for limits on how many runs go on at once, and for subscriptions.
pub(super) fn check_carried(workflow: &Workflow) -> Result<()> {
    let unsupported = |what: &str| {
        Error::new(
            ErrorCode::Unsupported,
            format!("runs on Temporal do not carry out {what}; start the run with the embedded runtime"),
        )
    };
    if workflow.limits.is_some() {
        return Err(unsupported("limits on how many runs go on at once"));
    }
    let mut subscription = None;
    workflow.visit(&mut |task| {
        if matches!(task.kind, TaskKind::Subscribe(_)) && subscription.is_none() {
            subscription = Some(task.located(unsupported("subscriptions")));
        }
    });
    subscription.map_or(Ok(()), Err)
}
