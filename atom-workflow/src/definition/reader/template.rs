//! Reads templates.

use std::collections::HashSet;
use std::sync::Arc;

use atom_core::Result;

use super::cursor::{Cursor, Object, suggestion};
use super::data::json_schema;
use super::formats;
use crate::definition::template::{PLACEHOLDER, WorkflowTemplate};
use crate::definition::yaml::{Kind, Node};

/// The keys of the section that describes a template.
const KEYS: [&str; 6] = ["name", "version", "title", "summary", "category", "parameters"];

/// Reads a template from its tree.
pub(in crate::definition) fn read_template(node: &Node) -> Result<WorkflowTemplate> {
    let root = Cursor::root(node).object(&["template", "workflow"])?;
    let header = root.require("template")?.object(&KEYS)?;
    let text = |key| {
        header
            .get(key)
            .map(|value| value.name().map(str::to_owned))
            .transpose()
    };
    let parameters = header.require("parameters")?;
    let names = fields(&parameters)?;
    let workflow = root.require("workflow")?;
    workflow.any_object()?.require("document")?.any_object()?;
    check_placeholders(&workflow, &names)?;
    Ok(WorkflowTemplate {
        name: formats::label(&header.require("name")?)?.to_owned(),
        version: formats::semantic_version(&header.require("version")?)?.to_owned(),
        title: header.require("title")?.name()?.to_owned(),
        summary: text("summary")?,
        category: text("category")?,
        parameters: Arc::new(parameters.json()),
        form: json_schema(&parameters, None)?,
        workflow: workflow.json(),
    })
}

/// The names of the form's fields. Each can be filled in without asking, so that a template can be tried.
fn fields<'t>(parameters: &Cursor<'t>) -> Result<HashSet<&'t str>> {
    let schema = parameters.any_object()?;
    let mut names = HashSet::new();
    for (name, property) in schema.require("properties")?.any_object()?.members() {
        let field = property.any_object()?;
        let has_example = |examples: Cursor<'_>| examples.items().is_ok_and(|items| !items.is_empty());
        if !field.has("default") && !field.get("examples").is_some_and(has_example) {
            return Err(
                property.error("a parameter needs a 'default', or 'examples' to try the template with")
            );
        }
        names.insert(name);
    }
    Ok(names)
}

/// Refuses placeholders that name no parameter or hold anything else.
fn check_placeholders(cursor: &Cursor<'_>, names: &HashSet<&str>) -> Result<()> {
    match &cursor.node.kind {
        Kind::List(_) => cursor
            .items()?
            .iter()
            .try_for_each(|item| check_placeholders(item, names)),
        Kind::Object(_) => {
            let object = cursor.any_object()?;
            match object.get(PLACEHOLDER) {
                Some(name) => check_placeholder(&object, &name, names),
                None => object
                    .members()
                    .try_for_each(|(_, value)| check_placeholders(&value, names)),
            }
        }
        _ => Ok(()),
    }
}

fn check_placeholder(object: &Object<'_>, name: &Cursor<'_>, names: &HashSet<&str>) -> Result<()> {
    if let Some(other) = object.entries.iter().find(|entry| entry.key != PLACEHOLDER) {
        let message = format!("'{PLACEHOLDER}' stands alone: its object is replaced as a whole");
        return Err(object.key_error(other, message));
    }
    let written = name.name()?;
    if names.contains(written) {
        return Ok(());
    }
    let hint = suggestion(written, names.iter().copied());
    Err(name.error(format!("the form has no parameter of this name{hint}")))
}
