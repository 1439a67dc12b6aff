//! Writes `schema/` and what follows from it: the hosts' typed operations and errors. What the hosts write by hand of
//! it, the options of an engine, is compared with it.

mod foreign;
mod kotlin;
mod model;
mod node;
mod options;
mod python;
mod schema;
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

/// Compares what is committed with what would be written, and with the options that hosts offer by hand. That `schema/`
/// itself is current is a Rust test.
pub(crate) fn check(root: &Path) -> Outcome {
    match read(root, "config.json").and_then(|config| options::missing(root, &config)) {
        Ok(missing) if missing.is_empty() => stale(root),
        Ok(missing) => Outcome::Failed(missing.join("; ")),
        Err(why) => Outcome::Failed(why),
    }
}

fn stale(root: &Path) -> Outcome {
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

/// A file of `schema/`.
fn read(root: &Path, name: &str) -> Result<Value, String> {
    let path = root.join("schema").join(name);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Every generated file of every host, by its path from the workspace's folder.
fn generate(root: &Path) -> Result<Files, String> {
    let index = read(root, "operations.json")?;
    let names = index["operations"]
        .as_array()
        .ok_or("schema/operations.json lists no operations")?;
    let operations: Result<Vec<_>, String> = names
        .iter()
        .map(|operation| {
            let name = operation["name"].as_str().unwrap_or_default();
            read(root, &format!("{name}.json"))
        })
        .collect();
    let operations = Value::Array(operations?);
    let errors = read(root, "errors.json")?;
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
