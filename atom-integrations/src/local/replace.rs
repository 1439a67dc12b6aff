//! Writes a file in one step: readers, and a crash, see the old content or the new, never a part.
//!
//! The new content goes to a temporary file in the same folder, is forced to disk, and takes the file's name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use atom_core::{Error, ErrorCode, RandomSource, Result};

use super::access::read_error;
use crate::storage::sqlite::private_file;
use crate::system::SystemRandom;

/// Writes a file, replacing one that is there.
pub(crate) fn overwrite(path: &Path, content: &[u8]) -> Result<()> {
    refuse_read_only(path)?;
    let temporary = Temporary::write(path, |file| file.write_all(content))?;
    fs::rename(&temporary.path, path).map_err(|error| write_error(path, error))?;
    sync_folder(path)
}

/// Writes a file that is not there yet. One that holds the same bytes already counts as written, so that a
/// repetition after a crash succeeds.
///
/// On a file system without hard links another program that creates the file in the same instant is
/// overwritten.
pub(crate) fn create(path: &Path, content: &[u8]) -> Result<()> {
    let taken = || -> Result<()> {
        match fs::read(path) {
            Ok(present) if present == content => Ok(()),
            _ => Err(Error::new(
                ErrorCode::AlreadyExists,
                "a file with this name exists already and differs; choose another name, or if_exists 'overwrite'",
            )
            .with_context("path", path.display())),
        }
    };
    if path.exists() {
        return taken();
    }
    let temporary = Temporary::write(path, |file| file.write_all(content))?;
    match fs::hard_link(&temporary.path, path) {
        Ok(()) => sync_folder(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken(),
        Err(_) if !path.exists() => {
            fs::rename(&temporary.path, path).map_err(|error| write_error(path, error))?;
            sync_folder(path)
        }
        Err(_) => taken(),
    }
}

/// Replaces a file that must still hold `before`.
///
/// Another program that writes between the comparison and the rename, a matter of microseconds, is not noticed.
pub(crate) fn update(path: &Path, before: &[u8], after: &[u8]) -> Result<()> {
    refuse_read_only(path)?;
    let temporary = Temporary::write(path, |file| file.write_all(after))?;
    let now = fs::read(path).map_err(|error| read_error(path, error))?;
    if now != before {
        return Err(Error::new(
            ErrorCode::Conflict,
            "the file was changed by somebody else meanwhile; nothing was written, try again",
        )
        .with_context("path", path.display()));
    }
    fs::rename(&temporary.path, path).map_err(|error| write_error(path, error))?;
    sync_folder(path)
}

/// A file on disk that disappears unless it was renamed away.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    /// Creates a temporary file beside `target`, with its permissions, and fills it.
    fn write(target: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<Self> {
        let random = u128::from_le_bytes(SystemRandom.random_bytes());
        let path = target.with_file_name(format!(".atom-{random:032x}.tmp"));
        let permissions = fs::metadata(target).map(|metadata| metadata.permissions());
        // Nobody who cannot read the old content gets to see the new one for a moment.
        let mut options = if permissions.is_ok() {
            private_file()
        } else {
            OpenOptions::new()
        };
        let mut file = options
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| write_error(target, error))?;
        let temporary = Self { path };
        fill(&mut file)
            .and_then(|()| permissions.map_or(Ok(()), |permissions| file.set_permissions(permissions)))
            .and_then(|()| file.sync_all())
            .map_err(|error| write_error(target, error))?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove; otherwise the error that led here is the one to tell.
        let _ = fs::remove_file(&self.path);
    }
}

/// A rename would pass over the mark that keeps a file from being changed.
fn refuse_read_only(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            Err(Error::invalid_request("this is a folder, not a file").with_context("path", path.display()))
        }
        Ok(metadata) if metadata.permissions().readonly() => Err(Error::new(
            ErrorCode::PermissionDenied,
            "the file is read-only; change its permissions",
        )
        .with_context("path", path.display())),
        _ => Ok(()),
    }
}

/// Makes the new name survive a power failure. Only Unix lets a folder be forced to disk.
fn sync_folder(path: &Path) -> Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| write_error(path, error))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// The typed error for a file that cannot be written.
fn write_error(path: &Path, error: io::Error) -> Error {
    let (code, message) = match error.kind() {
        io::ErrorKind::QuotaExceeded => (
            ErrorCode::StorageFull,
            "the disk quota is used up; free some space",
        ),
        io::ErrorKind::ReadOnlyFilesystem => (ErrorCode::PermissionDenied, "the file system is read-only"),
        io::ErrorKind::FileTooLarge => (
            ErrorCode::LimitExceeded,
            "the file system refuses a file of this size",
        ),
        _ => return read_error(path, error),
    };
    Error::new(code, message)
        .with_context("path", path.display())
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_disk_that_fills_up_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("briefing.md");
        fs::write(&path, "old").unwrap();
        let error = Temporary::write(&path, |file| {
            file.write_all(b"ne")?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .map(|_| ())
        .unwrap_err();
        assert_eq!(error.code(), ErrorCode::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["briefing.md"]);
    }

    #[test]
    fn a_change_by_somebody_else_is_a_conflict() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("todo.txt");
        fs::write(&path, "theirs").unwrap();
        let error = update(&path, b"before", b"after").unwrap_err();
        assert_eq!(error.code(), ErrorCode::Conflict);
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        update(&path, b"theirs", b"after").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(names(folder.path()), ["todo.txt"]);
    }

    #[test]
    fn creating_twice_is_refused_only_when_the_content_differs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("briefing.md");
        create(&path, b"one").unwrap();
        create(&path, b"one").unwrap();
        assert_eq!(
            create(&path, b"two").unwrap_err().code(),
            ErrorCode::AlreadyExists
        );
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(names(folder.path()), ["briefing.md"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_kept_and_a_read_only_file_is_left_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("private.md");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        overwrite(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(
            Temporary::write(&path, |file| {
                assert_eq!(
                    file.metadata()?.permissions().mode() & 0o777,
                    0o600,
                    "before it holds anything"
                );
                Ok(())
            })
            .unwrap(),
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(
            overwrite(&path, b"newer").unwrap_err().code(),
            ErrorCode::PermissionDenied
        );
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_folder_or_a_file_in_the_way_is_a_typed_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            overwrite(folder.path(), b"x").unwrap_err().code(),
            ErrorCode::InvalidRequest
        );
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(overwrite(&file.join("below"), b"x").is_err());
        assert_eq!(
            overwrite(&folder.path().join("missing/x"), b"x")
                .unwrap_err()
                .code(),
            ErrorCode::NotFound
        );
    }
}
