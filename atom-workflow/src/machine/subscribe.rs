//! Subscriptions: messages come from a function, one after the other, until enough were consumed.

use std::sync::Arc;

use serde_json::Value;

use super::event::RecordKind;
use super::frame::{Consuming, FrameId, FrameKind, Purpose, TaskState};
use super::{ActionId, Command, Machine, WorkflowError, data};
use crate::consumption::Consumption;
use crate::definition::{CallTarget, Consume, Subscribe, Task, TaskKind};
use crate::expression::{Expression, Variables, truthy};

/// The member of `$context` that shows the conditions of a subscription what was consumed so far.
const CONSUMED: &str = "consumedMessages";

impl Machine {
    pub(super) fn begin_subscription(
        &mut self,
        id: FrameId,
        task: &Arc<Task>,
        subscribe: &Subscribe,
        input: &Arc<Value>,
        variables: &Variables,
    ) -> Result<(), WorkflowError> {
        let target = CallTarget::AsyncApi;
        let arguments = self.call_arguments(&target, &subscribe.arguments, task, input, variables)?;
        if let Some(length) = &subscribe.length {
            let length = data::duration(length, self.now, input, variables)?;
            self.start_timer(Some(id), Purpose::Consumption, length);
        }
        let command = Command::Subscribe {
            function: target.function().unwrap_or_default().to_owned(),
            arguments,
            task: task.reference.clone(),
        };
        let action = self.begin(Some(id), Purpose::Work, command);
        let consuming = Consuming::new(action, Consumption::default());
        self.set_state(id, TaskState::Consuming(consuming));
        let is_over = match &subscribe.consume {
            Consume::Amount(amount) => *amount == 0,
            Consume::While(_) => false,
            Consume::Until(condition) => self.holds(id, condition)?,
        };
        if is_over {
            self.finish_consuming(id);
        }
        Ok(())
    }

    /// Whether a subscription consumes a message. A message of another shape than the filter expects is simply not
    /// one of those.
    #[must_use]
    pub fn accepts_message(&self, action: ActionId, message: &Value) -> bool {
        let frame = self.actions.get(&action).and_then(|pending| pending.frame);
        let Some((id, subscribe)) = frame.and_then(|id| Some((id, self.subscription(id)?))) else {
            return false;
        };
        match (&subscribe.filter, self.task_variables(id)) {
            (None, _) => true,
            (Some(filter), Some(variables)) => filter
                .evaluate(message, &variables)
                .is_ok_and(|value| truthy(&value)),
            (Some(_), None) => false,
        }
    }

    pub(super) fn consume_message(&mut self, action: ActionId, message: Value) {
        let Some(id) = self.actions.get(&action).and_then(|pending| pending.frame) else {
            return;
        };
        let reference = self.task(id).map(|task| task.task.reference.clone());
        let Some(consuming) = self.consuming_mut(id) else {
            return;
        };
        consuming.consumption.keep(message);
        let count = u64::try_from(consuming.consumption.items.len()).unwrap_or(u64::MAX);
        self.record_step(reference.as_deref(), Some(id), || RecordKind::TaskConsumed);
        let Some(consume) = self.subscription(id).map(|subscribe| subscribe.consume.clone()) else {
            return;
        };
        let is_over = match &consume {
            Consume::Amount(amount) => Ok(count >= *amount),
            Consume::While(condition) => self.holds(id, condition).map(|goes_on| !goes_on),
            Consume::Until(condition) => self.holds(id, condition),
        };
        match is_over {
            Ok(is_over) => self.consumed(id, is_over),
            Err(error) => self.fail_consuming(id, error),
        }
    }

    /// Whether a frame is a subscription that waits for messages.
    pub(super) fn is_subscription(&self, id: FrameId) -> bool {
        self.subscription(id).is_some()
    }

    fn subscription(&self, id: FrameId) -> Option<&Subscribe> {
        match &self.task(id)?.task.kind {
            TaskKind::Subscribe(subscribe) => Some(subscribe),
            _ => None,
        }
    }

    fn task_variables(&self, id: FrameId) -> Option<Variables> {
        let frame = self.frames.get(&id)?;
        match &frame.kind {
            FrameKind::Task(task) => Some(self.variables(&frame.variables, task, None)),
            FrameKind::List { .. } => None,
        }
    }

    /// Whether a condition holds of the messages consumed so far. They are its input, and stand in
    /// `$context.consumedMessages`, where the specification's examples look for them, unless the workflow has put
    /// something else there.
    fn holds(&self, id: FrameId, condition: &Expression) -> Result<bool, WorkflowError> {
        let consumed = self
            .consuming(id)
            .map(|consuming| consuming.consumption.items.clone());
        let consumed = Value::Array(consumed.unwrap_or_default());
        let mut variables = self.task_variables(id).unwrap_or_default();
        if let Value::Object(context) = self.context.as_ref()
            && condition.source().contains(CONSUMED)
            && !context.contains_key(CONSUMED)
        {
            let mut context = context.clone();
            context.insert(CONSUMED.to_owned(), consumed.clone());
            variables.insert("context", Value::Object(context));
        }
        condition
            .evaluate(&consumed, &variables)
            .map(|value| truthy(&value))
            .map_err(|error| WorkflowError::expression(&error))
    }
}
