//! What every store must do about runs with limits.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Store, code, record_of};
use crate::storage::{
    Admission, AdmissionState, Admitted, ConcurrencyLimit, Lane, LaneKey, MAX_ADMITTED, NewRun, OnLimit,
    PageRequest, RateLimit, RunEnd, RunFilter, RunLimits, RunStatus,
};
use crate::testkit::fixtures::{commit, new_run, run_id, second, workflow_key};
use crate::{ErrorCode, Principal, RunId};

/// Checks that queued runs begin in order, never more than their limits say, on an empty store.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_admission(store: &dyn Store) {
    queues(store).await;
    newest(store).await;
    oldest(store).await;
    rates(store).await;
    both(store).await;
    versions(store).await;
    lanes(store).await;
    many(store).await;
}

/// The runs of one owner, so that no part of the suite sees another's.
struct Owner<'a> {
    store: &'a dyn Store,
    principal: Principal,
}

impl<'a> Owner<'a> {
    fn new(store: &'a dyn Store, user: &str) -> Self {
        Self {
            store,
            principal: Principal::new("acme", user).unwrap(),
        }
    }

    fn lane(&self, key: LaneKey) -> Lane {
        Lane {
            scope: self.principal.scope(),
            namespace: workflow_key().namespace,
            name: workflow_key().name,
            key,
        }
    }

    fn run(&self, number: u64, limits: RunLimits) -> NewRun {
        NewRun {
            limits: Some(limits),
            ..new_run(&self.principal, number)
        }
    }

    async fn create(&self, number: u64, limits: RunLimits) {
        self.store.create(self.run(number, limits)).await.unwrap();
    }

    /// The numbers of the runs that a look at the lane of a concurrency key changes, in order, at a second.
    async fn admit(&self, key: &str, at: u64) -> Vec<u64> {
        let lane = self.lane(LaneKey::Concurrency(key.to_owned()));
        let admitted = self.store.admit(&lane, second(at)).await.unwrap();
        assert_eq!((&admitted.later[..], admitted.has_more), (&[][..], false));
        numbers(&admitted)
    }

    async fn state(&self, number: u64) -> (RunStatus, AdmissionState, Option<Timestamp>) {
        let run = self.store.run(&self.principal.scope(), run_id(number)).await;
        let run = run.unwrap().unwrap();
        let admission = run.admission.unwrap();
        (run.status, admission.state, admission.begun_at)
    }

    async fn end(&self, number: u64) {
        let mut end = commit(&self.principal.scope(), run_id(number), 1..1);
        end.end = Some(RunEnd {
            status: RunStatus::Cancelled,
            output: None,
            error: None,
            at: second(90),
            expires_at: None,
        });
        self.store.commit(end).await.unwrap();
    }

    async fn pause(&self, number: u64, is_paused: bool) {
        let mut pause = commit(&self.principal.scope(), run_id(number), 1..1);
        pause.is_paused = Some(is_paused);
        self.store.commit(pause).await.unwrap();
    }

    async fn in_state(&self, status: RunStatus) -> Vec<RunId> {
        let filter = RunFilter::in_states([status]);
        let page = PageRequest::default();
        let runs = self.store.runs(&self.principal.scope(), &filter, &page).await;
        let runs = runs.unwrap().items;
        let count = self.store.count_runs(&self.principal.scope(), &filter).await;
        assert_eq!(count.unwrap(), runs.len() as u64);
        runs.into_iter().map(|run| run.id).collect()
    }
}

fn numbers(admitted: &Admitted) -> Vec<u64> {
    let known: BTreeMap<_, _> = (0..1000).map(|number| (run_id(number), number)).collect();
    admitted.changed.iter().map(|run| known[run]).collect()
}

fn at_once(key: &str, limit: u32, on_limit: OnLimit) -> RunLimits {
    RunLimits {
        concurrency: Some(ConcurrencyLimit {
            key: key.to_owned(),
            limit,
            on_limit,
        }),
        ..RunLimits::default()
    }
}

fn rate(key: &str, limit: u32, seconds: u64) -> RateLimit {
    RateLimit {
        key: key.to_owned(),
        limit,
        per_ms: seconds * 1000,
    }
}

async fn queues(store: &dyn Store) {
    let owner = Owner::new(store, "queues");
    let scope = owner.principal.scope();
    let limits = at_once("a", 2, OnLimit::Queue);
    let important = RunLimits {
        priority: 7,
        ..limits.clone()
    };
    for number in 1..=5 {
        owner.create(number, limits.clone()).await;
    }
    let refused = owner.run(6, at_once("a", 0, OnLimit::Queue));
    assert_eq!(code(store.create(refused).await), Some(ErrorCode::InvalidRequest));
    let created = store.run(&scope, run_id(1)).await.unwrap().unwrap();
    assert_eq!(created, record_of(store, &owner.run(1, limits.clone())));
    assert_eq!(created.status, RunStatus::Queued);
    assert_eq!(created.admission, Some(Admission::queued(limits.clone())));
    assert!(
        store
            .unfinished()
            .await
            .unwrap()
            .iter()
            .any(|run| run.id == run_id(1))
    );

    assert_eq!(owner.admit("a", 10).await, [1, 2]);
    assert_eq!(owner.admit("a", 11).await, [0_u64; 0], "nobody begins twice");
    let begun = (RunStatus::Running, AdmissionState::Begun, Some(second(10)));
    assert_eq!(owner.state(2).await, begun);
    let queued = (RunStatus::Queued, AdmissionState::Queued, None);
    assert_eq!(owner.state(3).await, queued);
    assert_eq!(owner.in_state(RunStatus::Queued).await, [5, 4, 3].map(run_id));
    assert_eq!(owner.in_state(RunStatus::Running).await, [2, 1].map(run_id));

    // A higher priority goes first, then who was created first; a paused run is passed over.
    owner.create(6, important).await;
    owner.pause(3, true).await;
    assert_eq!(owner.state(3).await.0, RunStatus::Paused);
    owner.pause(1, true).await;
    assert_eq!(
        owner.admit("a", 12).await,
        [0_u64; 0],
        "a paused run keeps its place"
    );
    owner.end(1).await;
    assert_eq!(owner.admit("a", 13).await, [6]);
    owner.end(2).await;
    assert_eq!(owner.admit("a", 14).await, [4]);
    owner.pause(3, false).await;
    assert_eq!(owner.state(3).await, queued);
    owner.end(6).await;
    assert_eq!(owner.admit("a", 15).await, [3]);
    // What leaves the queue frees no place, and leaves no gap.
    owner.end(5).await;
    owner.end(4).await;
    owner.end(3).await;
    assert_eq!(owner.admit("a", 16).await, [0_u64; 0]);
    assert_eq!(owner.in_state(RunStatus::Queued).await, []);
    assert!(
        store
            .unfinished()
            .await
            .unwrap()
            .iter()
            .all(|run| run.principal != owner.principal)
    );
}

async fn newest(store: &dyn Store) {
    let owner = Owner::new(store, "newest");
    let limits = at_once("a", 1, OnLimit::CancelNewest);
    owner.create(1, limits.clone()).await;
    assert_eq!(owner.admit("a", 10).await, [1]);
    owner.create(2, limits.clone()).await;
    assert_eq!(owner.admit("a", 11).await, [2]);
    let refused = (RunStatus::Queued, AdmissionState::Refused, None);
    assert_eq!(owner.state(2).await, refused);
    owner.end(1).await;
    assert_eq!(
        owner.admit("a", 12).await,
        [0_u64; 0],
        "who was refused never begins"
    );
    owner.end(2).await;
    assert_eq!(owner.state(2).await.0, RunStatus::Cancelled);
    // It does not wait behind those that do.
    for number in 3..=4 {
        owner.create(number, at_once("a", 1, OnLimit::Queue)).await;
    }
    assert_eq!(owner.admit("a", 13).await, [3]);
    owner.create(5, limits).await;
    assert_eq!(owner.admit("a", 14).await, [5]);
    assert_eq!(owner.state(5).await, refused);
}

async fn oldest(store: &dyn Store) {
    let owner = Owner::new(store, "oldest");
    let limits = at_once("a", 2, OnLimit::CancelOldest);
    for number in 1..=3 {
        owner.create(number, limits.clone()).await;
        let expected = if number == 3 { 1 } else { number };
        assert_eq!(owner.admit("a", 10 + number).await, [expected]);
    }
    let superseded = (RunStatus::Running, AdmissionState::Superseded, Some(second(11)));
    assert_eq!(owner.state(1).await, superseded);
    assert_eq!(
        owner.admit("a", 14).await,
        [0_u64; 0],
        "it is under way until it has ended"
    );
    // The one after the next would have 3 cancelled as well, which has not begun.
    owner.create(4, limits.clone()).await;
    assert_eq!(owner.admit("a", 15).await, [2]);
    owner.create(5, limits).await;
    assert_eq!(owner.admit("a", 16).await, [3]);
    assert_eq!(owner.state(3).await.1, AdmissionState::Refused);
    owner.end(2).await;
    assert_eq!(owner.admit("a", 17).await, [4]);
    owner.end(1).await;
    assert_eq!(owner.admit("a", 18).await, [5]);
}

async fn rates(store: &dyn Store) {
    let owner = Owner::new(store, "rates");
    let limits = RunLimits {
        rate_limit: Some(rate("a", 2, 10)),
        ..RunLimits::default()
    };
    for number in 1..=5 {
        owner.create(number, limits.clone()).await;
    }
    let lane = owner.lane(LaneKey::Rate("a".to_owned()));
    let admit = async |at: u64| {
        let admitted = store.admit(&lane, second(at)).await.unwrap();
        let later = admitted.later.iter().map(|(later, at)| {
            assert_eq!(*later, lane);
            *at
        });
        (numbers(&admitted), later.collect::<Vec<_>>())
    };
    assert_eq!(admit(20).await, (vec![1, 2], vec![second(30)]));
    owner.end(1).await;
    owner.end(2).await;
    assert_eq!(
        admit(29).await,
        (vec![], vec![second(30)]),
        "an end frees no place"
    );
    assert_eq!(admit(30).await, (vec![3, 4], vec![second(40)]));
    assert_eq!(admit(45).await, (vec![5], vec![]));
    assert_eq!(admit(46).await, (vec![], vec![]));
    // A clock that was set back lets nobody begin too early.
    owner.create(6, limits.clone()).await;
    owner.create(7, limits).await;
    assert_eq!(admit(41).await, (vec![6], vec![second(51)]));
    assert_eq!(admit(52).await, (vec![7], vec![]));
}

async fn both(store: &dyn Store) {
    let owner = Owner::new(store, "both");
    let limits = |key: &str, rate_key: &str, on_limit| RunLimits {
        rate_limit: Some(rate(rate_key, 1, 10)),
        ..at_once(key, 1, on_limit)
    };
    owner.create(1, limits("a", "x", OnLimit::Queue)).await;
    owner.create(2, limits("a", "x", OnLimit::Queue)).await;
    owner.create(3, limits("a", "y", OnLimit::Queue)).await;
    let places = owner.lane(LaneKey::Concurrency("a".to_owned()));
    let rate = places.beside(LaneKey::Rate("x".to_owned()));
    let admitted = store.admit(&places, second(10)).await.unwrap();
    assert_eq!(numbers(&admitted), [1]);
    assert_eq!(admitted.later, [(rate.clone(), second(20))]);
    owner.end(1).await;
    // Who waits for the rate keeps no place from others.
    let admitted = store.admit(&places, second(11)).await.unwrap();
    assert_eq!(numbers(&admitted), [3]);
    assert_eq!(admitted.later, [(rate.clone(), second(20))]);
    // The rate is free, the place is not; then both are.
    assert_eq!(store.admit(&rate, second(20)).await.unwrap(), Admitted::default());
    owner.end(3).await;
    assert_eq!(owner.admit("a", 21).await, [2]);
    // Nobody is cancelled for a run that its rate keeps waiting.
    owner.create(4, limits("a", "x", OnLimit::CancelOldest)).await;
    let admitted = store.admit(&places, second(22)).await.unwrap();
    assert_eq!(numbers(&admitted), [0_u64; 0]);
    assert_eq!(admitted.later, [(rate.clone(), second(31))]);
    assert_eq!(numbers(&store.admit(&rate, second(31)).await.unwrap()), [2]);
    assert_eq!(owner.state(2).await.1, AdmissionState::Superseded);
}

async fn versions(store: &dyn Store) {
    let owner = Owner::new(store, "versions");
    for (number, limit) in [(1, 3), (2, 3), (3, 1), (4, 3)] {
        let mut run = owner.run(number, at_once("a", limit, OnLimit::Queue));
        run.workflow.version = format!("{limit}.0.0");
        store.create(run).await.unwrap();
    }
    assert_eq!(
        owner.admit("a", 10).await,
        [1, 2],
        "who waits is not overtaken by runs of a version with a higher limit"
    );
    owner.end(1).await;
    assert_eq!(owner.admit("a", 11).await, [0_u64; 0]);
    owner.end(2).await;
    assert_eq!(owner.admit("a", 12).await, [3, 4], "each by its own document");
}

async fn lanes(store: &dyn Store) {
    let (owner, other) = (Owner::new(store, "lanes"), Owner::new(store, "lanes-too"));
    let limits = at_once("a", 1, OnLimit::Queue);
    owner.create(1, limits.clone()).await;
    other.create(1, limits.clone()).await;
    owner.create(2, at_once("", 1, OnLimit::Queue)).await;
    for (number, (namespace, name)) in [(3, ("default", "report")), (4, ("other", "briefing"))] {
        let mut run = owner.run(number, limits.clone());
        run.workflow.namespace = namespace.to_owned();
        run.workflow.name = name.to_owned();
        store.create(run).await.unwrap();
    }
    store.create(new_run(&owner.principal, 5)).await.unwrap();
    assert_eq!(owner.admit("a", 10).await, [1]);
    assert_eq!(other.state(1).await.0, RunStatus::Queued);
    assert_eq!(
        other.admit("a", 11).await,
        [1],
        "another owner's runs do not count"
    );
    assert_eq!(owner.admit("", 12).await, [2]);
    for (namespace, name, number) in [("default", "report", 3), ("other", "briefing", 4)] {
        let lane = Lane {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..owner.lane(LaneKey::Concurrency("a".to_owned()))
        };
        assert_eq!(numbers(&store.admit(&lane, second(13)).await.unwrap()), [number]);
    }
    let plain = store
        .run(&owner.principal.scope(), run_id(5))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((plain.status, plain.admission), (RunStatus::Running, None));
}

async fn many(store: &dyn Store) {
    let owner = Owner::new(store, "many");
    let count = MAX_ADMITTED + 40;
    for number in 0..count as u64 {
        owner.create(number, at_once("a", 10_000, OnLimit::Queue)).await;
    }
    let lane = owner.lane(LaneKey::Concurrency("a".to_owned()));
    let first = store.admit(&lane, second(10)).await.unwrap();
    assert_eq!((first.changed.len(), first.has_more), (MAX_ADMITTED, true));
    let rest = store.admit(&lane, second(10)).await.unwrap();
    assert_eq!((rest.changed.len(), rest.has_more), (40, false));
}
