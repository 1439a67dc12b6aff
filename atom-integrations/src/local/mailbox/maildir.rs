//! Finds the folders and files of a Maildir.
//!
//! A Maildir is a folder with `cur/` and `new/` (<https://cr.yp.to/proto/maildir.html>). Its subfolders are
//! Maildirs inside it, named `.Sent` as Maildir++ has it or `Sent` as others do; a folder of Maildirs is read too.

use std::path::{Component, Path, PathBuf};

use atom_core::Result;

use super::state::MessageState;
use crate::local::access::read_error;

/// Folders nested deeper than this are not looked for.
const MAX_DEPTH: usize = 8;

/// The `cur/` and `new/` folders below a path, relative to it, in a fixed order; empty when there is no Maildir.
pub(super) fn message_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(root, Path::new(""), 0, &mut found)?;
    Ok(found)
}

fn collect(root: &Path, folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    // `new` comes first: a message that a mail program moves to `cur` meanwhile is met twice rather than never.
    found.extend(
        ["new", "cur"]
            .map(|name| folder.join(name))
            .into_iter()
            .filter(|path| is_folder(root, path)),
    );
    if depth == MAX_DEPTH {
        return Ok(());
    }
    let path = root.join(folder);
    let mut children = Vec::new();
    for entry in std::fs::read_dir(&path).map_err(|error| read_error(&path, error))? {
        let entry = entry.map_err(|error| read_error(&path, error))?;
        let child = folder.join(entry.file_name());
        // A plain folder is left alone, so that reading a home directory does not walk all of it.
        if is_folder(root, &child)
            && ["cur", "new"]
                .iter()
                .any(|name| is_folder(root, &child.join(name)))
        {
            children.push(child);
        }
    }
    children.sort();
    children
        .iter()
        .try_for_each(|child| collect(root, child, depth + 1, found))
}

/// Whether this is a folder and not a link: a link could lead out of the folders the engine may touch, or
/// around in a circle.
fn is_folder(root: &Path, relative: &Path) -> bool {
    root.join(relative)
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir())
}

/// The state of a message, from its path below the root: `[folder/]cur/name` or `[folder/]new/name`.
pub(super) fn state(relative: &Path) -> MessageState {
    let parts: Vec<_> = relative
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        })
        .collect();
    let [folders @ .., kind, name] = parts.as_slice() else {
        return MessageState::default();
    };
    // `.Archive.2024` is the Maildir++ name of the folder 2024 inside Archive.
    let folders: Vec<_> = folders
        .iter()
        .map(|folder| match folder.strip_prefix('.') {
            Some(nested) => nested.replace('.', "/"),
            None => folder.to_string(),
        })
        .collect();
    let folder = folders.join("/");
    MessageState::from_maildir(
        name,
        kind == "new",
        (!folder.is_empty()).then_some(folder.as_str()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_by_their_place() {
        let folder = |path: &str| state(Path::new(path)).labels;
        assert!(folder("cur/1:2,S").is_empty());
        assert_eq!(folder(".Sent/cur/1:2,S"), ["Sent"]);
        assert_eq!(folder(".Archive.2024/cur/1:2,S"), ["Archive/2024"]);
        assert_eq!(folder("Work/Clients/cur/1:2,S"), ["Work/Clients"]);
        assert!(state(Path::new(".Sent/cur/1:2,")).is_sent);
        assert!(state(Path::new(".Sent/new/1")).is_sent);
    }

    #[test]
    fn plain_folders_are_not_walked() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "cur",
            "new",
            ".Sent/cur",
            "plain/deep/cur",
            "Work/cur",
            "Work/Clients/new",
        ] {
            std::fs::create_dir_all(root.path().join(path)).unwrap();
        }
        let found = message_folders(root.path()).unwrap();
        let expected = ["new", "cur", ".Sent/cur", "Work/cur", "Work/Clients/new"];
        assert_eq!(found, expected.map(PathBuf::from));
    }
}
