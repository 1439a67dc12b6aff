//! The Kotlin and Swift sources that call the native library, which uniffi writes from the library itself.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::path::Path;

use super::Files;
use crate::process::{Outcome, run, target_folder};

/// Where each generated file has its place.
const PLACES: [(&str, &str, &str); 3] = [
    (
        "kotlin",
        "dev/atom/engine/ffi/atom_ffi.kt",
        "atom-ffi/kotlin/src/generated/kotlin/dev/atom/engine/ffi/atom_ffi.kt",
    ),
    (
        "swift",
        "AtomEngineBridge.swift",
        "atom-ffi/swift/Sources/AtomEngineBridge/AtomEngineBridge.swift",
    ),
    (
        "swift",
        "AtomEngineFFI.h",
        "atom-ffi/swift/Sources/AtomEngineFFI/AtomEngineFFI.h",
    ),
];

/// Every generated file, by its path from the workspace's folder. Builds the library.
pub(super) fn generate(root: &Path) -> Result<Files, String> {
    let target = target_folder(root)?;
    let text = |path: &str| target.join(path).to_string_lossy().into_owned();
    let library = text(&format!("debug/{DLL_PREFIX}atom_ffi{DLL_SUFFIX}"));
    let generator = text(&format!("debug/uniffi-bindgen{EXE_SUFFIX}"));
    let folder = |language: &str| text(&format!("bindings/{language}"));
    let bind = |language: &str| {
        let folder = folder(language);
        let arguments = [
            "generate",
            "--no-format",
            "--language",
            language,
            "--out-dir",
            &folder,
            &library,
        ];
        run(root, &generator, &arguments)
    };
    let build = |package| run(root, "cargo", &["build", "--locked", "-p", package]);
    // One after the other: built together they would share their features, and the engine compile anew.
    let outcome = build("atom-ffi")
        .then(|| build("atom-ffi-bindgen"))
        .then(|| bind("kotlin"))
        .then(|| bind("swift"));
    if let Outcome::Skipped(why) | Outcome::Failed(why) = outcome {
        return Err(why);
    }
    PLACES
        .iter()
        .map(|(language, name, place)| {
            let path = Path::new(&folder(language)).join(name);
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(((*place).to_owned(), text))
        })
        .collect()
}
