//! The arguments of `call: mcp`.

use atom_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::call::Endpoint;

/// The arguments of `call: mcp`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct McpRequest {
    /// What is asked of the server.
    pub(super) method: McpMethod,
    /// The parameters of the method, an object. With a `cursor` a list is one page, without it all of them.
    #[serde(default)]
    pub(super) parameters: Option<Value>,
    /// How the server is reached.
    pub(super) transport: McpTransport,
    /// How long the call may take, from beginning the session to ending it.
    #[serde(default)]
    pub(super) timeout: Option<McpTimeout>,
    /// The version of the protocol that the session is begun with, `2025-06-18` unless given. A server may
    /// answer with another one from `2024-11-05` to `2025-11-25`.
    #[serde(default, rename = "protocolVersion")]
    pub(super) protocol_version: Option<String>,
    /// What the caller calls itself.
    #[serde(default)]
    pub(super) client: Option<McpClient>,
}

/// The methods that a workflow may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) enum McpMethod {
    #[serde(rename = "tools/list")]
    ListTools,
    #[serde(rename = "tools/call")]
    CallTool,
    #[serde(rename = "prompts/list")]
    ListPrompts,
    #[serde(rename = "prompts/get")]
    GetPrompt,
    #[serde(rename = "resources/list")]
    ListResources,
    #[serde(rename = "resources/read")]
    ReadResource,
    #[serde(rename = "resources/templates/list")]
    ListResourceTemplates,
}

impl McpMethod {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ListTools => "tools/list",
            Self::CallTool => "tools/call",
            Self::ListPrompts => "prompts/list",
            Self::GetPrompt => "prompts/get",
            Self::ListResources => "resources/list",
            Self::ReadResource => "resources/read",
            Self::ListResourceTemplates => "resources/templates/list",
        }
    }

    /// The list in the result of a method whose result comes in pages.
    pub(super) fn list(self) -> Option<&'static str> {
        match self {
            Self::ListTools => Some("tools"),
            Self::ListPrompts => Some("prompts"),
            Self::ListResources => Some("resources"),
            Self::ListResourceTemplates => Some("resourceTemplates"),
            Self::CallTool | Self::GetPrompt | Self::ReadResource => None,
        }
    }
}

/// How a server is reached: one of the two.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct McpTransport {
    /// Over streamable HTTP.
    #[serde(default)]
    http: Option<HttpServer>,
    /// As a process of its own.
    #[serde(default)]
    stdio: Option<StdioServer>,
    /// Options of the transport; the specification names none.
    #[serde(default, rename = "options")]
    _options: Option<McpOptions>,
}

/// No options.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct McpOptions {}

pub(super) enum Transport {
    Http(HttpServer),
    Stdio(StdioServer),
}

impl McpTransport {
    pub(super) fn choice(self) -> Result<Transport> {
        match (self.http, self.stdio) {
            (Some(http), None) => Ok(Transport::Http(http)),
            (None, Some(stdio)) => Ok(Transport::Stdio(stdio)),
            _ => Err(Error::invalid_request(
                "'transport' needs one of 'http' and 'stdio'",
            )),
        }
    }
}

/// A server that is reached over HTTP.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "McpHttpServer")]
pub(super) struct HttpServer {
    /// Where it is: a URI, or an object with `uri` and `authentication`.
    pub(super) endpoint: Endpoint,
    /// Headers by name.
    #[serde(default)]
    pub(super) headers: Option<Map<String, Value>>,
}

/// A server that is started.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "McpStdioServer")]
pub(super) struct StdioServer {
    /// The command: a name that is looked for on the `PATH`, or the path of a file.
    pub(super) command: String,
    /// Its arguments.
    #[serde(default)]
    pub(super) arguments: Option<Vec<String>>,
    /// Its environment, besides the `PATH`.
    #[serde(default)]
    pub(super) environment: Option<Map<String, Value>>,
}

/// A length of time: the sum of its fields.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub(super) struct McpTimeout {
    days: u64,
    hours: u64,
    minutes: u64,
    seconds: u64,
    milliseconds: u64,
}

impl McpTimeout {
    pub(super) fn milliseconds(&self) -> u64 {
        [
            (self.days, 86_400_000),
            (self.hours, 3_600_000),
            (self.minutes, 60_000),
            (self.seconds, 1000),
            (self.milliseconds, 1),
        ]
        .into_iter()
        .fold(0, |sum: u64, (count, length)| {
            sum.saturating_add(count.saturating_mul(length))
        })
    }
}

/// What the caller calls itself.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct McpClient {
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
}
