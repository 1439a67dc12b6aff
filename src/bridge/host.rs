//! Functions that the host application carries out.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use atom_core::{
    Clock, Error, ErrorCode, ErrorReport, Function, FunctionContext, FunctionInfo, Result, Retry,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::message::{HostCallContext, Message};
use super::outbox::Outbox;
use crate::api::{closed, parse_request, read_value};

/// How many calls the host may have to answer at once; more wait.
const MAX_HOST_CALLS: usize = 1024;

/// The calls that the host has to answer.
#[derive(Debug)]
pub(super) struct HostCalls {
    outbox: Arc<Outbox>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    next: AtomicU64,
    slots: Arc<Semaphore>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Result<Value>>>>,
}

/// Kept both by whoever waits for the answer and by the message until it is taken, so that neither calls nor
/// messages outgrow the limit.
type Slot = Arc<OwnedSemaphorePermit>;

impl HostCalls {
    pub(super) fn new(outbox: Arc<Outbox>, clock: Arc<dyn Clock>, timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            outbox,
            clock,
            timeout,
            next: AtomicU64::new(1),
            slots: Arc::new(Semaphore::new(MAX_HOST_CALLS)),
            waiting: Mutex::default(),
        })
    }

    /// A function whose calls become messages.
    pub(super) fn function(self: &Arc<Self>, info: FunctionInfo) -> Arc<dyn Function> {
        Arc::new(HostFunction {
            info,
            calls: Arc::clone(self),
        })
    }

    /// Hands the host's answer to whoever waits for it. A call that nobody waits for is ignored.
    pub(super) fn reply(&self, call: u64, reply: &str) {
        let Some(waiting) = self.waiting().remove(&call) else {
            return;
        };
        // The caller may have stopped waiting this moment.
        let _ = waiting.send(read_reply(reply));
    }

    async fn call(
        self: &Arc<Self>,
        function: &str,
        arguments: Value,
        context: FunctionContext,
    ) -> Result<Value> {
        let now = self.clock.now();
        let latest = now.saturating_add(self.timeout).unwrap_or(Timestamp::MAX);
        let deadline = context.deadline.map_or(latest, |deadline| deadline.min(latest));
        let timeout = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
        let cancellation = context.cancellation.clone();
        let answer = async {
            let slot = Arc::clone(&self.slots)
                .acquire_owned()
                .await
                .map_err(|_| closed())?;
            let slot = Arc::new(slot);
            let call = self.next.fetch_add(1, Ordering::Relaxed);
            let (sender, receiver) = oneshot::channel();
            self.waiting().insert(call, sender);
            // From here on the host is told when the wait ends without its answer.
            let _pending = Pending {
                calls: Arc::clone(self),
                call,
                slot: Arc::clone(&slot),
            };
            let context = HostCallContext::new(context, deadline);
            let function = function.to_owned();
            self.outbox.push(
                &Message::HostCall {
                    call,
                    function,
                    arguments,
                    context,
                },
                Box::new(slot),
            );
            receiver.await.unwrap_or_else(|_| Err(closed()))
        };
        tokio::select! {
            result = answer => result,
            () = cancellation.cancelled() => {
                Err(Error::new(ErrorCode::Cancelled, "the call is no longer wanted"))
            }
            () = self.clock.sleep(timeout) => Err(Error::new(
                ErrorCode::Timeout,
                "the host application did not answer in time; is its message loop running?",
            )),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Result<Value>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that waits for the host's answer.
struct Pending {
    calls: Arc<HostCalls>,
    call: u64,
    slot: Slot,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.calls.waiting().remove(&self.call).is_some() {
            let message = Message::HostCancel { call: self.call };
            self.calls.outbox.push(&message, Box::new(Arc::clone(&self.slot)));
        }
    }
}

/// A function whose calls become messages.
#[derive(Debug)]
struct HostFunction {
    info: FunctionInfo,
    calls: Arc<HostCalls>,
}

#[async_trait]
impl Function for HostFunction {
    fn info(&self) -> &FunctionInfo {
        &self.info
    }

    async fn call(&self, arguments: Value, context: FunctionContext) -> Result<Value> {
        let result = self.calls.call(&self.info.name, arguments, context).await;
        result.map_err(|error| error.with_operation(self.info.name.as_str()))
    }
}

/// What a host replies: `{"ok": value}` or `{"err": {...}}`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Ok(Value),
    Err(HostError),
}

/// An error of the host, leniently: an exception may have nothing but a message.
#[derive(Deserialize)]
struct HostError {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    retry: Option<Retry>,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    context: BTreeMap<String, String>,
    #[serde(default)]
    cause: Vec<String>,
}

fn read_reply(reply: &str) -> Result<Value> {
    let malformed = |error: Error| {
        Error::new(ErrorCode::HostFailed, "the host application's reply is malformed").with_source(error)
    };
    let value = parse_request(reply).map_err(malformed)?;
    let reply = read_value(value, "the reply").map_err(malformed)?;
    match reply {
        Reply::Ok(value) => Ok(value),
        Reply::Err(error) => Err(error.into()),
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        let mut context = error.context;
        let known = error
            .code
            .as_ref()
            .and_then(|code| ErrorCode::ALL.iter().find(|known| known.as_str() == code));
        if let (None, Some(code)) = (known, error.code) {
            context.insert("host_code".to_owned(), code);
        }
        let code = known.copied().unwrap_or(ErrorCode::HostFailed);
        Self::from(ErrorReport {
            code,
            retry: error.retry.unwrap_or_else(|| code.default_retry()),
            operation: error.operation,
            message: error
                .message
                .unwrap_or_else(|| "the function failed without saying why".to_owned()),
            context,
            cause: error.cause,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_leniently_but_never_taken_for_success() {
        assert_eq!(read_reply(r#"{"ok":[1]}"#).unwrap(), serde_json::json!([1]));
        assert_eq!(read_reply(r#"{"ok":null}"#).unwrap(), Value::Null);
        for (reply, code) in [
            (r#"{"err":{"message":"no"}}"#, ErrorCode::HostFailed),
            (r#"{"err":{}}"#, ErrorCode::HostFailed),
            (
                r#"{"err":{"code":"rate_limited","message":"slow"}}"#,
                ErrorCode::RateLimited,
            ),
            (
                r#"{"err":{"code":"value_error","message":"bad","traceback":"x"}}"#,
                ErrorCode::HostFailed,
            ),
            ("", ErrorCode::HostFailed),
            ("{", ErrorCode::HostFailed),
            ("{}", ErrorCode::HostFailed),
            (r#"{"ok":1,"err":{}}"#, ErrorCode::HostFailed),
            ("[]", ErrorCode::HostFailed),
        ] {
            assert_eq!(read_reply(reply).unwrap_err().code(), code, "{reply}");
        }
        let error = read_reply(r#"{"err":{"code":"value_error","message":"bad"}}"#).unwrap_err();
        assert_eq!(error.context()["host_code"], "value_error");
    }
}
