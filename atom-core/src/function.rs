//! What a workflow step calls: a connector operation, a built-in, or a function of the host application.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::cancel::CancellationToken;
use crate::{Error, ErrorCode, Principal, Result, RunId};

/// What a function is called, takes and gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionInfo {
    /// The name that `call:` uses: lower-case words joined by `_`, grouped by `.`, e.g. `mailbox.messages.list`.
    pub name: String,
    /// One sentence for people and models.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the arguments; `true` accepts anything.
    #[serde(default = "any_schema")]
    pub input_schema: Value,
    /// JSON Schema of the result; `true` for anything.
    #[serde(default = "any_schema")]
    pub output_schema: Value,
    /// Whether the function changes nothing outside and may be called twice without harm.
    #[serde(default)]
    pub is_read_only: bool,
}

fn any_schema() -> Value {
    Value::Bool(true)
}

impl FunctionInfo {
    /// A function that accepts and returns anything.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            input_schema: any_schema(),
            output_schema: any_schema(),
            is_read_only: false,
        }
    }

    /// Checks the name.
    ///
    /// # Errors
    /// `invalid_request` when the name is not words of lower-case letters, digits and `_`, starting with a
    /// letter and joined by `.`, of at most 128 bytes.
    pub fn validate(&self) -> Result<()> {
        let is_word = |word: &str| {
            word.starts_with(|first: char| first.is_ascii_lowercase())
                && word
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if self.name.len() <= 128 && self.name.split('.').all(is_word) {
            return Ok(());
        }
        Err(Error::invalid_request(format!(
            "'{}' is not a function name; use words of lower-case letters, digits and '_', joined by '.'",
            self.name
        )))
    }
}

/// The step of a run on whose behalf a function is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepContext {
    /// The run.
    pub run: RunId,
    /// The JSON pointer of the task in its workflow document, e.g. `/do/0/read_mail`.
    pub task: String,
}

/// Everything a function knows about the call besides its arguments.
#[derive(Clone, Debug)]
pub struct FunctionContext {
    /// On whose behalf the call is made.
    pub principal: Principal,
    /// The step that calls, absent for a direct call.
    pub step: Option<StepContext>,
    /// The same for every repetition of this call after a crash, and different for every other call. Pass it
    /// on where a service accepts such a key: a call is made at least once.
    pub idempotency_key: String,
    /// Where relative file paths start.
    pub directory: Option<PathBuf>,
    /// When the caller stops waiting.
    pub deadline: Option<Timestamp>,
    /// Cancelled when the caller no longer wants the answer.
    pub cancellation: CancellationToken,
}

impl FunctionContext {
    /// The context of a direct call: no step, no deadline.
    #[must_use]
    pub fn direct(principal: Principal, idempotency_key: impl Into<String>) -> Self {
        Self {
            principal,
            step: None,
            idempotency_key: idempotency_key.into(),
            directory: None,
            deadline: None,
            cancellation: CancellationToken::new(),
        }
    }
}

/// Something that can be called by name with JSON arguments.
#[async_trait]
pub trait Function: Send + Sync + std::fmt::Debug {
    /// What the function is called, takes and gives.
    fn info(&self) -> &FunctionInfo;

    /// Says why no call can succeed as the engine is set up, e.g. because a setting forbids it. A run that needs the
    /// function is then refused when it is started; one that was started before waits there.
    ///
    /// # Errors
    /// What every call would fail with.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Runs the function.
    ///
    /// # Errors
    /// Any code; `retry` tells the caller whether trying again may help.
    ///
    /// # Cancel safety
    /// The caller may drop the future, or cancel the context's token and wait a little for a clean end. A
    /// function must leave nothing half done that a repetition with the same idempotency key would not mend.
    async fn call(&self, arguments: Value, context: FunctionContext) -> Result<Value>;

    /// Brings messages to a sink, one after the other, until there are no more. The context has no deadline.
    ///
    /// # Errors
    /// `unsupported` for a function that has no messages, which most have not; else any code.
    ///
    /// # Cancel safety
    /// As [`call`](Self::call). After a crash the function is called again with the same arguments and key; what the
    /// sink has taken by then stays taken.
    async fn subscribe(
        &self,
        _arguments: Value,
        _context: FunctionContext,
        _sink: &dyn MessageSink,
    ) -> Result<()> {
        let message = format!("the function '{}' cannot be subscribed to", self.info().name);
        Err(Error::new(ErrorCode::Unsupported, message))
    }
}

/// Takes the messages of a subscription.
#[async_trait]
pub trait MessageSink: Send + Sync {
    /// Hands over one message. Once this returns, the message is durable, or is not one of those wanted.
    ///
    /// # Errors
    /// `cancelled` when no more messages are wanted, `limit_exceeded` for a message that is too large to be kept,
    /// `invalid_data` for one that nests too deep.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether the message was taken.
    async fn deliver(&self, message: Value) -> Result<()>;
}

/// A function whose arguments and result are Rust types; their JSON Schemas are derived.
///
/// ```
/// use atom_core::function::{Function, FunctionContext, TypedFunction};
/// use atom_core::Principal;
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Greet { name: String }
///
/// let greet = TypedFunction::new("greet", "Greets somebody.", |request: Greet, _context| async move {
///     Ok(format!("Hello {}!", request.name))
/// });
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let context = FunctionContext::direct(Principal::new("acme", "ada")?, "key");
/// assert_eq!(greet.call(serde_json::json!({ "name": "Ada" }), context).await?, "Hello Ada!");
/// # Ok::<(), atom_core::Error>(()) }).unwrap();
/// ```
pub struct TypedFunction {
    info: FunctionInfo,
    refusal: Option<Error>,
    handler: Box<dyn Fn(Value, FunctionContext) -> BoxFuture<'static, Result<Value>> + Send + Sync>,
}

impl TypedFunction {
    /// Wraps an asynchronous closure.
    pub fn new<Request, Response, Handler, Answer>(
        name: impl Into<String>,
        description: impl Into<String>,
        handler: Handler,
    ) -> Self
    where
        Request: DeserializeOwned + JsonSchema + Send + 'static,
        Response: Serialize + JsonSchema + 'static,
        Handler: Fn(Request, FunctionContext) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Response>> + Send + 'static,
    {
        let mut info = FunctionInfo::new(name, description);
        info.input_schema = schemars::schema_for!(Request).to_value();
        info.output_schema = schemars::schema_for!(Response).to_value();
        let function = info.name.clone();
        let handler = move |arguments: Value, context| -> BoxFuture<'static, Result<Value>> {
            let request = match parse_arguments(&function, arguments) {
                Ok(request) => request,
                Err(error) => return Box::pin(std::future::ready(Err(error))),
            };
            let function = function.clone();
            let answer = handler(request, context);
            Box::pin(async move {
                let response = answer
                    .await
                    .map_err(|error| error.with_operation(function.as_str()))?;
                serde_json::to_value(response).map_err(|error| {
                    Error::internal("the result cannot be written as JSON")
                        .with_operation(function)
                        .with_source(error)
                })
            })
        };
        Self {
            info,
            refusal: None,
            handler: Box::new(handler),
        }
    }

    /// Makes every call fail with this error, and [`check`](Function::check) say so.
    #[must_use]
    pub fn refused(mut self, error: Error) -> Self {
        self.refusal = Some(error.with_operation(self.info.name.as_str()));
        self
    }

    /// Marks the function as one that changes nothing outside.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.info.is_read_only = true;
        self
    }
}

fn parse_arguments<Request: DeserializeOwned>(function: &str, arguments: Value) -> Result<Request> {
    // A call without `with` has no arguments: the same as an empty object.
    let arguments = if arguments.is_null() {
        Value::Object(serde_json::Map::new())
    } else {
        arguments
    };
    serde_json::from_value(arguments).map_err(|error| {
        Error::invalid_request(format!("the arguments do not fit: {error}")).with_operation(function)
    })
}

impl std::fmt::Debug for TypedFunction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TypedFunction")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Function for TypedFunction {
    fn info(&self) -> &FunctionInfo {
        &self.info
    }

    fn check(&self) -> Result<()> {
        self.refusal.clone().map_or(Ok(()), Err)
    }

    async fn call(&self, arguments: Value, context: FunctionContext) -> Result<Value> {
        self.check()?;
        (self.handler)(arguments, context).await
    }
}

/// The functions of one engine, by name.
///
/// ```
/// use atom_core::{FunctionRegistry, ErrorCode};
///
/// let functions = FunctionRegistry::default();
/// assert_eq!(functions.get("nobody.home").unwrap_err().code(), ErrorCode::NotFound);
/// ```
#[derive(Debug, Default)]
pub struct FunctionRegistry {
    functions: RwLock<BTreeMap<String, Arc<dyn Function>>>,
    changes: watch::Sender<u64>,
}

impl FunctionRegistry {
    /// Adds a function.
    ///
    /// # Errors
    /// `invalid_request` for a malformed name, `already_exists` when the name is taken.
    pub fn register(&self, function: Arc<dyn Function>) -> Result<()> {
        function.info().validate()?;
        let name = function.info().name.clone();
        let mut functions = self
            .functions
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if functions.contains_key(&name) {
            return Err(Error::new(
                ErrorCode::AlreadyExists,
                format!("a function named '{name}' is registered already; unregister it first"),
            ));
        }
        functions.insert(name, function);
        drop(functions);
        self.changes.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// Follows what is registered: changes with every function that is added or removed.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Removes a function and tells whether there was one.
    pub fn unregister(&self, name: &str) -> bool {
        let mut functions = self
            .functions
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_removed = functions.remove(name).is_some();
        drop(functions);
        self.changes.send_modify(|changes| *changes += 1);
        is_removed
    }

    /// The function with this name.
    ///
    /// # Errors
    /// `not_found`, naming the nearest registered name where one is near.
    pub fn get(&self, name: &str) -> Result<Arc<dyn Function>> {
        let functions = self
            .functions
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(function) = functions.get(name) {
            return Ok(Arc::clone(function));
        }
        let prefix = name.split('.').next().unwrap_or(name);
        let similar: Vec<_> = functions
            .keys()
            .filter(|key| key.split('.').next() == Some(prefix))
            .take(5)
            .cloned()
            .collect();
        let hint = if similar.is_empty() {
            "functions.list shows what is registered".to_owned()
        } else {
            format!("did you mean {}?", similar.join(", "))
        };
        Err(Error::not_found(format!(
            "no function named '{name}' is registered; {hint}"
        )))
    }

    /// The function with this name, if its calls can succeed as the engine is set up.
    ///
    /// # Errors
    /// As [`get`](Self::get), and what its [`check`](Function::check) says.
    pub fn usable(&self, name: &str) -> Result<Arc<dyn Function>> {
        let function = self.get(name)?;
        function.check()?;
        Ok(function)
    }

    /// The function with this name, once it is registered and its calls can succeed. A run that resumes before the host
    /// application has registered its functions, or where a setting forbids what it calls, waits here.
    ///
    /// # Cancel safety
    /// Dropping the future forgets the wait and nothing else.
    pub async fn wait_for(&self, name: &str) -> Arc<dyn Function> {
        let mut changes = self.changes.subscribe();
        loop {
            if let Ok(function) = self.usable(name) {
                return function;
            }
            if changes.changed().await.is_err() {
                // The sender lives in `self`, so this cannot happen; waiting for ever is what was asked for.
                std::future::pending::<()>().await;
            }
        }
    }

    /// What is registered, sorted by name.
    #[must_use]
    pub fn list(&self) -> Vec<FunctionInfo> {
        let functions = self
            .functions
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        functions
            .values()
            .map(|function| function.info().clone())
            .collect()
    }
}
