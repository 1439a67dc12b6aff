//! Which runs begin, and when.

use std::time::Duration;

use atom_core::CloudEvent;
use atom_core::storage::{AdmissionState, PageRequest, RunStatus};
use atom_workflow::machine::WaitKind;
use serde_json::json;

use super::{Gated, ONE, limited, versioned};

#[tokio::test]
async fn queued_runs_begin_in_order_of_priority_and_then_of_creation() {
    let gated = Gated::new();
    let document = limited(ONE);
    let runs = gated.start_all(&document, 1..=3).await;
    assert_eq!(
        runs.iter().map(|run| run.status).collect::<Vec<_>>(),
        [RunStatus::Running, RunStatus::Queued, RunStatus::Queued]
    );
    let important = gated
        .start(&document, json!({ "n": 4, "key": "a", "priority": 5 }))
        .await;
    let other = gated.start(&document, json!({ "n": 5, "key": "b" })).await;
    assert_eq!(
        (important.status, other.status),
        (RunStatus::Queued, RunStatus::Running),
        "another key is another queue"
    );
    gated.until_seen(&[1, 5]).await;
    let (scope, runtime) = (gated.bench.scope(), &gated.bench.runtime);
    let waits = runtime.waits(&scope, runs[1].id).await.unwrap();
    assert_eq!((waits.len(), &waits[0].what), (1, &WaitKind::Turn));
    assert_eq!(waits[0].since, Some(runs[1].created_at));
    gated.bench.clock.advance(Duration::from_secs(3600));
    let stuck = runtime
        .stuck(&scope, gated.bench.clock_now(), &PageRequest::default())
        .await;
    assert!(
        stuck.unwrap().items.is_empty(),
        "who waits for a turn is not stuck"
    );

    let waiting = tokio::spawn({
        let (runtime, scope, run) = (runtime.clone(), scope.clone(), runs[2].id);
        async move { runtime.wait(&scope, run).await.unwrap() }
    });
    for (n, seen) in [(1, 4), (4, 2), (2, 3)] {
        gated.open(n);
        gated
            .until(async || gated.gates.seen.lock().unwrap().last() == Some(&seen))
            .await;
    }
    gated.open(3);
    let ended = waiting.await.unwrap();
    assert_eq!(ended.output, Some(json!({ "n": 3, "key": "a" })));
    assert_eq!(
        gated.bench.history(&runs[2]).await,
        [
            "run_queued",
            "run_started",
            "task_started /do/0/work",
            "task_completed /do/0/work",
            "run_completed"
        ]
    );
}

#[tokio::test]
async fn whoever_follows_a_queued_run_sees_it_begin_and_end() {
    use futures::StreamExt;
    let gated = Gated::new();
    let runs = gated.start_all(&limited(ONE), 1..=2).await;
    let mut followed = gated.bench.runtime.follow(gated.bench.scope(), runs[1].id, 0);
    let first = serde_json::to_value(followed.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(first["type"], "run_queued");
    gated.until_seen(&[1]).await;
    gated.open(1);
    let second = serde_json::to_value(followed.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(second["type"], "run_started");
    gated.until_seen(&[1, 2]).await;
    gated.open(2);
    assert_eq!(followed.count().await, 3);
}

#[tokio::test]
async fn the_newest_is_cancelled_at_once_and_says_why() {
    let gated = Gated::new();
    let document = limited("{ concurrency: { key: .key, limit: 2, onLimit: cancelNewest } }");
    let runs = gated.start_all(&document, 1..=3).await;
    assert_eq!(
        runs.iter().map(|run| run.status).collect::<Vec<_>>(),
        [RunStatus::Running, RunStatus::Running, RunStatus::Cancelled]
    );
    assert_eq!(runs[2].admission.as_ref().unwrap().state, AdmissionState::Refused);
    let history = gated
        .bench
        .runtime
        .history(&gated.bench.scope(), runs[2].id)
        .await
        .unwrap();
    let last = serde_json::to_value(history.last()).unwrap();
    assert_eq!(last["type"], "run_cancelled");
    assert!(
        last["reason"]
            .as_str()
            .unwrap()
            .contains("2 runs of the workflow"),
        "{last}"
    );
    gated.until_seen(&[1, 2]).await;
    gated.open(1);
    gated.until_status(&runs[0], RunStatus::Completed).await;
    assert_eq!(
        gated.start_all(&document, 4..=4).await[0].status,
        RunStatus::Running
    );
}

#[tokio::test]
async fn the_oldest_is_undone_before_the_newest_begins() {
    let gated = Gated::new();
    let document = versioned(
        "1.0.0",
        "{ concurrency: { key: .key, limit: 1, onLimit: cancelOldest } }",
        "- first: { call: echo, with: { n: '${ .n }', key: '${ .key }' }, metadata: { atom: { compensate: [{ undo: { call: gate, with: { n: 99 } } }] } } }
- work: { call: gate, with: { n: '${ $workflow.input.n }' } }\n",
    );
    let first = gated.start_all(&document, 1..=1).await.remove(0);
    gated.until_seen(&[1]).await;
    let second = gated.start_all(&document, 2..=2).await.remove(0);
    assert_eq!(second.status, RunStatus::Queued);
    gated.until_seen(&[1, 99]).await;
    gated.settle().await;
    assert_eq!(
        gated.status(&second).await,
        RunStatus::Queued,
        "a run that is undone keeps its place"
    );
    // One more has the second cancelled, which has not begun.
    let third = gated.start_all(&document, 3..=3).await.remove(0);
    gated.until_status(&second, RunStatus::Cancelled).await;
    assert_eq!(
        gated.bench.history(&second).await,
        ["run_queued", "run_cancelled"]
    );
    gated.open(99);
    gated.until_status(&first, RunStatus::Cancelled).await;
    gated.until_seen(&[1, 99, 3]).await;
    gated.open(3);
    assert_eq!(gated.bench.wait(&third).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn no_more_runs_begin_within_a_time_than_the_rate_says() {
    let gated = Gated::new();
    let document = limited("{ rateLimit: { key: .key, limit: 2, per: PT10S }, priority: .n }");
    let runs = gated.start_all(&document, 1..=5).await;
    gated.until_seen(&[1, 2]).await;
    gated.open(1);
    gated.until_status(&runs[0], RunStatus::Completed).await;
    gated.settle().await;
    assert_eq!(
        gated.status(&runs[4]).await,
        RunStatus::Queued,
        "an end lets nobody begin earlier"
    );
    // Two began a millisecond apart.
    let first = runs[0].created_at + Duration::from_secs(10);
    gated.bench.clock.set(first - Duration::from_millis(1));
    gated.settle().await;
    gated.until_seen(&[1, 2]).await;
    gated.bench.clock.set(first);
    gated.until_seen(&[1, 2, 5]).await;
    gated.bench.clock.advance(Duration::from_millis(1));
    gated.until_seen(&[1, 2, 5, 4]).await;
    gated.bench.clock.advance(Duration::from_secs(20));
    gated.until_seen(&[1, 2, 5, 4, 3]).await;
}

#[tokio::test]
async fn a_queued_run_is_cancelled_and_paused_without_having_begun() {
    let gated = Gated::new();
    let document = limited(ONE);
    let runs = gated.start_all(&document, 1..=4).await;
    gated.until_seen(&[1]).await;
    let (scope, runtime) = (gated.bench.scope(), &gated.bench.runtime);
    assert_eq!(gated.cancel(&runs[1]).await.status, RunStatus::Cancelled);
    assert_eq!(
        gated.bench.history(&runs[1]).await,
        ["run_queued", "run_cancelled"]
    );
    let paused = runtime.pause_run(&scope, runs[2].id, None).await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    gated.open(1);
    gated.until_seen(&[1, 4]).await;
    let resumed = runtime.resume_run(&scope, runs[2].id).await.unwrap();
    assert_eq!(resumed.status, RunStatus::Queued, "it has its turn yet to come");
    // A run that is paused keeps its place.
    runtime.pause_run(&scope, runs[3].id, None).await.unwrap();
    gated.settle().await;
    assert_eq!(gated.status(&runs[2]).await, RunStatus::Queued);
    runtime.resume_run(&scope, runs[3].id).await.unwrap();
    gated.open(4);
    gated.until_seen(&[1, 4, 3]).await;
    // One that is resumed while there is a place begins at once.
    let last = gated.start_all(&document, 5..=5).await.remove(0);
    runtime.pause_run(&scope, last.id, None).await.unwrap();
    gated.open(3);
    gated.bench.wait(&runs[2]).await;
    gated.settle().await;
    assert_eq!(gated.status(&last).await, RunStatus::Paused);
    runtime.resume_run(&scope, last.id).await.unwrap();
    gated.until_seen(&[1, 4, 3, 5]).await;
}

#[tokio::test]
async fn time_and_events_count_from_when_a_run_begins() {
    let gated = Gated::new();
    let document = versioned(
        "1.0.0",
        ONE,
        "- hear: { listen: { to: { one: { with: { type: com.example.told } } } } }
- tell: { set: { at: '${ $workflow.startedAt.iso8601 }', heard: '${ .[0].n }' } }
timeout: { after: PT1M }\n",
    );
    let runs = gated.start_all(&document, 1..=2).await;
    let told = |n: u64| {
        let mut event = CloudEvent::new(n.to_string(), "/test", "com.example.told");
        event.data = Some(json!({ "n": n }));
        event
    };
    let (scope, runtime) = (gated.bench.scope(), &gated.bench.runtime);
    gated.bench.until_listening(&runs[0]).await;
    gated.bench.clock.advance(Duration::from_secs(50));
    runtime.publish(&scope, &told(1)).await.unwrap();
    gated.bench.wait(&runs[0]).await;
    gated.bench.until_listening(&runs[1]).await;
    let begun_at = gated.bench.clock_now();
    gated.bench.clock.advance(Duration::from_secs(50));
    runtime.publish(&scope, &told(2)).await.unwrap();
    let second = gated.bench.wait(&runs[1]).await;
    assert_eq!(
        second.output,
        Some(json!({ "at": begun_at.to_string(), "heard": 2 })),
        "{:?}",
        second.error
    );
    assert_eq!(second.admission.unwrap().begun_at, Some(begun_at));
    // What is sent to the run itself is kept from its creation on.
    let runs = gated.start_all(&document, 3..=4).await;
    runtime.signal(&scope, runs[1].id, told(7)).await.unwrap();
    gated.cancel(&runs[0]).await;
    assert_eq!(gated.bench.wait(&runs[1]).await.output.unwrap()["heard"], 7);
}
