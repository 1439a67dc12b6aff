//! What is sent, and what comes back.

use atom_core::{ErrorCode, Retry};
use serde_json::{Value, json};

use super::{TestResponse, failure, http, polite, server};

#[tokio::test]
async fn every_output_mode_shows_the_answer() {
    let server = server(|_| {
        TestResponse::json(&json!({ "id": 1 }))
            .with_header("Set-Cookie", "session=s3cret")
            .with_header("X-Trace", "a")
            .with_header("X-Trace", "b")
    })
    .await;
    let call = |output: Value| {
        json!({
            "method": "get",
            "endpoint": { "uri": server.uri("/pets/1?api_key=s3cret&page=2"), "authentication": { "bearer": { "token": "s3cret" } } },
            "headers": { "X-Api-Key": "s3cret", "X-Number": 7, "X-None": null },
            "output": output,
        })
    };
    assert_eq!(http(call(Value::Null)).await.unwrap(), json!({ "id": 1 }));
    assert_eq!(http(call(json!("content"))).await.unwrap(), json!({ "id": 1 }));
    assert_eq!(http(call(json!("raw"))).await.unwrap(), json!("eyJpZCI6MX0="));
    let response = http(call(json!("response"))).await.unwrap();
    assert_eq!(response["statusCode"], 200);
    assert_eq!(response["content"], json!({ "id": 1 }));
    assert_eq!(response["headers"]["content-type"], "application/json");
    assert_eq!(response["headers"]["set-cookie"], "***");
    assert_eq!(response["headers"]["x-trace"], "a, b");
    assert_eq!(response["request"]["method"], "GET");
    assert_eq!(
        response["request"]["uri"],
        server.uri("/pets/1?api_key=***&page=2")
    );
    assert_eq!(
        response["request"]["headers"],
        json!({ "x-api-key": "***", "x-number": "7", "authorization": "***" })
    );
    assert!(!response.to_string().contains("s3cret"));
}

#[tokio::test]
async fn a_request_carries_what_was_asked_for() {
    let server = polite().await;
    let arguments = json!({
        "method": "pOsT",
        "endpoint": { "uri": server.uri("/a%2Fb?x=1"), "authentication": { "basic": { "username": "ada", "password": "pw" } } },
        "headers": { "X-One": "1" },
        "query": { "q": "a b&c", "n": 5, "is": true, "list": ["x", "y"], "none": null },
        "body": { "name": "Rex" },
    });
    http(arguments).await.unwrap();
    let [request] = server.requests().try_into().unwrap();
    assert_eq!(request.method, "POST");
    assert_eq!(request.target, "/a%2Fb?x=1&q=a%20b%26c&n=5&is=true&list=x&list=y");
    assert_eq!(request.header("authorization"), Some("Basic YWRhOnB3"));
    assert_eq!(request.header("x-one"), Some("1"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("idempotency-key"), Some("key-1"));
    assert_eq!(request.text(), r#"{"name":"Rex"}"#);
}

#[tokio::test]
async fn only_calls_that_may_change_something_carry_an_idempotency_key() {
    for (method, headers, expected) in [
        ("get", json!({}), None),
        ("head", json!({}), None),
        ("delete", json!({}), Some("key-1")),
        ("patch", json!({ "Idempotency-Key": "mine" }), Some("mine")),
    ] {
        let server = polite().await;
        http(json!({ "method": method, "endpoint": server.uri("/"), "headers": headers }))
            .await
            .unwrap();
        assert_eq!(
            server.requests()[0].header("idempotency-key"),
            expected,
            "{method}"
        );
    }
}

#[tokio::test]
async fn every_kind_of_body_arrives() {
    for (body, content_type, sent_type, sent) in [
        (json!([1]), None, "application/json", "[1]"),
        (json!("plain"), None, "text/plain; charset=utf-8", "plain"),
        (json!("<a/>"), Some("application/xml"), "application/xml", "<a/>"),
        (
            json!({ "a": "b c" }),
            Some("application/x-www-form-urlencoded"),
            "application/x-www-form-urlencoded",
            "a=b%20c",
        ),
        (
            json!({ "a": "b" }),
            Some("multipart/form-data"),
            "multipart/form-data; boundary=",
            "name=\"a\"\r\n\r\nb\r\n",
        ),
    ] {
        let server = polite().await;
        let headers = content_type.map(|content_type| json!({ "content-type": content_type }));
        http(json!({ "method": "put", "endpoint": server.uri("/"), "headers": headers, "body": body }))
            .await
            .unwrap();
        let [request] = server.requests().try_into().unwrap();
        assert!(
            request.header("content-type").unwrap().starts_with(sent_type),
            "{request:?}"
        );
        assert!(request.text().contains(sent), "{request:?}");
    }
    let server = polite().await;
    http(json!({ "method": "post", "endpoint": server.uri("/"), "body": null }))
        .await
        .unwrap();
    assert_eq!(server.requests()[0].header("content-type"), None);
}

#[tokio::test]
async fn a_status_is_an_error_that_names_the_exchange_and_no_secret() {
    for (status, code) in [
        (302, ErrorCode::Upstream),
        (400, ErrorCode::Upstream),
        (401, ErrorCode::Unauthenticated),
        (404, ErrorCode::NotFound),
        (429, ErrorCode::RateLimited),
        (503, ErrorCode::Unavailable),
    ] {
        let server = server(move |_| {
            TestResponse::body("text/plain", "s3cret")
                .with_status(status)
                .with_header("Retry-After", "3")
        })
        .await;
        let error = failure(json!({ "method": "get", "endpoint": server.uri("/pets?key=s3cret") })).await;
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(error.operation(), Some("http"));
        assert_eq!(error.context()["status"], status.to_string());
        assert_eq!(error.context()["method"], "GET");
        assert_eq!(error.context()["host"], "127.0.0.1");
        assert_eq!(error.context()["path"], "/pets");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        let waits = matches!(code, ErrorCode::RateLimited | ErrorCode::Unavailable);
        assert_eq!(error.retry() == Retry::After { ms: 3000 }, waits, "{error}");
    }
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_before_anything_is_sent() {
    let server = polite().await;
    let uri = server.uri("/");
    for arguments in [
        json!({ "endpoint": uri }),
        json!({ "method": "get" }),
        json!({ "method": "get", "endpoint": 7 }),
        json!({ "method": "get", "endpoint": uri, "surprise": 1 }),
        json!({ "method": "get", "endpoint": { "uri": uri, "authentication": "hunter2" } }),
        json!({ "method": "get", "endpoint": { "uri": uri, "authentication": { "basic": { "username": "ada" } } } }),
        json!({ "method": "get", "endpoint": { "uri": uri, "authentication": { "bearer": { "token": "t" } } },
                "headers": { "authorization": "Bearer hunter2" } }),
        json!({ "method": "get", "endpoint": uri, "query": { "a": { "b": 1 } } }),
        json!({ "method": "get", "endpoint": uri, "headers": { "Host": "evil.test" } }),
        json!({ "method": "get", "endpoint": uri, "output": "everything" }),
        json!({ "method": "get", "endpoint": uri.replace("http://", "http://ada:hunter2@") }),
        json!({ "method": "get", "endpoint": "file:///etc/passwd" }),
    ] {
        let error = failure(arguments.clone()).await;
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{arguments} {error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    assert!(server.requests().is_empty());
}
