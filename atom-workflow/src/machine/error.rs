//! Errors of runs, in the shape the specification gives them (RFC 7807 problem details).

use std::collections::BTreeMap;

use atom_core::{Error, ErrorCode, ErrorReport};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Number, Value};

/// Where the specification's standard error types live.
const STANDARD_TYPES: &str = "https://open-workflow-specification.org/spec/1.0.0/errors/";

/// The longest detail of an error, in bytes; what is beyond is cut off.
const MAX_DETAIL_BYTES: usize = 4096;

/// The error of a task or run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkflowError {
    /// What kind of error it is, a URI.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status, in the manner of HTTP.
    #[serde(deserialize_with = "status")]
    pub status: i64,
    /// The kind in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What went wrong this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The JSON pointer of the task where it arose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

impl WorkflowError {
    /// A standard error of the specification, e.g. `timeout`.
    pub(crate) fn standard(name: &str, status: i64, title: &str, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if detail.len() > MAX_DETAIL_BYTES {
            let end = (0..=MAX_DETAIL_BYTES)
                .rev()
                .find(|at| detail.is_char_boundary(*at))
                .unwrap_or(0);
            detail.truncate(end);
        }
        Self {
            kind: format!("{STANDARD_TYPES}{name}"),
            status,
            title: Some(title.to_owned()),
            detail: Some(detail),
            instance: None,
        }
    }

    /// The error of a run whose journal has reached its limit.
    pub(crate) fn exhausted(limit: u64) -> Self {
        Self {
            kind: "urn:atom:error:limit".to_owned(),
            title: Some("Limit Error".to_owned()),
            ..Self::runtime(format!(
                "the run has {limit} entries in its journal, as many as it may have; let it start another run that goes on, \
                 or divide the work among child runs with 'run: workflow'"
            ))
        }
    }

    pub(crate) fn configuration(detail: impl Into<String>) -> Self {
        Self::standard("configuration", 400, "Configuration Error", detail)
    }

    pub(crate) fn validation(error: &Error) -> Self {
        Self::standard("validation", 400, "Validation Error", error.message())
    }

    /// The error for data that its JSON Schema refuses; `data` says which.
    pub(crate) fn misfit(data: &str, error: &Error) -> Self {
        let detail = format!("{data} does not fit its schema: {}", error.message());
        Self::standard("validation", 400, "Validation Error", detail)
    }

    /// The error of an expression. One that asks for a secret which is not there is told apart, as the specification wants.
    pub(crate) fn expression(error: &Error) -> Self {
        if error.code() == ErrorCode::PermissionDenied {
            return Self::standard("authorization", 403, "Authorization Error", error.message());
        }
        Self::standard("expression", 400, "Expression Error", error.message())
    }

    pub(crate) fn timeout(detail: impl Into<String>) -> Self {
        Self::standard("timeout", 408, "Timeout Error", detail)
    }

    pub(crate) fn runtime(detail: impl Into<String>) -> Self {
        Self::standard("runtime", 500, "Runtime Error", detail)
    }

    /// A run that could not be undone; an error of this engine, as the specification knows no compensation.
    pub(crate) fn compensation(detail: impl Into<String>) -> Self {
        Self {
            kind: "urn:atom:error:compensation".to_owned(),
            ..Self::standard("compensation", 500, "Compensation Error", detail)
        }
    }

    /// A task that somebody rejected; an error of this engine, as the specification knows no approvals.
    pub(crate) fn rejected(detail: impl Into<String>) -> Self {
        Self {
            kind: "urn:atom:error:rejected".to_owned(),
            ..Self::standard("rejected", 403, "Rejected", detail)
        }
    }

    /// The error as it arose at a part of the document, which a JSON pointer names.
    pub(super) fn at(mut self, place: &str) -> Self {
        self.instance.get_or_insert_with(|| place.to_owned());
        self
    }

    /// The error of a call that failed.
    pub(crate) fn from_call(report: &ErrorReport) -> Self {
        // A workflow that was run ends in an error of its own, which is passed on as it is.
        if report.code == ErrorCode::RunFaulted
            && let Some(error) = report
                .context
                .get("error")
                .and_then(|error| serde_json::from_str::<Self>(error).ok())
        {
            return Self {
                instance: None,
                ..error
            };
        }
        let http_status = report
            .context
            .get("status")
            .and_then(|status| status.parse().ok());
        // The other side was reached and says that it failed: an agent, a tool, a server of theirs.
        let is_remote = report.context.contains_key("remote_error");
        let (name, status, title) = match report.code {
            _ if is_remote => ("runtime", 500, "Runtime Error"),
            _ if http_status.is_some() => {
                ("communication", http_status.unwrap_or(500), "Communication Error")
            }
            // A process is no service: it was reached, and failed by itself.
            _ if report.context.contains_key("exit_code") => ("runtime", 500, "Runtime Error"),
            ErrorCode::InvalidRequest | ErrorCode::InvalidData => ("validation", 400, "Validation Error"),
            ErrorCode::Unauthenticated => ("authentication", 401, "Authentication Error"),
            ErrorCode::PermissionDenied => ("authorization", 403, "Authorization Error"),
            ErrorCode::Timeout => ("timeout", 408, "Timeout Error"),
            ErrorCode::NotFound | ErrorCode::Unsupported => ("configuration", 404, "Configuration Error"),
            ErrorCode::RateLimited => ("communication", 429, "Communication Error"),
            ErrorCode::Unavailable => ("communication", 503, "Communication Error"),
            ErrorCode::Upstream => ("communication", 502, "Communication Error"),
            _ => ("runtime", 500, "Runtime Error"),
        };
        Self::standard(name, status, title, Error::from(report.clone()).to_string())
    }

    /// Whether every field of the filter is equal to the error's.
    pub(crate) fn matches(&self, filter: &BTreeMap<String, Value>) -> bool {
        filter.iter().all(|(field, expected)| match field.as_str() {
            "type" => expected.as_str().is_some_and(|kind| same_type(kind, &self.kind)),
            "status" => expected.as_number().and_then(whole) == Some(self.status),
            "title" => expected.as_str() == self.title.as_deref(),
            "detail" => expected.as_str() == self.detail.as_deref(),
            "instance" => expected.as_str() == self.instance.as_deref(),
            _ => false,
        })
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = Number::deserialize(deserializer)?;
    whole(&number).ok_or_else(|| D::Error::custom(format!("the status {number} is no whole number")))
}

/// A whole number; `404.0` is one, as in JSON Schema.
fn whole(number: &Number) -> Option<i64> {
    let float = number
        .as_f64()
        .filter(|float| float.fract() == 0.0 && float.abs() < 9.2e18);
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked just above")]
    number.as_i64().or(float.map(|float| float as i64))
}

/// Whether two error types are the same. The standard ones have had several addresses: the specification's
/// text, its examples and its conformance kit each use another.
fn same_type(left: &str, right: &str) -> bool {
    left == right || standard_name(left).is_some_and(|name| standard_name(right) == Some(name))
}

fn standard_name(kind: &str) -> Option<&str> {
    let path = kind
        .strip_prefix("https://open-workflow-specification.org/")
        .or_else(|| kind.strip_prefix("https://serverlessworkflow.io/"))?;
    let name = match path.strip_prefix("dsl/errors/types/") {
        Some(name) => name,
        None => path.strip_prefix("spec/")?.split_once("/errors/")?.1,
    };
    let is_standard = matches!(
        name,
        "configuration"
            | "validation"
            | "expression"
            | "authentication"
            | "authorization"
            | "timeout"
            | "communication"
            | "runtime"
    );
    is_standard.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_standard_type_matches_under_each_of_its_addresses() {
        let error = WorkflowError::standard("communication", 404, "Communication Error", "x");
        for kind in [
            "https://open-workflow-specification.org/spec/1.0.0/errors/communication",
            "https://open-workflow-specification.org/dsl/errors/types/communication",
            "https://serverlessworkflow.io/spec/1.0.0/errors/communication",
        ] {
            let filter = BTreeMap::from([
                ("type".to_owned(), json!(kind)),
                ("status".to_owned(), json!(404)),
            ]);
            assert!(error.matches(&filter), "{kind}");
        }
        for kind in [
            "https://open-workflow-specification.org/spec/1.0.0/errors/timeout",
            "https://example.com/spec/1.0.0/errors/communication",
        ] {
            assert!(
                !error.matches(&BTreeMap::from([("type".to_owned(), json!(kind))])),
                "{kind}"
            );
        }
    }

    #[test]
    fn a_status_is_whole_however_it_is_written() {
        for (status, expected) in [
            (json!(404), true),
            (json!(404.0), true),
            (json!(404.5), false),
            (json!("404"), false),
        ] {
            let error = serde_json::from_value::<WorkflowError>(json!({ "type": "a:b", "status": status }));
            assert_eq!(error.is_ok_and(|error| error.status == 404), expected, "{status}");
            let filter = BTreeMap::from([("status".to_owned(), status)]);
            assert_eq!(
                WorkflowError::standard("runtime", 404, "", "").matches(&filter),
                expected
            );
        }
    }

    #[test]
    fn a_long_detail_is_cut_at_a_character() {
        let error = WorkflowError::runtime("é".repeat(5000));
        assert_eq!(error.detail.unwrap().len(), MAX_DETAIL_BYTES);
    }
}
