//! Holds `tests/parity.json` to the truth: every operation is proved on every surface, or says why not.

use std::collections::{BTreeMap, BTreeSet};

use atom_engine::Engine;
use serde::Deserialize;

use super::pattern::root;
use super::{FILES, read};

/// Where each operation is called from.
const SURFACES: [&str; 7] = ["rust", "bridge", "cli", "python", "node", "kotlin", "swift"];

type Table = BTreeMap<String, BTreeMap<String, Proof>>;

#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Proof {
    /// A runner and a file of cases, e.g. `tests/it/conformance.rs::runs`.
    Test(String),
    /// Why there is none.
    Absent { absent: String },
}

fn table() -> Table {
    let text = std::fs::read_to_string(root().join("tests/parity.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The operations that a file carries out with success, on the command line or elsewhere.
fn operations_of(file: &str, surface: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for case in read(file).cases {
        if surface != "cli" || case.cli {
            case.steps.iter().for_each(|step| step.operations(&mut found));
        }
    }
    found
}

#[test]
fn every_operation_is_proved_on_every_surface() {
    let mut table = table();
    for operation in Engine::operations() {
        let name = &operation.name;
        let mut proofs = table
            .remove(name)
            .unwrap_or_else(|| panic!("tests/parity.json lacks {name}"));
        for surface in SURFACES {
            match proofs.remove(surface) {
                Some(Proof::Test(test)) => check(name, surface, &test),
                Some(Proof::Absent { absent }) => assert!(!absent.trim().is_empty(), "{name} {surface}"),
                None => panic!("tests/parity.json lacks {name} on {surface}"),
            }
        }
        assert!(proofs.is_empty(), "{name} has unknown surfaces: {proofs:?}");
    }
    assert!(
        table.is_empty(),
        "tests/parity.json has unknown operations: {:?}",
        table.keys()
    );
}

fn check(operation: &str, surface: &str, test: &str) {
    let (runner, file) = test
        .split_once("::")
        .unwrap_or_else(|| panic!("'{test}' is not a runner and a file of cases"));
    assert!(root().join(runner).is_file(), "{operation}: there is no {runner}");
    assert!(
        FILES.contains(&file),
        "{operation}: there are no cases named {file}"
    );
    assert!(
        operations_of(file, surface).contains(operation),
        "tests/conformance/{file}.json does not carry out {operation} on {surface}"
    );
}
