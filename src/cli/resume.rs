//! `atom resume`: finishes runs that were interrupted.

use std::process::ExitCode;

use atom_core::storage::RunStatus;
use atom_engine::Engine;
use atom_engine::api::{GetRunRequest, ListRunsRequest, Run};
use clap::Args;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::Value;

use super::error::CommandError;
use super::session::SessionOptions;
use super::terminal::Terminal;

/// Finish the runs that were interrupted
///
/// Every run of the tenant and user that has not ended goes on where it was; complete steps are not repeated. Waits until all of them have
/// ended, except for those that are paused, and prints one line for each. Exits with 0 when all are completed, with 1 otherwise.
#[derive(Debug, Args)]
pub(super) struct ResumeArguments {
    /// Print each run as one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn resume(
    session: &SessionOptions,
    arguments: &ResumeArguments,
    terminal: &mut Terminal,
) -> Result<ExitCode, CommandError> {
    let outcome = session
        .with_engine(async |engine| {
            let interrupted = interrupted(engine).await?;
            if interrupted.is_empty() {
                terminal.complain("no run of this tenant and user was interrupted; those that are paused go on with runs.resume");
            }
            engine.resume_as(engine.principal()).await?;
            let mut ends: FuturesUnordered<_> = interrupted
                .iter()
                .map(|run| engine.call(GetRunRequest::ended(run.id)))
                .collect();
            let mut are_completed = true;
            while let Some(end) = ends.next().await {
                match end {
                    Ok(run) => {
                        are_completed &= run.status == RunStatus::Completed;
                        if arguments.json {
                            terminal.print_line(&run)?;
                        } else {
                            terminal.print(&line(&run))?;
                        }
                    }
                    Err(error) => {
                        are_completed = false;
                        CommandError::from(error).show(terminal);
                    }
                }
            }
            Ok(if are_completed {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        })
        .await;
    outcome.map_err(|error| match error {
        CommandError::Interrupted(_) => CommandError::Interrupted(Some(format!(
            "interrupted; `{}` goes on",
            session.resume_command()
        ))),
        other => other,
    })
}

/// The runs that go on by themselves, without those that another run has started.
async fn interrupted(engine: &Engine) -> Result<Vec<Run>, CommandError> {
    let mut runs = Vec::new();
    let mut after = None;
    loop {
        let page = engine
            .call(ListRunsRequest {
                statuses: vec![RunStatus::Running, RunStatus::Queued],
                after,
                limit: Some(1000),
                ..ListRunsRequest::default()
            })
            .await?;
        runs.extend(page.items.into_iter().filter(|run| run.parent.is_none()));
        after = page.next;
        if after.is_none() {
            return Ok(runs);
        }
    }
}

fn line(run: &Run) -> String {
    let workflow = &run.workflow;
    let head = format!(
        "{} {}/{} {}",
        run.id,
        workflow.namespace,
        workflow.name,
        run.status.as_str()
    );
    match &run.error {
        Some(error) => format!("{head}: {}", reason(error)),
        None => head,
    }
}

fn reason(error: &Value) -> String {
    let parts = ["title", "detail"]
        .into_iter()
        .filter_map(|part| error[part].as_str());
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() {
        error.to_string()
    } else {
        parts.join(": ")
    }
}
