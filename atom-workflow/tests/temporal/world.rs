//! An engine on the test server, and the embedded runtime beside it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atom_core::storage::{PageRequest, RunFilter, RunStatus};
use atom_core::testkit::SequenceRandom;
use atom_core::{Clock, CloudEvent, Principal, RunId, Scope, Secret};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{Runtime, RuntimeLimits, RuntimeParts, RuntimeSettings, StartRun};
use atom_workflow::temporal::{
    Ended, KEY_NAME, ListedRun, RunView, TemporalConfig, TemporalLimits, TemporalParts, TemporalRuntime,
    TemporalWorker,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::server::TestTemporal;
use crate::support::{Bench, document};

/// The clock on the wall: the server has no other.
#[derive(Debug)]
pub(crate) struct WallClock;

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    async fn wait_until(&self, deadline: Timestamp) {
        let rest = Duration::try_from(deadline.duration_since(self.now()));
        tokio::time::sleep(rest.unwrap_or_default()).await;
    }
    async fn sleep(&self, length: Duration) {
        tokio::time::sleep(length).await;
    }
}

/// A key of the operator, for tests and for the histories that they replay.
pub(crate) const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(crate) fn operator() -> Scope {
    Principal::new("operator", "temporal").unwrap().scope()
}

pub(crate) struct World {
    pub(crate) bench: Bench,
    pub(crate) target: String,
    pub(crate) parts: Arc<TemporalParts>,
    pub(crate) runtime: TemporalRuntime,
    pub(crate) worker: Option<TemporalWorker>,
    pub(crate) ada: Principal,
}

impl World {
    /// An engine with a worker, and users of its own; nothing where there is no server.
    pub(crate) async fn new(name: &str) -> Option<Self> {
        Self::with(name, limits()).await
    }

    pub(crate) async fn with(name: &str, limits: TemporalLimits) -> Option<Self> {
        let mut world = Self::idle(name, limits).await?;
        world.work().await;
        Some(world)
    }

    /// An engine without a worker.
    pub(crate) async fn idle(name: &str, limits: TemporalLimits) -> Option<Self> {
        let target = TestTemporal::shared().await?.target();
        Some(Self::at(target, name, limits).await)
    }

    /// An engine without a worker on another server.
    pub(crate) async fn at(target: String, name: &str, limits: TemporalLimits) -> Self {
        let bench = Bench::new();
        let parts = parts(&bench, limits).await;
        let runtime = TemporalRuntime::connect(Arc::clone(&parts), config(target.clone(), name)).await;
        Self {
            bench,
            target,
            parts,
            runtime: runtime.unwrap(),
            worker: None,
            ada: Principal::new("acme", name).unwrap(),
        }
    }

    pub(crate) async fn work(&mut self) {
        self.worker = Some(TemporalWorker::start(self.runtime.clone()).await.unwrap());
    }

    pub(crate) async fn stop(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.stop(Duration::ZERO).await.unwrap();
        }
    }

    pub(crate) fn scope(&self) -> Scope {
        self.ada.scope()
    }

    pub(crate) async fn start(&self, tasks: &str, input: Value) -> RunId {
        let start = start(tasks, input);
        self.runtime.start(&self.ada, start).await.unwrap()
    }

    pub(crate) async fn wait(&self, run: RunId) -> Ended {
        let scope = self.scope();
        let ended = self.runtime.wait(&scope, run);
        tokio::time::timeout(Duration::from_secs(60), ended)
            .await
            .expect("the run goes on")
            .unwrap()
    }

    pub(crate) async fn signal(&self, run: RunId, event: CloudEvent) {
        self.runtime.signal(&self.scope(), run, event).await.unwrap();
    }

    /// What can be seen of a run once that is as it should be.
    pub(crate) async fn until(&self, run: RunId, is_so: impl Fn(&RunView) -> bool) -> RunView {
        soon(async || {
            let view = self.runtime.view(&self.scope(), run).await.unwrap();
            is_so(&view).then_some(view)
        })
        .await
    }

    /// Waits until the history of a run has an event of this type, or one that names it.
    pub(crate) async fn until_event(&self, run: RunId, kind: &str) {
        soon(async || {
            let history = self.history(run).await;
            let has = |event: &Value| event.to_string().contains(kind);
            history.iter().any(has).then_some(())
        })
        .await;
    }

    /// The events of a run's history.
    pub(crate) async fn history(&self, run: RunId) -> Vec<Value> {
        let history = self.runtime.history(&self.scope(), run).await.unwrap();
        let history: Value = serde_json::from_slice(&history).unwrap();
        history["events"].as_array().unwrap().clone()
    }

    /// Waits until a function was called so often.
    pub(crate) async fn until_calls(&self, name: &str, count: u64) {
        soon(async || (self.bench.calls.count(name) >= count).then_some(())).await;
    }

    /// The owner's runs, once the server's lists have so many and all have ended.
    pub(crate) async fn until_listed(&self, count: usize) -> Vec<ListedRun> {
        soon(async || {
            let (filter, page) = (RunFilter::default(), PageRequest::default());
            let listed = self
                .runtime
                .runs(&self.scope(), &filter, &page)
                .await
                .unwrap()
                .items;
            let is_done = listed.len() == count && listed.iter().all(|run| run.status.has_ended());
            is_done.then_some(listed)
        })
        .await
    }
}

/// Asks the server until it has come to where it should: it tells nobody.
pub(crate) async fn soon<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let looked = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let looked = tokio::time::timeout(Duration::from_secs(60), looked).await;
    looked.expect("the server comes to where it should")
}

pub(crate) fn limits() -> TemporalLimits {
    TemporalLimits {
        heartbeat: Duration::from_secs(5),
        ..TemporalLimits::default()
    }
}

pub(crate) fn start(tasks: &str, input: Value) -> StartRun {
    let text = document(tasks);
    StartRun::new(Arc::new(Workflow::parse(&text).unwrap()), text, input)
}

/// What an engine is made of that works with what a bench has.
pub(crate) async fn parts(bench: &Bench, limits: TemporalLimits) -> Arc<TemporalParts> {
    let key = Secret::new(KEY);
    let kept = bench
        .vault
        .set(&operator(), KEY_NAME, &key, Timestamp::now())
        .await;
    kept.unwrap();
    Arc::new(TemporalParts {
        store: Arc::clone(&bench.store),
        vault: Arc::clone(&bench.vault),
        functions: Arc::clone(&bench.functions),
        clock: Arc::new(WallClock),
        random: Arc::new(SequenceRandom::default()),
        limits,
    })
}

pub(crate) fn config(target: String, task_queue: &str) -> TemporalConfig {
    TemporalConfig {
        target,
        namespace: "default".to_owned(),
        task_queue: task_queue.to_owned(),
        operator: operator(),
        api_key: None,
        authority: None,
    }
}

/// The same run with the embedded runtime: how it ended, and the keys of its calls.
pub(crate) async fn embedded(
    ada: &Principal,
    run: RunId,
    tasks: &str,
    input: Value,
    deployed: &[&str],
) -> (Ended, Vec<String>) {
    let bench = Bench::new();
    deploy(&bench, ada, deployed).await;
    keep_secret(&bench, ada).await;
    let runtime = Runtime::new(RuntimeParts {
        store: Arc::clone(&bench.store),
        vault: Arc::clone(&bench.vault),
        functions: Arc::clone(&bench.functions),
        clock: Arc::new(WallClock),
        random: Arc::new(SequenceRandom::default()),
        limits: RuntimeLimits::default(),
        settings: RuntimeSettings::default(),
    });
    let text = document(tasks);
    let mut start = StartRun::new(Arc::new(Workflow::parse(&text).unwrap()), text, input);
    start.id = Some(run);
    runtime.start(ada, start).await.unwrap();
    let record = runtime.wait(&ada.scope(), run).await.unwrap();
    runtime.close(Duration::from_secs(5)).await;
    let ended = Ended {
        status: record.status,
        output: record.output,
        error: record.error,
    };
    (ended, keys(&bench))
}

/// Keeps the secret `token`.
pub(crate) async fn keep_secret(bench: &Bench, owner: &Principal) {
    let secret = Secret::new("tok-0123456789");
    let kept = bench
        .vault
        .set(&owner.scope(), "token", &secret, Timestamp::now())
        .await;
    kept.unwrap();
}

/// The keys of the calls so far, in any order.
pub(crate) fn keys(bench: &Bench) -> Vec<String> {
    let mut keys = bench.calls.keys();
    keys.sort();
    keys
}

pub(crate) async fn deploy(bench: &Bench, owner: &Principal, documents: &[&str]) {
    for text in documents {
        let workflow = Workflow::parse(text).unwrap();
        let scope = owner.scope();
        bench
            .store
            .put_document(&scope, &workflow.hash, text)
            .await
            .unwrap();
        let deployed = atom_core::storage::DeployedWorkflow {
            namespace: workflow.document.namespace.clone(),
            name: workflow.document.name.clone(),
            version: workflow.document.version.clone(),
            hash: workflow.hash.clone(),
            title: None,
            summary: None,
            deployed_at: Timestamp::now(),
            withdrawn_at: None,
        };
        bench.store.deploy(&scope, &deployed).await.unwrap();
    }
}

pub(crate) fn completed(output: Value) -> Ended {
    Ended {
        status: RunStatus::Completed,
        output: Some(output),
        error: None,
    }
}
