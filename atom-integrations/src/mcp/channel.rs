//! The transport of the protocol's library: two bounded queues, with a carrier at their other end that is a part
//! of the call, so that it ends with it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use atom_core::{Error, ErrorCode, Result};
use rmcp::RoleClient;
use rmcp::model::{
    ClientJsonRpcMessage, CustomResult, JsonRpcMessage, JsonRpcResponse, JsonRpcVersion2_0, RequestId,
    ServerJsonRpcMessage, ServerResult,
};
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::json_rpc::malformed;

/// How many messages may wait on the way in one direction.
const CAPACITY: usize = 16;
/// How many messages a server may send in one session.
const MAXIMUM_MESSAGES: usize = 10_000;

/// The library's end.
pub(super) struct Channel {
    outgoing: mpsc::Sender<ClientJsonRpcMessage>,
    incoming: mpsc::Receiver<ServerJsonRpcMessage>,
}

/// The carrier's end.
pub(super) struct Link {
    pub(super) outgoing: mpsc::Receiver<ClientJsonRpcMessage>,
    pub(super) inbox: Inbox,
}

/// Where a carrier puts what the server says.
pub(super) struct Inbox {
    messages: mpsc::Sender<ServerJsonRpcMessage>,
    version: OnceLock<String>,
    /// How many bytes the server may send in all.
    limit: u64,
    bytes: AtomicU64,
    count: AtomicUsize,
}

/// The two ends, for a server that may send `limit` bytes.
pub(super) fn pair(limit: u64) -> (Channel, Link) {
    let (outgoing, to_server) = mpsc::channel(CAPACITY);
    let (messages, incoming) = mpsc::channel(CAPACITY);
    let inbox = Inbox {
        messages,
        version: OnceLock::new(),
        limit,
        bytes: AtomicU64::new(0),
        count: AtomicUsize::new(0),
    };
    let link = Link {
        outgoing: to_server,
        inbox,
    };
    (Channel { outgoing, incoming }, link)
}

/// The carrier is gone.
#[derive(Debug, thiserror::Error)]
#[error("the connection to the MCP server is closed")]
pub(super) struct Closed;

impl Transport<RoleClient> for Channel {
    type Error = Closed;

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Closed>> + Send + 'static {
        let outgoing = self.outgoing.clone();
        async move { outgoing.send(message).await.map_err(|_| Closed) }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        self.incoming.recv().await
    }

    async fn close(&mut self) -> Result<(), Closed> {
        self.incoming.close();
        Ok(())
    }
}

impl Inbox {
    /// Passes on what the server says in so many bytes, a message or a list of them, and gives the ids that were
    /// answered.
    ///
    /// # Errors
    /// `invalid_data` for what is no message, `limit_exceeded` for too many.
    pub(super) async fn deliver(&self, value: Value, length: usize) -> Result<Vec<RequestId>> {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let before = self.bytes.fetch_add(length, Ordering::Relaxed);
        if before.saturating_add(length) > self.limit {
            return Err(self.too_long());
        }
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        let mut answered = Vec::new();
        for value in values {
            if self.count.fetch_add(1, Ordering::Relaxed) >= MAXIMUM_MESSAGES {
                let message = format!("the MCP server sent more than {MAXIMUM_MESSAGES} messages");
                return Err(Error::new(ErrorCode::LimitExceeded, message));
            }
            let message = self.read(value)?;
            match &message {
                JsonRpcMessage::Response(response) => answered.push(response.id.clone()),
                JsonRpcMessage::Error(error) => answered.extend(error.id.clone()),
                JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => {}
            }
            // A session that has ended wants no more messages.
            let _ = self.messages.send(message).await;
        }
        Ok(answered)
    }

    /// The error for a server that sends more than it may.
    pub(super) fn too_long(&self) -> Error {
        let message = format!(
            "the MCP server sent more than {} bytes; raise the setting http.maximum_response_bytes",
            self.limit
        );
        Error::new(ErrorCode::LimitExceeded, message)
    }

    /// The version of the protocol, once the server has answered it.
    pub(super) fn version(&self) -> Option<&str> {
        self.version.get().map(String::as_str)
    }

    /// Reads a message. The library's types hold what it knows; results other than that of the handshake stay as
    /// the server wrote them, for the workflow.
    fn read(&self, mut value: Value) -> Result<ServerJsonRpcMessage> {
        let is_response = value.get("result").is_some() && value.get("method").is_none();
        if is_response && self.version.get().is_some() {
            let fields = (value.get("jsonrpc") == Some(&Value::from("2.0")))
                .then(|| Some((id(value.get("id")?)?, value.get_mut("result")?.take())))
                .flatten();
            let (id, result) = fields.ok_or_else(|| malformed("MCP server", "sent a malformed response"))?;
            return Ok(JsonRpcMessage::Response(JsonRpcResponse {
                jsonrpc: JsonRpcVersion2_0,
                id,
                result: ServerResult::CustomResult(CustomResult(result)),
            }));
        }
        let version = value
            .pointer("/result/protocolVersion")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let message = serde_json::from_value(value).map_err(|error| {
            malformed("MCP server", "sent something that is no message of its protocol").with_source(error)
        })?;
        if let Some(version) = version {
            self.version.get_or_init(|| version);
        }
        Ok(message)
    }
}

fn id(value: &Value) -> Option<RequestId> {
    serde_json::from_value(value.clone()).ok()
}
