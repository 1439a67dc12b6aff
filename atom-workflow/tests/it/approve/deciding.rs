//! Who decides, how, and what comes of it.

use std::sync::Arc;

use atom_core::ErrorCode;
use atom_core::storage::{ApprovalStatus, Decision, DecisionKind, RunStatus};
use atom_workflow::definition::Workflow;
use atom_workflow::machine::{ApprovalChange, Command, Event, Machine, Outcome, RunFacts};
use atom_workflow::runtime::Decide;
use serde_json::{Value, json};

use super::{SEND, approve, letter, principal, reject};
use crate::support::{Bench, document};

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
