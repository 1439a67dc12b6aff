//! Every operation, as its callers see it.

use atom_engine::{ErrorCode, Principal};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::support::{FAIL, Fixture, HELLO, LISTEN, SLEEP, UNSUPPORTED, on_every_storage};

on_every_storage![
    the_engine_tells_what_it_is_and_how_it_fares,
    functions_are_listed_and_called,
    workflows_are_checked_before_they_are_kept,
    a_deployed_version_never_changes,
    workflows_are_listed_page_by_page,
    a_run_gives_its_output,
    a_run_that_fails_says_why,
    a_run_is_started_once_for_each_id,
    waiting_ends_when_its_time_is_over,
    runs_are_listed_and_cancelled,
    a_run_hears_a_signal_and_a_published_event,
    what_happens_to_a_run_is_told_from_any_offset,
    events_are_completed_and_listed,
    events_are_followed_from_now_or_any_offset,
    secrets_go_in_and_never_come_out,
    nobody_sees_what_another_owns,
    requests_that_do_not_fit_name_their_field,
];

async fn the_engine_tells_what_it_is_and_how_it_fares(fixture: Fixture) {
    let info = fixture.call("engine.info", json!({})).await;
    assert_eq!(info["name"], "atom");
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["operations"], atom_engine::Engine::operations().len());
    assert_eq!(info["data_dir"].is_string(), info["storage"] == "sqlite");

    fixture.start(SLEEP).await;
    let health = fixture.call("engine.health", Value::Null).await;
    assert_eq!(health["status"], "ok", "{health}");
    assert_eq!(health["runs"]["running"], 1);
    let workflows = fixture.call("workflows.list", json!({})).await;
    assert_eq!(workflows["items"], json!([]), "the probe leaves no trace");
}

async fn functions_are_listed_and_called(fixture: Fixture) {
    let all = fixture.call("functions.list", json!({})).await;
    let some = fixture
        .call("functions.list", json!({ "prefix": "template." }))
        .await;
    assert!(all["functions"].as_array().unwrap().len() > some["functions"].as_array().unwrap().len());
    assert_eq!(some["functions"][0]["name"], "template.render");
    let info = fixture
        .call("functions.get", json!({ "name": "template.render" }))
        .await;
    assert_eq!(info, some["functions"][0]);
    fixture
        .assert_error(
            "functions.get",
            json!({ "name": "nobody.home" }),
            ErrorCode::NotFound,
        )
        .await;

    let arguments = json!({ "template": "Hello {{ name }}", "data": { "name": "Ada" } });
    let answer = fixture
        .call(
            "functions.call",
            json!({ "name": "template.render", "arguments": arguments }),
        )
        .await;
    assert_eq!(answer["output"]["text"], "Hello Ada", "{answer}");
    fixture
        .assert_error(
            "functions.call",
            json!({ "name": "nobody.home" }),
            ErrorCode::NotFound,
        )
        .await;
    fixture
        .assert_error(
            "functions.call",
            json!({ "name": "template.render" }),
            ErrorCode::InvalidRequest,
        )
        .await;
}

async fn workflows_are_checked_before_they_are_kept(fixture: Fixture) {
    let check = fixture
        .call("workflows.validate", json!({ "document": HELLO }))
        .await;
    assert_eq!(check["is_valid"], true);
    assert_eq!(check["workflow"]["name"], "hello");
    assert_eq!(check["unsupported"], json!([]));

    let broken = "document: {dsl: 1.0.3}\ndo: []";
    let check = fixture
        .call("workflows.validate", json!({ "document": broken }))
        .await;
    assert_eq!(check["is_valid"], false);
    assert_eq!(check["problem"]["code"], "invalid_workflow");
    assert_eq!(check["problem"]["context"]["line"], "1");
    fixture
        .assert_error(
            "workflows.deploy",
            json!({ "document": broken }),
            ErrorCode::InvalidWorkflow,
        )
        .await;
    fixture
        .assert_error(
            "runs.start",
            json!({ "document": broken }),
            ErrorCode::InvalidWorkflow,
        )
        .await;

    let check = fixture
        .call("workflows.validate", json!({ "document": UNSUPPORTED }))
        .await;
    assert_eq!(check["is_valid"], true);
    let feature = check["unsupported"][0]["feature"].as_str().unwrap();
    assert!(feature.starts_with("schedule"), "{feature}");
    for operation in ["workflows.deploy", "runs.start"] {
        let error = fixture.error(operation, json!({ "document": UNSUPPORTED })).await;
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert!(error.message().contains("schedule"), "{error}");
    }
    assert_eq!(
        fixture.call("workflows.list", json!({})).await["items"],
        json!([])
    );
}

async fn a_deployed_version_never_changes(fixture: Fixture) {
    let deployed = fixture
        .call("workflows.deploy", json!({ "document": HELLO }))
        .await;
    assert_eq!(deployed["title"], "Says hello");
    let again = fixture
        .call("workflows.deploy", json!({ "document": HELLO }))
        .await;
    assert_eq!(again, deployed);
    let changed = json!({ "document": HELLO.replace("Hello", "Goodbye") });
    fixture
        .assert_error("workflows.deploy", changed, ErrorCode::AlreadyExists)
        .await;

    let newer = HELLO.replace("0.1.0", "0.2.0");
    fixture
        .call("workflows.deploy", json!({ "document": newer }))
        .await;
    let name = json!({ "namespace": "default", "name": "hello" });
    let latest = fixture.call("workflows.get", name.clone()).await;
    assert_eq!(
        (&latest["version"], &latest["document"]),
        (&json!("0.2.0"), &json!(newer))
    );
    let first = json!({ "namespace": "default", "name": "hello", "version": "0.1.0" });
    assert_eq!(
        fixture.call("workflows.get", first.clone()).await["hash"],
        deployed["hash"]
    );
    assert_eq!(
        fixture.call("workflows.delete", first.clone()).await,
        json!({ "deleted": 1 })
    );
    fixture
        .assert_error("workflows.get", first.clone(), ErrorCode::NotFound)
        .await;
    assert_eq!(
        fixture.call("workflows.delete", name.clone()).await,
        json!({ "deleted": 1 })
    );
    assert_eq!(
        fixture.call("workflows.delete", name.clone()).await,
        json!({ "deleted": 0 })
    );
    fixture
        .assert_error("runs.start", json!({ "workflow": name }), ErrorCode::NotFound)
        .await;
}

async fn workflows_are_listed_page_by_page(fixture: Fixture) {
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        fixture
            .call(
                "workflows.deploy",
                json!({ "document": HELLO.replace("0.1.0", version) }),
            )
            .await;
    }
    let mut versions = Vec::new();
    let mut request = json!({ "limit": 2 });
    loop {
        let page = fixture.call("workflows.list", request.clone()).await;
        versions.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["version"].clone()),
        );
        if page["next"].is_null() {
            break;
        }
        request["after"] = page["next"].clone();
    }
    assert_eq!(versions, ["1.0.0", "2.0.0", "3.0.0"]);
    fixture
        .assert_error("workflows.list", json!({ "limit": 0 }), ErrorCode::InvalidRequest)
        .await;
    fixture
        .assert_error(
            "workflows.list",
            json!({ "after": "?" }),
            ErrorCode::InvalidRequest,
        )
        .await;
}

async fn a_run_gives_its_output(fixture: Fixture) {
    fixture
        .call("workflows.deploy", json!({ "document": HELLO }))
        .await;
    let workflow = json!({ "namespace": "default", "name": "hello" });
    let start = json!({ "workflow": workflow, "input": { "name": "Ada" }, "wait": true });
    let run = fixture.call("runs.start", start).await;
    assert_eq!(run["status"], "completed");
    assert_eq!(run["input"], json!({ "name": "Ada" }));
    assert_eq!(run["output"], json!({ "greeting": "Hello Ada" }));
    assert_eq!(run["workflow"]["version"], "0.1.0");
    assert!(run["ended_at"].is_string() && run.get("error").is_none());

    let id = fixture.start(HELLO).await;
    assert_eq!(
        fixture.wait(&id).await["output"],
        json!({ "greeting": "Hello Ada" })
    );
    for request in [json!({}), json!({ "workflow": workflow, "document": HELLO })] {
        fixture
            .assert_error("runs.start", request, ErrorCode::InvalidRequest)
            .await;
    }
    let nobody = "0192f0c1-0000-7000-8000-000000000001";
    for operation in ["runs.get", "runs.cancel", "runs.history"] {
        fixture
            .assert_error(operation, json!({ "id": nobody }), ErrorCode::NotFound)
            .await;
    }
    let signal = json!({ "id": nobody, "type": "com.example.go" });
    fixture
        .assert_error("runs.signal", signal, ErrorCode::NotFound)
        .await;
    fixture
        .assert_error(
            "runs.get",
            json!({ "id": nobody, "wait": true }),
            ErrorCode::NotFound,
        )
        .await;
}

async fn a_run_that_fails_says_why(fixture: Fixture) {
    let run = fixture
        .call("runs.start", json!({ "document": FAIL, "wait": true }))
        .await;
    assert_eq!(run["status"], "faulted");
    assert_eq!(run["error"]["type"], "https://example.com/broken");
    assert_eq!(run["error"]["instance"], "/do/0/fail");
    assert!(run.get("output").is_none());
    let list = fixture.call("runs.list", json!({ "status": "faulted" })).await;
    assert_eq!(list["items"][0]["error"], run["error"]);
    let signal = json!({ "id": run["id"], "type": "com.example.go" });
    fixture
        .assert_error("runs.signal", signal, ErrorCode::Conflict)
        .await;
}

async fn a_run_is_started_once_for_each_id(fixture: Fixture) {
    let id = "0192f0c1-0000-7000-8000-000000000001";
    let start = json!({ "document": HELLO, "input": { "name": "Ada" }, "id": id, "wait": true });
    let run = fixture.call("runs.start", start.clone()).await;
    assert_eq!(run["id"], id);
    assert_eq!(fixture.call("runs.start", start.clone()).await, run);
    for (field, other) in [("document", json!(LISTEN)), ("input", json!({ "name": "Bob" }))] {
        let mut other_start = start.clone();
        other_start[field] = other;
        fixture
            .assert_error("runs.start", other_start, ErrorCode::AlreadyExists)
            .await;
    }
    let runs = fixture.call("runs.list", json!({})).await;
    assert_eq!(runs["items"].as_array().unwrap().len(), 1);
    fixture
        .assert_error(
            "runs.start",
            json!({ "document": HELLO, "id": "one" }),
            ErrorCode::InvalidRequest,
        )
        .await;
}

async fn waiting_ends_when_its_time_is_over(fixture: Fixture) {
    let start = json!({ "document": SLEEP, "wait": true, "wait_timeout_ms": 1 });
    let run = fixture.call("runs.start", start).await;
    assert_eq!(run["status"], "running");
    let wait = json!({ "id": run["id"], "wait": true, "wait_timeout_ms": 0 });
    assert_eq!(fixture.call("runs.get", wait).await["status"], "running");
}

async fn runs_are_listed_and_cancelled(fixture: Fixture) {
    let sleeping = fixture.start(SLEEP).await;
    let done = fixture.start(HELLO).await;
    fixture.wait(&done).await;
    let list = async |request: Value| {
        let page = fixture.call("runs.list", request).await;
        let ids: Vec<_> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["id"].clone())
            .collect();
        (ids, page["next"].clone())
    };
    let (both, next) = list(json!({})).await;
    assert_eq!(
        (both, next),
        (vec![json!(done), json!(sleeping)], Value::Null),
        "the newest first"
    );
    let (first, next) = list(json!({ "limit": 1 })).await;
    let (second, last) = list(json!({ "limit": 1, "after": next })).await;
    assert_eq!(
        (first, second, last),
        (vec![json!(done)], vec![json!(sleeping)], Value::Null)
    );
    assert_eq!(list(json!({ "status": "running" })).await.0, [json!(sleeping)]);
    assert_eq!(list(json!({ "name": "hello" })).await.0, [json!(done)]);
    assert!(list(json!({ "namespace": "elsewhere" })).await.0.is_empty());
    let page = fixture.call("runs.list", json!({})).await;
    assert!(page["items"][0].get("input").is_none() && page["items"][0].get("output").is_none());

    let run = fixture
        .call("runs.cancel", json!({ "id": sleeping, "reason": "enough" }))
        .await;
    assert_eq!(run["status"], "cancelled");
    assert_eq!(fixture.call("runs.cancel", json!({ "id": sleeping })).await, run);
    assert_eq!(
        fixture.call("runs.cancel", json!({ "id": done })).await["status"],
        "completed"
    );
    let history = fixture.call("runs.history", json!({ "id": sleeping })).await;
    let last = history["records"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["type"], &last["reason"]),
        (&json!("run_cancelled"), &json!("enough"))
    );
}

async fn a_run_hears_a_signal_and_a_published_event(fixture: Fixture) {
    let signalled = fixture.start(LISTEN).await;
    let signal = json!({ "id": signalled, "type": "com.example.go", "data": { "by": "signal" } });
    assert_eq!(fixture.call("runs.signal", signal).await, json!({}));
    assert_eq!(
        fixture.wait(&signalled).await["output"],
        json!([{ "by": "signal" }])
    );

    let waiting = fixture.start(LISTEN).await;
    // An event that was published before the task listened is none of its business.
    let mut records = fixture
        .engine
        .subscribe_json(&fixture.ada, "runs.events", json!({ "id": waiting }));
    while records.next().await.unwrap().unwrap()["type"] != "task_started" {}
    let event = json!({ "event": { "type": "com.example.go", "data": { "by": "event" } } });
    fixture.call("events.publish", event).await;
    assert_eq!(fixture.wait(&waiting).await["output"], json!([{ "by": "event" }]));
}

async fn what_happens_to_a_run_is_told_from_any_offset(fixture: Fixture) {
    let id = fixture.start(HELLO).await;
    let followed: Vec<Value> = fixture
        .engine
        .subscribe_json(&fixture.ada, "runs.events", json!({ "id": id }))
        .map(Result::unwrap)
        .collect()
        .await;
    let history = fixture.call("runs.history", json!({ "id": id })).await;
    assert_eq!(history["records"], json!(followed));
    let offsets: Vec<_> = followed
        .iter()
        .map(|record| record["offset"].as_u64().unwrap())
        .collect();
    assert_eq!(offsets, (1..=offsets.len() as u64).collect::<Vec<_>>());
    let types: Vec<_> = followed
        .iter()
        .map(|record| record["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        ["run_started", "task_started", "task_completed", "run_completed"]
    );
    assert_eq!(followed[1]["task"], "/do/0/greet");

    let rest = json!({ "id": id, "after": 2 });
    let rest: Vec<Value> = fixture
        .engine
        .subscribe_json(&fixture.ada, "runs.events", rest)
        .map(Result::unwrap)
        .collect()
        .await;
    assert_eq!(rest, followed[2..]);
    let nobody = json!({ "id": "0192f0c1-0000-7000-8000-000000000001" });
    let items: Vec<_> = fixture
        .engine
        .subscribe_json(&fixture.ada, "runs.events", nobody)
        .collect()
        .await;
    assert_eq!(items.len(), 1);
    let error = items[0].as_ref().unwrap_err();
    assert_eq!(
        (error.code(), error.operation()),
        (ErrorCode::NotFound, Some("runs.events"))
    );
}

async fn events_are_completed_and_listed(fixture: Fixture) {
    let minimal = fixture
        .call("events.publish", json!({ "event": { "type": "com.example.a" } }))
        .await;
    let event = &minimal["event"];
    assert_eq!(
        (&event["source"], &event["specversion"]),
        (&json!("/atom"), &json!("1.0"))
    );
    assert!(event["id"].is_string() && event["time"].is_string());

    let full = json!({
        "id": "1", "source": "/orders", "type": "com.example.b", "specversion": "1.0",
        "time": "2026-03-09T08:00:00Z", "subject": "order 7", "datacontenttype": "application/json",
        "dataschema": "https://example.com/schema", "data": { "total": 3 }, "traceparent": "00-1-2-01"
    });
    let logged = fixture.call("events.publish", json!({ "event": full })).await;
    assert_eq!(logged["event"], full);
    let again = fixture.call("events.publish", json!({ "event": full })).await;
    assert_eq!(
        again, logged,
        "an event with a known source and id is not logged again"
    );
    let mut untimed = full.clone();
    untimed.as_object_mut().unwrap().remove("time");
    let again = fixture.call("events.publish", json!({ "event": untimed })).await;
    assert_eq!(again, logged, "it is answered as it was logged");
    for (attribute, other) in [
        ("data", json!({ "total": 4 })),
        ("type", json!("com.example.c")),
        ("time", json!("2026-03-09T09:00:00Z")),
    ] {
        let mut different = full.clone();
        different[attribute] = other;
        let error = fixture
            .error("events.publish", json!({ "event": different }))
            .await;
        assert_eq!(error.code(), ErrorCode::AlreadyExists, "{attribute}");
        assert_eq!(error.context()["offset"], logged["offset"].to_string());
    }

    let all = fixture.call("events.list", json!({})).await;
    assert_eq!(
        all,
        json!({ "events": [minimal, logged], "next": logged["offset"] })
    );
    let first = fixture.call("events.list", json!({ "limit": 1 })).await;
    assert_eq!(first, json!({ "events": [minimal], "next": minimal["offset"] }));
    let rest = fixture
        .call("events.list", json!({ "after": first["next"] }))
        .await;
    assert_eq!(rest["events"], json!([logged]));
    let of_type = fixture
        .call("events.list", json!({ "type": "com.example.b" }))
        .await;
    assert_eq!(of_type["events"], json!([logged]));
    let none = fixture.call("events.list", json!({ "after": all["next"] })).await;
    assert_eq!(none, json!({ "events": [], "next": all["next"] }));

    for event in [
        json!({}),
        json!({ "type": "" }),
        json!({ "type": "x", "specversion": "2.0" }),
        json!({ "type": "x", "Bad": 1 }),
    ] {
        fixture
            .assert_error(
                "events.publish",
                json!({ "event": event }),
                ErrorCode::InvalidRequest,
            )
            .await;
    }
    fixture
        .assert_error("events.list", json!({ "limit": 1001 }), ErrorCode::InvalidRequest)
        .await;
}

async fn events_are_followed_from_now_or_any_offset(fixture: Fixture) {
    let publish = async |kind: &str, number: u64| {
        let event = json!({ "type": kind, "data": number });
        fixture.call("events.publish", json!({ "event": event })).await["offset"].clone()
    };
    let subscribe = |request| {
        fixture
            .engine
            .subscribe_json(&fixture.ada, "events.subscribe", request)
    };
    let first = publish("com.example.a", 1).await;
    let from_now = subscribe(json!({}));
    publish("com.example.b", 2).await;
    for number in 3..=1_000 {
        publish("com.example.a", number).await;
    }
    let numbers = async |stream: futures::stream::BoxStream<'_, _>, count| -> Vec<u64> {
        let items = stream
            .take(count)
            .map(|item: atom_engine::Result<Value>| item.unwrap()["event"]["data"].as_u64().unwrap());
        items.collect().await
    };
    assert_eq!(numbers(from_now, 999).await, (2..=1_000).collect::<Vec<_>>());
    assert_eq!(
        numbers(subscribe(json!({ "after": 0 })), 1_000).await,
        (1..=1_000).collect::<Vec<_>>()
    );
    assert_eq!(numbers(subscribe(json!({ "after": first })), 2).await, [2, 3]);
    assert_eq!(
        numbers(subscribe(json!({ "after": 0, "type": "com.example.b" })), 1).await,
        [2]
    );
}

async fn secrets_go_in_and_never_come_out(fixture: Fixture) {
    let set = fixture
        .call("secrets.set", json!({ "name": "api_key", "value": "sk-123" }))
        .await;
    assert_eq!((&set["name"], &set["version"]), (&json!("api_key"), &json!(1)));
    let again = fixture
        .call("secrets.set", json!({ "name": "api_key", "value": "sk-456" }))
        .await;
    assert_eq!(again["version"], 2);
    assert_eq!(
        fixture.call("secrets.list", json!({})).await,
        json!({ "secrets": [again] })
    );
    for value in [json!(123_456_789), json!({ "key": "sk-789" }), json!(["sk-789"])] {
        let error = fixture
            .error("secrets.set", json!({ "name": "api_key", "value": value }))
            .await;
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        let shown = format!("{error:?} {}", serde_json::to_string(&error.report()).unwrap());
        assert!(!shown.contains("789") && shown.contains("value"), "{shown}");
    }
    fixture
        .assert_error(
            "secrets.set",
            json!({ "name": "no good", "value": "x" }),
            ErrorCode::InvalidRequest,
        )
        .await;
    assert_eq!(
        fixture.call("secrets.delete", json!({ "name": "api_key" })).await,
        json!({ "deleted": true })
    );
    assert_eq!(
        fixture.call("secrets.delete", json!({ "name": "api_key" })).await,
        json!({ "deleted": false })
    );
}

async fn nobody_sees_what_another_owns(fixture: Fixture) {
    let id = "0192f0c1-0000-7000-8000-000000000001";
    fixture
        .call("workflows.deploy", json!({ "document": HELLO }))
        .await;
    fixture
        .call("secrets.set", json!({ "name": "api_key", "value": "sk-123" }))
        .await;
    fixture
        .call("events.publish", json!({ "event": { "type": "com.example.a" } }))
        .await;
    fixture
        .call("runs.start", json!({ "document": LISTEN, "id": id }))
        .await;

    let same_user = Principal::new("globex", "ada").unwrap();
    let same_tenant = Principal::new("acme", "bob").unwrap();
    for stranger in [same_user, same_tenant] {
        let call = async |operation: &str, request| fixture.call_as(&stranger, operation, request).await;
        for operation in ["runs.get", "runs.cancel", "runs.history"] {
            let error = call(operation, json!({ "id": id })).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::NotFound, "{operation}");
        }
        let signal = json!({ "id": id, "type": "com.example.go" });
        assert_eq!(
            call("runs.signal", signal).await.unwrap_err().code(),
            ErrorCode::NotFound
        );
        let mut records = fixture
            .engine
            .subscribe_json(&stranger, "runs.events", json!({ "id": id }));
        assert_eq!(
            records.next().await.unwrap().unwrap_err().code(),
            ErrorCode::NotFound
        );
        for operation in ["runs.list", "workflows.list"] {
            assert_eq!(
                call(operation, json!({})).await.unwrap()["items"],
                json!([]),
                "{operation}"
            );
        }
        let workflow = json!({ "namespace": "default", "name": "hello" });
        assert_eq!(
            call("workflows.get", workflow.clone()).await.unwrap_err().code(),
            ErrorCode::NotFound
        );
        assert_eq!(
            call("workflows.delete", workflow).await.unwrap(),
            json!({ "deleted": 0 })
        );
        assert_eq!(call("events.list", json!({})).await.unwrap()["events"], json!([]));
        assert_eq!(
            call("secrets.list", json!({})).await.unwrap()["secrets"],
            json!([])
        );
        assert_eq!(
            call("secrets.delete", json!({ "name": "api_key" }))
                .await
                .unwrap(),
            json!({ "deleted": false })
        );

        // An id is taken within its owner's runs only, and an event reaches its owner's runs only.
        call("runs.start", json!({ "document": LISTEN, "id": id }))
            .await
            .unwrap();
        let go = json!({ "id": id, "type": "com.example.go", "data": stranger.user });
        call("runs.signal", go).await.unwrap();
        let run = call("runs.get", json!({ "id": id, "wait": true })).await.unwrap();
        assert_eq!(run["output"], json!([stranger.user]));
        call("events.publish", json!({ "event": { "type": "com.example.go" } }))
            .await
            .unwrap();
    }
    let run = fixture.call("runs.get", json!({ "id": id })).await;
    assert_eq!(run["status"], "running", "{run}");
    assert_eq!(
        fixture.call("workflows.list", json!({})).await["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

async fn requests_that_do_not_fit_name_their_field(fixture: Fixture) {
    for (operation, request, named) in [
        ("runs.get", json!({ "id": 7 }), "'id'"),
        ("runs.get", json!({ "id": "x", "wait": "yes" }), "'id'"),
        (
            "runs.start",
            json!({ "workflow": { "namespace": "default", "name": 1 } }),
            "'workflow.name'",
        ),
        ("runs.start", json!({ "documnt": "x" }), "documnt"),
        ("workflows.get", json!({ "namespace": "default" }), "name"),
        ("events.publish", json!([]), "object"),
    ] {
        let error = fixture.error(operation, request).await;
        assert_eq!(
            (error.code(), error.operation()),
            (ErrorCode::InvalidRequest, Some(operation))
        );
        assert!(error.message().contains(named), "{error}");
    }
    let error = fixture.error("run.start", json!({})).await;
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert!(error.message().contains("runs.start"), "{error}");
    fixture
        .assert_error("runs.events", json!({}), ErrorCode::InvalidRequest)
        .await;
    let mut stream = fixture
        .engine
        .subscribe_json(&fixture.ada, "runs.list", json!({}));
    assert_eq!(
        stream.next().await.unwrap().unwrap_err().code(),
        ErrorCode::InvalidRequest
    );
    assert!(stream.next().await.is_none());
    let mut deep = Value::Null;
    for _ in 0..200 {
        deep = json!([deep]);
    }
    let request = json!({ "document": HELLO, "input": deep });
    fixture
        .assert_error("runs.start", request, ErrorCode::LimitExceeded)
        .await;
}
