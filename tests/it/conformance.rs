//! Carries out the cases in `tests/conformance` through the engine, the bridge and the command line.

#![expect(clippy::panic, reason = "a test fails by panicking")]

#[cfg(feature = "cli")]
mod command;
mod parity;
mod pattern;
mod surface;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use pattern::{Names, compare, expand, root};
use surface::{BridgeSurface, RustSurface, Surface};

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    name: String,
    #[serde(default)]
    values: Map<String, Value>,
    cases: Vec<Case>,
}

/// Steps over one engine.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    cli: bool,
    #[serde(default)]
    config: Map<String, Value>,
    #[serde(default)]
    functions: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Step {
    Call(CallStep),
    Stream(StreamStep),
    Reopen {
        #[serde(rename = "reopen")]
        _is_asked: bool,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallStep {
    call: String,
    #[serde(rename = "as")]
    principal: Option<Value>,
    with: Option<Value>,
    expect: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamStep {
    stream: String,
    #[serde(rename = "as")]
    principal: Option<Value>,
    with: Option<Value>,
    take: Option<usize>,
    #[serde(default)]
    during: Vec<Step>,
    expect: Value,
    error: Option<Value>,
}

impl Step {
    /// The operations that this step asks for.
    #[cfg(all(unix, feature = "temporal"))]
    fn asked(&self, found: &mut BTreeSet<String>) {
        match self {
            Self::Call(step) => drop(found.insert(step.call.clone())),
            Self::Stream(step) => {
                found.insert(step.stream.clone());
                step.during.iter().for_each(|step| step.asked(found));
            }
            Self::Reopen { .. } => {}
        }
    }

    /// The operations that this step carries out with success.
    fn operations(&self, found: &mut BTreeSet<String>) {
        match self {
            Self::Call(step) if step.expect.is_some() => {
                found.insert(step.call.clone());
            }
            Self::Stream(step) => {
                if step.error.is_none() {
                    found.insert(step.stream.clone());
                }
                step.during.iter().for_each(|step| step.operations(found));
            }
            Self::Call(_) | Self::Reopen { .. } => {}
        }
    }
}

fn folder() -> PathBuf {
    root().join("tests/conformance")
}

fn read(file: &str) -> CaseFile {
    let path = folder().join(file).with_extension("json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cases: CaseFile =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(cases.name, file);
    cases
}

/// Carries out the cases of a file that are wanted, each over a surface of its own.
fn carry_out<S: Surface>(
    file: &str,
    is_wanted: impl Fn(&Case) -> bool,
    open: impl Fn(Value, Vec<String>, PathBuf) -> S,
) {
    let file = read(file);
    let mut failures = Vec::new();
    for case in file.cases.iter().filter(|case| is_wanted(case)) {
        let folder = tempfile::tempdir().unwrap();
        let place = |path: PathBuf| json!(path.canonicalize().unwrap());
        let mut names = Names::from([
            ("root".to_owned(), place(root().to_owned())),
            ("temp".to_owned(), place(folder.path().to_owned())),
        ]);
        for (name, value) in &file.values {
            let value = expand(value, &names);
            names.insert(name.clone(), value);
        }
        let mut config = json!({ "storage": "memory" });
        for (key, value) in &case.config {
            config[key] = expand(value, &names);
        }
        let mut surface = open(config, case.functions.clone(), folder.path().to_owned());
        let done = case.steps.iter().enumerate().try_for_each(|(index, step)| {
            take_step(&mut surface, step, &mut names).map_err(|error| format!("step {index}: {error}"))
        });
        surface.close();
        if let Err(error) = done {
            failures.push(format!("{}: {}: {error}", file.name, case.name));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn take_step(surface: &mut dyn Surface, step: &Step, names: &mut Names) -> Result<(), String> {
    match step {
        Step::Call(step) => call(surface, step, names),
        Step::Stream(step) => stream(surface, step, names),
        Step::Reopen { .. } => {
            surface.reopen();
            Ok(())
        }
    }
}

fn call(surface: &mut dyn Surface, step: &CallStep, names: &mut Names) -> Result<(), String> {
    let principal = step.principal.as_ref().map(|principal| expand(principal, names));
    let request = step
        .with
        .as_ref()
        .map_or(json!({}), |request| expand(request, names));
    let answer = surface.call(principal.as_ref(), &step.call, request);
    let (pattern, value) = match (&step.expect, &step.error, answer) {
        (Some(pattern), None, Ok(answer)) => (pattern, answer),
        (None, Some(pattern), Err(error)) => (pattern, error),
        (Some(_), None, Err(error)) => return Err(format!("{} fails: {error}", step.call)),
        (None, Some(_), Ok(answer)) => return Err(format!("{} succeeds: {answer}", step.call)),
        _ => panic!("a call has either 'expect' or 'error': {}", step.call),
    };
    let pattern = expand(pattern, names);
    compare(&pattern, Some(&value), &step.call, names)
        .map_err(|error| format!("{error}\n  expected {pattern}"))
}

fn stream(surface: &mut dyn Surface, step: &StreamStep, names: &mut Names) -> Result<(), String> {
    let principal = step.principal.as_ref().map(|principal| expand(principal, names));
    let request = step
        .with
        .as_ref()
        .map_or(json!({}), |request| expand(request, names));
    let stream = surface.open(principal.as_ref(), &step.stream, request);
    for step in &step.during {
        take_step(surface, step, names)?;
    }
    let (items, error) = surface.read(stream, step.take);
    let patterns = expand(&step.expect, names);
    compare(&patterns, Some(&json!(items)), &step.stream, names)
        .map_err(|error| format!("{error}\n  expected {patterns}"))?;
    match (&step.error, error) {
        (None, None) => Ok(()),
        (Some(pattern), Some(error)) => compare(&expand(pattern, names), Some(&error), &step.stream, names),
        (None, Some(error)) => Err(format!("{} fails: {error}", step.stream)),
        (Some(_), None) => Err(format!("{} ends well", step.stream)),
    }
}

/// Carries out the cases of a file, whatever they keep, through an engine that keeps it in a PostgreSQL database, and those
/// of the command line with such a one.
#[cfg(all(unix, feature = "postgres"))]
fn carry_out_on_postgres(file: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let postgres = || runtime.block_on(crate::support::postgres());
    if postgres().is_none() {
        return;
    }
    let is_about_another = |case: &Case| {
        let mut answers = case.steps.iter().filter_map(|step| match step {
            Step::Call(step) => step.expect.as_ref(),
            _ => None,
        });
        case.config.get("storage") == Some(&json!("memory"))
            || answers.any(|answer| answer.get("storage").is_some_and(Value::is_string))
    };
    carry_out(
        file,
        |case| !is_about_another(case),
        |mut config, functions, folder| {
            config["storage"] = json!(postgres());
            config["data_dir"] = json!(folder.join("data"));
            RustSurface::new(config, functions)
        },
    );
    #[cfg(feature = "cli")]
    carry_out(
        file,
        |case| case.cli,
        |_, _, folder| command::CommandSurface::new(folder, &postgres().unwrap()),
    );
}

/// Carries out the cases of a file with runs on a Temporal server, as far as their operations are there for such runs.
#[cfg(all(unix, feature = "temporal"))]
fn carry_out_on_temporal(file: &str, left_out: &[&str]) {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static QUEUES: AtomicUsize = AtomicUsize::new(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(server) = runtime.block_on(crate::temporal::server::TestTemporal::shared()) else {
        return;
    };
    let absent = crate::temporal::unsupported_operations();
    let is_there = |name: &String| absent.iter().all(|(operation, _)| operation != name);
    let is_wanted = |case: &Case| {
        let mut asked = BTreeSet::new();
        case.steps.iter().for_each(|step| step.asked(&mut asked));
        let is_run = |name: &String| name == "runs.start" || name.starts_with("schedules.");
        asked.iter().any(is_run) && asked.iter().all(is_there) && !left_out.contains(&case.name.as_str())
    };
    carry_out(file, is_wanted, |mut config, functions, folder| {
        let target = server.target().replacen("http", "temporal", 1);
        let queue = QUEUES.fetch_add(1, Ordering::Relaxed);
        config["runs"] = json!(format!("{target}/default?task_queue={file}-{queue}"));
        config["storage"] = json!("sqlite");
        config["data_dir"] = json!(folder.join("data"));
        RustSurface::new(config, functions)
    });
}

/// A test of every file on every surface.
macro_rules! on_every_surface {
    ($($file:ident),* $(,)?) => {
        const FILES: &[&str] = &[$(stringify!($file)),*];

        mod rust {
            $(#[test]
            fn $file() {
                super::carry_out(stringify!($file), |_| true, |config, functions, _| {
                    super::RustSurface::new(config, functions)
                });
            })*
        }

        mod bridge {
            $(#[test]
            fn $file() {
                super::carry_out(stringify!($file), |_| true, |config, functions, _| {
                    super::BridgeSurface::new(config, functions)
                });
            })*
        }

        #[cfg(all(unix, feature = "postgres"))]
        mod postgres {
            $(#[test]
            fn $file() {
                super::carry_out_on_postgres(stringify!($file));
            })*
        }

        #[cfg(feature = "cli")]
        mod cli {
            $(#[test]
            fn $file() {
                super::carry_out(stringify!($file), |case| case.cli, |_, _, folder| {
                    super::command::CommandSurface::new(folder, "sqlite")
                });
            })*
        }
    };
}

on_every_surface![
    engine, functions, workflows, templates, documents, runs, tasks, faults, streams, events, secrets,
    principals, values, durability, examples, schedules, approvals, analytics, alerts,
];

/// What is the same with runs on a Temporal server, but for the cases that are named: they list runs by what the server does not
/// know, start them with limits or when events come, or expect to see at once what the server has still to do or a worker to take in.
#[cfg(all(unix, feature = "temporal"))]
mod temporal {
    use super::carry_out_on_temporal;

    #[test]
    fn tasks() {
        let left_out = ["a run runs a workflow"];
        carry_out_on_temporal("tasks", &left_out);
    }

    #[test]
    fn faults() {
        carry_out_on_temporal("faults", &[]);
    }

    #[test]
    fn values() {
        carry_out_on_temporal("values", &[]);
    }

    #[test]
    fn documents() {
        carry_out_on_temporal("documents", &[]);
    }

    #[test]
    fn examples() {
        let left_out = [
            "notes are written in portions, each by a run of its own",
            "the ledger of a customer is written by one run at a time",
            "no more newsletters are written in an hour than may be sent",
        ];
        carry_out_on_temporal("examples", &left_out);
    }

    #[test]
    fn runs() {
        let left_out = [
            "runs are listed, the newest first",
            "a document names the key, the tags and the fields of its runs",
            "a run is removed once it has ended",
            "a run is cancelled once",
            "a run is paused and goes on",
            "a signal that nobody hears yet is kept",
        ];
        carry_out_on_temporal("runs", &left_out);
    }

    #[test]
    fn secrets() {
        carry_out_on_temporal("secrets", &[]);
    }

    #[test]
    fn schedules() {
        let left_out = [
            "an event starts a run with it as the input",
            "each trigger of a schedule is shown, and starts runs by itself",
        ];
        carry_out_on_temporal("schedules", &left_out);
    }

    #[test]
    fn principals() {
        carry_out_on_temporal("principals", &[]);
    }
}

#[test]
fn every_file_is_carried_out() {
    let mut found: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    let mut files = FILES.to_vec();
    files.sort_unstable();
    assert_eq!(found, files);
}
