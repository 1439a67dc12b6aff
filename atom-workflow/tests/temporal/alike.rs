//! What runs give is the same on Temporal as with the embedded runtime, and calls have the same keys.

use std::sync::Arc;
use std::time::Duration;

use atom_workflow::temporal::replay;
use serde_json::{Value, json};

use crate::world::{World, deploy, embedded, keep_secret, operator};

const CHILD: &str = "
document: { dsl: 1.0.3, namespace: default, name: child, version: 1.0.0 }
do:
  - rest: { wait: { milliseconds: 100 } }
  - give: { set: { answer: '${ .question * 2 }' } }
";

const FAULTY: &str = "
document: { dsl: 1.0.3, namespace: default, name: faulty, version: 1.0.0 }
do:
  - break: { raise: { error: { type: https://example.com/broken, status: 500, title: Broken, detail: '${ .why }' } } }
";

/// Documents of all kinds, with an input.
fn documents() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("nothing", "- a: { set: { ok: true } }", Value::Null),
        ("null", "- a: { set: '${ null }' }", json!({})),
        (
            "data",
            r#"
- first: { input: { from: .user }, set: { name: '${ .first + " " + $input.last }' }, output: { as: '.name' }, export: { as: '{ greeted: . }' } }
- second: { call: echo, with: { previous: '${ . }', context: '${ $context.greeted }', raw: '${ $workflow.input.user.first }' } }
- third: { set: { big: 12345678901234567890, float: 0.1, texts: '${ .previous }' } }
"#,
            json!({ "user": { "first": "Ada", "last": "Lovelace" } }),
        ),
        (
            "switch",
            r#"
- choose: { switch: [{ small: { when: .n < 10, then: small } }, { other: { then: exit } }] }
- large: { set: { size: large }, then: end }
- small: { call: echo, with: { size: small } }
"#,
            json!({ "n": 1 }),
        ),
        (
            "loops",
            r#"
- loop: { for: { each: n, in: '${ [1, 2, 3] }' }, do: [{ one: { call: echo, with: { n: '${ $n }', i: '${ $index }' } } }] }
- all: { set: { last: '${ . }' } }
"#,
            json!({}),
        ),
        (
            "forks",
            r#"
- both: { fork: { branches: [{ a: { call: echo, with: { n: 1 } } }, { b: { do: [{ rest: { wait: { milliseconds: 50 } } }, { c: { call: echo, with: { n: 2 } } }] } }] } }
- race: { fork: { compete: true, branches: [{ slow: { call: hang } }, { fast: { set: { won: fast } } }] } }
"#,
            json!({}),
        ),
        (
            "retries",
            r#"
- attempt: { try: [{ go: { call: flaky, with: { failures: 2 } } }], catch: { retry: { delay: { milliseconds: 20 }, limit: { attempt: { count: 5 } } } } }
"#,
            json!({}),
        ),
        (
            "caught",
            r#"
- attempt: { try: [{ go: { call: fail, with: { status: 503 } } }], catch: { as: problem, do: [{ tell: { set: { title: '${ $problem.title }', status: '${ $problem.status }' } } }] } }
"#,
            json!({}),
        ),
        (
            "filters what it catches",
            r#"
- attempt: { try: [{ inner: { try: [{ go: { call: fail, with: { status: 503 } } }], catch: { errors: { with: { status: 404 } }, do: [{ no: { set: { caught: wrongly } } }] } } }], catch: { do: [{ yes: { call: echo, with: { caught: outside } } }] } }
"#,
            json!({}),
        ),
        (
            "extends",
            r#"
use: { extensions: [{ log: { extend: call, before: [{ note: { call: echo, with: { before: '${ $task.name }' } } }] } }] }
do:
  - go: { call: echo, with: { n: '${ .n }' } }
"#,
            json!({ "n": 1 }),
        ),
        (
            "loops while",
            "- loop: { for: { each: n, in: '${ [range(10)] }' }, while: '${ $n < 3 }', do: [{ one: { call: echo, with: { n: '${ $n }' } } }] }",
            json!({}),
        ),
        (
            "goes on when nobody decides",
            "- ask: { call: echo, with: { decided: '${ $approval.by }' }, metadata: { atom: { approve: { title: Go?, deadline: { milliseconds: 200 }, onDeadline: approve } } } }",
            json!({}),
        ),
        (
            "stops what lost the race",
            r#"
- race: { fork: { compete: true, branches: [{ ask: { run: { workflow: { namespace: default, name: child, version: 1.0.0, input: { question: 1 } } } } }, { hear: { listen: { to: { one: { with: { type: never } } } } } }, { fast: { call: echo, with: { won: fast } } }] } }
- after: { call: echo, with: { n: 2 } }
"#,
            json!({}),
        ),
        (
            "masks its secrets",
            "use: { secrets: [token] }\ndo:\n  - go: { call: echo, with: { bearer: '${ $secrets.token }' } }\n  - give: { set: { token: '${ $secrets.token }', answer: '${ .bearer }', text: '${ \"is \" + $secrets.token }' } }\n",
            json!({}),
        ),
        (
            "masks its secrets in errors",
            "use: { secrets: [token] }\ndo:\n  - go: { raise: { error: { type: https://example.com/declined, status: 402, title: '${ $secrets.token }' } } }\n",
            json!({}),
        ),
        (
            "passes no secret on to another run",
            "use: { secrets: [token] }\ndo:\n  - go: { run: { workflow: { namespace: default, name: child, version: 1.0.0, input: { question: '${ $secrets.token }' } } } }\n",
            json!({}),
        ),
        ("fails", "- go: { call: fail, with: { status: 503 } }", json!({})),
        ("panics", "- go: { call: panic }", json!({})),
        (
            "raises",
            "- go: { raise: { error: { type: https://example.com/declined, status: 402, title: Declined, detail: '${ .why }' } } }",
            json!({ "why": "no money" }),
        ),
        (
            "undoes",
            r#"
- flight: { call: echo, with: { booked: flight }, metadata: { atom: { compensate: [{ cancelFlight: { call: echo, with: { undone: '${ .output.booked }', because: '${ .error.title }' } } }] } } }
- hotel: { call: echo, with: { booked: hotel }, metadata: { atom: { compensate: [{ cancelHotel: { call: echo, with: { undone: '${ .output.booked }' } } }] } } }
- pay: { raise: { error: { type: https://example.com/declined, status: 402, title: Declined } } }
"#,
            json!({}),
        ),
        (
            "times out",
            "timeout: { after: { milliseconds: 200 } }\ndo:\n  - go: { call: hang }\n",
            json!({}),
        ),
        (
            "a task times out",
            r#"
- attempt: { try: [{ go: { call: hang, timeout: { after: { milliseconds: 100 } } } }], catch: { do: [{ tell: { set: { late: true } } }] } }
"#,
            json!({}),
        ),
        (
            "checks its input",
            "input: { schema: { document: { type: object, required: [n] } } }\ndo:\n  - go: { set: { a: 1 } }\n",
            json!({}),
        ),
        (
            "waits for a run",
            "- ask: { run: { workflow: { namespace: default, name: child, version: 1.0.0, input: { question: 21 } } } }",
            json!({}),
        ),
        (
            "starts a run and goes on",
            "- ask: { run: { await: false, workflow: { namespace: default, name: child, version: 1.0.0, input: { question: 21 } } } }",
            json!({ "kept": true }),
        ),
        (
            "waits for a run that fails",
            "- ask: { run: { workflow: { namespace: default, name: faulty, version: 1.0.0, input: { why: 'it is old' } } } }",
            json!({}),
        ),
        (
            "waits for a run that is not deployed",
            "- ask: { run: { workflow: { namespace: default, name: nobody, version: 1.0.0 } } }",
            json!({}),
        ),
        (
            "emits and hears itself",
            r#"
- both:
    fork:
      branches:
        - hear: { listen: { to: { one: { with: { type: com.example.said } } } } }
        - say: { do: [{ rest: { wait: { milliseconds: 500 } } }, { tell: { emit: { event: { with: { id: '1', source: 'https://example.com', time: '2026-03-09T08:00:00Z', type: com.example.said, data: { n: 1 } } } } } }] }
"#,
            json!({}),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_give_the_same_on_temporal_and_call_with_the_same_keys() {
    let Some(mut world) = World::new("alike").await else {
        return;
    };
    let deployed = [CHILD, FAULTY];
    deploy(&world.bench, &world.ada, &deployed).await;
    keep_secret(&world.bench, &world.ada).await;
    for (name, tasks, input) in documents() {
        let known = world.bench.calls.keys().len();
        let run = world.start(tasks, input.clone()).await;
        let ended = world.wait(run).await;
        let mut called = world.bench.calls.keys().split_off(known);
        called.sort();
        let (expected, keys) = embedded(&world.ada, run, tasks, input, &deployed).await;
        assert_eq!(ended, expected, "{name}");
        assert_eq!(called, keys, "{name}");
        let history = world.runtime.history(&world.scope(), run).await.unwrap();
        let (vault, store) = (world.bench.vault.as_ref(), Arc::clone(&world.bench.store));
        let replayed = replay(vault, store, &operator(), &history).await;
        replayed.unwrap_or_else(|error| panic!("{name} is not replayed: {error}"));
    }
    world.stop().await;
}

/// Each worker builds the runs that it finds from their histories, wherever they are.
#[tokio::test(flavor = "multi_thread")]
async fn runs_give_the_same_with_workers_that_come_and_go() {
    let Some(mut world) = World::new("come-and-go").await else {
        return;
    };
    let deployed = [CHILD, FAULTY];
    deploy(&world.bench, &world.ada, &deployed).await;
    keep_secret(&world.bench, &world.ada).await;
    // A worker that stops waits for calls that hang, and a call that is made again counts twice.
    let lasting = documents().into_iter();
    let lasting = lasting.filter(|(_, tasks, _)| !tasks.contains("hang") && !tasks.contains("flaky"));
    let mut runs = Vec::new();
    for (name, tasks, input) in lasting {
        let run = world.start(tasks, input.clone()).await;
        runs.push((name, tasks, input, run));
    }
    let (runtime, scope) = (world.runtime.clone(), world.scope());
    let ended = futures::future::join_all(runs.iter().map(|(_, _, _, run)| runtime.wait(&scope, *run)));
    let changes = async {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            world.stop().await;
            world.work().await;
        }
    };
    let ended = tokio::select! {
        ended = tokio::time::timeout(Duration::from_secs(120), ended) => ended.expect("the runs go on"),
        () = changes => unreachable!("workers come and go for ever"),
    };
    for ((name, tasks, input, run), ended) in runs.into_iter().zip(ended) {
        let (expected, _) = embedded(&world.ada, run, tasks, input, &deployed).await;
        assert_eq!(ended.unwrap(), expected, "{name}");
    }
    world.stop().await;
}
