//! Runs whose process is killed or interrupted go on with `atom resume`, and do nothing twice that was complete.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Sandbox, Server, copy_briefing, workflow};

const ID: &str = "0192f0c1-0000-7000-8000-000000000001";
const STEPS: [&str; 4] = ["/0", "/1", "/2", "/3"];

/// A workflow that asks a server for one path after the other.
fn asking(server: &Server) -> String {
    let tasks: Vec<_> = STEPS
        .iter()
        .enumerate()
        .map(|(step, path)| {
            let endpoint = server.uri(path);
            format!("  - step{step}: {{ call: http, with: {{ method: get, endpoint: '{endpoint}' }} }}")
        })
        .collect();
    workflow(&tasks.join("\n"))
}

/// Checks that the history has every task complete, once, and gives the output of the run.
fn check_history(sandbox: &Sandbox) -> Value {
    let history = sandbox.call("runs.history", &json!({ "id": ID }));
    let records = history["records"].as_array().unwrap();
    let mut counts = BTreeMap::<String, (usize, usize)>::new();
    for record in records {
        let Some(task) = record["task"].as_str() else {
            continue;
        };
        let (started, completed) = counts.entry(task.to_owned()).or_default();
        *started += usize::from(record["type"] == "task_started");
        *completed += usize::from(record["type"] == "task_completed");
    }
    assert!(!counts.is_empty());
    assert!(counts.values().all(|count| *count == (1, 1)), "{counts:?}");
    let last = records.last().unwrap();
    assert_eq!(last["type"], "run_completed");
    last["output"].clone()
}

#[test]
fn a_killed_run_repeats_nothing_that_was_complete() {
    kill_at_every_step(|| Some(Sandbox::new()));
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn a_killed_run_on_postgres_repeats_nothing_that_was_complete() {
    kill_at_every_step(Sandbox::on_postgres);
}

/// The process dies while a step waits for its answer: at that moment the steps before it are complete, and the
/// ones after it have not begun. Only the step that was under way is done again.
fn kill_at_every_step(sandbox: impl Fn() -> Option<Sandbox>) {
    for (killed_at, path) in STEPS.into_iter().enumerate() {
        let Some(sandbox) = sandbox() else { return };
        let server = Server::start(path);
        sandbox.write("ask.yaml", asking(&server));
        let mut child = sandbox
            .command(&["run", "ask.yaml", "--allow-private-network", "--id", ID])
            .spawn()
            .unwrap();
        server.until_stuck();
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());

        let outcome = sandbox.atom(&["resume", "--allow-private-network"]).succeeded();
        assert!(outcome.output.ends_with(" tests/test completed\n"), "{outcome:?}");
        for (step, path) in STEPS.iter().enumerate() {
            let expected = if step == killed_at { 2 } else { 1 };
            assert_eq!(server.count(path), expected, "step {step}, killed at {killed_at}");
        }
        check_history(&sandbox);
    }
}

/// Ctrl-C leaves the run as it is and says how to go on.
#[cfg(unix)]
#[test]
fn an_interrupted_run_can_be_finished() {
    let (sandbox, server) = (Sandbox::new(), Server::start(STEPS[2]));
    sandbox.write("ask.yaml", asking(&server));
    let child = sandbox
        .command(&["run", "ask.yaml", "--allow-private-network", "--id", ID])
        .spawn()
        .unwrap();
    server.until_stuck();
    crate::call::interrupt(&child);
    let outcome = crate::support::Outcome::new(child.wait_with_output().unwrap()).ended_with(130);
    assert_eq!(outcome.output, "");
    assert!(
        outcome.remarks.contains(" --allow-private-network` finishes it"),
        "{outcome:?}"
    );

    sandbox.atom(&["resume", "--allow-private-network"]).succeeded();
    assert_eq!(STEPS.map(|path| server.count(path)), [1, 1, 2, 1]);
    check_history(&sandbox);
}

/// The files that tasks of the morning briefing read, with the tasks that read them.
const READERS: [(&str, &[&str]); 5] = [
    ("sample/mail.mbox", &["awaiting", "unread"]),
    ("sample/calendar.ics", &["events", "conflicts"]),
    ("sample/tasks.md", &["task_list"]),
    ("sample/todo.txt", &["todo_list"]),
    ("sample/notes", &["search"]),
];

/// Runs the morning briefing until so many lines of its history are told, kills it, and gives back the names of the
/// tasks that were complete. False when it ended before that.
fn kill_briefing_after(lines: usize, sandbox: &Sandbox) -> (BTreeSet<String>, bool) {
    let mut child = sandbox
        .command(&["run", "briefing/workflow.yaml", "--events", "--id", ID])
        .spawn()
        .unwrap();
    let told: Vec<Value> = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .take(lines)
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let complete = told
        .iter()
        .filter(|entry| entry["type"] == "task_completed")
        .filter_map(|entry| entry["task"].as_str()?.rsplit('/').next().map(str::to_owned))
        .collect();
    (complete, told.len() == lines)
}

/// Takes away what the complete tasks have read: a task that ran again would miss it.
fn remove_sources(folder: &Path, complete: &BTreeSet<String>) {
    for (source, readers) in READERS {
        if readers.iter().all(|reader| complete.contains(*reader)) {
            let source = folder.join(source);
            if source.is_dir() {
                fs::remove_dir_all(source).unwrap();
            } else {
                fs::remove_file(source).unwrap();
            }
        }
    }
}

/// Whatever has been told to be on disk when the process dies, is.
#[test]
fn a_briefing_killed_after_any_line_of_its_history_is_finished() {
    for lines in 1.. {
        let sandbox = Sandbox::new();
        let folder = sandbox.path("briefing");
        copy_briefing(&folder);
        let (complete, has_more) = kill_briefing_after(lines, &sandbox);
        if !has_more {
            assert!(lines > READERS.len(), "the history is too short to be true");
            return;
        }
        remove_sources(&folder, &complete);
        let written = folder.join("briefing.md");
        let written_at = complete
            .contains("write")
            .then(|| fs::metadata(&written).unwrap().modified().unwrap());

        sandbox.atom(&["resume"]).succeeded();
        let expected = fs::read_to_string(folder.join("expected.md")).unwrap();
        assert_eq!(
            fs::read_to_string(&written).unwrap(),
            expected,
            "killed after {lines} lines"
        );
        if let Some(written_at) = written_at {
            assert_eq!(fs::metadata(&written).unwrap().modified().unwrap(), written_at);
        }
        assert_eq!(check_history(&sandbox)["text"], expected);
    }
}
