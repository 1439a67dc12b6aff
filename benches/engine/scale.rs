//! One, two and four engines on one PostgreSQL, beside `pgbench` and DBOS on the same server, in turns; then Temporal beside
//! the engine itself.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use atom_core::Principal;
use atom_core::function::TypedFunction;
use atom_engine::api::{DeployWorkflowRequest, GetRunRequest, StartRunRequest};
use atom_engine::{Engine, EngineConfig};
use atom_integrations::storage::postgres_testing::TestPostgres;
use serde_json::Value;

use crate::peers::Peer;
use crate::{CONCURRENT_STEPS, STEPS, document, median, run, run_many, runtime, show};

/// Has this program be a worker: it holds the folder of the root key and, after a space, the URL of the database.
pub(crate) const WORKER: &str = "ATOM_BENCH_WORKER";
/// How many runs are under way at once in each engine.
const RUNS: usize = 256;
const ROUNDS: usize = 5;
const WORKERS: [usize; 3] = [1, 2, 4];
/// How many clients of `pgbench` commit at once: as many as the server takes beside the engines.
const SHARING: usize = 16;
/// How many runs of one tenant wait when another's comes.
const QUEUED: usize = 10_000;

/// What one engine, or several together, came to.
#[derive(Default)]
struct Numbers {
    sequential: Vec<f64>,
    concurrent: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

/// Measures; `commands` are those of other engines, separated by `--`.
pub(crate) fn compare(commands: &[String]) {
    let runtime = runtime();
    let Some(server) = runtime.block_on(TestPostgres::start()).unwrap() else {
        return;
    };
    let database = server.database();
    let url = server.url(&database);
    // All engines of a database have one root key.
    let keys = tempfile::tempdir().unwrap();
    let place = format!("{} {url}", keys.path().display());
    let mut workers: Vec<Peer> = (0..WORKERS[2])
        .map(|number| Peer::of_this_program(&format!("worker {number}"), WORKER, &place))
        .collect();
    let peers_at = server.url(&server.database());
    let mut peers: Vec<Peer> = commands
        .split(|word| word == "--")
        .filter_map(|words| Peer::start_at(words, &peers_at, RUNS, tempfile::tempdir().unwrap()))
        .collect();
    let mut floors = (Vec::new(), Vec::new());
    let mut ours = WORKERS.map(|_| Numbers::default());
    // The first round warms up.
    for round in 0..=ROUNDS {
        let floor = (pgbench(&server, 1), pgbench(&server, SHARING));
        if round > 0 {
            floors.0.push(floor.0);
            floors.1.push(floor.1);
        }
        for (count, numbers) in WORKERS.iter().zip(&mut ours) {
            let crew = &mut workers[..*count];
            let one = together(crew, "sequential");
            let many = together(crew, "concurrent");
            if round > 0 {
                numbers.sequential.push((count * STEPS) as f64 / one.seconds);
                numbers.p50.push(one.p50);
                numbers.p99.push(one.p99);
                numbers
                    .concurrent
                    .push((count * RUNS * CONCURRENT_STEPS) as f64 / many.seconds);
            }
        }
        for peer in &mut peers {
            peer.take_turn(round > 0);
        }
    }
    let (floor, shared) = (median(floors.0), median(floors.1));
    show("floor: pgbench, commits of one row, 1 client", floor, "/s");
    show(&format!("       the same, {SHARING} clients"), shared, "/s");
    for (count, numbers) in WORKERS.iter().zip(ours) {
        let (one, many) = (median(numbers.sequential), median(numbers.concurrent));
        let engines = if *count == 1 { "engine" } else { "engines" };
        show(
            &format!("{count} {engines}, one run each: durable steps"),
            one,
            "/s",
        );
        show("  in commits of one pgbench client", one / floor, "x");
        show("  from step to step, p50", median(numbers.p50), "ms");
        show("  from step to step, p99", median(numbers.p99), "ms");
        show(
            &format!("{count} {engines}, {RUNS} runs each: durable steps"),
            many,
            "/s",
        );
        show("  in commits of one pgbench client", many / floor, "x");
    }
    for peer in &peers {
        let (one, many) = peer.rates(RUNS);
        show(&format!("{}, one run: durable steps", peer.name), one, "/s");
        show(&format!("{}, {RUNS} runs: durable steps", peer.name), many, "/s");
    }
    drop(workers);
    drop(peers);
    runtime.block_on(fairness(&place));
    #[cfg(feature = "temporal")]
    runtime.block_on(crate::temporal::compare());
}

/// How long a piece of work took, and its steps, in milliseconds.
struct Took {
    seconds: f64,
    p50: f64,
    p99: f64,
}

/// Has workers do the same at once; gives what the slowest took.
fn together(workers: &mut [Peer], work: &str) -> Took {
    workers.iter_mut().for_each(|worker| worker.ask(work));
    let mut took = Took {
        seconds: 0.0,
        p50: 0.0,
        p99: 0.0,
    };
    for worker in workers {
        let line = worker.line();
        let mut numbers = line.split(' ').map(|number| number.parse().unwrap_or(f64::NAN));
        let mut next = || numbers.next().unwrap_or(f64::NAN);
        took.seconds = took.seconds.max(next());
        took.p50 = took.p50.max(next());
        took.p99 = took.p99.max(next());
    }
    took
}

/// Commits of one row a second, with so many clients.
fn pgbench(server: &TestPostgres, clients: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("insert.sql");
    let insert = "INSERT INTO floor.floor (payload) VALUES ('{\"type\":\"completed\",\"action\":1,\"output\":{\"n\":1}}');\n";
    std::fs::write(&script, insert).unwrap();
    let prepare = "CREATE SCHEMA IF NOT EXISTS floor; \
         CREATE TABLE IF NOT EXISTS floor.floor (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text NOT NULL)";
    let prepared = server
        .command("psql")
        .args(["--quiet", "--command", prepare])
        .output();
    assert!(prepared.unwrap().status.success());
    let output = server
        .command("pgbench")
        .args(["--no-vacuum", "--protocol=prepared", "--time=2", "--jobs=2"])
        .arg(format!("--client={clients}"))
        .arg(format!("--file={}", script.display()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = "));
    tps.and_then(|tps| tps.split(' ').next()?.parse().ok())
        .unwrap_or(f64::NAN)
}

/// When steps were made, and for which tenant.
type Moments = Arc<Mutex<Vec<(Instant, String)>>>;

async fn open(place: &str, takes_runs: bool) -> (Engine, Moments) {
    let moments = Moments::default();
    let noted = Arc::clone(&moments);
    let noop = TypedFunction::new("noop", "Does nothing.", move |value: Value, context| {
        noted
            .lock()
            .unwrap()
            .push((Instant::now(), context.principal.tenant));
        async move { Ok(value) }
    });
    let (folder, url) = place.split_once(' ').unwrap();
    let mut config = EngineConfig::in_folder(folder);
    config.storage = url.parse().unwrap();
    config.resume = takes_runs;
    let engine = Engine::builder(config).with_function(Arc::new(noop)).open();
    (engine.await.unwrap(), moments)
}

/// A worker: does the work of each line that it reads.
pub(crate) fn work(place: &str) {
    let runtime = runtime();
    let (engine, moments) = runtime.block_on(open(place, true));
    let deploy = |steps| DeployWorkflowRequest {
        document: document(steps),
    };
    let long = runtime.block_on(engine.call(deploy(STEPS))).unwrap().version;
    let short = runtime
        .block_on(engine.call(deploy(CONCURRENT_STEPS)))
        .unwrap()
        .version;
    println!("ready");
    for line in std::io::stdin().lines() {
        moments.lock().unwrap().clear();
        if line.unwrap() == "sequential" {
            let seconds = runtime.block_on(run(&engine, &long));
            let moments = moments.lock().unwrap();
            let mut steps: Vec<_> = moments
                .windows(2)
                .map(|pair| (pair[1].0 - pair[0].0).as_secs_f64() * 1e3)
                .collect();
            steps.sort_by(f64::total_cmp);
            let at = |part: f64| steps[((steps.len() - 1) as f64 * part) as usize];
            println!("{seconds} {} {}", at(0.5), at(0.99));
        } else {
            let seconds = runtime.block_on(run_many(&engine, &short, RUNS));
            println!("{seconds}");
        }
    }
}

/// How long a tenant's first step waits while another tenant's runs are queued, beside how long it takes when none are.
async fn fairness(place: &str) {
    let (worker, moments) = open(place, true).await;
    let (front, _) = open(place, false).await;
    let (many, few) = (
        Principal::new("many", "ada").unwrap(),
        Principal::new("few", "eve").unwrap(),
    );
    let deploy = DeployWorkflowRequest {
        document: document(CONCURRENT_STEPS),
    };
    for tenant in [&many, &few] {
        front
            .call_as(
                tenant,
                DeployWorkflowRequest {
                    document: deploy.document.clone(),
                },
            )
            .await
            .unwrap();
    }
    let start = || StartRunRequest::deployed("bench", "steps");
    let first_step = async |tenant: &Principal| {
        let started = Instant::now();
        let run = front.call_as(tenant, start()).await.unwrap();
        let run = front.call_as(tenant, GetRunRequest::ended(run.id)).await.unwrap();
        assert!(run.error.is_none());
        let moments = moments.lock().unwrap();
        let mut own = moments
            .iter()
            .filter(|(at, of)| *at > started && *of == tenant.tenant);
        own.next()
            .map_or(f64::NAN, |(at, _)| (*at - started).as_secs_f64() * 1e3)
    };
    let mut idle = Vec::new();
    for _ in 0..ROUNDS {
        idle.push(first_step(&few).await);
    }
    let offered = (0..QUEUED).map(|_| front.call_as(&many, start()));
    let offered = futures::future::join_all(offered);
    let begun = Instant::now();
    offered.await;
    let mut busy = Vec::new();
    let before = moments.lock().unwrap().len();
    for _ in 0..ROUNDS {
        busy.push(first_step(&few).await);
    }
    let done = moments.lock().unwrap().len() - before;
    show("another tenant's first step, nothing queued", median(idle), "ms");
    show(
        &format!("  with {QUEUED} runs of one tenant queued before"),
        median(busy),
        "ms",
    );
    show("  steps that were done meanwhile", done as f64, "");
    show("  offering the runs took", begun.elapsed().as_secs_f64(), "s");
    worker.close_within(Duration::ZERO).await.unwrap();
    front.close().await.unwrap();
}
