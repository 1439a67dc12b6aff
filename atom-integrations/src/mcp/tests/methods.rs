//! Every method, over both transports, against the protocol's own library.

use atom_core::ErrorCode;
use serde_json::{Value, json};

use super::server::{ARGUMENTS, HttpServer};
use super::{call, failure};

async fn check_every_method(transport: Value) {
    let ask = async |method: &str, parameters: Value| {
        call(json!({ "method": method, "parameters": parameters, "transport": transport })).await
    };
    let names = |list: &Value| -> Vec<String> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    };

    let tools = ask("tools/list", Value::Null).await.unwrap();
    assert_eq!(names(&tools["tools"]), ["echo", "fail", "hang"]);
    assert_eq!(tools.get("nextCursor"), None);
    let page = ask("tools/list", json!({ "cursor": "second" })).await.unwrap();
    assert_eq!(names(&page["tools"]), ["hang"]);
    assert_eq!(page["nextCursor"], "third");

    let echo = ask("tools/call", json!({ "name": "echo", "arguments": { "a": [1] } }))
        .await
        .unwrap();
    assert_eq!(echo["content"][0]["text"], "done");
    assert_eq!(
        echo["structuredContent"],
        json!({ "arguments": { "a": [1] }, "key": "key-1", "client": "atom" })
    );

    assert_eq!(
        names(&ask("prompts/list", Value::Null).await.unwrap()["prompts"]),
        ["greet"]
    );
    let prompt = ask("prompts/get", json!({ "name": "greet" })).await.unwrap();
    assert_eq!(prompt["messages"][0]["content"]["text"], "greet!");
    assert_eq!(
        names(&ask("resources/list", Value::Null).await.unwrap()["resources"]),
        ["a"]
    );
    let resource = ask("resources/read", json!({ "uri": "file:///a" }))
        .await
        .unwrap();
    assert_eq!(
        resource["contents"][0],
        json!({ "uri": "file:///a", "text": "hello" })
    );
    let templates = ask("resources/templates/list", Value::Null).await.unwrap();
    assert_eq!(names(&templates["resourceTemplates"]), ["files"]);

    let failed = ask("tools/call", json!({ "name": "fail" })).await.unwrap_err();
    assert_eq!(failed.code(), ErrorCode::Upstream);
    assert_eq!(failed.message(), "the tool failed: out of paper");
    assert_eq!(failed.context()["remote_error"], "tool");
    let unknown = ask("tools/call", json!({ "name": "fly" })).await.unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::InvalidRequest);
    assert_eq!(
        unknown.message(),
        "the MCP server answered the error -32602: unknown tool"
    );

    let late = json!({
        "method": "tools/call", "parameters": { "name": "hang" }, "transport": transport,
        "timeout": { "milliseconds": 300 }
    });
    assert_eq!(failure(late).await.code(), ErrorCode::Timeout);
    let named = json!({
        "method": "tools/call", "parameters": { "name": "echo", "_meta": { "atom/idempotencyKey": "mine" } },
        "transport": transport, "client": { "name": "briefing", "version": "2" }, "protocolVersion": "2025-11-25"
    });
    let echo = call(named).await.unwrap();
    assert_eq!(
        echo["structuredContent"],
        json!({ "arguments": null, "key": "mine", "client": "briefing" })
    );
}

#[tokio::test]
async fn every_method_works_over_standard_streams() {
    let command = std::env::current_exe().unwrap();
    check_every_method(json!({ "stdio": { "command": command, "arguments": ARGUMENTS } })).await;
}

#[tokio::test]
async fn every_method_works_over_http() {
    let server = HttpServer::start().await;
    check_every_method(json!({ "http": { "endpoint": format!("http://{}/", server.address) } })).await;
}
