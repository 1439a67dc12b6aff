//! Publishing over HTTP and WebSocket.

use std::time::Duration;

use atom_core::{ErrorCode, Retry};
use jiff::Timestamp;
use serde_json::json;

use super::{Bench, Script, TestResponse, hearing, port, publishing, socket, web, with};
use crate::http::HttpConfig;

#[tokio::test]
async fn a_message_over_http_is_a_request() {
    let server = web(|| TestResponse::json(&json!({ "id": 1 }))).await;
    let bench = Bench::new(port(&server));
    let call = publishing("two.json", "addPet", json!({ "n": 1, "user": { "id": "a b" } }));
    let call = with(call, "/message/headers", json!({ "X-Room": "blue", "tries": 2 }));
    let call = with(
        call,
        "/server",
        json!({ "name": "web", "variables": { "stage": "test" } }),
    );
    let call = with(call, "/authentication", json!({ "bearer": { "token": "t" } }));
    assert_eq!(bench.call(call).await.unwrap(), json!({ "id": 1 }));
    let [request] = server.requests().try_into().unwrap();
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", "/test/pets/a%20b")
    );
    assert_eq!(request.text(), r#"{"n":1,"user":{"id":"a b"}}"#);
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-room", "blue"),
        ("tries", "2"),
        ("authorization", "Bearer t"),
        ("idempotency-key", "key-1"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn the_document_says_where_and_how() {
    let server = web(|| TestResponse::status(204)).await;
    let bench = Bench::new(port(&server));
    for (call, method, target) in [
        // The first server that offers the channel, with its default; the parameter has one, too.
        (
            publishing("two.json", "addPet", json!({ "n": 1 })),
            "POST",
            "/live/pets/all",
        ),
        // The HTTP binding names the method.
        (
            with(
                publishing("two.json", "say", json!("hi")),
                "/protocol",
                json!("http"),
            ),
            "PUT",
            "/live/free",
        ),
        (
            with(
                publishing("three.json", "addPet", json!({ "n": 1 })),
                "/protocol",
                json!("http"),
            ),
            "POST",
            "/live/pets",
        ),
    ] {
        assert_eq!(bench.call(call).await.unwrap(), json!(null));
        let request = server.requests().pop().unwrap();
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            (method, target)
        );
    }
    let mut by_channel = publishing("two.json", "", json!({ "n": 1 }));
    by_channel.as_object_mut().unwrap().remove("operation");
    by_channel["channel"] = json!("pets/{room}");
    bench.call(by_channel).await.unwrap();
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_message_over_websocket_is_confirmed_by_the_end_of_the_connection() {
    let server = socket([Script::new([])]).await;
    let bench = Bench::new(server.port());
    let call = publishing("two.json", "addPet", json!({ "n": 1 }));
    let call = with(call, "/protocol", json!("ws"));
    let call = with(call, "/message/headers", json!({ "X-Room": "blue" }));
    let call = with(
        call,
        "/authentication",
        json!({ "basic": { "username": "ada", "password": "pw" } }),
    );
    assert_eq!(bench.call(call).await.unwrap(), json!(null));
    let [connection] = server.connections().try_into().unwrap();
    assert_eq!(connection.target, "/ws/pets/all");
    assert_eq!(connection.messages, [r#"{"n":1}"#]);
    assert!(connection.is_closed);
    for (name, value) in [
        ("x-room", "blue"),
        ("authorization", "Basic YWRhOnB3"),
        ("idempotency-key", "key-1"),
        ("sec-websocket-version", "13"),
    ] {
        assert_eq!(connection.headers[name], value);
    }
}

#[tokio::test]
async fn a_connection_that_ends_without_a_code_confirms_the_message() {
    let server = socket([Script::new([]).and_close_without_code()]).await;
    let bench = Bench::new(server.port());
    let call = publishing("two.json", "addPet", json!({ "n": 1 }));
    let call = with(call, "/protocol", json!("ws"));
    assert_eq!(bench.call(call).await.unwrap(), json!(null));
    server.until(|log| log[0].messages == [r#"{"n":1}"#]).await;
}

#[tokio::test]
async fn headers_of_a_message_cannot_replace_those_of_the_call() {
    let server = web(|| TestResponse::status(204)).await;
    let bench = Bench::new(port(&server));
    let call = publishing("two.json", "addPet", json!({ "n": 1 }));
    let call = with(call, "/authentication", json!({ "bearer": { "token": "t" } }));
    for (protocol, header, said) in [
        ("http", "AUTHORIZATION", "Authorization"),
        ("ws", "authorization", "Authorization"),
        ("ws", "Sec-WebSocket-Key", "sec-websocket-key"),
        ("ws", "sec-websocket-extensions", "sec-websocket-extensions"),
        ("ws", "Upgrade", "upgrade"),
        ("ws", "connection", "connection"),
        ("ws", "host", "host"),
    ] {
        let call = with(call.clone(), "/protocol", json!(protocol));
        let call = with(call, "/message/headers", json!({ (header): "s3cret" }));
        let error = bench.failure(call).await;
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{header}: {error}");
        assert!(error.message().contains(said), "{header}: {error}");
        assert!(!error.message().contains("s3cret"), "{error}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_service_that_refuses_is_a_typed_error() {
    for (script, code, retry) in [
        (Script::refuse(401), ErrorCode::Unauthenticated, Retry::No),
        (Script::refuse(503), ErrorCode::Unavailable, Retry::Maybe),
        (Script::new([]).and_close(1008), ErrorCode::Upstream, Retry::No),
        (
            Script::new([]).and_close(1011),
            ErrorCode::Unavailable,
            Retry::Maybe,
        ),
        (Script::new([]).and_close(4000), ErrorCode::Upstream, Retry::No),
    ] {
        let server = socket([script]).await;
        let bench = Bench::new(server.port());
        let call = with(
            publishing("three.json", "addPet", json!({ "n": 1 })),
            "/protocol",
            json!("ws"),
        );
        let error = bench.failure(call).await;
        assert_eq!((error.code(), error.retry()), (code, retry), "{error}");
    }
    let plain = web(|| TestResponse::json(&json!({}))).await;
    let bench = Bench::new(port(&plain));
    let call = with(
        publishing("three.json", "addPet", json!({ "n": 1 })),
        "/protocol",
        json!("ws"),
    );
    assert_eq!(bench.failure(call).await.code(), ErrorCode::Upstream);
    let full = web(|| TestResponse::status(507)).await;
    let bench = Bench::new(port(&full));
    let error = bench
        .failure(publishing("two.json", "addPet", json!({ "n": 1 })))
        .await;
    assert_eq!(
        (error.code(), error.context()["status"].as_str()),
        (ErrorCode::Unavailable, "507")
    );
}

#[tokio::test]
async fn a_message_that_does_not_fit_is_refused_before_it_is_sent() {
    let server = web(|| TestResponse::status(204)).await;
    let bench = Bench::new(port(&server));
    for document in ["two.json", "three.json"] {
        let call = with(
            publishing(document, "addPet", json!({})),
            "/protocol",
            json!("http"),
        );
        for (payload, said) in [
            (json!({ "n": "s3cret" }), "/payload/n"),
            (json!({}), "/payload"),
            (json!({ "n": 1, "user": { "id": 7 } }), "/payload/user/id"),
        ] {
            let error = bench
                .failure(with(call.clone(), "/message/payload", payload))
                .await;
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{error}");
            assert!(error.message().contains(said), "{error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
    let call = publishing("two.json", "addPet", json!({ "n": 1 }));
    for (pointer, value, code, said) in [
        (
            "/message/headers",
            json!({ "tries": "many" }),
            ErrorCode::InvalidRequest,
            "/headers/tries",
        ),
        (
            "/message/headers",
            json!({ "Host": "evil.test" }),
            ErrorCode::InvalidRequest,
            "host",
        ),
        (
            "/operation",
            json!("addCat"),
            ErrorCode::NotFound,
            "addPet, watchPets, queue",
        ),
        (
            "/operation",
            json!("queue"),
            ErrorCode::Unsupported,
            "http, https, ws and wss",
        ),
        ("/channel", json!("free"), ErrorCode::InvalidRequest, "not both"),
        (
            "/server",
            json!({ "name": "wbe" }),
            ErrorCode::NotFound,
            "queue, web, socket",
        ),
        (
            "/server",
            json!({ "name": "queue" }),
            ErrorCode::NotFound,
            "web, socket",
        ),
        (
            "/server",
            json!({ "name": "web", "variables": { "stage": "x" } }),
            ErrorCode::InvalidRequest,
            "live, test",
        ),
        (
            "/server",
            json!({ "name": "web", "variables": { "stge": "live" } }),
            ErrorCode::InvalidRequest,
            "stge",
        ),
        ("/protocol", json!("mqtt"), ErrorCode::NotFound, "mqtt"),
        (
            "/message/payload",
            json!({ "n": 1, "user": { "id": ".." } }),
            ErrorCode::InvalidRequest,
            "segment",
        ),
        (
            "/authentication",
            json!({ "kerberos": {} }),
            ErrorCode::Unsupported,
            "kerberos",
        ),
        ("/message", json!(null), ErrorCode::InvalidRequest, "message"),
        (
            "/message",
            json!({ "text": 1 }),
            ErrorCode::InvalidRequest,
            "arguments",
        ),
    ] {
        let error = bench.failure(with(call.clone(), pointer, value)).await;
        assert_eq!(error.code(), code, "{pointer}: {error}");
        assert!(error.message().contains(said), "{pointer}: {error}");
    }
    let mut by_channel = hearing("three.json", "");
    by_channel.as_object_mut().unwrap().remove("operation");
    by_channel["channel"] = json!("pets");
    assert_eq!(bench.failure(by_channel).await.code(), ErrorCode::InvalidRequest);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn the_operators_rules_hold_and_calls_end_in_time() {
    let server = socket([Script::new([])]).await;
    let mut bench = Bench::new(server.port());
    let call = with(
        publishing("two.json", "addPet", json!({ "n": 1 })),
        "/protocol",
        json!("ws"),
    );
    bench.config = HttpConfig::default();
    assert_eq!(
        bench.failure(call.clone()).await.code(),
        ErrorCode::PermissionDenied
    );
    assert!(server.connections().is_empty());
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let gone = Bench::new(closed.port());
    assert_eq!(gone.failure(call.clone()).await.code(), ErrorCode::Unavailable);

    // Takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bench = Bench::new(silent.local_addr().unwrap().port());
    let mut context = bench.context();
    context.deadline = Some(Timestamp::now() + Duration::from_millis(300));
    let error = bench.function().call(call.clone(), context).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    let context = bench.context();
    context.cancellation.cancel();
    let error = bench.function().call(call, context).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Cancelled);
}
