//! Puts an engine together.

use std::sync::Arc;

use atom_core::{Clock, Function, FunctionRegistry, RandomSource, Result};
use atom_integrations::http::HttpClient;
use atom_integrations::process::Processes;
use atom_integrations::system::{SystemClock, SystemRandom};
use atom_integrations::{a2a, http, local, text};

use crate::engine::Assembly;
use crate::runs::Plan;
use crate::storage::OpenStorage;
use crate::{Engine, EngineConfig, Storage};

/// Puts an engine together from a configuration and, for tests and special hosts, parts of one's own.
///
/// ```
/// use atom_core::function::TypedFunction;
/// use atom_engine::api::CallFunctionRequest;
/// use atom_engine::{Engine, EngineConfig};
/// use serde_json::json;
/// use std::sync::Arc;
///
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 1)]
/// # async fn main() -> atom_engine::Result<()> {
/// let double = TypedFunction::new("double", "Doubles a number.", |n: i64, _| async move { Ok(n * 2) });
/// let engine = Engine::builder(EngineConfig::in_memory()).with_function(Arc::new(double)).open().await?;
/// let answer = engine.call(CallFunctionRequest::new("double", json!(21))).await?;
/// assert_eq!(answer.output, 42);
/// # engine.close().await
/// # }
/// ```
#[derive(Debug)]
pub struct EngineBuilder {
    config: EngineConfig,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    functions: Vec<Arc<dyn Function>>,
}

impl EngineBuilder {
    pub(crate) fn new(config: EngineConfig) -> Self {
        Self {
            config,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            functions: Vec::new(),
        }
    }

    /// Replaces the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Replaces the source of randomness for ids.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn RandomSource>) -> Self {
        self.random = random;
        self
    }

    /// Registers a function before any run resumes.
    #[must_use]
    pub fn with_function(mut self, function: Arc<dyn Function>) -> Self {
        self.functions.push(function);
        self
    }

    /// Opens the engine. Must be called within a tokio runtime that outlives it.
    ///
    /// # Errors
    /// `invalid_request` for a configuration that does not fit, `already_exists` for a function whose name is
    /// taken, `unavailable` when a Temporal server is not reached, and whatever the store says, e.g. `locked` when another
    /// engine has the folder open.
    pub async fn open(self) -> Result<Engine> {
        let functions = Arc::new(FunctionRegistry::default());
        let mut access = self.config.file_roots.access()?;
        match (&self.config.storage, self.config.data_folder()) {
            (Storage::Memory, _) => {}
            // No folder, no key in it.
            (Storage::Postgres(_), Err(_)) => {}
            // Below a root or not, the root key and the database are nobody's files.
            (_, folder) => access = access.without(folder?)?,
        }
        let client = HttpClient::new(self.config.http.clone())?;
        let processes = Processes::new(&self.config.processes, &client, access.clone());
        for connector in local::connectors(access.clone())? {
            connector.register(&functions)?;
        }
        let mut built_in = http::functions(&client);
        built_in.push(http::resource_function(&client, access.clone()));
        built_in.push(a2a::function(&client));
        #[cfg(feature = "asyncapi")]
        built_in.push(atom_integrations::asyncapi::function(&client, access.clone()));
        #[cfg(feature = "grpc")]
        built_in.push(atom_integrations::grpc::function(&client, access));
        #[cfg(feature = "mcp")]
        built_in.push(atom_integrations::mcp::function(
            &client,
            self.config.processes.clone(),
        ));
        built_in.extend(text::functions());
        built_in.extend(processes.functions());
        for function in built_in.into_iter().chain(self.functions) {
            functions.register(function)?;
        }
        // Everything that can be refused is checked before anything is written.
        let principal = self.config.principal()?;
        let permissions = self.config.permission_table()?;
        let alert_interval = self.config.alert_interval()?;
        let retention = self.config.retention.settings()?;
        let settings = self.config.runtime_settings()?;
        let runs = Plan::new(&self.config, &settings)?;
        let is_embedded = runs.is_embedded();
        let storage = OpenStorage::open(&self.config).await?;
        client.keep_tokens_in(Arc::clone(&storage.vault));
        let close_grace = self.config.close_grace();
        let engine = Engine::assemble(Assembly {
            storage,
            functions,
            http: client,
            processes,
            clock: self.clock,
            random: self.random,
            principal,
            permissions,
            retention,
            close_grace,
            settings,
            runs,
        })
        .await?;
        let begun = async {
            engine.join_workers(self.config.resume && is_embedded).await?;
            if self.config.resume {
                engine.resume().await?;
            }
            Ok(())
        };
        if let Err(error) = begun.await {
            engine.close().await?;
            return Err(error);
        }
        if self.config.resume {
            if is_embedded {
                engine.start_schedules();
                engine.start_alerts(alert_interval);
            }
            engine.start_retention();
        }
        Ok(engine)
    }
}

#[cfg(test)]
mod tests {
    use atom_core::{ErrorCode, Result};
    use serde_json::json;

    use crate::api::CallFunctionRequest;
    use crate::{Engine, EngineConfig};

    #[tokio::test]
    async fn the_engines_own_files_are_nobodys_whatever_the_roots() -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        for roots in [json!("everywhere"), json!([folder.path()])] {
            let config: EngineConfig =
                serde_json::from_value(json!({ "data_dir": data, "file_roots": roots })).unwrap();
            let engine = Engine::builder(config).open().await?;
            for (function, input) in [
                ("folder.documents.get", json!({ "path": data.join("root.key") })),
                ("folder.documents.list", json!({ "path": data, "glob": "*" })),
                (
                    "folder.files.write",
                    json!({ "path": data.join("root.key"), "content": "" }),
                ),
            ] {
                let error = engine
                    .call(CallFunctionRequest::new(function, input))
                    .await
                    .unwrap_err();
                assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error}");
            }
            let found = CallFunctionRequest::new(
                "folder.documents.list",
                json!({ "path": folder.path(), "glob": "**" }),
            );
            assert_eq!(engine.call(found).await?.output["documents"], json!([]));
            engine.close().await?;
        }
        Ok(())
    }
}
