//! Reading what a document refers to: once, before it is deployed or run. What was read is kept with the document.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atom_core::{Error, ErrorCode, FunctionContext, Principal, Result, RunId};
use futures::FutureExt;
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::Runtime;
use super::redact::Redactor;
use crate::definition::{Bundle, DEFAULT_CATALOG, ResourceReference, Workflow};
use crate::machine::{Machine, RunFacts};

/// The registered function that reads a resource.
const READER: &str = "resource.read";

/// How many resources a document may refer to, those of its resources included.
const MAX_RESOURCES: usize = 100;

/// How long one resource may be, and all of a document together, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
const MAX_TOTAL_BYTES: usize = 8 * 1024 * 1024;

/// How many resources may lead to each other in a row.
const MAX_DEPTH: usize = 10;

/// How many are read at once.
const CONCURRENCY: usize = 8;

/// How long reading all of them may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A document with everything that it refers to.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The document, read with its resources.
    pub workflow: Arc<Workflow>,
    /// What is to be kept under the hash of the workflow: the text of a [`Bundle`].
    pub text: String,
}

impl Runtime {
    /// Reads the external resources that a document refers to, and those that they refer to, on behalf of a principal. A
    /// document that refers to none, or was read with them before, is given back as it is.
    ///
    /// # Errors
    /// `invalid_workflow` for a resource that is not what it should be, `not_found` for a function of the default catalog
    /// where there is none, `limit_exceeded` for too many, too long or too deep resources, `timeout`, or why one could not
    /// be read. The context says where the document refers to the `resource`.
    ///
    /// # Cancel safety
    /// Dropping the future forgets what was read.
    pub async fn resolve(
        &self,
        principal: &Principal,
        workflow: Arc<Workflow>,
        text: String,
        directory: Option<&Path>,
    ) -> Result<Resolved> {
        if workflow.unresolved.is_empty() {
            return Ok(Resolved { workflow, text });
        }
        let work = self.read_resources(principal, workflow, text, directory);
        tokio::select! {
            biased;
            () = self.inner.shutdown.cancelled() => Err(super::closed()),
            resolved = work => resolved,
            () = self.inner.parts.clock.sleep(TIMEOUT) => Err(Error::new(
                ErrorCode::Timeout,
                format!("reading the resources of the document took longer than {} seconds", TIMEOUT.as_secs()),
            )),
        }
    }

    async fn read_resources(
        &self,
        principal: &Principal,
        mut workflow: Arc<Workflow>,
        text: String,
        directory: Option<&Path>,
    ) -> Result<Resolved> {
        let parts = &self.inner.parts;
        let scope = principal.scope();
        let secrets = self.secrets(&scope, &workflow).await?;
        let redactor = Redactor::new(&secrets);
        let now = parts.clock.now();
        let facts = RunFacts::new(scope, RunId::new(now, parts.random.as_ref()), Value::Null, now);
        // It knows the policies of the document, and how to authenticate by them.
        let machine = Machine::new(Arc::clone(&workflow), facts.with_secrets(secrets));
        let mut context = FunctionContext::direct(principal.clone(), machine.run().to_string());
        context.directory = directory.map(Path::to_owned);
        context.deadline = now.saturating_add(TIMEOUT).ok();
        let _stop = context.cancellation.clone().drop_guard();
        let mut bundle = Bundle::new(text);
        for _ in 0..MAX_DEPTH {
            let missing = &workflow.unresolved;
            check_count(bundle.count() + missing.len(), missing)?;
            for some in missing.chunks(CONCURRENCY) {
                let read = some.iter().map(|reference| {
                    self.read_resource(reference, &machine, &redactor, &context)
                        .boxed()
                });
                let read = try_join_all(read.collect::<Vec<_>>()).await?;
                for (reference, text) in some.iter().zip(read) {
                    bundle.add(reference, text);
                }
                check_total(bundle.resource_bytes(), missing)?;
            }
            let (parsed, parsing) = {
                let parse = move || (bundle.parse(), bundle);
                let parsing = tokio::task::spawn_blocking(parse).await;
                parsing.map_err(|error| {
                    Error::internal("reading the document ended in a panic").with_source(error)
                })?
            };
            (workflow, bundle) = (Arc::new(parsed?), parsing);
            if workflow.unresolved.is_empty() {
                let text = bundle.text()?;
                return Ok(Resolved { workflow, text });
            }
        }
        let message = format!("more than {MAX_DEPTH} resources in a row lead to each other");
        let error = Error::new(ErrorCode::LimitExceeded, message);
        Err(located(error, workflow.unresolved.first()))
    }

    async fn read_resource(
        &self,
        reference: &ResourceReference,
        machine: &Machine,
        redactor: &Redactor,
        context: &FunctionContext,
    ) -> Result<String> {
        let read = async {
            let uri = self.source(&reference.uri)?;
            let endpoint = machine.resource_endpoint(reference, &uri).map_err(|error| {
                Error::invalid_request(error.detail.or(error.title).unwrap_or(error.kind))
            })?;
            let function = self.inner.parts.functions.get(READER).map_err(|_| {
                Error::new(
                    ErrorCode::Unsupported,
                    "this engine does not read external resources",
                )
            })?;
            let answer = function
                .call(json!({ "endpoint": endpoint }), context.clone())
                .await?;
            match answer {
                Value::String(text) if text.len() > MAX_BYTES => Err(Error::new(
                    ErrorCode::LimitExceeded,
                    format!("it has {} bytes, more than {MAX_BYTES}", text.len()),
                )),
                Value::String(text) => Ok(text),
                _ => Err(Error::internal("a resource was read that is no text")),
            }
        };
        let mut text = read
            .await
            .map_err(|error| unreadable(reference, &error, redactor))?;
        // As with the answer of a call: what comes in from outside is kept without secrets.
        redactor.text(&mut text);
        Ok(text)
    }

    /// Where a resource is read from.
    fn source(&self, uri: &str) -> Result<String> {
        let Some(path) = uri.strip_prefix(DEFAULT_CATALOG) else {
            return Ok(uri.to_owned());
        };
        let root = self.inner.parts.settings.default_catalog.as_deref();
        let root = root.ok_or_else(|| {
            Error::not_found(
                "this engine has no default catalog; set the engine's 'default_catalog', or name a catalog in 'use.catalogs'",
            )
        })?;
        Ok(format!("{}/{path}", root.trim_end_matches('/')))
    }
}

fn check_count(count: usize, missing: &[ResourceReference]) -> Result<()> {
    if count <= MAX_RESOURCES {
        return Ok(());
    }
    let message = format!("the document refers to more than {MAX_RESOURCES} resources");
    Err(located(
        Error::new(ErrorCode::LimitExceeded, message),
        missing.first(),
    ))
}

fn check_total(bytes: usize, missing: &[ResourceReference]) -> Result<()> {
    if bytes <= MAX_TOTAL_BYTES {
        return Ok(());
    }
    let message = format!("the resources of the document have more than {MAX_TOTAL_BYTES} bytes together");
    Err(located(
        Error::new(ErrorCode::LimitExceeded, message),
        missing.first(),
    ))
}

fn located(error: Error, reference: Option<&ResourceReference>) -> Error {
    match reference {
        Some(reference) => reference.located(error),
        None => error,
    }
}

/// The error for a resource that could not be read, without secrets.
fn unreadable(reference: &ResourceReference, error: &Error, redactor: &Redactor) -> Error {
    let mut message = format!(
        "the resource '{}' cannot be read: {}",
        reference.uri,
        error.message()
    );
    redactor.text(&mut message);
    let mut told = Error::new(error.code(), message).with_retry(error.retry());
    for (key, value) in error.context() {
        let mut value = value.clone();
        redactor.text(&mut value);
        told = told.with_context(key, value);
    }
    reference.located(told)
}
