//! What the Open Workflow Specification brings to test an engine with: its conformance kit and its example documents.
//!
//! Both belong to the specification, not to this repository. A checkout of the specification is looked for where
//! `OPEN_WORKFLOW_SPECIFICATION` says, `../shared/ows` unless set; without it the tests say so and are skipped.

#![expect(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod documents;
mod kit;

use std::path::PathBuf;

/// A folder of the specification, where there is one.
fn folder(name: &str) -> Option<PathBuf> {
    let specification = std::env::var_os("OPEN_WORKFLOW_SPECIFICATION");
    let specification = specification.map_or_else(|| PathBuf::from("../shared/ows"), PathBuf::from);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(specification)
        .join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no {}", folder.display());
    None
}
