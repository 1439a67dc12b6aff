//! Subscribing over HTTP and WebSocket.

use atom_core::ErrorCode;
use serde_json::{Value, json};

use super::{Bench, Script, Sink, TestResponse, TestServer, hearing, port, socket, web, with};
use crate::http::HttpConfig;

fn numbers(messages: &[Value]) -> Vec<i64> {
    messages
        .iter()
        .map(|message| message["payload"]["n"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn messages_come_over_websocket_until_the_service_says_farewell() {
    let script = Script::new([json!({ "n": 1, "user": { "id": "ada" } })])
        .and_bytes(*br#"{ "n": 2 }"#)
        .and_close(1000);
    let server = socket([script]).await;
    let bench = Bench::new(server.port());
    let call = with(hearing("two.json", "watchPets"), "/protocol", json!("ws"));
    let call = with(call, "/authentication", json!({ "bearer": { "token": "t" } }));
    let (messages, result) = bench.subscribe(call, 9).await;
    result.unwrap();
    let first =
        json!({ "payload": { "n": 1, "user": { "id": "ada" } }, "headers": {}, "correlationId": "ada" });
    assert_eq!(messages, [first, json!({ "payload": { "n": 2 }, "headers": {} })]);
    let [connection] = server.connections().try_into().unwrap();
    assert_eq!(
        (
            connection.target.as_str(),
            connection.headers["authorization"].as_str()
        ),
        ("/ws/pets/all", "Bearer t")
    );
}

#[tokio::test]
async fn a_connection_that_breaks_is_opened_again() {
    let server = socket([
        Script::new([json!({ "n": 1 })]).and_drop(),
        Script::refuse(503),
        Script::new([json!({ "n": 2 })]).and_close(1001),
        Script::new([json!({ "n": 3 })]),
    ])
    .await;
    let bench = Bench::new(server.port());
    let call = with(hearing("two.json", "watchPets"), "/protocol", json!("ws"));
    let (messages, result) = bench.subscribe(call, 3).await;
    assert_eq!(numbers(&messages), [1, 2, 3]);
    assert_eq!(result.unwrap_err().code(), ErrorCode::Cancelled);
    assert_eq!(server.connections().len(), 4);
}

#[tokio::test]
async fn a_service_that_stays_away_is_given_up() {
    let server = socket([Script::refuse(503)]).await;
    let bench = Bench::new(server.port());
    let call = with(hearing("two.json", "watchPets"), "/protocol", json!("ws"));
    let (messages, result) = bench.subscribe(call, 1).await;
    assert_eq!(
        (messages.len(), result.unwrap_err().code()),
        (0, ErrorCode::Unavailable)
    );
    assert_eq!(server.connections().len(), 13);
}

#[tokio::test]
async fn what_cannot_get_better_ends_the_subscription_at_once() {
    for (script, code) in [
        (Script::refuse(401), ErrorCode::Unauthenticated),
        (Script::refuse(404), ErrorCode::NotFound),
        (
            Script::new([json!({ "n": 1 })]).and_close(1008),
            ErrorCode::Upstream,
        ),
        (Script::new([json!({ "n": "s3cret" })]), ErrorCode::InvalidData),
        (Script::new([]).and_bytes(*b"{"), ErrorCode::InvalidData),
        (
            Script::new([json!({ "n": 1, "long": "m".repeat(5000) })]),
            ErrorCode::LimitExceeded,
        ),
    ] {
        let server = socket([script]).await;
        let mut bench = Bench::new(server.port());
        bench.config.maximum_response_bytes = 4096;
        let call = with(hearing("two.json", "watchPets"), "/protocol", json!("ws"));
        let error = bench.subscribe(call, 9).await.1.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        assert_eq!(server.connections().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn only_messages_of_the_operation_are_taken() {
    let script = || Script::new([json!("a note"), json!({ "n": 1 })]).and_close(1000);
    let server = socket([script()]).await;
    let bench = Bench::new(server.port());
    let (messages, result) = bench.subscribe(hearing("three.json", "watchPets"), 9).await;
    result.unwrap();
    assert_eq!(numbers(&messages), [1]);
    let (messages, result) = bench.subscribe(hearing("three.json", "watchAll"), 9).await;
    result.unwrap();
    assert_eq!(messages.len(), 2);
}

#[tokio::test]
async fn messages_come_over_http_as_events_and_as_lines() {
    let lines = "{\"n\":1}\r\n\n{\"n\":2}";
    let server = web(move || TestResponse::body("application/x-ndjson", lines)).await;
    let bench = Bench::new(port(&server));
    let (messages, result) = bench.subscribe(hearing("two.json", "watchPets"), 9).await;
    result.unwrap();
    assert_eq!(numbers(&messages), [1, 2]);
    assert_eq!(server.requests()[0].method, "GET");

    let padded = format!(
        "{}{{\"n\":1}}\n{}",
        "\n".repeat(1_000_000),
        "\n".repeat(1_000_000)
    );
    let server = web(move || TestResponse::body("application/x-ndjson", padded.clone())).await;
    let bench = Bench::new(port(&server));
    let (messages, result) = bench.subscribe(hearing("two.json", "watchPets"), 9).await;
    result.unwrap();
    assert_eq!(numbers(&messages), [1]);

    // A stream of events goes on where it was, until the service has no more.
    let server = TestServer::start(|request| match request.header("last-event-id") {
        None => TestResponse::body(
            "text/event-stream",
            "retry: 10\nevent: born\nid: a\ndata: {\"n\":1}\n\n",
        ),
        Some("a") => TestResponse::body(
            "text/event-stream",
            "retry: 10\nid: b\ndata: {\"n\":\ndata: 2}\n\n",
        ),
        Some(_) => TestResponse::status(204),
    })
    .await
    .unwrap();
    let bench = Bench::new(port(&server));
    let (messages, result) = bench.subscribe(hearing("two.json", "watchPets"), 9).await;
    result.unwrap();
    assert_eq!(numbers(&messages), [1, 2]);
    assert_eq!(messages[0]["headers"], json!({ "event": "born", "id": "a" }));
}

#[tokio::test]
async fn a_service_may_say_farewell_without_a_code() {
    let server = socket([Script::new([json!({ "n": 1 })]).and_close_without_code()]).await;
    let bench = Bench::new(server.port());
    let call = with(hearing("two.json", "watchPets"), "/protocol", json!("ws"));
    let (messages, result) = bench.subscribe(call, 9).await;
    result.unwrap();
    assert_eq!(numbers(&messages), [1]);
}

#[tokio::test]
async fn a_stream_of_events_goes_on_whatever_its_ids_are() {
    let server = TestServer::start(|request| match request.header("last-event-id") {
        None => TestResponse::body("text/event-stream", "retry: 0\nid: né/1\ndata: {\"n\":1}\n\n"),
        Some("né/1") => TestResponse::body(
            "text/event-stream",
            "id: né/2\ndata: {\"n\":2}\n\nid\ndata: {\"n\":3}\n\n",
        ),
        Some(_) => TestResponse::status(500),
    })
    .await
    .unwrap();
    let bench = Bench::new(port(&server));
    // An empty id takes back the last one, so it begins anew.
    let (messages, result) = bench.subscribe(hearing("two.json", "watchPets"), 4).await;
    assert_eq!(result.unwrap_err().code(), ErrorCode::Cancelled);
    assert_eq!(numbers(&messages), [1, 2, 3, 1]);

    let server = web(|| TestResponse::body("text/event-stream", "id: a\u{1}b\ndata: {\"n\":1}\n\n")).await;
    let bench = Bench::new(port(&server));
    let (_, result) = bench.subscribe(hearing("two.json", "watchPets"), 9).await;
    assert_eq!(result.unwrap_err().code(), ErrorCode::InvalidData);
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_refused() {
    for (response, code) in [
        (TestResponse::json(&json!([{ "n": 1 }])), ErrorCode::Unsupported),
        (TestResponse::status(403), ErrorCode::PermissionDenied),
        (
            TestResponse::body("application/x-ndjson", "nonsense\n"),
            ErrorCode::InvalidData,
        ),
        (
            TestResponse::body("application/x-ndjson", "m".repeat(5000)),
            ErrorCode::LimitExceeded,
        ),
        (
            TestResponse::body("text/event-stream", "data: m\n".repeat(2000)),
            ErrorCode::LimitExceeded,
        ),
    ] {
        let server = web(move || response.clone()).await;
        let mut bench = Bench::new(port(&server));
        bench.config.maximum_response_bytes = 3000;
        let error = bench
            .subscribe(hearing("two.json", "watchPets"), 9)
            .await
            .1
            .unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
}

#[tokio::test]
async fn the_operators_rules_hold_for_subscriptions() {
    let server = socket([Script::new([json!({ "n": 1 })])]).await;
    let mut bench = Bench::new(server.port());
    bench.config = HttpConfig::default();
    let call = with(hearing("two.json", "watchPets"), "/protocol", json!("ws"));
    let error = bench.subscribe(call.clone(), 1).await.1.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied);
    let base = format!("http://127.0.0.1:{}/gateway", server.port());
    let own = format!("127.0.0.1:{}", server.port());
    bench.config.hosts = [(own, base)].into();
    let (messages, _) = bench.subscribe(call.clone(), 1).await;
    assert_eq!(numbers(&messages), [1]);
    assert_eq!(server.connections()[0].target, "/gateway/ws/pets/all");
    let error = bench
        .subscribe(with(call, "/message", json!({})), 1)
        .await
        .1
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn dropping_a_subscription_ends_its_connection() {
    let server = socket([Script::new([json!({ "n": 1 })])]).await;
    let bench = Bench::new(server.port());
    let call = with(hearing("two.json", "watchPets"), "/protocol", json!("ws"));
    let sink = Sink::new(9);
    let function = bench.function();
    tokio::select! {
        _ = function.subscribe(call, bench.context(), &sink) => panic!("nothing ends it"),
        () = server.until(|log| log.len() == 1) => {}
    }
    assert_eq!(server.connections().len(), 1);
}
