//! What a run hears of its owner's event log.
//!
//! One activity at a time reads on from where the listening tasks have come to, and gives the events whose types they name.
//! The machine decides which of them each task wants.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::{Context, Poll};

use atom_core::{CloudEvent, Offset};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use temporalio_sdk::{ActivityExecutionError, WorkflowCancellationToken, WorkflowContext};

use super::activities::Activities;
use super::driver::options;
use super::interpreter::Interpreter;
use super::message::{Begin, Hear, Heard};
use super::underway::unheard;
use crate::machine::{ActionId, Command, Machine};

#[derive(Default)]
pub(super) struct Hearing {
    /// What each listening action has seen of the log.
    seen: BTreeMap<ActionId, Offset>,
    ear: Option<Ear>,
    heard: Batch,
}

/// The activity that reads on.
struct Ear {
    for_whom: BTreeSet<ActionId>,
    stop: WorkflowCancellationToken,
    events: LocalBoxFuture<'static, Result<Heard, ActivityExecutionError>>,
}

/// Events that were read and not offered yet.
#[derive(Default)]
struct Batch {
    for_whom: BTreeSet<ActionId>,
    events: VecDeque<(Offset, CloudEvent)>,
    /// Who else wants the first of them.
    takers: VecDeque<ActionId>,
    until: Offset,
}

impl Hearing {
    pub(super) fn begin(&mut self, action: ActionId, after: Offset) {
        self.seen.insert(action, after);
    }

    pub(super) fn stop(&mut self, action: ActionId) {
        self.seen.remove(&action);
    }

    /// Reads on for those that listen now. Tasks that began or ceased to listen meanwhile want other events.
    pub(super) fn follow(&mut self, context: &WorkflowContext<Interpreter>, begin: &Begin) {
        if !self.heard.events.is_empty() {
            return;
        }
        let types = context.state(|run| {
            let machine = run.machine()?;
            self.seen.retain(|action, _| is_listening(machine, *action));
            Some(machine.listened_types())
        });
        let for_whom: BTreeSet<_> = self.seen.keys().copied().collect();
        if self.ear.as_ref().is_some_and(|ear| ear.for_whom == for_whom) {
            return;
        }
        self.close();
        let (Some(after), Some(types)) = (self.seen.values().min().copied(), types) else {
            return;
        };
        let stop = WorkflowCancellationToken::new();
        let hear = Hear {
            scope: begin.scope(),
            after,
            types,
        };
        let names: Vec<_> = for_whom.iter().map(ActionId::to_string).collect();
        let options = options(begin, format!("hear-{}-{after}", names.join("-")), &stop);
        let context = context.clone();
        let mut events =
            async move { context.execute_activity(Activities::hear, hear, options).await }.boxed_local();
        // It asks the server when it is looked at first; it cannot have an answer by then.
        let _ = events.as_mut().poll(&mut unheard());
        self.ear = Some(Ear {
            for_whom,
            stop,
            events,
        });
    }

    /// Reads on no more.
    pub(super) fn close(&mut self) {
        let Some(mut ear) = self.ear.take() else {
            return;
        };
        // What has been read by now is read again by whoever still wants it.
        if ear.events.as_mut().poll(&mut unheard()).is_pending() {
            ear.stop.cancel();
        }
    }

    /// Waits until there are events to offer.
    pub(super) fn poll(
        &mut self,
        waker: &mut Context<'_>,
        context: &WorkflowContext<Interpreter>,
    ) -> Poll<()> {
        if !self.heard.events.is_empty() {
            return Poll::Ready(());
        }
        let Some(ear) = &mut self.ear else {
            return Poll::Pending;
        };
        let Poll::Ready(heard) = ear.events.as_mut().poll(waker) else {
            return Poll::Pending;
        };
        let for_whom = std::mem::take(&mut ear.for_whom);
        self.ear = None;
        if let Ok(heard) = heard {
            context.state_mut(|run| run.weigh(&heard));
            self.heard = Batch {
                for_whom,
                events: heard.events.into(),
                takers: VecDeque::new(),
                until: heard.until,
            };
        }
        Poll::Ready(())
    }

    /// The next event for an action that wants it. Tasks that began to listen after the events were read wait for the next
    /// ones: what they want may have been left out.
    pub(super) fn next(&mut self, machine: &Machine) -> Option<(ActionId, Offset, CloudEvent)> {
        if machine.is_paused() {
            return None;
        }
        loop {
            let Some((offset, event)) = self.heard.events.front() else {
                for action in std::mem::take(&mut self.heard.for_whom) {
                    if let Some(seen) = self.seen.get_mut(&action) {
                        *seen = (*seen).max(self.heard.until);
                    }
                }
                return None;
            };
            let offset = *offset;
            if self.heard.takers.is_empty() {
                let takers = machine.wants(event).into_iter();
                let takers = takers.filter(|action| {
                    let is_new = self.seen.get(action).is_some_and(|seen| *seen < offset);
                    is_new && self.heard.for_whom.contains(action)
                });
                self.heard.takers = takers.collect();
            }
            let taker = self.heard.takers.pop_front();
            let event = if self.heard.takers.is_empty() {
                self.heard.events.pop_front().map(|(_, event)| event)
            } else {
                Some(event.clone())
            };
            if let (Some(action), Some(event)) = (taker, event) {
                if let Some(seen) = self.seen.get_mut(&action) {
                    *seen = (*seen).max(offset);
                }
                return Some((action, offset, event));
            }
        }
    }
}

fn is_listening(machine: &Machine, action: ActionId) -> bool {
    machine
        .pending()
        .any(|(pending, command)| pending == action && *command == Command::Listen)
}
