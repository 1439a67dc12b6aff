//! Numbers of the engine beside this machine's own floor, measured side by side in one run.
//!
//! Run with `cargo xtask bench`, `cargo xtask bench peers` for other engines side by side, or `cargo xtask bench scale`
//! for many engines on PostgreSQL. Disks and neighbours make single numbers noisy: the ratios and medians count.

#![allow(missing_docs, reason = "a program for people")]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for people; a failed measurement should end it"
)]

mod parked;
mod peers;
#[cfg(all(unix, feature = "postgres"))]
mod scale;
#[cfg(all(unix, feature = "postgres", feature = "temporal"))]
mod temporal;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use atom_core::function::TypedFunction;
use atom_engine::api::{DeployWorkflowRequest, GetEngineInfoRequest, GetRunRequest, StartRunRequest};
use atom_engine::bridge::Bridge;
use atom_engine::{Engine, EngineConfig};
use serde_json::Value;
use sqlx::{Connection, Executor};

const STEPS: usize = 100;
/// How many runs are under way at once.
const CONCURRENT_RUNS: [usize; 2] = [64, 256];
const CONCURRENT_STEPS: usize = 10;
const ROUNDS: usize = 5;
/// The steps of a long run, and how many of its first and last ones are compared.
const LONG: usize = 10_000;
const COMPARED: usize = 1_000;

fn main() {
    if let Some(folder) = std::env::var_os("ATOM_BENCH_COLD_START") {
        return cold_start_once(Path::new(&folder));
    }
    if let Some(folder) = std::env::var_os(parked::FOLDER) {
        return parked::measure(Path::new(&folder));
    }
    #[cfg(all(unix, feature = "postgres"))]
    if let Ok(place) = std::env::var(scale::WORKER) {
        return scale::work(&place);
    }
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    println!("{:<52} {:>14}", "what", "median");
    match arguments.split_first() {
        Some((first, peers)) if first == "peers" => return peers::compare(peers),
        #[cfg(all(unix, feature = "postgres"))]
        Some((first, peers)) if first == "scale" => return scale::compare(peers),
        Some((first, _)) if first == "steps" => return steps(),
        Some((first, _)) if first == "many" => return many(),
        Some((first, _)) if first == "long" => return long_run(),
        Some((first, _)) if first == "parked" => return parked::show_all(),
        _ => {}
    }
    cold_start();
    bridge();
    steps();
    long_run();
    parked::show_all();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn show(what: &str, value: f64, unit: &str) {
    println!("{what:<52} {value:>10.2} {unit}");
}

/// A process of its own for each sample, because memory that was once touched stays in the process.
fn cold_start() {
    let program = std::env::current_exe().unwrap();
    let (mut times, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        let output = std::process::Command::new(&program)
            .env("ATOM_BENCH_COLD_START", folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut numbers = text
            .split_whitespace()
            .map(|number| number.parse::<f64>().unwrap());
        times.push(numbers.next().unwrap());
        sizes.push(numbers.next().unwrap());
    }
    show("Engine::open on an empty folder", median(times), "ms");
    show("resident memory after it", median(sizes), "MiB");
}

fn cold_start_once(folder: &Path) {
    let started = Instant::now();
    let runtime = runtime();
    let engine = runtime
        .block_on(Engine::open(EngineConfig::in_folder(folder)))
        .unwrap();
    let time = started.elapsed();
    println!("{} {}", time.as_secs_f64() * 1e3, resident_kib() / 1024.0);
    runtime.block_on(engine.close()).unwrap();
}

/// The memory of this process that is in use, in KiB; only Linux tells.
fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|size| size.split_whitespace().next()?.parse().ok())
        .unwrap_or(f64::NAN)
}

fn bridge() {
    const CALLS: u32 = 20_000;
    let bridge = Bridge::open(r#"{ "storage": "memory" }"#).unwrap();
    let runtime = runtime();
    let per_call = |elapsed: Duration| elapsed.as_secs_f64() * 1e6 / f64::from(CALLS);
    let direct = (0..ROUNDS).map(|_| {
        runtime.block_on(async {
            let started = Instant::now();
            for _ in 0..CALLS {
                std::hint::black_box(bridge.call("engine.info", "", "{}").await.unwrap());
            }
            per_call(started.elapsed())
        })
    });
    show("bridge, engine.info, awaited", median(direct.collect()), "us");
    let queued = (0..ROUNDS).map(|_| {
        let started = Instant::now();
        for _ in 0..CALLS {
            bridge.submit("engine.info", "", "{}");
            while bridge.poll(1, 1000).is_empty() {}
        }
        per_call(started.elapsed())
    });
    show(
        "bridge, engine.info, submitted and polled",
        median(queued.collect()),
        "us",
    );
    bridge.close(1000);
    let engine = runtime.block_on(Engine::open(EngineConfig::in_memory())).unwrap();
    let typed = (0..ROUNDS).map(|_| {
        runtime.block_on(async {
            let started = Instant::now();
            for _ in 0..CALLS {
                std::hint::black_box(engine.call(GetEngineInfoRequest {}).await.unwrap());
            }
            per_call(started.elapsed())
        })
    });
    show("Engine::call, engine.info", median(typed.collect()), "us");
    runtime.block_on(engine.close()).unwrap();
}

/// Durable steps beside bare commits of the same disk, alternating so that both see the same noise.
fn steps() {
    let runtime = runtime();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(&folder.path().join("engine")).await;
        let mut floor = bare_store(&folder.path().join("floor.db")).await;
        let sequential = deploy(&engine, STEPS).await;
        let concurrent = deploy(&engine, CONCURRENT_STEPS).await;
        let (mut bare, mut one, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let mut many = CONCURRENT_RUNS.map(|runs| (runs, Vec::new()));
        for _ in 0..ROUNDS {
            let commit = bare_commits(&mut floor, STEPS).await;
            let step = run(&engine, &sequential).await / STEPS as f64;
            bare.push(1.0 / commit);
            one.push(1.0 / step);
            ratios.push(step / commit);
            for (runs, rates) in &mut many {
                let time = run_many(&engine, &concurrent, *runs).await;
                rates.push((*runs * CONCURRENT_STEPS) as f64 / time);
            }
        }
        show(
            "floor: bare SQLite commits, WAL, synchronous=FULL",
            median(bare),
            "/s",
        );
        show("durable steps, one run", median(one), "/s");
        show("  one step in bare commits", median(ratios), "x");
        for (runs, rates) in many {
            show(
                &format!("durable steps, {runs} runs at once"),
                median(rates),
                "/s",
            );
        }
        engine.close().await.unwrap();
    });
}

/// Many runs at once and nothing else, for a profiler.
fn many() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(&folder.path().join("engine")).await;
        let version = deploy(&engine, CONCURRENT_STEPS).await;
        for runs in CONCURRENT_RUNS {
            let time = run_many(&engine, &version, runs).await;
            let rate = (runs * CONCURRENT_STEPS) as f64 / time;
            show(&format!("durable steps, {runs} runs at once"), rate, "/s");
        }
        engine.close().await.unwrap();
    });
}

/// Whether the last steps of a long run cost what the first ones did, and how long it takes to take the run up again.
fn long_run() {
    let runtime = runtime();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let moments = Arc::new(Mutex::new(Vec::with_capacity(LONG)));
        let reached = Arc::new(tokio::sync::Notify::new());
        let open = || {
            let mut config = EngineConfig::in_folder(folder.path());
            config.resume = false;
            let (moments, reached) = (Arc::clone(&moments), Arc::clone(&reached));
            let noop = TypedFunction::new("noop", "Does nothing.", move |value: Value, _| {
                moments.lock().unwrap().push(Instant::now());
                async move { Ok(value) }
            });
            let last = TypedFunction::new("last", "Never answers.", move |_: Value, _| {
                reached.notify_one();
                std::future::pending::<atom_core::Result<Value>>()
            });
            Engine::builder(config)
                .with_function(Arc::new(noop))
                .with_function(Arc::new(last))
                .open()
        };
        // All within one task: between two tasks of the workflow's own list the journal would begin anew.
        let document = format!(
            "document: {{ dsl: 1.0.3, namespace: bench, name: long, version: 1.0.0 }}
do:
  - all:
      do:
        - loop: {{ for: {{ in: '${{ [range({LONG})] }}' }}, do: [{{ step: {{ call: noop, with: {{ n: '${{ $index }}' }} }} }}] }}
        - last: {{ call: last }}
"
        );
        let engine = open().await.unwrap();
        engine.call(StartRunRequest::document(document)).await.unwrap();
        reached.notified().await;
        engine.close().await.unwrap();
        let steps: Vec<f64> = moments
            .lock()
            .unwrap()
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).as_secs_f64())
            .collect();
        let first = median(steps[..COMPARED].to_vec());
        let last = median(steps[steps.len() - COMPARED..].to_vec());
        show("the last 1,000 steps of 10,000, in the first 1,000", last / first, "x");

        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let engine = open().await.unwrap();
            let started = Instant::now();
            engine.resume().await.unwrap();
            reached.notified().await;
            times.push(started.elapsed().as_secs_f64() * 1e3);
            engine.close().await.unwrap();
        }
        show("resuming a run of 10,000 steps", median(times), "ms");
    });
}

fn document(steps: usize) -> String {
    let tasks: String = (0..steps)
        .map(|step| format!("  - step{step}: {{ call: noop, with: {{ n: {step} }} }}\n"))
        .collect();
    format!("document: {{ dsl: 1.0.3, namespace: bench, name: steps, version: 1.0.{steps} }}\ndo:\n{tasks}")
}

/// Deploys a workflow of so many steps, as a program that runs it often does, and gives its version.
async fn deploy(engine: &Engine, steps: usize) -> String {
    let document = document(steps);
    let deployed = engine.call(DeployWorkflowRequest { document }).await.unwrap();
    deployed.version
}

/// Seconds from start to end of one run.
async fn run(engine: &Engine, version: &str) -> f64 {
    let mut start = StartRunRequest::deployed("bench", "steps");
    if let Some(workflow) = &mut start.workflow {
        workflow.version = Some(version.to_owned());
    }
    let started = Instant::now();
    let run = engine.call(start).await.unwrap();
    let run = engine.call(GetRunRequest::ended(run.id)).await.unwrap();
    assert!(run.error.is_none());
    started.elapsed().as_secs_f64()
}

/// Seconds from the start of the first of many runs to the end of the last.
async fn run_many(engine: &Engine, version: &str, runs: usize) -> f64 {
    let started = Instant::now();
    futures::future::join_all((0..runs).map(|_| run(engine, version))).await;
    started.elapsed().as_secs_f64()
}

/// An engine on disk with a function that does nothing.
async fn open(folder: &Path) -> Engine {
    open_with(EngineConfig::in_folder(folder)).await
}

async fn open_with(config: EngineConfig) -> Engine {
    let noop = TypedFunction::new(
        "noop",
        "Does nothing.",
        |value: Value, _| async move { Ok(value) },
    );
    let builder = Engine::builder(config).with_function(Arc::new(noop));
    builder.open().await.unwrap()
}

async fn bare_store(path: &Path) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Full);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    connection
        .execute("CREATE TABLE floor (id INTEGER PRIMARY KEY, payload TEXT NOT NULL)")
        .await
        .unwrap();
    connection
}

/// Seconds for one commit of one row.
async fn bare_commits(connection: &mut sqlx::SqliteConnection, commits: usize) -> f64 {
    let started = Instant::now();
    for _ in 0..commits {
        connection.execute("INSERT INTO floor (payload) VALUES ('{\"type\":\"completed\",\"action\":1,\"output\":{\"n\":1}}')").await.unwrap();
    }
    started.elapsed().as_secs_f64() / commits as f64
}
