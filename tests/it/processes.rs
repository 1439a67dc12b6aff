//! `run` tasks through the engine.

use std::path::Path;

use atom_engine::{Engine, EngineConfig, ErrorCode, Principal};
use serde_json::{Value, json};

/// How often a test looks whether something has happened outside.
const POLL: std::time::Duration = std::time::Duration::from_millis(5);

fn config() -> EngineConfig {
    let mut config = EngineConfig::in_memory();
    config.processes.shell = true;
    config.processes.script = true;
    config
}

fn document(tasks: &str) -> String {
    format!("document: {{ dsl: 1.0.3, namespace: tests, name: processes, version: 1.0.0 }}\n{tasks}")
}

struct Fixture {
    engine: Engine,
    ada: Principal,
}

impl Fixture {
    async fn open(config: EngineConfig) -> Self {
        Self {
            engine: Engine::open(config).await.unwrap(),
            ada: Principal::new("acme", "ada").unwrap(),
        }
    }

    async fn call(&self, operation: &str, request: Value) -> Value {
        self.engine
            .call_json(&self.ada, operation, request)
            .await
            .unwrap()
    }

    /// Runs a document to its end.
    async fn run(&self, document: &str, input: Value) -> Value {
        self.call(
            "runs.start",
            json!({ "document": document, "input": input, "wait": true }),
        )
        .await
    }

    async fn output(&self, tasks: &str, input: Value) -> Value {
        let run = self.run(&document(tasks), input).await;
        assert_eq!(run["status"], "completed", "{run}");
        run["output"].clone()
    }
}

/// Waits until a file holds this many lines and gives them.
async fn lines(path: &Path, count: usize) -> Vec<String> {
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') && text.lines().count() >= count {
            return text.lines().map(str::to_owned).collect();
        }
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn a_run_that_needs_what_is_off_is_refused_at_its_start() {
    let fixture = Fixture::open(EngineConfig::in_memory()).await;
    for (kind, process) in [
        ("shell", "{ command: 'true' }"),
        ("script", "{ language: js, code: '1' }"),
        ("container", "{ image: alpine }"),
    ] {
        // Deep inside, and after what would have an effect.
        let tasks = format!(
            "do:\n  - first: {{ emit: {{ event: {{ with: {{ type: began, source: 'urn:a' }} }} }} }}\n  - outer: {{ do: [{{ inner: {{ run: {{ {kind}: {process} }} }} }}] }}"
        );
        let request = json!({ "document": document(&tasks) });
        let started = fixture
            .engine
            .call_json(&fixture.ada, "runs.start", request)
            .await;
        let error = started.unwrap_err();
        assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error}");
        assert!(
            error.message().contains(&format!("'processes.{kind}'")),
            "{error}"
        );
        let direct = json!({ "name": format!("run.{kind}"), "arguments": {} });
        let error = fixture
            .engine
            .call_json(&fixture.ada, "functions.call", direct)
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error}");
    }
    assert_eq!(fixture.call("events.list", json!({})).await["events"], json!([]));
    fixture.engine.close().await.unwrap();
}

#[tokio::test]
async fn each_part_of_a_result_can_be_the_output() {
    let fixture = Fixture::open(config()).await;
    let run = |rest: &str| {
        format!("do: [{{ a: {{ run: {{ shell: {{ command: 'echo out; echo err >&2' }}{rest} }} }} }}]")
    };
    for (rest, output) in [
        ("", json!("out\n")),
        (", return: stdout", json!("out\n")),
        (", return: stderr", json!("err\n")),
        (", return: code", json!(0)),
        (
            ", return: all",
            json!({ "code": 0, "stdout": "out\n", "stderr": "err\n" }),
        ),
        (", return: none", json!(null)),
        (", await: false", json!({ "n": 1 })),
        (", await: false, return: all", json!({ "n": 1 })),
    ] {
        assert_eq!(
            fixture.output(&run(rest), json!({ "n": 1 })).await,
            output,
            "{rest}"
        );
    }
    fixture.engine.close().await.unwrap();
}

#[tokio::test]
async fn each_part_of_the_end_of_a_workflow_can_be_the_output() {
    let fixture = Fixture::open(config()).await;
    let child = "document: { dsl: 1.0.3, namespace: tests, name: child, version: 1.0.0 }\ndo: [{ a: { set: { b: 1 } } }]";
    fixture
        .call("workflows.deploy", json!({ "document": child }))
        .await;
    let run = |returns: &str| {
        format!(
            "do: [{{ a: {{ run: {{ return: {returns}, workflow: {{ namespace: tests, name: child, version: 1.0.0 }} }} }} }}]"
        )
    };
    for (returns, output) in [
        ("stdout", json!({ "b": 1 })),
        ("stderr", json!("")),
        ("code", json!(0)),
        ("all", json!({ "code": 0, "stdout": { "b": 1 }, "stderr": "" })),
        ("none", json!(null)),
    ] {
        assert_eq!(
            fixture.output(&run(returns), json!({})).await,
            output,
            "{returns}"
        );
    }
    fixture.engine.close().await.unwrap();
}

#[tokio::test]
async fn a_failed_process_is_a_runtime_error_that_can_be_caught() {
    let fixture = Fixture::open(config()).await;
    let tasks = "
do:
  - attempt:
      try:
        - fail: { run: { shell: { command: 'echo no luck >&2; exit 7' } } }
      catch:
        errors: { with: { type: 'https://serverlessworkflow.io/spec/1.0.0/errors/runtime', status: 500 } }
        do:
          - told: { set: { detail: '${ $error.detail }', at: '${ $error.instance }' } }
";
    let output = fixture.output(tasks, json!({})).await;
    assert_eq!(output["at"], "/do/0/attempt/try/0/fail");
    let detail = output["detail"].as_str().unwrap();
    assert!(
        detail.contains("code 7") && detail.contains("no luck"),
        "{detail}"
    );
    fixture.engine.close().await.unwrap();
}

#[tokio::test]
async fn secrets_reach_a_process_and_nothing_else() {
    let fixture = Fixture::open(config()).await;
    fixture
        .call("secrets.set", json!({ "name": "token", "value": "s3cret-token" }))
        .await;
    let tasks = |command: &str| {
        format!(
            "use: {{ secrets: [token] }}\ndo:\n  - a:\n      run:\n        shell:\n          command: {command}\n          environment: {{ TOKEN: '${{ $secrets.token }}' }}\n          arguments: ['${{ $secrets.token }}']"
        )
    };
    let run = fixture
        .run(&document(&tasks("echo ${#TOKEN} $1")), json!({}))
        .await;
    assert_eq!(run["output"], "12 ***\n");
    let run = fixture
        .run(&document(&tasks("echo \"bad $TOKEN\" >&2; exit 1")), json!({}))
        .await;
    assert_eq!(run["status"], "faulted");
    let history = fixture.call("runs.history", json!({ "id": run["id"] })).await;
    assert!(!run.to_string().contains("s3cret") && !history.to_string().contains("s3cret"));
    assert!(run["error"]["detail"].as_str().unwrap().contains("bad ***"));
    fixture.engine.close().await.unwrap();
}

#[tokio::test]
async fn cancelling_a_run_ends_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let fixture = Fixture::open(config()).await;
    let command = format!(
        "sleep 1000 & echo $! >> {0}; echo $$ >> {0}; wait",
        file.display()
    );
    let tasks = format!("do: [{{ a: {{ run: {{ shell: {{ command: '{command}' }} }} }} }}]");
    let run = fixture
        .call("runs.start", json!({ "document": document(&tasks) }))
        .await;
    let ids = lines(&file, 2).await;
    let cancelled = fixture.call("runs.cancel", json!({ "id": run["id"] })).await;
    assert_eq!(cancelled["status"], "cancelled");
    fixture.engine.close().await.unwrap();
    // The engine's own child is gone and waited for; its descendants are killed and left to whoever adopts them.
    let state = |id: &String| std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    assert_eq!(state(&ids[1]), "");
    while !state(&ids[0]).is_empty() && !state(&ids[0]).contains(") Z") {
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn a_process_that_was_interrupted_runs_again_with_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, go) = (folder.path().join("keys"), folder.path().join("go"));
    let mut config = config();
    config.storage = atom_engine::Storage::Sqlite;
    config.data_dir = Some(folder.path().join("data"));
    let command = format!(
        "echo $ATOM_IDEMPOTENCY_KEY >> {}; while ! [ -e {} ]; do sleep 0.01; done; echo done",
        keys.display(),
        go.display()
    );
    let tasks = format!("do: [{{ a: {{ run: {{ shell: {{ command: '{command}' }} }} }} }}]");
    let first = Fixture::open(config.clone()).await;
    let run = first
        .call("runs.start", json!({ "document": document(&tasks) }))
        .await;
    lines(&keys, 1).await;
    first.engine.close().await.unwrap();
    std::fs::write(&go, "").unwrap();
    let second = Fixture::open(config).await;
    let run = second
        .call("runs.get", json!({ "id": run["id"], "wait": true }))
        .await;
    assert_eq!(run["output"], "done\n");
    let keys = lines(&keys, 2).await;
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
    second.engine.close().await.unwrap();
}

#[tokio::test]
async fn the_source_of_a_script_is_found_from_the_input() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    std::fs::write(path.join("greet.js"), "console.log('Hello', process.argv[2])").unwrap();
    let mut config = config();
    config.file_roots = atom_engine::FileRoots::Below(vec![path.clone()]);
    let fixture = Fixture::open(config).await;
    let tasks = format!(
        "do: [{{ a: {{ run: {{ script: {{ language: javascript, source: {{ endpoint: 'file://{}/{{name}}.js' }}, arguments: ['${{ .who }}'] }} }} }} }}]",
        path.display()
    );
    let output = fixture
        .output(&tasks, json!({ "name": "greet", "who": "Ada" }))
        .await;
    assert_eq!(output, "Hello Ada\n");
    fixture.engine.close().await.unwrap();
}
