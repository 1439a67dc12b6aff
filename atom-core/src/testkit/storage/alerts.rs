//! How alert rules are kept.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use super::{Store, code};
use crate::storage::{
    AlertCondition, AlertReading, AlertRecord, AlertRule, MAX_ALERT_RULES, PageRequest, Percentile,
};
use crate::testkit::fixtures::second;
use crate::{CloudEvent, ErrorCode, Principal, Scope};

fn rule(scope: &Scope, name: &str) -> AlertRecord {
    AlertRecord {
        scope: scope.clone(),
        rule: AlertRule {
            name: name.to_owned(),
            namespace: None,
            workflow: None,
            condition: AlertCondition::Silence {
                for_ms: 60_000,
                successful_only: true,
            },
        },
        since: second(0),
        raised_at: None,
        reading: None,
        unpublished: None,
        revision: 0,
    }
}

fn owner(tenant: &str, user: &str) -> Scope {
    Principal::new(tenant, user).unwrap().scope()
}

fn names(alerts: &[AlertRecord]) -> Vec<&str> {
    alerts.iter().map(|alert| alert.rule.name.as_str()).collect()
}

/// Checks on an empty store that rules come back as they were written, that none is written or removed over a change it
/// has not seen, that there are not too many, and that the rules of others are not shown.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_alerts(store: &dyn Store) {
    writing(store).await;
    lists(store).await;
    limit(store).await;
}

async fn writing(store: &dyn Store) {
    let scope = owner("writing", "ada");
    let mut full = rule(&scope, "full");
    full.rule.namespace = Some("shop".to_owned());
    full.rule.workflow = Some("pay".to_owned());
    full.rule.condition = AlertCondition::Latency {
        percentile: Percentile::P99,
        above_ms: 1_500,
        window_ms: 300_000,
        minimum_runs: 20,
    };
    full.raised_at = Some(second(7));
    full.reading = Some(AlertReading {
        value: Some(1_612.5),
        runs: Some(31),
    });
    full.unpublished = Some(CloudEvent::new("1", "/alerts/full", "io.atom.alert.raised.v1"));
    assert!(store.put_alert(&full).await.unwrap());
    let read = async || store.alert(&scope, "full").await.unwrap();
    let stored = read().await.unwrap();
    assert!(stored.revision > 0);
    let expected = AlertRecord {
        revision: stored.revision,
        ..full.clone()
    };
    assert_eq!(stored, expected);
    assert!(!store.put_alert(&full).await.unwrap(), "there is one already");

    let calm = AlertRecord {
        raised_at: None,
        unpublished: None,
        ..stored.clone()
    };
    assert!(store.put_alert(&calm).await.unwrap());
    assert!(!store.put_alert(&stored).await.unwrap(), "it was changed");
    let changed = read().await.unwrap();
    assert_eq!(
        (changed.raised_at, changed.revision),
        (None, calm.next_revision())
    );

    for revision in [0, stored.revision] {
        assert!(!store.delete_alert(&scope, "full", revision).await.unwrap());
    }
    for stranger in [owner("writing", "bob"), owner("other", "ada")] {
        assert_eq!(store.alert(&stranger, "full").await.unwrap(), None);
        let deleted = store.delete_alert(&stranger, "full", changed.revision).await;
        assert!(!deleted.unwrap());
    }
    assert!(
        store
            .delete_alert(&scope, "full", changed.revision)
            .await
            .unwrap()
    );
    assert_eq!(read().await, None);
    assert!(!store.put_alert(&changed).await.unwrap(), "it was removed");
    assert!(
        !store
            .delete_alert(&scope, "full", changed.revision)
            .await
            .unwrap()
    );
}

async fn lists(store: &dyn Store) {
    let (ada, bob) = (owner("lists", "ada"), owner("lists", "bob"));
    for (scope, name) in [(&ada, "b"), (&ada, "a"), (&bob, "a"), (&ada, "c")] {
        assert!(store.put_alert(&rule(scope, name)).await.unwrap());
    }
    let mut page = PageRequest {
        limit: Some(2),
        after: None,
    };
    let first = store.alerts(&ada, &page).await.unwrap();
    assert_eq!(names(&first.items), ["a", "b"]);
    page.after = first.next;
    let second = store.alerts(&ada, &page).await.unwrap();
    assert_eq!((names(&second.items), second.next), (vec!["c"], None));
    page.limit = Some(0);
    assert_eq!(
        code(store.alerts(&ada, &page).await),
        Some(ErrorCode::InvalidRequest)
    );

    let mut all = Vec::new();
    let mut after = None;
    loop {
        let some = store.all_alerts(after.as_ref(), 3).await.unwrap();
        let Some(last) = some.last() else { break };
        assert!(some.len() <= 3);
        after = Some((last.scope.clone(), last.rule.name.clone()));
        all.extend(some);
    }
    let keys: Vec<_> = all
        .iter()
        .map(|alert| (alert.scope.user.as_str(), alert.rule.name.as_str()))
        .collect();
    assert_eq!(keys, [("ada", "a"), ("ada", "b"), ("ada", "c"), ("bob", "a")]);
}

async fn limit(store: &dyn Store) {
    let scope = owner("limit", "ada");
    for number in 0..MAX_ALERT_RULES {
        assert!(
            store
                .put_alert(&rule(&scope, &format!("rule-{number}")))
                .await
                .unwrap()
        );
    }
    let refused = store.put_alert(&rule(&scope, "one-more")).await;
    assert_eq!(code(refused), Some(ErrorCode::LimitExceeded));
    let first = store.alert(&scope, "rule-0").await.unwrap().unwrap();
    assert!(store.put_alert(&first).await.unwrap(), "a change is no new rule");
    assert!(
        store
            .put_alert(&rule(&owner("limit", "bob"), "one"))
            .await
            .unwrap()
    );
}
