//! Compares the reader with the official schema on the official examples and on mutations of them.

use std::path::PathBuf;

use super::Workflow;

/// The official schema and examples, which lie beside the workspace where they are available.
fn official() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/ows");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: the official schema and examples are not in {}", folder.display());
    None
}

fn examples(folder: &std::path::Path) -> Vec<(String, String)> {
    let mut examples: Vec<_> = std::fs::read_dir(folder.join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    examples.sort();
    examples
}

#[test]
fn every_official_example_is_valid() {
    let Some(folder) = official() else { return };
    let examples = examples(&folder);
    assert_eq!(examples.len(), 68);
    for (name, text) in examples {
        if let Err(error) = Workflow::parse(&text) {
            panic!("{name}: {error}");
        }
    }
}
