//! Scripts in JavaScript, hostile ones among them.

use atom_core::{Error, ErrorCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Bench;

async fn run(code: &str) -> Value {
    let script = json!({ "language": "js", "code": code, "return": "all", "stdin": "in" });
    Bench::new().call("run.script", script).await.unwrap()
}

async fn stdout(code: &str) -> String {
    let output = run(code).await;
    assert_eq!(output["code"], 0, "{output}");
    output["stdout"].as_str().unwrap().to_owned()
}

/// What a script that does not end by itself ends in, with a second to live.
async fn error(code: &str) -> Error {
    let mut bench = Bench::new();
    bench.context.deadline = Some(Timestamp::now() + SignedDuration::from_secs(1));
    let script = json!({ "language": "javascript", "code": code });
    let error = bench.call("run.script", script).await.unwrap_err();
    // Closing waits for the thread.
    bench.processes.close().await;
    error
}

#[tokio::test]
async fn a_script_reads_its_input_arguments_and_environment_as_in_node() {
    let code = r"
        import { readFileSync } from 'node:fs';
        import fs from 'fs';
        import process2, { argv } from 'node:process';
        const [_, __, first] = process.argv;
        console.log(readFileSync(process.stdin.fd, 'utf8'), first, process.env.foo, argv === process2.argv);
        console.log(fs.readFileSync(0, 'utf8') === '');
        process.stdout.write('no newline');
        console.error({ a: [1, null], b: 'é' });
    ";
    let script = json!({
        "language": "js",
        "code": code,
        "stdin": "in put",
        "arguments": ["hello"],
        "environment": { "foo": "bar" },
        "return": "all",
    });
    let output = Bench::new().call("run.script", script).await.unwrap();
    let expected = json!({
        "code": 0,
        "stdout": "in put hello bar true\ntrue\nno newline",
        "stderr": "{\"a\":[1,null],\"b\":\"é\"}\n",
    });
    assert_eq!(output, expected);
    let bytes = "import { readFileSync } from 'node:fs'; const b = readFileSync('/dev/stdin'); console.log(b.length, `${b}`, b[0]);";
    assert_eq!(stdout(bytes).await, "2 in 105\n");
}

#[tokio::test]
async fn the_language_is_of_today_and_what_is_asynchronous_is_finished() {
    let code = r"
        const grouped = Object.groupBy([1, 2, 3], n => n % 2 ? 'odd' : 'even');
        const value = await Promise.resolve(7);
        console.log(grouped, value, 10n, undefined, Symbol('s'), () => 1, new Map());
        (async () => { await null; console.log('later'); })();
        console.log('a\uD800b');
    ";
    let expected =
        "{\"odd\":[1,3],\"even\":[2]} 7 10n undefined Symbol(s) [Function: ] {}\na\u{fffd}b\nlater\n";
    assert_eq!(stdout(code).await, expected);
}

#[tokio::test]
async fn a_script_ends_as_in_node() {
    for (code, exit, stderr) in [
        ("process.exit(3); console.log('not reached')", 3, ""),
        (
            "try { process.exit(256 + 4) } catch {} console.log('not written')",
            4,
            "",
        ),
        ("process.exitCode = 5", 5, ""),
        ("throw new TypeError('broken')", 1, "Uncaught TypeError: broken"),
        ("throw 'a text'", 1, "Uncaught a text"),
        ("syntax error here", 1, "SyntaxError"),
        (
            "(async () => { throw new Error('late') })()",
            1,
            "Uncaught (in promise) Error: late",
        ),
        ("await new Promise(() => {})", 13, "never comes"),
        ("import 'node:net'", 1, "only"),
        (
            "import { connect } from 'https://example.com/x.js'",
            1,
            "not available",
        ),
        ("await import('./secret.js')", 1, "not available"),
        (
            "import { writeFileSync } from 'fs'; writeFileSync('/tmp/x', 'y')",
            1,
            "writeFileSync is not available",
        ),
        (
            "import fs from 'fs'; fs.cpSync('/tmp/x', 'y')",
            1,
            "cpSync is not available",
        ),
        (
            "import fs from 'fs'; fs.readFileSync('/etc/passwd')",
            1,
            "is not available",
        ),
        ("process.stdout.write(1)", 1, "only text"),
        ("fetch('https://example.com')", 1, "fetch is not defined"),
    ] {
        let output = run(code).await;
        assert_eq!(output["code"], exit, "{code}: {output}");
        assert_eq!(output["stdout"], "", "{code}");
        let found = output["stderr"].as_str().unwrap();
        assert!(
            found.contains(stderr) || (code == "import 'node:net'" && found.contains("not available")),
            "{code}: {output}"
        );
    }
    let handled = "const p = Promise.reject(1); await null; p.catch(() => {}); console.log('fine')";
    assert_eq!(stdout(handled).await, "fine\n");
}

#[tokio::test]
async fn what_never_ends_is_ended() {
    for code in [
        "for (;;) {}",
        "for (;;) { try { for (;;) {} } catch {} finally {} }",
        "const again = async () => { for (;;) await null }; await again()",
        "function* g() { for (;;) yield 1 } for (const x of g()) {}",
        "/(a+)+$/.test('a'.repeat(60) + 'b')",
        "[].indexOf.call({ length: 2 ** 53 - 1 }, 1)",
        "new Proxy({}, { get() { for (;;) {} } }).x",
        "console.log({ toJSON() { for (;;) {} } })",
        "throw { toJSON() { for (;;) {} } }",
    ] {
        let error = error(code).await;
        assert_eq!(error.code(), ErrorCode::Timeout, "{code}: {error}");
    }
}

#[tokio::test]
async fn cancelling_ends_a_script() {
    let bench = Bench::new();
    let call = bench.begin("run.script", json!({ "language": "js", "code": "for (;;) {}" }));
    bench.cancellation().cancel();
    assert_eq!(call.await.unwrap().unwrap_err().code(), ErrorCode::Cancelled);
    bench.processes.close().await;
}

#[tokio::test]
async fn memory_stack_and_output_are_bounded() {
    for code in [
        "const all = []; for (;;) all.push(new Array(1000).fill(1))",
        "'x'.repeat(2 ** 29)",
        "new ArrayBuffer(2 ** 32)",
        "let s = 'x'; for (;;) s += s",
        "const f = () => f() + 1; f()",
        "let a = []; for (let i = 0; i < 1e6; i++) a = [a]; JSON.stringify(a)",
        "JSON.parse('['.repeat(1e6))",
        "const deep = n => new Proxy({}, { get: () => deep(n + 1).x }); deep(0).x",
        "new RegExp('('.repeat(1e6))",
        "eval('('.repeat(1e6))",
        // Each promise waits for the next one.
        "const again = () => Promise.resolve().then(again); await again()",
    ] {
        let output = run(code).await;
        assert_eq!(output["code"], 1, "{code}: {output}");
    }
    for code in [
        "for (;;) console.log('x'.repeat(1000))",
        "for (;;) { try { console.error('x'.repeat(1000)) } catch {} }",
    ] {
        let script = json!({ "language": "js", "code": code });
        let error = Bench::new().call("run.script", script).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitExceeded, "{code}: {error}");
    }
}

#[tokio::test]
async fn games_with_prototypes_reach_nothing_of_the_host() {
    // Whatever it overwrites, a script finds no more than it had and harms itself alone.
    let code = r"
        const seen = [];
        for (const name of ['call', 'bind', 'apply']) Function.prototype[name] = function () { seen.push(this); return this; };
        Object.defineProperty(Object.prototype, 'write', { get() { seen.push(this); return undefined; }, configurable: true });
        Object.prototype.stdin = Object.prototype.host = 'mine';
        Array.prototype[Symbol.iterator] = function* () { seen.push(this); };
        Array.prototype.push = function (x) { this[this.length] = x; };
        Map.prototype.set = Map.prototype.get = () => { throw new Error('caught you') };
        String.prototype.toWellFormed = () => { throw new Error('no') };
        JSON.stringify = () => 'forged';
        globalThis.Error = globalThis.String = globalThis.Map = undefined;
        console.log({ still: 'right' });
        process.stdout.write(`${typeof require} ${typeof globalThis.host} ${typeof std} ${typeof os} ${seen.length}\n`);
        (async () => { throw 'unhandled' })();
    ";
    let output = run(code).await;
    assert_eq!(
        output["stdout"], "{\"still\":\"right\"}\nundefined string undefined undefined 0\n",
        "{output}"
    );
    assert_eq!(output["stderr"], "Uncaught (in promise) unhandled\n");
    let code = r"
        const f = console.log.constructor('return this')();
        const names = Object.getOwnPropertyNames(f ?? globalThis).filter(name => /host|atom|write|eval_|script/i.test(name));
        console.log(names, console.log.caller === undefined, import.meta.whole);
    ";
    let output = run(code).await;
    assert!(!output["stdout"].as_str().unwrap().contains("host"), "{output}");
    // Nothing of one script is there for the next.
    run("globalThis.left = 1; process.env.left = 1; Array.prototype.left = 1").await;
    assert_eq!(
        stdout("console.log(globalThis.left, process.env.left, [].left)").await,
        "undefined undefined undefined\n"
    );
}
