//! The function against an agent that checks every request against the protocol.

use atom_core::{Error, ErrorCode, FunctionContext, Principal, Result};
use serde_json::{Value, json};

use crate::http::testing::{RecordedRequest, TestResponse, TestServer};
use crate::http::{HttpClient, HttpConfig, PrivateAddresses};

fn context() -> FunctionContext {
    FunctionContext::direct(Principal::new("acme", "ada").unwrap(), "key-1")
}

async fn call_with(config: HttpConfig, arguments: Value, context: FunctionContext) -> Result<Value> {
    let a2a = super::function(&HttpClient::new(config).unwrap());
    a2a.call(arguments, context).await
}

fn open() -> HttpConfig {
    HttpConfig {
        private_addresses: PrivateAddresses::Allow,
        ..HttpConfig::default()
    }
}

async fn call(arguments: Value) -> Result<Value> {
    call_with(open(), arguments, context()).await
}

async fn failure(arguments: Value) -> Error {
    call(arguments).await.unwrap_err()
}

/// What a request must be (A2A 0.3, sections 3.2 and 7), or why it is not.
fn checked(request: &RecordedRequest) -> std::result::Result<(String, Value), String> {
    let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    must(request.method == "POST", "POST")?;
    must(
        request.header("content-type") == Some("application/json"),
        "content type",
    )?;
    let call: Value = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    must(call["jsonrpc"] == "2.0", "jsonrpc")?;
    must(call["id"].is_string() || call["id"].is_number(), "id")?;
    let keys: Vec<_> = call.as_object().ok_or("object")?.keys().cloned().collect();
    must(
        keys.iter()
            .all(|key| ["jsonrpc", "id", "method", "params"].contains(&key.as_str())),
        "keys",
    )?;
    let method = call["method"].as_str().ok_or("method")?.to_owned();
    let params = call["params"].clone();
    must(params.is_object() || call.get("params").is_none(), "params")?;
    match method.as_str() {
        "message/send" | "message/stream" => {
            let message = &params["message"];
            must(message["kind"] == "message", "kind")?;
            must(message["messageId"].is_string(), "messageId")?;
            must(message["role"] == "user" || message["role"] == "agent", "role")?;
            must(
                message["parts"].as_array().is_some_and(|parts| !parts.is_empty()),
                "parts",
            )?;
        }
        "tasks/get"
        | "tasks/cancel"
        | "tasks/resubscribe"
        | "tasks/pushNotificationConfig/get"
        | "tasks/pushNotificationConfig/list" => must(params["id"].is_string(), "id of the task")?,
        "tasks/pushNotificationConfig/set" => {
            must(
                params["taskId"].is_string() && params["pushNotificationConfig"]["url"].is_string(),
                "config",
            )?;
        }
        "tasks/pushNotificationConfig/delete" => {
            must(
                params["id"].is_string() && params["pushNotificationConfigId"].is_string(),
                "ids",
            )?;
        }
        "tasks/list" | "agent/getAuthenticatedExtendedCard" => {}
        other => return Err(format!("method {other}")),
    }
    let streams = matches!(method.as_str(), "message/stream" | "tasks/resubscribe");
    let accept = request.header("accept").unwrap_or_default();
    must(accept.contains("text/event-stream") == streams, "accept")?;
    Ok((method, call))
}

/// An agent that repeats what it was asked, in three events where it must stream.
fn agent(request: &RecordedRequest) -> TestResponse {
    let (method, call) = match checked(request) {
        Ok(checked) => checked,
        Err(what) => return TestResponse::body("text/plain", what).with_status(400),
    };
    let response = |result: Value| json!({ "jsonrpc": "2.0", "id": call["id"], "result": result });
    if !matches!(method.as_str(), "message/stream" | "tasks/resubscribe") {
        return TestResponse::json(&response(json!({ "method": method, "params": call["params"] })));
    }
    let events: String = [
        json!({ "kind": "task", "id": "t", "params": call["params"] }),
        json!({ "kind": "artifact-update" }),
        json!({ "kind": "status-update", "final": true }),
    ]
    .into_iter()
    .map(|result| format!("data: {}\r\n\r\n", response(result)))
    .collect();
    TestResponse::body("text/event-stream; charset=utf-8", events)
}

async fn server() -> TestServer {
    TestServer::start(agent).await.unwrap()
}

#[tokio::test]
async fn every_method_is_asked_as_the_protocol_says() {
    let server = server().await;
    let message = json!({ "message": { "parts": [{ "kind": "text", "text": "hi" }] } });
    for (method, parameters) in [
        ("message/send", message.clone()),
        ("tasks/get", json!({ "id": "t", "historyLength": 3 })),
        ("tasks/list", Value::Null),
        ("tasks/cancel", json!({ "id": "t" })),
        (
            "tasks/pushNotificationConfig/set",
            json!({ "taskId": "t", "pushNotificationConfig": { "url": "https://hook.test" } }),
        ),
        ("tasks/pushNotificationConfig/get", json!({ "id": "t" })),
        ("tasks/pushNotificationConfig/list", json!({ "id": "t" })),
        (
            "tasks/pushNotificationConfig/delete",
            json!({ "id": "t", "pushNotificationConfigId": "c" }),
        ),
        ("agent/getAuthenticatedExtendedCard", Value::Null),
    ] {
        let arguments = json!({ "server": server.uri("/a2a"), "method": method, "parameters": parameters });
        let result = call(arguments).await.unwrap();
        assert_eq!(result["method"], method);
        if method == "message/send" {
            let sent = json!({
                "parts": [{ "kind": "text", "text": "hi" }], "kind": "message", "messageId": "key-1", "role": "user"
            });
            assert_eq!(result["params"]["message"], sent);
        } else {
            assert_eq!(result["params"], parameters, "{method}");
        }
    }
    for (method, parameters) in [
        ("message/stream", message),
        ("tasks/resubscribe", json!({ "id": "t" })),
    ] {
        let arguments = json!({ "server": server.uri("/a2a"), "method": method, "parameters": parameters });
        let events = call(arguments).await.unwrap();
        let kinds: Vec<_> = events
            .as_array()
            .unwrap()
            .iter()
            .map(|event| &event["kind"])
            .collect();
        assert_eq!(kinds, ["task", "artifact-update", "status-update"]);
    }
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.header("idempotency-key") == Some("key-1"))
    );
}

#[tokio::test]
async fn a_card_leads_to_its_agent_and_lends_it_the_credential_of_one_origin() {
    let elsewhere = server().await;
    let away = elsewhere.uri("/a2a");
    let home = TestServer::start(
        move |request| match (request.method.as_str(), request.target.as_str()) {
            ("GET", "/card") => TestResponse::json(&json!({ "name": "a", "url": "/a2a" })),
            ("GET", "/moved") => TestResponse::redirect(302, "/card"),
            ("GET", "/away") => TestResponse::json(&json!({ "name": "a", "url": away })),
            ("GET", _) => TestResponse::json(&json!({ "name": "a" })),
            _ => agent(request),
        },
    )
    .await
    .unwrap();
    let ask = async |path: &str| {
        let endpoint = json!({ "uri": home.uri(path), "authentication": { "bearer": { "token": "t0ken" } } });
        let card = json!({ "endpoint": endpoint });
        call(json!({ "agentCard": card, "server": "http://ignored.test", "method": "tasks/get", "parameters": { "id": "t" } })).await
    };
    for path in ["/card", "/moved"] {
        assert_eq!(ask(path).await.unwrap()["method"], "tasks/get");
        let request = home.requests().pop().unwrap();
        assert_eq!(
            (request.target.as_str(), request.header("authorization")),
            ("/a2a", Some("Bearer t0ken"))
        );
    }
    ask("/away").await.unwrap();
    assert_eq!(elsewhere.requests().pop().unwrap().header("authorization"), None);
    assert_eq!(ask("/none").await.unwrap_err().code(), ErrorCode::Unsupported);
}

#[tokio::test]
async fn a_token_that_an_agent_repeats_is_masked() {
    let server = TestServer::start(|request| {
        if request.target == "/oauth2/token" {
            return TestResponse::json(&json!({ "access_token": "s3cret-token", "token_type": "Bearer" }));
        }
        let said = request.header("authorization").unwrap_or_default();
        let call: Value = serde_json::from_slice(&request.body).unwrap();
        let response = json!({ "jsonrpc": "2.0", "id": call["id"], "result": { "said": said } });
        if call["method"] == "tasks/get" {
            TestResponse::json(&response)
        } else {
            TestResponse::body("text/event-stream", format!("data: {response}\n\n"))
        }
    })
    .await
    .unwrap();
    let oauth2 = json!({
        "authority": server.uri(""), "grant": "client_credentials", "client": { "id": "a", "secret": "b" }
    });
    let endpoint = json!({ "uri": server.uri("/rpc"), "authentication": { "oauth2": oauth2 } });
    for (method, expected) in [
        ("tasks/get", json!({ "said": "Bearer ***" })),
        ("tasks/resubscribe", json!([{ "said": "Bearer ***" }])),
    ] {
        let arguments = json!({ "server": endpoint, "method": method, "parameters": { "id": "t" } });
        assert_eq!(call(arguments).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn what_an_agent_says_wrongly_is_an_error() {
    type Answer = fn(&RecordedRequest) -> TestResponse;
    let cases: [(&str, Answer, ErrorCode); 9] = [
        ("tasks/get", |_| TestResponse::status(503), ErrorCode::Unavailable),
        (
            "tasks/get",
            |_| TestResponse::body("text/html", "<p>"),
            ErrorCode::InvalidData,
        ),
        (
            "tasks/get",
            |_| TestResponse::body("application/json", "{"),
            ErrorCode::InvalidData,
        ),
        (
            "tasks/get",
            |_| TestResponse::json(&json!({ "jsonrpc": "2.0", "id": "other", "result": {} })),
            ErrorCode::InvalidData,
        ),
        (
            "tasks/get",
            |_| {
                let error = json!({ "code": -32001, "message": "Task not found" });
                TestResponse::json(&json!({ "jsonrpc": "2.0", "id": "key-1", "error": error }))
            },
            ErrorCode::Upstream,
        ),
        (
            "tasks/resubscribe",
            |_| {
                let error = json!({ "code": -32004, "message": "This operation is not supported" });
                TestResponse::json(&json!({ "jsonrpc": "2.0", "id": "key-1", "error": error }))
            },
            ErrorCode::Upstream,
        ),
        (
            "tasks/resubscribe",
            |_| TestResponse::json(&json!({ "jsonrpc": "2.0", "id": "key-1", "result": {} })),
            ErrorCode::InvalidData,
        ),
        (
            "tasks/resubscribe",
            |_| TestResponse::body("text/event-stream", ""),
            ErrorCode::InvalidData,
        ),
        (
            "tasks/resubscribe",
            |_| TestResponse::body("text/event-stream", "data: hi\n\n"),
            ErrorCode::InvalidData,
        ),
    ];
    for (number, (method, answer, code)) in cases.into_iter().enumerate() {
        let server = TestServer::start(answer).await.unwrap();
        let arguments = json!({ "server": server.uri("/"), "method": method, "parameters": { "id": "t" } });
        let error = failure(arguments).await;
        assert_eq!(error.code(), code, "{number}: {error}");
        assert_eq!(error.context()["host"], "127.0.0.1");
    }
}

#[tokio::test]
async fn limits_and_rules_hold_for_streams_too() {
    let event = "data: {\"jsonrpc\":\"2.0\",\"id\":\"key-1\",\"result\":{}}\n\n";
    let flood = TestServer::start(|_| TestResponse::body("text/event-stream", "data: x\n".repeat(5000)))
        .await
        .unwrap();
    let many = TestServer::start(move |_| TestResponse::body("text/event-stream", event.repeat(20_000)))
        .await
        .unwrap();
    let stalled = TestServer::start(move |_| TestResponse::body("text/event-stream", event).stalling())
        .await
        .unwrap();
    let ask = |server: &TestServer| json!({ "server": server.uri("/"), "method": "tasks/resubscribe", "parameters": { "id": "t" } });
    let small = HttpConfig {
        maximum_response_bytes: 10_000,
        ..open()
    };
    let error = call_with(small, ask(&flood), context()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
    assert_eq!(failure(ask(&many)).await.code(), ErrorCode::LimitExceeded);

    let private = call_with(HttpConfig::default(), ask(&flood), context())
        .await
        .unwrap_err();
    assert_eq!(private.code(), ErrorCode::PermissionDenied);

    let unwanted = context();
    let cancellation = unwanted.cancellation.clone();
    let (outcome, ()) = tokio::join!(call_with(open(), ask(&stalled), unwanted), async {
        stalled.received(1).await;
        cancellation.cancel();
    });
    assert_eq!(outcome.unwrap_err().code(), ErrorCode::Cancelled);
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    for arguments in [
        json!({ "method": "tasks/get", "parameters": { "id": "t" } }),
        json!({ "server": "http://a.test", "method": "tasks/fly" }),
        json!({ "server": "http://a.test", "method": "message/send", "parameters": { "text": "hi" } }),
        json!({ "server": "ftp://a.test", "method": "tasks/get", "parameters": { "id": "t" } }),
    ] {
        assert_eq!(
            failure(arguments.clone()).await.code(),
            ErrorCode::InvalidRequest,
            "{arguments}"
        );
    }
}
