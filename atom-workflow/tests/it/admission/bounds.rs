//! No crash and no order of starts and ends exceeds a limit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{
    AdmissionState, MemoryStore, PageRequest, RunFilter, RunRecord, RunStatus, RunStore,
};
use atom_workflow::definition::Workflow;
use proptest::prelude::*;
use serde_json::json;

use super::{Gated, limited, versioned};
use crate::crash::{MortalStore, keep_time_moving};

/// Runs four runs with at most one at once and two in ten seconds, in a process that dies after so many writes, and then in
/// another. Tells whether the first one lived.
async fn survive(limits: &str, writes: i64) -> bool {
    let memory = Arc::new(MemoryStore::default());
    let mortal = MortalStore::new(Arc::clone(&memory), writes);
    let death = mortal.death.clone();
    let document = versioned(
        "1.0.0",
        limits,
        "- one: { call: echo, with: { n: '${ .n }', key: '${ .key }' } }\n- two: { wait: PT1S }\n- three: { call: echo, with: { n: 3 } }\n",
    );
    Workflow::parse(&document).unwrap();
    let first = Gated::over(mortal);
    let scope = first.bench.scope();
    let begin = async {
        let mut runs = Vec::new();
        for n in 1..=4 {
            match first.try_start(&document, json!({ "n": n, "key": "a" })).await {
                Ok(run) => runs.push(run),
                Err(_) => std::future::pending().await,
            }
        }
        for run in &runs {
            if first.bench.runtime.wait(&scope, run.id).await.is_err() {
                std::future::pending().await
            }
        }
    };
    let is_alive = tokio::select! {
        biased;
        () = death.cancelled() => false,
        () = begin => true,
        () = keep_time_moving(&first.bench) => unreachable!("time never ends"),
    };
    first.bench.runtime.close(Duration::from_secs(5)).await;

    let second = Gated::over(Arc::clone(&memory) as _);
    second.bench.clock.set(first.bench.clock_now());
    let left: Vec<_> = memory.unfinished().await.unwrap();
    second.bench.runtime.resume(None).await.unwrap();
    for run in left {
        tokio::select! {
            ended = second.bench.runtime.wait(&scope, run.id) => drop(ended.unwrap()),
            () = keep_time_moving(&second.bench) => unreachable!("time never ends"),
        }
    }
    let runs = memory
        .runs(&scope, &RunFilter::default(), &PageRequest::default())
        .await;
    let mut times = Vec::new();
    for run in runs.unwrap().items {
        assert!(run.status.has_ended(), "after {writes} writes");
        let admission = run.admission.unwrap();
        match run.status {
            RunStatus::Completed => assert_eq!(admission.state, AdmissionState::Begun),
            _ => assert_ne!(admission.limits.concurrency.unwrap().on_limit, Default::default()),
        }
        times.extend(admission.begun_at.map(|begun| (begun, run.ended_at.unwrap())));
    }
    times.sort_unstable();
    for pair in times.windows(2) {
        assert!(
            pair[0].1 <= pair[1].0,
            "one at a time after {writes} writes: {times:?}"
        );
    }
    for three in times.windows(3) {
        let apart = three[2].0.duration_since(three[0].0);
        assert!(
            apart.as_secs() >= 10 || !limits.contains("rateLimit"),
            "after {writes} writes: {times:?}"
        );
    }
    is_alive
}

#[tokio::test]
async fn a_crash_at_any_write_loses_no_run_and_lets_none_begin_too_early() {
    for limits in [
        "{ concurrency: { key: .key, limit: 1 }, rateLimit: { limit: 2, per: PT10S }, priority: .n }",
        "{ concurrency: { key: .key, limit: 1, onLimit: cancelNewest } }",
        "{ concurrency: { limit: 1, onLimit: cancelOldest } }",
    ] {
        let mut writes = 1;
        while !survive(limits, writes).await {
            writes += 1;
        }
        assert!(writes > 10, "{limits}: {writes}");
    }
}

/// Something that happens to runs of one workflow.
#[derive(Clone, Copy, Debug)]
enum Step {
    Start { key: u8, priority: i8 },
    End(usize),
    Cancel(usize),
    Pause(usize),
    Resume(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2_u8, -1..2_i8).prop_map(|(key, priority)| Step::Start { key, priority }),
        4 => any::<usize>().prop_map(Step::End),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Pause),
        1 => any::<usize>().prop_map(Step::Resume),
        2 => (0..8_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_interleaving_of_starts_and_ends_exceeds_a_limit(
        steps in prop::collection::vec(step(), 1..40),
        limit in 1..4_u32,
        on_limit in prop::sample::select(vec!["queue", "cancelNewest", "cancelOldest"]),
        rate in prop::option::of(1..4_u32),
    ) {
        let rate_limit = rate.map_or_else(String::new, |rate| format!(", rateLimit: {{ limit: {rate}, per: PT10S }}"));
        let document = limited(&format!(
            "{{ concurrency: {{ key: .key, limit: {limit}, onLimit: {on_limit} }}, priority: .priority{rate_limit} }}"
        ));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(interleave(&document, &steps, limit as usize, rate));
    }
}

async fn interleave(document: &str, steps: &[Step], limit: usize, rate: Option<u32>) {
    let gated = Gated::new();
    let (scope, runtime) = (gated.bench.scope(), gated.bench.runtime.clone());
    let mut runs: Vec<RunRecord> = Vec::new();
    let chosen = |runs: &[RunRecord], index: usize| runs.get(index % runs.len().max(1)).map(|run| run.id);
    for (n, step) in steps.iter().enumerate() {
        match *step {
            Step::Start { key, priority } => {
                let input = json!({ "n": n, "key": key, "priority": priority });
                runs.push(gated.start(document, input).await);
            }
            Step::End(index) => {
                let mut closed = gated.gates.closed.lock().unwrap();
                let n = closed.keys().copied().nth(index % closed.len().max(1));
                // A run that was cancelled no longer waits.
                if let Some(gate) = n.and_then(|n| closed.remove(&n)) {
                    let _ = gate.send(());
                }
            }
            Step::Cancel(index) => {
                if let Some(run) = chosen(&runs, index) {
                    runtime.cancel(&scope, run, None).await.unwrap();
                }
            }
            // What has ended is refused.
            Step::Pause(index) => {
                if let Some(run) = chosen(&runs, index) {
                    drop(runtime.pause_run(&scope, run, None).await);
                }
            }
            Step::Resume(index) => {
                if let Some(run) = chosen(&runs, index) {
                    drop(runtime.resume_run(&scope, run).await);
                }
            }
            Step::Pass(seconds) => gated.bench.clock.advance(Duration::from_secs(seconds)),
        }
        if n % 3 == 0 {
            gated.settle().await;
        }
        check_limits(&gated, limit, rate).await;
    }
    // In the end everybody has had a turn.
    for run in &runs {
        drop(runtime.resume_run(&scope, run.id).await);
    }
    gated
        .until(async || {
            gated.settle().await;
            check_limits(&gated, limit, rate).await;
            let closed = std::mem::take(&mut *gated.gates.closed.lock().unwrap());
            for gate in closed.into_values() {
                // A run that was cancelled no longer waits.
                let _ = gate.send(());
            }
            gated.bench.clock.advance(Duration::from_secs(1));
            gated.bench.store.unfinished().await.unwrap().is_empty()
        })
        .await;
}

async fn check_limits(gated: &Gated, limit: usize, rate: Option<u32>) {
    let page = PageRequest {
        after: None,
        limit: Some(1000),
    };
    let all = gated
        .bench
        .store
        .runs(&gated.bench.scope(), &RunFilter::default(), &page)
        .await;
    let mut under_way: BTreeMap<String, usize> = BTreeMap::new();
    let mut begun = Vec::new();
    for run in all.unwrap().items {
        let admission = run.admission.unwrap();
        begun.extend(admission.begun_at);
        if !run.status.has_ended() && admission.begun_at.is_some() {
            *under_way
                .entry(admission.limits.concurrency.unwrap().key)
                .or_default() += 1;
        }
    }
    assert!(under_way.values().all(|count| *count <= limit), "{under_way:?}");
    begun.sort_unstable();
    if let Some(rate) = rate {
        for window in begun.windows(rate as usize + 1) {
            let apart = window[rate as usize].duration_since(window[0]);
            assert!(apart.as_secs() >= 10, "{begun:?}");
        }
    }
}
