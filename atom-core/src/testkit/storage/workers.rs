//! Engines that share a store.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use super::code;
use crate::storage::{
    Claim, Delivery, NewRun, RunEnd, RunStatus, Store, WorkerInfo, WorkerState, WorkerStore,
};
use crate::testkit::fixtures::{commit, new_run, principal, run_id, scope, second};
use crate::{Error, ErrorCode, Principal, RunId, Scope, WorkerId};

/// Checks two stores of the same data, each of another engine. `lose` has the lease of the first run out.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_workers(first: &dyn Store, other: &dyn Store, lose: impl AsyncFnOnce()) {
    check_ownership(first, other).await;
    check_letters(first, other).await;
    check_order_of_claims(first, other).await;
    check_places(first, other).await;
    check_lost_lease(first, other, lose).await;
}

fn workers(store: &dyn Store) -> &dyn WorkerStore {
    store.workers().unwrap()
}

fn id(store: &dyn Store) -> WorkerId {
    *workers(store).identity().borrow()
}

fn offered(principal: &Principal, number: u64) -> NewRun {
    NewRun {
        is_offered: true,
        ..new_run(principal, number)
    }
}

async fn holder(store: &dyn Store, run: RunId) -> Option<WorkerId> {
    store.run(&scope(), run).await.unwrap().unwrap().worker
}

async fn end(store: &dyn Store, scope: &Scope, run: RunId, sequence: u64) {
    let mut last = commit(scope, run, sequence..sequence + 1);
    last.end = Some(RunEnd {
        status: RunStatus::Completed,
        output: None,
        error: None,
        at: second(9),
        expires_at: None,
    });
    store.commit(last).await.unwrap();
}

/// Who creates a run writes its steps, and nobody else, until it is released and taken.
async fn check_ownership(first: &dyn Store, other: &dyn Store) {
    assert_ne!(id(first), id(other));
    let run = run_id(1);
    first.create(new_run(&principal(), 1)).await.unwrap();
    assert_eq!(holder(other, run).await, Some(id(first)));
    let step = |sequence: u64| commit(&scope(), run, sequence..sequence + 1);
    assert_eq!(code(other.commit(step(1)).await), Some(ErrorCode::Conflict));
    first.commit(step(1)).await.unwrap();
    // Who asked too early is not refused for ever.
    assert_eq!(workers(other).claim(&Claim::of_any(10)).await.unwrap(), []);
    assert!(!workers(other).claim_run(&scope(), run).await.unwrap());
    workers(first).release(&[(scope(), run)]).await.unwrap();
    assert_eq!(code(first.commit(step(2)).await), Some(ErrorCode::Conflict));
    assert_eq!(workers(first).held(None, 10).await.unwrap(), []);
    assert!(workers(other).claim_run(&scope(), run).await.unwrap());
    assert!(
        workers(other).claim_run(&scope(), run).await.unwrap(),
        "it holds it already"
    );
    assert_eq!(workers(other).held(None, 10).await.unwrap(), [(scope(), run)]);
    other.commit(step(2)).await.unwrap();
    workers(other).release(&[(scope(), run)]).await.unwrap();
    let claimed = workers(first).claim(&Claim::of_any(10)).await.unwrap();
    assert_eq!(claimed.iter().map(|run| run.id).collect::<Vec<_>>(), [run]);
    first.commit(step(3)).await.unwrap();
    assert_eq!(code(other.commit(step(4)).await), Some(ErrorCode::Conflict));
    end(first, &scope(), run, 4).await;
    assert!(
        !workers(other).claim_run(&scope(), run).await.unwrap(),
        "it has ended"
    );

    other.create(offered(&principal(), 2)).await.unwrap();
    assert_eq!(holder(first, run_id(2)).await, None);
    let created = first.run(&scope(), run_id(2)).await.unwrap();
    assert_eq!(created, Some(offered(&principal(), 2).record(Some(id(other)))));
    let step = commit(&scope(), run_id(2), 1..2);
    assert_eq!(code(other.commit(step).await), Some(ErrorCode::Conflict));
    let refused = Claim {
        refused: vec![new_run(&principal(), 2).workflow.hash],
        ..Claim::of_any(10)
    };
    let passed_over = Claim {
        passed_over: vec!["other".to_owned(), principal().tenant],
        ..Claim::of_any(10)
    };
    assert_eq!(workers(first).claim(&passed_over).await.unwrap(), []);
    assert_eq!(workers(first).claim(&refused).await.unwrap(), []);
    assert_eq!(workers(first).claim(&Claim::of_any(10)).await.unwrap().len(), 1);
    end(first, &scope(), run_id(2), 1).await;
}

/// A letter reaches whoever holds the run, once, and the answer who asked.
async fn check_letters(first: &dyn Store, other: &dyn Store) {
    let run = run_id(11);
    first.create(new_run(&principal(), 11)).await.unwrap();
    let post = async |wants| {
        workers(other)
            .post(&scope(), run, "{\"n\":1}", wants)
            .await
            .unwrap()
    };
    let delivery = async |letter| workers(other).delivery(letter).await.unwrap();

    let done = post(true).await;
    assert_eq!(delivery(done).await, Delivery::Waiting);
    assert_eq!(
        workers(other).letters(10).await.unwrap(),
        [],
        "others hold the run"
    );
    let taken = workers(first).letters(10).await.unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(
        (taken[0].id, &taken[0].scope, taken[0].run),
        (done, &scope(), run)
    );
    assert_eq!(taken[0].event.as_deref(), Some("{\"n\":1}"));
    assert_eq!(
        workers(first).letters(10).await.unwrap(),
        [],
        "it was given already"
    );
    assert_eq!(delivery(done).await, Delivery::Taken);
    assert!(!workers(other).withdraw(done).await.unwrap());
    let mut step = commit(&scope(), run, 1..2);
    step.letter = Some(done);
    first.commit(step).await.unwrap();
    workers(first)
        .answer(done, Err(Error::invalid_request("too late").report()))
        .await
        .unwrap();
    assert_eq!(
        delivery(done).await,
        Delivery::Answered(Ok(())),
        "the step was the answer"
    );
    assert_eq!(delivery(done).await, Delivery::Unknown);

    let refused = post(true).await;
    let error = Error::invalid_request("no such thing").report();
    assert_eq!(workers(first).letters(10).await.unwrap().len(), 1);
    workers(first).answer(refused, Err(error.clone())).await.unwrap();
    assert_eq!(delivery(refused).await, Delivery::Answered(Err(error)));

    let withdrawn = post(true).await;
    assert!(workers(other).withdraw(withdrawn).await.unwrap());
    assert_eq!(workers(first).letters(10).await.unwrap(), []);
    let unread = post(false).await;
    assert_eq!(workers(first).letters(10).await.unwrap().len(), 1);
    workers(first).answer(unread, Ok(())).await.unwrap();
    assert_eq!(delivery(unread).await, Delivery::Unknown);

    // A letter that its worker has not answered is the next one's.
    let passed_on = post(true).await;
    assert_eq!(workers(first).letters(10).await.unwrap().len(), 1);
    workers(first).release(&[(scope(), run)]).await.unwrap();
    assert!(workers(other).claim_run(&scope(), run).await.unwrap());
    assert_eq!(workers(other).letters(10).await.unwrap()[0].id, passed_on);
    workers(other).answer(passed_on, Ok(())).await.unwrap();
    assert_eq!(delivery(passed_on).await, Delivery::Answered(Ok(())));
    end(other, &scope(), run, 2).await;
}

/// No tenant waits for all runs of another, and of its own the oldest come first.
async fn check_order_of_claims(first: &dyn Store, other: &dyn Store) {
    let rival = Principal::new("rival", "eve").unwrap();
    for number in 21..=24 {
        first.create(offered(&principal(), number)).await.unwrap();
    }
    first.create(offered(&rival, 25)).await.unwrap();
    let taken = async |store: &dyn Store, limit| {
        let runs = claim(store, limit).await;
        runs.into_iter().collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(taken(other, 2).await, [run_id(21), run_id(25)].into());
    assert_eq!(taken(other, 1).await, [run_id(22)].into());
    assert_eq!(taken(other, 10).await, [run_id(23), run_id(24)].into());
    for number in 21..=24 {
        end(other, &scope(), run_id(number), 1).await;
    }
    end(other, &rival.scope(), run_id(25), 1).await;
}

async fn claim(store: &dyn Store, limit: usize) -> Vec<RunId> {
    let runs = workers(store).claim(&Claim::of_any(limit)).await.unwrap();
    runs.into_iter().map(|run| run.id).collect()
}

/// Everybody sees who is there, and what they tell of themselves.
async fn check_places(first: &dyn Store, other: &dyn Store) {
    let info = WorkerInfo {
        name: "näme\u{0}".to_owned(),
        takes_runs: true,
        functions: vec!["a.b".to_owned(), "c".to_owned()],
        is_draining: false,
    };
    workers(first).introduce(&info).await.unwrap();
    first.create(new_run(&principal(), 31)).await.unwrap();
    let listed = workers(other).list().await.unwrap();
    let ids: Vec<_> = listed.iter().map(|worker| worker.id).collect();
    assert_eq!(ids, [id(first), id(other)], "the oldest first");
    assert_eq!((&listed[0].info, listed[0].runs), (&info, 1));
    assert_eq!(
        (listed[0].state, listed[1].state),
        (WorkerState::Active, WorkerState::Active)
    );
    assert!(listed[0].started_at <= listed[0].renewed_at && listed[0].renewed_at <= listed[0].lease_until);
    let is_draining = true;
    workers(first)
        .introduce(&WorkerInfo { is_draining, ..info })
        .await
        .unwrap();
    assert_eq!(
        workers(other).list().await.unwrap()[0].state,
        WorkerState::Draining
    );
}

/// What a worker holds is others' once its lease is lost, and nothing that it writes lands.
async fn check_lost_lease(first: &dyn Store, other: &dyn Store, lose: impl AsyncFnOnce()) {
    let (run, before) = (run_id(31), id(first));
    let step = |sequence: u64| commit(&scope(), run, sequence..sequence + 1);
    let letter = workers(other).post(&scope(), run, "{}", true).await.unwrap();
    assert_eq!(workers(first).letters(10).await.unwrap().len(), 1);
    lose().await;
    assert_eq!(code(first.commit(step(1)).await), Some(ErrorCode::Conflict));
    assert_eq!(
        code(first.create(new_run(&principal(), 32)).await),
        Some(ErrorCode::Conflict)
    );
    assert_eq!(claim(other, 10).await, [run]);
    assert_eq!(workers(other).letters(10).await.unwrap()[0].id, letter);
    other.commit(step(1)).await.unwrap();
    assert_eq!(code(first.commit(step(2)).await), Some(ErrorCode::Conflict));
    assert_eq!(first.journal(&scope(), run, 0, 10).await.unwrap().len(), 2);
    let listed = workers(other).list().await.unwrap();
    assert!(
        listed
            .iter()
            .all(|worker| worker.id != before || worker.state == WorkerState::Gone)
    );
    end(other, &scope(), run, 2).await;
    // Who leaves leaves its runs to others at once.
    other.create(new_run(&principal(), 33)).await.unwrap();
    workers(other).leave().await.unwrap();
    assert_eq!(
        code(other.commit(commit(&scope(), run_id(33), 1..2)).await),
        Some(ErrorCode::Conflict)
    );
}
