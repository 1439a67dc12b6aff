//! Engines that share a database, each as in a process of its own, and what they did.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use atom_core::Clock;
use atom_core::function::{FunctionContext, TypedFunction};
use atom_engine::{Engine, EngineConfig, ErrorCode, Principal, Result};
use atom_integrations::storage::postgres_testing::TestPostgres;
use atom_integrations::system::SystemClock;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the work of a step takes, so that something is under way at any moment.
const WORK: Duration = Duration::from_millis(5);

/// Waits until something holds.
#[track_caller]
pub(super) fn until<'a>(
    what: &'a str,
    mut holds: impl AsyncFnMut() -> bool + 'a,
) -> impl Future<Output = ()> + 'a {
    let place = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            assert!(Instant::now() < deadline, "{what} in vain, {place}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A run of so many steps, one after the other.
pub(super) fn steps(count: usize) -> String {
    document(
        "steps",
        &format!(
            "- all:
    for: {{ in: '${{ [range({count})] }}' }}
    do:
      - step: {{ call: step, with: {{ n: '${{ $index }}' }} }}
"
        ),
    )
}

/// A document of tasks.
pub(super) fn document(name: &str, tasks: &str) -> String {
    format!("document: {{ dsl: 1.0.3, namespace: tests, name: {name}, version: 1.0.0 }}\ndo:\n{tasks}")
}

/// One call of a function.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The number of the engine that made it.
    pub(super) worker: usize,
    pub(super) tenant: String,
    pub(super) run: String,
    /// The same for repetitions.
    pub(super) key: String,
}

/// The calls that all engines made, and what holds up those of `gate`.
#[derive(Debug)]
pub(super) struct Calls {
    made: Mutex<Vec<Call>>,
    pub(super) gate: Semaphore,
}

impl Calls {
    fn note(&self, worker: usize, context: &FunctionContext) {
        let call = Call {
            worker,
            tenant: context.principal.tenant.to_string(),
            run: context.step.as_ref().unwrap().run.to_string(),
            key: context.idempotency_key.clone(),
        };
        self.made.lock().unwrap().push(call);
    }

    pub(super) fn all(&self) -> Vec<Call> {
        self.made.lock().unwrap().clone()
    }

    pub(super) fn count(&self) -> usize {
        self.made.lock().unwrap().len()
    }

    /// How many calls were made more than once, each as often as it was repeated.
    pub(super) fn repeated(&self) -> usize {
        let made = self.made.lock().unwrap();
        let distinct: BTreeSet<_> = made.iter().map(|call| &call.key).collect();
        made.len() - distinct.len()
    }

    /// The number of the engine that made the last call of a run.
    pub(super) fn last_of(&self, run: &str) -> Option<usize> {
        let made = self.made.lock().unwrap();
        let last = made.iter().rev().find(|call| call.run == run);
        last.map(|call| call.worker)
    }
}

/// What engines share.
pub(super) struct Crew {
    url: String,
    folder: TempDir,
    pub(super) calls: Arc<Calls>,
    opened: AtomicUsize,
}

impl Crew {
    /// A place in the database that no other test has; none where PostgreSQL is not installed.
    pub(super) async fn new(parameters: &str) -> Option<Self> {
        TestPostgres::shared()
            .await
            .unwrap()
            .map(|server| Self::on(server, parameters))
    }

    pub(super) fn on(server: &TestPostgres, parameters: &str) -> Self {
        Self {
            url: format!("{}&{parameters}", server.url(&server.database())),
            folder: tempfile::tempdir().unwrap(),
            calls: Arc::new(Calls {
                made: Mutex::default(),
                gate: Semaphore::new(0),
            }),
            opened: AtomicUsize::new(0),
        }
    }

    /// The folder with the socket of the server.
    pub(super) fn host(&self) -> &str {
        let (_, rest) = self.url.split_once("host=").unwrap();
        rest.split('&').next().unwrap()
    }

    /// An engine that takes runs and has the functions.
    pub(super) async fn worker(&self) -> Worker {
        self.open(self.config(true), Arc::new(SystemClock)).await.unwrap()
    }

    pub(super) async fn worker_with_clock(&self, clock: Arc<dyn Clock>) -> Worker {
        self.open(self.config(true), clock).await.unwrap()
    }

    /// An engine that reaches the server by another folder.
    pub(super) async fn worker_by(&self, host: &str) -> Result<Worker> {
        let mut config = self.config(true);
        config.storage = self.url.replace(self.host(), host).parse().unwrap();
        self.open(config, Arc::new(SystemClock)).await
    }

    /// An engine that takes no runs and has no functions, so that others drive what it starts.
    pub(super) async fn client(&self) -> Worker {
        self.open(self.config(false), Arc::new(SystemClock))
            .await
            .unwrap()
    }

    pub(super) fn config(&self, resume: bool) -> EngineConfig {
        EngineConfig {
            data_dir: Some(self.folder.path().to_owned()),
            storage: self.url.parse().unwrap(),
            resume,
            ..EngineConfig::default()
        }
    }

    pub(super) async fn open(&self, config: EngineConfig, clock: Arc<dyn Clock>) -> Result<Worker> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut builder = Engine::builder(config.clone()).with_clock(clock);
        if config.resume {
            let calls = Arc::clone(&self.calls);
            let step = move |arguments: Value, context| {
                calls.note(number, &context);
                async move {
                    tokio::time::sleep(WORK).await;
                    Ok(arguments)
                }
            };
            let calls = Arc::clone(&self.calls);
            let gate = move |arguments: Value, context| {
                calls.note(number, &context);
                let calls = Arc::clone(&calls);
                async move {
                    calls.gate.acquire().await.unwrap().forget();
                    Ok(arguments)
                }
            };
            builder = builder
                .with_function(Arc::new(TypedFunction::new("step", "Takes a moment.", step)))
                .with_function(Arc::new(TypedFunction::new(
                    "gate",
                    "Waits to be let through.",
                    gate,
                )));
        }
        let opened = runtime.spawn(builder.open()).await.unwrap();
        match opened {
            Ok(engine) => Ok(Worker {
                number,
                engine: Some(engine),
                runtime: Some(runtime),
            }),
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Waits for the end of a run, and checks that each of its steps is in its history once and was called.
    pub(super) async fn assert_whole(&self, asked: &Worker, run: &str, steps: usize) {
        let get = json!({ "id": run, "wait": true, "wait_timeout_ms": PATIENCE.as_millis() as u64 });
        let ended = asked.call("runs.get", get).await;
        if ended["status"] != "completed" {
            let stuck = asked.call("runs.stuck", json!({})).await;
            let workers = asked.workers().await;
            let driver = self.calls.last_of(run);
            panic!("{ended}, last driven by {driver:?}, stuck: {stuck}, {workers:#?}");
        }
        let records = asked.history(run).await;
        let count = |kind: &str, task: &str| {
            let of_kind = records.iter().filter(|record| record["type"] == kind);
            of_kind
                .filter(|record| record["task"].as_str().unwrap_or_default().ends_with(task))
                .count()
        };
        assert_eq!(count("task_started", "/step"), steps, "{run}");
        assert_eq!(count("task_completed", "/step"), steps, "{run}");
        assert_eq!(count("run_completed", ""), 1, "{run}");
        let calls = self.calls.all();
        let keys: BTreeSet<_> = calls
            .iter()
            .filter(|call| call.run == run)
            .map(|call| &call.key)
            .collect();
        assert_eq!(keys.len(), steps, "{run}");
    }
}

/// An engine as in a process of its own, which can be killed.
pub(super) struct Worker {
    /// By which its calls can be told from those of others.
    pub(super) number: usize,
    engine: Option<Engine>,
    runtime: Option<Runtime>,
}

impl Worker {
    pub(super) async fn try_call_as(
        &self,
        principal: &Principal,
        operation: &str,
        request: Value,
    ) -> Result<Value> {
        let engine = self.engine.clone().unwrap();
        let (principal, operation) = (principal.clone(), operation.to_owned());
        let call = async move { engine.call_json(&principal, &operation, request).await };
        let call = self.runtime.as_ref().unwrap().spawn(call);
        let answer = tokio::time::timeout(PATIENCE + PATIENCE / 10, call).await;
        answer.expect("a call hangs").unwrap()
    }

    pub(super) async fn try_call(&self, operation: &str, request: Value) -> Result<Value> {
        let principal = self.engine.as_ref().unwrap().principal().clone();
        self.try_call_as(&principal, operation, request).await
    }

    #[track_caller]
    pub(super) fn call(&self, operation: &str, request: Value) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        async move {
            let answer = self.try_call(operation, request).await;
            answer.unwrap_or_else(|error| panic!("{operation}: {error}, {place}"))
        }
    }

    /// Starts a run and gives its id. A lease that is lost because the machine is busy is followed by another.
    pub(super) async fn start(&self, document: &str) -> String {
        loop {
            match self.try_call("runs.start", json!({ "document": document })).await {
                Ok(run) => return run["id"].as_str().unwrap().to_owned(),
                Err(error) => assert_eq!(error.code(), ErrorCode::Conflict, "{error}"),
            }
            tokio::time::sleep(WORK).await;
        }
    }

    pub(super) async fn history(&self, run: &str) -> Vec<Value> {
        let (mut records, mut after) = (Vec::new(), json!(0));
        while !after.is_null() {
            let page = self
                .call("runs.history", json!({ "id": run, "after": after }))
                .await;
            records.extend(page["records"].as_array().unwrap().clone());
            after = page["next"].clone();
        }
        records
    }

    pub(super) async fn status(&self, run: &str) -> String {
        let run = self.call("runs.get", json!({ "id": run })).await;
        run["status"].as_str().unwrap().to_owned()
    }

    /// What the engines know of each other; this one's own line only, or all.
    pub(super) async fn workers(&self) -> Vec<Value> {
        let list = self.call("workers.list", json!({})).await;
        list["workers"].as_array().unwrap().clone()
    }

    /// Under which id it holds runs.
    pub(super) async fn id(&self) -> String {
        let workers = self.workers().await;
        let this = workers.iter().find(|worker| worker["is_this"] == true);
        this.map_or_else(String::new, |this| this["id"].as_str().unwrap().to_owned())
    }

    /// Ends it in the middle of everything, as a signal would: nobody is told.
    pub(super) fn kill(mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }

    pub(super) async fn close(mut self) {
        let engine = self.engine.take().unwrap();
        let close = async move { engine.close().await };
        let runtime = self.runtime.take().unwrap();
        let closed = runtime.spawn(close).await.unwrap();
        runtime.shutdown_background();
        closed.unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
