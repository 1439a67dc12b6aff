//! The function `run.script`: a script in JavaScript or Python.

use std::path::PathBuf;
use std::sync::Arc;

use atom_core::function::{FunctionContext, TypedFunction};
use atom_core::{Error, ErrorCode, Function, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::given::{Given, Return};
use super::supervisor::Supervisor;
use super::{carry_out, guarded};
use crate::http::resource::{ExternalResource, Loader, Place};

/// The longest script, in bytes: that of a workflow document.
const MAXIMUM_CODE: usize = 4 * 1024 * 1024;

/// The arguments of `run: script`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ScriptRequest {
    /// `js` (or `javascript`) or `python`.
    language: String,
    /// The script itself; either this or `source`.
    #[serde(default)]
    code: Option<String>,
    /// Where the script is; either this or `code`.
    #[serde(default)]
    source: Option<ExternalResource>,
    /// What the script reads from its standard input; what is not a text is passed as JSON.
    #[serde(default)]
    stdin: Option<Value>,
    /// The script's arguments.
    #[serde(default)]
    arguments: Option<Vec<Value>>,
    /// Environment variables by name.
    #[serde(default)]
    environment: Option<Map<String, Value>>,
    /// Which part of the result is given back.
    #[serde(default)]
    r#return: Return,
    /// Whether the end of the script is waited for.
    #[serde(default = "super::awaited")]
    r#await: bool,
}

/// What scripts are run with.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) supervisor: Arc<Supervisor>,
    pub(super) loader: Loader,
    pub(super) python: PathBuf,
}

pub(super) fn function(is_allowed: bool, scripts: Scripts) -> Arc<dyn Function> {
    let scripts = Arc::new(scripts);
    let call = move |request: ScriptRequest, context: FunctionContext| {
        let scripts = Arc::clone(&scripts);
        async move { scripts.call(request, &context).await }
    };
    let description = "Runs a script in JavaScript or Python and gives back what it wrote.";
    guarded(
        TypedFunction::new("run.script", description, call),
        is_allowed,
        "script",
    )
}

impl Scripts {
    async fn call(&self, request: ScriptRequest, context: &FunctionContext) -> Result<Value> {
        let given = Given::new(
            request.stdin,
            request.arguments,
            request.environment,
            &context.idempotency_key,
        )?;
        let code = match (request.code, request.source) {
            (Some(code), None) => code,
            (None, Some(source)) => self.loader.load(&Place::of(source.endpoint)?, context).await?,
            _ => return Err(Error::invalid_request("a script needs either 'code' or 'source'")),
        };
        if code.len() > MAXIMUM_CODE {
            let message = format!("the script is longer than {MAXIMUM_CODE} bytes");
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        let (wanted, is_awaited) = (request.r#return, request.r#await);
        match request.language.as_str() {
            "js" | "javascript" => {
                let script = javascript(code, given.clone())?;
                carry_out(&self.supervisor, script, &given, wanted, is_awaited, context).await
            }
            "python" => {
                let script = self.python(code, given.clone(), context)?;
                carry_out(&self.supervisor, script, &given, wanted, is_awaited, context).await
            }
            _ => {
                let message = "scripts are written in 'js' or 'python'; run other languages in a container";
                Err(Error::new(ErrorCode::Unsupported, message))
            }
        }
    }

    /// Python in its isolated mode: neither the user's packages nor the working folder are looked at for modules.
    #[cfg(unix)]
    fn python(
        &self,
        code: String,
        given: Given,
        context: &FunctionContext,
    ) -> Result<super::system::SystemProcess> {
        let advice = "install Python 3, or set 'processes.python' to its interpreter";
        Ok(super::system::SystemProcess::new(&self.python, given, advice)
            .with_arguments(["-I", "-X", "utf8"])
            .with_script("script.py", code)
            .in_directory(context.directory.clone()))
    }

    #[cfg(not(unix))]
    fn python(&self, _: String, _: Given, _: &FunctionContext) -> Result<super::Nothing> {
        Err(super::no_processes())
    }
}

#[cfg(feature = "javascript")]
fn javascript(code: String, given: Given) -> Result<super::javascript::Script> {
    super::javascript::Script::new(code, given)
}

#[cfg(not(feature = "javascript"))]
fn javascript(_: String, _: Given) -> Result<super::Nothing> {
    let message = "this build of the engine has no JavaScript; build it with the feature 'javascript'";
    Err(Error::new(ErrorCode::Unsupported, message))
}
