//! The `atom` command: runs workflow files, and offers every operation of the engine to shells.

mod backup;
mod call;
mod completions;
mod document;
mod error;
mod graph;
mod json;
mod operations;
mod paths;
mod progress;
mod replay;
mod resume;
mod run;
mod session;
mod storage;
mod terminal;
mod validate;
mod work;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::CommandError;
use session::SessionOptions;
use terminal::Terminal;

/// Runs durable workflows written as YAML.
#[derive(Debug, Parser)]
#[command(name = "atom", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    session: SessionOptions,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 success; 1 the run, the operation or the check failed; 2 wrong use, e.g. an unreadable file, \
malformed JSON or an invalid workflow; 130 interrupted by Ctrl-C.

The engine acts for whoever starts it: it may read and write every file that they may. It runs processes only with --allow.";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArguments),
    Resume(resume::ResumeArguments),
    Work(work::WorkArguments),
    Call(call::CallArguments),
    Api(operations::ApiArguments),
    Validate(validate::ValidateArguments),
    Graph(graph::GraphArguments),
    Replay(replay::ReplayArguments),
    Backup(backup::BackupArguments),
    Restore(backup::RestoreArguments),
    Storage(storage::StorageArguments),
    Completions(completions::CompletionsArguments),
}

/// Does what the command line asks for.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help_or_error) => {
            // There is nobody to tell when the terminal has gone.
            let _ = help_or_error.print();
            return exit_code(help_or_error.exit_code());
        }
    };
    let mut terminal = Terminal::standard();
    let outcome = carry_out(cli, &mut terminal);
    match outcome {
        Ok(code) => code,
        Err(error) => {
            error.show(&mut terminal);
            exit_code(error.exit_code())
        }
    }
}

fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn carry_out(cli: Cli, terminal: &mut Terminal) -> Result<ExitCode, CommandError> {
    // The main thread is the third: it writes the output, which may block.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CommandError::System)?;
    let session = cli.session;
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Run(arguments) => run::run(&session, arguments, terminal).await,
            Command::Resume(arguments) => resume::resume(&session, &arguments, terminal).await,
            Command::Work(arguments) => work::work(&session, arguments, terminal).await,
            Command::Call(arguments) => call::call(&session, arguments, terminal).await,
            Command::Api(arguments) => operations::show(&arguments, terminal),
            Command::Validate(arguments) => validate::validate(&arguments, terminal).await,
            Command::Graph(arguments) => graph::draw(&arguments, terminal),
            Command::Replay(arguments) => replay::replay(&arguments, terminal),
            Command::Backup(arguments) => backup::back_up(&session, &arguments, terminal).await,
            Command::Restore(arguments) => backup::restore(&session, &arguments, terminal).await,
            Command::Storage(arguments) => storage::storage(&session, &arguments, terminal).await,
            Command::Completions(arguments) => completions::write(&arguments, terminal),
        }
    });
    // The engine is closed by now; what still blocks a thread has nobody who waits for it.
    runtime.shutdown_background();
    outcome
}
