//! What the runtime promises about calls, time, cancelling, limits and history.

use std::time::Duration;

use atom_core::storage::{RunStatus, SecretInfo};
use atom_core::{ErrorCode, Secret};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{RuntimeLimits, StartRun};
use futures::StreamExt;
use serde_json::json;
use std::sync::Arc;

use crate::support::{Bench, document};

#[tokio::test]
async fn a_wait_lasts_until_its_time_and_passes_data_through() {
    let bench = Bench::new();
    let run = bench
        .start(
            "- pause: { wait: PT1H }\n- after: { set: { n: '${ .n }' } }",
            json!({ "n": 1 }),
        )
        .await;
    bench.pass(3600).await;
    assert_eq!(bench.wait(&run).await.output, Some(json!({ "n": 1 })));
}

#[tokio::test]
async fn retries_follow_the_policy_and_then_the_handler_runs() {
    let bench = Bench::new();
    let workflow = |failures: u64| {
        format!(
            r#"
- attempt:
    try: [{{ flaky: {{ call: flaky, with: {{ failures: {failures} }} }} }}]
    catch:
      retry: {{ delay: {{ seconds: 1 }}, backoff: {{ exponential: {{}} }}, limit: {{ attempt: {{ count: 3 }} }} }}
      do: [{{ give_up: {{ set: {{ gave_up: true }} }} }}]
"#
        )
    };
    let run = bench.start(&workflow(2), json!({})).await;
    for pause in [1, 2] {
        bench.pass(pause).await;
    }
    assert_eq!(bench.wait(&run).await.output, Some(json!({ "calls": 3 })));
    let history = bench.history(&run).await;
    assert_eq!(
        history
            .iter()
            .filter(|line| *line == "task_retried /do/0/attempt")
            .count(),
        2
    );

    let bench = Bench::new();
    let run = bench.start(&workflow(100), json!({})).await;
    for pause in [1, 2, 4] {
        bench.pass(pause).await;
    }
    assert_eq!(bench.wait(&run).await.output, Some(json!({ "gave_up": true })));
    assert_eq!(bench.calls.count("flaky"), 4);
    // Each attempt is a call of its own, with a key of its own.
    let mut keys = bench.calls.keys();
    keys.dedup();
    assert_eq!(keys.len(), 4);
}

#[tokio::test]
async fn timeouts_end_tasks_and_workflows_and_can_be_caught() {
    let bench = Bench::new();
    let caught = "- a: { try: [{ slow: { call: hang, timeout: { after: PT5S } } }], catch: { do: [{ b: { set: { status: '${ $error.status }' } } }] } }";
    let run = bench.start(caught, json!({})).await;
    bench.pass(5).await;
    assert_eq!(bench.wait(&run).await.output, Some(json!({ "status": 408 })));

    let run = bench
        .start(
            "timeout: { after: PT1M }\ndo:\n  - slow: { call: hang }",
            json!({}),
        )
        .await;
    bench.pass(60).await;
    let run = bench.wait(&run).await;
    assert_eq!(
        (run.status, &run.error.unwrap()["status"]),
        (RunStatus::Faulted, &json!(408))
    );
}

/// On a machine that was busy or asleep both may have come: then what was done is not thrown away.
#[tokio::test]
async fn an_answer_that_is_there_is_taken_although_the_time_of_the_call_is_up() {
    let limits = RuntimeLimits {
        call_timeout: Duration::ZERO,
        ..RuntimeLimits::default()
    };
    let bench = Bench::over(
        Arc::new(atom_core::storage::MemoryStore::default()),
        Arc::new(atom_core::storage::MemoryVault::default()),
        limits,
    );
    let tasks = "- all: { for: { in: '${ [range(20)] }' }, do: [{ one: { call: echo } }] }";
    assert_eq!(bench.run(tasks, json!({})).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_call_that_never_answers_ends_with_the_call_timeout() {
    let limits = RuntimeLimits {
        call_timeout: Duration::from_secs(7),
        ..RuntimeLimits::default()
    };
    let bench = Bench::over(
        Arc::new(atom_core::storage::MemoryStore::default()),
        Arc::new(atom_core::storage::MemoryVault::default()),
        limits,
    );
    let run = bench.start("- slow: { call: hang }", json!({})).await;
    bench.pass(7).await;
    assert_eq!(bench.wait(&run).await.error.unwrap()["status"], 408);
}

#[tokio::test]
async fn a_panic_is_an_error_of_the_call_and_nothing_else() {
    let bench = Bench::new();
    let error = bench.error("- bad: { call: panic }", json!({})).await;
    assert_eq!(error["status"], 500);
    assert_eq!(
        bench
            .output("- good: { call: echo, with: { n: 1 } }", json!({}))
            .await,
        json!({ "n": 1 })
    );
}

#[tokio::test]
async fn cancelling_stops_a_run_for_good_and_twice_is_once() {
    let bench = Bench::new();
    let run = bench.start("- slow: { call: hang }", json!({})).await;
    let cancelled = bench
        .runtime
        .cancel(&bench.scope(), run.id, Some("changed my mind".to_owned()))
        .await
        .unwrap();
    assert_eq!(cancelled.status, RunStatus::Cancelled);
    let again = bench.runtime.cancel(&bench.scope(), run.id, None).await.unwrap();
    assert_eq!(again.status, RunStatus::Cancelled);
    assert_eq!(
        bench.history(&run).await,
        ["run_started", "task_started /do/0/slow", "run_cancelled"]
    );
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_the_start() {
    let bench = Bench::new();
    let missing = bench
        .try_start("- a: { set: { n: 1 } }\n- b: { call: nobody.home }", json!({}))
        .await
        .unwrap_err();
    assert_eq!(missing.code(), ErrorCode::NotFound);
    let place = ["line", "column", "path"].map(|part| missing.context()[part].as_str());
    assert_eq!(place, ["4", "6", "/do/1/b"]);
    let unsupported = bench
        .try_start(
            "- a: { run: { script: { language: ruby, code: 'puts 1' } } }",
            json!({}),
        )
        .await
        .unwrap_err();
    assert_eq!(unsupported.code(), ErrorCode::Unsupported);
    let secret = bench
        .try_start(
            "use: { secrets: [key] }\ndo: [{ a: { set: { x: 1 } } }]",
            json!({}),
        )
        .await
        .unwrap_err();
    assert_eq!(secret.code(), ErrorCode::NotFound);
    let large = bench
        .try_start("- a: { set: { x: 1 } }", json!("x".repeat(17 * 1024 * 1024)))
        .await
        .unwrap_err();
    assert_eq!(large.code(), ErrorCode::LimitExceeded);
}

#[tokio::test]
async fn a_result_over_the_limit_is_an_error_of_its_step() {
    let limits = RuntimeLimits {
        payload_bytes: 100,
        ..RuntimeLimits::default()
    };
    let bench = Bench::over(
        Arc::new(atom_core::storage::MemoryStore::default()),
        Arc::new(atom_core::storage::MemoryVault::default()),
        limits,
    );
    let error = bench
        .error(
            "- a: { call: echo, with: { text: '${ \"x\" * 200 }' } }",
            json!({}),
        )
        .await;
    assert_eq!(error["instance"], "/do/0/a");
}

#[tokio::test]
async fn secrets_reach_calls_and_nothing_that_is_stored_or_shown() {
    let bench = Bench::new();
    let info: SecretInfo = bench
        .vault
        .set(
            &bench.scope(),
            "token",
            &Secret::new("tok-secret"),
            bench.clock_now(),
        )
        .await
        .unwrap();
    assert_eq!(info.version, 1);
    let run = bench
        .run(
            "use: { secrets: [token] }\ndo:\n  - a: { call: echo, with: { header: '${ \"Bearer \" + $secrets.token }' } }\n  - b: { set: { leak: '${ $secrets.token }', echoed: '${ .header }' } }",
            json!({}),
        )
        .await;
    assert_eq!(run.output, Some(json!({ "leak": "***", "echoed": "Bearer ***" })));
    let journal = bench.store.journal(&bench.scope(), run.id, 0, 100).await.unwrap();
    let history = bench.runtime.history(&bench.scope(), run.id).await.unwrap();
    assert!(!format!("{journal:?}{history:?}").contains("tok-secret"));
}

#[tokio::test]
async fn a_start_with_a_known_id_returns_the_run_that_has_it() {
    let bench = Bench::new();
    let text = document("- a: { call: echo, with: { n: '${ .n }' } }");
    let mut start = StartRun::new(Arc::new(Workflow::parse(&text).unwrap()), text, json!({ "n": 1 }));
    start.id = Some("0192f0c1-0000-7000-8000-000000000001".parse().unwrap());
    let first = bench.runtime.start(&bench.ada, start.clone()).await.unwrap();
    bench.wait(&first).await;
    let second = bench.runtime.start(&bench.ada, start.clone()).await.unwrap();
    assert_eq!((second.id, second.output), (first.id, Some(json!({ "n": 1 }))));
    assert_eq!(bench.calls.count("echo"), 1);
    let other = document("- b: { set: { x: 1 } }");
    start.workflow = Arc::new(Workflow::parse(&other).unwrap());
    start.text = Some(other);
    assert_eq!(
        bench.runtime.start(&bench.ada, start).await.unwrap_err().code(),
        ErrorCode::AlreadyExists
    );
}

#[tokio::test]
async fn following_a_run_from_any_offset_gives_the_rest_and_ends() {
    let bench = Bench::new();
    let run = bench
        .start(
            "- a: { call: echo, with: { n: 1 } }\n- pause: { wait: PT1S }\n- b: { set: { done: true } }",
            json!({}),
        )
        .await;
    let mut live = bench.runtime.follow(bench.scope(), run.id, 0);
    assert_eq!(live.next().await.unwrap().unwrap().offset, 1);
    bench.pass(1).await;
    let rest: Vec<_> = live.map(|entry| entry.unwrap().offset).collect().await;
    assert_eq!(rest, (2..=8).collect::<Vec<_>>());
    let later: Vec<_> = bench
        .runtime
        .follow(bench.scope(), run.id, 6)
        .map(|entry| entry.unwrap().offset)
        .collect()
        .await;
    assert_eq!(later, [7, 8]);
}

#[tokio::test]
async fn a_workflow_runs_another_and_cancels_it_with_itself() {
    let bench = Bench::new();
    let child = document("- a: { call: CALL, with: { n: '${ .n }' } }").replace("name: test", "name: child");
    for (call, expected) in [("echo", Some(json!({ "n": 7 }))), ("fail", None)] {
        bench
            .deploy(
                &child
                    .replace("CALL", call)
                    .replace("0.1.0", if call == "echo" { "1.0.0" } else { "2.0.0" }),
            )
            .await;
        let run = bench
            .run("- sub: { run: { workflow: { namespace: default, name: child, version: latest, input: { n: 7 } } } }", json!({}))
            .await;
        assert_eq!(run.output, expected);
        if call == "fail" {
            assert_eq!(
                (
                    &run.error.as_ref().unwrap()["status"],
                    &run.error.as_ref().unwrap()["instance"]
                ),
                (&json!(502), &json!("/do/0/sub"))
            );
        }
    }
    bench
        .deploy(&child.replace("CALL", "hang").replace("0.1.0", "3.0.0"))
        .await;
    let parent = bench
        .start("- sub: { run: { workflow: { namespace: default, name: child, version: 3.0.0, input: { n: 7 } } } }", json!({}))
        .await;
    let child = bench.child_of(&parent).await;
    bench
        .runtime
        .cancel(&bench.scope(), parent.id, None)
        .await
        .unwrap();
    assert_eq!(bench.wait(&child).await.status, RunStatus::Cancelled);
    let missing = bench
        .error(
            "- sub: { run: { workflow: { namespace: default, name: nobody, version: latest } } }",
            json!({}),
        )
        .await;
    assert_eq!(missing["status"], 404);
}

#[tokio::test]
async fn data_that_nests_too_deep_to_be_stored_is_an_error_of_its_step() {
    let bench = Bench::new();
    let nest = "reduce range(200) as $i (0; [.])";
    for task in [
        format!("- a: {{ set: {{ deep: '${{ {nest} }}' }} }}"),
        format!("- a: {{ call: echo, with: {{ deep: '${{ {nest} }}' }} }}"),
        format!("- a: {{ emit: {{ event: {{ with: {{ type: a, data: '${{ {nest} }}' }} }} }} }}"),
    ] {
        let error = bench.error(&task, json!({})).await;
        assert!(
            error["detail"]
                .as_str()
                .unwrap()
                .contains("deeper than 100 levels"),
            "{error}"
        );
        assert_eq!(error["instance"], "/do/0/a");
    }
    assert!(bench.store.unfinished().await.unwrap().is_empty());
}

#[tokio::test]
async fn runs_of_two_owners_may_have_the_same_id() {
    let bench = Bench::new();
    let eve = atom_core::Principal::new("acme", "eve").unwrap();
    let text = document("- hear: { listen: { to: { any: [] } } }");
    let mut start = StartRun::new(Arc::new(Workflow::parse(&text).unwrap()), text, json!({}));
    start.id = Some("0192f0c1-0000-7000-8000-000000000001".parse().unwrap());
    let of_ada = bench.runtime.start(&bench.ada, start.clone()).await.unwrap();
    let of_eve = bench.runtime.start(&eve, start).await.unwrap();
    assert_eq!(of_ada.id, of_eve.id);
    let cancelled = bench.runtime.cancel(&eve.scope(), of_eve.id, None).await.unwrap();
    assert_eq!(cancelled.status, RunStatus::Cancelled);
    let untouched = bench.store.run(&bench.scope(), of_ada.id).await.unwrap().unwrap();
    assert_eq!(untouched.status, RunStatus::Running);
}

#[tokio::test]
async fn retries_that_did_not_help_pass_the_error_on() {
    let bench = Bench::new();
    let workflow =
        "- a: { try: [{ bad: { call: fail } }], catch: { retry: { limit: { attempt: { count: 2 } } } } }";
    let error = bench.error(workflow, json!({})).await;
    assert_eq!(
        (&error["status"], &error["instance"]),
        (&json!(502), &json!("/do/0/a/try/0/bad"))
    );
    assert_eq!(bench.calls.count("fail"), 3);
}

#[tokio::test]
async fn a_secret_is_masked_in_events_and_refused_as_input_of_another_run() {
    let bench = Bench::new();
    bench
        .vault
        .set(
            &bench.scope(),
            "token",
            &Secret::new("tok-secret"),
            bench.clock_now(),
        )
        .await
        .unwrap();
    bench
        .deploy(&document("- a: { set: { x: 1 } }").replace("name: test", "name: child"))
        .await;
    let workflow = r#"
use: { secrets: [token] }
do:
  - tell: { emit: { event: { with: { type: told, data: { token: '${ $secrets.token }' } } } } }
  - pass: { run: { workflow: { namespace: default, name: child, version: latest, input: { token: '${ $secrets.token }' } } } }
"#;
    let error = bench.error(workflow, json!({})).await;
    assert_eq!(
        (&error["status"], &error["instance"]),
        (&json!(400), &json!("/do/1/pass"))
    );
    let events = bench.store.read(&bench.scope(), 0, 10).await.unwrap();
    assert_eq!(events[0].event.data, Some(json!({ "token": "***" })));
}

/// A run that was under way when its process died, and a second process that has not resumed it.
async fn interrupted(tasks: &str) -> (Bench, Bench, atom_core::storage::RunRecord) {
    let store = Arc::new(atom_core::storage::MemoryStore::default());
    let vault = Arc::new(atom_core::storage::MemoryVault::default());
    let first = Bench::over(
        Arc::clone(&store) as _,
        Arc::clone(&vault) as _,
        RuntimeLimits::default(),
    );
    let run = first.start(tasks, json!({})).await;
    while first.calls.count("hang") == 0 {
        tokio::task::yield_now().await;
    }
    first.runtime.close(Duration::from_secs(5)).await;
    let second = Bench::over(store, vault, RuntimeLimits::default());
    (first, second, run)
}

#[tokio::test]
async fn looking_at_an_interrupted_run_does_not_make_it_go_on() {
    let (_first, second, run) = interrupted("- a: { call: hang }").await;
    assert_eq!(
        second
            .runtime
            .wait(&second.scope(), run.id)
            .await
            .unwrap_err()
            .code(),
        ErrorCode::Conflict
    );
    let told: Vec<_> = second.runtime.follow(second.scope(), run.id, 0).collect().await;
    assert_eq!(
        told.last().unwrap().as_ref().unwrap_err().code(),
        ErrorCode::Conflict
    );
    assert_eq!(told.len(), 3);
    assert_eq!(second.calls.count("hang"), 0);
}

#[tokio::test]
async fn cancelling_an_interrupted_run_repeats_none_of_its_calls() {
    let (first, second, run) = interrupted("- a: { call: hang }").await;
    let cancelled = second
        .runtime
        .cancel(&second.scope(), run.id, None)
        .await
        .unwrap();
    assert_eq!(cancelled.status, RunStatus::Cancelled);
    assert_eq!((first.calls.count("hang"), second.calls.count("hang")), (1, 0));
}

#[tokio::test]
async fn resuming_is_for_one_owner_or_for_everybody() {
    let (_first, second, run) = interrupted("- a: { call: hang }").await;
    let eve = atom_core::Principal::new("acme", "eve").unwrap();
    assert_eq!(second.runtime.resume(Some(&eve.scope())).await.unwrap(), []);
    assert_eq!(
        second.runtime.resume(Some(&second.scope())).await.unwrap(),
        [run.id]
    );
    assert_eq!(second.runtime.resume(None).await.unwrap(), []);
}
