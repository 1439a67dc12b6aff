//! How long an engine keeps what has ended.

use std::time::Duration;

use atom_core::{Error, Result};
use atom_workflow::definition::{MINIMUM_RETENTION, Retention, parse_duration};
use atom_workflow::runtime::RetentionSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long an engine keeps what has ended, each an ISO 8601 duration of a minute or more such as `P30D`; for ever when
/// absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Runs that completed, unless their document says otherwise in `metadata.atom.retention`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<String>,
    /// Runs that faulted or were cancelled, unless their document says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Events of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<String>,
}

impl RetentionConfig {
    pub(crate) fn settings(&self) -> Result<RetentionSettings> {
        Ok(RetentionSettings {
            runs: Retention {
                completed: duration("completed", self.completed.as_ref())?,
                failed: duration("failed", self.failed.as_ref())?,
            },
            events: duration("events", self.events.as_ref())?,
        })
    }
}

fn duration(key: &str, text: Option<&String>) -> Result<Option<Duration>> {
    let Some(text) = text else { return Ok(None) };
    let refused = |reason: &str| Error::invalid_request(format!("'retention.{key}': {reason}"));
    let length = parse_duration(&Value::String(text.clone())).map_err(|error| refused(error.message()))?;
    if length < MINIMUM_RETENTION {
        return Err(refused("expected a minute or more"));
    }
    Ok(Some(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EngineConfig;

    #[test]
    fn durations_are_read_or_refused_by_name() {
        let text = r#"{ "retention": { "completed": "P7D", "events": "PT36H" } }"#;
        let settings = EngineConfig::from_json(text)
            .unwrap()
            .retention
            .settings()
            .unwrap();
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        assert_eq!(settings.runs.completed, hours(7 * 24));
        assert_eq!((settings.runs.failed, settings.events), (None, hours(36)));
        for (key, value) in [("completed", "7 days"), ("failed", "P1M"), ("events", "PT59S")] {
            let text = format!(r#"{{ "retention": {{ "{key}": "{value}" }} }}"#);
            let error = EngineConfig::from_json(&text)
                .unwrap()
                .retention
                .settings()
                .unwrap_err();
            assert!(error.message().contains(&format!("retention.{key}")), "{error}");
        }
    }
}
