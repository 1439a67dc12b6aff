//! The calls of `examples/morning-briefing`, made one by one on its sample data.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use atom_core::{FunctionContext, FunctionRegistry, Principal};
use atom_integrations::local::{self, FileAccess};
use atom_integrations::text;
use serde_json::{Value, json};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/morning-briefing")
}

fn registry() -> FunctionRegistry {
    let functions = FunctionRegistry::default();
    for connector in local::connectors(FileAccess::everywhere()).unwrap() {
        connector.register(&functions).unwrap();
    }
    text::functions()
        .into_iter()
        .for_each(|function| functions.register(function).unwrap());
    functions
}

async fn call(name: &str, arguments: Value) -> Value {
    let mut context = FunctionContext::direct(Principal::new("acme", "ada").unwrap(), "key");
    context.directory = Some(example());
    registry()
        .get(name)
        .unwrap()
        .call(arguments, context)
        .await
        .unwrap()
}

/// Some fields of every item of a list, for comparison.
fn pick(list: &Value, pointers: &[&str]) -> Vec<Value> {
    let fields = |item: &Value| {
        pointers
            .iter()
            .map(|pointer| item.pointer(pointer).cloned())
            .collect()
    };
    list.as_array().unwrap().iter().map(fields).collect()
}

async fn threads(filter: &str) -> Value {
    let mut arguments =
        json!({ "path": "sample/mail.mbox", "me": ["ada@example.org"], "since": "2026-02-23" });
    arguments[filter] = true.into();
    call("mailbox.threads.list", arguments).await
}

async fn day(function: &str) -> Value {
    let zone = "Europe/Berlin";
    call(
        function,
        json!({ "path": "sample/calendar.ics", "from": "2026-03-09", "zone": zone }),
    )
    .await
}

async fn ranked() -> Value {
    let mut tasks = Vec::new();
    for path in ["sample/tasks.md", "sample/todo.txt"] {
        let listed = call("task_file.tasks.list", json!({ "path": path })).await;
        assert_eq!(listed["skipped"], json!([]));
        tasks.extend(listed["tasks"].as_array().unwrap().clone());
    }
    call(
        "task_file.tasks.rank",
        json!({ "tasks": tasks, "date": "2026-03-09", "limit": 10 }),
    )
    .await
}

async fn notes() -> Value {
    let arguments =
        json!({ "path": "sample/notes", "date": "2026-03-09", "names": ["Charles Babbage", "Grace Hopper"] });
    call("folder.documents.search", arguments).await
}

#[tokio::test]
async fn threads_whose_last_word_is_somebody_elses_await_an_answer() {
    let awaiting = threads("awaiting_reply_only").await;
    assert_eq!(
        pick(
            &awaiting["threads"],
            &[
                "/subject",
                "/message_count",
                "/unread_count",
                "/last_message/from/name"
            ]
        ),
        [
            json!(["Invitation to the March lecture", 1, 1, "Mary Somerville"]),
            json!(["Prüfung der Preisliste für den Launch", 3, 1, "Grace Hopper"]),
            json!(["Mittagessen am Montag im Café Müller?", 1, 0, "Katherine Johnson"]),
        ]
    );
    let unread = threads("unread_only").await;
    assert_eq!(
        pick(&unread["threads"], &["/subject", "/awaits_reply"]),
        [
            json!(["Invitation to the March lecture", true]),
            json!(["The Engine Weekly, issue 112: looms and logarithms", false]),
            json!(["Prüfung der Preisliste für den Launch", true]),
        ]
    );
    assert_eq!(awaiting["skipped"], json!([]));
}

#[tokio::test]
async fn the_day_has_its_moved_meeting_and_neither_the_excluded_nor_the_cancelled_one() {
    let events = day("calendar_file.events.list").await;
    assert_eq!(
        pick(&events["events"], &["/title", "/start/at", "/is_all_day"]),
        [
            json!(["Mary's birthday", null, true]),
            json!(["Launch review", "2026-03-09T09:00:00Z", false]),
            json!(["Team meeting", "2026-03-09T09:30:00Z", false]),
            json!(["Dentist", "2026-03-09T16:15:00Z", false]),
        ]
    );
    let conflicts = day("calendar_file.conflicts.list").await;
    assert_eq!(
        pick(
            &conflicts["conflicts"],
            &["/first/title", "/second/title", "/overlap_minutes"]
        ),
        [json!(["Launch review", "Team meeting", 25])]
    );
}

#[tokio::test]
async fn tasks_are_ranked_with_reasons() {
    assert_eq!(
        pick(
            &ranked().await["tasks"],
            &["/rank", "/task/title", "/task/project", "/reason"]
        ),
        [
            json!([
                1,
                "Write the release notes",
                "Launch",
                "due today, priority urgent"
            ]),
            json!([
                2,
                "Approve the launch budget",
                "Launch",
                "due tomorrow, priority urgent"
            ]),
            json!([
                3,
                "Send the corrected price list to Grace",
                "Launch",
                "overdue by 3 days, priority high"
            ]),
            json!([
                4,
                "Read Mary's translation",
                "Reading",
                "due in 7 days, priority normal"
            ]),
            json!([5, "Renew the passport", "Home", "due in 11 days, priority normal"]),
            json!([
                6,
                "Draft the summary",
                "Launch",
                "no due date, priority normal, in progress"
            ]),
            json!([
                7,
                "Call the insurance about the dentist's bill",
                "Home",
                "no due date, priority normal"
            ]),
            json!([
                8,
                "Descale the coffee machine",
                "Home",
                "no due date, priority low"
            ]),
        ]
    );
}

#[tokio::test]
async fn notes_concern_the_day_and_the_people() {
    let found = notes().await;
    assert_eq!(
        pick(
            &found["matches"],
            &["/document/title", "/document/path", "/excerpts/0/reason"]
        ),
        [
            json!([
                "2026-03-09",
                "sample/notes/daily/2026-03-09.md",
                "the document as a whole mentions 2026-03-09"
            ]),
            json!(["Launch plan", "sample/notes/launch.md", "mentions 2026-03-09"]),
            json!([
                "Grace Hopper",
                "sample/notes/people/grace-hopper.md",
                "names Grace Hopper"
            ]),
        ]
    );
    assert_eq!(
        found["matches"][1]["excerpts"][0]["text"],
        "## Decisions for 9 March\n- Final price of the large edition\n- Who opens the presentation"
    );
}

#[tokio::test]
async fn the_briefing_says_what_was_found() {
    let unread = threads("unread_only").await;
    let unread = unread["threads"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|thread| thread["awaits_reply"] == false);
    let data = json!({
        "settings": { "date": "2026-03-09", "zone": "Europe/Berlin", "mailbox": "sample/mail.mbox" },
        "awaiting": threads("awaiting_reply_only").await["threads"],
        "unread": unread.collect::<Vec<_>>(),
        "events": day("calendar_file.events.list").await["events"],
        "conflicts": day("calendar_file.conflicts.list").await["conflicts"],
        "ranked": ranked().await["tasks"],
        "notes": notes().await["matches"],
        "skipped": [{ "path": "notes/photo.md", "reason": "the file holds binary data, not text" }],
    });
    let rendered = call("template.render", json!({ "template": template(), "data": data })).await;
    let expected = std::fs::read_to_string(example().join("expected.md")).unwrap();
    let shown = "\n## Not read\n\n- notes/photo.md: the file holds binary data, not text\n";
    assert_eq!(rendered["text"].as_str().unwrap(), expected + shown);
}

/// The template as it stands in the workflow: the lines of the block scalar without their indentation.
fn template() -> String {
    let workflow = std::fs::read_to_string(example().join("workflow.yaml")).unwrap();
    let mut lines = workflow.lines().skip_while(|line| line.trim() != "template: |");
    let indentation = lines.next().unwrap().find("template").unwrap() + 2;
    let is_inside = |line: &&str| line.trim().is_empty() || line.starts_with(&" ".repeat(indentation));
    let block: Vec<&str> = lines
        .take_while(is_inside)
        .map(|line| line.get(indentation..).unwrap_or(""))
        .collect();
    block.join("\n").trim_end().to_owned() + "\n"
}
