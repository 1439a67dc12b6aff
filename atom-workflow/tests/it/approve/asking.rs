//! What is asked, when, and when no longer.

use std::sync::Arc;

use atom_core::storage::{ApprovalStatus, DecisionKind, MemoryVault, RunRecord, RunStatus, Vault};
use atom_core::{ErrorCode, Secret};
use atom_workflow::runtime::{Decide, Rerun, RuntimeLimits};
use serde_json::json;

use super::{approve, reject};
use crate::support::Bench;

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
