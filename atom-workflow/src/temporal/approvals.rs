//! What runs ask people, found by what the server lists.

use atom_core::storage::{
    ApprovalFilter, ApprovalRecord, ApprovalStatus, Decision, DecisionKind, Page, PageRequest,
};
use atom_core::{ApprovalId, Error, ErrorCode, Principal, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::client::TemporalRuntime;
use super::listing::{ASKS, ListedRun, TENANT, read_token, workflow_condition};
use super::message::Asked;
use crate::runtime::{Decide, unknown_approval};

/// How many runs are asked at once what they ask.
const AT_ONCE: usize = 16;

/// Where a list goes on.
#[derive(Default, Serialize, Deserialize)]
struct Cursor {
    /// The server's page of runs.
    token: String,
    /// How many of the approvals of those runs came before.
    skip: usize,
}

impl TemporalRuntime {
    /// What runs ask and the principal sees: the owner of a run, and who may decide. Only what is pending is known. The
    /// server's lists lag behind a little; looking takes a worker.
    ///
    /// # Errors
    /// `unsupported` for approvals that are not pending, `invalid_request` for a page that is none, `unavailable`.
    pub async fn approvals(
        &self,
        principal: &Principal,
        filter: &ApprovalFilter,
        page: &PageRequest,
    ) -> Result<Page<ApprovalRecord>> {
        principal.validate()?;
        if filter
            .status
            .is_some_and(|status| status != ApprovalStatus::Pending)
        {
            return Err(Error::new(
                ErrorCode::Unsupported,
                "on Temporal only pending approvals are known; list those with the status 'pending'",
            ));
        }
        let size = page.size()?;
        let cursor = page.cursor::<Cursor>()?.unwrap_or_default();
        let token = read_token(&cursor.token)?;
        let workflow = workflow_condition(filter.namespace.as_deref(), filter.name.as_deref())?;
        let Some(workflow) = workflow else {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        };
        let query = format!("{}{workflow}", self.asking(principal, "IS NOT NULL")?);
        let (mut runs, next) = self.listed(query, size, token).await?;
        runs.retain(|run| filter.run.is_none_or(|wanted| run.id == wanted));
        let mut found = self.asked_by(runs).await?;
        found.retain(|approval| filter.matches(approval, principal));
        let skip = cursor.skip;
        let seen = skip.saturating_add(size);
        let next = if found.len() > seen {
            Some(Cursor { skip: seen, ..cursor })
        } else if next.is_empty() {
            None
        } else {
            Some(Cursor {
                token: BASE64.encode(next),
                skip: 0,
            })
        };
        let items = found.into_iter().skip(skip).take(size);
        let next = next.map(|next| serde_json::to_string(&next)).transpose();
        Ok(Page {
            items: items.map(|approval| approval.listed()).collect(),
            next: next
                .map_err(|error| Error::internal("a cursor cannot be written as JSON").with_source(error))?,
        })
    }

    /// What a run asks, as long as it does.
    ///
    /// # Errors
    /// `not_found` for an approval that is not pending or not shown to the principal, `unavailable`.
    pub async fn approval(&self, principal: &Principal, id: ApprovalId) -> Result<ApprovalRecord> {
        principal.validate()?;
        let query = self.asking(principal, &format!("= '{id}'"))?;
        let (runs, _) = self.listed(query, 1, Vec::new()).await?;
        let mut found = self.asked_by(runs).await?.into_iter();
        let found = found.find(|approval| approval.id == id && approval.is_visible_to(principal));
        found.ok_or_else(|| unknown_approval(id))
    }

    /// Decides on an approval, as this principal.
    ///
    /// # Errors
    /// As [`decide`](Self::decide).
    pub async fn decide_approval(&self, principal: &Principal, decide: Decide) -> Result<ApprovalRecord> {
        let asked = self.approval(principal, decide.approval).await?;
        let decision = Decision {
            decision: decide.decision,
            by: principal.user.clone(),
            comment: decide.comment.clone(),
            form: decide.form.clone(),
            input: decide.input.clone(),
        };
        self.decide(principal, &asked.owner, asked.run, decide).await?;
        Ok(ApprovalRecord {
            status: match decision.decision {
                DecisionKind::Approve | DecisionKind::Edit => ApprovalStatus::Approved,
                DecisionKind::Reject => ApprovalStatus::Rejected,
            },
            decision: Some(decision),
            closed_at: Some(self.parts.clock.now()),
            ..asked
        })
    }

    /// Runs of the principal's tenant that ask something, in the server's language.
    fn asking(&self, principal: &Principal, what: &str) -> Result<String> {
        let tenant = self.sealer.tenant(&principal.tenant)?;
        Ok(format!(
            "{} = '{tenant}' AND {} {what} AND ExecutionStatus = 'Running'",
            TENANT.name(),
            ASKS.name(),
        ))
    }

    async fn asked_by(&self, runs: Vec<ListedRun>) -> Result<Vec<ApprovalRecord>> {
        let asked = stream::iter(runs).map(|run| async move {
            let asked = match self.view(&run.owner, run.id).await {
                Ok(view) => view.approvals,
                // It has ended since.
                Err(error) if matches!(error.code(), ErrorCode::Conflict | ErrorCode::NotFound) => Vec::new(),
                Err(error) => return Err(error),
            };
            let records = asked.into_iter().map(|asked| record(&run, asked));
            Ok(stream::iter(records.collect::<Vec<_>>().into_iter().map(Ok)))
        });
        asked.buffered(AT_ONCE).try_flatten().try_collect().await
    }
}

fn record(run: &ListedRun, asked: Asked) -> ApprovalRecord {
    ApprovalRecord {
        id: asked.id,
        owner: run.owner.clone(),
        run: run.id,
        action: asked.action,
        task: asked.task,
        workflow: run.workflow.clone(),
        title: asked.title,
        message: asked.message,
        data: asked.data,
        input: asked.input,
        form: asked.form,
        assignees: asked.assignees,
        created_at: asked.at,
        deadline: asked.deadline,
        on_deadline: asked.on_deadline,
        status: ApprovalStatus::Pending,
        decision: None,
        closed_at: None,
    }
}
