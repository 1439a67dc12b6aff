//! A process of the operating system, in a process group of its own.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use atom_core::{Error, ErrorCode, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::given::Given;
use super::outcome::{MAXIMUM_OUTPUT, Outcome, too_long};
use super::supervisor::{Process, Stop, unwanted};

/// Where programs are looked for when the engine's own environment does not say.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How long the streams of a process that has ended may stay open. Its group is gone by then, so only a process
/// that left the group can hold them.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// How long a killed process may take to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// A process to run.
#[derive(Debug)]
pub(super) struct SystemProcess {
    /// The program, by path or by name.
    program: PathBuf,
    /// Its arguments, before those that were given.
    arguments: Vec<OsString>,
    given: Given,
    /// Where it runs; a new folder that is removed afterwards when absent.
    directory: Option<PathBuf>,
    /// A file that is written for it; its path comes before the given arguments.
    script: Option<(&'static str, String)>,
    /// What to do when there is no such program.
    advice: &'static str,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    group: Group,
    /// Removed when the process has ended.
    folder: TempDir,
}

impl SystemProcess {
    pub(super) fn new(program: impl Into<PathBuf>, given: Given, advice: &'static str) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            given,
            directory: None,
            script: None,
            advice,
            running: None,
        }
    }

    pub(super) fn with_arguments(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub(super) fn in_directory(mut self, directory: Option<PathBuf>) -> Self {
        self.directory = directory;
        self
    }

    pub(super) fn with_script(mut self, name: &'static str, code: String) -> Self {
        self.script = Some((name, code));
        self
    }

    fn spawn(&mut self, folder: &Path, script: Option<PathBuf>) -> Result<(Child, Group)> {
        let directory = self.directory.clone().unwrap_or_else(|| folder.join("work"));
        if !directory.is_dir() {
            let message =
                "the folder that the process is to run in does not exist; check the run's 'directory'";
            return Err(Error::not_found(message).with_context("path", directory.display()));
        }
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .args(script)
            .args(&self.given.arguments)
            .env_clear()
            .env(
                "PATH",
                std::env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into()),
            )
            .envs(self.given.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(directory)
            .stdin(if self.given.stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().map_err(|error| self.cannot_start(error))?;
        let group = Group::led_by(&child)?;
        Ok((child, group))
    }

    fn cannot_start(&self, error: io::Error) -> Error {
        let program = self.program.display();
        let error = match error.kind() {
            io::ErrorKind::NotFound => {
                Error::not_found(format!("there is no program '{program}'; {}", self.advice))
            }
            io::ErrorKind::PermissionDenied => Error::new(
                ErrorCode::PermissionDenied,
                format!(
                    "the operating system does not let '{program}' be run; {}",
                    self.advice
                ),
            ),
            io::ErrorKind::ArgumentListTooLong => Error::new(
                ErrorCode::LimitExceeded,
                "the command, its arguments and environment are longer than the operating system takes; pass data through 'stdin'",
            ),
            _ => Error::new(ErrorCode::Unavailable, format!("'{program}' cannot be started"))
                .with_source(error),
        };
        error.with_context("program", program)
    }
}

#[async_trait]
impl Process for SystemProcess {
    async fn start(&mut self, stop: &Stop) -> Result<()> {
        let script = self.script.take();
        let (folder, script) = on_disk(move || prepare(script)).await?;
        if stop.is_stopped() {
            return Err(unwanted());
        }
        let (child, group) = self.spawn(folder.path(), script)?;
        self.running = Some(Running { child, group, folder });
        Ok(())
    }

    async fn finish(self: Box<Self>, stop: &Stop) -> Result<Outcome> {
        let Some(mut running) = self.running else {
            return Err(Error::internal("the process was not started"));
        };
        let outcome = tokio::select! {
            biased;
            outcome = attend(&mut running, self.given.stdin) => outcome,
            () = stop.stopped() => Err(unwanted()),
        };
        running.group.kill();
        // It is waited for so that it does not stay behind as a zombie.
        if tokio::time::timeout(KILL_PATIENCE, running.child.wait())
            .await
            .is_err()
        {
            tracing::warn!("a process that was killed is not gone yet");
        }
        let folder = running.folder;
        if let Err(error) = on_disk(move || folder.close()).await {
            tracing::warn!(%error, "the folder of a process could not be removed");
        }
        outcome
    }
}

/// Feeds and listens to a process until it has ended.
async fn attend(running: &mut Running, stdin: Option<String>) -> Result<Outcome> {
    let (input, child) = (running.child.stdin.take(), &mut running.child);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let status = {
        let write = async {
            if let (Some(mut input), Some(text)) = (input, stdin) {
                match input.write_all(text.as_bytes()).await {
                    // Nobody has to read all of it.
                    Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(broken(error)),
                    _ => {}
                }
            }
            Ok(())
        };
        let streams = async {
            tokio::try_join!(
                write,
                collect(out, &mut stdout, "standard output"),
                collect(err, &mut stderr, "standard error"),
            )
        };
        tokio::pin!(streams);
        let mut are_closed = false;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status.map_err(broken)?,
                done = &mut streams, if !are_closed => {
                    done?;
                    are_closed = true;
                }
            }
        };
        // What it left in the background is no part of it, and must not keep the streams open.
        running.group.kill();
        if !are_closed && let Ok(done) = tokio::time::timeout(DRAIN_PATIENCE, streams).await {
            done?;
        }
        status
    };
    Ok(Outcome {
        code: code(status),
        stdout,
        stderr,
    })
}

async fn collect(stream: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>, name: &str) -> Result<()> {
    let Some(mut stream) = stream else { return Ok(()) };
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let length = stream.read(&mut chunk).await.map_err(broken)?;
        let Some(read) = chunk.get(..length).filter(|read| !read.is_empty()) else {
            return Ok(());
        };
        if into.len() + length > MAXIMUM_OUTPUT {
            return Err(too_long(name));
        }
        into.extend_from_slice(read);
    }
}

fn broken(error: io::Error) -> Error {
    Error::new(ErrorCode::Unavailable, "the streams of the process broke").with_source(error)
}

fn code(status: ExitStatus) -> i64 {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal().map(|signal| 128 + signal);
    i64::from(status.code().or(signal).unwrap_or(-1))
}

/// A process group, killed when this is dropped.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn led_by(child: &Child) -> Result<Self> {
        let id = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        id.map(|id| Self(Some(id)))
            .ok_or_else(|| Error::internal("the process that was started has no number"))
    }

    /// Kills every process of the group, once: the number may be another group's afterwards.
    fn kill(&mut self) {
        if let Some(id) = self.0.take()
            && let Err(error) = kill_process_group(id, Signal::KILL)
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(%error, "a process group could not be killed");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Makes a folder with an empty folder `work` in it, and the file beside that.
fn prepare(script: Option<(&'static str, String)>) -> io::Result<(TempDir, Option<PathBuf>)> {
    let folder = tempfile::Builder::new().prefix("atom-").tempdir()?;
    std::fs::create_dir(folder.path().join("work"))?;
    let script = script.map(|(name, code)| {
        let path = folder.path().join(name);
        std::fs::write(&path, code).map(|()| path)
    });
    Ok((folder, script.transpose()?))
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("preparing a process ended in a panic").with_source(error))?;
    done.map_err(|error| {
        let code = if error.kind() == io::ErrorKind::StorageFull {
            ErrorCode::StorageFull
        } else {
            ErrorCode::Unavailable
        };
        Error::new(code, "the temporary folder for a process cannot be made or removed; check the system's temporary folder")
            .with_source(error)
    })
}
