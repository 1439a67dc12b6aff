//! `foreach` of a `listen`: working on events one after the other as they come.

use std::sync::Arc;

use serde_json::Value;

use super::frame::{FrameId, FrameKind, List, TaskState};
use super::{Machine, WorkflowError};
use crate::consumption;
use crate::definition::{ListenIterator, Task, TaskKind};
use crate::expression::Variables;

impl Machine {
    /// The task and its iterator, for a `listen` that has one.
    pub(super) fn iterator(&self, id: FrameId) -> Option<(Arc<Task>, &ListenIterator)> {
        let task = self.task(id)?;
        let TaskKind::Listen(listen) = &task.task.kind else {
            return None;
        };
        Some((Arc::clone(&task.task), listen.foreach.as_ref()?))
    }

    /// Begins to work on the next event that was consumed, unless one is being worked on; ends the task after the last.
    pub(super) fn begin_listen_iteration(&mut self, id: FrameId) {
        let Some((definition, _)) = self.iterator(id) else {
            return;
        };
        let Some(TaskState::Listening(state)) = self.state(id) else {
            return;
        };
        if state.is_iterating {
            return;
        }
        let index = state.outputs.len();
        if index < state.consumption.events.len() {
            state.is_iterating = true;
            let Some((item, variables)) = self.iteration(id, index) else {
                return;
            };
            let list = List::Iterator(definition);
            self.push_list(id, list, 0, Arc::new(item), Some(variables));
        } else if state.is_over {
            let output = Value::Array(std::mem::take(&mut state.outputs));
            self.finish_work(id, output);
        }
    }

    /// Takes in what the tasks gave for an event, and goes on with the next.
    pub(super) fn end_listen_iteration(&mut self, id: FrameId, output: Value) {
        match self.shape_iteration(id, output) {
            Ok(output) => {
                if let Some(TaskState::Listening(state)) = self.state(id) {
                    state.outputs.push(output);
                    state.is_iterating = false;
                }
                self.begin_listen_iteration(id);
            }
            Err(error) => self.fail_listening(id, error),
        }
    }

    fn shape_iteration(&mut self, id: FrameId, output: Value) -> Result<Value, WorkflowError> {
        let Some(TaskState::Listening(state)) = self.state(id) else {
            return Ok(output);
        };
        let index = state.outputs.len();
        let Some((_, variables)) = self.iteration(id, index) else {
            return Ok(output);
        };
        let Some((_, iterator)) = self.iterator(id) else {
            return Ok(output);
        };
        let (shape, export) = (iterator.output.clone(), iterator.export.clone());
        let Some(task) = self.task(id) else {
            return Ok(output);
        };
        let variables = self.variables(&variables, task, None);
        self.pass_on(&shape, export.as_ref(), output, variables)
    }

    /// The event with this number as the task reads it, and the variables of the work on it.
    fn iteration(&self, id: FrameId, index: usize) -> Option<(Value, Variables)> {
        let frame = self.frames.get(&id)?;
        let FrameKind::Task(task) = &frame.kind else {
            return None;
        };
        let (TaskKind::Listen(definition), TaskState::Listening(state)) = (&task.task.kind, &task.state)
        else {
            return None;
        };
        let iterator = definition.foreach.as_ref()?;
        let item = consumption::read(state.consumption.events.get(index)?, definition.read);
        let mut variables = frame.variables.clone();
        variables.insert(&iterator.item, item.clone());
        variables.insert(&iterator.at, Value::from(index));
        Some((item, variables))
    }
}
