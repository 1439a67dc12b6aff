//! `atom backup` and `atom restore`.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Sandbox, Server, workflow};

const ID: &str = "0192f0c1-0000-7000-8000-000000000001";

#[test]
fn a_backup_of_an_engine_at_work_goes_on_elsewhere_with_its_secrets() {
    let elsewhere = Place {
        storage: "sqlite".to_owned(),
        data_dir: "restored",
    };
    back_up_at_work(&Sandbox::new(), &elsewhere);
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn a_backup_of_an_engine_at_work_on_postgres_goes_on_elsewhere_with_its_secrets() {
    let Some(sandbox) = Sandbox::on_postgres() else {
        return;
    };
    let elsewhere = Place {
        storage: crate::support::another_postgres(&sandbox.storage),
        data_dir: "restored",
    };
    back_up_at_work(&sandbox, &elsewhere);
}

/// Where a backup is put back.
struct Place {
    storage: String,
    data_dir: &'static str,
}

fn back_up_at_work(sandbox: &Sandbox, place: &Place) {
    let server = Server::start("/ask");
    let document = workflow(&format!(
        "  - first: {{ call: http, with: {{ method: get, endpoint: '{}' }} }}
  - ask: {{ call: http, with: {{ method: get, endpoint: '{}' }} }}
  - tell: {{ set: {{ length: '${{ $secrets.token | length }}' }} }}",
        server.uri("/first"),
        server.uri("/ask")
    ));
    sandbox.write("ask.yaml", format!("use: {{ secrets: [token] }}\n{document}"));
    sandbox.call("secrets.set", &json!({ "name": "token", "value": "s3cr3t" }));
    let run = ["run", "ask.yaml", "--allow-private-network", "--id", ID];
    let mut child = sandbox.command(&run).stderr(Stdio::null()).spawn().unwrap();
    server.until_stuck();
    let told = sandbox.atom(&["backup", "copy"]).succeeded().output;
    assert!(told.contains("with the vault's root key"), "{told}");
    child.kill().unwrap();
    child.wait().unwrap();

    let place = ["--data-dir", place.data_dir, "--storage", &place.storage];
    let elsewhere = |words: &[&str]| sandbox.atom(&[words, &place[..]].concat());
    elsewhere(&["restore", "copy"]).succeeded();
    let resumed = elsewhere(&["resume", "--json", "--allow-private-network"])
        .succeeded()
        .json();
    assert_eq!(
        (&resumed["id"], &resumed["output"]),
        (&json!(ID), &json!({ "length": 6 }))
    );
    assert_eq!(server.count("/first"), 1, "a complete step is not repeated");
    // The data folder that was copied is as it was.
    sandbox.atom(&["resume", "--allow-private-network"]).succeeded();
    assert_eq!(
        sandbox.call("runs.get", &json!({ "id": ID }))["status"],
        "completed"
    );
}

#[test]
fn nothing_that_is_there_is_written_over() {
    let sandbox = Sandbox::new();
    let code = |words: &[&str]| sandbox.atom(words).ended_with(1).error()["code"].clone();
    assert_eq!(code(&["backup", "copy"]), "not_found");
    assert!(!sandbox.path("copy").exists());

    sandbox.call("secrets.set", &json!({ "name": "token", "value": "s3cr3t" }));
    sandbox.atom(&["backup", "copy"]).succeeded();
    assert_eq!(code(&["backup", "copy"]), "already_exists");
    assert_eq!(code(&["restore", "copy"]), "already_exists");
    assert_eq!(code(&["restore", "absent", "--data-dir", "new"]), "not_found");

    // A key of its own may be all that opens something.
    sandbox.write("other/root.key", "b3RoZXI=\n");
    assert_eq!(
        code(&["restore", "copy", "--data-dir", "other"]),
        "already_exists"
    );
    assert_eq!(
        std::fs::read(sandbox.path("other/root.key")).unwrap(),
        b"b3RoZXI=\n"
    );
    assert!(!sandbox.path("other/atom.db").exists());

    let damaged = sandbox.write("damaged/atom.db", "not a database");
    assert_eq!(code(&["restore", "damaged", "--data-dir", "new"]), "invalid_data");
    assert_eq!(std::fs::read(damaged).unwrap(), b"not a database");
}

#[test]
fn a_backup_can_leave_the_key_out() {
    let sandbox = Sandbox::new();
    sandbox.call("secrets.set", &json!({ "name": "token", "value": "s3cr3t" }));
    let told = sandbox
        .atom(&["backup", "copy", "--without-key"])
        .succeeded()
        .output;
    assert!(told.contains("without"), "{told}");
    assert!(!sandbox.path("copy/root.key").exists());
    let told = sandbox
        .atom(&["restore", "copy", "--data-dir", "new"])
        .succeeded()
        .output;
    assert!(told.contains("ATOM_ROOT_KEY"), "{told}");
    let list = ["call", "secrets.list", "--data-dir", "new"];
    assert_eq!(sandbox.atom(&list).ended_with(1).error()["code"], "invalid_data");
    std::fs::copy(sandbox.path("data/root.key"), sandbox.path("new/root.key")).unwrap();
    let listed: Value = sandbox.atom(&list).succeeded().json();
    assert_eq!(listed["secrets"][0]["name"], "token");
}

#[test]
#[cfg(unix)]
fn a_backup_is_for_its_owner_alone() {
    use std::os::unix::fs::MetadataExt;
    let sandbox = Sandbox::new();
    sandbox.call("secrets.set", &json!({ "name": "token", "value": "s3cr3t" }));
    sandbox.atom(&["backup", "copy"]).succeeded();
    for name in ["copy", "copy/atom.db", "copy/root.key"] {
        let mode = std::fs::metadata(sandbox.path(name)).unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn a_backup_of_a_database_is_put_back_where_there_is_none() {
    let Some(sandbox) = Sandbox::on_postgres() else {
        return;
    };
    let code = |words: &[&str]| sandbox.atom(words).ended_with(1).error()["code"].clone();
    assert_eq!(code(&["backup", "copy"]), "not_found");
    assert!(!sandbox.path("copy").exists());
    sandbox.call("secrets.set", &json!({ "name": "token", "value": "s3cr3t" }));
    sandbox.atom(&["backup", "copy"]).succeeded();
    assert_eq!(code(&["backup", "copy"]), "already_exists");
    assert_eq!(code(&["restore", "copy"]), "already_exists");
    assert_eq!(code(&["restore", "absent"]), "not_found");
    for name in ["copy", "copy/atom.dump", "copy/root.key"] {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(sandbox.path(name)).unwrap());
        assert_eq!(mode & 0o077, 0, "{name}");
    }

    let without = ["restore", "copy", "--storage", "sqlite", "--data-dir", "new"];
    let error = sandbox.atom(&without).ended_with(1).error();
    assert_eq!(error["code"], "invalid_request", "{error}");
    assert!(
        error["message"].as_str().unwrap().contains("--storage"),
        "{error}"
    );

    let other_schema = crate::support::postgres().unwrap();
    assert_eq!(
        code(&["restore", "copy", "--storage", &other_schema]),
        "invalid_request"
    );
    let elsewhere = crate::support::another_postgres(&sandbox.storage);
    let empty = ["restore", "absent", "--storage", &elsewhere];
    assert_eq!(code(&empty), "not_found");
    // What breaks off half-way leaves nothing that an engine would take for a store.
    let dump = std::fs::read(sandbox.path("copy/atom.dump")).unwrap();
    sandbox.write("cut/atom.dump", &dump[..dump.len() * 3 / 4]);
    std::fs::copy(sandbox.path("copy/root.key"), sandbox.path("cut/root.key")).unwrap();
    let cut = ["restore", "cut", "--storage", &elsewhere];
    assert_eq!(code(&cut), "storage_failed");
    assert!(sandbox.path("data/root.key").exists(), "it was there before");
    assert_eq!(
        code(&[&cut[..], &["--data-dir", "new"]].concat()),
        "storage_failed"
    );
    assert!(!sandbox.path("new/root.key").exists());
    let whole = ["restore", "copy", "--storage", &elsewhere];
    sandbox.atom(&whole).succeeded();
    let listed = sandbox.atom(&["call", "secrets.list", "--storage", &elsewhere]);
    assert_eq!(listed.succeeded().json()["secrets"][0]["name"], "token");
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn a_root_key_that_does_not_open_the_vault_of_a_database_is_not_copied() {
    let Some(sandbox) = Sandbox::on_postgres() else {
        return;
    };
    sandbox.call("engine.info", &json!({}));
    let unrelated = [
        "call",
        "engine.info",
        "--storage",
        "sqlite",
        "--data-dir",
        "unrelated",
    ];
    sandbox.atom(&unrelated).succeeded();
    let refused = |words: &[&str]| {
        let words = [words, &["--data-dir", "unrelated"]].concat();
        let error = sandbox.atom(&words).ended_with(1).error();
        assert_eq!(error["code"], "invalid_data", "{error}");
        assert!(
            error["message"].as_str().unwrap().contains("--data-dir"),
            "{error}"
        );
        assert!(!sandbox.path("copy").exists());
    };
    refused(&["backup", "copy"]);
    refused(&["storage", "copy", &sandbox.storage, "copy"]);
    sandbox.atom(&["backup", "copy"]).succeeded();
}

#[test]
fn a_root_key_that_does_not_open_the_vault_of_a_folder_is_not_copied() {
    let sandbox = Sandbox::new();
    sandbox.call("secrets.set", &json!({ "name": "token", "value": "s3cr3t" }));
    let key = sandbox.path("data/root.key");
    let other = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    std::fs::write(&key, other).unwrap();
    let error = sandbox.atom(&["backup", "copy"]).ended_with(1).error();
    assert_eq!(error["code"], "invalid_data", "{error}");
    let left: Vec<_> = std::fs::read_dir(sandbox.path("copy")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    sandbox.atom(&["backup", "copy", "--without-key"]).succeeded();
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn the_tools_of_postgres_must_be_there_to_back_up() {
    let Some(sandbox) = Sandbox::on_postgres() else {
        return;
    };
    sandbox.call("secrets.set", &json!({ "name": "token", "value": "s3cr3t" }));
    let outcome = sandbox
        .command(&["backup", "copy"])
        .env("PATH", "/nowhere")
        .output();
    let outcome = crate::support::Outcome::new(outcome.unwrap()).ended_with(1);
    let error = outcome.error();
    assert_eq!(error["code"], "unsupported");
    assert!(
        error["message"].as_str().unwrap().contains("'pg_dump'"),
        "{error}"
    );
    let left: Vec<_> = std::fs::read_dir(sandbox.path("copy")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
