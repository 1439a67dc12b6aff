//! What the operator may set about outgoing HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use atom_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator may set about outgoing HTTP.
///
/// Proxies that the environment names (`HTTP_PROXY` and its kin) are not used: a proxy would resolve names
/// itself, past the check of [`private_addresses`](Self::private_addresses).
///
/// ```
/// use atom_integrations::http::{HttpConfig, PrivateAddresses};
///
/// let config: HttpConfig = serde_json::from_str(r#"{ "timeout_seconds": 10 }"#)?;
/// assert_eq!(config.private_addresses, PrivateAddresses::Deny);
/// assert_eq!(config.maximum_response_bytes, 16 * 1024 * 1024);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Whether requests may go to addresses that are not on the public internet.
    pub private_addresses: PrivateAddresses,
    /// Where requests to a host (`api.example.com`, or `api.example.com:8443` for one port) go instead: a base
    /// URL such as `http://127.0.0.1:8080/gateway`. Path and query are kept and the `Host` header still names
    /// the original host. A base URL may be private whatever `private_addresses` says.
    pub hosts: BTreeMap<String, String>,
    /// The longest response body that is read, in bytes.
    pub maximum_response_bytes: u64,
    /// How long connecting to a server may take, in seconds.
    pub connect_timeout_seconds: u64,
    /// How long a call may take that has no deadline of its own, in seconds, redirects and body included.
    pub timeout_seconds: u64,
}

/// Whether requests may go to loopback, link-local, private and other addresses off the public internet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrivateAddresses {
    /// Such requests are refused, after names are resolved and on every redirect.
    #[default]
    Deny,
    /// Requests may go anywhere.
    Allow,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            private_addresses: PrivateAddresses::Deny,
            hosts: BTreeMap::new(),
            maximum_response_bytes: 16 * 1024 * 1024,
            connect_timeout_seconds: 30,
            timeout_seconds: 60,
        }
    }
}

impl HttpConfig {
    pub(super) fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("maximum_response_bytes", self.maximum_response_bytes),
            ("connect_timeout_seconds", self.connect_timeout_seconds),
            ("timeout_seconds", self.timeout_seconds),
        ] {
            if value == 0 {
                return Err(Error::invalid_request(format!("http.{name} must be at least 1")));
            }
        }
        Ok(())
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_seconds)
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }
}
