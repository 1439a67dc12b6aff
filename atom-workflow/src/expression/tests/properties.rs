//! What holds for every value and every text.

use atom_core::ErrorCode;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::{Expression, Limits, Template, Variables};

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("JSON has neither NaN nor infinities", |number| {
            serde_json::Number::from_f64(number).map(Value::Number)
        }),
        (-3..4).prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        ".{0,8}".prop_map(Value::from),
        "[ab]".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec(("[abc]|.{0,5}", inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A path that the shortcut follows, and the same path for the interpreter.
fn path() -> impl Strategy<Value = String> {
    let head = prop_oneof![Just(""), Just("$x")];
    let key = prop_oneof![
        "[abc]".prop_map(|key| format!(".{key}")),
        "[abc]".prop_map(|key| format!("[\"{key}\"]")),
        (-3..4).prop_map(|index| format!("[{index}]")),
    ];
    (head, proptest::collection::vec(key, 1..5)).prop_map(|(head, keys)| {
        let dot = if head.is_empty() && keys[0].starts_with('[') {
            "."
        } else {
            ""
        };
        format!("{head}{dot}{}", keys.concat())
    })
}

/// Something like a program: fragments of the language in any order.
fn almost_program() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        ".",
        "..",
        ".a",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        "|",
        ",",
        ":",
        ";",
        "+",
        "-",
        "*",
        "/",
        "%",
        "//",
        "==",
        "<",
        "and",
        "or",
        "not",
        "if",
        "then",
        "elif",
        "else",
        "end",
        "try",
        "catch",
        "reduce",
        "foreach",
        "as",
        "def",
        "f",
        "f:",
        "$x",
        "$__loc__",
        "label",
        "break",
        "$out",
        "1",
        "0.5",
        "1e3",
        "\"a\"",
        "\"\\(",
        ")\"",
        "@base64",
        "?",
        "=",
        "|=",
        "+=",
        "//=",
        "map(",
        "select(",
        "range(",
        "limit(2;",
        "path(",
        "sort_by(",
        "splits(",
        "test(",
        "first",
        "add",
        "keys",
        "to_entries",
        "del(",
        "getpath(",
        "tojson",
        "recurse",
        "env",
        "now",
        "import",
        "::",
        "#",
        "\n",
        "\\",
        "'",
        "ä",
        "?//",
        "{a:",
        "{$x}",
        "[.[]]",
        "..|=",
        "!",
        "&",
    ]);
    proptest::collection::vec(fragment, 0..24).prop_map(|fragments| fragments.join(" "))
}

fn evaluate_anything(program: &str, input: &Value) {
    let limits = Limits {
        steps: 20_000,
        memory_bytes: 1_000_000,
        ..Limits::default()
    };
    match Expression::compile_within(program, limits) {
        Ok(expression) => {
            let variables = Variables::new().set("x", json!([1, {"a": 2}]));
            let first = expression.evaluate(input, &variables);
            let second = expression.evaluate(input, &variables);
            match (first, second) {
                (Ok(first), Ok(second)) => assert_eq!(first.to_string(), second.to_string(), "{program}"),
                (Err(first), Err(second)) => {
                    assert_eq!(first.to_string(), second.to_string(), "{program}");
                    assert_ne!(first.code(), ErrorCode::Internal, "{program}: {first}");
                }
                (first, second) => panic!("{program}: {first:?}, then {second:?}"),
            }
        }
        Err(error) => assert_ne!(error.code(), ErrorCode::Internal, "{program}: {error}"),
    }
}

proptest! {
    #[test]
    fn every_value_survives(value in value()) {
        for expression in [Expression::compile("."), Expression::compile_with(".", Limits::default(), false)] {
            let result = expression.unwrap().evaluate(&value, &Variables::new()).unwrap();
            prop_assert_eq!(result.to_string(), value.to_string());
        }
        for program in [". | .", "(.[0]? // 1) as $x | .", "[.][0]", "{a: .}.a", "[.] | map(.) | .[0]"] {
            let result = Expression::compile(program).unwrap().evaluate(&value, &Variables::new()).unwrap();
            prop_assert_eq!(result.to_string(), value.to_string(), "{}", program);
        }
    }

    #[test]
    fn text_of_json_is_read_back(value in value()) {
        let result = Expression::compile("tojson | fromjson").unwrap().evaluate(&value, &Variables::new()).unwrap();
        let same = Expression::compile(".[0] == .[1]").unwrap();
        prop_assert_eq!(same.evaluate(&json!([result, value]), &Variables::new()).unwrap(), json!(true));
    }

    #[test]
    fn the_shortcut_for_paths_means_the_same(program in path(), input in value(), x in value()) {
        let variables = Variables::new().set("x", x);
        let short = Expression::compile(&program).unwrap().evaluate(&input, &variables);
        let long = Expression::compile_with(&program, Limits::default(), false).unwrap().evaluate(&input, &variables);
        match (short, long) {
            (Ok(short), Ok(long)) => prop_assert_eq!(short.to_string(), long.to_string()),
            (short, long) => prop_assert_eq!(
                short.map_err(|error| error.message().to_owned()),
                long.map_err(|error| error.message().to_owned())
            ),
        }
    }

    #[test]
    fn sorting_orders_every_value(values in proptest::collection::vec(value(), 0..12)) {
        let sorted = "sort as $s | [range($s | length - 1) as $i | $s[$i] <= $s[$i + 1]] | all";
        let expression = Expression::compile(sorted).unwrap();
        prop_assert_eq!(expression.evaluate(&json!(values), &Variables::new()).unwrap(), json!(true));
    }

    #[test]
    fn a_template_without_expressions_stands_for_itself(value in value()) {
        let template = Template::compile(&value).unwrap();
        prop_assert!(template.is_literal());
        prop_assert_eq!(template.evaluate(&json!(1), &Variables::new()).unwrap().to_string(), value.to_string());
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,40}", input in value()) {
        evaluate_anything(&text, &input);
    }

    #[test]
    fn no_fragments_of_programs_make_it_panic(text in almost_program(), input in value()) {
        evaluate_anything(&text, &input);
    }
}
