//! What runs add to the statistics: what their histories tell, once, whatever happens in between.

use std::collections::BTreeMap;
use std::time::Duration;

use atom_core::storage::{
    Counted, MemoryStore, PageRequest, Resolution, RunFilter, RunRecord, RunStatus, Series, StatisticsQuery,
    StatisticsStore, Tally,
};
use atom_core::{CloudEvent, Scope};
use atom_workflow::runtime::{Rerun, Runtime, StepStatus};
use serde_json::json;

use crate::support::Bench;

/// How many completed, faulted and were cancelled, and how often they were tried again.
type Counts = (u64, u64, u64, u64);

fn counts(tally: &Tally) -> Counts {
    (tally.completed, tally.faulted, tally.cancelled, tally.retries)
}

async fn series(store: &dyn StatisticsStore, scope: &Scope, counted: Counted) -> Vec<Series> {
    let query = StatisticsQuery {
        counted,
        namespace: None,
        name: None,
        version: None,
        by_version: true,
        from: i64::MIN / 2,
        before: i64::MAX,
        hours: 1_000_000,
    };
    let page = PageRequest {
        limit: Some(1_000),
        after: None,
    };
    store.statistics(scope, &query, &page).await.unwrap().items
}

/// The whole of each series.
async fn sums(
    store: &dyn StatisticsStore,
    scope: &Scope,
    counted: Counted,
) -> BTreeMap<(String, String), Tally> {
    let mut sums = BTreeMap::<_, Tally>::new();
    for series in series(store, scope, counted).await {
        let key = (series.key.name, series.key.task.unwrap_or_default());
        let sum = sums.entry(key).or_default();
        series.slots.iter().for_each(|(_, tally)| sum.merge(tally));
    }
    sums
}

/// Checks that the statistics of an owner say what the histories of all runs say.
pub(crate) async fn agree_with_histories(runtime: &Runtime, store: &MemoryStore, scope: &Scope) {
    use atom_core::storage::RunStore;
    let all = PageRequest {
        limit: Some(1_000),
        after: None,
    };
    let runs = store
        .runs(scope, &RunFilter::default(), &all)
        .await
        .unwrap()
        .items;
    let (mut of_runs, mut of_tasks) = (BTreeMap::<_, Counts>::new(), BTreeMap::<_, Counts>::new());
    let mut lengths = BTreeMap::<_, Vec<Duration>>::new();
    for run in runs {
        assert_eq!(
            run.rerun_of, None,
            "what a run repeats is not told apart in its history"
        );
        // Its history lacks what came before.
        if run.journal_start > 0 {
            return;
        }
        let name = run.workflow.name.clone();
        let mut retries = 0;
        for step in runtime.steps(scope, run.id, 0, usize::MAX).await.unwrap() {
            let key = (name.clone(), step.task);
            let count = of_tasks.entry(key.clone()).or_default();
            match step.status {
                StepStatus::Completed => count.0 += 1,
                StepStatus::Faulted => count.1 += 1,
                StepStatus::Cancelled => count.2 += 1,
                StepStatus::Running => panic!("{} has ended", run.id),
            }
            count.3 += step.attempts - 1;
            retries += step.attempts - 1;
            if step.status == StepStatus::Completed {
                let took = step.ended_at.unwrap().duration_since(step.started_at);
                lengths.entry(key).or_default().push(took.try_into().unwrap());
            }
        }
        let count = of_runs.entry((name, String::new())).or_default();
        match run.status {
            RunStatus::Completed => count.0 += 1,
            RunStatus::Faulted => count.1 += 1,
            RunStatus::Cancelled => count.2 += 1,
            RunStatus::Queued | RunStatus::Running | RunStatus::Paused => panic!("{} has not ended", run.id),
        }
        count.3 += retries;
    }
    let told = |sums: &BTreeMap<(String, String), Tally>| -> BTreeMap<(String, String), Counts> {
        sums.iter()
            .map(|(key, tally)| (key.clone(), counts(tally)))
            .collect()
    };
    let runs = sums(store, scope, Counted::Runs).await;
    assert_eq!(told(&runs), of_runs);
    let tasks = sums(store, scope, Counted::Tasks).await;
    assert_eq!(told(&tasks), of_tasks);
    for (key, tally) in &tasks {
        let lengths = lengths.remove(key).unwrap_or_default();
        assert_eq!(tally.durations.count(), lengths.len() as u64, "{key:?}");
        let total: Duration = lengths.iter().sum();
        assert_eq!(u128::from(tally.durations.total()), total.as_micros(), "{key:?}");
    }
    for tally in runs.values() {
        assert_eq!(tally.durations.count(), tally.completed);
        assert_eq!(tally.started, tally.completed + tally.faulted + tally.cancelled);
    }
}

async fn of_runs(bench: &Bench) -> Counts {
    let sums = sums(&*bench.store, &bench.scope(), Counted::Runs).await;
    sums.values().map(counts).next().unwrap_or_default()
}

async fn of_task(bench: &Bench, task: &str) -> Tally {
    let sums = sums(&*bench.store, &bench.scope(), Counted::Tasks).await;
    sums.get(&("test".to_owned(), task.to_owned()))
        .cloned()
        .unwrap_or_default()
}

#[tokio::test]
async fn runs_are_counted_when_they_begin_and_by_how_they_end() {
    let bench = Bench::new();
    let waiting = bench.start("- a: { wait: PT1H }", json!({})).await;
    let started = sums(&*bench.store, &bench.scope(), Counted::Runs).await;
    assert_eq!(started.values().map(|tally| tally.started).sum::<u64>(), 1);
    assert_eq!(of_runs(&bench).await, (0, 0, 0, 0));
    bench.run("- a: { set: { n: 1 } }", json!({})).await;
    bench.run("- a: { call: fail }", json!({})).await;
    bench
        .runtime
        .cancel(&bench.scope(), waiting.id, None)
        .await
        .unwrap();
    bench.wait(&waiting).await;
    assert_eq!(of_runs(&bench).await, (1, 1, 1, 0));
    let begun = sums(&*bench.store, &bench.scope(), Counted::Runs).await;
    assert_eq!(begun.values().map(|tally| tally.started).sum::<u64>(), 3);
}

#[tokio::test]
async fn a_run_counts_in_the_hours_and_minutes_in_which_it_began_and_ended() {
    let bench = Bench::new();
    let begun = bench.clock_now();
    let run = bench.start("- pause: { wait: PT90M }", json!({})).await;
    bench.pass(90 * 60).await;
    bench.wait(&run).await;
    let ended = bench.clock_now();
    let query = StatisticsQuery {
        counted: Counted::Runs,
        namespace: None,
        name: None,
        version: None,
        by_version: false,
        from: 0,
        before: i64::MAX,
        hours: 1,
    };
    let found = bench
        .store
        .statistics(&bench.scope(), &query, &PageRequest::default())
        .await;
    let slots = found.unwrap().items.remove(0).slots;
    let hours: Vec<_> = slots
        .iter()
        .map(|(hour, tally)| (*hour, tally.started, tally.completed))
        .collect();
    let hour = |at| Resolution::Hour.number(at);
    assert_eq!(hours, [(hour(begun), 1, 0), (hour(ended), 0, 1)]);
    assert_eq!(slots[1].1.durations.mean(), Some(Duration::from_secs(90 * 60)));

    let since = async |at| {
        let from = Resolution::Minute.number(at);
        bench
            .store
            .runs_since(&bench.scope(), None, Resolution::Minute, from)
            .await
            .unwrap()
    };
    let all = since(begun).await;
    assert_eq!((all.started, all.completed), (1, 1));
    let last = since(ended).await;
    assert_eq!((last.started, last.completed), (0, 1));
}

#[tokio::test]
async fn steps_tell_what_they_took_and_how_often_they_were_tried() {
    let bench = Bench::new();
    let tasks = r#"
- slow: { wait: PT10S }
- again:
    try: [{ flaky: { call: flaky, with: { failures: 2 } } }]
    catch: { retry: { delay: { seconds: 4 }, limit: { attempt: { count: 5 } } } }
- skipped: { if: '${ false }', set: { n: 1 } }
- race: { fork: { compete: true, branches: [{ fast: { wait: PT1S } }, { never: { call: hang } }] } }
"#;
    let run = bench.start(tasks, json!({})).await;
    for seconds in [10, 4, 4, 1] {
        bench.pass(seconds).await;
    }
    bench.wait(&run).await;
    let again = of_task(&bench, "/do/1/again").await;
    assert_eq!(counts(&again), (1, 0, 0, 2));
    assert_eq!(again.durations.mean(), Some(Duration::from_secs(8)));
    assert_eq!(
        counts(&of_task(&bench, "/do/1/again/try/0/flaky").await),
        (1, 2, 0, 0)
    );
    assert_eq!(of_task(&bench, "/do/2/skipped").await, Tally::default());
    assert_eq!(
        counts(&of_task(&bench, "/do/3/race/fork/branches/1/never").await),
        (0, 0, 1, 0)
    );
    let slow = of_task(&bench, "/do/0/slow").await;
    assert_eq!(slow.durations.mean(), Some(Duration::from_secs(10)));
    assert_eq!(of_runs(&bench).await, (1, 0, 0, 2));
}

#[tokio::test]
async fn a_loop_of_any_length_is_one_row() {
    let bench = Bench::new();
    let tasks = "- loop: { for: { in: '${ [range(10000)] }' }, do: [{ step: { set: { n: 1 } } }] }";
    bench.run(tasks, json!({})).await;
    let steps = of_task(&bench, "/do/0/loop/do/0/step").await;
    assert_eq!(counts(&steps), (10_000, 0, 0, 0));
    assert_eq!(steps.durations.buckets().count(), 1);
    assert_eq!(
        series(&*bench.store, &bench.scope(), Counted::Tasks).await.len(),
        2
    );
}

#[tokio::test]
async fn what_a_run_repeats_is_not_counted_again() {
    let bench = Bench::new();
    let tasks = "- one: { call: echo, with: { n: 1 } }\n- two: { call: flaky, with: { failures: 1 } }";
    let first = bench.run(tasks, json!({})).await;
    assert_eq!(of_runs(&bench).await, (0, 1, 0, 0));
    // A clock that was set back does not make what is copied look new.
    bench.clock.jump(jiff::SignedDuration::from_secs(-3600));
    for from in [None, Some("/do/1/two")] {
        let rerun = Rerun {
            run: first.id,
            from: from.map(str::to_owned),
            id: None,
        };
        let again = bench.runtime.rerun(&bench.ada, rerun).await.unwrap();
        assert_eq!(bench.wait(&again).await.status, RunStatus::Completed);
    }
    assert_eq!(of_runs(&bench).await, (2, 1, 0, 0));
    assert_eq!(counts(&of_task(&bench, "/do/0/one").await), (1, 0, 0, 0));
    assert_eq!(counts(&of_task(&bench, "/do/1/two").await), (2, 1, 0, 0));
    // As a whole it is counted as a whole.
    let done = bench
        .run("- one: { call: echo, with: { n: 1 } }", json!({}))
        .await;
    let rerun = Rerun {
        run: done.id,
        from: None,
        id: None,
    };
    let again = bench.runtime.rerun(&bench.ada, rerun).await.unwrap();
    bench.wait(&again).await;
    assert_eq!(counts(&of_task(&bench, "/do/0/one").await), (3, 0, 0, 0));
}

#[tokio::test]
async fn statistics_say_what_histories_say() {
    let memory = std::sync::Arc::new(MemoryStore::default());
    let bench = Bench::over(
        std::sync::Arc::clone(&memory) as _,
        std::sync::Arc::new(atom_core::storage::MemoryVault::default()),
        Default::default(),
    );
    bench
        .deploy(
            "document: { dsl: 1.0.3, namespace: default, name: child, version: 1.0.0 }\n\
             do:\n  - a: { call: echo, with: { n: 1 } }\n",
        )
        .await;
    let documents = [
        "- a: { do: [{ b: { set: { n: 1 }, then: end } }] }\n- never: { set: { n: 2 } }",
        "- a: { do: [{ b: { raise: { error: { type: https://example.com/x, status: 500 } } } }] }",
        "- a: { try: [{ b: { call: fail } }], catch: { do: [{ mend: { set: { n: 1 } } }] } }",
        "- a: { fork: { branches: [{ l: { call: fail } }, { r: { call: hang } }] } }",
        "- a: { run: { workflow: { namespace: default, name: child, version: 1.0.0 } } }",
        "- a: { timeout: { after: PT0S }, call: hang }",
        "- a: { listen: { to: { one: { with: { type: com.example.x } } } } }",
        "- a: { set: { n: 1 }, then: c }\n- b: { set: { n: 2 } }\n- c: { switch: [{ x: { then: exit } }] }",
        "- a: { set: { n: '${ error(\"no\") }' } }",
        "- a:\n    call: echo\n    with: { n: 1 }\n    metadata: { atom: { compensate: [{ undo: { call: echo, with: { n: 2 } } }] } }\n- b: { call: fail }",
        "use: { extensions: [{ log: { extend: all, before: [{ said: { set: { n: 1 } } }], after: [{ done: { set: { n: 2 } } }] } }] }\n\
         do:\n  - a: { call: echo, with: { n: 1 } }",
        "use: { extensions: [{ mock: { extend: call, before: [{ stand-in: { set: { n: 1 }, then: exit } }] } }] }\n\
         do:\n  - a: { call: hang }",
    ];
    let mut runs: Vec<RunRecord> = Vec::new();
    for document in documents {
        runs.push(bench.start(document, json!({})).await);
    }
    for run in &runs {
        let publish = async {
            loop {
                let event = CloudEvent::new("1", "/test", "com.example.x");
                bench.runtime.signal(&bench.scope(), run.id, event).await.ok();
                bench.clock.advance(Duration::from_secs(1));
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = bench.wait(run) => {}
            () = publish => {}
        }
    }
    agree_with_histories(&bench.runtime, &memory, &bench.scope()).await;
}
