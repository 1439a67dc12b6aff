//! Servers that are processes: what they get, and what becomes of bad ones.

use std::path::Path;
use std::time::Duration;

use atom_core::{ErrorCode, FunctionContext};
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};

use super::{HANDSHAKE, HttpConfig, call, context, failure, function, open, script};
use crate::http::HttpClient;
use crate::process::ProcessConfig;

#[tokio::test]
async fn no_process_starts_unless_the_operator_allows_it() {
    let mcp = super::super::function(&HttpClient::new(open()).unwrap(), ProcessConfig::default());
    let error = mcp.call(script("touch /dev/null"), context()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied);
    assert!(error.message().contains("processes.mcp"), "{error}");
}

#[tokio::test]
async fn a_command_that_cannot_be_started_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (command, code) in [
        (json!("no-such-command-anywhere"), ErrorCode::NotFound),
        (json!(file), ErrorCode::PermissionDenied),
        (json!("a\0b"), ErrorCode::InvalidRequest),
    ] {
        let arguments = json!({ "method": "tools/list", "transport": { "stdio": { "command": command } } });
        assert_eq!(failure(arguments).await.code(), code, "{command}");
    }
}

#[tokio::test]
async fn a_process_gets_its_own_environment_and_the_path() {
    let answer = r#"echo "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"seen\":\"$(env | sed 's/=.*//' | sort | tr '\n' ' ')\",\"token\":\"$TOKEN\"}}""#;
    let mut arguments = script(&format!("{HANDSHAKE}{answer}"));
    arguments["transport"]["stdio"]["environment"] = json!({ "TOKEN": "t0ken", "EMPTY": "" });
    let result = call(arguments).await.unwrap();
    let seen: Vec<_> = result["seen"].as_str().unwrap().split(' ').collect();
    assert!(seen.contains(&"PATH") && seen.contains(&"TOKEN") && seen.contains(&"EMPTY"));
    // What the shell sets by itself.
    let own = ["PATH", "TOKEN", "EMPTY", "PWD", "SHLVL", "OLDPWD", "_", ""];
    assert!(seen.iter().all(|name| own.contains(name)), "{seen:?}");
    assert_eq!(result["token"], "t0ken");

    for environment in [json!({ "A=B": "c" }), json!({ "A": 1 }), json!({ "": "c" })] {
        let mut arguments = script(HANDSHAKE);
        arguments["transport"]["stdio"]["environment"] = environment;
        assert_eq!(failure(arguments).await.code(), ErrorCode::InvalidRequest);
    }
}

#[tokio::test]
async fn the_result_is_what_the_server_wrote() {
    let answer = r#"echo '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"hologram","x":1}],"isError":false,"vendor":{"a":1.50}}}'"#;
    let result = call(script(&format!("echo Welcome!\n{HANDSHAKE}{answer}")))
        .await
        .unwrap();
    assert_eq!(
        result,
        json!({ "content": [{ "type": "hologram", "x": 1 }], "isError": false, "vendor": { "a": 1.5 } })
    );
}

#[tokio::test]
async fn a_server_may_ask_and_tell_before_it_answers() {
    let talk = r#"echo '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}'
echo '{"jsonrpc":"2.0","id":"ping-1","method":"ping"}'
read pong
case "$pong" in *ping-1*result*|*result*ping-1*) ;; *) exit 9 ;; esac
echo '{"jsonrpc":"2.0","id":"ask","method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}'
read refusal
case "$refusal" in *-32601*) ;; *) exit 8 ;; esac
echo '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'"#;
    assert_eq!(
        call(script(&format!("{HANDSHAKE}{talk}"))).await.unwrap(),
        json!({ "content": [] })
    );
}

#[tokio::test]
async fn a_server_that_ends_too_early_says_why() {
    for (script_text, status) in [
        (
            "echo \"no such token: $TOKEN\" >&2; exit 3".to_owned(),
            "exit status: 3",
        ),
        (
            format!("{HANDSHAKE}echo \"bad token $TOKEN\" >&2; exit 4"),
            "exit status: 4",
        ),
        (format!("{HANDSHAKE}echo token >&2; kill -9 $$"), "signal: 9"),
    ] {
        let mut arguments = script(&script_text);
        arguments["transport"]["stdio"]["environment"] = json!({ "TOKEN": "hunter2" });
        let error = failure(arguments).await;
        assert_eq!(error.code(), ErrorCode::Unavailable, "{error}");
        assert!(error.message().contains(status), "{error}");
        assert!(error.context()["stderr"].contains("token"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error}");
    }
    // An answer counts, however the server ends after it.
    let hasty = format!("{HANDSHAKE}echo '{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{}}}}'; exit 7");
    assert_eq!(call(script(&hasty)).await.unwrap(), json!({}));
    let refusal = r#"echo '{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no"}}'; exit 7"#;
    let error = failure(script(&format!("{HANDSHAKE}{refusal}"))).await;
    assert_eq!(error.code(), ErrorCode::Upstream, "{error}");
}

#[tokio::test]
async fn what_breaks_the_protocol_is_an_error() {
    let handshake = |version: &str| {
        format!(
            r#"read hello; echo '{{"jsonrpc":"2.0","id":0,"result":{{"protocolVersion":"{version}","capabilities":{{}},"serverInfo":{{"name":"s","version":"1"}}}}}}'; cat > /dev/null"#
        )
    };
    for (script_text, code) in [
        (
            "while :; do echo rubbish; done".to_owned(),
            ErrorCode::InvalidData,
        ),
        (format!("{HANDSHAKE}echo rubbish; cat"), ErrorCode::InvalidData),
        (
            format!("{HANDSHAKE}echo '{{\"a\":1}}'; cat"),
            ErrorCode::InvalidData,
        ),
        (
            format!("{HANDSHAKE}echo '{{\"id\":1,\"result\":{{}}}}'; cat"),
            ErrorCode::InvalidData,
        ),
        (
            format!("{HANDSHAKE}echo '{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[]}}'; cat"),
            ErrorCode::InvalidData,
        ),
        (
            r#"read hello; echo '{"jsonrpc":"2.0","id":0,"result":{"hello":1}}'; cat"#.to_owned(),
            ErrorCode::InvalidData,
        ),
        (
            r#"read hello; echo '{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"no"}}'; cat"#
                .to_owned(),
            ErrorCode::Upstream,
        ),
        (handshake("1999-01-01"), ErrorCode::Unsupported),
        (handshake("2026-07-28"), ErrorCode::Unsupported),
        (
            format!(
                "{HANDSHAKE}while :; do echo '{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{}}}}'; done"
            ),
            ErrorCode::LimitExceeded,
        ),
    ] {
        let error = failure(script(&script_text)).await;
        assert_eq!(error.code(), code, "{script_text}: {error}");
    }
    let endless = json!({ "method": "tools/list", "parameters": { "cursor": 1 }, "transport": { "stdio": { "command": "sh" } }, "protocolVersion": "2026-07-28" });
    assert_eq!(failure(endless).await.code(), ErrorCode::Unsupported);
}

#[tokio::test]
async fn no_error_repeats_what_the_server_was_given() {
    let refusal = r#"echo "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"bad $TOKEN and $1\"}}""#;
    for script_text in [
        format!("{HANDSHAKE}{refusal}"),
        format!("{HANDSHAKE}echo \"bad $TOKEN and $1\" >&2; exit 4"),
    ] {
        let mut arguments = script(&script_text);
        let stdio = &mut arguments["transport"]["stdio"];
        // One is a part of the other.
        stdio["environment"] = json!({ "ACCOUNT": "hunter", "TOKEN": "hunter2-s3cret" });
        let list = stdio["arguments"].as_array_mut().unwrap();
        list.extend([json!("sh"), json!("--key=s3cret-too")]);
        let error = failure(arguments).await;
        assert!(format!("{error:?}").contains("bad *** and ***"), "{error:?}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_list_without_end_is_cut_off() {
    let server = format!(
        r#"{}while :; do i=$((i+1)); echo "{{\"jsonrpc\":\"2.0\",\"id\":$i,\"result\":{{\"tools\":[],\"nextCursor\":\"again\"}}}}"; read request || exit 0; done"#,
        HANDSHAKE
    );
    let mut arguments = script(&server);
    arguments["method"] = json!("tools/list");
    arguments["parameters"] = Value::Null;
    let error = failure(arguments).await;
    assert_eq!(error.code(), ErrorCode::LimitExceeded, "{error}");
    assert!(error.message().contains("pages"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused() {
    let config = HttpConfig {
        maximum_response_bytes: 10_000,
        ..open()
    };
    for flood in [
        "yes | tr -d '\\n'",
        "while :; do echo '{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}'; done",
    ] {
        let arguments = script(&format!("{HANDSHAKE}{flood}"));
        let error = function(config.clone())
            .call(arguments, context())
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitExceeded, "{error}");
    }
    // An error stream is no answer: only its end is kept.
    let chatter = format!("{HANDSHAKE}yes | head -c 1000000 >&2; echo last words >&2; exit 1");
    let error = failure(script(&chatter)).await;
    let said = &error.context()["stderr"];
    assert!(said.len() <= 1000 && said.ends_with("last words"), "{error}");
}

/// Waits until something outside is as it should be, but not for ever.
async fn until(is_so: impl Fn() -> bool) {
    let poll = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), poll).await.unwrap();
}

/// Waits until a process is gone.
async fn gone(file: &Path) {
    let id: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let id = Pid::from_raw(id).unwrap();
    until(|| test_kill_process(id).is_err() || is_zombie(id)).await;
}

/// Whether a process has ended and only waits for its parent, which in a container may be nobody.
fn is_zombie(id: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).is_ok_and(|stat| {
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
    })
}

/// A server that starts another process, writes both ids and then does not answer.
fn hanging(folder: &Path) -> Value {
    let mut arguments = script(&format!(
        "{HANDSHAKE}sleep 1000 & echo $! > child; echo $$ > parent; touch ready; wait"
    ));
    arguments["transport"]["stdio"]["environment"] = json!({ "FOLDER": folder });
    arguments
}

fn in_folder(folder: &Path) -> FunctionContext {
    FunctionContext {
        directory: Some(folder.to_owned()),
        ..context()
    }
}

async fn ready(folder: &Path) {
    until(|| folder.join("ready").exists()).await;
}

#[tokio::test]
async fn a_cancelled_call_ends_the_process_and_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let context = in_folder(folder.path());
    let cancellation = context.cancellation.clone();
    let mcp = function(open());
    let (outcome, ()) = tokio::join!(mcp.call(hanging(folder.path()), context), async {
        ready(folder.path()).await;
        cancellation.cancel();
    });
    assert_eq!(outcome.unwrap_err().code(), ErrorCode::Cancelled);
    gone(&folder.path().join("parent")).await;
    gone(&folder.path().join("child")).await;
}

#[tokio::test]
async fn a_dropped_call_ends_the_process_and_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let mcp = function(open());
    tokio::select! {
        outcome = mcp.call(hanging(folder.path()), in_folder(folder.path())) => panic!("{outcome:?}"),
        () = ready(folder.path()) => {}
    }
    gone(&folder.path().join("parent")).await;
    gone(&folder.path().join("child")).await;
}

#[tokio::test]
async fn an_answered_call_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let stubborn = "trap '' TERM; sleep 1000 & echo $! > child; echo $$ > parent; echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}'; sleep 1000";
    let arguments = script(&format!("{HANDSHAKE}{stubborn}"));
    let result = function(open()).call(arguments, in_folder(folder.path())).await;
    assert_eq!(result.unwrap(), json!({}));
    gone(&folder.path().join("parent")).await;
    gone(&folder.path().join("child")).await;
}
