//! `atom graph`: draws a workflow file.

use std::path::PathBuf;
use std::process::ExitCode;

use atom_workflow::definition::graph;
use clap::Args;

use super::document::WorkflowFile;
use super::error::CommandError;
use super::terminal::Terminal;

/// Draw a workflow file as a Mermaid flowchart
#[derive(Debug, Args)]
pub(super) struct GraphArguments {
    /// The workflow, YAML or JSON
    file: PathBuf,
}

pub(super) fn draw(arguments: &GraphArguments, terminal: &mut Terminal) -> Result<ExitCode, CommandError> {
    let file = WorkflowFile::read(&arguments.file)?;
    terminal.print(&graph(&file.workflow))?;
    Ok(ExitCode::SUCCESS)
}
