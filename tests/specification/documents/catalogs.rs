//! Documents that call functions of catalogs.

use atom_integrations::http::testing::TestResponse;
use serde_json::json;

use super::documents;
use super::stage::Stage;

documents! {
    "call-custom-function-cataloged.yaml" => cataloged,
}

/// A function with the interface of the one that the document names.
const LOG: &str = "
input:
  schema:
    document:
      type: object
      properties: { message: { type: string }, level: { type: string }, timestamp: { type: boolean }, format: { type: string } }
      required: [message]
output: { schema: { document: { type: string } } }
set: '${ .format | sub(\"[{]LEVEL[}]\"; $input.level) | sub(\"[{]MESSAGE[}]\"; $input.message) }'
";

async fn cataloged(stage: Stage) {
    let hosts = ["raw.githubusercontent.com"];
    let scene = stage
        .with_hosts(&hosts, |_| TestResponse::body("text/plain", LOG))
        .await;
    let run = scene.run(json!({})).await;
    assert_eq!(run.error, None);
    let line = run.output.expect("the run completes");
    assert_eq!(line, "{TIMESTAMP} [information] ({CONTEXT}): Hello, world!");
    let path = "/serverlessworkflow/catalog/main/functions/log/1.0.0/function.yaml";
    assert_eq!(scene.asked(), [format!("GET raw.githubusercontent.com{path}")]);
    scene.engine.close().await.expect("the engine closes");
}
