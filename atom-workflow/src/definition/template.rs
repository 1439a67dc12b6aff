//! Documents with a form to fill in.

use std::sync::Arc;

use atom_core::{Error, Result};
use serde_json::{Map, Value, json};

use super::{DataSchema, Workflow, reader, yaml};

/// The key of an object that stands for the value of a parameter.
pub(super) const PLACEHOLDER: &str = "$parameter";

/// A document with a form to fill in: one file that says what to ask for and where the answers go.
///
/// In its `workflow`, an object `{ $parameter: name }` stands for the value of a parameter. One without a value is left
/// out, with the key or list item that holds it. Expressions read all values in
/// `$workflow.definition.document.metadata.template.parameters`. Parameters are not for secrets, as documents are not
/// confidential: `use.secrets` is.
///
/// ```
/// use atom_workflow::definition::{Naming, WorkflowTemplate};
/// use serde_json::json;
///
/// let template = WorkflowTemplate::parse("
/// template:
///   name: pause
///   version: 1.0.0
///   title: Pause
///   parameters:
///     properties: { seconds: { type: integer, minimum: 1, default: 60 } }
/// workflow:
///   document: { dsl: 1.0.3, namespace: examples, name: pause, version: 1.0.0 }
///   do:
///     - pause: { wait: { seconds: { $parameter: seconds } } }
/// ")?;
/// let (workflow, _text) = template.instantiate(&json!({ "seconds": 5 }), &Naming::default())?;
/// assert_eq!(workflow.source["do"][0]["pause"]["wait"], json!({ "seconds": 5 }));
/// assert!(template.instantiate(&json!({ "seconds": 0 }), &Naming::default()).is_err());
/// # Ok::<(), atom_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WorkflowTemplate {
    /// Its name, as that of a workflow.
    pub name: String,
    /// Its semantic version.
    pub version: String,
    /// The name people read.
    pub title: String,
    /// What workflows made from it do, in Markdown.
    pub summary: Option<String>,
    /// Where it stands in a list of templates, e.g. `calendar`.
    pub category: Option<String>,
    /// The form: a JSON Schema of an object. Each property has a `default` or `examples`.
    pub parameters: Arc<Value>,
    pub(super) form: DataSchema,
    pub(super) workflow: Value,
}

/// How the document made from a template names itself; what is absent stays as the template has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// The namespace of the workflow.
    pub namespace: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

impl WorkflowTemplate {
    /// Reads a template, YAML or JSON, and checks that it gives a valid document for the defaults of its form, or the
    /// first of the examples where there is no default. The limits are those of [`Workflow::parse`].
    ///
    /// # Errors
    /// `invalid_workflow` for the first problem; the context holds its `line` and `column`, from 1, and its `path`, a
    /// JSON pointer. A problem of the document that the template gives has the line and column in that document.
    pub fn parse(text: &str) -> Result<Self> {
        let template = reader::read_template(&*yaml::parse(text)?)?;
        let examples = template.properties().filter_map(|(name, property)| {
            let example = property.get("examples")?.get(0)?;
            (!property.contains_key("default")).then(|| (name.clone(), example.clone()))
        });
        template.instantiate(&Value::Object(examples.collect()), &Naming::default())?;
        Ok(template)
    }

    /// Makes a document with these values of the form, and gives it with its text, JSON.
    ///
    /// # Errors
    /// `invalid_request` naming the first places where the values do not fit the form, `invalid_workflow` when the
    /// document that comes of them is not valid.
    pub fn instantiate(&self, parameters: &Value, naming: &Naming) -> Result<(Workflow, String)> {
        let Value::Object(given) = parameters else {
            return Err(Error::invalid_request("the parameters must be an object"));
        };
        if let Some(unknown) = given
            .keys()
            .find(|name| !self.properties().any(|(field, _)| field == *name))
        {
            let names: Vec<_> = self.properties().map(|(name, _)| name.as_str()).collect();
            return Err(Error::invalid_request(format!(
                "the template has no parameter '{}'; it has {}",
                reader::shortened(unknown),
                names.join(", ")
            )));
        }
        let defaults = self
            .properties()
            .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())));
        let mut values: Map<String, Value> = defaults.collect();
        values.extend(given.clone());
        let values = Value::Object(values);
        self.form.check(&values).map_err(|error| {
            let message = format!("the parameters do not fit the form: {}", error.message());
            Error::invalid_request(message)
        })?;
        let mut document = fill(&self.workflow, &values).unwrap_or_default();
        let header = &mut document["document"];
        for (key, text) in [
            ("namespace", &naming.namespace),
            ("name", &naming.name),
            ("version", &naming.version),
        ] {
            if let Some(text) = text {
                header[key] = Value::from(text.as_str());
            }
        }
        header["metadata"]["template"] = json!({
            "name": self.name,
            "version": self.version,
            "parameters": values,
        });
        let text = serde_json::to_string_pretty(&document)
            .map_err(|error| Error::internal("a document cannot be written as JSON").with_source(error))?;
        Ok((Workflow::parse(&text)?, text))
    }

    /// The fields of the form, each with its schema.
    fn properties(&self) -> impl Iterator<Item = (&String, &Map<String, Value>)> {
        let properties = self.parameters.get("properties").and_then(Value::as_object);
        let fields = properties.into_iter().flatten();
        fields.filter_map(|(name, property)| Some((name, property.as_object()?)))
    }
}

/// Puts values where their parameters stand; nothing for a parameter without a value.
fn fill(value: &Value, values: &Value) -> Option<Value> {
    Some(match value {
        Value::Object(fields) => match fields.get(PLACEHOLDER) {
            Some(name) => return values.get(name.as_str()?).cloned(),
            None => Value::Object(
                fields
                    .iter()
                    .filter_map(|(key, value)| Some((key.clone(), fill(value, values)?)))
                    .collect(),
            ),
        },
        Value::Array(items) => Value::Array(items.iter().filter_map(|item| fill(item, values)).collect()),
        plain => plain.clone(),
    })
}
