//! A loopback WebSocket server for tests: it sends what it is told to, checks the handshake, and remembers what it
//! got.
//!
//! ```
//! use atom_integrations::asyncapi::testing::{Script, TestSocket};
//! use serde_json::json;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let socket = TestSocket::start([Script::new([json!({ "n": 1 })])]).await?;
//! assert!(socket.connections().is_empty() && socket.port() > 0);
//! # Ok::<(), std::io::Error>(()) }).unwrap();
//! ```

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, http};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// What the server does with one connection.
#[derive(Clone, Debug)]
pub struct Script {
    messages: Vec<Message>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// The client must close.
    Wait,
    Close(Option<u16>),
    Drop,
    Refuse(u16),
}

impl Script {
    /// Sends these messages as JSON, then waits for the client to close.
    #[must_use]
    pub fn new(messages: impl IntoIterator<Item = Value>) -> Self {
        Self {
            messages: messages
                .into_iter()
                .map(|message| Message::text(message.to_string()))
                .collect(),
            end: End::Wait,
        }
    }

    /// The same, and then these bytes.
    #[must_use]
    pub fn and_bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.messages.push(Message::binary(bytes.into()));
        self
    }

    /// The same, but closes the connection with this code at the end.
    #[must_use]
    pub fn and_close(mut self, code: u16) -> Self {
        self.end = End::Close(Some(code));
        self
    }

    /// The same, but closes the connection at the end without saying why.
    #[must_use]
    pub fn and_close_without_code(mut self) -> Self {
        self.end = End::Close(None);
        self
    }

    /// The same, but drops the connection at the end without a word.
    #[must_use]
    pub fn and_drop(mut self) -> Self {
        self.end = End::Drop;
        self
    }

    /// Refuses the connection with this status of HTTP.
    #[must_use]
    pub fn refuse(status: u16) -> Self {
        Self {
            messages: Vec::new(),
            end: End::Refuse(status),
        }
    }
}

/// A connection that came.
#[derive(Clone, Debug, Default)]
pub struct RecordedConnection {
    /// Path and query.
    pub target: String,
    /// The headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The messages that came from the client.
    pub messages: Vec<String>,
    /// Whether the client closed it properly.
    pub is_closed: bool,
}

/// A server on the loopback interface, until it is dropped.
#[derive(Debug)]
pub struct TestSocket {
    address: SocketAddr,
    log: Arc<watch::Sender<Vec<RecordedConnection>>>,
    task: tokio::task::JoinHandle<()>,
}

impl TestSocket {
    /// Starts a server that follows one script after the other, and the last for all that come later.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(scripts: impl IntoIterator<Item = Script>) -> io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let log = Arc::new(watch::Sender::new(Vec::new()));
        let scripts: Vec<_> = scripts.into_iter().collect();
        let shared = Arc::clone(&log);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            let mut count = 0_usize;
            while let Ok((stream, _)) = listener.accept().await {
                let Some(script) = scripts.get(count).or(scripts.last()).cloned() else {
                    return;
                };
                count += 1;
                let log = Arc::clone(&shared);
                // A client that breaks the protocol is told by the broken connection.
                connections.spawn(async move { serve(stream, script, &log).await });
            }
        });
        Ok(Self { address, log, task })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The connections so far, refused ones included.
    #[must_use]
    pub fn connections(&self) -> Vec<RecordedConnection> {
        self.log.borrow().clone()
    }

    /// Waits until the connections are as they should be.
    pub async fn until(&self, is_so: impl FnMut(&Vec<RecordedConnection>) -> bool) {
        // The sender lives in `self`.
        let _ = self.log.subscribe().wait_for(is_so).await;
    }
}

impl Drop for TestSocket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[expect(clippy::result_large_err, reason = "the library wants the refusal like that")]
async fn serve(
    stream: TcpStream,
    script: Script,
    log: &watch::Sender<Vec<RecordedConnection>>,
) -> Option<()> {
    let place = Mutex::new(0);
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let headers = request.headers().iter().map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        });
        let connection = RecordedConnection {
            target: request.uri().to_string(),
            headers: headers.collect(),
            ..RecordedConnection::default()
        };
        log.send_modify(|log| {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = log.len();
            log.push(connection);
        });
        match script.end {
            End::Refuse(status) => {
                let mut refusal = http::Response::new(None);
                *refusal.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
                Err(refusal)
            }
            _ => Ok(response),
        }
    };
    let mut socket = accept_hdr_async(stream, note).await.ok()?;
    let place = *place.lock().unwrap_or_else(PoisonError::into_inner);
    let update = |change: &dyn Fn(&mut RecordedConnection)| {
        log.send_modify(|log| {
            if let Some(connection) = log.get_mut(place) {
                change(connection);
            }
        });
    };
    for message in script.messages {
        socket.send(message).await.ok()?;
    }
    match script.end {
        End::Drop | End::Refuse(_) => return None,
        End::Close(code) => close(&mut socket, code).await?,
        End::Wait => {}
    }
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Close(_) => update(&|connection| connection.is_closed = true),
            Message::Text(_) | Message::Binary(_) => {
                let text = String::from_utf8_lossy(&message.into_data()).into_owned();
                update(&|connection| connection.messages.push(text.clone()));
            }
            _ => {}
        }
    }
    Some(())
}

async fn close(socket: &mut WebSocketStream<TcpStream>, code: Option<u16>) -> Option<()> {
    let frame = code.map(|code| CloseFrame {
        code: code.into(),
        reason: Default::default(),
    });
    socket.close(frame).await.ok()
}
