//! What the operator may set about processes.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which processes workflows may start on this machine: none, unless it is said. They run with the rights of
/// the engine's own process.
///
/// ```
/// use atom_integrations::process::ProcessConfig;
///
/// let config: ProcessConfig = serde_json::from_str("{}")?;
/// assert!(!config.mcp);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessConfig {
    /// Whether `call: mcp` may start servers.
    pub mcp: bool,
    /// Folders in which commands are looked for before those of the `PATH` of the engine's own process.
    pub path: Vec<PathBuf>,
}
