//! Documents that run processes.

use atom_engine::api::Run;
use atom_integrations::process::testing::{TestDocker, TestState};
use serde_json::{Value, json};

use super::documents;
use super::stage::Stage;

documents! {
    "run-container-cleanup-always.yaml" => cleanup_always,
    "run-container-cleanup-eventually.yaml" => cleanup_eventually,
    "run-container-stdin-and-arguments.yaml" => container_with_input,
    "run-container-with-name.yaml" => container_with_name,
    "run-container-with-pull-policy.yaml" => container_with_pull_policy,
    "run-container.yaml" => container,
    "run-return-all.yaml" => return_all,
    "run-return-code.yaml" => return_code,
    "run-return-none.yaml" => return_none,
    "run-return-stderr.yaml" => return_stderr,
    "run-script-with-stdin-and-arguments.yaml" => script_with_input,
    "run-shell-stdin-and-arguments.yaml" => shell_with_input,
}

/// What the image `hello-world` writes.
const HELLO: &str = "\nHello from Docker!\n";

/// What the documents make of their input and arguments.
const ECHO: &str = "STDIN was: Hello World\nARGS are Foo Bar\n";

/// Runs a document to its end; gives the run, and the container engine as it is then.
async fn run(stage: Stage) -> (Run, TestDocker) {
    let docker = TestDocker::start().await.expect("a socket can be made");
    let scene = stage.with_processes(&docker).alone().await;
    let run = scene.run(json!({})).await;
    assert_eq!(run.error, None);
    scene.engine.close().await.expect("the engine closes");
    assert!(docker.violations().is_empty(), "{:?}", docker.violations());
    (run, docker)
}

async fn output(stage: Stage) -> Value {
    run(stage).await.0.output.expect("the run completes")
}

async fn cleanup_always(stage: Stage) {
    let (run, docker) = run(stage).await;
    assert_eq!(run.output, Some(json!(HELLO)));
    assert!(docker.containers().is_empty());
}

async fn cleanup_eventually(stage: Stage) {
    let (run, docker) = run(stage).await;
    assert_eq!(run.output, Some(json!(HELLO)));
    let name = docker
        .containers()
        .into_keys()
        .next()
        .expect("it stays for a while");
    let created = docker.created_with(&name).expect("it is there");
    assert_eq!(created["Labels"]["atom.remove-after-milliseconds"], "1800000");
}

async fn container_with_input(stage: Stage) {
    assert_eq!(output(stage).await, ECHO);
}

async fn container_with_name(stage: Stage) {
    let (run, docker) = run(stage).await;
    let name = format!("hello-run-container-with-name-runContainer-{}", run.id);
    assert_eq!(docker.containers()[&name], TestState::Exited(0));
}

async fn container_with_pull_policy(stage: Stage) {
    let (_, docker) = run(stage).await;
    assert!(docker.requests().contains(&"POST /images/create".to_owned()));
}

async fn container(stage: Stage) {
    assert_eq!(output(stage).await, HELLO);
}

async fn return_all(stage: Stage) {
    assert_eq!(
        output(stage).await,
        json!({ "code": 0, "stdout": HELLO, "stderr": "" })
    );
}

async fn return_code(stage: Stage) {
    assert_eq!(output(stage).await, 0);
}

async fn return_none(stage: Stage) {
    assert_eq!(output(stage).await, Value::Null);
}

async fn return_stderr(stage: Stage) {
    assert_eq!(output(stage).await, "");
}

async fn script_with_input(stage: Stage) {
    assert_eq!(
        output(stage).await,
        "stdin >  Hello Workflow\narg >  hello\nenv >  bar\n"
    );
}

async fn shell_with_input(stage: Stage) {
    assert_eq!(output(stage).await, ECHO);
}
