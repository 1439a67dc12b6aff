//! The same two workflows wherever an engine keeps its data: in a folder, in a database that engines share, or on a Temporal server.
//!
//! `cargo run --example scale-out` keeps everything in SQLite, with one engine. `cargo run --example scale-out -- postgres` begins a
//! PostgreSQL server of its own and lets two engines share it; instead of `postgres` it takes the URL of a database.
//! `cargo run --features temporal --example scale-out -- temporal` has the runs carried out on a Temporal server, a development server
//! of its own or the one at a URL `temporal://…`. Nothing but the configuration differs.

#![expect(clippy::print_stdout, reason = "an example for people")]

use std::path::Path;
use std::time::Duration;

use atom_core::storage::DecisionKind;
use atom_engine::api::{
    Approval, DecideApprovalRequest, GetRunRequest, ListApprovalsRequest, ListWorkersRequest, Permission,
    Run, StartRunRequest,
};
use atom_engine::{Engine, EngineConfig, Error, FileRoots, Principal, Result, Runs, Storage, StorageKind};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<()> {
    let place = std::env::args().nth(1).unwrap_or_else(|| "sqlite".to_owned());
    let folder =
        tempfile::tempdir().map_err(|error| Error::internal("no temporary folder").with_source(error))?;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");

    let server = Server::for_place(&place).await?;
    let (storage, runs) = server.places(&place)?;
    let config = |name: &str| EngineConfig {
        storage: storage.clone(),
        runs: runs.clone(),
        // All engines of a database have one root key, which this folder holds.
        data_dir: Some(folder.path().join("data")),
        file_roots: FileRoots::Below(vec![examples.clone(), folder.path().to_owned()]),
        user: name.to_owned(),
        permissions: [(
            "support".to_owned(),
            vec![Permission::ApprovalsRead, Permission::ApprovalsDecide],
        )]
        .into(),
        ..EngineConfig::default()
    };
    // Only a database can be shared.
    let first = Engine::open(config("ada")).await?;
    let second = match storage.kind() {
        StorageKind::Postgres => Engine::open(config("ada")).await?,
        _ => first.clone(),
    };

    println!("--- the morning briefing, started at one engine and read at the other");
    let briefing = StartRunRequest {
        directory: Some(examples.join("morning-briefing")),
        ..StartRunRequest::document(read(&examples.join("morning-briefing/workflow.yaml"))?)
    };
    let run = first.call(briefing).await?;
    let run = second.call(GetRunRequest::ended(run.id)).await?;
    let page = output(&run)?["text"].as_str().unwrap_or_default().to_owned();
    page.lines().take(6).for_each(|line| println!("{line}"));

    println!("--- a letter, approved at the other engine");
    let letter = StartRunRequest {
        input: json!({ "customer": "Eve", "file": folder.path().join("letter.md") }),
        ..StartRunRequest::document(read(&examples.join("approval/workflow.yaml"))?)
    };
    let run = first.call(letter).await?;
    let mut support = Principal::new("default", "sam")?;
    support.roles = vec!["support".to_owned()];
    let asked = ListApprovalsRequest {
        run: Some(run.id),
        ..ListApprovalsRequest::default()
    };
    for approval in asked_soon(&second, &support, asked).await? {
        println!("{}", approval.title);
        let decide = DecideApprovalRequest {
            form: Some(json!({ "reason": "delay" })),
            ..DecideApprovalRequest::new(approval.id, DecisionKind::Approve)
        };
        second.call_as(&support, decide).await?;
    }
    let run = second.call(GetRunRequest::ended(run.id)).await?;
    println!("sent by {}", output(&run)?["by"]);

    println!("--- who shares the storage");
    for worker in first.call(ListWorkersRequest {}).await?.workers {
        println!("{} {} ({} runs)", worker.name, worker.id, worker.runs);
    }
    second.close().await?;
    first.close().await
}

/// What is asked, once it is: a Temporal server's lists lag behind.
async fn asked_soon(
    engine: &Engine,
    principal: &Principal,
    request: ListApprovalsRequest,
) -> Result<Vec<Approval>> {
    for _ in 0..100 {
        let asked = engine.call_as(principal, request.clone()).await?.items;
        if !asked.is_empty() {
            return Ok(asked);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Error::not_found("the letter's run asks nobody"))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        Error::not_found("a file of the example is missing")
            .with_context("path", path.display())
            .with_source(error)
    })
}

fn output(run: &Run) -> Result<&serde_json::Value> {
    run.output.as_ref().ok_or_else(|| {
        Error::internal("the run ended without an output").with_context("error", json!(run.error))
    })
}

/// A server for the example, where none was named.
enum Server {
    None,
    #[cfg(unix)]
    Postgres(atom_integrations::storage::postgres_testing::TestPostgres),
    #[cfg(all(unix, feature = "temporal"))]
    Temporal(&'static temporal::TestTemporal),
}

impl Server {
    #[cfg(unix)]
    async fn for_place(place: &str) -> Result<Self> {
        use atom_integrations::storage::postgres_testing::TestPostgres;
        let failed = |error| Error::internal("the server does not start").with_source(error);
        match place {
            "postgres" => {
                let server = TestPostgres::start().await.map_err(failed)?;
                let missing =
                    "PostgreSQL 15 or later is not installed (on Debian it is the package postgresql)";
                server
                    .map(Self::Postgres)
                    .ok_or_else(|| Error::not_found(missing))
            }
            #[cfg(feature = "temporal")]
            "temporal" => {
                let missing = "there is no Temporal server; name one: temporal://localhost:7233";
                let server = temporal::TestTemporal::shared().await;
                server
                    .map(Self::Temporal)
                    .ok_or_else(|| Error::not_found(missing))
            }
            _ => Ok(Self::None),
        }
    }

    #[cfg(not(unix))]
    async fn for_place(_: &str) -> Result<Self> {
        Ok(Self::None)
    }

    /// Where data is kept, and where runs are carried out.
    fn places(&self, place: &str) -> Result<(Storage, Runs)> {
        match self {
            Self::None if place.starts_with("temporal") => Ok((Storage::Sqlite, place.parse()?)),
            Self::None => Ok((place.parse()?, Runs::Embedded)),
            #[cfg(unix)]
            Self::Postgres(server) => Ok((server.url(&server.database()).parse()?, Runs::Embedded)),
            #[cfg(all(unix, feature = "temporal"))]
            Self::Temporal(server) => {
                let url = server.target().replacen("http", "temporal", 1);
                Ok((Storage::Sqlite, url.parse()?))
            }
        }
    }
}

/// The development server that the tests use.
#[cfg(all(unix, feature = "temporal"))]
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "tests use the rest, and end when it does not start"
)]
#[path = "../../atom-workflow/tests/temporal/server.rs"]
mod temporal;
