//! What runs cost that only wait, and how late timers fire.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atom_core::function::TypedFunction;
use atom_engine::api::StartRunRequest;
use atom_engine::{Engine, EngineConfig};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{median, resident_kib, runtime, show};

/// Says that the process is there to measure in this folder.
pub(crate) const FOLDER: &str = "ATOM_BENCH_PARKED";
/// What such a process measures: `wait`, `listen` or `timers`.
const KIND: &str = "ATOM_BENCH_PARKED_KIND";

const PARKED: usize = 10_000;
const TIMERS: usize = 100_000;
/// The time within which all timers are due.
const DUE_WITHIN: Duration = Duration::from_secs(60);
/// How long the process is left alone, and then watched.
const SETTLING: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(60);

/// Measures each kind in a process of its own.
pub(crate) fn show_all() {
    for (kind, lines) in [
        (
            "wait",
            ["memory of a run that waits, of 10,000", "  CPU of all of them"],
        ),
        (
            "listen",
            ["memory of a run that listens, of 10,000", "  CPU of all of them"],
        ),
        (
            "timers",
            ["100,000 timers due in a minute, 99th late by", "  median"],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .env(FOLDER, folder.path())
            .env(KIND, kind)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let units = if kind == "timers" {
            ["ms", "ms"]
        } else {
            ["KiB", "ms/s"]
        };
        for ((number, line), unit) in text.split_whitespace().zip(lines).zip(units) {
            show(line, number.parse().unwrap(), unit);
        }
    }
}

pub(crate) fn measure(folder: &Path) {
    let kind = std::env::var(KIND).unwrap_or_default();
    let runtime = runtime();
    match kind.as_str() {
        "timers" => runtime.block_on(timers(folder)),
        _ => runtime.block_on(parked(folder, &kind)),
    }
}

async fn parked(folder: &Path, kind: &str) {
    let task = match kind {
        "wait" => "wait: { hours: 10 }",
        _ => "listen: { to: { one: { with: { type: com.example.never } } } }",
    };
    let document = format!(
        "document: {{ dsl: 1.0.3, namespace: bench, name: parked, version: 1.0.0 }}\ndo: [{{ rest: {{ {task} }} }}]"
    );
    let engine = Engine::open(EngineConfig::in_folder(folder)).await.unwrap();
    // The first runs pay for what all share.
    start(&engine, &document, 100).await;
    let before = resident_kib();
    start(&engine, &document, PARKED).await;
    tokio::time::sleep(SETTLING).await;
    let memory = (resident_kib() - before) / PARKED as f64;
    let cpu = cpu_seconds();
    tokio::time::sleep(IDLE).await;
    let cpu = (cpu_seconds() - cpu) / IDLE.as_secs_f64();
    println!("{memory} {}", cpu * 1e3);
    engine.close().await.unwrap();
}

async fn start(engine: &Engine, document: &str, runs: usize) {
    for _ in 0..runs / 100 {
        let starts = (0..100).map(|_| engine.call(StartRunRequest::document(document)));
        for run in futures::future::join_all(starts).await {
            run.unwrap();
        }
    }
}

/// The time that this process has used the processor; only Linux tells.
fn cpu_seconds() -> f64 {
    let status = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = status
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        // The kernel counts in hundredths of a second.
        (Some(user), Some(system)) => (user + system) / 100.0,
        _ => f64::NAN,
    }
}

async fn timers(folder: &Path) {
    let late = Arc::new(Mutex::new(Vec::with_capacity(TIMERS)));
    let noted = Arc::clone(&late);
    let fired = TypedFunction::new("fired", "Notes how late it is.", move |due: Value, _| {
        let due: Timestamp = due["due"].as_str().unwrap_or_default().parse().unwrap();
        noted
            .lock()
            .unwrap()
            .push(Timestamp::now().duration_since(due).as_secs_f64() * 1e3);
        async move { Ok(Value::Null) }
    });
    let engine = Engine::builder(EngineConfig::in_folder(folder))
        .with_function(Arc::new(fired))
        .open()
        .await
        .unwrap();
    let document = "document: { dsl: 1.0.3, namespace: bench, name: timer, version: 1.0.0 }
do:
  - rest: { wait: '${ { seconds: .seconds, milliseconds: .milliseconds } }' }
  - fired: { call: fired, with: { due: '${ .due }' } }
";
    // Starting all of them takes a while.
    let first = Timestamp::now() + Duration::from_secs(120);
    for chunk in 0..TIMERS / 100 {
        let starts = (0..100).map(|number| {
            let due = first + DUE_WITHIN * (chunk * 100 + number) as u32 / TIMERS as u32;
            let left = due.duration_since(Timestamp::now());
            let input = json!({
                "due": due.to_string(), "seconds": left.as_secs(), "milliseconds": left.subsec_millis(),
            });
            engine.call(StartRunRequest::document(document).with_input(input))
        });
        for run in futures::future::join_all(starts).await {
            run.unwrap();
        }
    }
    assert!(Timestamp::now() < first, "starting took too long");
    while late.lock().unwrap().len() < TIMERS {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let mut late = std::mem::take(&mut *late.lock().unwrap());
    late.sort_by(f64::total_cmp);
    let ninety_ninth = late[TIMERS * 99 / 100];
    println!("{ninety_ninth} {}", median(late));
    engine.close().await.unwrap();
}
