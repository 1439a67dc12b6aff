//! What a run hears: events of the log, and messages of subscriptions.

use std::time::Duration;

use atom_core::{Offset, Result};
use jiff::Timestamp;

use super::Driver;
use crate::machine::{Command, Event, Transition};
use crate::runtime::action::Delivery;
use crate::runtime::parking::Rest;

/// How many events of the log are read at a time.
pub(in crate::runtime) const EVENT_PAGE: usize = 256;

/// What a run waits longer for each entry of its journal before it leaves memory: a multiple of what it takes to replay one.
const REPLAY_OF_ENTRY: Duration = Duration::from_micros(100);

impl Driver<'_> {
    /// Offers the events that came since the listening tasks last looked.
    pub(super) async fn offer_events(&mut self) -> Result<()> {
        while let Some(from) = self.listening.values().min().copied() {
            let store = &self.runtime.inner.parts.store;
            let page = self
                .patiently(|| store.read(&self.scope, from, EVENT_PAGE))
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
            self.note_seen(last);
        }
        Ok(())
    }

    /// Offers a message to its subscription. Whoever brought it may go on once it is durable, or not wanted.
    pub(super) async fn take_message(&mut self, delivery: Delivery) -> Result<()> {
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

    /// How long the run only waits before it leaves memory: the more there is to replay when it comes back, the longer.
    pub(super) fn patience(&self) -> Duration {
        let entries = u32::try_from(self.journal_entries()).unwrap_or(u32::MAX);
        let replay = REPLAY_OF_ENTRY.saturating_mul(entries);
        self.runtime.inner.parts.limits.park_after.saturating_add(replay)
    }

    /// Whether a timer is due before it is worth to leave memory.
    pub(super) fn is_soon(&self, alarm: Option<Timestamp>) -> bool {
        let soon = self.now().saturating_add(self.patience());
        alarm.is_some_and(|alarm| alarm <= soon.unwrap_or(Timestamp::MAX))
    }

    /// What the run waits for when nothing is under way. One that is paused waits to be asked to go on.
    pub(super) fn rest(&self) -> Rest {
        if self.machine.is_paused() {
            return Rest::default();
        }
        let types = || match self.machine.listened_types() {
            Some(types) => types.into_iter().map(Some).collect(),
            None => vec![None],
        };
        Rest {
            alarm: self.timers.first().map(|(at, _)| *at),
            listens: (!self.listening.is_empty()).then(types),
        }
    }

    /// Notes up to where all that listen have seen the log.
    pub(super) fn note_seen(&mut self, until: Offset) {
        for seen in self.listening.values_mut() {
            *seen = (*seen).max(until);
        }
    }

    pub(super) fn note_listening(&mut self, transition: &Transition, event_head: Offset) {
        for (action, command) in &transition.begin {
            if *command == Command::Listen {
                self.listening.insert(*action, event_head);
            }
        }
        for action in &transition.stop {
            self.listening.remove(action);
        }
    }

    pub(super) fn note_offsets(&mut self, event: &Event) {
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
}

/// Where tasks that begin to listen because an event was received go on in the log: right after that event, so
/// that one wait after another misses nothing.
pub(super) fn received_offset(event: &Event) -> Option<Offset> {
    match event {
        Event::Received { offset, .. } => Some(*offset),
        Event::Continued { after, .. } => *after,
        _ => None,
    }
}
