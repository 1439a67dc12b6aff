//! Whole stores are copied from one database to the other, and everything goes on there.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atom_core::testkit::ManualClock;
use atom_engine::{Engine, EngineConfig, ErrorCode, Principal, Storage, storage};
use serde_json::{Value, json};
use sqlx::ConnectOptions;

use crate::support::postgres;

/// A workflow of a name, with what its tasks and the keys beside them are.
fn document(name: &str, rest: &str) -> String {
    format!("document:\n  dsl: 1.0.3\n  namespace: tests\n  name: {name}\n  version: 1.0.0{rest}")
}

const WAIT: &str = "
do:
  - wait: { wait: { hours: 1 } }
  - end: { set: { waited: true } }
";
const LISTEN: &str = "
use: { secrets: [token] }
do:
  - hear: { listen: { to: { one: { with: { type: com.example.go } } } } }
  - end: { set: { heard: '${ .[0] }', length: '${ $secrets.token | length }' } }
";
const QUEUE: &str = "
  metadata: { atom: { concurrency: { limit: 1 } } }
do:
  - hear: { listen: { to: { one: { with: { type: com.example.go } } } } }
";
const LATEST: &str = "
  metadata: { atom: { concurrency: { limit: 1, onLimit: cancelOldest } } }
do:
  - hear: { listen: { to: { one: { with: { type: com.example.never } } } } }
";
const FAIL: &str = "
do:
  - fail: { raise: { error: { type: 'https://example.com/broken', status: 500, title: Broken } } }
";
const EVERY: &str = "
schedule: { every: { days: 1 } }
do:
  - end: { set: { ran: true } }
";

const ASK: &str = "
do:
  - ask:
      set: { by: '${ $approval.by }' }
      metadata:
        atom:
          approve:
            title: Really?
            form: { type: object, properties: { account: { type: string } } }
            assignees: { roles: [finance], users: [bob] }
";

const TEMPLATE: &str = "
template:
  name: own
  version: 1.0.0
  title: My own
  parameters: { type: object, properties: { name: { type: string, default: world } } }
workflow:
  document: { dsl: 1.0.3, namespace: tests, name: own, version: 0.1.0 }
  do:
    - greet: { set: { greeted: { $parameter: name } } }
";

/// An engine on a storage, at a time that only tests move.
struct Bench {
    engine: Engine,
}

impl Bench {
    async fn open(config: &EngineConfig, clock: &Arc<ManualClock>, resume: bool) -> Self {
        let config = EngineConfig {
            resume,
            ..config.clone()
        };
        let builder = Engine::builder(config).with_clock(Arc::clone(clock) as _);
        Self {
            engine: builder.open().await.unwrap(),
        }
    }

    async fn call_as(&self, user: &str, operation: &str, request: Value) -> Value {
        let principal = Principal::new("acme", user).unwrap();
        let answer = self.engine.call_json(&principal, operation, request).await;
        answer.unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    async fn call(&self, operation: &str, request: Value) -> Value {
        self.call_as("ada", operation, request).await
    }

    async fn start(&self, name: &str, rest: &str, input: Value) -> String {
        let start = json!({ "document": document(name, rest), "input": input });
        let run = self.call("runs.start", start).await;
        run["id"].as_str().unwrap().to_owned()
    }

    async fn ended(&self, id: &str) -> Value {
        let get = self.call("runs.get", json!({ "id": id, "wait": true }));
        tokio::time::timeout(Duration::from_secs(60), get).await.unwrap()
    }

    /// Everything that the operations show.
    async fn everything(&self) -> Value {
        let mut shown = json!({});
        for (operation, request) in [
            ("workflows.list", json!({})),
            ("templates.get", json!({ "name": "own" })),
            ("runs.list", json!({ "error_type": "https://example.com/broken" })),
            ("runs.list", json!({ "tags": { "colour": "red" } })),
            ("runs.list", json!({ "status": "queued" })),
            ("runs.list", json!({})),
            ("approvals.list", json!({})),
            ("events.list", json!({})),
            ("secrets.list", json!({})),
            ("schedules.list", json!({})),
            ("alerts.list", json!({})),
            ("analytics.workflows", json!({})),
            ("analytics.steps", json!({ "namespace": "tests", "name": "fail" })),
        ] {
            let key = format!("{operation} {request}");
            shown[key] = self.call(operation, request).await;
        }
        let ids = |list: &Value| -> Vec<Value> {
            let items = list["items"].as_array().unwrap();
            items.iter().map(|item| item["id"].clone()).collect()
        };
        for id in ids(&shown["runs.list {}"].clone()) {
            for operation in ["runs.get", "runs.history"] {
                shown[format!("{operation} {id}")] = self.call(operation, json!({ "id": id })).await;
            }
        }
        for id in ids(&shown["approvals.list {}"].clone()) {
            shown[format!("approvals.get {id}")] = self.call("approvals.get", json!({ "id": id })).await;
            // Bob is asked, and only he sees it beside Ada.
            shown[format!("bob {id}")] = self.call_as("bob", "approvals.get", json!({ "id": id })).await;
        }
        shown
    }

    async fn close(self) {
        self.engine.close().await.unwrap();
    }
}

/// The runs that wait, by what they wait for.
struct Runs {
    timer: String,
    event: String,
    approval: String,
    queued: String,
    latest: String,
}

/// Gives an engine something of everything.
async fn populate(bench: &Bench) -> Runs {
    bench
        .call("secrets.set", json!({ "name": "token", "value": "s3cr3t" }))
        .await;
    bench
        .call("secrets.set", json!({ "name": "old", "value": "gone" }))
        .await;
    bench.call("secrets.delete", json!({ "name": "old" })).await;
    bench.call("templates.save", json!({ "text": TEMPLATE })).await;
    let deploy = json!({ "document": document("every", EVERY) });
    bench.call("workflows.deploy", deploy).await;
    let condition = json!({ "type": "failure_rate", "above": 0.5, "window_ms": 600_000 });
    let rule =
        json!({ "name": "failures", "namespace": "tests", "workflow": "fail", "condition": condition });
    bench.call("alerts.set", json!({ "rule": rule })).await;

    // Large data, and characters that PostgreSQL does not keep as they are.
    let large = json!({ "large": "0123456789abcdef".repeat(20_000), "odd": "\u{0}\u{1}\u{2}" });
    let echo = "
do:
  - all: { set: '${ . }' }
";
    let echoed = bench.start("echo", echo, large.clone()).await;
    assert_eq!(bench.ended(&echoed).await["output"], large);
    let event = json!({ "id": "1", "source": "/tests/\u{1}", "type": "com.example.large", "data": large });
    bench.call("events.publish", json!({ "event": event })).await;
    let failed = bench.start("fail", FAIL, json!({})).await;
    assert_eq!(bench.ended(&failed).await["status"], "faulted");
    let keyed = json!({
        "document": document("keyed", echo), "input": 1, "idempotency_key": "once\u{1}", "tags": { "colour": "red" },
    });
    bench.call("runs.start", keyed).await;

    let decided = bench.start("ask", ASK, json!({})).await;
    let approval = bench.approval_of(&decided).await;
    let decision =
        json!({ "id": approval, "decision": "approve", "form": { "account": "A1" }, "comment": "well" });
    bench.call_as("bob", "approvals.decide", decision).await;
    bench.ended(&decided).await;

    bench.start("queue", QUEUE, json!({})).await;
    Runs {
        timer: bench.start("wait", WAIT, json!({})).await,
        event: bench.start("listen", LISTEN, json!({})).await,
        approval: bench.start("ask", ASK, json!({})).await,
        queued: bench.start("queue", QUEUE, json!({})).await,
        latest: bench.start("latest", LATEST, json!({})).await,
    }
}

impl Bench {
    async fn approval_of(&self, run: &str) -> Value {
        let listed = self.call("approvals.list", json!({ "run": run })).await;
        listed["items"][0]["id"].clone()
    }

    /// What waits goes on, and what there was once is not there twice.
    async fn goes_on(&self, runs: &Runs, clock: &ManualClock) {
        clock.advance(Duration::from_secs(3600));
        assert_eq!(self.ended(&runs.timer).await["output"], json!({ "waited": true }));

        let again = json!({ "id": "1", "source": "/tests/\u{1}", "type": "com.example.large" });
        let ada = Principal::new("acme", "ada").unwrap();
        let again = self
            .engine
            .call_json(&ada, "events.publish", json!({ "event": again }));
        // An event is logged once for each source and id.
        assert_eq!(again.await.unwrap_err().code(), ErrorCode::AlreadyExists);
        let go = json!({ "type": "com.example.go", "data": "now" });
        let offset = self.call("events.publish", json!({ "event": go })).await["offset"].clone();
        assert!(offset.as_u64() > Some(1), "no offset comes back: {offset}");
        let heard = json!({ "heard": "now", "length": 6 });
        assert_eq!(self.ended(&runs.event).await["output"], heard);
        // The one before it in the queue has ended by now, so that it begins, and hears the next one.
        self.begun(&runs.queued).await;
        let signal = json!({ "id": runs.queued, "type": "com.example.go", "data": 1 });
        self.call("runs.signal", signal).await;
        assert_eq!(self.ended(&runs.queued).await["output"], json!([1]));

        let approval = self.approval_of(&runs.approval).await;
        let decision = json!({ "id": approval, "decision": "approve" });
        self.call_as("bob", "approvals.decide", decision).await;
        assert_eq!(self.ended(&runs.approval).await["output"], json!({ "by": "bob" }));

        self.start("latest", LATEST, json!({})).await;
        assert_eq!(self.ended(&runs.latest).await["status"], "cancelled");
        let keyed = json!({ "document": document("keyed", "\ndo:\n  - all: { set: '${ . }' }\n"), "input": 1,
            "idempotency_key": "once\u{1}", "tags": { "colour": "red" } });
        self.call("runs.start", keyed).await;
        let red = self
            .call("runs.list", json!({ "tags": { "colour": "red" } }))
            .await;
        assert_eq!(red["items"].as_array().unwrap().len(), 1, "{red}");
    }

    /// Waits until a run has begun.
    async fn begun(&self, run: &str) {
        let begun = async {
            while self.call("runs.get", json!({ "id": run })).await["status"] == "queued" {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), begun)
            .await
            .unwrap();
    }
}

fn in_folder(folder: &Path, name: &str) -> EngineConfig {
    EngineConfig::in_folder(folder.join(name))
}

/// An engine on a new database; none where PostgreSQL is not installed.
async fn in_database(folder: &Path, name: &str) -> Option<EngineConfig> {
    Some(EngineConfig {
        storage: postgres().await?.parse().unwrap(),
        ..in_folder(folder, name)
    })
}

/// What is shown of a storage by an engine that does nothing by itself.
async fn shown(config: &EngineConfig, clock: &Arc<ManualClock>) -> Value {
    let bench = Bench::open(config, clock, false).await;
    let shown = bench.everything().await;
    bench.close().await;
    shown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_shows_the_same_and_every_run_goes_on_there() {
    let folder = tempfile::tempdir().unwrap();
    let Some(database) = in_database(folder.path(), "keys").await else {
        return;
    };
    let clock = Arc::new(ManualClock::default());
    let (first, last) = (
        in_folder(folder.path(), "first"),
        in_folder(folder.path(), "last"),
    );
    let bench = Bench::open(&first, &clock, true).await;
    let runs = populate(&bench).await;
    bench.close().await;
    let expected = shown(&first, &clock).await;

    let there = storage::copy(&first, &database).await.unwrap();
    assert!(there.has_root_key && folder.path().join("keys/root.key").exists());
    assert!(!folder.path().join("keys/atom.db").exists());
    let counted = |name: &str| there.tables.iter().find(|table| table.name == name).unwrap().rows;
    for name in [
        "runs",
        "journal",
        "events",
        "approvals",
        "blobs",
        "secrets",
        "alerts",
        "schedules",
    ] {
        assert!(counted(name) > 0, "{name} was not tested");
    }
    assert_eq!(shown(&database, &clock).await, expected);
    let back = storage::copy(&database, &last).await.unwrap();
    assert_eq!(back, there, "both databases add up to the same");
    assert_eq!(shown(&last, &clock).await, expected);

    for config in [&database, &last] {
        let bench = Bench::open(config, &clock, true).await;
        bench.goes_on(&runs, &clock).await;
        bench.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_copied_over_what_is_there_or_half() {
    let folder = tempfile::tempdir().unwrap();
    let Some(database) = in_database(folder.path(), "keys").await else {
        return;
    };
    let clock = Arc::new(ManualClock::default());
    let (first, other) = (
        in_folder(folder.path(), "first"),
        in_folder(folder.path(), "other"),
    );
    let refused = async |from: &EngineConfig, to: &EngineConfig, code: ErrorCode| {
        let error = storage::copy(from, to).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    };
    refused(&first, &database, ErrorCode::NotFound).await;
    refused(&database, &first, ErrorCode::NotFound).await;
    assert!(!folder.path().join("first/atom.db").exists());
    refused(&EngineConfig::in_memory(), &first, ErrorCode::InvalidRequest).await;

    for config in [&first, &other] {
        let bench = Bench::open(config, &clock, false).await;
        refused(config, &database, ErrorCode::Locked).await;
        bench
            .call("secrets.set", json!({ "name": "token", "value": "s3cr3t" }))
            .await;
        let large = json!({ "id": "1", "source": "/tests", "type": "com.example.large", "data": "x".repeat(100_000) });
        bench.call("events.publish", json!({ "event": large })).await;
        bench.close().await;
    }
    refused(&first, &other, ErrorCode::AlreadyExists).await;

    // The last of what is copied cannot be read.
    let damage = async |config: &EngineConfig, statement: &'static str| {
        let path = config.data_dir.as_ref().unwrap().join("atom.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut connection = options.connect().await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    };
    damage(&first, "UPDATE events SET event_parts = '[[0, \"0\"]]'").await;
    let third = in_folder(folder.path(), "third");
    for target in [&database, &third] {
        refused(&first, target, ErrorCode::InvalidData).await;
        assert!(!target.data_dir.as_ref().unwrap().join("root.key").exists());
    }
    let left: Vec<_> = std::fs::read_dir(folder.path().join("third")).unwrap().collect();
    assert_eq!(left.len(), 1, "only the lock is there: {left:?}");

    storage::copy(&other, &database).await.unwrap();
    refused(&other, &database, ErrorCode::AlreadyExists).await;
    // A key that opens something else stays.
    let fourth = in_folder(folder.path(), "fourth");
    std::fs::create_dir_all(folder.path().join("fourth")).unwrap();
    std::fs::write(folder.path().join("fourth/root.key"), "b3RoZXI=\n").unwrap();
    refused(&database, &fourth, ErrorCode::AlreadyExists).await;
    assert!(!folder.path().join("fourth/atom.db").exists());
    assert!(matches!(database.storage, Storage::Postgres(_)));
}
