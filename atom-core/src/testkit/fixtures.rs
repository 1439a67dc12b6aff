//! Ready-made values for tests.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::storage::{
    ApprovalRecord, ApprovalStatus, Assignees, DeployedWorkflow, JournalEntry, NewRun, OnDeadline, RunCommit,
    RunLabels, WorkflowKey,
};
use crate::{ApprovalId, Principal, RunId, Scope};

/// The moment at which tests start: 2026-01-01T00:00:00Z.
#[must_use]
pub fn start() -> Timestamp {
    Timestamp::constant(1_767_225_600, 0)
}

/// A moment some seconds after [`start`].
#[must_use]
pub fn second(number: u64) -> Timestamp {
    start() + Duration::from_secs(number)
}

/// The user `ada` of the tenant `acme`, without roles.
#[must_use]
pub fn principal() -> Principal {
    Principal {
        tenant: "acme".to_owned(),
        user: "ada".to_owned(),
        roles: Vec::new(),
    }
}

/// The scope of [`principal`].
#[must_use]
pub fn scope() -> Scope {
    principal().scope()
}

/// The run id that ends in `number`.
#[must_use]
pub fn run_id(number: u64) -> RunId {
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&number.to_be_bytes());
    RunId::from_parts(start(), bytes)
}

/// The key of the workflow `default/briefing` 1.0.0.
#[must_use]
pub fn workflow_key() -> WorkflowKey {
    WorkflowKey {
        namespace: "default".to_owned(),
        name: "briefing".to_owned(),
        version: "1.0.0".to_owned(),
        hash: "ab".repeat(32),
    }
}

/// A deployment with the given version and hash, made at [`start`].
#[must_use]
pub fn deployed(name: &str, version: &str, hash: &str) -> DeployedWorkflow {
    DeployedWorkflow {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
        hash: hash.to_owned(),
        title: None,
        summary: None,
        deployed_at: start(),
        withdrawn_at: None,
    }
}

/// A journal entry made `sequence` seconds after [`start`].
#[must_use]
pub fn entry(sequence: u64) -> JournalEntry {
    JournalEntry {
        sequence,
        at: second(sequence),
        payload: format!(r#"{{"entry":{sequence}}}"#),
        event_head: 0,
    }
}

/// A run of [`workflow_key`] for a principal, created `number` seconds after [`start`] with the id
/// [`run_id`]`(number)`.
#[must_use]
pub fn new_run(principal: &Principal, number: u64) -> NewRun {
    NewRun {
        id: run_id(number),
        principal: principal.clone(),
        workflow: workflow_key(),
        parent: None,
        directory: None,
        input: json!({ "number": number }),
        created_at: second(number),
        first_entry: entry(0),
        rerun_of: None,
        trigger: None,
        labels: RunLabels::default(),
        idempotency_key: None,
        limits: None,
        copied: Vec::new(),
        is_offered: false,
    }
}

/// What the run [`run_id`]`(run)` of a principal asks its owner with the action of some number, `action` seconds after
/// [`start`].
#[must_use]
pub fn approval(owner: &Principal, run: u64, action: u64) -> ApprovalRecord {
    ApprovalRecord {
        id: ApprovalId::new(&owner.scope(), run_id(run), action),
        owner: owner.scope(),
        run: run_id(run),
        action,
        task: format!("/do/{action}/ask"),
        workflow: workflow_key(),
        title: format!("Question {action}"),
        message: None,
        data: json!({ "action": action }),
        input: None,
        form: None,
        assignees: Assignees::default(),
        created_at: second(action),
        deadline: None,
        on_deadline: OnDeadline::default(),
        status: ApprovalStatus::Pending,
        decision: None,
        closed_at: None,
    }
}

/// A commit that writes the journal entries of some sequences and nothing else.
#[must_use]
pub fn commit(scope: &Scope, run: RunId, sequences: std::ops::Range<u64>) -> RunCommit {
    RunCommit {
        scope: scope.clone(),
        run,
        entries: sequences.map(entry).collect(),
        events: Vec::new(),
        approvals: Vec::new(),
        end: None,
        is_paused: None,
        tally: None,
        migrates_to: None,
        continues: false,
        letter: None,
    }
}
