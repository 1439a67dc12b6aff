//! Images: whether they are here, and getting them.

use atom_core::{Error, ErrorCode, Result};
use reqwest::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::api::{Docker, broken, failed};
use super::describe::Description;
use crate::process::supervisor::{Stop, unwanted};

/// The longest line of a pull's progress that is read, in bytes.
const MAXIMUM_LINE: usize = 1024 * 1024;

/// When an image is pulled from its registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum PullPolicy {
    /// When it is not here.
    #[default]
    IfNotPresent,
    /// Before every run.
    Always,
    /// Not at all.
    Never,
}

/// Gets the image where it has to be and gives its default command.
///
/// # Errors
/// `not_found` for an image that is not here and must not be pulled, or that the registry does not have.
pub(super) async fn provide(docker: &Docker, wanted: &Description, stop: &Stop) -> Result<Vec<Value>> {
    let path: Vec<_> = ["images"]
        .into_iter()
        .chain(wanted.image.split('/'))
        .chain(["json"])
        .collect();
    if wanted.pull_policy != PullPolicy::Always {
        match docker.ask(Method::GET, &path, &[], None).await? {
            (status, image) if status.is_success() => return Ok(default_command(&image)),
            (StatusCode::NOT_FOUND, _) if wanted.pull_policy == PullPolicy::IfNotPresent => {}
            (StatusCode::NOT_FOUND, _) => {
                let message = "the image is not here, and 'pullPolicy: never' forbids to pull it";
                return Err(Error::not_found(message).with_context("image", &wanted.image));
            }
            (status, answer) => return Err(failed(status, &answer)),
        }
    }
    tokio::select! {
        biased;
        () = stop.stopped() => return Err(unwanted()),
        pulled = pull(docker, &wanted.image) => pulled.map_err(|error| error.with_context("image", &wanted.image))?,
    }
    Ok(default_command(&docker.get(&path, &[]).await?))
}

fn default_command(image: &Value) -> Vec<Value> {
    let command = image.pointer("/Config/Cmd").and_then(Value::as_array);
    command.cloned().unwrap_or_default()
}

/// Pulls an image. The answer succeeds before the pull does: what goes wrong stands in its lines.
async fn pull(docker: &Docker, image: &str) -> Result<()> {
    let (name, tag) = split(image);
    let query = [("fromImage", name), ("tag", tag)];
    let mut progress = docker.stream(Method::POST, &["images", "create"], &query).await?;
    let mut line = Vec::new();
    while let Some(chunk) = progress.chunk().await.map_err(broken)? {
        for byte in chunk {
            if byte == b'\n' {
                check(&line)?;
                line.clear();
            } else if line.len() < MAXIMUM_LINE {
                line.push(byte);
            }
        }
    }
    check(&line)
}

fn check(line: &[u8]) -> Result<()> {
    let line: Value = serde_json::from_slice(line).unwrap_or_default();
    match line.get("error").and_then(Value::as_str) {
        None => Ok(()),
        Some(error) => {
            let error: String = error.chars().take(500).collect();
            Err(Error::new(
                ErrorCode::Upstream,
                format!("the image cannot be pulled: {error}"),
            ))
        }
    }
}

/// The repository of an image, and its tag or digest. Without a tag every one of them would be pulled.
fn split(image: &str) -> (&str, &str) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, digest);
    }
    match image.rsplit_once(':') {
        // A colon before a slash belongs to the registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_split_where_its_tag_begins() {
        for (image, name, tag) in [
            ("alpine", "alpine", "latest"),
            ("alpine:3.20", "alpine", "3.20"),
            ("localhost:5000/team/app", "localhost:5000/team/app", "latest"),
            ("localhost:5000/app:1", "localhost:5000/app", "1"),
            ("alpine@sha256:abc", "alpine", "sha256:abc"),
        ] {
            assert_eq!(split(image), (name, tag));
        }
    }

    #[test]
    fn a_failed_pull_says_why_in_a_line() {
        assert!(check(br#"{"status":"Pulling"}"#).is_ok());
        assert!(check(b"").is_ok());
        let error = check(br#"{"error":"manifest unknown"}"#).unwrap_err();
        assert!(error.message().contains("manifest unknown"));
    }
}
