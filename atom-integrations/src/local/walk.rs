//! Walks a folder in a fixed order without leaving it.

use std::fs;
use std::path::{Path, PathBuf};

use atom_core::{CancellationToken, Result};

use super::access::{FileAccess, read_error};
pub(crate) use super::answer::{ShownPaths, Skipped, SkippedList};
use super::blocking;

/// How many files and folders one walk looks at.
const MAX_ENTRIES: usize = 50_000;
/// How deep folders may be nested.
const MAX_DEPTH: usize = 32;

/// Calls `visit` with every file below `root`, a canonical folder, sorted by name within each folder.
///
/// Names that start with `.`, and folders that are shut, are left out. Links are not followed, so that the walk ends and stays inside; they
/// and unreadable folders are added to `skipped`. `visit` ends the walk early with `false`.
pub(crate) fn walk(
    root: &Path,
    access: &FileAccess,
    shown: &ShownPaths,
    skipped: &mut SkippedList,
    cancellation: &CancellationToken,
    mut visit: impl FnMut(&Path, &mut SkippedList) -> Result<bool>,
) -> Result<()> {
    let mut budget = MAX_ENTRIES;
    let mut open = vec![entries(root, &mut budget)?.into_iter()];
    while let Some(folder) = open.last_mut() {
        let Some(path) = folder.next() else {
            open.pop();
            continue;
        };
        blocking::check(cancellation)?;
        if !access.is_open(&path) {
            continue;
        }
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                skipped.push(&shown.show(&path), None, error.to_string());
                continue;
            }
        };
        if metadata.is_symlink() {
            skipped.push(&shown.show(&path), None, "a link; links are not followed");
        } else if metadata.is_file() {
            if !visit(&path, skipped)? {
                return Ok(());
            }
        } else if metadata.is_dir() && open.len() >= MAX_DEPTH {
            skipped.push(
                &shown.show(&path),
                None,
                format!("folders are nested deeper than {MAX_DEPTH}"),
            );
        } else if metadata.is_dir() {
            match entries(&path, &mut budget) {
                Ok(found) => open.push(found.into_iter()),
                Err(error) => skipped.push(&shown.show(&path), None, error.message()),
            }
        }
    }
    if budget == 0 {
        skipped.push(
            &shown.show(root),
            None,
            format!("the walk stopped after {MAX_ENTRIES} files and folders"),
        );
    }
    Ok(())
}

/// The visible entries of a folder, sorted; as many as the budget allows.
fn entries(folder: &Path, budget: &mut usize) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)
        .map_err(|error| read_error(folder, error))?
        .take(*budget)
    {
        let entry = entry.map_err(|error| read_error(folder, error))?;
        *budget -= 1;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visited(root: &Path) -> (Vec<String>, Vec<String>) {
        visited_with(root, &FileAccess::everywhere())
    }

    fn visited_with(root: &Path, access: &FileAccess) -> (Vec<String>, Vec<String>) {
        let (mut files, mut skipped) = (Vec::new(), SkippedList::default());
        let shown = ShownPaths::below(root);
        let root = root.canonicalize().unwrap();
        walk(
            &root,
            access,
            &shown,
            &mut skipped,
            &CancellationToken::new(),
            |path, _| {
                files.push(shown.show(path));
                Ok(true)
            },
        )
        .unwrap();
        (
            files,
            skipped
                .into_items(".")
                .into_iter()
                .map(|item| item.path)
                .collect(),
        )
    }

    #[test]
    fn files_come_in_order_and_hidden_ones_stay_hidden() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["b/2.md", "b/1.md", "a.md", ".git/config", "c/.hidden"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(visited(folder.path()).0, ["a.md", "b/1.md", "b/2.md"]);
    }

    #[test]
    fn a_shut_folder_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a.md", "data/note.md", "data/deep/note.md", "database/b.md"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let access = FileAccess::everywhere()
            .without(folder.path().join("data"))
            .unwrap();
        let expected = vec!["a.md".to_owned(), "database/b.md".to_owned()];
        assert_eq!(visited_with(folder.path(), &access), (expected, Vec::new()));
    }

    #[cfg(unix)]
    #[test]
    fn links_neither_loop_nor_lead_out() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.md"), "").unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("note.md"), "").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("out")).unwrap();
        assert_eq!(
            visited(folder.path()),
            (
                vec!["note.md".to_owned()],
                vec!["loop".to_owned(), "out".to_owned()]
            )
        );
    }

    #[test]
    fn a_cancelled_walk_stops() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("note.md"), "").unwrap();
        let cancellation = CancellationToken::new();
        cancellation.cancel();
        let shown = ShownPaths::below(folder.path());
        let error = walk(
            folder.path(),
            &FileAccess::everywhere(),
            &shown,
            &mut SkippedList::default(),
            &cancellation,
            |_, _| Ok(true),
        )
        .unwrap_err();
        assert_eq!(error.code(), atom_core::ErrorCode::Cancelled);
    }
}
