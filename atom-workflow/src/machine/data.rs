//! Data on its way in and out of tasks: checks, transformations and the variables expressions see.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::extend::{descriptor, is_extension};
use super::frame::TaskFrame;
use super::{Machine, RunFacts, WorkflowError};
use crate::definition::{CalendarDuration, DurationSpec, Input, Output, Workflow};
use crate::expression::Variables;

type Result<T> = std::result::Result<T, WorkflowError>;

/// The longest time a workflow can wait for, 100 years: beyond it dates overflow.
const LONGEST_DURATION: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// The variables that are the same throughout a run; `$runtime` joins them when the run begins.
pub(super) fn constants(workflow: &Workflow, facts: &RunFacts, uses_workflow: bool) -> Variables {
    let mut variables = Variables::new();
    if uses_workflow {
        variables.insert(
            "workflow",
            json!({
                "id": facts.run.to_string(),
                "definition": workflow.source.as_ref(),
                "input": facts.input.as_ref(),
                "startedAt": moment(facts.started_at),
            }),
        );
    }
    variables.insert("secrets", Arc::clone(&facts.secrets));
    variables
}

/// A time in the shape the specification gives `startedAt`.
pub(super) fn moment(at: Timestamp) -> Value {
    json!({
        "iso8601": at.to_string(),
        "epoch": { "seconds": at.as_second(), "milliseconds": at.as_millisecond() },
    })
}

/// Checks an input and gives what the task or workflow sees of it.
pub(super) fn shape_input(input: &Input, raw: &Arc<Value>, variables: &Variables) -> Result<Arc<Value>> {
    if let Some(schema) = &input.schema {
        schema
            .check(raw)
            .map_err(|error| WorkflowError::misfit("the input", &error))?;
    }
    match &input.from {
        None => Ok(Arc::clone(raw)),
        Some(from) => from
            .evaluate(raw, variables)
            .map(Arc::new)
            .map_err(|error| WorkflowError::expression(&error)),
    }
}

/// How deep data may nest: journals and stores read JSON of 128 levels, their own around it included.
pub(crate) const MAX_DEPTH: usize = 100;

/// Refuses data that nests too deep to be stored.
pub(crate) fn check_depth(value: &Value) -> Result<()> {
    fn fits(value: &Value, levels: usize) -> bool {
        match value {
            Value::Array(items) => levels > 0 && items.iter().all(|item| fits(item, levels - 1)),
            Value::Object(fields) => levels > 0 && fields.values().all(|field| fits(field, levels - 1)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        }
    }
    if fits(value, MAX_DEPTH) {
        return Ok(());
    }
    Err(WorkflowError::runtime(format!(
        "the data nests deeper than {MAX_DEPTH} levels"
    )))
}

/// Gives what is passed on of a raw output, and checks that; `data` says what it is.
pub(super) fn shape_output(data: &str, output: &Output, raw: Value, variables: &Variables) -> Result<Value> {
    let shaped = match &output.r#as {
        None => raw,
        Some(transform) => transform
            .evaluate(&raw, variables)
            .map_err(|error| WorkflowError::expression(&error))?,
    };
    check_depth(&shaped)?;
    if let Some(schema) = &output.schema {
        schema
            .check(&shaped)
            .map_err(|error| WorkflowError::misfit(data, &error))?;
    }
    Ok(shaped)
}

/// A length of time that begins at a moment.
pub(super) fn duration(
    spec: &DurationSpec,
    begin: Timestamp,
    input: &Value,
    variables: &Variables,
) -> Result<Duration> {
    let length = match spec {
        DurationSpec::Fixed(length) => *length,
        DurationSpec::Expression(expression) => {
            let value = expression
                .evaluate(input, variables)
                .map_err(|error| WorkflowError::expression(&error))?;
            CalendarDuration::parse(&value).map_err(|error| WorkflowError::expression(&error))?
        }
    };
    Ok(length.from(begin).min(LONGEST_DURATION))
}

impl Machine {
    /// The variables of a task: those of its list, `$context`, `$input` and `$task`.
    pub(super) fn variables(
        &self,
        enclosing: &Variables,
        task: &TaskFrame,
        output: Option<&Value>,
    ) -> Variables {
        let mut variables = enclosing.clone();
        variables.insert("context", Arc::clone(&self.context));
        variables.insert("input", Arc::clone(&task.input));
        if self.uses_task && !is_extension(enclosing) {
            variables.insert("task", Value::Object(descriptor(task, output)));
        }
        variables
    }
}
