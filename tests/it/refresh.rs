//! Calls with a refresh token that the authority replaces.

use atom_engine::api::{GetRunRequest, ListSecretsRequest, SetSecretRequest, StartRunRequest};
use atom_engine::{Engine, EngineConfig, PrivateAddresses, Secret};
use atom_integrations::http::testing::{AuthorityConfig, TestAuthority};
use serde_json::json;

fn document(authority: &TestAuthority) -> String {
    let policy = json!({
        "authority": authority.issuer(),
        "grant": "refresh_token",
        "client": { "id": "client", "secret": "s3cret of c" },
        "subject": {
            "token": "${ $secrets.refreshToken }",
            "type": "urn:ietf:params:oauth:token-type:refresh_token",
        },
    });
    let endpoint =
        json!({ "uri": authority.server.uri("/resource"), "authentication": { "oauth2": policy } });
    let call = json!({ "call": "http", "with": { "method": "get", "endpoint": endpoint } });
    json!({
        "document": { "dsl": "1.0.3", "namespace": "default", "name": "fetch", "version": "0.1.0" },
        "use": { "secrets": ["refreshToken"] },
        "do": [{ "fetch": call }],
    })
    .to_string()
}

#[tokio::test]
async fn a_grant_outlives_the_engine() {
    let config = AuthorityConfig {
        replaces_refresh_tokens: true,
        ..AuthorityConfig::default()
    };
    let authority = TestAuthority::start(config).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut config = EngineConfig::in_folder(folder.path());
        config.http.private_addresses = PrivateAddresses::Allow;
        let engine = Engine::open(config).await.unwrap();
        let secret = SetSecretRequest {
            name: "refreshToken".to_owned(),
            value: Secret::new("refresh-token-1"),
        };
        engine.call(secret).await.unwrap();
        let run = engine
            .call(StartRunRequest::document(document(&authority)))
            .await
            .unwrap();
        let run = engine.call(GetRunRequest::ended(run.id)).await.unwrap();
        assert_eq!(run.output.unwrap()["path"], "/resource");
        let names = engine.call(ListSecretsRequest {}).await.unwrap().secrets;
        assert!(names[0].name.starts_with("oauth2.refresh."), "{names:?}");
        assert_eq!(names.len(), 2);
        engine.close().await.unwrap();
    }
    assert_eq!(authority.violations(), [""; 0]);
    assert_eq!(authority.requests().len(), 2);
}
