//! Histories of runs that earlier versions of the engine have made: this one must do the same.
//!
//! `cargo test -p atom-engine --test it histories::record -- --ignored` adds those that are missing, as this version makes
//! them. A file that is there is never written again: when this version does something else, runs that are under way in the
//! data folders of users would be lost.

use std::collections::BTreeSet;
use std::path::PathBuf;

use atom_engine::{Engine, EngineConfig, Principal};
use atom_workflow::runtime::Recording;
use serde_json::{Value, json};

/// What is done to a run while it is recorded.
enum Do {
    /// Waits until it waits for something of this kind.
    Await(&'static str),
    Pause,
    Resume,
    Cancel,
    /// Sends it an event of this type.
    Signal(&'static str),
    /// Publishes an event of this type.
    Publish(&'static str),
    /// Decides on the approval with this title, once it is there.
    Decide(&'static str, &'static str),
    /// Moves it to a version that has the second text in place of the first.
    Migrate(&'static str, &'static str),
}

/// What is recorded: a name, the tasks, and what is done to the run.
const RECORDED: [(&str, &str, &[Do]); 12] = [
    (
        "flow",
        r#"
do:
  - render: { call: template.render, with: { template: 'Hello {{ name }}', data: { name: '${ .name }' } } }
  - loop:
      for: { each: n, in: '${ [1, 2, 3] }' }
      do: [{ step: { wait: { milliseconds: 1 } } }]
  - choose:
      switch: [{ yes: { when: 'true', then: both } }, { no: { then: end } }]
  - skipped: { set: { n: 1 } }
  - both:
      fork:
        branches:
          - left: { do: [{ rest: { wait: { milliseconds: 2 } } }, { tell: { emit: { event: { with: { type: com.example.told } } } } }] }
          - right: { call: template.render, with: { template: right, data: {} } }
  - attempt:
      try: [{ broken: { raise: { error: { type: 'https://example.com/broken', status: 500 } } } }]
      catch:
        retry: { delay: { milliseconds: 1 }, backoff: { exponential: {} }, jitter: { from: { milliseconds: 1 }, to: { milliseconds: 5 } }, limit: { attempt: { count: 2 } } }
        do: [{ note: { set: { caught: '${ $error.status }' }, export: { as: '{ caught: .caught }' } } }]
  - last: { set: { context: '${ $context }', name: '${ $workflow.input.name }' } }
"#,
        &[],
    ),
    (
        "undone",
        r#"
timeout: { after: PT1H }
do:
  - one:
      call: template.render
      with: { template: one, data: {} }
      metadata: { atom: { compensate: [{ undo: { call: template.render, with: { template: undone, data: {} } } }, { rest: { wait: { milliseconds: 1 } } }] } }
  - two:
      do: [{ inner: { wait: { milliseconds: 1 } } }]
      metadata: { atom: { compensate: [{ tell: { emit: { event: { with: { type: com.example.undone } } } } }] } }
  - three: { raise: { error: { type: 'https://example.com/declined', status: 402 } } }
"#,
        &[],
    ),
    // So long that the run goes on with a new journal.
    (
        "continued",
        r#"
timeout: { after: PT1H }
do:
  - first:
      call: template.render
      with: { template: first, data: {} }
      metadata: { atom: { compensate: [{ undo: { call: template.render, with: { template: undone, data: {} } } }] } }
  - step:
      call: template.render
      with: { template: step, data: {} }
      export: { as: '{ steps: (($context.steps // 0) + 1) }'}
  - more: { switch: [{ again: { when: '${ $context.steps < 10020 }', then: step } }] }
  - last: { raise: { error: { type: 'https://example.com/declined', status: 402, detail: '${ $context.steps | tostring }' } } }
"#,
        &[],
    ),
    (
        "heard",
        r#"
do:
  - hear:
      listen: { to: { one: { with: { type: com.example.go } } } }
      foreach: { do: [{ shape: { set: { n: '${ .n }' } } }] }
  - after: { wait: { milliseconds: 1 } }
"#,
        &[Do::Signal("com.example.go")],
    ),
    (
        "paused",
        r#"
do:
  - hear: { listen: { to: { any: [{ with: { type: com.example.go } }] } }, timeout: { after: PT1H } }
  - after: { call: template.render, with: { template: after, data: {} } }
"#,
        &[Do::Pause, Do::Signal("com.example.go"), Do::Resume],
    ),
    (
        "heard-more",
        r#"
do:
  - one: { listen: { to: { one: { with: { type: com.example.logged } }, }, read: envelope } }
  - counted: { listen: { to: { any: [{ with: { type: com.example.a } }], until: '( . | length ) == 2' } } }
  - ended: { listen: { to: { any: [{ with: { type: com.example.b } }], until: { one: { with: { type: com.example.end } } } } } }
  - all:
      listen:
        to:
          all:
            - { with: { type: com.example.c }, correlate: { order: { from: .data.n } } }
            - { with: { type: com.example.d }, correlate: { order: { from: .data.n } } }
  - each:
      listen: { to: { any: [{ with: { type: com.example.e } }], until: '( . | length ) == 2' } }
      foreach: { item: event, at: place, do: [{ rest: { wait: { milliseconds: 1 } } }, { shape: { set: { n: '${ $event.n }', place: '${ $place }' } } }] }
"#,
        &[
            Do::Await("event"),
            Do::Publish("com.example.logged"),
            Do::Signal("com.example.a"),
            Do::Signal("com.example.a"),
            Do::Signal("com.example.b"),
            Do::Signal("com.example.end"),
            Do::Signal("com.example.c"),
            Do::Signal("com.example.d"),
            Do::Signal("com.example.e"),
            Do::Signal("com.example.e"),
        ],
    ),
    (
        "called",
        r#"
use:
  functions: { greet: { call: template.render, with: { template: 'Hi {{ n }}', data: { n: '${ .name }' } } } }
  retries: { soon: { delay: { milliseconds: 1 }, limit: { attempt: { count: 1 } } } }
do:
  - known: { call: greet, with: { name: '${ .name }' }, export: { as: '{ greeting: . }' } }
  - refused:
      try: [{ ask: { call: http, with: { method: get, endpoint: 'http://127.0.0.1:9/' }, metadata: { atom: { idempotencyKey: '${ "k" }' } } } }]
      catch: { errors: { with: { status: 500 } }, retry: soon, do: [{ never: { set: { n: 1 } } }] }
      if: '${ false }'
  - failed:
      try: [{ ask: { call: http, with: { method: get, endpoint: 'http://127.0.0.1:9/' } } }]
      catch: { as: problem, retry: soon, do: [{ note: { set: { type: '${ $problem.type }' } } }] }
  - late:
      try: [{ slow: { wait: PT1H, timeout: { after: { milliseconds: 2 } } } }]
      catch: { errors: { with: { type: 'https://open-workflow-specification.org/spec/1.0.0/errors/timeout' } }, do: [{ note: { set: { late: true } } }] }
  - race:
      fork: { compete: true, branches: [{ long: { wait: PT1H } }, { short: { wait: { milliseconds: 1 } } }] }
  - loop:
      for: { each: n, at: place, in: '${ [3, 2, 1] }' }
      while: '${ $n > 1 }'
      do:
        - choose: { switch: [{ high: { when: '${ $n > 2 }', then: exit } }, { rest: { then: continue } }] }
        - step: { set: { n: '${ $n }', place: '${ $place }' }, input: { from: '${ { n: $n } }' }, output: { as: '${ .place }' } }
  - end: { set: { all: '${ $context }' }, then: end }
  - unreached: { raise: { error: { type: 'https://example.com/broken', status: 500 } } }
"#,
        &[],
    ),
    (
        "started-others",
        r#"
do:
  - child: { run: { workflow: { namespace: histories, name: child, version: 1.0.0, input: { n: 1 } } } }
  - apart: { run: { workflow: { namespace: histories, name: child, version: latest, input: { n: 2 } }, await: false } }
  - shell: { run: { shell: { command: 'echo "$1"; exit 3', arguments: ['${ .n }'] }, return: all } }
  - script: { run: { script: { language: js, code: 'console.log(process.argv[2])', arguments: [two] } } }
  - broken:
      try: [{ fail: { run: { shell: { command: exit 4 } } } }]
      catch: { do: [{ note: { set: { failed: true } } }] }
  - left: { run: { shell: { command: 'true' }, await: false } }
"#,
        &[],
    ),
    (
        "asked",
        r#"
do:
  - sure: { set: { by: '${ $approval.by }' }, metadata: { atom: { approve: { title: Sure?, deadline: { hours: 1 } } } } }
  - edited: { call: template.render, with: { template: '{{ n }}', data: '${ . }' }, input: { schema: { document: { type: object } } }, metadata: { atom: { approve: { title: Edit, allowEdit: true, form: { type: object, properties: { why: { type: string } } } } } } }
  - refused:
      try: [{ no: { set: { n: 1 }, metadata: { atom: { approve: { title: '${ "No?" }' } } } } }]
      catch: { errors: { with: { status: 403 } }, do: [{ note: { set: { refused: '${ $error.detail }' } } }] }
  - late:
      try: [{ slow: { set: { n: 1 }, metadata: { atom: { approve: { title: Late?, deadline: { milliseconds: 2 }, onDeadline: reject } } } } }]
      catch: { do: [{ note: { set: { late: true } } }] }
  - both: { fork: { compete: true, branches: [{ ask: { set: { n: 1 }, metadata: { atom: { approve: { title: Never? } } } } }, { quick: { wait: { milliseconds: 50 } } }] } }
"#,
        &[
            Do::Decide("Sure?", "approve"),
            Do::Decide("Edit", "edit"),
            Do::Decide("No?", "reject"),
        ],
    ),
    (
        "extended",
        r#"
use:
  extensions:
    - log: { extend: all, when: '${ $task.name != "quiet" }', before: [{ enter: { set: { before: true } } }], after: [{ leave: { wait: { milliseconds: 1 } } }] }
    - cache: { extend: call, before: [{ known: { set: { cached: true }, then: exit } }] }
do:
  - quiet: { set: { n: 1 } }
  - asked: { call: template.render, with: { template: x, data: {} } }
  - nested: { do: [{ inner: { wait: { milliseconds: 1 } } }] }
"#,
        &[],
    ),
    (
        "cancelled",
        r#"
do:
  - book:
      call: template.render
      with: { template: booked, data: {} }
      metadata: { atom: { compensate: [{ undo: { call: template.render, with: { template: '{{ why }}', data: { why: '${ .error }' } } } }] } }
  - again: { for: { in: '${ [1, 2] }' }, do: [{ each: { set: { n: '${ $item }' }, metadata: { atom: { compensate: [{ tell: { emit: { event: { with: { type: com.example.undone } } } } }] } } } }] }
  - hear: { listen: { to: { one: { with: { type: com.example.never } } } } }
"#,
        &[Do::Await("event"), Do::Cancel],
    ),
    (
        "migrated",
        r#"
do:
  - first: { call: template.render, with: { template: x, data: {} } }
  - hear: { listen: { to: { one: { with: { type: com.example.go } } } }, timeout: { after: PT1H } }
  - last: { set: { n: 1 } }
"#,
        &[
            Do::Await("event"),
            Do::Migrate(
                "last: { set: { n: 1 } }",
                "last: { call: template.render, with: { template: y, data: {} } }",
            ),
            Do::Signal("com.example.go"),
        ],
    ),
];

const CHILD: &str = "document: { dsl: 1.0.3, namespace: histories, name: child, version: 1.0.0 }\ndo: [{ give: { set: { n: '${ .n }' } } }]\n";

/// Every kind of task and of event that a machine knows, as it is written in the recordings.
const COVERED: [&str; 37] = [
    "do:",
    "set:",
    "call:",
    "switch:",
    "for:",
    "while:",
    "fork:",
    "compete:",
    "try:",
    "retry:",
    "raise:",
    "wait:",
    "timeout:",
    "emit:",
    "listen:",
    "one:",
    "any:",
    "all:",
    "until:",
    "foreach:",
    "correlate:",
    "workflow:",
    "shell:",
    "script:",
    "await:",
    "approve:",
    "onDeadline:",
    "compensate:",
    "extensions:",
    "functions:",
    "then: exit",
    "then: end",
    "if:",
    "input:",
    "output:",
    "export:",
    "when:",
];
const EVENTS: [&str; 11] = [
    "started",
    "completed",
    "failed",
    "fired",
    "decided",
    "received",
    "signalled",
    "paused",
    "resumed",
    "migrated",
    "cancelled",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/histories")
}

#[test]
fn every_recorded_history_is_replayed_alike() {
    let mut documents = String::new();
    let mut events = BTreeSet::new();
    let mut count = 0;
    for file in std::fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        let recording: Recording = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let replayed = recording.replay().unwrap();
        assert_eq!(replayed.divergence, None, "{}", path.display());
        assert_eq!(replayed.entries, recording.entries.len(), "{}", path.display());
        documents.push_str(&recording.document);
        let kinds = recording
            .entries
            .iter()
            .map(|entry| entry.event["type"].as_str().unwrap().to_owned());
        events.extend(kinds);
        count += 1;
    }
    assert!(count >= RECORDED.len(), "some histories are gone");
    let missing: Vec<_> = COVERED
        .iter()
        .filter(|part| !documents.contains(**part))
        .collect();
    assert_eq!(missing, [&""; 0], "no history shows these");
    let missing: Vec<_> = EVENTS.iter().filter(|kind| !events.contains(**kind)).collect();
    assert_eq!(missing, [&""; 0], "no history has these");
}

/// Calls operations as one user.
struct Caller {
    engine: Engine,
    ada: Principal,
}

impl Caller {
    async fn call(&self, operation: &str, request: Value) -> Value {
        let answer = self.engine.call_json(&self.ada, operation, request).await;
        answer.unwrap()
    }

    async fn carry_out(&self, run: &Value, document: &str, step: &Do) {
        match step {
            Do::Await(kind) => loop {
                let waits = self.call("runs.waits", json!({ "id": run })).await;
                if waits["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|wait| wait["type"] == *kind)
                {
                    return;
                }
                tokio::task::yield_now().await;
            },
            Do::Pause => drop(
                self.call("runs.pause", json!({ "id": run, "reason": "maintenance" }))
                    .await,
            ),
            Do::Resume => drop(self.call("runs.resume", json!({ "id": run })).await),
            Do::Cancel => drop(
                self.call("runs.cancel", json!({ "id": run, "reason": "changed my mind" }))
                    .await,
            ),
            Do::Signal(kind) => {
                let event = json!({ "id": run, "type": kind, "data": { "n": 1 } });
                self.call("runs.signal", event).await;
            }
            Do::Publish(kind) => {
                let event = json!({ "event": { "type": kind, "source": "/histories", "data": { "n": 1 } } });
                self.call("events.publish", event).await;
            }
            Do::Decide(title, decision) => loop {
                let pending = self.call("approvals.list", json!({ "status": "pending" })).await;
                let pending = pending["items"].as_array().unwrap().clone();
                let Some(approval) = pending.iter().find(|approval| approval["title"] == *title) else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let mut decided =
                    json!({ "id": approval["id"], "decision": decision, "comment": "so be it" });
                if *decision == "edit" {
                    decided["form"] = json!({ "why": "better" });
                    decided["input"] = json!({ "n": 2 });
                }
                self.call("approvals.decide", decided).await;
                return;
            },
            Do::Migrate(from, to) => {
                let document = document
                    .replace(from, to)
                    .replace("version: 1.0.0", "version: 2.0.0");
                self.call("workflows.deploy", json!({ "document": document }))
                    .await;
                self.call("runs.migrate", json!({ "id": run, "version": "2.0.0" }))
                    .await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes tests/histories/"]
async fn record() {
    let mut config = EngineConfig::in_memory();
    config.processes.shell = true;
    config.processes.script = true;
    let caller = Caller {
        engine: Engine::open(config).await.unwrap(),
        ada: Principal::new("acme", "ada").unwrap(),
    };
    caller
        .call("workflows.deploy", json!({ "document": CHILD }))
        .await;
    std::fs::create_dir_all(folder()).unwrap();
    for (name, tasks, steps) in RECORDED {
        let path = folder().join(format!("{name}-{}.json", env!("CARGO_PKG_VERSION")));
        if path.exists() {
            continue;
        }
        let head = format!("document: {{ dsl: 1.0.3, namespace: histories, name: {name}, version: 1.0.0 }}");
        let document = format!("{head}{tasks}");
        let start = json!({ "document": document, "input": { "name": "Ada" } });
        let run = caller.call("runs.start", start).await["id"].clone();
        for step in steps {
            caller.carry_out(&run, &document, step).await;
        }
        caller
            .call(
                "runs.get",
                json!({ "id": run, "wait": true, "wait_timeout_ms": 10_000 }),
            )
            .await;
        let recording = caller.call("runs.export", json!({ "id": run })).await;
        assert_ne!(
            recording["status"], "running",
            "{name} does not end: {recording:#}"
        );
        let text = serde_json::to_string_pretty(&recording).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    }
    caller.engine.close().await.unwrap();
}
