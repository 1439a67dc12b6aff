//! Runs that wait for their turn: how many go on at once, which goes first, and what a crash changes.

mod bounds;
mod documents;
mod origins;
mod queue;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atom_core::function::TypedFunction;
use atom_core::storage::{MemoryStore, MemoryVault, RunRecord, RunStatus, Store};
use atom_core::{Result, RunId};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{RuntimeLimits, StartRun};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::support::Bench;

/// A document whose runs call `gate` with their input, below these limits.
fn limited(limits: &str) -> String {
    versioned(
        "1.0.0",
        limits,
        "- work: { call: gate, with: { n: '${ .n }', key: '${ .key }' } }\n",
    )
}

fn versioned(version: &str, limits: &str, tasks: &str) -> String {
    format!(
        "document:\n  dsl: 1.0.3\n  namespace: default\n  name: limited\n  version: {version}\n  metadata: {{ atom: {limits} }}\ndo:\n{tasks}"
    )
}

const ONE: &str = "{ concurrency: { key: .key, limit: 1 }, priority: '.priority // 0' }";

/// A bench with a function `gate` that answers when the test opens it.
struct Gated {
    bench: Bench,
    gates: Arc<Gates>,
}

#[derive(Debug, Default)]
struct Gates {
    /// Those that wait, by their `n`.
    closed: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
    /// The order in which they came.
    seen: Mutex<Vec<u64>>,
}

impl Gated {
    fn new() -> Self {
        Self::over(Arc::new(MemoryStore::default()))
    }

    fn over(store: Arc<dyn Store>) -> Self {
        let bench = Bench::over(store, Arc::new(MemoryVault::default()), RuntimeLimits::default());
        let gates = Arc::new(Gates::default());
        let known = Arc::clone(&gates);
        let gate = TypedFunction::new("gate", "Waits to be opened.", move |input: Value, _| {
            let (sender, receiver) = oneshot::channel();
            let n = input["n"].as_u64().unwrap_or_default();
            known.seen.lock().unwrap().push(n);
            known.closed.lock().unwrap().insert(n, sender);
            async move {
                receiver.await.map_err(|_| atom_core::Error::internal("gone"))?;
                Ok(input)
            }
        });
        bench.functions.register(Arc::new(gate)).unwrap();
        Self { bench, gates }
    }

    async fn try_start(&self, document: &str, input: Value) -> Result<RunRecord> {
        let start = StartRun::new(Arc::new(Workflow::parse(document)?), document, input);
        self.bench.runtime.start(&self.bench.ada, start).await
    }

    async fn start(&self, document: &str, input: Value) -> RunRecord {
        self.try_start(document, input).await.unwrap()
    }

    /// Starts runs with the inputs `{ n, key: "a" }`.
    async fn start_all(&self, document: &str, numbers: std::ops::RangeInclusive<u64>) -> Vec<RunRecord> {
        let mut runs = Vec::new();
        for n in numbers {
            runs.push(self.start(document, json!({ "n": n, "key": "a" })).await);
            self.bench.clock.advance(Duration::from_millis(1));
        }
        runs
    }

    async fn until(&self, mut is_so: impl AsyncFnMut() -> bool) {
        for _ in 0..100_000 {
            if is_so().await {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!(
            "it does not come to that; seen: {:?}",
            self.gates.seen.lock().unwrap()
        );
    }

    /// Lets everybody do what they can do by themselves.
    async fn settle(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    async fn until_seen(&self, expected: &[u64]) {
        self.until(async || *self.gates.seen.lock().unwrap() == expected)
            .await;
    }

    fn open(&self, n: u64) {
        let gate = self.gates.closed.lock().unwrap().remove(&n).unwrap();
        gate.send(()).unwrap();
    }

    async fn record(&self, run: RunId) -> RunRecord {
        let record = self.bench.store.run(&self.bench.scope(), run).await;
        record.unwrap().unwrap()
    }

    async fn status(&self, run: &RunRecord) -> RunStatus {
        self.record(run.id).await.status
    }

    async fn until_status(&self, run: &RunRecord, status: RunStatus) {
        self.until(async || self.status(run).await == status).await;
    }

    async fn cancel(&self, run: &RunRecord) -> RunRecord {
        self.bench
            .runtime
            .cancel(&self.bench.scope(), run.id, None)
            .await
            .unwrap()
    }
}
