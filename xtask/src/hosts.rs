//! The hosts: each is built with the features and profile of the Rust tests, so that nothing is compiled twice,
//! and tested with its own language's tools.

use std::path::Path;

use crate::process::{Outcome, need, run, run_with};

const VENV_PYTHON: &str = ".venv/bin/python";

/// The tools that Python's tests need, from the package index.
const PYTHON_TOOLS: [&str; 4] = ["maturin>=1.16,<2", "pytest>=8,<10", "mypy>=1.15,<3", "psutil>=6,<8"];

pub(crate) fn python(root: &Path) -> Outcome {
    if let Err(why) = need("python3", "--version", (3, 10)) {
        return Outcome::Skipped(why);
    }
    python_package(root)
        .then(|| run(root, VENV_PYTHON, &["-m", "pytest", "-q", "atom-py/tests"]))
        .then(|| run(root, VENV_PYTHON, &["examples/morning-briefing/python/main.py"]))
}

/// Builds the package into a virtual environment of the repository.
fn python_package(root: &Path) -> Outcome {
    let venv = if root.join(VENV_PYTHON).exists() {
        Outcome::Passed
    } else {
        run(root, "python3", &["-m", "venv", ".venv"])
    };
    let install: Vec<_> = ["-m", "pip", "install", "--quiet"].into_iter().chain(PYTHON_TOOLS).collect();
    venv.then(|| run(root, VENV_PYTHON, &install)).then(|| {
        let virtual_environment = root.join(".venv");
        run_with(
            root,
            ".venv/bin/maturin",
            &["develop", "--quiet", "--locked", "-m", "atom-py/Cargo.toml"],
            &[("VIRTUAL_ENV", &virtual_environment.to_string_lossy())],
        )
    })
}

pub(crate) fn node(root: &Path) -> Outcome {
    if let Err(why) = need("node", "--version", (20, 0)).and_then(|()| need("npm", "--version", (9, 0))) {
        return Outcome::Skipped(why);
    }
    run_with(root, "npm", &["ci", "--prefix", "atom-node", "--no-audit", "--no-fund"], &[("ATOM_NODE_PROFILE", "dev")])
        .then(|| run_with(root, "npm", &["test", "--prefix", "atom-node"], &[("ATOM_NODE_PROFILE", "dev")]))
}

pub(crate) fn kotlin(root: &Path) -> Outcome {
    if let Err(why) = need("java", "-version", (17, 0)).and_then(|()| need("mvn", "--version", (3, 8))) {
        return Outcome::Skipped(why);
    }
    run(root, "cargo", &["build", "--locked", "-p", "atom-ffi"])
        .then(|| run(root, "mvn", &["--batch-mode", "--no-transfer-progress", "-f", "atom-ffi/kotlin/pom.xml", "test"]))
}

/// Compiles the Swift package where a Swift toolchain is. Its generated sources are checked in any case, with
/// everything else that is generated.
pub(crate) fn swift(root: &Path) -> Outcome {
    match need("swift", "--version", (5, 9)) {
        Ok(()) => run(root, "cargo", &["build", "--locked", "-p", "atom-ffi"])
            .then(|| run(root, "swift", &["build", "--package-path", "atom-ffi/swift"])),
        Err(why) => {
            println!("the Swift package is not compiled: {why}");
            Outcome::Passed
        }
    }
}

pub(crate) fn bench(root: &Path) -> Outcome {
    let hosts: [(&str, fn(&Path) -> Outcome); 2] = [
        ("python", |root| {
            python_package(root).then(|| run(root, VENV_PYTHON, &["benches/bridge/python.py"]))
        }),
        ("node", |root| run(root, "node", &["benches/bridge/node.mjs"])),
    ];
    for (name, measure) in hosts {
        if let Outcome::Failed(why) | Outcome::Skipped(why) = measure(root) {
            println!("{name} was not measured: {why}");
        }
    }
    Outcome::Passed
}
