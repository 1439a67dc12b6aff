//! `--storage`: where a command keeps everything.

use serde_json::json;

use crate::support::Sandbox;

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
    let info = sandbox.call("engine.info", &json!({}));
    assert_eq!(
        (&info["storage"], &info["data_dir"]),
        (&json!("postgres"), &json!(null))
    );
    sandbox.call("secrets.set", &json!({ "name": "token", "value": "s3cr3t" }));
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
