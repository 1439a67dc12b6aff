//! Connectors for files on this machine: mailboxes, calendars, task lists and folders.
//!
//! What they may touch is decided by the host application with [`FileAccess`], never by a request.

mod access;
mod answer;
pub(crate) mod blocking;
mod calendar_file;
mod folder;
mod mailbox;
mod markdown;
mod replace;
mod task_file;
mod text;
mod walk;

pub use access::FileAccess;
pub(crate) use access::read_error;

use atom_core::{Connector, Result};

/// Every local connector.
///
/// # Errors
/// `internal` when a manifest and its code disagree, which the tests rule out.
pub fn connectors(access: FileAccess) -> Result<Vec<Connector>> {
    Ok(vec![
        calendar_file::connector(access.clone())?,
        folder::connector(access.clone())?,
        task_file::connector(access.clone())?,
        mailbox::connector(access)?,
    ])
}
