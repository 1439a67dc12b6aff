//! Where calls may go: private addresses, named hosts and redirects.

use std::collections::BTreeMap;

use atom_core::{Error, ErrorCode};
use serde_json::{Value, json};

use super::{HttpConfig, TestResponse, TestServer, context, failure, function, http, polite, server};

async fn refusal(config: HttpConfig, uri: &str) -> Error {
    let arguments = json!({ "method": "get", "endpoint": uri, "redirect": true });
    function(config, "http")
        .call(arguments, context())
        .await
        .unwrap_err()
}

fn named(host: &str, server: &TestServer) -> HttpConfig {
    HttpConfig {
        hosts: BTreeMap::from([(host.to_owned(), server.uri("/base"))]),
        ..HttpConfig::default()
    }
}

#[tokio::test]
async fn private_addresses_are_refused_in_every_spelling() {
    let server = polite().await;
    let port = server.uri("").rsplit_once(':').unwrap().1.to_owned();
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST.",
        "169.254.169.254",
        "0.0.0.0",
    ] {
        let error = refusal(HttpConfig::default(), &format!("http://{host}:{port}/")).await;
        // A machine may not know `localhost.`; then the name is not found, which reaches nothing either.
        let is_refused =
            error.code() == ErrorCode::PermissionDenied && error.message().contains("private_addresses");
        let is_unknown = host == "LOCALHOST." && error.code() == ErrorCode::Unavailable;
        assert!(is_refused || is_unknown, "{host}: {error:?}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_named_host_is_reached_at_its_base_url() {
    let server = polite().await;
    let http = function(named("petstore.test", &server), "http");
    let arguments =
        json!({ "method": "get", "endpoint": "https://petstore.test/v2/pet?id=1", "output": "response" });
    let response = http.call(arguments, context()).await.unwrap();
    assert_eq!(response["request"]["uri"], "https://petstore.test/v2/pet?id=1");
    let [request] = server.requests().try_into().unwrap();
    assert_eq!(request.target, "/base/v2/pet?id=1");
    assert_eq!(request.header("host"), Some("petstore.test"));
    assert_eq!(
        request.headers.iter().filter(|(name, _)| name == "host").count(),
        1
    );
}

#[tokio::test]
async fn naming_a_host_opens_no_other_way_to_its_address() {
    let server = polite().await;
    let config = named("petstore.test", &server);
    assert_eq!(
        refusal(config, &server.uri("/")).await.code(),
        ErrorCode::PermissionDenied
    );
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    let inner = polite().await;
    for location in [
        inner.uri("/"),
        inner.uri("/").replace("127.0.0.1", "localhost"),
        "http://169.254.169.254/".to_owned(),
    ] {
        let outer = server(move |_| TestResponse::redirect(302, &location)).await;
        let error = refusal(named("outer.test", &outer), "http://outer.test/").await;
        assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error}");
        assert_eq!(outer.requests().len(), 1);
    }
    assert!(inner.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_to_another_scheme_or_with_credentials_is_refused() {
    for location in [
        "file:///etc/passwd",
        "ftp://x.test/",
        "http://ada:hunter2@x.test/",
    ] {
        let server = server(move |_| TestResponse::redirect(302, location)).await;
        let error = failure(json!({ "method": "get", "endpoint": server.uri("/"), "redirect": true })).await;
        assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn redirects_are_followed_only_when_asked() {
    let server = server(|request| match request.target.as_str() {
        "/old" => TestResponse::redirect(302, "new?x=1"),
        _ => TestResponse::json(&json!({ "at": request.target })),
    })
    .await;
    let call =
        |redirect: Value| json!({ "method": "get", "endpoint": server.uri("/old"), "redirect": redirect });
    assert_eq!(
        http(call(json!(true))).await.unwrap(),
        json!({ "at": "/new?x=1" })
    );
    for redirect in [json!(false), Value::Null] {
        let error = failure(call(redirect)).await;
        assert_eq!(error.code(), ErrorCode::Upstream);
        assert_eq!(error.context()["status"], "302");
    }
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn credentials_do_not_follow_to_another_origin() {
    let other = polite().await;
    let elsewhere = other.uri("/landed");
    let first = server(move |request| match request.target.as_str() {
        "/start" => TestResponse::redirect(307, "/same"),
        _ => TestResponse::redirect(307, &elsewhere),
    })
    .await;
    let arguments = json!({
        "method": "post",
        "endpoint": { "uri": first.uri("/start"), "authentication": { "bearer": { "token": "t" } } },
        "headers": { "Cookie": "c=1", "X-Kept": "yes" },
        "body": "hello",
        "redirect": true,
    });
    http(arguments).await.unwrap();
    let same = &first.requests()[1];
    assert_eq!(
        (same.header("authorization"), same.header("cookie")),
        (Some("Bearer t"), Some("c=1"))
    );
    let [landed] = other.requests().try_into().unwrap();
    assert_eq!(
        (landed.header("authorization"), landed.header("cookie")),
        (None, None)
    );
    assert_eq!(
        (landed.header("x-kept"), landed.text().as_str()),
        (Some("yes"), "hello")
    );
}

#[tokio::test]
async fn endless_redirects_end() {
    let server = server(|_| TestResponse::redirect(302, "/again")).await;
    let error = failure(json!({ "method": "get", "endpoint": server.uri("/"), "redirect": true })).await;
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
    assert_eq!(server.requests().len(), 11);
}

#[tokio::test]
async fn a_redirection_status_without_a_way_on_is_an_answer_when_redirects_are_allowed() {
    let server = server(|_| TestResponse::status(304)).await;
    let arguments =
        json!({ "method": "get", "endpoint": server.uri("/"), "redirect": true, "output": "response" });
    assert_eq!(http(arguments).await.unwrap()["statusCode"], 304);
}
