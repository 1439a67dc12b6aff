//! What every store of workflows must do.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use super::code;
use crate::storage::{PageRequest, WorkflowStore};
use crate::testkit::fixtures::{deployed, scope, second};
use crate::{ErrorCode, Scope};

/// Checks documents, deployments, versions and pages on an empty store.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_workflows(store: &dyn WorkflowStore) {
    let scope = scope();
    documents(store, &scope).await;
    deployments(store, &scope).await;
    versions(store, &scope).await;
    pages(store, &scope).await;
    removal(store, &scope).await;
}

async fn documents(store: &dyn WorkflowStore, scope: &Scope) {
    assert_eq!(store.document(scope, "h1").await.unwrap(), None);
    store
        .put_document(scope, "h1", "text: ä\u{1f600}\n")
        .await
        .unwrap();
    store
        .put_document(scope, "h1", "text: ä\u{1f600}\n")
        .await
        .unwrap();
    assert_eq!(
        store.document(scope, "h1").await.unwrap().as_deref(),
        Some("text: ä\u{1f600}\n")
    );
    store.put_document(scope, "h2", "other").await.unwrap();
}

async fn deployments(store: &dyn WorkflowStore, scope: &Scope) {
    let unknown = store.deploy(scope, &deployed("briefing", "1.0.0", "h9")).await;
    assert_eq!(
        code(unknown),
        Some(ErrorCode::NotFound),
        "only a kept document can be deployed"
    );
    assert_eq!(
        store.find(scope, "default", "briefing", None).await.unwrap(),
        None
    );

    let mut first = deployed("briefing", "1.0.0", "h1");
    first.title = Some("Briefing".to_owned());
    first.summary = Some("Says *what* is new.".to_owned());
    assert_eq!(store.deploy(scope, &first).await.unwrap(), first);
    let mut again = first.clone();
    again.deployed_at = second(5);
    assert_eq!(
        store.deploy(scope, &again).await.unwrap(),
        first,
        "a version is deployed once"
    );
    let other = store.deploy(scope, &deployed("briefing", "1.0.0", "h2")).await;
    assert_eq!(
        code(other),
        Some(ErrorCode::AlreadyExists),
        "a version is immutable"
    );
    assert_eq!(
        store
            .find(scope, "default", "briefing", Some("1.0.0"))
            .await
            .unwrap(),
        Some(first)
    );
}

async fn versions(store: &dyn WorkflowStore, scope: &Scope) {
    for version in ["2.0.0-rc.1", "1.10.0", "1.9.0"] {
        store
            .deploy(scope, &deployed("briefing", version, "h1"))
            .await
            .unwrap();
    }
    store
        .deploy(scope, &deployed("draft", "0.1.0-alpha", "h1"))
        .await
        .unwrap();
    for (name, version, expected) in [
        ("briefing", None, Some("1.10.0")),
        ("briefing", Some("latest"), Some("1.10.0")),
        ("briefing", Some("1.9.0"), Some("1.9.0")),
        ("briefing", Some("3.0.0"), None),
        ("draft", None, Some("0.1.0-alpha")),
        ("unknown", None, None),
    ] {
        let found = store.find(scope, "default", name, version).await.unwrap();
        assert_eq!(
            found.map(|workflow| workflow.version).as_deref(),
            expected,
            "{name} {version:?}"
        );
    }
    assert_eq!(store.find(scope, "other", "briefing", None).await.unwrap(), None);
}

async fn pages(store: &dyn WorkflowStore, scope: &Scope) {
    let mut late = deployed("briefing", "0.9.0", "h2");
    late.deployed_at = second(9);
    store.deploy(scope, &late).await.unwrap();
    let expected = [
        ("briefing", "1.0.0"),
        ("briefing", "1.10.0"),
        ("briefing", "1.9.0"),
        ("briefing", "2.0.0-rc.1"),
        ("briefing", "0.9.0"),
        ("draft", "0.1.0-alpha"),
    ];
    for limit in [None, Some(1), Some(2), Some(3), Some(6), Some(1000)] {
        let mut seen = Vec::new();
        let mut page = PageRequest { after: None, limit };
        loop {
            let part = store.list(scope, &page).await.unwrap();
            assert!(part.items.len() <= limit.unwrap_or(100));
            seen.extend(
                part.items
                    .into_iter()
                    .map(|workflow| (workflow.name, workflow.version)),
            );
            page.after = part.next;
            if page.after.is_none() {
                break;
            }
        }
        let seen: Vec<_> = seen
            .iter()
            .map(|(name, version)| (name.as_str(), version.as_str()))
            .collect();
        assert_eq!(seen, expected, "pages of {limit:?}");
    }
    for (after, limit) in [(None, Some(0)), (None, Some(1001)), (Some("nonsense"), None)] {
        let page = PageRequest {
            after: after.map(str::to_owned),
            limit,
        };
        assert_eq!(
            code(store.list(scope, &page).await),
            Some(ErrorCode::InvalidRequest),
            "{page:?}"
        );
    }
}

async fn removal(store: &dyn WorkflowStore, scope: &Scope) {
    assert_eq!(
        store
            .delete(scope, "default", "briefing", Some("1.10.0"))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        store
            .delete(scope, "default", "briefing", Some("1.10.0"))
            .await
            .unwrap(),
        0
    );
    let latest = store.find(scope, "default", "briefing", None).await.unwrap();
    assert_eq!(latest.map(|workflow| workflow.version).as_deref(), Some("1.9.0"));
    assert_eq!(store.delete(scope, "default", "briefing", None).await.unwrap(), 4);
    let left = store.list(scope, &PageRequest::default()).await.unwrap();
    assert_eq!(left.items.len(), 1, "other workflows stay");
    assert!(
        store.document(scope, "h1").await.unwrap().is_some(),
        "documents stay"
    );
}
