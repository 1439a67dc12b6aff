//! What expressions mean.

use serde_json::{Value, json};

use super::super::{Expression, Variables, compile_bare, is_expression, truthy};
use super::run;

/// `program ; input ; output`, one a line; input and output are JSON.
fn check(table: &str) {
    let mut failures = Vec::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let [program, input, output] = line.split(" ;; ").collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let input: Value = serde_json::from_str(input).unwrap();
        let output: Value = serde_json::from_str(output).unwrap();
        match run(program, &input) {
            Ok(result) => {
                // Compared as text, so that the order of fields and `1` against `1.0` count.
                let (result, output) = (result.to_string(), output.to_string());
                if result != output {
                    failures.push(format!("{line}\n    gives {result}"));
                }
            }
            Err(error) => failures.push(format!("{line}\n    fails: {error}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn ordinary_expressions() {
    check(
        r#"
        . ;; {"b":1,"a":[1.0,2]} ;; {"b":1,"a":[1.0,2]}
        .colors + ["red"] ;; {"colors":["blue"]} ;; ["blue","red"]
        "Hello \(.user.firstName)" ;; {"user":{"firstName":"Ada"}} ;; "Hello Ada"
        . | length ;; [1,2,3] ;; 3
        length ;; "häh" ;; 3
        .a.b.c ;; {"a":{}} ;; null
        .["a"]["b"] ;; {"a":{"b":1}} ;; 1
        ."a b" ;; {"a b":1} ;; 1
        .[0] ;; [1,2] ;; 1
        .[-1] ;; [1,2] ;; 2
        .[5] ;; [1,2] ;; null
        .[1:] ;; [1,2,3] ;; [2,3]
        .[:-1] ;; "häuser" ;; "häuse"
        .a? ;; 1 ;; null
        .a // "none" ;; {"a":null} ;; "none"
        [.[] | select(.age > 18) | .name] ;; [{"name":"a","age":20},{"name":"b","age":3}] ;; ["a"]
        map(. * 2) ;; [1,2] ;; [2,4]
        map({name, id: .key}) ;; [{"name":"x","key":1}] ;; [{"name":"x","id":1}]
        { ids: [ .a, .id ] } ;; {"a":1,"id":2} ;; {"ids":[1,2]}
        if .a == 1 then "one" elif .a == 2 then "two" else "many" end ;; {"a":2} ;; "two"
        if . then "yes" end ;; false ;; false
        .a == 1 and .b != 2 or (.c | not) ;; {"a":1,"b":2,"c":false} ;; true
        . as {a: $x, b: [$y, $z]} | $x + $y + $z ;; {"a":1,"b":[2,3]} ;; 6
        . as [$a, $b] | {a: $a, $b} ;; [1,2] ;; {"a":1,"b":2}
        try error("no") catch . ;; null ;; "no"
        try error({code: 1}) catch .code ;; null ;; 1
        (.a | tonumber)? // 0 ;; {"a":"x"} ;; 0
        .a.b? ;; {"a":1} ;; null
        reduce .[] as $x (0; . + $x) ;; [1,2,3] ;; 6
        [foreach .[] as $x (0; . + $x; [$x, .])] ;; [1,2] ;; [[1,1],[2,3]]
        [limit(3; repeat(1))] ;; null ;; [1,1,1]
        [range(0; 10; 3)] ;; null ;; [0,3,6,9]
        [recurse(if . < 3 then . + 1 else empty end)] ;; 0 ;; [0,1,2,3]
        [..] ;; [[1]] ;; [[[1]],[1],1]
        first(.[] | select(. > 1)) ;; [1,2,3] ;; 2
        empty ;; 1 ;; null
        1, 2 ;; null ;; 1
        add ;; [[1],[2]] ;; [1,2]
        add ;; [] ;; null
        any(.[]; . > 2) ;; [1,3] ;; true
        all ;; [true,false] ;; false
        sort_by(.a) ;; [{"a":2},{"a":1}] ;; [{"a":1},{"a":2}]
        sort ;; [{"a":1},[1],"x",2,true,false,null] ;; [null,false,true,2,"x",[1],{"a":1}]
        group_by(.k) | map(length) ;; [{"k":1},{"k":2},{"k":1}] ;; [2,1]
        unique ;; [2,1,2] ;; [1,2]
        unique_by(.a) ;; [{"a":1,"b":1},{"a":1,"b":2}] ;; [{"a":1,"b":1}]
        min_by(.a), max ;; [{"a":2},{"a":1}] ;; {"a":1}
        [min, max] ;; [2,1,3] ;; [1,3]
        flatten ;; [1,[2,[3]]] ;; [1,2,3]
        flatten(1) ;; [1,[2,[3]]] ;; [1,2,[3]]
        reverse ;; [1,2] ;; [2,1]
        transpose ;; [[1,2],[3]] ;; [[1,3],[2,null]]
        keys ;; {"b":1,"a":2} ;; ["a","b"]
        keys_unsorted ;; {"b":1,"a":2} ;; ["b","a"]
        to_entries ;; {"b":1} ;; [{"key":"b","value":1}]
        from_entries ;; [{"key":"b","value":1},{"name":"c","value":2},{"k":3,"v":4}] ;; {"b":1,"c":2,"3":4}
        with_entries(.value += 1) ;; {"b":1,"a":2} ;; {"b":2,"a":3}
        has("a"), has("z") ;; {"a":null} ;; true
        [has(0, 5)] ;; [1] ;; [true,false]
        map(in({"a":1})) ;; ["a","b"] ;; [true,false]
        contains({a:["b"]}) ;; {"a":["abc"],"x":1} ;; true
        inside([1,2,3]) ;; [1] ;; true
        index("b"), rindex("b") ;; "abcb" ;; 1
        indices("aa") ;; "aaaä" ;; [0,1]
        [.[] | IN(2, 3)] ;; [1,2] ;; [false,true]
        INDEX(.id) ;; [{"id":1},{"id":2}] ;; {"1":{"id":1},"2":{"id":2}}
        del(.a) ;; {"a":1,"b":2,"c":3} ;; {"b":2,"c":3}
        del(.[0, 2]) ;; [1,2,3] ;; [2]
        del(.c[3], .d.e) ;; {"a":1,"c":[1],"d":{"e":1,"f":2}} ;; {"a":1,"c":[1],"d":{"f":2}}
        del(.a.b, .c[3]) ;; {"c":[1]} ;; {"c":[1]}
        del(.[] | select(. > 1)) ;; [1,2,3] ;; [1]
        del(.[1:3], .[0]) ;; [1,2,3,4] ;; [4]
        delpaths([["a"]]) ;; {"a":1,"b":2} ;; {"b":2}
        pick(.a.b) ;; {"a":{"b":1,"c":2}} ;; {"a":{"b":1}}
        paths ;; {"a":[1]} ;; ["a"]
        [paths(scalars)] ;; {"a":[1]} ;; [["a",0]]
        [leaf_paths] ;; {"a":{"b":1}} ;; [["a","b"]]
        path(.a[0].b) ;; null ;; ["a",0,"b"]
        getpath(["a","b"]) ;; {"a":{"b":1}} ;; 1
        setpath(["a",1]; 5) ;; null ;; {"a":[null,5]}
        to_entries | map(.key) ;; {"x":1} ;; ["x"]
        walk(if type == "number" then . + 1 else . end) ;; [1,{"a":2}] ;; [2,{"a":3}]
        .a = 1 ;; {"b":2} ;; {"b":2,"a":1}
        .a.b |= . + 1 ;; {"a":{"b":1}} ;; {"a":{"b":2}}
        .[] += 1 ;; [1,2] ;; [2,3]
        .a //= 3 ;; {} ;; {"a":3}
        .[1] = 9 ;; [1] ;; [1,9]
        .[3] = 9 ;; [1] ;; [1,null,null,9]
        .[1:2] = ["x","y"] ;; [1,2,3] ;; [1,"x","y",3]
        .[] |= empty ;; [1,2] ;; []
        .a += 1 ;; null ;; {"a":1}
        {"a":{"x":1}} * {"a":{"y":2}} ;; null ;; {"a":{"x":1,"y":2}}
        {a:1} + {b:2} + {a:3} ;; null ;; {"a":3,"b":2}
        {(.k): .v} ;; {"k":"x","v":1} ;; {"x":1}
        {"a-b": 1, "c\(1+1)": 2} ;; null ;; {"a-b":1,"c2":2}
        [1,2,3] - [2] ;; null ;; [1,3]
        [.[] as $x | .[] as $y | [$x,$y]] | length ;; [1,2] ;; 4
        def f(x): x * x; f(3) ;; null ;; 9
        def f($a; $b): $a + $b; f(1; 2) ;; null ;; 3
        def fac: if . <= 1 then 1 else . * (. - 1 | fac) end; fac ;; 5 ;; 120
        def now: 5; now ;; null ;; 5
        [until(. > 100; . * 2)] ;; 1 ;; [128]
        [while(. < 5; . + 2)] ;; 1 ;; [1,3]
        label $out | foreach .[] as $x (0; . + $x; if . > 2 then ., break $out else empty end) ;; [1,2,3] ;; 3
        [splits(", *")] ;; "a, b,c" ;; ["a","b","c"]
        $__loc__ ;; null ;; {"file":"<top-level>","line":1}
        {$__loc__} ;; null ;; {"__loc__":{"file":"<top-level>","line":1}}
        getpath(["a",0]) ;; null ;; null
        combinations ;; [[1,2],[3]] ;; [1,3]
        [combinations(2)] ;; [0,1] ;; [[0,0],[0,1],[1,0],[1,1]]
        [tostream] ;; {"a":1} ;; [[["a"],1],[["a"]]]
        "#,
    );
}

#[test]
fn text_functions() {
    check(
        r#"
        test("^a.c$") ;; "abc" ;; true
        test("A"; "i") ;; "abc" ;; true
        [match("b+"; "g") | .offset] ;; "äbbab" ;; [1,4]
        match("(?<x>b)(c)?") ;; "ab" ;; {"offset":1,"length":1,"string":"b","captures":[{"offset":1,"length":1,"string":"b","name":"x"},{"offset":-1,"length":0,"string":null,"name":null}]}
        capture("(?<y>\\d{4})-(?<m>\\d\\d)") ;; "on 2026-11-20" ;; {"y":"2026","m":"11"}
        [scan("\\w+")] ;; "ab cd" ;; ["ab","cd"]
        [scan("(a)(b)?")] ;; "ab a" ;; [["a","b"],["a",null]]
        sub("(?<x>b)"; "<\(.x)>") ;; "abb" ;; "a<b>b"
        gsub("\\s+"; " ") ;; "a  b   c" ;; "a b c"
        split(", ") ;; "a, b" ;; ["a","b"]
        split("a+"; null) ;; "baab" ;; ["b","b"]
        join("-") ;; [] ;; ""
        join("-") ;; ["a",1,null,true] ;; "a-1--true"
        ascii_downcase + ascii_upcase ;; "aB" ;; "abAB"
        startswith("a") and endswith("c") ;; "abc" ;; true
        ltrimstr("a") | rtrimstr("c") ;; "abc" ;; "b"
        trimstr("a") ;; "aba" ;; "b"
        trim, ltrim ;; "  a " ;; "a"
        explode ;; "aä" ;; [97,228]
        implode ;; [97,228] ;; "aä"
        tojson ;; {"a":[1,"x\n",null]} ;; "{\"a\":[1,\"x\\n\",null]}"
        fromjson ;; "{\"a\":[1]}" ;; {"a":[1]}
        tostring ;; [1] ;; "[1]"
        tonumber ;; "1.5" ;; 1.5
        @base64 ;; "hällo" ;; "aMOkbGxv"
        @base64d ;; "aMOkbGxv" ;; "hällo"
        @uri ;; "a b&c" ;; "a%20b%26c"
        @html ;; "<a>" ;; "&lt;a&gt;"
        @sh ;; "it's" ;; "'it'\\''s'"
        @json "x\(.)" ;; [1] ;; "x[1]"
        @csv ;; ["a\"b",1,null,true] ;; "\"a\"\"b\",1,,true"
        @tsv ;; ["a\tb",1] ;; "a\\tb\t1"
        "ab" * 3 ;; null ;; "ababab"
        "ab" * 0 ;; null ;; null
        "\u00e4\n\t" ;; null ;; "ä\n\t"
        "a" < "b" ;; null ;; true
        utf8bytelength ;; "ä" ;; 2
        ascii_downcase ;; "ÄB" ;; "Äb"
        "#,
    );
}

#[test]
fn numbers() {
    check(
        r#"
        . ;; 1 ;; 1
        [.[]] ;; [1,1.0,-0.0,1.5] ;; [1,1.0,-0.0,1.5]
        [.[] + 0] ;; [9007199254740993,-9223372036854775808,18446744073709551615] ;; [9007199254740993,-9223372036854775808,18446744073709551615]
        9007199254740993 ;; null ;; 9007199254740993
        18446744073709551615 + 1 ;; null ;; 1.8446744073709552e19
        4 / 2 ;; null ;; 2
        1 / 3 * 3 ;; null ;; 1
        7 / 2 ;; null ;; 3.5
        -7 % 3 ;; null ;; -1
        5.9 % 3 ;; null ;; 2
        0.1 + 0.2 ;; null ;; 0.30000000000000004
        "\(4 / 2) \(1.0) \(1e3) \(1e100)" ;; null ;; "2 1 1000 1e+100"
        [floor, ceil, round, sqrt] ;; 6.25 ;; [6,7,6,2.5]
        pow(2; 10) ;; null ;; 1024
        [.[] | abs] ;; [-1,1.5] ;; [1,1.5]
        .[1.7] ;; [1,2] ;; 2
        .[1.2:2.5] ;; [1,2,3] ;; [2,3]
        [nan, infinite] | map(isnan, isinfinite) ;; null ;; [true,false,false,true]
        [nan] | sort | length ;; null ;; 1
        [nan, 1] | min | isnan ;; null ;; true
        nan < 1 ;; null ;; true
        infinite | floor | isinfinite ;; null ;; true
        [nan | tojson] ;; null ;; ["null"]
        [1, 1.0] | unique ;; null ;; [1]
        1 == 1.0 ;; null ;; true
        9007199254740993 == 9007199254740992 ;; null ;; false
        [9007199254740993, 9007199254740992] | sort ;; null ;; [9007199254740992,9007199254740993]
        "#,
    );
}

#[test]
fn times_are_in_utc() {
    check(
        r#"
        fromdateiso8601 ;; "2015-03-05T23:51:47Z" ;; 1425599507
        todate ;; 1425599507 ;; "2015-03-05T23:51:47Z"
        strftime("%Y-%m-%d %H:%M") ;; 1425599507 ;; "2015-03-05 23:51"
        gmtime ;; 1425599507 ;; [2015,2,5,23,51,47,4,63]
        gmtime | mktime ;; 1425599507 ;; 1425599507
        strptime("%Y-%m-%d") | mktime ;; "2015-03-05" ;; 1425513600
        dateadd("seconds"; 3600) | todate ;; 0 ;; "1970-01-01T01:00:00Z"
        "#,
    );
}

#[test]
fn variables_are_found_by_name() {
    let variables = Variables::new()
        .set("workflow", json!({"input": [{"data": 7}]}))
        .set("input", json!("x"))
        .set("context", json!({"x": {"y": [1, 2]}}))
        .set("item", json!({"a": 1}));
    for (program, output) in [
        ("$workflow.input[0].data", json!(7)),
        ("{ ids: [ $input, .id ] }", json!({"ids": ["x", 5]})),
        ("$context.x.y[-1]", json!(2)),
        ("$item.a + $context.x.y[1]", json!(3)),
        ("[.id | . as $item | $item], $item", json!([5])),
        ("$item", json!({"a": 1})),
        ("def f: $input; \"\\(f)\"", json!("x")),
        ("{$item}", json!({"item": {"a": 1}})),
    ] {
        let expression = Expression::compile(program).unwrap();
        assert_eq!(
            expression.evaluate(&json!({"id": 5}), &variables).unwrap(),
            output,
            "{program}"
        );
    }
}

#[test]
fn braces_may_be_left_out_where_an_expression_is_expected() {
    for source in [".a == 1", "${ .a == 1 }", "  ${.a == 1}\n"] {
        let expression = compile_bare(source).unwrap();
        assert_eq!(
            expression.evaluate(&json!({"a": 1}), &Variables::new()).unwrap(),
            json!(true)
        );
    }
    assert_eq!(
        compile_bare("{a: 1}")
            .unwrap()
            .evaluate(&json!(0), &Variables::new())
            .unwrap(),
        json!({"a": 1})
    );
    assert!(is_expression("${ . }") && is_expression(" ${\n .\n} "));
    for literal in [
        "", "text", "${}", "$ {.}", "a ${ . }", "${ . } b", "{ . }", "${ .",
    ] {
        assert!(!is_expression(literal), "{literal}");
    }
}

#[test]
fn only_null_and_false_are_not_true() {
    assert!(!truthy(&json!(null)) && !truthy(&json!(false)));
    for value in [json!(true), json!(0), json!(""), json!([]), json!({})] {
        assert!(truthy(&value), "{value}");
    }
}

#[test]
fn an_expression_is_shared_between_threads() {
    fn check<T: Send + Sync + Clone + std::fmt::Debug>(_: &T) {}
    let expression = Expression::compile(".a + 1").unwrap();
    check(&expression);
    assert_eq!(expression.source(), ".a + 1");
    assert_eq!(format!("{expression:?}"), r#"Expression(".a + 1")"#);
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let expression = expression.clone();
            std::thread::spawn(move || {
                expression
                    .evaluate(&json!({"a": number}), &Variables::new())
                    .unwrap()
            })
        })
        .collect();
    let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(results, [json!(1), json!(2), json!(3), json!(4)]);
}
