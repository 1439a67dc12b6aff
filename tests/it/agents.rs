//! Workflows that call agents and their tools.

use std::sync::atomic::{AtomicUsize, Ordering};

use atom_engine::api::{GetRunRequest, Run, SetSecretRequest, StartRunRequest};
use atom_engine::{Engine, EngineConfig, PrivateAddresses, Secret};
use atom_integrations::http::testing::{RecordedRequest, TestResponse, TestServer};
use serde_json::{Value, json};

const ASK: &str = r#"
document: { dsl: 1.0.3, namespace: default, name: ask, version: 0.1.0 }
use: { secrets: [agent], authentications: { login: { bearer: { use: agent } } } }
do:
  - ask:
      call: a2a
      with:
        agentCard: { endpoint: { uri: 'http://agents.test/{agent}/card', authentication: { use: login } } }
        method: message/send
        parameters: { message: { parts: [ { kind: text, text: '${ "Hello " + .name }' } ] } }
"#;

fn body(request: &RecordedRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn result(request: &RecordedRequest, result: &Value) -> TestResponse {
    TestResponse::json(&json!({ "jsonrpc": "2.0", "id": body(request)["id"], "result": result }))
}

/// An agent that gives no answer the first `silent` times.
async fn agent(silent: usize) -> TestServer {
    let asked = AtomicUsize::new(0);
    TestServer::start(move |request| match request.target.as_str() {
        "/writer/card" => TestResponse::json(&json!({ "name": "writer", "url": "http://agents.test/rpc" })),
        _ if asked.fetch_add(1, Ordering::SeqCst) < silent => {
            TestResponse::body("application/json", "{").stalling()
        }
        _ => result(request, &json!({ "kind": "message", "parts": [] })),
    })
    .await
    .unwrap()
}

fn reaching(server: &TestServer, mut config: EngineConfig) -> EngineConfig {
    config.http.hosts.insert("agents.test".to_owned(), server.uri(""));
    config
}

async fn start(engine: &Engine, document: &str, input: Value) -> Run {
    let start = StartRunRequest::document(document.to_owned()).with_input(input);
    engine.call(start).await.unwrap()
}

async fn ended(engine: &Engine, run: &Run) -> Run {
    let wait = tokio::time::timeout(
        std::time::Duration::from_secs(60),
        engine.call(GetRunRequest::ended(run.id)),
    );
    wait.await.unwrap().unwrap()
}

#[tokio::test]
async fn an_agent_is_asked_again_with_the_same_message_after_a_crash() {
    let server = agent(1).await;
    let folder = tempfile::tempdir().unwrap();
    let config = reaching(&server, EngineConfig::in_folder(folder.path()));
    let engine = Engine::open(config.clone()).await.unwrap();
    engine
        .call(SetSecretRequest {
            name: "agent".to_owned(),
            value: Secret::new("t0ken"),
        })
        .await
        .unwrap();
    let run = start(&engine, ASK, json!({ "agent": "writer", "name": "Ada" })).await;
    server.received(2).await;
    engine.close().await.unwrap();

    let engine = Engine::open(config).await.unwrap();
    let run = ended(&engine, &run).await;
    assert_eq!(
        run.output,
        Some(json!({ "kind": "message", "parts": [] })),
        "{:?}",
        run.error
    );
    engine.close().await.unwrap();

    let requests = server.requests();
    let messages: Vec<_> = requests
        .iter()
        .filter(|request| request.method == "POST")
        .map(|request| body(request)["params"]["message"].clone())
        .collect();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0], messages[1]);
    assert_eq!(messages[0]["messageId"].as_str().unwrap().len(), 36);
    assert_eq!(messages[0]["parts"][0]["text"], "Hello Ada");
    assert!(
        requests
            .iter()
            .all(|request| request.header("authorization") == Some("Bearer t0ken"))
    );
}

#[tokio::test]
async fn what_an_agent_refuses_is_a_runtime_error() {
    let server = TestServer::start(|request| {
        let error = json!({ "code": -32001, "message": "Task not found" });
        TestResponse::json(&json!({ "jsonrpc": "2.0", "id": body(request)["id"], "error": error }))
    })
    .await
    .unwrap();
    let engine = Engine::open(reaching(&server, EngineConfig::in_memory()))
        .await
        .unwrap();
    let document = r"
document: { dsl: 1.0.3, namespace: default, name: refused, version: 0.1.0 }
do:
  - look:
      try:
        - ask: { call: a2a, with: { server: 'http://agents.test/rpc', method: tasks/get, parameters: { id: t } } }
      catch:
        errors: { with: { type: 'https://serverlessworkflow.io/spec/1.0.0/errors/runtime', status: 500 } }
        do:
          - give: { set: { detail: '${ $error.detail }' } }
";
    let run = start(&engine, document, json!({})).await;
    let output = ended(&engine, &run).await.output.unwrap();
    let detail = output["detail"].as_str().unwrap();
    assert!(detail.contains("-32001: Task not found"), "{detail}");
    engine.close().await.unwrap();
}

#[tokio::test]
async fn private_agents_are_refused_like_private_services() {
    let server = agent(0).await;
    let document = format!(
        "document: {{ dsl: 1.0.3, namespace: default, name: private, version: 0.1.0 }}
do:
  - ask: {{ call: a2a, with: {{ server: '{}', method: tasks/list }} }}
",
        server.uri("/rpc")
    );
    for (private_addresses, is_allowed) in [(PrivateAddresses::Deny, false), (PrivateAddresses::Allow, true)]
    {
        let mut config = EngineConfig::in_memory();
        config.http.private_addresses = private_addresses;
        let engine = Engine::open(config).await.unwrap();
        let run = start(&engine, &document, json!({})).await;
        let run = ended(&engine, &run).await;
        assert_eq!(run.error.is_none(), is_allowed, "{:?}", run.error);
        engine.close().await.unwrap();
    }
}

#[cfg(all(unix, feature = "mcp"))]
mod mcp {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use atom_core::testkit::ManualClock;
    use atom_engine::ProcessConfig;

    use super::*;

    /// A workflow that calls a tool of a server that is a shell script.
    fn document(script: &str, more: &str) -> String {
        let handshake = json!({
            "jsonrpc": "2.0", "id": 0,
            "result": {
                "protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": { "name": "s", "version": "1" }
            }
        });
        let script = format!("read hello; echo '{handshake}'; read initialized; read request; {script}");
        let script = serde_json::to_string(&script).unwrap();
        format!(
            "document: {{ dsl: 1.0.3, namespace: default, name: tool, version: 0.1.0 }}
do:
  - use:
      call: mcp
      with:
        method: tools/call
        parameters: {{ name: print, arguments: '${{ . }}' }}
        timeout: '${{ .patience }}'
        transport: {{ stdio: {{ command: sh, arguments: [ '-c', {script} ] }} }}
{more}"
        )
    }

    fn allowed() -> EngineConfig {
        EngineConfig {
            processes: ProcessConfig {
                mcp: true,
                ..ProcessConfig::default()
            },
            ..EngineConfig::in_memory()
        }
    }

    #[tokio::test]
    async fn servers_start_only_where_the_engine_lets_them() {
        let answer = r#"echo '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'"#;
        for (config, is_allowed) in [(EngineConfig::in_memory(), false), (allowed(), true)] {
            let engine = Engine::open(config).await.unwrap();
            let run = start(
                &engine,
                &document(answer, ""),
                json!({ "patience": { "minutes": 1 } }),
            )
            .await;
            let run = ended(&engine, &run).await;
            if is_allowed {
                assert_eq!(run.output, Some(json!({ "content": [] })), "{:?}", run.error);
            } else {
                let error = run.error.unwrap();
                assert_eq!(error["status"], 403);
                assert!(error["detail"].as_str().unwrap().contains("processes.mcp"));
            }
            engine.close().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_call_ends_at_its_timeout() {
        let engine = Engine::open(allowed()).await.unwrap();
        let run = start(
            &engine,
            &document("sleep 1000", ""),
            json!({ "patience": "PT0.3S" }),
        )
        .await;
        assert_eq!(ended(&engine, &run).await.error.unwrap()["status"], 408);
        let run = start(
            &engine,
            &document("sleep 1000", ""),
            json!({ "patience": "soon" }),
        )
        .await;
        assert_eq!(ended(&engine, &run).await.error.unwrap()["status"], 400);
        engine.close().await.unwrap();
    }

    async fn appears(file: &Path) {
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_task_that_times_out_ends_its_server() {
        let folder = tempfile::tempdir().unwrap();
        let (pid, ready) = (folder.path().join("pid"), folder.path().join("ready"));
        let script = format!(
            "echo $$ > {}; touch {}; sleep 1000",
            pid.display(),
            ready.display()
        );
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::now()));
        let engine = Engine::builder(allowed()).with_clock(Arc::<ManualClock>::clone(&clock));
        let engine = engine.open().await.unwrap();
        let more = "      timeout: { after: { seconds: 10 } }\n";
        let run = start(
            &engine,
            &document(&script, more),
            json!({ "patience": { "days": 1 } }),
        )
        .await;
        appears(&ready).await;
        clock.advance(Duration::from_secs(10));
        assert_eq!(ended(&engine, &run).await.error.unwrap()["status"], 408);
        let pid = std::fs::read_to_string(&pid).unwrap();
        let alive = async {
            // A process that nobody has waited for yet still has an entry, without a command line.
            while std::fs::read(format!("/proc/{}/cmdline", pid.trim())).is_ok_and(|line| !line.is_empty()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), alive)
            .await
            .unwrap();
        engine.close().await.unwrap();
    }
}
