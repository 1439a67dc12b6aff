//! An engine whose runs are on a Temporal server.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use atom_core::function::TypedFunction;
use atom_core::storage::{ApprovalStatus, DecisionKind, RunStatus};
use atom_engine::api::{
    CancelRunRequest, CancelRunsRequest, DecideApprovalRequest, DeleteRunRequest, DeployWorkflowRequest,
    GetApprovalRequest, GetRunHistoryRequest, GetRunRequest, ListApprovalsRequest, ListEventsRequest,
    ListRunStepsRequest, ListRunWaitsRequest, ListRunsRequest, ListSecretsRequest, PauseRunRequest,
    PublishEventRequest, ResumeRunRequest, SetSecretRequest, SignalRunRequest, StartRunRequest,
};
use atom_engine::{Engine, EngineConfig, ErrorCode, FunctionContext, Principal, RunId, Secret};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::HELLO;
use server::TestTemporal;

#[expect(dead_code, reason = "the other tests of the server use the rest")]
#[path = "../../atom-workflow/tests/temporal/server.rs"]
pub(crate) mod server;

const HEARS: &str = "
document: { dsl: 1.0.3, namespace: default, name: hears, version: 1.0.0 }
do:
  - hear: { listen: { to: { one: { with: { type: go } } } } }
";

const ASKS: &str = "
document: { dsl: 1.0.3, namespace: office, name: asks, version: 1.0.0 }
do:
  - ask:
      set: { sent: true }
      output: { as: '${ { by: $approval.by } }' }
      metadata: { atom: { approve: { title: 'Send it?', data: '${ .letter }', assignees: { roles: [support] } } } }
  - hear: { listen: { to: { one: { with: { type: go } } } }, input: { from: . }, output: { as: '${ $input }' } }
";

/// An engine of Ada's, whose runs have a task queue of their own; nothing where there is no server.
pub(crate) async fn open(folder: &Path, name: &str) -> Option<Engine> {
    Some(Engine::open(config(folder, name).await?).await.unwrap())
}

async fn config(folder: &Path, name: &str) -> Option<EngineConfig> {
    let server = TestTemporal::shared().await?.target().replace("http", "temporal");
    Some(EngineConfig {
        runs: format!("{server}/default?task_queue={name}").parse().unwrap(),
        tenant: name.to_owned(),
        user: "ada".to_owned(),
        close_grace_ms: 500,
        ..EngineConfig::in_folder(folder)
    })
}

/// Asks until the answer is there: the server's lists lag behind, and a worker takes its time.
pub(crate) async fn soon<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let looked = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let looked = tokio::time::timeout(Duration::from_secs(60), looked).await;
    looked.unwrap_or_else(|_| panic!("the server does not come to where it should"))
}

async fn until_status(engine: &Engine, run: RunId, status: RunStatus) {
    soon(async || {
        let run = engine.call(GetRunRequest::new(run)).await.unwrap();
        (run.status == status).then_some(())
    })
    .await;
}

async fn ended(engine: &Engine, run: RunId) -> (RunStatus, Option<Value>) {
    let request = GetRunRequest {
        wait_timeout_ms: Some(60_000),
        ..GetRunRequest::ended(run)
    };
    let run = engine.call(request).await.unwrap();
    (run.status, run.output)
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_started_shown_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = open(folder.path(), "listed").await else {
        return;
    };
    engine.call(DeployWorkflowRequest::new(HELLO)).await.unwrap();
    let start = StartRunRequest::deployed("default", "hello").with_input(json!({ "name": "Ada" }));
    let run = engine.call(start.clone().and_wait()).await.unwrap();
    assert_eq!(run.status, RunStatus::Completed);
    assert_eq!(run.output, Some(json!({ "greeting": "Hello Ada" })));
    assert_eq!(run.workflow.version, "0.1.0");
    assert!(run.ended_at.is_some_and(|ended| ended >= run.created_at));
    assert_eq!(engine.call(GetRunRequest::new(run.id)).await.unwrap(), run);
    // Once more with the same id gives the same run.
    let again = engine
        .call(start.clone().with_id(run.id).and_wait())
        .await
        .unwrap();
    assert_eq!(again, run);

    let failing = HELLO.replace("name: hello", "name: fails").replace(
        "do:",
        "do:\n  - stop: { raise: { error: { type: 'https://example.com/no', status: 400, title: No } } }",
    );
    let failed = engine
        .call(StartRunRequest::document(failing).and_wait())
        .await
        .unwrap();
    assert_eq!(failed.status, RunStatus::Faulted);
    assert_eq!(failed.error.unwrap()["type"], "https://example.com/no");

    let list = async |filter: ListRunsRequest| {
        let page = engine.call(filter).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|run| run.id).collect();
        (ids, page.next)
    };
    soon(async || (list(ListRunsRequest::default()).await.0.len() == 2).then_some(())).await;
    let faulted = ListRunsRequest {
        status: Some(RunStatus::Faulted),
        ..ListRunsRequest::default()
    };
    soon(async || (list(faulted.clone()).await.0 == [failed.id]).then_some(())).await;
    let hello = ListRunsRequest {
        namespace: Some("default".to_owned()),
        name: Some("hello".to_owned()),
        statuses: vec![RunStatus::Completed, RunStatus::Running],
        created_from: Some(run.created_at.saturating_sub(Duration::from_secs(60)).unwrap()),
        ..ListRunsRequest::default()
    };
    assert_eq!(list(hello).await.0, [run.id]);
    // Pages are those of one list.
    let first = ListRunsRequest {
        namespace: Some("default".to_owned()),
        limit: Some(1),
        ..ListRunsRequest::default()
    };
    let (mut all, next) = list(first.clone()).await;
    let second = ListRunsRequest {
        after: Some(next.unwrap()),
        ..first
    };
    all.extend(list(second).await.0);
    all.sort();
    assert_eq!(all, [run.id, failed.id]);
    // A name that would be a part of the query is that of no workflow.
    let odd = ListRunsRequest {
        namespace: Some("x' OR AtomWorkflow STARTS_WITH 'd".to_owned()),
        ..ListRunsRequest::default()
    };
    assert_eq!(list(odd).await.0, []);

    let bob = Principal::new("listed", "bob").unwrap();
    assert_eq!(
        engine
            .call_as(&bob, ListRunsRequest::default())
            .await
            .unwrap()
            .items,
        []
    );
    let hidden = engine
        .call_as(&bob, GetRunRequest::new(run.id))
        .await
        .unwrap_err();
    assert_eq!(hidden.code(), ErrorCode::NotFound);
    // Nobody's list of secrets shows the key that seals.
    assert_eq!(engine.call(ListSecretsRequest {}).await.unwrap().secrets, []);
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_go_on_where_an_engine_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = open(folder.path(), "again").await else {
        return;
    };
    let secret = SetSecretRequest {
        name: "token".to_owned(),
        value: Secret::new("tok-0123456789"),
    };
    engine.call(secret).await.unwrap();
    let with_secret = HEARS
        .replace("do:", "use: { secrets: [token] }\ndo:")
        .replace("version: 1.0.0", "version: 1.1.0");
    let run = engine
        .call(StartRunRequest::document(with_secret))
        .await
        .unwrap()
        .id;
    let other = engine.call(StartRunRequest::document(HEARS)).await.unwrap().id;
    engine.close().await.unwrap();

    let engine = open(folder.path(), "again").await.unwrap();
    let signal = json!({ "id": run, "type": "go", "data": { "n": 1 } });
    let signal: SignalRunRequest = serde_json::from_value(signal).unwrap();
    engine.call(signal).await.unwrap();
    assert_eq!(
        ended(&engine, run).await,
        (RunStatus::Completed, Some(json!([{ "n": 1 }])))
    );
    // The other one has heard nothing yet.
    let event = json!({ "event": { "type": "go", "data": { "n": 2 } } });
    let event: PublishEventRequest = serde_json::from_value(event).unwrap();
    soon(async || {
        engine.call(event.clone()).await.unwrap();
        let run = engine.call(GetRunRequest::new(other)).await.unwrap();
        run.status.has_ended().then_some(())
    })
    .await;
    assert_eq!(
        ended(&engine, other).await,
        (RunStatus::Completed, Some(json!([{ "n": 2 }])))
    );
    let events = engine.call(ListEventsRequest::default()).await.unwrap();
    assert!(!events.events.is_empty());
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_paused_resumed_and_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = open(folder.path(), "paused").await else {
        return;
    };
    let id = engine.call(StartRunRequest::document(HEARS)).await.unwrap().id;
    let pause = PauseRunRequest { id, reason: None };
    assert_eq!(engine.call(pause).await.unwrap().status, RunStatus::Paused);
    until_status(&engine, id, RunStatus::Paused).await;
    let paused = ListRunsRequest {
        status: Some(RunStatus::Paused),
        ..ListRunsRequest::default()
    };
    soon(async || {
        let listed = engine.call(paused.clone()).await.unwrap().items;
        (listed.len() == 1 && listed[0].id == id).then_some(())
    })
    .await;
    let resumed = engine.call(ResumeRunRequest { id }).await.unwrap();
    assert_eq!(resumed.status, RunStatus::Running);
    until_status(&engine, id, RunStatus::Running).await;
    engine.call(CancelRunRequest { id, reason: None }).await.unwrap();
    assert_eq!(ended(&engine, id).await, (RunStatus::Cancelled, None));
    // One that has ended stays as it is.
    let cancelled = engine.call(CancelRunRequest { id, reason: None }).await.unwrap();
    assert_eq!(cancelled.status, RunStatus::Cancelled);
    let error = engine.call(ResumeRunRequest { id }).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_are_listed_shown_and_decided() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = open(folder.path(), "asked").await else {
        return;
    };
    let start = || StartRunRequest::document(ASKS).with_input(json!({ "letter": "Dear Eve" }));
    let (run, other) = (
        engine.call(start()).await.unwrap().id,
        engine.call(start()).await.unwrap().id,
    );
    let mut sam = Principal::new("asked", "sam").unwrap();
    sam.roles = vec!["support".to_owned(), "admin".to_owned()];
    let all = ListApprovalsRequest {
        status: Some(ApprovalStatus::Pending),
        namespace: Some("office".to_owned()),
        ..ListApprovalsRequest::default()
    };
    let listed = soon(async || {
        let listed = engine.call_as(&sam, all.clone()).await.unwrap().items;
        (listed.len() == 2).then_some(listed)
    })
    .await;
    assert!(
        listed
            .iter()
            .all(|asked| asked.is_assigned && asked.data.is_none())
    );
    // One at a time they are the same.
    let page = ListApprovalsRequest {
        limit: Some(1),
        ..all.clone()
    };
    let first = engine.call_as(&sam, page.clone()).await.unwrap();
    let second = ListApprovalsRequest {
        after: first.next.clone(),
        ..page
    };
    let second = engine.call_as(&sam, second).await.unwrap();
    assert_ne!(first.items[0].id, second.items[0].id);
    let of_one = ListApprovalsRequest {
        run: Some(run),
        ..ListApprovalsRequest::default()
    };
    let of_one = engine.call_as(&sam, of_one).await.unwrap().items;
    let [asked] = &of_one[..] else {
        panic!("{of_one:?}");
    };
    assert_eq!(
        (asked.run, asked.owner.as_str(), asked.title.as_str()),
        (run, "ada", "Send it?")
    );

    let get = GetApprovalRequest { id: asked.id };
    let shown = engine.call_as(&sam, get.clone()).await.unwrap();
    assert_eq!(
        (shown.data, shown.status),
        (Some(json!("Dear Eve")), ApprovalStatus::Pending)
    );
    // Whom it is not shown.
    let stranger = Principal::new("asked", "eve").unwrap();
    let foreign = Principal {
        tenant: "elsewhere".to_owned(),
        ..sam.clone()
    };
    for principal in [&stranger, &foreign] {
        let error = engine.call_as(principal, get.clone()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound);
        let listed = engine
            .call_as(principal, ListApprovalsRequest::default())
            .await
            .unwrap();
        assert_eq!(listed.items, []);
    }
    // The owner sees it and decides nothing.
    let approve = DecideApprovalRequest::new(asked.id, DecisionKind::Approve);
    let error = engine.call(approve.clone()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied);
    let decided = engine.call_as(&sam, approve).await.unwrap();
    assert_eq!(decided.status, ApprovalStatus::Approved);
    assert_eq!(decided.decision.unwrap().by, "sam");
    // A run that goes on, or has ended, no longer asks.
    soon(async || {
        let listed = engine.call_as(&sam, all.clone()).await.unwrap().items;
        (listed.len() == 1 && listed[0].run == other).then_some(())
    })
    .await;
    let error = engine.call_as(&sam, get).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    let signal: SignalRunRequest = serde_json::from_value(json!({ "id": run, "type": "go" })).unwrap();
    engine.call(signal).await.unwrap();
    assert_eq!(
        ended(&engine, run).await,
        (RunStatus::Completed, Some(json!({ "by": "sam" })))
    );
    engine
        .call(CancelRunRequest {
            id: other,
            reason: None,
        })
        .await
        .unwrap();
    soon(async || {
        engine
            .call_as(&sam, all.clone())
            .await
            .unwrap()
            .items
            .is_empty()
            .then_some(())
    })
    .await;
    let decided = ListApprovalsRequest {
        status: Some(ApprovalStatus::Approved),
        ..ListApprovalsRequest::default()
    };
    let error = engine.call_as(&sam, decided).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_started_once_for_each_key() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = open(folder.path(), "keyed").await else {
        return;
    };
    let start = |name: &str| StartRunRequest::document(HELLO).with_input(json!({ "name": name }));
    let first = engine
        .call(start("Ada").with_key("order-1").and_wait())
        .await
        .unwrap();
    assert_eq!(first.idempotency_key.as_deref(), Some("order-1"));
    // The same, whatever became of it, also by its id, and by whoever starts it at the same time.
    let again = || engine.call(start("Ada").with_key("order-1"));
    let (one, other) = tokio::join!(again(), again());
    for run in [
        one,
        other,
        engine
            .call(start("Ada").with_key("order-1").with_id(first.id))
            .await,
    ] {
        assert_eq!(run.unwrap(), first);
    }
    assert_eq!(engine.call(GetRunRequest::new(first.id)).await.unwrap(), first);
    let another = engine.call(start("Ada").with_key("order-2")).await.unwrap();
    assert_ne!(another.id, first.id);
    let other_name = HELLO.replace("name: hello", "name: bye");
    let of_another = StartRunRequest::document(&other_name).with_key("order-1");
    assert_ne!(engine.call(of_another).await.unwrap().id, first.id);
    let other_document = HELLO.replace("0.1.0", "0.2.0");
    for (start, code) in [
        (start("Bob").with_key("order-1"), ErrorCode::AlreadyExists),
        (
            StartRunRequest::document(&other_document)
                .with_input(json!({ "name": "Ada" }))
                .with_key("order-1"),
            ErrorCode::AlreadyExists,
        ),
        (
            start("Ada").with_key("order-3").with_id(first.id),
            ErrorCode::Unsupported,
        ),
        (start("Ada").with_key(""), ErrorCode::InvalidRequest),
    ] {
        assert_eq!(engine.call(start).await.unwrap_err().code(), code);
    }
    let bob = Principal::new("keyed", "bob").unwrap();
    let of_bob = engine
        .call_as(&bob, start("Ada").with_key("order-1"))
        .await
        .unwrap();
    assert_ne!(of_bob.id, first.id);
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_found_by_tags_and_fields_and_cancelled_together() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = open(folder.path(), "tagged").await else {
        return;
    };
    let indexed = HEARS.replace(
        "version: 1.0.0 }",
        "version: 1.0.0, tags: { team: billing }, metadata: { atom: { index: { total: .total } } } }",
    );
    let start = |batch: &str, total: f64| StartRunRequest {
        tags: [("batch".to_owned(), batch.to_owned())].into(),
        ..StartRunRequest::document(&indexed).with_input(json!({ "total": total }))
    };
    let one = engine.call(start("a", 2.0)).await.unwrap();
    let two = engine.call(start("a", 3.0)).await.unwrap();
    let other = engine.call(start("b", 2.0)).await.unwrap();
    assert_eq!(one.tags["team"], "billing");
    let listed = async |filter: Value| {
        let filter: ListRunsRequest = serde_json::from_value(filter).unwrap();
        let items = engine.call(filter).await.unwrap().items;
        items.into_iter().map(|run| run.id).collect::<BTreeSet<_>>()
    };
    let until = async |filter: Value, runs: &[RunId]| {
        let runs: BTreeSet<_> = runs.iter().copied().collect();
        soon(async || (listed(filter.clone()).await == runs).then_some(())).await;
    };
    until(
        json!({ "tags": { "team": "billing" } }),
        &[one.id, two.id, other.id],
    )
    .await;
    until(
        json!({ "tags": { "team": "billing", "batch": "a" } }),
        &[one.id, two.id],
    )
    .await;
    until(
        json!({ "tags": { "batch": "a" }, "fields": { "total": 2 } }),
        &[one.id],
    )
    .await;
    until(json!({ "tags": { "batch": "c" } }), &[]).await;

    let chosen = json!({ "filter": { "tags": { "batch": "a" } }, "limit": 1 });
    let cancel = |change: Value| {
        let mut request = chosen.clone();
        request
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        serde_json::from_value::<CancelRunsRequest>(request).unwrap()
    };
    let counted = engine.call(cancel(json!({ "dry_run": true }))).await.unwrap();
    assert_eq!((counted.matched, counted.items.len()), (2, 0));
    let first = engine.call(cancel(json!({}))).await.unwrap();
    let rest = engine.call(cancel(json!({ "after": first.next }))).await.unwrap();
    let cancelled: BTreeSet<_> = first.items.iter().chain(&rest.items).map(|run| run.id).collect();
    assert_eq!(cancelled, [one.id, two.id].into());
    for run in [one.id, two.id] {
        assert_eq!(ended(&engine, run).await, (RunStatus::Cancelled, None));
    }
    let status = engine.call(GetRunRequest::new(other.id)).await.unwrap().status;
    assert_eq!(status, RunStatus::Running);
    let ended = cancel(json!({ "filter": { "statuses": ["cancelled"] } }));
    assert_eq!(
        engine.call(ended).await.unwrap_err().code(),
        ErrorCode::InvalidRequest
    );
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_waits_for_is_told_and_one_that_has_ended_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = open(folder.path(), "removed").await else {
        return;
    };
    let start = || StartRunRequest::document(HEARS).with_key("once");
    let id = engine.call(start()).await.unwrap().id;
    let waits = ListRunWaitsRequest { id };
    let waiting = soon(async || {
        let waits = engine.call(waits.clone()).await.unwrap();
        (!waits.items.is_empty()).then_some(waits)
    })
    .await;
    assert_eq!((waiting.status, waiting.is_driven), (RunStatus::Running, true));
    assert_eq!(serde_json::to_value(&waiting.items[0]).unwrap()["type"], "event");
    let delete = DeleteRunRequest { id };
    let error = engine.call(delete.clone()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    let bob = Principal::new("removed", "bob").unwrap();
    let hidden = engine.call_as(&bob, delete.clone()).await.unwrap_err();
    assert_eq!(hidden.code(), ErrorCode::NotFound);
    engine.call(CancelRunRequest { id, reason: None }).await.unwrap();
    assert_eq!(ended(&engine, id).await, (RunStatus::Cancelled, None));
    let waiting = engine.call(waits).await.unwrap();
    assert_eq!((waiting.status, waiting.is_driven), (RunStatus::Cancelled, false));
    assert_eq!(waiting.items, []);

    engine.call(delete.clone()).await.unwrap();
    soon(async || engine.call(GetRunRequest::new(id)).await.err()).await;
    assert_eq!(engine.call(delete).await.unwrap_err().code(), ErrorCode::NotFound);
    // Its key is free again.
    let again = engine.call(start()).await.unwrap();
    assert_eq!((again.id, again.status), (id, RunStatus::Running));
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_drains_finishes_its_calls_and_leaves_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let Some(config) = config(folder.path(), "drains").await else {
        return;
    };
    let (begun, end, count) = (
        Arc::new(Notify::new()),
        Arc::new(Notify::new()),
        Arc::new(AtomicUsize::new(0)),
    );
    let open = async || {
        let (begun, end, count) = (Arc::clone(&begun), Arc::clone(&end), Arc::clone(&count));
        let slow = TypedFunction::new(
            "slow",
            "Answers when it is told to.",
            move |_: Value, _: FunctionContext| {
                let (begun, end) = (Arc::clone(&begun), Arc::clone(&end));
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                async move {
                    begun.notify_one();
                    end.notified().await;
                    Ok(json!(number))
                }
            },
        );
        let builder = Engine::builder(config.clone()).with_function(Arc::new(slow));
        builder.open().await.unwrap()
    };
    let text = "
document: { dsl: 1.0.3, namespace: default, name: drains, version: 1.0.0 }
do:
  - one: { call: slow }
  - two: { call: slow, output: { as: '${ [$input, .] }' } }
";
    let engine = open().await;
    let run = engine.call(StartRunRequest::document(text)).await.unwrap().id;
    begun.notified().await;
    let (drained, ()) = tokio::join!(engine.drain(Duration::from_secs(60)), async { end.notify_one() });
    drained.unwrap();
    // Operations still work.
    let status = engine.call(GetRunRequest::new(run)).await.unwrap().status;
    assert_eq!(status, RunStatus::Running);
    engine.close().await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let engine = open().await;
    end.notify_one();
    assert_eq!(
        ended(&engine, run).await,
        (RunStatus::Completed, Some(json!([1, 2])))
    );
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_happened_to_a_run_is_told_as_by_the_embedded_runtime() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(engine) = open(folder.path(), "told").await else {
        return;
    };
    let embedded = Engine::open(EngineConfig::in_folder(other.path())).await.unwrap();
    let text = "
document: { dsl: 1.0.3, namespace: default, name: told, version: 1.0.0 }
use: { secrets: [token] }
do:
  - first: { set: { token: '${ $secrets.token }' } }
  - hear: { listen: { to: { one: { with: { type: go } } } } }
  - attempt: { try: [{ fails: { raise: { error: { type: 'https://example.com/no', status: 400, title: No } } } }], catch: { do: [{ caught: { set: { a: 1 } } }] } }
";
    let told = async |engine: &Engine| {
        let secret = SetSecretRequest {
            name: "token".to_owned(),
            value: Secret::new("tok-0123456789"),
        };
        engine.call(secret).await.unwrap();
        let id = engine.call(StartRunRequest::document(text)).await.unwrap().id;
        // What a run waits for is told while it does.
        let waiting = soon(async || {
            let history = engine.call(GetRunHistoryRequest::new(id)).await.unwrap().records;
            (history.len() > 3).then_some(history)
        })
        .await;
        let signal = json!({ "id": id, "type": "go", "data": { "n": 1 } });
        let signal: SignalRunRequest = serde_json::from_value(signal).unwrap();
        engine.call(signal).await.unwrap();
        assert_eq!(
            ended(engine, id).await,
            (RunStatus::Completed, Some(json!({ "a": 1 })))
        );
        let history = engine.call(GetRunHistoryRequest::new(id)).await.unwrap();
        assert_eq!(history.records[..waiting.len()], waiting);
        // Page by page it is the same.
        let page = GetRunHistoryRequest {
            limit: Some(4),
            ..GetRunHistoryRequest::new(id)
        };
        let first = engine.call(page.clone()).await.unwrap();
        assert_eq!((first.records.len(), first.next), (4, Some(4)));
        let second = GetRunHistoryRequest { after: 4, ..page };
        assert_eq!(engine.call(second).await.unwrap().records[0], history.records[4]);
        let steps: ListRunStepsRequest = serde_json::from_value(json!({ "id": id })).unwrap();
        let steps = engine.call(steps).await.unwrap().items;
        let steps: Vec<_> = steps.into_iter().map(|step| (step.task, step.status)).collect();
        (json!(history.records), steps)
    };
    let (mut history, steps) = told(&engine).await;
    let (mut expected, expected_steps) = told(&embedded).await;
    assert!(!history.to_string().contains("tok-0123456789"));
    for history in [&mut history, &mut expected] {
        let records = history.as_array_mut().unwrap().iter_mut();
        // They happened at other times.
        records.for_each(|record| drop(record.as_object_mut().unwrap().remove("at")));
    }
    assert_eq!(history, expected);
    assert_eq!(steps, expected_steps);
    let bob = Principal::new("told", "bob").unwrap();
    let nobody: RunId = serde_json::from_value(json!("0192f0c1-0000-7000-8000-000000000001")).unwrap();
    let error = engine
        .call_as(&bob, GetRunHistoryRequest::new(nobody))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    embedded.close().await.unwrap();
    engine.close().await.unwrap();
}

/// What runs on Temporal do not have, with requests that fit.
pub(crate) fn unsupported_operations() -> Vec<(&'static str, Value)> {
    let id = "0192f0c1-0000-7000-8000-000000000001";
    let run = json!({ "id": id });
    let rule = json!({ "rule": { "name": "late", "condition": { "type": "stuck_runs", "for_ms": 60_000 } } });
    vec![
        ("runs.migrate", run.clone()),
        ("runs.rerun", run.clone()),
        ("runs.rerun_all", json!({})),
        ("runs.export", run.clone()),
        ("runs.stuck", json!({})),
        ("runs.events", run),
        ("alerts.set", rule),
        ("alerts.get", json!({ "name": "late" })),
        ("alerts.list", json!({})),
        ("alerts.delete", json!({ "name": "late" })),
        (
            "analytics.workflows",
            json!({ "namespace": "default", "name": "hello" }),
        ),
        (
            "analytics.steps",
            json!({ "namespace": "default", "name": "hello" }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_says_so() {
    use futures::StreamExt;

    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = open(folder.path(), "unsupported").await else {
        return;
    };
    for (operation, request) in unsupported_operations() {
        let error = match operation {
            "runs.events" => {
                let mut items = engine.subscribe_json(engine.principal(), operation, request);
                items.next().await.unwrap().unwrap_err()
            }
            _ => engine
                .call_json(engine.principal(), operation, request)
                .await
                .unwrap_err(),
        };
        assert_eq!(error.code(), ErrorCode::Unsupported, "{operation}: {error}");
        assert!(error.message().contains(&format!("'{operation}'")), "{error}");
    }
    let by_name = ListRunsRequest {
        name: Some("hello".to_owned()),
        ..ListRunsRequest::default()
    };
    let error = engine.call(by_name).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported, "{error}");
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_need_what_is_not_there_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Some(engine) = open(folder.path(), "refused").await else {
        return;
    };
    for part in ["metadata: { atom: { concurrency: { limit: 1 } } }"] {
        let text = HELLO.replace("version: 0.1.0", &format!("version: 0.1.0, {part}"));
        let error = engine.call(DeployWorkflowRequest::new(&text)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported, "{part}: {error}");
        let error = engine.call(StartRunRequest::document(&text)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported, "{part}: {error}");
    }
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_carried_out_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (runs, lifecycle_events, code) in [
        ("temporal://127.0.0.1:1/default", "none", ErrorCode::Unavailable),
        (
            "temporal://127.0.0.1:1/default?queue=x",
            "none",
            ErrorCode::InvalidRequest,
        ),
        ("temporal://127.0.0.1:1/default", "all", ErrorCode::Unsupported),
    ] {
        let config = json!({ "data_dir": folder.path(), "runs": runs, "lifecycle_events": lifecycle_events });
        let error = Engine::open(EngineConfig::from_json(&config.to_string()).unwrap())
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{runs}: {error}");
    }
    // The folder is free afterwards.
    Engine::open(EngineConfig::in_folder(folder.path()))
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
}
