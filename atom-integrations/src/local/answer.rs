//! What the answers of several connectors have in common: their length, how they name files, and what they
//! tell of things that were not read.

use std::path::{Path, PathBuf};

use atom_core::{Error, FunctionContext, Result};
use schemars::JsonSchema;
use serde::Serialize;

/// How many results an answer holds at most.
const MAX_LIMIT: usize = 10_000;
/// How many skipped items an answer names.
const MAX_SKIPPED: usize = 100;

/// How many results to return: as many as wanted, or else the usual number.
///
/// # Errors
/// `invalid_request` for none or more than 10000.
pub(crate) fn limit(wanted: Option<usize>, usual: usize) -> Result<usize> {
    match wanted.unwrap_or(usual) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        limit => Err(Error::invalid_request(format!(
            "the limit {limit} is not between 1 and {MAX_LIMIT}"
        ))),
    }
}

/// Something that was not read, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Skipped {
    /// The file or folder.
    pub(crate) path: String,
    /// The line, counted from 1, when only that is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// Why.
    pub(crate) reason: String,
}

/// What was skipped, of bounded length.
#[derive(Debug, Default)]
pub(crate) struct SkippedList {
    items: Vec<Skipped>,
    unnamed: usize,
}

impl SkippedList {
    /// Adds an item, or counts it when the list is full.
    pub(crate) fn push(&mut self, path: &str, line: Option<usize>, reason: impl Into<String>) {
        if self.items.len() < MAX_SKIPPED {
            self.items.push(Skipped {
                path: path.to_owned(),
                line,
                reason: reason.into(),
            });
        } else {
            self.unnamed += 1;
        }
    }

    /// The items, with a last one that tells how many more there are.
    pub(crate) fn into_items(mut self, root: &str) -> Vec<Skipped> {
        if self.unnamed > 0 {
            let reason = format!("{} more were skipped", self.unnamed);
            self.items.push(Skipped {
                path: root.to_owned(),
                line: None,
                reason,
            });
        }
        self.items
    }
}

/// How a path is written in answers: relative to the call's directory when it lies below it, with `/` between
/// folders, so that it can be given back in a later call.
#[derive(Clone, Debug)]
pub(crate) struct ShownPaths {
    directory: Option<PathBuf>,
}

impl ShownPaths {
    pub(crate) fn new(context: &FunctionContext) -> Self {
        Self {
            directory: context
                .directory
                .as_ref()
                .and_then(|directory| directory.canonicalize().ok()),
        }
    }

    /// Paths relative to a folder.
    #[cfg(test)]
    pub(crate) fn below(folder: &Path) -> Self {
        Self {
            directory: folder.canonicalize().ok(),
        }
    }

    pub(crate) fn show(&self, path: &Path) -> String {
        let relative = self
            .directory
            .as_ref()
            .and_then(|directory| path.strip_prefix(directory).ok());
        match relative {
            Some(relative) if relative.as_os_str().is_empty() => ".".to_owned(),
            Some(relative) => with_slashes(relative),
            None => with_slashes(path),
        }
    }
}

/// A path with `/` between its folders on every system.
pub(crate) fn with_slashes(path: &Path) -> String {
    path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_skipped_items_is_cut_and_says_so() {
        let mut skipped = SkippedList::default();
        (0..150).for_each(|number| skipped.push(&number.to_string(), None, "broken"));
        let items = skipped.into_items("notes");
        assert_eq!(items.len(), 101);
        assert_eq!(items[100].reason, "50 more were skipped");
    }
}
