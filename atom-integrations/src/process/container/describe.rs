//! What the container engine is told about a container.

use std::collections::BTreeMap;

use atom_core::{Error, FunctionContext, Result};
use serde_json::{Map, Value, json};

use super::Lifetime;
use super::image::PullPolicy;
use crate::local::FileAccess;
use crate::process::given::Given;

/// The label that holds the key of the call for which a container was made.
pub(super) const KEY_LABEL: &str = "atom.idempotency-key";

/// The label that says how long a container stays after it has ended, in milliseconds.
pub(super) const STAY_LABEL: &str = "atom.remove-after-milliseconds";

/// A container to run.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) image: String,
    pub(super) name: String,
    pub(super) command: Option<String>,
    pub(super) ports: Vec<(String, u16)>,
    pub(super) mounts: Vec<Value>,
    pub(super) pull_policy: PullPolicy,
    pub(super) lifetime: Lifetime,
    /// The key of the call.
    pub(super) key: String,
    /// Whether the call may be repeated with the same key.
    pub(super) is_repeatable: bool,
}

impl Description {
    /// The body of `POST /containers/create`, for an image with this default command.
    pub(super) fn body(&self, given: &Given, default_command: Vec<Value>) -> Value {
        let environment: Vec<_> = given
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let has_stdin = given.stdin.is_some();
        let mut labels = json!({ KEY_LABEL: self.key });
        if let Some(stay) = self.lifetime.stay() {
            labels[STAY_LABEL] = json!(stay.as_millis().to_string());
        }
        let exposed: Map<_, _> = self
            .ports
            .iter()
            .map(|(port, _)| (port.clone(), json!({})))
            .collect();
        let bound: Map<_, _> = self
            .ports
            .iter()
            .map(|(port, host)| (port.clone(), json!([{ "HostPort": host.to_string() }])))
            .collect();
        let mut body = json!({
            "Image": self.image,
            "Env": environment,
            "Labels": labels,
            "AttachStdin": has_stdin,
            "OpenStdin": has_stdin,
            "StdinOnce": has_stdin,
            "Tty": false,
            "ExposedPorts": exposed,
            "HostConfig": { "PortBindings": bound, "Mounts": self.mounts },
        });
        if let Some(command) = &self.command {
            // `$0` is the name that the shell's own messages begin with.
            body["Entrypoint"] = json!(["/bin/sh", "-c", command, "sh"]);
            body["Cmd"] = json!(given.arguments);
        } else if !given.arguments.is_empty() {
            let arguments = given.arguments.iter().map(|argument| json!(argument));
            body["Cmd"] = default_command.into_iter().chain(arguments).collect();
        }
        body
    }
}

/// The name of a container: the one that the document gives, or the task's name and the key of the call.
///
/// # Errors
/// `invalid_request` for a name that containers cannot have.
pub(super) fn name(name: Option<String>, context: &FunctionContext) -> Result<String> {
    let Some(name) = name else {
        let task = context
            .step
            .as_ref()
            .and_then(|step| step.task.rsplit('/').next());
        let task: String = task
            .unwrap_or("call")
            .chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter
                } else {
                    '-'
                }
            })
            .take(60)
            .collect();
        return Ok(format!("atom-{task}-{}", context.idempotency_key));
    };
    if is_name(&name) {
        return Ok(name);
    }
    Err(Error::invalid_request(
        "a container's name has letters, digits, '_', '.' and '-', begins with a letter or digit, and has at least two",
    ))
}

fn is_name(name: &str) -> bool {
    name.len() > 1
        && name.len() <= 255
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// The ports of containers and the ports of this machine that lead to them.
///
/// # Errors
/// `invalid_request` for what is no port.
pub(super) fn ports(ports: BTreeMap<String, Value>) -> Result<Vec<(String, u16)>> {
    let malformed = || {
        Error::invalid_request(
            "a port mapping has the container's port, e.g. 80, '80/tcp' or '53/udp', and the port of this machine",
        )
    };
    let mapped = ports.into_iter().map(|(inside, outside)| {
        let (number, protocol) = inside.split_once('/').unwrap_or((inside.as_str(), "tcp"));
        let number: u16 = number.parse().map_err(|_| malformed())?;
        if !matches!(protocol, "tcp" | "udp" | "sctp") {
            return Err(malformed());
        }
        let outside = match outside {
            Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        Ok((format!("{number}/{protocol}"), outside.ok_or_else(malformed)?))
    });
    mapped.collect()
}

/// What is mounted: folders that local connectors may touch, and named volumes.
///
/// # Errors
/// `permission_denied` and `not_found` for a folder, `invalid_request` for what cannot be mounted.
pub(super) fn mounts(
    volumes: BTreeMap<String, String>,
    access: &FileAccess,
    context: &FunctionContext,
) -> Result<Vec<Value>> {
    let mounted = volumes.into_iter().map(|(source, target)| {
        let (target, is_read_only) = match target.strip_suffix(":ro") {
            Some(target) => (target, true),
            None => (target.as_str(), false),
        };
        if !target.starts_with('/') {
            let message = format!("the volume '{source}' needs an absolute path in the container");
            return Err(Error::invalid_request(message));
        }
        let (kind, source) = if is_name(&source) {
            ("volume", source)
        } else {
            let path = access.mountable(&source, context)?;
            let path = path
                .to_str()
                .ok_or_else(|| Error::invalid_request("a folder to mount must have a name in UTF-8"))?;
            ("bind", path.to_owned())
        };
        Ok(json!({ "Type": kind, "Source": source, "Target": target, "ReadOnly": is_read_only }))
    });
    mounted.collect()
}
