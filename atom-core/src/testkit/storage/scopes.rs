//! What keeps the users of a store apart.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use serde_json::json;

use super::templates::template;
use super::{Store, code};
use crate::storage::{PageRequest, RunEnd, RunFilter, RunStatus};
use crate::testkit::fixtures::{commit, deployed, new_run, run_id, second};
use crate::{CloudEvent, ErrorCode, Principal, Scope};

/// Checks on an empty store that nothing of one tenant or user is visible to, or changed by, another: neither
/// a user of another tenant, nor another user of the tenant, nor names that look alike when put together.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_scopes(store: &dyn Store) {
    let named = |tenant: &str, user: &str| Principal {
        tenant: tenant.into(),
        user: user.into(),
        roles: Vec::new(),
    };
    let owner = named("acme", "ada");
    let strangers = [
        named("acme", "bob"),
        named("bell", "ada"),
        named("ada", "acme"),
        named("acm", "eada"),
        named("ACME", "Ada"),
    ];
    fill(store, &owner, "owner").await;
    let before = snapshot(store, &owner.scope()).await;
    for (place, stranger) in strangers.iter().enumerate() {
        sees_nothing(store, &stranger.scope()).await;
        changes_nothing(store, &stranger.scope()).await;
        assert_eq!(
            snapshot(store, &owner.scope()).await,
            before,
            "{stranger:?} changed what is not theirs"
        );
        // The same names and ids are free for everybody.
        fill(store, stranger, &format!("stranger {place}")).await;
        assert_eq!(
            snapshot(store, &owner.scope()).await,
            before,
            "{stranger:?} changed what is not theirs"
        );
    }
    for (place, stranger) in strangers.iter().enumerate() {
        let own = snapshot(store, &stranger.scope()).await;
        assert!(
            own.contains(&format!("stranger {place}")) && !own.contains("owner"),
            "{own}"
        );
    }
    let unfinished = store.unfinished().await.unwrap();
    assert_eq!(
        unfinished.len(),
        strangers.len() + 1,
        "an engine resumes everybody's runs"
    );
}

async fn fill(store: &dyn Store, principal: &Principal, mark: &str) {
    let scope = principal.scope();
    store.put_document(&scope, "h1", mark).await.unwrap();
    let mut workflow = deployed("briefing", "1.0.0", "h1");
    workflow.title = Some(mark.to_owned());
    assert_eq!(store.deploy(&scope, &workflow).await.unwrap(), workflow);
    let template = template("pause", mark);
    store.put_template(&scope, &template).await.unwrap();
    let mut run = new_run(principal, 1);
    run.input = json!(mark);
    store.create(run).await.unwrap();
    let mut step = commit(&scope, run_id(1), 1..2);
    step.entries[0].payload = format!("{mark:?}");
    let mut event = CloudEvent::new("1", "/orders", "x");
    event.data = Some(json!(mark));
    step.events = vec![event.clone()];
    let committed = store.commit(step).await.unwrap();
    assert_eq!(store.append(&scope, &event).await.unwrap(), committed.event_head);
}

/// Everything that a scope sees.
async fn snapshot(store: &dyn Store, scope: &Scope) -> String {
    let page = PageRequest::default();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        store.document(scope, "h1").await.unwrap(),
        store.template(scope, "pause").await.unwrap(),
        store.find(scope, "default", "briefing", None).await.unwrap(),
        store.list(scope, &page).await.unwrap(),
        store.run(scope, run_id(1)).await.unwrap(),
        store.runs(scope, &RunFilter::default(), &page).await.unwrap(),
        store.journal(scope, run_id(1), 0, 99).await.unwrap(),
        store.read(scope, 0, 99).await.unwrap(),
    )
}

async fn sees_nothing(store: &dyn Store, scope: &Scope) {
    let page = PageRequest::default();
    assert_eq!(store.document(scope, "h1").await.unwrap(), None);
    assert_eq!(
        store.find(scope, "default", "briefing", None).await.unwrap(),
        None
    );
    assert_eq!(
        store
            .find(scope, "default", "briefing", Some("1.0.0"))
            .await
            .unwrap(),
        None
    );
    assert_eq!(store.list(scope, &page).await.unwrap().items, []);
    assert_eq!(store.template(scope, "pause").await.unwrap(), None);
    assert_eq!(store.templates(scope, &page).await.unwrap().items, []);
    assert_eq!(store.run(scope, run_id(1)).await.unwrap(), None);
    assert_eq!(
        store
            .runs(scope, &RunFilter::default(), &page)
            .await
            .unwrap()
            .items,
        []
    );
    assert_eq!(store.journal(scope, run_id(1), 0, 99).await.unwrap(), []);
    assert_eq!(store.read(scope, 0, 99).await.unwrap(), []);
}

async fn changes_nothing(store: &dyn Store, scope: &Scope) {
    let deployment = store.deploy(scope, &deployed("briefing", "2.0.0", "h1")).await;
    assert_eq!(
        code(deployment),
        Some(ErrorCode::NotFound),
        "the document is somebody else's"
    );
    assert_eq!(store.delete(scope, "default", "briefing", None).await.unwrap(), 0);
    assert!(!store.delete_template(scope, "pause").await.unwrap());
    assert_eq!(
        store
            .delete(scope, "default", "briefing", Some("1.0.0"))
            .await
            .unwrap(),
        0
    );
    let mut step = commit(scope, run_id(1), 2..3);
    step.events = vec![CloudEvent::new("2", "/orders", "x")];
    step.end = Some(RunEnd {
        status: RunStatus::Cancelled,
        output: None,
        error: None,
        at: second(9),
        expires_at: None,
    });
    assert_eq!(
        code(store.commit(step).await),
        Some(ErrorCode::NotFound),
        "the run is somebody else's"
    );
}
