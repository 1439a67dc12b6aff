//! A PostgreSQL server for tests: of its own, in a temporary folder, reached through a Unix socket only.
//!
//! ```
//! use atom_integrations::storage::PostgresStore;
//! use atom_integrations::storage::postgres_testing::TestPostgres;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let Some(server) = TestPostgres::shared().await? else { return Ok(()) };
//! let store = PostgresStore::open(&server.database()).await?;
//! store.close().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::sync::OnceCell;

use super::PostgresConfig;

/// The folder of the server's programs is `$1`, that of its data `$2`. The pipe that this reads from ends with the process
/// of the tests, however that ends: then the server is stopped and what it has left is removed.
const SCRIPT: &str = r#"
trap '' PIPE
control() { "$programs/pg_ctl" --pgdata="$folder/data" --log="$folder/log" "$@" >/dev/null 2>&1; }
programs=$1 folder=$2
"$programs/initdb" --pgdata="$folder/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync \
    >"$folder/log" 2>&1 &&
    printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$folder'" 'max_connections = 100' \
        'shared_buffers = 32MB' 'max_wal_size = 256MB' >>"$folder/data/postgresql.conf" &&
    control start
echo "$?"
while read -r command; do
    case $command in
        crash) control --mode=immediate stop ;;
        start) control start ;;
    esac
    echo "$?"
done
control --mode=immediate stop
rm -rf "$folder"
"#;

/// The role that tests use: an ordinary one.
const ROLE: &str = "atom";

/// Why there is no server.
const MISSING: &str = "PostgreSQL 15 or later is not installed (on Debian it is the package postgresql)";

/// A server that lives as long as the process of the tests, or until it is dropped.
#[derive(Debug)]
pub struct TestPostgres {
    directory: PathBuf,
    /// Where its programs are.
    programs: PathBuf,
    shell: Shell,
    databases: AtomicU32,
}

/// What starts and stops the server.
#[derive(Clone, Debug)]
struct Shell(Arc<Mutex<Pipes>>);

#[derive(Debug)]
struct Pipes {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

static SHARED: OnceCell<Option<TestPostgres>> = OnceCell::const_new();

impl TestPostgres {
    /// The server that all tests of the process share; nothing, with a message, where PostgreSQL is not installed.
    ///
    /// # Errors
    /// When it does not start, and when it is not installed on a machine that checks changes (`CI=true`).
    pub async fn shared() -> io::Result<Option<&'static Self>> {
        Ok(SHARED.get_or_try_init(Self::start).await?.as_ref())
    }

    /// A server of its own, as [`shared`](Self::shared).
    ///
    /// # Errors
    /// As [`shared`](Self::shared).
    pub async fn start() -> io::Result<Option<Self>> {
        let Some(programs) = programs() else {
            if std::env::var("CI").is_ok_and(|value| value == "true") {
                return Err(io::Error::other(MISSING));
            }
            skipped();
            return Ok(None);
        };
        let server = tokio::task::spawn_blocking(move || start(&programs)).await;
        let server = server.map_err(io::Error::other)??;
        let administration = server.config("postgres", "postgres");
        for statement in [
            format!("CREATE ROLE {ROLE} LOGIN"),
            format!("CREATE DATABASE {ROLE} OWNER {ROLE}"),
        ] {
            server.execute(&administration, &statement).await?;
        }
        Ok(Some(server))
    }

    /// A place for one store, which no other test has: a schema of its own, and an ordinary role.
    pub fn database(&self) -> PostgresConfig {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let schema = format!("test_{number}");
        let mut config = self.config(ROLE, ROLE);
        // By which an administrator can tell the connections of one store.
        config.options = config.options.application_name(&schema);
        PostgresConfig { schema, ..config }
    }

    /// The same place for a role that bypasses row-level security.
    pub fn as_superuser(&self, database: &PostgresConfig) -> PostgresConfig {
        PostgresConfig {
            schema: database.schema.clone(),
            ..self.config("postgres", ROLE)
        }
    }

    /// Runs statements in the place of a store, beside it.
    ///
    /// # Errors
    /// When they fail.
    pub async fn execute(&self, database: &PostgresConfig, statements: &str) -> io::Result<()> {
        let mut connection = self.connect(database).await?;
        let statements = AssertSqlSafe(statements.to_owned());
        let done = sqlx::raw_sql(statements).execute(&mut connection).await;
        done.map_err(io::Error::other)?;
        connection.close().await.map_err(io::Error::other)
    }

    /// A connection to the place of a store, with the role and the settings of those that read.
    ///
    /// # Errors
    /// When there is none.
    pub async fn connect(&self, database: &PostgresConfig) -> io::Result<PgConnection> {
        database.connection().connect().await.map_err(io::Error::other)
    }

    /// The URL of a place, for other processes.
    pub fn url(&self, database: &PostgresConfig) -> String {
        let directory = self.directory.to_string_lossy();
        format!(
            "postgres:///{ROLE}?host={directory}&user={ROLE}&schema={}",
            database.schema
        )
    }

    /// One of the server's own programs, such as `pgbench`, which finds it by its environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .env("PGHOST", &self.directory)
            .env("PGUSER", ROLE)
            .env("PGDATABASE", ROLE);
        command
    }

    /// Stops the server in the middle of what it does, as a crash would. Only for one that is not shared.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn crash(&self) -> io::Result<()> {
        self.shell.control("crash\n").await
    }

    /// Starts the server again.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&self) -> io::Result<()> {
        self.shell.control("start\n").await
    }

    fn config(&self, role: &str, database: &str) -> PostgresConfig {
        let options = PgConnectOptions::new()
            .socket(&self.directory)
            .username(role)
            .database(database);
        PostgresConfig::of(options.disable_statement_logging(), ROLE.to_owned())
    }
}

impl Shell {
    async fn control(&self, command: &'static str) -> io::Result<()> {
        let shell = self.clone();
        let done = tokio::task::spawn_blocking(move || shell.pipes().control(command));
        done.await.map_err(io::Error::other)?
    }

    fn pipes(&self) -> MutexGuard<'_, Pipes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipes {
    fn control(&mut self, command: &str) -> io::Result<()> {
        if let Some(commands) = &mut self.commands {
            commands.write_all(command.as_bytes())?;
        }
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if answer.trim() == "0" {
            return Ok(());
        }
        Err(io::Error::other("the server does not do what it is told"))
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        let mut pipes = self.shell.pipes();
        // The end of the pipe stops the server.
        pipes.commands = None;
        let _ = pipes.process.wait();
    }
}

#[expect(clippy::print_stderr, reason = "who runs the tests should know")]
fn skipped() {
    eprintln!("skipped: {MISSING}");
}

/// The folder with the programs of a server.
fn programs() -> Option<PathBuf> {
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.and_then(|output| String::from_utf8(output.stdout).ok());
    let of_debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut of_debian: Vec<_> = of_debian
        .filter_map(|entry| entry.ok())
        .map(|entry| entry.path().join("bin"))
        .collect();
    of_debian.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    told.map(|told| PathBuf::from(told.trim()))
        .into_iter()
        .chain(of_debian.into_iter().rev())
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

fn start(programs: &Path) -> io::Result<TestPostgres> {
    let directory = tempfile::Builder::new().prefix("atom-postgres-").tempdir()?;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", SCRIPT, "sh"])
        .arg(programs)
        .arg(directory.path())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // What ends the tests from the terminal reaches the server through the pipe.
        .process_group(0);
    if rustix::process::geteuid().is_root() {
        // The server refuses to run as root.
        let (user, group) = other_user()?;
        std::os::unix::fs::chown(directory.path(), Some(user), Some(group))?;
        shell.uid(user).gid(group);
    }
    let mut process = shell.spawn()?;
    let (commands, answers) = (process.stdin.take(), process.stdout.take());
    let mut pipes = Pipes {
        process,
        commands,
        answers: BufReader::new(answers.ok_or(io::ErrorKind::BrokenPipe)?),
    };
    // The shell removes it from now on.
    let directory = directory.keep();
    if pipes.control("").is_err() {
        let log = std::fs::read_to_string(directory.join("log"))?;
        return Err(io::Error::other(log));
    }
    Ok(TestPostgres {
        directory,
        programs: programs.to_owned(),
        shell: Shell(Arc::new(Mutex::new(pipes))),
        databases: AtomicU32::new(0),
    })
}

/// The ids of a user to run the server as.
fn other_user() -> io::Result<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd")?;
    let user = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    user("postgres")
        .or_else(|| user("nobody"))
        .ok_or_else(|| io::Error::other("there is no user 'postgres' or 'nobody' to run the server as"))
}
