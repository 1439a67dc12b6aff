//! The Docker Engine API over its Unix socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use atom_core::{Error, ErrorCode, Result};
use reqwest::{Method, RequestBuilder, Response, StatusCode, redirect};
use serde_json::Value;
use url::Url;

use crate::http::distrusting_tls;

/// The socket that is used when nothing says otherwise.
const USUAL_SOCKET: &str = "/var/run/docker.sock";

/// How long the container engine may take for what it answers at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest answer that is read, in bytes.
const MAXIMUM_ANSWER: usize = 4 * 1024 * 1024;

/// How much of a message of the container engine an error shows, in characters.
const SHOWN_MESSAGE: usize = 500;

/// A container engine.
#[derive(Debug)]
pub(super) struct Docker {
    client: reqwest::Client,
    base: Url,
}

impl Docker {
    /// Finds the engine and asks which version of the interface it speaks.
    ///
    /// # Errors
    /// `unavailable` when nothing answers at the socket, `unsupported` for a `DOCKER_HOST` that is no Unix socket.
    pub(super) async fn connect(socket: Option<&Path>) -> Result<Self> {
        let socket = match socket {
            Some(socket) => socket.to_owned(),
            None => from_environment(std::env::var("DOCKER_HOST").ok().as_deref())?,
        };
        let internal =
            |error| Error::internal("no client for the container engine can be made").with_source(error);
        let client = reqwest::Client::builder()
            .unix_socket(socket.clone())
            .http1_only()
            .no_proxy()
            .referer(false)
            .redirect(redirect::Policy::none())
            // The library insists on TLS, which nothing here uses.
            .tls_backend_preconfigured(distrusting_tls()?)
            .build()
            .map_err(internal)?;
        let mut docker = Self {
            client,
            base: Url::parse("http://docker/")
                .map_err(|error| Error::internal("the base of the interface is no URL").with_source(error))?,
        };
        let answer = docker
            .request(Method::GET, &["_ping"], &[])?
            .timeout(PATIENCE)
            .send()
            .await
            .map_err(|error| {
                let message = "no container engine answers; start Docker or Podman, or set 'processes.container_socket' or DOCKER_HOST to its socket";
                Error::new(ErrorCode::Unavailable, message)
                    .with_context("socket", socket.display())
                    .with_source(error.without_url())
            })?;
        let version = answer
            .headers()
            .get("api-version")
            .and_then(|version| version.to_str().ok())
            .filter(|version| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
            .map(|version| format!("v{version}/"));
        if let Some(version) = version.filter(|_| answer.status().is_success()) {
            docker.base.set_path(&version);
        } else {
            let message = "what answers at the socket is no container engine with the interface of Docker";
            return Err(Error::new(ErrorCode::Upstream, message).with_context("socket", socket.display()));
        }
        Ok(docker)
    }

    /// A request to a resource below the version.
    fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> Result<RequestBuilder> {
        let mut address = self.base.clone();
        address
            .path_segments_mut()
            .map_err(|()| Error::internal("the base of the interface takes no path"))?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            address.query_pairs_mut().extend_pairs(query);
        }
        Ok(self.client.request(method, address))
    }

    /// Sends a request whose answer is read whole, and gives the status and the JSON in it, `null` for none.
    ///
    /// # Errors
    /// `unavailable` when no answer comes.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value)> {
        let mut request = self.request(method, path, query)?.timeout(PATIENCE);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let mut answer = request.send().await.map_err(broken)?;
        let status = answer.status();
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            if text.len() + chunk.len() > MAXIMUM_ANSWER {
                let message = "the container engine answered more than is read";
                return Err(Error::new(ErrorCode::LimitExceeded, message));
            }
            text.extend_from_slice(&chunk);
        }
        Ok((status, serde_json::from_slice(&text).unwrap_or_default()))
    }

    /// As [`ask`](Self::ask), for a request that must succeed.
    ///
    /// # Errors
    /// As [`ask`](Self::ask), and [`failed`] for another status than of success.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value> {
        match self.ask(Method::GET, path, query, None).await? {
            (status, answer) if status.is_success() => Ok(answer),
            (status, answer) => Err(failed(status, &answer)),
        }
    }

    /// Sends a request whose answer comes little by little.
    ///
    /// # Errors
    /// `unavailable` when no answer comes, and [`failed`] for another status than of success.
    pub(super) async fn stream(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Response> {
        let answer = self.request(method, path, query)?.send().await.map_err(broken)?;
        succeeded(answer).await
    }

    /// Opens a stream to a container's standard input.
    ///
    /// # Errors
    /// As [`stream`](Self::stream).
    pub(super) async fn attach(&self, container: &str) -> Result<reqwest::Upgraded> {
        let query = [("stream", "1"), ("stdin", "1")];
        let request = self
            .request(Method::POST, &["containers", container, "attach"], &query)?
            .header("connection", "Upgrade")
            .header("upgrade", "tcp");
        let answer = tokio::time::timeout(PATIENCE, request.send())
            .await
            .map_err(|_| {
                let message = "the container engine does not answer in time";
                Error::new(ErrorCode::Unavailable, message)
            })?
            .map_err(broken)?;
        let answer = if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            answer
        } else {
            succeeded(answer).await?
        };
        answer.upgrade().await.map_err(broken)
    }
}

async fn succeeded(answer: Response) -> Result<Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let text = tokio::time::timeout(PATIENCE, answer.text()).await;
    let text = text.ok().and_then(std::result::Result::ok).unwrap_or_default();
    Err(failed(status, &serde_json::from_str(&text).unwrap_or_default()))
}

/// The error for a refusal of the container engine, with its message.
pub(super) fn failed(status: StatusCode, answer: &Value) -> Error {
    let code = match status.as_u16() {
        400 => ErrorCode::InvalidRequest,
        404 => ErrorCode::NotFound,
        409 => ErrorCode::Conflict,
        503 => ErrorCode::Unavailable,
        _ => ErrorCode::Upstream,
    };
    let message = answer
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or("it said no more");
    let message: String = message.chars().take(SHOWN_MESSAGE).collect();
    Error::new(code, format!("the container engine answered {status}: {message}"))
}

pub(super) fn broken(error: reqwest::Error) -> Error {
    let message = "the connection to the container engine broke";
    Error::new(ErrorCode::Unavailable, message).with_source(error.without_url())
}

/// The socket that `DOCKER_HOST` names, or the usual one.
fn from_environment(host: Option<&str>) -> Result<PathBuf> {
    match host.filter(|host| !host.is_empty()) {
        None => Ok(USUAL_SOCKET.into()),
        Some(host) => match host.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => Ok(path.into()),
            _ => {
                let message = "DOCKER_HOST names no Unix socket; containers run over unix:///path/to/socket only, which 'processes.container_socket' sets, too";
                Err(Error::new(ErrorCode::Unsupported, message))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_may_name_a_unix_socket() {
        assert_eq!(from_environment(None).unwrap(), Path::new(USUAL_SOCKET));
        assert_eq!(from_environment(Some("")).unwrap(), Path::new(USUAL_SOCKET));
        assert_eq!(
            from_environment(Some("unix:///run/podman.sock")).unwrap(),
            Path::new("/run/podman.sock")
        );
        for host in ["tcp://127.0.0.1:2375", "ssh://host", "unix://relative"] {
            assert_eq!(
                from_environment(Some(host)).unwrap_err().code(),
                ErrorCode::Unsupported
            );
        }
    }

    #[tokio::test]
    async fn an_absent_engine_is_named_with_its_socket() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("none.sock");
        let error = Docker::connect(Some(&socket)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unavailable);
        assert!(error.message().contains("processes.container_socket"), "{error}");
        assert_eq!(error.context()["socket"], socket.display().to_string());
    }
}
