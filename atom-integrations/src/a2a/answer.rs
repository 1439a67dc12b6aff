//! What an agent answers: one JSON-RPC response, or a stream of them.

use atom_core::{Error, ErrorCode, Result};
use serde_json::Value;

use crate::http::Incoming;
use crate::http::answer::{Answer, Output};
use crate::http::events::EventDecoder;
use crate::json_rpc::{error, malformed};

/// How many events of a stream are collected.
const MAXIMUM_EVENTS: usize = 10_000;

/// The result of a method that answers once.
///
/// # Errors
/// The agent's own, or `invalid_data` for what is no response to the request `id`.
pub(super) fn one(answer: Answer, id: &str) -> Result<Value> {
    result(answer.output(Output::Content)?, id)
}

/// The results of a method that answers with a stream (A2A 0.3, section 3.3), until the agent says that one is
/// the final one, or the stream ends.
///
/// # Errors
/// As [`one`], also when only a later event is an error; `limit_exceeded` for too many events.
pub(super) async fn all(mut incoming: Incoming, id: &str) -> Result<Value> {
    if incoming.media_type() != "text/event-stream" {
        // An agent that cannot begin a stream says so in a plain response.
        one(incoming.answer().await?, id)?;
        return Err(malformed(
            "agent",
            "answered once where it must answer with a stream of events",
        ));
    }
    let mut decoder = EventDecoder::default();
    let mut results = Vec::new();
    while let Some(chunk) = incoming.chunk().await? {
        for event in decoder.push(&chunk) {
            let response = serde_json::from_str(&incoming.shown(event.data))
                .map_err(|error| malformed("agent", "sent an event that is not JSON").with_source(error))?;
            let result = result(response, id)?;
            let is_final = result.get("final") == Some(&Value::Bool(true));
            results.push(result);
            if is_final {
                return Ok(Value::Array(results));
            }
            if results.len() == MAXIMUM_EVENTS {
                let message = format!("the agent sent more than {MAXIMUM_EVENTS} events");
                return Err(Error::new(ErrorCode::LimitExceeded, message));
            }
        }
    }
    if results.is_empty() {
        return Err(malformed("agent", "ended the stream before its first event"));
    }
    Ok(Value::Array(results))
}

fn result(mut response: Value, id: &str) -> Result<Value> {
    let Some(fields) = response.as_object_mut() else {
        return Err(malformed(
            "agent",
            "answered something that is no JSON-RPC response",
        ));
    };
    if fields.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(malformed(
            "agent",
            "answered something that is no JSON-RPC 2.0 response",
        ));
    }
    let answered = fields.get("id").unwrap_or(&Value::Null);
    match (fields.get("error"), answered.as_str() == Some(id)) {
        // An agent that could not read the request cannot repeat its id.
        (Some(failure), is_ours) if is_ours || answered.is_null() => {
            let code = failure.get("code").and_then(Value::as_i64);
            let message = failure.get("message").and_then(Value::as_str);
            match (code, message) {
                (Some(code), Some(message)) => Err(error("agent", code, message)),
                _ => Err(malformed("agent", "answered an error without code and message")),
            }
        }
        (None, true) => fields
            .remove("result")
            .ok_or_else(|| malformed("agent", "answered neither a result nor an error")),
        _ => Err(malformed("agent", "answered another request")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_response_is_checked() {
        let good = json!({ "jsonrpc": "2.0", "id": "k", "result": null });
        assert_eq!(result(good, "k").unwrap(), Value::Null);
        for (response, code) in [
            (json!([]), ErrorCode::InvalidData),
            (json!({ "id": "k", "result": 1 }), ErrorCode::InvalidData),
            (
                json!({ "jsonrpc": "2.0", "id": "other", "result": 1 }),
                ErrorCode::InvalidData,
            ),
            (json!({ "jsonrpc": "2.0", "id": "k" }), ErrorCode::InvalidData),
            (
                json!({ "jsonrpc": "2.0", "id": "k", "error": "no" }),
                ErrorCode::InvalidData,
            ),
            (
                json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32700, "message": "m" } }),
                ErrorCode::Upstream,
            ),
            (
                json!({ "jsonrpc": "2.0", "id": "k", "error": { "code": -32602, "message": "m" } }),
                ErrorCode::InvalidRequest,
            ),
        ] {
            assert_eq!(
                result(response.clone(), "k").unwrap_err().code(),
                code,
                "{response}"
            );
        }
    }
}
