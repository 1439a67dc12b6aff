//! A stand-in of a container engine for tests: it speaks a part of the Docker Engine API 1.44 on a Unix socket, holds
//! every request against that contract, and runs the commands of containers with the shell of this machine.
//!
//! ```
//! use atom_integrations::process::testing::TestDocker;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let docker = TestDocker::start().await?;
//! assert!(docker.socket().exists());
//! assert!(docker.containers().is_empty() && docker.violations().is_empty());
//! # Ok::<(), std::io::Error>(()) }).unwrap();
//! ```

mod contract;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::process::Command;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use wire::{Answer, Request};

/// What a container is like at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestState {
    /// It was created and has not been started.
    Created,
    /// It runs.
    Running,
    /// It has ended with this code.
    Exited(i64),
}

#[derive(Debug)]
struct Container {
    name: String,
    body: Value,
    state: watch::Sender<TestState>,
    finished_at: Option<Timestamp>,
    stop: Option<oneshot::Sender<()>>,
    stdin: Option<oneshot::Sender<Vec<u8>>>,
    input: Option<oneshot::Receiver<Vec<u8>>>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    images: BTreeMap<String, Value>,
    registry: BTreeMap<String, Value>,
    containers: BTreeMap<String, Container>,
    requests: Vec<String>,
    violations: Vec<String>,
    /// The names of containers that cannot be removed.
    stuck: Vec<String>,
    created: usize,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stand-in of a container engine. It has the images `hello-world`, which greets, and `alpine`, which has a shell.
#[derive(Debug)]
pub struct TestDocker {
    folder: TempDir,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for TestDocker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TestDocker {
    /// Starts it on a socket in a folder of its own.
    ///
    /// # Errors
    /// When no socket can be made.
    pub async fn start() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let listener = UnixListener::bind(folder.path().join("docker.sock"))?;
        let images = BTreeMap::from([
            ("hello-world".to_owned(), json!(["/hello"])),
            ("alpine".to_owned(), json!(["/bin/sh"])),
        ]);
        let state = State {
            registry: images.clone(),
            images,
            ..State::default()
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changes: watch::Sender::default(),
        });
        let served = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&served)));
            }
        });
        // Nothing waits here; it says that a runtime is needed.
        tokio::task::yield_now().await;
        Ok(Self { folder, shared, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Takes an image away from this machine; it can still be pulled.
    pub fn forget_image(&self, image: &str) {
        self.shared.state().images.remove(image);
    }

    /// Refuses to remove the container of this name, like one whose file system is busy.
    pub fn refuse_removal(&self, name: &str) {
        self.shared.state().stuck.push(name.to_owned());
    }

    /// Every request so far: method and path, without the version.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.shared.state().requests.clone()
    }

    /// What was wrong with requests so far.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.shared.state().violations.clone()
    }

    /// The names of the containers that are there, and what they are like.
    #[must_use]
    pub fn containers(&self) -> BTreeMap<String, TestState> {
        let state = self.shared.state();
        let containers = state.containers.values();
        containers
            .map(|container| (container.name.clone(), container.state.borrow().clone()))
            .collect()
    }

    /// What the container of this name was created with.
    #[must_use]
    pub fn created_with(&self, name: &str) -> Option<Value> {
        let state = self.shared.state();
        let found = state.containers.values().find(|container| container.name == name);
        found.map(|container| container.body.clone())
    }

    /// Waits until the containers are as a test wants them.
    ///
    /// # Cancel safety
    /// Dropping the future forgets the wait.
    pub async fn until(&self, is_so: impl Fn(&BTreeMap<String, TestState>) -> bool) {
        let mut changes = self.shared.changes.subscribe();
        while !is_so(&self.containers()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

async fn serve(stream: tokio::net::UnixStream, shared: Arc<Shared>) {
    let mut stream = tokio::io::BufReader::new(stream);
    // A client that goes away ends its connection, and nothing else.
    while let Ok(Some(request)) = wire::read(&mut stream).await {
        let name = request.name();
        let violation = contract::check(&request);
        {
            let mut state = shared.state();
            state.requests.push(name.clone());
            if let Err(violation) = &violation {
                state.violations.push(format!("{name}: {violation}"));
            }
        }
        shared.changes.send_modify(|changes| *changes += 1);
        let answer = match violation {
            Err(violation) => Answer::error(400, &violation),
            Ok(()) if request.path.last().is_some_and(|last| last == "attach") => {
                attach(&mut stream, &request, &shared).await;
                return;
            }
            Ok(()) => answer(&request, &shared).await,
        };
        if answer.write(stream.get_mut()).await.is_err() {
            return;
        }
        shared.changes.send_modify(|changes| *changes += 1);
    }
}

/// Reads a container's standard input to its end.
async fn attach(
    stream: &mut tokio::io::BufReader<tokio::net::UnixStream>,
    request: &Request,
    shared: &Shared,
) {
    let upgrade = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    let input = {
        let mut state = shared.state();
        let container = request.path.get(1).and_then(|id| state.containers.get_mut(id));
        container.and_then(|container| container.stdin.take())
    };
    if stream.get_mut().write_all(upgrade.as_bytes()).await.is_err() {
        return;
    }
    let mut text = Vec::new();
    if tokio::io::AsyncReadExt::read_to_end(stream, &mut text)
        .await
        .is_ok()
        && let Some(input) = input
    {
        // The container may have ended without reading it.
        let _ = input.send(text);
    }
}

async fn answer(request: &Request, shared: &Arc<Shared>) -> Answer {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    match (request.method.as_str(), path.as_slice()) {
        ("GET", ["_ping"]) => Answer::text(200, "OK"),
        ("GET", ["images", name @ .., "json"]) => {
            let name = name.join("/");
            match shared.state().images.get(&name) {
                Some(command) => {
                    Answer::json(200, &json!({ "Id": "sha256:1", "Config": { "Cmd": command } }))
                }
                None => Answer::error(404, &format!("No such image: {name}")),
            }
        }
        ("POST", ["images", "create"]) => pull(request, shared),
        ("GET", ["containers", "json"]) => list(request, shared),
        ("POST", ["containers", "create"]) => create(request, shared),
        ("GET", ["containers", id, "json"]) => match shared.state().containers.get(*id) {
            Some(container) => Answer::json(
                200,
                &json!({
                    "Id": id,
                    "State": { "FinishedAt": container.finished_at.unwrap_or(Timestamp::UNIX_EPOCH).to_string() },
                }),
            ),
            None => Answer::error(404, "No such container"),
        },
        ("POST", ["containers", id, "start"]) => start(id, shared),
        ("GET", ["containers", id, "logs"]) => logs(id, shared).await,
        ("POST", ["containers", id, "wait"]) => match ended(id, shared).await {
            Some(code) => Answer::json(200, &json!({ "StatusCode": code })),
            None => Answer::error(404, "No such container"),
        },
        ("POST", ["containers", id, "stop"]) => {
            let stop = match shared.state().containers.get_mut(*id) {
                Some(container) => container.stop.take(),
                None => return Answer::error(404, "No such container"),
            };
            match stop.map(|stop| stop.send(())) {
                Some(Ok(())) => {
                    ended(id, shared).await;
                    Answer::text(204, "")
                }
                _ => Answer::text(304, ""),
            }
        }
        ("DELETE", ["containers", id]) => {
            let mut state = shared.state();
            let is_stuck = |container: &Container| state.stuck.contains(&container.name);
            if state.containers.get(*id).is_some_and(is_stuck) {
                return Answer::error(500, "device or resource busy");
            }
            match state.containers.remove(*id) {
                Some(container) => {
                    if let Some(stop) = container.stop {
                        let _ = stop.send(());
                    }
                    Answer::text(204, "")
                }
                None => Answer::error(404, "No such container"),
            }
        }
        _ => Answer::error(404, "page not found"),
    }
}

fn pull(request: &Request, shared: &Shared) -> Answer {
    let name = request.query.get("fromImage").cloned().unwrap_or_default();
    let mut state = shared.state();
    let Some(command) = state.registry.get(&name).cloned() else {
        return Answer::text(
            200,
            "{\"status\":\"Pulling\"}\r\n{\"error\":\"manifest unknown\"}\r\n",
        );
    };
    state.images.insert(name, command);
    Answer::text(200, "{\"status\":\"Pulling\"}\r\n{\"status\":\"Downloaded\"}\r\n")
}

fn list(request: &Request, shared: &Shared) -> Answer {
    let filters: Value = request
        .query
        .get("filters")
        .and_then(|filters| serde_json::from_str(filters).ok())
        .unwrap_or_default();
    let wanted = |key: &str| -> Vec<String> {
        serde_json::from_value(filters.get(key).cloned().unwrap_or_default()).unwrap_or_default()
    };
    let (labels, states) = (wanted("label"), wanted("status"));
    let state = shared.state();
    let found = state.containers.iter().filter_map(|(id, container)| {
        let word = match *container.state.borrow() {
            TestState::Created => "created",
            TestState::Running => "running",
            TestState::Exited(_) => "exited",
        };
        let has_label = |label: &String| match label.split_once('=') {
            Some((key, value)) => container.body["Labels"][key] == value,
            None => container.body["Labels"].get(label).is_some(),
        };
        let is_wanted =
            labels.iter().all(has_label) && (states.is_empty() || states.iter().any(|state| state == word));
        is_wanted.then(|| json!({ "Id": id, "State": word, "Labels": container.body["Labels"] }))
    });
    Answer::json(200, &found.collect())
}

fn create(request: &Request, shared: &Shared) -> Answer {
    let name = request.query.get("name").cloned().unwrap_or_default();
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let mut state = shared.state();
    if state.containers.values().any(|container| container.name == name) {
        return Answer::error(
            409,
            &format!("Conflict. The container name \"/{name}\" is already in use"),
        );
    }
    let image = body["Image"].as_str().unwrap_or_default();
    if !state.images.contains_key(image) {
        return Answer::error(404, &format!("No such image: {image}"));
    }
    state.created += 1;
    let id = format!("{:064x}", state.created);
    let (stdin, input) = oneshot::channel();
    state.containers.insert(
        id.clone(),
        Container {
            name,
            body,
            state: watch::Sender::new(TestState::Created),
            finished_at: None,
            stop: None,
            stdin: Some(stdin),
            input: Some(input),
            stdout: Vec::new(),
            stderr: Vec::new(),
        },
    );
    Answer::json(201, &json!({ "Id": id, "Warnings": [] }))
}

fn start(id: &str, shared: &Arc<Shared>) -> Answer {
    let mut state = shared.state();
    let images = state.images.clone();
    let Some(container) = state.containers.get_mut(id) else {
        return Answer::error(404, "No such container");
    };
    if *container.state.borrow() != TestState::Created {
        return Answer::text(304, "");
    }
    let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap_or_default() };
    let image = container.body["Image"].as_str().unwrap_or_default();
    let mut line = texts(&container.body["Entrypoint"]);
    line.extend(match &container.body["Cmd"] {
        Value::Null if line.is_empty() => texts(images.get(image).unwrap_or(&Value::Null)),
        command => texts(command),
    });
    if !matches!(line.first().map(String::as_str), Some("/hello" | "/bin/sh")) {
        return Answer::error(404, "exec: executable file not found in $PATH: unknown");
    }
    let environment = texts(&container.body["Env"]);
    let input = container
        .input
        .take()
        .filter(|_| container.body["OpenStdin"] == true);
    let (stop, stopped) = oneshot::channel();
    container.stop = Some(stop);
    container.state.send_replace(TestState::Running);
    let (id, shared) = (id.to_owned(), Arc::clone(shared));
    tokio::spawn(async move {
        let (code, stdout, stderr) = execute(line, environment, input, stopped).await;
        if let Some(container) = shared.state().containers.get_mut(&id) {
            container.stop = None;
            container.finished_at = Some(Timestamp::now());
            (container.stdout, container.stderr) = (stdout, stderr);
            container.state.send_replace(TestState::Exited(code));
        }
        shared.changes.send_modify(|changes| *changes += 1);
    });
    Answer::text(204, "")
}

/// Runs a container's command until it ends or is stopped.
async fn execute(
    line: Vec<String>,
    environment: Vec<String>,
    input: Option<oneshot::Receiver<Vec<u8>>>,
    stopped: oneshot::Receiver<()>,
) -> (i64, Vec<u8>, Vec<u8>) {
    let Some((program, arguments)) = line.split_first().filter(|(program, _)| *program == "/bin/sh") else {
        return (0, b"\nHello from Docker!\n".to_vec(), Vec::new());
    };
    let work = async {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(environment.iter().filter_map(|variable| variable.split_once('=')))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = match input {
            Some(input) => input.await.unwrap_or_default(),
            None => Vec::new(),
        };
        if let Some(mut stdin) = child.stdin.take() {
            // It need not read all of it.
            let _ = stdin.write_all(&input).await;
        }
        child.wait_with_output().await
    };
    tokio::select! {
        done = work => match done {
            Ok(output) => (output.status.code().map_or(137, i64::from), output.stdout, output.stderr),
            Err(error) => (127, Vec::new(), error.to_string().into_bytes()),
        },
        _ = stopped => (137, Vec::new(), Vec::new()),
    }
}

/// Waits until a container has ended and gives its code.
async fn ended(id: &str, shared: &Shared) -> Option<i64> {
    let mut state = shared.state().containers.get(id)?.state.subscribe();
    let state = state
        .wait_for(|state| matches!(state, TestState::Exited(_)))
        .await;
    match *state.ok()? {
        TestState::Exited(code) => Some(code),
        _ => None,
    }
}

async fn logs(id: &str, shared: &Shared) -> Answer {
    if ended(id, shared).await.is_none() {
        return Answer::error(404, "No such container");
    }
    let mut frames = Vec::new();
    if let Some(container) = shared.state().containers.get(id) {
        for (stream, text) in [(1, &container.stdout), (2, &container.stderr)] {
            for part in text.chunks(16 * 1024) {
                let length = u32::try_from(part.len()).unwrap_or_default().to_be_bytes();
                frames.extend_from_slice(&[stream, 0, 0, 0]);
                frames.extend_from_slice(&length);
                frames.extend_from_slice(part);
            }
        }
    }
    Answer::bytes(200, frames)
}
