//! A Temporal server for tests: of its own, on loopback, in memory.
//!
//! It is the development server of Temporal's command line, of which Go builds this version in about six minutes: once, below
//! the target folder, where changes are checked (`CI`) or where it is asked for (`ATOM_BUILD_TEMPORAL`).

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use tokio::sync::OnceCell;

/// The newest version that Go installs by itself: later ones need a checkout.
const VERSION: &str = "v1.5.1";

/// The pipe that this reads from ends with the process of the tests, however that ends: then the server is stopped. It
/// removes what is deleted at once, where others take half a minute, and looks at its queue up to 1000 times a second, where
/// others do 20 times: twice for each step.
const SCRIPT: &str = r#"
program="$1" port="$2" log="$3"
shift 3
"$program" server start-dev --headless --ip 127.0.0.1 --port "$port" --log-level error \
  --dynamic-config-value 'history.transferProcessorUpdateAckInterval="1s"' \
  --dynamic-config-value 'history.visibilityProcessorUpdateAckInterval="1s"' \
  --dynamic-config-value 'history.transferProcessorMaxPollRPS=1000' "$@" >"$log" 2>&1 &
echo started
cat >/dev/null
kill -9 $!
rm -f "$log"
"#;

/// A server that lives until it is dropped, or until the process of the tests ends.
#[derive(Debug)]
pub(crate) struct TestTemporal {
    program: PathBuf,
    port: u16,
    /// Where it keeps what it knows; in memory when absent.
    file: Option<PathBuf>,
    shell: Child,
    pipe: Option<ChildStdin>,
}

static SHARED: OnceCell<Option<TestTemporal>> = OnceCell::const_new();

impl TestTemporal {
    /// The server that all tests of the process share; nothing, with a message, where it is not built.
    pub(crate) async fn shared() -> Option<&'static Self> {
        let shared = SHARED.get_or_try_init(|| async {
            let started = tokio::task::spawn_blocking(|| Self::start(None)).await;
            started.map_err(io::Error::other)?
        });
        shared.await.unwrap().as_ref()
    }

    /// A server of its own that keeps what it knows in a file; nothing, with a message, where it is not built.
    pub(crate) async fn keeping(file: PathBuf) -> Option<Self> {
        let started = tokio::task::spawn_blocking(|| Self::start(Some(file))).await;
        started.unwrap().unwrap()
    }

    /// Kills the server.
    pub(crate) fn kill(&mut self) {
        self.pipe = None;
        let _ = self.shell.wait();
    }

    /// Starts a killed server again where it was, with what it has kept.
    pub(crate) async fn start_again(&mut self) {
        let (program, port, file) = (self.program.clone(), self.port, self.file.clone());
        let started = tokio::task::spawn_blocking(move || Self::start_on(program, port, file)).await;
        *self = started.unwrap().unwrap();
    }

    pub(crate) fn target(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Does something by hand, as an operator would, and gives what is said.
    pub(crate) fn by_hand(&self, arguments: &[&str]) -> String {
        let address = format!("127.0.0.1:{}", self.port);
        let output = Command::new(&self.program)
            .args(arguments)
            .args(["--address", &address])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn start(file: Option<PathBuf>) -> io::Result<Option<Self>> {
        let Some(program) = program()? else {
            return Ok(None);
        };
        // Somebody may take it in between; then the server says so, and the tests fail.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Self::start_on(program, port, file).map(Some)
    }

    fn start_on(program: PathBuf, port: u16, file: Option<PathBuf>) -> io::Result<Self> {
        let log = std::env::temp_dir().join(format!("temporal-{port}.log"));
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(&program)
            .arg(port.to_string())
            .arg(&log)
            .args(
                file.iter()
                    .flat_map(|file| [OsStr::new("--db-filename"), file.as_os_str()]),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What ends the tests from the terminal reaches the server through the pipe.
            .process_group(0)
            .spawn()?;
        let (pipe, answers) = (shell.stdin.take(), shell.stdout.take());
        let mut answer = String::new();
        BufReader::new(answers.ok_or(io::ErrorKind::BrokenPipe)?).read_line(&mut answer)?;
        let server = Self {
            program,
            port,
            file,
            shell,
            pipe,
        };
        for _ in 0..600 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let said = std::fs::read_to_string(log).unwrap_or_default();
        Err(io::Error::other(format!(
            "the Temporal server does not start: {said}"
        )))
    }
}

impl Drop for TestTemporal {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program of the server, built now where it is wanted.
fn program() -> io::Result<Option<PathBuf>> {
    // Examples have no such folder; theirs is the one that Cargo was told, or the usual one.
    let target = match option_env!("CARGO_TARGET_TMPDIR") {
        Some(temporary) => Path::new(temporary).parent().map(Path::to_owned),
        None => std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from),
    };
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"));
    let folder = target.join("tools").join(format!("temporal-{VERSION}"));
    let program = folder.join("temporal");
    if program.is_file() {
        return Ok(Some(program));
    }
    let install = format!("github.com/temporalio/cli/cmd/temporal@{VERSION}");
    let is_wanted = ["CI", "ATOM_BUILD_TEMPORAL"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if !is_wanted {
        skipped(&format!(
            "there is no Temporal server; ATOM_BUILD_TEMPORAL=1 builds one here, or GOBIN='{}' go install {install}",
            folder.display()
        ));
        return Ok(None);
    }
    std::fs::create_dir_all(&folder)?;
    let built = Command::new(go())
        .args(["install", "-trimpath", "-ldflags=-s -w", &install])
        .env("GOBIN", &folder)
        .status()
        .map_err(|error| io::Error::other(format!("Go is needed to build a Temporal server: {error}")))?;
    if built.success() {
        return Ok(Some(program));
    }
    Err(io::Error::other("the Temporal server was not built"))
}

fn go() -> &'static str {
    let usual = "/usr/local/go/bin/go";
    if Path::new(usual).is_file() { usual } else { "go" }
}

#[expect(clippy::print_stderr, reason = "who runs the tests should know")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
