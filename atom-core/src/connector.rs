//! Connectors: named groups of functions that read and write one service or file format.
//!
//! What a connector is called and what it offers is data, a [`Manifest`] written as TOML and compiled in;
//! what it does is code, one [`Function`] for each operation of the manifest. The two
//! must agree: [`Connector::register`] refuses an operation that has no function, and a function the manifest
//! does not name. Nothing is declared that is not implemented.
//!
//! ```
//! let manifest = atom_core::connector::Manifest::from_toml(r#"
//!     name = "task_file"
//!     title = "Task files"
//!     description = "Reads tasks from Markdown check boxes and todo.txt."
//!     models = ["task"]
//!
//!     [[operations]]
//!     name = "tasks.list"
//!     summary = "Lists the tasks of a file or folder."
//!     is_read_only = true
//! "#)?;
//! assert_eq!(manifest.function_names().collect::<Vec<_>>(), ["task_file.tasks.list"]);
//! # Ok::<(), atom_core::Error>(())
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Function, FunctionRegistry, Result};

/// What a connector is called and offers. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The connector's name, the first word of its functions' names.
    pub name: String,
    /// The name people read.
    pub title: String,
    /// One sentence on what it connects to.
    pub description: String,
    /// The unified models it reads or writes, e.g. `message`.
    #[serde(default)]
    pub models: Vec<String>,
    /// What it can do.
    pub operations: Vec<OperationManifest>,
}

/// One operation of a connector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationManifest {
    /// The name without the connector's, e.g. `messages.list`.
    pub name: String,
    /// One sentence for people and models.
    pub summary: String,
    /// Whether it changes nothing outside.
    #[serde(default)]
    pub is_read_only: bool,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// `invalid_data` with the line of the mistake.
    pub fn from_toml(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            Error::new(
                crate::ErrorCode::InvalidData,
                format!("the connector manifest is malformed: {error}"),
            )
        })
    }

    /// The full names of the connector's functions, in the order of the manifest.
    pub fn function_names(&self) -> impl Iterator<Item = String> + '_ {
        self.operations
            .iter()
            .map(|operation| format!("{}.{}", self.name, operation.name))
    }

    /// The operation behind a function's full name.
    #[must_use]
    pub fn operation(&self, function: &str) -> Option<&OperationManifest> {
        let name = function.strip_prefix(&self.name)?.strip_prefix('.')?;
        self.operations.iter().find(|operation| operation.name == name)
    }
}

/// A manifest together with the functions that carry it out.
#[derive(Clone, Debug)]
pub struct Connector {
    manifest: Manifest,
    functions: Vec<Arc<dyn Function>>,
}

impl Connector {
    /// Pairs a manifest with its functions.
    ///
    /// # Errors
    /// `internal` when an operation has no function or a function no operation.
    pub fn new(manifest: Manifest, functions: Vec<Arc<dyn Function>>) -> Result<Self> {
        let declared: BTreeSet<_> = manifest.function_names().collect();
        let implemented: BTreeSet<_> = functions
            .iter()
            .map(|function| function.info().name.clone())
            .collect();
        if let Some(name) = declared.symmetric_difference(&implemented).next() {
            return Err(Error::internal(format!(
                "the connector '{}' does not both declare and implement '{name}'",
                manifest.name
            )));
        }
        Ok(Self { manifest, functions })
    }

    /// What the connector is called and offers.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Adds every function of the connector to a registry.
    ///
    /// # Errors
    /// `already_exists` when a name is taken.
    pub fn register(&self, functions: &FunctionRegistry) -> Result<()> {
        self.functions
            .iter()
            .try_for_each(|function| functions.register(Arc::clone(function)))
    }
}
