//! What the server and its client say went wrong, as errors of the engine.

use atom_core::{Error, ErrorCode, Retry, RunId};
use temporalio_client::WorkflowHistoryError;
use temporalio_client::errors::{
    WorkflowGetResultError, WorkflowInteractionError, WorkflowQueryError, WorkflowStartError,
    WorkflowUpdateError,
};
use temporalio_client::tonic::{Code, Status};

/// The server is not reached.
pub(super) fn unreachable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    unavailable("the Temporal server cannot be reached; is it running?").with_source(error)
}

/// A request that the server did not answer as it should.
pub(super) fn rpc(status: &Status) -> Error {
    unavailable("the Temporal server refused the request")
        .with_context("status", status.code())
        .with_context("detail", status.message())
}

/// A schedule that the server does not take: of a time zone that it does not know, say.
pub(super) fn schedule(status: &Status) -> Error {
    match status.code() {
        Code::InvalidArgument => Error::invalid_request("the Temporal server does not take the schedule")
            .with_context("detail", status.message()),
        _ => rpc(status),
    }
}

/// What runs are listed by is not in the namespace.
pub(super) fn unregistered(status: &Status) -> Error {
    let message = "the Temporal namespace lacks search attributes, which could not be added; add AtomOwner, AtomTenant, AtomWorkflow and AtomState as Keyword, and AtomAsks and AtomLabels as KeywordList";
    match status.code() {
        Code::PermissionDenied | Code::Unimplemented => {
            Error::new(ErrorCode::PermissionDenied, message).with_context("detail", status.message())
        }
        _ => rpc(status),
    }
}

fn unavailable(message: &str) -> Error {
    Error::new(ErrorCode::Unavailable, message).with_retry(Retry::Maybe)
}

/// A run that is not there.
pub(super) fn unknown(run: RunId) -> Error {
    Error::not_found(format!("there is no run {run} on the Temporal server"))
}

/// A run that takes no more messages.
pub(super) fn ended(run: RunId) -> Error {
    Error::new(ErrorCode::Conflict, "the run has ended").with_context("run", run)
}

/// A run that did not end by itself.
pub(super) fn ended_elsewhere(run: RunId, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorCode::Conflict, "the run was ended at the Temporal server")
        .with_context("run", run)
        .with_source(error)
}

pub(super) fn start(error: WorkflowStartError) -> Error {
    match error {
        WorkflowStartError::Rpc(status) => rpc(&status),
        other => Error::internal("the run cannot be started").with_source(other),
    }
}

pub(super) fn interaction(error: WorkflowInteractionError, run: RunId) -> Error {
    match error {
        WorkflowInteractionError::NotFound(_) => unknown(run),
        WorkflowInteractionError::Rpc(status) => rpc(&status),
        other => Error::internal("the Temporal server's answer cannot be read").with_source(other),
    }
}

pub(super) fn result(error: WorkflowGetResultError, run: RunId) -> Error {
    match error {
        WorkflowGetResultError::NotFound(_) => unknown(run),
        WorkflowGetResultError::Rpc(status) => rpc(&status),
        other => ended_elsewhere(run, other),
    }
}

pub(super) fn query(error: WorkflowQueryError, run: RunId) -> Error {
    match error {
        WorkflowQueryError::NotFound(_) => unknown(run),
        WorkflowQueryError::Rejected { .. } => ended(run),
        WorkflowQueryError::Rpc(status) => rpc(&status),
        other => Error::internal("the run cannot be looked at").with_source(other),
    }
}

pub(super) fn update(error: WorkflowUpdateError, run: RunId) -> Error {
    match error {
        // It was there just now.
        WorkflowUpdateError::NotFound(_) => ended(run),
        WorkflowUpdateError::Rpc(status) => rpc(&status),
        other => Error::internal("the run did not take the decision").with_source(other),
    }
}

pub(super) fn history(error: WorkflowHistoryError, run: RunId) -> Error {
    match error {
        WorkflowHistoryError::Fetch(error) => interaction(error, run),
        other => Error::internal("the history cannot be read").with_source(other),
    }
}
