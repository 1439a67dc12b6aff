//! How schedules are kept.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use jiff::Timestamp;

use super::{Store, code};
use crate::storage::{
    MissedRuns, PageRequest, RunFilter, RunTrigger, ScheduleFailure, ScheduleRecord, ScheduleTrigger,
    ScheduledTrigger,
};
use crate::testkit::fixtures::{new_run, principal, run_id, scope, second, workflow_key};
use crate::{CloudEvent, Error, ErrorCode, Offset, Principal};

fn schedule(name: &str, triggers: impl Into<Vec<ScheduledTrigger>>) -> ScheduleRecord {
    let mut workflow = workflow_key();
    workflow.name = name.to_owned();
    ScheduleRecord {
        principal: principal(),
        workflow,
        triggers: triggers.into(),
        since: second(0),
        is_paused: false,
        last_at: None,
        last_run: None,
        revision: 0,
    }
}

fn every(next_at: Option<Timestamp>) -> ScheduledTrigger {
    ScheduledTrigger {
        next_at,
        ..ScheduledTrigger::new(ScheduleTrigger::Every {
            months: 1,
            interval_ms: 1000,
            missed: MissedRuns::Latest,
        })
    }
}

fn events(seen: Offset) -> ScheduledTrigger {
    ScheduledTrigger {
        seen: Some(seen),
        ..ScheduledTrigger::new(ScheduleTrigger::Events)
    }
}

fn names(schedules: &[ScheduleRecord]) -> Vec<&str> {
    let names = schedules.iter().map(|schedule| schedule.workflow.name.as_str());
    names.collect()
}

/// Checks on an empty store that schedules come back as they were written, that none is written over a change it
/// has not seen, and that the scheduler finds those that wake, listen and await.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_schedules(store: &dyn Store) {
    check_writes(store).await;
    check_order(store).await;
    check_listening(store).await;
    check_runs_tell_what_started_them(store).await;
}

async fn check_writes(store: &dyn Store) {
    let failure = ScheduleFailure {
        at: second(1),
        failed_at: second(2),
        attempts: 3,
        retry_at: Some(second(4)),
        error: Error::not_found("no function").with_context("name", "x").report(),
    };
    let cron = ScheduledTrigger {
        next_at: Some(second(60)),
        last_run: Some(run_id(1)),
        failure: Some(failure),
        ..ScheduledTrigger::new(ScheduleTrigger::Cron {
            expression: "0 8 * * 1-5".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            missed: MissedRuns::All,
        })
    };
    let full = ScheduleRecord {
        last_at: Some(second(0)),
        last_run: Some(run_id(1)),
        ..schedule("full", [cron, events(3)])
    };
    assert!(store.put_schedule(&full).await.unwrap());
    let read = async || store.schedule(&scope(), "default", "full").await.unwrap();
    let stored = read().await.unwrap();
    assert!(stored.revision > 0);
    let expected = ScheduleRecord {
        revision: stored.revision,
        ..full.clone()
    };
    assert_eq!(stored, expected);
    assert!(!store.put_schedule(&full).await.unwrap(), "there is one already");

    let mut paused = stored.clone();
    paused.is_paused = true;
    assert!(store.put_schedule(&paused).await.unwrap());
    let mut late = stored.clone();
    late.triggers[0].next_at = None;
    assert!(
        !store.put_schedule(&late).await.unwrap(),
        "it was paused meanwhile"
    );
    let again = read().await.unwrap();
    assert!(again.is_paused && again.triggers[0].next_at.is_some() && again.revision > stored.revision);
    assert_eq!(store.earliest_schedules(9).await.unwrap(), []);

    assert!(store.delete_schedule(&scope(), "default", "full").await.unwrap());
    assert!(!store.delete_schedule(&scope(), "default", "full").await.unwrap());
    assert_eq!(read().await, None);
    assert!(
        !store.put_schedule(&again).await.unwrap(),
        "what was removed stays removed"
    );
    let next = ScheduleRecord {
        since: second(9),
        ..schedule("full", [every(None)])
    };
    assert!(store.put_schedule(&next).await.unwrap());
    assert!(
        !store.put_schedule(&again).await.unwrap(),
        "it is another schedule now"
    );
    assert!(store.delete_schedule(&scope(), "default", "full").await.unwrap());
}

async fn check_order(store: &dyn Store) {
    for (name, seconds) in [("c", Some(3)), ("a", Some(2)), ("b", Some(1)), ("d", None)] {
        // Of several triggers the first to wake counts.
        let schedule = schedule(
            name,
            [every(seconds.map(|_| second(100))), every(seconds.map(second))],
        );
        assert!(store.put_schedule(&schedule).await.unwrap());
    }
    let bob = Principal {
        user: "bob".to_owned(),
        roles: vec!["nurse".to_owned()],
        ..principal()
    };
    let others = ScheduleRecord {
        principal: bob.clone(),
        ..schedule("b", [every(Some(second(2) + std::time::Duration::from_nanos(1)))])
    };
    assert!(store.put_schedule(&others).await.unwrap());
    let earliest = store.earliest_schedules(3).await.unwrap();
    assert_eq!(names(&earliest), ["b", "a", "b"]);
    assert_eq!(earliest[2].principal, bob);
    assert_eq!(
        names(&store.earliest_schedules(9).await.unwrap()),
        ["b", "a", "b", "c"]
    );

    let page = |after: Option<String>| PageRequest {
        after,
        limit: Some(3),
    };
    let first = store.schedules(&scope(), &page(None)).await.unwrap();
    assert_eq!(names(&first.items), ["a", "b", "c"]);
    let last = store.schedules(&scope(), &page(first.next)).await.unwrap();
    assert_eq!((names(&last.items), &last.next), (vec!["d"], &None));
    let bad = store.schedules(&scope(), &page(Some("?".to_owned()))).await;
    assert_eq!(code(bad), Some(ErrorCode::InvalidRequest));

    let mut waiting = store.schedule(&scope(), "default", "d").await.unwrap().unwrap();
    waiting.triggers[1].awaits = Some(run_id(7));
    assert!(store.put_schedule(&waiting).await.unwrap());
    let awaiting = store.awaiting_schedules().await.unwrap();
    assert_eq!(names(&awaiting), ["d"]);
    assert_eq!(awaiting[0].awaits(), Some(run_id(7)));
    assert_eq!(
        store
            .schedules(&bob.scope(), &page(None))
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    assert!(!store.delete_schedule(&bob.scope(), "default", "a").await.unwrap());
    for name in ["a", "b", "c", "d"] {
        assert!(store.delete_schedule(&scope(), "default", name).await.unwrap());
    }
    assert_eq!(
        store.earliest_schedules(9).await.unwrap(),
        [store
            .schedule(&bob.scope(), "default", "b")
            .await
            .unwrap()
            .unwrap()]
    );
}

async fn check_listening(store: &dyn Store) {
    let eve = Principal {
        user: "eve".to_owned(),
        ..principal()
    };
    let event = |id: &str| CloudEvent::new(id, "/schedules", "x");
    let first = store.append(&scope(), &event("1")).await.unwrap();
    for (owner, name, seen) in [
        (principal(), "e", first - 1),
        (principal(), "f", first),
        (eve.clone(), "g", 0),
    ] {
        let schedule = ScheduleRecord {
            principal: owner,
            // What time decides beside it does not keep it from listening.
            ..schedule(name, [every(Some(second(9))), events(seen)])
        };
        assert!(store.put_schedule(&schedule).await.unwrap());
    }
    let listening = async |after| {
        let mut found = store.listening_schedules(after).await.unwrap();
        found.sort_by_key(ScheduleRecord::cursor);
        names(&found).join(" ")
    };
    assert_eq!(listening(None).await, "e f g");
    assert_eq!(listening(Some(0)).await, "e");
    assert_eq!(listening(Some(first)).await, "");
    let second_offset = store.append(&eve.scope(), &event("1")).await.unwrap();
    assert_eq!(listening(Some(first)).await, "g");
    assert_eq!(listening(Some(0)).await, "e g");
    store.append(&scope(), &event("2")).await.unwrap();
    assert_eq!(listening(Some(second_offset)).await, "e f");
    let mut paused = store.schedule(&scope(), "default", "f").await.unwrap().unwrap();
    paused.is_paused = true;
    assert!(store.put_schedule(&paused).await.unwrap());
    assert_eq!(listening(None).await, "e g");
    assert_eq!(listening(Some(u64::MAX >> 1)).await, "");
}

async fn check_runs_tell_what_started_them(store: &dyn Store) {
    let mut run = new_run(&principal(), 77);
    run.trigger = Some(RunTrigger::Schedule { at: second(5) });
    store.create(run.clone()).await.unwrap();
    let stored = store.run(&scope(), run.id).await.unwrap().unwrap();
    assert_eq!(stored.trigger, run.trigger);
    let listed = store
        .runs(&scope(), &RunFilter::default(), &PageRequest::default())
        .await;
    assert_eq!(listed.unwrap().items[0].trigger, run.trigger);
}
