//! Documents that call the tools of agents.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::documents;
use super::stage::Stage;

documents! {
    "call-mcp.yaml" => mcp,
}

/// Stands in for `npx`, and keeps what it is asked beside itself.
const NPX: &str = r#"#!/bin/sh
[ "$*" = "slack-mcp-serverr@latest --transport stdio" ] || { echo "unexpected arguments: $*" >&2; exit 1; }
[ -n "$SLACK_MCP_XOXP_TOKEN" ] || { echo "no token" >&2; exit 1; }
read -r hello
echo '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"slack","version":"1"}}}'
read -r initialized
read -r request
printf '%s' "$request" > "${0%/*}/request.json"
echo '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"posted"}]}}'
"#;

fn executable(file: &Path, script: &str) {
    std::fs::write(file, script).expect("the folder can be written");
    let permissions = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(file, permissions).expect("the file is ours");
}

async fn mcp(stage: Stage) {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    executable(&folder.path().join("npx"), NPX);
    let scene = stage.with_commands(folder.path()).alone().await;
    let run = scene.run(json!({})).await;
    let posted = json!({ "content": [{ "type": "text", "text": "posted" }] });
    assert_eq!(run.output, Some(posted), "{:?}", run.error);
    let request = std::fs::read_to_string(folder.path().join("request.json")).expect("it was asked");
    let request: Value = serde_json::from_str(&request).expect("it was asked in JSON");
    assert_eq!(request["method"], "tools/call");
    assert_eq!(request["params"]["name"], "conversations_add_message");
    assert_eq!(request["params"]["arguments"]["channel_id"], "C1234567890");
    assert_eq!(request["params"]["arguments"]["payload"], "Hello, world! :wave:");
}
