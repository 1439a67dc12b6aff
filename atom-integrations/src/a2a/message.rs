//! The parameters of a method, with what a message must have.

use atom_core::{Error, Result};
use serde_json::{Value, json};

use super::A2aMethod;

/// Completes the parameters: the specification of the language asks for a message's id and role, and A2A for its
/// kind.
///
/// # Errors
/// `invalid_request` when they are no object, or a message is missing.
pub(super) fn parameters(method: A2aMethod, parameters: Option<Value>, id: &str) -> Result<Option<Value>> {
    let mut parameters = match parameters {
        None | Some(Value::Null) => None,
        Some(Value::Object(parameters)) => Some(parameters),
        Some(_) => return Err(Error::invalid_request("'parameters' must be an object")),
    };
    if method.has_message() {
        let message = parameters
            .as_mut()
            .and_then(|parameters| parameters.get_mut("message"))
            .and_then(Value::as_object_mut)
            .filter(|message| message.get("parts").is_some_and(Value::is_array))
            .ok_or_else(|| {
                Error::invalid_request(
                    "'parameters' needs a 'message' that is an object with a list of 'parts'",
                )
            })?;
        for (key, value) in [
            ("kind", json!("message")),
            ("messageId", json!(id)),
            ("role", json!("user")),
        ] {
            message.entry(key).or_insert(value);
        }
    }
    Ok(parameters.map(Value::Object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_completed_and_nothing_is_replaced() {
        let given = json!({ "message": { "parts": [] }, "configuration": { "blocking": true } });
        assert_eq!(
            parameters(A2aMethod::Send, Some(given), "key").unwrap().unwrap(),
            json!({
                "message": { "parts": [], "kind": "message", "messageId": "key", "role": "user" },
                "configuration": { "blocking": true }
            })
        );
        let whole =
            json!({ "message": { "parts": [], "kind": "message", "messageId": "m", "role": "agent" } });
        assert_eq!(
            parameters(A2aMethod::Stream, Some(whole.clone()), "key").unwrap(),
            Some(whole)
        );
        assert_eq!(parameters(A2aMethod::GetExtendedCard, None, "key").unwrap(), None);
    }

    #[test]
    fn what_no_agent_would_take_is_refused() {
        for (method, given) in [
            (A2aMethod::Send, json!(null)),
            (A2aMethod::Send, json!({ "message": "hi" })),
            (A2aMethod::Stream, json!({ "message": { "role": "user" } })),
            (A2aMethod::GetTask, json!("task-1")),
            (A2aMethod::GetTask, json!(["task-1"])),
        ] {
            assert!(parameters(method, Some(given.clone()), "key").is_err(), "{given}");
        }
    }
}
