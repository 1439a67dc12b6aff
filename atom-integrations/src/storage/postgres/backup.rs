//! Backups of a database: with PostgreSQL's own tools, in their own format.
//!
//! A backup is a folder with the file `atom.dump`, which `pg_dump` wrote and `pg_restore` reads, and the file `root.key` of the
//! vault when there is one beside the engine: without the key, the secrets in the database are lost. So a backup is as secret
//! as the vault.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use atom_core::{Error, ErrorCode, Result, Secret};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};
use tokio::process::Command;
use url::Url;

use super::config::PostgresConfig;
use super::error::storage_error;
use super::open::connect;
use super::rows::Decoded;
use crate::storage::backup::{Backup, DUMP, RootKeyCopy, absolute, put};
use crate::storage::sqlite::{blocking, create_directory, file_error, private_file};
use crate::vault::{check_file, first_key_of_postgres};

/// How many bytes of what a tool says stand in an error.
const LONGEST_WORDS: usize = 1000;

/// The parameters of a URL that the tools read from variables.
const VARIABLES: [(&str, &str); 4] = [
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
];

/// Copies the store of a database into a folder, which is made where it is missing. The copy is of one moment; engines go on
/// meanwhile. With a `key_directory` its file `root.key` is copied, too. `pg_dump` must be of the version of the server, or
/// newer.
///
/// # Errors
/// `not_found` when the database has no store, `already_exists` when the folder has a backup, `unsupported` when `pg_dump` is not
/// installed, `invalid_data` when the key does not open the vault, those of connecting, `permission_denied`, `storage_full` or `storage_failed`, which says what `pg_dump` did. The folder
/// has no backup then.
///
/// # Cancel safety
/// Dropping the future ends `pg_dump` and leaves a folder without a backup.
pub async fn create(url: &Secret, folder: &Path, key_directory: Option<&Path>) -> Result<Backup> {
    let config = PostgresConfig::new(url)?;
    if !has_store(&config, false).await? {
        let message = "the schema of the database has no store to copy; correct the URL";
        return Err(named(Error::not_found(message), &config));
    }
    if let Some(directory) = key_directory {
        check_key(&config, directory).await?;
    }
    let folder = absolute(folder)?;
    let prepare = move || {
        let dump = folder.join(DUMP);
        if dump.exists() {
            let message = "there is a backup already, which stays as it is; choose an empty folder";
            return Err(Error::new(ErrorCode::AlreadyExists, message).with_context("path", dump.display()));
        }
        create_directory(&folder).map_err(|error| file_error(&folder, error))?;
        let draft = Draft(folder.join("atom.dump.new"));
        let file = private_file()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&draft.0);
        let file = file.map_err(|error| file_error(&draft.0, error))?;
        Ok((folder, dump, draft, file))
    };
    let (folder, dump, draft, file) = blocking("copying the store", prepare).await?;
    let mut tool = tool("pg_dump", url, &config)?;
    tool.arg("--format=custom")
        .arg("--no-owner")
        .arg("--no-privileges")
        // The role sees all rows, as its variables say so, and not because nothing is checked.
        .arg("--enable-row-security")
        .arg(format!("--schema={}", config.schema()))
        .stdout(file);
    run("pg_dump", tool, &config).await?;
    let key_directory = key_directory.map(Path::to_owned);
    blocking("copying the store", move || {
        let key = key_directory.map(|from| RootKeyCopy::prepare(&from, &folder));
        let has_root_key = key.transpose()?.map_or(Ok(false), |key| key.place())?;
        // The dump comes last: where it stands, the backup is whole.
        let bytes = put(&draft.0, &dump, &folder).map_err(|error| file_error(&dump, error))?;
        Ok(Backup { bytes, has_root_key })
    })
    .await
}

/// Puts a backup into a database that has no store in the schema of the URL, which is that of the backup. With a `key_directory`
/// the file `root.key` of the backup is put there. Runs that were under way when the backup was made go on from there when
/// an engine opens the database: what they have called since is called again.
///
/// # Errors
/// `already_exists` when the database has a store or the directory another key; `invalid_request` when the backup is of another
/// schema; `unsupported` when `pg_restore` is not installed; and as [`create`]. The database has no store then.
///
/// # Cancel safety
/// Dropping the future ends `pg_restore` and leaves a database without a store.
pub async fn restore(url: &Secret, folder: &Path, key_directory: Option<&Path>) -> Result<Backup> {
    let config = PostgresConfig::new(url)?;
    let folder = absolute(folder)?;
    let key_directory = key_directory.map(Path::to_owned);
    let prepare = move || {
        let dump = folder.join(DUMP);
        let file = File::open(&dump).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                let message =
                    "there is no backup of a database; choose the folder that has the file atom.dump";
                Error::not_found(message).with_context("path", dump.display())
            }
            _ => file_error(&dump, error),
        })?;
        let bytes = file.metadata().map_err(|error| file_error(&dump, error))?.len();
        let key = key_directory.map(|to| RootKeyCopy::prepare(&folder, &to));
        Ok((file, bytes, key.transpose()?))
    };
    let (file, bytes, key) = blocking("restoring the store", prepare).await?;
    if has_store(&config, true).await? {
        let message =
            "the schema of the database has a store already, which stays as it is; choose another database";
        return Err(named(Error::new(ErrorCode::AlreadyExists, message), &config));
    }
    let mut tool = tool("pg_restore", url, &config)?;
    let database = config.database().replace('\\', r"\\").replace('\'', r"\'");
    tool.arg(format!("--dbname=dbname='{database}'"))
        .arg(format!("--schema={}", config.schema()))
        .args(["--no-owner", "--no-privileges"])
        .args(["--single-transaction", "--exit-on-error"])
        .stdin(file)
        .stdout(Stdio::null());
    // The database comes last: where it stands, everything is there.
    let place = move || {
        let has_root_key = key.as_ref().map_or(Ok(false), RootKeyCopy::place)?;
        Ok((key, has_root_key))
    };
    let (key, has_root_key) = blocking("restoring the store", place).await?;
    let ended = run("pg_restore", tool, &config).await;
    let is_there = has_store(&config, false).await;
    // The key goes only where it is known that nothing came that it opens.
    if !matches!(is_there, Ok(false)) {
        ended?;
        is_there?;
        return Ok(Backup { bytes, has_root_key });
    }
    let withdrawn = blocking("restoring the store", move || {
        key.map_or(Ok(()), RootKeyCopy::withdraw)
    })
    .await;
    ended?;
    withdrawn?;
    let message = "the backup is of another schema; name that one as 'schema' in the URL";
    Err(named(Error::invalid_request(message), &config))
}

/// Refuses a root key that does not open the vault.
async fn check_key(config: &PostgresConfig, directory: &Path) -> Result<()> {
    let fail = |error| storage_error(&config.name(), error);
    let options = config.connection().options([("atom.all_tenants", "on")]);
    let connected = connect(&options, config.acquire_timeout).await;
    let mut connection = connected.map_err(fail)?;
    let key = first_key_of_postgres(&mut connection).await.map_err(fail)?;
    let directory = directory.to_owned();
    blocking("copying the store", move || check_file(&directory, key.as_ref())).await
}

/// A file that goes away unless it is put in its place.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // What is left of it only takes space.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Whether there is a store in the schema, which is made on demand where it is missing.
async fn has_store(config: &PostgresConfig, makes_schema: bool) -> Result<bool> {
    let fail = |error| storage_error(&config.name(), error);
    let connected = connect(&config.connection(), config.acquire_timeout).await;
    let mut connection = connected.map_err(fail)?;
    if makes_schema {
        let schema = config.schema();
        let made = sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"")));
        made.execute(&mut connection).await.map_err(fail)?;
    }
    is_there(&mut connection, config.schema()).await.map_err(fail)
}

/// Whether there is a store in a schema.
pub(super) async fn is_there(connection: &mut PgConnection, schema: &str) -> Decoded<bool> {
    let exists = sqlx::query("SELECT to_regclass(quote_ident($1) || '.migrations') IS NOT NULL").bind(schema);
    exists.fetch_one(connection).await?.try_get(0)
}

fn named(error: Error, config: &PostgresConfig) -> Error {
    error
        .with_context("database", config.name())
        .with_context("schema", config.schema())
}

/// A tool that connects to the database. Where and as whom goes to it by variables: others see arguments.
fn tool(name: &str, url: &Secret, config: &PostgresConfig) -> Result<Command> {
    // It was read before, so it is one.
    let url = Url::parse(url.expose())
        .map_err(|_| Error::invalid_request("the URL of the database is malformed"))?;
    let options = &config.options;
    let mut tool = Command::new(name);
    tool.stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .env("PGCONNECT_TIMEOUT", "10")
        .env(
            "PGOPTIONS",
            "-c atom.all_tenants=on -c client_min_messages=warning",
        )
        .env("PGPORT", options.get_port().to_string())
        .env("PGUSER", options.get_username())
        .env("PGDATABASE", config.database());
    match options.get_socket() {
        Some(socket) => tool.env("PGHOST", socket),
        None => tool.env("PGHOST", options.get_host().trim_matches(['[', ']'])),
    };
    if let Some(password) = url.password() {
        let password = percent_encoding::percent_decode_str(password).decode_utf8_lossy();
        tool.env("PGPASSWORD", &*password);
    }
    for (name, value) in url.query_pairs() {
        if let Some((_, variable)) = VARIABLES.iter().find(|(parameter, _)| *parameter == name) {
            tool.env(variable, &*value);
        }
    }
    Ok(tool)
}

/// Runs a tool to its end.
async fn run(name: &'static str, mut tool: Command, config: &PostgresConfig) -> Result<()> {
    let child = tool.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(
            ErrorCode::Unsupported,
            format!("'{name}' is not installed or not in PATH; install PostgreSQL's client programs, of the server's version or newer"),
        ),
        _ => Error::new(ErrorCode::Unavailable, format!("'{name}' cannot be started")).with_source(error),
    })?;
    let ended = child.wait_with_output().await;
    let ended = ended.map_err(|error| {
        Error::new(ErrorCode::Unavailable, format!("'{name}' was interrupted")).with_source(error)
    })?;
    if ended.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&ended.stderr);
    let words: String = words.trim().chars().take(LONGEST_WORDS).collect();
    let error = Error::new(ErrorCode::StorageFailed, format!("'{name}' failed: {words}"));
    Err(named(error, config))
}
