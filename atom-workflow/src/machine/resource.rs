//! What stands elsewhere: the functions of catalogs and URIs, and how to authenticate where they are read.

use serde_json::{Value, json};

use super::frame::FrameId;
use super::{Machine, WorkflowError};
use crate::definition::{CallTarget, ResourceReference};
use crate::expression::Variables;

/// Whether these are the variables of a task of a function that stands elsewhere. It sees what it is given and, as somebody
/// else has written it, none of the document's secrets and policies.
pub(super) fn is_external(variables: &Variables) -> bool {
    variables.get("secrets").is_some_and(|secrets| secrets.is_null())
}

/// The error of a function that stands elsewhere and names a policy of the document.
pub(super) fn no_policies() -> WorkflowError {
    WorkflowError::configuration(
        "a function of a catalog or at a URI cannot use the policies and secrets of the document; pass it what it needs",
    )
}

impl Machine {
    /// The variables of the tasks behind a call, where they differ from those of the call.
    pub(super) fn enclosing(&self, id: FrameId, target: &CallTarget) -> Option<Variables> {
        let CallTarget::External(_) = target else {
            return None;
        };
        let frame = self.frames.get(&id)?;
        Some(frame.variables.clone().set("secrets", Value::Null))
    }

    /// Where to read a resource: its `uri`, here the one to read it from, and `authentication` with every part known.
    pub(crate) fn resource_endpoint(
        &self,
        reference: &ResourceReference,
        uri: &str,
    ) -> Result<Value, WorkflowError> {
        // Nothing but secrets is known before a run.
        let variables = Variables::new().set("secrets", std::sync::Arc::clone(&self.facts.secrets));
        let mut endpoint = json!({ "uri": uri });
        if let Some(policy) = &reference.policy {
            endpoint["authentication"] = policy
                .evaluate(&Value::Null, &variables)
                .map_err(|error| WorkflowError::expression(&error))?;
        }
        self.resolve_endpoint(Some(&mut endpoint), None, &Value::Null, &variables)?;
        if endpoint.get("authentication").is_some_and(has_null) {
            return Err(WorkflowError::configuration(
                "a part of the authentication policy is null; set the secrets it names with secrets.set, and list them \
                 in 'use.secrets'",
            ));
        }
        Ok(endpoint)
    }
}

/// Whether any part is null, as a secret is that nobody has set.
fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}
