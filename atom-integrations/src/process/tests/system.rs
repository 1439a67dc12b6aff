//! Shell commands and Python scripts.

use std::os::unix::fs::PermissionsExt;

use atom_core::{ErrorCode, Retry};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Bench, exists, gone, lines};
use crate::local::FileAccess;

#[tokio::test]
async fn a_command_gets_its_input_arguments_and_environment() {
    let bench = Bench::new();
    let request = json!({
        "command": "echo \"$(cat) $1 $2 $NAME $ATOM_IDEMPOTENCY_KEY\"; echo aside >&2",
        "stdin": { "a": 1 },
        "arguments": ["Foo", 2],
        "environment": { "NAME": "Ada" },
        "return": "all",
    });
    let expected = json!({ "code": 0, "stdout": "{\"a\":1} Foo 2 Ada key-1\n", "stderr": "aside\n" });
    assert_eq!(bench.shell(request).await.unwrap(), expected);
    assert_eq!(
        bench
            .shell(json!({ "command": "exit 3", "return": "code" }))
            .await
            .unwrap(),
        3
    );
    // A signal counts as shells count it.
    assert_eq!(
        bench
            .shell(json!({ "command": "kill -9 $$", "return": "code" }))
            .await
            .unwrap(),
        137
    );
}

#[tokio::test]
async fn a_command_sees_nothing_of_the_engine() {
    let bench = Bench::new();
    // The tests themselves run with CARGO_MANIFEST_DIR and more in their environment.
    let seen = bench
        .shell(json!({ "command": "env | cut -d= -f1 | sort; ls -A | wc -l" }))
        .await
        .unwrap();
    let seen: Vec<_> = seen.as_str().unwrap().split_whitespace().collect();
    let expected = ["ATOM_IDEMPOTENCY_KEY", "PATH", "PWD", "0"];
    assert!(
        seen.iter()
            .all(|name| expected.contains(name) || ["_", "SHLVL", "OLDPWD"].contains(name)),
        "{seen:?}"
    );
    let first = bench
        .shell(json!({ "command": "touch left-behind; pwd" }))
        .await
        .unwrap();
    assert!(!std::path::Path::new(first.as_str().unwrap().trim()).exists());
}

#[tokio::test]
async fn a_command_runs_in_the_folder_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    bench.context.directory = Some(folder.path().to_owned());
    bench
        .shell(json!({ "command": "echo kept > file" }))
        .await
        .unwrap();
    assert_eq!(
        std::fs::read_to_string(folder.path().join("file")).unwrap(),
        "kept\n"
    );
    bench.context.directory = Some(folder.path().join("missing"));
    let error = bench.shell(json!({ "command": "true" })).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert!(error.context().contains_key("path"));
}

#[tokio::test]
async fn a_failure_tells_the_end_of_the_standard_error_without_what_was_given() {
    let bench = Bench::new();
    let request = json!({
        "command": "echo \"refused: $TOKEN $1\" >&2; exit 4",
        "environment": { "TOKEN": "s3cret-token" },
        "arguments": ["s3cret-argument"],
    });
    let error = bench.shell(request).await.unwrap_err();
    assert_eq!((error.code(), error.retry()), (ErrorCode::Upstream, Retry::No));
    assert_eq!(error.context()["exit_code"], "4");
    assert!(error.message().contains("refused: *** ***"), "{error}");
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn output_that_is_not_utf_8_is_replaced_and_endless_output_ends_the_process() {
    let bench = Bench::new();
    let output = bench
        .shell(json!({ "command": "printf 'a\\377b'" }))
        .await
        .unwrap();
    assert_eq!(output, "a\u{fffd}b");
    for command in ["yes", "yes >&2"] {
        let error = bench.shell(json!({ "command": command })).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::LimitExceeded, "{error}");
    }
    // A process need not read its input, and must not be held up by its output meanwhile.
    let long = "x".repeat(1024 * 1024);
    assert_eq!(
        bench
            .shell(json!({ "command": "exit 0", "stdin": long }))
            .await
            .unwrap(),
        ""
    );
    assert_eq!(
        bench
            .shell(json!({ "command": "cat", "stdin": long }))
            .await
            .unwrap(),
        long
    );
}

/// A command that leaves its own number and those of two descendants in a file, then goes on for ever.
fn tree(file: &std::path::Path) -> String {
    let file = file.display();
    format!(
        "echo $$ >> {file}; (sleep 1000 & echo $! >> {file}; sleep 1000) & echo $! >> {file}; while :; do sleep 1000; done"
    )
}

#[tokio::test]
async fn cancelling_kills_the_whole_tree() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let bench = Bench::new();
    let call = bench.begin("run.shell", json!({ "command": tree(&file) }));
    let ids = lines(&file, 3).await;
    assert!(ids.iter().all(|id| exists(id)));
    bench.cancellation().cancel();
    assert_eq!(call.await.unwrap().unwrap_err().code(), ErrorCode::Cancelled);
    // Closing waits until the processes of this engine are gone, zombies included.
    bench.processes.close().await;
    for id in ids {
        gone(&id).await;
    }
}

#[tokio::test]
async fn a_dropped_call_and_a_closed_engine_leave_no_process() {
    let folder = tempfile::tempdir().unwrap();
    for is_dropped in [true, false] {
        let file = folder.path().join(format!("pids-{is_dropped}"));
        let bench = Bench::new();
        let call = bench.begin("run.shell", json!({ "command": tree(&file) }));
        let ids = lines(&file, 3).await;
        if is_dropped {
            call.abort();
        }
        bench.processes.close().await;
        if !is_dropped {
            assert_eq!(call.await.unwrap().unwrap_err().code(), ErrorCode::Closed);
        }
        let leader = &ids[0];
        assert!(!exists(leader), "the process {leader} was not waited for");
        for id in ids {
            gone(&id).await;
        }
        let error = bench.shell(json!({ "command": "true" })).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Closed);
    }
}

#[tokio::test]
async fn a_deadline_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let mut bench = Bench::new();
    bench.context.deadline = Some(Timestamp::now() + SignedDuration::from_secs(1));
    let error = bench.shell(json!({ "command": tree(&file) })).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    bench.processes.close().await;
    for id in std::fs::read_to_string(&file).unwrap().lines() {
        gone(id).await;
    }
}

#[tokio::test]
async fn what_a_command_leaves_in_the_background_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let command = format!("sleep 1000 & echo $! > {}; echo done", file.display());
    let bench = Bench::new();
    assert_eq!(
        bench.shell(json!({ "command": command })).await.unwrap(),
        "done\n"
    );
    gone(&lines(&file, 1).await[0]).await;
}

#[tokio::test]
async fn what_is_not_awaited_goes_on_until_the_engine_closes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let bench = Bench::new();
    let output = bench
        .shell(json!({ "command": tree(&file), "await": false }))
        .await
        .unwrap();
    assert_eq!(output, json!(null));
    let ids = lines(&file, 3).await;
    // Its caller is content: only the engine ends it.
    bench.cancellation().cancel();
    assert!(ids.iter().all(|id| exists(id)));
    bench.processes.close().await;
    for id in ids {
        gone(&id).await;
    }
}

#[tokio::test]
async fn not_too_many_processes_are_left_to_themselves() {
    let bench = Bench::new();
    let begun = json!({ "command": "sleep 1000", "await": false });
    for _ in 0..64 {
        bench.shell(begun.clone()).await.unwrap();
    }
    assert_eq!(
        bench.shell(begun).await.unwrap_err().code(),
        ErrorCode::LimitExceeded
    );
    bench.processes.close().await;
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let bench = Bench::new();
    let error = bench.shell(json!({ "command": "a\0b" })).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    let long = "x".repeat(3 * 1024 * 1024);
    let error = bench
        .shell(json!({ "command": "true", "arguments": [long] }))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded, "{error}");
    let error = bench
        .shell(json!({ "command": "true", "retrun": "all" }))
        .await
        .unwrap_err();
    assert!(error.message().contains("retrun"), "{error}");
}

fn python(code: &str) -> serde_json::Value {
    json!({ "language": "python", "code": code })
}

#[tokio::test]
async fn python_gets_its_input_arguments_and_environment_and_runs_by_itself() {
    let bench = Bench::new();
    let mut script = python(
        "import os, sys\nprint(sys.stdin.read(), sys.argv[1:], os.environ['NAME'], sys.flags.isolated, os.listdir('.'), 'é')",
    );
    script["stdin"] = json!("in");
    script["arguments"] = json!(["a", "b"]);
    script["environment"] = json!({ "NAME": "Ada" });
    let output = bench.call("run.script", script).await.unwrap();
    assert_eq!(output, "in ['a', 'b'] Ada 1 [] é\n");
    let error = bench
        .call("run.script", python("raise ValueError('no')"))
        .await
        .unwrap_err();
    assert_eq!(error.context()["exit_code"], "1");
    assert!(error.message().contains("ValueError: no"), "{error}");
    // Longer than the arguments of a program may be.
    let long = format!("x = '{}'\nprint(len(x))", "y".repeat(1024 * 1024));
    assert_eq!(
        bench.call("run.script", python(&long)).await.unwrap(),
        "1048576\n"
    );
}

#[tokio::test]
async fn an_interpreter_that_is_not_there_is_named_with_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("python");
    let bench = Bench::with(json!({ "script": true, "python": path }), FileAccess::none());
    let error = bench.call("run.script", python("1")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert!(error.message().contains("'processes.python'"), "{error}");
    std::fs::write(&path, "not a program").unwrap();
    let error = bench.call("run.script", python("1")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(bench.call("run.script", python("1")).await.is_err());
}

#[tokio::test]
async fn a_script_may_stand_in_a_file_that_may_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap().join("a b.py");
    std::fs::write(&path, "print('from a file')").unwrap();
    let uri = url::Url::from_file_path(&path).unwrap();
    let script = json!({ "language": "python", "source": { "endpoint": { "uri": uri.as_str() } } });
    let open = Bench::with(
        json!({ "script": true }),
        FileAccess::below([folder.path()]).unwrap(),
    );
    assert_eq!(
        open.call("run.script", script.clone()).await.unwrap(),
        "from a file\n"
    );
    let shut = Bench::with(json!({ "script": true }), FileAccess::none());
    let error = shut.call("run.script", script).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied);
    assert!(error.message().contains("file_roots"), "{error}");
    // The rules of HTTP hold, too: nothing of this machine unless it is allowed.
    let script = json!({ "language": "python", "source": { "endpoint": "http://127.0.0.1:1/a.py" } });
    let error = open.call("run.script", script).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error}");
    for script in [
        json!({ "language": "ruby", "code": "1" }),
        json!({ "language": "python" }),
        json!({ "language": "python", "code": "1", "source": { "endpoint": "file:///a" } }),
        json!({ "language": "python", "source": { "endpoint": "ftp://example.com/a" } }),
    ] {
        assert!(open.call("run.script", script).await.is_err());
    }
}
