//! Other engines beside this one: installed from their registries into a folder of their own, below `target/`.

use std::path::{Path, PathBuf};

use crate::process::{Outcome, need, run, succeeds};
use crate::rust::has_temporal;

const PYTHON_PACKAGES: [&str; 3] = ["dbos", "langgraph", "langgraph-checkpoint-sqlite"];
const NODE_PACKAGES: [&str; 2] = ["@restatedev/restate-server", "@restatedev/restate-sdk"];

/// Does the same work with every engine that can be installed here, and with this one.
pub(crate) fn bench(root: &Path) -> Outcome {
    let folder = match folder(root) {
        Ok(folder) => folder,
        Err(why) => return Outcome::Failed(why),
    };
    let script = |name: &str| root.join("benches/peers").join(name).display().to_string();
    let mut commands: Vec<String> = Vec::new();
    let mut add = |words: [String; 4]| {
        let separator = (!commands.is_empty()).then(|| "--".to_owned());
        commands.extend(
            separator
                .into_iter()
                .chain(words.into_iter().filter(|word| !word.is_empty())),
        );
    };
    match python(root, &folder) {
        Ok(python) => {
            for (name, file) in [("DBOS", "dbos_sqlite.py"), ("LangGraph", "langgraph_sqlite.py")] {
                add([name.to_owned(), python.clone(), script(file), String::new()]);
            }
        }
        Err(why) => println!("DBOS and LangGraph were not measured: {why}"),
    }
    match node(root, &folder) {
        Ok(modules) => add([
            "Restate".to_owned(),
            "node".to_owned(),
            script("restate.mjs"),
            modules,
        ]),
        Err(why) => println!("Restate was not measured: {why}"),
    }
    let mut arguments = vec!["bench", "--locked", "-p", "atom-engine", "--", "peers"];
    arguments.extend(commands.iter().map(String::as_str));
    run(root, "cargo", &arguments)
}

/// Measures many engines on one PostgreSQL, beside DBOS on the same server where it can be installed, and runs on Temporal where
/// there is a server.
pub(crate) fn scale(root: &Path) -> Outcome {
    let folder = match folder(root) {
        Ok(folder) => folder,
        Err(why) => return Outcome::Failed(why),
    };
    let script = root.join("benches/peers/dbos_postgres.py").display().to_string();
    let mut arguments = vec!["bench", "--locked", "-p", "atom-engine"];
    if has_temporal(root) {
        arguments.extend(["--features", "temporal"]);
    }
    arguments.extend(["--", "scale"]);
    let python = python(root, &folder);
    match &python {
        Ok(python) => arguments.extend(["DBOS", python, &script]),
        Err(why) => println!("DBOS was not measured: {why}"),
    }
    run(root, "cargo", &arguments)
}

/// Where other engines are installed.
fn folder(root: &Path) -> Result<PathBuf, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = target.join("peers");
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("{} cannot be created: {error}", folder.display()))?;
    Ok(folder)
}

/// A Python that has the packages.
fn python(root: &Path, folder: &Path) -> Result<String, String> {
    need("python3", "--version", (3, 10))?;
    let environment = folder.join("python").display().to_string();
    let python = format!("{environment}/bin/python");
    if !succeeds(root, &python, &["-m", "pip", "--version"]) {
        passed(run(root, "python3", &["-m", "venv", "--clear", &environment]))?;
    }
    let install = ["-m", "pip", "install", "--quiet"]
        .into_iter()
        .chain(PYTHON_PACKAGES);
    passed(run(root, &python, &install.collect::<Vec<_>>()))?;
    Ok(python)
}

/// The folder of Node packages.
fn node(root: &Path, folder: &Path) -> Result<String, String> {
    need("node", "--version", (20, 9))?;
    need("npm", "--version", (9, 0))?;
    let modules = folder.join("node").display().to_string();
    let install = [
        "install",
        "--prefix",
        &modules,
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ];
    let install = install.into_iter().chain(NODE_PACKAGES);
    passed(run(root, "npm", &install.collect::<Vec<_>>()))?;
    Ok(modules)
}

fn passed(outcome: Outcome) -> Result<(), String> {
    match outcome {
        Outcome::Passed => Ok(()),
        Outcome::Skipped(why) | Outcome::Failed(why) => Err(why),
    }
}
