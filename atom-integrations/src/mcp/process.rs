//! The process of a server: started with little, ended with all that it started.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use atom_core::{Error, ErrorCode, Result};
use serde_json::{Map, Value};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::request::StdioServer;
use crate::json_rpc::shown;
use crate::process::ProcessConfig;
use crate::process::given::Given;

/// How long a server may take to end by itself.
const GRACE: Duration = Duration::from_secs(1);
/// Variables without which no program starts.
const NEEDED: &[&str] = if cfg!(windows) {
    &["SYSTEMROOT", "PATHEXT", "COMSPEC", "TEMP"]
} else {
    &[]
};
/// How much of what a server last wrote to its error stream an error shows, in characters.
const SHOWN_STDERR: usize = 1000;

/// A running server. Dropping it kills it, and whatever it has started and not detached.
#[derive(Debug)]
pub(super) struct ServerProcess {
    command: String,
    child: Child,
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
    /// The process group: the process and whatever it starts.
    #[cfg(unix)]
    group: Option<rustix::process::Pid>,
    /// What no error may repeat.
    given: Given,
}

impl ServerProcess {
    /// Starts a server in a process group of its own.
    ///
    /// # Errors
    /// `not_found` or `permission_denied` for a command that cannot be started, `invalid_request` for arguments
    /// that no process can be given.
    pub(super) fn start(
        server: &StdioServer,
        config: &ProcessConfig,
        directory: Option<&Path>,
    ) -> Result<Self> {
        let environment = variables(server.environment.as_ref())?;
        let mut command = Command::new(&server.command);
        command
            .args(server.arguments.as_deref().unwrap_or_default())
            .env_clear()
            .envs(NEEDED.iter().filter_map(|name| Some((name, env::var_os(name)?))))
            .env("PATH", search_path(config)?)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(directory) = directory {
            command.current_dir(directory);
        }
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command
            .spawn()
            .map_err(|error| of_start(&server.command, error))?;
        Ok(Self {
            command: server.command.clone(),
            #[cfg(unix)]
            group: child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .and_then(rustix::process::Pid::from_raw),
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child,
            given: Given {
                stdin: None,
                arguments: server.arguments.clone().unwrap_or_default(),
                environment,
            },
        })
    }

    /// Waits a moment for a server that is about to end.
    pub(super) async fn status(&mut self) -> Option<ExitStatus> {
        timeout(GRACE, self.child.wait()).await.ok()?.ok()
    }

    /// Lets the server end by itself (closed input asks it to), then ends it. What it started goes with it.
    pub(super) async fn end(&mut self) {
        self.stdin = None;
        self.status().await;
        self.kill();
    }

    /// Adds to an error which server it is about, and the end of what the server wrote to its error stream.
    pub(super) fn described(&self, error: Error, stderr: &[u8]) -> Error {
        let text = self.given.mask(String::from_utf8_lossy(stderr).into_owned());
        let error = error.with_context("command", shown(&self.command));
        let text = text.trim();
        if text.is_empty() {
            return error;
        }
        let end = text.char_indices().rev().nth(SHOWN_STDERR - 1);
        let start = end.map_or(0, |(start, _)| start);
        error.with_context("stderr", shown(text.get(start..).unwrap_or_default()))
    }

    /// Hides what the server was given in what it answered as an error.
    pub(super) fn masked(&self, error: Error) -> Error {
        self.given.mask_error(error)
    }

    fn kill(&mut self) {
        // What the server has started outlives it. Once only, and at once: a number that is free is given out again.
        #[cfg(unix)]
        if let Some(group) = self.group.take() {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        // What has ended cannot be killed, and needs not be.
        let _ = self.child.start_kill();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

fn variables(environment: Option<&Map<String, Value>>) -> Result<Vec<(String, String)>> {
    environment
        .into_iter()
        .flatten()
        .map(|(name, value)| match value {
            Value::String(text) if !name.is_empty() && !name.contains(['=', '\0']) => {
                Ok((name.clone(), text.clone()))
            }
            _ => Err(Error::invalid_request(format!(
                "the environment variable '{}' needs a name without '=' and a text",
                shown(name)
            ))),
        })
        .collect()
}

/// Where commands are looked for.
fn search_path(config: &ProcessConfig) -> Result<OsString> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let folders = config.path.iter().cloned().chain(env::split_paths(&inherited));
    env::join_paths(folders).map_err(|error| {
        Error::invalid_request("a folder of the setting processes.path cannot stand in a PATH")
            .with_source(error)
    })
}

fn of_start(command: &str, error: io::Error) -> Error {
    let command = shown(command);
    let (code, advice) = match error.kind() {
        io::ErrorKind::NotFound => (
            ErrorCode::NotFound,
            "is not found; install it, or name its folder in the setting processes.path",
        ),
        io::ErrorKind::PermissionDenied => (ErrorCode::PermissionDenied, "may not be run by this user"),
        io::ErrorKind::InvalidInput => (ErrorCode::InvalidRequest, "cannot be run with these arguments"),
        _ => (ErrorCode::Unavailable, "cannot be started"),
    };
    Error::new(code, format!("the command '{command}' {advice}")).with_source(error)
}
