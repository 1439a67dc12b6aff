//! What every store must do with texts of any character.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use serde_json::json;

use super::Store;
use super::templates::template;
use crate::CloudEvent;
use crate::storage::{
    ApprovalChange, Assignees, ConcurrencyLimit, Counted, Lane, OnLimit, PageRequest, Resolution, RunEnd,
    RunFilter, RunLabels, RunLimits, RunStatus, RunTally, StatisticsQuery, Tally,
};
use crate::testkit::fixtures::{approval, commit, new_run, principal, run_id, scope, second, workflow_key};

/// Characters that a database may take for something else.
const ODD: [&str; 7] = [
    "a\0b",
    "a\u{1}b",
    "a\u{1}\u{2}b",
    "a\u{1}\u{1}b",
    "",
    "'\"\\%_",
    "\u{10ffff}ä",
];

/// Checks on an empty store that texts come back as they were given, whatever characters they hold, and are told apart.
///
/// # Panics
/// When the store breaks a rule.
pub async fn check_texts(store: &dyn Store) {
    for (number, odd) in (1..).zip(ODD) {
        run(store, number, odd).await;
        documents(store, odd).await;
    }
    long_names(store).await;
    let scope = scope();
    for (number, odd) in (1..).zip(ODD) {
        let filter = RunFilter {
            labels: labels(odd),
            ..RunFilter::default()
        };
        let page = PageRequest::default();
        let found = store.runs(&scope, &filter, &page).await.unwrap().items;
        let found: Vec<_> = found.into_iter().map(|run| run.id).collect();
        assert_eq!(found, [run_id(number)], "{odd:?}");
        let found = store.run_with_key(&scope, "default", "briefing", &key(odd)).await;
        assert_eq!(found.unwrap(), Some(run_id(number)), "{odd:?}");
    }
}

/// Names that nobody bounds may be longer than an index takes.
async fn long_names(store: &dyn Store) {
    let mut number = 1_u32;
    let long: String = (0..10_000)
        .map(|_| {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b' ' + (number >> 24) as u8 % 90)
        })
        .collect();
    let owner = principal();
    let (scope, run) = (owner.scope(), run_id(50));
    store.create(new_run(&owner, 50)).await.unwrap();
    let mut asked = approval(&owner, 50, 1);
    asked.assignees.roles = vec![long.clone()];
    let event = CloudEvent::new(long.clone(), format!("/{long}"), "x");
    let counted = Tally {
        completed: 1,
        ..Tally::default()
    };
    let mut last = commit(&scope, run, 1..2);
    last.events = vec![event.clone()];
    last.approvals = vec![ApprovalChange::Open(Box::new(asked.clone()))];
    last.tally = Some(RunTally {
        workflow: workflow_key(),
        run: counted.clone(),
        tasks: [(format!("/do/0/{long}"), counted)].into(),
    });
    last.end = Some(RunEnd {
        status: RunStatus::Completed,
        output: None,
        error: None,
        at: second(50),
        expires_at: None,
    });
    let committed = store.commit(last).await.unwrap();
    assert_eq!(store.append(&scope, &event).await.unwrap(), committed.event_head);
    let mut viewer = owner;
    viewer.user = "viewer".to_owned();
    viewer.roles = vec![long.clone()];
    assert_eq!(store.approval(&viewer, asked.id).await.unwrap(), Some(asked));
    let hour = Resolution::Hour.number(second(50));
    let query = StatisticsQuery {
        counted: Counted::Tasks,
        namespace: None,
        name: None,
        version: None,
        by_version: false,
        from: hour,
        before: hour + 1,
        hours: 1,
    };
    let page = PageRequest::default();
    let series = store.statistics(&scope, &query, &page).await.unwrap().items;
    let tasks: Vec<_> = series
        .iter()
        .filter_map(|series| series.key.task.clone())
        .collect();
    assert_eq!(tasks, [format!("/do/0/{long}")]);
}

fn labels(odd: &str) -> RunLabels {
    RunLabels {
        tags: [("odd".to_owned(), odd.to_owned())].into(),
        fields: [("odd".to_owned(), json!(odd))].into(),
    }
}

fn key(odd: &str) -> String {
    format!("key {odd}")
}

async fn run(store: &dyn Store, number: u64, odd: &str) {
    let scope = scope();
    let mut run = new_run(&principal(), number);
    run.input = json!({ odd: odd });
    run.labels = labels(odd);
    run.idempotency_key = Some(key(odd));
    run.first_entry.payload = format!("entry {odd}");
    run.limits = Some(RunLimits {
        concurrency: Some(ConcurrencyLimit {
            key: odd.to_owned(),
            limit: 1,
            on_limit: OnLimit::Queue,
        }),
        ..RunLimits::default()
    });
    let lanes = Lane::of(&scope, &run.workflow, run.limits.as_ref().unwrap());
    store.create(run.clone()).await.unwrap();
    let admitted = store.admit(&lanes[0], second(1)).await.unwrap();
    assert_eq!(admitted.changed, [run.id], "{odd:?}");

    let mut asked = approval(&principal(), number, 1);
    asked.title = odd.to_owned();
    asked.message = Some(odd.to_owned());
    asked.data = json!(odd);
    asked.assignees = Assignees {
        users: vec![format!("user {odd}")],
        roles: vec![format!("role {odd}")],
    };
    let mut event = CloudEvent::new(format!("id {odd}"), format!("/source {odd}"), "x");
    event.data = Some(json!([odd]));
    let mut last = commit(&scope, run.id, 1..2);
    last.entries[0].payload = odd.to_owned();
    last.events = vec![event.clone()];
    last.approvals = vec![ApprovalChange::Open(Box::new(asked.clone()))];
    last.end = Some(RunEnd {
        status: RunStatus::Faulted,
        output: Some(json!(odd)),
        error: Some(json!({ "type": format!("type {odd}"), "detail": odd })),
        at: second(2),
        expires_at: None,
    });
    let before = store.head().await.unwrap();
    store.commit(last.clone()).await.unwrap();

    let stored = store.run(&scope, run.id).await.unwrap().unwrap();
    let end = last.end.as_ref().unwrap();
    assert_eq!((&stored.input, &stored.labels), (&run.input, &run.labels));
    assert_eq!((&stored.output, &stored.error), (&end.output, &end.error));
    assert_eq!(stored.idempotency_key, run.idempotency_key);
    let journal = store.journal(&scope, run.id, 0, 9).await.unwrap();
    let payloads: Vec<_> = journal.iter().map(|entry| entry.payload.as_str()).collect();
    assert_eq!(payloads, [format!("entry {odd}").as_str(), odd]);
    let read = store.read(&scope, before, 9).await.unwrap();
    assert_eq!((read.len(), &read[0].event), (1, &event));
    let offset = store.append(&scope, &event).await.unwrap();
    assert_eq!(offset, read[0].offset, "it is known");
    let mut viewer = principal();
    viewer.user = format!("user {odd}");
    let seen = store.approval(&viewer, asked.id).await.unwrap();
    assert_eq!(seen.as_ref(), Some(&asked));
    let failed = RunFilter {
        error_type: Some(format!("type {odd}")),
        ..RunFilter::default()
    };
    assert_eq!(store.count_runs(&scope, &failed).await.unwrap(), 1, "{odd:?}");
}

async fn documents(store: &dyn Store, odd: &str) {
    let scope = scope();
    let hash = format!("hash {odd}");
    store.put_document(&scope, &hash, odd).await.unwrap();
    assert_eq!(store.document(&scope, &hash).await.unwrap().as_deref(), Some(odd));
    let template = template(&format!("name {odd}"), odd);
    store.put_template(&scope, &template).await.unwrap();
    let stored = store.template(&scope, &template.info.name).await.unwrap();
    assert_eq!(stored, Some(template));
}
