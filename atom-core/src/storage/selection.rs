//! What runs can be found by.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{RunRecord, RunStatus};
use crate::{Error, ErrorCode, Result, RunId};

/// The most tags of a run, and the most indexed fields.
pub const MAX_LABELS: usize = 32;
/// The longest name of a tag or an indexed field, in characters.
pub const MAX_LABEL_NAME: usize = 64;
/// The longest text of a tag, an indexed field or an idempotency key, in characters.
pub const MAX_LABEL_TEXT: usize = 256;

/// What a run can be found by, apart from what every run has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunLabels {
    /// Words given to the run, by name.
    pub tags: BTreeMap<String, String>,
    /// Texts, numbers and booleans that its document computed from its input, by name.
    pub fields: BTreeMap<String, Value>,
}

impl RunLabels {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.fields.is_empty()
    }

    /// Checks what every store asks of the labels of a run.
    ///
    /// # Errors
    /// `limit_exceeded` for too many, a name or a text that is too long; `invalid_request` for an empty name, or a field
    /// that is neither a text nor a number nor a boolean.
    pub fn check(&self) -> Result<()> {
        for (what, count) in [("tags", self.tags.len()), ("indexed fields", self.fields.len())] {
            if count > MAX_LABELS {
                return Err(Error::new(
                    ErrorCode::LimitExceeded,
                    format!("a run has at most {MAX_LABELS} {what}"),
                ));
            }
        }
        self.tags.keys().chain(self.fields.keys()).try_for_each(|name| {
            if name.is_empty() {
                return Err(Error::invalid_request(
                    "the name of a tag or an indexed field is empty",
                ));
            }
            check_length("the name of a tag or an indexed field", name, MAX_LABEL_NAME)
        })?;
        self.tags
            .values()
            .try_for_each(|tag| check_length("a tag", tag, MAX_LABEL_TEXT))?;
        self.fields.iter().try_for_each(|(name, value)| match value {
            Value::String(text) => check_length(&format!("the indexed field '{name}'"), text, MAX_LABEL_TEXT),
            Value::Number(_) | Value::Bool(_) => Ok(()),
            _ => Err(Error::invalid_request(format!(
                "the indexed field '{name}' must be a text, a number or a boolean"
            ))),
        })
    }
}

/// Checks an idempotency key of a run.
///
/// # Errors
/// `invalid_request` when it is empty, `limit_exceeded` when it is too long.
pub fn check_idempotency_key(key: &str) -> Result<()> {
    if key.is_empty() {
        return Err(Error::invalid_request("the idempotency key is empty"));
    }
    check_length("the idempotency key", key, MAX_LABEL_TEXT)
}

fn check_length(what: &str, text: &str, limit: usize) -> Result<()> {
    if text.chars().nth(limit).is_none() {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::LimitExceeded,
        format!("{what} has more than {limit} characters"),
    ))
}

/// A value as it is indexed: a number has one form, so that `1.0` is found as `1`.
#[must_use]
pub fn indexed(value: Value) -> Value {
    /// Below it a floating-point number names one whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        Some(number) if value.is_f64() && number.fract() == 0.0 && number.abs() < EXACT => {
            Value::from(number as i64)
        }
        _ => value,
    }
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// Its first moment.
    pub from: Option<Timestamp>,
    /// The first moment after it.
    pub before: Option<Timestamp>,
}

impl TimeRange {
    /// Whether a moment lies in it.
    #[must_use]
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.from.is_none_or(|from| moment >= from) && self.before.is_none_or(|before| moment < before)
    }

    /// Whether every moment lies in it.
    #[must_use]
    pub fn is_unbounded(&self) -> bool {
        self.from.is_none() && self.before.is_none()
    }
}

/// Which runs a list shows: those that meet every condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs in one of these states; any state when empty.
    pub statuses: Vec<RunStatus>,
    /// Only runs of workflows in this namespace.
    pub namespace: Option<String>,
    /// Only runs of workflows with this name.
    pub name: Option<String>,
    /// Only runs of this version.
    pub version: Option<String>,
    /// Only runs started by this run.
    pub parent: Option<RunId>,
    /// Only runs created in this time.
    pub created: TimeRange,
    /// Only runs that ended in this time.
    pub ended: TimeRange,
    /// Only faulted runs whose error has this type.
    pub error_type: Option<String>,
    /// Only runs that have all these labels.
    pub labels: RunLabels,
}

impl RunFilter {
    /// Only runs in one of these states.
    #[must_use]
    pub fn in_states(statuses: impl Into<Vec<RunStatus>>) -> Self {
        Self {
            statuses: statuses.into(),
            ..Self::default()
        }
    }

    /// Whether a list with this filter shows the run.
    #[must_use]
    pub fn matches(&self, run: &RunRecord) -> bool {
        let is =
            |wanted: &Option<String>, actual: &String| wanted.as_ref().is_none_or(|wanted| wanted == actual);
        let error_type = || run.error.as_ref()?.get("type")?.as_str();
        let RunLabels { tags, fields } = &self.labels;
        (self.statuses.is_empty() || self.statuses.contains(&run.status))
            && is(&self.namespace, &run.workflow.namespace)
            && is(&self.name, &run.workflow.name)
            && is(&self.version, &run.workflow.version)
            && self
                .parent
                .is_none_or(|parent| run.parent.is_some_and(|step| step.run == parent))
            && self.created.contains(run.created_at)
            && (self.ended.is_unbounded() || run.ended_at.is_some_and(|at| self.ended.contains(at)))
            && self
                .error_type
                .as_ref()
                .is_none_or(|wanted| error_type() == Some(wanted))
            && tags
                .iter()
                .all(|(name, tag)| run.labels.tags.get(name) == Some(tag))
            && fields
                .iter()
                .all(|(name, field)| run.labels.fields.get(name) == Some(field))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_indexed_in_one_form() {
        for (value, expected) in [
            (json!(1.0), json!(1)),
            (json!(-0.0), json!(0)),
            (json!(1.5), json!(1.5)),
            (json!(1e300), json!(1e300)),
            (json!("1.0"), json!("1.0")),
            (json!(true), json!(true)),
        ] {
            assert_eq!(indexed(value), expected);
        }
    }

    #[test]
    fn labels_are_bounded() {
        let tagged = |name: &str, tag: &str| RunLabels {
            tags: BTreeMap::from([(name.to_owned(), tag.to_owned())]),
            ..RunLabels::default()
        };
        let field = |value| RunLabels {
            fields: BTreeMap::from([("f".to_owned(), value)]),
            ..RunLabels::default()
        };
        let many = RunLabels {
            tags: (0..=MAX_LABELS).map(|n| (n.to_string(), String::new())).collect(),
            ..RunLabels::default()
        };
        for (labels, expected) in [
            (tagged("a", &"ä".repeat(MAX_LABEL_TEXT)), None),
            (
                tagged("a", &"ä".repeat(MAX_LABEL_TEXT + 1)),
                Some(ErrorCode::LimitExceeded),
            ),
            (
                tagged(&"n".repeat(MAX_LABEL_NAME + 1), ""),
                Some(ErrorCode::LimitExceeded),
            ),
            (tagged("", "x"), Some(ErrorCode::InvalidRequest)),
            (field(json!([1])), Some(ErrorCode::InvalidRequest)),
            (field(json!(null)), Some(ErrorCode::InvalidRequest)),
            (field(json!(1)), None),
            (many, Some(ErrorCode::LimitExceeded)),
        ] {
            assert_eq!(
                labels.check().err().map(|error| error.code()),
                expected,
                "{labels:?}"
            );
        }
    }
}
