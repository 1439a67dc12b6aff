//! Which server of a document is called, and where it is.

use atom_core::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::channel::Channel;
use super::document::{Dialect, Document, malformed};
use super::{members, unsupported};
use crate::http::target::check_uri;

/// The server of a call.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AsyncApiServer")]
pub(super) struct Server {
    /// Its name in the document.
    name: String,
    /// The values of its variables: texts, numbers or booleans. They are data, so they may not change what part of
    /// the address they stand in, or lead into another.
    #[serde(default)]
    variables: Option<Map<String, Value>>,
}

/// How messages are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Each in a request, or all in one long answer.
    Http,
    /// RFC 6455.
    WebSocket,
}

/// Where a server is, in the manner of HTTP: WebSocket connections begin as such.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) protocol: Protocol,
    pub(super) uri: Url,
}

impl Address {
    /// The address of a channel on this server.
    ///
    /// # Errors
    /// `invalid_data` when both together are no URI.
    pub(super) fn with_path(&self, path: &str) -> Result<Self> {
        let base = self.uri.as_str().trim_end_matches('/');
        let uri = match path.trim_start_matches('/') {
            "" => base.to_owned(),
            path => format!("{base}/{path}"),
        };
        let uri = Url::parse(&uri)
            .map_err(|error| malformed("server and channel make no URI").with_source(error))?;
        Ok(Self {
            protocol: self.protocol,
            uri,
        })
    }
}

/// The server that a call names, or the first that offers the channel and speaks the protocol.
///
/// # Errors
/// `not_found` when there is none, `unsupported` for a protocol that is not carried out, `invalid_request` for
/// variables that do not fit, `invalid_data` for a server without a valid address.
pub(super) fn choose(
    document: &Document,
    channel: &Channel,
    named: Option<&Server>,
    protocol: Option<&str>,
) -> Result<Address> {
    let (name, server) = match named {
        Some(named) => {
            let server = document.named("servers", "server", &named.name)?;
            if let Some(servers) = channel
                .servers
                .as_ref()
                .filter(|servers| !servers.contains(&named.name))
            {
                return Err(Error::not_found(format!(
                    "the server '{}' does not offer the channel; its servers are: {}",
                    named.name,
                    servers.join(", ")
                )));
            }
            (named.name.as_str(), server)
        }
        None => first(document, channel, protocol)?,
    };
    let variables = named.and_then(|named| named.variables.as_ref());
    address(document, name, server, variables)
}

/// The first server, in the order of the channel or else of the document.
fn first<'d>(
    document: &'d Document,
    channel: &'d Channel,
    protocol: Option<&str>,
) -> Result<(&'d str, &'d Value)> {
    let all = members(document.root.get("servers")).map(|(name, _)| name);
    let names: Vec<_> = channel
        .servers
        .as_ref()
        .map_or_else(|| all.collect(), |servers| servers.iter().collect());
    for name in names {
        let server = document.named("servers", "server", name)?;
        // The protocols with TLS are not in the language's list, but meant by it.
        let speaks = |protocol: &str| {
            let own = protocol_of(server);
            own == protocol || own.strip_suffix('s') == Some(protocol)
        };
        if protocol.is_none_or(speaks) {
            return Ok((name, server));
        }
    }
    let protocol = protocol.map_or_else(String::new, |protocol| format!(" that speaks {protocol}"));
    Err(Error::not_found(format!(
        "no server of the document offers the channel{protocol}"
    )))
}

fn protocol_of(server: &Value) -> String {
    let protocol = server.get("protocol").and_then(Value::as_str);
    protocol.unwrap_or_default().to_ascii_lowercase()
}

fn address(
    document: &Document,
    name: &str,
    server: &Value,
    variables: Option<&Map<String, Value>>,
) -> Result<Address> {
    let own = protocol_of(server);
    let (protocol, scheme) = match own.as_str() {
        "http" => (Protocol::Http, "http"),
        "https" => (Protocol::Http, "https"),
        "ws" => (Protocol::WebSocket, "http"),
        "wss" => (Protocol::WebSocket, "https"),
        other => {
            let other: String = other.chars().take(40).collect();
            return Err(unsupported(format!(
                "the server '{name}' speaks '{other}', which is not supported; http, https, ws and wss are. Name \
                 another one with 'server' or 'protocol'"
            )));
        }
    };
    let text = |key: &str| server.get(key).and_then(Value::as_str);
    let written = match document.dialect {
        Dialect::Two => text("url").map(str::to_owned),
        Dialect::Three => text("host").map(|host| {
            let path = text("pathname").unwrap_or_default().trim_start_matches('/');
            format!("{host}/{path}")
        }),
    };
    let without_address = || malformed(&format!("the server '{name}' has no address"));
    let written = written.ok_or_else(without_address)?;
    let filled = fill(&written, |before, variable| {
        value(document, server, variable, variables, Part::after(before))
    })?;
    if let Some(unknown) =
        variables.and_then(|all| all.keys().find(|key| !written.contains(&format!("{{{key}}}"))))
    {
        let message = format!("the server '{name}' has no variable '{unknown}' in its address");
        return Err(Error::invalid_request(message));
    }
    let rest = without_scheme(&filled);
    // The parser would take the path for the host.
    if rest.starts_with(['/', '\\']) {
        return Err(without_address());
    }
    let uri = Url::parse(&format!("{scheme}://{rest}")).map_err(|error| {
        malformed(&format!("the address of the server '{name}' is no URI")).with_source(error)
    })?;
    check_uri(&uri)?;
    Ok(Address { protocol, uri })
}

/// An address without its scheme, in whose place stands the protocol of the server.
fn without_scheme(address: &str) -> &str {
    let is_scheme = |text: &str| {
        let name = text.strip_suffix(':').unwrap_or("?");
        text.is_empty() || name.chars().all(|letter| letter.is_ascii_alphanumeric())
    };
    match address.split_once("//") {
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        _ => address,
    }
}

/// Where in an address a variable stands, which decides what its value may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Up to the path; a query counts as such, too.
    Host,
    Path,
}

impl Part {
    /// The part that goes on after this beginning of an address.
    fn after(beginning: &str) -> Self {
        let beginning = without_scheme(beginning);
        if beginning.contains('/') && !beginning.contains(['?', '#']) {
            Self::Path
        } else {
            Self::Host
        }
    }

    /// # Errors
    /// `invalid_request`, naming the variable, for a value that would not be a piece of this part alone.
    fn check(self, name: &str, value: &str) -> Result<()> {
        let message = match self {
            Self::Host => {
                let is_unreserved = |letter: char| letter.is_ascii_alphanumeric() || "-._~".contains(letter);
                if !value.is_empty() && value.chars().all(is_unreserved) {
                    return Ok(());
                }
                "must be letters, digits, '-', '.', '_' and '~' only, as it decides which host is called"
            }
            Self::Path => {
                let is_unsafe = |letter: char| {
                    letter.is_control() || letter.is_whitespace() || "/?#@\\%".contains(letter)
                };
                let is_step = !value.is_empty() && value.chars().all(|letter| letter == '.');
                if !is_step && !value.contains(is_unsafe) {
                    return Ok(());
                }
                "must be one piece of a path: without spaces and '/?#@\\%', and not '.' or '..'"
            }
        };
        Err(Error::invalid_request(format!(
            "the server variable '{name}' {message}"
        )))
    }
}

/// Fills the `{name}` of a text. `value` is told what stands before it, too.
///
/// # Errors
/// `invalid_data` for a `{` without `}`, and those of `value`.
pub(super) fn fill(text: &str, value: impl Fn(&str, &str) -> Result<String>) -> Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| malformed("an address has a '{' without '}'"))?;
        filled.push_str(before);
        let value = value(&filled, name)?;
        filled.push_str(&value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// What a variable stands for: what the call says, or its default. What stands in the document is its author's, like
/// the rest of the address.
fn value(
    document: &Document,
    server: &Value,
    name: &str,
    given: Option<&Map<String, Value>>,
    part: Part,
) -> Result<String> {
    let variable = members(server.get("variables")).find(|(key, _)| *key == name);
    let variable = variable
        .map(|(_, variable)| document.resolve(variable))
        .transpose()?;
    let given = given.and_then(|given| given.get(name));
    let value = match given {
        Some(value) => crate::http::encoding::scalar(value).ok_or_else(|| {
            Error::invalid_request(format!(
                "the server variable '{name}' must be a text, number or boolean"
            ))
        })?,
        None => variable
            .and_then(|variable| variable.get("default")?.as_str())
            .map(str::to_owned)
            .ok_or_else(|| {
                Error::invalid_request(format!(
                    "the server variable '{name}' has no default; give it in 'server.variables'"
                ))
            })?,
    };
    let choices = variable.and_then(|variable| variable.get("enum")?.as_array());
    match choices {
        Some(choices) if !choices.iter().any(|choice| choice.as_str() == Some(&value)) => {
            let choices: Vec<_> = choices.iter().filter_map(Value::as_str).take(10).collect();
            return Err(Error::invalid_request(format!(
                "the server variable '{name}' must be one of: {}",
                choices.join(", ")
            )));
        }
        None if given.is_some() => part.check(name, &value)?,
        _ => {}
    }
    Ok(value)
}
