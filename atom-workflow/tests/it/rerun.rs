//! A run that has ended is repeated from any of its steps, without asking again what was answered.

use atom_core::storage::{RunRecord, RunStatus};
use atom_core::{CloudEvent, ErrorCode, Result};
use atom_workflow::runtime::Rerun;
use serde_json::json;

use crate::support::Bench;

/// Two calls, one that fails twice before it works, and another.
const CHAIN: &str = r#"
- one: { call: echo, with: { n: 1 } }
- two: { call: flaky, with: { failures: 2 } }
- three: { call: echo, with: { n: 3 } }
"#;

async fn rerun(bench: &Bench, run: &RunRecord, from: Option<&str>) -> Result<RunRecord> {
    let rerun = Rerun {
        run: run.id,
        from: from.map(str::to_owned),
        id: None,
    };
    let repeated = bench.runtime.rerun(&bench.ada, rerun).await?;
    assert_eq!(repeated.rerun_of, Some(run.id));
    assert_eq!(repeated.status, RunStatus::Running);
    Ok(bench.wait(&repeated).await)
}

#[tokio::test]
async fn a_failed_run_goes_on_where_it_failed_as_often_as_needed() {
    let bench = Bench::new();
    let first = bench.run(CHAIN, json!({ "kept": true })).await;
    assert_eq!(first.status, RunStatus::Faulted);
    let second = rerun(&bench, &first, None).await.unwrap();
    assert_eq!(second.status, RunStatus::Faulted);
    let third = rerun(&bench, &second, None).await.unwrap();
    assert_eq!((third.status, &third.input), (RunStatus::Completed, &first.input));
    assert_eq!(third.output, Some(json!({ "n": 3 })));
    assert_eq!((bench.calls.count("echo"), bench.calls.count("flaky")), (2, 3));
    // What was repeated is as it was.
    assert_eq!(bench.runtime.wait(&bench.scope(), first.id).await.unwrap(), first);
}

#[tokio::test]
async fn any_step_can_be_repeated_and_a_completed_run_as_a_whole() {
    let bench = Bench::new();
    let tasks = r#"
- loop:
    for: { in: '${ [1, 2, 3] }' }
    do: [{ step: { call: echo, with: { n: '${ $item }' } } }]
- last: { call: echo, with: { n: 4 } }
"#;
    let run = bench.run(tasks, json!({})).await;
    assert_eq!(bench.calls.count("echo"), 4);
    for (from, calls) in [
        (Some("/do/1/last"), 1),
        // The last time it began.
        (Some("/do/0/loop/do/0/step"), 2),
        (Some("/do/0/loop"), 4),
        (None, 4),
    ] {
        let before = bench.calls.count("echo");
        let repeated = rerun(&bench, &run, from).await.unwrap();
        assert_eq!(repeated.output, run.output, "{from:?}");
        assert_eq!(bench.calls.count("echo") - before, calls, "{from:?}");
    }
    // A repetition can itself be repeated.
    let repeated = rerun(&bench, &run, Some("/do/1/last")).await.unwrap();
    let again = rerun(&bench, &repeated, Some("/do/1/last")).await.unwrap();
    assert_eq!(again.output, run.output);
}

#[tokio::test]
async fn timeouts_and_cancelling_leave_runs_that_go_on_with_their_whole_time() {
    let bench = Bench::new();
    let tasks = r#"
timeout: { after: PT10S }
do:
  - one: { call: echo, with: { n: 1 } }
  - pause: { wait: PT15S }
"#;
    let run = bench.start(tasks, json!({})).await;
    bench.pass(10).await;
    let run = bench.wait(&run).await;
    assert_eq!(run.error.as_ref().unwrap()["status"], 408);
    let again = bench
        .runtime
        .rerun(
            &bench.ada,
            Rerun {
                run: run.id,
                from: None,
                id: None,
            },
        )
        .await
        .unwrap();
    bench.pass(10).await;
    let again = bench.wait(&again).await;
    assert_eq!(again.error.as_ref().unwrap()["status"], 408);
    assert_eq!(bench.calls.count("echo"), 1);

    let slow = bench
        .start(
            "- one: { call: echo }\n- pause: { wait: PT5S }\n- two: { call: echo }\n",
            json!({}),
        )
        .await;
    while bench.calls.count("echo") < 2 {
        tokio::task::yield_now().await;
    }
    let slow = bench.runtime.cancel(&bench.scope(), slow.id, None).await.unwrap();
    let again = bench
        .runtime
        .rerun(
            &bench.ada,
            Rerun {
                run: slow.id,
                from: None,
                id: None,
            },
        )
        .await
        .unwrap();
    bench.pass(5).await;
    assert_eq!(bench.wait(&again).await.status, RunStatus::Completed);
    assert_eq!(bench.calls.count("echo"), 3);
}

#[tokio::test]
async fn what_was_undone_is_not_taken_over() {
    let bench = Bench::new();
    let tasks = r#"
- look: { call: echo, with: { n: 0 } }
- book: { call: echo, with: { n: 1 }, metadata: { atom: { compensate: [{ undo: { set: { n: 0 } } }] } } }
- risky: { call: flaky, with: { failures: 1 } }
"#;
    let run = bench.run(tasks, json!({})).await;
    assert_eq!(run.status, RunStatus::Faulted);
    let refused = rerun(&bench, &run, Some("/do/2/risky")).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict);
    assert!(refused.message().contains("were undone"), "{refused}");
    let repeated = rerun(&bench, &run, Some("/do/1/book")).await.unwrap();
    assert_eq!(repeated.status, RunStatus::Completed);
    assert_eq!(bench.calls.count("echo"), 3);
    // Without saying where, everything is done again.
    let whole = rerun(&bench, &run, None).await.unwrap();
    assert_eq!(whole.status, RunStatus::Completed);
    assert_eq!(bench.calls.count("echo"), 5);
}

#[tokio::test]
async fn a_repetition_hears_what_came_since_the_first_run_began_to_listen() {
    let bench = Bench::new();
    let tasks = r#"
- both:
    fork:
      branches:
        - hear: { listen: { to: { one: { with: { type: com.example.paid } } } } }
        - work: { do: [{ one: { call: echo, with: { n: 1 } } }, { two: { call: flaky, with: { failures: 1 } } }] }
"#;
    let run = bench.run(tasks, json!({})).await;
    assert_eq!(run.status, RunStatus::Faulted);
    let mut paid = CloudEvent::new("1", "/payments", "com.example.paid");
    paid.data = Some(json!({ "amount": 3 }));
    bench.runtime.publish(&bench.scope(), &paid).await.unwrap();
    let repeated = rerun(&bench, &run, None).await.unwrap();
    assert_eq!(repeated.output, Some(json!([[{ "amount": 3 }], { "calls": 2 }])));
    assert_eq!(bench.calls.count("echo"), 1);
}

#[tokio::test]
async fn what_cannot_be_repeated_is_refused_with_a_reason() {
    let bench = Bench::new();
    let tasks = "- one: { call: echo }\n- two: { raise: { error: { type: https://example.com/e, status: 400 } } }\n- three: { call: echo }\n";
    let run = bench.run(tasks, json!({})).await;
    for (from, code, words) in [
        ("/do/2/three", ErrorCode::NotFound, "has not begun"),
        ("/do/9/none", ErrorCode::NotFound, "has not begun"),
        ("/do/1/two", ErrorCode::Conflict, "choose an earlier task"),
    ] {
        let error = rerun(&bench, &run, Some(from)).await.unwrap_err();
        assert_eq!(error.code(), code, "{from}");
        assert!(error.message().contains(words), "{error}");
    }
    let slow = bench.start("- slow: { call: hang }\n", json!({})).await;
    assert_eq!(
        rerun(&bench, &slow, None).await.unwrap_err().code(),
        ErrorCode::Conflict
    );

    // The same request twice is one run; another run's id is taken.
    let id = Some(slow.id);
    let request = |run: &RunRecord, id| Rerun {
        run: run.id,
        from: None,
        id,
    };
    let taken = bench
        .runtime
        .rerun(&bench.ada, request(&run, id))
        .await
        .unwrap_err();
    assert_eq!(taken.code(), ErrorCode::AlreadyExists);
    let id = Some("0192f0c1-0000-7000-8000-00000000abcd".parse().unwrap());
    let once = bench.runtime.rerun(&bench.ada, request(&run, id)).await.unwrap();
    bench.wait(&once).await;
    let twice = bench.runtime.rerun(&bench.ada, request(&run, id)).await.unwrap();
    assert_eq!(once.id, twice.id);
    assert_eq!(bench.calls.count("echo"), 2);
}
