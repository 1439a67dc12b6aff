//! Processes as functions.

mod container;
#[cfg(feature = "javascript")]
mod javascript;
mod system;

use std::path::Path;
use std::sync::Arc;

use atom_core::function::StepContext;
use atom_core::{CancellationToken, Function, FunctionContext, Principal, Result};
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};

use super::{ProcessConfig, Processes};
use crate::http::{HttpClient, HttpConfig};
use crate::local::FileAccess;

/// How often a test looks whether something has happened outside.
const POLL: std::time::Duration = std::time::Duration::from_millis(5);

pub(super) struct Bench {
    pub(super) processes: Arc<Processes>,
    pub(super) context: FunctionContext,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(
            json!({ "shell": true, "script": true, "container": true }),
            FileAccess::none(),
        )
    }

    pub(super) fn with(config: Value, access: FileAccess) -> Self {
        let config: ProcessConfig = serde_json::from_value(config).unwrap();
        let http = HttpClient::new(HttpConfig::default()).unwrap();
        let processes = Processes::new(&config, &http, access);
        let ada = Principal::new("acme", "ada").unwrap();
        Self {
            processes: Arc::new(processes),
            context: FunctionContext::direct(ada, "key-1"),
        }
    }

    /// As a step of a run, whose call is repeated after a crash.
    pub(super) fn of_a_step(mut self) -> Self {
        self.context.step = Some(StepContext {
            run: "0192f0c1-0000-7000-8000-000000000001".parse().unwrap(),
            task: "/do/0/pack box".to_owned(),
        });
        self
    }

    pub(super) fn function(&self, name: &str) -> Arc<dyn Function> {
        let mut functions = self.processes.functions().into_iter();
        functions.find(|function| function.info().name == name).unwrap()
    }

    pub(super) async fn call(&self, function: &str, arguments: Value) -> Result<Value> {
        self.function(function)
            .call(arguments, self.context.clone())
            .await
    }

    pub(super) async fn shell(&self, arguments: Value) -> Result<Value> {
        self.call("run.shell", arguments).await
    }

    pub(super) fn begin(&self, function: &str, arguments: Value) -> tokio::task::JoinHandle<Result<Value>> {
        let (function, context) = (self.function(function), self.context.clone());
        tokio::spawn(async move { function.call(arguments, context).await })
    }

    pub(super) fn cancellation(&self) -> CancellationToken {
        self.context.cancellation.clone()
    }
}

/// Waits until a file holds this many lines and gives them.
pub(super) async fn lines(path: &Path, count: usize) -> Vec<String> {
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') && text.lines().count() >= count {
            return text.lines().map(str::to_owned).collect();
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether a process is there, be it as a zombie.
pub(super) fn exists(id: &str) -> bool {
    test_kill_process(Pid::from_raw(id.parse().unwrap()).unwrap()).is_ok()
}

/// Waits until a process that is nobody's child here any more is gone. Whoever adopts orphans removes them in its
/// own time.
pub(super) async fn gone(id: &str) {
    let is_zombie = || {
        let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        status
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z'))
    };
    while exists(id) && !is_zombie() {
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn every_kind_is_off_until_it_is_turned_on() {
    let bench = Bench::with(json!({}), FileAccess::everywhere());
    for (kind, arguments) in [
        ("shell", json!({ "command": "true" })),
        ("script", json!({ "language": "js", "code": "1" })),
        ("container", json!({ "image": "alpine" })),
    ] {
        let name = format!("run.{kind}");
        let error = bench.call(&name, arguments).await.unwrap_err();
        assert_eq!(error.code(), atom_core::ErrorCode::PermissionDenied);
        assert!(
            error.message().contains(&format!("'processes.{kind}'")),
            "{error}"
        );
        assert_eq!(
            bench.function(&name).check().unwrap_err().message(),
            error.message()
        );
    }
    let bench = Bench::with(json!({ "shell": true }), FileAccess::none());
    assert!(bench.function("run.shell").check().is_ok());
    assert!(bench.function("run.script").check().is_err());
}
