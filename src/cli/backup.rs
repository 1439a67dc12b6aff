//! `atom backup` and `atom restore`.

use std::path::PathBuf;
use std::process::ExitCode;

use atom_engine::backup;
use clap::Args;

use super::error::CommandError;
use super::session::SessionOptions;
use super::terminal::Terminal;

/// Copy everything that is kept into a new folder
///
/// The copy is of one moment, whole and checked; an engine at work goes on meanwhile. A PostgreSQL database is copied by pg_dump and put
/// back by pg_restore, which must be installed. The copy holds the key that opens
/// the secrets of the vault, unless that stands in ATOM_ROOT_KEY: keep it as safe as they are.
#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// The folder to copy to; it is made where it is missing
    folder: PathBuf,
    /// Leave the key of the vault out: its secrets can then be opened only with the key that stays in the data folder
    #[arg(long)]
    without_key: bool,
}

pub(super) async fn back_up(
    session: &SessionOptions,
    arguments: &BackupArguments,
    terminal: &mut Terminal,
) -> Result<ExitCode, CommandError> {
    let made = backup::create(&session.config()?, &arguments.folder, !arguments.without_key).await?;
    let key = if made.has_root_key {
        "with the vault's root key"
    } else {
        "without the vault's root key: keep that, too"
    };
    terminal.print(&format!(
        "{}: {} bytes, {key}",
        arguments.folder.display(),
        made.bytes
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Put a backup into a data folder or database that keeps nothing yet
///
/// Runs that were under way when the backup was made go on from there with `atom resume`: what they have called since is called again.
#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    /// The folder that `atom backup` has written
    folder: PathBuf,
}

pub(super) async fn restore(
    session: &SessionOptions,
    arguments: &RestoreArguments,
    terminal: &mut Terminal,
) -> Result<ExitCode, CommandError> {
    let restored = backup::restore(&arguments.folder, &session.config()?).await?;
    let key = if restored.has_root_key {
        ""
    } else {
        "; the vault needs its root key: put it into ATOM_ROOT_KEY, or as root.key into the data folder"
    };
    terminal.print(&format!("{} bytes restored{key}", restored.bytes))?;
    Ok(ExitCode::SUCCESS)
}
