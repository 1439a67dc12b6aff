//! Drives the machine of one run inside its workflow.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use atom_core::{CloudEvent, Error, ErrorCode, Offset};
use jiff::Timestamp;
use serde_json::Value;
use temporalio_common::RetryPolicy;
use temporalio_sdk::{
    ActivityOptions, ApplicationFailure, ContinueAsNewOptions, MemoValue, WaitConditionOptions,
    WorkflowCancellationToken, WorkflowContext, WorkflowResult, WorkflowTermination,
};

use super::activities::Activities;
use super::hearing::Hearing;
use super::interpreter::{Interpreter, Step, now};
use super::listing::{ASKS, MEMO, PAUSED, RUNNING, STATE, Summary};
use super::message::{Begin, Load, Record};
use super::underway::Underway;
use crate::machine::{Command, Event, MACHINE_VERSION, Machine, Outcome};
use crate::runtime::Redactor;

/// How long one attempt of an activity may take: as long as a server can bear. Whether its worker is alive is told by its
/// heartbeat, how long a call may take is the worker's business.
const MAX_ATTEMPT: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 60 * 60);

/// The longest pause before an activity is tried again.
const MAX_RETRY_PAUSE: std::time::Duration = std::time::Duration::from_secs(60);

pub(super) struct Driver {
    pub(super) context: WorkflowContext<Interpreter>,
    pub(super) begin: Begin,
    pub(super) underway: Underway,
    hearing: Hearing,
    /// Whether the machine was told that the run is cancelled.
    is_cancelled: bool,
}

/// What happened next.
enum News {
    /// A message has led to a step.
    Mail,
    /// An action was answered, or somebody asked the server to cancel the run.
    Event(Box<Event>),
    /// There are events of the log that the run may want.
    Heard,
}

/// What carrying out a step led to.
enum Carried {
    On,
    Ended(WorkflowResult<Value>),
}

impl Driver {
    pub(super) fn new(context: WorkflowContext<Interpreter>, begin: Begin) -> Self {
        Self {
            context,
            begin,
            underway: Underway::default(),
            hearing: Hearing::default(),
            is_cancelled: false,
        }
    }

    pub(super) async fn drive(mut self) -> WorkflowResult<Value> {
        if self.begin.newest_machine() > MACHINE_VERSION {
            return self
                .stuck("the run was started by a newer engine; upgrade this worker")
                .await;
        }
        let load = Load {
            scope: self.begin.scope(),
            hash: self.begin.hash.clone(),
        };
        let options = self.options("load".to_owned(), &WorkflowCancellationToken::new());
        let loaded = self
            .context
            .execute_activity(Activities::load, load, options)
            .await?;
        let at = self.now();
        self.ask_for_continuation();
        let begin = &self.begin;
        if let Err(error) = self.context.state_mut(|run| run.begin(begin, loaded, at)) {
            tracing::error!(run = %begin.run, %error, "a run cannot go on with this worker");
            return self
                .stuck("this worker cannot read the run's document; its log says why")
                .await;
        }
        // It can be large.
        self.begin.continued = None;
        self.summarize()?;
        loop {
            if let Carried::Ended(end) = self.carry_out_all().await? {
                return end;
            }
            match self.news().await {
                News::Mail => {}
                News::Event(event) => self.take(*event),
                News::Heard => {
                    while let Some((action, offset, event)) = self.hear() {
                        self.take(Event::Received {
                            action,
                            offset,
                            event,
                        });
                        if let Carried::Ended(end) = self.carry_out_all().await? {
                            return end;
                        }
                    }
                }
            }
        }
    }

    /// Notes beside the run what it is, where whoever has started it could not.
    fn summarize(&self) -> Result<(), WorkflowTermination> {
        if self.context.memo().contains_key(MEMO) {
            return Ok(());
        }
        let begin = &self.begin;
        let summary = self.context.state(|run| {
            let workflow = run.machine().map(Machine::workflow);
            workflow.map(|workflow| Summary::new(begin, workflow))
        });
        let memo = summary.map(MemoValue::new);
        Ok(self.context.upsert_memo([(MEMO, memo)])?)
    }

    /// The workflow's time, the only one there is.
    pub(super) fn now(&self) -> Timestamp {
        now(self.context.workflow_time())
    }

    /// Asks the machine something; it is there from the first step on.
    pub(super) fn machine<T: Default>(&self, ask: impl FnOnce(&Machine) -> T) -> T {
        self.context
            .state(|run| run.machine().map(ask).unwrap_or_default())
    }

    fn ask_for_continuation(&self) {
        let is_long = self.context.history_length() >= self.begin.limits.continue_after;
        let is_wanted = is_long || self.context.continue_as_new_suggested();
        self.context.state_mut(|run| run.ask_for_continuation(is_wanted));
    }

    fn take(&mut self, mut event: Event) {
        let limits = self.begin.limits;
        let events = self.context.history_length();
        let bytes = self.context.state(Interpreter::history_bytes);
        // The server ends a run whose history is full, without undoing what it has done.
        let is_full = events >= limits.events || bytes >= limits.bytes;
        if is_full && !self.machine(Machine::is_undoing) && !matches!(event, Event::Cancelled { .. }) {
            event = Event::Exhausted { limit: events.into() };
        }
        let at = self.now();
        self.ask_for_continuation();
        self.context.state_mut(|run| run.take(event, at));
    }

    /// Carries out what the events so far have led to, in order.
    async fn carry_out_all(&mut self) -> Result<Carried, WorkflowTermination> {
        // Looking changes nothing: the workflow would be asked again for ever.
        while self.context.state(Interpreter::has_steps) {
            let Some(step) = self.context.state_mut(Interpreter::next_step) else {
                break;
            };
            if let Carried::Ended(end) = self.carry_out(step).await? {
                return Ok(Carried::Ended(end));
            }
        }
        self.hearing.follow(&self.context, &self.begin);
        self.show();
        Ok(Carried::On)
    }

    /// Tells the server what the run asks and whether it is paused, so that it is found by that.
    fn show(&self) {
        let (asks, is_paused) = self.machine(|machine| {
            let asked = machine.pending().filter_map(|(_, command)| match command {
                Command::Approve { request } => Some(request.id.to_string()),
                _ => None,
            });
            (asked.collect::<Vec<_>>(), machine.is_paused())
        });
        let shown = self.context.search_attributes();
        let mut updates = Vec::new();
        if shown.get(&ASKS).unwrap_or_default() != asks {
            // The server takes an empty list for none, and refuses to be told to forget it.
            updates.push(ASKS.value_set(asks));
        }
        let state = if is_paused { PAUSED } else { RUNNING };
        if shown.get(&STATE).is_some_and(|shown| shown != state) {
            updates.push(STATE.value_set(state.to_owned()));
        }
        // Runs that began before it was told go on without.
        if !updates.is_empty() && self.context.patched("shown") {
            self.context.upsert_search_attributes(updates);
        }
    }

    async fn carry_out(&mut self, step: Step) -> Result<Carried, WorkflowTermination> {
        let mut transition = step.transition;
        for action in std::mem::take(&mut transition.stop) {
            self.underway.stop(action);
            self.hearing.stop(action);
        }
        let listens = transition
            .begin
            .iter()
            .any(|(_, command)| *command == Command::Listen);
        let mut after = step.after;
        if !transition.publish.is_empty() || (listens && after.is_none()) {
            let head = self.record(std::mem::take(&mut transition.publish)).await?;
            after = after.or(Some(head));
        }
        if let Some(outcome) = transition.outcome {
            self.hearing.close();
            let end = self.context.state(|run| ended(outcome, run.redactor()));
            return Ok(Carried::Ended(end));
        }
        // What came meanwhile is not part of it.
        let is_latest = !self.context.state(Interpreter::has_steps);
        if let Some(state) = transition.continuation
            && is_latest
            && !self.machine(Machine::is_undoing)
        {
            let continued = Event::Continued {
                machine: MACHINE_VERSION,
                after: step.after,
                state,
            };
            if is_readable(&continued) {
                return self.continue_as_new(continued).map(Carried::Ended);
            }
        }
        for (action, command) in transition.begin {
            if command == Command::Listen {
                self.hearing.begin(action, after.unwrap_or_default());
            } else {
                self.begin_action(action, command);
            }
        }
        Ok(Carried::On)
    }

    /// Appends events to the owner's log, and tells where it ends then. What follows waits for that.
    async fn record(&self, mut events: Vec<CloudEvent>) -> Result<Offset, WorkflowTermination> {
        self.context.state(|run| {
            let data = events.iter_mut().filter_map(|event| event.data.as_mut());
            data.for_each(|data| run.redactor().value(data));
        });
        let record = Record {
            scope: self.begin.scope(),
            events,
        };
        self.context.state_mut(|run| run.weigh(&record));
        let options = self.options("record".to_owned(), &WorkflowCancellationToken::new());
        Ok(self
            .context
            .execute_activity(Activities::record, record, options)
            .await?)
    }

    fn continue_as_new(&mut self, continued: Event) -> Result<WorkflowResult<Value>, WorkflowTermination> {
        self.hearing.close();
        let begin = Begin {
            continued: Some(Box::new(continued)),
            ..self.begin.clone()
        };
        match self
            .context
            .continue_as_new(begin, ContinueAsNewOptions::default())
        {
            Ok(never) => match never {},
            Err(termination) => Err(termination),
        }
    }

    /// Waits for what happens next. What is ready together is taken in a fixed order.
    async fn news(&mut self) -> News {
        let is_paused = self.machine(Machine::is_paused);
        let Self {
            context,
            underway,
            hearing,
            is_cancelled,
            ..
        } = self;
        let options = WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new());
        let mut mail = pin!(context.wait_condition_with_options(Interpreter::has_steps, options.build()));
        let mut cancelled = pin!(context.cancelled());
        poll_fn(|waker| {
            if mail.as_mut().poll(waker).is_ready() {
                return Poll::Ready(News::Mail);
            }
            if !*is_cancelled && let Poll::Ready(reason) = cancelled.as_mut().poll(waker) {
                *is_cancelled = true;
                return Poll::Ready(News::Event(Box::new(Event::Cancelled { reason })));
            }
            if let Poll::Ready(event) = underway.poll(waker, is_paused) {
                return Poll::Ready(News::Event(Box::new(event)));
            }
            if !is_paused && hearing.poll(waker, context).is_ready() {
                return Poll::Ready(News::Heard);
            }
            Poll::Pending
        })
        .await
    }

    /// The next event of the log for an action that wants it.
    fn hear(&mut self) -> Option<(u64, Offset, CloudEvent)> {
        let Self { context, hearing, .. } = self;
        context.state(|run| run.machine().and_then(|machine| hearing.next(machine)))
    }

    /// How an activity is carried out: until it has an answer, or is stopped.
    pub(super) fn options(&self, id: String, stop: &WorkflowCancellationToken) -> ActivityOptions {
        options(&self.begin, id, stop)
    }

    /// A run that this worker cannot go on with waits for one that can: the server asks again, now and then. It can read why.
    async fn stuck(&self, why: &str) -> WorkflowResult<Value> {
        self.context.force_task_fail(why.to_owned());
        futures::future::pending().await
    }
}

pub(super) fn options(begin: &Begin, id: String, stop: &WorkflowCancellationToken) -> ActivityOptions {
    let again = RetryPolicy::builder().maximum_interval(MAX_RETRY_PAUSE).build();
    ActivityOptions::with_start_to_close_timeout(MAX_ATTEMPT)
        .activity_id(id)
        .heartbeat_timeout(begin.limits.heartbeat())
        .cancellation_token(stop.clone())
        .retry_policy(again)
        .build()
}

/// Whether an event can be read again as it was written. Data may nest deeper than JSON can be read.
fn is_readable(event: &Event) -> bool {
    let text = serde_json::to_string(event).unwrap_or_default();
    serde_json::from_str::<Event>(&text).is_ok_and(|read| read == *event)
}

/// How the workflow ends. Secrets are masked, as whoever started the run may see the end.
fn ended(outcome: Outcome, redactor: &Redactor) -> WorkflowResult<Value> {
    match outcome {
        Outcome::Completed(mut output) => {
            redactor.value(&mut output);
            Ok(output)
        }
        Outcome::Cancelled => Err(WorkflowTermination::cancelled()),
        Outcome::Faulted(error) => {
            let mut details = serde_json::to_value(&error).unwrap_or_default();
            redactor.value(&mut details);
            let failure =
                ApplicationFailure::builder(Error::new(ErrorCode::RunFaulted, "the run ended in an error"))
                    .type_name("atom.fault".to_owned())
                    .non_retryable(true)
                    .details(details)
                    .build();
            Err(failure.into())
        }
    }
}
