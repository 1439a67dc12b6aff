//! The workflow that runs are at the server: it holds the machine of a run, tells it what happened and has its commands
//! carried out.
//!
//! It reads no clock but the workflow's and no data but what its history holds, so that a replay of the history does the
//! same. Whatever it does in another order, or newly, would break runs that are under way: such a change asks
//! `context.patched(…)` first and keeps the old way beside the new one, and comes with a history recorded before it
//! (`tests/temporal/histories`). What the machine itself does follows from the version that each run began with.

use std::collections::VecDeque;
use std::sync::Arc;

use atom_core::storage::Decision;
use atom_core::{Error, ErrorCode, Offset, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{SyncWorkflowContext, WorkflowContext, WorkflowContextView, WorkflowResult};

use super::driver::Driver;
use super::message::{Answer, Asked, Begin, Decided, Loaded, Mail};
use super::told::Told;
use super::weight::weight;
use crate::definition::Bundle;
use crate::machine::{ActionId, Command, Event, Machine, RunFacts, Transition, Wait};
use crate::runtime::Redactor;

/// What an event led to, to be carried out.
pub(super) struct Step {
    pub(super) transition: Transition,
    /// Where in the log tasks begin to listen that the step leads to; at its end when absent.
    pub(super) after: Option<Offset>,
}

/// A run, as its messages find it.
#[workflow]
#[derive(Default)]
pub(crate) struct Interpreter {
    machine: Option<Machine>,
    redactor: Redactor,
    /// What came before the machine was there.
    early: VecDeque<Event>,
    /// What is still to be carried out.
    steps: VecDeque<Step>,
    /// How large the history is by now, about.
    bytes: u64,
    /// Where to tell what happens, while a history is replayed for that.
    told: Option<Arc<Told>>,
}

/// What can be seen of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// Whether it is paused.
    pub is_paused: bool,
    /// Whether what it has done is being undone.
    pub is_undoing: bool,
    /// What it waits for, in the order in which it began to.
    pub waits: Vec<Wait>,
    /// What it asks people.
    pub approvals: Vec<Asked>,
}

#[workflow_methods]
impl Interpreter {
    #[run(name = "atom.run")]
    pub(crate) async fn run(
        context: &mut WorkflowContext<Self>,
        begin: Begin,
    ) -> WorkflowResult<serde_json::Value> {
        Driver::new(context.clone(), begin).drive().await
    }

    #[signal(name = "atom.mail")]
    pub(crate) fn mail(&mut self, context: &mut SyncWorkflowContext<Self>, mail: Option<Mail>) {
        // Not of the engine.
        let Some(mail) = mail else {
            return;
        };
        let event = Event::from(mail);
        if self.machine.is_some() {
            self.take(event, now(context.workflow_time()));
        } else {
            self.early.push_back(event);
        }
    }

    #[update(name = "atom.decide")]
    pub(crate) fn decide(&mut self, context: &mut SyncWorkflowContext<Self>, decided: Decided) -> Answer<()> {
        match self.check_decision(decided.action, &decided.decision) {
            Ok(()) => {
                let event = Event::Decided {
                    action: decided.action,
                    decision: decided.decision,
                };
                self.take(event, now(context.workflow_time()));
                Answer::Completed(())
            }
            Err(error) => Answer::Failed(error.report()),
        }
    }

    #[query(name = "atom.view")]
    pub(crate) fn view(&self, _context: &WorkflowContextView) -> RunView {
        let Some(machine) = &self.machine else {
            return RunView::default();
        };
        let asked = machine.pending().filter_map(|(_, command)| match command {
            Command::Approve { request } => {
                let mut asked = Asked::from(request.as_ref());
                asked.redact(&self.redactor);
                Some(asked)
            }
            _ => None,
        });
        RunView {
            is_paused: machine.is_paused(),
            is_undoing: machine.is_undoing(),
            waits: machine.waits(),
            approvals: asked.collect(),
        }
    }
}

impl Interpreter {
    /// A run that tells what happens.
    pub(super) fn telling(told: Arc<Told>) -> Self {
        Self {
            told: Some(told),
            ..Self::default()
        }
    }

    /// Makes the machine, gives it the first event and what came before.
    pub(super) fn begin(&mut self, begin: &Begin, loaded: Loaded, at: Timestamp) -> Result<()> {
        self.weigh(begin);
        self.weigh(&loaded);
        let workflow = Bundle::read(&loaded.text)?.parse()?;
        if workflow.hash != begin.hash {
            return Err(Error::new(
                ErrorCode::InvalidData,
                format!("the document {} was altered in the store", begin.hash),
            ));
        }
        let facts = RunFacts::new(begin.scope(), begin.run, begin.input.clone(), begin.created_at);
        self.redactor = Redactor::new(&loaded.secrets);
        let machine = Machine::new(workflow.into(), facts.with_secrets(loaded.secrets));
        self.machine = Some(match &self.told {
            Some(_) => machine.with_records(),
            None => machine,
        });
        let first = match &begin.continued {
            Some(continued) => continued.as_ref().clone(),
            None => Event::Started {
                machine: begin.machine,
                engine: begin.engine.clone(),
            },
        };
        self.take(first, at);
        // What a run goes on with begins again.
        if let (Some(machine), Some(step)) = (&self.machine, self.steps.back_mut()) {
            let pending = machine.pending();
            step.transition.begin = pending
                .map(|(action, command)| (action, command.clone()))
                .collect();
        }
        while let Some(event) = self.early.pop_front() {
            self.take(event, at);
        }
        Ok(())
    }

    /// Takes an event through the machine. One that it does not expect changes nothing.
    pub(super) fn take(&mut self, mut event: Event, at: Timestamp) {
        self.weigh(&event);
        let Some(machine) = &mut self.machine else {
            return;
        };
        if let Event::Signalled { event } = &event
            && !machine.can_take_signal()
            && machine.wants(event).is_empty()
        {
            tracing::warn!(run = %machine.run(), "the run has too many events that no task listened for; one was dropped");
            return;
        }
        if !machine.expects(&event) {
            return;
        }
        redact(&self.redactor, &mut event);
        let after = match &event {
            Event::Received { offset, .. } => Some(*offset),
            Event::Continued { after, .. } => *after,
            _ => None,
        };
        let mut transition = machine.advance(event, at);
        if let Some(told) = &self.told {
            told.tell(machine, std::mem::take(&mut transition.records), &self.redactor);
        }
        self.steps.push_back(Step { transition, after });
    }

    pub(super) fn machine(&self) -> Option<&Machine> {
        self.machine.as_ref()
    }

    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Notes that something goes to the history.
    pub(super) fn weigh(&mut self, payload: &impl Serialize) {
        self.bytes = self.bytes.saturating_add(weight(payload));
    }

    pub(super) fn history_bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn has_steps(&self) -> bool {
        !self.steps.is_empty()
    }

    pub(super) fn next_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    pub(super) fn ask_for_continuation(&mut self, is_wanted: bool) {
        if let Some(machine) = &mut self.machine {
            machine.ask_for_continuation(is_wanted);
        }
    }

    fn check_decision(&self, action: ActionId, decision: &Decision) -> Result<()> {
        let machine = self.machine.as_ref();
        let machine =
            machine.ok_or_else(|| Error::new(ErrorCode::Conflict, "the run has not begun yet; try again"))?;
        machine.check_decision(action, decision)
    }
}

impl Asked {
    fn redact(&mut self, redactor: &Redactor) {
        redactor.text(&mut self.title);
        self.message.iter_mut().for_each(|message| redactor.text(message));
        redactor.value(&mut self.data);
        self.input.iter_mut().for_each(|input| redactor.value(input));
    }
}

/// Masks secrets where data enters the run, as the embedded runtime does.
fn redact(redactor: &Redactor, event: &mut Event) {
    match event {
        Event::Completed { output, .. } => redactor.value(output),
        Event::Failed { error, .. } => {
            redactor.text(&mut error.message);
            error.cause.iter_mut().for_each(|cause| redactor.text(cause));
            error.context.values_mut().for_each(|value| redactor.text(value));
        }
        Event::Decided { decision, .. } => {
            decision.comment.iter_mut().for_each(|text| redactor.text(text));
            let data = decision.form.iter_mut().chain(&mut decision.input);
            data.for_each(|data| redactor.value(data));
        }
        _ => {}
    }
}

/// The workflow's time, the only one the machine is told.
pub(super) fn now(time: Option<std::time::SystemTime>) -> Timestamp {
    let time = time.and_then(|time| Timestamp::try_from(time).ok());
    time.unwrap_or(Timestamp::UNIX_EPOCH)
}
