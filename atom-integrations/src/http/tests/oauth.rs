//! Tokens of authorities that hold every request against the standards.

use std::sync::Arc;

use atom_core::{ErrorCode, Function, FunctionContext, Principal};
use serde_json::{Value, json};

use super::super::testing::{AuthorityConfig, TestAuthority};
use super::{context, function, open};

async fn authority(config: AuthorityConfig) -> TestAuthority {
    TestAuthority::start(config).await.unwrap()
}

fn policy(authority: &TestAuthority, fields: Value) -> Value {
    let mut policy = json!({
        "authority": authority.issuer(),
        "grant": "client_credentials",
        "client": { "id": "client", "secret": "s3cret of c" },
    });
    policy
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    json!({ "oauth2": policy })
}

fn ask(authority: &TestAuthority, policy: &Value) -> Value {
    let endpoint = json!({ "uri": authority.server.uri("/resource"), "authentication": policy });
    json!({ "method": "get", "endpoint": endpoint })
}

fn http() -> Arc<dyn Function> {
    function(open(), "http")
}

#[tokio::test]
async fn every_client_and_grant_asks_as_the_standards_say() {
    let exchange = json!({
        "grant": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject": { "token": "subject", "type": "urn:ietf:params:oauth:token-type:access_token" },
        "actor": { "token": "actor", "type": "urn:ietf:params:oauth:token-type:jwt" },
        "audiences": ["one", "two"],
    });
    let client = |method: &str| json!({ "client": { "id": "client", "secret": "s3cret of c", "authentication": method } });
    for (method, fields, expected) in [
        (
            "client_secret_post",
            json!({}),
            json!({ "grant_type": ["client_credentials"], "client_id": ["client"], "client_secret": ["s3cret of c"] }),
        ),
        (
            "client_secret_post",
            json!({ "request": { "encoding": "application/json" }, "audiences": ["one", "two"] }),
            json!({ "audience": ["one", "two"] }),
        ),
        (
            "client_secret_basic",
            client("client_secret_basic"),
            json!({ "grant_type": ["client_credentials"] }),
        ),
        (
            "client_secret_jwt",
            client("client_secret_jwt"),
            json!({ "client_id": ["client"] }),
        ),
        (
            "private_key_jwt",
            json!({ "client": { "assertion": "ready.made.assertion", "authentication": "private_key_jwt" } }),
            json!({ "client_assertion": ["ready.made.assertion"] }),
        ),
        (
            "none",
            json!({ "client": { "id": "client", "authentication": "none" } }),
            json!({ "client_id": ["client"] }),
        ),
        (
            "client_secret_post",
            json!({ "grant": "password", "username": "ada", "password": "p&ss=w rd", "scopes": ["api", "read:all"] }),
            json!({ "username": ["ada"], "scope": ["api read:all"] }),
        ),
        (
            "client_secret_post",
            exchange,
            json!({ "audience": ["one", "two"], "actor_token": ["actor"], "subject_token_type": ["urn:ietf:params:oauth:token-type:access_token"] }),
        ),
    ] {
        let authority = authority(AuthorityConfig {
            method: method.to_owned(),
            ..AuthorityConfig::default()
        })
        .await;
        let answer = http()
            .call(ask(&authority, &policy(&authority, fields)), context())
            .await;
        assert_eq!(authority.violations(), [""; 0], "{method}");
        assert_eq!(answer.unwrap()["path"], "/resource");
        let [request] = authority.requests().try_into().unwrap();
        let request = serde_json::to_value(request).unwrap();
        for (name, values) in expected.as_object().unwrap() {
            assert_eq!(&request[name], values, "{method}: {name}");
        }
    }
}

#[tokio::test]
async fn openid_connect_finds_the_token_endpoint() {
    let authority = authority(AuthorityConfig {
        token_path: "/protocol/token".to_owned(),
        has_jwts: true,
        ..AuthorityConfig::default()
    })
    .await;
    let oauth = policy(&authority, json!({ "issuers": [authority.issuer()] }));
    let oidc = json!({ "oidc": oauth["oauth2"] });
    let http = http();
    for _ in 0..2 {
        http.call(ask(&authority, &oidc), context()).await.unwrap();
    }
    let mut written_out = oidc.clone();
    written_out["oidc"]["authority"] =
        json!(format!("{}/.well-known/openid-configuration", authority.issuer()));
    http.call(ask(&authority, &written_out), context()).await.unwrap();
    assert_eq!(authority.violations(), [""; 0]);
    let targets: Vec<_> = authority
        .server
        .requests()
        .into_iter()
        .map(|request| request.target)
        .collect();
    let found = ["/.well-known/openid-configuration", "/protocol/token"];
    assert_eq!(
        targets,
        [
            found[0],
            found[1],
            "/resource",
            "/resource",
            found[0],
            found[1],
            "/resource"
        ]
    );
}

#[tokio::test]
async fn a_token_below_another_path_and_of_another_issuer() {
    let authority = authority(AuthorityConfig {
        token_path: "/auth/token".to_owned(),
        has_jwts: true,
        ..AuthorityConfig::default()
    })
    .await;
    let http = http();
    let own = policy(
        &authority,
        json!({ "endpoints": { "token": "/auth/token" }, "issuers": ["https://other.test", authority.issuer()] }),
    );
    http.call(ask(&authority, &own), context()).await.unwrap();
    let other = policy(
        &authority,
        json!({ "endpoints": { "token": "/auth/token" }, "issuers": ["https://other.test"] }),
    );
    let error = http.call(ask(&authority, &other), context()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unauthenticated);
    let wrong = policy(
        &authority,
        json!({ "authority": format!("{}/x", authority.issuer()) }),
    );
    let wrong = json!({ "oidc": wrong["oauth2"] });
    let error = http.call(ask(&authority, &wrong), context()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Upstream, "{error}");
    authority.set(|config| config.has_jwts = false);
    let opaque = policy(
        &authority,
        json!({ "endpoints": { "token": "/auth/token" }, "issuers": ["https://third.test"] }),
    );
    let error = http.call(ask(&authority, &opaque), context()).await.unwrap_err();
    assert!(error.message().contains("does not tell its issuer"), "{error}");
}

#[tokio::test]
async fn a_token_is_kept_by_user_and_policy_and_asked_for_once() {
    let authority = authority(AuthorityConfig::default()).await;
    let http = http();
    let arguments = ask(&authority, &policy(&authority, json!({})));
    let calls = (0..20).map(|_| http.call(arguments.clone(), context()));
    for answer in futures::future::join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(authority.requests().len(), 1);
    let grace = FunctionContext::direct(Principal::new("acme", "grace").unwrap(), "key");
    http.call(arguments.clone(), grace).await.unwrap();
    http.call(
        ask(&authority, &policy(&authority, json!({ "scopes": ["x"] }))),
        context(),
    )
    .await
    .unwrap();
    assert_eq!(authority.requests().len(), 3);
    assert_eq!(authority.violations(), [""; 0]);
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let authority = authority(AuthorityConfig::default()).await;
    let http = http();
    let arguments = ask(&authority, &policy(&authority, json!({})));
    http.call(arguments.clone(), context()).await.unwrap();
    authority.revoke_all();
    http.call(arguments.clone(), context()).await.unwrap();
    assert_eq!(authority.issued().len(), 2);
    // A service that refuses even a new token is not asked for ever.
    let mut elsewhere = arguments.clone();
    let stubborn = super::server(|_| super::TestResponse::status(401)).await;
    elsewhere["endpoint"]["uri"] = json!(stubborn.uri("/"));
    let error = http.call(elsewhere, context()).await.unwrap_err();
    assert_eq!(
        (error.code(), stubborn.requests().len()),
        (ErrorCode::Unauthenticated, 2)
    );
    assert_eq!(authority.issued().len(), 3);
}

#[tokio::test]
async fn a_token_that_has_expired_is_replaced_beforehand() {
    let authority = authority(AuthorityConfig {
        expires_in: Some(0),
        ..AuthorityConfig::default()
    })
    .await;
    let http = http();
    let arguments = ask(&authority, &policy(&authority, json!({})));
    for _ in 0..2 {
        http.call(arguments.clone(), context()).await.unwrap();
    }
    assert_eq!(authority.issued().len(), 2);
    assert_eq!(authority.server.requests().len(), 4);
}

#[tokio::test]
async fn a_refusal_says_why_and_shows_no_secret() {
    let authority = authority(AuthorityConfig::default()).await;
    for (status, code, expected) in [
        (400, "invalid_grant", ErrorCode::Unauthenticated),
        (401, "invalid_client", ErrorCode::Unauthenticated),
        (429, "slow_down", ErrorCode::RateLimited),
        (503, "temporarily_unavailable", ErrorCode::Unavailable),
        (404, "s3cret of c", ErrorCode::Upstream),
    ] {
        authority.set(|config| config.refusal = Some((status, code.to_owned())));
        let policy = policy(&authority, json!({}));
        let error = http()
            .call(ask(&authority, &policy), context())
            .await
            .unwrap_err();
        assert_eq!(error.code(), expected, "{error}");
        assert_eq!(error.context()["authority"], "127.0.0.1");
        // The status is the authority's, not the service's.
        assert_eq!(error.context().get("status"), None);
        assert_eq!(error.to_string().contains(code), status != 404, "{error}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
}

#[tokio::test]
async fn neither_answer_nor_description_shows_the_token() {
    let authority = authority(AuthorityConfig::default()).await;
    for output in ["content", "response", "raw"] {
        let mut arguments = ask(&authority, &policy(&authority, json!({})));
        arguments["output"] = json!(output);
        let answer = http().call(arguments, context()).await.unwrap();
        let shown = answer.to_string();
        assert!(!shown.contains("issued-token"), "{shown}");
        let hidden = "eyJwYXRoIjoiL3Jlc291cmNlIiwiZWNobyI6IioqKiJ9";
        assert!(
            shown.contains(if output == "raw" { hidden } else { "***" }),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn an_authority_is_reached_by_the_rules_of_the_operator() {
    let authority = authority(AuthorityConfig::default()).await;
    let service = super::polite().await;
    let config = super::HttpConfig {
        hosts: std::collections::BTreeMap::from([("api.test".to_owned(), service.uri(""))]),
        ..super::HttpConfig::default()
    };
    let mut arguments = ask(&authority, &policy(&authority, json!({})));
    arguments["endpoint"]["uri"] = json!("https://api.test/");
    let error = function(config, "http")
        .call(arguments, context())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied);
    assert!(authority.server.requests().is_empty() && service.requests().is_empty());
}

#[tokio::test]
async fn an_openapi_document_and_its_operation_take_a_token() {
    let authority = authority(AuthorityConfig::default()).await;
    let policy = policy(&authority, json!({}));
    let document = json!({
        "openapi": "3.1.0", "info": { "title": "t", "version": "1" },
        "servers": [{ "url": authority.server.uri("") }],
        "paths": { "/resource": { "get": { "operationId": "get" } } },
    });
    let documents = super::server(move |request| {
        assert!(
            request
                .header("authorization")
                .is_some_and(|value| value.starts_with("Bearer issued-token"))
        );
        super::TestResponse::json(&document)
    })
    .await;
    let arguments = json!({
        "document": { "endpoint": { "uri": documents.uri("/openapi.json"), "authentication": policy } },
        "operationId": "get", "authentication": policy,
    });
    let answer = function(open(), "openapi")
        .call(arguments, context())
        .await
        .unwrap();
    assert_eq!(answer["path"], "/resource");
    assert_eq!(authority.issued().len(), 1);
}
