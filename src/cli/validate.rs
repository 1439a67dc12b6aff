//! `atom validate`: checks workflow files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use atom_engine::api::ValidateWorkflowRequest;
use atom_engine::{Engine, EngineConfig};
use clap::Args;

use super::document::located;
use super::error::CommandError;
use super::json::read_file;
use super::terminal::Terminal;

/// Check workflow files
///
/// Prints `FILE: ok`, or on standard error `FILE:line:column: message`. Parts of a valid workflow that this engine
/// does not carry out are warnings; such a workflow cannot be run.
#[derive(Debug, Args)]
pub(super) struct ValidateArguments {
    /// The files to check
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) async fn validate(
    arguments: &ValidateArguments,
    terminal: &mut Terminal,
) -> Result<ExitCode, CommandError> {
    let engine = Engine::open(EngineConfig::in_memory()).await?;
    let mut worst = 0;
    for file in &arguments.files {
        worst = worst.max(check(&engine, file, terminal).await?);
    }
    engine.close().await?;
    Ok(ExitCode::from(worst))
}

/// The exit code for one file.
async fn check(engine: &Engine, file: &Path, terminal: &mut Terminal) -> Result<u8, CommandError> {
    let document = match read_file(file) {
        Ok(document) => document,
        Err(unreadable) => {
            unreadable.show(terminal);
            return Ok(2);
        }
    };
    let validation = engine.call(ValidateWorkflowRequest::new(document)).await?;
    if let Some(problem) = &validation.problem {
        terminal.complain(&located(file, problem));
        return Ok(1);
    }
    let name = file.display();
    for part in &validation.unsupported {
        terminal.complain(&format!(
            "{name}:{}:{}: warning: {}: this engine does not carry out {}",
            part.line, part.column, part.path, part.feature
        ));
    }
    for resource in &validation.resources {
        terminal.complain(&format!(
            "{name}: note: '{}' is read when the workflow is deployed or run",
            resource.uri
        ));
    }
    terminal.print(&format!("{name}: ok"))?;
    Ok(0)
}
