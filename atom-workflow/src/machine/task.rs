//! How a task begins and ends.

use std::sync::Arc;

use serde_json::{Value, json};

use super::data::{self, shape_input, shape_output};
use super::event::RecordKind;
use super::frame::{
    Frame, FrameId, FrameKind, List, Purpose, TaskFrame, TaskState, TryPhase, TryState, Work,
};
use super::tally::TaskEnd;
use super::{Command, Machine, WorkflowError};
use crate::definition::{FlowDirective, Output, Returned, Task, TaskKind};
use crate::expression::{Variables, truthy};

impl Machine {
    /// Runs the task at which a list stands, or ends the list when there is none left.
    pub(super) fn run_next(&mut self, list_id: FrameId, input: Arc<Value>) {
        let Some(Frame {
            kind: FrameKind::List { list, index, .. },
            variables,
            ..
        }) = self.frames.get(&list_id)
        else {
            return;
        };
        let Some(task) = list.tasks().get(*index).cloned() else {
            self.end_list(list_id, input);
            return;
        };
        let enclosing = variables.clone();
        let mut frame = TaskFrame {
            raw_input: Arc::clone(&input),
            input,
            started_at: self.now,
            state: TaskState::Busy,
            extensions: Vec::new(),
            task: Arc::clone(&task),
        };
        if let Some(condition) = &task.condition {
            let variables = self.variables(&enclosing, &frame, None);
            match condition.evaluate(&frame.input, &variables) {
                Ok(value) if truthy(&value) => {}
                Ok(_) => {
                    self.record(Some(&task.reference), || RecordKind::TaskSkipped);
                    // What comes after a task that did not run is simply the next one.
                    self.go_on(list_id, frame.input, &FlowDirective::Continue);
                    return;
                }
                Err(error) => {
                    let error = WorkflowError::expression(&error).at(&task.reference);
                    self.work.push_back(Work::Fail {
                        frame: list_id,
                        error,
                    });
                    return;
                }
            }
        }
        let id = self.number();
        self.record_step(Some(&task.reference), Some(id), || RecordKind::TaskStarted);
        let variables = self.variables(&enclosing, &frame, None);
        let shaped = shape_input(&task.input, &frame.raw_input, &variables);
        if let Ok(input) = &shaped {
            frame.input = Arc::clone(input);
        }
        self.insert(id, Frame::new(Some(list_id), enclosing, FrameKind::Task(frame)));
        let begun = shaped.and_then(|_| match &task.approve {
            Some(approve) => self.ask(id, approve),
            None => {
                self.begin_work(id);
                Ok(())
            }
        });
        if let Err(error) = begun {
            self.work.push_back(Work::Fail { frame: id, error });
        }
    }

    /// Begins the own work of a task, and the time that this may take.
    pub(super) fn begin_work(&mut self, id: FrameId) {
        let Some(frame) = self.frames.get(&id) else { return };
        let FrameKind::Task(task_frame) = &frame.kind else {
            return;
        };
        let variables = self.variables(&frame.variables, task_frame, None);
        let (task, input) = (Arc::clone(&task_frame.task), Arc::clone(&task_frame.input));
        let timeout = task.timeout.as_ref();
        let timeout = timeout.map(|timeout| data::duration(timeout, self.now, &input, &variables));
        let begun = timeout.transpose().and_then(|timeout| {
            if let Some(length) = timeout {
                self.start_timer(Some(id), Purpose::Timeout, length);
            }
            if self.is_extended(id) {
                self.enter_layers(id, 0);
                return Ok(());
            }
            self.begin_task(id, &task, &input, &variables)
        });
        if let Err(error) = begun {
            self.work.push_back(Work::Fail { frame: id, error });
        }
    }

    pub(super) fn begin_task(
        &mut self,
        id: FrameId,
        task: &Arc<Task>,
        input: &Arc<Value>,
        variables: &Variables,
    ) -> Result<(), WorkflowError> {
        let expression = |error: atom_core::Error| WorkflowError::expression(&error);
        match &task.kind {
            TaskKind::Do(_) => self.push_list(id, List::Body(Arc::clone(task)), 0, Arc::clone(input), None),
            TaskKind::Set(template) => {
                let output = template.evaluate(input, variables).map_err(expression)?;
                self.finish_work(id, output);
            }
            TaskKind::Call(call) => self.begin_call(id, task, call, input, variables)?,
            TaskKind::Subscribe(subscribe) => {
                self.begin_subscription(id, task, subscribe, input, variables)?;
            }
            TaskKind::Switch(cases) => {
                // The case without a condition applies when no other does, wherever it stands.
                let mut then = cases.iter().find(|case| case.when.is_none());
                for case in cases {
                    if let Some(when) = &case.when
                        && truthy(&when.evaluate(input, variables).map_err(expression)?)
                    {
                        then = Some(case);
                        break;
                    }
                }
                let then = then.map_or_else(|| task.then.clone(), |case| case.then.clone());
                let output = input.as_ref().clone();
                self.work.push_back(Work::Finish {
                    task: id,
                    output,
                    then,
                });
            }
            TaskKind::For(each) => {
                let items = match each.collection.evaluate(input, variables).map_err(expression)? {
                    Value::Array(items) => items,
                    Value::Null => Vec::new(),
                    _ => return Err(WorkflowError::configuration("'for.in' must give an array")),
                };
                self.set_state(id, TaskState::For { items, index: 0 });
                self.begin_iteration(id, Arc::clone(input));
            }
            TaskKind::Fork(fork) => {
                let branches = &fork.branches.tasks;
                if branches.is_empty() {
                    self.finish_work(id, Value::Array(Vec::new()));
                    return Ok(());
                }
                let outputs = vec![None; branches.len()];
                self.set_state(
                    id,
                    TaskState::Fork {
                        outputs,
                        running: branches.len(),
                    },
                );
                for (slot, branch) in branches.iter().enumerate() {
                    self.push_list(
                        id,
                        List::Single(Arc::clone(branch)),
                        slot,
                        Arc::clone(input),
                        None,
                    );
                }
            }
            TaskKind::Try(_) => {
                let state = TryState {
                    phase: TryPhase::Trying,
                    retries: 0,
                    attempt_timer: None,
                };
                self.set_state(id, TaskState::Try(state));
                self.begin_attempt(id);
            }
            TaskKind::Raise(raise) => {
                let error = raise.error.evaluate(input, variables).map_err(expression)?;
                let error = serde_json::from_value(error).map_err(|problem| {
                    WorkflowError::configuration(format!("the error to raise is malformed: {problem}"))
                })?;
                return Err(error);
            }
            TaskKind::Wait(length) => {
                let length = data::duration(length, self.now, input, variables)?;
                self.start_timer(Some(id), Purpose::Work, length);
            }
            TaskKind::Emit(template) => {
                let attributes = template.evaluate(input, variables).map_err(expression)?;
                let event = self.make_event(attributes)?;
                let output = serde_json::to_value(&event)
                    .map_err(|problem| WorkflowError::runtime(problem.to_string()))?;
                self.transition.publish.push(event);
                self.finish_work(id, output);
            }
            TaskKind::Listen(listen) => self.begin_listening(id, listen),
            TaskKind::Run(run) => {
                let action = self.number();
                let input = self.passed_on(action, || {
                    let input = run.input.evaluate(input, variables).map_err(expression)?;
                    data::check_depth(&input)?;
                    Ok(input)
                })?;
                // The child's id follows from this run and the number of the action, so that starting it
                // again after a crash finds the one that was started before.
                let child = self.facts.run.derive(&format!("run:{action}"));
                let command = Command::StartRun {
                    run: child,
                    namespace: run.namespace.clone(),
                    name: run.name.clone(),
                    version: run.version.clone(),
                    input,
                    is_awaited: run.is_awaited,
                };
                self.begin_as(action, Some(id), Purpose::Work, command);
            }
            TaskKind::Process(process) => self.begin_process(id, task, process, input, variables)?,
            TaskKind::Unsupported => {
                return Err(WorkflowError::configuration(
                    "this engine does not carry out this kind of task",
                ));
            }
        }
        Ok(())
    }

    /// Ends a task whose own work is done with its raw output and its own directive.
    pub(super) fn finish_work(&mut self, id: FrameId, output: Value) {
        let Some(frame) = self.task(id) else { return };
        let then = frame.task.then.clone();
        // What is not awaited has no output of its own: data passes through, as with `wait`.
        let output = match &frame.task.kind {
            TaskKind::Run(run) if !run.is_awaited => frame.input.as_ref().clone(),
            TaskKind::Run(run) => returned(run.returns, output),
            TaskKind::Process(process) if !process.is_awaited => frame.input.as_ref().clone(),
            _ => output,
        };
        self.work.push_back(Work::Finish {
            task: id,
            output,
            then,
        });
    }

    pub(super) fn finish_task(&mut self, id: FrameId, output: Value, then: FlowDirective) {
        let Some(frame) = self.frames.get(&id) else { return };
        let FrameKind::Task(task) = &frame.kind else {
            return;
        };
        let definition = Arc::clone(&task.task);
        let (input, enclosing) = (Arc::clone(&task.input), frame.variables.clone());
        // What an extension bypassed did nothing that could be undone.
        let has_run = !matches!(task.state, TaskState::Before { .. });
        let raw = (!task.extensions.is_empty()).then(|| Arc::new(output.clone()));
        let variables = self.variables(&frame.variables, task, Some(&output));
        let passed_on = self.pass_on(&definition.output, definition.export.as_ref(), output, variables);
        let passed_on = passed_on.and_then(|output| {
            let output = Arc::new(output);
            if has_run {
                self.remember(&definition, &input, &output, enclosing)?;
            }
            Ok(output)
        });
        match passed_on {
            Ok(output) => match raw {
                Some(raw) => self.begin_leaving(id, output, raw, then),
                None => self.end_task(id, output, &then),
            },
            Err(error) => self.fail(id, error),
        }
    }

    /// Ends a task with what is passed on of its output.
    pub(super) fn end_task(&mut self, id: FrameId, output: Arc<Value>, then: &FlowDirective) {
        let Some(list) = self.frames.get(&id).and_then(|frame| frame.parent) else {
            return;
        };
        let Some(task) = self.task(id) else { return };
        let (definition, started_at) = (Arc::clone(&task.task), task.started_at);
        self.tally(&definition, started_at, TaskEnd::Completed);
        self.record_step(Some(&definition.reference), Some(id), || {
            RecordKind::TaskCompleted {
                output: output.as_ref().clone(),
            }
        });
        self.remove(id);
        self.go_on(list, output, then);
    }

    /// Gives what is passed on of a raw output, and leaves in the context what is exported of that.
    pub(super) fn pass_on(
        &mut self,
        shape: &Output,
        export: Option<&Output>,
        raw: Value,
        mut variables: Variables,
    ) -> Result<Value, WorkflowError> {
        let output = shape_output("the output", shape, raw, &variables)?;
        if let Some(export) = export {
            variables.insert("output", output.clone());
            // Without `as` the context stays as it is, and must fit the schema.
            let exported = match &export.r#as {
                Some(_) => output.clone(),
                None => self.context.as_ref().clone(),
            };
            self.context = Arc::new(shape_output("the context", export, exported, &variables)?);
        }
        Ok(output)
    }

    pub(super) fn task(&self, id: FrameId) -> Option<&TaskFrame> {
        match &self.frames.get(&id)?.kind {
            FrameKind::Task(task) => Some(task),
            FrameKind::List { .. } => None,
        }
    }

    pub(super) fn task_mut(&mut self, id: FrameId) -> Option<&mut TaskFrame> {
        match &mut self.frames.get_mut(&id)?.kind {
            FrameKind::Task(task) => Some(task),
            FrameKind::List { .. } => None,
        }
    }

    pub(super) fn set_state(&mut self, id: FrameId, new: TaskState) {
        if let Some(state) = self.state(id) {
            *state = new;
        }
    }

    pub(super) fn state(&mut self, id: FrameId) -> Option<&mut TaskState> {
        self.task_mut(id).map(|task| &mut task.state)
    }
}

/// What a task gives of a workflow that has ended well.
fn returned(wanted: Returned, output: Value) -> Value {
    match wanted {
        Returned::Output => output,
        Returned::Errors => json!(""),
        Returned::Code => json!(0),
        Returned::All => json!({ "code": 0, "stdout": output, "stderr": "" }),
        Returned::Nothing => Value::Null,
    }
}
