//! Tasks that run around other tasks.

use std::sync::Arc;

use atom_core::storage::RunStatus;
use atom_core::testkit::fixtures::{run_id, scope, start};
use atom_workflow::definition::Workflow;
use atom_workflow::machine::{Event, Machine, Outcome, RunFacts};
use serde_json::json;

use crate::support::{self, Bench};

const LOG: &str = r#"
use:
  extensions:
    - log:
        extend: all
        before: [{ begin: { call: echo, with: { message: '${ "before \($task.name)" }' }, export: { as: '${ $context + { log: (($context.log // []) + [.message]) } }' } } }]
        after: [{ end: { set: { message: '${ "after \($task.name) \($output.n) \($task.output.n)" }' }, export: { as: '${ $context + { log: (($context.log // []) + [.message]) } }' } } }]
"#;

#[tokio::test]
async fn tasks_run_around_another_and_its_data_passes_by() {
    let bench = Bench::new();
    let document = format!(
        "{LOG}do:\n  - one: {{ call: echo, with: {{ n: '${{ .n + 1 }}' }}, output: {{ as: '{{ n: (.n * 10) }}' }} }}\n  - two: {{ set: {{ n: '${{ .n + 1 }}', log: '${{ $context.log }}' }} }}\n"
    );
    let run = bench.run(&document, json!({ "n": 1 })).await;
    assert_eq!(
        run.output,
        Some(json!({ "n": 21, "log": ["before one", "after one 20 2", "before two"] })),
        "{:?}",
        run.error
    );
    assert_eq!(
        bench.history(&run).await,
        [
            "run_started",
            "task_started /do/0/one",
            "task_started /use/extensions/0/log/before/0/begin",
            "task_completed /use/extensions/0/log/before/0/begin",
            "task_started /use/extensions/0/log/after/0/end",
            "task_completed /use/extensions/0/log/after/0/end",
            "task_completed /do/0/one",
            "task_started /do/1/two",
            "task_started /use/extensions/0/log/before/0/begin",
            "task_completed /use/extensions/0/log/before/0/begin",
            "task_started /use/extensions/0/log/after/0/end",
            "task_completed /use/extensions/0/log/after/0/end",
            "task_completed /do/1/two",
            "run_completed",
        ]
    );
    assert_eq!(bench.calls.count("echo"), 3);
}

#[tokio::test]
async fn the_first_extension_is_the_outermost_and_each_covers_its_kind() {
    let bench = Bench::new();
    let note = |name: &str| {
        format!(
            "{{ note: {{ set: {{ said: '{name}' }}, export: {{ as: '$context + {{ log: (($context.log // \"\") + \" \" + .said) }}' }} }} }}"
        )
    };
    let extension = |name: &str, rest: &str| {
        format!(
            "    - {name}: {{ {rest}, before: [{}], after: [{}] }}\n",
            note(&format!("+{name}")),
            note(&format!("-{name}"))
        )
    };
    let document = format!(
        "use:\n  extensions:\n{}{}{}{}do:\n  - group:\n      do:\n        - go: {{ call: echo, with: {{}} }}\n  - tell: {{ set: '${{ $context.log }}' }}\n",
        extension("a", "extend: call"),
        extension("b", "extend: call, when: '$task.call == \"echo\"'"),
        extension("c", "extend: call, when: '$task.call == \"other\"'"),
        extension("g", "extend: composite"),
    );
    let output = bench.output(&document, json!({})).await;
    assert_eq!(output, json!(" +g +a +b -b -a -g"));
}

#[tokio::test]
async fn an_exit_gives_an_output_in_the_place_of_the_task() {
    let bench = Bench::new();
    let document = r#"
use:
  extensions:
    - outer: { extend: call, after: [{ seen: { call: echo, with: { seen: '${ .content }' } } }] }
    - mock:
        extend: call
        when: $task.with.endpoint.uri | startswith("https://mocked.example.com")
        before:
          - answer: { set: { content: mocked }, then: exit }
          - never: { call: fail }
        after: [{ never: { call: fail } }]
do:
  - ask:
      call: http
      with: { method: get, endpoint: { uri: https://mocked.example.com/pets } }
      output: { as: '{ content: (.content + "!") }' }
      metadata: { atom: { compensate: [{ undo: { call: fail } }] } }
  - next: { set: { got: '${ .content }' } }
  - stop: { raise: { error: { type: https://example.com/stop, status: 500, title: '${ .got }' } } }
"#;
    bench
        .functions
        .register(std::sync::Arc::new(atom_core::function::TypedFunction::new(
            "http",
            "Must not be called.",
            |_: serde_json::Value, _| async { Err::<(), _>(atom_core::Error::internal("called")) },
        )))
        .unwrap();
    let run = bench.run(document, json!({})).await;
    let error = run.error.as_ref().unwrap();
    // What did not run is not undone, and what the extension gave went the way of an output.
    assert_eq!(
        (&error["title"], &error["type"]),
        (&json!("mocked!"), &json!("https://example.com/stop"))
    );
    assert_eq!((bench.calls.count("fail"), bench.calls.count("echo")), (0, 1));
    assert!(!bench.history(&run).await.contains(&"run_compensating".to_owned()));
}

#[test]
fn each_target_covers_the_tasks_of_its_kind_and_no_others() {
    let subscription = "{ document: { endpoint: https://example.com/api.json }, channel: a, subscription: { consume: { amount: 1 } } }";
    let tasks = [
        ("call", "call: echo"),
        ("call", &format!("call: asyncapi, with: {subscription}")),
        ("composite", "do: []"),
        ("composite", "fork: { branches: [] }"),
        ("emit", "emit: { event: { with: { type: com.example.told } } }"),
        ("for", "for: { in: [{}] }, do: []"),
        (
            "listen",
            "listen: { to: { one: { with: { type: com.example.told } } } }",
        ),
        (
            "raise",
            "raise: { error: { type: https://example.com/no, status: 500 } }",
        ),
        ("run", "run: { shell: { command: 'exit 1' } }"),
        ("run", "run: { script: { language: js, code: never } }"),
        ("run", "run: { container: { image: never } }"),
        (
            "run",
            "run: { workflow: { namespace: a, name: b, version: latest } }",
        ),
        ("set", "set: { n: 1 }"),
        ("switch", "switch: [{ a: { then: end } }]"),
        ("try", "try: [], catch: {}"),
        ("wait", "wait: PT1S"),
    ];
    let targets = tasks.iter().map(|(target, _)| *target).chain(["all"]);
    for target in targets.collect::<std::collections::BTreeSet<_>>() {
        for (kind, task) in tasks {
            let document = format!(
                "use:\n  extensions:\n    - mock: {{ extend: {target}, before: [{{ answer: {{ set: {{ by: mock }}, then: exit }} }}] }}\ndo:\n  - go: {{ {task} }}\n"
            );
            let workflow = Arc::new(Workflow::parse(&support::document(&document)).unwrap());
            let facts = RunFacts::new(scope(), run_id(1), json!({}), start());
            let transition = Machine::new(workflow, facts).advance(Event::started(), start());
            let is_covered = transition.outcome == Some(Outcome::Completed(json!({ "by": "mock" })));
            assert_eq!(is_covered, target == "all" || kind == target, "{target}: {task}");
        }
    }
}

#[tokio::test]
async fn a_condition_that_cannot_be_computed_does_not_hold_and_the_history_says_so() {
    let bench = Bench::new();
    let document = r#"
use:
  extensions:
    - mock: { extend: set, when: '$task.set | startswith("x")', before: [{ never: { call: fail } }] }
do: [{ go: { set: { a: 1 } } }]
"#;
    let run = bench.run(document, json!({})).await;
    assert_eq!(run.output, Some(json!({ "a": 1 })));
    assert_eq!(
        bench.history(&run).await[1..3],
        ["task_started /do/0/go", "task_extension_skipped /do/0/go"]
    );
}

#[tokio::test]
async fn an_error_before_or_after_is_the_tasks_own_and_what_ran_is_undone() {
    for (place, echoes) in [("before", 0), ("after", 2)] {
        let bench = Bench::new();
        let document = format!(
            r#"
use:
  extensions:
    - guard: {{ extend: call, when: '$task.name == "go"', {place}: [{{ refuse: {{ raise: {{ error: {{ type: https://example.com/no, status: 403 }} }} }} }}] }}
do:
  - go:
      call: echo
      with: {{}}
      metadata: {{ atom: {{ compensate: [{{ undo: {{ call: echo, with: {{}} }} }}] }} }}
"#
        );
        let run = bench.run(&document, json!({})).await;
        let error = run.error.as_ref().unwrap();
        assert_eq!(error["type"], "https://example.com/no");
        assert_eq!(
            error["instance"],
            format!("/use/extensions/0/guard/{place}/0/refuse")
        );
        assert_eq!(bench.calls.count("echo"), echoes, "{place}");
    }
}

#[tokio::test]
async fn a_try_does_not_handle_what_happens_around_it_but_one_around_does() {
    let bench = Bench::new();
    let document = r#"
use:
  extensions:
    - guard: { extend: try, when: '$task.name == "inner"', after: [{ refuse: { raise: { error: { type: https://example.com/no, status: 403 } } } }] }
do:
  - outer:
      try:
        - inner:
            try: [{ go: { set: { a: 1 } } }]
            catch: { do: [{ wrong: { set: { by: inner } } }] }
      catch: { do: [{ right: { set: { by: outer } } }] }
"#;
    assert_eq!(bench.output(document, json!({})).await, json!({ "by": "outer" }));
}

#[tokio::test]
async fn the_timeout_of_a_task_covers_what_runs_around_it() {
    for place in ["before", "after"] {
        let bench = Bench::new();
        let document = format!(
            "use: {{ extensions: [{{ slow: {{ extend: set, {place}: [{{ pause: {{ wait: PT1H }} }}] }} }}] }}\ndo: [{{ go: {{ set: {{ a: 1 }}, timeout: {{ after: PT10S }} }} }}]\n"
        );
        let run = bench.start(&document, json!({})).await;
        bench.pass(10).await;
        let run = bench.wait(&run).await;
        assert_eq!(run.error.unwrap()["status"], 408, "{place}");
    }
}

#[tokio::test]
async fn an_attempt_of_a_try_is_over_when_its_tasks_are() {
    let bench = Bench::new();
    let document = r#"
use: { extensions: [{ slow: { extend: try, after: [{ pause: { wait: PT1H } }] } }] }
do:
  - go:
      try: [{ quick: { set: { a: 1 } } }]
      catch: { retry: { limit: { attempt: { duration: PT5S } } } }
"#;
    let run = bench.start(document, json!({})).await;
    bench.pass(3600).await;
    let run = bench.wait(&run).await;
    assert_eq!(
        (run.status, run.output),
        (RunStatus::Completed, Some(json!({ "a": 1 })))
    );
}

#[tokio::test]
async fn functions_and_tasks_that_undo_an_extension_are_not_extended_again() {
    let bench = Bench::new();
    let document = r#"
use:
  functions:
    log: { call: echo, with: {} }
  extensions:
    - log:
        extend: all
        before: [{ group: { do: [{ write: { call: log } }], metadata: { atom: { compensate: [{ unlog: { call: echo, with: {} } }] } } } }]
do: [{ stop: { raise: { error: { type: https://example.com/no, status: 500 } } } }]
"#;
    let run = bench.run(document, json!({})).await;
    assert_eq!(run.error.unwrap()["type"], "https://example.com/no");
    assert_eq!(bench.calls.count("echo"), 2);
}

#[tokio::test]
async fn a_crash_between_any_two_writes_repeats_nothing_around_a_task() {
    use crate::crash::MortalStore;
    use atom_core::storage::{MemoryStore, MemoryVault};
    use atom_workflow::runtime::RuntimeLimits;
    use std::sync::Arc;

    let document = r#"
use:
  extensions:
    - log: { extend: call, before: [{ begin: { call: echo, with: { at: before } } }], after: [{ end: { call: echo, with: { at: after } } }] }
do: [{ one: { call: echo, with: { n: 1 } } }, { two: { call: echo, with: { n: 2 } } }]
"#;
    for writes in 1..9 {
        let memory = Arc::new(MemoryStore::default());
        let mortal = MortalStore::new(Arc::clone(&memory), writes);
        let death = mortal.death.clone();
        let first = Bench::over(
            mortal as _,
            Arc::new(MemoryVault::default()),
            RuntimeLimits::default(),
        );
        let run = first.try_start(document, json!({})).await.unwrap();
        let scope = first.scope();
        tokio::select! {
            _ = first.runtime.wait(&scope, run.id) => {}
            () = death.cancelled() => {}
        }
        first.runtime.close(std::time::Duration::from_secs(5)).await;
        let second = Bench::over(
            memory as _,
            Arc::new(MemoryVault::default()),
            RuntimeLimits::default(),
        );
        second.runtime.resume(None).await.unwrap();
        let run = second.wait(&run).await;
        assert_eq!(run.output, Some(json!({ "n": 2 })));
        let keys: std::collections::BTreeSet<_> = first
            .calls
            .keys()
            .into_iter()
            .chain(second.calls.keys())
            .collect();
        assert_eq!(keys.len(), 6, "dead after {writes} writes");
    }
}
