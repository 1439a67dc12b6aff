//! Processes that work on one PostgreSQL database: they are killed, stopped and told to end, and every step is done all the same,
//! and counts once.
#![cfg(all(unix, feature = "postgres"))]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use atom_engine::{Engine, EngineConfig};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::{PATIENCE, Sandbox, Server};

/// An engine of the test that asks, and drives nothing.
struct Client {
    runtime: Runtime,
    engine: Engine,
}

impl Client {
    /// One that knows of processes that are at work, so that what it starts is theirs.
    fn beside(sandbox: &Sandbox, processes: &[Process]) -> Self {
        let early = Self::of(sandbox);
        for process in processes {
            early.until_at_work(&process.0);
        }
        early.runtime.block_on(early.engine.close()).unwrap();
        Self::of(sandbox)
    }

    fn of(sandbox: &Sandbox) -> Self {
        let config = EngineConfig {
            data_dir: Some(sandbox.path("data")),
            storage: sandbox.storage.parse().unwrap(),
            resume: false,
            ..EngineConfig::default()
        };
        let runtime = Runtime::new().unwrap();
        let engine = runtime.block_on(Engine::open(config)).unwrap();
        Self { runtime, engine }
    }

    #[track_caller]
    fn call(&self, operation: &str, request: Value) -> Value {
        let call = self.engine.call_json(self.engine.principal(), operation, request);
        self.runtime.block_on(call).unwrap()
    }

    /// Starts a run and gives its id.
    fn start(&self, document: &str, number: usize) -> String {
        let start = json!({ "document": document, "input": { "run": number } });
        let run = self.call("runs.start", start);
        run["id"].as_str().unwrap().to_owned()
    }

    /// The line of the worker of a process, if it is there.
    fn worker(&self, process: &Child) -> Option<Value> {
        let name = format!("/{}", process.id());
        let list = self.call("workers.list", json!({}));
        let workers = list["workers"].as_array().unwrap();
        let of_process = |worker: &&Value| {
            let is_its = worker["name"].as_str().unwrap().ends_with(&name);
            is_its && worker["state"] != "gone"
        };
        workers.iter().find(of_process).cloned()
    }

    #[track_caller]
    fn until_at_work(&self, process: &Child) -> Value {
        let mut worker = None;
        until("it comes to work", || {
            worker = self.worker(process).filter(|worker| worker["takes_runs"] == true);
            worker.is_some()
        });
        worker.unwrap()
    }

    /// Waits for the end of a run, and checks that each of its steps is in its history once.
    #[track_caller]
    fn assert_whole(&self, run: &str, steps: usize) {
        let wait = json!({ "id": run, "wait": true, "wait_timeout_ms": PATIENCE.as_millis() as u64 });
        let ended = self.call("runs.get", wait);
        assert_eq!(ended["status"], "completed", "{ended}");
        let (mut records, mut after) = (Vec::new(), json!(0));
        while !after.is_null() {
            let history = self.call("runs.history", json!({ "id": run, "after": after }));
            records.extend(history["records"].as_array().unwrap().clone());
            after = history["next"].clone();
        }
        let count = |kind: &str, task: &str| {
            let of_kind = records.iter().filter(|record| record["type"] == kind);
            let of_task =
                of_kind.filter(|record| record["task"].as_str().unwrap_or_default().ends_with(task));
            of_task.count()
        };
        assert_eq!(count("task_started", "/step"), steps);
        assert_eq!(count("task_completed", "/step"), steps);
        assert_eq!(count("run_completed", ""), 1);
    }
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A process that works. It ends with the test.
struct Process(Child);

impl Process {
    fn start(sandbox: &Sandbox) -> Self {
        let mut command = sandbox.command(&["work", "--allow-private-network"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn signal(&self, signal: &str) {
        let id = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A run that asks a server for one path after the other, `/run/step`.
fn asking(server: &Server, steps: usize) -> String {
    format!(
        "document: {{ dsl: 1.0.3, namespace: tests, name: ask, version: 1.0.0 }}
do:
  - ask:
      for: {{ in: '${{ [range({steps})] }}' }}
      do:
        - step:
            call: http
            with: {{ method: get, endpoint: '${{ \"{}/\\($workflow.input.run)/\\($index)\" }}' }}
",
        server.uri("")
    )
}

#[test]
fn two_workers_that_are_killed_again_and_again_finish_every_run_on_postgres() {
    kill_again_and_again(2);
}

#[test]
fn four_workers_that_are_killed_again_and_again_finish_every_run_on_postgres() {
    kill_again_and_again(4);
}

fn kill_again_and_again(workers: usize) {
    const RUNS: usize = 8;
    const KILLS: usize = 5;
    const STEPS: usize = 30;
    let Some(sandbox) = Sandbox::on_postgres_with_long_leases() else {
        return;
    };
    let server = Server::start("nowhere");
    let mut processes: Vec<_> = (0..workers).map(|_| Process::start(&sandbox)).collect();
    let client = Client::beside(&sandbox, &processes);
    let document = asking(&server, STEPS);
    let runs: Vec<_> = (0..RUNS).map(|run| client.start(&document, run)).collect();
    // How many requests there had been when each process was killed.
    let mut killed_at = Vec::new();
    for kill in 1..=KILLS {
        until("requests are made", || {
            server.total() >= kill * RUNS * STEPS / (KILLS + 2)
        });
        let holds_most = |process: &&mut Process| {
            client
                .worker(&process.0)
                .map_or(0, |worker| worker["runs"].as_u64().unwrap())
        };
        let process = processes.iter_mut().max_by_key(holds_most).unwrap();
        process.kill();
        killed_at.push(server.total());
        *process = Process::start(&sandbox);
    }
    for run in &runs {
        client.assert_whole(run, STEPS);
    }
    // A step is asked for again only right after itself, and only when a process was killed in between: so it was under way there.
    let requests = server.requests();
    for run in 0..RUNS {
        let prefix = format!("/{run}/");
        let own = requests
            .iter()
            .enumerate()
            .filter(|(_, path)| path.starts_with(&prefix));
        let own: Vec<_> = own.map(|(place, path)| (place, &path[prefix.len()..])).collect();
        let mut distinct = own.clone();
        distinct.dedup_by_key(|(_, step)| *step);
        let expected: Vec<_> = (0..STEPS).map(|step| step.to_string()).collect();
        let asked: Vec<_> = distinct.iter().map(|(_, step)| *step).collect();
        assert_eq!(asked, expected, "run {run}");
        for pair in own.windows(2).filter(|pair| pair[0].1 == pair[1].1) {
            let was_killed = killed_at
                .iter()
                .any(|killed| (pair[0].0 + 1..=pair[1].0).contains(killed));
            assert!(
                was_killed,
                "step {} of run {run} was asked for at {} and {}, but processes were killed at {killed_at:?}",
                pair[0].1, pair[0].0, pair[1].0
            );
        }
    }
}

#[test]
fn what_a_worker_writes_that_was_stopped_for_longer_than_its_lease_does_not_land_on_postgres() {
    const STEPS: usize = 40;
    let Some(sandbox) = Sandbox::on_postgres_with_long_leases() else {
        return;
    };
    let server = Server::start("/0/3");
    let first = Process::start(&sandbox);
    let client = Client::beside(&sandbox, std::slice::from_ref(&first));
    let before = client.until_at_work(&first.0);
    let run = client.start(&asking(&server, STEPS), 0);
    server.until_stuck();
    let mut second = Process::start(&sandbox);
    client.until_at_work(&second.0);

    first.signal("-STOP");
    until("the run is taken over", || server.count("/0/3") == 2);
    // It has the answer to its call when it goes on, and something to write.
    server.answer();
    first.signal("-CONT");
    client.assert_whole(&run, STEPS);
    for step in 0..STEPS {
        let expected = if step == 3 { 2 } else { 1 };
        assert_eq!(server.count(&format!("/0/{step}")), expected, "step {step}");
    }

    let mut after = Value::Null;
    until("it is back", || {
        after = client.worker(&first.0).unwrap_or_default();
        after["state"] == "active" && after["id"] != before["id"] && after["takes_runs"] == true
    });
    second.kill();
    let run = client.start(&asking(&server, STEPS), 1);
    client.assert_whole(&run, STEPS);
}

#[test]
fn a_worker_that_is_told_to_end_ends_its_calls_and_leaves_the_rest_on_postgres() {
    const STEPS: usize = 5;
    let Some(sandbox) = Sandbox::on_postgres_with_long_leases() else {
        return;
    };
    let server = Server::start("/0/2");
    let mut first = Process::start(&sandbox);
    let client = Client::beside(&sandbox, std::slice::from_ref(&first));
    let run = client.start(&asking(&server, STEPS), 0);
    server.until_stuck();
    let second = Process::start(&sandbox);
    client.until_at_work(&second.0);

    first.signal("-TERM");
    until("it drains", || {
        client
            .worker(&first.0)
            .is_some_and(|worker| worker["state"] == "draining")
    });
    assert!(first.0.try_wait().unwrap().is_none(), "its call is under way");
    server.answer();
    assert_eq!(first.0.wait().unwrap().code(), Some(0));
    client.assert_whole(&run, STEPS);
    for step in 0..STEPS {
        assert_eq!(server.count(&format!("/0/{step}")), 1, "step {step}");
    }
    assert_eq!(client.worker(&first.0), None);
}
