//! The morning briefing from a Rust program: opens an engine, runs the workflow and prints the page.

#![expect(clippy::print_stdout, reason = "an example for people")]

use std::path::Path;

use atom_engine::api::StartRunRequest;
use atom_engine::{Engine, EngineConfig, Error, FileRoots, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/morning-briefing");
    let document = std::fs::read_to_string(folder.join("workflow.yaml"))
        .map_err(|error| Error::not_found("workflow.yaml is missing").with_source(error))?;

    // Local connectors may touch this folder and nothing else.
    let config = EngineConfig {
        file_roots: FileRoots::Below(vec![folder.clone()]),
        ..EngineConfig::in_memory()
    };
    let engine = Engine::open(config).await?;
    let start = StartRunRequest {
        directory: Some(folder),
        ..StartRunRequest::document(document).and_wait()
    };
    let run = engine.call(start).await?;
    match run.output {
        Some(output) => println!("{}", output["text"].as_str().unwrap_or_default()),
        None => println!("the run ended without a page: {:?}", run.error),
    }
    engine.close().await
}
