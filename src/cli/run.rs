//! `atom run`: runs a workflow file and prints its output.

use std::path::{self, Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use atom_core::ApprovalId;
use atom_core::storage::RunStatus;
use atom_engine::api::{FollowRunRequest, GetRunRequest, Run, StartRunRequest};
use atom_engine::{Engine, Error, ErrorCode, RunId};
use atom_workflow::machine::RecordKind;
use clap::Args;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::document::{WorkflowFile, invalid};
use super::error::CommandError;
use super::json::read as read_json;
use super::paths;
use super::progress::Progress;
use super::session::SessionOptions;
use super::terminal::Terminal;

/// Run a workflow file and print its output
///
/// The run is durable: when it is interrupted, `atom resume` finishes it without repeating the steps that are
/// complete. So does it with runs that the workflow starts without awaiting them.
///
/// Output: a string is printed as it is, and so is the string `text` of an object that has one; anything else is
/// printed as JSON. A run that faults prints its id as `run` and its error as one JSON object on standard error.
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The workflow, YAML or JSON. Relative paths within it start at its folder
    file: PathBuf,
    /// The input as JSON, {} unless given: the text itself, @FILE, or - for standard input. Strings that the workflow's input
    /// schema gives `format: path` start at the current directory when they are relative
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    input: Option<String>,
    /// Print the whole output as JSON
    #[arg(long)]
    json: bool,
    /// Tell on standard error what happens, as one JSON object a line, as soon as it is on disk
    #[arg(long)]
    events: bool,
    /// The id to give to the run. Running again with the same id, workflow and input goes on with the first run
    #[arg(long, value_name = "UUID")]
    id: Option<RunId>,
}

pub(super) async fn run(
    session: &SessionOptions,
    arguments: RunArguments,
    terminal: &mut Terminal,
) -> Result<ExitCode, CommandError> {
    let file = WorkflowFile::read(&arguments.file)?;
    file.workflow
        .check_supported()
        .map_err(|error| invalid(&arguments.file, &error))?;
    let mut input = arguments.input.as_deref().map_or(Ok(json!({})), read_json)?;
    if let Some(schema) = file.workflow.source.pointer("/input/schema/document") {
        paths::make_absolute(&mut input, schema)?;
    }
    let start = StartRunRequest {
        document: Some(file.text),
        input,
        directory: Some(folder(&arguments.file)?),
        id: arguments.id,
        ..StartRunRequest::default()
    };
    let mut started = None;
    let document = &file.workflow.document;
    let mut watch = Watch {
        session,
        progress: Progress::new(document.title.as_deref().unwrap_or(&document.name)),
        has_events: arguments.events,
        terminal: &mut *terminal,
    };
    let outcome = session
        .with_engine(async |engine| {
            let run = engine.call(start).await?;
            started = Some(run.id);
            watch.until_end(engine, run.id).await
        })
        .await;
    match (outcome, started) {
        (Ok(run), _) => print_outcome(run, arguments.json, terminal),
        (Err(CommandError::Interrupted(_)), Some(id)) => Err(CommandError::Interrupted(Some(format!(
            "interrupted run {id}; `{}` finishes it",
            session.resume_command()
        )))),
        (Err(error), _) => Err(error),
    }
}

/// The folder that a file lies in.
fn folder(file: &Path) -> Result<PathBuf, CommandError> {
    let absolute =
        path::absolute(file).map_err(|error| CommandError::Usage(format!("{}: {error}", file.display())))?;
    Ok(absolute.parent().map(Path::to_path_buf).unwrap_or_default())
}

/// Shows what a run does.
struct Watch<'t> {
    session: &'t SessionOptions,
    progress: Progress,
    has_events: bool,
    terminal: &'t mut Terminal,
}

impl Watch<'_> {
    async fn until_end(&mut self, engine: &Engine, id: RunId) -> Result<Run, CommandError> {
        self.follow(engine, id).await?;
        Ok(engine.call(GetRunRequest::ended(id)).await?)
    }

    async fn follow(&mut self, engine: &Engine, id: RunId) -> Result<(), CommandError> {
        let mut entries = engine.subscribe(FollowRunRequest { id, after: 0 });
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                entry = entries.next() => {
                    let Some(entry) = entry else {
                        return Ok(());
                    };
                    let entry = match entry {
                        // Runs that are carried out elsewhere are waited for all the same.
                        Err(error) if error.code() == ErrorCode::Unsupported && !self.has_events => return Ok(()),
                        entry => entry?,
                    };
                    if self.has_events {
                        self.terminal.complain_json(&entry)?;
                        continue;
                    }
                    self.progress.note(&entry);
                    if let RecordKind::TaskAwaitingApproval { approval, title, .. } = &entry.record.what {
                        self.ask(*approval, title);
                    }
                }
                _ = ticks.tick() => {}
            }
            if !self.has_events {
                self.terminal.show_status(&self.progress.line());
            }
        }
    }

    /// Says what a person has to do. Nobody else can meanwhile: this process has the folder.
    fn ask(&mut self, approval: ApprovalId, title: &str) {
        let request = format!(r#"'{{"id": "{approval}", "decision": "approve"}}'"#);
        let decide = self.session.command("call approvals.decide");
        self.terminal.complain(&format!(
            "waits for an approval: {title} (press Ctrl-C, decide with `{decide} --with {request}`, and let it go on with `{}`)",
            self.session.resume_command()
        ));
    }
}

fn print_outcome(run: Run, is_json: bool, terminal: &mut Terminal) -> Result<ExitCode, CommandError> {
    match run.status {
        RunStatus::Completed => {
            let output = run.output.unwrap_or_default();
            match text(&output) {
                Some(text) if !is_json => terminal.print(text)?,
                _ => terminal.print_pretty(&output)?,
            }
            Ok(ExitCode::SUCCESS)
        }
        RunStatus::Faulted => Err(CommandError::Faulted {
            run: run.id,
            error: run.error.unwrap_or_default(),
        }),
        RunStatus::Cancelled | RunStatus::Running | RunStatus::Queued | RunStatus::Paused => {
            let message = format!("the run {} is {}", run.id, run.status.as_str());
            Err(Error::new(ErrorCode::Cancelled, message).into())
        }
    }
}

/// The text in an output that is meant to be read.
fn text(output: &Value) -> Option<&str> {
    match output {
        Value::Object(members) => members.get("text")?.as_str(),
        other => other.as_str(),
    }
}
