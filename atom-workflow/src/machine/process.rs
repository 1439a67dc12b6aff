//! Processes: the arguments of the functions behind `run: shell`, `run: script` and `run: container`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::frame::{FrameId, Purpose};
use super::{Command, Machine, WorkflowError, data};
use crate::definition::{RunProcess, Task};
use crate::expression::Variables;

type Result<T> = std::result::Result<T, WorkflowError>;

impl Machine {
    pub(super) fn begin_process(
        &mut self,
        id: FrameId,
        task: &Arc<Task>,
        process: &RunProcess,
        input: &Arc<Value>,
        variables: &Variables,
    ) -> Result<()> {
        let action = self.number();
        let arguments = self.passed_on(action, || self.process_arguments(task, process, input, variables))?;
        let command = Command::Call {
            function: process.kind.function().to_owned(),
            arguments,
            task: task.reference.clone(),
            idempotency_key: None,
        };
        self.begin_as(action, Some(id), Purpose::Work, command);
        Ok(())
    }

    fn process_arguments(
        &self,
        task: &Task,
        process: &RunProcess,
        input: &Value,
        variables: &Variables,
    ) -> Result<Value> {
        let expression = |error: atom_core::Error| WorkflowError::expression(&error);
        let mut arguments = process.arguments.evaluate(input, variables).map_err(expression)?;
        let endpoint = arguments
            .get_mut("source")
            .and_then(|source| source.get_mut("endpoint"));
        let source = task.source.pointer("/run/script/source/endpoint");
        self.resolve_endpoint(endpoint, source, input, variables)?;
        if let Some(name) = &process.name {
            let input = self.with_descriptors(task, input);
            arguments["name"] = name.evaluate(&input, variables).map_err(expression)?;
        }
        if let Some(after) = &process.cleanup_after {
            let after = data::duration(after, self.now, input, variables)?.as_millis();
            arguments["lifetime"]["after_milliseconds"] = json!(u64::try_from(after).unwrap_or(u64::MAX));
        }
        Ok(arguments)
    }

    /// The input of the expression that names a container. The specification's own example reads
    /// `.workflow.document.name`, `.workflow.id` and `.task.name` there, without the `$` that expressions have
    /// elsewhere, so both stand beside an input that has no such members of its own.
    fn with_descriptors(&self, task: &Task, input: &Value) -> Value {
        let mut members = match input {
            Value::Object(members) => members.clone(),
            Value::Null => Map::new(),
            _ => return input.clone(),
        };
        if !members.contains_key("workflow") {
            let document = self.workflow.source.get("document");
            let workflow = json!({ "id": self.facts.run.to_string(), "document": document });
            members.insert("workflow".to_owned(), workflow);
        }
        if !members.contains_key("task") {
            let task = json!({ "name": task.name, "reference": task.reference });
            members.insert("task".to_owned(), task);
        }
        Value::Object(members)
    }
}
