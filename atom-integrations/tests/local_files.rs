//! Folders and task files as their callers see them: what goes in, what comes out, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use atom_core::{Error, ErrorCode, FunctionContext, FunctionRegistry, Principal, Result};
use atom_integrations::local::{self, FileAccess};
use serde_json::{Value, json};

async fn call(folder: &Path, name: &str, arguments: Value) -> Result<Value> {
    let functions = FunctionRegistry::default();
    for connector in local::connectors(FileAccess::below([folder])?)? {
        connector.register(&functions)?;
    }
    let mut context = FunctionContext::direct(Principal::new("acme", "ada")?, "key");
    context.directory = Some(folder.to_owned());
    functions.get(name)?.call(arguments, context).await
}

async fn refused(folder: &Path, name: &str, arguments: Value) -> ErrorCode {
    call(folder, name, arguments)
        .await
        .map_err(|error: Error| error.code())
        .unwrap_err()
}

fn folder_with(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn texts(list: &Value, pointer: &str) -> Vec<String> {
    let text = |item: &Value| item.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn what_cannot_be_read_in_a_folder_is_named_with_a_reason() {
    let long = vec![b'a'; 10 << 20];
    let folder = folder_with(&[
        ("notes/a.md", b"# Alpha\nbudget"),
        ("notes/latin.txt", b"B\xe4r und budget"),
        ("notes/photo.md", b"\x89PNG\0\0"),
        ("notes/long.md", &long),
        ("notes/broken.md", b"---\ntitle: never closed\nbudget"),
        ("notes/data.bin", b"\0"),
    ]);
    let listed = call(folder.path(), "folder.documents.list", json!({ "path": "notes" }))
        .await
        .unwrap();
    assert_eq!(
        texts(&listed["documents"], "/title"),
        ["Alpha", "broken", "latin"]
    );
    assert_eq!(listed["total"], 5);
    assert_eq!(
        texts(&listed["skipped"], "/path"),
        ["notes/long.md", "notes/photo.md"]
    );
    let found = call(
        folder.path(),
        "folder.documents.search",
        json!({ "path": "notes", "query": "budget" }),
    );
    let found = found.await.unwrap();
    assert_eq!(
        texts(&found["matches"], "/document/path"),
        ["notes/a.md", "notes/broken.md", "notes/latin.txt"]
    );
    assert_eq!(
        found["matches"][0]["excerpts"],
        json!([{ "line": 2, "text": "budget", "reason": "holds \"budget\"" }])
    );
    let limited = call(
        folder.path(),
        "folder.documents.list",
        json!({ "path": "notes", "glob": "*.md", "limit": 1 }),
    );
    let limited = limited.await.unwrap();
    assert_eq!(
        (limited["documents"].as_array().unwrap().len(), &limited["total"]),
        (1, &json!(4))
    );
}

#[tokio::test]
async fn a_document_is_read_whole() {
    let folder = folder_with(&[("a.md", b"\xef\xbb\xbf---\ntags: [x]\n---\n# T\r\nbody")]);
    let read = call(folder.path(), "folder.documents.get", json!({ "path": "./a.md" }))
        .await
        .unwrap();
    assert_eq!(read["id"], "folder:a.md");
    assert_eq!(
        (&read["title"], &read["tags"], &read["media_type"]),
        (&json!("T"), &json!(["x"]), &json!("text/markdown"))
    );
    assert_eq!(read["content"], "---\ntags: [x]\n---\n# T\r\nbody");
}

#[tokio::test]
async fn impossible_requests_are_typed_errors() {
    let folder = folder_with(&[
        ("a.md", b"x"),
        ("a.csv", b"x"),
        ("bin.txt", b"\0"),
        ("sub/b.md", b"- [ ] b"),
    ]);
    let root = folder.path();
    let cases = [
        (
            "folder.documents.list",
            json!({ "path": "missing" }),
            ErrorCode::NotFound,
        ),
        (
            "folder.documents.list",
            json!({ "path": "a.md" }),
            ErrorCode::InvalidRequest,
        ),
        (
            "folder.documents.list",
            json!({ "path": "/etc" }),
            ErrorCode::PermissionDenied,
        ),
        (
            "folder.documents.list",
            json!({ "path": ".", "limit": 0 }),
            ErrorCode::InvalidRequest,
        ),
        (
            "folder.documents.get",
            json!({ "path": "sub" }),
            ErrorCode::InvalidRequest,
        ),
        (
            "folder.documents.get",
            json!({ "path": "bin.txt" }),
            ErrorCode::InvalidData,
        ),
        (
            "folder.documents.search",
            json!({ "path": "." }),
            ErrorCode::InvalidRequest,
        ),
        (
            "folder.documents.search",
            json!({ "path": ".", "date": "2026-02-30" }),
            ErrorCode::InvalidRequest,
        ),
        (
            "folder.files.write",
            json!({ "path": "missing/x.md", "content": "" }),
            ErrorCode::NotFound,
        ),
        (
            "folder.files.write",
            json!({ "path": "../x.md", "content": "" }),
            ErrorCode::PermissionDenied,
        ),
        (
            "folder.files.write",
            json!({ "path": "sub", "content": "" }),
            ErrorCode::InvalidRequest,
        ),
        (
            "task_file.tasks.list",
            json!({ "path": "a.csv" }),
            ErrorCode::InvalidRequest,
        ),
        (
            "task_file.tasks.list",
            json!({ "path": "bin.txt" }),
            ErrorCode::InvalidData,
        ),
        (
            "task_file.tasks.list",
            json!({ "path": "missing.md" }),
            ErrorCode::NotFound,
        ),
        (
            "task_file.tasks.complete",
            json!({ "path": "missing.md", "id": "x" }),
            ErrorCode::NotFound,
        ),
        (
            "task_file.tasks.complete",
            json!({ "path": "sub/b.md", "id": "x" }),
            ErrorCode::NotFound,
        ),
        (
            "task_file.tasks.complete",
            json!({ "path": "sub", "id": "x" }),
            ErrorCode::InvalidRequest,
        ),
        (
            "task_file.tasks.add",
            json!({ "path": "a.md", "title": "two\nlines" }),
            ErrorCode::InvalidRequest,
        ),
        (
            "task_file.tasks.add",
            json!({ "path": "a.csv", "title": "x" }),
            ErrorCode::InvalidRequest,
        ),
    ];
    for (name, arguments, code) in cases {
        assert_eq!(
            refused(root, name, arguments.clone()).await,
            code,
            "{name} {arguments}"
        );
    }
    // A folder below a file cannot be written, whoever runs the test.
    assert!(
        call(
            root,
            "folder.files.write",
            json!({ "path": "a.md/x.md", "content": "" })
        )
        .await
        .is_err()
    );
}

#[tokio::test]
async fn a_file_is_written_once_or_over() {
    let folder = tempfile::tempdir().unwrap();
    let write = |content: &str, if_exists: &str| {
        let arguments = json!({ "path": "out.md", "content": content, "if_exists": if_exists });
        call(folder.path(), "folder.files.write", arguments)
    };
    let written = write("hello\n", "fail").await.unwrap();
    assert_eq!(
        written,
        json!({ "path": "out.md", "bytes": 6,
            "sha256": "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" })
    );
    assert_eq!(
        write("other", "fail").await.unwrap_err().code(),
        ErrorCode::AlreadyExists
    );
    write("hello\n", "fail").await.unwrap();
    write("other", "overwrite").await.unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("out.md")).unwrap(), "other");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn tasks_are_found_added_and_completed_in_place() {
    let folder = folder_with(&[
        (
            "work/plan.md",
            b"\xef\xbb\xbf# Plan\r\n- [ ] one due:2026-13-01\r\n- [x] two\r\n",
        ),
        ("work/todo.txt", b"(A) three +P\n"),
        ("work/prose.txt", b"This is no task.\n"),
    ]);
    let root = folder.path();
    let listed = call(root, "task_file.tasks.list", json!({ "path": "work" }))
        .await
        .unwrap();
    assert_eq!(texts(&listed["tasks"], "/title"), ["one due:2026-13-01", "three"]);
    assert_eq!(
        listed["skipped"],
        json!([{ "path": "work/plan.md", "line": 2, "reason": "'due:2026-13-01' is not a date" }])
    );
    assert_eq!(
        listed["tasks"][0]["extra"],
        json!({ "path": "work/plan.md", "line": 2 })
    );
    let all = json!({ "path": "work", "include_completed": true, "limit": 1 });
    assert_eq!(call(root, "task_file.tasks.list", all).await.unwrap()["total"], 3);

    let new = json!({ "path": "work/plan.md", "title": "four", "priority": "high", "tags": ["x"] });
    let added = call(root, "task_file.tasks.add", new.clone()).await.unwrap();
    assert_eq!(
        (&added["is_changed"], &added["task"]["title"]),
        (&json!(true), &json!("four"))
    );
    assert_eq!(
        call(root, "task_file.tasks.add", new).await.unwrap()["is_changed"],
        false
    );
    let complete = json!({ "path": "work/plan.md", "id": added["task"]["id"] });
    let completed = call(root, "task_file.tasks.complete", complete.clone())
        .await
        .unwrap();
    assert_eq!(
        (&completed["is_changed"], &completed["task"]["status"]),
        (&json!(true), &json!("completed"))
    );
    assert_eq!(
        call(root, "task_file.tasks.complete", complete).await.unwrap()["is_changed"],
        false
    );
    assert_eq!(
        fs::read(root.join("work/plan.md")).unwrap(),
        b"\xef\xbb\xbf# Plan\r\n- [ ] one due:2026-13-01\r\n- [x] two\r\n- [x] four #x !high\r\n"
    );
    let started = call(
        root,
        "task_file.tasks.add",
        json!({ "path": "new.txt", "title": "first" }),
    )
    .await
    .unwrap();
    assert_eq!(started["is_changed"], true);
    assert_eq!(fs::read_to_string(root.join("new.txt")).unwrap(), "first\n");
}

#[tokio::test]
async fn edits_at_the_same_time_lose_nothing() {
    let folder = folder_with(&[("todo.txt", b"")]);
    let edits = (0..16).map(|number| {
        call(
            folder.path(),
            "task_file.tasks.add",
            json!({ "path": "todo.txt", "title": format!("task {number}") }),
        )
    });
    for added in futures::future::join_all(edits).await {
        added.unwrap();
    }
    assert_eq!(
        fs::read_to_string(folder.path().join("todo.txt"))
            .unwrap()
            .lines()
            .count(),
        16
    );
}
