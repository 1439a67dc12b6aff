//! What runs are listed by: names that the server can read, and a memo that it cannot.

use std::collections::HashMap;

use atom_core::storage::{RunStatus, WorkflowVersion};
use atom_core::{Result, RunId, Scope};
use futures::StreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use temporalio_client::tonic::{Code, IntoRequest};
use temporalio_client::{WorkflowExecutionStatus, WorkflowListOptions};
use temporalio_common::protos::temporal::api::operatorservice::v1::{
    AddSearchAttributesRequest, ListSearchAttributesRequest,
};
use temporalio_common::search_attributes::SearchAttributeKey;

use super::client::TemporalRuntime;
use super::codec::hex;
use super::failure;
use crate::definition::Workflow;

/// What stands for the owner of a run where the server lists it.
pub(super) const OWNER: SearchAttributeKey<String> = SearchAttributeKey::keyword("AtomOwner");

/// The workflow of a run where the server lists it, as `namespace/name`.
pub(super) const WORKFLOW: SearchAttributeKey<String> = SearchAttributeKey::keyword("AtomWorkflow");

/// Under which name a run's memo tells what it is.
pub(super) const MEMO: &str = "atom";

/// A run as lists have it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedRun {
    /// Its id.
    pub id: RunId,
    /// The namespace of its workflow.
    pub namespace: String,
    /// The name of its workflow.
    pub name: String,
    /// The version that it follows.
    pub workflow: WorkflowVersion,
    /// Its state; a paused run is shown as running.
    pub status: RunStatus,
    /// When it was started.
    pub started_at: Option<Timestamp>,
}

/// What a run is, sealed beside it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) run: RunId,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) version: WorkflowVersion,
    /// What tells its input from others.
    pub(super) input: String,
}

impl Summary {
    pub(super) fn new(run: RunId, workflow: &Workflow, input: &Value) -> Self {
        Self {
            run,
            namespace: workflow.document.namespace.clone(),
            name: workflow.document.name.clone(),
            version: WorkflowVersion {
                version: workflow.document.version.clone(),
                hash: workflow.hash.clone(),
            },
            input: hex(&Sha256::digest(input.to_string())),
        }
    }
}

impl TemporalRuntime {
    /// Adds to the namespace what runs are listed by.
    pub(super) async fn register_attributes(&self) -> Result<()> {
        let mut operator = self.client.connection().operator_service();
        let namespace = self.config.namespace.clone();
        let list = ListSearchAttributesRequest {
            namespace: namespace.clone(),
        };
        let known = operator.list_search_attributes(list.into_request()).await;
        let known = known.map_err(|status| failure::unregistered(&status))?;
        let known = known.into_inner().custom_attributes;
        let keys = [&OWNER, &WORKFLOW].into_iter();
        let missing = keys.filter(|key| !known.contains_key(key.name()));
        let search_attributes: HashMap<_, _> = missing
            .map(|key| (key.name().to_owned(), key.indexed_value_type().into()))
            .collect();
        if search_attributes.is_empty() {
            return Ok(());
        }
        let add = AddSearchAttributesRequest {
            search_attributes,
            namespace,
        };
        match operator.add_search_attributes(add.into_request()).await {
            // Somebody else may have added them at the same time.
            Err(status) if status.code() != Code::AlreadyExists => Err(failure::unregistered(&status)),
            _ => Ok(()),
        }
    }

    /// Runs of an owner, up to so many, in the server's order. A run that began just now may be missing: the server's lists
    /// lag behind.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn runs(&self, scope: &Scope, limit: usize) -> Result<Vec<ListedRun>> {
        let owner = self.sealer.owner(scope)?;
        let options = WorkflowListOptions::builder().limit(limit).build();
        let query = format!(
            "{} = '{owner}' AND ExecutionStatus != 'ContinuedAsNew'",
            OWNER.name()
        );
        let mut listed = self.client.list_workflows(query, options);
        let mut runs = Vec::new();
        while let Some(execution) = listed.next().await {
            let execution = execution.map_err(failure::list)?;
            let Ok(Some(Summary {
                run,
                namespace,
                name,
                version,
                ..
            })) = execution.memo().get(MEMO)
            else {
                continue;
            };
            runs.push(ListedRun {
                id: run,
                namespace,
                name,
                workflow: version,
                status: status(execution.status()),
                started_at: execution.start_time().and_then(|time| time.try_into().ok()),
            });
        }
        Ok(runs)
    }
}

fn status(status: WorkflowExecutionStatus) -> RunStatus {
    match status {
        WorkflowExecutionStatus::Completed => RunStatus::Completed,
        WorkflowExecutionStatus::Canceled => RunStatus::Cancelled,
        WorkflowExecutionStatus::Failed
        | WorkflowExecutionStatus::Terminated
        | WorkflowExecutionStatus::TimedOut => RunStatus::Faulted,
        _ => RunStatus::Running,
    }
}
