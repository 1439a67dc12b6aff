//! What an engine is told when it is opened.

mod retention;
mod runs;
mod storage;

pub use retention::RetentionConfig;
pub use runs::Runs;
pub use storage::{Storage, StorageKind};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use atom_core::{Error, Principal, Result};
use atom_integrations::http::HttpConfig;
use atom_integrations::local::FileAccess;
use atom_integrations::process::ProcessConfig;
use atom_workflow::runtime::{LifecycleEvents, RuntimeSettings};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::api::{Permission, PermissionTable, read_value};

/// What an engine is told when it is opened. Every field has a default; unknown keys are refused.
///
/// ```
/// use atom_engine::{EngineConfig, Storage};
///
/// let config = EngineConfig::from_json(r#"{ "storage": "memory", "user": "ada" }"#)?;
/// assert_eq!(config.storage, Storage::Memory);
/// assert_eq!(config.user, "ada");
/// # Ok::<(), atom_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// The folder that holds the store and its key, or on PostgreSQL the key only; one engine at a time has a folder's store open.
    /// Absent: the platform's folder for application data, e.g. `~/.local/share/atom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// Where workflows, runs, events and secrets are kept: `sqlite`, `memory`, or a URL
    /// `postgres://user:password@host:port/database`.
    pub storage: Storage,
    /// What carries runs out: `embedded`, the engine itself, or the URL of a Temporal server,
    /// `temporal://host:port/namespace?task_queue=name`, `temporals` for TLS.
    pub runs: Runs,
    /// The tenant of calls that name no principal.
    pub tenant: String,
    /// The user of calls that name no principal.
    pub user: String,
    /// The roles of calls that name no principal; none means every permission.
    pub roles: Vec<String>,
    /// The permissions of roles besides the built-in `admin` (every permission) and `viewer` (every permission
    /// that ends in `.read`).
    pub permissions: BTreeMap<String, Vec<Permission>>,
    /// The folders that local connectors may read and write, and from which calls may read documents that describe
    /// services: `"everywhere"`, or a list of folders, none at all when empty.
    pub file_roots: FileRoots,
    /// What may be reached over HTTP, gRPC and WebSocket, and how.
    pub http: HttpConfig,
    /// Where the functions of the catalog `default` are, which workflows can call without defining it: an `http`, `https` or
    /// `file` URI, read by the rules of `http` and `file_roots`. There is no such catalog when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_catalog: Option<String>,
    /// What is told of runs by the specification's lifecycle events: `none`, `workflow` for what becomes of runs, or `all` for
    /// their tasks, too. They are published to the owner of the run.
    pub lifecycle_events: LifecycleEvents,
    /// Which processes workflows may run; none at all unless it says so.
    pub processes: ProcessConfig,
    /// Whether runs that were under way when the store was last closed go on at once, schedules start runs, alert rules
    /// are evaluated, and what has expired is removed.
    pub resume: bool,
    /// How often alert rules are evaluated, in milliseconds; at least 1000.
    pub alert_interval_ms: u64,
    /// How long runs that have ended, events and statistics are kept.
    pub retention: RetentionConfig,
    /// How long a function of the host application may take to answer, in milliseconds.
    pub host_call_timeout_ms: u64,
    /// How long closing waits for calls and runs to finish what they are writing, in milliseconds.
    pub close_grace_ms: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            data_dir: None,
            storage: Storage::default(),
            runs: Runs::default(),
            tenant: "default".to_owned(),
            user: "default".to_owned(),
            roles: Vec::new(),
            permissions: BTreeMap::new(),
            file_roots: FileRoots::default(),
            http: HttpConfig::default(),
            default_catalog: None,
            lifecycle_events: LifecycleEvents::default(),
            processes: ProcessConfig::default(),
            resume: true,
            alert_interval_ms: 60_000,
            retention: RetentionConfig::default(),
            host_call_timeout_ms: 5 * 60 * 1000,
            close_grace_ms: 5_000,
        }
    }
}

impl EngineConfig {
    /// The defaults, with nothing kept on disk.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            storage: Storage::Memory,
            ..Self::default()
        }
    }

    /// The defaults, with everything kept in this folder.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: Some(folder.into()),
            ..Self::default()
        }
    }

    /// Reads a configuration; an empty text means the defaults.
    ///
    /// # Errors
    /// `invalid_request` naming the key that does not fit.
    pub fn from_json(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let whole = "the engine's configuration";
        let value = serde_json::from_str(text)
            .map_err(|error| Error::invalid_request(format!("{whole} is not JSON: {error}")))?;
        read_value(value, whole)
    }

    /// The principal of calls that name none.
    ///
    /// # Errors
    /// `invalid_request` when the tenant or user is malformed.
    pub fn principal(&self) -> Result<Principal> {
        let mut principal = Principal::new(self.tenant.clone(), self.user.clone())?;
        principal.roles.clone_from(&self.roles);
        Ok(principal)
    }

    pub(crate) fn permission_table(&self) -> Result<PermissionTable> {
        PermissionTable::new(self.permissions.clone())
    }

    pub(crate) fn runtime_settings(&self) -> Result<RuntimeSettings> {
        Ok(RuntimeSettings {
            default_catalog: self.default_catalog.clone(),
            lifecycle_events: self.lifecycle_events,
            statistics: Some(self.retention.statistics()?),
        })
    }

    pub(crate) fn close_grace(&self) -> Duration {
        Duration::from_millis(self.close_grace_ms)
    }

    /// How often alert rules are evaluated.
    ///
    /// # Errors
    /// `invalid_request` for less than a second.
    pub(crate) fn alert_interval(&self) -> Result<Duration> {
        let interval = Duration::from_millis(self.alert_interval_ms);
        if interval < Duration::from_secs(1) {
            return Err(Error::invalid_request(
                "'alert_interval_ms' must be at least 1000",
            ));
        }
        Ok(interval)
    }

    /// The folder that holds the store.
    pub(crate) fn data_folder(&self) -> Result<PathBuf> {
        match &self.data_dir {
            Some(folder) if folder.as_os_str().is_empty() => {
                Err(Error::invalid_request("'data_dir' must not be empty"))
            }
            Some(folder) => Ok(folder.clone()),
            None => platform_folder().ok_or_else(|| {
                Error::invalid_request(
                    "this user has no home folder to keep data in; set the engine's 'data_dir'",
                )
            }),
        }
    }
}

/// Where the platform keeps application data: the XDG Base Directory Specification 0.8, the File System
/// Programming Guide of macOS, or the roaming folder of Windows.
fn platform_folder() -> Option<PathBuf> {
    let folder = |variable| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = if cfg!(windows) {
        folder("APPDATA")?
    } else if cfg!(any(target_os = "macos", target_os = "ios")) {
        folder("HOME")?.join("Library/Application Support")
    } else {
        folder("XDG_DATA_HOME").or_else(|| Some(folder("HOME")?.join(".local/share")))?
    };
    Some(base.join("atom"))
}

/// The folders that local connectors may read and write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileRoots {
    /// Every file the process may touch: for programs that act for the person who started them.
    Everywhere,
    /// What lies in or below these folders.
    Below(Vec<PathBuf>),
}

impl Default for FileRoots {
    fn default() -> Self {
        Self::Below(Vec::new())
    }
}

impl FileRoots {
    pub(crate) fn access(&self) -> Result<FileAccess> {
        match self {
            Self::Everywhere => Ok(FileAccess::everywhere()),
            Self::Below(folders) if folders.is_empty() => Ok(FileAccess::none()),
            Self::Below(folders) => FileAccess::below(folders),
        }
    }
}

impl Serialize for FileRoots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Everywhere => serializer.serialize_str("everywhere"),
            Self::Below(folders) => folders.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for FileRoots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "everywhere" => Ok(Self::Everywhere),
            Value::Array(folders) => serde_json::from_value(Value::Array(folders))
                .map(Self::Below)
                .map_err(D::Error::custom),
            _ => Err(D::Error::custom(
                "'file_roots' must be \"everywhere\" or a list of folders",
            )),
        }
    }
}

impl JsonSchema for FileRoots {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FileRoots".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The folders that local connectors may read and write.",
            "anyOf": [
                { "const": "everywhere" },
                { "type": "array", "items": { "type": "string" } }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atom_core::ErrorCode;

    #[test]
    fn a_configuration_survives_being_written_and_read() {
        let mut config = EngineConfig::in_folder("/data");
        config
            .permissions
            .insert("operator".to_owned(), vec![Permission::RunsWrite]);
        for file_roots in [
            FileRoots::Everywhere,
            FileRoots::default(),
            FileRoots::Below(vec!["/mail".into()]),
        ] {
            config.file_roots = file_roots;
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(EngineConfig::from_json(&text).unwrap(), config);
        }
        assert_eq!(EngineConfig::from_json(" ").unwrap(), EngineConfig::default());
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        for (text, named) in [
            (r#"{ "datadir": "/x" }"#, "datadir"),
            (r#"{ "storage": "paper" }"#, "'storage' does not fit: it must be"),
            (r#"{ "file_roots": "somewhere" }"#, "file_roots"),
            (r#"{ "permissions": { "operator": ["runs.fly"] } }"#, "runs.fly"),
            (
                r#"{ "alert_interval_ms": "soon" }"#,
                "'alert_interval_ms' does not fit: invalid type: string \"soon\", expected a whole number from 0",
            ),
            ("[", "is not JSON"),
        ] {
            let error = EngineConfig::from_json(text).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest);
            assert!(error.message().contains(named), "{error}");
        }
    }
}
