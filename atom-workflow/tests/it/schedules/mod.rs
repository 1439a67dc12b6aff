//! Runs that start by themselves: exactly once for each time and each set of events, whatever happens in between.

mod events;
mod failures;
mod several;
mod times;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use atom_core::CloudEvent;
use atom_core::storage::{
    MemoryStore, MemoryVault, PageRequest, RunFilter, RunRecord, RunTrigger, ScheduleRecord, Store,
};
use atom_workflow::runtime::RuntimeLimits;
use jiff::Timestamp;
use serde_json::Value;

use crate::support::Bench;

/// A document named `job` with this schedule, these settings beside it and these tasks.
fn job(version: &str, schedule: &str, settings: &str, tasks: &str) -> String {
    format!(
        "document: {{ dsl: 1.0.3, namespace: default, name: job, version: {version}, metadata: {{ atom: {{ {settings} }} }} }}\n\
         schedule: {{ {schedule} }}\ndo:\n{tasks}\n"
    )
}

const QUICK: &str = "  - quick: { set: { done: true } }";

/// Several benches over one store are processes, one after the other.
fn process(store: &Arc<MemoryStore>, now: Timestamp) -> Bench {
    let bench = Bench::over(
        Arc::clone(store) as Arc<dyn Store>,
        Arc::new(MemoryVault::default()),
        RuntimeLimits::default(),
    );
    bench.clock.set(now);
    bench.runtime.start_schedules();
    bench
}

async fn die(bench: Bench) -> Timestamp {
    let now = bench.clock_now();
    bench.runtime.close(Duration::from_secs(5)).await;
    now
}

impl Bench {
    async fn schedule(&self, document: &str) -> ScheduleRecord {
        self.deploy(document).await;
        self.runtime
            .schedule(&self.ada, "default", "job")
            .await
            .unwrap()
            .unwrap()
    }

    async fn job(&self) -> ScheduleRecord {
        self.runtime
            .scheduled(&self.scope(), "default", "job")
            .await
            .unwrap()
    }

    /// All runs, the oldest first.
    async fn runs(&self) -> Vec<RunRecord> {
        let page = PageRequest {
            limit: Some(1000),
            ..PageRequest::default()
        };
        let runs = self.store.runs(&self.scope(), &RunFilter::default(), &page).await;
        let mut runs = runs.unwrap().items;
        runs.reverse();
        runs
    }

    /// When the runs were due, in seconds after `since`, once there are as many.
    async fn due(&self, since: Timestamp, count: usize) -> Vec<i64> {
        loop {
            let runs = self.runs().await;
            if runs.len() >= count {
                let mut due: Vec<_> = runs
                    .iter()
                    .map(|run| at(run).duration_since(since).as_secs())
                    .collect();
                due.sort_unstable();
                return due;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the scheduler has nothing to do before this many seconds after `since`.
    async fn idle_until(&self, since: Timestamp, seconds: u64) {
        let wake = since + Duration::from_secs(seconds);
        while self.clock.earliest_deadline() != Some(wake) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the schedule is as wanted.
    async fn until(&self, is_wanted: impl Fn(&ScheduleRecord) -> bool) -> ScheduleRecord {
        loop {
            let schedule = self.job().await;
            if is_wanted(&schedule) {
                return schedule;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn publish(&self, id: &str, kind: &str, data: Value) {
        let mut event = CloudEvent::new(id, "https://example.com", kind);
        event.data = Some(data);
        self.runtime.publish(&self.scope(), &event).await.unwrap();
    }

    /// The inputs of all runs once there are as many, in the order in which they were started.
    async fn inputs(&self, count: usize) -> Vec<Value> {
        loop {
            let runs = self.runs().await;
            if runs.len() >= count {
                let mut inputs = Vec::new();
                for run in runs {
                    let run = self.store.run(&self.scope(), run.id).await.unwrap().unwrap();
                    inputs.push(run.input);
                }
                return inputs;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn at(run: &RunRecord) -> Timestamp {
    let Some(RunTrigger::Schedule { at }) = run.trigger else {
        panic!("{} was not started by a schedule", run.id);
    };
    at
}

async fn store_run(bench: &Bench, run: &RunRecord) -> RunRecord {
    bench.store.run(&bench.scope(), run.id).await.unwrap().unwrap()
}

/// Moves time on until something is done.
async fn hurry_until<T>(bench: &Bench, work: impl AsyncFnOnce() -> T) -> T {
    tokio::select! {
        done = work() => done,
        () = hurry(bench) => unreachable!("time never ends"),
    }
}

/// Moves time to whatever is waited for next.
async fn hurry(bench: &Bench) {
    loop {
        bench.clock.parked(1).await;
        if let Some(wake) = bench.clock.earliest_deadline() {
            bench.clock.set(wake.max(bench.clock_now()));
        }
        tokio::task::yield_now().await;
    }
}
