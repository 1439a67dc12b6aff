//! The function `http`: one HTTP request.

use std::collections::BTreeSet;
use std::sync::Arc;

use atom_core::function::{FunctionContext, TypedFunction};
use atom_core::{Error, Function, Result};
use reqwest::header::CONTENT_TYPE;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::answer::Output;
use super::authentication::Authentication;
use super::body;
use super::client::Client;
use super::encoding;
use super::failure;
use super::request::{Request, parse_method};
use super::target::parse_uri;

/// The arguments of `call: http`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HttpRequest {
    /// The method, in any case.
    method: String,
    /// Where the request goes: a URI, or an object with `uri` and `authentication`.
    endpoint: Endpoint,
    /// Headers by name.
    #[serde(default)]
    headers: Option<Map<String, Value>>,
    /// Query parameters by name, added to those of the URI: texts, numbers, booleans, or lists of these, which
    /// repeat the name. `null` is left out.
    #[serde(default)]
    query: Option<Map<String, Value>>,
    /// The body, written as the header `content-type` says; without it, a text is sent as plain text and
    /// everything else as JSON.
    #[serde(default)]
    body: Option<Value>,
    /// What the call gives back.
    #[serde(default)]
    output: Option<Output>,
    /// Whether redirects are followed and statuses from 300 to 399 are answers. Otherwise they are errors.
    #[serde(default)]
    redirect: Option<bool>,
}

/// Where a request goes.
#[derive(Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "an endpoint must be a URI, or an object with 'uri' and 'authentication' alone"
)]
#[schemars(rename = "HttpEndpoint")]
pub(crate) enum Endpoint {
    /// The URI alone.
    Uri(String),
    /// The URI and how to authenticate there.
    Detailed(DetailedEndpoint),
}

/// A URI and how to authenticate there.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HttpDetailedEndpoint")]
pub(crate) struct DetailedEndpoint {
    /// An absolute `http` or `https` URI.
    uri: String,
    /// How the call proves who it is.
    #[serde(default)]
    authentication: Option<Authentication>,
}

impl Endpoint {
    /// # Errors
    /// `invalid_request` for a URI that cannot be called.
    pub(crate) fn parse(self) -> Result<(Url, Option<Authentication>)> {
        let (uri, authentication) = self.into_parts();
        Ok((parse_uri(&uri)?, authentication))
    }

    /// The URI as it is written, and how to authenticate there.
    pub(crate) fn into_parts(self) -> (String, Option<Authentication>) {
        match self {
            Self::Uri(uri) => (uri, None),
            Self::Detailed(endpoint) => (endpoint.uri, endpoint.authentication),
        }
    }
}

/// The function `http`.
pub(super) fn function(client: Arc<Client>) -> Arc<dyn Function> {
    let call =
        move |arguments: HttpRequest, context: FunctionContext| call(Arc::clone(&client), arguments, context);
    Arc::new(TypedFunction::new(
        "http",
        "Sends an HTTP request and gives back the answer.",
        call,
    ))
}

async fn call(client: Arc<Client>, arguments: HttpRequest, context: FunctionContext) -> Result<Value> {
    let output = arguments.output.unwrap_or_default();
    let request = request(arguments)?;
    let (method, uri) = (request.method.clone(), request.uri.clone());
    let answer = client.send(request, &context).await?;
    answer
        .output(output)
        .map_err(|error| failure::located(error, &method, &uri))
}

fn request(arguments: HttpRequest) -> Result<Request> {
    let method = parse_method(&arguments.method)?;
    let (mut uri, authentication) = arguments.endpoint.parse()?;
    let query = encoding::pairs(&arguments.query.unwrap_or_default(), "query")?;
    add_query(&mut uri, &query);
    let mut request = Request::new(method, uri);
    request.follows_redirects = arguments.redirect.unwrap_or_default();
    request.add_headers(&arguments.headers.unwrap_or_default())?;
    if let Some(authentication) = authentication {
        request.authenticate(&authentication)?;
    }
    if let Some(value) = arguments.body {
        let content_type = request
            .headers
            .get(CONTENT_TYPE)
            .map(|value| value.to_str().map(str::to_owned));
        let content_type = content_type.transpose().map_err(|error| {
            Error::invalid_request("the content type is not plain text").with_source(error)
        })?;
        request.set_body(body::encode(&value, content_type.as_deref(), &BTreeSet::new())?)?;
    }
    Ok(request)
}

/// Adds encoded `name=value` pairs to a URI that may have some already.
pub(super) fn add_query(uri: &mut Url, pairs: &str) {
    if pairs.is_empty() {
        return;
    }
    let query = match uri.query() {
        Some(query) if !query.is_empty() => format!("{query}&{pairs}"),
        _ => pairs.to_owned(),
    };
    uri.set_query(Some(&query));
}
