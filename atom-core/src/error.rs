//! One error shape for the whole engine and every host language.
//!
//! ```
//! use atom_core::{Error, ErrorCode, Retry};
//!
//! let error = Error::new(ErrorCode::NotFound, "no workflow named 'briefing'; deploy it first")
//!     .with_operation("workflows.get")
//!     .with_context("name", "briefing");
//! assert_eq!(error.code().as_str(), "not_found");
//! assert_eq!(error.retry(), Retry::No);
//! assert_eq!(error.to_string(), "workflows.get: no workflow named 'briefing'; deploy it first (not_found, name=briefing)");
//! ```

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a stable snake_case code that programs may match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The request is malformed or breaks a documented rule.
    InvalidRequest,
    /// A workflow document is malformed; `context` holds `line`, `column` and `path`.
    InvalidWorkflow,
    /// Data read from outside (a mailbox, a calendar, a journal) is malformed.
    InvalidData,
    /// An expression failed to compile or to evaluate.
    InvalidExpression,
    /// The named thing does not exist for this principal.
    NotFound,
    /// The thing to create exists already and differs.
    AlreadyExists,
    /// The request clashes with the present state, e.g. a signal to a finished run.
    Conflict,
    /// The principal lacks a permission, or a setting forbids the access.
    PermissionDenied,
    /// A credential was refused by the service.
    Unauthenticated,
    /// A size, time or count limit was passed.
    LimitExceeded,
    /// The service asks to slow down.
    RateLimited,
    /// A deadline passed before the answer came.
    Timeout,
    /// The caller cancelled the operation.
    Cancelled,
    /// A service or peer cannot be reached or failed for the moment.
    Unavailable,
    /// A service answered with an error that trying again will not change.
    Upstream,
    /// The engine does not offer this; nothing was done.
    Unsupported,
    /// Another engine has the data directory open.
    Locked,
    /// The disk is full; nothing already stored was lost.
    StorageFull,
    /// The store cannot be read or written.
    StorageFailed,
    /// The store was written by a newer version of the engine.
    VersionMismatch,
    /// The engine was closed.
    Closed,
    /// The process forked after the engine was opened; open a new engine in the child.
    Forked,
    /// A function of the host application failed.
    HostFailed,
    /// A run ended in a fault; `context` holds its error.
    RunFaulted,
    /// A defect of the engine. Please report it.
    Internal,
}

impl ErrorCode {
    /// Every code, in the order of declaration; hosts generate one exception class for each.
    pub const ALL: &'static [Self] = &[
        Self::InvalidRequest,
        Self::InvalidWorkflow,
        Self::InvalidData,
        Self::InvalidExpression,
        Self::NotFound,
        Self::AlreadyExists,
        Self::Conflict,
        Self::PermissionDenied,
        Self::Unauthenticated,
        Self::LimitExceeded,
        Self::RateLimited,
        Self::Timeout,
        Self::Cancelled,
        Self::Unavailable,
        Self::Upstream,
        Self::Unsupported,
        Self::Locked,
        Self::StorageFull,
        Self::StorageFailed,
        Self::VersionMismatch,
        Self::Closed,
        Self::Forked,
        Self::HostFailed,
        Self::RunFaulted,
        Self::Internal,
    ];

    /// The stable wire form, e.g. `not_found`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidWorkflow => "invalid_workflow",
            Self::InvalidData => "invalid_data",
            Self::InvalidExpression => "invalid_expression",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::PermissionDenied => "permission_denied",
            Self::Unauthenticated => "unauthenticated",
            Self::LimitExceeded => "limit_exceeded",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Unavailable => "unavailable",
            Self::Upstream => "upstream",
            Self::Unsupported => "unsupported",
            Self::Locked => "locked",
            Self::StorageFull => "storage_full",
            Self::StorageFailed => "storage_failed",
            Self::VersionMismatch => "version_mismatch",
            Self::Closed => "closed",
            Self::Forked => "forked",
            Self::HostFailed => "host_failed",
            Self::RunFaulted => "run_faulted",
            Self::Internal => "internal",
        }
    }

    /// Whether an operation that failed with this code may succeed when it is tried again unchanged.
    #[must_use]
    pub fn default_retry(self) -> Retry {
        match self {
            Self::RateLimited | Self::Timeout | Self::Unavailable | Self::StorageFull | Self::Locked => {
                Retry::Maybe
            }
            _ => Retry::No,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whether, and when, the same call is worth trying again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Retry {
    /// The same call will fail again.
    #[default]
    No,
    /// The same call may succeed later.
    Maybe,
    /// The service asked to wait this long.
    After {
        /// Milliseconds to wait before the next try.
        ms: u64,
    },
    /// The engine has tried as often as its policy allows.
    Exhausted,
}

/// The error of every operation, trait and host of the engine.
///
/// `message` says what happened and what to do next, in one line. Neither it nor `context` ever holds a
/// secret. On the wire it is the JSON object that [`ErrorReport`] describes.
#[derive(Clone)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    code: ErrorCode,
    retry: Retry,
    operation: Option<String>,
    message: String,
    context: BTreeMap<String, String>,
    source: Option<std::sync::Arc<dyn std::error::Error + Send + Sync + 'static>>,
}

impl Error {
    /// An error with the code's usual retry advice and no operation, context or source.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                code,
                retry: code.default_retry(),
                operation: None,
                message: message.into(),
                context: BTreeMap::new(),
                source: None,
            }),
        }
    }

    /// Shorthand for [`ErrorCode::InvalidRequest`].
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    /// Shorthand for [`ErrorCode::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// Shorthand for [`ErrorCode::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    /// Names the operation that failed, unless a deeper layer has named one already.
    #[must_use]
    pub fn with_operation(mut self, operation: impl Into<String>) -> Self {
        if self.inner.operation.is_none() {
            self.inner.operation = Some(operation.into());
        }
        self
    }

    /// Adds a fact that helps to find the cause. Never pass a secret.
    #[must_use]
    pub fn with_context(mut self, key: impl Into<String>, value: impl fmt::Display) -> Self {
        self.inner.context.insert(key.into(), value.to_string());
        self
    }

    /// Keeps the error that caused this one. Its text is shown to users: it must hold no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.inner.source = Some(std::sync::Arc::new(source));
        self
    }

    /// Replaces the retry advice.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.inner.retry = retry;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.inner.code
    }

    /// Whether the same call is worth trying again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.inner.retry
    }

    /// The operation that failed, when known.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.inner.operation.as_deref()
    }

    /// What happened and what to do next.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// Facts that help to find the cause.
    #[must_use]
    pub fn context(&self) -> &BTreeMap<String, String> {
        &self.inner.context
    }

    /// The wire form of this error.
    #[must_use]
    pub fn report(&self) -> ErrorReport {
        let mut cause = Vec::new();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            cause.push(error.to_string());
            source = error.source();
        }
        ErrorReport {
            code: self.inner.code,
            retry: self.inner.retry,
            operation: self.inner.operation.clone(),
            message: self.inner.message.clone(),
            context: self.inner.context.clone(),
            cause,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = &self.inner.operation {
            write!(formatter, "{operation}: ")?;
        }
        write!(formatter, "{} ({}", self.inner.message, self.inner.code)?;
        for (key, value) in &self.inner.context {
            write!(formatter, ", {key}={value}")?;
        }
        formatter.write_str(")")
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            write!(formatter, "\n  caused by: {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner
            .source
            .as_ref()
            .map(|source| source.as_ref() as &(dyn std::error::Error + 'static))
    }
}

/// The wire form of [`Error`]: what hosts, the command line and run histories show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct ErrorReport {
    /// What went wrong.
    pub code: ErrorCode,
    /// Whether the same call is worth trying again.
    #[serde(default)]
    pub retry: Retry,
    /// The operation that failed, when known.
    #[serde(default)]
    pub operation: Option<String>,
    /// What happened and what to do next.
    pub message: String,
    /// Facts that help to find the cause.
    #[serde(default)]
    pub context: BTreeMap<String, String>,
    /// The messages of the errors that caused this one, nearest first.
    #[serde(default)]
    pub cause: Vec<String>,
}

impl From<&Error> for ErrorReport {
    fn from(error: &Error) -> Self {
        error.report()
    }
}

#[derive(Debug)]
struct Cause {
    message: String,
    source: Option<Box<Self>>,
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl From<ErrorReport> for Error {
    fn from(report: ErrorReport) -> Self {
        let source = report
            .cause
            .into_iter()
            .rev()
            .fold(None, |source, message| Some(Box::new(Cause { message, source })));
        let mut error = Self::new(report.code, report.message).with_retry(report.retry);
        error.inner.operation = report.operation;
        error.inner.context = report.context;
        if let Some(source) = source {
            error = error.with_source(*source);
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_and_match_their_wire_form() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        let unique: std::collections::BTreeSet<_> = ErrorCode::ALL.iter().collect();
        assert_eq!(unique.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn an_error_survives_the_wire_with_its_causes() {
        let error = Error::new(ErrorCode::StorageFailed, "cannot write")
            .with_operation("runs.start")
            .with_context("path", "/tmp/x")
            .with_source(Error::internal("inner").with_source(std::io::Error::other("innermost")));
        let report = error.report();
        assert_eq!(report.cause, ["inner (internal)", "innermost"]);
        let back = Error::from(report.clone());
        assert_eq!(back.report(), report);
    }

    #[test]
    fn the_deepest_operation_wins() {
        let error = Error::internal("x")
            .with_operation("inner")
            .with_operation("outer");
        assert_eq!(error.operation(), Some("inner"));
    }
}
