//! Processes for workflows: the functions `run.shell`, `run.script` and `run.container`, which back `run` of the Open
//! Workflow specification 1.0.3 (<https://github.com/open-workflow-specification/specification/blob/main/dsl-reference.md#run>).
//!
//! Every kind is off until [`ProcessConfig`] turns it on. A process gets `PATH`, `ATOM_IDEMPOTENCY_KEY` and what the
//! document names as its environment, and runs in the run's directory or in an empty folder. It is ended together
//! with its process group when its caller cancels, at the deadline, when it writes too much and when the engine
//! closes. Its output is text; what is not UTF-8 is replaced by U+FFFD.
//!
//! ```
//! use atom_core::{ErrorCode, FunctionContext, Principal};
//! use atom_integrations::http::{HttpClient, HttpConfig};
//! use atom_integrations::local::FileAccess;
//! use atom_integrations::process::{ProcessConfig, Processes};
//! use serde_json::json;
//!
//! let processes = Processes::new(&ProcessConfig::default(), &HttpClient::new(HttpConfig::default())?, FileAccess::none());
//! let functions = processes.functions();
//! let shell = functions.iter().find(|function| function.info().name == "run.shell").unwrap();
//! assert_eq!(shell.check().unwrap_err().code(), ErrorCode::PermissionDenied);
//! # Ok::<(), atom_core::Error>(())
//! ```

use std::sync::Arc;

use atom_core::function::TypedFunction;
use atom_core::{Error, ErrorCode, Function, FunctionContext, Result};
use serde_json::Value;

use crate::http::HttpClient;
use crate::http::resource::Loader;
use crate::local::FileAccess;
use given::{Given, Return};
use script::Scripts;
use supervisor::{Process, Supervisor};

mod config;
#[cfg(unix)]
mod container;
pub(crate) mod given;
#[cfg(feature = "javascript")]
mod javascript;
mod outcome;
mod script;
#[cfg(unix)]
mod shell;
mod supervisor;
#[cfg(unix)]
mod system;
#[cfg(all(unix, any(test, feature = "testkit")))]
pub mod testing;
#[cfg(test)]
#[cfg(unix)]
mod tests;

pub use config::ProcessConfig;

/// The functions that run processes, and the processes under way.
#[derive(Debug)]
pub struct Processes {
    functions: Vec<Arc<dyn Function>>,
    supervisor: Arc<Supervisor>,
}

impl Processes {
    /// The functions `run.shell`, `run.script` and `run.container`. Those that are off are there and refuse: a run
    /// that was started when they were on must not wait for them for ever. The sources of scripts are read by the
    /// rules of `http` and `access`; containers may mount what `access` opens. Nothing is started before the first
    /// call.
    #[must_use]
    pub fn new(config: &ProcessConfig, http: &HttpClient, access: FileAccess) -> Self {
        let supervisor = Arc::new(Supervisor::default());
        let scripts = Scripts {
            supervisor: Arc::clone(&supervisor),
            loader: Loader::new(http, access.clone()),
            python: config.python.clone().unwrap_or_else(|| "python3".into()),
        };
        let mut functions = vec![script::function(config.script, scripts)];
        #[cfg(unix)]
        functions.extend([
            shell::function(config.shell, Arc::clone(&supervisor)),
            container::function(config, Arc::clone(&supervisor), access),
        ]);
        #[cfg(not(unix))]
        for name in ["run.shell", "run.container"] {
            let call = |_: Value, _: FunctionContext| async { Err::<Value, _>(no_processes()) };
            let function = TypedFunction::new(name, "Not available on this system.", call);
            functions.push(Arc::new(function.refused(no_processes())));
        }
        Self {
            functions,
            supervisor,
        }
    }

    /// The functions, to register.
    #[must_use]
    pub fn functions(&self) -> Vec<Arc<dyn Function>> {
        self.functions.clone()
    }

    /// Says that the engine is about to close. Containers whose calls end from now on without being cancelled go
    /// on by themselves: their runs resume, and find them again.
    pub fn begin_close(&self) {
        self.supervisor.begin_close();
    }

    /// Ends the processes that are left, those that nobody awaits among them, and waits until they are gone, ten
    /// seconds at most.
    ///
    /// # Cancel safety
    /// Dropping the future forgets the wait; the processes are ended.
    pub async fn close(&self) {
        self.supervisor.close().await;
    }
}

/// A function that refuses when its kind of process is off.
fn guarded(function: TypedFunction, is_allowed: bool, setting: &str) -> Arc<dyn Function> {
    if is_allowed {
        return Arc::new(function);
    }
    let message = format!(
        "'run: {setting}' is turned off; whoever operates the engine can allow it with its setting 'processes.{setting}'"
    );
    Arc::new(function.refused(Error::new(ErrorCode::PermissionDenied, message)))
}

/// Runs a process and gives the wanted part of its result; `null` for one that is not awaited.
async fn carry_out(
    supervisor: &Supervisor,
    process: impl Process + 'static,
    given: &Given,
    wanted: Return,
    is_awaited: bool,
    context: &FunctionContext,
) -> Result<Value> {
    if !is_awaited {
        return supervisor.detach(process, context).await.map(|()| Value::Null);
    }
    supervisor.run(process, context).await?.select(wanted, given)
}

fn awaited() -> bool {
    true
}

#[cfg(not(unix))]
fn no_processes() -> Error {
    Error::new(
        ErrorCode::Unsupported,
        "processes run on Unix systems only; on this one scripts in JavaScript do",
    )
}

/// A process that this build cannot have.
#[cfg(any(not(unix), not(feature = "javascript")))]
enum Nothing {}

#[cfg(any(not(unix), not(feature = "javascript")))]
#[async_trait::async_trait]
impl Process for Nothing {
    async fn start(&mut self, _: &supervisor::Stop) -> Result<()> {
        match *self {}
    }

    async fn finish(self: Box<Self>, _: &supervisor::Stop) -> Result<outcome::Outcome> {
        match *self {}
    }
}
