//! Connectors for files on this machine: mailboxes, calendars, task lists and folders.
//!
//! What they may touch is decided by the host application with [`FileAccess`], never by a request.

mod access;
mod blocking;
mod folder;
mod mailbox;
mod markdown;
mod replace;
mod text;
mod walk;

pub use access::FileAccess;

use atom_core::{Connector, Result};

/// Every local connector.
///
/// # Errors
/// `internal` when a manifest and its code disagree, which the tests rule out.
pub fn connectors(access: FileAccess) -> Result<Vec<Connector>> {
    Ok(vec![folder::connector(access.clone())?, mailbox::connector(access)?])
}
