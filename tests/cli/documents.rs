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
            "schedule: {{ cron: '0 8 * * *', every: PT1H }}\n{}",
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
