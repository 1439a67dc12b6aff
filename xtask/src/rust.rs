//! The Rust workspace: tests, lints, examples and benchmarks.

use std::path::Path;

use crate::process::{Outcome, run, run_with, succeeds, target_folder};

/// The packages with Rust tests. The hosts are libraries for other languages and are tested from there.
pub(crate) const PACKAGES: [&str; 10] = [
    "-p",
    "atom-engine",
    "-p",
    "atom-core",
    "-p",
    "atom-integrations",
    "-p",
    "atom-workflow",
    "-p",
    "xtask",
];

fn cargo(root: &Path, command: &[&str], rest: &[&str]) -> Outcome {
    let arguments: Vec<_> = command.iter().chain(&PACKAGES).chain(rest).copied().collect();
    run(root, "cargo", &arguments)
}

pub(crate) fn test(root: &Path) -> Outcome {
    cargo(root, &["test", "--locked", "--no-fail-fast"], &[])
}

/// The store in PostgreSQL and the engine on it, against servers that the tests start for themselves. The part `rust` has these tests,
/// too, and leaves them out where there is no server.
pub(crate) fn postgres(root: &Path) -> Outcome {
    if !has_postgres() && !install_postgres(root) {
        return Outcome::Skipped(
            "PostgreSQL 15 or newer is needed (on Debian it is the package postgresql)".to_owned(),
        );
    }
    let tests = |which: &[&str]| {
        let features = ["-p", "atom-integrations", "-p", "atom-engine"];
        let command = ["test", "--locked", "--no-fail-fast"];
        let arguments: Vec<_> = command.iter().chain(&features).chain(which).copied().collect();
        run(root, "cargo", &arguments)
    };
    tests(&["--test", "postgres"])
        .then(|| tests(&["--lib", "postgres"]))
        .then(|| tests(&["--test", "it", "--test", "cli", "postgres"]))
}

/// Runs on a Temporal server, which the tests start for themselves. What was recorded is replayed without one.
pub(crate) fn temporal(root: &Path) -> Outcome {
    let test_of = |package: &str, which: &[&str]| {
        let command = ["test", "--locked", "-p", package, "--features", "temporal"];
        let arguments: Vec<_> = command.iter().chain(which).copied().collect();
        run(root, "cargo", &arguments)
    };
    let test = |which: &[&str]| test_of("atom-workflow", which);
    let engine = |which: &[&str]| test_of("atom-engine", which);
    if has_temporal(root) {
        return test(&["--test", "temporal"])
            .then(|| test(&["--doc", "temporal"]))
            .then(|| engine(&["--lib", "runs::"]))
            .then(|| engine(&["--test", "it", "temporal"]))
            .then(|| scale_out(root, "temporal"));
    }
    let why = "there is no Temporal server; ATOM_BUILD_TEMPORAL=1 builds one, once, with Go, in some minutes";
    test(&["--test", "temporal", "histories"]).then(|| Outcome::Skipped(why.to_owned()))
}

/// Whether there is a server, or the tests build one.
pub(crate) fn has_temporal(root: &Path) -> bool {
    let is_wanted = ["CI", "ATOM_BUILD_TEMPORAL"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let has_go = || {
        ["go", "/usr/local/go/bin/go"]
            .iter()
            .any(|go| succeeds(root, go, &["version"]))
    };
    let tools = target_folder(root)
        .ok()
        .and_then(|target| std::fs::read_dir(target.join("tools")).ok());
    let mut tools = tools.into_iter().flatten().flatten();
    let is_built = tools.any(|tool| tool.file_name().to_string_lossy().starts_with("temporal-"));
    is_built || (is_wanted && has_go())
}

/// Installs the server on a machine that is there to check changes, where Debian's packages can be had. Nobody's own machine is
/// changed.
fn install_postgres(root: &Path) -> bool {
    let packages = ["install", "--yes", "--no-install-recommends", "postgresql"];
    std::env::var_os("CI").is_some()
        && matches!(run(root, "apt-get", &["update", "--quiet"]), Outcome::Passed)
        && matches!(
            run_with(
                root,
                "apt-get",
                &packages,
                &[("DEBIAN_FRONTEND", "noninteractive")]
            ),
            Outcome::Passed
        )
        && has_postgres()
}

/// Debian keeps the programs of a server where no path leads.
fn has_postgres() -> bool {
    let of_debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let of_debian = of_debian.flatten().map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(of_debian)
        .any(|folder| folder.join("initdb").is_file())
}

/// The tests that crash the engine, with far more crashes than `test` has the time for.
pub(crate) fn soak(root: &Path) -> Outcome {
    let sweep = [
        "test",
        "--release",
        "--locked",
        "-p",
        "atom-workflow",
        "--test",
        "it",
        "no_crash_changes",
    ];
    let kills = [
        "test",
        "--locked",
        "-p",
        "atom-engine",
        "--test",
        "cli",
        "killed_again",
    ];
    run_with(
        root,
        "cargo",
        &sweep,
        &[("PROPTEST_CASES", "10000"), ("CRASHES", "1000")],
    )
    .then(|| run_with(root, "cargo", &kills, &[("KILLS", "200")]))
}

/// Does the main job from the command line and with a program in Rust; the hosts do it in their own parts.
pub(crate) fn examples(root: &Path) -> Outcome {
    let workflow = "examples/morning-briefing/workflow.yaml";
    run(
        root,
        "cargo",
        &[
            "run",
            "--locked",
            "--quiet",
            "--",
            "--data-dir",
            "target/example-data",
            "run",
            workflow,
        ],
    )
    .then(|| {
        run(
            root,
            "cargo",
            &["run", "--locked", "--quiet", "--example", "morning-briefing"],
        )
    })
    .then(|| scale_out(root, "sqlite"))
    .then(|| match has_postgres() {
        true => scale_out(root, "postgres"),
        false => Outcome::Passed,
    })
}

/// Does the same work wherever the engine keeps its data.
fn scale_out(root: &Path, place: &str) -> Outcome {
    let arguments = [
        "run",
        "--locked",
        "--quiet",
        "--features",
        if place == "temporal" { place } else { "" },
        "--example",
        "scale-out",
        "--",
        place,
    ];
    run(root, "cargo", &arguments)
}

pub(crate) fn check(root: &Path) -> Outcome {
    run(root, "cargo", &["fmt", "--all", "--check"])
        .then(|| {
            run(
                root,
                "cargo",
                &[
                    "clippy",
                    "--locked",
                    "--workspace",
                    "--features",
                    "postgres,temporal",
                    "--all-targets",
                    "--",
                    "-D",
                    "warnings",
                ],
            )
        })
        .then(|| {
            run_with(
                root,
                "cargo",
                &[
                    "doc",
                    "--locked",
                    "--workspace",
                    "--features",
                    "postgres,temporal",
                    "--no-deps",
                ],
                &[("RUSTDOCFLAGS", "-D warnings")],
            )
        })
        .then(
            || match crate::process::need("cargo-deny", "--version", (0, 16)) {
                Ok(()) => run(root, "cargo", &["deny", "check", "licenses", "bans", "sources"]),
                Err(why) => Outcome::Skipped(format!("licences were not checked: {why}")),
            },
        )
}

pub(crate) fn bench(root: &Path, rest: &[&str]) -> Outcome {
    let arguments: Vec<_> = ["bench", "--locked", "-p", "atom-engine", "--"]
        .iter()
        .chain(rest)
        .copied()
        .collect();
    run(root, "cargo", &arguments).then(|| crate::hosts::bench(root))
}
