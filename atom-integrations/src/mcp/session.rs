//! One session with a server: the handshake, the request with its pages, and what its answer means.

use atom_core::{Error, ErrorCode, FunctionContext, Result};
use rmcp::model::{
    ClientCapabilities, ClientConfig, ClientRequest, CustomRequest, Implementation, ProtocolVersion,
    ServerResult,
};
use rmcp::service::{ClientInitializeError, Peer, ServiceError};
use rmcp::{RoleClient, serve_client};
use serde_json::{Map, Value, json};

use super::channel::Channel;
use super::request::{McpClient, McpMethod};
use crate::json_rpc::{error, malformed, shown, tool_error};

/// The versions of the protocol that begin with a handshake.
const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// The version that the language asks for where a document names none.
const DEFAULT_VERSION: &str = "2025-06-18";
/// How many pages of a list are fetched.
const MAXIMUM_PAGES: usize = 100;
/// Where the idempotency key of the call stands in `_meta`.
const IDEMPOTENCY_KEY: &str = "atom/idempotencyKey";

/// What is asked in a session.
pub(super) struct Session {
    method: McpMethod,
    parameters: Map<String, Value>,
    client: ClientConfig,
}

impl Session {
    /// # Errors
    /// `invalid_request` for parameters that are no object, `unsupported` for a version without a handshake.
    pub(super) fn new(
        method: McpMethod,
        parameters: Option<Value>,
        version: Option<String>,
        client: Option<McpClient>,
        context: &FunctionContext,
    ) -> Result<Self> {
        let mut parameters = match parameters.unwrap_or_default() {
            Value::Null => Map::new(),
            Value::Object(parameters) => parameters,
            _ => return Err(Error::invalid_request("'parameters' must be an object")),
        };
        let meta = parameters.entry("_meta").or_insert_with(|| json!({}));
        let meta = meta
            .as_object_mut()
            .ok_or_else(|| Error::invalid_request("'_meta' of the parameters must be an object"))?;
        meta.entry(IDEMPOTENCY_KEY)
            .or_insert_with(|| Value::String(context.idempotency_key.clone()));
        let version = version.unwrap_or_else(|| DEFAULT_VERSION.to_owned());
        let client = client.map_or_else(
            || Implementation::new("atom", env!("CARGO_PKG_VERSION")),
            |client| Implementation::new(client.name, client.version),
        );
        Ok(Self {
            method,
            parameters,
            client: ClientConfig::new(ClientCapabilities::default(), client)
                .with_protocol_version(spoken(&version)?),
        })
    }

    /// Begins the session, asks, and ends it.
    ///
    /// # Errors
    /// The server's own; `upstream` with what a tool says that failed; `invalid_data` and `limit_exceeded` for
    /// lists that are none or have no end.
    pub(super) async fn run(self, channel: Channel) -> Result<Value> {
        let service = serve_client(self.client, channel).await.map_err(of_handshake)?;
        let peer = service.peer();
        let version = peer.peer_info().map(|server| server.protocol_version.to_string());
        let result = match spoken(&version.unwrap_or_default()) {
            Ok(_) => ask(peer, self.method, self.parameters).await,
            Err(error) => Err(error),
        };
        // The library's task ends before the call does. It fails only when it panics, and the result is there.
        let _ = service.cancel().await;
        result
    }
}

fn spoken(version: &str) -> Result<ProtocolVersion> {
    if VERSIONS.contains(&version) {
        return serde_json::from_value(json!(version))
            .map_err(|error| Error::internal("the version cannot be written").with_source(error));
    }
    let message = format!(
        "this engine does not speak the version '{}' of MCP, but {}",
        shown(version),
        VERSIONS.join(", ")
    );
    Err(Error::new(ErrorCode::Unsupported, message))
}

async fn ask(peer: &Peer<RoleClient>, method: McpMethod, parameters: Map<String, Value>) -> Result<Value> {
    match method.list() {
        Some(list) if !parameters.contains_key("cursor") => pages(peer, method, list, parameters).await,
        _ => {
            let result = request(peer, method, parameters).await?;
            if method == McpMethod::CallTool && result.get("isError") == Some(&Value::Bool(true)) {
                return Err(tool_error(&text(&result)));
            }
            Ok(result)
        }
    }
}

/// Fetches a list page after page, and gives the first page with the whole list.
async fn pages(
    peer: &Peer<RoleClient>,
    method: McpMethod,
    list: &str,
    mut parameters: Map<String, Value>,
) -> Result<Value> {
    let mut whole: Option<Value> = None;
    for _ in 0..MAXIMUM_PAGES {
        let mut page = request(peer, method, parameters.clone()).await?;
        let Some(Value::Array(items)) = page.get_mut(list).map(Value::take) else {
            return Err(malformed(
                "MCP server",
                &format!("answered a result without the list '{list}'"),
            ));
        };
        let next = page
            .as_object_mut()
            .and_then(|page| page.remove("nextCursor"))
            .filter(|cursor| !cursor.is_null());
        let whole = whole.get_or_insert(page);
        match &mut whole[list] {
            Value::Array(all) => all.extend(items),
            empty => *empty = Value::Array(items),
        }
        match next {
            Some(cursor) => parameters.insert("cursor".to_owned(), cursor),
            None => return Ok(whole.take()),
        };
    }
    let message = format!("the list has more than {MAXIMUM_PAGES} pages; give a 'cursor' to get one of them");
    Err(Error::new(ErrorCode::LimitExceeded, message))
}

async fn request(
    peer: &Peer<RoleClient>,
    method: McpMethod,
    parameters: Map<String, Value>,
) -> Result<Value> {
    let request = CustomRequest::new(method.name(), Some(Value::Object(parameters)));
    match peer.send_request(ClientRequest::CustomRequest(request)).await {
        Ok(ServerResult::CustomResult(result)) if result.0.is_object() => Ok(result.0),
        Ok(_) => Err(malformed("MCP server", "answered a result that is no object")),
        Err(ServiceError::McpError(failure)) => {
            Err(error("MCP server", i64::from(failure.code.0), &failure.message))
        }
        Err(_) => Err(closed()),
    }
}

/// What the failed handshake means. The library's own messages may repeat data, so they are left out.
fn of_handshake(failure: ClientInitializeError) -> Error {
    match failure {
        ClientInitializeError::JsonRpcError(failure) => {
            error("MCP server", i64::from(failure.code.0), &failure.message)
        }
        ClientInitializeError::ConnectionClosed(_) | ClientInitializeError::TransportError { .. } => closed(),
        _ => malformed("MCP server", "did not answer the handshake as its protocol asks"),
    }
}

fn closed() -> Error {
    Error::new(
        ErrorCode::Unavailable,
        "the MCP server ended the session before it answered",
    )
}

/// What a tool says, of all that it may give.
fn text(result: &Value) -> String {
    let content = result.get("content").and_then(Value::as_array);
    let texts: Vec<_> = content
        .into_iter()
        .flatten()
        .filter_map(|part| part.get("text")?.as_str())
        .collect();
    texts.join(" ")
}
