//! Which files the local connectors may touch.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use atom_core::{Error, ErrorCode, FunctionContext, Result};

/// The folders that local connectors may read and write: everything, nothing, or what lies below given roots.
///
/// Paths are compared after symbolic links are resolved, so that a link inside a root does not lead out.
///
/// ```
/// use atom_core::{ErrorCode, FunctionContext, Principal};
/// use atom_integrations::local::FileAccess;
///
/// let context = FunctionContext::direct(Principal::new("acme", "ada")?, "key");
/// let error = FileAccess::none().readable("/etc/passwd", &context).unwrap_err();
/// assert_eq!(error.code(), ErrorCode::PermissionDenied);
/// # Ok::<(), atom_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileAccess {
    /// Canonical folders; `None` means everywhere.
    roots: Option<Arc<[PathBuf]>>,
    /// Canonical folders within the roots that are shut all the same.
    shut: Arc<[PathBuf]>,
}

impl FileAccess {
    /// Every file the process may touch: for programs that act for the person who started them.
    #[must_use]
    pub fn everywhere() -> Self {
        Self::new(None)
    }

    /// No file at all.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Some(Arc::from([])))
    }

    /// What lies in or below these folders.
    ///
    /// # Errors
    /// `invalid_request` when a folder does not exist.
    pub fn below(roots: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self> {
        let roots = roots.into_iter().map(|root| {
            let root = root.as_ref();
            root.canonicalize().map_err(|error| {
                Error::invalid_request("a file root must be an existing folder")
                    .with_context("path", root.display())
                    .with_source(error)
            })
        });
        Ok(Self::new(Some(roots.collect::<Result<_>>()?)))
    }

    fn new(roots: Option<Arc<[PathBuf]>>) -> Self {
        Self {
            roots,
            shut: Arc::from([]),
        }
    }

    /// The same but for what lies in or below a folder, which may not exist yet: the engine's own data, whose
    /// keys and secrets are nobody's files.
    ///
    /// # Errors
    /// `invalid_request` when the folder's place cannot be told.
    pub fn without(self, folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let folder = resolved(folder).map_err(|error| {
            Error::invalid_request("the engine's data folder cannot be there; give the path of a folder, or of one that can be made")
                .with_context("path", folder.display())
                .with_source(error)
        })?;
        let shut = self.shut.iter().cloned().chain([folder]).collect();
        Ok(Self { shut, ..self })
    }

    /// Whether a canonical path is open to local connectors.
    pub(crate) fn is_open(&self, path: &Path) -> bool {
        self.roots
            .as_ref()
            .is_none_or(|roots| roots.iter().any(|root| path.starts_with(root)))
            && !self.is_shut(path)
    }

    fn is_shut(&self, path: &Path) -> bool {
        self.shut.iter().any(|folder| path.starts_with(folder))
    }

    /// The canonical path of an existing file or folder; a relative one starts at the context's directory.
    ///
    /// # Errors
    /// `not_found` when there is none, `permission_denied` when it lies outside the roots,
    /// `invalid_request` for a relative path without a directory to start from.
    pub fn readable(&self, path: &str, context: &FunctionContext) -> Result<PathBuf> {
        let absolute = absolute(path, context)?;
        let canonical = self.canonical(&absolute, path)?;
        self.check(&canonical, path)?;
        Ok(canonical)
    }

    /// The canonical path of an existing file or folder that a container may be given whole: nothing in or below it
    /// is shut.
    ///
    /// # Errors
    /// As [`readable`](Self::readable), and `permission_denied` for a folder that contains one that is shut.
    pub fn mountable(&self, path: &str, context: &FunctionContext) -> Result<PathBuf> {
        let canonical = self.readable(path, context)?;
        if self.shut.iter().any(|folder| folder.starts_with(&canonical)) {
            let message = "the folder contains the engine's own data, which a container may not touch; mount a \
                           folder that does not";
            return Err(Error::new(ErrorCode::PermissionDenied, message).with_context("path", path));
        }
        Ok(canonical)
    }

    /// The path of a file to write, whose folder must exist; a relative one starts at the context's directory.
    ///
    /// # Errors
    /// `not_found` when the folder does not exist, `permission_denied` when it lies outside the roots,
    /// `invalid_request` for a path without a file name or a relative path without a directory to start from.
    pub fn writable(&self, path: &str, context: &FunctionContext) -> Result<PathBuf> {
        let absolute = absolute(path, context)?;
        let (Some(folder), Some(Component::Normal(name))) =
            (absolute.parent(), absolute.components().next_back())
        else {
            return Err(Error::invalid_request(format!(
                "'{path}' does not name a file to write"
            )));
        };
        let target = self.canonical(folder, path)?.join(name);
        // An existing link is followed by the write, so it is what the link points to that counts.
        let target = if target.is_symlink() {
            self.canonical(&target, path)?
        } else {
            target
        };
        self.check(&target, path)?;
        Ok(target)
    }

    /// The path with every link resolved. Outside the roots, whether a file exists is nobody's business.
    fn canonical(&self, absolute: &Path, shown: &str) -> Result<PathBuf> {
        absolute.canonicalize().or_else(|error| {
            self.check(&lexical(absolute), shown)?;
            Err(read_error(absolute, error))
        })
    }

    fn check(&self, path: &Path, shown: &str) -> Result<()> {
        if self.is_open(path) {
            return Ok(());
        }
        let message = if self.is_shut(path) {
            "local connectors may not touch the engine's own data; choose another path"
        } else {
            "local connectors may not touch this path; add its folder to the engine's 'file_roots'"
        };
        Err(Error::new(ErrorCode::PermissionDenied, message).with_context("path", shown))
    }
}

/// The typed error for a file that cannot be opened, read or listed.
pub(crate) fn read_error(path: &Path, error: std::io::Error) -> Error {
    let (code, message) = match error.kind() {
        std::io::ErrorKind::NotFound => (
            ErrorCode::NotFound,
            "there is no such file or folder; check the path",
        ),
        std::io::ErrorKind::PermissionDenied => (
            ErrorCode::PermissionDenied,
            "the operating system refuses access to this path; check its permissions",
        ),
        std::io::ErrorKind::StorageFull => (ErrorCode::StorageFull, "the disk is full; free some space"),
        std::io::ErrorKind::IsADirectory => (ErrorCode::InvalidRequest, "this is a folder, not a file"),
        std::io::ErrorKind::NotADirectory => (ErrorCode::InvalidRequest, "this is a file, not a folder"),
        _ => (ErrorCode::Unavailable, "the path cannot be accessed"),
    };
    Error::new(code, message)
        .with_context("path", path.display())
        .with_source(error)
}

fn absolute(path: &str, context: &FunctionContext) -> Result<PathBuf> {
    if path.is_empty() || path.contains('\0') {
        return Err(Error::invalid_request(
            "a path must not be empty or hold a NUL character",
        ));
    }
    let path = Path::new(path);
    match &context.directory {
        _ if path.is_absolute() => Ok(path.to_owned()),
        Some(directory) => Ok(directory.join(path)),
        None => Err(Error::invalid_request(
            "the path is relative and the call has no directory to start from; give an absolute path, or start the run with 'directory'",
        )
        .with_context("path", path.display())),
    }
}

/// The canonical form of a path whose last parts may not exist yet.
fn resolved(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let existing = path
        .ancestors()
        .find_map(|folder| match folder.canonicalize() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            found => Some(found.map(|found| (folder, found))),
        })
        .ok_or(std::io::ErrorKind::NotFound)?;
    let (folder, found) = existing?;
    Ok(path
        .strip_prefix(folder)
        .map_or(found.clone(), |missing| lexical(&found.join(missing))))
}

/// The path with `.` and `..` taken out without looking at the disk.
fn lexical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use atom_core::Principal;

    fn context(directory: &Path) -> FunctionContext {
        let mut context = FunctionContext::direct(Principal::new("acme", "ada").unwrap(), "key");
        context.directory = Some(directory.to_owned());
        context
    }

    #[test]
    fn a_path_inside_a_root_is_resolved_against_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::write(root.join("mail.mbox"), "").unwrap();
        let access = FileAccess::below([&root]).unwrap();
        assert_eq!(
            access.readable("./mail.mbox", &context(&root)).unwrap(),
            root.join("mail.mbox")
        );
        assert_eq!(
            access.writable("new.md", &context(&root)).unwrap(),
            root.join("new.md")
        );
    }

    #[test]
    fn nothing_leads_out_of_a_root() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().canonicalize().unwrap();
        let root = outside.join("inside");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(outside.join("secret"), "").unwrap();
        let access = FileAccess::below([&root]).unwrap();
        let context = context(&root);
        let absolute = outside.join("secret");
        for path in [
            "../secret",
            "x/../../secret",
            "../missing",
            absolute.to_str().unwrap(),
        ] {
            assert_eq!(
                access.readable(path, &context).unwrap_err().code(),
                ErrorCode::PermissionDenied,
                "{path}"
            );
            assert_eq!(
                access.writable(path, &context).unwrap_err().code(),
                ErrorCode::PermissionDenied,
                "{path}"
            );
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outside.join("secret"), root.join("link")).unwrap();
            assert_eq!(
                access.readable("link", &context).unwrap_err().code(),
                ErrorCode::PermissionDenied
            );
            assert_eq!(
                access.writable("link", &context).unwrap_err().code(),
                ErrorCode::PermissionDenied
            );
        }
    }

    #[test]
    fn the_data_of_the_engine_is_shut_within_every_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let open = FileAccess::below([&root]).unwrap();
        for access in [FileAccess::everywhere(), open] {
            // Before the engine has made it.
            let access = access.without(root.join("x/../data")).unwrap();
            std::fs::create_dir_all(root.join("data/deep")).unwrap();
            std::fs::write(root.join("data/root.key"), "key").unwrap();
            let context = context(&root);
            for path in [
                "data/root.key",
                "data",
                "x/../data/missing",
                "data/deep/../root.key",
            ] {
                for result in [access.readable(path, &context), access.writable(path, &context)] {
                    assert_eq!(result.unwrap_err().code(), ErrorCode::PermissionDenied, "{path}");
                }
            }
            #[cfg(unix)]
            {
                std::os::unix::fs::symlink(root.join("data/root.key"), root.join("link")).unwrap();
                for result in [
                    access.readable("link", &context),
                    access.writable("link", &context),
                ] {
                    assert_eq!(result.unwrap_err().code(), ErrorCode::PermissionDenied);
                }
                let through = FileAccess::everywhere().without(root.join("link")).unwrap();
                assert!(through.readable("data/root.key", &context).is_err());
            }
            assert!(access.writable("database.md", &context).is_ok());
            // Who gets a folder whole gets what is below it.
            std::fs::create_dir_all(root.join("other")).unwrap();
            assert!(access.readable(".", &context).is_ok());
            let error = access.mountable(".", &context).unwrap_err();
            assert_eq!(error.code(), ErrorCode::PermissionDenied);
            assert!(access.mountable("data/deep", &context).is_err());
            assert!(access.mountable("other", &context).is_ok());
            std::fs::remove_dir_all(root.join("data")).unwrap();
            let _ = std::fs::remove_file(root.join("link"));
        }
    }

    #[test]
    fn a_missing_file_and_a_relative_path_without_a_start_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let missing = FileAccess::everywhere()
            .readable("missing", &context(folder.path()))
            .unwrap_err();
        assert_eq!(missing.code(), ErrorCode::NotFound);
        let direct = FunctionContext::direct(Principal::new("acme", "ada").unwrap(), "key");
        let relative = FileAccess::everywhere().readable("missing", &direct).unwrap_err();
        assert_eq!(relative.code(), ErrorCode::InvalidRequest);
    }
}
