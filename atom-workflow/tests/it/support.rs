//! A runtime over memory with a clock that tests move, and functions that count their calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use atom_core::function::TypedFunction;
use atom_core::storage::{MemoryStore, MemoryVault, RunRecord, Store, Vault};
use atom_core::testkit::{ManualClock, SequenceRandom};
use atom_core::{Error, ErrorCode, FunctionContext, FunctionRegistry, Principal, Result, Scope};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{Runtime, RuntimeLimits, RuntimeParts, RuntimeSettings, StartRun};
use serde_json::{Value, json};

pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) functions: Arc<FunctionRegistry>,
    pub(crate) runtime: Runtime,
    pub(crate) ada: Principal,
}

/// How often each function was called with which idempotency key.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    counts: Mutex<BTreeMap<String, u64>>,
    keys: Mutex<Vec<String>>,
}

impl Calls {
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.counts.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    pub(crate) fn note(&self, name: &str, context: &FunctionContext) -> u64 {
        self.keys.lock().unwrap().push(context.idempotency_key.clone());
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry(name.to_owned()).or_default();
        *count += 1;
        *count
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::over(
            Arc::new(MemoryStore::default()),
            Arc::new(MemoryVault::default()),
            RuntimeLimits::default(),
        )
    }

    pub(crate) fn over(store: Arc<dyn Store>, vault: Arc<dyn Vault>, limits: RuntimeLimits) -> Self {
        Self::with_settings(store, vault, limits, RuntimeSettings::default())
    }

    pub(crate) fn with_settings(
        store: Arc<dyn Store>,
        vault: Arc<dyn Vault>,
        limits: RuntimeLimits,
        settings: RuntimeSettings,
    ) -> Self {
        Self::build(store, vault, limits, settings, SequenceRandom::default())
    }

    /// One of the engines that share a store, with ids of its own.
    pub(crate) fn worker(store: &Arc<MemoryStore>, number: u64) -> Self {
        Self::build(
            Arc::clone(store) as _,
            Arc::new(MemoryVault::default()),
            RuntimeLimits::default(),
            RuntimeSettings::default(),
            SequenceRandom::starting_at(number << 32),
        )
    }

    fn build(
        store: Arc<dyn Store>,
        vault: Arc<dyn Vault>,
        limits: RuntimeLimits,
        settings: RuntimeSettings,
        random: SequenceRandom,
    ) -> Self {
        let clock = Arc::new(ManualClock::default());
        let functions = Arc::new(FunctionRegistry::default());
        let calls = Arc::new(Calls::default());
        register(&functions, &calls);
        let runtime = Runtime::new(RuntimeParts {
            store: Arc::clone(&store),
            vault: Arc::clone(&vault),
            functions: Arc::clone(&functions),
            clock: Arc::clone(&clock) as _,
            random: Arc::new(random),
            limits,
            settings,
        });
        Self {
            store,
            vault,
            clock,
            calls,
            functions,
            runtime,
            ada: Principal::new("acme", "ada").unwrap(),
        }
    }

    pub(crate) fn scope(&self) -> Scope {
        self.ada.scope()
    }

    pub(crate) async fn start(&self, tasks: &str, input: Value) -> RunRecord {
        self.try_start(tasks, input).await.unwrap()
    }

    pub(crate) async fn try_start(&self, tasks: &str, input: Value) -> Result<RunRecord> {
        let text = document(tasks);
        let start = StartRun::new(Arc::new(Workflow::parse(&text)?), text, input);
        self.runtime.start(&self.ada, start).await
    }

    pub(crate) async fn wait(&self, run: &RunRecord) -> RunRecord {
        self.runtime.wait(&self.scope(), run.id).await.unwrap()
    }

    /// Runs a workflow to its end without moving the clock.
    pub(crate) async fn run(&self, tasks: &str, input: Value) -> RunRecord {
        let run = self.start(tasks, input).await;
        self.wait(&run).await
    }

    pub(crate) async fn output(&self, tasks: &str, input: Value) -> Value {
        let run = self.run(tasks, input).await;
        assert_eq!(run.error, None);
        run.output.unwrap()
    }

    pub(crate) async fn error(&self, tasks: &str, input: Value) -> Value {
        let run = self.run(tasks, input).await;
        assert_eq!(run.output, None);
        run.error.unwrap()
    }

    /// The names of what happened, in order, as `type reference`.
    pub(crate) async fn history(&self, run: &RunRecord) -> Vec<String> {
        let history = self.runtime.history(&self.scope(), run.id).await.unwrap();
        history
            .into_iter()
            .map(|entry| {
                let entry = serde_json::to_value(entry).unwrap();
                let kind = entry["type"].as_str().unwrap();
                match entry["task"].as_str() {
                    Some(task) => format!("{kind} {task}"),
                    None => kind.to_owned(),
                }
            })
            .collect()
    }
}

/// A whole document around tasks; text that begins with `do:` or another top-level key is taken as it is.
pub(crate) fn document(tasks: &str) -> String {
    let head = "document: { dsl: 1.0.3, namespace: default, name: test, version: 0.1.0 }\n";
    if tasks.trim_start().starts_with('-') {
        format!("{head}do:\n{tasks}")
    } else {
        format!("{head}{tasks}")
    }
}

fn register(functions: &FunctionRegistry, calls: &Arc<Calls>) {
    let counted = |name: &'static str, calls: &Arc<Calls>| (name, Arc::clone(calls));
    let (name, noted) = counted("echo", calls);
    functions
        .register(Arc::new(TypedFunction::new(
            name,
            "Gives back its arguments.",
            move |arguments: Value, context| {
                noted.note(name, &context);
                async move { Ok(arguments) }
            },
        )))
        .unwrap();
    let (name, noted) = counted("fail", calls);
    functions
        .register(Arc::new(TypedFunction::new(
            name,
            "Fails as told.",
            move |arguments: Value, context| {
                noted.note(name, &context);
                async move {
                    let mut error = Error::new(ErrorCode::Upstream, "it broke");
                    if let Some(status) = arguments.get("status") {
                        error = error.with_context("status", status);
                    }
                    Err::<Value, _>(error)
                }
            },
        )))
        .unwrap();
    let (name, noted) = counted("flaky", calls);
    functions
        .register(Arc::new(TypedFunction::new(
            name,
            "Fails the first times.",
            move |arguments: Value, context| {
                let count = noted.note(name, &context);
                async move {
                    if count <= arguments["failures"].as_u64().unwrap_or(2) {
                        return Err(Error::new(ErrorCode::Unavailable, "try again"));
                    }
                    Ok(json!({ "calls": count }))
                }
            },
        )))
        .unwrap();
    let (name, noted) = counted("hang", calls);
    functions
        .register(Arc::new(TypedFunction::new(
            name,
            "Never answers.",
            move |_: Value, context| {
                noted.note(name, &context);
                std::future::pending::<Result<Value>>()
            },
        )))
        .unwrap();
    let (name, noted) = counted("panic", calls);
    functions
        .register(Arc::new(TypedFunction::new(
            name,
            "Panics.",
            move |_: Value, context| {
                noted.note(name, &context);
                async move {
                    std::panic::resume_unwind(Box::new("a defect"));
                    #[expect(unreachable_code, reason = "gives the closure its type")]
                    Ok(Value::Null)
                }
            },
        )))
        .unwrap();
}

impl Bench {
    pub(crate) fn clock_now(&self) -> jiff::Timestamp {
        use atom_core::Clock;
        self.clock.now()
    }

    /// Waits until the run's next timer is `seconds` ahead, then lets that time pass.
    pub(crate) async fn pass(&self, seconds: u64) {
        let due = self.clock_now() + std::time::Duration::from_secs(seconds);
        while self.clock.earliest_deadline() != Some(due) {
            tokio::task::yield_now().await;
        }
        self.clock.set(due);
    }

    /// Deploys a document.
    pub(crate) async fn deploy(&self, text: &str) {
        let workflow = Workflow::parse(text).unwrap();
        self.store
            .put_document(&self.scope(), &workflow.hash, text)
            .await
            .unwrap();
        let deployed = atom_core::storage::DeployedWorkflow {
            namespace: workflow.document.namespace.clone(),
            name: workflow.document.name.clone(),
            version: workflow.document.version.clone(),
            hash: workflow.hash.clone(),
            title: None,
            summary: None,
            deployed_at: self.clock_now(),
            withdrawn_at: None,
        };
        self.store.deploy(&self.scope(), &deployed).await.unwrap();
    }

    /// The run that a run has started, once it has.
    pub(crate) async fn child_of(&self, parent: &RunRecord) -> RunRecord {
        let filter = atom_core::storage::RunFilter {
            parent: Some(parent.id),
            ..Default::default()
        };
        loop {
            let runs = self
                .store
                .runs(&self.scope(), &filter, &Default::default())
                .await
                .unwrap();
            if let Some(child) = runs.items.into_iter().next() {
                return child;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the run's last task has begun: it listens then.
    pub(crate) async fn until_listening(&self, run: &RunRecord) {
        use futures::StreamExt;
        let mut history = self.runtime.follow(self.scope(), run.id, 0);
        while let Some(entry) = history.next().await {
            let entry = serde_json::to_value(entry.unwrap()).unwrap();
            let is_last = entry["task"].as_str().is_some_and(|task| {
                let name = task.rsplit('/').next().unwrap_or_default();
                matches!(name, "a" | "hear")
            });
            if entry["type"] == "task_started" && is_last {
                return;
            }
        }
        panic!("the run ended before it listened");
    }
}
