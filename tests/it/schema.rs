//! The committed schema files.

use std::collections::BTreeMap;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema")
}

#[test]
fn the_committed_files_are_up_to_date() {
    let expected = atom_engine::schema::files().unwrap();
    let mut committed = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            committed.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    let names: Vec<_> = expected.keys().collect();
    assert_eq!(
        committed.keys().collect::<Vec<_>>(),
        names,
        "run `cargo xtask codegen` and commit schema/"
    );
    for (name, text) in expected {
        assert!(
            committed[&name] == text,
            "schema/{name} is out of date; run `cargo xtask codegen` and commit it"
        );
    }
}

#[test]
fn every_type_of_a_name_is_the_same() {
    let mut definitions: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    for (name, text) in atom_engine::schema::files().unwrap() {
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        for schema in [&file["request"], &file["response"]] {
            for (definition, content) in schema["$defs"].as_object().into_iter().flatten() {
                let known = definitions
                    .entry(definition.clone())
                    .or_insert_with(|| content.clone());
                assert_eq!(known, content, "{definition} in {name}");
            }
        }
    }
    assert!(definitions.contains_key("Error"));
}

#[test]
#[ignore = "writes schema/; `cargo xtask codegen` does the same"]
fn write_the_files() {
    std::fs::create_dir_all(folder()).unwrap();
    for (name, text) in atom_engine::schema::files().unwrap() {
        std::fs::write(folder().join(name), text).unwrap();
    }
}
