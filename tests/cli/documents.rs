//! `atom validate`, `atom graph` and `atom completions`.

use crate::support::{Sandbox, example, workflow};

#[test]
fn files_are_checked_one_by_one() {
    let sandbox = Sandbox::new();
    sandbox.write("good.yaml", workflow("  - nothing: { set: { x: 1 } }"));
    sandbox.write("bad.yaml", "document: { dsl: 1.0.3 }\ndo: []\n");
    sandbox.write(
        "cron.yaml",
        format!(
            "schedule: {{ cron: '0 8 * * *', every: PT0.05S }}\n{}",
            workflow("  - nothing: { set: { x: 1 } }")
        ),
    );

    let outcome = sandbox.atom(&["validate", "good.yaml"]).succeeded();
    assert_eq!(
        (outcome.output.as_str(), outcome.remarks.as_str()),
        ("good.yaml: ok\n", "")
    );

    let outcome = sandbox.atom(&["validate", "bad.yaml", "good.yaml"]).ended_with(1);
    assert_eq!(outcome.output, "good.yaml: ok\n");
    assert_eq!(
        outcome.remarks,
        "bad.yaml:1:11: /document: the key 'namespace' is missing\n"
    );

    let outcome = sandbox.atom(&["validate", "cron.yaml"]).succeeded();
    assert!(outcome.remarks.starts_with("cron.yaml:1:"), "{outcome:?}");
    assert!(outcome.remarks.contains("warning: "), "{outcome:?}");

    let outcome = sandbox
        .atom(&["validate", "absent.yaml", "bad.yaml", "good.yaml"])
        .ended_with(2);
    assert_eq!(outcome.output, "good.yaml: ok\n");
    assert_eq!(outcome.remarks.lines().count(), 2);
    sandbox.atom(&["validate"]).ended_with(2);
    assert!(!sandbox.path("data").exists());
}

#[test]
fn examples_are_valid() {
    let path = example("morning-briefing").join("workflow.yaml");
    let outcome = Sandbox::new()
        .atom(&["validate", path.to_str().unwrap()])
        .succeeded();
    assert_eq!(outcome.remarks, "");
}

#[test]
fn a_graph_is_mermaid() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "two.yaml",
        workflow("  - one: { set: { x: 1 } }\n  - two: { set: { x: 2 } }"),
    );
    let text = sandbox.atom(&["graph", "two.yaml"]).succeeded().output;
    assert!(text.starts_with("flowchart TD\n"), "{text}");
    assert!(text.contains("n1 --> n2\n"), "{text}");
    sandbox.write("bad.yaml", "do: []\n");
    sandbox.atom(&["graph", "bad.yaml"]).ended_with(2);
}

#[test]
fn shells_can_complete_the_command() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = sandbox.atom(&["completions", shell]).succeeded().output;
        assert!(script.contains("resume"), "{shell}");
    }
    sandbox.atom(&["completions", "abacus"]).ended_with(2);
}

#[test]
fn an_exported_run_is_replayed_and_a_changed_one_is_told_apart() {
    let sandbox = Sandbox::new();
    sandbox.write("wait.yaml", workflow("  - wait: { wait: { milliseconds: 1 } }"));
    sandbox.atom(&["run", "wait.yaml"]).succeeded();
    let listed: serde_json::Value =
        serde_json::from_str(&sandbox.atom(&["call", "runs.list"]).succeeded().output).unwrap();
    let request = serde_json::json!({ "id": listed["items"][0]["id"] }).to_string();
    let exported = sandbox
        .atom(&["call", "runs.export", "--with", &request])
        .succeeded()
        .output;
    sandbox.write("run.json", &exported);
    let outcome = sandbox.atom(&["replay", "run.json"]).succeeded();
    assert_eq!(outcome.output, "run.json: the same, 2 entries\n");
    sandbox.write("other.json", exported.replace("wait until", "wait for"));
    let outcome = sandbox.atom(&["replay", "run.json", "other.json"]).ended_with(1);
    assert!(
        outcome
            .remarks
            .starts_with("other.json: entry 0: the run had 'begin"),
        "{outcome:?}"
    );
    sandbox.write("none.json", "{}");
    sandbox.atom(&["replay", "none.json"]).ended_with(2);
    sandbox.write("newer.json", exported.replace("\"format\": 1", "\"format\": 2"));
    let outcome = sandbox.atom(&["replay", "run.json", "newer.json"]).ended_with(1);
    assert!(outcome.remarks.contains("\"file\":\"newer.json\""), "{outcome:?}");
}
