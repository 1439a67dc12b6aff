//! Writes `schema/` and what follows from it: the hosts' typed operations and errors.

mod foreign;
mod kotlin;
mod model;
mod node;
mod python;
mod swift;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::process::{Outcome, run};
use crate::rust::PACKAGES;

type Files = BTreeMap<String, String>;

/// Writes everything anew.
pub(crate) fn write(root: &Path) -> Outcome {
    let schema: Vec<_> = ["test", "--quiet", "--locked"]
        .into_iter()
        .chain(PACKAGES)
        .chain(["--test", "it", "schema::write_the_files", "--", "--ignored"])
        .collect();
    run(root, "cargo", &schema).then(|| match generate(root) {
        Ok(files) => files
            .iter()
            .map(|(path, text)| store(&root.join(path), text))
            .find(failed)
            .unwrap_or(Outcome::Passed),
        Err(why) => Outcome::Failed(why),
    })
}

fn failed(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Passed)
}

/// Compares what is committed with what would be written. That `schema/` itself is current is a Rust test.
pub(crate) fn check(root: &Path) -> Outcome {
    let stale = generate(root).map(|files| {
        let is_stale = |(path, text): &(String, String)| {
            std::fs::read_to_string(root.join(path)).map_or(true, |committed| committed != *text)
        };
        files
            .into_iter()
            .filter(is_stale)
            .map(|(path, _)| path)
            .collect::<Vec<_>>()
    });
    match stale {
        Ok(stale) if stale.is_empty() => Outcome::Passed,
        Ok(stale) => Outcome::Failed(format!(
            "run `cargo xtask codegen` and commit: {}",
            stale.join(", ")
        )),
        Err(why) => Outcome::Failed(why),
    }
}

fn store(path: &Path, text: &str) -> Outcome {
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(path, text));
    match written {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(format!("{} cannot be written: {error}", path.display())),
    }
}

/// Every generated file of every host, by its path from the workspace's folder.
fn generate(root: &Path) -> Result<Files, String> {
    let read = |name: &str| -> Result<Value, String> {
        let path = root.join("schema").join(name);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    };
    let index = read("operations.json")?;
    let names = index["operations"]
        .as_array()
        .ok_or("schema/operations.json lists no operations")?;
    let operations: Result<Vec<_>, String> = names
        .iter()
        .map(|operation| {
            read(&format!(
                "{}.json",
                operation["name"].as_str().unwrap_or_default()
            ))
        })
        .collect();
    let operations = Value::Array(operations?);
    let errors = read("errors.json")?;
    let mut files = foreign::generate(root)?;
    for generator in [
        kotlin::generate,
        node::generate,
        python::generate,
        swift::generate,
    ] {
        files.extend(generator(&operations, &errors));
    }
    Ok(files)
}
