//! Tasks that wait for somebody's decision.

use std::sync::Arc;

use atom_core::storage::{
    ApprovalFilter, ApprovalRecord, ApprovalStatus, Decision, DecisionKind, MemoryVault, RunRecord,
    RunStatus, Vault,
};
use atom_core::{ErrorCode, Principal, Result, Secret};
use atom_workflow::definition::Workflow;
use atom_workflow::machine::{ApprovalChange, Command, Event, Machine, Outcome, RunFacts};
use atom_workflow::runtime::{Decide, Rerun, RuntimeLimits};
use serde_json::{Value, json};

use crate::support::{Bench, document};

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

#[tokio::test]
async fn a_task_runs_once_it_is_approved_and_sees_the_decision() {
    let bench = Bench::new();
    let run = bench.start(SEND, letter()).await;
    let asked = bench.question().await;
    assert_eq!(bench.calls.count("echo"), 0);
    assert_eq!(
        (asked.run, asked.task.as_str(), asked.title.as_str()),
        (run.id, "/do/0/send", "Send to Eve?")
    );
    assert_eq!(asked.message.as_deref(), Some("Hello"));
    assert_eq!(asked.data, json!({ "to": "Eve" }));
    assert_eq!(asked.input, Some(letter()));
    assert_eq!(asked.form.as_ref().unwrap()["required"], json!(["why"]));
    assert_eq!(asked.assignees.roles, ["editor"]);
    assert_eq!(asked.assignees.users, ["bob", "cid"]);

    let bob = principal("acme", "bob", &["clerk"]);
    let decide = Decide {
        comment: Some("fine".to_owned()),
        form: Some(json!({ "why": "polite" })),
        ..approve(&asked)
    };
    let decided = bench.runtime.decide(&bob, decide.clone()).await.unwrap();
    assert_eq!(decided.status, ApprovalStatus::Approved);
    assert_eq!(decided.decision.as_ref().unwrap().by, "bob");
    assert_eq!(decided.closed_at, Some(bench.clock_now()));
    let ended = bench.wait(&run).await;
    assert_eq!(
        ended.output,
        Some(json!({ "sent": "Hello", "by": "bob", "why": "polite" }))
    );
    assert_eq!(
        bench.history(&run).await,
        [
            "run_started",
            "task_started /do/0/send",
            "task_awaiting_approval /do/0/send",
            "task_decided /do/0/send",
            "task_completed /do/0/send",
            "run_completed",
        ]
    );
    // Deciding the same again gives the same answer, even when the run has ended; anything else is too late.
    assert_eq!(bench.runtime.decide(&bob, decide.clone()).await.unwrap(), decided);
    let otherwise = Decide {
        comment: None,
        ..decide.clone()
    };
    for late in [otherwise, reject(&asked, "no")] {
        let refused = bench.runtime.decide(&bob, late).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Conflict);
    }
    let cid = principal("acme", "cid", &["clerk"]);
    let refused = bench.runtime.decide(&cid, decide).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict);
    assert_eq!(refused.message(), "'bob' has decided otherwise already");
}

#[test]
fn the_machine_says_what_to_ask_and_takes_each_answer_once() {
    let tasks = r#"
- race:
    fork:
      compete: true
      branches:
        - left: { set: { won: left }, metadata: { atom: { approve: { title: Left?, deadline: PT1H } } } }
        - right: { set: { won: right }, metadata: { atom: { approve: { title: Right? } } } }
"#;
    let workflow = Arc::new(Workflow::parse(&document(tasks)).unwrap());
    let ada = principal("acme", "ada", &[]);
    let now = atom_core::testkit::fixtures::start();
    let run = atom_core::testkit::fixtures::run_id(1);
    let facts = RunFacts::new(ada.scope(), run, json!({}), now);
    let mut machine = Machine::new(Arc::clone(&workflow), facts.clone());
    let first = machine.advance(Event::started(), now);
    let [ApprovalChange::Opened(left), ApprovalChange::Opened(right)] = &first.approvals[..] else {
        panic!("{first:?}");
    };
    assert_eq!((left.title.as_str(), right.title.as_str()), ("Left?", "Right?"));
    assert_eq!(
        (left.deadline, right.deadline),
        (Some(now + std::time::Duration::from_secs(3600)), None)
    );
    assert_ne!(left.id, right.id);
    let asked = |command: &Command| matches!(command, Command::Approve { .. });
    assert_eq!(
        first.begin.iter().filter(|(_, command)| asked(command)).count(),
        2
    );

    let answer = Event::Decided {
        action: left.action,
        decision: Decision {
            decision: DecisionKind::Approve,
            by: "bob".to_owned(),
            comment: None,
            form: None,
            input: None,
        },
    };
    let timer = Event::Decided {
        action: first.begin.iter().find(|(_, command)| !asked(command)).unwrap().0,
        decision: match &answer {
            Event::Decided { decision, .. } => decision.clone(),
            _ => unreachable!(),
        },
    };
    assert!(!machine.expects(&timer), "only an approval is decided");
    let last = machine.advance(answer.clone(), now);
    let closed: Vec<_> = last
        .approvals
        .iter()
        .map(|change| match change {
            ApprovalChange::Closed { request, status, .. } => (request.title.as_str(), *status),
            ApprovalChange::Opened(request) => panic!("{request:?}"),
        })
        .collect();
    assert_eq!(
        closed,
        [
            ("Left?", ApprovalStatus::Approved),
            ("Right?", ApprovalStatus::Withdrawn)
        ]
    );
    assert_eq!(last.outcome, Some(Outcome::Completed(json!({ "won": "left" }))));
    assert!(!machine.expects(&answer));

    let mut replayed = Machine::new(workflow, facts);
    assert_eq!(replayed.advance(Event::started(), now), first);
    assert_eq!(replayed.advance(answer, now), last);
}

#[tokio::test]
async fn only_those_who_are_named_decide_and_never_another_tenant() {
    let bench = Bench::new();
    bench.start(SEND, letter()).await;
    let asked = bench.question().await;
    let decide = Decide {
        form: Some(json!({ "why": "x" })),
        ..approve(&asked)
    };
    for (who, code) in [
        (principal("bell", "bob", &["editor"]), ErrorCode::NotFound),
        (principal("acme", "dan", &["clerk"]), ErrorCode::NotFound),
        (principal("acme", "dan", &[]), ErrorCode::NotFound),
        // The owner of the run sees it, but was not asked.
        (principal("acme", "ada", &["admin"]), ErrorCode::PermissionDenied),
    ] {
        let refused = bench.runtime.decide(&who, decide.clone()).await.unwrap_err();
        assert_eq!(refused.code(), code, "{who:?}");
    }
    for who in [
        principal("acme", "cid", &["clerk"]),
        principal("acme", "dan", &["clerk", "editor"]),
    ] {
        let seen = bench.store.approval(&who, asked.id).await.unwrap();
        assert!(seen.is_some_and(|seen| seen.may_be_decided_by(&who)), "{who:?}");
    }
    let dan = principal("acme", "dan", &["editor"]);
    bench.runtime.decide(&dan, decide).await.unwrap();
}

#[tokio::test]
async fn with_nobody_named_the_owner_decides() {
    let bench = Bench::new();
    let tasks = "- ask: { set: '${ $approval }', metadata: { atom: { approve: { title: Really? } } } }";
    let run = bench.start(tasks, json!({ "n": 1 })).await;
    let asked = bench.question().await;
    assert_eq!((&asked.data, &asked.input), (&json!({ "n": 1 }), &None));
    let stranger = principal("acme", "bob", &["admin"]);
    let refused = bench.runtime.decide(&stranger, approve(&asked)).await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::NotFound);
    bench.decide(approve(&asked)).await.unwrap();
    let expected = json!({
        "decision": "approve", "by": "ada", "at": bench.clock_now().to_string(), "comment": null, "form": null,
    });
    assert_eq!(bench.wait(&run).await.output, Some(expected));
}

#[tokio::test]
async fn a_decision_that_does_not_answer_the_question_is_refused_and_stored_nowhere() {
    let bench = Bench::new();
    let tasks = r#"
- send:
    call: echo
    with: { sent: '${ . }' }
    input: { schema: { document: { type: object, required: [text] } } }
    metadata: { atom: { approve: { title: Send?, allowEdit: true, form: { type: object, required: [why] } } } }
- pay:
    call: echo
    metadata: { atom: { approve: { title: Pay? } } }
"#;
    let run = bench.start(tasks, json!({ "text": "Hello" })).await;
    let asked = bench.question().await;
    let with_form = Decide {
        form: Some(json!({ "why": 1 })),
        ..approve(&asked)
    };
    let edit = |input: Option<Value>| Decide {
        decision: DecisionKind::Edit,
        input,
        ..with_form.clone()
    };
    let deep = (0..101).fold(json!(1), |inner, _| json!([inner]));
    for (decide, code, says) in [
        (
            approve(&asked),
            ErrorCode::InvalidRequest,
            "'form' does not fit its schema: \"why\" is a required property",
        ),
        (
            Decide {
                form: Some(json!(7)),
                ..approve(&asked)
            },
            ErrorCode::InvalidRequest,
            "'form' does not fit its schema",
        ),
        (
            Decide {
                form: Some(json!(7)),
                ..reject(&asked, "no")
            },
            ErrorCode::InvalidRequest,
            "'form' does not fit its schema",
        ),
        (edit(None), ErrorCode::InvalidRequest, "'edit' needs 'input'"),
        (
            edit(Some(json!({ "txt": 1 }))),
            ErrorCode::InvalidRequest,
            "'input' does not fit its schema: \"text\" is a required property",
        ),
        (
            Decide {
                input: Some(json!({ "text": "x" })),
                ..with_form.clone()
            },
            ErrorCode::InvalidRequest,
            "'input' belongs to",
        ),
        (
            edit(Some(json!({ "text": deep }))),
            ErrorCode::LimitExceeded,
            "'input': the data nests deeper",
        ),
        (
            edit(Some(json!({ "text": "x".repeat(1024 * 1024) }))),
            ErrorCode::LimitExceeded,
            "'input': it has more than 1048576 bytes as JSON",
        ),
        (
            Decide {
                comment: Some("x".repeat(16 * 1024 + 1)),
                ..with_form.clone()
            },
            ErrorCode::LimitExceeded,
            "'comment' has more than",
        ),
    ] {
        let refused = bench.decide(decide).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().starts_with(says), "{refused}");
    }
    assert_eq!(bench.question().await, asked);
    assert_eq!(bench.calls.count("echo"), 0);
    let journal = bench.store.journal(&bench.scope(), run.id, 0, 10).await.unwrap();
    assert_eq!(journal.len(), 1);

    let edited = bench
        .decide(edit(Some(json!({ "text": "Good day" }))))
        .await
        .unwrap();
    assert_eq!(edited.status, ApprovalStatus::Approved);
    let asked = bench.question().await;
    assert_eq!(asked.data, json!({ "sent": { "text": "Good day" } }));
    let with_form = Decide {
        form: Some(json!({})),
        ..approve(&asked)
    };
    let edit = Decide {
        decision: DecisionKind::Edit,
        input: Some(json!({})),
        ..approve(&asked)
    };
    for refused in [with_form, edit] {
        let refused = bench.decide(refused).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidRequest, "{refused}");
    }
    bench.decide(approve(&asked)).await.unwrap();
    assert_eq!(bench.wait(&run).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_rejection_is_an_error_that_can_be_caught_and_undoes_what_was_done_before() {
    let bench = Bench::new();
    let tasks = r#"
- book:
    call: echo
    with: { n: 1 }
    metadata: { atom: { compensate: [{ undo: { call: echo, with: { undone: 1 } } }] } }
- pay:
    call: fail
    metadata: { atom: { approve: { title: Pay? }, compensate: [{ never: { call: fail } }] } }
"#;
    let run = bench.start(tasks, json!({})).await;
    let asked = bench.question().await;
    let rejected = bench.decide(reject(&asked, "too much")).await.unwrap();
    assert_eq!(rejected.status, ApprovalStatus::Rejected);
    let ended = bench.wait(&run).await;
    assert_eq!(
        ended.error,
        Some(json!({
            "type": "urn:atom:error:rejected",
            "status": 403,
            "title": "Rejected",
            "detail": "ada rejected it: too much",
            "instance": "/do/1/pay",
        }))
    );
    // Nothing was paid, so only the booking is undone.
    assert_eq!((bench.calls.count("echo"), bench.calls.count("fail")), (2, 0));

    let tasks = r#"
- attempt:
    try: [{ ask: { call: fail, metadata: { atom: { approve: { title: Sure? } } } } }]
    catch:
      errors: { with: { type: 'urn:atom:error:rejected', status: 403 } }
      do: [{ go: { set: { no: '${ $error.detail }' } } }]
"#;
    let run = bench.start(tasks, json!({})).await;
    let asked = bench.question().await;
    bench.decide(reject(&asked, "no")).await.unwrap();
    let ended = bench.wait(&run).await;
    assert_eq!(ended.output, Some(json!({ "no": "ada rejected it: no" })));
}

#[tokio::test]
async fn a_deadline_decides_when_nobody_does() {
    let tasks = |on_deadline: &str| {
        format!(
            "- ask: {{ set: '${{ $approval }}', metadata: {{ atom: {{ approve: {{ title: Sure?, deadline: {{ hours: 24 }} {on_deadline} }} }} }} }}"
        )
    };
    for (on_deadline, expected) in [
        (
            "",
            Err((
                "https://open-workflow-specification.org/spec/1.0.0/errors/timeout",
                408,
            )),
        ),
        (
            ", onDeadline: fault",
            Err((
                "https://open-workflow-specification.org/spec/1.0.0/errors/timeout",
                408,
            )),
        ),
        (", onDeadline: reject", Err(("urn:atom:error:rejected", 403))),
        (", onDeadline: approve", Ok(())),
    ] {
        let bench = Bench::new();
        let run = bench.start(&tasks(on_deadline), json!({})).await;
        let asked = bench.question().await;
        assert_eq!(
            asked.deadline,
            Some(bench.clock_now() + std::time::Duration::from_secs(24 * 3600))
        );
        // The deadline holds over a restart.
        let bench = bench.restarted().await;
        bench.runtime.resume(None).await.unwrap();
        bench.pass(24 * 3600).await;
        let ended = bench.wait(&run).await;
        match expected {
            Err((kind, status)) => {
                let error = ended.error.unwrap();
                assert_eq!((&error["type"], &error["status"]), (&json!(kind), &json!(status)));
            }
            Ok(()) => {
                let output = ended.output.unwrap();
                assert_eq!(
                    (&output["decision"], &output["by"], &output["form"]),
                    (&json!("approve"), &Value::Null, &Value::Null)
                );
            }
        }
        let expired = bench.approvals().await.remove(0);
        assert_eq!(
            (expired.status, expired.decision, expired.closed_at),
            (ApprovalStatus::Expired, None, asked.deadline)
        );
        let late = bench.decide(approve(&asked)).await.unwrap_err();
        assert_eq!(late.code(), ErrorCode::Conflict);
        assert_eq!(late.context()["status"], "expired");
        assert_eq!(
            bench.event_types().await,
            ["io.atom.approval.requested.v1", "io.atom.approval.expired.v1"]
        );
    }
}

#[tokio::test]
async fn a_decision_in_time_ends_the_deadline_and_begins_the_timeout() {
    let bench = Bench::new();
    let tasks = r#"
- slow:
    call: hang
    timeout: { after: PT10S }
    metadata: { atom: { approve: { title: Sure?, deadline: PT1H } } }
"#;
    let run = bench.start(tasks, json!({})).await;
    let asked = bench.question().await;
    // The time that passes until somebody decides is not the task's own.
    bench.clock.advance(std::time::Duration::from_secs(1800));
    bench.decide(approve(&asked)).await.unwrap();
    bench.pass(10).await;
    let ended = bench.wait(&run).await;
    assert_eq!(
        ended.error.unwrap()["detail"],
        "the task took longer than its timeout"
    );
}

#[tokio::test]
async fn an_approval_outlives_the_process_and_its_decision_resumes_the_run() {
    for first in ["", "- first: { call: echo, with: { n: 1 } }\n"] {
        let bench = Bench::new();
        let tasks = format!(
            "{first}- ask: {{ call: echo, with: {{ n: 2 }}, metadata: {{ atom: {{ approve: {{ title: Sure? }} }} }} }}"
        );
        let run = bench.start(&tasks, json!({})).await;
        let asked = bench.question().await;
        let bench = bench.restarted().await;
        bench.runtime.resume(None).await.unwrap();
        assert_eq!(bench.question().await, asked);
        let bench = bench.restarted().await;
        // Nobody resumes the run this time.
        let decided = bench.decide(approve(&asked)).await.unwrap();
        assert_eq!(decided.status, ApprovalStatus::Approved);
        assert_eq!(bench.wait(&run).await.output, Some(json!({ "n": 2 })));
        assert_eq!(bench.calls.count("echo"), 1);
        assert_eq!(
            bench.event_types().await,
            ["io.atom.approval.requested.v1", "io.atom.approval.decided.v1"]
        );
    }
}

#[tokio::test]
async fn approvals_side_by_side_and_in_a_loop_have_ids_of_their_own_and_repeat_no_work() {
    let bench = Bench::new();
    let tasks = r#"
- all:
    fork:
      branches:
        - left: { set: { left: '${ $approval.comment }' }, metadata: { atom: { approve: { title: Left? } } } }
        - right: { set: { right: '${ $approval.comment }' }, metadata: { atom: { approve: { title: Right? } } } }
- each:
    for: { each: item, in: '${ ["a", "b"] }' }
    do:
      - work: { call: echo, with: { item: '${ $item }' } }
      - check: { set: { ok: '${ $item }' }, metadata: { atom: { approve: { title: '${ "Keep \($item)?" }' } } } }
"#;
    let run = bench.start(tasks, json!({})).await;
    let asked = bench.asked(2).await;
    assert_ne!(asked[0].id, asked[1].id);
    for (approval, comment) in asked.iter().zip(["l", "r"]).rev() {
        let decide = Decide {
            comment: Some(comment.to_owned()),
            ..approve(approval)
        };
        bench.decide(decide).await.unwrap();
    }
    let mut ids = Vec::new();
    for title in ["Keep a?", "Keep b?"] {
        let asked = bench.question().await;
        assert_eq!(asked.title, title);
        bench.decide(approve(&asked)).await.unwrap();
        ids.push(asked.id);
    }
    assert_ne!(ids[0], ids[1]);
    let ended = bench.wait(&run).await;
    assert_eq!(ended.output, Some(json!({ "ok": "b" })));
    assert_eq!(bench.calls.count("echo"), 2);
    let both = bench.output_of(&run, "/do/0/all").await;
    assert_eq!(both, json!([{ "left": "l" }, { "right": "r" }]));
}

#[tokio::test]
async fn what_is_no_longer_asked_is_withdrawn() {
    let bench = Bench::new();
    let ask = "metadata: { atom: { approve: { title: Sure? } } }";
    // The run is cancelled.
    let run = bench
        .start(&format!("- ask: {{ set: {{ n: 1 }}, {ask} }}"), json!({}))
        .await;
    let asked = bench.question().await;
    bench.runtime.cancel(&bench.scope(), run.id, None).await.unwrap();
    let withdrawn = bench.approvals().await.remove(0);
    assert_eq!(withdrawn.status, ApprovalStatus::Withdrawn);
    let late = bench.decide(approve(&asked)).await.unwrap_err();
    assert_eq!(late.code(), ErrorCode::Conflict);
    assert_eq!(
        bench.event_types().await,
        ["io.atom.approval.requested.v1", "io.atom.approval.withdrawn.v1"]
    );
    // Another branch wins, or the time of what is around it runs out.
    for tasks in [
        format!(
            "- race: {{ fork: {{ compete: true, branches: [{{ ask: {{ set: {{ n: 1 }}, {ask} }} }}, {{ rest: {{ wait: PT5S }} }}] }} }}"
        ),
        format!(
            "- around: {{ try: [{{ in: {{ do: [{{ ask: {{ set: {{ n: 1 }}, {ask} }} }}], timeout: {{ after: PT5S }} }} }}], catch: {{}} }}"
        ),
    ] {
        let run = bench.start(&tasks, json!({})).await;
        let asked = bench.question().await;
        bench.pass(5).await;
        assert_eq!(bench.wait(&run).await.status, RunStatus::Completed);
        let ended = bench.store.approval(&bench.ada, asked.id).await.unwrap();
        assert_eq!(ended.unwrap().status, ApprovalStatus::Withdrawn);
    }
    // What is begun and stopped in one step was never asked.
    let before = bench.approvals().await.len();
    let tasks = format!(
        "- race: {{ fork: {{ compete: true, branches: [{{ ask: {{ set: {{ n: 1 }}, {ask} }} }}, {{ fast: {{ set: {{ n: 2 }} }} }}] }} }}"
    );
    assert_eq!(bench.output(&tasks, json!({})).await, json!({ "n": 2 }));
    assert_eq!(bench.approvals().await.len(), before);
}

#[tokio::test]
async fn a_condition_comes_before_the_question_and_the_tasks_inside_see_the_decision() {
    let bench = Bench::new();
    let tasks = r#"
- never: { if: '${ false }', call: fail, metadata: { atom: { approve: { title: Never? } } } }
- both:
    do:
      - one: { set: { said: '${ $approval.comment }' } }
      - two: { call: echo, with: { said: '${ .said }', again: '${ $approval.comment }' } }
    export: { as: '${ { by: $approval.by } }' }
    metadata: { atom: { approve: { title: Both? } } }
- after: { set: { last: '${ . }', context: '${ $context }' } }
- outside: { set: '${ $approval }' }
"#;
    let run = bench.start(tasks, json!({})).await;
    let asked = bench.question().await;
    assert_eq!(asked.title, "Both?");
    let decide = Decide {
        comment: Some("yes".to_owned()),
        ..approve(&asked)
    };
    bench.decide(decide).await.unwrap();
    let ended = bench.wait(&run).await;
    assert_eq!(
        bench.output_of(&run, "/do/2/after").await,
        json!({ "last": { "said": "yes", "again": "yes" }, "context": { "by": "ada" } })
    );
    // Outside of the task the variable is not there.
    let error = ended.error.unwrap();
    assert_eq!(error["instance"], "/do/3/outside");
}

#[tokio::test]
async fn a_repetition_asks_anew_with_a_new_id() {
    let bench = Bench::new();
    let tasks = r#"
- first: { call: echo, with: { n: 1 } }
- both:
    fork:
      branches:
        - ask: { set: { n: 2 }, metadata: { atom: { approve: { title: Ask? } } } }
        - pay: { call: echo, with: { n: 3 }, metadata: { atom: { approve: { title: Pay? } } } }
"#;
    let run = bench.start(tasks, json!({})).await;
    let asked = bench.asked(2).await;
    bench.decide(reject(&asked[1], "no")).await.unwrap();
    assert_eq!(bench.wait(&run).await.status, RunStatus::Faulted);
    let rerun = |run: &RunRecord, from: Option<&str>| Rerun {
        run: run.id,
        from: from.map(str::to_owned),
        id: None,
    };
    for from in [None, Some("/do/1/both")] {
        let again = bench.runtime.rerun(&bench.ada, rerun(&run, from)).await.unwrap();
        let anew = bench.asked(2).await;
        for (first, second) in asked.iter().zip(&anew) {
            assert_eq!((second.run, &second.title), (again.id, &first.title));
            assert_ne!(first.id, second.id);
        }
        // What the new run asks survives as well.
        for approval in &anew {
            bench.decide(approve(approval)).await.unwrap();
        }
        assert_eq!(bench.wait(&again).await.status, RunStatus::Completed);
    }
    // The first task was not done again, and each payment needed an approval of its own.
    assert_eq!(bench.calls.count("echo"), 3);
}

#[tokio::test]
async fn what_is_shown_and_said_holds_no_secret() {
    let vault = Arc::new(MemoryVault::default());
    let bench = Bench::over(
        Arc::new(atom_core::storage::MemoryStore::default()),
        Arc::clone(&vault) as _,
        RuntimeLimits::default(),
    );
    let secret = Secret::new("sk-0123456789");
    let now = bench.clock_now();
    vault.set(&bench.scope(), "key", &secret, now).await.unwrap();
    let tasks = r#"
use: { secrets: [key] }
do:
  - make: { set: { key: '${ $secrets.key }' } }
  - ask:
      set: '${ $approval }'
      metadata: { atom: { approve: { title: '${ "Use \($secrets.key)?" }', message: '${ $secrets.key }', allowEdit: true, form: {} } } }
"#;
    let run = bench.start(tasks, json!({})).await;
    let asked = bench.question().await;
    assert_eq!(asked.title, "Use ***?");
    let decide = Decide {
        comment: Some("I know sk-0123456789".to_owned()),
        form: Some(json!({ "key": "sk-0123456789" })),
        decision: DecisionKind::Edit,
        input: Some(json!(["sk-0123456789"])),
        ..approve(&asked)
    };
    let decided = bench.decide(decide).await.unwrap();
    let ended = bench.wait(&run).await;
    let history = bench.runtime.history(&bench.scope(), run.id).await.unwrap();
    let events = bench.store.read(&bench.scope(), 0, 10).await.unwrap();
    let journal = bench.store.journal(&bench.scope(), run.id, 0, 10).await.unwrap();
    let all = format!("{asked:?} {decided:?} {ended:?} {history:?} {events:?} {journal:?}");
    assert!(!all.contains("0123456789"), "{all}");
    assert_eq!(ended.output.unwrap()["comment"], "I know ***");
}

#[tokio::test]
async fn what_cannot_be_asked_fails_the_task() {
    let bench = Bench::new();
    for (approve, detail) in [
        (
            "title: '${ .number }'",
            "the 'title' of the approval must be text",
        ),
        (
            "title: '${ .long }'",
            "the 'title' of the approval has more than 1000 bytes",
        ),
        (
            "title: x, message: '${ .number }'",
            "the 'message' of the approval must be text",
        ),
        (
            "title: x, assignees: { users: '${ .number }' }",
            "the 'assignees' of the approval must be lists of names",
        ),
        (
            "title: x, assignees: { users: ['${ .nobody }'] }",
            "the 'assignees' of the approval must be lists of names",
        ),
        (
            "title: x, assignees: { roles: '${ [] }' }",
            "the 'assignees' of the approval name nobody",
        ),
        (
            "title: x, assignees: { roles: '${ [\"\"] }' }",
            "the 'assignees' of the approval hold a text that cannot be a name",
        ),
        (
            "title: x, assignees: { roles: '${ [range(101) | tostring] }' }",
            "the 'assignees' of the approval name more than 100; give them a role in common",
        ),
        (
            "title: x, data: '${ .long * 2000 }'",
            "the approval cannot show this: it has more than 1048576 bytes as JSON; choose what to show with 'data'",
        ),
    ] {
        let tasks = format!("- ask: {{ call: fail, metadata: {{ atom: {{ approve: {{ {approve} }} }} }} }}");
        let input = json!({ "number": 1, "long": "x".repeat(1001) });
        let error = bench.error(&tasks, input).await;
        assert_eq!(error["detail"], detail, "{approve}");
        assert_eq!(error["status"], 400);
    }
    assert_eq!(bench.approvals().await, []);
    // A run asks for so many things at once and no more.
    let branch = |number: usize| {
        format!("{{ b{number}: {{ set: {{}}, metadata: {{ atom: {{ approve: {{ title: x }} }} }} }} }}")
    };
    let branches: Vec<_> = (0..1001)
        .map(|number| branch(number).replace("set: {}", "set: { n: 1 }"))
        .collect();
    let tasks = format!("- many: {{ fork: {{ branches: [{}] }} }}", branches.join(", "));
    let error = bench.error(&tasks, json!({})).await;
    assert_eq!(
        error["detail"],
        "the run waits for 1000 approvals already; ask for fewer at a time"
    );
    assert_eq!(bench.approvals().await, [], "none of them was asked");
}

#[tokio::test]
async fn a_decision_on_a_paused_run_is_kept_and_the_task_runs_when_it_goes_on() {
    let bench = Bench::new();
    let tasks = "- ask: { call: echo, with: { n: 2 }, metadata: { atom: { approve: { title: Sure? } } } }";
    let run = bench.start(tasks, json!({})).await;
    let asked = bench.question().await;
    let scope = bench.scope();
    bench.runtime.pause_run(&scope, run.id, None).await.unwrap();
    let decided = bench.decide(approve(&asked)).await.unwrap();
    assert_eq!(decided.status, ApprovalStatus::Approved);
    let bench = bench.restarted().await;
    bench.runtime.resume(None).await.unwrap();
    assert_eq!(bench.calls.count("echo"), 0);
    bench.runtime.resume_run(&scope, run.id).await.unwrap();
    assert_eq!(bench.wait(&run).await.output, Some(json!({ "n": 2 })));
}
