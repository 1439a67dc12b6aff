//! A loopback HTTP server for tests: it answers as a closure says and remembers what it was asked.
//!
//! ```
//! use atom_integrations::http::testing::{TestResponse, TestServer};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let server = TestServer::start(|_request| TestResponse::json(&serde_json::json!({ "id": 1 }))).await?;
//! assert!(server.uri("/pets").starts_with("http://127.0.0.1:"));
//! assert!(server.requests().is_empty());
//! # Ok::<(), std::io::Error>(()) }).unwrap();
//! ```

mod authority;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use authority::{AuthorityConfig, TestAuthority};

/// The longest request head or body that is read, in bytes.
const MAXIMUM_LENGTH: usize = 8 * 1024 * 1024;

/// A request as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The headers in their order, with lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl RecordedRequest {
    /// The first header of this name, which must be given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    is_stalling: bool,
}

impl TestResponse {
    /// An answer without headers and body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            is_stalling: false,
        }
    }

    /// A body of this content type, with status 200.
    #[must_use]
    pub fn body(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::status(200).with_header("Content-Type", content_type)
        }
    }

    /// A JSON body, with status 200.
    #[must_use]
    pub fn json(value: &Value) -> Self {
        Self::body("application/json", value.to_string())
    }

    /// A redirect.
    #[must_use]
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).with_header("Location", location)
    }

    /// Replaces the status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Announces one more byte of body than it sends, and keeps the connection open.
    #[must_use]
    pub fn stalling(mut self) -> Self {
        self.is_stalling = true;
        self
    }
}

type Handler = dyn Fn(&RecordedRequest) -> TestResponse + Send + Sync;

/// A loopback HTTP server that stops when it is dropped.
#[derive(Debug)]
pub struct TestServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<RecordedRequest>>>,
    received: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl TestServer {
    /// Listens on a free port and answers as `handler` says.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(
        handler: impl Fn(&RecordedRequest) -> TestResponse + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let requests = Arc::default();
        let (sender, received) = watch::channel(0);
        let log = Log {
            requests: Arc::clone(&requests),
            sender: Arc::new(sender),
        };
        let task = tokio::spawn(accept(listener, log, Arc::new(handler)));
        Ok(Self {
            address,
            requests,
            received,
            task,
        })
    }

    /// The URI of a path, which starts with `/`.
    #[must_use]
    pub fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was asked so far.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until this many requests have come, whether they are answered or not.
    pub async fn received(&self, count: usize) {
        let mut received = self.received.clone();
        // The sender is gone only when the server is, and then nothing more will come.
        let _ = received.wait_for(|received| *received >= count).await;
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Log {
    requests: Arc<Mutex<Vec<RecordedRequest>>>,
    sender: Arc<watch::Sender<usize>>,
}

impl Log {
    fn add(&self, request: RecordedRequest) {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request);
        self.sender.send_modify(|count| *count += 1);
    }
}

async fn accept(listener: TcpListener, log: Log, handler: Arc<Handler>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // A client that goes away early ends its connection only.
        connections.spawn(serve(stream, log.clone(), Arc::clone(&handler)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut stream: TcpStream, log: Log, handler: Arc<Handler>) -> io::Result<()> {
    let Some(request) = read_request(&mut stream).await? else {
        return Ok(());
    };
    let response = handler(&request);
    let has_body = request.method != "HEAD";
    log.add(request);
    let length = response.body.len() + usize::from(response.is_stalling);
    let mut head = format!(
        "HTTP/1.1 {} Test\r\nContent-Length: {length}\r\nConnection: close\r\n",
        response.status
    );
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    if has_body {
        stream.write_all(&response.body).await?;
    }
    if response.is_stalling {
        // Waits for the client to give up.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    stream.shutdown().await
}

pub(crate) async fn read_request(stream: &mut TcpStream) -> io::Result<Option<RecordedRequest>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > MAXIMUM_LENGTH || stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut body = bytes.split_off(end + 4);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = RecordedRequest {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: Vec::new(),
    };
    let length = request
        .header("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    while body.len() < length && length <= MAXIMUM_LENGTH {
        if stream.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    request.body = body;
    Ok(Some(request))
}
