//! A channel of a document, with what an operation says about it.

use atom_core::{Error, Result};
use serde_json::Value;

use super::document::{Dialect, Document, malformed, missing};
use super::members;
use super::message::{Message, Outbound};
use super::server::fill;
use crate::http::encoding::{climbs, percent};

/// A channel, ready to be used.
#[derive(Debug)]
pub(super) struct Channel {
    /// Its path on the server, with `{name}` for parameters.
    address: String,
    parameters: Vec<(String, Parameter)>,
    /// The names of the servers that offer it; `None` for all of them.
    pub(super) servers: Option<Vec<String>>,
    /// What the operation is about; none when the document does not say.
    pub(super) messages: Vec<Message>,
    /// What else comes through the channel.
    pub(super) others: Vec<Message>,
    /// The HTTP method of the operation, when its binding names one.
    pub(super) method: Option<String>,
    /// The content type of a message of which the document says nothing.
    pub(super) content_type: String,
}

/// What a parameter of an address stands for.
#[derive(Debug, Default)]
struct Parameter {
    default: Option<String>,
    /// Where in the message it stands: a runtime expression of AsyncAPI.
    location: Option<String>,
}

impl Channel {
    /// The channel of an operation: its name in AsyncAPI 3, its `operationId` in AsyncAPI 2.
    ///
    /// # Errors
    /// `not_found` when there is none, `invalid_data` and `unsupported` as [`Document::resolve`].
    pub(super) fn of_operation(document: &Document, name: &str) -> Result<Self> {
        match document.dialect {
            Dialect::Three => {
                let operation = document.named("operations", "operation", name)?;
                let item = operation
                    .get("channel")
                    .ok_or_else(|| malformed(&format!("the operation '{name}' has no channel")))?;
                Self::three(document, document.resolve(item)?, operation)
            }
            Dialect::Two => {
                let mut names = Vec::new();
                for (address, item) in members(document.root.get("channels")) {
                    let item = document.resolve(item)?;
                    for kind in ["publish", "subscribe"] {
                        let Some(operation) = item.get(kind) else { continue };
                        match operation.get("operationId").and_then(Value::as_str) {
                            Some(id) if id == name => return Self::two(document, address, item, operation),
                            Some(id) => names.push(id),
                            None => {}
                        }
                    }
                }
                Err(missing("operation", name, names.into_iter()))
            }
        }
    }

    /// A channel of AsyncAPI 2, to publish or to subscribe.
    ///
    /// # Errors
    /// `invalid_request` for a document of AsyncAPI 3, `not_found` for a channel or operation that is not there,
    /// `invalid_data` and `unsupported` as [`Document::resolve`].
    pub(super) fn of_channel(document: &Document, address: &str, publishes: bool) -> Result<Self> {
        if document.dialect == Dialect::Three {
            let message = "a document of AsyncAPI 3 is called by its operations; use 'operation'";
            return Err(Error::invalid_request(message));
        }
        let item = document.named("channels", "channel", address)?;
        let kind = if publishes { "publish" } else { "subscribe" };
        let operation = item
            .get(kind)
            .ok_or_else(|| Error::not_found(format!("the channel '{address}' has no operation '{kind}'")))?;
        Self::two(document, address, item, operation)
    }

    fn two(document: &Document, address: &str, item: &Value, operation: &Value) -> Result<Self> {
        let names = |servers: &Value| {
            let names = servers.as_array()?.iter();
            Some(
                names
                    .filter_map(|name| name.as_str().map(str::to_owned))
                    .collect(),
            )
        };
        let messages = match operation.get("message") {
            None => Vec::new(),
            Some(message) => {
                let message = document.resolve(message)?;
                match message.get("oneOf").and_then(Value::as_array) {
                    Some(choices) => choices
                        .iter()
                        .map(|choice| Message::new(document, choice))
                        .collect(),
                    None => vec![Message::new(document, message)],
                }
            }
        };
        Ok(Self {
            address: address.to_owned(),
            parameters: parameters(document, item)?,
            servers: item
                .get("servers")
                .and_then(names)
                .filter(|names: &Vec<_>| !names.is_empty()),
            messages: messages.into_iter().collect::<Result<_>>()?,
            others: Vec::new(),
            method: method(document, operation)?,
            content_type: document.content_type().to_owned(),
        })
    }

    fn three(document: &Document, item: &Value, operation: &Value) -> Result<Self> {
        let own: Vec<_> = members(item.get("messages"))
            .map(|(_, message)| message)
            .collect();
        let (messages, others) = match operation.get("messages").and_then(Value::as_array) {
            None => (own, Vec::new()),
            Some(chosen) => {
                let chosen = chosen.iter().map(|message| document.resolve(message));
                let chosen = chosen.collect::<Result<Vec<_>>>()?;
                let mut others = Vec::new();
                for message in own {
                    let message = document.resolve(message)?;
                    if !chosen.iter().any(|each| std::ptr::eq(*each, message)) {
                        others.push(message);
                    }
                }
                (chosen, others)
            }
        };
        let read = |messages: Vec<&Value>| {
            let messages = messages
                .into_iter()
                .map(|message| Message::new(document, message));
            messages.collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            // Without an address the channel is the server itself.
            address: item
                .get("address")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            parameters: parameters(document, item)?,
            servers: servers(item)?,
            messages: read(messages)?,
            others: read(others)?,
            method: method(document, operation)?,
            content_type: document.content_type().to_owned(),
        })
    }

    /// Its path with every parameter filled: from the message, where the document says so, or by its default.
    ///
    /// # Errors
    /// `invalid_request` for a parameter without a value, or one that makes a step up the path.
    pub(super) fn address(&self, message: Option<&Outbound>) -> Result<String> {
        let address = fill(&self.address, |_, name| {
            let parameter = self.parameters.iter().find(|(key, _)| key == name);
            let (location, default) = parameter.map_or((None, None), |(_, parameter)| {
                (parameter.location.as_deref(), parameter.default.as_deref())
            });
            let told = message
                .zip(location)
                .and_then(|(message, location)| message.at(location));
            let value = told.or_else(|| default.map(str::to_owned)).ok_or_else(|| {
                Error::invalid_request(format!(
                    "the channel's parameter '{name}' has neither a default nor a value in the message"
                ))
            })?;
            Ok(percent(&value))
        })?;
        if climbs(&address) {
            let message = "the channel's parameters must not make a segment '.' or '..' of its address";
            return Err(Error::invalid_request(message));
        }
        Ok(address)
    }

    /// # Errors
    /// `invalid_request` when a message fits none of those that the operation is about, `unsupported` as
    /// [`Message::new`].
    pub(super) fn check_outbound(&self, outbound: &Outbound) -> Result<()> {
        let mut problem = None;
        for message in &self.messages {
            match message.misfit(&outbound.payload, Some(&outbound.headers)) {
                None => return Ok(()),
                Some(misfit) => problem = problem.or(Some(misfit)),
            }
        }
        problem.map_or(Ok(()), |misfit| {
            Err(Error::invalid_request(format!(
                "the message does not fit the document: {misfit}"
            )))
        })
    }

    /// The content type of what is published.
    pub(super) fn outbound_type(&self) -> &str {
        let own = self
            .messages
            .iter()
            .find_map(|message| message.content_type.as_deref());
        own.unwrap_or(&self.content_type)
    }
}

/// The servers that a channel of AsyncAPI 3 refers to.
fn servers(item: &Value) -> Result<Option<Vec<String>>> {
    let Some(references) = item
        .get("servers")
        .and_then(Value::as_array)
        .filter(|all| !all.is_empty())
    else {
        return Ok(None);
    };
    let name = |reference: &Value| {
        let name = reference.get("$ref")?.as_str()?.strip_prefix("#/servers/")?;
        Some(name.replace("~1", "/").replace("~0", "~"))
    };
    let names = references.iter().map(|reference| {
        name(reference).ok_or_else(|| malformed("a channel's server is no reference to '#/servers'"))
    });
    names.collect::<Result<_>>().map(Some)
}

fn parameters(document: &Document, item: &Value) -> Result<Vec<(String, Parameter)>> {
    members(item.get("parameters"))
        .map(|(name, value)| {
            let value = document.resolve(value)?;
            let text = |holder: Option<&Value>, key: &str| {
                holder
                    .and_then(|holder| holder.get(key))
                    .and_then(Value::as_str)
                    .map(str::to_owned)
            };
            let default = text(Some(value), "default").or_else(|| text(value.get("schema"), "default"));
            let location = text(Some(value), "location");
            Ok((name.clone(), Parameter { default, location }))
        })
        .collect()
}

fn method(document: &Document, operation: &Value) -> Result<Option<String>> {
    let Some(bindings) = operation.get("bindings") else {
        return Ok(None);
    };
    let Some(binding) = document.resolve(bindings)?.get("http") else {
        return Ok(None);
    };
    let method = document.resolve(binding)?.get("method").and_then(Value::as_str);
    Ok(method.map(str::to_owned))
}
