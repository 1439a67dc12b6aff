//! What runs are listed by: names that the server can read, and a memo that it cannot.

use std::collections::{BTreeMap, HashMap};

use atom_core::storage::{
    Page, PageRequest, RunFilter, RunLabels, RunStatus, RunTrigger, TimeRange, WorkflowKey,
};
use atom_core::{Error, ErrorCode, Result, RunId, Scope};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use temporalio_client::WorkflowDescribeOptions;
use temporalio_client::tonic::{Code, IntoRequest};
use temporalio_common::protos::temporal::api::common::v1::Payload;
use temporalio_common::protos::temporal::api::enums::v1::{IndexedValueType, WorkflowExecutionStatus};
use temporalio_common::protos::temporal::api::operatorservice::v1::{
    AddSearchAttributesRequest, ListSearchAttributesRequest,
};
use temporalio_common::protos::temporal::api::workflow::v1::WorkflowExecutionInfo;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    CountWorkflowExecutionsRequest, ListWorkflowExecutionsRequest,
};
use temporalio_common::search_attributes::{SearchAttributeKey, SearchAttributes};

use super::client::TemporalRuntime;
use super::codec::hex;
use super::failure;
use super::message::Begin;
use crate::definition::Workflow;

/// What stands for the owner of a run where the server lists it.
pub(super) const OWNER: SearchAttributeKey<String> = SearchAttributeKey::keyword("AtomOwner");

/// What stands for the tenant of a run where the server lists it.
pub(super) const TENANT: SearchAttributeKey<String> = SearchAttributeKey::keyword("AtomTenant");

/// The workflow of a run where the server lists it, as `namespace/name`.
pub(super) const WORKFLOW: SearchAttributeKey<String> = SearchAttributeKey::keyword("AtomWorkflow");

/// The approvals that a run waits for.
pub(super) const ASKS: SearchAttributeKey<Vec<String>> = SearchAttributeKey::keyword_list("AtomAsks");

/// What stands for the tags and indexed fields of a run.
pub(super) const LABELS: SearchAttributeKey<Vec<String>> = SearchAttributeKey::keyword_list("AtomLabels");

/// Whether a run that goes on is [`PAUSED`] or [`RUNNING`].
pub(super) const STATE: SearchAttributeKey<String> = SearchAttributeKey::keyword("AtomState");

pub(super) const PAUSED: &str = "paused";

pub(super) const RUNNING: &str = "running";

/// Under which name a run's memo tells what it is.
pub(super) const MEMO: &str = "atom";

/// A run as lists have it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedRun {
    /// Its id.
    pub id: RunId,
    /// Its owner.
    pub owner: Scope,
    /// The document that it follows.
    pub workflow: WorkflowKey,
    /// Its state.
    pub status: RunStatus,
    /// What has started it by itself.
    pub trigger: Option<RunTrigger>,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The key under which it was started.
    pub idempotency_key: Option<String>,
    /// What it can be found by.
    pub labels: RunLabels,
}

/// What a run is, sealed beside it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) run: RunId,
    pub(super) owner: Scope,
    pub(super) workflow: WorkflowKey,
    pub(super) created_at: Timestamp,
    /// What tells its input from others.
    pub(super) input: String,
    /// What has started it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trigger: Option<RunTrigger>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) idempotency_key: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) fields: BTreeMap<String, Value>,
}

impl Summary {
    pub(super) fn new(begin: &Begin, workflow: &Workflow) -> Self {
        Self {
            run: begin.run,
            owner: begin.scope(),
            workflow: WorkflowKey {
                namespace: workflow.document.namespace.clone(),
                name: workflow.document.name.clone(),
                version: workflow.document.version.clone(),
                hash: workflow.hash.clone(),
            },
            created_at: begin.created_at,
            input: hex(&Sha256::digest(begin.input.to_string())),
            trigger: None,
            idempotency_key: None,
            tags: BTreeMap::new(),
            fields: BTreeMap::new(),
        }
    }

    fn listed(self, execution: &WorkflowExecutionInfo) -> ListedRun {
        let attributes = execution.search_attributes.as_ref();
        let state = attributes.and_then(|all| SearchAttributes::from_proto(all).get(&STATE));
        let ended_at = execution.close_time.as_ref();
        let ended_at = ended_at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
        ListedRun {
            id: self.run,
            owner: self.owner,
            workflow: self.workflow,
            status: match status(execution.status()) {
                RunStatus::Running if state.as_deref() == Some(PAUSED) => RunStatus::Paused,
                status => status,
            },
            trigger: self.trigger,
            created_at: self.created_at,
            ended_at,
            idempotency_key: self.idempotency_key,
            labels: RunLabels {
                tags: self.tags,
                fields: self.fields,
            },
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
        let wanted = [
            (OWNER.name(), IndexedValueType::Keyword),
            (TENANT.name(), IndexedValueType::Keyword),
            (WORKFLOW.name(), IndexedValueType::Keyword),
            (ASKS.name(), IndexedValueType::KeywordList),
            (LABELS.name(), IndexedValueType::KeywordList),
            (STATE.name(), IndexedValueType::Keyword),
        ];
        let missing = wanted.into_iter().filter(|(name, _)| !known.contains_key(*name));
        let search_attributes: HashMap<_, _> = missing
            .map(|(name, kind)| (name.to_owned(), kind.into()))
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

    /// A run as lists have it, as it is now.
    ///
    /// # Errors
    /// `not_found` for an unknown run, `unavailable`.
    pub async fn run(&self, scope: &Scope, run: RunId) -> Result<ListedRun> {
        let (summary, execution) = self.described(scope, run).await?;
        Ok(summary.listed(&execution))
    }

    pub(super) async fn described(
        &self,
        scope: &Scope,
        run: RunId,
    ) -> Result<(Summary, WorkflowExecutionInfo)> {
        let described = self
            .handle(scope, run)
            .describe(WorkflowDescribeOptions::default())
            .await;
        let described = described.map_err(|error| failure::interaction(error, run))?;
        let execution = described.raw_description.workflow_execution_info;
        let mut execution = execution.ok_or_else(|| failure::unknown(run))?;
        let memo = take_memo(&mut execution);
        let summary = memo.and_then(|memo| serde_json::from_slice(&memo.data).ok());
        summary
            .map(|summary| (summary, execution))
            .ok_or_else(|| failure::unknown(run))
    }

    /// Runs of an owner, in the server's order. A run that began just now may be missing: the server's lists lag behind.
    ///
    /// # Errors
    /// `unsupported` for a filter that the server does not have, `invalid_request` for a page that is none, `unavailable`.
    pub async fn runs(
        &self,
        scope: &Scope,
        filter: &RunFilter,
        page: &PageRequest,
    ) -> Result<Page<ListedRun>> {
        let size = page.size()?;
        let token = match page.cursor::<String>()? {
            Some(cursor) => read_token(&cursor)?,
            None => Vec::new(),
        };
        let Some(query) = self.query(scope, filter)? else {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        };
        let (items, token) = self.listed(query, size, token).await?;
        let next = (!token.is_empty()).then(|| Value::String(BASE64.encode(token)).to_string());
        Ok(Page { items, next })
    }

    /// How many runs of an owner there are, as far as the server's lists have them.
    ///
    /// # Errors
    /// As [`runs`](Self::runs).
    pub async fn count(&self, scope: &Scope, filter: &RunFilter) -> Result<u64> {
        let Some(query) = self.query(scope, filter)? else {
            return Ok(0);
        };
        let request = CountWorkflowExecutionsRequest {
            namespace: self.config.namespace.clone(),
            query,
        };
        let mut service = self.client.connection().workflow_service();
        let counted = service.count_workflow_executions(request.into_request()).await;
        let counted = counted.map_err(|status| failure::rpc(&status))?.into_inner();
        Ok(u64::try_from(counted.count).unwrap_or_default())
    }

    /// What a filter asks for in the server's language; nothing when no run meets it.
    fn query(&self, scope: &Scope, filter: &RunFilter) -> Result<Option<String>> {
        let Some(conditions) = conditions(filter)? else {
            return Ok(None);
        };
        let mut query = format!("{} = '{}'{conditions}", OWNER.name(), self.sealer.owner(scope)?);
        for label in self.sealer.labels(scope, &filter.labels)? {
            query.push_str(&format!(" AND {} = '{label}'", LABELS.name()));
        }
        Ok(Some(query))
    }

    /// A page of the runs that meet a query of the server's, and where the next one begins.
    pub(super) async fn listed(
        &self,
        query: String,
        size: usize,
        token: Vec<u8>,
    ) -> Result<(Vec<ListedRun>, Vec<u8>)> {
        let request = ListWorkflowExecutionsRequest {
            namespace: self.config.namespace.clone(),
            page_size: i32::try_from(size).unwrap_or(i32::MAX),
            next_page_token: token,
            query,
        };
        let mut service = self.client.connection().workflow_service();
        let listed = service.list_workflow_executions(request.into_request()).await;
        let listed = listed.map_err(|status| failure::rpc(&status))?.into_inner();
        let mut runs = Vec::new();
        for mut execution in listed.executions {
            // One that is not of the engine, or has not come to say what it is.
            let Some(memo) = take_memo(&mut execution) else {
                continue;
            };
            let memo = self.sealer.decode(memo).await?;
            if let Ok(summary) = serde_json::from_slice::<Summary>(&memo.data) {
                runs.push(summary.listed(&execution));
            }
        }
        Ok((runs, listed.next_page_token))
    }
}

fn take_memo(execution: &mut WorkflowExecutionInfo) -> Option<Payload> {
    execution.memo.as_mut()?.fields.remove(MEMO)
}

pub(super) fn read_token(text: &str) -> Result<Vec<u8>> {
    BASE64.decode(text).map_err(|error| {
        Error::invalid_request("'after' must be the 'next' of an earlier page of the same list")
            .with_source(error)
    })
}

/// What a filter asks in the server's language, after an owner; nothing for one that no run meets.
fn conditions(filter: &RunFilter) -> Result<Option<String>> {
    let RunFilter {
        statuses,
        namespace,
        name,
        version,
        parent,
        created,
        ended,
        error_type,
        // Only who has the keys knows what stands for them.
        labels: _,
    } = filter;
    for (is_asked, what) in [
        (version.is_some(), "version"),
        (parent.is_some(), "parent"),
        (error_type.is_some(), "error_type"),
    ] {
        if is_asked {
            let message = format!("runs on Temporal are not listed by {what}; list them without");
            return Err(Error::new(ErrorCode::Unsupported, message));
        }
    }
    let Some(workflow) = workflow_condition(namespace.as_deref(), name.as_deref())? else {
        return Ok(None);
    };
    let mut conditions = format!(" AND ExecutionStatus != 'ContinuedAsNew'{workflow}");
    if !statuses.is_empty() {
        let state = STATE.name();
        let states = statuses.iter().filter_map(|status| match status {
            RunStatus::Running => Some(format!("(ExecutionStatus = 'Running' AND {state} = '{RUNNING}')")),
            RunStatus::Paused => Some(format!("(ExecutionStatus = 'Running' AND {state} = '{PAUSED}')")),
            RunStatus::Completed => Some("ExecutionStatus = 'Completed'".to_owned()),
            RunStatus::Cancelled => Some("ExecutionStatus = 'Canceled'".to_owned()),
            RunStatus::Faulted => Some("ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut')".to_owned()),
            // None waits for its turn.
            RunStatus::Queued => None,
        });
        let states: Vec<_> = states.collect();
        if states.is_empty() {
            return Ok(None);
        }
        conditions.push_str(&format!(" AND ({})", states.join(" OR ")));
    }
    for (name, TimeRange { from, before }) in [("StartTime", created), ("CloseTime", ended)] {
        for (at, relation) in [(from, ">="), (before, "<")] {
            if let Some(at) = at {
                conditions.push_str(&format!(" AND {name} {relation} '{at}'"));
            }
        }
    }
    Ok(Some(conditions))
}

/// The condition on a workflow's namespace and name; nothing where there is no such workflow.
pub(super) fn workflow_condition(namespace: Option<&str>, name: Option<&str>) -> Result<Option<String>> {
    let is_name = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    };
    // Nothing else comes into a query.
    if !namespace.into_iter().chain(name).all(is_name) {
        return Ok(None);
    }
    let workflow = WORKFLOW.name();
    match (namespace, name) {
        (Some(namespace), Some(name)) => Ok(Some(format!(" AND {workflow} = '{namespace}/{name}'"))),
        (Some(namespace), None) => Ok(Some(format!(" AND {workflow} STARTS_WITH '{namespace}/'"))),
        (None, None) => Ok(Some(String::new())),
        (None, Some(_)) => Err(Error::new(
            ErrorCode::Unsupported,
            "on Temporal the name of a workflow is looked for within its namespace; give 'namespace', too",
        )),
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
