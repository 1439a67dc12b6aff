//! The conformance kit of the Open Workflow Specification, run against the engine.
//!
//! The kit belongs to the specification, not to this repository. A checkout of the specification is looked for where
//! `OPEN_WORKFLOW_SPECIFICATION` says, `../shared/ows` unless set; without it the test says so and is skipped. Scenarios that call services on the internet reach a server on this machine
//! that answers for them, through the engine's `http.hosts` setting.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test, though one with a harness of its own"
)]

mod services;

use std::collections::BTreeMap;
use std::path::PathBuf;

use atom_engine::api::{GetRunHistoryRequest, Run, StartRunRequest};
use atom_engine::{Engine, EngineConfig};
use cucumber::gherkin::Step;
use cucumber::{World, given, then, when};
use serde_json::Value;

#[derive(Debug, Default, World)]
struct Scenario {
    document: String,
    input: Value,
    run: Option<Run>,
    /// The names of the tasks that ran, in the order in which they began.
    tasks: Vec<String>,
}

impl Scenario {
    fn run(&self) -> &Run {
        self.run.as_ref().expect("the workflow was executed")
    }

    fn output(&self) -> &Value {
        assert_eq!(self.run().error, None);
        self.run().output.as_ref().expect("the run has an output")
    }

    fn property(&self, path: &str) -> &Value {
        let pointer = format!("/{}", path.replace('.', "/"));
        self.output()
            .pointer(&pointer)
            .unwrap_or_else(|| panic!("no property '{path}' in {}", self.output()))
    }

    fn began(&self, task: &str) -> usize {
        self.tasks
            .iter()
            .position(|name| name == task)
            .unwrap_or_else(|| panic!("'{task}' did not run"))
    }
}

fn text(step: &Step) -> String {
    step.docstring
        .clone()
        .expect("the step has a text")
        .trim_start_matches("yaml")
        .to_owned()
}

fn yaml(step: &Step) -> Value {
    // The engine's own reader takes documents only, so the value becomes the data of one.
    let indented: String = text(step)
        .lines()
        .map(|line| format!("          {line}\n"))
        .collect();
    let document = format!(
        "document: {{ dsl: 1.0.3, namespace: kit, name: value, version: 1.0.0 }}\ndo:\n  - value:\n      set:\n        value:\n{indented}"
    );
    let workflow = atom_workflow::definition::Workflow::parse(&document).expect("the value is YAML");
    workflow.source["do"][0]["value"]["set"]["value"].clone()
}

#[given("a workflow with definition:")]
fn workflow(scenario: &mut Scenario, step: &Step) {
    scenario.document = text(step);
}

#[given("given the workflow input is:")]
fn input(scenario: &mut Scenario, step: &Step) {
    scenario.input = yaml(step);
}

#[when("the workflow is executed")]
async fn execute(scenario: &mut Scenario) {
    let services = services::start().await;
    let hosts = ["petstore.swagger.io", "httpbin.org"].map(|host| (host.to_owned(), services.uri("")));
    let mut config = EngineConfig::in_memory();
    config.http.hosts = BTreeMap::from(hosts);
    let engine = Engine::open(config).await.expect("the engine opens");
    let request = StartRunRequest {
        input: scenario.input.clone(),
        wait: true,
        ..StartRunRequest::document(scenario.document.clone())
    };
    let run = engine.call(request).await.expect("the run starts");
    let history = engine
        .call(GetRunHistoryRequest { id: run.id })
        .await
        .expect("the run has a history");
    scenario.tasks = history
        .records
        .iter()
        .filter_map(|entry| {
            let entry = serde_json::to_value(entry).ok()?;
            let began = entry["type"] == "task_started";
            began.then(|| entry["task"].as_str()?.rsplit('/').next().map(str::to_owned))?
        })
        .collect();
    scenario.run = Some(run);
    engine.close().await.expect("the engine closes");
}

#[then("the workflow should complete")]
fn completes(scenario: &mut Scenario) {
    scenario.output();
}

#[then("the workflow should fault")]
fn faults(scenario: &mut Scenario) {
    assert!(scenario.run().error.is_some(), "{:?}", scenario.run());
}

#[then("the workflow should complete with output:")]
fn completes_with(scenario: &mut Scenario, step: &Step) {
    assert_eq!(scenario.output(), &yaml(step));
}

#[then("the workflow should fault with error:")]
fn faults_with(scenario: &mut Scenario, step: &Step) {
    assert_eq!(
        serde_json::to_value(&scenario.run().error).expect("an error is JSON"),
        yaml(step)
    );
}

#[then(regex = "^the workflow output should have properties (.+)$")]
fn has_properties(scenario: &mut Scenario, names: String) {
    for name in names.split(',') {
        scenario.property(name.trim().trim_matches('\''));
    }
}

#[then(regex = "^the workflow output should have a '(.+)' property with value:$")]
fn has_property_with(scenario: &mut Scenario, name: String, step: &Step) {
    assert_eq!(scenario.property(&name), &yaml(step));
}

#[then(regex = "^the workflow output should have a '(.+)' property containing (\\d+) items$")]
fn has_items(scenario: &mut Scenario, name: String, count: usize) {
    assert_eq!(scenario.property(&name).as_array().map(Vec::len), Some(count));
}

#[then(regex = "^(\\w+) should run first$")]
fn first(scenario: &mut Scenario, task: String) {
    assert_eq!(scenario.tasks.first(), Some(&task));
}

#[then(regex = "^(\\w+) should run last$")]
fn last(scenario: &mut Scenario, task: String) {
    assert_eq!(scenario.tasks.last(), Some(&task));
}

#[then(regex = "^(\\w+) should run after (\\w+)$")]
fn after(scenario: &mut Scenario, later: String, earlier: String) {
    assert!(
        scenario.began(&later) > scenario.began(&earlier),
        "{:?}",
        scenario.tasks
    );
}

#[tokio::main]
async fn main() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let specification = std::env::var_os("OPEN_WORKFLOW_SPECIFICATION");
    let specification = specification.map_or_else(|| PathBuf::from("../shared/ows"), PathBuf::from);
    let kit = root.join(specification).join("ctk/features");
    if !kit.is_dir() {
        println!("skipped: no conformance kit at {}", kit.display());
        return;
    }
    Scenario::cucumber()
        .fail_on_skipped()
        .with_default_cli()
        .run_and_exit(kit)
        .await;
}
