//! What a run has begun and waits for.

use std::collections::BTreeMap;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use temporalio_sdk::WorkflowCancellationToken;

use crate::machine::{ActionId, Event};

/// The actions under way, each with what answers it. They are asked in the order of their numbers, so that a replay takes
/// answers that came together in the same order.
#[derive(Default)]
pub(super) struct Underway {
    actions: BTreeMap<ActionId, Action>,
}

struct Action {
    stop: WorkflowCancellationToken,
    is_timer: bool,
    answer: LocalBoxFuture<'static, Event>,
}

impl Underway {
    /// Begins an action that `stop` stops.
    pub(super) fn begin(
        &mut self,
        action: ActionId,
        stop: WorkflowCancellationToken,
        is_timer: bool,
        mut answer: LocalBoxFuture<'static, Event>,
    ) {
        // What it asks of the server it asks when it is looked at first: now, in the order in which the machine has it.
        if let Poll::Ready(event) = answer.as_mut().poll(&mut unheard()) {
            answer = std::future::ready(event).boxed_local();
        }
        let begun = Action {
            stop,
            is_timer,
            answer,
        };
        self.actions.insert(action, begun);
    }

    /// Stops an action whose answer is no longer wanted.
    pub(super) fn stop(&mut self, action: ActionId) {
        let Some(mut stopped) = self.actions.remove(&action) else {
            return;
        };
        // What has its answer by now cannot be stopped any more.
        if stopped.answer.as_mut().poll(&mut unheard()).is_pending() {
            stopped.stop.cancel();
        }
    }

    /// The next answer. In a paused run, timers wait.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, is_paused: bool) -> Poll<Event> {
        let answered = self.actions.iter_mut().find_map(|(action, begun)| {
            if is_paused && begun.is_timer {
                return None;
            }
            match begun.answer.as_mut().poll(context) {
                Poll::Ready(event) => Some((*action, event)),
                Poll::Pending => None,
            }
        });
        match answered {
            Some((action, event)) => {
                self.actions.remove(&action);
                Poll::Ready(event)
            }
            None => Poll::Pending,
        }
    }
}

/// Looks at a future without waiting for it.
pub(super) fn unheard() -> Context<'static> {
    Context::from_waker(futures::task::noop_waker_ref())
}
