//! Walks the messages of a mailbox, and loads single ones again, without holding more than one in memory.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use atom_core::cancel::CancellationToken;
use atom_core::{Error, ErrorCode, FunctionContext, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::buffer::{Lines, MessageBuffer, Part};
use super::reader::{MboxReader, ReadError};
use super::state::MessageState;
use super::{maildir, parse};
use crate::local::access::{FileAccess, read_error};
use crate::local::blocking::check;

/// How many skipped messages are described.
const MAX_SKIPPED: usize = 100;

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Locator {
    /// The byte of an mbox at which its `From ` line starts.
    Byte(u64),
    /// Its file in a Maildir, relative to the root.
    File(PathBuf),
}

/// A message as read, before it is parsed.
#[derive(Debug)]
pub(super) struct RawMessage<'a> {
    pub(super) buffer: &'a MessageBuffer,
    pub(super) locator: Locator,
    /// What the Maildir says; in an mbox the headers say it.
    pub(super) state: Option<MessageState>,
}

/// A message that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct SkippedMessage {
    /// The byte of the mbox at which it starts; 0 in a Maildir.
    pub(super) position: u64,
    /// Its file, relative to the Maildir.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    /// What is wrong with it.
    pub(super) reason: String,
}

/// The messages that could not be read: all are counted, the first hundred described.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    pub(super) messages: Vec<SkippedMessage>,
    pub(super) total: u64,
}

impl Skipped {
    pub(super) fn push(&mut self, locator: &Locator, reason: impl Into<String>) {
        self.total += 1;
        if self.messages.len() < MAX_SKIPPED {
            let (position, file) = match locator {
                Locator::Byte(position) => (*position, None),
                Locator::File(path) => (0, Some(path.display().to_string())),
            };
            self.messages.push(SkippedMessage {
                position,
                file,
                reason: reason.into(),
            });
        }
    }
}

/// Whether to go on to the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    Continue,
    Stop,
}

/// Why a single message was skipped.
pub(super) type Reason = &'static str;

/// An mbox file or a Maildir.
#[derive(Debug)]
pub(super) struct Mailbox {
    path: PathBuf,
    /// The folders of a Maildir, relative to the path; `None` for an mbox.
    folders: Option<Vec<PathBuf>>,
    access: FileAccess,
    context: FunctionContext,
}

impl Mailbox {
    /// Finds the mailbox.
    ///
    /// # Errors
    /// `invalid_data` when the path is neither a file nor a Maildir, and what [`FileAccess::readable`] refuses.
    pub(super) fn open(access: FileAccess, path: &str, context: FunctionContext) -> Result<Self> {
        let path = access.readable(path, &context)?;
        let metadata = path.metadata().map_err(|error| read_error(&path, error))?;
        let folders = if metadata.is_dir() {
            Some(maildir::message_folders(&path)?)
        } else {
            None
        };
        let is_mailbox = folders
            .as_ref()
            .map_or(metadata.is_file(), |folders| !folders.is_empty());
        if !is_mailbox {
            return Err(invalid(
                &path,
                "this is no mailbox: give an mbox file, or a Maildir, which is a folder with 'cur' and 'new' in it",
            ));
        }
        Ok(Self {
            path,
            folders,
            access,
            context,
        })
    }

    /// Visits every message until the visitor stops; a message it cannot use is counted as skipped.
    ///
    /// # Errors
    /// `invalid_data` with `position` for a file that is no mbox, `cancelled`, and file errors.
    pub(super) fn walk(
        &self,
        part: Part,
        skipped: &mut Skipped,
        mut visit: impl FnMut(RawMessage<'_>) -> Result<Walk, Reason>,
    ) -> Result<()> {
        let mut buffer = MessageBuffer::new(part);
        let Some(folders) = &self.folders else {
            return self.walk_mbox(&mut buffer, skipped, visit);
        };
        for folder in folders {
            let path = self.path.join(folder);
            for entry in std::fs::read_dir(&path).map_err(|error| read_error(&path, error))? {
                self.check_cancelled()?;
                let name = entry.map_err(|error| read_error(&path, error))?.file_name();
                if name.as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                let locator = Locator::File(folder.join(name));
                if offer(
                    self.read(&locator, &mut buffer)?,
                    locator,
                    &buffer,
                    skipped,
                    &mut visit,
                ) == Walk::Stop
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn walk_mbox(
        &self,
        buffer: &mut MessageBuffer,
        skipped: &mut Skipped,
        mut visit: impl FnMut(RawMessage<'_>) -> Result<Walk, Reason>,
    ) -> Result<()> {
        let mut reader = MboxReader::new(self.open_file(&self.path)?, 0);
        loop {
            self.check_cancelled()?;
            let position = match reader.next(buffer) {
                Ok(Some(position)) => position,
                Ok(None) => return Ok(()),
                Err(ReadError::Io(error)) => return Err(self.broken(&self.path, error)),
                Err(ReadError::NotMbox(position)) => {
                    return Err(invalid(
                        &self.path,
                        "this is no mbox: its first line must start with 'From '; export the mailbox as mbox, or give a Maildir",
                    )
                    .with_context("position", position));
                }
            };
            if offer(Ok(()), Locator::Byte(position), buffer, skipped, &mut visit) == Walk::Stop {
                return Ok(());
            }
        }
    }

    /// Reads one message again; `None`, counted as skipped, when it is no longer where it was.
    ///
    /// # Errors
    /// `cancelled`, and file errors.
    pub(super) fn load<T>(
        &self,
        locator: &Locator,
        part: Part,
        skipped: &mut Skipped,
        take: impl FnOnce(RawMessage<'_>) -> Result<T, Reason>,
    ) -> Result<Option<T>> {
        self.check_cancelled()?;
        let mut buffer = MessageBuffer::new(part);
        let (mut take, mut taken) = (Some(take), None);
        let read = self.read(locator, &mut buffer)?;
        offer(read, locator.clone(), &buffer, skipped, &mut |raw| {
            if let Some(take) = take.take() {
                taken = Some(take(raw)?);
            }
            Ok(Walk::Stop)
        });
        Ok(taken)
    }

    /// Fills the buffer with one message; the inner error is why it has to be skipped.
    fn read(&self, locator: &Locator, buffer: &mut MessageBuffer) -> Result<Result<(), Reason>> {
        match locator {
            Locator::Byte(position) => {
                let mut file = self.open_file(&self.path)?;
                file.seek(SeekFrom::Start(*position))
                    .map_err(|error| self.broken(&self.path, error))?;
                match MboxReader::new(file, *position).next(buffer) {
                    Ok(Some(found)) if found == *position => Ok(Ok(())),
                    Err(ReadError::Io(error)) => Err(self.broken(&self.path, error)),
                    _ => Ok(Err("the mailbox changed while it was read")),
                }
            }
            Locator::File(relative) => {
                let path = self.path.join(relative);
                let Some(shown) = path.to_str() else {
                    return Ok(Err("the file name is not UTF-8"));
                };
                let path = match self.access.readable(shown, &self.context) {
                    Ok(path) => path,
                    Err(error) if error.code() == ErrorCode::NotFound => {
                        return Ok(Err("the file was moved or deleted while the mailbox was read"));
                    }
                    Err(_) => return Ok(Err("the file may not be read")),
                };
                if !path.is_file() {
                    return Ok(Err("not a regular file"));
                }
                match self
                    .open_file(&path)
                    .and_then(|file| self.read_file(file, &path, buffer))
                {
                    Err(error) if error.code() != ErrorCode::Cancelled => Ok(Err("the file cannot be read")),
                    result => result.map(Ok),
                }
            }
        }
    }

    fn read_file(&self, file: MailFile, path: &Path, buffer: &mut MessageBuffer) -> Result<()> {
        buffer.clear();
        let mut lines = Lines::new(file, 0);
        while let Some(line) = lines.next().map_err(|error| self.broken(path, error))? {
            buffer.push(line.bytes, line.is_start);
            if buffer.is_complete() {
                break;
            }
        }
        Ok(())
    }

    fn open_file(&self, path: &Path) -> Result<MailFile> {
        let file = File::open(path).map_err(|error| read_error(path, error))?;
        Ok(BufReader::with_capacity(
            64 << 10,
            Cancellable {
                file,
                cancellation: self.context.cancellation.clone(),
            },
        ))
    }

    fn check_cancelled(&self) -> Result<()> {
        check(&self.context.cancellation)
    }

    fn broken(&self, path: &Path, error: std::io::Error) -> Error {
        self.check_cancelled()
            .err()
            .unwrap_or_else(|| read_error(path, error))
    }
}

/// Gives a message to the visitor, or counts it as skipped.
fn offer(
    read: Result<(), Reason>,
    locator: Locator,
    buffer: &MessageBuffer,
    skipped: &mut Skipped,
    visit: &mut impl FnMut(RawMessage<'_>) -> Result<Walk, Reason>,
) -> Walk {
    let outcome = read.and_then(|()| {
        if buffer.has_oversized_headers() {
            return Err("its headers are larger than 512 KiB");
        }
        if parse::is_folder_data(buffer.bytes()) {
            return Ok(Walk::Continue);
        }
        let state = match &locator {
            Locator::Byte(_) => None,
            Locator::File(relative) => Some(maildir::state(relative)),
        };
        visit(RawMessage {
            buffer,
            locator: locator.clone(),
            state,
        })
    });
    outcome.unwrap_or_else(|reason| {
        skipped.push(&locator, reason);
        Walk::Continue
    })
}

fn invalid(path: &Path, message: &str) -> Error {
    Error::new(ErrorCode::InvalidData, message).with_context("path", path.display())
}

type MailFile = BufReader<Cancellable>;

/// A file whose reading ends when the caller no longer wants the answer, even inside one huge message.
#[derive(Debug)]
struct Cancellable {
    file: File,
    cancellation: CancellationToken,
}

impl Read for Cancellable {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.cancellation.is_cancelled() {
            return Err(std::io::Error::other("cancelled"));
        }
        self.file.read(buffer)
    }
}

impl Seek for Cancellable {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(position)
    }
}
