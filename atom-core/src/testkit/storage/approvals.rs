//! What every store of approvals must do.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use serde_json::json;

use super::{Store, code};
use crate::storage::{
    ApprovalChange, ApprovalFilter, ApprovalRecord, ApprovalStatus, Assignees, Decision, DecisionKind,
    OnDeadline, PageRequest, RunEnd, RunStatus,
};
use crate::testkit::fixtures::{approval, commit, new_run, principal, run_id, second};
use crate::{ApprovalId, ErrorCode, Principal};

/// Checks on an empty store that approvals are written with the steps of runs, end once, and are shown to those who may
/// see them and to nobody else.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_approvals(store: &dyn Store) {
    writing(store).await;
    visibility(store).await;
    lists(store).await;
}

/// Creates a run of the principal and has it ask for these in one step.
async fn ask(store: &dyn Store, owner: &Principal, run: u64, approvals: Vec<ApprovalRecord>) {
    store.create(new_run(owner, run)).await.unwrap();
    let mut step = commit(&owner.scope(), run_id(run), 1..2);
    step.approvals = approvals.into_iter().map(open).collect();
    store.commit(step).await.unwrap();
}

fn open(approval: ApprovalRecord) -> ApprovalChange {
    ApprovalChange::Open(Box::new(approval))
}

fn close(id: ApprovalId, status: ApprovalStatus, decision: Option<Decision>) -> ApprovalChange {
    ApprovalChange::Close {
        id,
        status,
        decision,
        at: second(50),
    }
}

/// An approval with everything that one can have.
fn full(owner: &Principal, run: u64) -> ApprovalRecord {
    ApprovalRecord {
        message: Some("Why: ä\u{1f600}".to_owned()),
        data: json!({ "amount": 12.5, "nothing": null }),
        input: Some(json!([1, "two"])),
        form: Some(json!({ "type": "object" })),
        assignees: Assignees {
            roles: vec!["finance".to_owned(), "a'b".to_owned()],
            users: vec!["bob".to_owned()],
        },
        deadline: Some(second(90)),
        on_deadline: OnDeadline::Reject,
        ..approval(owner, run, 1)
    }
}

async fn writing(store: &dyn Store) {
    let ada = principal();
    let (first, second_one) = (full(&ada, 1), approval(&ada, 1, 2));
    assert_eq!(store.approval(&ada, first.id).await.unwrap(), None);
    ask(store, &ada, 1, vec![first.clone(), second_one.clone()]).await;
    assert_eq!(
        store.approval(&ada, first.id).await.unwrap().as_ref(),
        Some(&first)
    );
    assert_eq!(
        store.approval(&ada, second_one.id).await.unwrap().as_ref(),
        Some(&second_one)
    );

    // A step that is refused asks nothing and decides nothing.
    let mut refused = commit(&ada.scope(), run_id(1), 5..6);
    refused.approvals = vec![
        open(approval(&ada, 1, 3)),
        close(first.id, ApprovalStatus::Withdrawn, None),
    ];
    assert_eq!(code(store.commit(refused).await), Some(ErrorCode::Conflict));
    assert_eq!(store.approval(&ada, approval(&ada, 1, 3).id).await.unwrap(), None);
    assert_eq!(
        store.approval(&ada, first.id).await.unwrap().as_ref(),
        Some(&first)
    );

    let decision = Decision {
        decision: DecisionKind::Edit,
        by: "bob".to_owned(),
        comment: Some("smaller".to_owned()),
        form: Some(json!({ "why": "ä" })),
        input: Some(json!({ "amount": 1 })),
    };
    let mut step = commit(&ada.scope(), run_id(1), 2..3);
    step.approvals = vec![close(first.id, ApprovalStatus::Approved, Some(decision.clone()))];
    store.commit(step).await.unwrap();
    let decided = ApprovalRecord {
        status: ApprovalStatus::Approved,
        decision: Some(decision),
        closed_at: Some(second(50)),
        ..first
    };
    assert_eq!(
        store.approval(&ada, decided.id).await.unwrap().as_ref(),
        Some(&decided)
    );

    // What has ended stays as it ended, and asking for it again changes nothing. No entry is needed for either, and the
    // last step of a run may still withdraw what it asks.
    let mut last = commit(&ada.scope(), run_id(1), 3..3);
    last.approvals = vec![
        close(decided.id, ApprovalStatus::Rejected, None),
        open(full(&ada, 1)),
        close(second_one.id, ApprovalStatus::Withdrawn, None),
        open(approval(&ada, 1, 4)),
        close(approval(&ada, 1, 4).id, ApprovalStatus::Expired, None),
    ];
    last.end = Some(RunEnd {
        status: RunStatus::Cancelled,
        output: None,
        error: None,
        at: second(50),
        expires_at: None,
    });
    store.commit(last).await.unwrap();
    assert_eq!(
        store.approval(&ada, decided.id).await.unwrap().as_ref(),
        Some(&decided)
    );
    for (id, status) in [
        (second_one.id, ApprovalStatus::Withdrawn),
        (approval(&ada, 1, 4).id, ApprovalStatus::Expired),
    ] {
        let ended = store.approval(&ada, id).await.unwrap().unwrap();
        assert_eq!((ended.status, ended.closed_at), (status, Some(second(50))));
    }
}

async fn visibility(store: &dyn Store) {
    let named = |tenant: &str, user: &str, roles: &[&str]| Principal {
        tenant: tenant.to_owned(),
        user: user.to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    };
    let owner = named("bell", "ada", &["clerk"]);
    let assigned = full(&owner, 2);
    let own = approval(&owner, 2, 2);
    let for_admins = ApprovalRecord {
        assignees: Assignees {
            roles: vec!["admin".to_owned()],
            users: Vec::new(),
        },
        ..approval(&owner, 2, 3)
    };
    ask(
        store,
        &owner,
        2,
        vec![assigned.clone(), own.clone(), for_admins.clone()],
    )
    .await;
    let all = [&assigned, &own, &for_admins];
    // Who sees which of the three, and may decide which of them.
    for (viewer, seen, decided) in [
        (&owner, [true, true, true], [false, true, false]),
        // The same user with a role more.
        (
            &named("bell", "ada", &["finance"]),
            [true, true, true],
            [true, true, false],
        ),
        // Without roles somebody is an admin.
        (
            &named("bell", "ada", &[]),
            [true, true, true],
            [false, true, true],
        ),
        (
            &named("bell", "bob", &["clerk"]),
            [true, false, false],
            [true, false, false],
        ),
        (
            &named("bell", "cid", &["clerk", "finance"]),
            [true, false, false],
            [true, false, false],
        ),
        (
            &named("bell", "cid", &["a'b"]),
            [true, false, false],
            [true, false, false],
        ),
        (
            &named("bell", "cid", &[]),
            [false, false, true],
            [false, false, true],
        ),
        (
            &named("bell", "cid", &["clerk"]),
            [false, false, false],
            [false, false, false],
        ),
        // A user's name is not a role, nor a role a user's name.
        (
            &named("bell", "finance", &["bob"]),
            [false, false, false],
            [false, false, false],
        ),
        (
            &named("BELL", "bob", &["finance"]),
            [false, false, false],
            [false, false, false],
        ),
        (
            &named("call", "ada", &["finance", "admin"]),
            [false, false, false],
            [false, false, false],
        ),
        (
            &named("call", "bob", &[]),
            [false, false, false],
            [false, false, false],
        ),
    ] {
        for (approval, (is_seen, is_decided)) in all.iter().zip(seen.into_iter().zip(decided)) {
            let found = store.approval(viewer, approval.id).await.unwrap();
            assert_eq!(found.as_ref(), is_seen.then_some(*approval), "{viewer:?}");
            assert_eq!(
                approval.may_be_decided_by(viewer),
                is_decided,
                "{viewer:?} {approval:?}"
            );
        }
        for (is_assigned, expected) in [(false, seen), (true, decided)] {
            let filter = ApprovalFilter {
                is_assigned,
                ..ApprovalFilter::default()
            };
            let listed = store
                .approvals(viewer, &filter, &PageRequest::default())
                .await
                .unwrap();
            let listed: Vec<_> = listed.items.into_iter().map(|approval| approval.id).collect();
            for (approval, is_expected) in all.iter().zip(expected) {
                assert_eq!(
                    listed.iter().filter(|id| **id == approval.id).count(),
                    usize::from(is_expected),
                    "{viewer:?}, each once"
                );
            }
        }
    }
    // Another tenant may have a run of the same id that asks the same.
    let other = named("call", "ada", &[]);
    ask(store, &other, 2, vec![approval(&other, 2, 2)]).await;
    assert_eq!(store.approval(&owner, own.id).await.unwrap(), Some(own));
    // And so may another user of the tenant, whose approvals have ids of their own.
    let other = named("bell", "bob", &[]);
    let same_run = approval(&other, 2, 2);
    ask(store, &other, 2, vec![same_run.clone()]).await;
    assert_eq!(store.approval(&owner, same_run.id).await.unwrap(), None);
    assert_eq!(store.approval(&other, same_run.id).await.unwrap(), Some(same_run));
}

async fn lists(store: &dyn Store) {
    let eve = Principal::new("lists", "eve").unwrap();
    let mut asked = Vec::new();
    for action in 1..=4 {
        // The first two are of the same moment: the id decides.
        let mut approval = approval(&eve, 7, action);
        approval.created_at = second(action.max(2));
        asked.push(approval);
    }
    asked[3].workflow.namespace = "reports".to_owned();
    asked[3].workflow.name = "daily".to_owned();
    ask(store, &eve, 7, asked.clone()).await;
    ask(store, &eve, 8, vec![approval(&eve, 8, 1)]).await;
    let mut step = commit(&eve.scope(), run_id(8), 2..3);
    step.approvals = vec![close(
        approval(&eve, 8, 1).id,
        ApprovalStatus::Rejected,
        Some(Decision {
            decision: DecisionKind::Reject,
            by: "eve".to_owned(),
            comment: Some("no".to_owned()),
            form: Some(json!(1)),
            input: Some(json!(2)),
        }),
    )];
    store.commit(step).await.unwrap();
    asked.push(approval(&eve, 8, 1));
    asked.sort_by_key(|approval| std::cmp::Reverse(approval.cursor()));
    let in_run = |run| ApprovalFilter {
        run: Some(run_id(run)),
        ..ApprovalFilter::default()
    };
    let with_status = |status| ApprovalFilter {
        status: Some(status),
        ..ApprovalFilter::default()
    };
    let named = |namespace: Option<&str>, name: Option<&str>| ApprovalFilter {
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
        ..ApprovalFilter::default()
    };
    for filter in [
        ApprovalFilter::default(),
        in_run(7),
        in_run(8),
        in_run(9),
        with_status(ApprovalStatus::Pending),
        with_status(ApprovalStatus::Rejected),
        with_status(ApprovalStatus::Expired),
        named(Some("reports"), None),
        named(None, Some("daily")),
        named(Some("default"), Some("daily")),
        named(None, Some("dail%")),
    ] {
        let mut expected = Vec::new();
        for approval in &asked {
            let stored = store.approval(&eve, approval.id).await.unwrap().unwrap();
            if filter.matches(&stored, &eve) {
                expected.push(stored.listed());
            }
        }
        for limit in [None, Some(1), Some(2), Some(5)] {
            let mut seen = Vec::new();
            let mut page = PageRequest { after: None, limit };
            loop {
                let part = store.approvals(&eve, &filter, &page).await.unwrap();
                seen.extend(part.items);
                page.after = part.next;
                if page.after.is_none() {
                    break;
                }
            }
            assert_eq!(
                seen, expected,
                "the newest first: {filter:?} in pages of {limit:?}"
            );
        }
    }
    for (after, limit) in [(None, Some(0)), (None, Some(1001)), (Some("nonsense"), None)] {
        let page = PageRequest {
            after: after.map(str::to_owned),
            limit,
        };
        let refused = store.approvals(&eve, &ApprovalFilter::default(), &page).await;
        assert_eq!(code(refused), Some(ErrorCode::InvalidRequest), "{page:?}");
    }
}
