//! Engines to test with, and the workflows they run.

use std::time::Duration;

use atom_engine::{Engine, EngineConfig, Error, ErrorCode, Principal, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Greets whoever its input names.
pub(crate) const HELLO: &str = r#"
document: { dsl: 1.0.3, namespace: default, name: hello, version: 0.1.0, title: Says hello }
do:
  - greet: { set: { greeting: '${ "Hello " + .name }' } }
"#;

/// Waits for an event and gives its data.
pub(crate) const LISTEN: &str = r"
document: { dsl: 1.0.3, namespace: default, name: listen, version: 0.1.0 }
do:
  - hear: { listen: { to: { one: { with: { type: com.example.go } } } } }
";

/// Waits for longer than any test takes.
pub(crate) const SLEEP: &str = r"
document: { dsl: 1.0.3, namespace: default, name: sleep, version: 0.1.0 }
do:
  - sleep: { wait: { days: 1 } }
";

/// Fails.
pub(crate) const FAIL: &str = r"
document: { dsl: 1.0.3, namespace: default, name: fail, version: 0.1.0 }
do:
  - fail: { raise: { error: { type: 'https://example.com/broken', status: 500, title: Broken } } }
";

/// Uses what the engine does not carry out.
pub(crate) const UNSUPPORTED: &str = r"
document: { dsl: 1.0.3, namespace: default, name: cron, version: 0.1.0 }
schedule: { cron: '0 8 * * *', every: PT0.05S }
do:
  - nothing: { set: { x: 1 } }
";

/// An engine and what it needs to live.
pub(crate) struct Fixture {
    pub(crate) engine: Engine,
    pub(crate) ada: Principal,
    _folder: Option<TempDir>,
}

impl Fixture {
    pub(crate) async fn memory() -> Self {
        Self::new(EngineConfig::in_memory(), None).await
    }

    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::new(EngineConfig::in_folder(folder.path()), Some(folder)).await
    }

    /// None where PostgreSQL is not installed.
    #[cfg(all(unix, feature = "postgres"))]
    pub(crate) async fn postgres() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = EngineConfig {
            data_dir: Some(folder.path().to_owned()),
            storage: postgres().await?.parse().unwrap(),
            ..EngineConfig::default()
        };
        Some(Self::new(config, Some(folder)).await)
    }

    async fn new(config: EngineConfig, folder: Option<TempDir>) -> Self {
        let engine = Engine::open(config).await.unwrap();
        Self {
            engine,
            ada: Principal::new("acme", "ada").unwrap(),
            _folder: folder,
        }
    }

    /// Calls an operation as Ada.
    pub(crate) async fn try_call(&self, operation: &str, request: Value) -> Result<Value> {
        self.call_as(&self.ada, operation, request).await
    }

    /// Calls an operation; a call that hangs fails.
    pub(crate) async fn call_as(
        &self,
        principal: &Principal,
        operation: &str,
        request: Value,
    ) -> Result<Value> {
        let call = self.engine.call_json(principal, operation, request);
        tokio::time::timeout(Duration::from_secs(60), call).await.unwrap()
    }

    pub(crate) async fn call(&self, operation: &str, request: Value) -> Value {
        self.try_call(operation, request).await.unwrap()
    }

    /// The error of a call, which must name the operation or the function that failed.
    pub(crate) async fn error(&self, operation: &str, request: Value) -> Error {
        let error = self.try_call(operation, request).await.unwrap_err();
        assert!(error.operation().is_some(), "{error}");
        error
    }

    pub(crate) async fn assert_error(&self, operation: &str, request: Value, code: ErrorCode) {
        let error = self.error(operation, request.clone()).await;
        assert_eq!(error.code(), code, "{operation} {request}: {error}");
    }

    /// Starts a run of a document and gives its id.
    pub(crate) async fn start(&self, document: &str) -> String {
        let run = self
            .call(
                "runs.start",
                json!({ "document": document, "input": { "name": "Ada" } }),
            )
            .await;
        run["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn wait(&self, id: &str) -> Value {
        self.call("runs.get", json!({ "id": id, "wait": true })).await
    }
}

/// The URL of a place in a PostgreSQL database that no other test has; none where PostgreSQL is not installed.
#[cfg(all(unix, feature = "postgres"))]
pub(crate) async fn postgres() -> Option<String> {
    let server = atom_integrations::storage::postgres_testing::TestPostgres::shared();
    let server = server.await.unwrap()?;
    Some(format!(
        "{}&max_connections=4&lease_ms=3000",
        server.url(&server.database())
    ))
}

/// Runs each test on every storage.
macro_rules! on_every_storage {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::Fixture::memory().await).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::Fixture::sqlite().await).await;
            })*
        }
        #[cfg(all(unix, feature = "postgres"))]
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(fixture) = $crate::support::Fixture::postgres().await {
                    super::$test(fixture).await;
                }
            })*
        }
    };
}

pub(crate) use on_every_storage;
