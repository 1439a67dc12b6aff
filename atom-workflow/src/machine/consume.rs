//! Consuming: events or messages come one after the other, are kept, and with `foreach` are worked on in turn.

use std::sync::Arc;

use serde_json::Value;

use super::frame::{Consuming, FrameId, FrameKind, List, TaskState};
use super::{Machine, WorkflowError};
use crate::definition::Task;
use crate::expression::Variables;

impl TaskState {
    fn consuming(&self) -> Option<&Consuming> {
        match self {
            Self::Consuming(consuming) => Some(consuming),
            _ => None,
        }
    }
}

impl Machine {
    pub(super) fn consuming(&self, id: FrameId) -> Option<&Consuming> {
        self.task(id)?.state.consuming()
    }

    pub(super) fn consuming_mut(&mut self, id: FrameId) -> Option<&mut Consuming> {
        match self.state(id)? {
            TaskState::Consuming(consuming) => Some(consuming),
            _ => None,
        }
    }

    /// Goes on after something was consumed: ends the wait when it is over, and works on what there is.
    pub(super) fn consumed(&mut self, id: FrameId, is_over: bool) {
        let Some(consuming) = self.consuming(id) else {
            return;
        };
        match consuming.consumption.excess(is_over) {
            Some(detail) => self.fail_consuming(id, WorkflowError::runtime(detail)),
            None if is_over => self.finish_consuming(id),
            None => self.begin_item(id),
        }
    }

    /// Stops to wait for more; the task ends at once, or when everything that came is worked on.
    pub(super) fn finish_consuming(&mut self, id: FrameId) {
        let Some(consuming) = self.consuming_mut(id) else {
            return;
        };
        consuming.is_over = true;
        let action = consuming.action;
        self.stop_action(action);
        if self.iterating_task(id).is_some() {
            self.begin_item(id);
        } else if let Some(consuming) = self.consuming_mut(id) {
            let output = Value::Array(std::mem::take(&mut consuming.consumption.items));
            self.finish_work(id, output);
        }
    }

    pub(super) fn fail_consuming(&mut self, id: FrameId, error: WorkflowError) {
        self.work.push_back(super::frame::Work::Fail { frame: id, error });
    }

    /// The task, if it has a `foreach`.
    fn iterating_task(&self, id: FrameId) -> Option<Arc<Task>> {
        let task = &self.task(id)?.task;
        task.iterator().map(|_| Arc::clone(task))
    }

    /// Begins to work on the next item that was consumed, unless one is being worked on; ends the task after the last.
    fn begin_item(&mut self, id: FrameId) {
        let Some(definition) = self.iterating_task(id) else {
            return;
        };
        let Some(consuming) = self.consuming_mut(id) else {
            return;
        };
        if consuming.is_iterating {
            return;
        }
        let index = consuming.outputs.len();
        if index < consuming.consumption.items.len() {
            consuming.is_iterating = true;
            let Some((item, variables)) = self.item(id, index) else {
                return;
            };
            let list = List::Iterator(definition);
            self.push_list(id, list, 0, Arc::new(item), Some(variables));
        } else if consuming.is_over {
            let output = Value::Array(std::mem::take(&mut consuming.outputs));
            self.finish_work(id, output);
        }
    }

    /// Takes in what the tasks gave for an item, and goes on with the next.
    pub(super) fn end_item(&mut self, id: FrameId, output: Value) {
        match self.shape_item(id, output) {
            Ok(output) => {
                if let Some(consuming) = self.consuming_mut(id) {
                    consuming.outputs.push(output);
                    consuming.is_iterating = false;
                }
                self.begin_item(id);
            }
            Err(error) => self.fail_consuming(id, error),
        }
    }

    fn shape_item(&mut self, id: FrameId, output: Value) -> Result<Value, WorkflowError> {
        let Some(index) = self.consuming(id).map(|consuming| consuming.outputs.len()) else {
            return Ok(output);
        };
        let Some((_, variables)) = self.item(id, index) else {
            return Ok(output);
        };
        let Some(task) = self.task(id) else {
            return Ok(output);
        };
        let Some(iterator) = task.task.iterator() else {
            return Ok(output);
        };
        let (shape, export) = (iterator.output.clone(), iterator.export.clone());
        let variables = self.variables(&variables, task, None);
        self.pass_on(&shape, export.as_ref(), output, variables)
    }

    /// The item with this number, and the variables of the work on it.
    fn item(&self, id: FrameId, index: usize) -> Option<(Value, Variables)> {
        let frame = self.frames.get(&id)?;
        let FrameKind::Task(task) = &frame.kind else {
            return None;
        };
        let iterator = task.task.iterator()?;
        let item = task.state.consuming()?.consumption.items.get(index)?.clone();
        let mut variables = frame.variables.clone();
        variables.insert(&iterator.item, item.clone());
        variables.insert(&iterator.at, Value::from(index));
        Some((item, variables))
    }
}
