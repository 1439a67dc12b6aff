//! Runs other programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// How a piece of work ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed,
    /// It could not be done here; the text says why.
    Skipped(String),
    Failed(String),
}

impl Outcome {
    /// Goes on with the next piece of work unless this one did not pass.
    pub(crate) fn then(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Passed => next(),
            other => other,
        }
    }
}

/// A program to run in the workspace's folder, shown before it runs.
pub(crate) fn run(root: &Path, program: &str, arguments: &[&str]) -> Outcome {
    run_with(root, program, arguments, &[])
}

/// The same with more environment variables.
pub(crate) fn run_with(
    root: &Path,
    program: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Outcome {
    println!("$ {program} {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(root)
        .status();
    match status {
        Ok(status) if status.success() => Outcome::Passed,
        Ok(status) => Outcome::Failed(format!("`{program} {}` ended with {status}", arguments.join(" "))),
        Err(error) => Outcome::Failed(format!("`{program}` cannot be started: {error}")),
    }
}

/// Where cargo leaves what it builds: the environment or a configuration may say otherwise than `target`.
pub(crate) fn target_folder(root: &Path) -> Result<PathBuf, String> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("`cargo` cannot be started: {error}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let folder = metadata["target_directory"].as_str();
    folder.map(PathBuf::from).ok_or_else(|| {
        let why = String::from_utf8_lossy(&output.stderr);
        format!("`cargo metadata` names no target folder: {}", why.trim())
    })
}

/// Whether a program is here and does what it is asked, without showing what it says.
pub(crate) fn succeeds(root: &Path, program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).current_dir(root).output();
    output.is_ok_and(|output| output.status.success())
}

/// The version that a program prints, e.g. 20.11 for `v20.11.1`.
pub(crate) fn version(program: &str, argument: &str) -> Option<(u32, u32)> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    find_version(&String::from_utf8_lossy(&text))
}

/// The first two numbers with a dot between them: some programs print codes for colours before their version.
fn find_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|character: char| !character.is_ascii_digit() && character != '.');
    numbers.find_map(|number| {
        let mut parts = number.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    })
}

/// Whether a program of at least this version is here; says what is missing otherwise.
pub(crate) fn need(program: &str, argument: &str, least: (u32, u32)) -> Result<(), String> {
    match version(program, argument) {
        Some(found) if found >= least => Ok(()),
        Some((major, minor)) => Err(format!(
            "{program} {major}.{minor} is too old, {}.{} is needed",
            least.0, least.1
        )),
        None => Err(format!(
            "{program} is not installed, {}.{} or newer is needed",
            least.0, least.1
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{find_version, target_folder};

    #[test]
    fn the_target_folder_is_where_cargo_has_put_this_test() {
        let here = std::env::current_exe().unwrap();
        let folder = target_folder(&crate::root()).unwrap();
        assert!(
            here.starts_with(&folder),
            "{} in {}",
            here.display(),
            folder.display()
        );
    }

    #[test]
    fn a_version_is_found_in_what_programs_print() {
        for (text, version) in [
            ("v20.20.2\n", (20, 20)),
            ("Python 3.11.7", (3, 11)),
            ("openjdk version \"17.0.15\" 2025-04-15", (17, 0)),
            ("\u{1b}[1mApache Maven 3.8.7\u{1b}[m\nMaven home: /usr", (3, 8)),
        ] {
            assert_eq!(find_version(text), Some(version), "{text}");
        }
        assert_eq!(find_version("command not found"), None);
    }
}
