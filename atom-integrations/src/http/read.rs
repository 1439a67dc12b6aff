//! The function `resource.read`: external resources of workflow documents, such as functions of catalogs and schemas.

use std::sync::Arc;

use atom_core::function::{FunctionContext, TypedFunction};
use atom_core::{Function, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::HttpClient;
use super::resource::{ExternalResource, Loader, Place};
use crate::local::FileAccess;

/// What to read.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
struct ReadRequest(ExternalResource);

/// The function that reads external resources as text: over HTTP by the rules of `client`, and the files that `access`
/// opens.
#[must_use]
pub fn resource_function(client: &HttpClient, access: FileAccess) -> Arc<dyn Function> {
    let loader = Arc::new(Loader::new(client, access));
    let read = move |ReadRequest(resource): ReadRequest, context: FunctionContext| {
        let loader = Arc::clone(&loader);
        async move { load(&loader, resource, &context).await }
    };
    let description = "Reads a resource at an http, https or file URI as text.";
    Arc::new(TypedFunction::new("resource.read", description, read).read_only())
}

async fn load(loader: &Loader, resource: ExternalResource, context: &FunctionContext) -> Result<String> {
    loader.load(&Place::of(resource.endpoint)?, context).await
}
