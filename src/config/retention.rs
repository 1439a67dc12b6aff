//! How long an engine keeps what has ended.

use std::time::Duration;

use atom_core::{Error, Result};
use atom_workflow::definition::{MINIMUM_RETENTION, Retention, parse_duration};
use atom_workflow::runtime::{MINIMUM_STATISTICS, RetentionSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long an engine keeps what has ended, each an ISO 8601 duration of a minute or more such as `P30D`. Runs and events
/// are kept for ever when absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Statistics of runs and tasks; 31 days (`P31D`) or more, as alert rules look back 30 days.
    pub statistics: String,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            completed: None,
            failed: None,
            events: None,
            // A month can be compared with that of the year before.
            statistics: "P400D".to_owned(),
        }
    }
}

impl RetentionConfig {
    pub(crate) fn settings(&self) -> Result<RetentionSettings> {
        let read = |key, text: &Option<String>| {
            let read = |text| duration(key, text, MINIMUM_RETENTION, "a minute");
            text.as_deref().map(read).transpose()
        };
        Ok(RetentionSettings {
            runs: Retention {
                completed: read("completed", &self.completed)?,
                failed: read("failed", &self.failed)?,
            },
            events: read("events", &self.events)?,
        })
    }

    /// How long statistics are kept.
    pub(crate) fn statistics(&self) -> Result<Duration> {
        duration("statistics", &self.statistics, MINIMUM_STATISTICS, "31 days")
    }
}

fn duration(key: &str, text: &str, minimum: Duration, named: &str) -> Result<Duration> {
    let refused = |reason: &str| Error::invalid_request(format!("'retention.{key}': {reason}"));
    let length = parse_duration(&Value::from(text)).map_err(|error| refused(error.message()))?;
    if length < minimum {
        return Err(refused(&format!("expected {named} or more")));
    }
    Ok(length)
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
        let statistics = |text: &str| {
            let retention: RetentionConfig = serde_json::from_str(text).unwrap();
            retention.statistics()
        };
        assert_eq!(statistics("{}").ok(), hours(400 * 24));
        assert_eq!(statistics(r#"{ "statistics": "P31D" }"#).ok(), hours(31 * 24));
        let error = statistics(r#"{ "statistics": "P30D" }"#).unwrap_err();
        assert!(
            error
                .message()
                .contains("retention.statistics': expected 31 days"),
            "{error}"
        );
    }
}
