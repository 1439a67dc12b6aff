//! What a run would do, without doing it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::RunStatus;
use atom_core::testkit::fixtures::{run_id, scope, start};
use atom_core::{CloudEvent, ErrorCode};
use atom_workflow::definition::Workflow;
use atom_workflow::machine::WaitKind;
use atom_workflow::runtime::{DryRun, DryRunReport};
use serde_json::{Value, json};

use crate::support::document;

fn dry_run(tasks: &str, answers: &[(&str, Value)], events: Vec<CloudEvent>) -> DryRunReport {
    prepared(tasks, answers, events).carry_out().unwrap()
}

fn prepared(tasks: &str, answers: &[(&str, Value)], events: Vec<CloudEvent>) -> DryRun {
    let answers = answers
        .iter()
        .map(|(task, answer)| ((*task).to_owned(), answer.clone()));
    DryRun {
        workflow: Arc::new(Workflow::parse(&document(tasks)).unwrap()),
        input: json!({ "n": 1 }),
        answers: answers.collect::<BTreeMap<_, _>>(),
        decisions: BTreeMap::new(),
        events,
        at: start(),
        owner: scope(),
        id: run_id(1),
    }
}

const APPROVAL: &str = r#"
do:
  - pay:
      call: bank.pay
      with: { amount: '${ .amount }', by: '${ $approval.by }' }
      metadata: { atom: { approve: { title: 'Pay?', allowEdit: true } } }
"#;

#[test]
fn given_decisions_are_taken() {
    let decided = |decision: Value| {
        let mut dry_run = prepared(APPROVAL, &[("/do/0/pay", json!({}))], Vec::new());
        let decision = serde_json::from_value(decision).unwrap();
        dry_run.decisions.insert("/do/0/pay".to_owned(), decision);
        dry_run.carry_out()
    };
    let edited = json!({ "decision": "edit", "by": "grace", "input": { "amount": 7 } });
    let report = decided(edited).unwrap();
    assert!(report.is_certain);
    assert_eq!(report.calls[0].arguments, json!({ "amount": 7, "by": "grace" }));
    let report = decided(json!({ "decision": "reject", "by": "grace" })).unwrap();
    assert_eq!((report.status, report.calls.len()), (RunStatus::Faulted, 0));
    let error = decided(json!({ "decision": "edit", "by": "grace" })).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);

    let report = dry_run(APPROVAL, &[("/do/0/pay", json!({}))], Vec::new());
    assert_eq!((report.status, report.is_certain), (RunStatus::Completed, false));
    assert_eq!(report.calls[0].arguments["by"], json!("unknown"));
}

const CHAIN: &str = r#"
use: { secrets: [token] }
do:
  - read: { call: mail.read, with: { token: '${ $secrets.token }', n: '${ .n }' } }
  - check: { if: '.urgent', call: phone.ring, with: { text: '${ .text }' } }
  - rest: { wait: P1D }
  - tell: { emit: { event: { with: { type: com.example.done } } } }
"#;

#[test]
fn given_answers_lead_through_the_workflow() {
    let report = dry_run(
        CHAIN,
        &[
            ("/do/0/read", json!({ "urgent": true, "text": "now" })),
            ("/do/1/check", json!({})),
        ],
        Vec::new(),
    );
    assert_eq!(
        (report.status, report.is_certain, report.is_cut),
        (RunStatus::Completed, true, false)
    );
    let calls: Vec<_> = report
        .calls
        .iter()
        .map(|call| {
            (
                call.task.as_str(),
                call.function.as_deref().unwrap(),
                &call.arguments,
            )
        })
        .collect();
    let (read, ring) = (json!({ "token": "***", "n": 1 }), json!({ "text": "now" }));
    assert_eq!(
        calls,
        [
            ("/do/0/read", "mail.read", &read),
            ("/do/1/check", "phone.ring", &ring)
        ]
    );
    assert_eq!(report.events[0].kind, "com.example.done");
    let last = report.records.last().unwrap();
    assert_eq!(
        last.record.at,
        start() + Duration::from_secs(24 * 60 * 60),
        "time passes without being waited for"
    );

    let quiet = dry_run(CHAIN, &[("/do/0/read", json!({ "urgent": false }))], Vec::new());
    assert_eq!((quiet.calls.len(), quiet.is_certain), (1, true));
}

#[test]
fn what_follows_from_an_unknown_answer_is_a_guess() {
    let report = dry_run(CHAIN, &[], Vec::new());
    assert!(!report.is_certain);
    assert_eq!(
        (report.calls[0].is_answered, report.calls[0].is_certain),
        (false, true)
    );
    let chain = "- a: { call: one }\n- b: { call: two, with: { from: '${ . }' } }\n";
    let report = dry_run(chain, &[], Vec::new());
    assert_eq!(
        report.calls[1].arguments,
        json!({ "from": { "unknown": "/do/0/a" } })
    );
    assert!(!report.calls[1].is_certain);
    assert_eq!(report.output, Some(json!({ "unknown": "/do/1/b" })));
}

#[test]
fn no_messages_come_and_what_follows_from_that_is_a_guess() {
    let hear = |consume: &str| {
        format!(
            "- hear: {{ call: asyncapi, with: {{ document: {{ endpoint: 'https://x.test/a' }}, operation: hear, subscription: {{ consume: {consume} }} }} }}"
        )
    };
    let waiting = dry_run(&hear("{ amount: 1 }"), &[], Vec::new());
    assert_eq!(waiting.status, RunStatus::Running);
    let function = "asyncapi".to_owned();
    assert_eq!(waiting.waits[0].what, WaitKind::Messages { function });
    let timed = dry_run(&hear("{ amount: 1, for: PT1H }"), &[], Vec::new());
    assert_eq!(
        (timed.status, timed.output, timed.is_certain),
        (RunStatus::Completed, Some(json!([])), false)
    );
}

#[test]
fn events_come_in_order_and_a_run_that_hears_none_waits() {
    let listen =
        "- hear: { listen: { to: { one: { with: { type: com.example.go } } } }, timeout: { after: PT1H } }\n";
    let report = dry_run(listen, &[], Vec::new());
    assert_eq!(report.status, RunStatus::Running);
    assert!(report.waits.iter().any(|wait| wait.what == WaitKind::Event));
    let event = |kind: &str| {
        let mut event = CloudEvent::new(kind, "/tests", kind);
        event.data = Some(json!(kind));
        event
    };
    let report = dry_run(
        listen,
        &[],
        vec![event("com.example.other"), event("com.example.go")],
    );
    assert_eq!(
        (report.output, report.is_certain),
        (Some(json!(["com.example.go"])), true)
    );
}

#[test]
fn errors_retries_and_children_are_shown_and_an_endless_workflow_is_cut() {
    let tasks = r#"
- child: { run: { workflow: { namespace: default, name: other, version: 1.0.0, input: { n: '${ .n }' } } } }
- attempt:
    try: [{ broken: { raise: { error: { type: 'https://example.com/broken', status: 500 } } } }]
    catch: { retry: { delay: PT1M, limit: { attempt: { count: 2 } } } }
"#;
    let report = dry_run(tasks, &[("/do/0/child", json!(3))], Vec::new());
    assert_eq!(report.calls[0].workflow.as_deref(), Some("default/other 1.0.0"));
    assert_eq!(report.calls[0].arguments, json!({ "n": 1 }));
    assert_eq!(
        (report.status, report.error.unwrap().status),
        (RunStatus::Faulted, 500)
    );

    let endless = "- a: { call: one }\n- b: { call: two, then: a }\n";
    let report = dry_run(endless, &[], Vec::new());
    assert_eq!((report.status, report.is_cut), (RunStatus::Running, true));
    assert!(report.calls.len() <= 1001, "{}", report.calls.len());
}

#[test]
fn answers_and_decisions_of_tasks_that_are_not_there_are_refused() {
    let error = prepared(APPROVAL, &[("/do/1/pay", json!({}))], Vec::new()).carry_out();
    let error = error.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    assert!(
        error.message().contains("'answers' names the task '/do/1/pay'"),
        "{error}"
    );
    let mut dry_run = prepared(APPROVAL, &[], Vec::new());
    let decision = serde_json::from_value(json!({ "decision": "approve", "by": "grace" })).unwrap();
    dry_run.decisions.insert("/do/0".to_owned(), decision);
    let error = dry_run.carry_out().unwrap_err();
    assert!(
        error.message().contains("'decisions' names the task '/do/0'"),
        "{error}"
    );
}
