//! `atom call`: any operation of the engine.

use std::process::ExitCode;

use atom_engine::Engine;
use atom_engine::api::OperationKind;
use clap::Args;
use futures::StreamExt;
use serde_json::{Value, json};

use super::error::CommandError;
use super::json;
use super::session::SessionOptions;
use super::terminal::Terminal;

/// Call an operation of the engine
///
/// Prints the answer as JSON, or each item of a stream as one line of JSON. Errors are JSON on standard error.
/// `atom api` lists the operations. A run that has not ended when the answer is there goes on with `atom resume`.
#[derive(Debug, Args)]
pub(super) struct CallArguments {
    /// The operation's name, e.g. runs.list
    operation: String,
    /// The request as JSON: the text itself, @FILE, or - for standard input, best for secrets
    #[arg(long = "with", value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    request: Option<String>,
}

pub(super) async fn call(
    session: &SessionOptions,
    arguments: CallArguments,
    terminal: &mut Terminal,
) -> Result<ExitCode, CommandError> {
    let request = arguments.request.as_deref().map_or(Ok(json!({})), json::read)?;
    let operation = arguments.operation.as_str();
    session
        .with_engine(async |engine| {
            if is_stream(operation) {
                stream(engine, operation, request, terminal).await
            } else {
                let answer = engine.call_json(engine.principal(), operation, request).await?;
                terminal.print_pretty(&answer)
            }
        })
        .await?;
    Ok(ExitCode::SUCCESS)
}

fn is_stream(operation: &str) -> bool {
    Engine::operations()
        .iter()
        .any(|known| known.name == operation && known.kind == OperationKind::Stream)
}

async fn stream(
    engine: &Engine,
    operation: &str,
    request: Value,
    terminal: &mut Terminal,
) -> Result<(), CommandError> {
    let mut items = engine.subscribe_json(engine.principal(), operation, request);
    while let Some(item) = items.next().await {
        terminal.print_line(&item?)?;
    }
    Ok(())
}
