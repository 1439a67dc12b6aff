//! Where an engine keeps what it is given.

use std::fmt;
use std::str::FromStr;

use atom_core::{Error, Result, Secret};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where an engine keeps what it is given: `sqlite`, `memory`, or the URL of a PostgreSQL database.
///
/// A URL may hold a password. It shows itself in JSON only, as a configuration that is written must be read again: such
/// JSON is as secret as the password.
///
/// ```
/// use atom_engine::{EngineConfig, Storage};
///
/// let config = EngineConfig::from_json(r#"{ "storage": "postgres://atom:pass-7@db.example.com/app" }"#)?;
/// assert!(matches!(config.storage, Storage::Postgres(_)));
/// assert!(!format!("{config:?}").contains("pass-7"));
/// # Ok::<(), atom_engine::Error>(())
/// ```
#[derive(Clone, Default)]
pub enum Storage {
    /// In an SQLite database in the data folder.
    #[default]
    Sqlite,
    /// In memory: closing the engine forgets everything.
    Memory,
    /// In the PostgreSQL database with this URL,
    /// `postgres://user:password@host:port/database?parameter=value`. It needs the Cargo feature `postgres`.
    ///
    /// Parameters: `schema` names the schema that holds all tables, `atom` unless given; `max_connections`,
    /// `acquire_timeout_ms`, `statement_timeout_ms`, `lock_timeout_ms`, `idle_in_transaction_timeout_ms` and
    /// `may_bypass_row_security` (`true` or `false`) are the engine's own; the others are those of `libpq`: `sslmode`,
    /// `sslrootcert`, `sslcert`, `sslkey`, `application_name`, `host`, `port`, `dbname` and `user`.
    Postgres(Secret),
}

/// The kind of place where an engine keeps what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StorageKind {
    /// An SQLite database in the data folder.
    Sqlite,
    /// Memory: closing the engine forgets everything.
    Memory,
    /// A PostgreSQL database.
    Postgres,
}

/// What a text can be that says where an engine keeps what it is given.
const EXPECTED: &str = "\"sqlite\", \"memory\" or a URL \"postgres://user:password@host/database\"";

/// How the URL of a database begins.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

impl Storage {
    /// The kind of place.
    #[must_use]
    pub fn kind(&self) -> StorageKind {
        match self {
            Self::Sqlite => StorageKind::Sqlite,
            Self::Memory => StorageKind::Memory,
            Self::Postgres(_) => StorageKind::Postgres,
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Memory => "memory",
            Self::Postgres(url) => url.expose(),
        }
    }
}

impl FromStr for Storage {
    type Err = Error;

    /// # Errors
    /// `invalid_request` for any other text, which is not shown: it may be a URL that was misspelt.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            "memory" => Ok(Self::Memory),
            url if SCHEMES.iter().any(|scheme| url.starts_with(scheme)) => {
                Ok(Self::Postgres(Secret::new(url)))
            }
            _ => Err(Error::invalid_request(format!("'storage' must be {EXPECTED}"))),
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(formatter)
    }
}

impl PartialEq for Storage {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Storage {}

impl Serialize for Storage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl<'de> Deserialize<'de> for Storage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Secret::deserialize(deserializer).ok();
        let storage = text.and_then(|text| text.expose().parse().ok());
        storage.ok_or_else(|| D::Error::custom(format!("it must be {EXPECTED}")))
    }
}

impl JsonSchema for Storage {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Storage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where an engine keeps what it is given: in an SQLite database in the data folder, in memory, or in \
                the PostgreSQL database with this URL.",
            "anyOf": [
                { "enum": ["sqlite", "memory"] },
                { "type": "string", "format": "uri", "pattern": "^postgres(ql)?://" }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::EngineConfig;

    #[test]
    fn a_url_shows_itself_to_nobody_but_who_reads_the_json() {
        let url = "postgresql://ada:pass-7@localhost/app?schema=own";
        let config = EngineConfig {
            storage: url.parse().unwrap(),
            ..EngineConfig::default()
        };
        assert!(!format!("{config:?}").contains("localhost"), "{config:?}");
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(EngineConfig::from_json(&text).unwrap(), config);

        for wrong in [
            r#"{ "storage": "postgers://ada:pass-7@localhost/app" }"#,
            r#"{ "storage": ["pass-7"] }"#,
            r#"{ "storage": { "url": "pass-7" } }"#,
        ] {
            let error = EngineConfig::from_json(wrong).unwrap_err();
            assert!(error.message().contains("'storage'"), "{error}");
            assert!(!format!("{error:?}").contains("pass-7"), "{error:?}");
        }
    }
}
