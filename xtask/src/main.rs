//! Repository automation: `cargo xtask <command>`. Needs nothing but the standard toolchains.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

mod codegen;
mod hosts;
mod peers;
mod process;
mod rust;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use process::Outcome;

const USAGE: &str = "usage: cargo xtask <command>

  test [PART...]   runs every test of every language, or only the parts named:
                   postgres, rust, temporal, generated, python, node, kotlin, swift, examples
  codegen          writes schema/ and the hosts' generated types anew
  soak             the tests that crash the engine at random, many times over; about an hour
  check            formatting, lints and licences
  bench            prints the numbers of benches/ beside this machine's own floor
  bench peers      installs other engines below target/ and does the same work with them and with this one, in turns
  bench scale      the same for one, two and four engines on one PostgreSQL, beside pgbench and DBOS on the same server,
                   and for Temporal where there is one
";

/// One part of the tests.
struct Part {
    name: &'static str,
    /// Whether its toolchain is wanted on every machine that checks changes.
    is_required: bool,
    run: fn(&Path) -> Outcome,
}

const PARTS: [Part; 9] = [
    // First, as it installs the server where it can.
    Part {
        name: "postgres",
        is_required: true,
        run: rust::postgres,
    },
    Part {
        name: "rust",
        is_required: true,
        run: rust::test,
    },
    Part {
        name: "temporal",
        is_required: false,
        run: rust::temporal,
    },
    Part {
        name: "generated",
        is_required: true,
        run: codegen::check,
    },
    Part {
        name: "python",
        is_required: true,
        run: hosts::python,
    },
    Part {
        name: "node",
        is_required: true,
        run: hosts::node,
    },
    Part {
        name: "kotlin",
        is_required: true,
        run: hosts::kotlin,
    },
    Part {
        name: "swift",
        is_required: false,
        run: hosts::swift,
    },
    Part {
        name: "examples",
        is_required: true,
        run: rust::examples,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let outcome = match words.as_slice() {
        ["test", parts @ ..] => return test(&root, parts),
        ["codegen"] => codegen::write(&root),
        ["soak"] => rust::soak(&root),
        ["check"] => rust::check(&root),
        ["bench", "peers"] => peers::bench(&root),
        ["bench", "scale"] => peers::scale(&root),
        ["bench", rest @ ..] => rust::bench(&root, rest),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Outcome::Passed => ExitCode::SUCCESS,
        Outcome::Skipped(why) | Outcome::Failed(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all parts even when one fails, then says how each of them ended.
fn test(root: &Path, only: &[&str]) -> ExitCode {
    if let Some(unknown) = only
        .iter()
        .find(|name| PARTS.iter().all(|part| part.name != **name))
    {
        eprintln!("there is no part '{unknown}'\n\n{USAGE}");
        return ExitCode::from(2);
    }
    // On a machine that checks changes, a skipped part would go unnoticed.
    let may_skip = std::env::var("CI").map_or(true, |value| value != "true");
    let parts = PARTS
        .iter()
        .filter(|part| only.is_empty() || only.contains(&part.name));
    let outcomes: Vec<_> = parts
        .map(|part| {
            println!("\n=== {}", part.name);
            let outcome = match (part.run)(root) {
                Outcome::Skipped(why) if part.is_required && !may_skip => {
                    Outcome::Failed(format!("would be skipped: {why}"))
                }
                other => other,
            };
            (part.name, outcome)
        })
        .collect();
    println!("\n=== summary");
    for (name, outcome) in &outcomes {
        match outcome {
            Outcome::Passed => println!("{name}: passed"),
            Outcome::Skipped(why) => println!("{name}: SKIPPED, {why}"),
            Outcome::Failed(why) => println!("{name}: FAILED, {why}"),
        }
    }
    let count = |test: fn(&Outcome) -> bool| outcomes.iter().filter(|(_, outcome)| test(outcome)).count();
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    println!(
        "parts: {} passed, {failed} failed, {} skipped",
        count(|outcome| matches!(outcome, Outcome::Passed)),
        count(|outcome| matches!(outcome, Outcome::Skipped(_))),
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
