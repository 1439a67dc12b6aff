//! How the run moves from task to task: lists, loops, branches and errors on their way up.

use std::sync::Arc;

use serde_json::Value;

use super::event::RecordKind;
use super::frame::{Frame, FrameId, FrameKind, List, Purpose, TaskState, TryPhase, Work};
use super::tally::TaskEnd;
use super::{ActionId, Machine, WorkflowError};
use crate::definition::{FlowDirective, TaskKind};
use crate::expression::{Variables, truthy};

impl Machine {
    /// Begins a list inside a task. `variables` are those of the task unless given.
    pub(super) fn push_list(
        &mut self,
        parent: FrameId,
        list: List,
        slot: usize,
        input: Arc<Value>,
        variables: Option<Variables>,
    ) {
        let Some(enclosing) = self.frames.get(&parent) else {
            return;
        };
        let variables = variables.unwrap_or_else(|| enclosing.variables.clone());
        let id = self.number();
        let kind = FrameKind::List { list, index: 0, slot };
        self.insert(id, Frame::new(Some(parent), variables, kind));
        self.work.push_back(Work::Run { list: id, input });
    }

    /// Follows a directive from the task at which a list stands.
    pub(super) fn go_on(&mut self, list_id: FrameId, data: Arc<Value>, then: &FlowDirective) {
        let Some(Frame {
            parent,
            kind: FrameKind::List { list, index, .. },
            ..
        }) = self.frames.get_mut(&list_id)
        else {
            return;
        };
        match then {
            FlowDirective::Continue => *index += 1,
            FlowDirective::Exit => {
                return match (list, *parent) {
                    (List::Before(_), Some(task)) => self.bypass(list_id, task, unshared(data)),
                    _ => self.end_list(list_id, data),
                };
            }
            FlowDirective::End => return self.complete(unshared(data)),
            FlowDirective::Task(name) => match list.tasks().iter().position(|task| task.name == *name) {
                Some(position) => *index = position,
                None => {
                    let error = WorkflowError::configuration(format!("there is no task '{name}' to go to"));
                    self.work.push_back(Work::Fail {
                        frame: list_id,
                        error,
                    });
                    return;
                }
            },
        }
        self.offer_continuation(list_id, &data);
        self.work.push_back(Work::Run {
            list: list_id,
            input: data,
        });
    }

    /// Ends a list with the data of its last task.
    pub(super) fn end_list(&mut self, id: FrameId, data: Arc<Value>) {
        let Some(Frame {
            parent,
            kind: FrameKind::List { slot, .. },
            ..
        }) = self.frames.get(&id)
        else {
            return;
        };
        let (parent, slot) = (*parent, *slot);
        self.remove(id);
        let Some(parent) = parent else {
            return self.complete(unshared(data));
        };
        let Some(task) = self.task(parent) else { return };
        let definition = Arc::clone(&task.task);
        match self.state(parent) {
            Some(TaskState::For { index, .. }) => {
                *index += 1;
                self.begin_iteration(parent, data);
            }
            Some(TaskState::Fork { outputs, running }) => {
                if let TaskKind::Fork(fork) = &definition.kind
                    && fork.is_competing
                {
                    self.remove_children(parent);
                    self.finish_work(parent, unshared(data));
                    return;
                }
                if let Some(output) = outputs.get_mut(slot) {
                    *output = Some(unshared(data));
                }
                *running = running.saturating_sub(1);
                if *running == 0 {
                    let outputs = outputs
                        .iter_mut()
                        .map(|output| output.take().unwrap_or_default())
                        .collect();
                    self.finish_work(parent, Value::Array(outputs));
                }
            }
            Some(TaskState::Before { next }) => {
                let next = *next;
                self.enter_layers(parent, next);
            }
            Some(TaskState::After { .. }) => self.leave_layers(parent),
            Some(TaskState::Consuming(_)) => self.end_item(parent, unshared(data)),
            Some(TaskState::Try(state)) => {
                let was_handling = state.phase == TryPhase::Handling;
                self.end_try(parent, &definition, unshared(data), was_handling);
            }
            _ => self.finish_work(parent, unshared(data)),
        }
    }

    /// Begins the next iteration of a `for`, or ends it.
    pub(super) fn begin_iteration(&mut self, id: FrameId, data: Arc<Value>) {
        let Some(frame) = self.frames.get(&id) else { return };
        let FrameKind::Task(task) = &frame.kind else {
            return;
        };
        let (TaskKind::For(each), TaskState::For { items, index }) = (&task.task.kind, &task.state) else {
            return;
        };
        let Some(item) = items.get(*index) else {
            self.finish_work(id, unshared(data));
            return;
        };
        let definition = Arc::clone(&task.task);
        let mut variables = frame.variables.clone();
        variables.insert(&each.each, item.clone());
        variables.insert(&each.at, Value::from(*index));
        if let Some(condition) = &each.r#while {
            let visible = self.variables(&variables, task, None);
            match condition.evaluate(&data, &visible) {
                Ok(value) if truthy(&value) => {}
                Ok(_) => return self.finish_work(id, unshared(data)),
                Err(error) => {
                    let error = WorkflowError::expression(&error);
                    self.work.push_back(Work::Fail { frame: id, error });
                    return;
                }
            }
        }
        self.push_list(id, List::Body(definition), 0, data, Some(variables));
    }

    /// Ends a list or task with an error, and then what it is part of, until a `try` handles the error.
    pub(super) fn fail(&mut self, mut id: FrameId, mut error: WorkflowError) {
        while let Some(frame) = self.frames.get(&id) {
            let parent = frame.parent;
            if let FrameKind::Task(task) = &frame.kind {
                let (definition, started_at) = (Arc::clone(&task.task), task.started_at);
                error = error.at(&definition.reference);
                self.tally(&definition, started_at, TaskEnd::Faulted);
                self.record_step(Some(&definition.reference), Some(id), || {
                    RecordKind::TaskFaulted { error: error.clone() }
                });
            }
            self.remove(id);
            let Some(parent) = parent else { break };
            let competes = self
                .task(parent)
                .is_some_and(|task| matches!(&task.task.kind, TaskKind::Fork(fork) if fork.is_competing));
            match self.state(parent) {
                Some(TaskState::Try(state)) if state.phase == TryPhase::Trying => {
                    match self.handle(parent, error) {
                        Ok(()) => return,
                        Err(unhandled) => error = unhandled,
                    }
                }
                // A branch that fails is out of the race; the last one decides.
                Some(TaskState::Fork { running, .. }) if competes && *running > 1 => {
                    *running -= 1;
                    return;
                }
                _ => {}
            }
            id = parent;
        }
        self.fault(error);
    }

    /// Takes in that a timer has gone off.
    pub(super) fn fire(&mut self, action: ActionId) {
        let Some(pending) = self.forget_action(action) else {
            return;
        };
        if pending.purpose == Purpose::Compensation {
            return self.begin_compensation();
        }
        let Some(frame) = pending.frame else {
            let error = WorkflowError::timeout("the workflow took longer than its timeout");
            return self.fault(error.at("/timeout"));
        };
        match pending.purpose {
            Purpose::Work => {
                let Some(task) = self.task(frame) else { return };
                let data = task.input.as_ref().clone();
                self.finish_work(frame, data);
            }
            Purpose::Consumption => self.finish_consuming(frame),
            Purpose::Timeout => {
                let error = WorkflowError::timeout("the task took longer than its timeout");
                self.work.push_back(Work::Fail { frame, error });
            }
            Purpose::Attempt => {
                if let Some(TaskState::Try(state)) = self.state(frame) {
                    state.attempt_timer = None;
                }
                if let Some(list) = self.children(frame).first().copied() {
                    let error = WorkflowError::timeout("the attempt took longer than its limit");
                    self.work.push_back(Work::Fail { frame: list, error });
                }
            }
            Purpose::Deadline => self.expire(frame),
            Purpose::Retry => self.begin_attempt(frame),
            Purpose::Compensation => {}
        }
    }

    fn children(&self, id: FrameId) -> Vec<FrameId> {
        let frame = self.frames.get(&id);
        frame.map_or_else(Vec::new, |frame| frame.children.iter().copied().collect())
    }

    pub(super) fn remove_children(&mut self, id: FrameId) {
        for child in self.children(id) {
            if let Some(task) = self.task(child) {
                let (definition, started_at) = (Arc::clone(&task.task), task.started_at);
                self.tally(&definition, started_at, TaskEnd::Cancelled);
                self.record_step(Some(&definition.reference), Some(child), || {
                    RecordKind::TaskCancelled
                });
            }
            self.remove(child);
        }
    }

    /// Removes a frame with everything below it, and stops the actions they wait for.
    pub(super) fn remove(&mut self, id: FrameId) {
        self.remove_children(id);
        let Some(frame) = self.frames.remove(&id) else {
            return;
        };
        if let Some(parent) = frame.parent.and_then(|parent| self.frames.get_mut(&parent)) {
            parent.children.remove(&id);
        }
        for action in frame.actions {
            self.stop_action(action);
        }
    }
}

fn unshared(data: Arc<Value>) -> Value {
    Arc::unwrap_or_clone(data)
}
