//! How runs are counted.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::time::Duration;

use super::{Store, code};
use crate::storage::{
    Counted, PageRequest, Resolution, RunCommit, RunEnd, RunStatus, RunTally, Series, StatisticsQuery, Tally,
    WorkflowKey, WorkflowName,
};
use crate::testkit::fixtures::{commit, new_run, principal, run_id, second, workflow_key};
use crate::{ErrorCode, Principal, Scope};

const HOUR: u64 = 3_600;

/// Checks on an empty store that what runs add is added up, exactly once, for each owner by itself, and that what is old
/// can be forgotten.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_statistics(store: &dyn Store) {
    counting(store).await;
    refusals(store).await;
    series(store).await;
    scopes(store).await;
    forgetting(store).await;
}

fn workflow(name: &str, version: &str) -> WorkflowKey {
    WorkflowKey {
        name: name.to_owned(),
        version: version.to_owned(),
        ..workflow_key()
    }
}

fn completed(seconds: u64) -> Tally {
    let mut tally = Tally {
        completed: 1,
        ..Tally::default()
    };
    tally.durations.add(Duration::from_secs(seconds));
    tally
}

/// The commit that ends a run at a second, after as many seconds as its duration says.
fn end(
    scope: &Scope,
    run: u64,
    workflow: &WorkflowKey,
    at: u64,
    took: u64,
    tasks: &[(&str, u64)],
) -> RunCommit {
    RunCommit {
        end: Some(RunEnd {
            status: RunStatus::Completed,
            output: None,
            error: None,
            at: second(at),
            expires_at: None,
        }),
        tally: Some(RunTally {
            workflow: workflow.clone(),
            run: completed(took),
            tasks: tasks
                .iter()
                .map(|(task, took)| ((*task).to_owned(), completed(*took)))
                .collect(),
        }),
        ..commit(scope, run_id(run), 1..2)
    }
}

/// A workflow's name and version, and how many of its runs completed by hour.
type Ended = (String, String, Vec<(i64, u64)>);

async fn run(
    store: &dyn Store,
    owner: &Principal,
    id: u64,
    workflow: &WorkflowKey,
    (from, to): (u64, u64),
    tasks: &[(&str, u64)],
) {
    let mut new = new_run(owner, id);
    new.workflow = workflow.clone();
    new.created_at = second(from);
    store.create(new).await.unwrap();
    let end = end(&owner.scope(), id, workflow, to, to - from, tasks);
    store.commit(end).await.unwrap();
}

fn hour(at: u64) -> i64 {
    Resolution::Hour.number(second(at))
}

fn query(counted: Counted) -> StatisticsQuery {
    StatisticsQuery {
        counted,
        namespace: None,
        name: None,
        version: None,
        by_version: false,
        from: hour(0),
        before: hour(100 * HOUR),
        hours: 1,
    }
}

async fn all(store: &dyn Store, scope: &Scope, query: &StatisticsQuery) -> Vec<Series> {
    let page = store
        .statistics(scope, query, &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(page.next, None);
    page.items
}

async fn counting(store: &dyn Store) {
    let owner = Principal::new("counting", "ada").unwrap();
    let scope = owner.scope();
    let pay = workflow("pay", "1.0.0");
    run(
        store,
        &owner,
        1,
        &pay,
        (10, 20),
        &[("/do/0/a", 4), ("/do/1/b", 6)],
    )
    .await;
    run(store, &owner, 2, &pay, (30, HOUR + 30), &[("/do/0/a", 1)]).await;

    let runs = all(store, &scope, &query(Counted::Runs)).await;
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].key.name.as_str(), &runs[0].key.task), ("pay", &None));
    let mut first = completed(10);
    first.started = 2;
    assert_eq!(runs[0].slots, [(hour(0), first), (hour(HOUR), completed(HOUR))]);

    let tasks = all(store, &scope, &query(Counted::Tasks)).await;
    let slots: Vec<_> = tasks
        .iter()
        .map(|series| (series.key.task.as_deref().unwrap(), &series.slots))
        .collect();
    let both = vec![(hour(0), completed(4)), (hour(HOUR), completed(1))];
    let one = vec![(hour(0), completed(6))];
    assert_eq!(slots, [("/do/0/a", &both), ("/do/1/b", &one)]);

    let mut since = Tally::default();
    for (resolution, at, ended) in [
        (Resolution::Minute, 0, 2),
        (Resolution::Minute, 60, 1),
        (Resolution::Hour, 60, 2),
        (Resolution::Hour, HOUR, 1),
        (Resolution::Hour, 2 * HOUR, 0),
    ] {
        let from = resolution.number(second(at));
        let name = WorkflowName {
            namespace: pay.namespace.clone(),
            name: "pay".to_owned(),
        };
        since = store.runs_since(&scope, None, resolution, from).await.unwrap();
        assert_eq!(since.completed, ended, "{resolution:?} from {at}");
        let of = store.runs_since(&scope, Some(&name), resolution, from).await;
        assert_eq!(of.unwrap(), since);
        let other = WorkflowName {
            name: "other".to_owned(),
            ..name
        };
        let none = store.runs_since(&scope, Some(&other), resolution, from).await;
        assert_eq!(none.unwrap(), Tally::default());
    }
    assert_eq!(since, Tally::default());
}

async fn refusals(store: &dyn Store) {
    let owner = Principal::new("refusals", "ada").unwrap();
    let scope = owner.scope();
    let pay = workflow("pay", "1.0.0");
    run(store, &owner, 1, &pay, (0, 10), &[]).await;
    let counted = all(store, &scope, &query(Counted::Runs)).await;
    let again = store.commit(end(&scope, 1, &pay, 20, 20, &[])).await;
    assert_eq!(code(again), Some(ErrorCode::Conflict), "it has ended");
    let twice = store.create(new_run(&owner, 1)).await;
    assert_eq!(code(twice), Some(ErrorCode::AlreadyExists));
    let unknown = store.commit(end(&scope, 9, &pay, 20, 20, &[])).await;
    assert_eq!(code(unknown), Some(ErrorCode::NotFound));
    assert_eq!(all(store, &scope, &query(Counted::Runs)).await, counted);

    store.create(new_run(&owner, 2)).await.unwrap();
    let mut not_ended = end(&scope, 2, &pay, 20, 20, &[]);
    not_ended.end = None;
    assert_eq!(
        code(store.commit(not_ended).await),
        Some(ErrorCode::InvalidRequest)
    );
}

async fn series(store: &dyn Store) {
    let owner = Principal::new("series", "ada").unwrap();
    let scope = owner.scope();
    let mut id = 0;
    for (name, version, hours) in [
        ("a", "1.0.0", vec![0, 1, 25]),
        ("a", "2.0.0", vec![25]),
        ("b", "1.0.0", vec![1]),
    ] {
        for hour in hours {
            id += 1;
            let at = hour * HOUR;
            run(
                store,
                &owner,
                id,
                &workflow(name, version),
                (at, at + 1),
                &[("/do/0/x", 1)],
            )
            .await;
        }
    }
    let ended = |series: &[Series]| -> Vec<Ended> {
        let told = series.iter().map(|series| {
            let slots = series.slots.iter().map(|(at, tally)| (*at, tally.completed));
            let version = series.key.version.clone().unwrap_or_default();
            (series.key.name.clone(), version, slots.collect())
        });
        told.collect()
    };
    let row = |name: &str, version: &str, slots: &[(i64, u64)]| {
        (name.to_owned(), version.to_owned(), slots.to_vec())
    };
    // The fixtures begin at 08:00 UTC, so the hour 25 is of the next day.
    let day = |at: u64| hour(at).div_euclid(24) * 24;
    for counted in [Counted::Runs, Counted::Tasks] {
        let daily = StatisticsQuery {
            hours: 24,
            ..query(counted)
        };
        let next = day(25 * HOUR);
        assert!(day(0) < next);
        assert_eq!(
            ended(&all(store, &scope, &daily).await),
            [
                row("a", "", &[(day(0), 2), (next, 2)]),
                row("b", "", &[(day(0), 1)])
            ]
        );
        let by_version = StatisticsQuery {
            by_version: true,
            from: hour(HOUR),
            before: hour(26 * HOUR),
            ..daily.clone()
        };
        let expected = [
            row("a", "1.0.0", &[(day(0), 1), (next, 1)]),
            row("a", "2.0.0", &[(next, 1)]),
            row("b", "1.0.0", &[(day(0), 1)]),
        ];
        assert_eq!(ended(&all(store, &scope, &by_version).await), expected);
        // Page by page it is the same.
        let mut page = PageRequest {
            limit: Some(1),
            after: None,
        };
        for expected in &expected {
            let found = store.statistics(&scope, &by_version, &page).await.unwrap();
            assert_eq!(ended(&found.items), std::slice::from_ref(expected));
            page.after = found.next;
        }
        assert_eq!(page.after, None);
        let one = StatisticsQuery {
            namespace: Some(workflow_key().namespace),
            name: Some("a".to_owned()),
            version: Some("2.0.0".to_owned()),
            ..query(counted)
        };
        assert_eq!(
            ended(&all(store, &scope, &one).await),
            [row("a", "", &[(hour(25 * HOUR), 1)])]
        );
    }
    let bad = PageRequest {
        limit: Some(0),
        after: None,
    };
    let refused = store.statistics(&scope, &query(Counted::Runs), &bad).await;
    assert_eq!(code(refused), Some(ErrorCode::InvalidRequest));
}

async fn scopes(store: &dyn Store) {
    let names = [("scopes", "ada"), ("scopes", "bob"), ("other", "ada")];
    let owners = names.map(|(tenant, user)| Principal::new(tenant, user).unwrap());
    run(
        store,
        &owners[0],
        1,
        &workflow("pay", "1.0.0"),
        (0, 1),
        &[("/do/0/x", 1)],
    )
    .await;
    for owner in &owners[1..] {
        let scope = owner.scope();
        for counted in [Counted::Runs, Counted::Tasks] {
            assert_eq!(all(store, &scope, &query(counted)).await, []);
        }
        for resolution in [Resolution::Minute, Resolution::Hour] {
            let since = store.runs_since(&scope, None, resolution, 0).await.unwrap();
            assert_eq!(since, Tally::default());
        }
    }
}

async fn forgetting(store: &dyn Store) {
    let owner = principal();
    let scope = owner.scope();
    let pay = workflow("pay", "1.0.0");
    for (id, day) in [(1, 0), (2, 2), (3, 4)] {
        let at = day * 24 * HOUR;
        run(store, &owner, id, &pay, (at, at), &[("/do/0/x", 1)]).await;
    }
    let left = async |counted| {
        let whole = StatisticsQuery {
            hours: 1,
            before: hour(1_000 * HOUR),
            ..query(counted)
        };
        let series = all(store, &scope, &whole).await;
        series.iter().map(|series| series.slots.len()).sum::<usize>()
    };
    let forget = async |resolution: Resolution, before| {
        let mut gone = 0;
        loop {
            match store.drop_statistics(resolution, before).await.unwrap() {
                0 => return gone,
                more => gone += more,
            }
        }
    };
    assert_eq!((left(Counted::Runs).await, left(Counted::Tasks).await), (3, 3));
    assert!(forget(Resolution::Hour, hour(3 * 24 * HOUR)).await > 0);
    assert_eq!((left(Counted::Runs).await, left(Counted::Tasks).await), (1, 1));
    let minute = |at| Resolution::Minute.number(second(at));
    let runs = async |from| {
        let since = store
            .runs_since(&scope, None, Resolution::Minute, minute(from))
            .await;
        since.unwrap().completed
    };
    assert_eq!(runs(0).await, 3, "minutes are forgotten by themselves");
    assert!(forget(Resolution::Minute, minute(24 * HOUR)).await > 0);
    assert_eq!(runs(0).await, 2);
    assert_eq!(forget(Resolution::Minute, minute(24 * HOUR)).await, 0);
}
