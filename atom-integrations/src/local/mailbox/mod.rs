//! Mail in files: mbox in all its kinds, Maildir and Maildir++, Gmail Takeout.
//!
//! A mailbox is walked one message at a time. Of a message larger than 64 MiB only the headers are kept, and
//! one whose headers are larger than 512 KiB is skipped; both are reported. Lists hold positions in a bounded
//! heap, and only the messages returned are read whole.

mod body;
mod buffer;
mod index;
mod maildir;
mod newest;
mod operations;
mod parse;
mod reader;
mod source;
mod state;
mod threads;
mod time;

#[cfg(test)]
mod tests;

use atom_core::Result;
use atom_core::connector::{Connector, Manifest};

use super::FileAccess;

/// The connector `mailbox`.
///
/// # Errors
/// `internal` or `invalid_data` when the manifest and the code disagree, which the tests rule out.
pub(crate) fn connector(access: FileAccess) -> Result<Connector> {
    let manifest = Manifest::from_toml(include_str!("mailbox.toml"))?;
    let summary = |name: &str| {
        manifest
            .operation(name)
            .map(|operation| operation.summary.clone())
            .unwrap_or_default()
    };
    let functions = operations::functions(&access, summary);
    Connector::new(manifest, functions)
}
