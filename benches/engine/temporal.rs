//! Runs on a Temporal server beside the same runs in the engine itself, over the same storage, in turns.

use atom_engine::{Engine, EngineConfig};

use crate::{CONCURRENT_STEPS, ROUNDS, STEPS, deploy, median, open_with, run, run_many, show};
use server::TestTemporal;

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../../atom-workflow/tests/temporal/server.rs"]
mod server;

/// How many runs are under way at once.
const RUNS: usize = 64;

/// An engine, and how long its work took.
struct Side {
    name: &'static str,
    engine: Engine,
    versions: [String; 2],
    sequential: Vec<f64>,
    concurrent: Vec<f64>,
}

impl Side {
    async fn open(name: &'static str, config: EngineConfig) -> Self {
        let engine = open_with(config).await;
        Self {
            name,
            versions: [
                deploy(&engine, STEPS).await,
                deploy(&engine, CONCURRENT_STEPS).await,
            ],
            engine,
            sequential: Vec::new(),
            concurrent: Vec::new(),
        }
    }
}

/// Measures; does nothing, with a message, where there is no server.
pub(crate) async fn compare() {
    let Some(server) = TestTemporal::shared().await else {
        return;
    };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let embedded = EngineConfig::in_folder(folders[0].path());
    let mut elsewhere = EngineConfig::in_folder(folders[1].path());
    let url = format!("{}/default", server.target().replace("http", "temporal"));
    elsewhere.runs = url.parse().unwrap();
    let mut sides = [
        Side::open("embedded", embedded).await,
        Side::open("Temporal", elsewhere).await,
    ];
    // The first round warms up.
    for round in 0..=ROUNDS {
        for side in &mut sides {
            let one = run(&side.engine, &side.versions[0]).await;
            let many = run_many(&side.engine, &side.versions[1], RUNS).await;
            if round > 0 {
                side.sequential.push(STEPS as f64 / one);
                side.concurrent.push((RUNS * CONCURRENT_STEPS) as f64 / many);
            }
        }
    }
    for side in sides {
        let name = side.name;
        show(
            &format!("{name}, SQLite, one run: steps"),
            median(side.sequential),
            "/s",
        );
        show(
            &format!("{name}, SQLite, {RUNS} runs: steps"),
            median(side.concurrent),
            "/s",
        );
        side.engine.close().await.unwrap();
    }
}
