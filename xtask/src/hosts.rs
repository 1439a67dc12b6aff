//! The hosts: each is tested with its own language's tools, built with the features and profile of the Rust tests
//! so that nothing is compiled twice, and measured as its users have it.

use std::path::Path;

use crate::process::{Outcome, need, run, run_with, succeeds, target_folder};

const VENV_PYTHON: &str = ".venv/bin/python";

/// The tools that Python's tests need, from the package index.
const PYTHON_TOOLS: [&str; 4] = [
    "maturin>=1.16,<2",
    "pytest>=8,<10",
    "mypy>=1.15,<3",
    "psutil>=6,<8",
];

/// How a host's native part is compiled.
#[derive(Clone, Copy)]
enum Profile {
    /// As the Rust tests are.
    Dev,
    /// As users have it, which is what measuring is about.
    Release,
}

pub(crate) fn python(root: &Path) -> Outcome {
    python_package(root, Profile::Dev)
        .then(|| run(root, VENV_PYTHON, &["-m", "pytest", "-q", "atom-py/tests"]))
        .then(|| run(root, VENV_PYTHON, &["examples/morning-briefing/python/main.py"]))
}

/// Builds the package into a virtual environment of the repository.
fn python_package(root: &Path, profile: Profile) -> Outcome {
    if let Err(why) = need("python3", "--version", (3, 10)) {
        return Outcome::Skipped(why);
    }
    let install: Vec<_> = ["-m", "pip", "install", "--quiet"]
        .into_iter()
        .chain(PYTHON_TOOLS)
        .collect();
    let mut develop = vec!["develop", "--quiet", "--locked", "-m", "atom-py/Cargo.toml"];
    if let Profile::Release = profile {
        develop.push("--release");
    }
    virtual_environment(root)
        .then(|| run(root, VENV_PYTHON, &install))
        .then(|| {
            let folder = root.join(".venv");
            run_with(
                root,
                ".venv/bin/maturin",
                &develop,
                &[("VIRTUAL_ENV", &folder.to_string_lossy())],
            )
        })
}

/// Where Python comes without its module for them, a virtual environment is left behind that has no pip.
fn virtual_environment(root: &Path) -> Outcome {
    let has_pip = || succeeds(root, VENV_PYTHON, &["-m", "pip", "--version"]);
    if has_pip() {
        return Outcome::Passed;
    }
    match run(root, "python3", &["-m", "venv", "--clear", ".venv"]) {
        Outcome::Passed if has_pip() => Outcome::Passed,
        _ => Outcome::Failed(
            "Python cannot make a virtual environment with pip; install its module `venv` \
             (on Debian and Ubuntu the package python3-venv)"
                .to_owned(),
        ),
    }
}

pub(crate) fn node(root: &Path) -> Outcome {
    let example = "examples/morning-briefing/typescript";
    node_package(root, Profile::Dev)
        .then(|| run(root, "npm", &["test", "--prefix", "atom-node"]))
        .then(|| {
            let install = [
                "install",
                "--prefix",
                example,
                "--no-audit",
                "--no-fund",
                "--no-package-lock",
            ];
            run_with(root, "npm", &install, &[("ATOM_NODE_PROFILE", "dev")])
        })
        .then(|| run(root, "npm", &["start", "--prefix", example]))
}

/// Installs the tools of the package and builds it.
fn node_package(root: &Path, profile: Profile) -> Outcome {
    if let Err(why) = need("node", "--version", (20, 9)).and_then(|()| need("npm", "--version", (9, 0))) {
        return Outcome::Skipped(why);
    }
    let profile = match profile {
        Profile::Dev => "dev",
        Profile::Release => "release",
    };
    let install = ["ci", "--prefix", "atom-node", "--no-audit", "--no-fund"];
    run_with(root, "npm", &install, &[("ATOM_NODE_PROFILE", profile)])
}

pub(crate) fn kotlin(root: &Path) -> Outcome {
    if let Err(why) = need("java", "-version", (17, 0)).and_then(|()| need("mvn", "--version", (3, 8))) {
        return Outcome::Skipped(why);
    }
    let library = match native_directory(root, "debug") {
        Ok(library) => library,
        Err(why) => return Outcome::Failed(why),
    };
    run(root, "cargo", &["build", "--locked", "-p", "atom-ffi"]).then(|| {
        run(
            root,
            "mvn",
            &[
                "--batch-mode",
                "--no-transfer-progress",
                "-f",
                "atom-ffi/kotlin/pom.xml",
                "test",
                &library,
            ],
        )
    })
}

/// Tells Maven where the native library is.
fn native_directory(root: &Path, profile: &str) -> Result<String, String> {
    let folder = target_folder(root)?.join(profile);
    Ok(format!("-Datom.native.directory={}", folder.display()))
}

/// Compiles the Swift package where a Swift toolchain is; the machines that check changes have none, and the
/// package says so. Its generated sources are checked in any case, with everything else that is generated.
pub(crate) fn swift(root: &Path) -> Outcome {
    if let Err(why) = need("swift", "--version", (6, 0)) {
        return Outcome::Skipped(format!("the Swift package was not compiled: {why}"));
    }
    run(root, "cargo", &["build", "--locked", "-p", "atom-ffi"])
        .then(|| run(root, "swift", &["build", "--package-path", "atom-ffi/swift"]))
}

fn kotlin_bench(root: &Path) -> Outcome {
    if let Err(why) = need("java", "-version", (17, 0)).and_then(|()| need("mvn", "--version", (3, 8))) {
        return Outcome::Skipped(why);
    }
    let library = match native_directory(root, "release") {
        Ok(library) => library,
        Err(why) => return Outcome::Failed(why),
    };
    run(
        root,
        "cargo",
        &["build", "--locked", "--release", "-p", "atom-ffi"],
    )
    .then(|| {
        let measure = [
            "-q",
            "--batch-mode",
            "-f",
            "atom-ffi/kotlin/pom.xml",
            "test",
            "-Dtest=BridgeBench",
        ];
        run(root, "mvn", &[measure.as_slice(), &[library.as_str()]].concat())
    })
}

/// Measures the hosts whose toolchains are here.
pub(crate) fn bench(root: &Path) -> Outcome {
    let python =
        python_package(root, Profile::Release).then(|| run(root, VENV_PYTHON, &["benches/bridge/python.py"]));
    let node = node_package(root, Profile::Release).then(|| run(root, "node", &["benches/bridge/node.mjs"]));
    let kotlin = kotlin_bench(root);
    let mut failures = Vec::new();
    for (name, outcome) in [("Python", python), ("Node", node), ("Kotlin", kotlin)] {
        match outcome {
            Outcome::Passed => {}
            Outcome::Skipped(why) => println!("{name} was not measured: {why}"),
            Outcome::Failed(why) => failures.push(format!("{name}: {why}")),
        }
    }
    if failures.is_empty() {
        Outcome::Passed
    } else {
        Outcome::Failed(failures.join("; "))
    }
}
