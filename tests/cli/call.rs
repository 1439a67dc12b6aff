//! `atom call` and `atom api`.

use std::io::{BufRead, BufReader};

use serde_json::json;

use crate::support::{Outcome, Sandbox};

#[test]
fn requests_come_in_every_form() {
    let sandbox = Sandbox::new();
    sandbox.write("request.json", r#"{ "name": "from-file", "value": "s3cret" }"#);
    let set = ["call", "secrets.set", "--with"];
    sandbox.atom(&[&set[..], &["@request.json"]].concat()).succeeded();
    sandbox
        .atom_reading(
            &[&set[..], &["-"]].concat(),
            r#"{ "name": "from-input", "value": "s3cret" }"#,
        )
        .succeeded();
    sandbox
        .atom(&[&set[..], &[r#"{ "name": "from-line", "value": "s3cret" }"#]].concat())
        .succeeded();
    let listed = sandbox.atom(&["call", "secrets.list"]).succeeded();
    let names: Vec<_> = listed.json()["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|secret| secret["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["from-file", "from-input", "from-line"]);
    assert!(!listed.output.contains("s3cret"));
}

#[test]
fn errors_are_json_on_standard_error() {
    let sandbox = Sandbox::new();
    for (arguments, code) in [
        (&["call", "runs.strat"][..], "not_found"),
        (
            &["call", "runs.get", "--with", r#"{ "id": 7 }"#],
            "invalid_request",
        ),
        (
            &["call", "runs.events", "--with", r#"{ "identity": "x" }"#],
            "invalid_request",
        ),
        (&["call", "engine.info", "--with", "[]"], "invalid_request"),
        (&["call", "engine.info", "--user", ""], "invalid_request"),
    ] {
        let outcome = sandbox.atom(arguments).ended_with(1);
        assert_eq!(outcome.output, "", "{arguments:?}");
        assert_eq!(outcome.error()["code"], code, "{arguments:?}");
    }
    sandbox
        .atom(&["call", "engine.info", "--with", "{"])
        .ended_with(2);
}

#[test]
fn streams_are_lines_and_end_when_nobody_reads() {
    let sandbox = Sandbox::new();
    let publish = |number: u32| {
        sandbox.call(
            "events.publish",
            &json!({ "event": { "type": "com.example.tick", "data": number } }),
        )
    };
    (0..3).for_each(|number| drop(publish(number)));
    let subscribe = ["call", "events.subscribe", "--with", r#"{ "after": 0 }"#];

    // The stream is endless: it is read as far as it goes, and then interrupted.
    let mut child = sandbox.command(&subscribe).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for number in 0..3 {
        let item: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(item["event"]["data"], number);
    }
    #[cfg(unix)]
    {
        interrupt(&child);
        let outcome = Outcome::new(child.wait_with_output().unwrap()).ended_with(130);
        assert_eq!(outcome.remarks, "");
    }

    // More than a pipe holds, so that the command notices.
    (3..6).for_each(|_| {
        let data = "x".repeat(512 * 1024);
        sandbox.write(
            "event.json",
            json!({ "event": { "type": "com.example.tick", "data": data } }).to_string(),
        );
        sandbox
            .atom(&["call", "events.publish", "--with", "@event.json"])
            .succeeded();
    });
    let mut child = sandbox.command(&subscribe).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert_eq!(
        Outcome::new(child.wait_with_output().unwrap())
            .succeeded()
            .remarks,
        ""
    );
}

/// Presses Ctrl-C.
#[cfg(unix)]
pub(crate) fn interrupt(child: &std::process::Child) {
    let status = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn tenants_and_users_see_their_own() {
    let sandbox = Sandbox::new();
    let document =
        json!({ "document": crate::support::workflow("  - nothing: { set: { x: 1 } }") }).to_string();
    sandbox
        .atom(&[
            "call",
            "workflows.deploy",
            "--tenant",
            "acme",
            "--user",
            "ada",
            "--with",
            &document,
        ])
        .succeeded();
    for (tenant, user, count) in [("acme", "ada", 1), ("acme", "grace", 0), ("other", "ada", 0)] {
        let mut command = sandbox.command(&["call", "workflows.list"]);
        let outcome = command
            .env("ATOM_TENANT", tenant)
            .env("ATOM_USER", user)
            .output()
            .unwrap();
        let listed = Outcome::new(outcome).succeeded().json();
        assert_eq!(
            listed["items"].as_array().unwrap().len(),
            count,
            "{tenant} {user}"
        );
    }
}

#[test]
fn every_operation_is_listed_and_described() {
    let sandbox = Sandbox::new();
    let described = sandbox.atom(&["api", "--json"]).succeeded().json();
    let operations = described["operations"].as_array().unwrap();
    let list = sandbox.atom(&["api"]).succeeded().output;
    assert_eq!(list.lines().count(), operations.len());
    for operation in operations {
        let name = operation["name"].as_str().unwrap();
        assert!(list.contains(&format!("{name} ")), "{name}");
        assert_eq!(operation["request_schema"]["type"], "object", "{name}");
    }
    let text = sandbox.atom(&["api", "runs.get"]).succeeded().output;
    assert!(text.contains("* id ") && text.contains("runs.read"), "{text}");
    let one = sandbox.atom(&["api", "runs.get", "--json"]).succeeded().json();
    assert_eq!(one["name"], "runs.get");
    sandbox.atom(&["api", "runs.fly"]).ended_with(2);
    assert!(!sandbox.path("data").exists());
}
