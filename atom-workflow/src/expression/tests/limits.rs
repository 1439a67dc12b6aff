//! What stops a program that does not stop by itself.

use atom_core::{Error, ErrorCode};
use serde_json::{Value, json};

use super::super::{Expression, Limits, Template, Variables};
use super::run;

/// The name of the limit that was passed.
fn limit(error: &Error) -> &str {
    assert_eq!(error.code(), ErrorCode::LimitExceeded, "{error}");
    &error.context()["limit"]
}

/// Expects each program to pass one of the limits named after it.
fn check(programs: &[(&str, &str)], limits: Limits) {
    for (program, expected) in programs {
        let expression = Expression::compile_within(program, limits).unwrap();
        let error = expression
            .evaluate(&Value::Null, &Variables::new())
            .expect_err(program);
        assert!(
            expected.split(' ').any(|name| name == limit(&error)),
            "{program}: {error}"
        );
    }
}

/// A twentieth of what is usual, because these programs are stopped by counts, and the interpreter is slow
/// when it is not optimised.
fn small() -> Limits {
    let limits = Limits::default();
    Limits {
        steps: limits.steps / 20,
        memory_bytes: limits.memory_bytes / 20,
        ..limits
    }
}

#[test]
fn programs_without_end_or_measure_are_stopped() {
    let programs = [
        (
            "def f: try (., (if . < 2000 then . + 1 | f else range(1e6) end)); last(0|f)",
            "steps",
        ),
        (
            "def f: label $x | (., (if . < 2000 then . + 1 | f else range(1e6) end)); last(0|f)",
            "steps",
        ),
        (
            "def f: (., (if . < 2000 then . + 1 | f else range(1e6) end)) // 1; last(0|f)",
            "steps",
        ),
        (
            "def g(x): x; def f: g(., (if . < 2000 then . + 1 | f else range(1e6) end)); last(0|f)",
            "steps",
        ),
        (
            "def f: limit(1e9; ., (if . < 2000 then . + 1 | f else range(1e6) end)); last(0|f)",
            "steps",
        ),
        (
            "def f: (., (if . < 2000 then . + 1 | f else range(1e6) end))?; last(0|f)",
            "steps",
        ),
        (
            "def f: [([], (if length < 2000 then . + [1] | f else [range(1e5)][] | [.] end))[]][]; last([]|f)",
            "steps stack",
        ),
        ("def f: f; f", "steps"),
        ("def f: f, 1; f | empty", "steps"),
        ("def f: 1, f; [f]", "steps memory_bytes"),
        ("def f($x): f($x + 1); f(0)", "steps"),
        ("last(repeat(1))", "steps"),
        ("last(range(1e18))", "steps"),
        ("last(range(0; 1; 0))", "steps"),
        ("[range(1e12)]", "steps memory_bytes"),
        ("[limit(1e12; repeat(1))]", "steps memory_bytes"),
        ("skip(1e12; repeat(1))", "steps"),
        ("reduce range(1e12) as $i (0; . + $i)", "steps"),
        ("last(foreach range(1e12) as $i (0; .))", "steps"),
        ("until(false; .)", "steps"),
        ("[while(true; .)]", "steps memory_bytes"),
        ("[recurse(.)]", "steps memory_bytes"),
        ("label $out | repeat(empty)", "steps"),
        ("try repeat(empty) catch 1", "steps"),
        ("[.[]?, repeat(empty)]", "steps"),
        ("isempty(repeat(empty))", "steps"),
        ("[[range(100)] | combinations(10)]", "steps memory_bytes"),
        ("def f: foreach (1, f) as $x (0; 1); last(f)", "stack steps"),
        ("\"a\" * 1e9", "memory_bytes"),
        ("\"a\" * 1e300", "memory_bytes"),
        ("reduce range(100) as $i (\"a\"; . + .)", "memory_bytes"),
        ("reduce range(100) as $i ([1]; . + .)", "steps memory_bytes"),
        ("reduce range(100) as $i (\"a\"; . * 10)", "memory_bytes"),
        ("reduce range(1000) as $i (0; [., .])", "depth"),
        ("reduce range(400) as $i (0; [., .])", "output_bytes steps"),
        (
            "reduce range(400) as $i (0; [., .]) | tojson",
            "memory_bytes steps",
        ),
        (
            "reduce range(400) as $i (0; [., .]) | .. |= .",
            "memory_bytes steps",
        ),
        (
            "[reduce range(400) as $i (0; [., .]), reduce range(400) as $i (0; [., .])] | .[0] == .[1]",
            "steps",
        ),
        (
            "[reduce range(400) as $i (0; [., .]), reduce range(400) as $i (0; [., .])] | sort",
            "steps",
        ),
        (
            "[reduce range(400) as $i (0; {a: ., b: .}) | ..] | length",
            "memory_bytes steps",
        ),
        (
            "reduce range(400) as $i (0; [., .]) | flatten",
            "memory_bytes steps",
        ),
        (
            "reduce range(400) as $i (0; [., .]) | contains(reduce range(400) as $i (0; [., .]))",
            "steps",
        ),
        ("reduce range(1000000) as $i (0; [.])", "depth"),
        ("reduce range(1000000) as $i (0; {a: .})", "depth"),
        ("reduce range(1000000) as $i (null; {} | .a = $i)", "steps"),
        (".[1e9] = 1", "memory_bytes"),
        (".[1e300] = 1", "memory_bytes"),
        ("[] | .[9223372036854775807] |= 1", "memory_bytes"),
        (
            "[range(1000)] | [.[] as $a | .[] as $b | .[] as $c | 1]",
            "steps memory_bytes",
        ),
        (
            "(\"a\" * 1e6) | [limit(1e9; repeat(ltrimstr(\"a\")))]",
            "memory_bytes",
        ),
        ("(\"a\" * 1e6) as $a | last(repeat($a | startswith($a)))", "steps"),
        ("(\"a\" * 1e6) as $a | last(repeat($a == $a))", "steps"),
        ("(\"a\" * 1e6) as $a | last(repeat($a | length))", "steps"),
        ("(\"a\" * 1e6) as $a | last(repeat($a | @base64))", "memory_bytes"),
        ("(\"'\" * 1e6) as $a | last(repeat($a | @sh))", "memory_bytes"),
        ("(\"a\" * 1e6) as $a | last(repeat($a | tojson))", "memory_bytes"),
        ("(\"a\" * 1e6) as $a | last(repeat($a | test(\"b\")))", "steps"),
        ("(\"a\" * 1e6) / \"\"", "memory_bytes"),
        ("(\"[0,\" * 1e6) | fromjson", "memory_bytes steps"),
        (
            "[range(1e5)] as $a | last(repeat($a + [1]))",
            "memory_bytes steps",
        ),
        (
            "[range(1e5)] as $a | last(repeat($a | sort))",
            "memory_bytes steps",
        ),
        (
            "[range(1e5)] as $a | last(repeat($a | .[0] = 1))",
            "memory_bytes steps",
        ),
        (
            "[range(1e4)] as $a | last(repeat($a | index([9999, 1])))",
            "memory_bytes steps",
        ),
        (
            "reduce range(1e6) as $i ({}; .[\"\\($i)\"] = $i)",
            "steps memory_bytes",
        ),
        ("(\"a\" * 1e5) | [match(\"a.*b|a\"; \"g\")]", "steps"),
        ("(\"a\" * 1e5) | [match(\"(a*)*b|a\"; \"g\")]", "steps"),
        ("(\"a\" * 1e5) | gsub(\"\"; \"b\")", "steps memory_bytes"),
    ];
    check(&programs, small());
}

/// Chains that are dropped recursively must fit the stack whatever the limits, and so must the calls.
#[test]
fn recursion_ends_before_the_stack_does() {
    let programs = [
        ("def f(g): f(g | .); f(.)", "steps"),
        ("def f(g): def h: f(g | .); h; f(.)", "steps"),
        ("def f(g): g, f(g | g); f(.)|empty", "steps stack"),
        ("path(last(recurse(.a)))", "steps memory_bytes"),
        ("last(path(repeat(.a)))", "steps"),
        ("path(def f: .a | f; f)", "steps"),
        ("path(def f(g): f(g | .a); f(.))", "steps"),
        ("path(getpath([range(300000) | \"a\"]))", "steps"),
        ("getpath([range(100000) | \"a\"]) |= 1", "steps stack depth"),
        ("def f: [f]; f", "stack steps"),
        ("def f: f | f; f", "stack steps"),
        ("def f: f + 1; f", "stack steps"),
        ("def f: -f; f", "stack steps"),
        ("def f: {a: f}; f", "stack steps"),
        ("def f: if f then 1 else 2 end; f", "stack steps"),
        ("def f: try f; f", "stack steps"),
        ("def f: first(f); f", "stack steps"),
        ("def f: \"\\(f)\"; f", "stack steps"),
        ("def f: .[f]; f", "stack steps"),
        ("def f: .a | f; f |= 1", "stack steps depth"),
        ("def f(g): .a | f(g); f(.) |= 1", "stack steps depth"),
        ("def f: reduce f as $x (0; 1); f", "stack steps"),
        ("def f(g): [g | f([g])]; f(1)", "stack steps depth"),
        ("setpath([range(1000) | \"a\"]; 1)", "depth"),
        ("setpath([1e9]; 1)", "memory_bytes"),
    ];
    check(&programs, Limits::default());
    let chains = [
        ("def f(g): f(g | .); f(.)", "steps"),
        ("path(def f: .a | f; f)", "steps memory_bytes"),
        ("path(getpath([range(1e6) | \"a\"]))", "steps memory_bytes"),
    ];
    check(
        &chains,
        Limits {
            steps: 12_000_000,
            depth: 100_000,
            ..Limits::default()
        },
    );
}

#[test]
fn large_but_reasonable_programs_run() {
    for (program, output) in [
        (
            "[range(20000)] | map(select(. % 2 == 0) | {id: ., name: \"n\\(.)\"}) | length",
            json!(10000),
        ),
        (
            "def sum: if length == 0 then 0 else .[0] + (.[1:] | sum) end; [range(300)] | sum",
            json!(44850),
        ),
        (
            "def count: if . >= 50000 then . else . + 1 | count end; 0 | count",
            json!(50000),
        ),
        (
            "def each(f): map(if type == \"array\" then each(f) else f end); [[1, [2]], 3] | each(. + 1)",
            json!([[2, [3]], 4]),
        ),
        ("reduce range(500) as $i (0; [.]) | [..] | length", json!(501)),
        (
            "reduce range(1000) as $i ({x: 0, y: [1]}; .x = [.y])",
            json!({"x": [[1]], "y": [1]}),
        ),
        ("reduce range(1000) as $i ([[1]]; [.] | .[0] = 0)", json!([0])),
        (
            "reduce range(5000) as $i (\"\"; . + \"0123456789\") | length",
            json!(50000),
        ),
        (
            "[range(5000) | tostring] | join(\",\") | split(\", *\"; null) | length",
            json!(5000),
        ),
        ("[range(5000)] | del(.[] | select(. > 2))", json!([0, 1, 2])),
        (
            "[range(2000) | \"a\\(.)\" | test(\"^\\\\w{2,20}$\")] | all",
            json!(true),
        ),
        ("[range(2000)] | sort_by(-.) | first", json!(1999)),
        ("(\"a\" * 1e6) | explode | implode | length", json!(1_000_000)),
    ] {
        assert_eq!(run(program, &Value::Null).unwrap(), output, "{program}");
    }
}

#[test]
fn try_does_not_catch_a_limit() {
    let error = run("try repeat(empty) catch 1", &Value::Null).unwrap_err();
    assert_eq!(limit(&error), "steps");
    assert!(error.message().contains("4000000 steps"), "{error}");
    assert_eq!(error.context()["expression"], "try repeat(empty) catch 1");
}

#[test]
fn the_same_work_takes_the_same_steps() {
    // The least number of steps a program needs is the same after other programs have run.
    let program = "[.[] | test(\"a+\")] | length";
    let input = json!(["a", "b", "aa"]);
    let succeeds = |steps| {
        let limits = Limits {
            steps,
            ..Limits::default()
        };
        Expression::compile_within(program, limits)
            .unwrap()
            .evaluate(&input, &Variables::new())
            .is_ok()
    };
    let least = || {
        let (mut low, mut high) = (0, 100_000);
        while high - low > 1 {
            let middle = (low + high) / 2;
            if succeeds(middle) {
                high = middle
            } else {
                low = middle
            }
        }
        high
    };
    let first = least();
    assert!(first > 1 && first < 100_000);
    run("last(range(100)), repeat(empty)", &Value::Null).unwrap();
    run("repeat(empty)", &Value::Null).unwrap_err();
    run("error(1)", &Value::Null).unwrap_err();
    assert_eq!(least(), first);
}

#[test]
fn programs_too_large_to_compile_are_refused() {
    let nest =
        |open: &str, close: &str, times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
    for times in [400, 1_000, 4_000, 10_000] {
        for (open, close) in [
            ("(", ")"),
            ("[", "]"),
            ("{a:", "}"),
            ("[[", ""),
            ("((", "]"),
            ("{a:{", ""),
            ("-", ""),
            ("- - ", ""),
            ("1+", ""),
            ("1|", ""),
            (".|", ""),
            ("1,", ""),
            ("1//", ""),
            (".a=", ""),
            ("1 as $x|", ""),
            ("if ", " then 1 end"),
            ("if 1 then ", " end"),
            ("if 1 then 1 else ", " end"),
            ("try ", ""),
            ("1 as [", "] | 1"),
            (". as [[", "$x]] | $x"),
            (". as {a:", "$x} | $x"),
            ("\"\\(", ")\""),
            ("@json \"\\(", ")\""),
            ("def f: ", "; f"),
            ("def f(g): g; f(", ")"),
            ("map(", ")"),
            (".[", "]"),
            ("1[", "]"),
            (".a", ""),
            ("label $x | ", ""),
            ("reduce ", " as $x (0; 1)"),
            ("reduce 1 as $x (", "; 1)"),
            ("\\", ""),
            ("\"\\n\" + ", ""),
        ] {
            let program = nest(open, close, times);
            match Expression::compile(&program) {
                Ok(expression) => drop(expression.evaluate(&Value::Null, &Variables::new())),
                Err(error) => assert!(
                    matches!(
                        error.code(),
                        ErrorCode::LimitExceeded | ErrorCode::InvalidExpression
                    ),
                    "{open}: {error}"
                ),
            }
        }
    }
    for (program, expected) in [
        ("(".repeat(10_000), "brackets"),
        ("[".repeat(10_000), "brackets"),
        ("{a:".repeat(10_000), "brackets"),
        ("- ".repeat(10_000), "tokens"),
        ("if ".repeat(10_000), "tokens"),
        (format!("\"{}\"", "\\n".repeat(10_000)), "tokens"),
        (format!("\"{}\"", "a".repeat(100_000)), "source_bytes"),
    ] {
        assert_eq!(limit(&Expression::compile(&program).unwrap_err()), expected);
    }
}

/// A value that nests `depth` levels.
fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, level| {
        if level % 2 == 0 {
            Value::Array(vec![inner])
        } else {
            Value::Object([("a".to_owned(), inner)].into_iter().collect())
        }
    })
}

#[test]
fn input_may_nest_up_to_the_limit() {
    let deep = nested(512);
    for program in [
        ".",
        "reduce .. as $x (0; . + 1)",
        ". == .",
        "tojson | length",
        ".. |= .",
        "[paths] | length",
        "[.] | .[0]",
    ] {
        let result = run(program, &deep);
        if program.starts_with("[.] ") {
            assert_eq!(limit(&result.unwrap_err()), "depth");
        } else {
            result.unwrap();
        }
    }
    assert_eq!(limit(&run(". | .", &nested(513)).unwrap_err()), "depth");
    let variables = Variables::new().set("context", nested(2_000));
    let expression = Expression::compile("1 + ($context | length)").unwrap();
    assert_eq!(
        limit(&expression.evaluate(&json!(1), &variables).unwrap_err()),
        "depth"
    );
    // What is not used is not looked at.
    let unused = Expression::compile("1 + 1").unwrap();
    assert_eq!(unused.evaluate(&json!(1), &variables).unwrap(), json!(2));
}

#[test]
fn results_are_bounded() {
    let limits = Limits {
        output_bytes: 100,
        ..Limits::default()
    };
    let expression = Expression::compile_within("\"a\" * .", limits).unwrap();
    assert!(expression.evaluate(&json!(90), &Variables::new()).is_ok());
    assert_eq!(
        limit(&expression.evaluate(&json!(101), &Variables::new()).unwrap_err()),
        "output_bytes"
    );
}

#[test]
fn a_template_passes_limits_on() {
    let template = Template::compile(&json!({"a": ["${ repeat(empty) }"]})).unwrap();
    assert_eq!(
        limit(&template.evaluate(&json!(1), &Variables::new()).unwrap_err()),
        "steps"
    );
}
