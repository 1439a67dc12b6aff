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
    rollbacks(store, &scope).await;
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

/// The versions of a workflow, the highest first, with a mark on those that are withdrawn.
async fn marked(store: &dyn WorkflowStore, scope: &Scope) -> Vec<String> {
    let all = store.list(scope, &PageRequest::default()).await.unwrap().items;
    let of_workflow = all.into_iter().filter(|workflow| workflow.name == "shop");
    let mut marked: Vec<_> = of_workflow
        .map(|workflow| match workflow.withdrawn_at {
            Some(at) => format!("{} withdrawn at {at}", workflow.version),
            None => workflow.version,
        })
        .collect();
    marked.sort_by(|left, right| right.cmp(left));
    marked
}

async fn rollbacks(store: &dyn WorkflowStore, scope: &Scope) {
    let roll_back = async |version: &str, at| {
        store
            .roll_back(scope, "default", "shop", version, second(at))
            .await
    };
    let latest = async || {
        let found = store
            .find(scope, "default", "shop", Some("latest"))
            .await
            .unwrap();
        found.map(|workflow| workflow.version)
    };
    assert_eq!(roll_back("1.0.0", 1).await.unwrap(), None, "nothing is deployed");
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        store
            .deploy(scope, &deployed("shop", version, "h1"))
            .await
            .unwrap();
    }
    assert_eq!(roll_back("1.3.0", 1).await.unwrap(), None);
    assert_eq!(latest().await.as_deref(), Some("1.2.0"));

    let versions = roll_back("1.1.0", 1).await.unwrap().unwrap();
    let names: Vec<_> = versions
        .iter()
        .map(|workflow| workflow.version.as_str())
        .collect();
    assert_eq!(names, ["1.2.0", "1.1.0", "1.0.0"]);
    assert_eq!(versions[0].withdrawn_at, Some(second(1)));
    assert_eq!(latest().await.as_deref(), Some("1.1.0"));
    let named = store.find(scope, "default", "shop", Some("1.2.0")).await.unwrap();
    assert_eq!(named.as_ref(), Some(&versions[0]), "it can still be named");

    roll_back("1.0.0", 2).await.unwrap();
    let since = |version, at| format!("{version} withdrawn at {}", second(at));
    let expected = [since("1.2.0", 1), since("1.1.0", 2), "1.0.0".to_owned()];
    assert_eq!(marked(store, scope).await, expected);
    roll_back("1.1.0", 3).await.unwrap();
    let expected = [since("1.2.0", 1), "1.1.0".to_owned(), "1.0.0".to_owned()];
    assert_eq!(marked(store, scope).await, expected, "forward again");

    store
        .deploy(scope, &deployed("shop", "1.1.1", "h2"))
        .await
        .unwrap();
    assert_eq!(
        latest().await.as_deref(),
        Some("1.1.1"),
        "a correction is the latest"
    );
    let other = store.deploy(scope, &deployed("shop", "1.2.0", "h2")).await;
    assert_eq!(code(other), Some(ErrorCode::AlreadyExists));
    assert_eq!(latest().await.as_deref(), Some("1.1.1"));
    let again = store
        .deploy(scope, &deployed("shop", "1.2.0", "h1"))
        .await
        .unwrap();
    assert_eq!(again.withdrawn_at, None);
    assert_eq!(
        latest().await.as_deref(),
        Some("1.2.0"),
        "what is deployed again is restored"
    );

    roll_back("1.0.0", 4).await.unwrap();
    store
        .delete(scope, "default", "shop", Some("1.0.0"))
        .await
        .unwrap();
    assert_eq!(
        latest().await,
        None,
        "what is withdrawn does not come back by itself"
    );
    store
        .deploy(scope, &deployed("shop", "2.0.0", "h1"))
        .await
        .unwrap();
    assert_eq!(latest().await.as_deref(), Some("2.0.0"));
    let stranger = Scope {
        user: "eve".to_owned(),
        ..scope.clone()
    };
    let foreign = store
        .roll_back(&stranger, "default", "shop", "2.0.0", second(5))
        .await;
    assert_eq!(foreign.unwrap(), None);
    assert_eq!(store.delete(scope, "default", "shop", None).await.unwrap(), 4);
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
