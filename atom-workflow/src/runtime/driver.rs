//! The task that drives one run.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use atom_core::storage::{
    JournalEntry, PageRequest, RunCommit, RunEnd, RunFilter, RunRecord, RunStatus, WorkflowVersion,
};
use atom_core::{CancellationToken, CloudEvent, Error, ErrorCode, Offset, Result, Retry, RunId, Scope};
use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::action::Delivery;
use super::lifecycle::{self, Lifecycle};
use super::load::Journal;
use super::parking::{Listens, Rest};
use super::redact::Redactor;
use super::stuck::{StuckCause, StuckNote};
use super::{Mail, Progress, Runtime, approve, closed, ended, history, tally};
use crate::definition::Retention;
use crate::machine::{ActionId, Command, Event, Machine, Outcome, Transition};

/// How many events of the log are read at a time.
pub(super) const EVENT_PAGE: usize = 256;

/// The pauses between tries to write while the store cannot, e.g. because the disk is full.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Drives a run until it has ended or the runtime closes.
///
/// A store that cannot be read or written for the moment (a full disk, a busy pool) is an operator's matter: the
/// run is built again from its journal and goes on. Anything else stops the driver, and the run stays as it is.
pub(super) async fn drive(
    runtime: Runtime,
    scope: Scope,
    run: RunId,
    mut created: Option<RunRecord>,
    mut inbox: mpsc::Receiver<Mail>,
    progress: watch::Sender<Progress>,
) {
    let shutdown = runtime.inner.shutdown.clone();
    let mut pause = FIRST_PAUSE;
    let mut stuck = None;
    let result: Result<Departure> = loop {
        // Boxed, as are the parts that are seldom under way: a run that waits should hold little memory.
        let attempt = Box::pin(run_to_end(
            &runtime,
            &scope,
            run,
            created.take(),
            &mut inbox,
            &progress,
            &mut stuck,
        ));
        let attempt = AssertUnwindSafe(attempt).catch_unwind();
        let result = tokio::select! {
            biased;
            () = shutdown.cancelled() => Err(closed()),
            result = attempt => result.unwrap_or_else(|_| Err(Error::internal("the run's driver panicked"))),
        };
        match result {
            Err(error) if error.retry() == Retry::Maybe => {
                tracing::warn!(%run, %error, "the run waits for its store");
                stuck.get_or_insert_with(|| note_store(&runtime, &scope, run, &error));
                tokio::select! {
                    () = shutdown.cancelled() => break Err(closed()),
                    () = runtime.inner.parts.clock.sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                }
            }
            other => break other,
        }
    };
    drop(stuck);
    if matches!(result, Ok(Departure::Parked)) {
        return;
    }
    if let Err(error) = &result
        && error.code() != ErrorCode::Closed
    {
        let at = runtime.inner.parts.clock.now();
        runtime.inner.stuck.stop((scope.clone(), run), at, error);
    }
    // Whoever looks the run up from now on reads its state from the store.
    runtime.drivers().remove(&(scope, run));
    match result {
        Ok(_) => progress.send_modify(|progress| progress.has_ended = true),
        Err(error) => {
            if error.code() != ErrorCode::Closed {
                tracing::error!(%run, %error, "the run cannot go on");
            }
            progress.send_modify(|progress| progress.stopped = Some(error));
        }
    }
    inbox.close();
    while let Some(mail) = inbox.recv().await {
        let answer = match &progress.borrow().stopped {
            Some(error) => Err(error.clone()),
            None => Err(ended()),
        };
        // Nobody waits any more when this fails.
        let _ = mail.answer.send(answer);
    }
}

/// Notes that a run waits for its store.
fn note_store(runtime: &Runtime, scope: &Scope, run: RunId, error: &Error) -> StuckNote {
    let cause = StuckCause::StoreFailing {
        error: error.report(),
    };
    runtime.inner.note_stuck((scope.clone(), run), cause)
}

/// Why a driver is no longer needed.
enum Departure {
    /// The run has ended.
    Ended,
    /// The run waits without a driver.
    Parked,
}

async fn run_to_end(
    runtime: &Runtime,
    scope: &Scope,
    run: RunId,
    created: Option<RunRecord>,
    inbox: &mut mpsc::Receiver<Mail>,
    progress: &watch::Sender<Progress>,
    stuck: &mut Option<StuckNote>,
) -> Result<Departure> {
    let record = match created {
        Some(record) => record,
        None => runtime.record(scope, run).await?,
    };
    // It may have ended since the driver was asked for.
    if record.status.has_ended() {
        runtime.inner.bell.run_ended(&record);
        runtime.leave(&record);
        return Ok(Departure::Ended);
    }
    let mut driver = {
        // However many runs are woken at once, few are read from the store at a time.
        let _permit = runtime.inner.rebuilds.acquire().await.map_err(|_| closed())?;
        Box::pin(Driver::rebuild(runtime, record, progress)).await?
    };
    *stuck = None;
    if driver.is_queued() && !Box::pin(driver.await_turn(inbox)).await? {
        return Ok(Departure::Parked);
    }
    if driver.record.admission.is_some() {
        Box::pin(driver.give_way()).await?;
    }
    // What was asked before anything began comes first: a run that is cancelled repeats no call.
    while let Ok(mail) = inbox.try_recv() {
        driver.take_mail(mail).await?;
    }
    Box::pin(driver.begin_pending()).await?;
    let mut head = runtime.inner.parts.store.watch();
    let mut has_news = !driver.listening.is_empty();
    // Since when the run only waits. News that are none of its business leave that as it is.
    let mut idle = (driver.next_sequence, Instant::now());
    while driver.machine.outcome().is_none() {
        if driver.next_sequence != idle.0 || !driver.actions.is_empty() {
            idle = (driver.next_sequence, Instant::now());
        }
        let is_paused = driver.machine.is_paused();
        if has_news && !is_paused {
            has_news = false;
            Box::pin(driver.offer_events()).await?;
            continue;
        }
        // Timers that come due, and events and messages that come while the run is paused wait.
        let alarm = driver.timers.first().map(|(at, _)| *at).filter(|_| !is_paused);
        let clock = &runtime.inner.parts.clock;
        let was_listening = !is_paused && !driver.listening.is_empty();
        tokio::select! {
            Some(answer) = driver.actions.join_next() => {
                // An action that was stopped has no answer; one that panicked answers by itself.
                if let Ok(event) = answer {
                    driver.step(event).await?;
                }
            }
            Some(delivery) = driver.delivered.recv(), if !is_paused => Box::pin(driver.take_message(*delivery)).await?,
            mail = inbox.recv() => {
                let Some(mail) = mail else { return Err(closed()) };
                driver.take_mail(mail).await?;
            }
            () = async { clock.wait_until(alarm.unwrap_or(Timestamp::MAX)).await }, if alarm.is_some() => {
                if let Some((_, action)) = driver.timers.pop_first() {
                    driver.step(Event::Fired { action }).await?;
                }
            }
            () = tokio::time::sleep_until(idle.1 + runtime.inner.parts.limits.park_after), if driver.actions.is_empty() => {
                let run = (scope.clone(), run);
                if runtime.park(run, driver.rest(), inbox, &head) {
                    return Ok(Departure::Parked);
                }
                // News are read first; whoever holds on to the driver may take long.
                if !was_listening || !head.has_changed().unwrap_or(false) {
                    idle.1 = Instant::now();
                }
            }
            changed = head.changed(), if was_listening => {
                changed.map_err(|_| closed())?;
                has_news = true;
            }
        }
        has_news |= !was_listening && !driver.listening.is_empty();
    }
    runtime.inner.bell.run_ended(&driver.record);
    if driver.retention != Retention::default() {
        runtime.inner.expiring.notify_one();
    }
    runtime.leave(&driver.record);
    Ok(Departure::Ended)
}

pub(super) struct Driver<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) record: RunRecord,
    pub(super) scope: Scope,
    pub(super) redactor: Redactor,
    /// How long the run is kept once it has ended, as its document says.
    retention: Retention,
    /// The calls and child runs under way; each gives the event that answers its action.
    pub(super) actions: JoinSet<Event>,
    /// Stops an action.
    pub(super) stops: BTreeMap<ActionId, CancellationToken>,
    /// Where the messages of subscriptions are handed over.
    pub(super) messages: mpsc::Sender<Box<Delivery>>,
    delivered: mpsc::Receiver<Box<Delivery>>,
    pub(super) machine: Machine,
    pub(super) lifecycle: Option<Lifecycle>,
    progress: &'a watch::Sender<Progress>,
    pub(super) next_sequence: u64,
    /// The sequence from which on the journal is begun anew as soon as the run can.
    pub(super) continue_at: u64,
    timers: BTreeSet<(Timestamp, ActionId)>,
    /// What each listening action has seen of the event log.
    listening: BTreeMap<ActionId, Offset>,
}

impl<'a> Driver<'a> {
    /// Brings a machine to where the journal ends, and begins again what has no answer.
    async fn rebuild(
        runtime: &'a Runtime,
        record: RunRecord,
        progress: &'a watch::Sender<Progress>,
    ) -> Result<Self> {
        let (mut machine, redactor) = runtime.machine(&record).await?;
        let chosen = runtime.inner.parts.settings.lifecycle_events;
        let lifecycle = Lifecycle::new(chosen, machine.workflow());
        if lifecycle.is_some() {
            machine = machine.with_records();
        }
        // Each subscription waits until its message is taken, so the queue need not hold any.
        let (messages, delivered) = mpsc::channel(1);
        let mut driver = Self {
            runtime,
            scope: record.principal.scope(),
            retention: runtime
                .load(&record.principal.scope(), &record.workflow.hash)
                .await?
                .retention,
            redactor,
            actions: JoinSet::new(),
            stops: BTreeMap::new(),
            messages,
            delivered,
            machine,
            lifecycle,
            progress,
            next_sequence: record.journal_start,
            continue_at: record.journal_start + runtime.inner.parts.limits.continue_after,
            timers: BTreeSet::new(),
            listening: BTreeMap::new(),
            record,
        };
        let mut last = Transition::default();
        let mut has_continued = false;
        let mut journal = Journal::new(runtime, &driver.record);
        while let Some(page) = journal.page().await? {
            driver.machine.foresee(page.iter().map(|(_, event)| event));
            for (entry, event) in page {
                if entry.sequence != driver.next_sequence || !driver.machine.expects(&event) {
                    return Err(history::diverged(driver.record.id));
                }
                driver.next_sequence += 1;
                driver.note_offsets(&event);
                has_continued |= matches!(event, Event::Continued { .. });
                let from = received_offset(&event).unwrap_or(entry.event_head);
                last = driver.advance(event, entry.at);
                driver.note_listening(&last, from);
            }
        }
        driver.machine.foresee(std::iter::empty());
        // A run is created with its first entry before the machine has seen it: what that entry leads to at
        // once, without waiting for anything, is still to be written. Events are not appended twice.
        if driver.next_sequence > 1 || has_continued {
            last = Transition::default();
            last.publish = driver.repetition_started();
        }
        last.approvals = Vec::new();
        // What the entries of a repeated run ask, it has not asked before either.
        if !driver.is_queued() && (driver.next_sequence == 1 || driver.record.rerun_of.is_some()) {
            let asked = approve::asked(driver.machine.pending());
            last.approvals = driver.unwritten_approvals(asked).await?;
        }
        if !(last.publish.is_empty() && last.approvals.is_empty() && last.outcome.is_none()) {
            let at = driver.now();
            driver.write(Vec::new(), &mut last, Change::default(), at).await?;
        }
        driver.report_progress();
        Ok(driver)
    }

    /// What the run waits for when nothing is under way. One that is paused waits to be asked to go on.
    fn rest(&self) -> Rest {
        if self.machine.is_paused() {
            return Rest {
                alarm: None,
                listens: None,
            };
        }
        let is_listening = !self.listening.is_empty();
        Rest {
            alarm: self.timers.first().map(|(at, _)| *at),
            listens: is_listening.then(|| Listens {
                types: self.machine.listened_types(),
            }),
        }
    }

    pub(super) fn is_queued(&self) -> bool {
        self.machine.is_queued()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.machine.is_paused()
    }

    /// Whether nothing begins in the run for now.
    fn is_held(&self) -> bool {
        self.is_paused() || self.is_queued()
    }

    /// Begins the run, or the repetition of one, as its turn has come.
    pub(super) async fn begin_turn(&mut self) -> Result<()> {
        if self.machine.has_started() {
            self.step(Event::Admitted).await
        } else {
            self.step(Event::started()).await
        }
    }

    /// Begins what has no answer yet, and cancels child runs whose answer is no longer wanted. In a paused or queued run
    /// nothing begins; a call that a crash interrupted neither.
    async fn begin_pending(&mut self) -> Result<()> {
        if self.is_held() {
            return Ok(());
        }
        if self.next_sequence > 1 {
            self.cancel_unwanted_children().await?;
        }
        let pending: Vec<_> = self
            .machine
            .pending()
            .map(|(action, command)| (action, command.clone()))
            .collect();
        self.listening
            .retain(|action, _| pending.iter().any(|(pending, _)| pending == action));
        for (action, command) in pending {
            // Mail that came first may have begun some already, and a pause lets what is under way finish.
            if !self.stops.contains_key(&action) {
                self.begin(action, command);
            }
        }
        Ok(())
    }

    /// A process may die between stopping to wait for a child run and cancelling it.
    async fn cancel_unwanted_children(&mut self) -> Result<()> {
        let runtime = self.runtime;
        let filter = RunFilter {
            parent: Some(self.record.id),
            statuses: vec![RunStatus::Running, RunStatus::Queued, RunStatus::Paused],
            ..RunFilter::default()
        };
        let mut page = PageRequest::default();
        loop {
            let children = runtime
                .inner
                .parts
                .store
                .runs(&self.scope, &filter, &page)
                .await?;
            for child in children.items {
                let is_wanted = child
                    .parent
                    .is_some_and(|parent| self.machine.pending().any(|(action, _)| action == parent.action));
                if !is_wanted {
                    let reason = "the run that started it no longer wants it".to_owned();
                    runtime.cancel_later(&child, reason)?;
                }
            }
            page.after = children.next;
            if page.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Whether the journal takes no more. What a run has done is still undone, and cancelling ends it as well.
    fn is_full(&self, event: &Event) -> bool {
        self.next_sequence - self.record.journal_start + 1 >= self.runtime.inner.parts.limits.journal_entries
            && !matches!(event, Event::Exhausted { .. } | Event::Cancelled { .. })
            && !self.machine.is_undoing()
    }

    pub(super) async fn take_mail(&mut self, mail: Mail) -> Result<()> {
        if let Err(error) = self.check_mail(&mail.event) {
            // Nobody waits any more when this fails.
            let _ = mail.answer.send(Err(error));
            return Ok(());
        }
        let is_full = self.is_full(&mail.event);
        let event = match *mail.event {
            // Somebody else has asked for the same meanwhile.
            Event::Migrated { to, .. } if to.hash == self.record.workflow.hash => {
                // Nobody waits any more when this fails.
                let _ = mail.answer.send(Ok(()));
                return Ok(());
            }
            Event::Migrated { to, .. } => match Box::pin(self.migrate(to)).await {
                Ok(event) => event,
                Err(error) => {
                    // Nobody waits any more when this fails.
                    let _ = mail.answer.send(Err(error));
                    return Ok(());
                }
            },
            event => event,
        };
        let result = self.step(event).await;
        if is_full && result.is_ok() {
            let message = "the journal of the run is full, so that it had to end";
            let full = Error::new(ErrorCode::LimitExceeded, message);
            let _ = mail.answer.send(Err(full));
            return result;
        }
        // Nobody waits any more when this fails.
        let _ = mail.answer.send(result.clone());
        result
    }

    /// Whether the run takes what somebody asks of it.
    fn check_mail(&self, event: &Event) -> Result<()> {
        match event {
            Event::Signalled { event }
                if !self.machine.can_take_signal() && self.machine.wants(event).is_empty() =>
            {
                Err(Error::new(
                    ErrorCode::LimitExceeded,
                    "the run has too many events that no task listened for; wait until it has caught up",
                ))
            }
            Event::Decided { action, decision } => self.machine.check_decision(*action, decision),
            _ => Ok(()),
        }
    }

    /// The present moment, or that of the run's last entry when the clock was set back since.
    fn now(&self) -> Timestamp {
        self.runtime.inner.parts.clock.now().max(self.machine.now())
    }

    /// Offers a message to its subscription. Whoever brought it may go on once it is durable, or not wanted.
    async fn take_message(&mut self, delivery: Delivery) -> Result<()> {
        let Delivery {
            action,
            mut message,
            is_durable,
        } = delivery;
        // Masked before it is judged, so that what decides is what a replay sees.
        self.redactor.value(&mut message);
        if self.machine.accepts_message(action, &message) {
            self.step(Event::Message { action, message }).await?;
        }
        // The subscription may have been stopped by this very message.
        let _ = is_durable.send(());
        Ok(())
    }

    /// Takes one event through the machine, and adds what is told of that.
    fn advance(&mut self, event: Event, at: Timestamp) -> Transition {
        let mut transition = self.machine.advance(event, at);
        if let Some(lifecycle) = &mut self.lifecycle {
            let told = lifecycle.tell(&self.record, &transition.records);
            transition.publish.extend(told);
        }
        transition
    }

    /// The start of a run that repeats another. Its first steps are the other's and not told again, but that it began is;
    /// the log keeps that once.
    fn repetition_started(&self) -> Vec<CloudEvent> {
        // Whatever it does itself comes after this was written.
        let is_new = self.machine.now() <= self.record.created_at;
        if self.record.rerun_of.is_none() || self.lifecycle.is_none() || !is_new {
            return Vec::new();
        }
        lifecycle::started(&self.record)
    }

    /// Takes one event through the machine, makes it durable, and does what follows from it.
    pub(super) async fn step(&mut self, mut event: Event) -> Result<()> {
        if !self.machine.expects(&event) {
            return Ok(());
        }
        if self.is_full(&event) {
            let limit = self.runtime.inner.parts.limits.journal_entries;
            event = Event::Exhausted { limit };
        }
        self.redact(&mut event);
        let now = self.now();
        let payload = encode(&event)?;
        let received = received_offset(&event);
        let migrates_to = match &event {
            Event::Migrated { to, .. } => Some(to.clone()),
            _ => None,
        };
        self.note_offsets(&event);
        let (was_paused, was_held) = (self.is_paused(), self.is_held());
        let is_admitted = event == Event::Admitted;
        self.ask_for_continuation();
        let mut transition = self.advance(event, now);
        let is_paused = self.is_paused();
        if is_admitted {
            let asked = approve::asked(self.machine.pending());
            transition.approvals = self.unwritten_approvals(asked).await?;
        }
        let entry = JournalEntry {
            sequence: self.next_sequence,
            at: now,
            payload,
            event_head: 0,
        };
        let continuation = self.continuation(&mut transition, received, now)?;
        let change = Change {
            is_paused: (is_paused != was_paused).then_some(is_paused),
            migrates_to,
            continues: continuation.is_some(),
        };
        let entries: Vec<_> = std::iter::once(entry).chain(continuation).collect();
        let count = entries.len() as u64;
        let continues = change.continues;
        let event_head = self.write(entries, &mut transition, change, now).await?;
        self.next_sequence += count;
        if continues {
            self.record.journal_start = self.next_sequence - 1;
            self.runtime.inner.expiring.notify_one();
        }
        self.note_listening(&transition, received.unwrap_or(event_head));
        self.report_progress();
        for action in transition.stop {
            self.stop(action);
        }
        if was_held && !self.is_held() {
            // What was interrupted before the run was held, and has not begun again since, is pending too.
            return self.begin_pending().await;
        }
        for (action, command) in transition.begin {
            self.begin(action, command);
        }
        Ok(())
    }

    /// Writes journal entries together with what they lead to.
    async fn write(
        &self,
        entries: Vec<JournalEntry>,
        transition: &mut Transition,
        change: Change,
        now: Timestamp,
    ) -> Result<Offset> {
        let mut events = std::mem::take(&mut transition.publish);
        let (approvals, told) = self.write_approvals(std::mem::take(&mut transition.approvals));
        events.extend(told);
        events
            .iter_mut()
            .filter_map(|event| event.data.as_mut())
            .for_each(|data| self.redactor.value(data));
        let end = transition.outcome.take();
        let end = end.map(|outcome| self.end(outcome, now)).transpose()?;
        let commit = RunCommit {
            scope: self.scope.clone(),
            run: self.record.id,
            entries,
            events,
            approvals,
            tally: end
                .as_ref()
                .map(|end| tally::of(&self.record, &self.machine, end)),
            end,
            is_paused: change.is_paused,
            migrates_to: change.migrates_to,
            continues: change.continues,
        };
        self.commit(commit).await
    }

    /// Writes a step, trying again for as long as the store says that trying again may help: what a call has
    /// answered is not thrown away because the disk is full. Closing ends the wait.
    async fn commit(&self, commit: RunCommit) -> Result<Offset> {
        let mut pause = FIRST_PAUSE;
        let mut stuck = None;
        loop {
            match self.runtime.inner.parts.store.commit(commit.clone()).await {
                Ok(committed) => return Ok(committed.event_head),
                Err(error) if error.retry() == Retry::Maybe => {
                    tracing::warn!(run = %self.record.id, %error, "cannot write, will try again");
                    stuck
                        .get_or_insert_with(|| note_store(self.runtime, &self.scope, self.record.id, &error));
                    self.runtime.inner.parts.clock.sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn end(&self, outcome: Outcome, at: Timestamp) -> Result<RunEnd> {
        let retention = match outcome {
            Outcome::Completed(_) => self.retention.completed,
            Outcome::Faulted(_) | Outcome::Cancelled => self.retention.failed,
        };
        let expires_at = retention.and_then(|length| at.checked_add(length).ok());
        Ok(match outcome {
            Outcome::Completed(mut output) => {
                self.redactor.value(&mut output);
                RunEnd {
                    status: RunStatus::Completed,
                    output: Some(output),
                    error: None,
                    at,
                    expires_at,
                }
            }
            Outcome::Faulted(error) => {
                let mut error = serde_json::to_value(error).map_err(|error| {
                    Error::internal("the run's error cannot be stored").with_source(error)
                })?;
                self.redactor.value(&mut error);
                RunEnd {
                    status: RunStatus::Faulted,
                    output: None,
                    error: Some(error),
                    at,
                    expires_at,
                }
            }
            Outcome::Cancelled => RunEnd {
                status: RunStatus::Cancelled,
                output: None,
                error: None,
                at,
                expires_at,
            },
        })
    }

    fn redact(&self, event: &mut Event) {
        match event {
            Event::Completed { output, .. } => self.redactor.value(output),
            Event::Message { message, .. } => self.redactor.value(message),
            Event::Failed { error, .. } => {
                self.redactor.text(&mut error.message);
                error.cause.iter_mut().for_each(|cause| self.redactor.text(cause));
                error
                    .context
                    .values_mut()
                    .for_each(|value| self.redactor.text(value));
            }
            Event::Decided { decision, .. } => {
                decision
                    .comment
                    .iter_mut()
                    .for_each(|text| self.redactor.text(text));
                let data = decision.form.iter_mut().chain(&mut decision.input);
                data.for_each(|data| self.redactor.value(data));
            }
            _ => {}
        }
    }

    /// Offers the events that came since the listening tasks last looked.
    async fn offer_events(&mut self) -> Result<()> {
        while let Some(from) = self.listening.values().min().copied() {
            let page = self
                .runtime
                .inner
                .parts
                .store
                .read(&self.scope, from, EVENT_PAGE)
                .await?;
            let Some(last) = page.last().map(|logged| logged.offset) else {
                return Ok(());
            };
            for logged in page {
                for action in self.machine.wants(&logged.event) {
                    if self
                        .listening
                        .get(&action)
                        .is_some_and(|seen| *seen < logged.offset)
                    {
                        let (offset, event) = (logged.offset, logged.event.clone());
                        self.step(Event::Received {
                            action,
                            offset,
                            event,
                        })
                        .await?;
                    }
                }
            }
            for seen in self.listening.values_mut() {
                *seen = (*seen).max(last);
            }
        }
        Ok(())
    }

    fn begin(&mut self, action: ActionId, command: Command) {
        match command {
            Command::Timer { at } => drop(self.timers.insert((at, action))),
            // Where it starts was noted when its journal entry was written.
            Command::Listen => {}
            // It was written with its journal entry.
            Command::Approve { .. } => {}
            Command::Call { .. } => self.begin_call(action, command),
            Command::Subscribe { .. } => self.begin_subscription(action, command),
            Command::StartRun { .. } => self.begin_child(action, command),
        }
    }

    fn stop(&mut self, action: ActionId) {
        self.timers.retain(|(_, timer)| *timer != action);
        self.listening.remove(&action);
        if let Some(stop) = self.stops.remove(&action) {
            stop.cancel();
        }
    }

    fn note_listening(&mut self, transition: &Transition, event_head: Offset) {
        for (action, command) in &transition.begin {
            if *command == Command::Listen {
                self.listening.insert(*action, event_head);
            }
        }
        for action in &transition.stop {
            self.listening.remove(action);
        }
    }

    fn note_offsets(&mut self, event: &Event) {
        match event {
            Event::Received { action, offset, .. } => {
                if let Some(seen) = self.listening.get_mut(action) {
                    *seen = (*seen).max(*offset);
                }
            }
            Event::Completed { action, .. } | Event::Failed { action, .. } => drop(self.stops.remove(action)),
            _ => {}
        }
    }

    fn report_progress(&self) {
        let entries = self.next_sequence;
        self.progress.send_modify(|progress| progress.entries = entries);
    }
}

/// What a step changes of the run's record, besides its end.
#[derive(Default)]
struct Change {
    is_paused: Option<bool>,
    migrates_to: Option<WorkflowVersion>,
    /// Whether the journal begins anew with the last entry.
    continues: bool,
}

/// Where tasks that begin to listen because an event was received go on in the log: right after that event, so
/// that one wait after another misses nothing.
fn received_offset(event: &Event) -> Option<Offset> {
    match event {
        Event::Received { offset, .. } => Some(*offset),
        Event::Continued { after, .. } => *after,
        _ => None,
    }
}

/// The text of a journal entry.
pub(super) fn encode(event: &Event) -> Result<String> {
    serde_json::to_string(event)
        .map_err(|error| Error::internal("an event cannot be stored").with_source(error))
}
