//! Functions that make text of data.
//!
//! ```
//! use atom_core::{FunctionContext, Principal};
//!
//! let render = atom_integrations::text::functions().remove(0);
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let context = FunctionContext::direct(Principal::new("acme", "ada")?, "key");
//! let arguments = serde_json::json!({
//!     "template": "{% for name in names %}Hello {{ name }}!\n{% endfor %}",
//!     "data": { "names": ["Ada", "Grace"] },
//! });
//! assert_eq!(render.call(arguments, context).await?["text"], "Hello Ada!\nHello Grace!\n");
//! # Ok::<(), atom_core::Error>(()) }).unwrap();
//! ```

mod budget;
mod filters;
mod syntax;
mod template;

use std::sync::Arc;

use atom_core::function::TypedFunction;
use atom_core::{Error, Function, FunctionContext, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Every function that makes text: `template.render`.
#[must_use]
pub fn functions() -> Vec<Arc<dyn Function>> {
    let description = "Fills a template with data. The language is Jinja without includes: {{ value }}, \
        {% if %}, {% for %}, {% set %}, {% macro %}, filters with |. Texts are joined with \
        [first, last] | join(' '), not with ~ or +. A block tag swallows the line end after it, so that \
        one on its own line leaves no line behind; +%} keeps it. \
        Beyond Jinja's filters there are localtime(zone, format) for times, minutes for durations, and \
        markdown, which escapes text of others. A missing value is an error unless it is asked for with \
        {% if %} or default().";
    vec![Arc::new(
        TypedFunction::new("template.render", description, render).read_only(),
    )]
}

/// A template and its data.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RenderRequest {
    /// The template; 1 MiB at most.
    template: String,
    /// The values it may use, by name.
    #[serde(default)]
    data: serde_json::Map<String, Value>,
}

/// The text that was made.
#[derive(Debug, Serialize, JsonSchema)]
struct RenderResponse {
    /// The text; 8 MiB at most.
    text: String,
}

async fn render(request: RenderRequest, _context: FunctionContext) -> Result<RenderResponse> {
    // A template may compute for a while, up to the limit on its steps.
    tokio::task::spawn_blocking(move || template::render(&request.template, &request.data))
        .await
        .map_err(|error| Error::internal("the template ended unexpectedly").with_source(error))?
        .map(|text| RenderResponse { text })
}
