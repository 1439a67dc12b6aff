//! Digest authentication against a service that works out every answer itself.

use std::sync::{Arc, Mutex};

use atom_core::ErrorCode;
use md5::Md5;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{RecordedRequest, TestResponse, TestServer, context, function, open, server};

fn hash(algorithm: &str, text: &str) -> String {
    let bytes: Vec<u8> = if algorithm.starts_with("SHA-256") {
        Sha256::digest(text).to_vec()
    } else {
        Md5::digest(text).to_vec()
    };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A service after RFC 7616: counts requests by nonce and changes the nonce after `uses` of them.
async fn service(algorithm: &'static str, uses: u32) -> TestServer {
    let state = Arc::new(Mutex::new((1_u32, 0_u32)));
    server(move |request| {
        let mut state = state.lock().unwrap();
        let (nonce, used) = *state;
        if request.target == "/moved" {
            return TestResponse::redirect(307, "/elsewhere?a=b");
        }
        match request.header("authorization").map(|header| check(header, request, algorithm, nonce, used)) {
            Some(Ok(())) if used < uses => {
                state.1 += 1;
                TestResponse::json(&json!({ "count": used + 1, "body": request.text() }))
            }
            Some(Err(problem)) if !problem.is_empty() => TestResponse::status(400).with_header("X-Problem", &problem),
            other => {
                let stale = if other.is_some() { ", stale=true" } else { "" };
                *state = (nonce + 1, 0);
                let challenge = format!(
                    "Digest realm=\"a \\\"b\\\"\", qop=\"auth-int, auth\", algorithm={algorithm}, nonce=\"n{}\", opaque=\"o\"{stale}",
                    nonce + 1
                );
                TestResponse::status(401).with_header("WWW-Authenticate", &challenge)
            }
        }
    })
    .await
}

/// Empty for a nonce that is no longer good.
fn check(
    header: &str,
    request: &RecordedRequest,
    algorithm: &str,
    nonce: u32,
    used: u32,
) -> Result<(), String> {
    let get = |name: &str| {
        let text = header.split_once(&format!("{name}="))?.1;
        let value = match text.strip_prefix('"') {
            Some(quoted) if name == "realm" => quoted.split_once("\", nonce")?.0,
            Some(quoted) => quoted.split_once('"')?.0,
            None => text.split(',').next()?,
        };
        Some(value.to_owned())
    };
    let get = |name: &str| get(name).ok_or(format!("no {name}"));
    if get(" nonce")? != format!("n{nonce}") {
        return Err(String::new());
    }
    let expect = |name: &str, value: &str| {
        let found = get(name)?;
        if found == value {
            Ok(())
        } else {
            Err(format!("{name} is {found}, not {value}"))
        }
    };
    expect("username", "ada")?;
    expect("realm", "a \\\"b\\\"")?;
    expect("uri", &request.target)?;
    expect("algorithm", algorithm)?;
    expect("opaque", "o")?;
    expect("qop", "auth")?;
    expect(" nc", &format!("{:08x}", used + 1))?;
    let client_nonce = get("cnonce")?;
    let mut user = hash(algorithm, "ada:a \"b\":s3cret");
    if algorithm.ends_with("-sess") {
        user = hash(algorithm, &format!("{user}:n{nonce}:{client_nonce}"));
    }
    let what = hash(algorithm, &format!("{}:{}", request.method, request.target));
    let response = hash(
        algorithm,
        &format!("{user}:n{nonce}:{:08x}:{client_nonce}:auth:{what}", used + 1),
    );
    expect("response", &response)
}

fn ask(service: &TestServer, path: &str) -> Value {
    let authentication = json!({ "digest": { "username": "ada", "password": "s3cret" } });
    json!({
        "method": "post", "redirect": true, "body": "hello",
        "endpoint": { "uri": service.uri(path), "authentication": authentication },
    })
}

#[tokio::test]
async fn one_challenge_is_good_for_many_requests() {
    for algorithm in ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"] {
        let service = service(algorithm, 3).await;
        let http = function(open(), "http");
        for count in [1, 2, 3, 1] {
            let answer = http.call(ask(&service, "/x?q=1%202"), context()).await.unwrap();
            assert_eq!(answer, json!({ "count": count, "body": "hello" }), "{algorithm}");
        }
        // One challenge at first and one when the nonce was used up.
        assert_eq!(service.requests().len(), 6, "{algorithm}");
    }
}

#[tokio::test]
async fn what_a_redirect_leads_to_is_answered_for_itself() {
    let service = service("SHA-256", 100).await;
    let http = function(open(), "http");
    for _ in 0..2 {
        let answer = http.call(ask(&service, "/moved"), context()).await.unwrap();
        assert_eq!(answer["body"], "hello");
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_not_shown() {
    let service = server(|_| {
        TestResponse::status(401).with_header("WWW-Authenticate", "Digest realm=x, nonce=n, qop=\"auth\"")
    })
    .await;
    let error = function(open(), "http")
        .call(ask(&service, "/"), context())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unauthenticated);
    assert_eq!(service.requests().len(), 2);
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn credentials_are_not_given_to_another_host() {
    let other = server(|_| {
        TestResponse::status(401).with_header("WWW-Authenticate", "Digest realm=x, nonce=n, qop=\"auth\"")
    })
    .await;
    let location = other.uri("/");
    let service = server(move |_| TestResponse::redirect(307, &location)).await;
    let error = function(open(), "http")
        .call(ask(&service, "/"), context())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unauthenticated);
    let [request] = other.requests().try_into().unwrap();
    assert_eq!(request.header("authorization"), None);
}
