//! The conformance kit of the specification, run against the engine.
//!
//! Scenarios that call services on the internet reach a server on this machine that answers for them, through the
//! engine's `http.hosts` setting.

mod feature;
mod services;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use atom_engine::api::{GetRunHistoryRequest, Run, StartRunRequest};
use atom_engine::{Engine, EngineConfig};
use serde_json::Value;

use feature::Step;

#[derive(Debug, Default)]
struct State {
    document: String,
    input: Value,
    run: Option<Run>,
    /// The names of the tasks that ran, in the order in which they began.
    tasks: Vec<String>,
}

impl State {
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

    async fn execute(&mut self) {
        let services = services::start().await;
        let hosts = ["petstore.swagger.io", "httpbin.org"].map(|host| (host.to_owned(), services.uri("")));
        let mut config = EngineConfig::in_memory();
        config.http.hosts = BTreeMap::from(hosts);
        let engine = Engine::open(config).await.expect("the engine opens");
        let request = StartRunRequest {
            input: self.input.clone(),
            wait: true,
            ..StartRunRequest::document(self.document.clone())
        };
        let run = engine.call(request).await.expect("the run starts");
        let history = engine
            .call(GetRunHistoryRequest::new(run.id))
            .await
            .expect("the run has a history");
        self.tasks = history
            .records
            .iter()
            .filter_map(|entry| {
                let entry = serde_json::to_value(entry).ok()?;
                let began = entry["type"] == "task_started";
                began.then(|| entry["task"].as_str()?.rsplit('/').next().map(str::to_owned))?
            })
            .collect();
        self.run = Some(run);
        engine.close().await.expect("the engine closes");
    }

    /// Performs a step, or gives up where it does not hold.
    async fn perform(&mut self, step: &Step) {
        if let Some(property) = step.sentence.strip_prefix("the workflow output should have ") {
            return self.check_properties(property, step);
        }
        let words: Vec<&str> = step.sentence.split(' ').collect();
        match &*words {
            ["a", "workflow", "with", "definition:"] => self.document = text(step),
            ["given", "the", "workflow", "input", "is:"] => self.input = yaml(step),
            ["the", "workflow", "is", "executed"] => self.execute().await,
            ["the", "workflow", "should", "complete"] => {
                self.output();
            }
            ["the", "workflow", "should", "complete", "with", "output:"] => {
                assert_eq!(self.output(), &yaml(step));
            }
            ["the", "workflow", "should", "fault"] => {
                assert!(self.run().error.is_some(), "{:?}", self.run());
            }
            ["the", "workflow", "should", "fault", "with", "error:"] => {
                let error = serde_json::to_value(&self.run().error).expect("an error is JSON");
                assert_eq!(error, yaml(step));
            }
            [task, "should", "run", "first"] => {
                assert_eq!(self.tasks.first().map(String::as_str), Some(*task));
            }
            [task, "should", "run", "last"] => {
                assert_eq!(self.tasks.last().map(String::as_str), Some(*task));
            }
            [later, "should", "run", "after", earlier] => {
                assert!(self.began(later) > self.began(earlier), "{:?}", self.tasks);
            }
            _ => panic!("nobody knows how to check that '{}'", step.sentence),
        }
    }

    /// Checks what the output has, as the end of a sentence says.
    fn check_properties(&self, sentence: &str, step: &Step) {
        let words: Vec<&str> = sentence.split(' ').collect();
        match &*words {
            ["properties", names @ ..] => {
                for name in names {
                    self.property(name.trim_matches([',', '\'']));
                }
            }
            ["a", name, "property", "with", "value:"] => {
                assert_eq!(self.property(name.trim_matches('\'')), &yaml(step));
            }
            ["a", name, "property", "containing", count, "items"] => {
                let count: usize = count.parse().expect("a number of items");
                let items = self.property(name.trim_matches('\'')).as_array();
                assert_eq!(items.map(Vec::len), Some(count));
            }
            _ => panic!("nobody knows how to check that the output has {sentence}"),
        }
    }
}

fn text(step: &Step) -> String {
    step.text.clone().expect("the step has a text")
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

/// Every feature of the kit, in the order of their files' names.
fn features(kit: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(kit).expect("the kit can be read");
    let mut files: Vec<PathBuf> = files
        .map(|file| file.expect("the kit can be read").path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "feature"))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn every_scenario_passes() {
    let Some(kit) = crate::folder("ctk/features") else {
        return;
    };
    let (mut passed, mut failed) = (0, Vec::new());
    for file in features(&kit) {
        for scenario in feature::read(&file) {
            // On a task of its own, so that one scenario's panic does not hide the others.
            let performed = tokio::spawn(async move {
                let mut state = State::default();
                for step in &scenario.steps {
                    state.perform(step).await;
                }
            });
            match performed.await {
                Ok(()) => passed += 1,
                Err(error) => failed.push(format!("{}: {}: {error}", file.display(), scenario.name)),
            }
        }
    }
    println!("{passed} scenarios passed");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(passed > 0, "{} holds no scenario", kit.display());
}
