//! External resources of documents, such as the source of a script: over HTTP by the operator's rules, or a file that
//! local connectors may read.

use std::sync::Arc;

use atom_core::{Error, ErrorCode, FunctionContext, Result};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::HttpClient;
use super::authentication::Authentication;
use super::client::Client;
use super::failure;
use super::request::Request;
use super::target::check_uri;
use crate::local::{FileAccess, read_error};

/// The longest file that is read, in bytes.
const MAXIMUM_FILE: u64 = 16 * 1024 * 1024;

/// Where a resource is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExternalResource {
    /// Where to get it: a URI of the scheme `http`, `https` or `file`.
    pub(crate) endpoint: ResourceEndpoint,
    /// What it is called.
    #[serde(default, rename = "name")]
    _name: Option<String>,
}

/// Where to get a resource.
#[derive(Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "an endpoint must be a URI, or an object with 'uri' and 'authentication' alone"
)]
pub(crate) enum ResourceEndpoint {
    /// The URI alone.
    Uri(String),
    /// The URI and how to authenticate there.
    Detailed(DetailedResourceEndpoint),
}

/// A URI and how to authenticate there.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetailedResourceEndpoint {
    /// An absolute URI of the scheme `http`, `https` or `file`.
    uri: String,
    /// How the request for it proves who makes it.
    #[serde(default)]
    authentication: Option<Authentication>,
}

/// Reads resources.
#[derive(Debug)]
pub(crate) struct Loader {
    client: Arc<Client>,
    access: FileAccess,
}

impl Loader {
    pub(crate) fn new(http: &HttpClient, access: FileAccess) -> Self {
        let client = Arc::clone(&http.client);
        Self { client, access }
    }

    /// The text of a resource.
    ///
    /// # Errors
    /// Those of a request or of reading a file; `invalid_data` for a file that is not UTF-8.
    ///
    /// # Cancel safety
    /// Dropping the future forgets what was read.
    pub(crate) async fn load(&self, endpoint: ResourceEndpoint, context: &FunctionContext) -> Result<String> {
        let (uri, authentication) = match endpoint {
            ResourceEndpoint::Uri(uri) => (uri, None),
            ResourceEndpoint::Detailed(endpoint) => (endpoint.uri, endpoint.authentication),
        };
        let uri = Url::parse(&uri).map_err(|error| {
            Error::invalid_request(format!(
                "the URI is not valid: {error}; give an absolute http, https or file URI"
            ))
        })?;
        if uri.scheme() == "file" {
            return self.file(&uri, context).await;
        }
        check_uri(&uri)?;
        let mut request = Request::new(Method::GET, uri.clone());
        request.follows_redirects = true;
        if let Some(authentication) = authentication {
            request.authenticate(&authentication)?;
        }
        let answer = self.client.send(request, context).await?;
        answer
            .check_encoding()
            .map_err(|error| failure::located(error, &Method::GET, &uri))?;
        Ok(answer.text())
    }

    async fn file(&self, uri: &Url, context: &FunctionContext) -> Result<String> {
        let path = uri.to_file_path().ok();
        let path = path.as_deref().and_then(|path| path.to_str()).ok_or_else(|| {
            Error::invalid_request("the file URI names no file of this machine; write file:///path/to/it")
        })?;
        let (path, access, context) = (path.to_owned(), self.access.clone(), context.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let path = access.readable(&path, &context)?;
            let length = std::fs::metadata(&path)
                .map_err(|error| read_error(&path, error))?
                .len();
            if length > MAXIMUM_FILE {
                let message = format!("the file is longer than {MAXIMUM_FILE} bytes");
                return Err(
                    Error::new(ErrorCode::LimitExceeded, message).with_context("path", path.display())
                );
            }
            let bytes = std::fs::read(&path).map_err(|error| read_error(&path, error))?;
            String::from_utf8(bytes).map_err(|_| {
                Error::new(ErrorCode::InvalidData, "the file is not UTF-8 text")
                    .with_context("path", path.display())
            })
        });
        reading
            .await
            .map_err(|error| Error::internal("reading a file ended in a panic").with_source(error))?
    }
}
