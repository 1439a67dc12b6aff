//! Runs that stayed `running` for ever in other engines: each of those bugs as a test.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{MemoryStore, MemoryVault, RunRecord, RunStatus, RunStore};
use atom_core::{CloudEvent, ErrorCode};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{RuntimeLimits, StartRun};
use serde_json::json;

use crate::crash::{MortalStore, keep_time_moving};
use crate::support::{Bench, document};

/// What outlives a process.
#[derive(Default)]
struct Disk {
    store: Arc<MemoryStore>,
    vault: Arc<MemoryVault>,
}

impl Disk {
    fn process(&self) -> Bench {
        self.process_with(RuntimeLimits::default())
    }

    fn process_with(&self, limits: RuntimeLimits) -> Bench {
        Bench::over(Arc::clone(&self.store) as _, Arc::clone(&self.vault) as _, limits)
    }

    /// A process over the same disk that dies after so many writes.
    fn mortal(&self, writes: i64) -> (Bench, Arc<MortalStore>) {
        let store = MortalStore::new(Arc::clone(&self.store), writes);
        let bench = Bench::over(
            Arc::clone(&store) as _,
            Arc::clone(&self.vault) as _,
            RuntimeLimits::default(),
        );
        (bench, store)
    }
}

/// The end of a run while time passes.
async fn end(bench: &Bench, run: &RunRecord) -> RunRecord {
    let scope = bench.scope();
    tokio::select! {
        ended = bench.runtime.wait(&scope, run.id) => ended.unwrap(),
        () = keep_time_moving(bench) => unreachable!("time never ends"),
    }
}

async fn until(what: impl AsyncFn() -> bool) {
    while !what().await {
        tokio::task::yield_now().await;
    }
}

/// As vercel/workflow#1531. A process that was killed in a pause left the run waiting for ever, because the job that would have woken it had been
/// taken off its queue at once. Here the moment is far past when it comes back.
#[tokio::test]
async fn a_pause_that_ended_while_no_process_ran_is_over_at_once() {
    let disk = Disk::default();
    let first = disk.process();
    let run = first
        .start(
            "- pause: { wait: PT2M }\n- after: { call: echo, with: { n: 1 } }",
            json!({}),
        )
        .await;
    first.clock.parked(1).await;
    first.runtime.close(Duration::from_secs(5)).await;

    let second = disk.process();
    second.clock.advance(Duration::from_secs(3600));
    assert_eq!(second.runtime.resume(None).await.unwrap(), [run.id]);
    let ended = second.wait(&run).await;
    assert_eq!(ended.output, Some(json!({ "n": 1 })));
}

/// As twentyhq/twenty#22995. A process that was killed in the middle of a step left the run `running`: nothing made the call again,
/// because the queue's job had been lost with its worker.
#[tokio::test]
async fn a_call_that_was_under_way_in_a_killed_process_is_made_again_with_its_key() {
    let disk = Disk::default();
    let (first, store) = disk.mortal(i64::MAX);
    let run = first.start("- a: { call: hang }", json!({})).await;
    until(async || first.calls.count("hang") == 1).await;
    store.death.cancel();
    first.runtime.close(Duration::from_secs(5)).await;

    let second = disk.process();
    second.runtime.resume(None).await.unwrap();
    until(async || second.calls.count("hang") == 1).await;
    assert_eq!(first.calls.keys(), second.calls.keys());
    second
        .runtime
        .cancel(&second.scope(), run.id, None)
        .await
        .unwrap();
}

/// Every restart queued each unfinished run once more, also those that waited for something, so that jobs piled up and
/// ran side by side. A run has one driver, however often and by whoever it is resumed.
#[tokio::test]
async fn resuming_again_and_again_drives_a_run_once() {
    let disk = Disk::default();
    let first = disk.process();
    let waiting = first
        .start("- pause: { wait: PT1M }\n- after: { call: echo }", json!({}))
        .await;
    let calling = first.start("- a: { call: hang }", json!({})).await;
    until(async || first.calls.count("hang") == 1).await;
    first.runtime.close(Duration::from_secs(5)).await;

    let second = disk.process();
    let resumed = futures::future::join_all((0..20).map(|_| second.runtime.resume(None))).await;
    let resumed: usize = resumed.into_iter().map(|runs| runs.unwrap().len()).sum();
    assert_eq!(resumed, 2, "each run was resumed by one of them");
    assert_eq!(second.runtime.running(), 2);
    until(async || second.calls.count("hang") == 1).await;
    second.clock.advance(Duration::from_secs(60));
    second.wait(&waiting).await;
    second.runtime.resume(None).await.unwrap();
    assert_eq!((second.calls.count("echo"), second.calls.count("hang")), (1, 1));
    second
        .runtime
        .cancel(&second.scope(), calling.id, None)
        .await
        .unwrap();
}

/// As dbos-inc/dbos-transact-py#716. A database that was away while runs were recovered made the recovery log an error and forget them: nobody tried
/// again. Here reading fails for a while for the runs that are resumed.
#[tokio::test]
async fn a_store_that_is_away_while_runs_resume_strands_none_of_them() {
    let disk = Disk::default();
    let first = disk.process();
    let mut runs = Vec::new();
    for n in 0..20 {
        let text = "- pause: { wait: PT1S }\n- a: { call: echo, with: { n: '${ $workflow.input.n }' } }";
        runs.push(first.start(text, json!({ "n": n })).await);
    }
    first.clock.parked(20).await;
    first.runtime.close(Duration::from_secs(5)).await;

    let (second, store) = disk.mortal(i64::MAX);
    store.go_away(100);
    assert_eq!(second.runtime.resume(None).await.unwrap().len(), 20);
    tokio::select! {
        () = until(async || store.is_back()) => {}
        () = keep_time_moving(&second) => unreachable!("time never ends"),
    }
    for (n, run) in runs.iter().enumerate() {
        assert_eq!(end(&second, run).await.output, Some(json!({ "n": n })));
    }
}

/// As dbos-inc/dbos-transact-py#805. A recovered run stayed between two completed steps: the next one never began, no error was told, and what waited for
/// the only place of the queue waited behind it. Here a process dies after any of its writes, and the next one may
/// make one call at a time.
#[tokio::test]
async fn runs_that_are_recovered_between_two_steps_go_on_and_let_each_other_pass() {
    let text = "- a: { call: echo }\n- b: { call: echo }\n- c: { call: echo, with: { done: true } }";
    for writes in 1..9 {
        let disk = Disk::default();
        let (first, store) = disk.mortal(writes);
        let mut runs = Vec::new();
        for _ in 0..2 {
            runs.extend(first.try_start(text, json!({})).await.ok());
        }
        let scope = first.scope();
        let all = futures::future::join_all(runs.iter().map(|run| first.runtime.wait(&scope, run.id)));
        tokio::select! {
            _ = all => {}
            () = store.death.cancelled() => {}
        }
        first.runtime.close(Duration::from_secs(5)).await;

        let second = disk.process_with(RuntimeLimits {
            concurrent_calls: 1,
            ..RuntimeLimits::default()
        });
        second.runtime.resume(None).await.unwrap();
        for run in &runs {
            assert_eq!(
                second.wait(run).await.output,
                Some(json!({ "done": true })),
                "{writes} writes"
            );
        }
    }
}

/// As apalis-dev/apalis-sqlite#58. A call that panicked, failed, took too long or was no longer wanted kept its place in the queue, or stopped the task
/// that served it: a server that had run for long enough did nothing any more.
#[tokio::test]
async fn calls_that_end_badly_give_their_place_back() {
    let limits = RuntimeLimits {
        concurrent_calls: 1,
        call_timeout: Duration::from_secs(5),
        ..RuntimeLimits::default()
    };
    let bench = Disk::default().process_with(limits);
    for round in 1..=10 {
        for bad in ["panic", "fail", "hang"] {
            let run = bench.start(&format!("- a: {{ call: {bad} }}"), json!({})).await;
            assert_eq!(end(&bench, &run).await.status, RunStatus::Faulted);
        }
        let run = bench.start("- a: { call: hang }", json!({})).await;
        until(async || bench.calls.count("hang") == 2 * round).await;
        let waiting = bench
            .start("- a: { call: echo, with: { n: 1 } }", json!({}))
            .await;
        bench.runtime.cancel(&bench.scope(), run.id, None).await.unwrap();
        assert_eq!(bench.wait(&waiting).await.output, Some(json!({ "n": 1 })));
    }
}

/// Calls that waited for a free place when the process ended were forgotten, because only those that had begun were
/// recovered.
#[tokio::test]
async fn calls_that_waited_for_their_turn_are_made_after_a_restart() {
    let disk = Disk::default();
    let first = disk.process_with(RuntimeLimits {
        concurrent_calls: 1,
        ..RuntimeLimits::default()
    });
    let blocking = first.start("- a: { call: hang }", json!({})).await;
    until(async || first.calls.count("hang") == 1).await;
    let mut runs = Vec::new();
    for n in 0..5 {
        runs.push(
            first
                .start("- a: { call: echo, with: { n: '${ .n }' } }", json!({ "n": n }))
                .await,
        );
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    first.runtime.close(Duration::from_secs(5)).await;
    assert_eq!(first.calls.count("echo"), 0);

    let second = disk.process();
    assert_eq!(second.runtime.resume(None).await.unwrap().len(), 6);
    for (n, run) in runs.iter().enumerate() {
        assert_eq!(second.wait(run).await.output, Some(json!({ "n": n })));
    }
    second
        .runtime
        .cancel(&second.scope(), blocking.id, None)
        .await
        .unwrap();
}

/// As n8n-io/n8n#23807. Recovery read a log of its own, in which it found no end, and marked runs as crashed that were stored as successful;
/// and a run could be stored as successful without its output, which came in a second write.
#[tokio::test]
async fn a_run_that_ended_stays_as_it_ended_and_has_its_output() {
    let text = "- a: { call: echo, with: { n: 1 } }\n- b: { call: echo, with: { n: 2 } }";
    for writes in 1..=3 {
        let disk = Disk::default();
        let (first, store) = disk.mortal(writes);
        let run = first.start(text, json!({})).await;
        let scope = first.scope();
        tokio::select! {
            _ = first.runtime.wait(&scope, run.id) => {}
            () = store.death.cancelled() => {}
        }
        first.runtime.close(Duration::from_secs(5)).await;
        let before = disk.store.run(&first.scope(), run.id).await.unwrap().unwrap();
        let has_ended = writes == 3;
        assert_eq!(
            (before.status.has_ended(), before.output.is_some()),
            (has_ended, has_ended)
        );

        let second = disk.process();
        let resumed = second.runtime.resume(None).await.unwrap();
        assert_eq!(resumed.len(), usize::from(!has_ended));
        let after = second.wait(&run).await;
        assert_eq!(after.output, Some(json!({ "n": 2 })));
        if has_ended {
            assert_eq!(after, before);
            assert_eq!(second.calls.count("echo"), 0);
        }
    }
}

/// Stopping only noted the wish; the worker that was to fulfil it had died, and nothing else did. Here the process dies
/// at any write while the run is undone.
#[tokio::test]
async fn a_run_whose_process_died_while_it_was_cancelled_ends_as_cancelled() {
    let text = r"
- book: { call: echo, metadata: { atom: { compensate: [{ undo: { call: echo } }, { tell: { call: echo } }] } } }
- stay: { call: hang }
";
    for writes in 2..=6 {
        let disk = Disk::default();
        let (first, store) = disk.mortal(writes);
        let run = first.start(text, json!({})).await;
        let scope = first.scope();
        tokio::select! {
            () = until(async || first.calls.count("hang") == 1) => {
                let _ = first.runtime.cancel(&first.scope(), run.id, None).await;
                tokio::select! {
                    _ = first.runtime.wait(&scope, run.id) => {}
                    () = store.death.cancelled() => {}
                }
            }
            () = store.death.cancelled() => {}
        }
        first.runtime.close(Duration::from_secs(5)).await;

        let second = disk.process();
        second.runtime.resume(None).await.unwrap();
        let record = disk.store.run(&second.scope(), run.id).await.unwrap().unwrap();
        if writes == 2 {
            // The wish itself was not written yet.
            assert_eq!(record.status, RunStatus::Running);
            second
                .runtime
                .cancel(&second.scope(), run.id, None)
                .await
                .unwrap();
        }
        assert_eq!(
            second.wait(&run).await.status,
            RunStatus::Cancelled,
            "{writes} writes"
        );
        let calls = first.calls.count("echo") + second.calls.count("echo");
        assert!((3..=4).contains(&calls), "{calls} calls after {writes} writes");
    }
}

/// Starting a workflow under one id from several places at once ran it as often.
#[tokio::test]
async fn a_run_that_is_started_by_many_at_once_is_one() {
    let bench = Bench::new();
    let text = document("- a: { call: echo, with: { n: 1 } }");
    let mut start = StartRun::new(Arc::new(Workflow::parse(&text).unwrap()), text, json!({}));
    start.id = Some("0192f0c1-0000-7000-8000-000000000001".parse().unwrap());
    let starts = (0..20).map(|_| bench.runtime.start(&bench.ada, start.clone()));
    for run in futures::future::join_all(starts).await {
        assert_eq!(bench.wait(&run.unwrap()).await.output, Some(json!({ "n": 1 })));
    }
    assert_eq!(bench.calls.count("echo"), 1);
}

/// Whoever knows the id may cancel a run before its start is heard of; nothing of it begins after that.
#[tokio::test]
async fn a_run_that_is_cancelled_while_it_is_started_does_nothing() {
    let store = MortalStore::new(Arc::default(), i64::MAX);
    store.answer_late();
    let bench = Bench::over(store, Arc::new(MemoryVault::default()), RuntimeLimits::default());
    let text = document("- a: { call: echo, with: { n: 1 } }");
    let mut start = StartRun::new(Arc::new(Workflow::parse(&text).unwrap()), text, json!({}));
    let id = "0192f0c1-0000-7000-8000-000000000001".parse().unwrap();
    start.id = Some(id);
    let mut started = std::pin::pin!(bench.runtime.start(&bench.ada, start));
    assert!(futures::poll!(&mut started).is_pending());
    bench.runtime.cancel(&bench.scope(), id, None).await.unwrap();
    let run = started.await.unwrap();
    assert_eq!(bench.wait(&run).await.status, RunStatus::Cancelled);
    assert_eq!(bench.calls.count("echo"), 0);
    assert_eq!(bench.runtime.stuck_count(jiff::Timestamp::MAX), 0);
}

/// Two processes took up the same run, since one that was being shut down took back what the other had recovered: one
/// of them got the message that the run waited for, the other its timeout, and the run ended as both. Here what one
/// writes shuts the other out.
#[tokio::test]
async fn a_run_that_two_processes_drive_goes_one_way() {
    let disk = Disk::default();
    let first = disk.process();
    let text = r"
- hear:
    try: [{ go: { listen: { to: { one: { with: { type: go } } } }, timeout: { after: PT10S } } }]
    catch: { do: [{ late: { set: { late: true } } }] }
- told: { call: echo, with: { heard: '${ . }' } }
";
    let run = first.start(text, json!({})).await;
    let due = first.clock_now() + Duration::from_secs(10);
    until(async || first.clock.earliest_deadline() == Some(due)).await;
    let second = disk.process();
    second.runtime.resume(None).await.unwrap();
    until(async || second.clock.earliest_deadline() == Some(due)).await;

    // One of them sees the event, the other the end of its patience.
    let event = CloudEvent::new("1", "/test", "go");
    first.runtime.publish(&first.scope(), &event).await.unwrap();
    second.clock.set(due);
    let scope = first.scope();
    let (one, other) = tokio::join!(
        first.runtime.wait(&scope, run.id),
        second.runtime.wait(&scope, run.id)
    );
    let ended = disk.store.run(&scope, run.id).await.unwrap().unwrap();
    assert_eq!(ended.status, RunStatus::Completed);
    for outcome in [one, other] {
        match outcome {
            Ok(record) => assert_eq!(record, ended),
            Err(error) => assert_eq!(error.code(), ErrorCode::Conflict, "{error}"),
        }
    }
    let journal = disk.store.journal(&scope, run.id, 0, 100).await.unwrap();
    assert_eq!(journal.len(), 3, "started, heard or fired, told");
}
