//! Documents that authenticate with the token of an authority.

use atom_engine::Secret;
use atom_engine::api::SetSecretRequest;
use atom_integrations::http::testing::{AuthorityConfig, RecordedRequest, TestAuthority, TestResponse};
use serde_json::{Value, json};

use super::documents;
use super::http::{PETSTORE, pet};
use super::stage::Stage;

documents! {
    "authentication-oauth2.yaml" => oauth2,
    "authentication-oauth2-secret.yaml" => oauth2_from_secret,
    "authentication-oidc.yaml" => oidc,
    "authentication-oidc-secret.yaml" => oidc_from_secret,
}

const ISSUER: &str = "http://keycloak/realms/fake-authority";

async fn authority() -> TestAuthority {
    let config = AuthorityConfig {
        issuer: Some(ISSUER.to_owned()),
        token_path: "/auth/token".to_owned(),
        client: (
            "workflow-runtime-id".to_owned(),
            "workflow-runtime-secret".to_owned(),
        ),
        ..AuthorityConfig::default()
    };
    TestAuthority::start(config)
        .await
        .expect("a loopback port is free")
}

fn guarded(request: &RecordedRequest) -> TestResponse {
    match request.header("authorization") {
        Some("Bearer issued-token-1") => pet(request),
        _ => TestResponse::status(401),
    }
}

/// Runs a document, with this secret, twice: the second time the token is there already.
async fn play(stage: Stage, secret: Option<Value>) {
    let authority = authority().await;
    let scene = stage
        .with_host("keycloak", authority.server.uri(""))
        .with_hosts(&[PETSTORE], guarded)
        .await;
    if let Some(secret) = secret {
        let secret = SetSecretRequest {
            name: "mySecret".to_owned(),
            value: Secret::new(secret.to_string()),
        };
        scene.engine.call(secret).await.expect("the secret is set");
    }
    for _ in 0..2 {
        let run = scene.run(json!({ "petId": 7 })).await;
        assert_eq!(run.output.unwrap_or_else(|| panic!("{:?}", run.error))["id"], 7);
    }
    assert_eq!(authority.violations(), [""; 0]);
    assert_eq!(authority.issued().len(), 1);
    assert_eq!(scene.asked().len(), 2);
}

fn secret(endpoints: Option<Value>) -> Value {
    let mut secret = json!({
        "authority": ISSUER,
        "grant": "client_credentials",
        "client": { "id": "workflow-runtime-id", "secret": "workflow-runtime-secret" },
    });
    if let Some(endpoints) = endpoints {
        secret["endpoints"] = endpoints;
    }
    secret
}

async fn oauth2(stage: Stage) {
    play(stage, None).await;
}

async fn oauth2_from_secret(stage: Stage) {
    play(stage, Some(secret(Some(json!({ "token": "/auth/token" }))))).await;
}

async fn oidc(stage: Stage) {
    play(stage, None).await;
}

async fn oidc_from_secret(stage: Stage) {
    play(stage, Some(secret(None))).await;
}
