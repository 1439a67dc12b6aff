//! One container from its creation, or from where it is found again, to its removal.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use atom_core::{Error, ErrorCode, Result};
use reqwest::{Method, StatusCode, Upgraded};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::Cleanup;
use super::api::{Docker, broken, failed};
use super::describe::{Description, KEY_LABEL};
use super::image;
use super::logs::Streams;
use super::sweeper::Sweeper;
use crate::process::given::Given;
use crate::process::outcome::Outcome;
use crate::process::supervisor::{Process, Stop, closed, unwanted};

/// How long a container that is stopped has to end by itself, in seconds.
const STOP_SECONDS: &str = "2";

/// A container to run.
#[derive(Debug)]
pub(super) struct Container {
    docker: Arc<Docker>,
    sweeper: Arc<Sweeper>,
    wanted: Description,
    given: Given,
    /// Its id, once it is there.
    id: String,
    /// Cannot be shared between threads, and so neither can the container: whatever waits takes it by `&mut`.
    stdin: Option<Upgraded>,
}

impl Container {
    pub(super) fn new(docker: Arc<Docker>, sweeper: Arc<Sweeper>, wanted: Description, given: Given) -> Self {
        Self {
            docker,
            sweeper,
            wanted,
            given,
            id: String::new(),
            stdin: None,
        }
    }

    /// Masks what the container was given in a message of the container engine.
    fn masked(&self, error: Error) -> Error {
        self.given
            .mask_error(error)
            .with_context("container", &self.wanted.name)
    }

    /// The container that an earlier try of the same call has left, if its result can be relied on.
    async fn find(&mut self) -> Result<Option<String>> {
        if !self.wanted.is_repeatable {
            return Ok(None);
        }
        let filters = json!({ "label": [format!("{KEY_LABEL}={}", self.wanted.key)] }).to_string();
        let query = [("all", "true"), ("filters", filters.as_str())];
        let found = self.docker.get(&["containers", "json"], &query).await?;
        for container in found.as_array().into_iter().flatten() {
            let id = text(container, "/Id")?;
            let has_begun = matches!(
                container.get("State").and_then(Value::as_str),
                Some("running" | "paused" | "restarting" | "exited")
            );
            // How much of its standard input it has got is unknown.
            if has_begun && self.given.stdin.is_none() {
                return Ok(Some(id));
            }
            remove(&self.docker, &id).await?;
        }
        Ok(None)
    }

    async fn create(&mut self, stop: &Stop) -> Result<()> {
        let default_command = image::provide(&self.docker, &self.wanted, stop).await?;
        let body = self.wanted.body(&self.given, default_command);
        let query = [("name", self.wanted.name.as_str())];
        let path = ["containers", "create"];
        let (status, answer) = self.docker.ask(Method::POST, &path, &query, Some(&body)).await?;
        if status == StatusCode::CONFLICT {
            let message = "a container of this name is there already; remove it, or make the name unique with an expression that holds $workflow.id";
            return Err(Error::new(ErrorCode::Conflict, message));
        }
        if !status.is_success() {
            return Err(failed(status, &answer));
        }
        self.id = text(&answer, "/Id")?;
        Ok(())
    }

    async fn begin(&mut self) -> Result<()> {
        // Before it starts, so that it finds its input from the first moment.
        if self.given.stdin.is_some() {
            self.stdin = Some(self.docker.attach(&self.id).await?);
        }
        let path = ["containers", self.id.as_str(), "start"];
        let (status, answer) = self.docker.ask(Method::POST, &path, &[], None).await?;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(());
        }
        Err(failed(status, &answer))
    }

    /// Feeds and listens to the container until it has ended.
    async fn attend(&mut self) -> Result<Outcome> {
        let (stdin, text) = (self.stdin.take(), self.given.stdin.take());
        let write = async {
            let (Some(mut stdin), Some(text)) = (stdin, text) else {
                return Ok(());
            };
            let written = async {
                stdin.write_all(text.as_bytes()).await?;
                stdin.shutdown().await
            };
            match written.await {
                // Nobody has to read all of it.
                Err(error) if !is_closed(&error) => {
                    let message = "the standard input of the container broke";
                    Err(Error::new(ErrorCode::Unavailable, message).with_source(error))
                }
                _ => Ok(()),
            }
        };
        let read = async {
            let query = [("follow", "true"), ("stdout", "true"), ("stderr", "true")];
            let path = ["containers", self.id.as_str(), "logs"];
            let mut logs = self.docker.stream(Method::GET, &path, &query).await?;
            let mut streams = Streams::default();
            while let Some(chunk) = logs.chunk().await.map_err(broken)? {
                streams.take(&chunk)?;
            }
            Ok(streams)
        };
        let ((), streams) = tokio::try_join!(write, read)?;
        let path = ["containers", self.id.as_str(), "wait"];
        let answer = self.docker.stream(Method::POST, &path, &[]).await?;
        let answer = answer.text().await.map_err(broken)?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let code = answer.get("StatusCode").and_then(Value::as_i64).ok_or_else(|| {
            Error::new(
                ErrorCode::Upstream,
                "the container engine does not say how the container ended",
            )
        })?;
        Ok(Outcome {
            code,
            stdout: streams.stdout,
            stderr: streams.stderr,
        })
    }

    async fn stop(&mut self) {
        let (path, query) = (["containers", self.id.as_str(), "stop"], [("t", STOP_SECONDS)]);
        match self.docker.ask(Method::POST, &path, &query, None).await {
            Ok((status, _)) if status.is_success() => {}
            // It has ended, or is gone, already.
            Ok((StatusCode::NOT_MODIFIED | StatusCode::NOT_FOUND, _)) => {}
            Ok((status, _)) => {
                tracing::warn!(container = self.id, %status, "a container could not be stopped")
            }
            Err(error) => tracing::warn!(container = self.id, %error, "a container could not be stopped"),
        }
    }

    async fn clean_up(&mut self) {
        match self.wanted.lifetime.cleanup {
            Cleanup::Always => {
                if let Err(error) = remove(&self.docker, &self.id).await {
                    tracing::warn!(container = self.id, %error, "a container could not be removed");
                }
            }
            Cleanup::Eventually => self.sweeper.wake(),
            Cleanup::Never => {}
        }
    }
}

#[async_trait]
impl Process for Container {
    async fn start(&mut self, stop: &Stop) -> Result<()> {
        match self.find().await {
            Ok(Some(id)) => {
                self.id = id;
                return Ok(());
            }
            Ok(None) => {}
            Err(error) => return Err(self.masked(error)),
        }
        if let Err(error) = self.create(stop).await {
            return Err(self.masked(error));
        }
        if let Err(error) = self.begin().await {
            if let Err(error) = remove(&self.docker, &self.id).await {
                tracing::warn!(container = self.id, %error, "a container that did not start could not be removed");
            }
            return Err(self.masked(error));
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>, stop: &Stop) -> Result<Outcome> {
        let outcome = tokio::select! {
            biased;
            outcome = self.attend() => outcome,
            () = stop.stopped() => {
                if stop.is_postponed() {
                    return Err(closed());
                }
                Err(unwanted())
            }
        };
        if outcome.is_err() {
            self.stop().await;
        }
        self.clean_up().await;
        outcome.map_err(|error| self.masked(error))
    }
}

/// Removes a container and its anonymous volumes, even if it runs.
///
/// # Errors
/// As [`failed`]; none when it is gone already.
pub(super) async fn remove(docker: &Docker, id: &str) -> Result<()> {
    let query = [("force", "true"), ("v", "true")];
    match docker
        .ask(Method::DELETE, &["containers", id], &query, None)
        .await?
    {
        (status, _) if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
        (status, answer) => Err(failed(status, &answer)),
    }
}

pub(super) fn text(answer: &Value, pointer: &str) -> Result<String> {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| {
        let message = format!("the answer of the container engine lacks '{pointer}'");
        Error::new(ErrorCode::Upstream, message)
    })
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}
