//! `atom work`: keeps an engine open.

use std::process::ExitCode;

use clap::Args;

use super::error::CommandError;
use super::session::SessionOptions;
use super::terminal::Terminal;

/// Start runs by their schedules, and finish those that were interrupted, until Ctrl-C is pressed
///
/// Schedules start runs only while an engine is open: this keeps one open, for every tenant and user of the data folder. Meanwhile no
/// other command has the folder. What is under way when it ends goes on the next time.
#[derive(Debug, Args)]
pub(super) struct WorkArguments {}

pub(super) async fn work(
    session: &SessionOptions,
    _arguments: &WorkArguments,
    terminal: &mut Terminal,
) -> Result<ExitCode, CommandError> {
    let outcome = session
        .with_working_engine(async |_engine| {
            terminal.complain("working; Ctrl-C ends");
            terminated().await.map_err(CommandError::System)?;
            Ok(ExitCode::SUCCESS)
        })
        .await;
    match outcome {
        // This is how it is meant to end.
        Err(CommandError::Interrupted(_)) => Ok(ExitCode::SUCCESS),
        other => other,
    }
}

/// Returns when the system asks the process to end.
#[cfg(unix)]
async fn terminated() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::terminate())?.recv().await;
    Ok(())
}

/// Returns when the system asks the process to end: only Ctrl-C does there, and that is looked after already.
#[cfg(not(unix))]
async fn terminated() -> std::io::Result<()> {
    std::future::pending().await
}
