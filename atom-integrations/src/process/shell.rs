//! The function `run.shell`: a command of the system's shell.

use std::sync::Arc;

use atom_core::function::{FunctionContext, TypedFunction};
use atom_core::{Function, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::given::{Given, Return, check_text};
use super::supervisor::Supervisor;
use super::system::SystemProcess;
use super::{carry_out, guarded};

/// The arguments of `run: shell`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ShellRequest {
    /// The command, for `/bin/sh -c`.
    command: String,
    /// What the command reads from its standard input; what is not a text is passed as JSON.
    #[serde(default)]
    stdin: Option<Value>,
    /// `$1`, `$2` and so on.
    #[serde(default)]
    arguments: Option<Vec<Value>>,
    /// Environment variables by name, besides `PATH`.
    #[serde(default)]
    environment: Option<Map<String, Value>>,
    /// Which part of the result is given back.
    #[serde(default)]
    r#return: Return,
    /// Whether the end of the command is waited for.
    #[serde(default = "super::awaited")]
    r#await: bool,
}

pub(super) fn function(is_allowed: bool, supervisor: Arc<Supervisor>) -> Arc<dyn Function> {
    let call = move |request: ShellRequest, context: FunctionContext| {
        let supervisor = Arc::clone(&supervisor);
        async move { call(&supervisor, request, &context).await }
    };
    let function = TypedFunction::new(
        "run.shell",
        "Runs a shell command and gives back what it wrote.",
        call,
    );
    guarded(function, is_allowed, "shell")
}

async fn call(supervisor: &Supervisor, request: ShellRequest, context: &FunctionContext) -> Result<Value> {
    check_text(&request.command, "the command")?;
    let given = Given::new(
        request.stdin,
        request.arguments,
        request.environment,
        &context.idempotency_key,
    )?;
    // `$0` is the name that the shell's own messages begin with.
    let process = SystemProcess::new("/bin/sh", given.clone(), "processes need a POSIX shell")
        .with_arguments(["-c", request.command.as_str(), "sh"])
        .in_directory(context.directory.clone());
    carry_out(
        supervisor,
        process,
        &given,
        request.r#return,
        request.r#await,
        context,
    )
    .await
}
