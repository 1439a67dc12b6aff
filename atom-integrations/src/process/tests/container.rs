//! Containers, against a stand-in that holds every request against the Docker Engine API.

use std::collections::BTreeMap;

use atom_core::ErrorCode;
use serde_json::{Value, json};

use super::Bench;
use crate::local::FileAccess;
use crate::process::testing::{TestDocker, TestState};

fn bench(docker: &TestDocker) -> Bench {
    with_access(docker, FileAccess::none())
}

fn with_access(docker: &TestDocker, access: FileAccess) -> Bench {
    Bench::with(
        json!({ "container": true, "container_socket": docker.socket() }),
        access,
    )
}

fn sleeping(command: &str) -> Value {
    json!({ "image": "alpine", "name": "box", "command": command })
}

fn only(state: TestState) -> impl Fn(&BTreeMap<String, TestState>) -> bool {
    move |containers| containers.len() == 1 && containers.values().all(|found| *found == state)
}

#[tokio::test]
async fn a_container_gets_its_input_arguments_and_environment() {
    let docker = TestDocker::start().await.unwrap();
    let bench = bench(&docker).of_a_step();
    let request = json!({
        "image": "alpine",
        "command": "echo \"$(cat) $1 $2 $NAME $ATOM_IDEMPOTENCY_KEY\"; echo aside >&2; exit 3",
        "stdin": "in",
        "arguments": ["Foo", "Bar"],
        "environment": { "NAME": "Ada" },
        "ports": { "80": 8080, "53/udp": "5353" },
        "volumes": { "cache": "/cache:ro" },
        "return": "all",
    });
    let output = bench.call("run.container", request).await.unwrap();
    assert_eq!(
        output,
        json!({ "code": 3, "stdout": "in Foo Bar Ada key-1\n", "stderr": "aside\n" })
    );
    let created = docker.created_with("atom-pack-box-key-1").unwrap();
    assert_eq!(
        created["HostConfig"]["PortBindings"]["53/udp"],
        json!([{ "HostPort": "5353" }])
    );
    let mount = json!({ "Type": "volume", "Source": "cache", "Target": "/cache", "ReadOnly": true });
    assert_eq!(created["HostConfig"]["Mounts"], json!([mount]));
    // By default a container stays.
    assert_eq!(docker.containers()["atom-pack-box-key-1"], TestState::Exited(3));
    assert_eq!(docker.violations(), [""; 0]);
}

#[tokio::test]
async fn arguments_without_a_command_are_added_to_the_default_one() {
    let docker = TestDocker::start().await.unwrap();
    let request = json!({ "image": "alpine", "arguments": ["-c", "echo from the image"] });
    let output = bench(&docker).call("run.container", request).await.unwrap();
    assert_eq!(output, "from the image\n");
    assert_eq!(docker.violations(), [""; 0]);
}

#[tokio::test]
async fn images_are_pulled_by_the_policy() {
    let docker = TestDocker::start().await.unwrap();
    let bench = bench(&docker);
    let run = async |policy: &str| {
        let request =
            json!({ "image": "hello-world", "pullPolicy": policy, "lifetime": { "cleanup": "always" } });
        bench.call("run.container", request).await
    };
    let pulls = || {
        docker
            .requests()
            .iter()
            .filter(|request| *request == "POST /images/create")
            .count()
    };
    run("ifNotPresent").await.unwrap();
    assert_eq!(pulls(), 0);
    run("always").await.unwrap();
    assert_eq!(pulls(), 1);
    docker.forget_image("hello-world");
    let error = run("never").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert_eq!(error.context()["image"], "hello-world");
    assert_eq!(run("ifNotPresent").await.unwrap(), "\nHello from Docker!\n");
    assert_eq!(pulls(), 2);
    let error = bench
        .call("run.container", json!({ "image": "nobody/has:this" }))
        .await
        .unwrap_err();
    assert!(error.message().contains("manifest unknown"), "{error}");
    assert!(docker.containers().is_empty());
    assert_eq!(docker.violations(), [""; 0]);
}

#[tokio::test]
async fn a_container_is_removed_at_once_later_or_never() {
    let docker = TestDocker::start().await.unwrap();
    let bench = bench(&docker);
    let request = |lifetime: Value| json!({ "image": "hello-world", "lifetime": lifetime });
    bench
        .call("run.container", request(json!({ "cleanup": "always" })))
        .await
        .unwrap();
    assert!(docker.containers().is_empty());
    bench
        .call("run.container", request(json!({ "cleanup": "never" })))
        .await
        .unwrap();
    docker.until(only(TestState::Exited(0))).await;
    let soon = json!({ "cleanup": "eventually", "after_milliseconds": 20 });
    let mut named = request(soon);
    named["name"] = json!("short-lived");
    bench.call("run.container", named).await.unwrap();
    docker
        .until(|containers| !containers.contains_key("short-lived"))
        .await;
    docker.until(only(TestState::Exited(0))).await;
    // One that an engine before this one has left.
    let mut later = request(json!({ "cleanup": "eventually", "after_milliseconds": 3_600_000 }));
    later["name"] = json!("long-lived");
    bench.call("run.container", later).await.unwrap();
    assert!(docker.containers().contains_key("long-lived"));
    bench.processes.close().await;
    assert_eq!(docker.violations(), [""; 0]);
}

#[tokio::test]
async fn a_container_that_cannot_be_removed_keeps_no_other() {
    let docker = TestDocker::start().await.unwrap();
    docker.refuse_removal("stuck");
    let bench = bench(&docker);
    // The first of them is looked at first.
    for name in ["stuck", "short-lived"] {
        let lifetime = json!({ "cleanup": "eventually", "after_milliseconds": 0 });
        let request = json!({ "image": "hello-world", "name": name, "lifetime": lifetime });
        bench.call("run.container", request).await.unwrap();
    }
    docker
        .until(|containers| !containers.contains_key("short-lived"))
        .await;
    assert_eq!(docker.containers()["stuck"], TestState::Exited(0));
    bench.processes.close().await;
    assert_eq!(docker.violations(), [""; 0]);
}

#[tokio::test]
async fn cancelling_stops_the_container_and_removes_it_by_its_lifetime() {
    for (lifetime, is_left) in [("always", false), ("never", true)] {
        let docker = TestDocker::start().await.unwrap();
        let bench = bench(&docker).of_a_step();
        let mut request = sleeping("sleep 1000");
        request["lifetime"] = json!({ "cleanup": lifetime });
        let call = bench.begin("run.container", request);
        docker.until(only(TestState::Running)).await;
        bench.cancellation().cancel();
        assert_eq!(call.await.unwrap().unwrap_err().code(), ErrorCode::Cancelled);
        bench.processes.close().await;
        let left = docker.containers();
        assert_eq!(
            left.get("box"),
            is_left.then_some(&TestState::Exited(137)),
            "{lifetime}"
        );
        assert_eq!(docker.violations(), [""; 0]);
    }
}

#[tokio::test]
async fn a_container_outlives_an_engine_that_closes_and_is_found_again() {
    let docker = TestDocker::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let request = sleeping(&format!(
        "while ! [ -e {} ]; do sleep 0.01; done; echo once",
        go.display()
    ));
    let first = bench(&docker).of_a_step();
    let call = first.begin("run.container", request.clone());
    docker.until(only(TestState::Running)).await;
    first.processes.begin_close();
    call.abort();
    first.processes.close().await;
    docker.until(only(TestState::Running)).await;
    std::fs::write(&go, "").unwrap();
    // The run resumes, with the same key.
    let second = bench(&docker).of_a_step();
    assert_eq!(
        second.call("run.container", request.clone()).await.unwrap(),
        "once\n"
    );
    // And once more, when it has ended long since.
    assert_eq!(
        second.call("run.container", request.clone()).await.unwrap(),
        "once\n"
    );
    let created = docker
        .requests()
        .iter()
        .filter(|request| *request == "POST /containers/create")
        .count();
    assert_eq!(created, 1);
    // Another call is another container.
    let mut third = bench(&docker).of_a_step();
    third.context.idempotency_key = "key-2".to_owned();
    let error = third.call("run.container", request.clone()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert!(error.message().contains("$workflow.id"), "{error}");
    // How much of its input the first one had got is unknown, so with one it begins anew.
    let mut with_input = request;
    with_input["stdin"] = json!("input");
    assert_eq!(second.call("run.container", with_input).await.unwrap(), "once\n");
    assert_eq!(docker.violations(), [""; 0]);
}

#[tokio::test]
async fn a_container_that_nobody_awaits_is_stopped_when_the_engine_closes() {
    let docker = TestDocker::start().await.unwrap();
    let bench = bench(&docker).of_a_step();
    let mut request = sleeping("sleep 1000");
    request["await"] = json!(false);
    assert_eq!(bench.call("run.container", request).await.unwrap(), json!(null));
    docker.until(only(TestState::Running)).await;
    bench.processes.close().await;
    assert_eq!(docker.containers()["box"], TestState::Exited(137));
    assert_eq!(docker.violations(), [""; 0]);
}

#[tokio::test]
async fn folders_are_mounted_only_where_files_may_be_touched() {
    let docker = TestDocker::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    let mut request = sleeping("true");
    request["volumes"] = json!({ path.to_str().unwrap(): "/data" });
    let shut = bench(&docker);
    let error = shut.call("run.container", request.clone()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied);
    assert!(docker.requests().is_empty());
    let open = with_access(&docker, FileAccess::below([&path]).unwrap());
    open.call("run.container", request).await.unwrap();
    let mounts = &docker.created_with("box").unwrap()["HostConfig"]["Mounts"];
    assert_eq!(
        *mounts,
        json!([{ "Type": "bind", "Source": path, "Target": "/data", "ReadOnly": false }])
    );
    assert_eq!(docker.violations(), [""; 0]);
}

#[tokio::test]
async fn what_fails_is_told_without_what_was_given_and_leaves_nothing() {
    let docker = TestDocker::start().await.unwrap();
    let bench = bench(&docker);
    let mut request = sleeping("echo \"bad $TOKEN\" >&2; exit 2");
    request["environment"] = json!({ "TOKEN": "s3cret-token" });
    request["lifetime"] = json!({ "cleanup": "always" });
    let error = bench.call("run.container", request).await.unwrap_err();
    assert_eq!(error.context()["exit_code"], "2");
    assert!(error.message().ends_with("bad ***"), "{error}");
    let mut request = sleeping("yes");
    request["command"] = json!("yes | head -c 5000000");
    request["lifetime"] = json!({ "cleanup": "always" });
    let error = bench.call("run.container", request).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
    assert!(docker.containers().is_empty());
    for (key, value) in [
        ("name", json!("no spaces please")),
        ("ports", json!({ "http": 80 })),
        ("ports", json!({ "80": 65536 })),
        ("volumes", json!({ "cache": "relative" })),
    ] {
        let mut request = sleeping("true");
        request[key] = value;
        let error = bench.call("run.container", request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{key}");
    }
    assert_eq!(docker.violations(), [""; 0]);
}
