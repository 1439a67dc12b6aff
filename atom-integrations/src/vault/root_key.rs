//! The key that all others hang on, and where it comes from.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use atom_core::{Error, ErrorCode, Result, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::envelope::{Key, random};
use crate::storage::sqlite::{blocking, create_directory, file_error, private_file, sync_directory};

/// The name of the file of a data directory that holds the root key.
pub(crate) const ROOT_KEY: &str = "root.key";

/// The environment variable that holds the root key.
const VARIABLE: &str = "ATOM_ROOT_KEY";

/// The root key of a vault: 256 random bits that never enter the database.
///
/// ```
/// use atom_core::Secret;
/// use atom_integrations::vault::RootKey;
///
/// let text = Secret::new("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
/// let key = RootKey::from_base64(&text, "the keychain")?;
/// assert_eq!(format!("{key:?}"), "RootKey(from the keychain)");
/// # Ok::<(), atom_core::Error>(())
/// ```
pub struct RootKey {
    pub(super) key: Key,
    /// Where it came from, in words that an error can show.
    pub(super) source: String,
}

impl std::fmt::Debug for RootKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RootKey(from {})", self.source)
    }
}

impl RootKey {
    /// A key that is written as base64 of 32 bytes. `source` names where it came from, e.g. `the keychain`:
    /// errors show it to tell where to look.
    ///
    /// # Errors
    /// `invalid_request` when the text is anything else.
    pub fn from_base64(text: &Secret, source: impl Into<String>) -> Result<Self> {
        let source = source.into();
        let decoded = STANDARD.decode(text.expose().trim()).map(Zeroizing::new);
        // The error of the decoder would show a part of the key.
        let key = decoded
            .ok()
            .and_then(|bytes| Some(Key::new(bytes.as_slice().try_into().ok()?)));
        key.map(|key| Self {
            key,
            source: source.clone(),
        })
        .ok_or_else(|| {
            Error::invalid_request(format!(
                "the root key from {source} is not base64 of 32 bytes; correct it there"
            ))
        })
    }

    /// The key in the environment variable `ATOM_ROOT_KEY`, when it is set.
    ///
    /// # Errors
    /// `invalid_request` when it is not base64 of 32 bytes.
    pub fn from_environment() -> Result<Option<Self>> {
        let source = format!("the environment variable {VARIABLE}");
        match std::env::var(VARIABLE) {
            Ok(text) => Self::from_base64(&Secret::new(text), source).map(Some),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Self::from_base64(&Secret::new(""), source).map(Some),
        }
    }

    /// The key in the file `root.key` of a data directory, when there is one.
    ///
    /// # Errors
    /// `permission_denied` when others than the file's owner can read it or it cannot be read, `invalid_request`
    /// when it does not hold base64 of 32 bytes, `storage_failed`.
    pub fn from_directory(directory: &Path) -> Result<Option<Self>> {
        let path = file(directory);
        let mut text = Zeroizing::new(String::with_capacity(128));
        let read = File::open(&path).and_then(|file| {
            let is_private = is_private(&file)?;
            file.take(128).read_to_string(&mut text)?;
            Ok(is_private)
        });
        match read {
            Ok(true) => {
                let text = Secret::new(text.as_str());
                Self::from_base64(&text, format!("the file {}", path.display())).map(Some)
            }
            Ok(false) => Err(Error::new(
                ErrorCode::PermissionDenied,
                "others can read the root key; run `chmod 600` on the file, and consider the secrets of this vault known",
            )
            .with_context("path", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file_error(&path, error)),
        }
    }

    /// The key of a vault: from the environment variable `ATOM_ROOT_KEY`, or else from the file `root.key` of a directory,
    /// which is made, with the directory, for a vault without keys.
    pub(super) async fn of_vault(directory: &Path, has_keys: bool) -> Result<Self> {
        let directory = std::path::absolute(directory).map_err(|error| file_error(directory, error))?;
        let find = move || {
            if let Some(key) = Self::from_environment()? {
                return Ok(key);
            }
            if let Some(key) = Self::from_directory(&directory)? {
                return Ok(key);
            }
            if has_keys {
                // A new key would open nothing, and hide that the old one is missing.
                let message = "the vault's root key is not here; copy the file root.key from where the vault was made, or set ATOM_ROOT_KEY";
                return Err(Error::new(ErrorCode::InvalidData, message)
                    .with_context("path", file(&directory).display()));
            }
            create_directory(&directory).map_err(|error| file_error(&directory, error))?;
            Self::find_or_create(&directory)
        };
        blocking("opening the vault", find).await
    }

    /// The key in the file `root.key` of a data directory, which is made when there is none.
    ///
    /// # Errors
    /// Those of [`from_directory`](Self::from_directory), and `storage_full` when the file cannot be written.
    pub fn find_or_create(directory: &Path) -> Result<Self> {
        if let Some(key) = Self::from_directory(directory)? {
            return Ok(key);
        }
        let path = file(directory);
        // Written aside and renamed: a crash leaves a whole key or none. Whoever else makes one meanwhile waits for
        // the lock, and then finds this one.
        let draft = directory.join("root.key.new");
        let create = || {
            let mut file = private_file()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&draft)?;
            file.lock()?;
            if path.exists() {
                return Ok(());
            }
            let key = Key::new(random().map_err(io::Error::other)?);
            let text = Zeroizing::new(STANDARD.encode(&key[..]) + "\n");
            file.set_len(0)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&draft, &path)?;
            sync_directory(directory)
        };
        create().map_err(|error: io::Error| file_error(&path, error))?;
        Self::from_directory(directory)?.ok_or_else(|| {
            Error::new(
                ErrorCode::StorageFailed,
                "the root key was removed while it was made; try again",
            )
            .with_context("path", path.display())
        })
    }
}

fn file(directory: &Path) -> PathBuf {
    directory.join(ROOT_KEY)
}

#[cfg(unix)]
fn is_private(file: &File) -> io::Result<bool> {
    Ok(std::os::unix::fs::MetadataExt::mode(&file.metadata()?) & 0o077 == 0)
}

/// Where there are no such permissions, a file in a user's directory is the user's.
#[cfg(not(unix))]
fn is_private(_file: &File) -> io::Result<bool> {
    Ok(true)
}
