//! The bridge, as a host language uses it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use atom_engine::bridge::Bridge;
use serde_json::{Value, json};

use crate::support::{HELLO, LISTEN, SLEEP};

/// Longer than anything here takes: a test that waits so long has failed.
const LONG_MS: u64 = 30_000;

const MEMORY: &str = r#"{ "storage": "memory" }"#;

/// A host with one thread that takes messages when it needs them.
struct Host {
    bridge: Bridge,
    early: Vec<Value>,
}

impl Host {
    fn open(config: &str) -> Self {
        Self {
            bridge: Bridge::open(config).unwrap(),
            early: Vec::new(),
        }
    }

    fn submit(&self, operation: &str, request: &Value) -> u64 {
        self.bridge.submit(operation, "", &request.to_string())
    }

    /// The next message that fits; others are kept for later.
    fn next(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.early.iter().position(&fits) {
            return self.early.remove(index);
        }
        loop {
            let messages = self.bridge.poll(64, LONG_MS);
            assert!(!messages.is_empty(), "no message; kept are {:?}", self.early);
            self.early.extend(
                messages
                    .iter()
                    .map(|message| serde_json::from_str::<Value>(message).unwrap()),
            );
            if let Some(index) = self.early.iter().position(&fits) {
                return self.early.remove(index);
            }
        }
    }

    fn of(&mut self, id: u64) -> Value {
        self.next(|message| message["id"] == id)
    }

    fn host_call(&mut self) -> Value {
        self.next(|message| message["type"] == "host_call")
    }

    fn ok(&mut self, operation: &str, request: &Value) -> Value {
        let id = self.submit(operation, request);
        let message = self.of(id);
        assert_eq!(message["type"], "result", "{message}");
        assert!(message.get("err").is_none(), "{message}");
        message["ok"].clone()
    }

    fn error(&mut self, operation: &str, principal: &str, request: &str) -> Value {
        let id = self.bridge.submit(operation, principal, request);
        self.of(id)["err"].clone()
    }

    fn reply(&self, call: &Value, reply: &Value) {
        self.bridge
            .reply(call["call"].as_u64().unwrap(), &reply.to_string());
    }
}

#[test]
fn a_call_is_answered_by_a_message() {
    let mut host = Host::open(MEMORY);
    let info = host.ok("engine.info", &json!({}));
    assert_eq!(info["storage"], "memory");
    let start = json!({ "document": HELLO, "input": { "name": "Ada" }, "wait": true });
    assert_eq!(
        host.ok("runs.start", &start)["output"],
        json!({ "greeting": "Hello Ada" })
    );
    let bob = r#"{ "tenant": "default", "user": "bob" }"#;
    let id = host.bridge.submit("runs.list", bob, "");
    assert_eq!(host.of(id)["ok"]["items"], json!([]));
}

#[test]
fn what_does_not_fit_is_answered_by_an_error() {
    let mut host = Host::open(MEMORY);
    let too_long = " ".repeat(100 * 1024 * 1024);
    for (operation, principal, request, code) in [
        ("run.start", "", "{}", "not_found"),
        ("", "", "{}", "not_found"),
        ("runs.get", "", "{", "invalid_request"),
        ("runs.get", "", "[]", "invalid_request"),
        ("runs.get", "", "{}", "invalid_request"),
        ("runs.list", "{", "{}", "invalid_request"),
        ("runs.list", r#"{ "tenant": "acme" }"#, "{}", "invalid_request"),
        (
            "runs.list",
            r#"{ "tenant": "", "user": "ada" }"#,
            "{}",
            "invalid_request",
        ),
        (
            "secrets.list",
            r#"{ "tenant": "a", "user": "b", "roles": ["c"] }"#,
            "{}",
            "permission_denied",
        ),
        ("runs.list", "", &too_long, "limit_exceeded"),
        ("runs.list", "", &"[".repeat(100_000), "limit_exceeded"),
        ("events.subscribe", "", &too_long, "limit_exceeded"),
        ("events.subscribe", "", "{", "invalid_request"),
        ("events.subscribe", "{", "{}", "invalid_request"),
        ("runs.events", "", r#"{ "id": 7 }"#, "invalid_request"),
    ] {
        let error = host.error(operation, principal, request);
        assert_eq!(error["code"], code, "{operation} {error}");
        assert_eq!(error["operation"], operation);
    }
    assert!(
        host.ok("runs.list", &json!({}))["items"].is_array(),
        "the bridge still works"
    );
    for config in [
        "{",
        r#"{ "storrage": "memory" }"#,
        r#"{ "storage": "memory", "user": "" }"#,
    ] {
        let error: Value = serde_json::from_str(&Bridge::open(config).unwrap_err()).unwrap();
        assert_eq!(
            (&error["code"], &error["operation"]),
            (&json!("invalid_request"), &json!("engine.open"))
        );
    }
}

#[test]
fn a_stream_gives_items_and_one_end() {
    let mut host = Host::open(MEMORY);
    let start = json!({ "document": HELLO, "input": { "name": "Ada" } });
    let run = host.ok("runs.start", &start)["id"].clone();
    let id = host.submit("runs.events", &json!({ "id": run }));
    let mut types = Vec::new();
    loop {
        let message = host.of(id);
        if message["type"] == "end" {
            assert!(message.get("err").is_none(), "{message}");
            break;
        }
        types.push(message["item"]["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        types,
        ["run_started", "task_started", "task_completed", "run_completed"]
    );
}

#[test]
fn a_stream_waits_for_the_host_to_take_its_items() {
    let mut host = Host::open(MEMORY);
    for number in 0..600 {
        host.ok(
            "events.publish",
            &json!({ "event": { "type": "com.example.a", "data": number } }),
        );
    }
    let id = host.submit("events.subscribe", &json!({ "after": 0 }));
    // Plenty of time for a stream that does not wait to bring everything.
    for _ in 0..100 {
        let answered = host.bridge.call("engine.info", "", "");
        futures::executor::block_on(answered).unwrap();
    }
    let mut numbers = Vec::new();
    while numbers.len() < 600 {
        let messages = host.bridge.poll(10_000, LONG_MS);
        assert!(messages.len() <= 256, "{} items were waiting", messages.len());
        numbers.extend(messages.iter().map(|message| number(message, id)));
    }
    assert_eq!(numbers, (0..600).collect::<Vec<_>>());
    host.bridge.cancel(id);
    assert_eq!(host.of(id), json!({ "type": "end", "id": id }));
}

fn number(message: &str, id: u64) -> u64 {
    let message: Value = serde_json::from_str(message).unwrap();
    assert_eq!((&message["type"], &message["id"]), (&json!("item"), &json!(id)));
    message["item"]["event"]["data"].as_u64().unwrap()
}

#[test]
fn a_paused_stream_waits_until_it_is_resumed() {
    let mut host = Host::open(MEMORY);
    for number in 0..600 {
        host.ok(
            "events.publish",
            &json!({ "event": { "type": "com.example.a", "data": number } }),
        );
    }
    let id = host.submit("events.subscribe", &json!({ "after": 0 }));
    host.bridge.pause(id);
    let mut numbers = Vec::new();
    for _ in 0..100 {
        // Answered while the stream waits, and plenty of time for one that does not.
        futures::executor::block_on(host.bridge.call("engine.info", "", "")).unwrap();
        numbers.extend(
            host.bridge
                .drain(10_000)
                .iter()
                .map(|message| number(message, id)),
        );
    }
    assert!(
        numbers.len() <= 257,
        "{} items came although the stream was paused",
        numbers.len()
    );
    host.bridge.resume(id);
    while numbers.len() < 600 {
        numbers.extend(
            host.bridge
                .poll(10_000, LONG_MS)
                .iter()
                .map(|message| number(message, id)),
        );
    }
    assert_eq!(numbers, (0..600).collect::<Vec<_>>());
    host.bridge.pause(id);
    host.bridge.cancel(id);
    assert_eq!(host.of(id), json!({ "type": "end", "id": id }));
}

#[test]
fn a_subscription_sees_what_is_published_after_it() {
    let mut host = Host::open(MEMORY);
    let id = host.submit("events.subscribe", &json!({}));
    host.ok("events.publish", &json!({ "event": { "type": "com.example.a" } }));
    assert_eq!(host.of(id)["item"]["event"]["type"], "com.example.a");
}

#[test]
fn calls_and_streams_can_be_cancelled() {
    let mut host = Host::open(MEMORY);
    let run = host.ok("runs.start", &json!({ "document": SLEEP }))["id"].clone();
    let call = host.submit("runs.get", &json!({ "id": run, "wait": true }));
    let stream = host.submit("events.subscribe", &json!({}));
    host.bridge.cancel(call);
    host.bridge.cancel(stream);
    host.bridge.cancel(999);
    let message = host.of(call);
    assert_eq!(
        (&message["err"]["code"], &message["err"]["operation"]),
        (&json!("cancelled"), &json!("runs.get"))
    );
    assert_eq!(host.of(stream), json!({ "type": "end", "id": stream }));
    host.bridge.cancel(call);
    assert_eq!(
        host.ok("runs.get", &json!({ "id": run }))["status"],
        "running",
        "the run goes on"
    );
}

#[test]
fn a_run_calls_a_function_of_the_host() {
    let mut host = Host::open(MEMORY);
    host.bridge
        .register_function(r#"{ "name": "host.double", "description": "Doubles a number." }"#)
        .unwrap();
    let document = "
document: { dsl: 1.0.3, namespace: default, name: double, version: 0.1.0 }
do:
  - double: { call: host.double, with: { number: 21 } }
";
    let start = json!({ "document": document, "directory": "/srv", "wait": true });
    let id = host.submit("runs.start", &start);
    let call = host.host_call();
    assert_eq!(
        (&call["function"], &call["arguments"]),
        (&json!("host.double"), &json!({ "number": 21 }))
    );
    let context = &call["context"];
    assert_eq!(
        (&context["tenant"], &context["user"]),
        (&json!("default"), &json!("default"))
    );
    assert_eq!(
        (&context["task"], &context["directory"]),
        (&json!("/do/0/double"), &json!("/srv"))
    );
    assert!(
        context["run"].is_string()
            && context["idempotency_key"].is_string()
            && context["deadline"].is_string()
    );
    host.reply(&call, &json!({ "ok": 42 }));
    host.reply(&call, &json!({ "ok": 43 }));
    assert_eq!(host.of(id)["ok"]["output"], 42);

    assert!(
        host.bridge
            .register_function(r#"{ "name": "host.double" }"#)
            .unwrap_err()
            .contains("already_exists")
    );
    assert!(
        host.bridge
            .register_function(r#"{ "name": "No Name" }"#)
            .unwrap_err()
            .contains("invalid_request")
    );
    assert!(
        host.bridge
            .register_function("{")
            .unwrap_err()
            .contains("invalid_request")
    );
    assert!(host.bridge.unregister_function("host.double"));
    assert!(!host.bridge.unregister_function("host.double"));
    assert_eq!(
        host.error("functions.call", "", r#"{ "name": "host.double" }"#)["code"],
        "not_found"
    );
}

#[test]
fn a_function_of_the_host_can_fail() {
    let mut host = Host::open(MEMORY);
    host.bridge.register_function(r#"{ "name": "fails" }"#).unwrap();
    for (reply, code, message) in [
        (
            json!({ "err": { "code": "rate_limited", "message": "slow down", "context": { "a": "b" } } }),
            "rate_limited",
            "slow down",
        ),
        (
            json!({ "err": { "message": "ValueError: bad" } }),
            "host_failed",
            "ValueError: bad",
        ),
        (json!("nonsense"), "host_failed", "malformed"),
    ] {
        let id = host.submit("functions.call", &json!({ "name": "fails" }));
        let call = host.host_call();
        assert_eq!(call["arguments"], json!({}));
        host.reply(&call, &reply);
        let error = host.of(id)["err"].clone();
        assert_eq!(error["code"], code);
        assert!(error["message"].as_str().unwrap().contains(message), "{error}");
        assert_eq!(
            (&error["operation"], &error["context"]["function"]),
            (&json!("fails"), &json!("fails"))
        );
    }
    host.bridge.reply(999, "{}");
}

#[test]
fn the_host_is_told_when_nobody_waits_any_more() {
    let mut host = Host::open(r#"{ "storage": "memory", "host_call_timeout_ms": 50 }"#);
    host.bridge.register_function(r#"{ "name": "slow" }"#).unwrap();
    let cancelled_message = |call: &Value| json!({ "type": "host_cancel", "call": call["call"] });

    // The host's own limit, and a shorter one of the caller.
    for request in [
        json!({ "name": "slow" }),
        json!({ "name": "slow", "timeout_ms": 1 }),
    ] {
        let id = host.submit("functions.call", &request);
        let call = host.host_call();
        assert_eq!(
            host.next(|message| message["type"] == "host_cancel"),
            cancelled_message(&call)
        );
        assert_eq!(host.of(id)["err"]["code"], "timeout");
        host.reply(&call, &json!({ "ok": 1 }));
    }

    let mut host = Host::open(MEMORY);
    host.bridge.register_function(r#"{ "name": "slow" }"#).unwrap();
    let id = host.submit("functions.call", &json!({ "name": "slow" }));
    let call = host.host_call();
    host.bridge.cancel(id);
    assert_eq!(
        host.next(|message| message["type"] == "host_cancel"),
        cancelled_message(&call)
    );
    assert_eq!(host.of(id)["err"]["code"], "cancelled");
}

#[test]
fn a_host_that_does_not_answer_gets_a_bounded_number_of_calls() {
    let mut host = Host::open(MEMORY);
    host.bridge.register_function(r#"{ "name": "busy" }"#).unwrap();
    let ids: Vec<_> = (0..1_100)
        .map(|_| host.submit("functions.call", &json!({ "name": "busy" })))
        .collect();
    let calls: Vec<_> = (0..1_024).map(|_| host.host_call()).collect();
    // What is answered in order proves that nothing else came before it.
    host.ok("engine.info", &json!({}));
    assert!(host.early.iter().all(|message| message["type"] != "host_call"));
    for call in &calls {
        host.reply(call, &json!({ "ok": 1 }));
    }
    for _ in 0..76 {
        let call = host.host_call();
        host.reply(&call, &json!({ "ok": 1 }));
    }
    for id in ids {
        assert_eq!(host.of(id)["ok"]["output"], 1);
    }
}

#[test]
fn too_many_calls_at_once_are_refused() {
    let mut host = Host::open(MEMORY);
    let run = host.ok("runs.start", &json!({ "document": SLEEP }))["id"].clone();
    let wait = json!({ "id": run, "wait": true });
    let ids: Vec<_> = (0..10_000).map(|_| host.submit("runs.get", &wait)).collect();
    assert_eq!(host.error("runs.list", "", "{}")["code"], "limit_exceeded");
    assert_eq!(host.error("events.subscribe", "", "{}")["code"], "limit_exceeded");
    let mut answered = HashMap::new();
    let refused: Vec<_> = (0..50_000)
        .map(|count| host.submit(["runs.list", "events.subscribe"][count % 2], &json!({})))
        .collect();
    for chunk in refused.chunks(1_000) {
        let messages: Vec<Value> = host
            .bridge
            .poll(chunk.len(), LONG_MS)
            .iter()
            .map(|message| serde_json::from_str(message).unwrap())
            .collect();
        assert_eq!(messages.len(), chunk.len());
        for message in messages {
            assert_eq!(message["err"]["code"], "limit_exceeded", "{message}");
            answered.insert(message["id"].as_u64().unwrap(), message["type"].clone());
        }
    }
    for (count, id) in refused.iter().enumerate() {
        assert_eq!(
            answered[id],
            ["result", "end"][count % 2],
            "each gets its own answer"
        );
    }
    host.bridge.cancel(ids[0]);
    assert_eq!(host.of(ids[0])["err"]["code"], "cancelled");
    assert!(host.ok("runs.list", &json!({}))["items"].is_array());
}

#[test]
fn closing_ends_everything_with_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "data_dir": folder.path() }).to_string();
    let mut host = Host::open(&config);
    host.bridge.register_function(r#"{ "name": "slow" }"#).unwrap();
    let run = host.ok("runs.start", &json!({ "document": LISTEN }))["id"].clone();
    let wait = host.submit("runs.get", &json!({ "id": run, "wait": true }));
    let call = host.submit("functions.call", &json!({ "name": "slow" }));
    let stream = host.submit("runs.events", &json!({ "id": run }));
    host.host_call();
    host.bridge.close(0);
    for id in [wait, call] {
        assert_eq!(host.of(id)["err"]["code"], "closed");
    }
    let end = host.next(|message| message["id"] == stream && message["type"] == "end");
    assert_eq!(end["err"]["code"], "closed");
    host.next(|message| message["type"] == "closed");
    assert!(
        host.bridge.poll(10, LONG_MS).is_empty(),
        "poll does not wait any more"
    );
    host.bridge.close(0);
    let late = host.bridge.submit("runs.list", "", "{}");
    assert_eq!(host.of(late)["err"]["code"], "closed");

    // The folder is free, and what was under way goes on.
    let mut host = Host::open(&config);
    let signal = json!({ "id": run, "type": "com.example.go", "data": 1 });
    host.ok("runs.signal", &signal);
    assert_eq!(
        host.ok("runs.get", &json!({ "id": run, "wait": true }))["output"],
        json!([1])
    );
    drop(host);
    let host = Host::open(&config);
    host.bridge.close(LONG_MS);
}

#[test]
fn a_waiting_poll_ends_when_the_bridge_closes() {
    let bridge = Arc::new(Bridge::open(MEMORY).unwrap());
    let (sender, received) = mpsc::channel();
    for _ in 0..2 {
        let (bridge, sender) = (Arc::clone(&bridge), sender.clone());
        std::thread::spawn(move || sender.send(bridge.poll(1, u64::MAX)));
    }
    bridge.close(0);
    let mut messages = Vec::new();
    for _ in 0..2 {
        messages.extend(
            received
                .recv_timeout(std::time::Duration::from_millis(LONG_MS))
                .unwrap(),
        );
    }
    assert_eq!(messages, [r#"{"type":"closed"}"#]);
}

#[test]
fn the_waker_announces_messages() {
    let bridge = Bridge::open(MEMORY).unwrap();
    let wakes = Arc::new(AtomicUsize::new(0));
    let (sender, woken) = mpsc::channel();
    let counter = Arc::clone(&wakes);
    bridge.set_waker(Box::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        // The test may be over.
        let _ = sender.send(());
    }));
    bridge.submit("engine.info", "", "");
    woken
        .recv_timeout(std::time::Duration::from_millis(LONG_MS))
        .unwrap();
    assert_eq!(bridge.drain(10).len(), 1);
    assert!(bridge.drain(10).is_empty());
}

#[test]
fn calls_cancelled_at_any_moment_leave_the_bridge_usable() {
    let mut host = Host::open(MEMORY);
    host.bridge.register_function(r#"{ "name": "echo" }"#).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let bridge = &host.bridge;
            scope.spawn(move || {
                for _ in 0..200 {
                    let id = bridge.submit("functions.call", "", r#"{ "name": "echo" }"#);
                    bridge.cancel(id);
                }
            });
        }
    });
    assert_eq!(host.ok("engine.health", &json!({}))["status"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rust_program_calls_without_the_queue() {
    let bridge = Bridge::open(MEMORY).unwrap();
    let answer: Value = serde_json::from_str(&bridge.call("engine.info", "", "").await.unwrap()).unwrap();
    assert_eq!(answer["name"], "atom");
    let error: Value = serde_json::from_str(&bridge.call("runs.get", "", "{").await.unwrap_err()).unwrap();
    assert_eq!(error["code"], "invalid_request");
    bridge.close(0);
    let error: Value = serde_json::from_str(&bridge.call("engine.info", "", "").await.unwrap_err()).unwrap();
    assert_eq!(error["code"], "closed");
}
