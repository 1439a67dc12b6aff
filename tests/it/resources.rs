//! Functions of catalogs and schemas at URIs, read from a loopback server.

use std::sync::{Arc, Mutex};

use atom_engine::{Engine, EngineConfig, Error, Principal, Result};
use atom_integrations::http::testing::{TestResponse, TestServer};
use serde_json::{Value, json};

const FUNCTION: &str = "
input: { schema: { resource: { endpoint: https://functions.test/schemas/name.json } } }
set: { greeting: '${ \"Hello \" + .name }' }
";

const SCHEMA: &str = r#"{ "type": "object", "required": ["name"] }"#;

fn document(version: &str) -> String {
    format!(
        "
document: {{ dsl: 1.0.3, namespace: tests, name: greet, version: {version} }}
use:
  secrets: [token]
  catalogs:
    ours:
      endpoint: {{ uri: 'https://functions.test/catalog', authentication: {{ bearer: {{ token: '${{ $secrets.token }}' }} }} }}
do:
  - greet: {{ call: 'greet:1.0.0@ours', with: {{ name: '${{ .name }}' }} }}
"
    )
}

/// A server with one function, which may be changed.
async fn server(function: &Arc<Mutex<String>>) -> TestServer {
    let function = Arc::clone(function);
    let answer =
        move |request: &atom_integrations::http::testing::RecordedRequest| match request.target.as_str() {
            "/catalog/functions/greet/1.0.0/function.yaml"
                if request.header("authorization") == Some("Bearer s3cret-token") =>
            {
                TestResponse::body("application/yaml", function.lock().unwrap().clone())
            }
            "/own/functions/greet/1.0.0/function.yaml" => {
                TestResponse::body("text/plain", "set: { greeting: own }")
            }
            "/schemas/name.json" => TestResponse::body("application/json", SCHEMA),
            _ => TestResponse::status(404),
        };
    TestServer::start(answer).await.unwrap()
}

fn config(server: &TestServer, mut config: EngineConfig) -> EngineConfig {
    config
        .http
        .hosts
        .insert("functions.test".to_owned(), server.uri(""));
    config
}

struct Caller {
    engine: Engine,
    principal: Principal,
}

impl Caller {
    async fn open(config: EngineConfig) -> Self {
        Self {
            engine: Engine::open(config).await.unwrap(),
            principal: Principal::new("acme", "ada").unwrap(),
        }
    }

    async fn call(&self, operation: &str, request: Value) -> Result<Value> {
        self.engine.call_json(&self.principal, operation, request).await
    }

    async fn refusal(&self, operation: &str, request: Value) -> Error {
        self.call(operation, request).await.unwrap_err()
    }

    async fn set_token(&self) {
        let secret = json!({ "name": "token", "value": "s3cret-token" });
        self.call("secrets.set", secret).await.unwrap();
    }

    async fn greeting(&self) -> Value {
        let start = json!({
            "workflow": { "namespace": "tests", "name": "greet" },
            "input": { "name": "Ada" },
            "wait": true,
        });
        let run = self.call("runs.start", start).await.unwrap();
        assert_eq!(run["error"], Value::Null, "{run}");
        run["output"]["greeting"].clone()
    }
}

#[tokio::test]
async fn what_was_deployed_stays_what_it_was() {
    let function = Arc::new(Mutex::new(FUNCTION.to_owned()));
    let server = server(&function).await;
    let folder = tempfile::tempdir().unwrap();
    let caller = Caller::open(config(&server, EngineConfig::in_folder(folder.path()))).await;
    caller.set_token().await;
    let first = caller
        .call("workflows.deploy", json!({ "document": document("1.0.0") }))
        .await
        .unwrap();
    assert_eq!(caller.greeting().await, "Hello Ada");

    let found = caller
        .call("workflows.get", json!({ "namespace": "tests", "name": "greet" }))
        .await
        .unwrap();
    assert_eq!(found["document"], document("1.0.0"));
    let resources = found["resources"].as_array().unwrap();
    assert_eq!(
        resources[0]["uri"],
        "https://functions.test/catalog/functions/greet/1.0.0/function.yaml"
    );
    assert_eq!(resources[0]["bytes"], FUNCTION.len());
    assert_eq!(resources[1]["uri"], "https://functions.test/schemas/name.json");

    // Changed there, it is the same here: nobody looks again, not even whoever deploys the same version once more.
    *function.lock().unwrap() = "set: { greeting: Bye }".to_owned();
    let again = caller
        .call("workflows.deploy", json!({ "document": document("1.0.0") }))
        .await
        .unwrap();
    assert_eq!(again, first);
    assert_eq!(caller.greeting().await, "Hello Ada");
    assert_eq!(server.requests().len(), 2);
    let next = caller
        .call("workflows.deploy", json!({ "document": document("1.0.1") }))
        .await
        .unwrap();
    assert_ne!(next["hash"], first["hash"]);
    assert_eq!(caller.greeting().await, "Bye");

    // What is different there is told with the rest. The function that was changed needs the schema no more.
    let mut comparison = json!({ "namespace": "tests", "name": "greet", "from": "1.0.0", "to": "1.0.1" });
    let compared = caller.call("workflows.diff", comparison.clone()).await.unwrap();
    let latest = caller
        .call("workflows.get", json!({ "namespace": "tests", "name": "greet" }))
        .await
        .unwrap();
    assert_eq!(
        compared["resources"],
        json!([
            { "uri": resources[0]["uri"], "from": resources[0]["hash"], "to": latest["resources"][0]["hash"] },
            { "uri": resources[1]["uri"], "from": resources[1]["hash"] },
        ])
    );
    assert_eq!(compared["parts"].as_array().unwrap().len(), 1, "{compared}");
    comparison["from"] = json!("1.0.1");
    let compared = caller.call("workflows.diff", comparison.clone()).await.unwrap();
    assert_eq!(compared["resources"], json!([]));
    // What a text refers to is not read.
    comparison["to"] = Value::Null;
    comparison["document"] = json!(document("1.0.2"));
    let compared = caller.call("workflows.diff", comparison).await.unwrap();
    assert_eq!(compared.get("resources"), None, "{compared}");

    // A new process needs no server.
    caller.engine.close().await.unwrap();
    drop(server);
    let caller = Caller::open(EngineConfig::in_folder(folder.path())).await;
    assert_eq!(caller.greeting().await, "Bye");
    let again = caller
        .call("workflows.deploy", json!({ "document": document("1.0.1") }))
        .await
        .unwrap();
    assert_eq!(again, next);
    caller.engine.close().await.unwrap();
}

#[tokio::test]
async fn a_check_reads_resources_only_when_it_is_asked_to() {
    let function = Arc::new(Mutex::new("set: { greeting: ${ }".to_owned()));
    let server = server(&function).await;
    let caller = Caller::open(config(&server, EngineConfig::in_memory())).await;
    caller.set_token().await;
    let validate = |resources: bool| json!({ "document": document("1.0.0"), "resources": resources });
    let checked = caller.call("workflows.validate", validate(false)).await.unwrap();
    assert_eq!(checked["is_valid"], true);
    let uri = "https://functions.test/catalog/functions/greet/1.0.0/function.yaml";
    assert_eq!(checked["resources"], json!([{ "uri": uri }]));
    assert_eq!(server.requests().len(), 0);

    let checked = caller.call("workflows.validate", validate(true)).await.unwrap();
    assert_eq!(checked["is_valid"], false);
    let problem = &checked["problem"];
    assert_eq!(problem["context"]["path"], "/do/0/greet/call", "{problem}");
    assert_eq!(problem["context"]["resource"], uri);
    let error = caller
        .refusal("workflows.deploy", json!({ "document": document("1.0.0") }))
        .await;
    assert_eq!(error.message(), problem["message"].as_str().unwrap());

    *function.lock().unwrap() = FUNCTION.to_owned();
    let checked = caller.call("workflows.validate", validate(true)).await.unwrap();
    assert_eq!(checked["is_valid"], true, "{checked}");
    assert_eq!(checked["resources"].as_array().unwrap().len(), 2);

    // Reading them takes more than a viewer may do.
    let mut viewer = caller.principal.clone();
    viewer.roles = vec!["viewer".to_owned()];
    let before = server.requests().len();
    for (operation, request) in [
        ("workflows.validate", validate(true)),
        ("workflows.dry_run", json!({ "document": document("1.0.0") })),
    ] {
        let error = caller
            .engine
            .call_json(&viewer, operation, request)
            .await
            .unwrap_err();
        assert_eq!(error.code(), atom_engine::ErrorCode::PermissionDenied);
    }
    assert_eq!(server.requests().len(), before);
    caller.engine.close().await.unwrap();
}

#[tokio::test]
async fn the_operators_rules_hold_and_tenants_share_nothing() {
    let function = Arc::new(Mutex::new(FUNCTION.to_owned()));
    let server = server(&function).await;
    let mut settings = config(&server, EngineConfig::in_memory());
    settings.default_catalog = Some("https://functions.test/own/".to_owned());
    let caller = Caller::open(settings).await;
    caller.set_token().await;
    let run = |call: &str| {
        let document = format!(
            "document: {{ dsl: 1.0.3, namespace: tests, name: own, version: 1.0.0 }}\ndo: [{{ a: {{ call: '{call}' }} }}]"
        );
        json!({ "document": document, "wait": true })
    };
    let own = caller
        .call("runs.start", run("greet:1.0.0@default"))
        .await
        .unwrap();
    assert_eq!(own["output"], json!({ "greeting": "own" }), "{own}");
    for private in [
        format!("{}/own/functions/greet/1.0.0/function.yaml", server.uri("")),
        "file:///etc/hostname".to_owned(),
    ] {
        let error = caller.refusal("runs.start", run(&private)).await;
        assert_eq!(error.code(), atom_engine::ErrorCode::PermissionDenied, "{error}");
    }

    // Somebody else's secret opens nothing, and somebody else's deployment is not there.
    caller
        .call("workflows.deploy", json!({ "document": document("1.0.0") }))
        .await
        .unwrap();
    let other = Caller {
        engine: caller.engine.clone(),
        principal: Principal::new("other", "ada").unwrap(),
    };
    let error = other
        .refusal("workflows.deploy", json!({ "document": document("1.0.0") }))
        .await;
    assert!(error.context().contains_key("resource"), "{error}");
    let error = other
        .refusal("workflows.get", json!({ "namespace": "tests", "name": "greet" }))
        .await;
    assert_eq!(error.code(), atom_engine::ErrorCode::NotFound);
    caller.engine.close().await.unwrap();
}

#[tokio::test]
async fn an_engine_tells_what_becomes_of_runs_when_it_is_set_to() {
    let settings = EngineConfig::from_json(r#"{ "storage": "memory", "lifecycle_events": "all" }"#).unwrap();
    let caller = Caller::open(settings).await;
    let document = "document: { dsl: 1.0.3, namespace: tests, name: told, version: 1.0.0 }\ndo: [{ a: { set: { b: 1 } } }]";
    let run = caller
        .call("runs.start", json!({ "document": document, "wait": true }))
        .await
        .unwrap();
    assert_eq!(run["status"], "completed");
    let listed = caller.call("events.list", json!({})).await.unwrap();
    let types: Vec<_> = listed["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|logged| logged["event"]["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "io.serverlessworkflow.workflow.started.v1",
            "io.serverlessworkflow.task.created.v1",
            "io.serverlessworkflow.task.started.v1",
            "io.serverlessworkflow.task.completed.v1",
            "io.serverlessworkflow.workflow.completed.v1",
        ]
    );
    caller.engine.close().await.unwrap();
}
