//! JSON that the person gives: on the command line, in a file or through standard input.

use std::fs::File;
use std::io::{self, Read};

use atom_engine::api::MAX_REQUEST_BYTES;
use serde_json::Value;

use super::error::CommandError;

/// Reads JSON: the text itself, `@FILE` for the content of a file, or `-` for standard input.
pub(super) fn read(argument: &str) -> Result<Value, CommandError> {
    let (source, text) = if argument == "-" {
        (
            "standard input",
            read_limited(io::stdin().lock(), "standard input")?,
        )
    } else if let Some(path) = argument.strip_prefix('@') {
        (path, read_file(path.as_ref())?)
    } else {
        ("the JSON on the command line", argument.to_owned())
    };
    serde_json::from_str(&text).map_err(|error| CommandError::Usage(format!("{source} is not JSON: {error}")))
}

/// The text of a file.
pub(super) fn read_file(path: &std::path::Path) -> Result<String, CommandError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
    read_limited(file, &name)
}

fn read_limited(source: impl Read, name: &str) -> Result<String, CommandError> {
    let limit = u64::try_from(MAX_REQUEST_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    source
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(name, &error))?;
    if bytes.len() > MAX_REQUEST_BYTES {
        return Err(CommandError::Usage(format!(
            "{name} has more than {MAX_REQUEST_BYTES} bytes"
        )));
    }
    String::from_utf8(bytes).map_err(|_| CommandError::Usage(format!("{name} is not UTF-8 text")))
}

fn unreadable(name: &str, error: &io::Error) -> CommandError {
    CommandError::Usage(format!("{name} cannot be read: {error}"))
}
