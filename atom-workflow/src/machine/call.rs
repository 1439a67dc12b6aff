//! Calls: what they reach, and the arguments of those that the language defines.

use std::sync::Arc;

use atom_core::storage::check_idempotency_key;
use serde_json::{Map, Value, json};

use super::frame::{FrameId, List, Purpose};
use super::{Command, Machine, WorkflowError, resource};
use crate::definition::{CalendarDuration, Call, CallTarget, Task};
use crate::expression::{Template, Variables, is_expression, no_secret};

type Result<T> = std::result::Result<T, WorkflowError>;

impl Machine {
    pub(super) fn begin_call(
        &mut self,
        id: FrameId,
        task: &Arc<Task>,
        call: &Call,
        input: &Arc<Value>,
        variables: &Variables,
    ) -> Result<()> {
        let Some(function) = call.target.function() else {
            let arguments = self.call_arguments(&call.target, &call.arguments, task, input, variables)?;
            let enclosing = self.enclosing(id, &call.target);
            self.push_list(
                id,
                List::Body(Arc::clone(task)),
                0,
                Arc::new(arguments),
                enclosing,
            );
            return Ok(());
        };
        let action = self.number();
        let (arguments, idempotency_key) = self.passed_on(action, || {
            let arguments = self.call_arguments(&call.target, &call.arguments, task, input, variables)?;
            Ok((arguments, idempotency_key(task, input, variables)?))
        })?;
        let command = Command::Call {
            function: function.to_owned(),
            arguments,
            task: task.reference.clone(),
            idempotency_key,
        };
        self.begin_as(action, Some(id), Purpose::Work, command);
        Ok(())
    }

    /// The arguments of a call, with every endpoint and authentication policy known.
    pub(super) fn call_arguments(
        &self,
        target: &CallTarget,
        arguments: &Template,
        task: &Task,
        input: &Value,
        variables: &Variables,
    ) -> Result<Value> {
        let mut arguments = arguments
            .evaluate(input, variables)
            .map_err(|error| WorkflowError::expression(&error))?;
        let (endpoints, policy): (&[_], _) = match target {
            CallTarget::Function(_) | CallTarget::Defined(_) | CallTarget::External(_) => {
                return Ok(arguments);
            }
            CallTarget::Http => (&["/endpoint"], None),
            CallTarget::OpenApi | CallTarget::AsyncApi => (&["/document/endpoint"], Some("/authentication")),
            CallTarget::Grpc => (&["/proto/endpoint"], Some("/service/authentication")),
            CallTarget::A2a => (&["/agentCard/endpoint", "/server"], None),
            CallTarget::Mcp => (&["/transport/http/endpoint"], None),
        };
        for endpoint in endpoints {
            let source = task.source.get("with").and_then(|with| with.pointer(endpoint));
            self.resolve_endpoint(arguments.pointer_mut(endpoint), source, input, variables)?;
        }
        if let (CallTarget::Mcp, Some(timeout)) = (target, arguments.get_mut("timeout")) {
            let length =
                CalendarDuration::parse(timeout).map_err(|error| WorkflowError::validation(&error))?;
            let length = length.from(self.now).as_millis();
            let milliseconds = u64::try_from(length).unwrap_or(u64::MAX);
            *timeout = json!({ "milliseconds": milliseconds });
        }
        if let Some(policy) = policy.and_then(|policy| arguments.pointer_mut(policy)) {
            *policy = self.resolve_policy(policy.take(), input, variables)?;
        }
        Ok(arguments)
    }

    /// Turns an endpoint into `{"uri": …, "authentication": …}` with every part known.
    /// Only a URI that the document spells out is a template; what an expression gives is taken as it is.
    pub(super) fn resolve_endpoint(
        &self,
        endpoint: Option<&mut Value>,
        source: Option<&Value>,
        input: &Value,
        variables: &Variables,
    ) -> Result<()> {
        let Some(endpoint) = endpoint else { return Ok(()) };
        if endpoint.is_string() {
            *endpoint = json!({ "uri": endpoint.take() });
        }
        let Some(Value::String(uri)) = endpoint.get("uri") else {
            return Err(WorkflowError::configuration("the endpoint must be a URI"));
        };
        let source = source.and_then(|source| source.as_str().or_else(|| source.get("uri")?.as_str()));
        if source.is_some_and(|source| !is_expression(source)) {
            endpoint["uri"] = Value::String(expand(uri, input)?);
        }
        if let Some(policy) = endpoint.get_mut("authentication") {
            *policy = self.resolve_policy(policy.take(), input, variables)?;
        }
        Ok(())
    }

    /// Follows references to named policies, whose expressions see what the task sees, and to secrets.
    fn resolve_policy(&self, policy: Value, input: &Value, variables: &Variables) -> Result<Value> {
        let policy = match policy.get("use").and_then(Value::as_str) {
            None => policy,
            Some(_) if resource::is_external(variables) => return Err(resource::no_policies()),
            Some(name) => {
                let template = self.workflow.authentications.get(name).ok_or_else(|| {
                    WorkflowError::configuration(format!("there is no authentication policy '{name}'"))
                })?;
                template
                    .evaluate(input, variables)
                    .map_err(|error| WorkflowError::expression(&error))?
            }
        };
        let Value::Object(schemes) = policy else {
            return Err(WorkflowError::configuration(
                "an authentication policy must be an object",
            ));
        };
        let resolved: Result<Map<_, _>> = schemes
            .into_iter()
            .map(|(scheme, mut details)| {
                for place in ["/authority", "/endpoints/token"] {
                    if let Some(Value::String(uri)) = details.pointer_mut(place) {
                        *uri = expand(uri, input)?;
                    }
                }
                let details = match details.get("use").and_then(Value::as_str) {
                    None => details,
                    Some(name) => credentials(&scheme, name, variables)?,
                };
                Ok((scheme, details))
            })
            .collect();
        resolved.map(Value::Object)
    }
}

/// The details of a policy that a secret holds: a JSON object, or for `bearer` the bare token.
fn credentials(scheme: &str, name: &str, variables: &Variables) -> Result<Value> {
    let secret = variables
        .get("secrets")
        .and_then(|secrets| secrets.get(name)?.as_str())
        .ok_or_else(|| WorkflowError::expression(&no_secret(name)))?;
    match serde_json::from_str(secret) {
        Ok(details @ Value::Object(_)) => Ok(details),
        _ if scheme == "bearer" => Ok(json!({ "token": secret })),
        _ => Err(WorkflowError::configuration(format!(
            "the secret '{name}' must be a JSON object with the fields of '{scheme}'"
        ))),
    }
}

/// The key that the document gives a call.
fn idempotency_key(task: &Task, input: &Value, variables: &Variables) -> Result<Option<String>> {
    let Some(expression) = &task.idempotency_key else {
        return Ok(None);
    };
    let key = expression
        .evaluate(input, variables)
        .map_err(|error| WorkflowError::expression(&error))?;
    key_text(key)
        .map(Some)
        .map_err(|error| WorkflowError::configuration(error.message()))
}

/// What an expression gave, as an idempotency key. Nothing is no key: a call or start without one would be repeated
/// although the document says that it must not be.
pub(crate) fn key_text(key: Value) -> atom_core::Result<String> {
    let key = match key {
        Value::String(key) => key,
        Value::Number(key) => key.to_string(),
        _ => {
            return Err(atom_core::Error::invalid_request(
                "'idempotencyKey' must give a text or a number",
            ));
        }
    };
    check_idempotency_key(&key)?;
    Ok(key)
}

/// Fills the simple expressions of a URI template (RFC 6570, level 1) with properties of the input; what is not there
/// is empty, as the standard says.
fn expand(template: &str, input: &Value) -> Result<String> {
    let mut uri = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        uri.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            return Err(WorkflowError::configuration("the URI has a '{' without '}'"));
        };
        let value = match input.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            None | Some(Value::Null) => String::new(),
            Some(_) => {
                let detail =
                    format!("'{name}', which the URI needs, is a list or an object in the task's input");
                return Err(WorkflowError::standard(
                    "expression",
                    400,
                    "Expression Error",
                    detail,
                ));
            }
        };
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                uri.push(char::from(byte));
            } else {
                uri.push_str(&format!("%{byte:02X}"));
            }
        }
        rest = after;
    }
    uri.push_str(rest);
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_and_escaped() {
        let input = json!({ "id": 7, "name": "a/b é", "pet.id": true, "none": null, "pet": { "id": 1 } });
        for (template, uri) in [
            (
                "https://x.test/{id}?n={name}",
                "https://x.test/7?n=a%2Fb%20%C3%A9",
            ),
            ("{pet.id}", "true"),
            ("a{none}b{missing}", "ab"),
        ] {
            assert_eq!(expand(template, &input).unwrap(), uri);
        }
        for (bad, kind) in [("{pet}", "expression"), ("{id", "configuration")] {
            let error = expand(bad, &input).unwrap_err();
            assert!(error.status == 400 && error.kind.ends_with(kind), "{bad}");
        }
    }
}
