//! `atom api`: what operations there are.

use std::process::ExitCode;

use atom_engine::Engine;
use atom_engine::api::{OperationInfo, OperationKind};
use clap::Args;
use serde_json::{Value, json};

use super::error::CommandError;
use super::terminal::Terminal;

/// List the operations of the engine, or describe one
#[derive(Debug, Args)]
pub(super) struct ApiArguments {
    /// The operation to describe
    operation: Option<String>,
    /// Print JSON, with the JSON Schemas of requests and answers
    #[arg(long)]
    json: bool,
}

pub(super) fn show(arguments: &ApiArguments, terminal: &mut Terminal) -> Result<ExitCode, CommandError> {
    let operations = Engine::operations();
    match &arguments.operation {
        None if arguments.json => terminal.print_pretty(&json!({ "operations": operations }))?,
        None => terminal.print(&list(operations))?,
        Some(name) => {
            let operation = operations.iter().find(|operation| operation.name == *name);
            let operation = operation.ok_or_else(|| {
                CommandError::Usage(format!("there is no operation '{name}'; `atom api` lists them"))
            })?;
            if arguments.json {
                terminal.print_pretty(operation)?;
            } else {
                terminal.print(&describe(operation))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(operations: &[OperationInfo]) -> String {
    let width = operations
        .iter()
        .map(|operation| operation.name.len())
        .max()
        .unwrap_or_default();
    let lines = operations
        .iter()
        .map(|operation| format!("{:width$}  {}\n", operation.name, operation.summary));
    lines.collect()
}

fn describe(operation: &OperationInfo) -> String {
    let answer = match operation.kind {
        OperationKind::Call => "Answer",
        OperationKind::Stream => "Each item",
    };
    format!(
        "{}\n\n{}\nNeeds the permission {}.\n\nRequest\n{}\n{answer}\n{}",
        operation.name,
        operation.summary,
        operation.permission.as_str(),
        fields(&operation.request_schema),
        fields(&operation.response_schema),
    )
}

/// The fields of an object, one a line.
fn fields(schema: &Value) -> String {
    let Some(properties) = schema["properties"]
        .as_object()
        .filter(|properties| !properties.is_empty())
    else {
        let description = schema["description"].as_str().unwrap_or("Nothing.");
        return format!("  {description}\n");
    };
    let required = schema["required"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let names = properties.keys().map(String::len);
    let width = names.max().unwrap_or_default();
    let lines = properties.iter().map(|(name, property)| {
        let mark = if required.iter().any(|required| required == name) {
            '*'
        } else {
            ' '
        };
        let description = property["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ");
        format!("{mark} {name:width$}  {description}")
            .trim_end()
            .to_owned()
            + "\n"
    });
    lines.collect()
}
