//! The same two workflows wherever an engine keeps its data: in a folder, or in a database that engines share.
//!
//! `cargo run --example scale-out` keeps everything in SQLite, with one engine. `cargo run --example scale-out -- postgres` begins a
//! PostgreSQL server of its own and lets two engines share it; instead of `postgres` it takes the URL of a database. Nothing but
//! the configuration differs.

#![expect(clippy::print_stdout, reason = "an example for people")]

use std::path::Path;

use atom_core::storage::DecisionKind;
use atom_engine::api::{
    DecideApprovalRequest, GetRunRequest, ListApprovalsRequest, ListWorkersRequest, Run, StartRunRequest,
};
use atom_engine::{Engine, EngineConfig, Error, FileRoots, Principal, Result, Storage, StorageKind};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<()> {
    let place = std::env::args().nth(1).unwrap_or_else(|| "sqlite".to_owned());
    let folder =
        tempfile::tempdir().map_err(|error| Error::internal("no temporary folder").with_source(error))?;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");

    let server = Server::for_place(&place).await?;
    let storage: Storage = server.url(&place).parse()?;
    let config = |name: &str| EngineConfig {
        storage: storage.clone(),
        // All engines of a database have one root key, which this folder holds.
        data_dir: Some(folder.path().join("data")),
        file_roots: FileRoots::Below(vec![examples.clone(), folder.path().to_owned()]),
        user: name.to_owned(),
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
    let asked = second.call_as(&support, asked).await?;
    for approval in &asked.items {
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

/// A PostgreSQL server for the example, where none was named.
enum Server {
    None,
    #[cfg(unix)]
    Own(atom_integrations::storage::postgres_testing::TestPostgres),
}

impl Server {
    #[cfg(unix)]
    async fn for_place(place: &str) -> Result<Self> {
        use atom_integrations::storage::postgres_testing::TestPostgres;
        if place != "postgres" {
            return Ok(Self::None);
        }
        let failed = |error| Error::internal("the PostgreSQL server does not start").with_source(error);
        let server = TestPostgres::start().await.map_err(failed)?;
        let missing = "PostgreSQL 15 or later is not installed (on Debian it is the package postgresql)";
        server.map(Self::Own).ok_or_else(|| Error::not_found(missing))
    }

    #[cfg(not(unix))]
    async fn for_place(_: &str) -> Result<Self> {
        Ok(Self::None)
    }

    fn url(&self, place: &str) -> String {
        match self {
            Self::None => place.to_owned(),
            #[cfg(unix)]
            Self::Own(server) => server.url(&server.database()),
        }
    }
}
