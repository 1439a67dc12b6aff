//! Tasks that wait for somebody's decision.

mod asking;
mod deciding;
mod lasting;

use std::sync::Arc;

use atom_core::storage::{ApprovalFilter, ApprovalRecord, ApprovalStatus, DecisionKind, RunRecord};
use atom_core::{Principal, Result};
use atom_workflow::runtime::{Decide, RuntimeLimits};
use serde_json::{Value, json};

use crate::support::Bench;

/// Asks before it calls, with everything that can be said.
const SEND: &str = r#"
- send:
    call: echo
    with: { sent: '${ .text }', by: '${ $approval.by }' }
    output: { as: '${ . + { why: $approval.form.why } }' }
    metadata:
      atom:
        approve:
          title: '${ "Send to \(.to)?" }'
          message: '${ .text }'
          assignees: { roles: [editor], users: [bob, '${ .boss }'] }
          form: { type: object, properties: { why: { type: string } }, required: [why], additionalProperties: false }
          data: { to: '${ .to }' }
          allowEdit: true
"#;

fn principal(tenant: &str, user: &str, roles: &[&str]) -> Principal {
    Principal {
        tenant: tenant.to_owned(),
        user: user.to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    }
}

fn approve(approval: &ApprovalRecord) -> Decide {
    Decide {
        approval: approval.id,
        decision: DecisionKind::Approve,
        comment: None,
        form: None,
        input: None,
    }
}

fn reject(approval: &ApprovalRecord, comment: &str) -> Decide {
    Decide {
        decision: DecisionKind::Reject,
        comment: Some(comment.to_owned()),
        ..approve(approval)
    }
}

impl Bench {
    /// Everything that the owner's runs have asked, the newest first.
    async fn approvals(&self) -> Vec<ApprovalRecord> {
        let listed = self
            .store
            .approvals(&self.ada, &ApprovalFilter::default(), &Default::default())
            .await
            .unwrap();
        let mut approvals = Vec::new();
        for approval in listed.items {
            let whole = self.store.approval(&self.ada, approval.id).await.unwrap();
            approvals.push(whole.unwrap());
        }
        approvals
    }

    /// What runs ask now, once there are so many of them, in the order of the document.
    async fn asked(&self, count: usize) -> Vec<ApprovalRecord> {
        loop {
            let mut asked = self.approvals().await;
            asked.retain(|approval| approval.status == ApprovalStatus::Pending);
            if asked.len() == count {
                asked.sort_by(|left, right| left.task.cmp(&right.task));
                return asked;
            }
            tokio::task::yield_now().await;
        }
    }

    /// The one thing that runs ask now.
    async fn question(&self) -> ApprovalRecord {
        self.asked(1).await.remove(0)
    }

    async fn decide(&self, decide: Decide) -> Result<ApprovalRecord> {
        self.runtime.decide(&self.ada, decide).await
    }

    /// What a task of a run gave.
    async fn output_of(&self, run: &RunRecord, task: &str) -> Value {
        let history = self.runtime.history(&self.scope(), run.id).await.unwrap();
        let mut entries = history
            .into_iter()
            .map(|entry| serde_json::to_value(entry).unwrap());
        let completed = entries.find(|entry| entry["type"] == "task_completed" && entry["task"] == task);
        completed.unwrap()["output"].clone()
    }

    /// The types of the events in the owner's log.
    async fn event_types(&self) -> Vec<String> {
        let logged = self.store.read(&self.scope(), 0, 100).await.unwrap();
        logged.into_iter().map(|logged| logged.event.kind).collect()
    }

    /// Another process over the same store, at the same time.
    async fn restarted(&self) -> Self {
        self.runtime.close(std::time::Duration::from_secs(5)).await;
        let next = Self::over(
            Arc::clone(&self.store),
            Arc::clone(&self.vault),
            RuntimeLimits::default(),
        );
        next.clock.set(self.clock_now());
        next
    }
}

fn letter() -> Value {
    json!({ "to": "Eve", "text": "Hello", "boss": "cid" })
}
