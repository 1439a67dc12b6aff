//! The command in a folder of its own, and a server for its workflows to call.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a store and whatever files a test writes.
pub(crate) struct Sandbox {
    folder: TempDir,
    pub(crate) storage: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::on("sqlite".to_owned())
    }

    /// None where PostgreSQL is not installed.
    #[cfg(all(unix, feature = "postgres"))]
    pub(crate) fn on_postgres() -> Option<Self> {
        Some(Self::on(postgres()?))
    }

    /// As [`Self::on_postgres`], where no machine is so busy that a process loses its lease before it is killed.
    #[cfg(all(unix, feature = "postgres"))]
    pub(crate) fn on_postgres_with_long_leases() -> Option<Self> {
        Some(Self::on(postgres()?.replace(LEASE, "lease_ms=4000")))
    }

    fn on(storage: String) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            storage,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        // As the command sees it, which asks the system where it is.
        self.folder.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The command, started in the folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atom"));
        command
            .args(arguments)
            .current_dir(self.path(""))
            .env("ATOM_DATA_DIR", self.path("data"))
            .env("ATOM_STORAGE", &self.storage)
            .env_remove("ATOM_TENANT")
            .env_remove("ATOM_USER")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn atom(&self, arguments: &[&str]) -> Outcome {
        Outcome::new(self.command(arguments).output().unwrap())
    }

    pub(crate) fn atom_reading(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Outcome::new(child.wait_with_output().unwrap())
    }

    /// The answer of an operation.
    pub(crate) fn call(&self, operation: &str, request: &Value) -> Value {
        self.atom(&["call", operation, "--with", &request.to_string()])
            .succeeded()
            .json()
    }
}

/// So short that a process which comes after one that was killed has not long to wait.
#[cfg(all(unix, feature = "postgres"))]
const LEASE: &str = "lease_ms=2000";

/// The URL of a place in a PostgreSQL database that no other test has; none where PostgreSQL is not installed.
#[cfg(all(unix, feature = "postgres"))]
pub(crate) fn postgres() -> Option<String> {
    use atom_integrations::storage::postgres_testing::TestPostgres;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(TestPostgres::shared()).unwrap()?;
    Some(format!(
        "{}&max_connections=4&{LEASE}",
        server.url(&server.database())
    ))
}

/// The URL of the same place in another database, which is empty.
#[cfg(all(unix, feature = "postgres"))]
pub(crate) fn another_postgres(url: &str) -> String {
    use atom_integrations::storage::postgres_testing::TestPostgres;
    let (_, schema) = url.rsplit_once("schema=").unwrap();
    let name = format!("copy_of_{}", schema.split('&').next().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let server = TestPostgres::shared().await.unwrap().unwrap();
        let create = format!("CREATE DATABASE {name} OWNER atom");
        let administrator = server.as_superuser(&server.database());
        server.execute(&administrator, &create).await.unwrap();
    });
    url.replace("///atom?", &format!("///{name}?"))
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) remarks: String,
}

impl Outcome {
    pub(crate) fn new(output: Output) -> Self {
        let outcome = Self {
            code: output.status.code(),
            output: String::from_utf8(output.stdout).unwrap(),
            remarks: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!outcome.remarks.contains("panicked"), "{outcome:?}");
        outcome
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        self.ended_with(0)
    }

    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.output).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.output
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The error on standard error.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        serde_json::from_str(&self.remarks).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server on loopback that answers every GET with `{}`, but leaves the first request for one path without an
/// answer and tells about it.
pub(crate) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    unanswered: Arc<Mutex<Option<TcpStream>>>,
    stuck: Receiver<()>,
}

const ANSWER: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

impl Server {
    pub(crate) fn start(sticks_at: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (tell, stuck) = channel();
        let unanswered = Arc::new(Mutex::new(None));
        let (seen, sticks_at, stuck_there) = (
            Arc::clone(&requests),
            sticks_at.to_owned(),
            Arc::clone(&unanswered),
        );
        // Ends with the test's process.
        std::thread::spawn(move || {
            let mut has_stuck = false;
            for stream in listener.incoming() {
                let Some((path, mut stream)) = stream.ok().and_then(read_request) else {
                    continue;
                };
                seen.lock().unwrap().push(path.clone());
                if !has_stuck && path == sticks_at {
                    has_stuck = true;
                    *stuck_there.lock().unwrap() = Some(stream);
                    tell.send(()).unwrap();
                    continue;
                }
                // A client that was killed wants no answer.
                let _ = stream.write_all(ANSWER.as_bytes());
            }
        });
        Self {
            port,
            requests,
            unanswered,
            stuck,
        }
    }

    /// Waits for the request that is left without an answer.
    #[track_caller]
    pub(crate) fn until_stuck(&self) {
        self.stuck.recv_timeout(PATIENCE).unwrap();
    }

    /// Answers the request that was left without an answer.
    #[cfg(all(unix, feature = "postgres"))]
    pub(crate) fn answer(&self) {
        let mut stream = self.unanswered.lock().unwrap().take().unwrap();
        stream.write_all(ANSWER.as_bytes()).unwrap();
    }

    /// The paths that were asked for, in order.
    #[cfg(all(unix, feature = "postgres"))]
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn uri(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How many requests there were.
    pub(crate) fn total(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// How often a path was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .filter(|seen| *seen == path)
            .count()
    }
}

fn read_request(stream: TcpStream) -> Option<(String, TcpStream)> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut line = String::from("x");
    while !line.trim().is_empty() {
        line.clear();
        reader.by_ref().read_line(&mut line).ok()?;
    }
    let path = first.split(' ').nth(1)?.to_owned();
    Some((path, reader.into_inner()))
}

/// A folder of this repository.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// Copies the example: its workflow, its sample day and what comes out of them.
pub(crate) fn copy_briefing(to: &Path) {
    let example = example("morning-briefing");
    copy_folder(&example.join("sample"), &to.join("sample"));
    for file in ["workflow.yaml", "expected.md"] {
        std::fs::copy(example.join(file), to.join(file)).unwrap();
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A workflow of tasks, given in YAML flow style.
pub(crate) fn workflow(tasks: &str) -> String {
    format!("document: {{ dsl: 1.0.3, namespace: tests, name: test, version: 0.1.0 }}\ndo:\n{tasks}\n")
}
