//! `atom replay`: replays exported runs.

use std::path::PathBuf;
use std::process::ExitCode;

use atom_workflow::runtime::Recording;
use clap::Args;

use super::error::CommandError;
use super::json::read_file;
use super::terminal::Terminal;

/// Replay exported runs
///
/// A file holds what `atom call runs.export` printed. Prints `FILE: the same, N entries`, or on standard error where this
/// version of the engine would do something else than the run did. Nothing is called.
#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// The files to replay
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn replay(arguments: &ReplayArguments, terminal: &mut Terminal) -> Result<ExitCode, CommandError> {
    let mut is_same = true;
    for file in &arguments.files {
        let name = file.display();
        let recording: Recording = serde_json::from_str(&read_file(file)?)
            .map_err(|error| CommandError::Usage(format!("{name}: this is no exported run: {error}")))?;
        let replayed = recording
            .replay()
            .map_err(|error| error.with_context("file", &name))?;
        match replayed.divergence {
            None => terminal.print(&format!("{name}: the same, {} entries", replayed.entries))?,
            Some(found) => {
                is_same = false;
                terminal.complain(&format!(
                    "{name}: entry {}: the run had '{}', this version has '{}'",
                    found.entry, found.expected, found.found
                ));
            }
        }
    }
    Ok(if is_same {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
