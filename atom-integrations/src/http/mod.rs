//! Outgoing HTTP for workflows: the functions `http` and `openapi`, which back `call: http` and
//! `call: openapi` of the Open Workflow specification 1.0.3.
//!
//! Both keep the operator's rules ([`HttpConfig`]) on every request and every redirect: only public addresses
//! unless private ones are allowed, hosts sent elsewhere, bounded answers, deadlines. Each call that may
//! change something carries an `Idempotency-Key`. A status outside 200 to 299 is an error whose context holds
//! it as `status`.
//!
//! ```
//! use atom_core::{ErrorCode, FunctionContext, FunctionRegistry, Principal};
//! use atom_integrations::http::{self, HttpConfig};
//! use serde_json::json;
//!
//! let functions = FunctionRegistry::default();
//! for function in http::functions(HttpConfig::default())? {
//!     functions.register(function)?;
//! }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let metadata = json!({ "method": "get", "endpoint": { "uri": "http://169.254.169.254/latest/meta-data" } });
//! let context = FunctionContext::direct(Principal::new("acme", "ada")?, "key");
//! let error = functions.get("http")?.call(metadata, context).await.unwrap_err();
//! assert_eq!(error.code(), ErrorCode::PermissionDenied);
//! # Ok::<(), atom_core::Error>(()) }).unwrap();
//! # Ok::<(), atom_core::Error>(())
//! ```

use std::sync::Arc;

use atom_core::{Function, Result};

mod address;
mod answer;
mod authentication;
mod body;
mod call;
mod client;
mod config;
mod encoding;
mod failure;
mod openapi;
mod request;
pub(crate) mod resource;
mod sensitive;
mod target;
#[cfg(any(test, feature = "testkit"))]
pub mod testing;
#[cfg(test)]
mod tests;

#[cfg(unix)]
pub(crate) use client::distrusting_tls;
pub use config::{HttpConfig, PrivateAddresses};

/// The functions `http` and `openapi`, which share one client. Nothing is read or opened before the first call.
///
/// # Errors
/// `invalid_request` for a malformed configuration.
pub fn functions(config: HttpConfig) -> Result<Vec<Arc<dyn Function>>> {
    let client = Arc::new(client::Client::new(config)?);
    Ok(vec![
        call::function(Arc::clone(&client)),
        openapi::function(client),
    ])
}
