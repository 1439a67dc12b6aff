//! What is refused, and how the error says so.

use atom_core::ErrorCode;
use serde_json::json;

use super::super::{Expression, Variables};
use super::run;

#[test]
fn compile_errors_say_where() {
    for (program, line, column, part) in [
        (".a +", "1", "5", "expected term"),
        (
            ".a |\n  nofunction(1)",
            "2",
            "3",
            "no function `nofunction` of 1 arguments",
        ),
        ("(1", "1", "3", "closing parenthesis"),
        ("if 1 then 2", "1", "12", "else or end"),
        ("\"abc", "1", "5", "closing quote"),
        ("1 as x | 2", "1", "6", "pattern"),
        ("§", "1", "1", "token"),
        ("", "1", "1", "term"),
        ("break $x", "1", "7", "label"),
        ("import \"a\" as $a; .", "1", "8", ""),
        ("include \"a\"; .", "1", "9", ""),
        ("a::b", "1", "1", "a::b"),
        ("expression__main", "1", "1", "no function"),
        ("{(1)}", "1", "5", "expected :"),
        ("reduce . as $x", "1", "1", "reduce"),
    ] {
        let error = Expression::compile(program).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidExpression, "{program}: {error}");
        assert!(error.message().contains(part), "{program}: {error}");
        let place = (
            error.context()["line"].as_str(),
            error.context()["column"].as_str(),
        );
        assert_eq!(place, (line, column), "{program}: {error}");
    }
}

#[test]
fn what_a_replay_could_not_repeat_is_not_available() {
    for (program, replacement) in [
        ("now", "use $workflow.startedAt or $task.startedAt"),
        (
            "{at: (now | todate)}",
            "use $workflow.startedAt or $task.startedAt",
        ),
        ("localtime", "gmtime"),
        ("strflocaltime(\"%H\")", "strftime"),
        ("input", "`.`"),
        ("[inputs]", "`.`"),
        ("input_filename", "`.`"),
        ("input_line_number", "`.`"),
        ("env.HOME", "secret"),
        ("$ENV.HOME", "secret"),
        ("debug", "side effects"),
        ("debug(\"x\")", "side effects"),
        ("stderr", "side effects"),
        ("halt", "raise"),
        ("halt_error", "raise"),
        ("halt_error(1)", "raise"),
        ("get_search_list", "modules"),
    ] {
        let error = Expression::compile(program).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidExpression);
        assert!(error.message().contains("is not available"), "{program}: {error}");
        assert!(error.message().contains(replacement), "{program}: {error}");
    }
}

#[test]
fn what_fails_says_why_and_shows_no_value() {
    for (program, input, message) in [
        (".a", json!("hunter2"), r#"cannot index string with "a""#),
        (".a | .", json!("hunter2"), r#"cannot index string with "a""#),
        (
            ".[0]",
            json!({"token": "hunter2"}),
            "cannot index object with number",
        ),
        (
            ".[0] | .",
            json!({"token": "hunter2"}),
            "cannot index object with number",
        ),
        (".[]", json!("hunter2"), "cannot iterate over string"),
        (". + 1", json!("hunter2"), "cannot calculate string + number"),
        ("1 / 0", json!("hunter2"), "cannot divide by zero"),
        ("1 % 0", json!("hunter2"), "cannot divide by zero"),
        ("error(\"told so\")", json!("hunter2"), "told so"),
        ("error({code: 5})", json!("hunter2"), "{\"code\":5}"),
        ("tonumber", json!("hunter2"), "cannot parse as JSON"),
        ("fromjson", json!("hunter2"), "cannot parse as JSON"),
        (
            "{(.): 1} | .hunter",
            json!(5),
            "keys of objects must be strings, not number",
        ),
        ("test(\"(\")", json!("hunter2"), "unclosed group"),
        ("nan", json!("hunter2"), "NaN or an infinity"),
        ("[infinite]", json!("hunter2"), "NaN or an infinity"),
        ("sort", json!("hunter2"), "cannot use string as array"),
        ("strptime(\"%Y\")", json!("hunter2"), "failed"),
        ("mktime", json!("hunter2"), "cannot use string as array"),
        ("fromdateiso8601", json!(1), "cannot use number as string"),
        ("ltrimstr(1)", json!("hunter2"), "cannot use number as string"),
        ("implode", json!([-5]), "code points"),
    ] {
        let error = run(program, &input).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidExpression, "{program}");
        assert!(error.message().contains(message), "{program}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{program}: {error}");
    }
}

#[test]
fn a_secret_that_is_not_there_is_told_apart() {
    let variables = Variables::new().set("secrets", json!({ "b": "hunter2", "c": { "d": 1 } }));
    for (program, names) in [
        ("$secrets.b", ["b"].as_slice()),
        ("$secrets[\"a\"] // $secrets.c.d", &["a", "c"]),
        ("try $secrets.a catch 1", &["a"]),
        ("{a: 1} as $secrets | $secrets.a", &[]),
        ("$secrets | .a", &[]),
    ] {
        let expression = Expression::compile(program).unwrap();
        assert_eq!(expression.secrets().collect::<Vec<_>>(), names, "{program}");
        match expression.evaluate(&json!(null), &variables) {
            Ok(_) => assert!(!names.contains(&"a"), "{program}"),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::PermissionDenied, "{program}: {error}");
                assert!(error.message().contains("no secret 'a'"), "{error}");
            }
        }
    }
}

#[test]
fn a_secret_of_a_computed_name_must_be_there() {
    let variables = Variables::new().set("secrets", json!({ "b": { "c": "d" } }));
    let read = |program: &str| {
        let expression = Expression::compile(program).unwrap();
        assert_eq!(expression.secrets().count(), 0, "{program}");
        expression.evaluate(&json!({ "own": "b", "other": "hunter2" }), &variables)
    };
    for (program, value) in [
        ("$secrets[.own].c", json!("d")),
        ("$secrets[.own]", json!({ "c": "d" })),
        ("[$secrets[.own, \"b\"].c]", json!(["d", "d"])),
        ("$secrets[.other]?", json!(null)),
        ("$secrets[.other]? // 1", json!(1)),
        ("try $secrets[.other] catch 2", json!(2)),
        ("{b: 3} as $secrets | $secrets[.other]", json!(null)),
        ("$secrets | .[\"a\"]", json!(null)),
    ] {
        assert_eq!(read(program).unwrap(), value, "{program}");
    }
    for program in [
        "$secrets[.other]",
        "$secrets[.other].c",
        "[$secrets[.own, .other]]",
    ] {
        let error = read(program).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidExpression, "{program}");
        assert!(error.message().contains("no secret"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_variable_that_is_not_there_is_named() {
    for program in ["$nobody", "$nobody.a", "1 + $nobody", "try $nobody catch 1"] {
        let expression = Expression::compile(program).unwrap();
        let variables = Variables::new().set("item", json!(1));
        let error = expression.evaluate(&json!(null), &variables).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidExpression);
        assert!(
            error
                .message()
                .contains("$nobody is not defined here; defined are $item"),
            "{error}"
        );
    }
}
