//! HTTP as far as a stand-in needs it.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use url::Url;

/// The longest body that is read, in bytes.
const MAXIMUM_BODY: usize = 8 * 1024 * 1024;

/// A request as it came over the socket.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// The version in front of the path, e.g. `v1.44`.
    pub(super) version: Option<String>,
    /// The decoded parts of the path below the version.
    pub(super) path: Vec<String>,
    pub(super) query: BTreeMap<String, String>,
    /// By lower-case name.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Method and path, with the id of a container left out.
    pub(super) fn name(&self) -> String {
        let path: Vec<_> = self
            .path
            .iter()
            .map(|part| if part.len() == 64 { "{id}" } else { part.as_str() })
            .collect();
        format!("{} /{}", self.method, path.join("/"))
    }
}

/// Reads a request; none when the connection has ended.
pub(super) async fn read(stream: &mut BufReader<UnixStream>) -> io::Result<Option<Request>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(malformed());
    };
    let address = Url::parse(&format!("http://docker{target}")).map_err(|_| malformed())?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(Ok(0), |length| length.parse());
    let length: usize = length.map_err(|_| malformed())?;
    if length > MAXIMUM_BODY {
        return Err(malformed());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let mut path: Vec<String> = address
        .path_segments()
        .into_iter()
        .flatten()
        .map(|part| {
            percent_encoding::percent_decode_str(part)
                .decode_utf8_lossy()
                .into_owned()
        })
        .collect();
    let is_version = path.first().is_some_and(|first| {
        first
            .strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
    });
    let version = is_version.then(|| path.remove(0));
    Ok(Some(Request {
        method: method.to_owned(),
        version,
        path,
        query: address.query_pairs().into_owned().collect(),
        headers,
        body,
    }))
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn text(status: u16, text: &str) -> Self {
        Self {
            status,
            content_type: "text/plain",
            body: text.as_bytes().to_vec(),
        }
    }

    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            body: value.to_string().into_bytes(),
        }
    }

    pub(super) fn error(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "message": message }))
    }

    pub(super) fn bytes(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            content_type: "application/vnd.docker.multiplexed-stream",
            body,
        }
    }

    pub(super) async fn write(self, stream: &mut UnixStream) -> io::Result<()> {
        let head = format!("HTTP/1.1 {} status\r\nApi-Version: 1.44\r\n", self.status);
        stream.write_all(head.as_bytes()).await?;
        // These two have no body at all.
        if matches!(self.status, 204 | 304) {
            stream.write_all(b"\r\n").await?;
            return stream.flush().await;
        }
        let head = format!(
            "Content-Type: {}\r\nContent-Length: {}\r\n\r\n",
            self.content_type,
            self.body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&self.body).await?;
        stream.flush().await
    }
}
