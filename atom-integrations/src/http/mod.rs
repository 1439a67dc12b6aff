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
//! use atom_integrations::http::{self, HttpClient, HttpConfig};
//! use serde_json::json;
//!
//! let functions = FunctionRegistry::default();
//! for function in http::functions(&HttpClient::new(HttpConfig::default())?) {
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
use std::time::Duration;

use atom_core::storage::Vault;
use atom_core::{Function, Result};

pub(crate) use client::Client;
pub(crate) use incoming::Incoming;

mod address;
pub(crate) mod answer;
pub(crate) mod authentication;
pub(crate) mod body;
pub(crate) mod cache;
pub(crate) mod call;
mod client;
mod config;
pub(crate) mod encoding;
pub(crate) mod events;
mod exchange;
pub(crate) mod failure;
mod incoming;
pub(crate) mod openapi;
mod read;
pub(crate) mod request;
pub(crate) mod resource;
pub(crate) mod sensitive;
pub(crate) mod target;
#[cfg(any(test, feature = "testkit"))]
pub mod testing;
#[cfg(test)]
mod tests;

#[cfg(unix)]
pub(crate) use client::distrusting_tls;
pub use config::{HttpConfig, PrivateAddresses};
pub use read::resource_function;

/// The client that everything which speaks HTTP shares. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct HttpClient {
    pub(crate) client: Arc<Client>,
}

impl HttpClient {
    /// A client that keeps the operator's rules. Nothing is read or opened before the first request.
    ///
    /// # Errors
    /// `invalid_request` for a malformed configuration.
    pub fn new(config: HttpConfig) -> Result<Self> {
        let client = Client::new(config)?;
        Ok(Self { client })
    }

    /// Keeps refresh tokens that an authority replaces in a vault, as secrets of the user for whom they were used.
    /// Without a vault the grant `refresh_token` is refused. Only the first vault counts.
    pub fn keep_tokens_in(&self, vault: Arc<dyn Vault>) {
        self.client.grants.keep_in(vault);
    }

    /// Waits until no refresh token is in use, before the vault is closed. What takes longer than `patience` is ended.
    pub async fn close(&self, patience: Duration) {
        self.client.grants.close(patience).await;
    }
}

/// The functions `http` and `openapi`.
#[must_use]
pub fn functions(client: &HttpClient) -> Vec<Arc<dyn Function>> {
    vec![
        call::function(Arc::clone(&client.client)),
        openapi::function(Arc::clone(&client.client)),
    ]
}
