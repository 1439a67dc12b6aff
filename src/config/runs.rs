//! What carries runs out.

use std::fmt;
use std::str::FromStr;

use atom_core::{Error, Result, Secret};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What carries runs out: the engine itself (`embedded`), or a Temporal server with this URL.
///
/// A URL may hold an API key. It shows itself in JSON only, as a configuration that is written must be read again.
///
/// ```
/// use atom_engine::{EngineConfig, Runs};
///
/// let config = EngineConfig::from_json(r#"{ "runs": "temporals://acme.tmprl.cloud:7233/acme?api_key=key-7" }"#)?;
/// assert!(matches!(config.runs, Runs::Temporal(_)));
/// assert!(!format!("{config:?}").contains("key-7"));
/// # Ok::<(), atom_engine::Error>(())
/// ```
#[derive(Clone, Default)]
pub enum Runs {
    /// The engine itself.
    #[default]
    Embedded,
    /// The Temporal server with this URL, `temporal://host:port/namespace?task_queue=name`; `temporals` for TLS. It needs the
    /// Cargo feature `temporal`.
    ///
    /// The port is 7233 and the namespace `default` unless given. Parameters: `task_queue`, which engines that share their
    /// runs have in common, `atom` unless given; `api_key`, over TLS only, which otherwise comes from the environment variable
    /// `ATOM_TEMPORAL_API_KEY`; `ca`, the file with the certificates of who signs that of the server, where the system does not
    /// know them.
    Temporal(Secret),
}

/// What a text can be that says what carries runs out.
const EXPECTED: &str = "\"embedded\" or a URL \"temporal://host:port/namespace\" (\"temporals\" for TLS)";

/// How the URL of a server begins.
const SCHEMES: [&str; 2] = ["temporal://", "temporals://"];

impl Runs {
    fn text(&self) -> &str {
        match self {
            Self::Embedded => "embedded",
            Self::Temporal(url) => url.expose(),
        }
    }
}

impl FromStr for Runs {
    type Err = Error;

    /// # Errors
    /// `invalid_request` for any other text, which is not shown: it may be a URL that was misspelt.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "embedded" => Ok(Self::Embedded),
            url if SCHEMES.iter().any(|scheme| url.starts_with(scheme)) => {
                Ok(Self::Temporal(Secret::new(url)))
            }
            _ => Err(Error::invalid_request(format!("'runs' must be {EXPECTED}"))),
        }
    }
}

impl fmt::Debug for Runs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Embedded => "Embedded",
            Self::Temporal(_) => "Temporal",
        })
    }
}

impl PartialEq for Runs {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Runs {}

impl Serialize for Runs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl<'de> Deserialize<'de> for Runs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Secret::deserialize(deserializer).ok();
        let runs = text.and_then(|text| text.expose().parse().ok());
        runs.ok_or_else(|| D::Error::custom(format!("it must be {EXPECTED}")))
    }
}

impl JsonSchema for Runs {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Runs".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What carries runs out: the engine itself, or the Temporal server with this URL.",
            "anyOf": [
                { "const": "embedded" },
                { "type": "string", "format": "uri", "pattern": "^temporals?://" }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::EngineConfig;

    #[test]
    fn a_url_shows_itself_to_nobody_but_who_reads_the_json() {
        let config = EngineConfig {
            runs: "temporals://cloud.example/acme?api_key=key-7".parse().unwrap(),
            ..EngineConfig::default()
        };
        assert!(!format!("{config:?}").contains("key-7"), "{config:?}");
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(EngineConfig::from_json(&text).unwrap(), config);

        for wrong in [
            r#"{ "runs": "temproal://host/acme?api_key=key-7" }"#,
            r#"{ "runs": ["key-7"] }"#,
        ] {
            let error = EngineConfig::from_json(wrong).unwrap_err();
            assert!(error.message().contains("'runs'"), "{error}");
            assert!(!format!("{error:?}").contains("key-7"), "{error:?}");
        }
    }
}
