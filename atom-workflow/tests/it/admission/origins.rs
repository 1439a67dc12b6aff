//! Runs that others start, and repetitions, wait as those that somebody starts do.

use std::time::Duration;

use atom_core::RunId;
use atom_core::storage::{ApprovalFilter, ApprovalStatus, DecisionKind, PageRequest, RunStatus};
use atom_workflow::runtime::{Decide, Rerun};
use serde_json::json;

use super::{Gated, ONE, limited, versioned};

#[tokio::test]
async fn every_run_is_judged_by_its_own_document() {
    let gated = Gated::new();
    let work = "- work: { call: gate, with: { n: '${ .n }', key: '${ .key }' } }\n";
    let wide = versioned("1.0.0", "{ concurrency: { key: .key, limit: 3 } }", work);
    let narrow = versioned("2.0.0", "{ concurrency: { key: .key, limit: 1 } }", work);
    gated.start_all(&wide, 1..=2).await;
    assert_eq!(gated.start_all(&narrow, 3..=3).await[0].status, RunStatus::Queued);
    let behind = gated.start_all(&wide, 4..=4).await.remove(0);
    assert_eq!(
        behind.status,
        RunStatus::Queued,
        "nobody overtakes who waits for the same key"
    );
    gated.until_seen(&[1, 2]).await;
    gated.open(1);
    gated.settle().await;
    gated.until_seen(&[1, 2]).await;
    gated.open(2);
    gated.until_seen(&[1, 2, 3, 4]).await;
}

#[tokio::test]
async fn child_runs_and_repetitions_go_through_the_same_door() {
    let gated = Gated::new();
    let document = limited(ONE);
    gated.bench.deploy(&document).await;
    let first = gated.start_all(&document, 1..=1).await.remove(0);
    let parent = "- ask: { run: { workflow: { namespace: default, name: limited, version: 1.0.0, input: { n: 2, key: a } } } }\n";
    let parent = gated.bench.start(parent, json!({})).await;
    let child = gated.bench.child_of(&parent).await;
    gated.until_seen(&[1]).await;
    assert_eq!(gated.status(&child).await, RunStatus::Queued);
    gated.open(1);
    gated.until_seen(&[1, 2]).await;
    gated.bench.wait(&first).await;
    let again = gated
        .bench
        .runtime
        .rerun(&gated.bench.ada, rerun_of(first.id))
        .await
        .unwrap();
    assert_eq!(again.status, RunStatus::Queued);
    gated.open(2);
    let parent = gated.bench.wait(&parent).await;
    assert_eq!(parent.output, Some(json!({ "n": 2, "key": "a" })));
    gated.until_seen(&[1, 2, 1]).await;

    // A child that nobody wants any more leaves the queue.
    let asking = "- ask: { run: { workflow: { namespace: default, name: limited, version: 1.0.0, input: { n: 3, key: a } } } }\n";
    let asking = gated.bench.start(asking, json!({})).await;
    let child = gated.bench.child_of(&asking).await;
    gated.until_status(&child, RunStatus::Queued).await;
    gated.cancel(&asking).await;
    gated.until_status(&child, RunStatus::Cancelled).await;
}

#[tokio::test]
async fn runs_of_schedules_go_through_the_same_door() {
    let gated = Gated::new();
    let (bench, runtime) = (&gated.bench, &gated.bench.runtime);
    let document = limited("{ concurrency: { limit: 1 } }") + "schedule: { every: PT1H }\n";
    bench.deploy(&document).await;
    runtime.schedule(&bench.ada, "default", "limited").await.unwrap();
    let trigger = async || {
        let run = runtime
            .trigger_schedule(&bench.ada, "default", "limited", None)
            .await;
        run.unwrap()
    };
    let (first, second) = (trigger().await, trigger().await);
    assert_eq!(
        (first.status, second.status),
        (RunStatus::Running, RunStatus::Queued)
    );
    gated.cancel(&first).await;
    gated.until_status(&second, RunStatus::Running).await;
    gated.cancel(&second).await;
}

#[tokio::test]
async fn a_repetition_that_waits_does_nothing_and_then_goes_on_where_the_first_one_was() {
    let gated = Gated::new();
    let document = versioned(
        "1.0.0",
        ONE,
        "- done: { call: echo, with: { n: '${ .n }', key: '${ .key }' }, metadata: { atom: { compensate: [{ undo: { call: echo } }] } } }
- ask: { set: { n: '${ $workflow.input.n }' }, metadata: { atom: { approve: { title: Go?, deadline: PT1M } } } }
- end: { call: gate, with: { n: '${ .n }', key: '${ .key }' } }\n",
    );
    let (bench, runtime) = (&gated.bench, &gated.bench.runtime);
    let pending = async || {
        let (filter, page) = (ApprovalFilter::default(), PageRequest::default());
        let approvals = bench.store.approvals(&bench.ada, &filter, &page).await;
        let mut approvals = approvals.unwrap().items;
        approvals.retain(|approval| approval.status == ApprovalStatus::Pending);
        approvals
    };
    let first = gated.start_all(&document, 1..=1).await.remove(0);
    let decide = Decide {
        approval: pending().await[0].id,
        decision: DecisionKind::Approve,
        comment: None,
        form: None,
        input: None,
    };
    runtime.decide(&bench.ada, decide).await.unwrap();
    gated.until_seen(&[1]).await;
    gated.open(1);
    bench.wait(&first).await;

    let holder = gated.start_all(&document, 2..=2).await.remove(0);
    gated.until(async || pending().await.len() == 1).await;
    let mut repetitions = Vec::new();
    for _ in 0..2 {
        let rerun = Rerun {
            run: first.id,
            from: Some("/do/1/ask".to_owned()),
            id: None,
        };
        let repetition = runtime.rerun(&bench.ada, rerun).await.unwrap();
        assert_eq!(repetition.status, RunStatus::Queued);
        repetitions.push(repetition);
    }
    let [queued, cancelled] = &repetitions[..] else {
        panic!()
    };
    gated.settle().await;
    assert_eq!(pending().await.len(), 1, "a run that waits asks nobody");
    assert_eq!(gated.cancel(cancelled).await.status, RunStatus::Cancelled);
    assert_eq!(bench.calls.count("echo"), 2, "and has nothing to undo");
    let history = bench.history(cancelled).await;
    assert_eq!(history[history.len() - 2..], ["run_queued", "run_cancelled"]);

    bench.clock.advance(Duration::from_secs(3));
    gated.cancel(&holder).await;
    gated
        .until(async || pending().await.iter().any(|approval| approval.run == queued.id))
        .await;
    assert_eq!(
        pending().await[0].deadline,
        Some(bench.clock_now() + Duration::from_secs(60)),
        "time starts anew when it begins"
    );
    assert!(bench.history(queued).await.contains(&"run_admitted".to_owned()));
    assert_eq!(
        bench.calls.count("echo"),
        3,
        "the holder was undone, and what is taken over is not done again"
    );
    let again = runtime.rerun(&bench.ada, rerun_of(cancelled.id)).await.unwrap();
    assert_eq!(
        again.status,
        RunStatus::Queued,
        "a run that never began can be repeated"
    );
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.wait(queued).await.status, RunStatus::Faulted);
    gated
        .until(async || pending().await.iter().any(|approval| approval.run == again.id))
        .await;
}

fn rerun_of(run: RunId) -> Rerun {
    Rerun {
        run,
        from: None,
        id: None,
    }
}
