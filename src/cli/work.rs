//! `atom work`: keeps an engine open.

use std::process::ExitCode;
use std::time::Duration;

use atom_engine::RetentionConfig;
use clap::Args;

use super::error::CommandError;
use super::session::SessionOptions;
use super::terminal::Terminal;

/// Start runs by their schedules, finish those that were interrupted, and remove what has expired, until Ctrl-C is pressed
///
/// Schedules start runs only while an engine is open: this keeps one open, for every tenant and user of the data folder. Meanwhile no
/// other command has the folder. What is under way when it ends goes on the next time. On PostgreSQL many can work at once: each
/// takes runs that no other drives, also those of one that died. When the system asks it to end (SIGTERM), calls that are under
/// way come to their end, and the others take the rest.
#[derive(Debug, Args)]
pub(super) struct WorkArguments {
    /// How long runs that completed are kept where their documents say nothing, e.g. P30D; for ever unless given
    #[arg(long, value_name = "DURATION")]
    keep_completed: Option<String>,
    /// The same for runs that faulted or were cancelled
    #[arg(long, value_name = "DURATION")]
    keep_failed: Option<String>,
    /// How long events are kept; for ever unless given
    #[arg(long, value_name = "DURATION")]
    keep_events: Option<String>,
    /// How long statistics are kept, P31D or more; P400D unless given
    #[arg(long, value_name = "DURATION")]
    keep_statistics: Option<String>,
    /// How many seconds calls that are under way have to come to their end when the system asks it to end
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    grace: u64,
}

pub(super) async fn work(
    session: &SessionOptions,
    arguments: WorkArguments,
    terminal: &mut Terminal,
) -> Result<ExitCode, CommandError> {
    let defaults = RetentionConfig::default();
    let retention = RetentionConfig {
        completed: arguments.keep_completed,
        failed: arguments.keep_failed,
        events: arguments.keep_events,
        statistics: arguments.keep_statistics.unwrap_or(defaults.statistics),
    };
    let outcome = session
        .with_working_engine(retention, async |engine| {
            terminal.complain("working; Ctrl-C ends");
            terminated().await.map_err(CommandError::System)?;
            terminal.complain("finishing the calls that are under way; Ctrl-C stops them");
            engine.drain(Duration::from_secs(arguments.grace)).await?;
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
