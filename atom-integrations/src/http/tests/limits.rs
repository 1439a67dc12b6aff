//! Size, deadline, cancellation and servers that are not there.

use std::time::Duration;

use atom_core::{ErrorCode, FunctionContext};
use jiff::Timestamp;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::{HttpConfig, TestResponse, context, failure, function, open, polite, server};

fn compressed(encoding: &str, base64: &str) -> TestResponse {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
    TestResponse::body("application/json", bytes).with_header("Content-Encoding", encoding)
}

#[tokio::test]
async fn a_compressed_answer_is_read() {
    for (encoding, bytes) in [
        ("gzip", "H4sIAAAAAAACA6tWSlSyMqwFAK+sG1YHAAAA"),
        ("deflate", "eJyrVkpUsjKsBQAIKgIJ"),
    ] {
        let server = server(move |request| {
            let accepted = request.header("accept-encoding").unwrap_or_default();
            assert!(
                accepted.contains("gzip") && accepted.contains("deflate"),
                "{accepted}"
            );
            compressed(encoding, bytes)
        })
        .await;
        let arguments = json!({ "method": "get", "endpoint": server.uri("/") });
        let answer = function(open(), "http").call(arguments, context()).await.unwrap();
        assert_eq!(answer, json!({ "a": 1 }), "{encoding}");
    }
}

#[tokio::test]
async fn the_limit_holds_for_what_an_answer_unfolds_to() {
    // 100,000 zeros.
    let bomb = "H4sIAAAAAAACA+3BMQEAAADCoErrn84aHkABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAArwaFwk3FoIYBAA==";
    let server = server(move |_| compressed("gzip", bomb)).await;
    let config = HttpConfig {
        maximum_response_bytes: 50_000,
        ..open()
    };
    let arguments = json!({ "method": "get", "endpoint": server.uri("/") });
    let error = function(config, "http")
        .call(arguments, context())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded, "{error}");
}

#[tokio::test]
async fn an_answer_longer_than_the_limit_is_cut_off() {
    for (length, is_allowed) in [(1000, true), (1001, false), (1_000_000, false)] {
        let server = server(move |_| TestResponse::body("text/plain", vec![b'x'; length])).await;
        let http = function(
            HttpConfig {
                maximum_response_bytes: 1000,
                ..open()
            },
            "http",
        );
        let answer = http
            .call(json!({ "method": "get", "endpoint": server.uri("/") }), context())
            .await;
        match answer {
            Ok(answer) => assert_eq!((answer.as_str().unwrap().len(), is_allowed), (length, true)),
            Err(error) => {
                assert_eq!(
                    (error.code(), is_allowed),
                    (ErrorCode::LimitExceeded, false),
                    "{error}"
                );
                assert!(error.message().contains("http.maximum_response_bytes"));
            }
        }
    }
}

#[tokio::test]
async fn a_server_slower_than_the_deadline_is_left() {
    let server = server(|_| TestResponse::body("text/plain", "half").stalling()).await;
    let http = function(open(), "http");
    let deadline = Some(Timestamp::now() + Duration::from_millis(200));
    let context = FunctionContext {
        deadline,
        ..context()
    };
    let error = http
        .call(json!({ "method": "get", "endpoint": server.uri("/") }), context)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    assert_eq!(error.context()["host"], "127.0.0.1");
    assert_eq!(error.context().get("status"), None);
}

#[tokio::test]
async fn a_call_whose_deadline_has_passed_sends_nothing() {
    let server = polite().await;
    let context = FunctionContext {
        deadline: Some(Timestamp::UNIX_EPOCH),
        ..context()
    };
    let arguments = json!({ "method": "post", "endpoint": server.uri("/") });
    let error = function(open(), "http")
        .call(arguments, context)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_call_without_deadline_ends_by_the_setting() {
    let server = server(|_| TestResponse::body("text/plain", "half").stalling()).await;
    let http = function(
        HttpConfig {
            timeout_seconds: 600,
            ..open()
        },
        "http",
    );
    let skip = async {
        server.received(1).await;
        // From here on time jumps to the next timer whenever nothing else is left to do.
        tokio::time::pause();
    };
    let arguments = json!({ "method": "get", "endpoint": server.uri("/") });
    let (answer, ()) = tokio::join!(http.call(arguments, context()), skip);
    assert_eq!(answer.unwrap_err().code(), ErrorCode::Timeout);
}

#[tokio::test]
async fn a_cancelled_call_ends_in_the_middle_of_the_body() {
    let server = server(|_| TestResponse::body("text/plain", "half").stalling()).await;
    let context = context();
    let cancellation = context.cancellation.clone();
    let arguments = json!({ "method": "get", "endpoint": server.uri("/") });
    let http = function(open(), "http");
    let cancel = async {
        server.received(1).await;
        cancellation.cancel();
    };
    let (answer, ()) = tokio::join!(http.call(arguments, context), cancel);
    assert_eq!(answer.unwrap_err().code(), ErrorCode::Cancelled);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error =
        failure(json!({ "method": "get", "endpoint": format!("http://{address}/x?key=s3cret") })).await;
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert_eq!(error.context().get("status"), None);
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_unavailable() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    let close = async {
        let (stream, _) = listener.accept().await.unwrap();
        drop(stream);
        drop(listener);
    };
    let (error, ()) = tokio::join!(failure(json!({ "method": "get", "endpoint": uri })), close);
    assert_eq!(error.code(), ErrorCode::Unavailable);
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_unavailable() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let uri = format!("https://{}/", listener.local_addr().unwrap());
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
        stream
    };
    // Where the machine has no certificates, the call ends before a connection is made.
    let call = failure(json!({ "method": "get", "endpoint": uri }));
    tokio::pin!(call);
    let error = tokio::select! {
        error = &mut call => error,
        _stream = answer => call.await,
    };
    assert_eq!(error.code(), ErrorCode::Unavailable);
}
