//! The function `openapi`: calls an operation that an OpenAPI document describes.

use std::sync::Arc;

use atom_core::function::{FunctionContext, TypedFunction};
use atom_core::{Error, Function, Result};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::Output;
use super::authentication::Authentication;
use super::cache::{Cache, Key};
use super::call::Endpoint;
use super::client::Client;
use super::failure;
use super::request::Request;
use super::resource::ExternalResource;
use document::Document;

mod document;
mod parameter;
pub(crate) mod reference;
mod request;
mod style;
pub(crate) mod yaml;

/// The arguments of `call: openapi`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OpenApiRequest {
    /// The document: Swagger 2.0 or OpenAPI 3.0 or 3.1, in JSON or YAML.
    document: ExternalResource,
    /// The id of the operation.
    #[serde(rename = "operationId")]
    operation_id: String,
    /// The operation's parameters by name, wherever they go. The request body of an OpenAPI 3 operation is
    /// the parameter `body`; a parameter that is `null` is left out.
    #[serde(default)]
    parameters: Option<Map<String, Value>>,
    /// How the operation proves who it is.
    #[serde(default)]
    authentication: Option<Authentication>,
    /// What the call gives back.
    #[serde(default)]
    output: Option<Output>,
    /// Whether redirects are followed and statuses from 300 to 399 are answers. Otherwise they are errors.
    #[serde(default)]
    redirect: Option<bool>,
}

/// The function `openapi`.
pub(super) fn function(client: Arc<Client>) -> Arc<dyn Function> {
    let cache = Arc::new(Cache::default());
    let call = move |arguments: OpenApiRequest, context: FunctionContext| {
        call(Arc::clone(&client), Arc::clone(&cache), arguments, context)
    };
    let description = "Calls an operation that an OpenAPI document describes, and gives back the answer.";
    Arc::new(TypedFunction::new("openapi", description, call))
}

async fn call(
    client: Arc<Client>,
    cache: Arc<Cache<Document>>,
    arguments: OpenApiRequest,
    context: FunctionContext,
) -> Result<Value> {
    let document = load(&client, &cache, arguments.document.endpoint, &context).await?;
    let operation = document.operation(&arguments.operation_id)?;
    let mut request = request::build(&operation, &arguments.parameters.unwrap_or_default())?;
    request.follows_redirects = arguments.redirect.unwrap_or_default();
    if let Some(authentication) = arguments.authentication {
        request.authenticate(&authentication)?;
    }
    let (method, uri) = (request.method.clone(), request.uri.clone());
    let answer = client.send(request, &context).await?;
    answer
        .output(arguments.output.unwrap_or_default())
        .map_err(|error| failure::located(error, &method, &uri))
}

/// Gets a document, or the copy of it that is kept for a few minutes.
async fn load(
    client: &Client,
    cache: &Cache<Document>,
    endpoint: Endpoint,
    context: &FunctionContext,
) -> Result<Arc<Document>> {
    let (uri, authentication) = endpoint.parse()?;
    let mut request = Request::new(Method::GET, uri.clone());
    request.follows_redirects = true;
    request.add_header("accept", "application/json, application/yaml, */*;q=0.8")?;
    if let Some(authentication) = authentication {
        request.authenticate(&authentication)?;
    }
    let key = Key::of(&request);
    if let Some(document) = cache.get(key) {
        return Ok(document);
    }
    let answer = client.send(request, context).await?;
    let document = async {
        answer.check_encoding()?;
        let (text, bytes, uri) = (answer.text(), answer.body.len(), answer.uri);
        // Large documents take long to read.
        let document = tokio::task::spawn_blocking(move || Document::parse(&text, uri))
            .await
            .map_err(|error| {
                Error::internal("the OpenAPI document could not be read").with_source(error)
            })??;
        Ok((Arc::new(document), bytes))
    };
    let (document, bytes) = document
        .await
        .map_err(|error| failure::located(error, &Method::GET, &uri))?;
    cache.put(key, Arc::clone(&document), bytes);
    Ok(document)
}
