//! A process that is killed again and again while several runs are under way loses nothing and leaves nothing stuck.
//!
//! `KILLS` says how often, 10 times unless set; `cargo xtask soak` raises it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Sandbox, Server};

const ID: &str = "0192f0c1-0000-7000-8000-000000000001";
/// How many runs are under way at once, apart from the one that started them.
const RUNS: usize = 6;
/// How many steps a run gets further, about, between two kills.
const STEPS_PER_KILL: usize = 3;

#[test]
fn a_process_that_is_killed_again_and_again_finishes_every_run() {
    kill_again_and_again(&Sandbox::new());
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn a_process_that_is_killed_again_and_again_finishes_every_run_on_postgres() {
    if let Some(sandbox) = Sandbox::on_postgres() {
        kill_again_and_again(&sandbox);
    }
}

fn kill_again_and_again(sandbox: &Sandbox) {
    let kills = std::env::var("KILLS").map_or(10, |kills| kills.parse().unwrap());
    let steps = (kills + 1) * STEPS_PER_KILL;
    let server = Server::start("nowhere");
    let child = format!(
        "document: {{ dsl: 1.0.3, namespace: tests, name: child, version: 1.0.0 }}
do:
  - ask:
      for: {{ in: '${{ [range({steps})] }}' }}
      do:
        - step:
            call: http
            with: {{ method: get, endpoint: '${{ \"{}/\\($workflow.input.run)/\\($index)\" }}' }}
",
        server.uri("")
    );
    sandbox.call("workflows.deploy", &json!({ "document": child }));
    let branches: Vec<_> = (0..RUNS)
        .map(|run| {
            json!({ format!("run{run}"): { "run": { "workflow": {
                "namespace": "tests", "name": "child", "version": "1.0.0", "input": { "run": run },
            } } } })
        })
        .collect();
    let parent = json!({
        "document": { "dsl": "1.0.3", "namespace": "tests", "name": "parent", "version": "1.0.0" },
        "do": [{ "all": { "fork": { "branches": branches } } }],
    });
    sandbox.write("parent.json", parent.to_string());

    let mut arguments = vec!["run", "parent.json", "--allow-private-network", "--id", ID];
    for kill in 1..=kills {
        let mut process = sandbox.command(&arguments).spawn().unwrap();
        let asked = server.total() + RUNS * STEPS_PER_KILL / 2;
        let deadline = Instant::now() + Duration::from_secs(60);
        while server.total() < asked.min(RUNS * steps) {
            assert!(
                process.try_wait().unwrap().is_none(),
                "it ended by itself before kill {kill}"
            );
            assert!(Instant::now() < deadline, "it is stuck before kill {kill}");
            std::thread::sleep(Duration::from_millis(1));
        }
        process.kill().unwrap();
        process.wait().unwrap();
        arguments = vec!["resume", "--allow-private-network"];
    }
    sandbox.atom(&arguments).succeeded();

    let runs = sandbox.call("runs.list", &json!({ "limit": 100 }));
    let statuses: Vec<_> = runs["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["status"])
        .collect();
    assert_eq!(statuses, vec!["completed"; RUNS + 1]);
    let mut repeated = 0;
    for run in 0..RUNS {
        for step in 0..steps {
            let count = server.count(&format!("/{run}/{step}"));
            assert!(count > 0, "step {step} of run {run} was lost");
            repeated += count - 1;
        }
    }
    // Of each run, at most the one step that was under way when the process was killed.
    assert!(
        repeated <= kills * RUNS,
        "{repeated} steps were done again in {kills} kills"
    );
    for run in runs["items"].as_array().unwrap() {
        let (mut records, mut after) = (Vec::new(), json!(0));
        while !after.is_null() {
            let history = sandbox.call("runs.history", &json!({ "id": run["id"], "after": after }));
            records.extend(history["records"].as_array().unwrap().clone());
            after = history["next"].clone();
        }
        let count = |kind: &str| records.iter().filter(|record| record["type"] == kind).count();
        assert_eq!(count("task_started"), count("task_completed"));
        assert_eq!(count("run_completed"), 1);
    }
}
