//! `--storage`: where a command keeps everything.

use serde_json::json;

use crate::support::Sandbox;

#[cfg(all(unix, feature = "postgres"))]
const ID: &str = "0192f0c1-0000-7000-8000-000000000001";

#[test]
fn a_storage_that_there_is_not_is_refused_and_not_shown() {
    let sandbox = Sandbox::new();
    for (storage, named) in [
        ("postgers://ada:pass-7@localhost/app", "'storage' must be"),
        ("postgres://ada:pass-7@localhost/app?colour=red", "colour"),
        ("postgres://ada:pass-7@127.0.0.1:1/app", "127.0.0.1:1/app"),
    ] {
        let arguments = ["engine.info", "--with", "{}", "--storage", storage];
        let outcome = sandbox.atom(&[&["call"], &arguments[..]].concat()).ended_with(1);
        assert!(outcome.remarks.contains(named), "{outcome:?}");
        assert!(!outcome.remarks.contains("pass-7"), "{outcome:?}");
    }
}

#[test]
fn nothing_is_kept_in_memory() {
    let sandbox = Sandbox::new();
    let info = ["call", "engine.info", "--with", "{}", "--storage", "memory"];
    assert_eq!(sandbox.atom(&info).succeeded().json()["storage"], "memory");
    assert!(!sandbox.path("data").exists());
}

/// The next command names the storage, and the environment variable is there for it.
#[cfg(all(unix, feature = "postgres"))]
#[test]
fn what_one_command_keeps_in_a_database_the_next_one_finds() {
    let Some(sandbox) = Sandbox::on_postgres() else {
        return;
    };
    let info = ["call", "engine.info", "--data-dir", "data"];
    let info = sandbox.atom(&info).succeeded().json();
    assert_eq!(
        (&info["storage"], &info["data_dir"]),
        (&json!("postgres"), &json!(null))
    );
    let secret = json!({ "name": "token", "value": "s3cr3t" }).to_string();
    let set = ["call", "secrets.set", "--with", &secret, "--data-dir", "data"];
    sandbox.atom(&set).succeeded();
    let names: Vec<_> = std::fs::read_dir(sandbox.path("data")).unwrap().collect();
    assert_eq!(
        names.len(),
        1,
        "only the root key stays in the data folder: {names:?}"
    );
    let listed = sandbox.call("secrets.list", &json!({}));
    assert_eq!(listed["secrets"][0]["name"], "token");

    // Another machine needs the same key.
    std::fs::rename(sandbox.path("data/root.key"), sandbox.path("root.key")).unwrap();
    let outcome = sandbox.atom(&["call", "secrets.list"]).ended_with(1);
    assert_eq!(outcome.error()["code"], "invalid_data");
    assert!(outcome.remarks.contains("ATOM_ROOT_KEY"), "{outcome:?}");
    let key = std::fs::read_to_string(sandbox.path("root.key")).unwrap();
    let listed = sandbox
        .command(&["call", "secrets.list"])
        .env("ATOM_ROOT_KEY", key)
        .output()
        .unwrap();
    assert!(listed.status.success());
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn an_engine_that_is_refused_leaves_no_worker_behind() {
    let Some(mut sandbox) = Sandbox::on_postgres() else {
        return;
    };
    sandbox.storage = sandbox.storage.replace("lease_ms=2000", "lease_ms=600000");
    sandbox.call("engine.info", &json!({}));
    let refused = sandbox.atom(&["call", "engine.info", "--data-dir", "without"]);
    assert_eq!(refused.ended_with(1).error()["code"], "invalid_data");
    let workers = sandbox.call("workers.list", &json!({}));
    assert_eq!(workers["workers"].as_array().unwrap().len(), 1, "{workers}");
    sandbox
        .atom(&["storage", "copy", &sandbox.storage, "copy"])
        .succeeded();
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn a_copy_goes_on_in_a_database_and_back_in_a_folder() {
    let Some(sandbox) = Sandbox::on_postgres() else {
        return;
    };
    let database = crate::support::postgres().unwrap();
    let old = sandbox.path("old").display().to_string();
    let new = sandbox.path("new").display().to_string();
    let on_old =
        |words: &[&str]| sandbox.atom(&[words, &["--data-dir", &old, "--storage", "sqlite"]].concat());
    let secret = json!({ "name": "token", "value": "s3cr3t" }).to_string();
    on_old(&["call", "secrets.set", "--with", &secret]).succeeded();
    let document =
        crate::support::workflow("  - hear: { listen: { to: { one: { with: { type: com.example.go } } } } }");
    let start = json!({ "document": document, "id": ID }).to_string();
    on_old(&["call", "runs.start", "--with", &start]).succeeded();

    // An engine that keeps nothing yet does not stand in the way.
    let looked = [
        "call",
        "engine.info",
        "--storage",
        &database,
        "--data-dir",
        "elsewhere",
    ];
    sandbox.atom(&looked).succeeded();
    let beside = ["storage", "copy", &old, &database, "--data-dir", "elsewhere"];
    let refused = sandbox.atom(&beside).ended_with(1);
    assert!(refused.remarks.contains("--data-dir"), "{refused:?}");
    let copied = sandbox.atom(&["storage", "copy", &old, &database]).succeeded();
    assert!(copied.output.contains("runs "), "{copied:?}");
    assert!(
        copied.output.ends_with("with the vault's root key\n"),
        "{copied:?}"
    );
    let again = sandbox.atom(&["storage", "copy", &old, &database]).ended_with(1);
    assert_eq!(again.error()["code"], "already_exists");
    let wrong = ["storage", "copy", &old, "postgers://ada:pass-7@localhost/app"];
    let refused = sandbox.atom(&wrong).ended_with(1);
    assert!(!refused.remarks.contains("pass-7"), "{refused:?}");

    sandbox.atom(&["storage", "copy", &database, &new]).succeeded();
    for place in [
        ["--storage", &database, "--data-dir", "data"],
        ["--storage", "sqlite", "--data-dir", &new],
    ] {
        let call = |operation: &str, request: &serde_json::Value| {
            let request = request.to_string();
            let words = [&["call", operation, "--with", &request], &place[..]].concat();
            sandbox.atom(&words).succeeded().json()
        };
        assert_eq!(call("secrets.list", &json!({}))["secrets"][0]["name"], "token");
        call(
            "runs.signal",
            &json!({ "id": ID, "type": "com.example.go", "data": 7 }),
        );
        let run = call("runs.get", &json!({ "id": ID, "wait": true }));
        assert_eq!(run["output"], json!([7]));
    }
}
