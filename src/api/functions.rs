//! What workflows and callers can call by name.

use std::path::PathBuf;
use std::time::Duration;

use atom_core::{Error, ErrorCode, FunctionContext, FunctionInfo, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Context, Operation, Permission, Request};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::call::<ListFunctionsRequest>(),
    Operation::call::<GetFunctionRequest>(),
    Operation::call::<CallFunctionRequest>(),
];

/// Asks which functions there are.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFunctionsRequest {
    /// Only functions whose names begin with this, e.g. `mailbox.`.
    #[serde(default)]
    pub prefix: Option<String>,
}

/// Functions, sorted by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FunctionList {
    /// The functions.
    pub functions: Vec<FunctionInfo>,
}

impl Request for ListFunctionsRequest {
    const NAME: &'static str = "functions.list";
    const SUMMARY: &'static str = "Lists the functions that workflows can call.";
    const PERMISSION: Permission = Permission::FunctionsRead;
    type Response = FunctionList;

    async fn handle(self, context: Context) -> Result<FunctionList> {
        let mut functions = context.parts.functions.list();
        if let Some(prefix) = &self.prefix {
            functions.retain(|function| function.name.starts_with(prefix));
        }
        Ok(FunctionList { functions })
    }
}

/// Asks about one function.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetFunctionRequest {
    /// The function's name.
    pub name: String,
}

impl Request for GetFunctionRequest {
    const NAME: &'static str = "functions.get";
    const SUMMARY: &'static str = "Tells what a function takes and gives.";
    const PERMISSION: Permission = Permission::FunctionsRead;
    type Response = FunctionInfo;

    async fn handle(self, context: Context) -> Result<FunctionInfo> {
        Ok(context.parts.functions.get(&self.name)?.info().clone())
    }
}

/// Calls a function directly, outside of any run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallFunctionRequest {
    /// The function's name.
    pub name: String,
    /// What to pass to it; an empty object when absent.
    #[serde(default)]
    pub arguments: Value,
    /// Where relative file paths start.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// How long to wait for the answer, in milliseconds; as long as it takes when absent.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

impl CallFunctionRequest {
    /// A call without directory or timeout.
    pub fn new(name: impl Into<String>, arguments: Value) -> Self {
        Self {
            name: name.into(),
            arguments,
            directory: None,
            timeout_ms: None,
        }
    }
}

/// What a function gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FunctionOutput {
    /// The result.
    pub output: Value,
}

impl Request for CallFunctionRequest {
    const NAME: &'static str = "functions.call";
    const SUMMARY: &'static str = "Calls a function directly, once, and gives its result.";
    const PERMISSION: Permission = Permission::FunctionsCall;
    type Response = FunctionOutput;

    async fn handle(self, context: Context) -> Result<FunctionOutput> {
        let function = context.parts.functions.get(&self.name)?;
        let clock = &context.parts.clock;
        let mut call = FunctionContext::direct(context.principal.clone(), context.fresh_id());
        call.directory = self.directory;
        call.deadline = self.timeout_ms.map(|timeout| context.deadline(timeout));
        // Tells the function when nobody waits any more, however this ends.
        let _cancel = call.cancellation.clone().drop_guard();
        let arguments = match self.arguments {
            Value::Null => Value::Object(serde_json::Map::new()),
            arguments => arguments,
        };
        let answer = function.call(arguments, call);
        let result = match self.timeout_ms {
            None => answer.await,
            Some(timeout) => tokio::select! {
                result = answer => result,
                () = clock.sleep(Duration::from_millis(timeout)) => Err(Error::new(
                    ErrorCode::Timeout,
                    format!("the function took longer than {timeout} ms"),
                )),
            },
        };
        result
            .map(|output| FunctionOutput { output })
            .map_err(|error| error.with_context("function", &self.name))
    }
}
