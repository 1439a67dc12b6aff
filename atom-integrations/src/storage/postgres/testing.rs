//! A PostgreSQL server for tests: of its own, in a temporary folder, reached through a Unix socket only.
//!
//! ```
//! use atom_integrations::storage::PostgresStore;
//! use atom_integrations::storage::postgres_testing::TestPostgres;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let Some(server) = TestPostgres::shared().await else { return };
//! let store = PostgresStore::open(&server.database()).await.unwrap();
//! store.close().await.unwrap();
//! # });
//! ```

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use atom_core::Secret;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::sync::OnceCell;

use super::PostgresConfig;

/// The folder of the server's programs is `$1`, that of its data `$2`. The pipe that this reads from ends with the process
/// of the tests, however that ends: then the server is stopped and what it has left is removed.
const SCRIPT: &str = r#"
"$1/initdb" --pgdata="$2/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync \
    >"$2/log" 2>&1 && echo made
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=100 -c shared_buffers=32MB \
    -c max_wal_size=256MB -c logging_collector=off >>"$2/log" 2>&1 &
cat >/dev/null
kill -QUIT $!
wait $!
rm -rf "$2"
"#;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(120);

/// The role that tests use: an ordinary one.
const ROLE: &str = "atom";

/// A server that lives as long as the process of the tests, or until it is dropped.
#[derive(Debug)]
pub struct TestPostgres {
    directory: PathBuf,
    shell: Child,
    databases: AtomicU32,
}

static SHARED: OnceCell<Option<TestPostgres>> = OnceCell::const_new();

impl TestPostgres {
    /// The server that all tests of the process share; nothing, with a message, where PostgreSQL is not installed.
    ///
    /// # Panics
    /// When it does not start, and when it is not installed on a machine that checks changes (`CI=true`).
    pub async fn shared() -> Option<&'static Self> {
        SHARED.get_or_init(Self::start).await.as_ref()
    }

    /// A server of its own, as [`shared`](Self::shared).
    ///
    /// # Panics
    /// As [`shared`](Self::shared).
    pub async fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let must_be = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!must_be, "PostgreSQL 15 or later must be installed");
            skipped();
            return None;
        };
        let started = tokio::task::spawn_blocking(move || start(&programs)).await;
        let server = started.unwrap_or_else(|error| Err(io::Error::other(error)));
        let server = server.unwrap_or_else(|error| panic!("PostgreSQL does not start: {error}"));
        for statement in [
            format!("CREATE ROLE {ROLE} LOGIN"),
            format!("CREATE DATABASE {ROLE} OWNER {ROLE}"),
        ] {
            let made = execute(&server.url("postgres", "postgres"), &statement).await;
            made.unwrap_or_else(|error| panic!("'{statement}' failed: {error}"));
        }
        Some(server)
    }

    /// A place for one store, which no other test has: a schema of its own, and an ordinary role.
    pub fn database(&self) -> PostgresConfig {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let url = format!("{}&schema=test_{number}", self.url(ROLE, ROLE));
        config(&url)
    }

    /// The same place for a role that bypasses row-level security.
    pub fn as_superuser(&self, database: &PostgresConfig) -> PostgresConfig {
        let url = self.url("postgres", ROLE);
        config(&format!("{url}&schema={}", database.schema()))
    }

    /// Runs statements in the place of a store, beside it.
    ///
    /// # Panics
    /// When they fail.
    pub async fn execute(&self, database: &PostgresConfig, statements: &str) {
        let done = execute_as(database, statements).await;
        done.unwrap_or_else(|error| panic!("'{statements}' failed: {error}"));
    }

    /// A connection to the place of a store, with the role of the store.
    ///
    /// # Panics
    /// When there is none.
    pub async fn connect(&self, database: &PostgresConfig) -> PgConnection {
        let connected = database.connection().connect().await;
        connected.unwrap_or_else(|error| panic!("no connection: {error}"))
    }

    fn url(&self, role: &str, database: &str) -> String {
        let directory = self.directory.to_string_lossy();
        format!("postgres:///{database}?host={directory}&user={role}")
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        // The end of the pipe stops the server.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

#[expect(clippy::print_stderr, reason = "who runs the tests should know")]
fn skipped() {
    eprintln!("skipped: PostgreSQL 15 or later is not installed (on Debian the package postgresql)");
}

fn config(url: &str) -> PostgresConfig {
    PostgresConfig::new(&Secret::new(url)).unwrap_or_else(|error| panic!("the URL is wrong: {error}"))
}

async fn execute(url: &str, statement: &str) -> sqlx::Result<()> {
    execute_as(&config(url), statement).await
}

async fn execute_as(config: &PostgresConfig, statements: &str) -> sqlx::Result<()> {
    let mut connection = config.connection().connect().await?;
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(&mut connection)
        .await?;
    connection.close().await
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
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .current_dir("/")
        // What ends the tests from the terminal reaches the server through the pipe.
        .process_group(0);
    if rustix::process::geteuid().is_root() {
        // The server refuses to run as root.
        let (user, group) = other_user()?;
        std::os::unix::fs::chown(directory.path(), Some(user), Some(group))?;
        shell.uid(user).gid(group);
    }
    let mut server = TestPostgres {
        // The shell removes it.
        directory: directory.keep(),
        shell: shell.spawn()?,
        databases: AtomicU32::new(0),
    };
    let mut line = String::new();
    if let Some(stdout) = server.shell.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    let has_failed = line.is_empty();
    let pid = server.directory.join("data/postmaster.pid");
    let deadline = std::time::Instant::now() + PATIENCE;
    // The server writes there when it takes connections, and nothing else tells.
    while !std::fs::read_to_string(&pid).is_ok_and(|text| text.contains("ready")) {
        if has_failed || std::time::Instant::now() > deadline {
            let log = std::fs::read_to_string(server.directory.join("log")).unwrap_or_default();
            return Err(io::Error::other(log));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(server)
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
