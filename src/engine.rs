//! The engine as a Rust program sees it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atom_core::{CancellationToken, Clock, Error, FunctionRegistry, Principal, RandomSource, Result, RunId};
use atom_integrations::http::HttpClient;
use atom_integrations::process::Processes;
use atom_workflow::runtime::{RetentionSettings, Runtime, RuntimeLimits, RuntimeParts, RuntimeSettings};
use futures::FutureExt;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::api::{
    Context, Handler, OperationInfo, Parts, Permission, PermissionTable, Request, StreamRequest, closed,
    find, infos,
};
use crate::runs::{Plan, RunnerParts};
use crate::storage::{HeldStore, OpenStorage};
use crate::{EngineBuilder, EngineConfig};

/// How long closing waits for a refresh of a token at least: one that is cut short may cost what a person agreed to.
const REFRESH_GRACE: Duration = Duration::from_secs(1);

/// An open engine. Clones share it; it stays open until [`close`](Self::close).
///
/// ```
/// use atom_engine::api::{GetRunRequest, StartRunRequest};
/// use atom_engine::{Engine, EngineConfig};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 1)]
/// # async fn main() -> atom_engine::Result<()> {
/// let folder = tempfile::tempdir().unwrap();
/// let engine = Engine::open(EngineConfig::in_folder(folder.path())).await?;
/// let document = "
/// document: { dsl: 1.0.3, namespace: default, name: add, version: 0.1.0 }
/// do:
///   - add: { set: '${ .a + .b }' }
/// ";
/// let run = engine.call(StartRunRequest::document(document).with_input(json!({ "a": 1, "b": 2 }))).await?;
/// let run = engine.call(GetRunRequest::ended(run.id)).await?;
/// assert_eq!(run.output, Some(json!(3)));
/// engine.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    parts: Arc<Parts>,
    principal: Principal,
    store: HeldStore,
    http: HttpClient,
    processes: Processes,
    retention: RetentionSettings,
    close_grace: Duration,
    /// The calls and streams under way.
    calls: TaskTracker,
    /// Cancelled when the grace of closing is over: whatever is under way then ends.
    overdue: CancellationToken,
    closed: OnceCell<Result<()>>,
}

/// What an engine is put together from.
pub(crate) struct Assembly {
    pub(crate) storage: OpenStorage,
    pub(crate) functions: Arc<FunctionRegistry>,
    pub(crate) http: HttpClient,
    pub(crate) processes: Processes,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn RandomSource>,
    pub(crate) principal: Principal,
    pub(crate) permissions: PermissionTable,
    pub(crate) retention: RetentionSettings,
    pub(crate) close_grace: Duration,
    pub(crate) settings: RuntimeSettings,
    pub(crate) runs: Plan,
}

impl Engine {
    /// Opens an engine. Runs that were under way when its store was last closed, or when the process died, go on,
    /// schedules start runs, alert rules are evaluated, and what has expired is removed.
    /// Must be called within a tokio runtime that outlives the engine.
    ///
    /// # Errors
    /// As [`EngineBuilder::open`].
    pub async fn open(config: EngineConfig) -> Result<Self> {
        Self::builder(config).open().await
    }

    /// An engine to put together.
    #[must_use]
    pub fn builder(config: EngineConfig) -> EngineBuilder {
        EngineBuilder::new(config)
    }

    pub(crate) async fn assemble(assembly: Assembly) -> Result<Self> {
        let Assembly {
            storage,
            functions,
            http,
            processes,
            clock,
            random,
            principal,
            permissions,
            retention,
            close_grace,
            settings,
            runs,
        } = assembly;
        let runtime = Runtime::new(RuntimeParts {
            store: Arc::clone(&storage.store),
            vault: Arc::clone(&storage.vault),
            functions: Arc::clone(&functions),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            limits: RuntimeLimits::default(),
            settings,
        });
        let opened = runs.open(RunnerParts {
            runtime: runtime.clone(),
            store: Arc::clone(&storage.store),
            #[cfg(feature = "temporal")]
            vault: Arc::clone(&storage.vault),
            #[cfg(feature = "temporal")]
            functions: Arc::clone(&functions),
            #[cfg(feature = "temporal")]
            clock: Arc::clone(&clock),
            #[cfg(feature = "temporal")]
            random: Arc::clone(&random),
        });
        let runs = match opened.await {
            Ok(runs) => runs,
            Err(error) => {
                storage.held.close().await?;
                return Err(error);
            }
        };
        let parts = Parts {
            storage: storage.kind,
            data_dir: storage.folder,
            store: storage.store,
            vault: storage.vault,
            functions,
            clock,
            random,
            runtime,
            runs,
            permissions,
            closing: CancellationToken::new(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                parts: Arc::new(parts),
                principal,
                store: storage.held,
                http,
                processes,
                retention,
                close_grace,
                calls: TaskTracker::new(),
                overdue: CancellationToken::new(),
                closed: OnceCell::new(),
            }),
        })
    }

    /// Lets every run go on that has not ended and returns the runs that were not under way yet.
    /// [`open`](Self::open) has done so already unless the configuration says `resume: false`. On Temporal this engine begins to
    /// work, and returns no runs: the server knows which are under way.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`, `closed`.
    pub async fn resume(&self) -> Result<Vec<RunId>> {
        self.inner.parts.runs.go_on(None).await
    }

    /// Lets the runs of one owner go on, as [`resume`](Self::resume) does for all.
    ///
    /// # Errors
    /// As [`resume`](Self::resume); `unsupported` on Temporal, where workers take all runs of their task queue.
    pub async fn resume_as(&self, principal: &Principal) -> Result<Vec<RunId>> {
        self.inner.parts.runs.go_on(Some(&principal.scope())).await
    }

    /// Takes the engine's place among those that share its storage, if they can.
    pub(crate) async fn join_workers(&self, takes_runs: bool) -> Result<()> {
        // A container's host name is that of its pod.
        let host = ["HOSTNAME", "COMPUTERNAME"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok());
        let name = format!("{}/{}", host.as_deref().unwrap_or("engine"), std::process::id());
        self.inner.parts.runtime.join_workers(name, takes_runs).await
    }

    /// Finishes what runs have begun and begins nothing new: calls that are under way come to their end, and what follows is
    /// done by other engines that share the storage, or when it is opened again. Waits at most `grace`; operations still
    /// work. [`close`](Self::close) comes next.
    ///
    /// # Errors
    /// `storage_failed`, `conflict` when the others could not be told; it drains all the same.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait, nothing else.
    pub async fn drain(&self, grace: Duration) -> Result<()> {
        self.inner.parts.runs.drain(grace).await
    }

    /// Lets schedules start runs, those of every tenant and user, until the engine is closed. [`open`](Self::open) has
    /// done so already unless the configuration says `resume: false`. Doing it again changes nothing.
    pub fn start_schedules(&self) {
        self.inner.parts.runtime.start_schedules();
    }

    /// Evaluates alert rules, those of every tenant and user, now and after every `interval`, a second at least, and
    /// forgets the statistics that are too old, until the engine is closed. [`open`](Self::open) has done so already unless the
    /// configuration says `resume: false`. Doing it again changes nothing.
    pub fn start_alerts(&self, interval: Duration) {
        self.inner.parts.runtime.start_alerts(interval);
    }

    /// Removes runs and events that have expired, those of every tenant and user, within ten minutes, until the engine is
    /// closed. [`open`](Self::open) has done so already unless the configuration says `resume: false`. Doing it again
    /// changes nothing.
    pub fn start_retention(&self) {
        self.inner.parts.runtime.start_retention(self.inner.retention);
    }

    /// Calls an operation as the principal of the configuration.
    ///
    /// # Errors
    /// Each operation's own, `permission_denied`, and `closed` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// A dropped future may or may not have done what was asked.
    pub async fn call<R: Request>(&self, request: R) -> Result<R::Response> {
        self.call_as(&self.inner.principal, request).await
    }

    /// Calls an operation on behalf of a principal.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_as<R: Request>(&self, principal: &Principal, request: R) -> Result<R::Response> {
        self.carry_out(R::NAME, R::PERMISSION, principal, |context| {
            request.handle(context)
        })
        .await
    }

    /// Calls an operation by name, with JSON.
    ///
    /// # Errors
    /// As [`call`](Self::call); `not_found` for an unknown operation, `invalid_request` for a stream or a request
    /// that does not fit, `limit_exceeded` for one that nests too deep.
    pub async fn call_json(&self, principal: &Principal, operation: &str, request: Value) -> Result<Value> {
        let operation = find(operation)?;
        let Handler::Call(handler) = operation.handler else {
            let message = "this operation answers with a stream; subscribe to it";
            return Err(Error::invalid_request(message).with_operation(operation.name));
        };
        let work = |context| handler(context, request);
        self.carry_out(operation.name, operation.permission, principal, work)
            .await
    }

    /// Begins a stream as the principal of the configuration. It begins now, not with the first item; an error
    /// is its last item.
    pub fn subscribe<R: StreamRequest>(&self, request: R) -> BoxStream<'static, Result<R::Item>> {
        self.subscribe_as(&self.inner.principal, request)
    }

    /// Begins a stream on behalf of a principal.
    pub fn subscribe_as<R: StreamRequest>(
        &self,
        principal: &Principal,
        request: R,
    ) -> BoxStream<'static, Result<R::Item>> {
        self.begin(R::NAME, R::PERMISSION, principal, |context| {
            request.handle(context)
        })
    }

    /// Begins a stream by name, with JSON.
    pub fn subscribe_json(
        &self,
        principal: &Principal,
        operation: &str,
        request: Value,
    ) -> BoxStream<'static, Result<Value>> {
        let operation = match find(operation) {
            Ok(operation) => operation,
            Err(error) => return only(error),
        };
        let Handler::Stream(handler) = operation.handler else {
            let message = "this operation answers once; call it";
            return only(Error::invalid_request(message).with_operation(operation.name));
        };
        self.begin(operation.name, operation.permission, principal, |context| {
            handler(context, request)
        })
    }

    /// The functions that workflows can call. Register Rust functions here, or before anything resumes with
    /// [`EngineBuilder::with_function`].
    #[must_use]
    pub fn functions(&self) -> &FunctionRegistry {
        &self.inner.parts.functions
    }

    /// Every operation, with the schemas of its types.
    #[must_use]
    pub fn operations() -> &'static [OperationInfo] {
        infos()
    }

    /// The principal of calls that name none.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.inner.principal
    }

    pub(crate) fn parts(&self) -> &Arc<Parts> {
        &self.inner.parts
    }

    /// Closes the engine: waits end at once, other calls have the configured grace to finish, and runs stop where
    /// they are, to go on when the store is opened again. The store is free when this returns. Closing again
    /// waits for the first time to finish and gives its result.
    ///
    /// # Errors
    /// `storage_failed` when the store could not be closed cleanly; what was written is safe.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the engine closed for calls; closing again finishes.
    pub async fn close(&self) -> Result<()> {
        self.close_within(self.inner.close_grace).await
    }

    /// Closes the engine with another grace than the configured one.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub async fn close_within(&self, grace: Duration) -> Result<()> {
        self.inner
            .closed
            .get_or_init(|| self.shut_down(grace))
            .await
            .clone()
    }

    async fn shut_down(&self, grace: Duration) -> Result<()> {
        let began = Instant::now();
        self.inner.parts.closing.cancel();
        self.inner.processes.begin_close();
        self.inner.calls.close();
        let (calls, runs) = (&self.inner.calls, &self.inner.parts.runs);
        let finish_calls = async {
            if tokio::time::timeout(grace, calls.wait()).await.is_err() {
                self.inner.overdue.cancel();
            }
        };
        let ((), stopped) = tokio::join!(finish_calls, runs.close(grace));
        self.inner.processes.close().await;
        let patience = grace.saturating_sub(began.elapsed()).max(REFRESH_GRACE);
        self.inner.http.close(patience).await;
        self.inner.store.close().await?;
        stopped
    }

    fn enter(&self, permission: Permission, principal: &Principal) -> Result<Context> {
        principal.validate()?;
        self.inner.parts.permissions.check(principal, permission)?;
        if self.inner.parts.closing.is_cancelled() {
            return Err(closed());
        }
        Ok(Context {
            parts: Arc::clone(&self.inner.parts),
            principal: principal.clone(),
        })
    }

    async fn carry_out<T, Answer>(
        &self,
        name: &'static str,
        permission: Permission,
        principal: &Principal,
        work: impl FnOnce(Context) -> Answer + Send,
    ) -> Result<T>
    where
        Answer: Future<Output = Result<T>> + Send,
    {
        let _token = self.inner.calls.token();
        let guarded = async {
            let answer = work(self.enter(permission, principal)?);
            tokio::select! {
                biased;
                () = self.inner.overdue.cancelled() => Err(closed()),
                answer = answer => answer,
            }
        };
        let span = tracing::debug_span!("operation", name, %principal.tenant, %principal.user);
        let result = AssertUnwindSafe(guarded).catch_unwind().instrument(span).await;
        result
            .unwrap_or_else(|_| Err(panicked()))
            .map_err(|error| error.with_operation(name))
    }

    fn begin<T: Send + 'static>(
        &self,
        name: &'static str,
        permission: Permission,
        principal: &Principal,
        work: impl FnOnce(Context) -> Result<BoxStream<'static, Result<T>>>,
    ) -> BoxStream<'static, Result<T>> {
        let begun = self.enter(permission, principal).and_then(|context| {
            std::panic::catch_unwind(AssertUnwindSafe(|| work(context))).unwrap_or_else(|_| Err(panicked()))
        });
        match begun {
            Ok(items) => {
                let closing = self.inner.parts.closing.clone();
                guarded(items, closing)
                    .map(move |item| item.map_err(|error| error.with_operation(name)))
                    .boxed()
            }
            Err(error) => only(error.with_operation(name)),
        }
    }
}

/// The items up to the first error, a panic or the close of the engine, which are errors too.
fn guarded<T: Send + 'static>(
    items: BoxStream<'static, Result<T>>,
    closing: CancellationToken,
) -> impl Stream<Item = Result<T>> + Send {
    let items = AssertUnwindSafe(items)
        .catch_unwind()
        .map(|item| item.unwrap_or_else(|_| Err(panicked())));
    stream::unfold(Some((items, closing)), |state| async {
        let (mut items, closing) = state?;
        let item = tokio::select! {
            biased;
            () = closing.cancelled() => Some(Err(closed())),
            item = items.next() => item,
        };
        let item = item?;
        let state = item.is_ok().then_some((items, closing));
        Some((item, state))
    })
}

/// A stream of nothing but an error.
fn only<T: Send + 'static>(error: Error) -> BoxStream<'static, Result<T>> {
    stream::once(std::future::ready(Err(error))).boxed()
}

fn panicked() -> Error {
    Error::internal("the operation ended in a panic; please report this")
}
