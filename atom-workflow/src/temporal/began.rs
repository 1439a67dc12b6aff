//! What a run began with, and its removal, history by history.

use atom_core::storage::Kept;
use atom_core::{Error, ErrorCode, Result, RunId, Scope};
use serde_json::Value;
use temporalio_client::tonic::{Code, IntoRequest};
use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::enums::v1::WorkflowExecutionStatus;
use temporalio_common::protos::temporal::api::history::v1::WorkflowExecutionStartedEventAttributes;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    DeleteWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest,
};

use super::client::TemporalRuntime;
use super::failure;
use super::message::Begin;
use super::workflow_id;

impl TemporalRuntime {
    /// The input of a run, which the first event of its history holds.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `unavailable`.
    pub async fn input(&self, scope: &Scope, run: RunId) -> Result<Value> {
        let started = self.began(scope, run, String::new()).await?;
        let begin = started.input.and_then(|input| input.payloads.into_iter().next());
        let begin = self
            .sealer
            .decode(begin.ok_or_else(|| failure::unknown(run))?)
            .await?;
        let begin: Begin = serde_json::from_slice(&begin.data).map_err(|error| {
            Error::new(ErrorCode::InvalidData, "what the run began with cannot be read").with_source(error)
        })?;
        Ok(begin.input)
    }

    /// Removes a run that has ended, with its histories. The server has heard of it then, and does it within minutes: until it
    /// has, the run is still shown, and its id and idempotency key are taken. The runs that it started stay.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `conflict` when it has not ended, `unavailable`.
    ///
    /// # Cancel safety
    /// A dropped future may have removed the run, or some of its histories; doing it again finishes.
    pub async fn delete(&self, scope: &Scope, run: RunId) -> Result<()> {
        let (_, latest) = self.described(scope, run).await?;
        if latest.status() == WorkflowExecutionStatus::Running {
            return Err(Kept::Running.error(run));
        }
        let mut histories = Vec::new();
        let mut next = latest.execution.unwrap_or_default().run_id;
        while !next.is_empty() {
            let began = self.began(scope, run, next.clone()).await;
            histories.push(next);
            next = match began {
                Ok(began) => began.continued_execution_run_id,
                // It was removed before.
                Err(error) if error.code() == ErrorCode::NotFound => String::new(),
                Err(error) => return Err(error),
            };
        }
        // The oldest first: what is left when this is interrupted is found again.
        for history in histories.iter().rev() {
            self.delete_history(scope, run, history).await?;
        }
        Ok(())
    }

    async fn delete_history(&self, scope: &Scope, run: RunId, history: &str) -> Result<()> {
        let request = DeleteWorkflowExecutionRequest {
            namespace: self.config.namespace.clone(),
            workflow_execution: Some(execution(scope, run, history.to_owned())),
        };
        let mut service = self.client.connection().workflow_service();
        match service.delete_workflow_execution(request.into_request()).await {
            Err(status) if status.code() != Code::NotFound => Err(failure::rpc(&status)),
            _ => Ok(()),
        }
    }

    /// The first event of a history of a run; of the latest for an empty id.
    async fn began(
        &self,
        scope: &Scope,
        run: RunId,
        history: String,
    ) -> Result<WorkflowExecutionStartedEventAttributes> {
        let request = GetWorkflowExecutionHistoryRequest {
            namespace: self.config.namespace.clone(),
            execution: Some(execution(scope, run, history)),
            maximum_page_size: 1,
            ..GetWorkflowExecutionHistoryRequest::default()
        };
        let mut service = self.client.connection().workflow_service();
        let history = service
            .get_workflow_execution_history(request.into_request())
            .await;
        let history = history.map_err(|status| match status.code() {
            Code::NotFound => failure::unknown(run),
            _ => failure::rpc(&status),
        })?;
        let events = history.into_inner().history.map(|history| history.events);
        let first = events
            .into_iter()
            .flatten()
            .next()
            .and_then(|event| event.attributes);
        match first {
            Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => Ok(started),
            _ => Err(failure::unknown(run)),
        }
    }
}

fn execution(scope: &Scope, run: RunId, history: String) -> WorkflowExecution {
    WorkflowExecution {
        workflow_id: workflow_id(scope, run),
        run_id: history,
    }
}
