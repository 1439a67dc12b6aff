//! `atom work`: schedules start runs while it is there, and only then.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Sandbox, Server};

#[test]
fn schedules_start_runs_while_the_command_works() {
    let (sandbox, server) = (Sandbox::new(), Server::start("nowhere"));
    let document = format!(
        "document: {{ dsl: 1.0.3, namespace: tests, name: ping, version: 1.0.0 }}
schedule: {{ after: PT1S }}
do:
  - ping: {{ call: http, with: {{ method: get, endpoint: '{}' }} }}
",
        server.uri("/ping")
    );
    sandbox.call("workflows.deploy", &json!({ "document": document }));
    assert_eq!(
        sandbox.call("runs.list", &json!({}))["items"],
        json!([]),
        "asking starts nothing"
    );
    for signal in ["-INT", "-TERM"] {
        let before = server.count("/ping");
        let mut process = sandbox
            .command(&["work", "--allow-private-network"])
            .spawn()
            .unwrap();
        let mut remarks = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        remarks.read_line(&mut line).unwrap();
        assert!(line.contains("Ctrl-C"), "{line}");
        let deadline = Instant::now() + Duration::from_secs(60);
        while server.count("/ping") < before + 2 {
            assert!(process.try_wait().unwrap().is_none(), "it ended by itself");
            assert!(Instant::now() < deadline, "no run was started");
            std::thread::sleep(Duration::from_millis(10));
        }
        let id = process.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        assert!(process.wait().unwrap().success(), "{signal}");
    }
    let schedule = sandbox.call("schedules.get", &json!({ "namespace": "tests", "name": "ping" }));
    assert!(schedule["last_run"].is_string(), "{schedule}");
}
