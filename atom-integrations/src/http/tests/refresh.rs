//! Refresh tokens, with an authority that ends a grant when one is used twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use atom_core::storage::{MemoryVault, SecretInfo, Vault};
use atom_core::{Error, ErrorCode, Function, Result, Scope, Secret};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::super::testing::{AuthorityConfig, TestAuthority};
use super::super::{HttpClient, functions};
use super::{context, open};

const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";

async fn authority() -> TestAuthority {
    let config = AuthorityConfig {
        replaces_refresh_tokens: true,
        ..AuthorityConfig::default()
    };
    TestAuthority::start(config).await.unwrap()
}

fn ask(authority: &TestAuthority, fields: Value) -> Value {
    let mut policy = json!({
        "authority": authority.issuer(),
        "grant": "refresh_token",
        "client": { "id": "client", "secret": "s3cret of c" },
        "subject": { "token": "refresh-token-1", "type": REFRESH_TOKEN },
    });
    policy
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let endpoint =
        json!({ "uri": authority.server.uri("/resource"), "authentication": { "oauth2": policy } });
    json!({ "method": "get", "endpoint": endpoint })
}

fn client(vault: &Arc<impl Vault + 'static>) -> (HttpClient, Arc<dyn Function>) {
    let client = HttpClient::new(open()).unwrap();
    client.keep_tokens_in(Arc::clone(vault) as Arc<dyn Vault>);
    let http = functions(&client)
        .into_iter()
        .find(|function| function.info().name == "http")
        .unwrap();
    (client, http)
}

fn used(authority: &TestAuthority) -> Vec<String> {
    let requests = authority.requests();
    requests
        .iter()
        .map(|request| request["refresh_token"].concat())
        .collect()
}

/// A vault that can be told to wait, or to take nothing.
#[derive(Debug, Default)]
struct FickleVault {
    vault: MemoryVault,
    is_full: AtomicBool,
    waits: AtomicBool,
    is_asked: Notify,
    may_go_on: Notify,
}

#[async_trait]
impl Vault for FickleVault {
    async fn set(&self, scope: &Scope, name: &str, secret: &Secret, now: Timestamp) -> Result<SecretInfo> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorCode::StorageFull, "the disk is full"));
        }
        if self.waits.load(Ordering::SeqCst) {
            self.is_asked.notify_one();
            self.may_go_on.notified().await;
        }
        self.vault.set(scope, name, secret, now).await
    }

    async fn get(&self, scope: &Scope, name: &str) -> Result<Option<Secret>> {
        self.vault.get(scope, name).await
    }

    async fn list(&self, scope: &Scope) -> Result<Vec<SecretInfo>> {
        self.vault.list(scope).await
    }

    async fn delete(&self, scope: &Scope, name: &str) -> Result<bool> {
        self.vault.delete(scope, name).await
    }
}

#[tokio::test]
async fn what_replaces_a_refresh_token_is_used_next_even_after_a_restart() {
    let authority = authority().await;
    let vault = Arc::new(MemoryVault::default());
    for _ in 0..2 {
        let (_, http) = client(&vault);
        for _ in 0..2 {
            http.call(ask(&authority, json!({})), context()).await.unwrap();
            authority.revoke_all();
        }
    }
    assert_eq!(authority.violations(), [""; 0]);
    assert_eq!(
        used(&authority),
        [1, 2, 3, 4].map(|number| format!("refresh-token-{number}"))
    );
    let kept = vault.list(&context().principal.scope()).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].name.starts_with("oauth2.refresh."), "{kept:?}");
}

#[tokio::test]
async fn a_refresh_token_that_stays_is_not_kept() {
    let authority = authority().await;
    authority.set(|config| config.replaces_refresh_tokens = false);
    let vault = Arc::new(MemoryVault::default());
    let (_, http) = client(&vault);
    for _ in 0..2 {
        http.call(ask(&authority, json!({})), context()).await.unwrap();
        authority.revoke_all();
    }
    assert_eq!(authority.violations(), [""; 0]);
    assert_eq!(vault.list(&context().principal.scope()).await.unwrap(), []);
}

#[tokio::test]
async fn policies_of_one_grant_take_turns() {
    let authority = authority().await;
    let (_, http) = client(&Arc::new(MemoryVault::default()));
    let calls = (0..20).map(|index| {
        let scope = ["mail", "calendar"][index % 2];
        http.call(ask(&authority, json!({ "scopes": [scope] })), context())
    });
    for answer in futures::future::join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(authority.violations(), [""; 0]);
    assert_eq!(used(&authority), ["refresh-token-1", "refresh-token-2"]);
}

#[tokio::test]
async fn a_call_that_nobody_awaits_any_more_does_not_end_the_grant() {
    let authority = authority().await;
    let vault = Arc::new(FickleVault::default());
    vault.waits.store(true, Ordering::SeqCst);
    let (closing, http) = client(&vault);
    let call = http.call(ask(&authority, json!({})), context());
    tokio::select! {
        answer = call => panic!("{answer:?}"),
        () = vault.is_asked.notified() => {}
    }
    vault.waits.store(false, Ordering::SeqCst);
    vault.may_go_on.notify_one();
    closing.close(Duration::from_secs(60)).await;
    let (_, http) = client(&vault);
    http.call(ask(&authority, json!({})), context()).await.unwrap();
    assert_eq!(authority.violations(), [""; 0]);
    assert_eq!(used(&authority), ["refresh-token-1", "refresh-token-2"]);
}

#[tokio::test]
async fn closing_does_not_wait_for_ever() {
    let authority = authority().await;
    let vault = Arc::new(FickleVault::default());
    vault.waits.store(true, Ordering::SeqCst);
    let (closing, http) = client(&vault);
    let arguments = ask(&authority, json!({}));
    let call = http.call(arguments, context());
    let close = async {
        vault.is_asked.notified().await;
        closing.close(Duration::ZERO).await;
    };
    let (answer, ()) = tokio::join!(call, close);
    assert_eq!(answer.unwrap_err().code(), ErrorCode::Closed);
}

#[tokio::test]
async fn no_failure_ends_the_grant() {
    let authority = authority().await;
    let vault = Arc::new(FickleVault::default());
    let (_, http) = client(&vault);
    let code = async |fields: Value| {
        let answer = http.call(ask(&authority, fields), context()).await;
        answer.unwrap_err().code()
    };
    // The authority answers something else.
    authority.set(|config| config.refusal = Some((503, "temporarily_unavailable".to_owned())));
    authority.set(|config| config.replaces_refresh_tokens = false);
    assert_eq!(code(json!({})).await, ErrorCode::Unavailable);
    authority.set(|config| config.refusal = None);
    authority.set(|config| config.replaces_refresh_tokens = true);
    // What it answers is not what is wanted.
    let issuers = json!({ "issuers": ["https://other.test"] });
    assert_eq!(code(issuers).await, ErrorCode::Unauthenticated);
    // What replaces the token cannot be kept.
    vault.is_full.store(true, Ordering::SeqCst);
    assert_eq!(code(json!({})).await, ErrorCode::StorageFull);
    assert_eq!(code(json!({})).await, ErrorCode::StorageFull);
    vault.is_full.store(false, Ordering::SeqCst);
    http.call(ask(&authority, json!({})), context()).await.unwrap();
    assert_eq!(authority.violations(), [""; 0]);
    // Neither the token that was refused nor the one that could not be kept was used again.
    assert_eq!(authority.requests().len(), 4);
}

#[tokio::test]
async fn a_grant_that_is_over_and_a_token_that_is_missing_are_told() {
    let authority = authority().await;
    let (_, http) = client(&Arc::new(MemoryVault::default()));
    authority.set(|config| config.refresh_token = "another".to_owned());
    let error = http
        .call(ask(&authority, json!({})), context())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unauthenticated);
    assert!(error.message().contains("let the person agree again"), "{error}");
    assert!(!format!("{error:?}").contains("refresh-token-1"), "{error:?}");
    for subject in [
        json!(null),
        json!({ "token": "hunter2", "type": "urn:ietf:params:oauth:token-type:jwt" }),
    ] {
        let arguments = ask(&authority, json!({ "subject": subject }));
        let error = http.call(arguments, context()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert!(error.message().contains(REFRESH_TOKEN), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let error = super::http(ask(&authority, json!({}))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
}
