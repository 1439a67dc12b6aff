//! What each kind of task does with data and control.

use std::time::Duration;

use serde_json::json;

use crate::support::Bench;

#[tokio::test]
async fn data_flows_through_input_output_export_and_context() {
    let bench = Bench::new();
    let output = bench
        .output(
            r#"
- first:
    input: { from: .user }
    set: { name: '${ .first + " " + $input.last }' }
    output: { as: '.name' }
    export: { as: '{ greeted: . }' }
- second:
    set: { previous: '${ . }', context: '${ $context.greeted }', raw: '${ $workflow.input.user.first }', task: '${ $task.name }' }
"#,
            json!({ "user": { "first": "Ada", "last": "Lovelace" } }),
        )
        .await;
    assert_eq!(
        output,
        json!({ "previous": "Ada Lovelace", "context": "Ada Lovelace", "raw": "Ada", "task": "second" })
    );
}

#[tokio::test]
async fn a_workflow_checks_and_shapes_its_input_and_output() {
    let bench = Bench::new();
    let workflow = r#"
input:
  schema: { document: { type: object, required: [n], properties: { n: { type: integer } } } }
  from: '{ n: (.n * 2) }'
do:
  - keep: { set: { n: '${ .n + 1 }' } }
output:
  as: .n
  schema: { document: { type: integer, maximum: 9 } }
"#;
    assert_eq!(bench.output(workflow, json!({ "n": 4 })).await, json!(9));
    let error = bench.error(workflow, json!({ "n": "secret text" })).await;
    assert_eq!(error["instance"], "/input");
    assert_eq!(
        error["type"],
        "https://open-workflow-specification.org/spec/1.0.0/errors/validation"
    );
    assert!(!error.to_string().contains("secret text"), "{error}");
    let error = bench.error(workflow, json!({ "n": 5 })).await;
    assert_eq!(
        (&error["status"], &error["instance"]),
        (&json!(400), &json!("/output"))
    );
}

#[tokio::test]
async fn a_schema_is_of_the_version_that_its_format_names() {
    let bench = Bench::new();
    // `prefixItems` came with 2020-12; before, it meant nothing.
    let workflow = |format: &str| {
        format!(
            "input: {{ schema: {{ format: '{format}', document: {{ prefixItems: [{{ type: string }}] }} }} }}\ndo:\n  - go: {{ set: {{ a: 1 }} }}\n"
        )
    };
    for format in ["json", "json:2020-12"] {
        let error = bench.error(&workflow(format), json!([1])).await;
        assert_eq!(error["title"], "Validation Error", "{format}");
    }
    for format in ["json:draft-04", "json:draft-07", "json:2019-09"] {
        bench.output(&workflow(format), json!([1])).await;
    }
    let error = bench.try_start(&workflow("json:1"), json!([])).await.unwrap_err();
    assert!(error.message().contains("schema.format: json:1"), "{error}");
}

#[tokio::test]
async fn switch_and_directives_choose_the_way() {
    let bench = Bench::new();
    let workflow = r#"
- choose:
    switch:
      - small: { when: .n < 10, then: small }
      - large: { when: .n > 100, then: large }
      - other: { then: exit }
- large:
    set: { size: large }
    then: last
- small:
    set: { size: small }
    then: end
- last:
    set: { size: '${ .size + "!" }' }
"#;
    assert_eq!(
        bench.output(workflow, json!({ "n": 1 })).await,
        json!({ "size": "small" })
    );
    assert_eq!(
        bench.output(workflow, json!({ "n": 1000 })).await,
        json!({ "size": "large!" })
    );
    assert_eq!(
        bench.output(workflow, json!({ "n": 50 })).await,
        json!({ "n": 50 })
    );
}

#[tokio::test]
async fn a_workflow_that_takes_too_long_says_so_of_its_timeout() {
    let bench = Bench::new();
    let run = bench
        .start(
            "timeout: { after: PT1M }\ndo:\n  - pause: { wait: PT1H }\n",
            json!({}),
        )
        .await;
    bench.clock.parked(1).await;
    bench.clock.advance(Duration::from_secs(60));
    let error = bench.wait(&run).await.error.unwrap();
    assert_eq!(
        (&error["status"], &error["instance"]),
        (&json!(408), &json!("/timeout"))
    );
}

#[tokio::test]
async fn the_case_without_a_condition_applies_when_no_other_does_wherever_it_stands() {
    let bench = Bench::new();
    let workflow = r#"
- choose:
    switch:
      - other: { then: other }
      - small: { when: .n < 10, then: small }
- small: { set: { size: small }, then: end }
- other: { set: { size: other } }
"#;
    for (n, size) in [(1, "small"), (50, "other")] {
        let output = bench.output(workflow, json!({ "n": n })).await;
        assert_eq!(output, json!({ "size": size }));
    }
}

#[tokio::test]
async fn an_export_without_as_checks_the_context_and_leaves_it() {
    let bench = Bench::new();
    let workflow = r#"
- keep: { set: { a: 1 }, export: { as: '{ kept: .a }' } }
- check: { set: { b: 1 }, export: { schema: { document: { required: [kept] } } } }
- show: { set: '${ $context }' }
- refuse: { set: { c: 1 }, export: { schema: { document: { required: [c] } } } }
"#;
    let run = bench.run(workflow, json!({})).await;
    let error = run.error.as_ref().unwrap();
    assert_eq!(
        (&error["instance"], &error["detail"]),
        (
            &json!("/do/3/refuse"),
            &json!("the context does not fit its schema: \"c\" is a required property")
        )
    );
    let (output, _) = workflow.rsplit_once("- refuse").unwrap();
    assert_eq!(bench.output(output, json!({})).await, json!({ "kept": 1 }));
}

#[tokio::test]
async fn exit_leaves_the_list_and_end_leaves_the_workflow() {
    let bench = Bench::new();
    let nested = |then: &str| {
        format!(
            r#"
- outer:
    do:
      - inner: {{ set: {{ at: inner }}, then: {then} }}
      - skipped: {{ set: {{ at: skipped }} }}
- after: {{ set: {{ at: '${{ .at + " then after" }}' }} }}
"#
        )
    };
    assert_eq!(
        bench.output(&nested("exit"), json!({})).await,
        json!({ "at": "inner then after" })
    );
    assert_eq!(
        bench.output(&nested("end"), json!({})).await,
        json!({ "at": "inner" })
    );
}

#[tokio::test]
async fn a_task_whose_condition_is_false_is_skipped_with_its_directive() {
    let bench = Bench::new();
    let run = bench
        .run(
            r#"
- never: { if: .n > 1, raise: { error: { type: 'https://example.com/e', status: 400 } }, then: end }
- after: { set: { after: '${ .n }' } }
"#,
            json!({ "n": 1 }),
        )
        .await;
    assert_eq!(run.output, Some(json!({ "after": 1 })));
    assert!(
        bench
            .history(&run)
            .await
            .contains(&"task_skipped /do/0/never".to_owned())
    );
}

#[tokio::test]
async fn for_hands_on_data_and_knows_item_index_and_while() {
    let bench = Bench::new();
    let workflow = r#"
- each:
    for: { each: color, in: .colors, at: i }
    while: (.seen | length) < 2
    do:
      - see: { set: { colors: '${ .colors }', seen: '${ .seen + [{ color: $color, i: $i }] }' } }
- keep: { set: '${ .seen }' }
"#;
    let output = bench
        .output(
            workflow,
            json!({ "colors": ["red", "green", "blue"], "seen": [] }),
        )
        .await;
    assert_eq!(
        output,
        json!([{ "color": "red", "i": 0 }, { "color": "green", "i": 1 }])
    );
    let inline = "- each: { for: { in: [{ n: 1 }, { n: 2 }] }, do: [{ add: { set: { sum: '${ .sum + $item.n }' } } }] }";
    assert_eq!(
        bench.output(inline, json!({ "sum": 0 })).await,
        json!({ "sum": 3 })
    );
    let empty = "- each: { for: { in: .none }, do: [{ x: { set: { x: 1 } } }] }";
    assert_eq!(
        bench.output(empty, json!({ "same": true })).await,
        json!({ "same": true })
    );
    let error = bench
        .error(
            "- each: { for: { in: .n }, do: [{ x: { set: { x: 1 } } }] }",
            json!({ "n": 5 }),
        )
        .await;
    assert_eq!(error["instance"], "/do/0/each");
}

#[tokio::test]
async fn fork_gives_every_branch_or_the_first() {
    let bench = Bench::new();
    let workflow = r#"
- split:
    fork:
      compete: COMPETE
      branches:
        - slow: { call: hang }
        - two: { call: echo, with: { n: 2 } }
"#;
    let output = bench
        .output(&workflow.replace("COMPETE", "true"), json!({}))
        .await;
    assert_eq!(output, json!({ "n": 2 }));
    let all = workflow
        .replace("COMPETE", "false")
        .replace("call: hang", "set: { n: 1 }");
    assert_eq!(
        bench.output(&all, json!({})).await,
        json!([{ "n": 1 }, { "n": 2 }])
    );
}

#[tokio::test]
async fn a_branch_that_fails_ends_a_fork_but_not_a_race() {
    let bench = Bench::new();
    let branches = "branches: [{ bad: { call: fail } }, { good: { call: echo, with: { n: 1 } } }]";
    let error = bench
        .error(&format!("- all: {{ fork: {{ {branches} }} }}"), json!({}))
        .await;
    assert_eq!(error["instance"], "/do/0/all/fork/branches/0/bad");
    let race = format!("- race: {{ fork: {{ compete: true, {branches} }} }}");
    assert_eq!(bench.output(&race, json!({})).await, json!({ "n": 1 }));
    let lost =
        "- race: { fork: { compete: true, branches: [{ a: { call: fail } }, { b: { call: fail } }] } }";
    assert_eq!(bench.error(lost, json!({})).await["status"], 502);
}

#[tokio::test]
async fn raise_names_the_task_and_resolves_expressions() {
    let bench = Bench::new();
    let error = bench
        .error(
            r#"
use: { errors: { known: { type: 'https://example.com/known', status: 409, title: '${ "Known " + .name }' } } }
do:
  - nested:
      do:
        - stop: { raise: { error: known } }
"#,
            json!({ "name": "trouble" }),
        )
        .await;
    let expected = json!({ "type": "https://example.com/known", "status": 409, "title": "Known trouble", "instance": "/do/0/nested/do/0/stop" });
    assert_eq!(error, expected);
}

#[tokio::test]
async fn try_catches_what_it_names_and_binds_the_error() {
    let bench = Bench::new();
    let workflow = r#"
- attempt:
    try:
      - bad: { call: fail, with: { status: STATUS } }
    catch:
      errors: { with: { type: 'https://open-workflow-specification.org/dsl/errors/types/communication', status: 404 } }
      as: problem
      do:
        - note: { set: { status: '${ $problem.status }', at: '${ $problem.instance }' } }
      then: end
- after: { set: { after: true } }
"#;
    let caught = bench.output(&workflow.replace("STATUS", "404"), json!({})).await;
    assert_eq!(caught, json!({ "status": 404, "at": "/do/0/attempt/try/0/bad" }));
    assert_eq!(
        bench.error(&workflow.replace("STATUS", "503"), json!({})).await["status"],
        503
    );
    let swallowed = "- attempt: { try: [{ bad: { call: fail } }], catch: {} }";
    assert_eq!(
        bench.output(swallowed, json!({ "kept": 1 })).await,
        json!({ "kept": 1 })
    );
    let unless = "- attempt: { try: [{ bad: { call: fail } }], catch: { exceptWhen: $error.status == 502 } }";
    assert_eq!(bench.error(unless, json!({})).await["status"], 502);
}

#[tokio::test]
async fn an_error_in_a_handler_is_the_error_of_the_try() {
    let bench = Bench::new();
    let error = bench
        .error("- a: { try: [{ bad: { call: fail } }], catch: { do: [{ worse: { call: fail, with: { status: 500 } } }] } }", json!({}))
        .await;
    assert_eq!(error["instance"], "/do/0/a/catch/do/0/worse");
}

#[tokio::test]
async fn a_function_of_the_document_gets_its_arguments_as_input() {
    let bench = Bench::new();
    let workflow = r#"
use:
  functions:
    double:
      call: echo
      with: { doubled: '${ .n * 2 }' }
do:
  - twice: { call: double, with: { n: 21 } }
"#;
    assert_eq!(bench.output(workflow, json!({})).await, json!({ "doubled": 42 }));
}

#[tokio::test]
async fn an_expression_that_fails_names_its_task() {
    let bench = Bench::new();
    let error = bench
        .error(
            "- sum: { set: { n: '${ .a + .b }' } }",
            json!({ "a": 1, "b": {} }),
        )
        .await;
    assert_eq!(
        error["type"],
        "https://open-workflow-specification.org/spec/1.0.0/errors/expression"
    );
    assert_eq!(error["instance"], "/do/0/sum");
}

#[tokio::test]
async fn a_loop_that_never_waits_ends_in_an_error() {
    let bench = Bench::new();
    let error = bench
        .error(
            "- a: { set: { x: 1 } }\n- b: { set: { x: 2 }, then: a }",
            json!({}),
        )
        .await;
    assert!(
        error["detail"].as_str().unwrap().contains("loop for ever"),
        "{error}"
    );
}

#[tokio::test]
async fn in_the_loose_mode_texts_are_expressions_where_they_can_be() {
    let bench = Bench::new();
    let document = r#"
evaluate: { mode: loose }
do:
  - one: { call: echo, with: { n: .n + 1, text: 'Hello, you', wrong: .n.x, keep: '${ .n }' } }
  - two: { set: .n * 2 }
"#;
    let run = bench.run(document, json!({ "n": 1 })).await;
    assert_eq!(run.output, Some(json!(4)), "{:?}", run.error);
    let history = bench.runtime.history(&bench.scope(), run.id).await.unwrap();
    let one = serde_json::to_value(&history[2]).unwrap();
    assert_eq!(
        one["output"],
        json!({ "n": 2, "text": "Hello, you", "wrong": ".n.x", "keep": 1 })
    );
}
