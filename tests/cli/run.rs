//! `atom run` and `atom resume`.

use std::io::{BufRead, BufReader, Read};

use serde_json::{Value, json};

use crate::support::{Outcome, Sandbox, Server, copy_briefing, workflow};

const ID: &str = "0192f0c1-0000-7000-8000-000000000001";

fn echo() -> String {
    workflow("  - echo: { set: '${ . }' }")
}

#[test]
fn the_morning_briefing_is_printed() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("briefing");
    copy_briefing(&folder);
    let expected = std::fs::read_to_string(folder.join("expected.md")).unwrap();

    let printed = sandbox.atom(&["run", "briefing/workflow.yaml"]).succeeded();
    assert_eq!(printed.output, expected);
    assert_eq!(printed.remarks, "");
    assert_eq!(
        std::fs::read_to_string(folder.join("briefing.md")).unwrap(),
        expected
    );

    let json = sandbox
        .atom(&["run", "briefing/workflow.yaml", "--json"])
        .succeeded()
        .json();
    assert_eq!(json["text"], expected);
    assert_eq!(json["counts"]["conflicts"], 1);
}

#[test]
#[cfg(unix)]
fn processes_run_only_where_they_are_allowed() {
    let sandbox = Sandbox::new();
    let shell =
        workflow("  - greet: { run: { shell: { command: 'echo Hello $1', arguments: ['${ .name }'] } } }");
    std::fs::write(sandbox.path("shell.yaml"), shell).unwrap();
    let run = ["run", "shell.yaml", "--input", r#"{"name": "Ada"}"#];
    let refused = sandbox.atom(&run);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.remarks.contains("permission_denied"),
        "{}",
        refused.remarks
    );
    let refused = sandbox.atom(&[&run[..], &["--allow", "script,container"]].concat());
    assert_eq!(refused.code, Some(1));
    let allowed = sandbox.atom(&[&run[..], &["--allow", "script,shell"]].concat());
    assert_eq!(allowed.succeeded().output.trim_end(), "Hello Ada");
    assert_eq!(
        sandbox.atom(&["run", "shell.yaml", "--allow", "everything"]).code,
        Some(2)
    );
}

#[test]
fn a_workshop_that_does_not_fit_is_called_off() {
    let sandbox = Sandbox::new();
    let example = crate::support::example("compensation").join("workflow.yaml");
    std::fs::copy(example, sandbox.path("workflow.yaml")).unwrap();
    let read = |name: &str| std::fs::read_to_string(sandbox.path(name)).unwrap();

    let planned = sandbox.atom(&["run", "workflow.yaml", "--input", r#"{"people": 8}"#]);
    assert_eq!(planned.succeeded().json(), json!({ "invited": 8 }));
    assert!(read("invitation.md").contains("each of 8 people"));
    assert!(read("tasks.md").contains("- [ ] Buy coffee"));

    let outcome = sandbox.atom(&["run", "workflow.yaml", "--input", r#"{"people": 40}"#]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.remarks.contains("40 people do not fit"),
        "{}",
        outcome.remarks
    );
    assert!(read("invitation.md").contains("It does not take place"));
    assert!(read("tasks.md").contains("- [x] Buy coffee"));
}

#[test]
fn a_function_of_the_catalog_is_called() {
    let sandbox = Sandbox::new();
    let catalog = crate::support::example("catalog");
    let (workflow, uri) = (
        catalog.join("workflow.yaml"),
        format!("file://{}", catalog.display()),
    );
    let run = [
        "run",
        workflow.to_str().unwrap(),
        "--input",
        r#"{"net": 100, "country": "de"}"#,
    ];
    let outcome = sandbox
        .atom(&[&run[..], &["--catalog", &uri]].concat())
        .succeeded();
    assert_eq!(outcome.json(), json!({ "gross": 119 }));
    let outcome = sandbox.atom(&run);
    assert!(outcome.remarks.contains("default_catalog"), "{outcome:?}");
}

#[test]
fn texts_are_printed_as_they_are_and_everything_else_as_json() {
    let sandbox = Sandbox::new();
    sandbox.write("echo.yaml", echo());
    for (output, printed) in [
        (json!("Grüße\n"), "Grüße\n"),
        (json!("no line end"), "no line end\n"),
        (json!({ "text": "# Title\n", "count": 1 }), "# Title\n"),
        (json!({ "text": 1 }), "{\n  \"text\": 1\n}\n"),
        (json!([1, "x"]), "[\n  1,\n  \"x\"\n]\n"),
        (json!(null), "null\n"),
    ] {
        let input = output.to_string();
        let outcome = sandbox.atom(&["run", "echo.yaml", "--input", &input]).succeeded();
        assert_eq!(outcome.output, printed);
        let outcome = sandbox
            .atom(&["run", "echo.yaml", "--json", "--input", &input])
            .succeeded();
        assert_eq!(outcome.json(), output);
    }
}

#[test]
fn input_comes_from_the_command_line_a_file_or_standard_input() {
    let sandbox = Sandbox::new();
    sandbox.write("echo.yaml", echo());
    sandbox.write("input.json", r#"{ "from": "file" }"#);
    let run = ["run", "echo.yaml", "--input"];
    let with = |input: &'static str| [&run[..], &[input]].concat();
    assert_eq!(sandbox.atom(&run[..2]).succeeded().json(), json!({}));
    assert_eq!(sandbox.atom(&with("-1")).succeeded().json(), -1);
    assert_eq!(
        sandbox.atom(&with("@input.json")).succeeded().json(),
        json!({ "from": "file" })
    );
    assert_eq!(
        sandbox.atom_reading(&with("-"), "[1]").succeeded().json(),
        json!([1])
    );
}

#[test]
fn paths_in_the_input_start_where_the_person_is() {
    let sandbox = Sandbox::new();
    let schema = "input: { schema: { document: { properties: {
        file: { type: string, format: path },
        files: { type: array, items: { type: string, format: path } },
        nested: { properties: { file: { format: path } } },
        name: { type: string } } } } }\n";
    sandbox.write("elsewhere/echo.yaml", format!("{schema}{}", echo()));
    let input = json!({ "file": "a", "files": ["b/c", "/d"], "nested": { "file": "../e" }, "name": "f" });
    let here = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
    let output = sandbox
        .atom(&["run", "elsewhere/echo.yaml", "--input", &input.to_string()])
        .succeeded()
        .json();
    assert_eq!(
        output,
        json!({
            "file": here("a"),
            "files": [here("b/c"), "/d"],
            "nested": { "file": here("../e") },
            "name": "f",
        })
    );
}

#[test]
fn paths_in_the_workflow_start_at_its_folder() {
    let sandbox = Sandbox::new();
    let write = "  - write: { call: folder.files.write, with: { path: made.txt, content: hello } }";
    sandbox.write("elsewhere/write.yaml", workflow(write));
    sandbox.atom(&["run", "elsewhere/write.yaml"]).succeeded();
    assert_eq!(
        std::fs::read_to_string(sandbox.path("elsewhere/made.txt")).unwrap(),
        "hello"
    );
}

#[test]
fn a_faulted_run_exits_with_1_and_its_error() {
    let sandbox = Sandbox::new();
    let raise =
        "  - fail: { raise: { error: { type: 'https://example.com/broken', status: 500, title: Broken } } }";
    sandbox.write("fail.yaml", workflow(raise));
    let outcome = sandbox.atom(&["run", "fail.yaml", "--id", ID]).ended_with(1);
    assert_eq!(outcome.output, "");
    let error = outcome.error();
    assert_eq!(
        (&error["title"], &error["status"]),
        (&json!("Broken"), &json!(500))
    );
    assert_eq!(error["instance"], "/do/0/fail");
    assert_eq!(error["run"], ID, "the run can be looked up");
}

#[test]
fn a_run_that_waits_for_a_person_says_what_to_do() {
    let sandbox = Sandbox::new();
    let approval = "{ title: 'Pay 5 euros?' }";
    sandbox.write(
        "pay.yaml",
        workflow(&format!(
            "  - pay: {{ set: {{ paid: 5 }}, metadata: {{ atom: {{ approve: {approval} }} }} }}"
        )),
    );
    let run = ["run", "pay.yaml", "--id", ID];
    let mut child = sandbox.command(&run).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        said.contains("Pay 5 euros?") && said.contains("atom resume"),
        "{said}"
    );
    let request = said.split('\'').nth(1).unwrap();
    sandbox.call("approvals.decide", &serde_json::from_str(request).unwrap());
    let outcome = sandbox.atom(&run).succeeded();
    assert_eq!(outcome.json(), json!({ "paid": 5 }));
}

#[test]
fn a_cancelled_run_exits_with_1() {
    let sandbox = Sandbox::new();
    let server = Server::start("/never");
    let call = format!(
        "  - ask: {{ call: http, with: {{ method: get, endpoint: '{}' }} }}",
        server.uri("/never")
    );
    sandbox.write("ask.yaml", workflow(&call));
    let run = ["run", "ask.yaml", "--allow-private-network", "--id", ID];
    let mut child = sandbox.command(&run).spawn().unwrap();
    server.until_stuck();
    child.kill().unwrap();
    child.wait().unwrap();
    let run_now = sandbox.call("runs.cancel", &json!({ "id": ID, "reason": "no longer wanted" }));
    assert_eq!(run_now["status"], "cancelled");
    assert_eq!(sandbox.atom(&run).ended_with(1).error()["code"], "cancelled");
}

#[test]
fn wrong_use_exits_with_2_and_leaves_no_store() {
    let sandbox = Sandbox::new();
    sandbox.write("echo.yaml", echo());
    sandbox.write("broken.yaml", "document: { dsl: 1.0.3 }\ndo: []\n");
    sandbox.write(
        "cron.yaml",
        format!("schedule: {{ cron: '0 8 * * *', every: PT0.05S }}\n{}", echo()),
    );
    sandbox.write("latin1.yaml", b"do: \xe4");
    for (arguments, named) in [
        (&["run"][..], "<FILE>"),
        (&["fly"], "fly"),
        (&["run", "echo.yaml", "--nonsense"], "--nonsense"),
        (&["run", "echo.yaml", "--id", "7"], "--id"),
        (&["run", "absent.yaml"], "absent.yaml cannot be read"),
        (&["run", "."], ". cannot be read"),
        (&["run", "latin1.yaml"], "not UTF-8"),
        (&["run", "broken.yaml"], "broken.yaml:1:11: /document: "),
        (&["run", "cron.yaml"], "cron.yaml:1:39: "),
        (&["run", "echo.yaml", "--input", "{"], "not JSON"),
        (&["run", "echo.yaml", "--input", "@absent.json"], "absent.json"),
        (
            &["run", "echo.yaml", "--input", "-"],
            "standard input is not JSON",
        ),
    ] {
        let outcome = sandbox.atom(arguments).ended_with(2);
        assert_eq!(outcome.output, "", "{arguments:?}");
        assert!(
            outcome.remarks.contains(named),
            "{arguments:?}: {}",
            outcome.remarks
        );
    }
    assert!(!sandbox.path("data").exists());
}

#[test]
fn the_same_id_gives_the_same_run() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "now.yaml",
        workflow("  - echo: { set: { at: '${ $workflow.startedAt.iso8601 }', is: '${ . }' } }"),
    );
    let run = |input| sandbox.atom(&["run", "now.yaml", "--id", ID, "--input", input]);
    let first = run("1").succeeded().json();
    assert_eq!(run("1").succeeded().json(), first);
    assert_eq!(run("2").ended_with(1).error()["code"], "already_exists");
    assert_eq!(
        sandbox.call("runs.list", &json!({}))["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn events_are_told_as_lines() {
    let sandbox = Sandbox::new();
    sandbox.write("echo.yaml", echo());
    let outcome = sandbox.atom(&["run", "echo.yaml", "--events"]).succeeded();
    let entries = outcome
        .remarks
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let kinds: Vec<_> = entries
        .map(|entry| entry["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        kinds,
        ["run_started", "task_started", "task_completed", "run_completed"]
    );
}

#[test]
fn a_large_output_is_printed_whole_and_nobody_need_read_it() {
    const LENGTH: usize = 12 * 1024 * 1024;
    let sandbox = Sandbox::new();
    sandbox.write("echo.yaml", echo());
    sandbox.write("input.json", format!("{:?}", "x".repeat(LENGTH)));
    let run = ["run", "echo.yaml", "--input", "@input.json"];
    assert_eq!(sandbox.atom(&run).succeeded().output.len(), LENGTH + 1);

    let mut child = sandbox.command(&run).spawn().unwrap();
    let mut start = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    let outcome = Outcome::new(child.wait_with_output().unwrap()).succeeded();
    assert_eq!((&start, outcome.remarks.as_str()), (b"xxxxxxxxxx", ""));
}

#[test]
fn a_store_in_use_is_named_as_such() {
    let sandbox = Sandbox::new();
    let server = Server::start("/never");
    let call = format!(
        "  - ask: {{ call: http, with: {{ method: get, endpoint: '{}' }} }}",
        server.uri("/never")
    );
    sandbox.write("ask.yaml", workflow(&call));
    let mut child = sandbox
        .command(&["run", "ask.yaml", "--allow-private-network"])
        .spawn()
        .unwrap();
    server.until_stuck();
    for arguments in [&["run", "ask.yaml"][..], &["resume"], &["call", "engine.info"]] {
        assert_eq!(sandbox.atom(arguments).ended_with(1).error()["code"], "locked");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn private_addresses_are_refused_unless_allowed() {
    let sandbox = Sandbox::new();
    let server = Server::start("/never");
    let call = format!(
        "  - ask: {{ call: http, with: {{ method: get, endpoint: '{}' }} }}",
        server.uri("/")
    );
    sandbox.write("ask.yaml", workflow(&call));
    sandbox.atom(&["run", "ask.yaml"]).ended_with(1);
    assert_eq!(server.count("/"), 0);
    sandbox
        .atom(&["run", "ask.yaml", "--allow-private-network"])
        .succeeded();
    assert_eq!(server.count("/"), 1);
}

#[test]
fn resuming_nothing_says_so() {
    let outcome = Sandbox::new().atom(&["resume"]).succeeded();
    assert_eq!(outcome.output, "");
    assert_eq!(
        outcome.remarks,
        "no run of this tenant and user was interrupted; those that are paused go on with runs.resume\n"
    );
}

#[test]
fn resuming_tells_how_each_run_ended() {
    let sandbox = Sandbox::new();
    let listen = "  - hear: { listen: { to: { one: { with: { type: com.example.go } } } } }";
    let raise =
        "  - fail: { raise: { error: { type: 'https://example.com/broken', status: 500, title: Broken } } }";
    let start = |document: &str| {
        let run = sandbox.call("runs.start", &json!({ "document": document }));
        run["id"].as_str().unwrap().to_owned()
    };
    let completes = start(&workflow(listen));
    let faults = start(&workflow(&format!("{listen}\n{raise}")));
    let as_other = |operation: &str, request: &Value| {
        let with = request.to_string();
        let outcome = sandbox.atom(&["call", operation, "--tenant", "other", "--with", &with]);
        outcome.succeeded().json()
    };
    let go = json!({ "event": { "type": "com.example.go" } });
    as_other("runs.start", &json!({ "document": workflow(listen) }));
    as_other("events.publish", &go);
    sandbox.call("events.publish", &go);

    let outcome = sandbox.atom(&["resume"]).ended_with(1);
    let mut lines: Vec<_> = outcome.output.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            format!("{completes} tests/test completed"),
            format!("{faults} tests/test faulted: Broken")
        ]
    );
    sandbox.atom(&["resume"]).succeeded();
    let others = as_other("runs.list", &json!({}));
    assert_eq!(
        others["items"][0]["status"], "running",
        "another tenant's runs stay as they are"
    );

    let again = start(&workflow(listen));
    sandbox.call("events.publish", &go);
    let lines = sandbox.atom(&["resume", "--json"]).succeeded().lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["id"], &lines[0]["status"]),
        (&json!(again), &json!("completed"))
    );
}
