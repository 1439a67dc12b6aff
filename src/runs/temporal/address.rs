//! Where a Temporal server is.

use std::path::PathBuf;

use atom_core::{Error, ErrorCode, Result, Secret};
use atom_workflow::runtime::{LifecycleEvents, RuntimeSettings};
use url::Url;

/// The environment variable with the key to show the server.
const API_KEY: &str = "ATOM_TEMPORAL_API_KEY";

/// Where a Temporal server is, and what to show it.
#[derive(Debug)]
pub(crate) struct Address {
    pub(super) target: String,
    pub(super) namespace: String,
    pub(super) task_queue: String,
    pub(super) api_key: Option<Secret>,
    /// The file with the certificates of who signs that of the server.
    authority: Option<PathBuf>,
}

impl Address {
    /// Reads `temporal://host:port/namespace?task_queue=name`.
    ///
    /// # Errors
    /// `invalid_request` for a URL that does not fit, `unsupported` for settings that runs on Temporal do not have.
    pub(crate) fn new(url: &Secret, settings: &RuntimeSettings) -> Result<Self> {
        if settings.lifecycle_events != LifecycleEvents::None {
            return Err(Error::new(
                ErrorCode::Unsupported,
                "nothing is told of runs on Temporal by events; leave 'lifecycle_events' at none",
            ));
        }
        Self::read(url.expose(), || std::env::var(API_KEY).ok())
    }

    fn read(text: &str, environment: impl FnOnce() -> Option<String>) -> Result<Self> {
        let invalid = |what: &str| Error::invalid_request(format!("the URL in 'runs' {what}"));
        let url = Url::parse(text)
            .map_err(|_| invalid("is none; write temporal://host:port/namespace?task_queue=name"))?;
        let is_secure = url.scheme() == "temporals";
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| invalid("names no host"))?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(invalid(
                "must hold no user, password or fragment; an API key is the parameter 'api_key'",
            ));
        }
        let mut task_queue = "atom".to_owned();
        let mut api_key = None;
        let mut authority = None;
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                _ if value.is_empty() => return Err(invalid("has a parameter without a value")),
                "task_queue" => task_queue = value.into_owned(),
                "api_key" => api_key = Some(Secret::new(value)),
                "ca" => authority = Some(PathBuf::from(value.as_ref())),
                _ => {
                    return Err(invalid(
                        "may have the parameters 'task_queue', 'api_key' and 'ca' only",
                    ));
                }
            }
        }
        if authority.is_some() && !is_secure {
            return Err(invalid("names a 'ca' without TLS; write temporals:// for TLS"));
        }
        if api_key.is_some() && !is_secure {
            return Err(invalid(
                "would show its API key to the network; write temporals:// for TLS",
            ));
        }
        if is_secure && api_key.is_none() {
            api_key = environment().map(Secret::new);
        }
        let namespace = match url.path().trim_matches('/') {
            "" => "default",
            path if path.contains('/') => return Err(invalid("names more than one namespace")),
            path => path,
        };
        let scheme = if is_secure { "https" } else { "http" };
        Ok(Self {
            target: format!("{scheme}://{host}:{}", url.port().unwrap_or(7233)),
            namespace: namespace.to_owned(),
            task_queue,
            api_key,
            authority,
        })
    }

    /// The certificates of who signs that of the server, where the system does not know them.
    ///
    /// # Errors
    /// `invalid_request` for a file that cannot be read.
    pub(super) fn authority(&self) -> Result<Option<Vec<u8>>> {
        let Some(file) = &self.authority else {
            return Ok(None);
        };
        std::fs::read(file).map(Some).map_err(|error| {
            Error::invalid_request("the file that 'ca' of the URL in 'runs' names cannot be read; give that of certificates in PEM")
                .with_context("file", file.display())
                .with_source(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Address> {
        Address::read(text, || Some("from-environment".to_owned()))
    }

    #[test]
    fn a_url_names_server_namespace_and_queue() {
        let local = read("temporal://localhost").unwrap();
        assert_eq!(local.target, "http://localhost:7233");
        assert_eq!(
            (local.namespace.as_str(), local.task_queue.as_str()),
            ("default", "atom")
        );
        assert!(local.api_key.is_none(), "a key goes over TLS only");
        assert_eq!(local.authority().unwrap(), None);

        let cloud = read("temporals://acme.example:7000/acme.prod?task_queue=mail&api_key=key%207").unwrap();
        assert_eq!(cloud.target, "https://acme.example:7000");
        assert_eq!(
            (cloud.namespace.as_str(), cloud.task_queue.as_str()),
            ("acme.prod", "mail")
        );
        assert_eq!(cloud.api_key.unwrap().expose(), "key 7");
        let key = read("temporals://acme.example/acme").unwrap().api_key;
        assert_eq!(key.unwrap().expose(), "from-environment");
    }

    #[test]
    fn a_url_names_the_file_of_an_authority() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "PEM").unwrap();
        let own = |path: &str| read(&format!("temporals://host?ca={path}")).unwrap().authority();
        assert_eq!(own(file.path().to_str().unwrap()).unwrap(), Some(b"PEM".to_vec()));
        assert_eq!(own("/nowhere").unwrap_err().code(), ErrorCode::InvalidRequest);
    }

    #[test]
    fn what_does_not_fit_is_refused_without_being_shown() {
        for text in [
            "temporal://",
            "temporal://host/one/two",
            "temporal://host?api_key=key-7",
            "temporals://key-7@host",
            "temporal://host?queue=key-7",
            "temporal://host?task_queue=",
            "temporal://host?ca=/etc/ca.pem",
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{text}");
            assert!(!format!("{error:?}").contains("key-7"), "{error:?}");
        }
    }
}
