//! What the bridge tells a host, as JSON objects.

use atom_core::{ErrorReport, FunctionContext, RunId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the bridge tells a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// A call was answered. Each call has exactly one result.
    #[schemars(title = "ResultMessage")]
    Result {
        /// The number that `submit` gave.
        id: u64,
        /// The answer.
        #[serde(flatten)]
        answer: Answer,
    },
    /// A stream has an item.
    #[schemars(title = "ItemMessage")]
    Item {
        /// The number that `submit` gave.
        id: u64,
        /// The item.
        item: Value,
    },
    /// A stream has ended. Each stream has exactly one end.
    #[schemars(title = "EndMessage")]
    End {
        /// The number that `submit` gave.
        id: u64,
        /// Why it broke off; absent when it came to its end or was cancelled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        err: Option<ErrorReport>,
    },
    /// A function of the host is called; answer with `reply`.
    #[schemars(title = "HostCallMessage")]
    HostCall {
        /// The number to reply to.
        call: u64,
        /// The function's name.
        function: String,
        /// Its arguments.
        arguments: Value,
        /// What else is known about the call.
        context: HostCallContext,
    },
    /// Nobody waits for the answer of a host call any more; stop it. A reply is ignored.
    #[schemars(title = "HostCancelMessage")]
    HostCancel {
        /// The number of the host call.
        call: u64,
    },
    /// The bridge is closed: the last message.
    #[schemars(title = "ClosedMessage")]
    Closed {},
}

/// How a call ended: exactly one of the two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Answer {
    /// It gave this.
    #[serde(rename = "ok")]
    Ok(Value),
    /// It failed.
    #[serde(rename = "err")]
    Err(ErrorReport),
}

/// What is known about a host call besides its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostCallContext {
    /// The tenant on whose behalf the call is made.
    pub tenant: String,
    /// The user on whose behalf the call is made.
    pub user: String,
    /// The user's roles.
    pub roles: Vec<String>,
    /// The run that calls; absent for a direct call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The JSON pointer of the calling task in its document; absent for a direct call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The same for every repetition of this call after a crash, and different for every other call.
    pub idempotency_key: String,
    /// Where relative file paths start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// When the caller stops waiting.
    #[schemars(with = "String")]
    pub deadline: Timestamp,
}

impl HostCallContext {
    pub(super) fn new(context: FunctionContext, deadline: Timestamp) -> Self {
        let (run, task) = context.step.map(|step| (step.run, step.task)).unzip();
        Self {
            tenant: context.principal.tenant,
            user: context.principal.user,
            roles: context.principal.roles,
            run,
            task,
            idempotency_key: context.idempotency_key,
            directory: context.directory.map(|directory| directory.display().to_string()),
            deadline,
        }
    }
}

impl Message {
    /// The JSON text of the message.
    pub(super) fn to_json(&self) -> String {
        // Everything in a message has a JSON form, so nothing is ever lost here.
        serde_json::to_string(self).unwrap_or_else(|error| {
            tracing::error!(%error, "a message has no JSON form");
            "{}".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atom_core::Error;
    use serde_json::json;

    #[test]
    fn messages_have_their_documented_form() {
        let report = Error::not_found("x").report();
        let error = serde_json::to_value(&report).unwrap();
        for (message, expected) in [
            (
                Message::Result {
                    id: 1,
                    answer: Answer::Ok(Value::Null),
                },
                json!({ "type": "result", "id": 1, "ok": null }),
            ),
            (
                Message::Result {
                    id: 1,
                    answer: Answer::Err(report.clone()),
                },
                json!({ "type": "result", "id": 1, "err": error }),
            ),
            (
                Message::Item {
                    id: 2,
                    item: json!([1]),
                },
                json!({ "type": "item", "id": 2, "item": [1] }),
            ),
            (
                Message::End { id: 2, err: None },
                json!({ "type": "end", "id": 2 }),
            ),
            (
                Message::End {
                    id: 2,
                    err: Some(report),
                },
                json!({ "type": "end", "id": 2, "err": error }),
            ),
            (
                Message::HostCancel { call: 7 },
                json!({ "type": "host_cancel", "call": 7 }),
            ),
            (Message::Closed {}, json!({ "type": "closed" })),
        ] {
            let text = message.to_json();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
            assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
        }
    }
}
