//! Servers over HTTP: what they are sent, and what becomes of bad ones.

use atom_core::ErrorCode;
use serde_json::{Value, json};

use super::{HttpConfig, call, context, failure, function, open};
use crate::http::testing::{RecordedRequest, TestResponse, TestServer};

fn tool(server: &TestServer) -> Value {
    json!({
        "method": "tools/call",
        "parameters": { "name": "echo", "arguments": {} },
        "transport": { "http": {
            "endpoint": { "uri": server.uri("/mcp"), "authentication": { "bearer": { "token": "t0ken" } } },
            "headers": { "X-Team": "blue" }
        }, "options": {} }
    })
}

/// A server that answers the handshake as it should, and then as `answer` says.
async fn server(answer: impl Fn(&Value) -> TestResponse + Send + Sync + 'static) -> TestServer {
    TestServer::start(move |request| {
        if request.method == "DELETE" {
            return TestResponse::status(405);
        }
        let message: Value = serde_json::from_slice(&request.body).unwrap();
        match message["method"].as_str() {
            Some("initialize") => TestResponse::json(&json!({
                "jsonrpc": "2.0", "id": message["id"],
                "result": {
                    "protocolVersion": "2025-03-26", "capabilities": {}, "serverInfo": { "name": "s", "version": "1" }
                }
            }))
            .with_header("Mcp-Session-Id", "session-7"),
            Some("notifications/initialized") => TestResponse::status(202),
            _ => answer(&message),
        }
    })
    .await
    .unwrap()
}

fn result(message: &Value, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })
}

#[tokio::test]
async fn each_request_is_as_the_protocol_asks() {
    let server = server(|message| TestResponse::json(&result(message, &json!({ "content": [] })))).await;
    assert_eq!(call(tool(&server)).await.unwrap(), json!({ "content": [] }));
    let requests = server.requests();
    let methods: Vec<_> = requests.iter().map(|request| request.method.as_str()).collect();
    assert_eq!(methods, ["POST", "POST", "POST", "DELETE"]);
    for request in &requests {
        assert_eq!(request.target, "/mcp");
        assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
        assert_eq!(request.header("x-team"), Some("blue"));
    }
    let header = |name| -> Vec<_> {
        requests
            .iter()
            .map(|request: &RecordedRequest| request.header(name))
            .collect()
    };
    let session = Some("session-7");
    assert_eq!(header("mcp-session-id"), [None, session, session, session]);
    let version = Some("2025-03-26");
    assert_eq!(header("mcp-protocol-version")[..3], [None, version, version]);
    let accept = Some("application/json, text/event-stream");
    assert_eq!(header("accept")[..3], [accept; 3]);
    let bodies: Vec<Value> = requests[..3]
        .iter()
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect();
    assert!(bodies.iter().all(|body| body["jsonrpc"] == "2.0"));
    assert_eq!(bodies[0]["params"]["protocolVersion"], "2025-06-18");
    assert_eq!(bodies[0]["params"]["clientInfo"]["name"], "atom");
    assert_eq!(bodies[1].get("id"), None);
    assert_eq!(bodies[2]["method"], "tools/call");
    assert_eq!(bodies[2]["params"]["_meta"]["atom/idempotencyKey"], "key-1");
}

#[tokio::test]
async fn an_answer_may_come_in_events() {
    let server = server(|message| {
        let answer = result(message, &json!({ "content": [], "vendor": 1 }));
        let stream = format!(
            ": hello\n\nid: 1\ndata:\n\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"level\":\"info\",\"data\":1}}}}\n\nevent: message\ndata: {answer}\n\n"
        );
        // The stream stays open, and the answer counts all the same.
        TestResponse::body("text/event-stream", stream).stalling()
    })
    .await;
    assert_eq!(
        call(tool(&server)).await.unwrap(),
        json!({ "content": [], "vendor": 1 })
    );
}

#[tokio::test]
async fn what_breaks_the_protocol_is_an_error() {
    type Answer = fn(&Value) -> TestResponse;
    let cases: [(Answer, ErrorCode); 9] = [
        (|_| TestResponse::status(401), ErrorCode::Unauthenticated),
        (|_| TestResponse::status(404), ErrorCode::NotFound),
        (|_| TestResponse::status(503), ErrorCode::Unavailable),
        (
            |_| TestResponse::body("text/html", "<p>Hi!"),
            ErrorCode::InvalidData,
        ),
        (
            |_| TestResponse::body("application/json", "{"),
            ErrorCode::InvalidData,
        ),
        (
            |_| TestResponse::json(&json!({ "jsonrpc": "2.0", "id": 99, "result": {} })),
            ErrorCode::Unavailable,
        ),
        (
            |_| TestResponse::body("text/event-stream", ": bye\n\n"),
            ErrorCode::Unavailable,
        ),
        (
            |_| TestResponse::body("text/event-stream", "data: {\n\n"),
            ErrorCode::InvalidData,
        ),
        (
            |message| {
                let error = json!({ "code": -32601, "message": "no tools" });
                TestResponse::json(&json!({ "jsonrpc": "2.0", "id": message["id"], "error": error }))
            },
            ErrorCode::Unsupported,
        ),
    ];
    for (number, (answer, code)) in cases.into_iter().enumerate() {
        let server = server(answer).await;
        let error = failure(tool(&server)).await;
        assert_eq!(error.code(), code, "{number}: {error}");
        assert_eq!(error.context()["host"], "127.0.0.1");
        assert!(!format!("{error:?}").contains("t0ken"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused() {
    let server =
        server(|message| TestResponse::json(&result(message, &json!({ "x": "y".repeat(20_000) })))).await;
    let config = HttpConfig {
        maximum_response_bytes: 10_000,
        ..open()
    };
    let error = function(config).call(tool(&server), context()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded, "{error}");
}

#[tokio::test]
async fn private_addresses_are_refused() {
    let server = server(|_| TestResponse::status(500)).await;
    let error = function(HttpConfig::default())
        .call(tool(&server), context())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_call_ends_when_nobody_wants_it_any_more() {
    let server = server(|_| TestResponse::body("text/event-stream", ": wait\n\n").stalling()).await;
    let context = context();
    let cancellation = context.cancellation.clone();
    let mcp = function(open());
    let (outcome, ()) = tokio::join!(mcp.call(tool(&server), context), async {
        server.received(3).await;
        cancellation.cancel();
    });
    assert_eq!(outcome.unwrap_err().code(), ErrorCode::Cancelled);
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let http = json!({ "http": { "endpoint": "http://127.0.0.1:1/" } });
    for arguments in [
        json!({ "method": "tools/list", "transport": {} }),
        json!({ "method": "tools/fly", "transport": http }),
        json!({ "method": "tools/list", "transport": { "http": http["http"], "options": { "a": "b" } } }),
        json!({ "method": "tools/list", "transport": { "http": http["http"], "stdio": { "command": "x" } } }),
        json!({ "method": "tools/list", "transport": http, "parameters": "x" }),
        json!({ "method": "tools/list", "transport": http, "parameters": { "_meta": 1 } }),
        json!({ "method": "tools/list", "transport": { "http": { "endpoint": "file:///x" } } }),
        json!({ "method": "tools/list", "transport": http, "timeout": { "years": 1 } }),
    ] {
        assert_eq!(
            failure(arguments.clone()).await.code(),
            ErrorCode::InvalidRequest,
            "{arguments}"
        );
    }
}
