//! The command line as a surface of the conformance cases.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::surface::{Items, Surface};

/// `atom call`, a process for each step, over one data folder.
pub(crate) struct CommandSurface {
    folder: PathBuf,
    storage: String,
    streams: Vec<Command>,
    requests: Vec<Value>,
}

impl CommandSurface {
    pub(crate) fn new(folder: PathBuf, storage: &str) -> Self {
        Self {
            folder,
            storage: storage.to_owned(),
            streams: Vec::new(),
            requests: Vec::new(),
        }
    }

    fn command(&self, principal: Option<&Value>, operation: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atom"));
        command
            .arg("--data-dir")
            .arg(self.folder.join("data"))
            .args(["call", operation, "--with", "-"])
            .env("ATOM_STORAGE", &self.storage)
            .env_remove("ATOM_TENANT")
            .env_remove("ATOM_USER")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (key, value) in principal.and_then(Value::as_object).into_iter().flatten() {
            command.arg(format!("--{key}")).arg(value.as_str().unwrap());
        }
        command
    }
}

fn report(standard_error: &[u8]) -> Value {
    serde_json::from_slice(standard_error)
        .unwrap_or_else(|_| panic!("not a report: {}", String::from_utf8_lossy(standard_error)))
}

impl Surface for CommandSurface {
    fn call(&mut self, principal: Option<&Value>, operation: &str, request: Value) -> Result<Value, Value> {
        let mut child = self.command(principal, operation).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // The request is read before anything is written, so neither waits for the other.
        input.write_all(request.to_string().as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout).unwrap());
        }
        assert_eq!(output.status.code(), Some(1));
        Err(report(&output.stderr))
    }

    fn open(&mut self, principal: Option<&Value>, operation: &str, request: Value) -> u64 {
        self.streams.push(self.command(principal, operation));
        self.requests.push(request);
        self.streams.len() as u64 - 1
    }

    fn read(&mut self, stream: u64, take: Option<usize>) -> Items {
        let stream = usize::try_from(stream).unwrap();
        let mut child = self.streams[stream].spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input
            .write_all(self.requests[stream].to_string().as_bytes())
            .unwrap();
        drop(input);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let items = lines
            .take(take.unwrap_or(usize::MAX))
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect();
        if take.is_some() {
            child.kill().unwrap();
            child.wait().unwrap();
            return (items, None);
        }
        let output = child.wait_with_output().unwrap();
        let error = (!output.status.success()).then(|| report(&output.stderr));
        (items, error)
    }

    fn reopen(&mut self) {}

    fn close(&mut self) {}
}
