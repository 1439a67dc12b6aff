//! Documents made to harm: each must end in an error, soon and without a panic.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use atom_core::Error;
use atom_workflow::definition::Workflow;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const HEAD: &str = "document: {dsl: 1.0.3, namespace: tests, name: hostile, version: 1.0.0}\n";

/// Reads a document on a thread with a stack of the usual size of worker threads.
fn refusal(text: String) -> Error {
    on_a_small_stack(move || Workflow::parse(&text).map(|_| ())).unwrap_err()
}

fn on_a_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    thread.spawn(work).unwrap().join().unwrap()
}

fn assert_refused(text: String, reason: &str) {
    let error = refusal(text);
    assert!(error.message().contains(reason), "{error}");
    assert!(
        error.message().len() < 4096,
        "the message has {} bytes",
        error.message().len()
    );
}

#[test]
fn deep_nesting_is_refused() {
    let deep = 10_000;
    assert_refused("[".repeat(deep), "deep");
    assert_refused(format!("{}{}", "[".repeat(deep), "]".repeat(deep)), "deep");
    assert_refused("{a: ".repeat(deep), "deep");
    assert_refused(r#"{"a":"#.repeat(deep), "deep");
    assert_refused("- ".repeat(deep), "deep");
    assert_refused("? ".repeat(deep), "keys must be text");
    assert_refused(
        (0..deep)
            .map(|depth| format!("{}a:\n", " ".repeat(depth % 400)))
            .collect(),
        "deep",
    );
    let block = (0..1000)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    assert_refused(block, "deep");
}

/// Schemas of which each leads to the next by `link`, `length` in all, with `last` as the last one; the first is `#/$defs/0`.
fn chain(length: usize, link: impl Fn(Value) -> Value, last: Value) -> Value {
    let mut definitions = Map::new();
    for index in 1..length {
        let next = link(json!({ "$ref": format!("#/$defs/{index}") }));
        definitions.insert((index - 1).to_string(), next);
    }
    definitions.insert((length - 1).to_string(), last);
    Value::Object(definitions)
}

fn with_input(schema: &Value) -> String {
    let schema = json!({ "schema": { "document": schema } });
    format!("{HEAD}input: {schema}\ndo: []\n")
}

#[test]
fn schemas_lead_to_one_another_only_so_often() {
    let definitions = chain(3_000, |next| json!({ "allOf": [next] }), json!({}));
    let schema = json!({ "$ref": "#/$defs/0", "$defs": definitions });
    assert_refused(with_input(&schema), "more than 64 schemas lead to one another");
    let doubled = chain(30, |next| json!({ "allOf": [next, next] }), json!({}));
    assert_refused(
        with_input(&json!({ "$ref": "#/$defs/0", "$defs": doubled })),
        "more than 10000 schemas apply",
    );
    let error = refusal(format!(
        "{HEAD}input:\n  schema:\n    document:\n      items:\n        $ref: '#/items'\ndo: []\n"
    ));
    assert_eq!(error.context()["line"], "6");
    assert_eq!(error.context()["path"], "/input/schema/document/items");
    let form = "{metadata: {atom: {approve: {title: x, form: {allOf: [{$ref: '#'}]}}}}, set: {a: 1}}";
    assert_refused(format!("{HEAD}do: [{{a: {form}}}]"), "leads back to itself");
}

/// The longest chain for each of as many levels as data may have, in an unoptimised build on the stack of a worker thread.
#[test]
fn the_deepest_data_is_checked_with_the_longest_chain() {
    let links: [fn(Value) -> Value; 7] = [
        |next| json!({ "allOf": [next, { "type": "object" }] }),
        |next| json!({ "anyOf": [next, { "type": "string" }] }),
        |next| json!({ "oneOf": [next, { "type": "string" }] }),
        |next| json!({ "if": true, "then": next }),
        |next| json!({ "if": next, "else": false }),
        |next| json!({ "dependentSchemas": { "a": next } }),
        |next| json!({ "not": { "not": next } }),
    ];
    for link in links {
        let last = json!({ "properties": { "a": { "$ref": "#/$defs/0" } }, "additionalProperties": false });
        // Two schemas a link, three with 'not', and the first and the last one.
        let per_link = if link(json!({})).get("not").is_some() {
            3
        } else {
            2
        };
        let definitions = chain((64 - 2) / per_link + 1, link, last);
        let schema = json!({ "$ref": "#/$defs/0", "$defs": definitions });
        for (leaf, fits) in [(json!({}), true), (json!({ "a": 1, "z": 1 }), false)] {
            let data = (1..100).fold(leaf, |data, _| json!({ "a": data }));
            let text = with_input(&schema);
            let result = on_a_small_stack(move || {
                let workflow = Workflow::parse(&text).unwrap();
                workflow.input.schema.unwrap().check(&data)
            });
            assert_eq!(result.is_ok(), fits, "{schema}");
        }
    }
}

#[test]
fn many_schemas_that_lead_to_one_another_for_inner_values_are_read() {
    let definitions = chain(5_000, |next| json!({ "properties": { "a": next } }), json!({}));
    let text = with_input(&json!({ "$ref": "#/$defs/0", "$defs": definitions }));
    on_a_small_stack(move || drop(Workflow::parse(&text).unwrap()));
    let nested = |index: usize| {
        let next = json!({ "$ref": format!("#/$defs/{}", index + 1) });
        (0..110).fold(next, |schema, _| json!({ "properties": { "a": schema } }))
    };
    let mut definitions: Map<_, _> = (0..20).map(|index| (index.to_string(), nested(index))).collect();
    definitions.insert("20".to_owned(), json!({}));
    let text = with_input(&json!({ "$ref": "#/$defs/0", "$defs": definitions }));
    on_a_small_stack(move || drop(Workflow::parse(&text).unwrap()));
}

#[test]
fn patterns_give_up_soon() {
    let text = with_input(&json!({ "items": { "pattern": "^(a|aa)+(?<!c)$" } }));
    let schema = Workflow::parse(&text).unwrap().input.schema.unwrap();
    let error = schema
        .check(&json!(["aa", format!("{}b", "a".repeat(1_000))]))
        .unwrap_err();
    assert!(error.message().contains("backtracking"), "{error}");
    assert!(schema.check(&json!(["aa", "a".repeat(1_000)])).is_ok());
}

#[test]
fn tasks_nest_only_so_deep() {
    let depth = 90;
    let list = format!("{}[]{}", "[{a: {do: ".repeat(depth), "}}]".repeat(depth));
    assert_refused(format!("{HEAD}do: {list}"), "deep");
    let depth = 80;
    let list = format!("{}[]{}", "[{a: {do: ".repeat(depth), "}}]".repeat(depth));
    let text = format!("{HEAD}do: {list}");
    let read = std::thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(move || {
            let workflow = Workflow::parse(&text).unwrap();
            assert_eq!(
                atom_workflow::definition::graph(&workflow)
                    .matches("subgraph")
                    .count(),
                depth - 1
            );
        });
    read.unwrap().join().unwrap();
}

#[test]
fn functions_call_each_other_only_so_deep() {
    let mut functions: Vec<_> = (0..200)
        .map(|index| format!("    f{index}: {{call: f{}}}\n", index + 1))
        .collect();
    functions.push("    f200: {set: {a: 1}}\n".to_owned());
    assert_refused(
        format!("{HEAD}use:\n  functions:\n{}do: []", functions.concat()),
        "tasks nest more than 100 deep",
    );
    functions.reverse();
    assert_refused(
        format!("{HEAD}use:\n  functions:\n{}do: []", functions.concat()),
        "tasks nest more than 100 deep",
    );
}

#[test]
fn aliases_cannot_multiply_a_document() {
    let bomb = |first: &str| {
        let mut text = format!("a0: &a0 {first}\n");
        for level in 1..30 {
            let before = format!("*a{}", level - 1);
            text.push_str(&format!(
                "a{level}: &a{level} [{before}, {before}, {before}, {before}]\n"
            ));
        }
        text
    };
    assert_refused(bomb("x"), "more than 200000 values");
    assert_refused(bomb(&"x".repeat(1_000_000)), "bytes of text");
    let chain: String = (1..400)
        .map(|level| format!("a{level}: &a{level} [*a{}]\n", level - 1))
        .collect();
    assert_refused(format!("a0: &a0 x\n{chain}"), "deep");
    // Each task knows its path, which repeats the names above it.
    let name = "n".repeat(1_000);
    let many: String = (0..10_000)
        .map(|index| format!("{{a{index}: {{set: {{b: 1}}}}}},"))
        .collect();
    let nested = format!(
        "{}[{many}]{}",
        format!("[{{{name}: {{do: ").repeat(20),
        "}}]".repeat(20)
    );
    assert_refused(format!("{HEAD}do: {nested}"), "too large");
    // Each task holds a copy of all inside it, so a large one deep down would be copied at every level.
    let large = format!("&x [{}]", "1,".repeat(150_000));
    let depth = 70;
    let list = format!(
        "{}[{{b: {{set: {{c: {large}}}}}}}]{}",
        "[{a: {do: ".repeat(depth),
        "}}]".repeat(depth)
    );
    assert_refused(format!("{HEAD}do: {list}"), "too large");
}

#[test]
fn large_texts_are_refused_unread() {
    assert_refused("a".repeat(5 * 1024 * 1024), "at most 4194304 are read");
    assert_refused(
        format!("{HEAD}do: [{}]", "1,".repeat(300_000)),
        "more than 200000 values",
    );
    assert_refused(
        format!("? {}", "a".repeat(3_000_000)),
        "a key has at most 1024 bytes",
    );
    assert_refused(format!("{HEAD}do: {}", "#".repeat(3_000_000)), "");
    assert_refused(
        format!("{HEAD}do:\n{}", " \n".repeat(1_000_000)),
        "expected a list",
    );
    assert_refused(
        format!("{HEAD}do: \"{}\"", "\\n".repeat(1_000_000)),
        "expected a list",
    );
    assert_refused(
        format!("{HEAD}do: |\n{}", "  a\n".repeat(500_000)),
        "expected a list",
    );
    assert_refused(
        format!("{HEAD}do: {}", "a\n  ".repeat(500_000)),
        "expected a list",
    );
    assert_refused(format!("{HEAD}{}", "a: &b\n".repeat(100_000)), "twice");
    assert_refused(
        (0..100_000).map(|index| format!("a{index}: 1\n")).collect(),
        "unknown key",
    );
    assert_refused(
        (0..60_000)
            .map(|index| format!("%TAG !t{index}! tag:example.com,2000:\n"))
            .collect(),
        "",
    );
}

#[test]
fn strange_characters_are_named() {
    for (text, code) in [
        ("a: \0", "U+0000"),
        ("a: \u{7}", "U+0007"),
        ("a\u{feff}: 1", "U+FEFF"),
        ("\u{85}\u{9f}", "U+009F"),
    ] {
        assert_refused(text.to_owned(), code);
    }
    assert_refused("d\0o\0:\0".to_owned(), "save the document as UTF-8");
}

#[test]
fn expressions_are_bounded() {
    let many = "'${ .a }',".repeat(20_001);
    assert_refused(
        format!("{HEAD}do: [{{a: {{set: {{b: [{many}]}}}}}}]"),
        "more than 20000 expressions",
    );
    assert_refused(
        format!(
            "{HEAD}do: [{{a: {{if: '{}', set: {{a: 1}}}}}}]",
            "(".repeat(1_000_000)
        ),
        "expression",
    );
    assert_refused(
        format!(
            "{HEAD}do: [{{a: {{if: '{}', set: {{a: 1}}}}}}]",
            ".a|".repeat(1_000_000)
        ),
        "expression",
    );
}

#[test]
fn regular_expressions_are_bounded() {
    let filter =
        |text: &str| format!("{HEAD}do: [{{a: {{listen: {{to: {{one: {{with: {{type: '{text}'}}}}}}}}}}}}]");
    assert_refused(filter(r"\w{1000}"), "takes more than");
    assert_refused(filter(r"(((a{100}){100}){100}){100}"), "takes more than");
    let many: String = (0..1001).map(|_| "{with: {type: a}},").collect();
    assert_refused(
        format!("{HEAD}do: [{{a: {{listen: {{to: {{any: [{many}]}}}}}}}}]"),
        "more than 1000 regular",
    );
    let schema = |text: &str| format!("{HEAD}do: []\ninput: {{schema: {{document: {{pattern: '{text}'}}}}}}");
    assert_refused(schema(r"\w{100000}"), "not a JSON Schema");
    let workflow = Workflow::parse(&schema(r"^(a|a)*\\1$")).unwrap();
    let checked = workflow.input.schema.unwrap().check(&"a".repeat(64).into());
    assert!(
        checked.is_err(),
        "a pattern that cannot be decided does not let the value through"
    );
}

#[test]
fn schemas_that_lead_in_circles_are_refused() {
    for schema in [
        "{$ref: '#'}",
        "{allOf: [{$ref: '#'}]}",
        "{anyOf: [{$ref: '#'}, {not: {$ref: '#'}}]}",
        "{$ref: '#/$defs/a', $defs: {a: {$ref: '#/$defs/b'}, b: {$ref: '#/$defs/a'}}}",
        "{$dynamicRef: '#a', $dynamicAnchor: a}",
        "{if: {$ref: '#'}, then: {$ref: '#'}}",
        "{items: {not: {$ref: '#/items'}}}",
    ] {
        let text = format!("{HEAD}do: []\ninput: {{schema: {{document: {schema}}}}}");
        assert_refused(text, "leads back to itself");
    }
    let deep = format!("{}true{}", "{properties: {a: ".repeat(120), "}}".repeat(120));
    let text = format!("{HEAD}do: []\ninput: {{schema: {{document: {deep}}}}}");
    on_a_small_stack(move || drop(Workflow::parse(&text).unwrap()));
}

/// Pieces of YAML, so that random texts come close to the grammar.
fn pieces() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "do",
        ": ",
        "- ",
        "? ",
        "\n",
        "\n  ",
        "\n    ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&a ",
        "*a",
        "!!str ",
        "!x ",
        "|\n",
        ">-\n",
        "'",
        "\"",
        "\\x",
        "\\u12",
        "#",
        " # ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "%TAG ! x\n",
        "\t",
        "<<",
        "0x",
        "1.5",
        "~",
        "${",
        "é",
        "\r\n",
        "\u{85}",
        "\u{2028}",
        "@",
        "`",
        "=",
        "document",
        "set",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..60)
        .prop_map(|pieces| pieces.concat())
}

/// Failures are printed and turned into cases of their own, not kept in a file.
fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(cases),
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config(3_000))]

    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![pieces(), "\\PC{0,80}", any::<String>()]) {
        let _ = Workflow::parse(&text);
        let _ = Workflow::parse(&format!("{HEAD}do:\n{text}"));
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn a_truncated_or_spoilt_document_is_read_or_refused(cut in any::<prop::sample::Index>(), piece in pieces(), is_cut: bool) {
        let text = include_str!("documents/valid/supported.yaml");
        let mut end = cut.index(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let rest = if is_cut { "" } else { &text[end..] };
        let _ = Workflow::parse(&format!("{}{piece}{rest}", &text[..end]));
    }
}
