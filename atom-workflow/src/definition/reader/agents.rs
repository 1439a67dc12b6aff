//! Calls of agents and of their tools: A2A and MCP.

use atom_core::Result;

use super::cursor::{Cursor, shortened};
use super::data::optional;
use super::{Reader, formats};

const A2A_METHODS: [&str; 11] = [
    "message/send",
    "message/stream",
    "tasks/get",
    "tasks/list",
    "tasks/cancel",
    "tasks/resubscribe",
    "tasks/pushNotificationConfig/set",
    "tasks/pushNotificationConfig/get",
    "tasks/pushNotificationConfig/list",
    "tasks/pushNotificationConfig/delete",
    "agent/getAuthenticatedExtendedCard",
];

const MCP_METHODS: [&str; 7] = [
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/read",
    "resources/templates/list",
];

/// The versions of MCP that begin with a handshake.
const MCP_VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

impl<'t> Reader<'t> {
    pub(super) fn a2a(&mut self, cursor: &Cursor<'t>) -> Result<()> {
        let with = cursor.object(&["agentCard", "server", "method", "parameters"])?;
        if !with.has("agentCard") && !with.has("server") {
            return Err(cursor.error("the agent is missing; give its 'agentCard' or its 'server'"));
        }
        optional(with.get("agentCard"), |card| self.external_resource(card))?;
        optional(with.get("server"), |server| self.endpoint(server))?;
        with.require("method")?.choice(&A2A_METHODS)?;
        optional(with.get("parameters"), |parameters| match parameters.as_text() {
            Some(_) => Ok(()),
            None => parameters.any_object()?.filled().map(drop),
        })
    }

    pub(super) fn mcp(&mut self, with: &Cursor<'t>) -> Result<()> {
        let with = with.object(&[
            "protocolVersion",
            "method",
            "parameters",
            "timeout",
            "transport",
            "client",
        ])?;
        if let Some(version) = with.get("protocolVersion") {
            let name = version.text()?;
            if !MCP_VERSIONS.contains(&name) && !formats::is_runtime_expression(name) {
                self.lacks(&version, format!("call: mcp in the version {}", shortened(name)))?;
            }
        }
        with.require("method")?.choice(&MCP_METHODS)?;
        optional(with.get("parameters"), |parameters| match parameters.as_text() {
            Some(_) => Ok(()),
            None => parameters.any_object().map(drop),
        })?;
        optional(with.get("timeout"), |timeout| self.duration(timeout).map(drop))?;
        let transport = with.require("transport")?.object(&["http", "stdio", "options"])?;
        match transport.one_of(&["http", "stdio"])? {
            ("http", http) => {
                let http = http.object(&["endpoint", "headers"])?;
                self.endpoint(&http.require("endpoint")?)?;
                optional(http.get("headers"), Cursor::text_object)?;
            }
            (_, stdio) => {
                let stdio = stdio.object(&["command", "arguments", "environment"])?;
                stdio.require("command")?.text()?;
                optional(stdio.get("arguments"), |arguments| arguments.texts().map(drop))?;
                optional(stdio.get("environment"), Cursor::text_object)?;
            }
        }
        if let Some(options) = transport.get("options") {
            options.text_object()?;
            // The specification names no option, so each would be passed over.
            if let Some((name, option)) = options.any_object()?.members().next() {
                self.lacks(
                    &option,
                    format!("call: mcp with the transport option '{}'", shortened(name)),
                )?;
            }
        }
        optional(with.get("client"), |client| {
            let client = client.object(&["name", "version"])?;
            client.require("name")?.text()?;
            client.require("version")?.text().map(drop)
        })
    }
}
