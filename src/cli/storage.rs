//! `atom storage`.

use std::path::PathBuf;
use std::process::ExitCode;

use atom_engine::{EngineConfig, Secret, Storage, storage};
use clap::{Args, Subcommand};

use super::error::CommandError;
use super::session::{SessionOptions, secret};
use super::terminal::Terminal;

/// Work on where everything is kept
#[derive(Debug, Args)]
pub(super) struct StorageArguments {
    #[command(subcommand)]
    command: StorageCommand,
}

#[derive(Debug, Subcommand)]
enum StorageCommand {
    Copy(CopyArguments),
}

/// Copy everything that is kept to another place, which keeps nothing yet
///
/// A place is a data folder, or the URL of a PostgreSQL database, whose password may stand in PGPASSWORD. The file root.key of the vault
/// is copied, too: the one for a database lies in the folder of --data-dir. Runs go on where they were: close what uses the first place,
/// and open the second one from then on.
#[derive(Debug, Args)]
struct CopyArguments {
    /// The folder or URL to copy from
    #[arg(value_parser = secret)]
    from: Secret,
    /// The folder or URL to copy to; it is made where it is missing
    #[arg(value_parser = secret)]
    to: Secret,
}

pub(super) async fn storage(
    session: &SessionOptions,
    arguments: &StorageArguments,
    terminal: &mut Terminal,
) -> Result<ExitCode, CommandError> {
    let StorageCommand::Copy(CopyArguments { from, to }) = &arguments.command;
    let copied = storage::copy(&config(session, from)?, &config(session, to)?).await?;
    let width = copied.tables.iter().map(|table| table.name.len()).max();
    let width = width.unwrap_or_default();
    for table in &copied.tables {
        let count = format!("{:width$}  {:>10}", table.name, table.rows);
        terminal.print(&count)?;
    }
    terminal.print(if copied.has_root_key {
        "copied and compared, with the vault's root key"
    } else {
        "copied and compared, without the vault's root key: keep that, too"
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The configuration of an engine on a place.
fn config(session: &SessionOptions, place: &Secret) -> Result<EngineConfig, CommandError> {
    let mut config = session.config()?;
    if place.expose().contains("://") {
        config.storage = place.expose().parse()?;
    } else {
        config.storage = Storage::Sqlite;
        config.data_dir = Some(PathBuf::from(place.expose()));
    }
    Ok(config)
}
