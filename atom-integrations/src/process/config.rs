//! What the operator may set about processes.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which processes workflows may run. Nothing at all unless it is set here.
///
/// A shell command, a Python script, a server and a container do whatever the user may do as whom the engine runs: turn them on
/// only where everybody who may start runs is trusted with that.
///
/// ```
/// use atom_integrations::process::ProcessConfig;
///
/// let config: ProcessConfig = serde_json::from_str(r#"{ "shell": true }"#)?;
/// assert!(config.shell && !config.script && !config.container && !config.mcp);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessConfig {
    /// Whether `run: shell` is allowed.
    pub shell: bool,
    /// Whether `run: script` is allowed. JavaScript runs within the engine, without files and network; Python is
    /// a process like any other.
    pub script: bool,
    /// Whether `run: container` is allowed.
    pub container: bool,
    /// Whether `call: mcp` may start servers.
    pub mcp: bool,
    /// The Python interpreter of `run: script`. Absent: `python3`, as found on `PATH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<PathBuf>,
    /// The Unix socket of the container engine, Docker's or Podman's. Absent: the one that the environment
    /// variable `DOCKER_HOST` names, or else `/var/run/docker.sock`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_socket: Option<PathBuf>,
    /// Folders in which the servers of `call: mcp` are looked for before those of the `PATH` of the engine's own process.
    pub path: Vec<PathBuf>,
}
