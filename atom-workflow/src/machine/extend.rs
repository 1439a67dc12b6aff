//! `use.extensions`: tasks that run before and after other tasks.
//!
//! An extension is a layer around a task, the first one of the document the outermost. What its tasks give is not passed
//! on; only `then: exit` in a `before` gives something, in the place of the task, which does not run then. Tasks inside
//! extensions are not extended themselves.

use std::sync::Arc;

use atom_core::ErrorCode;
use serde_json::{Map, Value, json};

use super::data::moment;
use super::event::RecordKind;
use super::frame::{Frame, FrameId, FrameKind, List, Purpose, TaskFrame, TaskState, Work};
use super::{Machine, WorkflowError};
use crate::definition::{Extension, FlowDirective};
use crate::expression::{Variables, truthy};

/// Whether these are the variables of a task inside an extension: there `$task` is the extended task throughout.
pub(super) fn is_extension(variables: &Variables) -> bool {
    variables.get("task").is_some()
}

impl Machine {
    /// Whether any extension may apply to a task.
    pub(super) fn is_extended(&self, id: FrameId) -> bool {
        let extensions = &self.workflow.extensions;
        if extensions.is_empty() {
            return false;
        }
        self.frames.get(&id).is_some_and(|frame| match &frame.kind {
            FrameKind::Task(task) => {
                !is_extension(&frame.variables)
                    && extensions
                        .iter()
                        .any(|extension| extension.extend.covers(&task.task.kind))
            }
            FrameKind::List { .. } => false,
        })
    }

    /// Enters the layers around a task from `next` on, up to one with tasks to run first; begins the task after the last.
    pub(super) fn enter_layers(&mut self, id: FrameId, mut next: usize) {
        let workflow = Arc::clone(&self.workflow);
        while let Some(extension) = workflow.extensions.get(next) {
            next += 1;
            match self.applies(id, extension) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => return self.work.push_back(Work::Fail { frame: id, error }),
            }
            let Some((input, variables)) = self.layer(id, None) else {
                return;
            };
            if let Some(task) = self.task_mut(id) {
                task.extensions.push(Arc::clone(extension));
                task.state = TaskState::Before { next };
            }
            if !extension.before.tasks.is_empty() {
                let list = List::Before(Arc::clone(extension));
                return self.push_list(id, list, 0, input, Some(variables));
            }
        }
        self.set_state(id, TaskState::Busy);
        if let Err(error) = self.begin_body(id) {
            self.work.push_back(Work::Fail { frame: id, error });
        }
    }

    fn begin_body(&mut self, id: FrameId) -> Result<(), WorkflowError> {
        let Some(Frame {
            variables,
            kind: FrameKind::Task(task),
            ..
        }) = self.frames.get(&id)
        else {
            return Ok(());
        };
        let (definition, input) = (Arc::clone(&task.task), Arc::clone(&task.input));
        let variables = self.variables(variables, task, None);
        self.begin_task(id, &definition, &input, &variables)
    }

    /// Whether an extension applies to a task. A condition that cannot be computed for this task does not hold, as with
    /// one about a field that only some calls have; the history tells.
    fn applies(&mut self, id: FrameId, extension: &Extension) -> Result<bool, WorkflowError> {
        let Some(task) = self.task(id) else {
            return Ok(false);
        };
        if !extension.extend.covers(&task.task.kind) {
            return Ok(false);
        }
        let Some(when) = &extension.when else {
            return Ok(true);
        };
        let reference = task.task.reference.clone();
        let Some((input, mut variables)) = self.layer(id, None) else {
            return Ok(false);
        };
        variables.insert("input", Arc::clone(&input));
        variables.insert("context", Arc::clone(&self.context));
        match when.evaluate(&input, &variables) {
            Ok(value) => Ok(truthy(&value)),
            Err(error) if error.code() == ErrorCode::InvalidExpression => {
                self.record_step(Some(&reference), Some(id), || RecordKind::TaskExtensionSkipped {
                    extension: extension.name.clone(),
                    error: WorkflowError::expression(&error),
                });
                Ok(false)
            }
            Err(error) => Err(WorkflowError::expression(&error)),
        }
    }

    /// Ends a task in the place of which an extension gives an output.
    pub(super) fn bypass(&mut self, list: FrameId, id: FrameId, output: Value) {
        self.remove(list);
        let Some(task) = self.task_mut(id) else { return };
        // The layer that gives the output has nothing to run after a task that did not run.
        task.extensions.pop();
        let then = task.task.then.clone();
        self.work.push_back(Work::Finish {
            task: id,
            output,
            then,
        });
    }

    /// Leaves the layers around a task that has completed, the innermost first; `raw` is what the task gave itself.
    pub(super) fn begin_leaving(
        &mut self,
        id: FrameId,
        output: Arc<Value>,
        raw: Arc<Value>,
        then: FlowDirective,
    ) {
        // What the task itself still waits for is of no interest any more; its timeout goes on.
        let actions = self.frames.get(&id).map(|frame| frame.actions.clone());
        for action in actions.into_iter().flatten() {
            let is_timeout = |pending: &super::frame::Pending| pending.purpose == Purpose::Timeout;
            if !self.actions.get(&action).is_some_and(is_timeout) {
                self.stop_action(action);
            }
        }
        self.remove_children(id);
        self.set_state(id, TaskState::After { output, raw, then });
        self.leave_layers(id);
    }

    /// Leaves layers up to one with tasks to run last; ends the task after the outermost.
    pub(super) fn leave_layers(&mut self, id: FrameId) {
        loop {
            let Some(task) = self.task_mut(id) else { return };
            let TaskState::After { output, raw, then } = &task.state else {
                return;
            };
            let (output, raw, then) = (Arc::clone(output), Arc::clone(raw), then.clone());
            let Some(extension) = task.extensions.pop() else {
                return self.end_task(id, output, &then);
            };
            if extension.after.tasks.is_empty() {
                continue;
            }
            let Some((_, mut variables)) = self.layer(id, Some(&raw)) else {
                return;
            };
            variables.insert("output", Arc::clone(&output));
            return self.push_list(id, List::After(extension), 0, output, Some(variables));
        }
    }

    /// The input of a task, and the variables of what runs around it.
    fn layer(&self, id: FrameId, output: Option<&Value>) -> Option<(Arc<Value>, Variables)> {
        let frame = self.frames.get(&id)?;
        let FrameKind::Task(task) = &frame.kind else {
            return None;
        };
        let mut fields = match task.task.source.as_ref() {
            Value::Object(fields) => fields.clone(),
            _ => Map::new(),
        };
        fields.remove("output");
        fields.extend(descriptor(task, output));
        let variables = frame.variables.clone().set("task", Value::Object(fields));
        Some((Arc::clone(&task.input), variables))
    }
}

/// `$task`: the specification's task descriptor.
pub(super) fn descriptor(task: &TaskFrame, output: Option<&Value>) -> Map<String, Value> {
    let mut fields = Map::from_iter([
        ("name".to_owned(), json!(task.task.name)),
        ("reference".to_owned(), json!(task.task.reference)),
        ("definition".to_owned(), task.task.source.as_ref().clone()),
        ("input".to_owned(), task.raw_input.as_ref().clone()),
        ("startedAt".to_owned(), moment(task.started_at)),
    ]);
    if let Some(output) = output {
        fields.insert("output".to_owned(), output.clone());
    }
    fields
}
