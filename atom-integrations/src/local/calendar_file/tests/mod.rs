//! The connector as its callers see it.

mod changes;
mod conflicts;
mod content;
mod occurrences;
mod rules;

use atom_core::function::FunctionContext;
use atom_core::{FunctionRegistry, Principal, Result};
use serde_json::{Value, json};

use super::super::FileAccess;

/// Calls an operation on a folder with these files.
async fn call(operation: &str, files: &[(&str, &str)], mut arguments: Value) -> Result<Value> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let functions = FunctionRegistry::default();
    super::connector(FileAccess::below([folder.path()])?)?.register(&functions)?;
    let mut context = FunctionContext::direct(Principal::new("acme", "ada")?, "key");
    context.directory = Some(folder.path().to_owned());
    let path = if let [(name, _)] = files { *name } else { "." };
    arguments["path"] = json!(path);
    functions
        .get(&format!("calendar_file.{operation}"))?
        .call(arguments, context)
        .await
}

/// A calendar around the given components.
fn calendar(components: &str) -> String {
    format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Test//EN\n{components}\nEND:VCALENDAR\n")
        .replace('\n', "\r\n")
}

/// A calendar with one event of these lines.
fn event(lines: &str) -> String {
    calendar(&format!(
        "BEGIN:VEVENT\nUID:1\nDTSTAMP:20240101T000000Z\n{lines}\nEND:VEVENT"
    ))
}

/// The listed events as `start/end`, or days, with what was skipped asserted to be nothing.
async fn starts(file: &str, from: &str, until: &str, zone: &str) -> Vec<String> {
    let answer = call(
        "events.list",
        &[("a.ics", file)],
        json!({ "from": from, "until": until, "zone": zone }),
    )
    .await
    .unwrap();
    assert_eq!(answer["skipped"], json!([]), "{file}");
    answer["events"].as_array().unwrap().iter().map(start).collect()
}

fn start(event: &Value) -> String {
    let start = &event["start"];
    start["at"]
        .as_str()
        .or(start["date"].as_str())
        .unwrap()
        .to_owned()
}
